"""What a rule may ask for, and how LibCST writes it.

Every operation sits on one node of the reading. Nodes may nest (a renamed class inside a call
whose arguments change): the inner text is written first, then the outer expression – and only
it – is parsed by LibCST, changed and put back. Text that no operation touches is never rewritten.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import libcst as cst

from codemods.base import Note
from codemods.source import Binding, Source


@dataclass(frozen=True, eq=False, kw_only=True)
class Replace:
    """Put other code in the place of an expression."""

    node: ast.expr
    code: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Compose:
    """Put code in the place of an expression that holds parts of it, with what changes in them.

    An expression that is a statement may become several.
    """

    node: ast.expr | ast.Expr
    parts: tuple[str | ast.expr, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class EditCall:
    """Change the arguments of a call."""

    node: ast.Call
    rename: Mapping[str, str] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()
    values: Mapping[str, str] = field(default_factory=dict)  # new code for a value
    add: Mapping[str, str] = field(default_factory=dict)
    positional: Mapping[int, str] = field(default_factory=dict)  # becomes a keyword
    drop_positional: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False, kw_only=True)
class EditDict:
    """Change the keys of a dict display, as for ``default_args``."""

    node: ast.Dict
    rename: Mapping[str, str] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False, kw_only=True)
class DropDecorator:
    """Take a decorator away with its line."""

    node: ast.expr


@dataclass(frozen=True, eq=False, kw_only=True)
class DropStatement:
    """Take a statement away with its lines, and the comment right above it."""

    node: ast.stmt
    keeps_imports: bool = False  # what it alone used stays imported


@dataclass(frozen=True, eq=False, kw_only=True)
class Recode:
    """Put other code in the place of a statement that has a line of its own."""

    node: ast.stmt
    code: str


@dataclass(frozen=True, eq=False, kw_only=True)
class RenameArgument:
    """Give a parameter of a ``def`` another name; its uses are the caller's."""

    node: ast.arg
    name: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Insert:
    """Put code at an index of the text, which no other operation touches."""

    at: int
    code: str


