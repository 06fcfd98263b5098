"""What the target's own code asks of what subclasses override; ``contracts.txt`` is mined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from codemods.tables.dated import Pins, mined_rows


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What the target does with a method or property, otherwise than 1.10."""

    path: str  # the class of 1.10 that it is told of
    given: tuple[str, ...] = ()  # ``name=default`` of what it gives to the method besides
    without: tuple[str, ...] = ()  # what it does not give any more
    uncalled: bool = False
    fixed: bool = False  # it is a property that cannot be set


@lru_cache(maxsize=1)
def _names() -> Mapping[str, frozenset[str]]:
    """Class of 1.10 → the names that the table has of it."""
    found: dict[str, set[str]] = {}
    for row in mined_rows("contracts.txt"):
        path, _, name = row.rpartition(".")
        found.setdefault(path, set()).add(name)
    return {path: frozenset(names) for path, names in found.items()}


class Contracts:
    """The table of contracts as one set of pins sees it."""

    def __init__(self, pins: Mapping[str, str]) -> None:
        self._pins = Pins(pins)

    def of(self, lineage: Iterable[str]) -> dict[str, Contract]:
        """Name → its contract, for a class of 1.10 with this lineage, nearest class first."""
        told: dict[str, Contract] = {}
        for path in lineage:
            for name in _names().get(path, frozenset()) - told.keys():
                line = self._pins.line(mined_rows("contracts.txt"), f"{path}.{name}")
                if line:
                    told[name] = _contract(path, line.split()[1:])
        return told


def _contract(path: str, words: list[str]) -> Contract:
    return Contract(
        path=path,
        given=tuple(word for word in words[1:] if "=" in word),
        without=tuple(word[1:] for word in words[1:] if "=" not in word),
        uncalled=words[0] == "uncalled",
        fixed=words[0] == "fixed",
    )
