"""``pytest --mwaa-repo REPO``: the same pipeline, one test item per thing it judged.

Items are a DAG file on one side, a requirements file on one side, and a check for one target.
They are listed without running anything; the first one that runs brings both Airflows up, once
for the whole session, pytest-xdist's workers included.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.model import Finding, Report

OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--mwaa-repo", {"metavar": "REPO", "help": "the DAG repository to judge"}),
    (
        "--mwaa-target",
        {"metavar": "V", "action": "append", "default": [], "help": "a target (repeatable)"},
    ),
    ("--mwaa-bridge", {"metavar": "V", "default": "", "help": "the 1.10 side"}),
    (
        "--mwaa-fail-on",
        {"choices": ["error", "warning"], "default": "error", "help": "what makes an item fail"},
    ),
    (
        "--mwaa-assume-missing",
        {"action": "store_true", "help": "let placeholders stand in for missing Variables"},
    ),
    (
        "--mwaa-aws",
        {"choices": ["moto", "localstack", "none"], "help": "the emulated AWS DAGs may reach"},
    ),
    (
        "--mwaa-metadata",
        {"action": "store_true", "help": "carry a history of the DAGs to the target, too"},
    ),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options; without ``--mwaa-repo`` the plugin does nothing."""
    group = parser.getgroup("mwaa-harness", "Airflow 1.10 to Amazon MWAA 2.x")
    for name, settings in OPTIONS:
        group.addoption(name, **settings)


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Append the items of the repository to whatever else was collected."""
    if config.getoption("--mwaa-repo"):
        items.extend(_items(session, config))


class Failed(Exception):
    """An item's findings, for pytest to show without a traceback of ours."""


class Item(pytest.Item):
    """One thing that is judged. ``side`` is "bridge" or "target"."""

    def __init__(self, *, what: str, side: str, target: str, subject: str, **more: Any) -> None:
        super().__init__(**more)
        self.what, self.side, self.target, self.subject = what, side, target, subject

    def runtest(self) -> None:
        problems = list(_problems(self, _report(self.config)))
        if problems:
            raise Failed("\n".join(problems))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        from harness.errors import HarnessError

        if isinstance(excinfo.value, Failed | HarnessError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return Path(self.config.getoption("--mwaa-repo")), None, self.name


def _items(session: pytest.Session, config: pytest.Config) -> Iterator[Item]:
    from harness.errors import HarnessError
    from harness.pipeline import asked, prepare

    try:
        job = prepare(_options(config))
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None
    sides = [("bridge", job.bridge.airflow), *(("target", row.airflow) for row in job.targets)]
    files = [("file", path) for path in job.repo.dag_files]
    if job.repo.requirements:
        files.append(("requirements", job.repo.requirements))
    for what, path in files:
        for side, version in sides:
            yield Item.from_parent(
                session,
                name=f"mwaa[{path}-{side}-{version}]",
                what=what,
                side=side,
                target=version,
                subject=path,
            )
    for row in job.targets:
        for check in asked(job):
            yield Item.from_parent(
                session,
                name=f"mwaa[{check}-{row.airflow}]",
                what="check",
                side="",
                target=row.airflow,
                subject=check,
            )


def _options(config: pytest.Config) -> Any:
    from harness.pipeline import Options

    overrides = {
        "assume-missing": config.getoption("--mwaa-assume-missing") or None,
        "aws": config.getoption("--mwaa-aws"),
        "metadata": config.getoption("--mwaa-metadata") or None,
    }
    return Options(
        path=Path(config.getoption("--mwaa-repo")),
        bridge=config.getoption("--mwaa-bridge"),
        targets=tuple(config.getoption("--mwaa-target")),
        fail_on=config.getoption("--mwaa-fail-on"),
        overrides=overrides,
    )


_REPORT = pytest.StashKey[Any]()


def _report(config: pytest.Config) -> Report:
    """The session's report; with pytest-xdist the first worker makes it and the others read it."""
    from harness.errors import HarnessError

    if _REPORT in config.stash:
        stored: Report | HarnessError = config.stash[_REPORT]
        if isinstance(stored, HarnessError):
            raise stored
        return stored
    try:
        report = _made_report(config)
    except HarnessError as error:
        # What stopped the first item would stop all the others, one after the other.
        config.stash[_REPORT] = error
        raise
    config.stash[_REPORT] = report
    return report


def _made_report(config: pytest.Config) -> Report:
    from filelock import FileLock
    from msgspec import json

    from harness.model import Report
    from harness.pipeline import check
    from harness.runtimes import make_runtime

    worker = getattr(config, "workerinput", None)
    if worker is None:
        return check(_options(config), make_runtime("venv"))
    shared = Path(tempfile.gettempdir()) / f"mwaa-harness-{worker['testrunuid']}.json"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            from harness.files import write_atomically

            made = check(_options(config), make_runtime("venv"))
            write_atomically(shared, json.encode(made))
        return json.decode(shared.read_bytes(), type=Report)


def pytest_unconfigure(config: pytest.Config) -> None:
    """The controller of pytest-xdist removes what its workers shared."""
    plugin = config.pluginmanager.getplugin("dsession")
    run = getattr(plugin, "nodemanager", None) and plugin.nodemanager.testrunuid
    if run:
        for path in Path(tempfile.gettempdir()).glob(f"mwaa-harness-{run}.json*"):
            path.unlink(missing_ok=True)


def _problems(item: Item, report: Report) -> Iterator[str]:
    """What is wrong with an item, a paragraph each; nothing = it passes."""
    from harness.model import Severity, Verdict

    if item.what == "check":
        for result in report.checks:
            if (result.check, result.target) != (item.subject, item.target):
                continue
            if result.status is Verdict.PASS:
                return
            yield f"{result.title}: {result.status} on {result.target}"
            yield from (f"{entry.path}: not judged: {entry.reason}" for entry in result.unjudged)
        findings = [entry for entry in report.findings if entry.check == item.subject]
    else:
        yield from _absent(item, report)
        findings = [entry for entry in report.findings if entry.path == item.subject]
    grave = {Severity.ERROR, Severity.WARNING}
    if item.config.getoption("--mwaa-fail-on") == "error":
        grave = {Severity.ERROR}
    for finding in findings:
        if finding.severity in grave and not finding.ignored and _concerns(item, finding):
            yield _paragraph(finding)


def _concerns(item: Item, finding: Finding) -> bool:
    if item.side == "bridge":
        return finding.side == "bridge"
    return finding.target == item.target and (item.what == "check" or finding.side != "bridge")


def _absent(item: Item, report: Report) -> Iterator[str]:
    """A file that a side has no answer for must not look as if it had passed."""
    if item.what != "file":
        return
    rows = [row for row in report.files if row.path == item.subject]
    if item.side == "bridge":
        outcomes = {row.bridge for row in rows}
    else:
        outcomes = {row.observed for row in rows if row.target == item.target}
    if outcomes != {"ok"}:
        yield f"{item.subject}: {', '.join(sorted(outcomes)) or 'not observed'} on the {item.side}"


def _paragraph(finding: Finding) -> str:
    place = f"{finding.path}:{finding.line}" if finding.line else finding.path
    parts = [f"{place}: {finding.rule}: {finding.message}", finding.evidence, finding.fix]
    return "\n    ".join(part for part in parts if part)
