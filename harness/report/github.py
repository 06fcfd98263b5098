"""Workflow commands of GitHub Actions: an annotation for each finding, at its line.

GitHub shows ten annotations of each type for a step, in the order in which they are printed. So
the worst comes first, each different finding before any repeats, one place is kept for the
verdict, and what would not be shown is printed as plain lines of the log instead.
Source: docs.github.com, "Workflow commands for GitHub Actions" and the runner's
``ActionCommand`` (escapes).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from harness.model import Report, Severity, Verdict
from harness.report.base import (
    SEVERITIES,
    Statement,
    View,
    counts,
    gaps,
    location,
    shown,
    statements,
    summary,
    visible,
)

LIMIT = 10
_COMMANDS: Mapping[Severity, str] = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.NOTE: "notice",
}


def lines(report: Report, view: View) -> Iterator[str]:
    """The report as workflow commands, its verdict last."""
    said = statements(report)
    verdict = "notice" if report.verdict is Verdict.PASS else "error"
    room = dict.fromkeys(_COMMANDS.values(), LIMIT)
    room[verdict] -= 1
    rest: list[str] = []
    for gap in gaps(report):
        targets = f" on Airflow {', '.join(gap.targets)}" if gap.targets else ""
        message = f"{', '.join(gap.checks)}{targets}: {gap.reason}"
        if room["error"]:
            room["error"] -= 1
            file = {"file": _path(gap.paths[0], view)} if len(gap.paths) == 1 else {}
            yield _command("error", {**file, "title": "not judged"}, message)
        else:
            rest.append(f"not judged: {message}")
    for statement in _by_importance(shown(said)):
        command = _COMMANDS[statement.finding.severity]
        if room[command]:
            room[command] -= 1
            yield _annotation(command, statement, view)
        else:
            finding = statement.finding
            rest.append(f"{command}: {location(finding)} {finding.rule}: {finding.message}")
    if rest:
        yield f"::group::{len(rest)} more findings"
        yield from map(_log_line, rest)
        yield "::endgroup::"
    text = f"{report.verdict}: {summary(report, counts(report, said))}"
    yield _command(verdict, {"title": "mwaa-harness"}, text)


def _by_importance(said: list[Statement]) -> list[Statement]:
    """The worst first; of one severity, the first place of each rule and message before any
    second place."""
    seen: Counter[tuple[str, str]] = Counter()
    ranked = []
    for position, statement in enumerate(said):
        finding = statement.finding
        key = (finding.rule, finding.message)
        ranked.append((SEVERITIES.index(finding.severity), seen[key], position))
        seen[key] += 1
    return [said[position] for _, _, position in sorted(ranked)]


def _annotation(command: str, statement: Statement, view: View) -> str:
    finding = statement.finding
    properties = {
        "file": _path(finding.path, view),
        "line": str(finding.line or ""),
        "col": str(finding.column or ""),
        "title": finding.rule,
    }
    targets = f"Airflow {', '.join(statement.targets)}" if statement.targets else ""
    parts = (finding.message, finding.evidence, finding.fix, targets)
    return _command(command, properties, "\n".join(part for part in parts if part))


def _path(path: str, view: View) -> str:
    return "/".join(part for part in (view.prefix, path) if part) if path else ""


def _command(command: str, properties: Mapping[str, str], message: str) -> str:
    given = ",".join(
        f"{key}={_escape(value).replace(':', '%3A').replace(',', '%2C')}"
        for key, value in properties.items()
        if value
    )
    return f"::{command} {given}::{_escape(message)}"


def _escape(text: str) -> str:
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _log_line(text: str) -> str:
    """One line that the runner takes for text: it would obey ``##[`` anywhere in it."""
    return " ".join(visible(text).split()).replace("##[", "## [")
