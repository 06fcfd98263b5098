"""The main job as a chain of values: Path → Repo → Rewritten → Observations → Pair → Report.

The first side is up as soon as it can be: what is not needed for that is imported where it is
needed, while a side is coming up.
"""

from __future__ import annotations

import time
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.archives import UNREADABLE
from harness.aws.emulator import Emulator
from harness.cache import cache_folder
from harness.config import load_config
from harness.errors import HarnessError, UsageError
from harness.model import (
    REPORT_SCHEMA,
    ArchiveMember,
    AssumedExtra,
    CheckResult,
    Config,
    Constraints,
    Environment,
    FileRewrite,
    FileRow,
    Finding,
    Ignored,
    Need,
    Observation,
    Pair,
    Repo,
    Report,
    Resolution,
    Rewrite,
    Severity,
    Side,
    Survival,
    Target,
)
from harness.needs.find import find_needs
from harness.plugins_zip import unpack
from harness.processes import Stopped, allow_start, stop_all
from harness.repo import copy_tree, load, requirements_text
from harness.requirements.install import requirements_for_side
from harness.runtimes.base import OnProgress, Progress, Request, Runtime, no_progress
from harness.runtimes.venv import VenvRuntime
from harness.scratch import scratch
from harness.seeds import Seeds, seed_environment
from harness.targets import (
    default_bridge,
    default_target,
    get_target,
    load_targets,
    target_pins,
)

METADATA = "metadata-survives"
"""The check that costs a journey of its own, and is therefore made only when it is asked for."""

if TYPE_CHECKING:
    from harness.survival import Destination

