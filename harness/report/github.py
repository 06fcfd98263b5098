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
from dataclasses import dataclass

from harness.model import Report, Severity, Verdict
from harness.report.base import (
    SEVERITIES,
    Gap,
    Statement,
    View,
    counts,
    gaps,
    inert,
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


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """A workflow command, and the line of the log that stands for it where there is no room."""

    command: str
    properties: Mapping[str, str]
    message: str
    line: str


def lines(report: Report, view: View) -> Iterator[str]:
    """The report as workflow commands, its verdict last."""
    said = statements(report)
    verdict = "notice" if report.verdict is Verdict.PASS else "error"
    room = Counter(dict.fromkeys(_COMMANDS.values(), LIMIT))
    room[verdict] -= 1
    rest: list[Annotation] = []
    found = [_finding(statement, view) for statement in _by_importance(shown(said))]
    serious = [each for each in found if each.command == "error"]
    others = [each for each in found if each.command != "error"]
    for each in (*serious, *(_gap(gap, view) for gap in gaps(report)), *others):
        if room[each.command]:
            room[each.command] -= 1
            yield _command(each)
        else:
            rest.append(each)
    if rest:
        yield f"::group::{len(rest)} more findings"
        yield from map(_log_line, rest)
        yield "::endgroup::"
    text = f"{report.verdict}: {summary(report, counts(report, said))}"
    yield _command(
        Annotation(command=verdict, properties={"title": "mwaa-harness"}, message=text, line="")
    )


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


def _finding(statement: Statement, view: View) -> Annotation:
    finding = statement.finding
    targets = f"Airflow {', '.join(statement.targets)}" if statement.targets else ""
    parts = (finding.message, finding.evidence, finding.fix, targets)
    return Annotation(
        command=_COMMANDS[finding.severity],
        properties={
            "file": _path(finding.path, view),
            "line": str(finding.line or ""),
            "col": str(finding.column or ""),
            "title": finding.rule,
        },
        message="\n".join(part for part in parts if part),
        line=f"{location(finding)} {finding.rule}: {finding.message}",
    )


def _gap(gap: Gap, view: View) -> Annotation:
    targets = f" on Airflow {', '.join(gap.targets)}" if gap.targets else ""
    message = f"{', '.join(gap.checks)}{targets}: {gap.reason}"
    return Annotation(
        command="error",
        properties={
            "file": _path(gap.paths[0], view) if len(gap.paths) == 1 else "",
            "title": "not judged",
        },
        message=message,
        line=f"not judged: {message}",
    )


def _path(path: str, view: View) -> str:
    return "/".join(part for part in (view.prefix, path) if part) if path else ""


def _command(annotation: Annotation) -> str:
    given = ",".join(
        f"{key}={_escape(value).replace(':', '%3A').replace(',', '%2C')}"
        for key, value in annotation.properties.items()
        if value
    )
    return f"::{annotation.command} {given}::{_escape(annotation.message)}"


def _escape(text: str) -> str:
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _log_line(annotation: Annotation) -> str:
    """One line that the runner takes for text."""
    text = " ".join(visible(annotation.line).split())
    return inert(f"{annotation.command}: {text}")
