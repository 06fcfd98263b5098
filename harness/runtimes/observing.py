"""Load all DAG files of one side through a probe that any of them may take down with it."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import msgspec

import harness.probes
from harness.launch import NO_NETWORK
from harness.model import (
    ErrorObservation,
    FileObservation,
    LookupObservation,
    Observation,
    PluginObservation,
    WarningObservation,
)
from harness.runtimes.base import OnProgress, Progress, Request
from harness.runtimes.supervise import Ended, OnRecord
from harness.runtimes.surroundings import Place

PROBE = Path(harness.probes.__file__).parent / "observe"

# Importing Airflow and loading the plugins takes seconds; a machine under load needs more.
START_SECONDS = 120.0

# How much longer than a file's own limit the probe may be silent: it has to end a file's
# processes and to write down what it saw of it.
SLACK_SECONDS = 30.0

# Every start costs an import of Airflow: a repository full of files that kill the probe is given
# up after so many.
MAX_STARTS = 40

Run = Callable[[Sequence[str], Mapping[str, str], OnRecord], Ended]
"""Starts the probe over some DAG files, without the plugins that have killed it, path → how; hands
over its records, and says how it ended."""


@dataclass(frozen=True, kw_only=True)
class _Start:
    airflow: str
    python: str
    packages: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class _Begin:
    path: str


@dataclass(frozen=True, kw_only=True)
class _Plugins:
    plugins: tuple[PluginObservation, ...] = ()
    errors: tuple[ErrorObservation, ...] = ()
    warnings: tuple[WarningObservation, ...] = ()
    lookups: tuple[LookupObservation, ...] = ()


@dataclass(kw_only=True)
class Seen:
    """What the records of all starts of one side's probe add up to.

    ``asked`` are the files that it is to load, ``files`` what came of them; ``failure`` says why
    the side could not be looked at, "" = it was.
    """

    asked: frozenset[str] = frozenset()
    airflow: str = ""
    python: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    plugins: _Plugins = field(default_factory=_Plugins)
    plugin: str = ""  # the last that was begun
    ready: bool = False
    begun: set[str] = field(default_factory=set)
    files: dict[str, FileObservation] = field(default_factory=dict)
    isolation: str = ""
    failure: str = ""

    def take(self, record: Mapping[str, Any]) -> None:
        """Add one record. One that is not of the agreed form counts as not seen, and so does a
        file that was not asked for or had its record before: DAG code may find the channel."""
        with contextlib.suppress(msgspec.ValidationError):
            match record.get("kind"):
                case "start":
                    start = msgspec.convert(record, _Start)
                    self.airflow, self.python = start.airflow, start.python
                    self.packages = start.packages
                case "plugin":
                    self.plugin = msgspec.convert(record, _Begin).path
                case "plugins":
                    self.plugins = msgspec.convert(record, _Plugins)
                    self.ready = True
                case "begin":
                    self.begun.add(msgspec.convert(record, _Begin).path)
                case "file":
                    file = msgspec.convert(record, FileObservation)
                    if file.path in self.asked and file.path not in self.files:
                        self.files[file.path] = file


def look(request: Request, run: Run, on_progress: OnProgress) -> Seen:
    """Run the probe over all DAG files, as often as it takes.

    A file may take the probe down with it. Then those that were being loaded are tried again one
    at a time, so that only the one whose fault it is stays without a result ("lost"). So may a
    plugin: it is left out then.
    """
    seen = Seen(asked=frozenset(request.repo.dag_files))
    total = len(request.repo.dag_files)

    def on_record(record: Mapping[str, Any]) -> None:
        seen.take(record)
        if record.get("kind") in ("plugins", "file"):
            done = len(seen.files)
            on_progress(Progress(side=request.side, step="loading", done=done, total=total))

    on_progress(Progress(side=request.side, step="starting Airflow"))
    batches = deque([request.repo.dag_files])
    killers: dict[str, str] = {}
    starts = 0
    while batches:
        batch = batches.popleft()
        starts += 1
        seen.begun.clear()
        seen.plugin = ""
        ended = run(batch, killers, on_record)
        seen.isolation = _isolation(ended, request)
        if not seen.ready and seen.plugin not in {"", *killers} and starts < MAX_STARTS:
            killers[seen.plugin] = ended.why
            batches.appendleft(batch)
            continue
        if not seen.ready:
            seen.failure = _start_failure(request, seen, ended)
            break
        left = tuple(path for path in batch if path not in seen.files)
        suspects = tuple(path for path in left if path in seen.begun)
        stuck = left == batch and not suspects
        if left and (len(batch) == 1 or stuck or starts >= MAX_STARTS):
            seen.files |= {path: _lost(path, ended) for path in left}
        elif left:
            batches.extend((path,) for path in suspects)
            if rest := tuple(path for path in left if path not in suspects):
                batches.append(rest)
    return seen


def payload_of(
    request: Request,
    files: Sequence[str],
    killers: Mapping[str, str],
    *,
    root: PurePath,
    place: Place,
) -> dict[str, Any]:
    """What the probe is asked; ``root`` is the repository where the probe finds it."""
    config = request.config
    return {
        "side": request.side,
        "repo_root": str(root),
        "airflow_home": str(place.airflow_home),
        "dags_folder": str(place.dags),
        "plugins_folder": str(place.plugins) if request.repo.plugins else None,
        "files": list(files),
        "killers": dict(killers),
        "sys_path": [str(root / path) for path in config.paths],
        "workers": request.workers or os.cpu_count() or 1,
        "timeout": config.timeout,
        "memory": config.memory,
        "allowed_hosts": list(config.allowed_hosts),
        "assume_missing": config.assume_missing,
        "samples": {kind: dict(names) for kind, names in request.samples.items()},
        "given": {"variable": sorted(config.variables), "connection": sorted(config.connections)},
    }


def observation(
    request: Request,
    seen: Seen,
    *,
    runtime: str,
    python: str = "",
    packages: Mapping[str, str],
    refused: Mapping[str, str],
    image: str = "",
    image_digest: str = "",
    timings: Mapping[str, float],
) -> Observation:
    """What was seen, as the value that is judged; ``python`` and ``packages`` are what was made,
    for a side that did not live to say so itself."""
    return Observation(
        side=request.side,
        runtime=runtime,
        airflow=seen.airflow or request.target.airflow,
        python=seen.python or python or request.target.python,
        constraints_origin=request.constraints.origin,
        constraints_location=request.constraints.location,
        packages=seen.packages or packages,
        files=tuple(seen.files[path] for path in request.repo.dag_files if path in seen.files),
        plugins=seen.plugins.plugins,
        plugin_errors=seen.plugins.errors,
        plugin_warnings=seen.plugins.warnings,
        plugin_lookups=seen.plugins.lookups,
        not_installed=refused,
        isolation=seen.isolation,
        failure=seen.failure,
        image=image,
        image_digest=image_digest,
        timings=timings,
    )


def _lost(path: str, ended: Ended) -> FileObservation:
    return FileObservation(path=path, outcome="lost", output=f"{ended.output}\n({ended.why})")


def _isolation(ended: Ended, request: Request) -> str:
    emulated = ["the emulated AWS"] if request.emulator else []
    if ended.isolation == NO_NETWORK:
        hosts, guard = emulated, "network namespace, socket guard"
    else:
        hosts, guard = [*request.config.allowed_hosts, *emulated], "socket guard"
    return guard + (f" ({', '.join(hosts)})" if hosts else "")


def _start_failure(request: Request, seen: Seen, ended: Ended) -> str:
    stage = "its plugins were loaded" if seen.airflow else "Airflow was imported"
    printed = f" The end of its output:\n{ended.output.strip()}" if ended.output.strip() else ""
    return (
        f"The {request.side} (Airflow {request.target.airflow}) did not come up: while {stage},"
        f" {ended.why}.{printed}"
    )
