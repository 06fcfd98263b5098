"""Classes of the repository's own, made in other files than the one that defines them, and
functions that make such of Airflow's.

What they do not take themselves goes by ``**kwargs`` to the class of Airflow's that a class
inherits from or a function makes, and has to be what the target's class takes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from codemods.base import OwnClass, best_fit
from codemods.reading.calls import init_of, maker, positional_of, takes
from codemods.reading.heritage import bases, is_airflows, set_on_self
from codemods.reading.newlines import unified
from codemods.reading.parsing import UNPARSABLE
from codemods.reading.source import Source


@dataclass(frozen=True, kw_only=True)
class _Defined:
    bases: tuple[str, ...]  # their paths; one of the same file begins with a dot
    takes: frozenset[str] | None  # None when nothing goes on to the base
    positional: tuple[str, ...] | None  # None without a constructor of its own
    within: tuple[str, ...]
    defines: frozenset[str] = frozenset()
    inherits: bool = True  # False for a function


def own_classes(
    sources: Mapping[str, str], names: Iterable[str]
) -> dict[str, tuple[OwnClass, ...]]:
    """Name → what is known of the classes and functions of that name, for those of ``names``.

    ``sources`` maps paths to texts; what does not parse is passed over.
    """
    known: dict[str, list[_Defined]] = {}
    for path, text in sources.items():
        if "class " not in text and "**" not in text:
            continue
        try:
            source = Source(unified(text)[0], path)
        except UNPARSABLE:
            continue
        parts = PurePosixPath(path).with_suffix("").parts
        within = parts[:-1] if parts[-1] == "__init__" else parts
        for name, defined in _defined(source, within):
            known.setdefault(name, []).append(defined)
    chains = {
        name: tuple(c for one in known[name] if (c := _chain(known, one, ())) is not None)
        for name in sorted(set(names) & known.keys())
    }
    return {name: found for name, found in chains.items() if found}


def _defined(source: Source, within: tuple[str, ...]) -> Iterator[tuple[str, _Defined]]:
    for node, scope in source.classes:
        if scope is source.module and node.bases:
            init = init_of(node)
            yield (
                node.name,
                _Defined(
                    bases=tuple(p for base in bases(source, node) if (p := _path(source, base))),
                    takes=takes(init) if init is not None else frozenset(),
                    positional=positional_of(init) if init is not None else None,
                    within=within,
                    defines=frozenset(attributes(node)),
                ),
            )
    for function in source.tree.body:
        if isinstance(function, ast.FunctionDef) and (made := maker(source, function)):
            yield (
                function.name,
                _Defined(
                    bases=(made[0],), takes=made[1], positional=(), within=within, inherits=False
                ),
            )


def _path(source: Source, base: ast.expr) -> str:
    """What a base's name means; that of the same file as if it were imported from there."""
    local = base.id if isinstance(base, ast.Name) else ""
    return source.path_of(base) or (local and f".{PurePosixPath(source.path).stem}.{local}")


def attributes(cls: ast.ClassDef) -> Iterator[str]:
    """The attributes that a class gives itself: its body's names, and those of ``self``."""
    for node in cls.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        yield from (t.id for t in targets if isinstance(t, ast.Name))
    yield from (node.attr for node in set_on_self(cls))


def _chain(
    known: Mapping[str, list[_Defined]], here: _Defined, seen: tuple[_Defined, ...]
) -> OwnClass | None:
    if here.takes is None or here in seen:
        return None
    for base in here.bases:
        if is_airflows(base):
            end: OwnClass | None = OwnClass(base=base, takes=(), within=())
        else:
            above = best_fit(known.get(base.rpartition(".")[2], ()), base)
            end = _chain(known, above, (*seen, here)) if above is not None else None
            if end is None and base.startswith("airflow."):
                end = OwnClass(base=base, takes=(), within=())
        if end is not None:
            return OwnClass(
                base=end.base,
                takes=tuple(sorted(here.takes.union(end.takes))),
                within=here.within,
                positional=here.positional if here.positional is not None else end.positional,
                inherits=here.inherits,
                defines=tuple(sorted(here.defines.union(end.defines))),
            )
    return None
