"""What a rule may ask for, and how LibCST writes it.

Every operation sits on one node of the reading. Nodes may nest (a renamed class inside a call
whose arguments change): the inner text is written first, then the outer expression – and only
it – is parsed by LibCST, changed and put back. Text that no operation touches is never rewritten.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import libcst as cst

from codemods.base import Note
from codemods.scopes import Binding
from codemods.source import Source


@dataclass(frozen=True, eq=False, kw_only=True)
class Replace:
    """Put other code in the place of an expression."""

    node: ast.expr
    code: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Respell:
    """Put other text from one index to another, within a string; several rules may change one."""

    start: int
    end: int
    code: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Compose:
    """Put code in the place of an expression that holds parts of it, with what changes in them.

    An expression that is a statement may become several.
    """

    node: ast.expr | ast.Expr
    parts: tuple[str | ast.expr, ...]

    @classmethod
    def attribute(cls, node: ast.Attribute, name: str) -> Compose:
        """Another attribute of the same object."""
        return cls(node=node, parts=(node.value, f".{name}"))


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
    func: str = ""  # what is called instead


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
    needs: frozenset[str] = frozenset()  # distributions that no import of these shows


@dataclass(frozen=True, eq=False, kw_only=True)
class AddImport:
    """Import this as well, beside the import of ``near``."""

    near: Binding
    new: NewImport


Operation = (
    Replace
    | Respell
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

    @classmethod
    def replace(
        cls, node: ast.expr, code: str, *, rule: str, message: str, safe: bool = True
    ) -> Step:
        """Put other code in the place of an expression, and tell that on its line."""
        made = (Replace(node=node, code=code),)
        return cls(rule=rule, line=node.lineno, message=message, operations=made, safe=safe)

    @classmethod
    def attribute(cls, node: ast.Attribute, name: str, *, rule: str, message: str) -> Step:
        """Ask the same object for another attribute, and tell that on its line."""
        made = (Compose.attribute(node, name),)
        return cls(rule=rule, line=node.lineno, message=message, operations=made)


Change = Step | Note


WIDTH = 100  # of a line that is written anew
_SHORT = 20  # what stands between brackets and is no longer stays on its line
_FORMATTED = re.compile(r"\b(?:f|rf|fr)['\"]", re.IGNORECASE)

# -- expressions -----------------------------------------------------------------------------


def _expression(code: str) -> cst.BaseExpression:
    """An expression that may go over several lines, as those between parentheses do."""
    node = cst.parse_expression(f"({code})")
    return node.with_changes(lpar=node.lpar[1:], rpar=node.rpar[:-1])


def _argument(name: str, code: str, like: cst.Arg | None) -> cst.Arg:
    tight = cst.AssignEqual(
        whitespace_before=cst.SimpleWhitespace(""), whitespace_after=cst.SimpleWhitespace("")
    )
    equal = like.equal if like is not None and like.keyword is not None else tight
    return cst.Arg(keyword=cst.Name(name), value=_expression(code), equal=equal)


Space = cst.BaseParenthesizableWhitespace


def _comma(item: cst.Arg | cst.BaseDictElement) -> cst.Comma | None:
    return item.comma if isinstance(item.comma, cst.Comma) else None


def _joined(before: Space, after: Space, *, last: bool) -> Space:
    """What stands where an item goes: the comment behind the item before it and those on lines of
    their own stay, the one behind the item goes with it."""
    if not isinstance(before, cst.ParenthesizedWhitespace):
        return after if last or isinstance(after, cst.ParenthesizedWhitespace) else before
    if not isinstance(after, cst.ParenthesizedWhitespace):
        return after if last and not _says(before) else before
    below = [e for e in after.empty_lines if e.comment or not before.empty_lines]
    return before.with_changes(
        empty_lines=[*before.empty_lines, *below], indent=after.indent, last_line=after.last_line
    )


def _left_gaps(gaps: Sequence[Space], keep: Sequence[bool]) -> list[Space]:
    """The spaces around the items that stay; ``gaps`` stand before each item and at the end."""
    left = [gaps[0]]
    for index, (stays, gap) in enumerate(zip(keep, gaps[1:], strict=True)):
        if stays:
            left.append(gap)
        else:
            left[-1] = _joined(left[-1], gap, last=index == len(keep) - 1)
    return left


def _between_new(gaps: Sequence[Space]) -> tuple[Space, Space]:
    """The space before an item that comes last, and the one behind it: as before the others, and
    the comment behind what was last stays there."""
    end = gaps[-1]
    like = gaps[-2]
    if not isinstance(like, cst.ParenthesizedWhitespace):
        return cst.SimpleWhitespace(" "), end
    plain = cst.TrailingWhitespace(newline=like.first_line.newline)
    gap = like.with_changes(first_line=plain, empty_lines=())
    if isinstance(end, cst.ParenthesizedWhitespace):
        gap = gap.with_changes(first_line=end.first_line)
        end = end.with_changes(first_line=plain)
    return gap, end


@dataclass(frozen=True, kw_only=True)
class _Line:
    """Where an expression is written: what its line starts with, and how much is taken of it."""

    indent: str = ""
    taken: int = 0  # before the expression, the indent included
    limit: int = WIDTH


def _broken(code: str, line: _Line) -> str:
    """The code of an expression, one item a line where its line would be longer than that."""
    if line.taken + len(code) <= line.limit or "\n" in code:
        return code
    try:
        node = ast.parse(code, mode="eval").body
    except SyntaxError:  # several statements
        return code
    while (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Call)
        and not (node.args or node.keywords)
    ):
        node = node.func.value  # Made(...).make()
    items: list[tuple[str, ast.expr]]
    start = ""
    if isinstance(node, ast.Dict):
        heads = [f"{_part(code, key)}: " if key else "**" for key in node.keys]
        items = list(zip(heads, node.values, strict=True))
    elif isinstance(node, ast.List):
        items = [("", element) for element in node.elts]
    elif isinstance(node, ast.Call) and not any(isinstance(a, ast.GeneratorExp) for a in node.args):
        items = [("", argument) for argument in node.args]
        items += [(f"{k.arg}=" if k.arg else "**", k.value) for k in node.keywords]
        start = _part(code, node.func)
    else:
        return code
    whole = _part(code, node)
    if not items or len(whole) - len(start) <= _SHORT:
        return code
    inner = line.indent + "    "
    rows = ""
    for head, value in items:
        # One more for the comma.
        place = _Line(indent=inner, taken=len(inner) + len(head) + 1, limit=line.limit)
        rows += f"{inner}{head}{_broken(_part(code, value), place)},\n"
    opening, closing = whole[len(start)], whole[-1]
    return code.replace(whole, f"{start}{opening}\n{rows}{line.indent}{closing}", 1)


def _part(code: str, node: ast.expr) -> str:
    return ast.get_source_segment(code, node) or ""


def edit_call(code: str, op: EditCall, line: _Line = _Line()) -> str:
    """The code of a call with its arguments changed; ``op.node`` is not looked at."""
    call = cst.ensure_type(_expression(code), cst.Call)
    if op.func:
        call = call.with_changes(func=_expression(op.func))
    args: list[cst.Arg] = []
    keep: list[bool] = []
    for index, arg in enumerate(call.args):
        stays = True
        if arg.keyword is not None:
            name = arg.keyword.value
            if name in op.drop:
                stays = False
            if name in op.values:
                arg = arg.with_changes(value=_expression(op.values[name]))
            if name in op.rename:
                arg = arg.with_changes(keyword=cst.Name(op.rename[name]))
        elif index in op.drop_positional:
            stays = False
        elif index in op.positional and not arg.star:
            made = _argument(op.positional[index], "None", None)
            arg = arg.with_changes(keyword=made.keyword, equal=made.equal)
        args.append(arg)
        keep.append(stays)
    if not args:
        gaps: list[Space] = [call.whitespace_before_args]
        closed = None
    else:
        closed = _comma(args[-1])
        end = closed.whitespace_after if closed else args[-1].whitespace_after_arg
        inner = [comma.whitespace_after for a in args[:-1] if (comma := _comma(a))]
        gaps = _left_gaps([call.whitespace_before_args, *inner, end], keep)
    left = [arg for arg, stays in zip(args, keep, strict=True) if stays]
    for name, value in op.add.items():
        if left:
            gaps[-1:] = _between_new(gaps)
        else:
            gaps = [call.whitespace_before_args, end if args else cst.SimpleWhitespace("")]
        if isinstance(before := gaps[len(left)], cst.ParenthesizedWhitespace):
            indent = before.last_line.value
            place = replace(line, indent=indent, taken=len(indent) + len(name) + 2)
        else:
            so_far = call.with_changes(args=left, whitespace_before_args=gaps[0])
            *above, last = _code(so_far).split("\n")
            place = replace(line, taken=len(last) + len(name) + 3 + (0 if above else line.taken))
        value = _broken(value, place)
        new = _argument(name, value, next((a for a in left if a.keyword is not None), None))
        left.append(new)
    if not left and not _says(gaps[0]):
        gaps = [cst.SimpleWhitespace("")]
    spaced = [
        arg.with_changes(
            comma=(_comma(arg) or cst.Comma()).with_changes(whitespace_after=gap),
            whitespace_after_arg=cst.SimpleWhitespace(""),
        )
        for arg, gap in zip(left[:-1], gaps[1:], strict=False)
    ]
    for arg in left[-1:]:
        comma = closed.with_changes(whitespace_after=gaps[-1]) if closed else None
        spaced.append(
            arg.with_changes(
                comma=comma or cst.MaybeSentinel.DEFAULT,
                whitespace_after_arg=cst.SimpleWhitespace("") if closed else gaps[-1],
            )
        )
    return _code(call.with_changes(args=spaced, whitespace_before_args=gaps[0]))


def _says(space: Space) -> bool:
    """Whether there is a comment in it."""
    return isinstance(space, cst.ParenthesizedWhitespace) and (
        space.first_line.comment is not None or any(e.comment for e in space.empty_lines)
    )


def _code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)


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
    inner = [comma.whitespace_after for e in elements[:-1] if (comma := _comma(e))]
    first, *rest = _left_gaps(
        [node.lbrace.whitespace_after, *inner, node.rbrace.whitespace_before], keep
    )
    left = [e for e, stays in zip(elements, keep, strict=True) if stays]
    made = [
        e.with_changes(comma=(_comma(e) or cst.Comma()).with_changes(whitespace_after=gap))
        for e, gap in zip(left[:-1], rest, strict=False)
    ]
    made += [e.with_changes(comma=elements[-1].comma) for e in left[-1:]]
    end = rest[-1] if rest else cst.SimpleWhitespace("")
    return _code(
        node.with_changes(
            elements=made,
            lbrace=node.lbrace.with_changes(whitespace_after=first),
            rbrace=node.rbrace.with_changes(whitespace_before=end),
        )
    )


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
        elif isinstance(op, Respell):
            span = (op.start, op.end)
        else:
            continue
        spans.setdefault(span, _Island(*span, [])).operations.append(op)
    top: list[_Island] = []
    stack: list[_Island] = []
    for island in sorted(spans.values(), key=lambda i: (i.start, -i.end)):
        while stack and stack[-1].end < island.end:
            stack.pop()
        (stack[-1].inner if stack else top).append(island)
        stack.append(island)
    return top


def _line(source: Source, island: _Island) -> _Line:
    """The line that an island begins on, which may stay as long as it is; one with an f-string
    before the island may be any length, since what is within a string is never broken."""
    begin = source.text.rfind("\n", 0, island.start) + 1
    line, *_ = source.text[begin:].split("\n", 1)
    taken = island.start - begin
    return _Line(
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
    replaced = [op for op in island.operations if isinstance(op, Replace)]
    if replaced:
        return _broken(replaced[-1].code, line)
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
            code = _edit_dict(code, op)
    return code


def _composed(source: Source, island: _Island, op: Compose, line: _Line) -> str:
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
    code = _broken(code, line)
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
