"""One reading of a text: its scopes, the Airflow names it binds, and where each is used.

The standard ``ast`` sees (fast, exact positions); LibCST writes (``codemods.editing.writing``).
Rules ask here what a name means, never how it is spelt.
"""

from __future__ import annotations

import ast
import builtins
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar, cast

from codemods.reading.defaults import DefaultKey, default_args
from codemods.reading.reader import Facts, read
from codemods.reading.scopes import Binding, Call, Use
from codemods.reading.versions import asks_version, live

if TYPE_CHECKING:
    from codemods.base import OwnClasses, OwnDicts, OwnFunctions, OwnSubDags
    from codemods.editing.changes import Change

_Node = TypeVar("_Node", bound=ast.AST)


class Source(Facts):
    """The facts of one text, whose lines end in a line feed. Raises SyntaxError when it is not
    Python 3."""

    def __init__(self, text: str, path: str = "<string>") -> None:
        super().__init__()
        self.text = text
        self.path = path
        tree = ast.parse(text, filename=path)
        self.tree = live(tree) if asks_version(text) else tree
        self.unbound: dict[str, list[Use]] = {}
        self.found: dict[str, tuple[Change, ...]] = {}  # what several rules share
        self.own: OwnClasses = {}  # classes that other files of the repository define
        self.own_dicts: OwnDicts = {}  # those of the repository's own, by name
        self.own_functions: OwnFunctions = {}  # those that one file gives of another one
        self.subdags: OwnSubDags | None = None  # its functions that make sub-DAGs
        self.queries: Mapping[str, bool | None] = {}  # files of SQL → whether they give rows
        self.orphans: frozenset[str] = frozenset()  # imports that went without their uses
        read(self.tree, self)
        self._resolve()

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree, outer ones first: rules look through them again and again."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def _by_kind(self) -> Mapping[type[ast.AST], list[ast.AST]]:
        found: dict[type[ast.AST], list[ast.AST]] = {}
        for node in self.nodes:
            found.setdefault(type(node), []).append(node)
        return found

    def every(self, kind: type[_Node]) -> Sequence[_Node]:
        """The nodes of one kind, outer ones first."""
        return cast(Sequence[_Node], self._by_kind.get(kind, ()))

    # -- positions ---------------------------------------------------------------------------

    @cached_property
    def _line_starts(self) -> list[int]:
        starts = [0]
        for match in re.finditer(r"\n", self.text):
            starts.append(match.end())
        return starts

    def offset(self, line: int, column: int) -> int:
        """The index into the text of a line (from 1) and a UTF-8 column, as ``ast`` counts."""
        start = self._line_starts[line - 1]
        if self.text.isascii():
            return start + column
        end = self._line_starts[line] if line < len(self._line_starts) else len(self.text)
        row = self.text[start:end].encode("utf-8")
        return start + len(row[:column].decode("utf-8"))

    def span(self, node: ast.expr | ast.stmt | ast.keyword | ast.alias) -> tuple[int, int]:
        """Start and end index of a node."""
        return (
            self.offset(node.lineno, node.col_offset),
            self.offset(cast(int, node.end_lineno), cast(int, node.end_col_offset)),
        )

    def segment(self, node: ast.expr | ast.stmt) -> str:
        """The text of a node; of one that is not in the text, as Python would write it."""
        if not hasattr(node, "lineno"):
            return ast.unparse(node)
        start, end = self.span(node)
        return self.text[start:end]

    def line_of(self, index: int) -> int:
        """The line (from 1) of an index."""
        return bisect_right(self._line_starts, index)

    def line_end(self, index: int) -> int:
        """Where the line of an index ends, its newline included."""
        line = self.line_of(index)
        return self._line_starts[line] if line < len(self._line_starts) else len(self.text)

    def indent_of(self, node: ast.stmt) -> str:
        """What stands before a statement on its line."""
        start = self.span(node)[0]
        return self.text[self._line_starts[node.lineno - 1] : start]

    # -- meaning -----------------------------------------------------------------------------

    def _resolve(self) -> None:
        by_node: dict[int, Use] = {}
        for nodes, name, scope in self.loads:
            owner = scope.lookup(name)
            if owner is None:
                if not hasattr(builtins, name):
                    use = Use(nodes=nodes, path=name, bindings=(), scope=scope, sure=True)
                    self.unbound.setdefault(name, []).append(use)
                    by_node[id(nodes[-1])] = use
                continue
            bindings = owner.imports.get(name)
            if not bindings and owner.is_class and owner.parent is not None:
                # A class body sees the name outside until it binds its own.
                outer = owner.parent.lookup(name)
                bindings = outer.imports.get(name) if outer is not None else None
            if not bindings:
                continue
            attributes = [n.attr for n in nodes[1:] if isinstance(n, ast.Attribute)]
            use = Use(
                nodes=nodes,
                path=".".join([bindings[0].path, *attributes]),
                bindings=tuple(bindings),
                scope=scope,
                sure=name not in owner.others or id(nodes[0]) in self.earlier,
            )
            for binding in bindings:
                binding.uses.append(use)
            by_node[id(nodes[-1])] = use
        self._by_node = by_node

    def use_of(self, node: ast.expr) -> Use | None:
        """What an expression means, if an import gave it its meaning."""
        return self._by_node.get(id(node))

    def path_of(self, node: ast.expr) -> str | None:
        """The dotted path that an expression means."""
        use = self.use_of(node)
        return use.path if use is not None and use.sure and use.bindings else None

    @cached_property
    def calls(self) -> list[Call]:
        """Calls of names that imports gave their meaning, in source order."""
        found = []
        for node in self.plain_calls:
            use = self.use_of(node.func)
            if use is not None and use.sure and use.bindings:
                found.append(Call(node=node, path=use.path, use=use))
        return found

    def value_of(self, node: ast.expr, kind: type[ast.expr]) -> ast.expr | None:
        """``node`` itself or the one value that its name is given, when it is of that kind."""
        if isinstance(node, kind):
            return node
        if isinstance(node, ast.Name):
            values = self.assigned.get(node.id, [])
            if len(values) == 1 and isinstance(values[0], kind):
                return values[0]
        return None

    @cached_property
    def _defaults(self) -> tuple[list[DefaultKey], bool]:
        return default_args(self)

    @property
    def default_keys(self) -> list[DefaultKey]:
        """The keys that ``default_args`` are given, with where each stands."""
        return self._defaults[0]

    def default_code(self, name: str) -> str | None:
        """The code that reads what ``default_args`` give for ``name`` at the module's level."""
        for key in self.default_keys:
            if key.name == name:
                for local, values in self.assigned.items():
                    if values == [key.holder] and local in self.module.others:
                        return f'{local}["{name}"]'
        return None

    @cached_property
    def default_arguments(self) -> tuple[frozenset[str], bool]:
        """The keys that ``default_args`` give, and whether all of them are in sight."""
        keys, sure = self._defaults
        return frozenset(key.name for key in keys), sure

    def unused(self, binding: Binding) -> bool:
        """Whether nothing can miss the import: the file says the name nowhere else.

        A string or a comment that says it counts as a use, so do ``# noqa`` behind the import,
        a class body around it, and a package, whose names are there for others.
        """
        statement = binding.statement
        start, end = self.span(statement)
        stop = self.text.find("\n", end)
        said = self.text[start : len(self.text) if stop < 0 else stop]
        if binding.name == "*" or binding.tower is not None or binding.scope.is_class:
            return False
        if re.search(r"#\s*noqa", said, re.IGNORECASE) or self.path.endswith("__init__.py"):
            return False
        elsewhere = self.text[:start] + self.text[end:]
        return not re.search(rf"\b{re.escape(binding.name)}\b", elsewhere)

    def free_name(self, wanted: str) -> str:
        """``wanted``, or it with a number, so that nothing in the text bears it."""
        name, number = wanted, 2
        while name in self.names or hasattr(builtins, name):
            name, number = f"{wanted}_{number}", number + 1
        return name
