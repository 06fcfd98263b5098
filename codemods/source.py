"""One reading of a text: its scopes, the Airflow names it binds, and where each is used.

The standard ``ast`` sees (fast, exact positions); LibCST writes (``codemods.changes``). Rules ask
here what a name means, never how it is spelt.
"""

from __future__ import annotations

import ast
import builtins
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from codemods.base import OwnClasses
    from codemods.changes import Change

_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_DOTTED = re.compile(r"airflow(?:\.[A-Za-z_]\w*)+\Z")
# A line of Python in a text that becomes a file of its own.
_IMPORT_LINE = re.compile(r"^[ \t]*(?:from|import)[ \t]+airflow\b", re.MULTILINE)
_WORD = re.compile(r"[^\W\d]\w*")
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(eq=False, kw_only=True)
class Scope:
    """A module, class, function or comprehension and the names it binds."""

    parent: Scope | None
    is_class: bool = False
    is_comprehension: bool = False
    imports: dict[str, list[Binding]] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)  # bound by anything else
    to_module: set[str] = field(default_factory=set)  # declared global
    to_outer: set[str] = field(default_factory=set)  # declared nonlocal

    def lookup(self, name: str) -> Scope | None:
        """The scope whose ``name`` an expression here sees."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.to_module:
                while scope.parent is not None:
                    scope = scope.parent
            if (name in scope.imports or name in scope.others) and (
                scope is self or not scope.is_class
            ):
                return scope
            scope = scope.parent
        return None


@dataclass(eq=False, kw_only=True)
class Tower:
    """A ``try`` that catches ImportError."""

    parent: Tower | None = None  # the one that it stands in
    in_handler: bool = False  # on which side of the parent
    body: list[Binding] = field(default_factory=list)
    handlers: list[Binding] = field(default_factory=list)
    settled: bool = False  # a handler assigns something: the code knows how to go on


@dataclass(eq=False, kw_only=True)
class Binding:
    """One name that an import statement binds."""

    name: str  # the local name; "*" for a star import
    path: str  # what it stands for
    statement: ast.Import | ast.ImportFrom
    alias: ast.alias
    scope: Scope
    tower: Tower | None = None
    in_handler: bool = False
    uses: list[Use] = field(default_factory=list)

    @property
    def dotted(self) -> bool:
        """Whether this is ``import a.b.c``, which binds only ``a``."""
        return isinstance(self.statement, ast.Import) and self.alias.asname is None

    @property
    def airflow(self) -> bool:
        """Whether it is Airflow's; ``airflow_pipelines`` is somebody else's."""
        return self.path.partition(".")[0] == "airflow"


@dataclass(eq=False, kw_only=True)
class Use:
    """A name, with the attributes that follow it, that an import gave its meaning."""

    nodes: tuple[ast.expr, ...]  # the name, then each longer attribute chain
    path: str
    bindings: tuple[Binding, ...]
    scope: Scope
    sure: bool  # nothing but imports binds the name

    @property
    def node(self) -> ast.expr:
        """The whole chain."""
        return self.nodes[-1]

    @property
    def root(self) -> ast.Name:
        """The name that it starts with."""
        return cast(ast.Name, self.nodes[0])


@dataclass(frozen=True, eq=False, kw_only=True)
class Call:
    """A call of something that Airflow or a plugin provides."""

    node: ast.Call
    path: str
    use: Use

    def keyword(self, name: str) -> ast.keyword | None:
        """The keyword argument of that name."""
        return next((k for k in self.node.keywords if k.arg == name), None)


@dataclass(frozen=True, eq=False, kw_only=True)
class DefaultKey:
    """One key that ``default_args`` are given."""

    name: str
    place: ast.expr | ast.keyword  # where it stands
    value: ast.expr
    holder: ast.Dict | ast.Call | ast.Constant  # a display, dict(...), the key of an assignment


def _dict_call(node: ast.Call) -> bool:
    """``dict(...)`` or ``name.update(...)``."""
    func = node.func
    if isinstance(func, ast.Name):
        return func.id == "dict" and len(node.args) < 2
    return isinstance(func, ast.Attribute) and func.attr == "update" and len(node.args) < 2


def copied(node: ast.expr) -> ast.expr | None:
    """What ``name.copy()``, ``copy(name)`` and ``copy.deepcopy(name)`` copy."""
    if not isinstance(node, ast.Call) or node.keywords or len(node.args) > 1:
        return None
    func = node.func
    name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    if name not in {"copy", "deepcopy"}:
        return None
    if node.args:
        return node.args[0]
    return func.value if isinstance(func, ast.Attribute) else None


class Source:
    """The facts of one text, whose lines end in a line feed. Raises SyntaxError when it is not
    Python 3."""

    def __init__(self, text: str, path: str = "<string>") -> None:
        self.text = text
        self.path = path
        self.tree = ast.parse(text, filename=path)
        self.module = Scope(parent=None)
        self.bindings: list[Binding] = []
        self.towers: list[Tower] = []
        self.names: set[str] = set()
        self.words: set[str] = set()  # strings that are identifiers
        self.strings: list[ast.Constant] = []  # those that are dotted paths of Airflow's
        self.texts: list[ast.Constant] = []  # those that import Airflow
        self.dicts: list[tuple[ast.Dict, Scope]] = []
        self.classes: list[tuple[ast.ClassDef, Scope]] = []
        self.assigned: dict[str, list[ast.expr]] = {}  # plain name → the values it is given
        self.items_set: list[tuple[ast.Subscript, ast.expr]] = []  # ``name[key] = value``
        self.unbound: dict[str, list[Use]] = {}
        self.unsplittable: set[ast.stmt] = set()  # imports that share their line
        self.blocks: dict[ast.stmt, int] = {}  # imports → which block of statements holds them
        self.found: dict[str, tuple[Change, ...]] = {}  # what several rules share
        self.own: OwnClasses = {}  # classes that other files of the repository define
        self.orphans: frozenset[str] = frozenset()  # imports that went without their uses
        self._loads: list[tuple[tuple[ast.expr, ...], str, Scope]] = []
        self._earlier: set[int] = set()  # names that stand before what binds them anew
        self._all_calls: list[ast.Call] = []
        _Reader(self).read()
        self._resolve()

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree, outer ones first: rules look through them again and again."""
        return tuple(ast.walk(self.tree))

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
        """The text of a node."""
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
        for nodes, name, scope in self._loads:
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
                sure=name not in owner.others or id(nodes[0]) in self._earlier,
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
        for node in self._all_calls:
            use = self.use_of(node.func)
            if use is not None and use.sure and use.bindings:
                found.append(Call(node=node, path=use.path, use=use))
        return found

    @property
    def plain_calls(self) -> list[ast.Call]:
        """Every call of the text, in source order."""
        return self._all_calls

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
        """What ``default_args`` hold, however they are made, and whether that is all."""
        found: list[DefaultKey] = []
        seen: set[int] = set()
        names: set[str] = set()
        sure = True

        def collect(node: ast.expr) -> None:
            nonlocal sure
            if id(node) in seen:
                return
            seen.add(id(node))
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if key is None:
                        collect(value)
                    elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                        found.append(
                            DefaultKey(name=key.value, place=key, value=value, holder=node)
                        )
                    else:
                        sure = False
            elif isinstance(node, ast.Name) and node.id in self.assigned:
                values = self.assigned[node.id]
                sure = sure and len(values) == 1
                names.add(node.id)
                for value in values:
                    collect(value)
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
                collect(node.left)
                collect(node.right)
            elif (original := copied(node)) is not None:
                collect(original)
            elif isinstance(node, ast.Call) and _dict_call(node):
                for part in [*node.args, *(k.value for k in node.keywords if k.arg is None)]:
                    collect(part)
                for keyword in node.keywords:
                    if keyword.arg is not None:
                        found.append(
                            DefaultKey(
                                name=keyword.arg, place=keyword, value=keyword.value, holder=node
                            )
                        )
            else:
                sure = False

        for call in self._all_calls:
            for keyword in call.keywords:
                if keyword.arg == "default_args":
                    collect(keyword.value)
        for call in self._all_calls:
            changed = call.func.value if isinstance(call.func, ast.Attribute) else None
            if isinstance(changed, ast.Name) and changed.id in names and _dict_call(call):
                collect(call)
        for target, value in self.items_set:
            if isinstance(target.value, ast.Name) and target.value.id in names:
                key = target.slice
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    found.append(DefaultKey(name=key.value, place=key, value=value, holder=key))
                else:
                    sure = False
        return found, sure

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


