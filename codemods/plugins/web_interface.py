"""Airflow 2 has one web interface, which 1.10 called RBAC: branches for the other one go.

This comes before the rules, which then see what is left.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from codemods.base import Edit
from codemods.editing.folding import Folded
from codemods.reading.scopes import Binding
from codemods.reading.source import Source
from codemods.reading.values import known, text_of

ID = "web-interface"
SETTING = "airflow.settings.RBAC"
_ASKED = ("airflow.configuration.conf.getboolean", "airflow.configuration.getboolean")
_OPTION = ["webserver", "rbac"]


def folded(text: str, path: str) -> Folded | None:
    """The text with the branches of the one interface alone; None where it does not ask."""
    if "rbac" not in text.lower():
        return None
    source = Source(text, path)
    used = {b.name for b in source.bindings if b.uses}
    lines: Sequence[int] = range(1, text.count("\n") + 2)
    edits: list[Edit] = []
    while (one := _fold(source)) is not None:
        edits += [replace(edit, line=lines[edit.line - 1]) for edit in one.edits]
        lines = [lines[line - 1] for line in one.lines]
        source = Source(one.text, path)
    if not edits:
        return None
    orphans = frozenset(b.name for b in source.bindings if not b.uses and b.name in used)
    return Folded(text=source.text, lines=lines, edits=tuple(edits), orphans=orphans)


def goes(source: Source, binding: Binding) -> bool:
    """Whether an import that only the branches used has nobody else: names of a package are there
    for other files."""
    if binding.name not in source.orphans or binding.uses:
        return False
    package = source.path.endswith("__init__.py")
    wanted = package or binding.tower is not None or binding.name in source.words
    return binding.path == SETTING or not wanted


def _fold(source: Source) -> Folded | None:
    """The first branch, or without any the first other use, settled."""
    rows = source.text.split("\n")
    for block in _blocks(source.tree):
        for node in block:
            if not isinstance(node, ast.If) or (answer := _answer(node.test, source)) is None:
                continue
            live = node.body if answer else node.orelse
            if _foldable(source, node, live) and (live or len(block) > 1):
                kept = list(_kept(source, rows, node, live))
                return Folded(
                    text="\n".join(row for _, row in kept),
                    lines=[number for number, _ in kept],
                    edits=(_edit(node, "the branch of the web interface of 1.10 without RBAC"),),
                )
    for binding in source.bindings:
        for use in binding.uses:
            if use.sure and use.path == SETTING:
                start, end = source.span(use.node)
                return Folded(
                    text=source.text[:start] + "True" + source.text[end:],
                    lines=range(1, len(rows) + 1),
                    edits=(_edit(use.node, "airflow.settings.RBAC: it is what 2.x has"),),
                )
    return None


def _edit(node: ast.If | ast.expr, what: str) -> Edit:
    return Edit(rule=ID, line=node.lineno, message=f"Gone on the target: {what}")


def _blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                yield block


def _answer(test: ast.expr, source: Source) -> bool | None:
    """What a condition comes to on 2.x; None for one that is about something else."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        answer = _answer(test.operand, source)
        return None if answer is None else not answer
    meant = known(test, source)
    if source.path_of(meant) == SETTING:
        return True
    if isinstance(meant, ast.Call) and source.path_of(meant.func) in _ASKED:
        asked = [(text_of(argument) or "").lower() for argument in meant.args[:2]]
        return True if asked == _OPTION else None
    return None


def _foldable(source: Source, node: ast.If, live: list[ast.stmt]) -> bool:
    """Whether each branch has lines of its own, and neither is an ``elif``."""
    parts = [node.body, *([node.orelse] if node.orelse else [])]
    if source.segment(node).startswith("elif") or not all(_alone(source, p[0]) for p in parts):
        return False
    return not any(source.segment(s).startswith("elif") for s in live)


def _alone(source: Source, node: ast.stmt) -> bool:
    start = source.span(node)[0]
    return not source.text[source.text.rfind("\n", 0, start) + 1 : start].strip("@ \t\x0c")


def _first(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


def _kept(
    source: Source, rows: list[str], node: ast.If, live: list[ast.stmt]
) -> Iterator[tuple[int, str]]:
    """(number, text) of the lines that stay, those of the live branch as far out as its ``if``."""
    last = node.end_lineno or node.lineno
    begin, end = last + 1, last
    if live is node.body:
        begin, end = node.lineno + 1, live[-1].end_lineno or last
        begin = (node.test.end_lineno or node.lineno) + 1
    elif live:
        begin = _first(live[0])
        above = node.body[-1].end_lineno or node.lineno
        while begin - 2 > above and rows[begin - 2].strip().startswith("#"):
            begin -= 1  # a comment between ``else:`` and the first statement
    texts = {
        line
        for part in ast.walk(node)
        if isinstance(part, ast.JoinedStr | ast.Constant) and part.end_lineno is not None
        for line in range(part.lineno + 1, part.end_lineno + 1)
    }
    outer = len(source.indent_of(node))
    for number, row in enumerate(rows, 1):
        if number < node.lineno or number > last:
            yield number, row
        elif begin <= number <= end:
            inner = len(source.indent_of(live[0]))
            space = row[outer:inner]
            yield number, row if number in texts or space.strip() else row[:outer] + row[inner:]
