"""What a name stands for in turn: the items of displays in sight that loops go through."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import lru_cache

from codemods.reading.source import Source
from codemods.reading.values import known

_Row = Sequence[ast.expr]


def looped(source: Source, name: str) -> list[ast.expr]:
    """The expressions that a name stands for, where nothing but loops over displays binds it;
    empty where something else does, or a display cannot be read."""
    found: list[ast.expr] = []
    for target, items in _loops(source):
        names = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
        at = next((i for i, n in enumerate(names) if isinstance(n, ast.Name) and n.id == name), -1)
        if at >= 0:
            rows = _rows(source, items, len(names) if names != [target] else 0)
            if rows is None:
                return []
            found += [row[at] for row in rows]
    others = source.assigned.get(name) or name in _parameters(source)
    return [] if others else found


def _loops(source: Source) -> list[tuple[ast.expr, ast.expr]]:
    """The target and the items of each loop, those of comprehensions included."""
    statements = ((loop.target, loop.iter) for loop in source.every(ast.For))
    return [*statements, *((loop.target, loop.iter) for loop in source.every(ast.comprehension))]


@lru_cache(maxsize=1)
def _parameters(source: Source) -> frozenset[str]:
    return frozenset(argument.arg for argument in source.every(ast.arg))


def _rows(source: Source, items: ast.expr, width: int) -> list[_Row] | None:
    """What each turn of a loop unpacks into ``width`` names, or gives to one where that is 0."""
    shown = known(items, source)
    rows: list[_Row | None] | None = None
    match shown:
        case ast.List() | ast.Tuple() | ast.Set():
            rows = [_unpacked(item, width) for item in shown.elts]
        case ast.Dict() if None not in shown.keys and not width:
            rows = [(key,) for key in shown.keys if key is not None]
        case ast.Call(func=ast.Attribute(value=of, attr="items"), args=[]) if width == 2:
            table = known(of, source)
            if isinstance(table, ast.Dict):
                pairs = zip(table.keys, table.values, strict=True)
                rows = [(key, value) if key is not None else None for key, value in pairs]
        case ast.Call(func=ast.Attribute(value=of, attr="values"), args=[]) if not width:
            table = known(of, source)
            if isinstance(table, ast.Dict) and None not in table.keys:
                rows = [(value,) for value in table.values]
        case ast.Call(func=ast.Name(id="enumerate"), args=[inner, *_]) if width == 2:
            inside = _rows(source, inner, 0)
            rows = [(ast.Constant(0), *row) for row in inside] if inside is not None else None
    seen = [row for row in rows or [] if row is not None]
    return seen if rows is not None and len(seen) == len(rows) else None


def _unpacked(item: ast.expr, width: int) -> _Row | None:
    if not width:
        return None if isinstance(item, ast.Starred) else (item,)
    parts = item.elts if isinstance(item, ast.Tuple | ast.List) else []
    return parts if len(parts) == width else None
