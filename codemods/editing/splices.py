"""What operations make of a text, but for its imports: spans of it and the code to put there.

The inner text of nested operations is written first, then the outer expression – and only it – is
parsed by LibCST, changed and put back. Text that no operation touches is never rewritten.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from codemods.editing.changes import (
    Compose,
    DropDecorator,
    DropStatement,
    EditCall,
    EditDict,
    Insert,
    Operation,
    Recode,
    RenameArgument,
    Replace,
    Respell,
)
from codemods.editing.expressions import WIDTH, Line, broken, edit_call, edit_dict
from codemods.reading.source import Source

_FORMATTED = re.compile(r"\b(?:f|rf|fr)['\"]", re.IGNORECASE)


@dataclass(eq=False)
class _Island:
    """A span of text with operations, and the islands inside it."""

    start: int
    end: int
    operations: list[Operation]
    inner: list[_Island] = field(default_factory=list)


def _islands(source: Source, operations: Iterable[Operation]) -> list[_Island]:
    spans: dict[tuple[int, int], _Island] = {}
    for op in operations:
        if isinstance(op, Replace | Compose | EditCall | EditDict):
            span = source.span(op.node)
        elif isinstance(op, Respell):
            span = (op.start, op.end)
        elif isinstance(op, Insert):
            span = (op.at, op.at)
        else:
            continue
        spans.setdefault(span, _Island(*span, [])).operations.append(op)
    top: list[_Island] = []
    stack: list[_Island] = []
    # What is inserted stands before what begins there and behind what ends there.
    for island in sorted(spans.values(), key=lambda i: (i.start, i.start < i.end, -i.end)):
        while stack and (stack[-1].end < island.end or stack[-1].end == island.start):
            stack.pop()
        (stack[-1].inner if stack else top).append(island)
        stack.append(island)
    return top


def _line(source: Source, island: _Island) -> Line:
    """The line that an island begins on, which may stay as long as it is; one with an f-string
    before the island may be any length, since what is within a string is never broken."""
    begin = source.text.rfind("\n", 0, island.start) + 1
    line, *_ = source.text[begin:].split("\n", 1)
    taken = island.start - begin
    return Line(
        indent=line[: len(line) - len(line.lstrip())],
        taken=taken,
        limit=sys.maxsize if _FORMATTED.search(line[:taken]) else max(WIDTH, len(line)),
    )


def _within_quotes(source: Source, island: _Island, code: str) -> str:
    """New code with the other quotes where it stands in an f-string of the same."""
    before = source.text[source.text.rfind("\n", 0, island.start) + 1 : island.start]
    opened = list(_FORMATTED.finditer(before))
    quote, inside = (opened[-1][0][-1], before[opened[-1].end() :]) if opened else ("", "")
    if not quote or quote in inside:
        return code
    return code.replace(quote, "'" if quote == '"' else '"')


def _write(source: Source, island: _Island) -> str:
    line = _line(source, island)
    if island.start == island.end:  # what is told first stands last
        return "".join(op.code for op in reversed(island.operations) if isinstance(op, Insert))
    replaced = [op for op in island.operations if isinstance(op, Replace)]
    if replaced:
        return broken(replaced[-1].code, line)
    respelled = [op for op in island.operations if isinstance(op, Respell)]
    if respelled:
        return respelled[-1].code
    composed = [op for op in island.operations if isinstance(op, Compose)]
    if composed:
        code = _composed(source, island, composed[-1], line)
    else:
        code = _between(source, island, island.start, island.end)
    for op in island.operations:
        if isinstance(op, EditCall):
            code = edit_call(code, op, line)
        elif isinstance(op, EditDict):
            code = edit_dict(code, op)
    return code


def _composed(source: Source, island: _Island, op: Compose, line: Line) -> str:
    """New code around parts of the old, each of which stays as it is: a name as long as the part
    stands for it while the new code is broken into lines."""
    held: dict[str, str] = {}
    code = ""
    for index, part in enumerate(op.parts):
        if not isinstance(part, str):
            text = _between(source, island, *source.span(part))
            # A letter of Python's that no source has.
            part = chr(0x20000 + index) * max(map(len, text.split("\n")))
            held[part] = text
        code += part
    code = broken(code, line)
    for name, text in held.items():
        code = code.replace(name, text)
    return code


def _between(source: Source, island: _Island, start: int, end: int) -> str:
    """The text from ``start`` to ``end`` with the islands in it written."""
    pieces, at = [], start
    for inner in island.inner:
        if start <= inner.start and inner.end <= end:
            pieces += [source.text[at : inner.start], _write(source, inner)]
            at = inner.end
    return "".join([*pieces, source.text[at:end]])


def expression_splices(
    source: Source, operations: Sequence[Operation]
) -> list[tuple[int, int, str]]:
    """(start, end, new text) for everything but imports; spans do not overlap."""
    islands = _islands(source, operations)
    splices = [(i.start, i.end, _within_quotes(source, i, _write(source, i))) for i in islands]
    for op in operations:
        if isinstance(op, DropDecorator):
            start, end = source.span(op.node)
            first = source.text.rfind("\n", 0, start) + 1
            after = source.text.find("\n", end)
            splices.append((first, len(source.text) if after < 0 else after + 1, ""))
        elif isinstance(op, DropStatement):
            splices.append((*_statement_lines(source, op.node), ""))
        elif isinstance(op, Recode):
            splices.append((*source.span(op.node), op.code))
        elif isinstance(op, RenameArgument):
            start = source.offset(op.node.lineno, op.node.col_offset)
            splices.append((start, start + len(op.node.arg), op.name))
    gone = [source.span(op.node) for op in operations if isinstance(op, DropStatement | Recode)]
    return [
        (start, end, new)
        for start, end, new in splices
        if not any((a < start and end <= b) or (a <= start and end < b) for a, b in gone)
    ]


def _statement_lines(source: Source, node: ast.stmt) -> tuple[int, int]:
    """The whole lines of a statement: decorators, the comment above, those that end its body, and
    the blank lines that would be left over. A statement that shares its line is that much of it."""
    text = source.text
    decorators = getattr(node, "decorator_list", [])
    begin = source.span(decorators[0])[0] if decorators else source.span(node)[0]
    end = source.span(node)[1]
    first = text.rfind("\n", 0, begin) + 1
    after = text.find("\n", end)
    last = len(text) if after < 0 else after + 1
    rest = text[end:last].strip()
    if text[first:begin].strip("@ \t\x0c") or (rest and not rest.startswith("#")):
        return begin, end + (len(rest.split(";")[0]) + 1 if rest.startswith(";") else 0)
    body = re.compile(rf"[ \t]{{{node.col_offset + 1},}}#[^\n]*(?:\n|$)")
    while hasattr(node, "body") and (remark := body.match(text, last)):
        last = remark.end()
    while first and (above := text[: first - 1].rpartition("\n")[2]).strip().startswith("#"):
        if above.startswith("#!") or "coding" in above:
            break
        first -= len(above) + 1
    blank = first
    while blank and not text[: blank - 1].rpartition("\n")[2].strip():
        blank = text[: blank - 1].rfind("\n") + 1
    tail = text[last:]
    if not tail.strip():
        return blank, len(text)
    if len(tail) > len(tail.lstrip("\r\n")):  # blank lines below: those above are too many
        return blank, last
    return first, last


def vanished(source: Source, operations: Iterable[Operation]) -> list[tuple[int, int]]:
    """The spans whose text does not survive: what they used is used no more."""
    spans: list[tuple[int, int]] = []
    for op in operations:
        if isinstance(op, Replace | DropDecorator):
            spans.append(source.span(op.node))
        elif isinstance(op, DropStatement):
            spans += [] if op.keeps_imports else [source.span(op.node)]
        elif isinstance(op, EditCall):
            gone = {*op.drop, *op.values}
            spans += [source.span(k.value) for k in op.node.keywords if k.arg in gone]
            spans += [source.span(op.node.args[i]) for i in op.drop_positional]
            spans += [source.span(op.node.func)] if op.func else []
        elif isinstance(op, EditDict):
            spans += [
                source.span(value)
                for key, value in zip(op.node.keys, op.node.values, strict=True)
                if isinstance(key, ast.Constant) and key.value in op.drop
            ]
    return spans
