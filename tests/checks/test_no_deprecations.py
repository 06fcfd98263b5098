"""Warnings that are left on the target, each once and at the line of the original."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pairs import PATH, broken, dag, findings, judged, pair, rules, seen, side, unjudged

from harness.model import Rewrite, RewriteNote, Severity, Side, WarningObservation

CHECK = "no-deprecations"


def warning(message: str = "X is deprecated.", **fields: Any) -> WarningObservation:
    return WarningObservation(
        **{
            "category": "airflow.exceptions.RemovedInAirflow3Warning",
            "message": message,
            "path": PATH,
            "line": 2,
            "airflow": True,
            **fields,
        }
    )


def test_no_warning_is_fine() -> None:
    about = pair([seen(dag())], [seen(dag())])
    assert rules(CHECK, about) == []
    assert judged(CHECK, about) == [PATH]


def test_a_warning_of_airflow() -> None:
    text = "import x\n  dag = DAG(concurrency=1)\n"
    file = seen(dag(), warnings=(warning("The 'concurrency'\n parameter is deprecated."),))
    (found,) = findings(CHECK, pair([seen(dag())], [file], texts={PATH: text}))
    assert (found.rule, found.line, found.severity) == (
        "airflow-deprecation",
        2,
        Severity.WARNING,
    )
    assert found.message == "The 'concurrency' parameter is deprecated."
    assert found.evidence == "dag = DAG(concurrency=1)"


def test_warnings_of_the_bridge_do_not_count() -> None:
    assert rules(CHECK, pair([seen(dag(), warnings=(warning(),))], [seen(dag())])) == []


def test_others_are_notes_and_some_are_nothing() -> None:
    file = seen(
        dag(),
        warnings=(
            warning(airflow=False, category="DeprecationWarning"),
            warning(airflow=False, category="UserWarning", line=3),
        ),
    )
    (found,) = findings(CHECK, pair([seen(dag())], [file]))
    assert (found.rule, found.severity) == ("other-deprecation", Severity.NOTE)


def test_a_module_that_many_import_warns_once() -> None:
    helper = warning(path="dags/lib.py")
    files = [seen(dag(), path=f"dags/{n}.py", warnings=(helper,)) for n in range(5)]
    quiet = [seen(dag(), path=f"dags/{n}.py") for n in range(5)]
    assert rules(CHECK, pair(quiet, files)) == ["airflow-deprecation"]
    two = [replace(files[0], warnings=(helper, replace(helper, line=9))), *files[1:]]
    assert len(rules(CHECK, pair(quiet, two))) == 2


def test_a_warning_of_a_plugin() -> None:
    target = side(Side.TARGET, [seen(dag())], plugin_warnings=(warning(path="plugins/x.py"),))
    (found,) = findings(CHECK, pair([seen(dag())], target))
    assert found.path == "plugins/x.py"


def test_a_warning_without_a_place_belongs_to_the_file() -> None:
    file = seen(dag(), warnings=(warning(path="", line=0),))
    (found,) = findings(CHECK, pair([seen(dag())], [file]))
    assert (found.path, found.line) == (PATH, 0)


def test_the_line_is_that_of_the_original_with_what_is_left_to_do() -> None:
    note = RewriteNote(rule="x", line=30, column=0, message="m", fix="Use a TaskGroup.")
    moved = Rewrite(path=PATH, lines=(0, 10, 30), notes=(note,))
    file = seen(dag(), warnings=(warning(),))
    (found,) = findings(CHECK, pair([seen(dag())], [file], rewrites=(moved,)))
    assert (found.line, found.fix) == (30, "Use a TaskGroup.")
    twice = replace(moved, notes=(note, replace(note, column=9)))
    (found,) = findings(CHECK, pair([seen(dag())], [file], rewrites=(twice,)))
    assert found.fix == "Use a TaskGroup."


def test_what_is_left_to_do_for_airflow_is_no_fix_for_another_package() -> None:
    note = RewriteNote(rule="x", line=2, column=0, message="m", fix="Use a TaskGroup.")
    moved = Rewrite(path=PATH, notes=(note,))
    file = seen(dag(), warnings=(warning(airflow=False, category="DeprecationWarning"),))
    (found,) = findings(CHECK, pair([seen(dag())], [file], rewrites=(moved,)))
    assert found.fix == "Use what the warning names."


def test_what_does_not_load_is_unjudged_unless_it_never_did() -> None:
    gone = broken("ImportError", "gone", warnings=(warning(),))
    assert unjudged(CHECK, pair([seen(dag())], [gone])) == [PATH]
    assert rules(CHECK, pair([seen(dag())], [gone])) == ["airflow-deprecation"]
    never = seen(outcome="exit")
    assert unjudged(CHECK, pair([never], [never])) == []


def test_a_side_that_failed_is_unjudged() -> None:
    about = pair([seen(dag())], [seen(dag())])
    about = replace(about, observed=replace(about.observed, failure="no", files=()))
    assert unjudged(CHECK, about) == ["dags"]
