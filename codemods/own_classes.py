"""Classes of the repository's own, made in other files than the one that defines them, and
functions that make such of Airflow's.

What they do not take themselves goes by ``**kwargs`` to the class of Airflow's that a class
inherits from or a function makes, and has to be what the target's class takes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from codemods.base import OwnClass
from codemods.calls import init_of, maker, positional_of, takes
from codemods.newlines import unified
from codemods.parsing import UNPARSABLE
from codemods.source import Source


@dataclass(frozen=True, kw_only=True)
class _Defined:
    base: str  # the first base's path, or its name when it is no import's
    takes: frozenset[str] | None  # None when nothing goes on to the base
    positional: tuple[str, ...] | None  # None without a constructor of its own
    within: tuple[str, ...]
    inherits: bool = True  # False for a function


def own_classes(sources: Mapping[str, str], names: Iterable[str]) -> dict[str, OwnClass]:
    """Name → what is known of the class or function, for those of ``names`` that one file defines.

    ``sources`` maps paths to texts; what does not parse is passed over.
    """
    wanted = set(names)
    found: dict[str, list[_Defined]] = {}
    for path, text in sources.items():
        if "class " not in text and "**" not in text:
            continue
        try:
            source = Source(unified(text)[0], path)
        except UNPARSABLE:
            continue
        parts = PurePosixPath(path).with_suffix("").parts
        for node, scope in source.classes:
            if scope is source.module and node.bases:
                first = node.bases[0]
                base = source.path_of(first) or (first.id if isinstance(first, ast.Name) else "")
                init = init_of(node)
                found.setdefault(node.name, []).append(
                    _Defined(
                        base=base,
                        takes=takes(init) if init is not None else frozenset(),
                        positional=positional_of(init) if init is not None else None,
                        within=parts,
                    )
                )
        for function in source.tree.body:
            if isinstance(function, ast.FunctionDef) and (made := maker(source, function)):
                found.setdefault(function.name, []).append(
                    _Defined(
                        base=made[0], takes=made[1], positional=(), within=parts, inherits=False
                    )
                )
    known = {name: rows[0] for name, rows in found.items() if len(rows) == 1}
    chains = ((name, _chain(known, name)) for name in sorted(wanted & set(known)))
    return {name: chain for name, chain in chains if chain is not None}


def _chain(known: Mapping[str, _Defined], name: str) -> OwnClass | None:
    taken: set[str] = set()
    seen: set[str] = set()
    positional: tuple[str, ...] | None = None
    at = name
    while at in known and at not in seen:
        seen.add(at)
        here = known[at]
        if here.takes is None:
            return None
        taken |= here.takes
        positional = here.positional if positional is None else positional
        base = here.base
        if base.startswith("airflow.") and base.rpartition(".")[2] not in known:
            return OwnClass(
                base=base,
                takes=tuple(sorted(taken)),
                within=known[name].within,
                positional=positional or (),
                inherits=known[name].inherits,
            )
        at = base.rpartition(".")[2]
    return None
