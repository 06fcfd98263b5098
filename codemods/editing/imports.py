"""Import statements after the change: what stays, what moves, what goes, what comes."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import libcst as cst

from codemods.editing.changes import AddImport, EditCall, NewImport, Operation, Rebind, Replace
from codemods.editing.expressions import WIDTH
from codemods.editing.splices import vanished
from codemods.reading.scopes import Binding
from codemods.reading.source import Source

_NAME = re.compile(r"[^\W\d]\w*")
_DIRECTIVES = ("noqa", "pylint", "type:", "isort", "pragma")


def _is_pythons(path: str) -> bool:
    """Whether a dotted path is one of the standard library's, ``__future__`` left out."""
    head = path.partition(".")[0]
    return head in sys.stdlib_module_names and head != "__future__"


@dataclass(frozen=True, kw_only=True)
class _Said:
    """The comments inside a parenthesised import: by name, behind ``(`` and before ``)``."""

    above: Mapping[ast.alias, Sequence[str]]
    behind: Mapping[ast.alias, str]
    first: str = ""
    last: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.above or self.behind or self.first or self.last)


def _said(source: Source, statement: ast.Import | ast.ImportFrom) -> _Said:
    """The comments inside a statement."""
    above: dict[ast.alias, list[str]] = {}
    behind: dict[ast.alias, str] = {}
    first, last = "", list[str]()
    rows = source.segment(statement).split("\n")[:-1]
    for number, row in enumerate(rows, statement.lineno):
        if "#" not in row:
            continue
        comment = row[row.index("#") :].rstrip()
        here = [a for a in statement.names if a.end_lineno == number]
        below = [a for a in statement.names if a.lineno > number]
        if here:
            behind[here[-1]] = comment
        elif number == statement.lineno:
            first = comment
        elif below:
            above.setdefault(below[0], []).append(comment)
        else:
            last.append(comment)
    return _Said(above=above, behind=behind, first=first, last=last)


Row = tuple[str, Sequence[str], str]  # a name of an import, the comments above it, and behind it


def _from(
    module: str, rows: Sequence[Row], indent: str, first: str = "", last: Sequence[str] = ()
) -> str:
    """A ``from`` import with the comments of its names; a row of its own for each if need be."""
    line = f"from {module} import {', '.join(name for name, _, _ in rows)}"
    said = any(above or behind for _, above, behind in rows) or first or last
    if not said and len(indent) + len(line) <= WIDTH:
        return line
    if len(rows) == 1 and not (first or last):
        _, above, behind = rows[0]
        return f"\n{indent}".join([*above, f"{line}  {behind}" if behind else line])
    inner = [
        f"    {part}"
        for name, above, behind in rows
        for part in (*above, f"{name},  {behind}" if behind else f"{name},")
    ]
    inner += [f"    {comment}" for comment in last]
    opening = f"from {module} import (" + (f"  {first}" if first else "")
    return f"\n{indent}".join([opening, *inner, ")"])


def _line(
    group: Sequence[NewImport], module: str, indent: str, said: Mapping[NewImport, Row]
) -> str:
    if not group[0].name:
        return f"\n{indent}".join(
            f"import {n.module}" + (f" as {n.asname}" if n.asname else "") for n in group
        )
    plain = [f"{n.name} as {n.asname}" if n.asname else n.name for n in group]
    rows = [(name, *said.get(n, ("", (), ""))[1:]) for name, n in zip(plain, group, strict=True)]
    return _from(module, rows, indent)


def _framed(lines: list[str], said: _Said, indent: str) -> list[str]:
    """The lines that take the place of a parenthesised import, with its first and last comments:
    one for a tool holds for each of them."""
    directive = next((d for d in _DIRECTIVES if d in said.first), "")
    if directive:
        rows = [line.rpartition("\n")[2] for line in lines]
        lines = [
            line if directive in row else f"{line}  {said.first}"
            for line, row in zip(lines, rows, strict=True)
        ]
    elif said.first:
        lines = [f"{said.first}\n{indent}{lines[0]}", *lines[1:]]
    return [*lines[:-1], f"\n{indent}".join([lines[-1], *said.last])]


def _only_comment(source: Source, statement: ast.stmt) -> list[str]:
    """What stands behind a statement that goes, unless it speaks to a tool about the statement."""
    end = source.span(statement)[1]
    tail = source.text[end : source.line_end(end)].strip()
    return [tail] if tail.startswith("#") and not any(d in tail for d in _DIRECTIVES) else []


