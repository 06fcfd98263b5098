"""All checks together: what fails, what is unknown, what is ignored, and the matrix of files."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from pairs import PATH, broken, dag, pair, same_pair, seen, side, task, with_dags

from harness.checks import ORDER, checks
from harness.checks.judge import judge, verdict
from harness.errors import UsageError
from harness.model import (
    CheckResult,
    Config,
    Ignored,
    Rewrite,
    Severity,
    Side,
    Verdict,
    WarningObservation,
)

# Checks of the DAGs themselves; the others need requirements and files that these pairs lack.
OURS = (
    "parses-on-bridge",
    "parses-on-target",
    "dags-survive",
    "structure-survives",
    "plugins-load",
    "no-deprecations",
    "inputs-complete",
)


def statuses(about, **options) -> dict[str, str]:  # type: ignore[no-untyped-def]
    ruling = judge(about, **{"only": OURS, **options})
    return {result.check: result.status.value for result in ruling.results}


def result(status: Verdict) -> CheckResult:
    return CheckResult(check="x", title="X", target="2.11.0", status=status, judged=1)


def test_checks_come_in_the_documented_order() -> None:
    ids = [check.id for check in checks()]
    known = [name for name in ids if name in ORDER]
    assert known == [name for name in ORDER if name in ids]
    assert ids[: len(known)] == known
    assert len(set(ids)) == len(ids)
    assert set(OURS) <= set(ids)


def test_a_healthy_pair_passes() -> None:
    about = same_pair(dag())
    assert set(statuses(about).values()) == {"pass"}
    ruling = judge(about, only=OURS)
    assert ruling.findings == ()
    assert verdict(ruling.results) is Verdict.PASS


@pytest.mark.parametrize("order", list(permutations(Verdict)))
def test_the_worst_answer_wins(order: tuple[Verdict, ...]) -> None:
    for length in range(1, 4):
        words = order[:length]
        wanted = next(word for word in Verdict if word in words)
        assert verdict(result(word) for word in words) is wanted


def test_nothing_judged_is_not_green() -> None:
    assert verdict(()) is Verdict.UNKNOWN


@pytest.mark.parametrize("which", ["bridge", "observed"])
def test_a_side_that_failed_is_never_green(which: str) -> None:
    about = same_pair(dag())
    about = replace(about, **{which: replace(getattr(about, which), failure="no", files=())})
    ruling = judge(about, only=OURS)
    assert verdict(ruling.results) is Verdict.UNKNOWN
    depends = {"structure-survives", "dags-survive", "plugins-load", "inputs-complete"}
    assert {r.check for r in ruling.results if r.status is Verdict.UNKNOWN} >= depends


def test_a_file_that_was_not_observed_is_never_green() -> None:
    about = with_dags(same_pair(dag()), ["dags/lost.py"])
    assert statuses(about)["parses-on-bridge"] == "unknown"
    assert statuses(about)["structure-survives"] == "unknown"
    assert verdict(judge(about, only=OURS).results) is Verdict.UNKNOWN


def test_an_error_fails_and_beats_the_unjudged() -> None:
    missing = broken("KeyError", "'Variable lake does not exist'")
    ruling = judge(pair([missing], [missing]), only=OURS)
    first = ruling.results[0]
    assert (first.check, first.status) == ("parses-on-bridge", Verdict.FAIL)
    assert [entry.path for entry in first.unjudged] == [PATH]


def test_a_finding_is_stamped() -> None:
    (found,) = judge(pair([seen(dag("a"))], [seen()]), only=["dags-survive"]).findings
    assert (found.check, found.target, found.ignored) == ("dags-survive", "2.11.0", "")


def warned():  # type: ignore[no-untyped-def]
    warning = WarningObservation(
        category="DeprecationWarning", message="old", path=PATH, line=1, airflow=True
    )
    return pair([seen(dag())], [seen(dag(), warnings=(warning,))])


def test_warnings_fail_only_when_asked() -> None:
    assert statuses(warned())["no-deprecations"] == "pass"
    assert statuses(warned(), fail_on=Severity.WARNING)["no-deprecations"] == "fail"


def changed(**fields):  # type: ignore[no-untyped-def]
    old, new = dag("load", task(retries=3)), dag("load", task(retries=0))
    return pair([seen(old)], [seen(new)], **fields)


@pytest.mark.parametrize(
    ("path", "covers"), [("", True), ("dags/*", True), (PATH, True), ("dags/other.py", False)]
)
def test_an_ignored_finding_changes_no_verdict(path: str, covers: bool) -> None:
    entry = Ignored(rule="execution-changed", reason="meant", path=path)
    about = changed(config=Config(ignored=(entry,)))
    ruling = judge(about, only=OURS)
    (found,) = ruling.findings
    assert found.ignored == ("meant" if covers else "")
    assert verdict(ruling.results) is (Verdict.PASS if covers else Verdict.FAIL)


def test_another_rule_is_not_ignored() -> None:
    entry = Ignored(rule="limits-changed", reason="meant")
    assert statuses(changed(config=Config(ignored=(entry,))))["structure-survives"] == "fail"


def test_who_lives_without_a_file_is_not_held_up_by_it() -> None:
    missing = broken("KeyError", "'Variable lake does not exist'")
    entry = Ignored(rule="missing-variable", reason="retired", path=PATH)
    about = pair([missing], [missing], config=Config(ignored=(entry,)))
    assert set(statuses(about).values()) == {"pass"}
    two = pair(
        [missing, replace(missing, path="dags/b.py")],
        [missing, replace(missing, path="dags/b.py")],
        config=Config(ignored=(entry,)),
    )
    assert statuses(two)["parses-on-bridge"] == "fail"


def test_only_some_checks() -> None:
    ruling = judge(same_pair(dag()), only=["structure-survives", "dags-survive"])
    assert [item.check for item in ruling.results] == ["dags-survive", "structure-survives"]


def test_a_check_that_does_not_exist() -> None:
    with pytest.raises(UsageError) as error:
        judge(same_pair(dag()), only=["structure-survive"])
    assert "Did you mean structure-survives?" in str(error.value)


def test_findings_are_sorted_and_the_same_every_time() -> None:
    old = dag("load", *(task(f"t{n}", retries=3) for n in range(9)))
    new = dag("load", *(task(f"t{n}", retries=0) for n in range(9)))
    text = "\n".join(f"Bash(task_id='t{n}')" for n in range(9))
    about = pair([seen(old)], [seen(new)], texts={PATH: text})
    found = judge(about, only=OURS).findings
    assert [item.line for item in found] == list(range(1, 10))
    assert judge(about, only=OURS) == judge(about, only=OURS)


def test_the_matrix_of_files() -> None:
    about = pair(
        [seen(dag("a")), seen(path="dags/b.py", outcome="timeout")],
        side(Side.TARGET, [seen(dag("a"), dag("b"))]),
        rewrites=(Rewrite(path=PATH, diff="--- a"), Rewrite(path="dags/b.py")),
    )
    first, second = judge(about, only=OURS).rows
    assert (first.path, second.path) == ("dags/b.py", PATH)
    assert (first.bridge, first.observed, first.rewritten) == ("timeout", "absent", False)
    assert (second.bridge_dags, second.observed_dags) == (("a",), ("a", "b"))
    assert second.rewritten


def test_an_archive_is_rewritten_when_a_member_is() -> None:
    inner = Rewrite(path="dags/etl.zip/etl.py", diff="--- a")
    about = pair([seen(path="dags/etl.zip")], [seen(path="dags/etl.zip")], rewrites=(inner,))
    (row,) = judge(about, only=OURS).rows
    assert row.rewritten
