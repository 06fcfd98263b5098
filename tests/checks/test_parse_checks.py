"""Who is to blame for a file that does not load: nobody, the file, its surroundings, the move."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pairs import (
    PATH,
    broken,
    dag,
    findings,
    judged,
    pair,
    rules,
    seen,
    side,
    unjudged,
    with_dags,
)

from harness.model import FileObservation, Pair, Rewrite, Severity, Side

BRIDGE_CHECK, TARGET_CHECK = "parses-on-bridge", "parses-on-target"

GOOD = seen(dag())
EXITS = seen(outcome="exit")
VARIABLE = broken("KeyError", "'Variable lake does not exist'", line=7)
GONE = broken("ImportError", "cannot import name 'A' from 'airflow.operators' (x.py)", line=2)
SUM = broken("ZeroDivisionError", "division by zero", line=5)


def test_files_that_load_raise_nothing() -> None:
    about = pair([GOOD], [GOOD])
    for check in (BRIDGE_CHECK, TARGET_CHECK):
        assert findings(check, about) == ()
        assert unjudged(check, about) == []
        assert judged(check, about) == [PATH]


@pytest.mark.parametrize(
    ("old", "new", "on_bridge", "on_target", "open_on_target"),
    [
        # broken by its own fault, on both sides: told once, and not green on the target
        (EXITS, EXITS, ["exits-at-import"], [], [PATH]),
        (SUM, SUM, ["broken-on-bridge"], [], [PATH]),
        (SUM, GONE, ["broken-on-bridge"], [], [PATH]),
        # stopped by its surroundings on both sides: nothing can be said of the move
        (VARIABLE, VARIABLE, ["missing-variable"], [], [PATH]),
        (VARIABLE, SUM, ["missing-variable"], [], [PATH]),
        # ... but an import that is gone is gone
        (VARIABLE, GONE, ["missing-variable"], ["import-gone"], []),
        # loads on the bridge only: the move broke it, whatever the cause
        (GOOD, GONE, [], ["import-gone"], []),
        (GOOD, SUM, [], ["broken-on-target"], []),
        (GOOD, EXITS, [], ["exits-at-import"], []),
        (GOOD, VARIABLE, [], ["missing-variable"], []),
    ],
)
def test_blame(
    old: FileObservation,
    new: FileObservation,
    on_bridge: list[str],
    on_target: list[str],
    open_on_target: list[str],
) -> None:
    about = pair([old], [new])
    assert rules(BRIDGE_CHECK, about) == on_bridge
    assert rules(TARGET_CHECK, about) == on_target
    assert unjudged(TARGET_CHECK, about) == open_on_target
    assert all(found.severity is Severity.ERROR for found in findings(BRIDGE_CHECK, about))


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        (
            "apache-airflow-providers-oracle==3.6.0  # imported by the rewritten DAGs",
            "ModuleNotFoundError",
            "No module named 'airflow.providers.oracle'",
        ),
        ("MySQLClient>=2", "ModuleNotFoundError", "No module named 'MySQLdb'"),
    ],
)
def test_what_this_machine_could_not_install_is_not_blamed_on_the_move(
    line: str, kind: str, message: str
) -> None:
    lost = broken(kind, message, line=2)
    new = side(Side.TARGET, [lost], not_installed={line: "pg_config is missing"})
    about = pair(
        [GOOD],
        new,
        rewritten_texts={PATH: "\nfrom airflow.providers.oracle.hooks.oracle import OracleHook\n"},
        target_pins={"apache-airflow-providers-oracle": "3.6.0", "mysqlclient": "2.1.1"},
    )
    (found,) = findings(TARGET_CHECK, about)
    assert (found.rule, found.severity) == ("missing-package", Severity.WARNING)
    assert line.partition(" ")[0] in found.fix
    assert unjudged(TARGET_CHECK, about) == [PATH]
    elsewhere = replace(about, observed=replace(new, not_installed={"pandas": "no"}))
    assert {item.severity for item in findings(TARGET_CHECK, elsewhere)} == {Severity.ERROR}
    assert unjudged(TARGET_CHECK, elsewhere) == []


def test_a_backport_that_could_not_be_installed() -> None:
    line = "apache-airflow-backport-providers-amazon==2021.3.3"
    lost = broken("ModuleNotFoundError", "No module named 'airflow.providers.amazon'")
    old = side(Side.BRIDGE, [lost], not_installed={line: "it conflicts with boto3==1.10.50"})
    (found,) = findings(BRIDGE_CHECK, pair(old, [GOOD]))
    assert line in found.fix
    (found,) = findings(BRIDGE_CHECK, pair(replace(old, not_installed={}), [GOOD]))
    assert "Add the backport package" in found.fix


def test_surroundings_leave_the_bridge_unjudged_too() -> None:
    assert unjudged(BRIDGE_CHECK, pair([VARIABLE], [VARIABLE])) == [PATH]
    assert unjudged(BRIDGE_CHECK, pair([SUM], [SUM])) == []


def test_what_the_target_repairs_is_a_warning() -> None:
    (found,) = findings(BRIDGE_CHECK, pair([SUM], [GOOD]))
    assert found.severity is Severity.WARNING


def test_a_finding_has_its_line_and_evidence() -> None:
    (found,) = findings(BRIDGE_CHECK, pair([SUM], [SUM]))
    assert (found.path, found.line, found.side) == (PATH, 5, "bridge")
    assert found.evidence == f"{PATH}:5 in <module>\nZeroDivisionError: division by zero"


def test_a_line_of_the_copy_is_told_as_a_line_of_the_original() -> None:
    moved = Rewrite(path=PATH, lines=(0, 1, 40, 41))
    (found,) = findings(TARGET_CHECK, pair([GOOD], [GONE], rewrites=(moved,)))
    assert found.line == 40
    assert f"{PATH}:40" in found.evidence
    (plain,) = findings(TARGET_CHECK, pair([GOOD], [GONE], rewrites=(Rewrite(path="dags/b.py"),)))
    assert plain.line == 2


def test_an_error_in_a_helper_is_told_of_the_file_that_imports_it() -> None:
    helper = broken("ZeroDivisionError", "division by zero", path="dags/lib/sums.py", line=9)
    assert helper.error is not None
    frames = (replace(helper.error.frames[0], path=PATH, line=4), *helper.error.frames)
    file = replace(helper, path=PATH, error=replace(helper.error, frames=frames))
    (found,) = findings(BRIDGE_CHECK, pair([file], [file]))
    assert (found.path, found.line) == (PATH, 4)
    assert "dags/lib/sums.py:9" in found.evidence


def test_the_end_of_the_output_is_the_evidence_of_a_death() -> None:
    noisy = seen(outcome="killed", output="\n".join(f"line {n}" for n in range(100)))
    (found,) = findings(BRIDGE_CHECK, pair([noisy], [noisy]))
    assert found.evidence.endswith("line 99")
    assert len(found.evidence.splitlines()) < 20


def test_a_member_of_an_archive_has_its_line() -> None:
    inner = broken("ZeroDivisionError", "division by zero", path="dags/etl.zip/etl.py", line=6)
    file = replace(inner, path="dags/etl.zip")
    (found,) = findings(BRIDGE_CHECK, pair([file], [file]))
    assert (found.path, found.line) == ("dags/etl.zip", 6)


@pytest.mark.parametrize("check", [BRIDGE_CHECK, TARGET_CHECK])
def test_a_file_that_no_side_has_seen_is_unjudged(check: str) -> None:
    about = with_dags(pair([GOOD], [GOOD]), ["dags/lost.py"])
    assert unjudged(check, about) == ["dags/lost.py"]
    assert judged(check, about) == [PATH]


@pytest.mark.parametrize(("check", "which"), [(BRIDGE_CHECK, "bridge"), (TARGET_CHECK, "observed")])
def test_a_side_that_failed_is_unjudged(check: str, which: str) -> None:
    about = pair([GOOD], [GOOD])
    failed = replace(getattr(about, which), failure="no interpreter", files=())
    assert unjudged(check, replace(about, **{which: failed})) == ["dags"]
    assert judged(check, replace(about, **{which: failed})) == []


def without_bridge(new: FileObservation) -> Pair:
    about = pair([GOOD], [new])
    return replace(about, bridge=side(Side.BRIDGE, (), failure="no interpreter"))


def test_without_a_bridge_only_the_move_itself_is_blamed() -> None:
    assert rules(TARGET_CHECK, without_bridge(GONE)) == ["import-gone"]
    assert unjudged(TARGET_CHECK, without_bridge(SUM)) == [PATH]
    assert judged(TARGET_CHECK, without_bridge(GOOD)) == [PATH]


def test_a_file_that_only_the_rewrite_made_must_load() -> None:
    extra: dict[str, Any] = {"path": "dags/made.py"}
    made = replace(SUM, **extra)
    about = pair([GOOD], [GOOD])
    about = replace(about, observed=replace(about.observed, files=(GOOD, made)))
    assert rules(TARGET_CHECK, about) == ["broken-on-target"]
    assert rules(BRIDGE_CHECK, about) == []


def test_a_file_that_could_not_be_read_at_all() -> None:
    about = pair(
        [GOOD],
        [GOOD],
        problems={
            "dags/.airflowignore": "'(' is no regular expression",
            "dags/secret.py": "permission denied",
            "notes/loop": "symlink loop",
        },
    )
    lines, first, second = findings(BRIDGE_CHECK, about)
    assert "left out" not in lines.message
    assert lines.severity is Severity.WARNING
    assert (first.rule, first.path, first.severity) == (
        "unreadable-file",
        "dags/secret.py",
        Severity.ERROR,
    )
    assert "permission denied" in first.message
    assert (second.path, second.severity) == ("notes/loop", Severity.WARNING)


@pytest.mark.parametrize("kind", [f"{PATH}:Lost", "company.errors.Lost"])
def test_an_exception_bears_the_name_of_its_class(kind: str) -> None:
    lost = broken(kind, "no lake", line=5)
    (finding,) = findings(TARGET_CHECK, pair([GOOD], [lost]))
    assert finding.message.endswith("Lost: no lake")
    assert "py:" not in finding.message
