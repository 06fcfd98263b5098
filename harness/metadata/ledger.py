"""The ledger: what an import has done, kept in the target itself.

Each chunk is one transaction that writes the rows and, with them, one row of the ledger. So
whatever ends an import, and wherever, the ledger says exactly what is there, and starting again
goes on behind it. It stays after the import: the same bundle is then known to be there already,
and ``verify`` reads from it which ids were given. ``DROP TABLE mwaa_harness_import`` when nobody
needs that any more; Airflow never looks at it.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Dict, List, Optional, Tuple

from harness.metadata.database import Database
from harness.metadata.shape import Plan, Refusals

LEDGER = "mwaa_harness_import"
PLAN, DONE = "*plan", "*done"


class Ledger:
    """The entries of one bundle in one target."""

    def __init__(self, database: Database, bundle: str) -> None:
        self.database = database
        self.bundle = bundle

    def exists(self) -> bool:
        """Whether any import has been begun in this target."""
        return LEDGER in self.database.catalogue()

    def create(self) -> None:
        """Make the table, within the caller's transaction."""
        self.database.execute(
            f"CREATE TABLE IF NOT EXISTS {LEDGER} (bundle varchar(64) NOT NULL,"
            " part varchar(250) NOT NULL, chunk integer NOT NULL, row_count integer NOT NULL,"
            " note text, PRIMARY KEY (bundle, part, chunk))"
        )

    def add(self, part: str, chunk: int, rows: int, note: Any) -> None:
        """One entry, within the caller's transaction."""
        self.database.execute(
            f"INSERT INTO {LEDGER} (bundle, part, chunk, row_count, note) VALUES (?, ?, ?, ?, ?)",
            (self.bundle, part, chunk, rows, json.dumps(note, sort_keys=True)),
        )

    def entries(self) -> Dict[Tuple[str, int], Tuple[int, Any]]:
        """(part, chunk) → (rows, note) of this bundle."""
        if not self.exists():
            return {}
        return {
            (part, int(chunk)): (int(rows), json.loads(note))
            for part, chunk, rows, note in self.database.rows(
                f"SELECT part, chunk, row_count, note FROM {LEDGER} WHERE bundle = ?",
                (self.bundle,),
            )
        }

    def others(self) -> List[str]:
        """Bundles whose import was begun here and never finished."""
        if not self.exists():
            return []
        return [
            row[0]
            for row in self.database.rows(
                f"SELECT DISTINCT bundle FROM {LEDGER} WHERE bundle <> ? AND bundle NOT IN"
                f" (SELECT bundle FROM {LEDGER} WHERE part = ?)",
                (self.bundle, DONE),
            )
        ]

    def plan(self) -> Optional[Plan]:
        """The plan that an import of this bundle was begun with."""
        found = self.entries().get((PLAN, 0))
        if found is None:
            return None
        note = found[1]
        note["staged"] = tuple(note["staged"])
        return Plan(**note)

    def done(self) -> bool:
        """Whether the import is complete."""
        return (DONE, 0) in self.entries()


def plan_note(plan: Plan) -> Dict[str, Any]:
    """A plan as the note of its entry."""
    return asdict(plan)


def refusals_note(refusals: Refusals, merged: int = 0) -> Dict[str, Any]:
    """What a chunk's entry says beside its rows."""
    return {
        "refused": refusals.rows,
        "notes": refusals.notes,
        "details": refusals.details,
        "merged": merged,
    }
