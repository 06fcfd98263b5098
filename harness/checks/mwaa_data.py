"""``data/mwaa_rules.toml`` as a value."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.version import Version

_FILE = Path(__file__).parent.parent / "data" / "mwaa_rules.toml"


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A configuration option ("section.key") that got a new name with an Airflow version."""

    old: str
    new: str
    since: Version


@dataclass(frozen=True, kw_only=True)
class ReplacedValue:
    """A value of an option that 2.x spells differently."""

    key: str
    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class MwaaData:
    """The tables of the file; see the comments there."""

    reserved_variables: tuple[str, ...]
    overwritten_configuration: frozenset[str]
    filled_folders: Mapping[str, str]
    moved_configuration: tuple[Moved, ...]
    removed_configuration: Mapping[str, str]
    replaced_values: tuple[ReplacedValue, ...]
    megabytes: Mapping[str, int]


@cache
def mwaa_data() -> MwaaData:
    """The tables, read once."""
    table = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    moved = tuple(
        Moved(old=row["old"], new=row["new"], since=Version(row["since"]))
        for row in table["moved_configuration"]
    )
    overwritten = {*table["overwritten_configuration"]}
    return MwaaData(
        reserved_variables=tuple(table["reserved_variables"]),
        overwritten_configuration=frozenset(
            overwritten | {row.old for row in moved if row.new in overwritten}
        ),
        filled_folders=table["filled_folders"],
        moved_configuration=moved,
        removed_configuration={row["key"]: row["advice"] for row in table["removed_configuration"]},
        replaced_values=tuple(ReplacedValue(**row) for row in table["replaced_value"]),
        megabytes=table["megabytes"],
    )


def moved_option(key: str, airflow: str) -> Moved | None:
    """The row of an option that has another name in an Airflow version."""
    version = Version(airflow)
    rows = mwaa_data().moved_configuration
    return next((row for row in rows if row.old == key and row.since <= version), None)
