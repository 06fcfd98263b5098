"""JUnit XML, as Jenkins and GitLab read it: a test case for each check and target, for each file
and side, and one for the verdict itself.

JUnit has four outcomes; they are used so that nothing is green that was not proven: *failure* for
what is wrong, *error* for what could not be judged or observed, *skipped* only for a broken file
whose findings the user has ignored with a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from harness.model import CheckResult, FileRow, Finding, Report, Side, Verdict
from harness.report.base import (
    View,
    counts,
    grouped,
    location,
    statements,
    summary,
    tally,
    visible,
)

_OUTCOMES = {Verdict.FAIL: "failure", Verdict.UNKNOWN: "error"}
# Outcomes of a file (see FileObservation) that say nothing about the file itself.
_UNSEEN = ("absent", "lost")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One test case; ``outcome`` is "", "failure", "error" or "skipped"."""

    suite: str
    classname: str
    name: str
    outcome: str = ""
    kind: str = ""
    message: str = ""
    text: str = ""


def lines(report: Report, view: View) -> Iterator[str]:
    """The report as one JUnit XML document."""
    del view
    root = ET.Element("testsuites", name="mwaa-harness")
    if "total" in report.timings:
        root.set("time", f"{report.timings['total']:.3f}")
    suites = grouped(_cases(report), lambda case: case.suite)
    everything = [case for cases in suites.values() for case in cases]
    for key, number in _numbers(everything).items():
        if key != "skipped":  # this attribute is not known on the root
            root.set(key, str(number))
    for name, cases in suites.items():
        suite = ET.SubElement(root, "testsuite", name=visible(name))
        for key, number in _numbers(cases).items():
            suite.set(key, str(number))
        for case in cases:
            suite.append(_element(case))
    ET.indent(root)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield from ET.tostring(root, encoding="unicode").split("\n")


def _cases(report: Report) -> Iterator[Case]:
    by_check = grouped(report.findings, lambda finding: (finding.check, finding.target))
    checks = {(result.check, result.target) for result in report.checks}
    others = [each for key, many in by_check.items() if key not in checks for each in many]
    yield Case(
        suite="mwaa-harness",
        classname="mwaa-harness",
        name="verdict",
        outcome=_OUTCOMES.get(report.verdict, ""),
        kind=report.verdict,
        message=summary(report, counts(report, statements(report))),
        text="\n".join(map(_describe, others)),
    )
    for result in report.checks:
        yield _check(result, by_check.get((result.check, result.target), []))
    by_file = grouped(report.findings, lambda finding: (finding.path, finding.target))
    for row in report.files:
        findings = by_file.get((row.path, row.target), [])
        for side, outcome in ((Side.BRIDGE, row.bridge), (Side.TARGET, row.observed)):
            yield _file(row, side, outcome, [f for f in findings if f.side == side])


def _check(result: CheckResult, findings: Iterable[Finding]) -> Case:
    unjudged = (
        "not judged: " + ": ".join(part for part in (each.path, each.reason) if part)
        for each in result.unjudged
    )
    return Case(
        suite=f"checks on Airflow {result.target}",
        classname=f"mwaa-harness.checks.{_package(result.target)}",
        name=result.check,
        outcome=_OUTCOMES.get(result.status, ""),
        kind=result.status,
        message=tally(result),
        text="\n".join((*map(_describe, findings), *unjudged)),
    )


def _file(row: FileRow, side: Side, outcome: str, findings: list[Finding]) -> Case:
    reasons = [finding.ignored for finding in findings]
    if outcome == "ok":
        result = ""
    elif outcome in _UNSEEN:
        result = "error"
    elif reasons and all(reasons):
        result = "skipped"
    else:
        result = "failure"
    message = {
        "": "",
        "skipped": f"{outcome}; ignored: {'; '.join(dict.fromkeys(reasons))}",
    }.get(result, f"{outcome} on the {side}")
    return Case(
        suite=f"files on Airflow {row.target}",
        classname=f"mwaa-harness.files.{_package(row.target)}",
        name=f"{row.path} [{side}]",
        outcome=result,
        kind=outcome,
        message=message,
        text="\n".join(map(_describe, findings)),
    )


def _describe(finding: Finding) -> str:
    status = f"ignored ({finding.ignored})" if finding.ignored else finding.severity.value
    head = f"{location(finding)}: {status} {finding.rule}: {finding.message}".lstrip(": ")
    rest = finding.evidence.splitlines()
    if finding.fix:
        rest.append(f"fix: {finding.fix}")
    return "\n    ".join([head, *rest])


def _element(case: Case) -> ET.Element:
    element = ET.Element("testcase", classname=visible(case.classname), name=visible(case.name))
    if case.outcome:
        outcome = ET.SubElement(
            element, case.outcome, type=visible(case.kind), message=visible(case.message)
        )
        outcome.text = visible(case.text) or None
    elif case.text:
        ET.SubElement(element, "system-out").text = visible(case.text)
    return element


def _numbers(cases: Iterable[Case]) -> dict[str, int]:
    outcomes = [case.outcome for case in cases]
    return {
        "tests": len(outcomes),
        "failures": outcomes.count("failure"),
        "errors": outcomes.count("error"),
        "skipped": outcomes.count("skipped"),
    }


def _package(target: str) -> str:
    """A class name's last dot parts package from class in Jenkins' tree, so versions have none."""
    return "airflow-" + target.replace(".", "_")
