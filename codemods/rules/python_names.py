"""Names that the target's Python took out of its standard library, and out of the language."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import (
    AddImport,
    Change,
    Compose,
    EditCall,
    NewImport,
    Operation,
    Rebind,
    Replace,
    Step,
)
from codemods.python_gone import BUILTINS, CALLED, MEMBERS, METHODS, ONLY_WITH, Gone, table, words
from codemods.reading.scopes import Binding, Use
from codemods.reading.source import Source
from codemods.reading.values import quoted
from codemods.rules._text import block, lines
from codemods.tables.target import Target

ID = "python-names"
_DICTS = {"ChainMap", "Counter", "OrderedDict", "UserDict"}


class _Names:
    """The changes of one source."""

    def __init__(self, source: Source, target: Target) -> None:
        self.source = source
        self.target = target
        self.python = target.python
        self.own = _guarded(source)

    def find(self) -> Iterator[Change]:
        if words().search(self.source.text) is None:
            return
        for binding in self.source.bindings:
            if binding.tower is None and binding.alias.lineno not in self.own:
                yield from self._binding(binding)
        yield from self._builtins()
        yield from self._prints()
        yield from self._calls()
        yield from self._modes()

    def _gone(self, path: str) -> Gone | None:
        row = table().get(path)
        return row if row is not None and self.python >= row.since else None

    def _nearest(self, path: str) -> Gone | None:
        """The row of a path or of the module around it."""
        parts = path.split(".")
        for length in range(len(parts), 0, -1):
            row = self._gone(".".join(parts[:length]))
            if row is not None:
                return row
        return None

    # -- imports -----------------------------------------------------------------------------

    def _binding(self, binding: Binding) -> Iterator[Change]:
        path = binding.alias.name if binding.dotted else binding.path
        if path.startswith(".") or binding.name == "*":
            return
        row = self._nearest(path)
        if row is None:
            yield from self._uses(binding, path)
        elif not row.new and self.source.unused(binding):
            yield Step(
                rule=ID,
                line=binding.alias.lineno,
                message=f"{self._says(row)}, and nothing here uses it",
                operations=(Rebind(binding=binding, imports=()),),
            )
        elif row.new and row.old == path:
            yield from self._renamed(binding, path, row)
        elif row.new:
            new = row.new + path[len(row.old) :]
            yield from self._renamed(binding, path, Gone(old=path, since=row.since, new=new))
        else:
            # The module is gone, and some of its names may live elsewhere.
            homes = {use.path: self._gone(use.path) for use in binding.uses}
            if binding.uses and all(r is not None and r.new for r in homes.values()):
                yield from self._uses(binding, path, drop=True)
            else:
                yield self._note(binding.alias.lineno, binding.alias.col_offset, row)

    def _says(self, row: Gone) -> str:
        what = "builtin" if row.old in {*CALLED, *BUILTINS} else "module"
        what = "name" if "." in row.old else what
        major, minor = self.python
        return f"Python {major}.{minor} of the target has no {what} {row.old}"

    def _note(self, line: int, column: int, row: Gone) -> Note:
        return Note(rule=ID, line=line, column=column, message=self._says(row), fix=row.advice)

    def _step(self, line: int, row: Gone, *operations: Operation) -> Step:
        return Step(
            rule=ID,
            line=line,
            message=f"{row.old} is {row.new}",
            operations=operations,
            safe=not row.unsafe,
        )

    def _renamed(self, binding: Binding, path: str, row: Gone) -> Iterator[Change]:
        line = binding.alias.lineno
        asname = binding.alias.asname or ""
        head, _, name = row.new.rpartition(".")
        if isinstance(binding.statement, ast.Import) or "." not in path:
            yield from self._module(binding, path, row)
        elif not head and not hasattr(builtins, name):  # a module now
            new = NewImport(module=name, asname=asname)
            yield self._step(line, row, Rebind(binding=binding, imports=(new,)))
        elif not head:
            uses = tuple(Replace(node=use.root, code=name) for use in binding.uses if use.sure)
            yield self._step(line, row, Rebind(binding=binding, imports=()), *uses)
        elif head == "str":
            uses = tuple(Replace(node=use.root, code=row.new) for use in binding.uses if use.sure)
            yield self._step(line, row, Rebind(binding=binding, imports=()), *uses)
        else:
            old = path.rpartition(".")[2]
            kept = asname or (old if old != name else "")
            new = NewImport(module=head, name=name, asname=kept if kept != name else "")
            yield self._step(line, row, Rebind(binding=binding, imports=(new,)))

    def _module(self, binding: Binding, path: str, row: Gone) -> Iterator[Change]:
        """``import ConfigParser``, with or without ``as``: its uses get the new name."""
        line, asname = binding.alias.lineno, binding.alias.asname or ""
        renames: list[Operation] = []
        homes: dict[str, None] = {}
        for use in binding.uses:
            own = self._gone(use.path) if len(use.nodes) > 1 else None
            if own is not None and own.new and own.old != path:
                homes[own.new.rpartition(".")[0]] = None
                renames.append(Replace(node=use.node, code=own.new))
            elif not asname:
                depth = path.count(".")
                homes[row.new] = None
                if len(use.nodes) > depth:
                    renames.append(Replace(node=use.nodes[depth], code=row.new))
            else:
                homes[row.new] = None
        kept = asname if asname != row.new else ""
        news = tuple(
            NewImport(module=home, asname=kept if home == row.new else "")
            for home in homes or {row.new: None}
        )
        yield self._step(line, row, Rebind(binding=binding, imports=news), *renames)

    # -- uses of a module that stays ---------------------------------------------------------

    def _uses(self, binding: Binding, path: str, *, drop: bool = False) -> Iterator[Change]:
        dropped: tuple[Operation, ...] = (Rebind(binding=binding, imports=()),) if drop else ()
        news: dict[str, None] = {}
        for use in binding.uses:
            found = self._longest(use, path)
            if found is None or not use.sure:
                continue
            depth, row = found
            node = use.nodes[depth]
            if not row.new:
                yield self._note(node.lineno, node.col_offset, row)
                continue
            head, _, name = row.new.rpartition(".")
            alias = self.source.segment(use.root) if binding.alias.asname else ""
            step_operations: list[Operation] = []
            if not head and not hasattr(builtins, name):
                head = name  # a module now
            if head == path or not head or head == "str":
                code = f"{alias or path}.{name}" if head == path else row.new
            elif head == "collections.abc" and path == "collections":
                # Airflow has loaded collections.abc long before.
                code = f"{self.source.segment(use.root)}.abc.{name}"
            else:
                code = row.new
                if head not in news and not self._has_import(head, node.lineno):
                    news[head] = None
                    step_operations.append(AddImport(near=binding, new=NewImport(module=head)))
            yield self._step(
                node.lineno, row, Replace(node=node, code=code), *step_operations, *dropped
            )
            dropped = ()

    def _longest(self, use: Use, path: str) -> tuple[int, Gone] | None:
        parts = use.path.split(".")
        root = len(parts) - len(use.nodes)
        for length in range(len(parts), path.count(".") + 1, -1):
            row = self._gone(".".join(parts[:length]))
            if row is not None:
                return length - root - 1, self._kind(row, use)
        return None

    def _kind(self, row: Gone, use: Use) -> Gone:
        """A name of which one attribute is used is as good as the old one."""
        if row.old == "inspect.getargspec" and use.node.end_lineno:
            rest = self.source.text[self.source.span(use.node)[1] :]
            close = re.match(r"\([^()]*\)\s*(?:\.(?:args|varargs|defaults)\b|\[0\])", rest)
            if close:
                return Gone(old=row.old, since=row.since, new=row.new)
        return row

    def _has_import(self, module: str, line: int) -> bool:
        """Whether the text has imported a module before a line."""
        return any(
            b.dotted
            and b.alias.name == module
            and b.scope is self.source.module
            and b.alias.lineno < line
            for b in self.source.bindings
        )

    # -- the language ------------------------------------------------------------------------

    def _builtins(self) -> Iterator[Change]:
        for name, advice in CALLED.items():
            for use in self.source.unbound.get(name, ()):
                if use.root.lineno not in self.own:
                    row = Gone(old=name, since=(3, 0), advice=advice)
                    yield self._note(use.root.lineno, use.root.col_offset, row)
        for name, new in BUILTINS.items():
            for use in self.source.unbound.get(name, ()):
                if use.root.lineno in self.own:
                    continue
                row = Gone(old=name, since=(3, 0), new=new)
                if "." not in new:
                    yield self._step(use.root.lineno, row, Replace(node=use.root, code=new))
                elif self.source.bindings:
                    near = next(
                        (
                            b
                            for b in self.source.bindings
                            if b.scope is self.source.module and not _is_future(b)
                        ),
                        None,
                    )
                    if near is not None:
                        module, _, attribute = new.rpartition(".")
                        yield self._step(
                            use.root.lineno,
                            row,
                            AddImport(near=near, new=NewImport(module=module, name=attribute)),
                        )

    def _prints(self) -> Iterator[Change]:
        """``print >>log, x`` parses in Python 3, and fails when it runs."""
        for node in self.source.every(ast.BinOp) if "print" in self.source.names else ():
            if (
                isinstance(node.op, ast.RShift)
                and isinstance(node.left, ast.Name)
                and node.left.id == "print"
            ):
                yield Note.at(
                    node,
                    rule=ID,
                    message="print >> file is print(…, file=file) in Python 3",
                    fix="Write print(…, file=file), or use --python2",
                )

    def _calls(self) -> Iterator[Change]:
        modules = {b.path.partition(".")[0] for b in self.source.bindings} | {
            b.alias.name.partition(".")[0] for b in self.source.bindings if b.dotted
        }
        if "ConfigParser" in modules:
            modules.add("configparser")
        for call in self.source.plain_calls:
            func = call.func
            if not isinstance(func, ast.Attribute) or call.lineno in self.own:
                continue
            since, new = METHODS.get(func.attr, ((9, 9), ""))
            wanted = ONLY_WITH.get(func.attr)
            if self.python >= since and (wanted is None or wanted in modules):
                if since == (3, 0) and wanted is None and (call.args or call.keywords):
                    continue  # a method of somebody's own
                row = Gone(old=f".{func.attr}()", since=since, new=f".{new}()")
                yield self._step(
                    func.lineno, row, Compose(node=func, parts=(func.value, f".{new}"))
                )
            elif func.attr == "has_key" and len(call.args) == 1 and not call.keywords:
                if self._has_own_keys(func.value):
                    continue
                row = Gone(old=".has_key(x)", since=(3, 0), new="x in …")
                parts = ("(", call.args[0], " in ", func.value, ")")
                yield self._step(func.lineno, row, Compose(node=call, parts=parts))
            elif func.attr in MEMBERS and not call.args and not call.keywords:
                since, before, behind, module = MEMBERS[func.attr]
                if self.python >= since and module in modules:
                    row = Gone(old=f".{func.attr}()", since=since, new=f"{before}…{behind}")
                    whole = (before, func.value, behind)
                    yield self._step(func.lineno, row, Compose(node=call, parts=whole))
            elif func.attr == "utcnow" and self.python >= (3, 12):
                if self.source.path_of(func) in ("datetime.datetime.utcnow",):
                    yield Note.at(
                        func,
                        rule=ID,
                        message="datetime.utcnow() warns since Python 3.12: its value has no zone",
                        fix="Use datetime.now(timezone.utc), where a value with a zone will do",
                    )
            elif (
                self.source.path_of(func) in ("json.loads", "json.load")
                and any(k.arg == "encoding" for k in call.keywords)
                and self.python >= (3, 9)
            ):
                row = Gone(old="json.loads(encoding=)", since=(3, 9), new="json.loads()")
                yield self._step(
                    func.lineno, row, EditCall(node=call, drop=frozenset({"encoding"}))
                )

    def _has_own_keys(self, node: ast.expr) -> bool:
        """Whether ``has_key`` may be the method of a class that is no dict: one of the file's, or
        one that the text makes an instance of."""
        if isinstance(node, ast.Name) and node.id in {"self", "cls"}:
            return True
        made = self.source.value_of(node, ast.Call)
        name = ast.unparse(made.func).rpartition(".")[2] if isinstance(made, ast.Call) else ""
        return (name[:1].isupper() and name not in _DICTS) or any(
            isinstance(part, ast.FunctionDef) and part.name == "has_key"
            for cls, _ in self.source.classes
            for part in cls.body
        )

    def _modes(self) -> Iterator[Change]:
        """``open(path, "rU")``: universal newlines are what every text file has."""
        for call in self.source.plain_calls if self.python >= (3, 11) else ():
            if not isinstance(call.func, ast.Name) or call.func.id != "open":
                continue
            given = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode")]
            mode = given[0].value if given and isinstance(given[0], ast.Constant) else None
            if isinstance(mode, str) and re.fullmatch("[rbt]*U[rbt]*", mode):
                row = Gone(
                    old=f"the mode {mode!r}", since=(3, 11), new=mode.replace("U", "") or "r"
                )
                new = Replace(node=given[0], code=quoted(row.new))
                yield self._step(call.lineno, row, new)


def _is_future(binding: Binding) -> bool:
    statement = binding.statement
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _guarded(source: Source) -> set[int]:
    """The lines that only Python 2 reaches: below a test of the version, or a NameError."""
    found: set[int] = set()
    for node in source.nodes:
        if isinstance(node, ast.If | ast.IfExp):
            test = ast.unparse(node.test)
            guarded = re.search(r"version_info|\bPY[23]\b|python_version", test)
        elif isinstance(node, ast.Try):
            caught = {n.id for h in node.handlers for n in ast.walk(h) if isinstance(n, ast.Name)}
            guarded = re.search("NameError|AttributeError|ImportError", " ".join(caught))
        else:
            continue
        if guarded:
            found |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return found


def _find(source: Source, target: Target) -> Iterator[Change]:
    yield from _Names(source, target).find()


_IMP = block("""
    import imp

    # airflow
    imp.load_source('a', 'b')
