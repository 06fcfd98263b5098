"""The code of arguments that move into another one, or that a call gains."""

from __future__ import annotations

import ast
from typing import Any

from codemods.editing.argument_map import GIVEN, Mapped, read_argument
from codemods.reading.source import Source
from codemods.reading.values import SHAPES, WRAPPERS


def gathered(
    source: Source, mapped: Mapped, at: dict[str, ast.keyword], skip: frozenset[str]
) -> tuple[dict[str, str], list[str]]:
    """Argument → code of what moved into it and of what is added; the calls that it needs."""
    tree: dict[str, Any] = {}
    wrappers: list[str] = []

    def put(name: str, keys: tuple[str, ...], code: str) -> None:
        node = tree
        for key in (name, *keys)[:-1]:
            node = node.setdefault(key, {})
        node.setdefault((name, *keys)[-1], code)

    for addition in mapped.add:
        code = GIVEN.sub(lambda m: read_argument(source, at, m[1], m[2] or "") or "", addition.code)
        put(addition.name, addition.keys, code)
    for argument, row in mapped.into.items():
        if argument not in skip:
            value = at[argument].value
            put(row.new, row.keys, shaped(source, value, row.shape))

    def write(node: dict[str, Any] | str) -> str:
        if isinstance(node, str):
            return node
        made = next((key for key in node if key.startswith("@")), None)
        if made is None:
            return "{" + ", ".join(f'"{key}": {write(inner)}' for key, inner in node.items()) + "}"
        wrapper = WRAPPERS[made[1:]]
        wrappers.append(wrapper.path)
        inside = ", ".join(f"{key}={write(inner)}" for key, inner in node[made].items())
        return f"{wrapper.path.rpartition('.')[2]}({inside}){wrapper.tail}"

    return {name: write(node) for name, node in tree.items()}, wrappers


def shaped(source: Source, value: ast.expr, shape: str) -> str:
    made = SHAPES[shape][0](value, source) if shape else None
    return made if made is not None else source.segment(value)
