"""What an export and an import may be told.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

POLICIES = ("fail", "skip-identical", "replace")
CHUNK_ROWS = 100_000


@dataclass(frozen=True)
class ExportOptions:
    """What an export may be told. ``tables`` is empty for all; ``since`` is a date or a time.

    ``without`` is a DAG whose history stays out: the one that exports, which is not over yet.
    """

    tables: Tuple[str, ...] = ()
    since: str = ""
    without: str = ""
    dry_run: bool = False
    overwrite: bool = False
    list_undecryptable: bool = False
    chunk_rows: int = CHUNK_ROWS


@dataclass(frozen=True)
class LoadOptions:
    """What an import may be told. ``tables`` is empty for all that the bundle has.

    ``keep_paused`` leaves it to the target which of the DAGs that it knows are paused. With
    ``secrets_prefix`` variables and connections become secrets of AWS Secrets Manager under it.
    """

    target: str
    tables: Tuple[str, ...] = ()
    policy: str = "fail"
    keep_paused: bool = False
    secrets_prefix: str = ""
    dry_run: bool = False
