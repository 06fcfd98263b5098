"""The code of a call, or of a dict display, with other arguments or keys: LibCST writes it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import libcst as cst

from codemods.editing.changes import EditCall, EditDict

WIDTH = 100  # of a line that is written anew
_SHORT = 20  # what stands between brackets and is no longer stays on its line


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
class Line:
    """Where an expression is written: what its line starts with, and how much is taken of it."""

    indent: str = ""
    taken: int = 0  # before the expression, the indent included
    limit: int = WIDTH


@dataclass(frozen=True, kw_only=True)
class _Item:
    """What stands between brackets, up to a comma."""

    head: str  # before the value
    value: ast.expr
    line: int  # that it begins on


def _items(code: str, node: ast.expr) -> list[_Item] | None:
    """The items of a display or of a call; None of what has none."""
    if isinstance(node, ast.Dict):
        return [
            _Item(head=f"{_part(code, k)}: " if k else "**", value=v, line=(k or v).lineno)
            for k, v in zip(node.keys, node.values, strict=True)
        ]
    if isinstance(node, ast.List):
        return [_Item(head="", value=e, line=e.lineno) for e in node.elts]
    if isinstance(node, ast.Call) and not any(isinstance(a, ast.GeneratorExp) for a in node.args):
        plain = [_Item(head="", value=a, line=a.lineno) for a in node.args]
        return plain + [
            _Item(head=f"{k.arg}=" if k.arg else "**", value=k.value, line=k.lineno)
            for k in node.keywords
        ]
    return None


def broken(code: str, line: Line) -> str:
    """The code of an expression, one item a line where its line would be longer than that, or where
    an item goes over several lines itself."""
    several = "\n" in code
    if line.limit == sys.maxsize or (line.taken + len(code) <= line.limit and not several):
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
    items = _items(code, node)
    start = _part(code, node.func) if isinstance(node, ast.Call) else ""
    whole = _part(code, node)
    if several and (not items or _goes_on(node, items)):
        return _shifted(code, line.indent)
    if not items or len(whole) - len(start) <= _SHORT:
        return code
    inner = line.indent + "    "
    rows = ""
    for item in items:
        # One more for the comma.
        place = replace(line, indent=inner, taken=len(inner) + len(item.head) + 1)
        rows += f"{inner}{item.head}{broken(_part(code, item.value), place)},\n"
    opening, closing = whole[len(start)], whole[-1]
    return code.replace(whole, f"{start}{opening}\n{rows}{line.indent}{closing}", 1)


def _goes_on(node: ast.expr, items: Sequence[_Item]) -> bool:
    """Whether a line ends between the items: who wrote them has put them on lines already."""
    before = node.func if isinstance(node, ast.Call) else node
    ends = [before.end_lineno if before is not node else node.lineno]
    ends += [item.value.end_lineno for item in items]
    starts = [*(item.line for item in items), node.end_lineno]
    return ends != starts


def _shifted(code: str, indent: str) -> str:
    """Code over several lines, the last of which closes it, at another indent."""
    first, *more = code.split("\n")
    last = more[-1]
    old = last[: len(last) - len(last.lstrip(" "))]
    nodes = ast.walk(ast.parse(code, mode="eval"))
    texts = (n for n in nodes if isinstance(n, ast.Constant | ast.JoinedStr))
    if (
        last.strip(" )]}")
        or not all(row.startswith(old) for row in more if row.strip())
        or any(text.lineno != text.end_lineno for text in texts)
    ):
        return code
    return "\n".join([first, *(indent + row[len(old) :] if row.strip() else row for row in more)])


def _part(code: str, node: ast.expr) -> str:
    return ast.get_source_segment(code, node) or ""


def edit_call(code: str, op: EditCall, line: Line = Line()) -> str:
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
            indent = last[: len(last) - len(last.lstrip())] if above else line.indent
            taken = len(last) + len(name) + 3 + (0 if above else line.taken)
            place = replace(line, indent=indent, taken=taken)
        value = broken(value, place)
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


def edit_dict(code: str, op: EditDict) -> str:
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
