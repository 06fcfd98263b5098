"""What the target's classes lack of the attributes and methods that those of 1.10 had.

``attributes.txt`` is mined; ``attributes_by_hand.txt`` says what takes their place::

    [apache-airflow>=2.0]
    airflow.x.Operator.get_hook() -> hook      the code behind the dot
    airflow.x.Operator.attribute ! advice      a person must decide
    *.attribute ! advice                       whatever the class

A row holds, since the release that mining found, for the class and everything that inherits from it
and has no row of its own; the header's is that of attributes which 1.10.15 itself had no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from packaging.requirements import Requirement

from codemods.tables.dated import Pins, Rows, mined_rows, sections

_GENERAL = "Keep it in the class itself, or ask for what the target's class has in its place"


@dataclass(frozen=True, kw_only=True)
class Lost:
    """One attribute that went: ``new`` is the code behind the dot, or empty."""

    in_body: bool  # it was a method or a constant of the class, and so may be overridden
    new: str = ""
    advice: str = _GENERAL


@lru_cache(maxsize=1)
def _hand_rows() -> Mapping[str, tuple[Requirement, Lost]]:
    found: dict[str, tuple[Requirement, Lost]] = {}
    for when, line in sections("attributes_by_hand.txt"):
        path, kind, rest = line.split(" ", 2)
        new, advice = (rest, f"Use self.{rest}") if kind == "->" else ("", rest)
        found[path.removesuffix("()")] = (
            when,
            Lost(in_body=path.endswith("()"), new=new, advice=advice),
        )
    return found


def _mined() -> Rows:
    return mined_rows("attributes.txt")


@lru_cache(maxsize=1)
def names_by_class() -> Mapping[str, frozenset[str]]:
    """Class of 1.10 → the names of its attributes in the tables."""
    found: dict[str, set[str]] = {}
    for path in {*_mined(), *_hand_rows()}:
        found.setdefault(path.rpartition(".")[0], set()).add(path.rpartition(".")[2])
    return {path: frozenset(names) for path, names in found.items()}


class Attributes:
    """The table of lost attributes as one set of pins sees it."""

    def __init__(self, pins: Mapping[str, str]) -> None:
        self._pins = Pins(pins)

    def lost(self, lineage: tuple[str, ...], name: str) -> Lost | None:
        """What became of an attribute of a class with this lineage; None: nothing is known."""
        for path in lineage:
            by_hand = _hand_rows().get(f"{path}.{name}")
            mined = self._pins.line(_mined(), f"{path}.{name}")
            if mined.endswith(" lost"):
                _, told = by_hand or _hand_rows().get(f"*.{name}") or ("", Lost(in_body=False))
                return replace(told, in_body="()" in mined)
            if mined:
                return None
            if by_hand is not None and f"{path}.{name}" not in _mined():
                return by_hand[1] if self._pins.holds(by_hand[0]) else None
        return None
