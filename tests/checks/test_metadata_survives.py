"""``metadata-survives``: what was neither carried nor listed, and what reads as something else."""

from dataclasses import replace

import pytest
from pairs import pair

from harness.checks.judge import judge
from harness.model import Survival, SurvivalProblem, SurvivalTable, Verdict

ONLY = ("metadata-survives",)
RUNS = SurvivalTable(
    name="dag_run",
    rows=10,
    carried=8,
    listed=2,
    reasons={"no-run-id": 2},
    missing=0,
    different=0,
    source_checksum="a",
    target_checksum="a",
    values=8,
)
GOOD = Survival(target="2.11.0", database="sqlite", tables=(RUNS,), seeded={"dag_run": 10})


def status(survival: Survival | None) -> tuple[Verdict, list[str]]:
    ruling = judge(replace(pair(), survival=survival), only=ONLY)
    (result,) = ruling.results
    return result.status, [finding.message for finding in ruling.findings]


def test_every_row_carried_or_listed_passes() -> None:
    assert status(GOOD) == (Verdict.PASS, [])
    assert GOOD.ok


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (replace(RUNS, carried=7), "1 of 10 rows are neither carried nor listed."),
        (replace(RUNS, missing=3), "3 of 10 rows are missing in the target."),
        (replace(RUNS, different=1), "1 of 10 rows are different in the target."),
    ],
)
def test_a_row_that_is_not_accounted_for_fails(broken: SurvivalTable, message: str) -> None:
    survival = replace(GOOD, tables=(broken,))
    assert status(survival) == (Verdict.FAIL, [message])
    assert not survival.ok


def test_a_value_that_reads_as_something_else_fails() -> None:
    problem = SurvivalProblem(
        table="xcom.value", key=("daily", "load", "k"), reason="it reads as something else"
    )
    survival = replace(GOOD, problems=(problem,))
    assert status(survival) == (Verdict.FAIL, ["daily, load, k: it reads as something else"])
    assert not survival.ok


@pytest.mark.parametrize(
    "survival",
    [None, Survival(target="2.11.0", failure="no disk"), Survival(target="2.11.0")],
    ids=["not carried", "could not be carried", "nothing to carry"],
)
def test_what_was_not_carried_is_unknown(survival: Survival | None) -> None:
    assert status(survival) == (Verdict.UNKNOWN, [])