# Files above this size are data, not something that a rule reads or a report quotes.
TEXT_LIMIT = 1024 * 1024
TEXT_SUFFIXES = (".py", ".txt", ".in", ".sh", ".cfg", ".toml", ".ini", ".airflowignore")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked for.

    Empty ``bridge`` and ``targets`` mean: as configured, else the defaults. ``jobs`` 0 means one
    worker a core on each side, so that no core idles when one side is done. ``overrides`` are
    configuration keys given on the command line. ``offline`` reaches for nothing but the package
    index.
    """

    path: Path
    bridge: str = ""
    targets: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    fail_on: str = "error"
    jobs: int = 0
    overrides: Mapping[str, object] = field(default_factory=dict)
    offline: bool = False


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that is known before a side runs. ``extras`` are for the bridge alone;
    ``emulator`` is the AWS that both sides share, None = none."""

    options: Options
    config: Config
    repo: Repo
    bridge: Target
    targets: tuple[Target, ...]
    needs: tuple[Need, ...]
    seeds: Seeds
    extras: tuple[AssumedExtra, ...] = ()
    emulator: Emulator | None = None

    @property
    def carries_metadata(self) -> bool:
        """Whether a journey of the metadata is asked for."""
        return METADATA in self.options.only or (self.config.metadata and not self.options.only)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One side after it was observed: what it was made from, and what the probes saw. ``texts`` are
    the small files of ``repo`` as they were before any DAG code ran beside them."""

    repo: Repo
    constraints: Constraints
    observation: Observation
    texts: Mapping[str, str]
    rewrites: tuple[Rewrite, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)


def prepare(options: Options) -> Job:
    """Read the configuration and the repository; nothing is run.

    Raises HarnessError: no such folder, no DAG in it, a broken configuration, an unknown version.
    """
    config = load_config(options.path, overrides=options.overrides)
    repo = load(options.path, config=config)
    bridge = _row(options.bridge or config.bridge or default_bridge().airflow, Side.BRIDGE)
    wanted = options.targets or config.targets or (default_target().airflow,)
    _look_up(options.only, config.ignored)
    needs = find_needs(repo)
    return Job(
        options=options,
        config=config,
        repo=repo,
        bridge=bridge,
        targets=tuple(_row(version, Side.TARGET) for version in dict.fromkeys(wanted)),
        needs=needs,
        seeds=seed_environment(config, needs),
        extras=_extras(repo, bridge, config) if config.assume_missing else (),
    )


def _look_up(only: Collection[str], ignored: Collection[Ignored]) -> None:
    """UsageError for a check or an ignored rule that does not exist: it would have no effect."""
    if only:
        from harness.checks.judge import chosen

        chosen(only)
    if ignored:
        from harness.explain import page

        for entry in ignored:
            page(entry.rule)


def _extras(repo: Repo, bridge: Target, config: Config) -> tuple[AssumedExtra, ...]:
    from harness.extras import needed_extras

    lines = requirements_for_side(
        requirements_text(repo), target=bridge, repo=repo, extra=config.requirements
    )
    return needed_extras(repo, dict(_texts(repo)), bridge=bridge, requirements=lines)


def _row(version: str, side: Side) -> Target:
    """The row of ``version``, which must be one for ``side``."""
    row = get_target(version)
    if row.role != side:
        others = ", ".join(row.airflow for row in load_targets() if row.role == side)
        raise UsageError(
            f"Airflow {version} cannot be the {side}: it is on the other side of the move.",
            hint=f"For the {side} there are: {others}.",
        )
    return row


def check(options: Options, runtime: Runtime, on_progress: OnProgress = no_progress) -> Report:
    """Observe both sides, judge them, and report. The repository itself is never written to."""
    started = time.perf_counter()
    allow_start()
    job = prepare(options)
    with (
        scratch("run") as workspace,
        _emulated(job, runtime, on_progress) as job,
        _pool() as pool,
    ):
        # Two at a time: the bridge beside the first target, then the other targets.
        bridge = pool.submit(_see_bridge, job, runtime, workspace, on_progress)
        targets = [
            pool.submit(_see_target, job, row, runtime, workspace, on_progress)
            for row in job.targets
        ]
        pool.submit(_load_checks)  # when one side is done; they are wanted when all are
        _wait([bridge, *targets])
        seen = bridge.result()
        pairs = [
            (_pair(job, row, seen, side.result()), side.result())
            for row, side in zip(job.targets, targets, strict=True)
        ]
        if job.carries_metadata:
            journeys = [
                pool.submit(carried, job, row, seen.observation, workspace, on_progress)
                for row in job.targets
            ]
            _wait(journeys)
            pairs = [
                (replace(pair, survival=journey.result()), side)
                for (pair, side), journey in zip(pairs, journeys, strict=True)
            ]
        return _report(job, pairs, seen, started)


@contextmanager
def _emulated(job: Job, runtime: Runtime, on_progress: OnProgress) -> Iterator[Job]:
    """The job with the emulated AWS that it asks for."""
    with runtime.emulated(job.config, on_progress) as emulator:
        yield replace(job, emulator=emulator)


def resolve_requirements(
    path: Path,
    runtime: Runtime,
    *,
    target: str = "",
    judge: str = "pip-tools",
    on_progress: OnProgress = no_progress,
) -> Resolution:
    """Whether the requirements file of ``path``, as it stands, installs on one Airflow version.

    Raises UsageError when there is no requirements file.
    """
    from harness.requirements.resolve import resolve

    config = load_config(path, overrides={})
    repo = load(path, config=config)
    row = get_target(target or next(iter(config.targets), "") or default_target().airflow)
    if not repo.requirements:
        raise UsageError(
            f"{path} has no requirements file.",
            hint="It is looked for as requirements.txt, dags/requirements.txt and "
            "requirements/requirements.txt, and by other names where just one asks for "
            "apache-airflow.",
        )
    side = Side(row.role)
    return resolve(
        requirements_text(repo),
        side=side,
        target=row,
        constraints=runtime.constraints(row, config),
        python=runtime.python(row, side, config),
        cache=cache_folder(),
        judge=judge,
        extra=config.requirements,
        repo=repo,
        on_progress=lambda by: _announce(on_progress, side, f"resolving with {by}"),
    )


# ------------------------------------------------------------------------------------- observing


def _see_bridge(job: Job, runtime: Runtime, workspace: Path, on_progress: OnProgress) -> Seen:
    step = partial(_announce, on_progress, Side.BRIDGE)
    step("copying")
    copy = unpack(copy_tree(job.repo, workspace / "bridge" / "airflow"))
    return _observe(
        job, runtime, side=Side.BRIDGE, row=job.bridge, copy=copy, on_progress=on_progress
    )


def _see_target(
    job: Job, row: Target, runtime: Runtime, workspace: Path, on_progress: OnProgress
) -> Seen:
    from harness.rewrite.repository import rewrite

    step = partial(_announce, on_progress, Side.TARGET)
    began = time.perf_counter()
    step(f"copying for {row.airflow}")
    copy = unpack(copy_tree(job.repo, workspace / row.airflow / "airflow"))
    constraints = runtime.constraints(row, job.config)
    rewritten = rewrite(
        copy,
        target=row,
        constraints=constraints,
        config=job.config,
        on_file=lambda done, total: step(f"rewriting for {row.airflow}", done, total),
    )
    spent = time.perf_counter() - began
    seen = _observe(
        job,
        runtime,
        side=Side.TARGET,
        row=row,
        copy=rewritten.repo,
        on_progress=on_progress,
    )
    return replace(seen, rewrites=rewritten.rewrites, timings={**seen.timings, "rewrite": spent})


def _observe(
    job: Job,
    runtime: Runtime,
    *,
    side: Side,
    row: Target,
    copy: Repo,
    on_progress: OnProgress,
) -> Seen:
    """Bring one side up and look at it, while the judging resolver works beside it."""
    constraints = runtime.constraints(row, job.config)
    texts = dict(_texts(copy))
    # Last, so that what the user asks for wins where the two cannot be had together.
    assumed = (extra.requirement for extra in job.extras if side is Side.BRIDGE)
    began = time.perf_counter()
    with ThreadPoolExecutor(1) as beside:
        resolution = beside.submit(
            _resolution, job, runtime, side=side, row=row, constraints=constraints, copy=copy
        )
        observation = runtime.observe(
            Request(
                side=side,
                target=row,
                repo=copy,
                constraints=constraints,
                workspace=copy.root.parent,
                config=job.config,
                requirements=requirements_text(copy),
                extra_requirements=(*job.config.requirements, *assumed),
                env={**job.seeds.env, **(job.emulator.environment() if job.emulator else {})},
                samples=job.seeds.samples,
                workers=job.options.jobs,
                emulator=job.emulator,
            ),
            on_progress,
        )
        observed = time.perf_counter() - began
        _announce(on_progress, side, "waiting for the resolver")
        observation = replace(observation, resolution=resolution.result())
    return Seen(
        repo=copy,
        constraints=constraints,
        observation=observation,
        texts=texts,
        timings={"observe": observed, "resolve": time.perf_counter() - began},
    )


def _resolution(
    job: Job, runtime: Runtime, *, side: Side, row: Target, constraints: Constraints, copy: Repo
) -> Resolution | None:
    text = requirements_text(copy)
    if not text.strip() and not job.config.requirements:
        return None
    from harness.requirements.resolve import resolve

    return resolve(
        text,
        side=side,
        target=row,
        constraints=constraints,
        python=runtime.python(row, side, job.config),
        cache=cache_folder(),
        offline=job.options.offline,
        extra=job.config.requirements,
        repo=copy,
    )


def _announce(
    on_progress: OnProgress, side: Side, step: str, done: int = 0, total: int = 0
) -> None:
    on_progress(Progress(side=side, step=step, done=done, total=total))


# ------------------------------------------------------------------------------------- metadata


def carried(
    job: Job,
    row: Target,
    bridge: Observation,
    workspace: Path,
    on_progress: OnProgress,
    destination: Destination | None = None,
) -> Survival:
    """What becomes of a history of the bridge's DAGs on the target. A journey that cannot be made
    comes back as its ``failure``.

    It is made in environments of the embedded runtime, whatever the DAGs were loaded in.
    """
    # Only here: what carries metadata is not small, and most runs do not ask for it.
    from harness.survival import End, survive

    runtime = VenvRuntime(offline=job.options.offline)
    ends = []
    try:
        for side, target in ((Side.BRIDGE, job.bridge), (Side.TARGET, row)):
            constraints = runtime.constraints(target, job.config)
            environment = runtime.environment(
                target, side, constraints, config=job.config, on_progress=on_progress
            )
            ends.append(End(target=target, environment=environment))
        return survive(
            [dag for file in bridge.files for dag in file.dags],
            bridge=ends[0],
            target=ends[1],
            config=job.config,
            repo=job.repo,
            workspace=workspace / f"metadata-{row.airflow}",
            destination=destination,
            on_step=lambda step: _announce(on_progress, Side.TARGET, f"metadata: {step}"),
        )
    except Stopped:
        raise
    except HarnessError as error:
        return Survival(target=row.airflow, failure=str(error))


@contextmanager
def bridge_seen(
    options: Options, runtime: Runtime, on_progress: OnProgress = no_progress
) -> Iterator[tuple[Job, Observation, Path]]:
    """The job, what the bridge saw of its DAGs, and a private folder while the block lasts."""
    allow_start()
    job = prepare(options)
    with scratch("run") as workspace, _emulated(job, runtime, on_progress) as job:
        yield job, _see_bridge(job, runtime, workspace, on_progress).observation, workspace


# -------------------------------------------------------------------------------------- judging


def _load_checks() -> None:
    """Import the checks, and read the table that they look classes up in."""
    from codemods.tables.hops import all_hops
    from harness.checks.judge import chosen

    chosen(())
    all_hops()


def _pair(job: Job, row: Target, bridge: Seen, target: Seen) -> Pair:
    return Pair(
        repo=job.repo,
        target=row,
        bridge_target=job.bridge,
        bridge=bridge.observation,
        observed=target.observation,
        rewrites=target.rewrites,
        needs=job.needs,
        texts=bridge.texts,
        rewritten_texts=target.texts,
        archives=dict(_archives(job.repo)),
        target_pins=target_pins(row, target.constraints),
        bridge_pins=target_pins(job.bridge, bridge.constraints),
        assumed_extras=job.extras,
        config=job.config,
    )


def _texts(repo: Repo) -> Iterator[tuple[str, str]]:
    for path in repo.files:
        whole = repo.root / path
        if path.endswith(TEXT_SUFFIXES) and whole.stat().st_size <= TEXT_LIMIT:
            yield path, whole.read_bytes().decode("utf-8", errors="replace")


def _archives(repo: Repo) -> Iterator[tuple[str, tuple[ArchiveMember, ...]]]:
    """Tables of contents; nothing is unpacked. A broken archive is among ``repo.problems``."""
    for path in repo.files:
        if path.endswith(".zip"):
            with suppress(*UNREADABLE), zipfile.ZipFile(repo.root / path) as opened:
                yield (
                    path,
                    tuple(
                        ArchiveMember(name=entry.filename, size=entry.file_size)
                        for entry in opened.infolist()
                    ),
                )


def _report(job: Job, pairs: Iterable[tuple[Pair, Seen]], bridge: Seen, started: float) -> Report:
    from harness.checks.judge import judge, verdict

    results: list[CheckResult] = []
    findings: list[Finding] = []
    rows: list[FileRow] = []
    rewrites: list[FileRewrite] = []
    environments = [_environment("", bridge.observation)]
    timings = {f"bridge {name}": seconds for name, seconds in bridge.timings.items()}
    texts: dict[str, str] = {}
    for pair, seen in pairs:
        judged = judge(pair, only=asked(job), fail_on=Severity(job.options.fail_on))
        results += judged.results
        findings += judged.findings
        rows += judged.rows
        version = pair.target.airflow
        rewrites += [_file_rewrite(version, entry) for entry in seen.rewrites]
        environments.append(_environment(version, seen.observation))
        timings |= {f"{version} {name}": seconds for name, seconds in seen.timings.items()}
        texts |= pair.texts
    quoted = {finding.path for finding in findings}
    return Report(
        schema=REPORT_SCHEMA,
        version=__version__,
        verdict=verdict(results),
        repo=str(job.options.path),
        bridge=job.bridge.airflow,
        targets=tuple(row.airflow for row in job.targets),
        checks=tuple(results),
        findings=tuple(findings),
        files=tuple(rows),
        rewrites=tuple(rewrites),
        environments=tuple(environments),
        timings={**timings, "total": time.perf_counter() - started},
        sources={path: text for path, text in texts.items() if path in quoted},
    )


def asked(job: Job) -> tuple[str, ...]:
    """The checks of this job: those that were named, else all but the one that is asked for."""
    from harness.checks import checks

    if job.options.only:
        return job.options.only
    return tuple(check.id for check in checks() if check.id != METADATA or job.carries_metadata)


def _file_rewrite(version: str, entry: Rewrite) -> FileRewrite:
    return FileRewrite(
        target=version,
        path=entry.path,
        diff=entry.diff,
        edits=entry.edits,
        notes=entry.notes,
        error=entry.error,
    )


def _environment(version: str, seen: Observation) -> Environment:
    return Environment(
        target=version,
        side=seen.side,
        runtime=seen.runtime,
        airflow=seen.airflow,
        python=seen.python,
        constraints_origin=seen.constraints_origin,
        constraints_location=seen.constraints_location,
        packages=seen.packages,
        failure=seen.failure,
        image=seen.image,
        image_digest=seen.image_digest,
    )


# --------------------------------------------------------------------------------------- threads


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Two threads, one a side. Whatever ends the block early ends what they have started."""
    pool = ThreadPoolExecutor(2)
    try:
        yield pool
    except BaseException:
        stop_all()
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown()


def _wait(futures: Iterable[Future[Any]]) -> None:
    """Return when all are done, or raise what one raised without waiting for those after it."""
    for future in futures:
        future.result()