def _grouped(imports: Iterable[NewImport]) -> list[tuple[str, list[NewImport]]]:
    groups: dict[tuple[str, str], list[NewImport]] = {}
    for new in dict.fromkeys(imports):
        kind = new.name if new.name in {"", "*"} else "names"
        groups.setdefault((kind, new.module), []).append(new)
    return [(module, group) for (_, module), group in groups.items()]


def _alias(name: str, asname: str) -> cst.ImportAlias:
    made = cst.ImportAlias(name=cst.Name(name))
    return made.with_changes(asname=cst.AsName(name=cst.Name(asname))) if asname else made


def _edit_from(code: str, module: str | None, outcome: Sequence[NewImport | bool]) -> str:
    """Rewrite one ``from`` import: True keeps a name, False drops it, an import replaces it."""
    statement = cst.ensure_type(cst.parse_statement(code), cst.SimpleStatementLine)
    node = cst.ensure_type(statement.body[0], cst.ImportFrom)
    if not isinstance(node.names, cst.ImportStar):
        names: list[cst.ImportAlias] = []
        for old, new in zip(node.names, outcome, strict=True):
            if isinstance(new, NewImport):
                if old.evaluated_name == new.name and (old.evaluated_alias or "") == new.asname:
                    names.append(old)
                else:
                    names.append(_alias(new.name, new.asname).with_changes(comma=old.comma))
            elif new:
                names.append(old)
        if len(names) < len(node.names) and names:
            last = node.names[-1].comma if node.lpar else cst.MaybeSentinel.DEFAULT
            names[-1] = names[-1].with_changes(comma=last)
        node = node.with_changes(names=names)
    if module is not None:
        node = node.with_changes(module=cst.parse_expression(module), relative=())
    return cst.Module([]).code_for_node(node)


def _realigned(before: str, after: str, column: int) -> str:
    """Names that stood below the one behind the parenthesis stand there again."""
    old, new = before.find("(") + 1, after.find("(") + 1
    if not (old and new) or before[old : old + 1].isspace():
        return after
    first, *others = after.split("\n")
    at = column + old
    moved = (
        " " * (column + new) + line.lstrip(" ") if len(line) - len(line.lstrip(" ")) == at else line
        for line in others
    )
    return "\n".join([first, *moved])


def _joined(code: str, names: Sequence[str]) -> str | None:
    """One ``from`` import with more names, or None where that is no small change."""
    statement = cst.ensure_type(cst.parse_statement(code), cst.SimpleStatementLine)
    node = cst.ensure_type(statement.body[0], cst.ImportFrom)
    if isinstance(node.names, cst.ImportStar):
        return None
    *others, last = node.names
    comma: cst.Comma | cst.MaybeSentinel = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    if node.lpar and "\n" in code:
        if not (others and isinstance(last.comma, cst.Comma)):
            return None
        comma = others[-1].comma
    added = [_alias(name, "").with_changes(comma=comma) for name in names]
    added[-1] = added[-1].with_changes(comma=last.comma)
    node = node.with_changes(names=[*others, last.with_changes(comma=comma), *added])
    joined = cst.Module([]).code_for_node(node)
    return joined if max(map(len, joined.split("\n"))) <= WIDTH else None


def _new_code(op: Operation) -> str:
    """The code that an operation writes; names in it are still used."""
    if isinstance(op, Replace):
        return op.code
    return " ".join([*op.add.values(), *op.values.values()]) if isinstance(op, EditCall) else ""