@dataclass(frozen=True, kw_only=True)
class NewImport:
    """``from module import name [as asname]``, or ``import module`` when there is no name."""

    module: str
    name: str = ""
    asname: str = ""

    @property
    def local(self) -> str:
        """The name it binds."""
        return self.asname or self.name or self.module.partition(".")[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class Rebind:
    """Import these in the place of what an import statement binds; nothing drops it."""

    binding: Binding
    imports: tuple[NewImport, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class AddImport:
    """Import this as well, beside the import of ``near``."""

    near: Binding
    new: NewImport


Operation = (
    Replace
    | Compose
    | EditCall
    | EditDict
    | DropDecorator
    | DropStatement
    | Recode
    | RenameArgument
    | Insert
    | Rebind
    | AddImport
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """One change: what to tell people and what to do."""

    rule: str
    line: int
    message: str
    operations: tuple[Operation, ...]
    safe: bool = True


Change = Step | Note


# -- expressions -----------------------------------------------------------------------------


def _argument(name: str, code: str, like: cst.Arg | None) -> cst.Arg:
    tight = cst.AssignEqual(
        whitespace_before=cst.SimpleWhitespace(""), whitespace_after=cst.SimpleWhitespace("")
    )
    equal = like.equal if like is not None and like.keyword is not None else tight
    return cst.Arg(keyword=cst.Name(name), value=cst.parse_expression(code), equal=equal)


def _drop_items(
    items: Sequence[cst.Arg] | Sequence[cst.BaseDictElement], keep: Sequence[bool]
) -> list[cst.Arg] | list[cst.BaseDictElement]:
    """Drop items; the last one keeps the ending (comma, newline) that the last had before."""
    kept = [item for item, stays in zip(items, keep, strict=True) if stays]
    if kept and not keep[-1]:
        kept[-1] = kept[-1].with_changes(comma=items[-1].comma)
        if isinstance(kept[-1], cst.Arg) and isinstance(items[-1], cst.Arg):
            kept[-1] = kept[-1].with_changes(whitespace_after_arg=items[-1].whitespace_after_arg)
    return kept  # type: ignore[return-value]


def _edit_call(code: str, op: EditCall) -> str:
    call = cst.ensure_type(cst.parse_expression(code), cst.Call)
    args: list[cst.Arg] = []
    keep: list[bool] = []
    for index, arg in enumerate(call.args):
        stays = True
        if arg.keyword is not None:
            name = arg.keyword.value
            if name in op.drop:
                stays = False
            if name in op.values:
                arg = arg.with_changes(value=cst.parse_expression(op.values[name]))
            if name in op.rename:
                arg = arg.with_changes(keyword=cst.Name(op.rename[name]))
        elif index in op.drop_positional:
            stays = False
        elif index in op.positional and not arg.star:
            made = _argument(op.positional[index], "None", None)
            arg = arg.with_changes(keyword=made.keyword, equal=made.equal)
        args.append(arg)
        keep.append(stays)
    left: list[cst.Arg] = list(_drop_items(args, keep))  # type: ignore[arg-type]
    if not left and args and not op.add:
        call = call.with_changes(whitespace_before_args=cst.SimpleWhitespace(""))
    for name, value in op.add.items():
        new = _argument(name, value, next((a for a in left if a.keyword is not None), None))
        if left:
            last = left[-1]
            gap = left[-2].comma if len(left) > 1 else cst.MaybeSentinel.DEFAULT
            if not isinstance(gap, cst.Comma):
                lead = call.whitespace_before_args
                after = lead if isinstance(lead, cst.ParenthesizedWhitespace) else None
                gap = cst.Comma(whitespace_after=after or cst.SimpleWhitespace(" "))
            new = new.with_changes(comma=last.comma, whitespace_after_arg=last.whitespace_after_arg)
            plain = gap.with_changes(whitespace_after=_without_comment(gap.whitespace_after))
            left[-1] = last.with_changes(comma=plain, whitespace_after_arg=cst.SimpleWhitespace(""))
        left.append(new)
    return cst.Module([]).code_for_node(call.with_changes(args=left))


def _without_comment(space: cst.BaseParenthesizableWhitespace) -> cst.BaseParenthesizableWhitespace:
    if isinstance(space, cst.ParenthesizedWhitespace):
        first = space.first_line.with_changes(comment=None, whitespace=cst.SimpleWhitespace(""))
        return space.with_changes(first_line=first, empty_lines=())
    return space


def _edit_dict(code: str, op: EditDict) -> str:
    node = cst.ensure_type(cst.parse_expression(code), cst.Dict)
    elements: list[cst.BaseDictElement] = []
    keep: list[bool] = []
    for element in node.elements:
        stays = True
        if isinstance(element, cst.DictElement) and isinstance(element.key, cst.SimpleString):
            key = element.key.evaluated_value
            if isinstance(key, str):
                stays = key not in op.drop
                if key in op.rename:
                    quoted = element.key.prefix + element.key.quote
                    renamed = f"{quoted}{op.rename[key]}{element.key.quote}"
                    element = element.with_changes(key=cst.SimpleString(renamed))
        elements.append(element)
        keep.append(stays)
    return cst.Module([]).code_for_node(node.with_changes(elements=_drop_items(elements, keep)))


# -- the writer ------------------------------------------------------------------------------


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
            spans.setdefault(span, _Island(*span, [])).operations.append(op)
    top: list[_Island] = []
    stack: list[_Island] = []
    for island in sorted(spans.values(), key=lambda i: (i.start, -i.end)):
        while stack and stack[-1].end < island.end:
            stack.pop()
        (stack[-1].inner if stack else top).append(island)
        stack.append(island)
    return top


def _write(source: Source, island: _Island) -> str:
    replaced = [op for op in island.operations if isinstance(op, Replace)]
    if replaced:
        return replaced[-1].code
    composed = [op for op in island.operations if isinstance(op, Compose)]
    if composed:
        code = "".join(
            part if isinstance(part, str) else _between(source, island, *source.span(part))
            for part in composed[-1].parts
        )
    else:
        code = _between(source, island, island.start, island.end)
    for op in island.operations:
        if isinstance(op, EditCall):
            code = _edit_call(code, op)
        elif isinstance(op, EditDict):
            code = _edit_dict(code, op)
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
    splices = [(i.start, i.end, _write(source, i)) for i in _islands(source, operations)]
    for op in operations:
        if isinstance(op, DropDecorator):
            start, end = source.span(op.node)
            first = source.text.rfind("\n", 0, start) + 1
            after = source.text.find("\n", end)
            splices.append((first, len(source.text) if after < 0 else after + 1, ""))
        elif isinstance(op, DropStatement):
            splices.append((*statement_lines(source, op.node), ""))
        elif isinstance(op, Recode):
            splices.append((*source.span(op.node), op.code))
        elif isinstance(op, RenameArgument):
            start = source.offset(op.node.lineno, op.node.col_offset)
            splices.append((start, start + len(op.node.arg), op.name))
        elif isinstance(op, Insert):
            splices.append((op.at, op.at, op.code))
    gone = [source.span(op.node) for op in operations if isinstance(op, DropStatement | Recode)]
    return [
        (start, end, new)
        for start, end, new in splices
        if not any((a < start and end <= b) or (a <= start and end < b) for a, b in gone)
    ]


def statement_lines(source: Source, node: ast.stmt) -> tuple[int, int]:
    """The whole lines of a statement: decorators, the comment above, and the blank lines that
    would be left over. A statement that shares its line is that much of it."""
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
        elif isinstance(op, EditDict):
            spans += [
                source.span(value)
                for key, value in zip(op.node.keys, op.node.values, strict=True)
                if isinstance(key, ast.Constant) and key.value in op.drop
            ]
    return spans
