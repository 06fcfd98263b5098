"""No deprecation warning of Airflow is left on the target after the rewrite."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.loads import failed_side, files_of, unobserved
from harness.checks.places import bare, left_to_do, original_line, source_line
from harness.model import (
    Check,
    Finding,
    Judged,
    Judgement,
    Pair,
    Rule,
    Severity,
    Side,
    Unjudged,
    WarningObservation,
)

AIRFLOW_DEPRECATION = Rule(
    id="airflow-deprecation",
    title="Airflow or a provider warns of something deprecated",
    why="It works to the end of Airflow 2 and is gone in the next generation; most of the names "
    "that broke between 1.10 and 2 had warned for years.",
    fix="Use what the warning names.",
    severity=Severity.WARNING,
    example="from airflow.operators.dummy import DummyOperator",
    keeps="from airflow.operators.empty import EmptyOperator",
)
OTHER_DEPRECATION = Rule(
    id="other-deprecation",
    title="Python or a package warns of something deprecated",
    why="It has nothing to do with the move, but it is in your code and will break one day.",
    fix="Use what the warning names.",
    severity=Severity.NOTE,
    example="datetime.utcnow()",
    keeps="datetime.now(timezone.utc)",
)

DEPRECATIONS = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")


def judge(pair: Pair) -> Iterator[Judgement]:
    """Judge each file that loads on the target by the warnings it raised there.

    A module that many files import warns once in the findings, at its own line.
    """
    if pair.observed.failure:
        yield Unjudged(path=pair.repo.dags, reason=failed_side(pair.observed))
        return
    files = files_of(pair.observed)
    raised = [(warning, warning.path) for warning in pair.observed.plugin_warnings]
    for path in sorted({*files, *pair.repo.dag_files}):
        if path not in files:
            yield Unjudged(path=path, reason=unobserved(pair.observed))
            continue
        raised += [(warning, warning.path or path) for warning in files[path].warnings]
        if files[path].outcome == "ok":
            yield Judged(path=path)
        elif _worked(pair, path):
            yield Unjudged(path=path, reason="it does not load on the target (parses-on-target)")
    yield from dict.fromkeys(
        finding for warning, path in raised for finding in _finding(pair, warning, path)
    )


def _worked(pair: Pair, path: str) -> bool:
    seen = files_of(pair.bridge).get(path)
    return seen is None or seen.outcome == "ok"


def _finding(pair: Pair, warning: WarningObservation, path: str) -> Iterator[Finding]:
    category = bare(warning.category)
    if not warning.airflow and category not in DEPRECATIONS:
        return
    rule = AIRFLOW_DEPRECATION if warning.airflow else OTHER_DEPRECATION
    line = original_line(pair, Side.TARGET, path, warning.line)
    yield rule.finding(
        path,
        " ".join(warning.message.split()),
        line=line,
        evidence=source_line(pair, path, line).strip(),
        fix=(warning.airflow and left_to_do(pair, path, line)) or rule.fix,
        side=Side.TARGET.value,
    )


CHECK = Check(
    id="no-deprecations",
    title="No deprecation warning of Airflow is left",
    why="A clean start: what warns on the target is what breaks in the next move.",
    rules=(AIRFLOW_DEPRECATION, OTHER_DEPRECATION),
    judge=judge,
)