class _Reader:
    """Fills a Source in one walk over the tree."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.scope = source.module
        self.tower: Tower | None = None
        self.in_handler = False
        self.block_count = 0

    def read(self) -> None:
        self._body(self.source.tree.body)

    def _body(self, statements: Iterable[ast.stmt]) -> None:
        last: ast.stmt | None = None
        self.block_count += 1
        block = self.block_count
        for statement in statements:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self.source.blocks[statement] = block
            if last is not None and last.end_lineno == statement.lineno:
                self.source.unsplittable |= {last, statement}
            last = statement
            self._visit(statement)

    def _inside(self, scope: Scope, action: Callable[[], None]) -> None:
        outer, self.scope = self.scope, scope
        action()
        self.scope = outer

    def _visit(self, node: ast.AST) -> None:
        method = _VISITORS.get(type(node))
        if method is not None:
            method(self, node)
        else:
            self._children(node)

    def _children(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self._visit(child)

    def _visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self._visit(node)

    def _bind(self, name: str) -> None:
        scope = self.source.module if name in self.scope.to_module else self.scope
        while name in scope.to_outer and scope.parent is not None:
            scope = scope.parent
        scope.others.add(name)
        self.source.names.add(name)

    # -- statements --------------------------------------------------------------------------

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        base = node.module if isinstance(node, ast.ImportFrom) else None
        for alias in node.names:
            dotted = isinstance(node, ast.Import) and alias.asname is None
            name = alias.asname or (alias.name.partition(".")[0] if dotted else alias.name)
            if isinstance(node, ast.Import):
                path = alias.name.partition(".")[0] if dotted else alias.name
            else:
                path = f"{'.' * node.level}{base or ''}.{alias.name}"
            binding = Binding(
                name=name,
                path=path,
                statement=node,
                alias=alias,
                scope=self.scope,
                tower=self.tower,
                in_handler=self.in_handler,
            )
            self.source.bindings.append(binding)
            if self.tower is not None:
                side = self.tower.handlers if self.in_handler else self.tower.body
                side.append(binding)
            if name != "*":
                self.scope.imports.setdefault(name, []).append(binding)
                self.source.names.add(name)

    def _try(self, node: ast.Try) -> None:
        caught = {
            name
            for h in node.handlers
            for name in (_handler_names(h.type) if h.type else {"BaseException"})
        }
        if not caught & _IMPORT_ERRORS:
            self._body(node.body)
            self._visit_all(node.handlers)
            self._body(node.orelse)
            return self._body(node.finalbody)
        outer = self.tower, self.in_handler
        tower = Tower(parent=self.tower, in_handler=self.in_handler)
        self.source.towers.append(tower)
        self.tower, self.in_handler = tower, False
        self._body(node.body)
        self.in_handler = True
        for handler in node.handlers:
            others, self.scope.others = self.scope.others, set()
            if handler.type is not None:
                self._visit(handler.type)
            self._body(handler.body)
            tower.settled |= bool(self.scope.others)
            # ``except ImportError: Name = None`` does not make the imported name doubtful.
            self.scope.others = others | (self.scope.others - {b.name for b in tower.body})
            if handler.name:
                self._bind(handler.name)
        self.tower, self.in_handler = outer
        self._body(node.orelse)
        self._body(node.finalbody)
        return None

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        a = node.args
        self._visit_all([*a.defaults, *a.kw_defaults])
        arguments = [*a.posonlyargs, *a.args, *a.kwonlyargs]
        arguments += [x for x in (a.vararg, a.kwarg) if x is not None]
        scope = Scope(parent=self.scope)
        if not isinstance(node, ast.Lambda):
            self._visit_all([*node.decorator_list, node.returns])
            self._visit_all(x.annotation for x in arguments)
            for annotation in [node.returns, *(x.annotation for x in arguments)]:
                self._annotation(annotation)
            self._bind(node.name)

        def inside() -> None:
            for argument in arguments:
                self._bind(argument.arg)
            if isinstance(node, ast.Lambda):
                self._visit(node.body)
            else:
                for child in _declarations(node.body):
                    kept = scope.to_module if isinstance(child, ast.Global) else scope.to_outer
                    kept |= set(child.names)
                self._body(node.body)

        self._inside(scope, inside)

    def _annotation(self, node: ast.expr | None) -> None:
        """The names inside a quoted annotation: what it says must stay bound."""
        for part in ast.walk(node) if node is not None else ():
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                self.source.words |= set(_WORD.findall(part.value))

    def _class(self, node: ast.ClassDef) -> None:
        if node.name not in self.scope.others:  # class Name(Name): the base is the import's
            bases = [n for base in node.bases for n in ast.walk(base)]
            self.source._earlier |= {
                id(n) for n in bases if isinstance(n, ast.Name) and n.id == node.name
            }
        self._visit_all([*node.decorator_list, *node.bases, *node.keywords])
        self._bind(node.name)
        self.source.classes.append((node, self.scope))
        self._inside(Scope(parent=self.scope, is_class=True), lambda: self._body(node.body))

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> None:
        scope = Scope(parent=self.scope, is_comprehension=True)
        self._inside(scope, lambda: self._children(node))

    def _assign(self, node: ast.Assign | ast.AnnAssign) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and node.value is not None:
                self.source.assigned.setdefault(target.id, []).append(node.value)
                made = _made_by_type(target.id, node.value)
                if made is not None:
                    self.source.classes.append((made, self.scope))
            elif isinstance(target, ast.Subscript) and node.value is not None:
                self.source.items_set.append((target, node.value))
        if isinstance(node, ast.AnnAssign):
            self._annotation(node.annotation)
        self._children(node)

    def _expression(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a string alone is a docstring
            self._visit(node.value)

    def _handler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._bind(node.name)
        self._visit_all([node.type])
        self._body(node.body)

    def _block(self, node: ast.If | ast.For | ast.While | ast.With) -> None:
        for name, value in ast.iter_fields(node):
            if name in {"body", "orelse"}:
                self._body(value)
            elif isinstance(value, ast.AST):
                self._visit(value)
            elif isinstance(value, list):
                self._visit_all(value)

    # -- expressions -------------------------------------------------------------------------

    def _name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.source.names.add(node.id)
            self.source._loads.append(((node,), node.id, self.scope))
        else:
            self._bind(node.id)

    def _attribute(self, node: ast.Attribute) -> None:
        chain: list[ast.expr] = [node]
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            inner = inner.value
            chain.append(inner)
        if isinstance(inner, ast.Name):
            self.source.names.add(inner.id)
            self.source._loads.append((tuple(reversed(chain)), inner.id, self.scope))
        else:
            self._visit(inner)

    def _call(self, node: ast.Call) -> None:
        self.source._all_calls.append(node)
        self._children(node)

    def _constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            if node.value.isidentifier():
                self.source.words.add(node.value)
            elif _DOTTED.match(node.value):
                self.source.strings.append(node)
            elif _IMPORT_LINE.search(node.value):
                self.source.texts.append(node)

    def _dict(self, node: ast.Dict) -> None:
        self.source.dicts.append((node, self.scope))
        self._children(node)

    def _walrus(self, node: ast.NamedExpr) -> None:
        """It binds in the function around a comprehension."""
        self._visit(node.value)
        inner = self.scope
        while self.scope.is_comprehension and self.scope.parent is not None:
            self.scope = self.scope.parent
        self._visit(node.target)
        self.scope = inner

    def _capture(self, node: ast.MatchAs | ast.MatchStar) -> None:
        if node.name:
            self._bind(node.name)
        self._children(node)


def _made_by_type(name: str, value: ast.expr) -> ast.ClassDef | None:
    """``Name = type("Name", (Base,), {"a": b})`` as the class that it makes."""
    match value:
        case ast.Call(
            func=ast.Name(id="type"),
            args=[_, ast.Tuple(elts=bases), ast.Dict(keys=keys, values=values)],
        ):
            body: list[ast.stmt] = [
                ast.copy_location(ast.Assign([ast.Name(str(key.value), ast.Store())], given), key)
                for key, given in zip(keys, values, strict=True)
                if isinstance(key, ast.Constant)
            ]
            made = ast.ClassDef(name=name, bases=bases, keywords=[], body=body, decorator_list=[])
            return ast.copy_location(made, value)
    return None


def _declarations(body: Iterable[ast.AST]) -> Iterator[ast.Global | ast.Nonlocal]:
    """``global`` and ``nonlocal`` of one function, without those of the functions in it."""
    for node in body:
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
            yield from _declarations(ast.iter_child_nodes(node))


def _handler_names(node: ast.expr) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr


_VISITORS: dict[type[ast.AST], Callable[[_Reader, ast.AST], None]] = {
    ast.Import: _Reader._import,  # type: ignore[dict-item]
    ast.ImportFrom: _Reader._import,  # type: ignore[dict-item]
    ast.Try: _Reader._try,  # type: ignore[dict-item]
    ast.FunctionDef: _Reader._function,  # type: ignore[dict-item]
    ast.AsyncFunctionDef: _Reader._function,  # type: ignore[dict-item]
    ast.Lambda: _Reader._function,  # type: ignore[dict-item]
    ast.ClassDef: _Reader._class,  # type: ignore[dict-item]
    ast.Assign: _Reader._assign,  # type: ignore[dict-item]
    ast.AnnAssign: _Reader._assign,  # type: ignore[dict-item]
    ast.Expr: _Reader._expression,  # type: ignore[dict-item]
    ast.ExceptHandler: _Reader._handler,  # type: ignore[dict-item]
    ast.If: _Reader._block,  # type: ignore[dict-item]
    ast.For: _Reader._block,  # type: ignore[dict-item]
    ast.AsyncFor: _Reader._block,  # type: ignore[dict-item]
    ast.While: _Reader._block,  # type: ignore[dict-item]
    ast.With: _Reader._block,  # type: ignore[dict-item]
    ast.AsyncWith: _Reader._block,  # type: ignore[dict-item]
    ast.match_case: _Reader._block,  # type: ignore[dict-item]
    ast.Name: _Reader._name,  # type: ignore[dict-item]
    ast.Attribute: _Reader._attribute,  # type: ignore[dict-item]
    ast.Call: _Reader._call,  # type: ignore[dict-item]
    ast.Constant: _Reader._constant,  # type: ignore[dict-item]
    ast.Dict: _Reader._dict,  # type: ignore[dict-item]
    ast.NamedExpr: _Reader._walrus,  # type: ignore[dict-item]
    ast.MatchAs: _Reader._capture,  # type: ignore[dict-item]
    ast.MatchStar: _Reader._capture,  # type: ignore[dict-item]
    **dict.fromkeys(_COMPREHENSIONS, _Reader._comprehension),  # type: ignore[arg-type]
}