""")

RULE = Rule(
    id=ID,
    title="Keep to the target's Python",
    why="MWAA 2.x runs Python 3.10 to 3.12; names that 3.7 had, or only Python 2, are gone.",
    examples=(
        Example(
            before=lines("from collections import Mapping, OrderedDict", "# airflow"),
            after=block("""
                from collections import OrderedDict
                from collections.abc import Mapping
                # airflow
            """),
        ),
        Example(before=_IMP, notes=("importlib",)),
        Example(
            before=block("""
                import os, imp

                # airflow
                os.getcwd()
            """),
            after=block("""
                import os

                # airflow
                os.getcwd()
            """),
        ),
        Example(
            before=block("""
                import ConfigParser
                import urllib2
                from StringIO import StringIO
                from airflow import DAG

                c = ConfigParser.SafeConfigParser()
                c.readfp(StringIO(''))
                try:
                    urllib2.urlopen('https://example.com')
                except urllib2.HTTPError:
                    pass
            """),
            after=block("""
                import configparser
                import urllib.request
                import urllib.error
                from io import StringIO
                from airflow import DAG

                c = configparser.ConfigParser()
                c.read_file(StringIO(''))
                try:
                    urllib.request.urlopen('https://example.com')
                except urllib.error.HTTPError:
                    pass
            """),
        ),
        Example(
            before=block("""
                import time

                # airflow
                for k, v in {'a': unicode(time.clock())}.iteritems():
                    print(k, v, open(k, 'rU').read())
            """),
            after=block("""
                import time

                # airflow
                for k, v in {'a': str(time.perf_counter())}.items():
                    print(k, v, open(k, "r").read())
            """),
        ),
    ),
    keeps=(
        lines("from collections import OrderedDict", "# airflow"),
        block("""
            # airflow
            try:
                from collections.abc import Mapping
            except ImportError:
                from collections import Mapping
        """),
        block("""
            import sys
            # airflow

            if sys.version_info[0] == 2:
                text = unicode
            else:
                text = str
        """),
        lines("# airflow", "frame.iteritems(1)"),
        block("""
            # airflow
            from mine import Cache

            cache = Cache()
            cache.has_key(1)
        """),
        block("""
            class Cache:  # airflow
                def hit(self):
                    self.has_key(1)
        """),
    ),
    find=_find,
)
