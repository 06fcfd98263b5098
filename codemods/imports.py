"""Import statements after the change: what stays, what moves, what goes, what comes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence

import libcst as cst

from codemods.changes import AddImport, EditCall, NewImport, Operation, Rebind, Replace, vanished
from codemods.source import Binding, Source

_WIDTH = 100
_NAME = re.compile(r"[^\W\d]\w*")
_DIRECTIVES = ("noqa", "pylint", "type:", "isort", "pragma")


def _line(group: Sequence[NewImport], module: str, indent: str) -> str:
    if not group[0].name:
        return "\n".join(
            f"import {n.module}" + (f" as {n.asname}" if n.asname else "") for n in group
        )
    names = [f"{n.name} as {n.asname}" if n.asname else n.name for n in group]
    line = f"from {module} import {', '.join(names)}"
    if len(indent) + len(line) <= _WIDTH:
        return line
    inner = "".join(f"{indent}    {name},\n" for name in names)
    return f"from {module} import (\n{inner}{indent})"


def _grouped(imports: Iterable[NewImport]) -> list[tuple[str, list[NewImport]]]:
    groups: dict[str, list[NewImport]] = {}
    for new in dict.fromkeys(imports):
        groups.setdefault(new.module if new.name else f"import {new.module}", []).append(new)
    return list(groups.items())


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
                self.added.setdefault(op.near.statement, []).append(op.new)
        self._drop_unused(operations)

    def _drop_unused(self, operations: Sequence[Operation]) -> None:
        """What lost its last use with this change is imported no more."""
        gone = [
            (span, _NAME.findall(_new_code(op)))
            for op in operations
            for span in vanished(self.source, [op])
        ]
        for binding in self.source.bindings if gone else ():
            if binding in self.rebound or not binding.uses or binding.dotted:
                continue
            spans = [self.source.span(use.node) for use in binding.uses]
            lost = [span for span, names in gone if binding.name not in names]
            if all(any(a <= s and e <= b for a, b in lost) for s, e in spans):
                self.rebound[binding] = ()

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
        added = [n for n in self.added.get(statement, ()) if fresh(n)]
        start, end = source.span(statement)
        kept = any(o is True for o in outcome)
        groups = _grouped(moved)
        line_start = max(source.text.rfind("\n", 0, start), source.text.rfind("\r", 0, start)) + 1
        indent = source.text[line_start:start]
        lines: list[str] = []
        rest = groups
        single = len(groups) == 1 and all(isinstance(o, NewImport) for o in outcome)
        if isinstance(statement, ast.ImportFrom) and single and groups[0][1][0].name:
            names = [o for o in outcome if isinstance(o, NewImport)]
            unique = len(set(names)) == len(names)
            first = (
                _edit_from(source.segment(statement), groups[0][0], outcome)
                if unique
                else _line(groups[0][1], groups[0][0], indent)
            )
            lines, rest = [first], []
        elif kept and isinstance(statement, ast.ImportFrom):
            keep = [o is True for o in outcome]
            unchanged = source.segment(statement)
            lines = [unchanged if all(keep) else _edit_from(unchanged, None, keep)]
        elif kept:
            left = [b.alias for b, o in zip(bindings, outcome, strict=True) if o is True]
            lines = ["import " + ", ".join(ast.unparse(a) for a in left)]
        notes = self._inner_comments(bindings) if rest else {}
        for module, group in rest:
            line = _line(group, module, indent)
            said = " ".join(dict.fromkeys(c for n in group if (c := notes.get(n))))
            lines.append(f"{line}  {said}" if said and "\n" not in line else line)
        lines += [_line(group, module, indent) for module, group in _grouped(added)]
        return self._place(statement, start, end, indent, lines)

    def _inner_comments(self, bindings: Sequence[Binding]) -> dict[NewImport, str]:
        """The comment behind each name of a parenthesised import that is taken apart."""
        statement = bindings[0].statement
        rows = self.source.segment(statement).splitlines()[:-1]
        comments = {
            statement.lineno + i: row[row.index("#") :] for i, row in enumerate(rows) if "#" in row
        }
        return {
            new: comments[b.alias.lineno]
            for b in bindings
            if b.alias.lineno in comments
            for new in self.rebound.get(b, ())
        }

    def _place(
        self, statement: ast.stmt, start: int, end: int, indent: str, lines: list[str]
    ) -> list[tuple[int, int, str]]:
        text = self.source.text
        newline = "\r\n" if "\r\n" in text else "\n"
        lines = [newline.join(line.splitlines()) for line in lines]
        if statement in self.source.unsplittable or indent.strip():
            return [(start, end, "; ".join(lines) or "pass")]
        stop = text.find("\n", end)
        stop = len(text) if stop < 0 else stop + 1
        if not lines:
            if self._alone(statement):
                return [(start, end, "pass")]
            return [(start - len(indent), stop, "")]
        tail = text[end:stop].strip()
        first, *others = lines
        result = [(start, end, first)]
        if others:
            comment = f"  {tail}" if any(d in tail for d in _DIRECTIVES) else ""
            more = "".join(f"{indent}{line}{comment}{newline}" for line in others)
            if stop == len(text) and not text.endswith("\n"):
                more = newline + more.rstrip("\r\n")
            result.append((stop, stop, more))
        return result

    def _alone(self, statement: ast.stmt) -> bool:
        """Whether taking the statement away would leave a block empty."""
        for node in ast.walk(self.source.tree):
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
