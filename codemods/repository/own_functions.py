"""Functions of the repository's own that one file defines and another one gives to Airflow, or
hands the context of a task."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from codemods.base import UNSURE, OwnFunction, OwnFunctions, best_fit, within_of
from codemods.reading.callables import (
    defaults_of,
    filled,
    function_at,
    given,
    handed_on,
    placed,
    unasking,
)
from codemods.reading.contexts import takers
from codemods.reading.newlines import unified
from codemods.reading.parsing import UNPARSABLE
from codemods.reading.source import Source

_ROUNDS = 4  # nobody hands a context on through more files


def own_functions(sources: Mapping[str, str], names: Iterable[str]) -> OwnFunctions:
    """Name → what is known of the functions of that name, for those of ``names``.

    ``sources`` maps paths to texts; what does not parse is passed over.
    """
    wanted = frozenset(names)
    read: list[Source] = []
    for path, text in sources.items():
        try:
            read.append(Source(unified(text)[0], path))
        except UNPARSABLE:
            continue
    found: dict[str, list[OwnFunction]] = {}
    for source in read:
        for node in source.tree.body:
            if isinstance(node, ast.FunctionDef) and node.name in wanted:
                one = OwnFunction(within=within_of(source.path), code=ast.unparse(node))
                found.setdefault(node.name, []).append(one)
    for _ in range(_ROUNDS):
        known = {name: tuple(ones) for name, ones in found.items()}
        for source in read:
            source.own_functions = known
            takers.cache_clear()
            for path, role, fills in _asked(source):
                _tell(found, path, role, fills)
        if known == {name: tuple(ones) for name, ones in found.items()}:
            break
    takers.cache_clear()
    given.cache_clear()
    return known


def _tell(
    found: Mapping[str, list[OwnFunction]], path: str, role: str, fills: frozenset[str]
) -> None:
    """Note what a function is let get, where it is plain which one is meant."""
    ones = found.get(path.rpartition(".")[2], [])
    own = best_fit(ones, path)
    if own is not None:
        roles, names = {*own.roles, role}, {*own.filled, *fills}
        told = replace(own, roles=tuple(sorted(roles)), filled=tuple(sorted(names)))
        ones[ones.index(own)] = told


def _asked(source: Source) -> Iterator[tuple[str, str, frozenset[str]]]:
    """The paths of functions of other files, what they are let get of the context, and what they
    are given beside it."""
    left = {id(call): {*defaults_of(f.args)} for call, f in unasking(source)}
    for one in given(source):
        path = source.path_of(one.value)
        if path is None or not one.role:
            continue
        fills = filled(source, one.call) if one.call is not None else frozenset()
        function = function_at(source, one.value)
        if one.call is not None and fills is not None:
            by_place = placed(source, one.call, function)
            more = left.get(id(one.call), set())
            fills = fills | by_place | more if by_place is not None else None
        if fills is not None:
            yield path, one.role, fills
    for taker in takers(source):
        for call, role in handed_on(taker.node, taker.holders):
            path = source.path_of(call.func)
            if path is not None and not path.startswith("airflow."):
                yield path, UNSURE + role, frozenset()
