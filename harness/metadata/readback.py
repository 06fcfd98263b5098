"""Carried metadata, read back through the target's own Airflow: what its users will see of it.

The probe ``readback.py`` does it in the target's environment. Secrets come back as digests under a
key that is made for the run: two sides can be compared, and nobody learns what they are.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

import harness.probes
from harness.errors import HarnessError
from harness.files import write_atomically
from harness.metadata.inside import Inside, database_option
from harness.runtimes.supervise import Limits, supervise

PROBE = Path(harness.probes.__file__).parent / "readback.py"

# Importing Airflow takes seconds; a million rows of which none is printed takes longer.
LIMITS = Limits(start=600.0, silence=600.0)
LOGS = 400


class ReadbackFailed(HarnessError):
    """The target's Airflow cannot read its database, or not to the end."""


@dataclass(frozen=True, slots=True)
class Read:
    """One value as the target sees it: tagged JSON, or the ``error`` that it ends in.

    ``table`` is one of ``TABLES``; ``key`` identifies the row (see the probe), () = the table as
    a whole cannot be read.
    """

    table: str
    key: tuple[Any, ...]
    value: Any = None
    error: str = ""


OnEmpty = Callable[[str, int], None]


def no_empty(table: str, count: int) -> None:
    """For callers that do not count what is empty."""


TABLES = (
    "dag_run.conf",
    "task_instance.executor_config",
    "xcom.value",
    "dag_run",
    "variable",
    "connection",
    "slot_pool",
    "ab_user",
    "log_name",
)


def new_secret() -> bytes:
    """A key for the digests of one run."""
    return secrets.token_bytes(32)


def digest(text: str | None, secret: bytes) -> Mapping[str, str] | None:
    """What the probe says of a secret instead of the secret itself."""
    if text is None:
        return None
    return {"hmac": hmac.new(secret, text.encode("utf-8"), hashlib.sha256).hexdigest()}


def readback(
    where: Inside,
    url: str,
    *,
    fernet_key: str,
    secret: bytes,
    on_read: Callable[[Read], None],
    on_empty: OnEmpty = no_empty,
    tables: Sequence[str] = TABLES,
    logs: int = LOGS,
) -> int:
    """Read ``tables`` of the database ``url`` in the target's environment, row by row.

    Rows of confs and configurations that are an empty dict are only counted, for ``on_empty``.
    ``logs`` is for about how many task instances, at least one a DAG, the name of the log is asked.
    Gives the number of rows that were handed over. Raises ``ReadbackFailed`` when the probe does
    not come to its end; what it had read until then was handed over.
    """
    key_file = where.folder / "secret.key"
    payload = where.folder / "readback.json"
    asked = {"tables": list(tables), "secret_key": str(key_file), "logs": logs}
    payload.write_bytes(msgspec.json.encode(asked))
    write_atomically(key_file, secret)
    key_file.chmod(0o600)
    settings = {database_option(where.env): url, "AIRFLOW__CORE__FERNET_KEY": fernet_key}
    place = replace(where, env={**where.env, **settings})
    counted = -1
    last: Mapping[str, Any] = {}

    def take(record: Mapping[str, Any]) -> None:
        nonlocal counted, last
        last = record
        if record.get("kind") == "row":
            on_read(
                Read(
                    record["table"],
                    tuple(record["key"]),
                    record.get("value"),
                    record.get("error", ""),
                )
            )
        elif record.get("kind") == "empty":
            on_empty(record["table"], record["count"])
        elif record.get("kind") == "end":
            counted = record["count"]

    try:
        ended = supervise(
            (str(place.python), "-B", "-s", str(PROBE), str(payload)),
            env=place.env,
            cwd=place.folder,
            limits=LIMITS,
            no_network=False,
            on_record=take,
        )
    finally:
        key_file.unlink(missing_ok=True)
    if last.get("kind") == "failed":
        raise ReadbackFailed(
            f"Airflow in {place.python} cannot read the database:"
            f" {_without(last['error'], url, fernet_key)}",
            hint="Check its URL, and that it is migrated to this Airflow's version.",
        )
    if counted < 0:
        after = f" after {last['table']} {last['key']}" if last.get("kind") == "row" else ""
        raise ReadbackFailed(
            f"Airflow in {place.python} did not read its database to the end: {ended.why}{after}."
            f"\n{_without(ended.output, url, fernet_key)}".rstrip(),
            hint="Check that the database is migrated to this Airflow's version and answers.",
        )
    return counted


def _without(output: str, *hidden: str) -> str:
    """The end of what a probe printed, without what nobody may see."""
    for text in hidden:
        output = output.replace(text, "***") if text else output
    return "\n".join(output.splitlines()[-15:])
