"""Pairs of constructed observations: the smallest thing that a check can be asked about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.checks import checks
from harness.model import (
    DagObservation,
    ErrorObservation,
    FileObservation,
    Finding,
    Frame,
    Judged,
    Judgement,
    Observation,
    Pair,
    Repo,
    Side,
    Target,
    TaskObservation,
    Unjudged,
)

PATH = "dags/load.py"
NOON = 1_600_000_000.0

# What a target's constraints know; enough for the fixes that name a distribution.
PINS = {
    "apache-airflow": "2.11.0",
    "apache-airflow-providers-amazon": "9.8.0",
    "apache-airflow-providers-microsoft-azure": "12.3.1",
    "apache-airflow-providers-oracle": "4.1.0",
    "google-cloud-bigquery": "3.31.0",
    "psycopg2-binary": "2.9.10",
    "pyyaml": "6.0.2",
    "werkzeug": "2.2.3",
}


def row(airflow: str, python: str) -> Target:
    """A row of the targets' table with nothing in it but the versions."""
    return Target(
        airflow=airflow,
        python=python,
        role="bridge" if airflow.startswith("1.") else "target",
        mwaa="creatable",
        released="2025-01-01",
        constraints_url="",
        preinstalled={},
        essential={},
        source="",
    )


def task(task_id: str = "extract", **fields: Any) -> TaskObservation:
    """A task that runs a command."""
    return TaskObservation(
        **{
            "task_id": task_id,
            "operator": "airflow.operators.bash.BashOperator",
            "bases": ("airflow.models.baseoperator.BaseOperator",),
            "owner": "airflow",
            "pool": "default_pool",
            "queue": "default",
            "weight_rule": "downstream",
            **fields,
        }
    )


def dag(dag_id: str = "load", *tasks: TaskObservation, **fields: Any) -> DagObservation:
    """A DAG of the file ``PATH`` with ``tasks``, or one task."""
    return DagObservation(**{"dag_id": dag_id, "path": PATH, "tasks": tasks or (task(),), **fields})


def seen(*dags: DagObservation, path: str = PATH, **fields: Any) -> FileObservation:
    """A file that loaded and made ``dags``."""
    return FileObservation(**{"path": path, "outcome": "ok", "dags": dags, "at": NOON, **fields})


def broken(
    kind: str, message: str, *, path: str = PATH, line: int = 3, **fields: Any
) -> FileObservation:
    """A file that raised ``kind`` with ``message`` at ``line`` of its own."""
    frame = Frame(path=path, line=line, function="<module>", own=True)
    error = ErrorObservation(
        type=kind,
        message=message,
        path=path,
        line=line,
        frames=(frame,),
        chain=fields.pop("chain", ()),
    )
    return seen(path=path, outcome="error", error=error, **fields)


def side(which: Side, files: Iterable[FileObservation], **fields: Any) -> Observation:
    """One side that was brought up and saw ``files``."""
    bridge = which is Side.BRIDGE
    return Observation(
        **{
            "side": which,
            "runtime": "constructed",
            "airflow": "1.10.15" if bridge else "2.11.0",
            "python": "3.7" if bridge else "3.12",
            "packages": {"apache-airflow-providers-amazon": "9.8.0"},
            "files": tuple(files),
            **fields,
        }
    )


def pair(
    bridge: Iterable[FileObservation] | Observation = (),
    target: Iterable[FileObservation] | Observation = (),
    *,
    files: Iterable[str] = (),
    problems: Mapping[str, str] | None = None,
    plugins: str | None = None,
    **fields: Any,
) -> Pair:
    """A pair over every file that a side has seen, and ``files`` besides."""
    old = bridge if isinstance(bridge, Observation) else side(Side.BRIDGE, bridge)
    new = target if isinstance(target, Observation) else side(Side.TARGET, target)
    paths = sorted({item.path for item in (*old.files, *new.files)})
    repo = Repo(
        root=Path("/repository"),
        dags="dags",
        plugins=plugins,
        requirements=None,
        startup=None,
        airflow_cfg=None,
        files=tuple(sorted({*paths, *files})),
        dag_files=tuple(paths),
        problems=problems or {},
    )
    return Pair(
        **{
            "repo": repo,
            "target": row("2.11.0", "3.12"),
            "bridge_target": row("1.10.15", "3.7"),
            "bridge": old,
            "observed": new,
            "target_pins": PINS,
            "bridge_pins": PINS,
            **fields,
        }
    )


def same_pair(*dags: DagObservation, **fields: Any) -> Pair:
    """A pair whose sides saw exactly the same DAGs."""
    return pair([seen(*dags)], [seen(*dags)], **fields)


def with_dags(existing: Pair, paths: Iterable[str]) -> Pair:
    """``existing`` with further DAG files in the repository that no side has seen."""
    found = tuple(sorted({*existing.repo.dag_files, *paths}))
    return replace(existing, repo=replace(existing.repo, dag_files=found, files=found))


def ask(check: str, about: Pair) -> tuple[Judgement, ...]:
    """Everything that one check says about a pair."""
    return tuple(next(item for item in checks() if item.id == check).judge(about))


def findings(check: str, about: Pair) -> tuple[Finding, ...]:
    """What one check finds."""
    return tuple(said for said in ask(check, about) if isinstance(said, Finding))


def rules(check: str, about: Pair) -> list[str]:
    """The rules that one check finds broken."""
    return [finding.rule for finding in findings(check, about)]


def unjudged(check: str, about: Pair) -> list[str]:
    """The paths that one check could not judge."""
    return [said.path for said in ask(check, about) if isinstance(said, Unjudged)]


def judged(check: str, about: Pair) -> list[str]:
    """The paths that one check has judged."""
    return [said.path for said in ask(check, about) if isinstance(said, Judged)]
