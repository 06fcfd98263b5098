"""``from airflow.… import *`` with the names that a file uses in the place of the star.

The rules go by what an import binds. A star binds what nobody sees, so that calls of what it brings
would keep arguments that the target refuses.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from codemods.reading.scopes import Binding
from codemods.reading.source import Source
from codemods.tables.constructors import baseline


@dataclass(frozen=True, kw_only=True)
class Named:
    """A text whose stars are named, the lines of these, and whether it means the same for sure."""

    text: str
    lines: tuple[int, ...]
    sure: bool


def named_stars(source: Source, members: Mapping[str, Iterable[str]]) -> Named | None:
    """The text with names for Airflow's stars; None where no star brings one that is used.

    ``members`` are modules of 1.10.15 → names that they have. It is not sure where a star that is
    not Airflow's may bring the same name, and where a name is used that no known module has.
    """
    stars = [b for b in source.bindings if b.name == "*" and not b.tower]
    known = [star for star in stars if star.airflow]
    foreign = {b.path.partition(".")[0] for b in stars} - {"airflow"} - sys.stdlib_module_names
    brought: dict[Binding, list[str]] = {}
    for name in sorted(source.unbound):
        homes = [star for star in known if _has(star, name, members)]
        if homes:
            defined = [star for star in homes if baseline().signature(_path(star, name))]
            brought.setdefault((defined or homes)[-1], []).append(name)
    if not brought:
        return None
    text = source.text
    for star in sorted(brought, key=lambda b: -source.span(b.alias)[0]):
        start, end = source.span(star.alias)
        text = text[:start] + ", ".join(brought[star]) + text[end:]
    told = {name for names in brought.values() for name in names}
    return Named(
        text=text,
        lines=tuple(sorted(star.alias.lineno for star in brought)),
        sure=not foreign and set(source.unbound) <= told,
    )


def _path(star: Binding, name: str) -> str:
    return f"{star.path.removesuffix('.*')}.{name}"


def _has(star: Binding, name: str, members: Mapping[str, Iterable[str]]) -> bool:
    path = _path(star, name)
    return name in members.get(path.rpartition(".")[0], ()) or bool(baseline().signature(path))
