"""Where a 1.10 path is on the target; asked by checks, which need no LibCST."""

from __future__ import annotations

from collections.abc import Mapping

from codemods.base import Removed
from codemods.tables.hops import hops_for


def resolve_symbol(dotted: str, *, pins: Mapping[str, str]) -> str | Removed | None:
    """Follow a 1.10 path to the target.

    Gives the new path, ``Removed`` with advice when the target has none, or None when the path
    did not change (or is not one of Airflow's).
    """
    resolution = hops_for(key_of(pins)).resolve(dotted)
    if resolution.removed is not None:
        return resolution.removed
    return resolution.path if resolution.moved else None


def key_of(pins: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The pins as something that a cache can hold on to."""
    return tuple(sorted(pins.items()))
