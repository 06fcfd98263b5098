"""The method table: what the methods of hooks and models take, release by release.

``methods.txt`` is mined, so is ``functions.txt``, which has the plain functions of Airflow's
modules. ``methods_by_hand.txt`` says what mining cannot know; its rows hold for the class and
everything that inherits from it, or for a function of that module::

    [apache-airflow>=2.0]
    airflow.x.Hook.method -> other             the method has another name
    airflow.x.Hook.method argument name        an argument has another name
    airflow.x.Hook.method argument - why       dropped, it had no effect
    airflow.x.Hook.method ! advice             a person must decide
    airflow.x.Hook.method argument ! advice
    airflow.x.Hook.method ? word advice        a person must see to it, unless the call gives that
                                               argument or, where it is none, the file says the word
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from packaging.requirements import Requirement

from codemods.tables.constructors import Constructor, parse_line
from codemods.tables.dated import Pins, Rows, mined_rows, sections

_PROPERTY = "() @"


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """One row by hand."""

    when: Requirement
    new: str  # a name, or "-"; empty when ``advice`` says what to do
    advice: str


def _lines() -> Rows:
    return mined_rows("methods.txt")


@lru_cache(maxsize=1)
def _hand_rows() -> Mapping[tuple[str, str], tuple[MethodRow, ...]]:
    """(path.method, argument or ``->`` or ``!``) → rows."""
    table: dict[tuple[str, str], list[MethodRow]] = {}
    for when, line in sections("methods_by_hand.txt"):
        path, what, *rest = line.split(" ", 2)
        new = rest[0] if rest else ""
        if what == "?":
            new, _, advice = new.partition(" ")
            row = MethodRow(when=when, new=new, advice=advice)
        elif what == "!" or new.startswith("!"):
            row = MethodRow(when=when, new="", advice=new.lstrip("! "))
        elif new.startswith("-"):
            row = MethodRow(when=when, new="-", advice=new[1:].strip())
        else:
            row = MethodRow(when=when, new=new, advice="")
        table.setdefault((path, what), []).append(row)
    return {key: tuple(rows) for key, rows in table.items()}


class Methods:
    """The method table as one set of pins sees it."""

    def __init__(self, pins: Mapping[str, str]) -> None:
        self._pins = Pins(pins)

    def _line(self, path: str) -> str:
        return self._pins.line(_lines(), path)

    def knows(self, path: str) -> bool:
        """Whether the table lists the methods of the class at ``path``."""
        return any(self._line(p) for p in _by_class().get(path, ()))

    def names(self, lineage: tuple[str, ...]) -> frozenset[str]:
        """The methods of a class with this lineage."""
        return frozenset(
            method.rpartition(".")[2]
            for path in lineage
            for method in _by_class().get(path, ())
            if self._line(method)
        )

    def find(self, lineage: tuple[str, ...], name: str) -> Constructor | None:
        """What a method takes; ``anything`` for properties and the like; None without one."""
        for path in lineage:
            line = self._line(f"{path}.{name}")
            if line.endswith(_PROPERTY):
                return parse_line(line.replace("@", "***"))
            if line:
                return parse_line(line)
        return None

    def function(self, path: str) -> Constructor | None:
        """What the function that is imported from ``path`` takes; None without one."""
        line = self._pins.line(mined_rows("functions.txt"), path)
        return parse_line(line) if line else None

    def by_hand(self, lineage: tuple[str, ...], name: str, what: str) -> MethodRow | None:
        """The row by hand for an argument of a method, or for the method itself."""
        for path in lineage:
            for row in reversed(_hand_rows().get((f"{path}.{name}", what), ())):
                if self._pins.holds(row.when):
                    return row
        return None


@lru_cache(maxsize=1)
def _by_class() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for path in _lines():
        found.setdefault(path.rpartition(".")[0], []).append(path)
    return {path: tuple(methods) for path, methods in found.items()}


@lru_cache(maxsize=1)
def baseline_methods() -> Methods:
    """The table of Airflow 1.10.15."""
    return Methods({"apache-airflow": "1.10.15"})


@lru_cache(maxsize=1)
def method_names() -> frozenset[str]:
    """The names of all methods in the table."""
    return frozenset(path.rpartition(".")[2] for path in _lines())
