"""The id of a sub-DAG, which 1.10 wants to be that of its DAG, a dot and that of its task."""

from __future__ import annotations

import ast
import re

from codemods.reading.source import Source
from codemods.reading.values import quoted

_Piece = str | ast.expr
_FIELD = re.compile(r"%s|\{(\d*)\}|[^%{}]+")


def group_id(
    identity: ast.expr, source: Source, function: ast.FunctionDef | None = None
) -> str | None:
    """The code of what follows the one dot in sight; None where there is not one.

    ``function`` is what the id stands in: its parameters mean what they are given.
    """
    pieces = _pieces(identity, source, function)
    if pieces is None or sum(p.count(".") for p in pieces if isinstance(p, str)) != 1:
        return None
    at = next(i for i, p in enumerate(pieces) if isinstance(p, str) and "." in p)
    text = str(pieces[at]).partition(".")[2]
    child = [p for p in [text, *pieces[at + 1 :]] if p != ""]
    if not child or (at == 0 and str(pieces[0]).startswith(".")):
        return None
    if all(isinstance(p, str) for p in child):
        return quoted("".join(map(str, child)))
    if len(child) == 1 and isinstance(child[0], ast.expr):
        return ast.unparse(child[0])
    return _formatted(child)


def _formatted(child: list[_Piece]) -> str | None:
    """An f-string; None where its code would hold what has to be escaped."""
    texts = "".join(p for p in child if isinstance(p, str))
    parts = [p if isinstance(p, str) else f"{{{ast.unparse(p)}}}" for p in child]
    code = "".join(parts)
    odd = re.search(r"[{}]", texts) or re.search(r"[\"'\\\n]", code)
    return None if odd else f'f"{code}"'


def _pieces(
    value: ast.expr, source: Source, function: ast.FunctionDef | None
) -> list[_Piece] | None:
    match value:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=values):
            return _joined(values)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            sides = [_pieces(side, source, function) for side in (left, right)]
            return None if None in sides else [p for side in sides for p in side or ()]
        case ast.BinOp(op=ast.Mod(), left=ast.Constant(value=str(text)), right=right):
            return _filled(text, right.elts if isinstance(right, ast.Tuple) else [right])
        case ast.Call(
            func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format"),
            args=given,
            keywords=[],
        ):
            return _filled(text, given)
        case ast.Name(id=name) if (meant := _meant(name, source, function)) is not None:
            return _pieces(meant, source, function) or [value]
        case ast.Name() | ast.Attribute():
            return [value]
    return None


def _joined(values: list[ast.expr]) -> list[_Piece] | None:
    found: list[_Piece] = []
    for part in values:
        match part:
            case ast.Constant(value=str(text)):
                found.append(text)
            case ast.FormattedValue(value=inner, conversion=-1, format_spec=None):
                found.append(inner)
            case _:
                return None
    return found


def _filled(text: str, given: list[ast.expr]) -> list[_Piece] | None:
    """A format with its fields filled in order, or by their numbers."""
    if "".join(m[0] for m in _FIELD.finditer(text)) != text:
        return None
    found: list[_Piece] = []
    count = 0
    for match in _FIELD.finditer(text):
        if match[0] == "%s" or match[1] is not None:
            at = int(match[1]) if match[1] else count
            if at >= len(given) or isinstance(given[at], ast.Starred):
                return None
            found.append(given[at])
            count += 1
        else:
            found.append(match[0])
    return found


def _meant(name: str, source: Source, function: ast.FunctionDef | None) -> ast.expr | None:
    """The one value of a name that holds a text with a dot in sight."""
    a = function.args if function is not None else None
    if a is not None and name in {x.arg for x in [*a.posonlyargs, *a.args, *a.kwonlyargs]}:
        return None
    values = source.assigned.get(name, [])
    value = values[0] if len(values) == 1 else None
    formed = isinstance(value, ast.BinOp | ast.JoinedStr | ast.Call)
    dotted = isinstance(value, ast.Constant) and "." in str(value.value)
    return value if formed or dotted else None