class Plan:
    """Folds what rules ask of imports into new text for each import statement."""

    def __init__(self, source: Source, operations: Sequence[Operation]) -> None:
        self.source = source
        self.rebound: dict[Binding, tuple[NewImport, ...]] = {}
        for op in operations:
            if isinstance(op, Rebind):
                known = self.rebound.get(op.binding, op.imports)
                self.rebound[op.binding] = op.imports if known else ()  # to drop it wins
        self.added: dict[ast.stmt, list[NewImport]] = {}
        for op in operations:
            if isinstance(op, AddImport):
                self.added.setdefault(self._home(op), []).append(op.new)
        self._drop_unused(operations)

    def _drop_unused(self, operations: Sequence[Operation]) -> None:
        """What lost its last use with this change is imported no more."""
        gone = [
            (span, _NAME.findall(_new_code(op)))
            for op in operations
            for span in vanished(self.source, [op])
        ]
        for binding in self.source.bindings if gone else ():
            if not binding.uses:
                continue
            known = {binding.name, *(new.local for new in self.rebound.get(binding, ()))}
            spans = [self.source.span(use.node) for use in binding.uses]
            lost = [span for span, names in gone if known.isdisjoint(names)]
            if all(any(a <= s and e <= b for a, b in lost) for s, e in spans):
                self.rebound[binding] = ()

    def _home(self, op: AddImport) -> ast.stmt:
        """The statement that a new import stands beside: of those that import from its module
        already the first that it can join, or else the one of ``near``."""
        near, found = op.near.statement, None
        if op.new.name and not op.new.asname and op.near.tower is None:
            mates = (b.statement for b in self.source.bindings if self._mates(b, op))
            found = next((s for s in mates if self._reaches(s, near)), None)
        return found or self._among_pythons(op) or near

    def _among_pythons(self, op: AddImport) -> ast.stmt | None:
        """The last import above ``near`` of Python's own library, where the new one is that too."""
        near, blocks = op.near.statement, self.source.blocks
        above = [
            b.statement
            for b in self.source.bindings
            if _is_pythons(b.path)
            and b.statement.lineno < near.lineno
            and b.tower is op.near.tower is None
            and blocks[b.statement] == blocks[near]
            and b.statement not in self.source.unsplittable
            and not any(one.statement is b.statement for one in self.rebound)
        ]
        return above[-1] if above and _is_pythons(op.new.module) else None

    def _mates(self, binding: Binding, op: AddImport) -> bool:
        """Whether a binding's statement stays as it is, and could import ``op.new`` too."""
        statement, blocks = binding.statement, self.source.blocks
        return (
            isinstance(statement, ast.ImportFrom)
            and (statement.level, statement.module) == (0, op.new.module)
            and statement.names[0].name != "*"
            and binding.tower is None
            and blocks[statement] == blocks[op.near.statement]
            and statement not in self.source.unsplittable
            and not any(b.statement is statement for b in self.rebound)
            and _joined(self.source.segment(statement), [op.new.local]) is not None
        )

    def _reaches(self, statement: ast.stmt, near: ast.stmt) -> bool:
        """Whether what ``statement`` binds is there as soon as it is needed beside ``near``."""
        if statement.lineno <= near.lineno:
            return True
        between = [s for s in self.source.tree.body if near.lineno <= s.lineno <= statement.lineno]
        return statement in between and all(
            isinstance(s, ast.Import | ast.ImportFrom) for s in between
        )

    @property
    def statements(self) -> list[ast.Import | ast.ImportFrom]:
        """The import statements that change."""
        touched = {b.statement for b in self.rebound} | set(self.added)
        seen = dict.fromkeys(b.statement for b in self.source.bindings)
        return [s for s in seen if s in touched]

    def _bound_elsewhere(self, new: NewImport, statement: ast.stmt) -> bool:
        """Whether another statement of the same block imports just this already."""
        blocks = self.source.blocks
        path = f"{new.module}.{new.name}" if new.name else new.module
        return any(
            b.statement is not statement
            and blocks[b.statement] == blocks[statement]
            and b not in self.rebound
            and b.tower is None
            and not b.dotted
            and (b.path, b.name) == (path, new.local)
            for b in self.source.bindings
        )

    def splices(self) -> list[tuple[int, int, str]]:
        """(start, end, new text) for the import statements."""
        result: list[tuple[int, int, str]] = []
        written: set[tuple[object, NewImport]] = set()
        for statement in self.statements:
            result += self._statement(statement, written)
        return result

    def _statement(
        self, statement: ast.Import | ast.ImportFrom, written: set[tuple[object, NewImport]]
    ) -> list[tuple[int, int, str]]:
        source = self.source
        bindings = [b for b in source.bindings if b.statement is statement]
        block, tower = source.blocks[statement], bindings[0].tower

        def fresh(new: NewImport) -> bool:
            if tower is not None:
                return True
            if (block, new) in written or self._bound_elsewhere(new, statement):
                return False
            written.add((block, new))
            return True

        moved: list[NewImport] = []
        outcome: list[NewImport | bool] = []
        for binding in bindings:
            if binding not in self.rebound:
                outcome.append(True)
                continue
            news = [n for n in self.rebound[binding] if fresh(n)]
            moved += news
            outcome.append(news[0] if len(news) == 1 else False)
        stays = {(b.path, b.name) for b in bindings if b not in self.rebound}
        added = [
            n
            for n in self.added.get(statement, ())
            if (f"{n.module}.{n.name}", n.local) not in stays and fresh(n)
        ]
        added.sort(key=lambda n: (n.module, n.name, n.asname))  # in no rule's order
        before = source.indent_of(statement)
        indent = before[: len(before) - len(before.lstrip())].replace("\f", "")
        shared = statement in source.unsplittable or bool(before.strip())
        groups = _grouped(moved)
        names = [o for o in outcome if isinstance(o, NewImport)]
        whole = (
            isinstance(statement, ast.ImportFrom)
            and len(groups) == 1
            and bool(groups[0][1][0].name)
            and len(set(names)) == len(outcome)
            and (statement.names[0].name == "*") == (names[0].name == "*")
        )
        if whole:
            code = source.segment(statement)
            edited = _edit_from(code, groups[0][0], outcome)
            lines = [_realigned(code, edited, statement.col_offset)]
        else:
            said = _said(source, statement)
            if shared:
                said = _Said(above={}, behind={})  # there is no room for them on the line
            lines = self._apart(statement, [o is True for o in outcome], said, indent)
            of: dict[NewImport, Row] = {}
            for binding in bindings:
                row = ("", said.above.get(binding.alias, ()), said.behind.get(binding.alias, ""))
                for new in self.rebound.get(binding, ()):
                    of.setdefault(new, row)
            first = len(lines)
            lines += [_line(group, module, indent, of) for module, group in groups]
            if not first and lines:
                lines = _framed(lines, said, indent)
        for module, group in _grouped(added):
            plain = [n.name for n in group if n.name and not n.asname]
            of_it = f"from {module} import "
            at = next((i for i, line in enumerate(lines) if line.startswith(of_it)), None)
            joined = None
            if at is not None and len(plain) == len(group) and "#" not in lines[at].split("\n")[-1]:
                joined = _joined(lines[at], plain)
            if at is None or joined is None:
                lines.append(_line(group, module, indent, {}))
            else:
                lines[at] = joined
        brought = any(self.rebound.get(binding) for binding in bindings)  # by other imports
        if brought and not (lines or shared or self._alone(statement)):
            lines = _only_comment(source, statement)
        return self._place(statement, indent, lines, shared)

    def _apart(
        self, statement: ast.Import | ast.ImportFrom, keep: list[bool], said: _Said, indent: str
    ) -> list[str]:
        """What is left of a statement that some names move out of."""
        kept = [a for a, stays in zip(statement.names, keep, strict=True) if stays]
        if not kept:
            return []
        if isinstance(statement, ast.Import):
            return ["import " + ", ".join(ast.unparse(a) for a in kept)]
        unchanged = self.source.segment(statement)
        if all(keep):
            return [unchanged]
        if not said:
            return [_edit_from(unchanged, None, keep)]
        rows = [(ast.unparse(a), said.above.get(a, ()), said.behind.get(a, "")) for a in kept]
        module = "." * statement.level + (statement.module or "")
        return [_from(module, rows, indent, said.first, said.last)]

    def _place(
        self, statement: ast.stmt, indent: str, lines: list[str], shared: bool
    ) -> list[tuple[int, int, str]]:
        source = self.source
        start, end = source.span(statement)
        if shared:
            return [(start, end, "; ".join(lines) or "pass")]
        stop = source.line_end(end)
        if not lines:
            if self._alone(statement):
                return [(start, end, "pass")]
            return [(start - len(source.indent_of(statement)), stop, "")]
        tail = source.text[end:stop].strip()
        first, *others = lines
        if first == tail:
            return [(start, source.text.index(tail, end), "")]
        result = [(start, end, first)]
        if others:
            comment = f"  {tail}" if any(d in tail for d in _DIRECTIVES) else ""
            more = "".join(f"{indent}{line}{comment}\n" for line in others)
            if stop == len(source.text) and not source.text.endswith("\n"):
                more = "\n" + more.rstrip("\n")
            result.append((stop, stop, more))
        return result

    def _alone(self, statement: ast.stmt) -> bool:
        """Whether taking the statement away would leave a block empty."""
        for node in self.source.nodes:
            for name in ("body", "orelse", "finalbody"):
                body = getattr(node, name, None)
                if isinstance(body, list) and statement in body:
                    dropped = [
                        s
                        for s in body
                        if isinstance(s, ast.Import | ast.ImportFrom)
                        and all(
                            self.rebound.get(b) == ()
                            for b in self.source.bindings
                            if b.statement is s
                        )
                    ]
                    return len(dropped) == len(body) and not isinstance(node, ast.Module)
        return False
