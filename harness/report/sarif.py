"""SARIF 2.1.0 (OASIS standard of 27 March 2020), within what GitHub code scanning reads of it.

Findings that hold for several targets are one result; ignored ones are suppressed results, so
that a viewer can show the user's reason. What could not be judged is a notification of a run that
did not succeed: an empty list of results alone would look like a pass.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from harness.model import EXIT_CODES, Finding, Report, Verdict
from harness.report.base import Statement, View, gaps, source_reader, statements, visible
from harness.report.json import dump

Json = dict[str, Any]


def lines(report: Report, view: View) -> Iterator[str]:
    """The report as one SARIF log with one run."""
    said = statements(report)
    ids = sorted({statement.finding.rule for statement in said})
    run = {
        "tool": {
            "driver": {
                "name": "mwaa-harness",
                "version": report.version,
                "rules": [_rule(rule_id, view) for rule_id in ids],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(report)],
        "results": list(_results(report, view, said, ids)),
        "properties": {
            "verdict": report.verdict,
            "bridge": report.bridge,
            "targets": list(report.targets),
        },
    }
    yield from dump({"version": "2.1.0", "runs": [run]})


def _rule(rule_id: str, view: View) -> Json:
    rule = view.rules.get(rule_id)
    if rule is None:
        return {"id": rule_id, "shortDescription": {"text": rule_id}}
    help_text = f"{rule.why}\n\n{rule.fix}"
    return {
        "id": rule_id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": help_text, "markdown": help_text},
        "defaultConfiguration": {"level": rule.severity},
    }


def _results(
    report: Report, view: View, said: tuple[Statement, ...], ids: list[str]
) -> Iterator[Json]:
    read = source_reader(report)
    seen: Counter[str] = Counter()
    index = {rule_id: position for position, rule_id in enumerate(ids)}
    for statement in said:
        finding = statement.finding
        fingerprint = _fingerprint(finding, read)
        seen[fingerprint] += 1
        text = finding.message
        if statement.targets:
            text += f" (Airflow {', '.join(statement.targets)})"
        yield {
            "ruleId": finding.rule,
            "ruleIndex": index[finding.rule],
            "level": finding.severity,
            "message": {"text": f"{text}\n\n{finding.fix}" if finding.fix else text},
            "locations": [{"physicalLocation": _place(finding, view, read)}],
            "partialFingerprints": {"mwaaHarness/v1": f"{fingerprint}:{seen[fingerprint]}"},
            "suppressions": (
                [{"kind": "external", "justification": finding.ignored}] if finding.ignored else []
            ),
            "properties": {
                key: value
                for key, value in {
                    "check": finding.check,
                    "side": finding.side,
                    "targets": list(statement.targets),
                    "evidence": finding.evidence,
                }.items()
                if value
            },
        }


def _place(finding: Finding, view: View, read: Callable[[Finding], str]) -> Json:
    # GitHub refuses a result without a place: one about the repository as a whole points at it.
    path = "/".join(part for part in (view.prefix, finding.path) if part) or "."
    # A relative URI whose first part holds a colon would read as a scheme; quote() escapes it.
    place: Json = {"artifactLocation": {"uri": quote(visible(path))}}
    if finding.line:
        place["region"] = {"startLine": finding.line}
        if finding.column:
            place["region"]["startColumn"] = finding.column
        if source := read(finding):
            place["region"]["snippet"] = {"text": source}
    return place


def _fingerprint(finding: Finding, read: Callable[[Finding], str]) -> str:
    """What stays the same when lines above the finding come or go."""
    parts = (finding.rule, finding.path, finding.message, read(finding).strip())
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def _invocation(report: Report) -> Json:
    notes = [
        {
            "level": "error",
            "message": {"text": f"not judged by {', '.join(gap.checks)}: {gap.reason}"},
            "properties": {"targets": list(gap.targets), "paths": list(gap.paths)},
        }
        for gap in gaps(report)
    ]
    invocation: Json = {
        "executionSuccessful": report.verdict is not Verdict.UNKNOWN and not notes,
        "exitCode": EXIT_CODES[report.verdict],
    }
    if notes:
        invocation["toolExecutionNotifications"] = notes
    return invocation
