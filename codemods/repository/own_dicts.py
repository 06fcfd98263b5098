"""Dicts of the repository's own that one file binds and another one gives to calls by ``**``."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TypeGuard

from codemods.base import OwnDict
from codemods.reading.calls import Holder, fillings, items_of
from codemods.reading.newlines import unified
from codemods.reading.parsing import UNPARSABLE


def own_dicts(sources: Mapping[str, str], names: Iterable[str]) -> dict[str, tuple[OwnDict, ...]]:
    """Name → what the dicts of that name hold, for those of ``names``.

    ``sources`` maps paths to texts; what does not parse is passed over.
    """
    wanted = frozenset(names)
    found: dict[str, list[OwnDict]] = {}
    for path, text in sources.items():
        try:
            body = ast.parse(unified(text)[0]).body
        except UNPARSABLE:
            continue
        parts = PurePosixPath(path).with_suffix("").parts
        within = parts[:-1] if parts[-1] == "__init__" else parts
        bound = {
            target.id: statement.value
            for statement in body
            if isinstance(statement, ast.Assign | ast.AnnAssign)
            for target in getattr(statement, "targets", [getattr(statement, "target", None)])
            if isinstance(target, ast.Name) and target.id in wanted
        }
        for name, value in bound.items():
            if not _is_holder(value):
                continue
            items = {key: given for _, key, given in items_of(value)}
            for filling in fillings(body, name):
                items |= {key: given for _, key, given in filling.items}
            held = tuple((key, _code(given)) for key, given in sorted(items.items()))
            found.setdefault(name, []).append(OwnDict(within=within, items=held))
    return {name: tuple(ones) for name, ones in found.items()}


def _is_holder(value: ast.expr | None) -> TypeGuard[Holder]:
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id == "dict"
    return isinstance(value, ast.Dict)


def _code(value: ast.expr) -> str:
    """The code of a literal; nothing for a value that means something only where it stands."""
    names = any(isinstance(node, ast.Name | ast.Call) for node in ast.walk(value))
    return "" if names else ast.unparse(value)
