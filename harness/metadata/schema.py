"""What a row of ``tables`` says: a table, its columns, and which Airflow has which of them.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

# Airflow version → alembic revision of the first release that has it, oldest first.
# Source: airflow/utils/db.py of 2.11.0 (_REVISION_HEADS_MAP) and `alembic heads` of 1.10.15.
REVISIONS = (
    ("1.10.12", "da3f683c3a5a"),
    ("1.10.13", "03afc6b6f902"),
    ("2.0.0", "e959f08ac86c"),
    ("2.0.1", "82b7c48c147f"),
    ("2.0.2", "2e42bb497a22"),
    ("2.1.0", "a13f7613ad25"),
    ("2.1.3", "97cdd93827b8"),
    ("2.1.4", "ccde3e26fe78"),
    ("2.2.0", "7b2661a43ba3"),
    ("2.2.3", "be2bfac3da23"),
    ("2.2.4", "587bdf053233"),
    ("2.3.0", "b1b348e02d07"),
    ("2.3.1", "1de7bc13c950"),
    ("2.3.2", "3c94c427fdf6"),
    ("2.3.3", "f5fcbda3e651"),
    ("2.4.0", "ecb43d2a1842"),
    ("2.4.2", "b0d31815b5a6"),
    ("2.4.3", "e07f49787c9d"),
    ("2.5.0", "290244fb8b83"),
    ("2.6.0", "98ae134e6fff"),
    ("2.6.2", "c804e5c76e3e"),
    ("2.7.0", "405de8318b3a"),
    ("2.8.0", "10b52ebd31f7"),
    ("2.8.1", "88344c1d9134"),
    ("2.9.0", "1949afb29106"),
    ("2.9.2", "686269002441"),
    ("2.10.0", "22ed7efa9da2"),
    ("2.10.3", "5f2621c13b39"),
)


@dataclass(frozen=True)
class Column:
    """One column of the superset.

    ``type`` is text, integer, float, boolean, timestamptz, timestamp, bytea or json. ``since`` is
    the first Airflow whose table has the column ("" = 1.10 has it), ``until`` the first that has
    it no more. ``expression`` is SQL over the source (``t`` is the table, the joins of the table
    are there too); without it the column is read under its own name. ``fill`` is the value for a
    target that has the column where no source has; None leaves it to the target's default.
    ``transform`` names what happens to each value (see ``values``); ``flag`` is the column that
    says whether the value is encrypted. ``references`` is the table whose surrogate id it holds.

    In a table of many rows what every 2.x drops comes first and what is transformed comes last
    of what is carried: then a row is cut at its ends instead of being taken apart.
    """

    name: str
    type: str = "text"
    since: str = ""
    until: str = ""
    expression: str = ""
    fill: Optional[str] = None
    transform: str = ""
    flag: str = ""
    references: str = ""

    @property
    def carried(self) -> bool:
        """Whether the bundle has it; the others are the target's alone."""
        return not self.since or bool(self.expression)


@dataclass(frozen=True)
class Reject:
    """Rows that the target cannot hold: ``when`` is SQL over the source that is never NULL."""

    reason: str
    when: str


@dataclass(frozen=True)
class Table:
    """One table. ``columns`` is empty for a table that is not carried; ``why_not`` says why.

    ``key`` is what identifies a row on both sides, () when nothing does; ``source_key`` is what
    names a row of the source in a listing. ``identity`` is the surrogate key. ``after`` are the
    tables that have to be there before it. ``when`` is the column that ``--since`` looks at.
    ``keep`` makes the rows of a table that is not carried part of the bundle, as listed rows.
    ``merge`` are the columns that a row which the target already has takes over, whatever the
    policy: the target's own Airflow writes the others. ``also_unique`` is SQL for what else no two
    rows of the target share (``{0}`` is the row).
    """

    name: str
    columns: Tuple[Column, ...] = ()
    key: Tuple[str, ...] = ()
    source_key: Tuple[str, ...] = ()
    identity: str = ""
    joins: str = ""
    rejects: Tuple[Reject, ...] = ()
    after: Tuple[str, ...] = ()
    when: str = ""
    merge: Tuple[str, ...] = ()
    also_unique: Tuple[str, ...] = ()
    secret: Tuple[str, ...] = ()
    keep: bool = False
    why_not: str = ""

    @property
    def carried(self) -> bool:
        """Whether its rows come to the target."""
        return bool(self.columns)


def version_key(version: str) -> Tuple[int, ...]:
    """ "2.10.3" → (2, 10, 3): versions in their order."""
    return tuple(int(part) for part in version.split("."))


def has(column: Column, version: str) -> bool:
    """Whether that Airflow's table has the column."""
    key = version_key(version)
    return not (
        (column.since and key < version_key(column.since))
        or (column.until and key >= version_key(column.until))
    )


def columns_of(table: Table, version: str) -> Tuple[Column, ...]:
    """The columns that that Airflow's table has."""
    return tuple(column for column in table.columns if has(column, version))


def revision_of(version: str) -> str:
    """The alembic revision of an Airflow's database; "" when it is not known."""
    known = [head for since, head in REVISIONS if version_key(since) <= version_key(version)]
    return known[-1] if known else ""


def airflow_of(revision: str) -> str:
    """The first Airflow with that alembic revision; "" when it is not known."""
    return next((version for version, head in REVISIONS if head == revision), "")
