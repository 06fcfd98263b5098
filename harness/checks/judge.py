"""Ask every check about a pair, and weigh what they say."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from harness.checks import checks
from harness.checks.loads import dag_paths, files_of
from harness.errors import UsageError
from harness.model import (
    Check,
    CheckResult,
    FileObservation,
    FileRow,
    Finding,
    Ignored,
    Judged,
    Pair,
    Severity,
    Unjudged,
    Verdict,
)

# Worst first.
SEVERITIES = tuple(Severity)
VERDICTS = tuple(Verdict)

# An ignored finding of these says that the user lives without the file.
LOADING = frozenset({"parses-on-bridge", "parses-on-target"})


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What was said about one pair: an answer for each check, the findings, the matrix of files."""

    results: tuple[CheckResult, ...]
    findings: tuple[Finding, ...]
    rows: tuple[FileRow, ...]


def judge(pair: Pair, *, only: Collection[str] = (), fail_on: Severity = Severity.ERROR) -> Ruling:
    """Ask all checks, or those named in ``only``, about ``pair``.

    A finding of severity ``fail_on`` or worse fails its check unless the configuration ignores it.
    ``only`` with a check that does not exist is a UsageError.
    """
    answers = [_ask(check, pair) for check in chosen(only)]
    lived_with = {
        finding.path
        for answer in answers
        for finding in answer.findings
        if finding.ignored and finding.check in LOADING
    }
    return Ruling(
        results=tuple(_weigh(answer, pair, lived_with, fail_on) for answer in answers),
        findings=tuple(finding for answer in answers for finding in answer.findings),
        rows=tuple(_rows(pair)),
    )


def verdict(results: Iterable[CheckResult]) -> Verdict:
    """The worst answer of ``results``; without any, nothing was judged and it is unknown."""
    found = {result.status for result in results}
    return next((word for word in VERDICTS if word in found), Verdict.UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class _Answer:
    check: Check
    judged: int
    findings: tuple[Finding, ...]
    unjudged: tuple[Unjudged, ...]


def chosen(only: Collection[str]) -> tuple[Check, ...]:
    """All checks, or those named; UsageError for a name that is none."""
    known = {check.id: check for check in checks()}
    for name in only:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"Did you mean {near[0]}? " if near else ""
            raise UsageError(
                f"There is no check called {name}.", hint=f"{meant}Checks: {', '.join(known)}"
            )
    return tuple(check for check in known.values() if not only or check.id in only)


def _ask(check: Check, pair: Pair) -> _Answer:
    judged, findings, unjudged = 0, [], []
    for said in check.judge(pair):
        match said:
            case Judged():
                judged += 1
            case Unjudged():
                unjudged.append(said)
            case Finding():
                findings.append(_stamp(said, check, pair))
    return _Answer(
        check=check,
        judged=judged,
        findings=tuple(sorted(findings, key=_order)),
        unjudged=tuple(dict.fromkeys(unjudged)),
    )


def _stamp(finding: Finding, check: Check, pair: Pair) -> Finding:
    reasons = (entry.reason for entry in pair.config.ignored if _covers(entry, finding))
    return replace(finding, check=check.id, target=pair.target.airflow, ignored=next(reasons, ""))


def _covers(entry: Ignored, finding: Finding) -> bool:
    return entry.rule == finding.rule and fnmatchcase(finding.path, entry.path or "*")


def _order(finding: Finding) -> tuple[str, int, int, str, str]:
    return finding.path, finding.line, finding.column, finding.rule, finding.message


def _weigh(
    answer: _Answer, pair: Pair, lived_with: Collection[str], fail_on: Severity
) -> CheckResult:
    unjudged = tuple(entry for entry in answer.unjudged if entry.path not in lived_with)
    counts = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    status = Verdict.PASS
    if unjudged:
        status = Verdict.UNKNOWN
    if any(found.severity in counts and not found.ignored for found in answer.findings):
        status = Verdict.FAIL
    return CheckResult(
        check=answer.check.id,
        title=answer.check.title,
        target=pair.target.airflow,
        status=status,
        judged=answer.judged,
        findings=len(answer.findings),
        unjudged=unjudged,
    )


def _rows(pair: Pair) -> Iterable[FileRow]:
    bridge, target = files_of(pair.bridge), files_of(pair.observed)
    # A member of an archive is rewritten under the archive's path and its own name.
    changed = set()
    for rewrite in pair.rewrites:
        name = rewrite.path if rewrite.diff else ""
        while name:
            changed.add(name)
            name = name.rpartition("/")[0]
    for path in dag_paths(pair):
        old, new = bridge.get(path), target.get(path)
        yield FileRow(
            path=path,
            target=pair.target.airflow,
            bridge=old.outcome if old else "absent",
            observed=new.outcome if new else "absent",
            bridge_dags=_dag_ids(old),
            observed_dags=_dag_ids(new),
            rewritten=path in changed,
        )


def _dag_ids(seen: FileObservation | None) -> tuple[str, ...]:
    return tuple(dag.dag_id for dag in seen.dags) if seen else ()
