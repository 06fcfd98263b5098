"""Tables of dated rows, and which of them hold for a set of pins.

A mined table says what a release has; a row stays until a later one of the same path::

    [apache-airflow>=2.4]
    path(...) what it is
    path gone
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

_GONE = " gone"
Rows = Mapping[str, tuple[tuple[str, Version, str], ...]]


def sections(name: str) -> Iterator[tuple[Requirement, str]]:
    """(requirement of its header, row) for each row of a table in ``codemods/data``."""
    when = Requirement("apache-airflow")
    for line in (files("codemods") / "data" / name).read_text("utf-8").splitlines():
        if line.startswith("["):
            when = Requirement(line.strip("[]"))
        elif line and not line.startswith("#"):
            yield when, line


@lru_cache(maxsize=8)
def mined_rows(name: str) -> Rows:
    """path → its rows with distribution and first version, oldest first."""
    table: dict[str, list[tuple[str, Version, str]]] = {}
    header, since = None, Version("0")
    for when, line in sections(name):
        if when is not header:
            header, since = when, Version(next(iter(when.specifier)).version)
        path = line.partition(" ")[0].partition("(")[0]
        table.setdefault(path, []).append((when.name, since, line))
    return {path: tuple(rows) for path, rows in table.items()}


class Pins:
    """Versions by distribution, asked which rows hold."""

    def __init__(self, pins: Mapping[str, str]) -> None:
        self._versions: dict[str, Version] = {}
        for name, version in pins.items():
            try:
                self._versions[canonicalize_name(name)] = Version(version)
            except InvalidVersion:
                continue

    def holds(self, requirement: Requirement) -> bool:
        """Whether a version that satisfies it is pinned."""
        version = self._versions.get(canonicalize_name(requirement.name))
        return version is not None and requirement.specifier.contains(version, prereleases=True)

    def past(self, rows: Rows, path: str) -> list[str]:
        """The rows of ``path`` up to the pinned release, oldest first."""
        return [
            line
            for dist, since, line in rows.get(path, ())
            if dist in self._versions and since <= self._versions[dist]
        ]

    def line(self, rows: Rows, path: str) -> str:
        """The row of ``path`` in the pinned release; empty when it is not there."""
        past = self.past(rows, path)
        return past[-1] if past and not past[-1].endswith(_GONE) else ""
