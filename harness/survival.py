"""Whether metadata survives: a history of the repository's own DAGs, carried over and read back.

A bridge database is filled with what the observed DAGs would have left in it (``probes/seed.py``:
no DAG code runs), and tasks that can do no harm are run for real (``probes/runs.py``). It is
exported, imported into a fresh database of the target, verified row by row, and then every value is
read through the target's own Airflow. Both databases are thrown away.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import harness.probes
from harness.errors import HarnessError
from harness.launch import launched
from harness.metadata.bundle import Manifest
from harness.metadata.databases import opened
from harness.metadata.export import export
from harness.metadata.inside import Inside, database_option, inside
from harness.metadata.load import LoadReport, load
from harness.metadata.options import ExportOptions, LoadOptions
from harness.metadata.readable import Readable, read_back
from harness.metadata.sealing import Fernet, Seal, new_seal
from harness.metadata.stores import Store, store_of
from harness.metadata.values import Decoder
from harness.metadata.verify import VerifyReport, verify
from harness.model import (
    Config,
    DagObservation,
    Repo,
    Survival,
    SurvivalProblem,
    SurvivalTable,
    Target,
)
from harness.repo import copy_tree
from harness.runtimes.environments import Environment
from harness.runtimes.supervise import Limits, supervise
from harness.runtimes.surroundings import FERNET_KEY

PROBES = Path(harness.probes.__file__).parent
RUNS = 3
SEED_LIMITS = Limits(start=600.0, silence=600.0)

# What real runs may take: one task, all of them, and loading the DAGs before.
TASK_SECONDS, ALL_SECONDS = 20, 120
RUN_LIMITS = Limits(start=300.0, silence=300.0)

OnStep = Callable[[str], None]


class SeedFailed(HarnessError):
    """The bridge does not write the history that is to be carried."""


@dataclass(frozen=True, kw_only=True)
class End:
    """One end of the journey: the row of its Airflow, and an environment that has it."""

    target: Target
    environment: Environment


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A fresh, migrated database of the target, and its Airflow's Fernet key."""

    url: str
    fernet_key: str


def survive(
    dags: Iterable[DagObservation],
    *,
    bridge: End,
    target: End,
    config: Config,
    repo: Repo,
    workspace: Path,
    destination: Destination | None = None,
    runs: int = RUNS,
    on_step: OnStep = lambda _: None,
) -> Survival:
    """Carry a history of ``dags``, those of ``repo``, from the bridge to the target, and say what
    became of it.

    Without a ``destination`` it is an SQLite database in ``workspace``, an empty private folder.
    Raises HarnessError when one of the steps cannot be done at all.
    """
    began = time.perf_counter()
    dags = list(dags)
    workspace.mkdir(parents=True, exist_ok=True)
    on_step("writing a history of the DAGs")
    source = workspace / "bridge.db"
    shutil.copyfile(bridge.environment.template_db, source)
    at_bridge = inside(bridge.environment, bridge.target, workspace / "bridge")
    seeded = seed(dags, config, at_bridge, f"sqlite:///{source}", runs=runs)
    on_step("running tasks that need nothing else")
    ran, left = run_tasks(dags, repo, at_bridge, f"sqlite:///{source}", workspace)
    if destination is None:
        shutil.copyfile(target.environment.template_db, workspace / "target.db")
        destination = Destination(url=f"sqlite:///{workspace / 'target.db'}", fernet_key=FERNET_KEY)
    on_step("exporting")
    store = store_of(str(workspace / "bundle"))
    # Sealed, so that the seal is part of what is proven.
    passphrase = secrets.token_hex(16).encode("ascii")
    seal = new_seal(passphrase)
    manifest = _exported(source, bridge.environment, store, seal)
    options = LoadOptions(target=target.target.airflow, policy="replace")
    key = Fernet(destination.fernet_key, "the target")
    on_step("importing")
    with opened(destination.url) as database:
        loaded = load(database, store, options, key, passphrase)
    on_step("verifying")
    with opened(destination.url) as database:
        verified = verify(database, store, options, key, passphrase)
    on_step(f"reading it with Airflow {target.target.airflow}")
    read = read_back(
        store,
        manifest,
        seal,
        inside(target.environment, target.target, workspace / "target"),
        destination.url,
        target=target.target.airflow,
        fernet_key=destination.fernet_key,
    )
    return Survival(
        target=target.target.airflow,
        database=destination.url.partition(":")[0],
        seeded=seeded,
        ran=ran,
        left=left,
        tables=tuple(_tables(manifest, loaded, verified, read)),
        problems=tuple(_problems(verified, read)),
        seconds=time.perf_counter() - began,
    )


def _exported(source: Path, environment: Environment, store: Store, seal: Seal) -> Manifest:
    """Put the bridge's database into ``store``; its own Python reads what is pickled."""
    decoder = Decoder(
        str(environment.python),
        str(PROBES / "decode.py"),
        (),
        lambda command: launched(tuple(command), no_network=True),
    )
    try:
        with opened(f"sqlite:///{source}") as database:
            key = Fernet(FERNET_KEY, "the bridge")
            return export(database, store, ExportOptions(), key, seal, decoder)
    finally:
        decoder.close()


