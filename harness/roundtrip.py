"""``metadata roundtrip``: a repository without a metadata dump can still be gated.

Its DAGs are loaded on the bridge, a history of them is carried to each target, and read there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from harness.errors import HarnessError, UsageError
from harness.model import Survival
from harness.pipeline import Options, bridge_seen, carried
from harness.runtimes.base import OnProgress, Runtime, no_progress
from harness.survival import Destination

SCHEMA = "mwaa-harness/metadata-roundtrip/1"
SHOWN = 20


class NothingToCarry(HarnessError):
    """No DAG of the repository loads on the bridge."""


def roundtrip(
    options: Options,
    runtime: Runtime,
    *,
    destination: Destination | None = None,
    on_progress: OnProgress = no_progress,
) -> tuple[Survival, ...]:
    """What becomes of a history of the repository's DAGs on each target of ``options``.

    ``destination`` is a fresh database of the only target; without one each target has an SQLite
    database of its own. Raises HarnessError: as ``check`` does, no DAG loads on the bridge.
    """
    with bridge_seen(options, runtime, on_progress) as (job, bridge, workspace):
        if destination is not None and len(job.targets) != 1:
            raise UsageError("--database is the database of one --target.")
        if bridge.failure:
            raise HarnessError(bridge.failure)
        if not any(file.dags for file in bridge.files):
            raise NothingToCarry(
                f"{options.path}: no DAG loads on Airflow {job.bridge.airflow}, so there is none "
                "whose history could be carried.",
                hint="`mwaa-harness check` says why they do not load.",
            )
        return tuple(
            carried(job, row, bridge, workspace, on_progress, destination) for row in job.targets
        )


def _runs(survival: Survival) -> Iterator[str]:
    """Which tasks were run for real, and why the others were not."""
    told = [f"{task} {state}" for task, state in sorted(survival.ran.items())]
    more = [f"and {len(told) - SHOWN} more"] if len(told) > SHOWN else []
    yield f"  run for real: {', '.join([*told[:SHOWN], *more]) or 'no task'}"
    if survival.left:
        reasons = ", ".join(f"{why} {count}" for why, count in sorted(survival.left.items()))
        yield f"  only rows of their shape: {reasons}"


def document(repo: Path, survivals: Sequence[Survival]) -> str:
    """All of it as JSON."""
    found = {
        "schema": SCHEMA,
        "repo": str(repo),
        "ok": all(survival.ok for survival in survivals),
        "targets": [{**msgspec.to_builtins(survival), "ok": survival.ok} for survival in survivals],
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode("utf-8")


def lines(repo: Path, survivals: Sequence[Survival]) -> Iterator[str]:
    """A table for each target, and what did not survive."""
    for survival in survivals:
        word = "survives" if survival.ok else "does NOT survive"
        yield f"{repo}: metadata {word} the move to Airflow {survival.target}"
        if survival.failure:
            yield from (f"  {line}" for line in survival.failure.splitlines())
            continue
        yield from _runs(survival)
        yield f"  {'table':30} {'rows':>8} {'carried':>8} {'listed':>7} {'read back':>10}  sums"
        for table in survival.tables:
            same = table.source_checksum == table.target_checksum
            told = "equal" if same else f"{table.source_checksum} ≠ {table.target_checksum}"
            reasons = ", ".join(f"{why} {count}" for why, count in sorted(table.reasons.items()))
            yield (
                f"  {table.name:30} {table.rows:8} {table.carried:8} {table.listed:7}"
                f" {table.values or '':>10}  {told}{'; ' + reasons if reasons else ''}"
            )
        for problem in survival.problems[:SHOWN]:
            key = ", ".join(problem.key)
            yield f"  {problem.table}{' ' + key if key else ''}: {problem.reason}"
        if len(survival.problems) > SHOWN:
            yield f"  … and {len(survival.problems) - SHOWN} more (--format json has them all)"
        yield f"  {survival.database}, {survival.seconds:.1f} s"