def seed(
    dags: Iterable[DagObservation], config: Config, where: Inside, url: str, *, runs: int = RUNS
) -> Mapping[str, int]:
    """Write a history of ``dags`` into the fresh bridge database ``url``; rows by table.

    Raises ``SeedFailed``.
    """
    # One DAG a name, as in Airflow: of two that share one, the last that was loaded.
    named = {dag.dag_id: dag for dag in dags}
    payload = where.folder / "seed.json"
    asked = {
        "dags": [msgspec.to_builtins(dag) for dag in named.values()],
        "runs": runs,
        "variables": dict(config.variables),
        "connections": dict(config.connections),
    }
    payload.write_bytes(msgspec.json.encode(asked))
    payload.chmod(0o600)
    found: dict[str, int] = {}
    failure = ""

    def take(record: Mapping[str, Any]) -> None:
        nonlocal failure
        if record.get("kind") == "end":
            found.update(record["rows"])
        elif record.get("kind") == "failed":
            failure = record["error"]

    try:
        ended = supervise(
            (str(where.python), "-B", "-s", str(PROBES / "seed.py"), str(payload)),
            env={**where.env, database_option(where.env): url},
            cwd=where.folder,
            limits=SEED_LIMITS,
            no_network=True,
            on_record=take,
        )
    finally:
        payload.unlink(missing_ok=True)
    if not found:
        raise SeedFailed(
            f"The bridge's Airflow did not write a history of the DAGs: {failure or ended.why}.",
            hint="Run `mwaa-harness check` first: what it finds on the bridge comes before this.",
        )
    return found


def run_tasks(
    dags: Iterable[DagObservation], repo: Repo, where: Inside, url: str, writable: Path
) -> tuple[Mapping[str, str], Mapping[str, int]]:
    """Run those tasks of ``dags`` for real that need nothing but this machine; ``writable`` is the
    only folder that they can change, and they have no network.

    Gives task → state, and reason → tasks that were not run. A DAG that needs more than the
    bridge's bare Airflow to be loaded is "not-loaded", whatever ends all runs is "not-ended".
    """
    copy = copy_tree(repo, where.folder / "repo")
    folders = {"DAGS": copy.dags, "PLUGINS": copy.plugins}
    options = {
        f"AIRFLOW__CORE__{name}_FOLDER": str(copy.root / folder)
        for name, folder in folders.items()
        if folder is not None
    }
    tasks = {dag.dag_id: len(dag.tasks) for dag in dags}
    payload = where.folder / "runs.json"
    asked = {
        "folder": str(writable),
        "dags": sorted(tasks),
        "task": TASK_SECONDS,
        "total": ALL_SECONDS,
    }
    payload.write_bytes(msgspec.json.encode(asked))
    ran: dict[str, str] = {}
    left: Counter[str] = Counter()

    def take(record: Mapping[str, Any]) -> None:
        if record.get("kind") != "task":
            return
        if "left" in record:
            left[record["left"]] += 1
        else:
            ran[f"{record['dag_id']}.{record['task_id']}"] = record["state"]

    ended = supervise(
        (str(where.python), "-B", "-s", str(PROBES / "runs.py"), str(payload)),
        env={**where.env, database_option(where.env): url, **options},
        cwd=where.folder,
        limits=RUN_LIMITS,
        no_network=True,
        on_record=take,
    )
    missing = sum(tasks.values()) - len(ran) - left.total()
    if missing > 0:
        left["not-loaded" if ended.complete else "not-ended"] += missing
    return ran, dict(left)


def _tables(
    manifest: Manifest, loaded: LoadReport, verified: VerifyReport, read: Readable
) -> Iterable[SurvivalTable]:
    imports = {table.name: table for table in loaded.tables}
    checks = {table.name: table for table in verified.tables}
    values: Counter[str] = Counter()
    for one in read.tables:
        values[one.name.partition(".")[0]] += one.equal
    for entry in manifest.tables:
        there, done = checks.get(entry.name), imports.get(entry.name)
        if not entry.source_rows or there is None or done is None:
            continue
        yield SurvivalTable(
            name=entry.name,
            rows=entry.source_rows,
            carried=done.written + done.same,
            listed=sum(entry.listed.values()) + done.refused,
            reasons={**entry.listed, **done.notes},
            missing=there.missing,
            different=there.different,
            source_checksum=there.expected_checksum,
            target_checksum=there.found_checksum,
            values=values[entry.name],
        )


def _problems(verified: VerifyReport, read: Readable) -> Iterable[SurvivalProblem]:
    for table in verified.tables:
        for difference in table.differences:
            yield SurvivalProblem(
                table=table.name,
                key=tuple(map(str, difference.key)),
                reason=f"{difference.kind}: {', '.join(difference.columns)}".rstrip(": "),
            )
    for one in read.unreadable:
        yield SurvivalProblem(table=one.table, key=tuple(map(str, one.key)), reason=one.reason)
