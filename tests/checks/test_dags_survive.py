"""DAGs that vanish, are renamed, appear, move or are there twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pairs import PATH, dag, findings, judged, pair, rules, same_pair, seen, task, unjudged

from harness.model import Severity

CHECK = "dags-survive"


def test_the_same_dags_raise_nothing() -> None:
    about = same_pair(dag("a"), dag("b"))
    assert rules(CHECK, about) == []
    assert judged(CHECK, about) == [PATH]


def test_a_file_without_dags_is_fine() -> None:
    assert rules(CHECK, same_pair()) == []


def test_a_dag_that_vanished() -> None:
    text = "import x\narchive = DAG('archive')\n"
    about = pair([seen(dag("ingest"), dag("archive", task("a")))], [seen(dag("ingest"))])
    (found,) = findings(CHECK, replace(about, texts={PATH: text}))
    assert (found.rule, found.path, found.line) == ("dag-disappeared", PATH, 2)
    assert found.evidence == "2 DAGs on the bridge: ingest, archive\n1 DAG on the target: ingest"


def test_a_dag_with_another_id() -> None:
    about = pair([seen(dag("load_1"))], [seen(dag("load_2"))])
    (found,) = findings(CHECK, about)
    assert found.rule == "dag-renamed"
    assert found.message == "DAG load_1 is called load_2 on the target"


def test_another_dag_in_its_place_is_no_renaming() -> None:
    about = pair([seen(dag("a", task("x")))], [seen(dag("b", task("y")))])
    assert rules(CHECK, about) == ["dag-disappeared", "dag-appeared"]
    twins = pair([seen(dag("a"))], [seen(dag("b"), dag("c"))])
    assert rules(CHECK, twins) == ["dag-disappeared", "dag-appeared", "dag-appeared"]


def test_a_dag_that_is_new_is_a_warning() -> None:
    (found,) = findings(CHECK, pair([seen(dag("a"))], [seen(dag("a"), dag("b"))]))
    assert (found.rule, found.severity) == ("dag-appeared", Severity.WARNING)


def test_a_dag_that_another_file_makes_now() -> None:
    other = "dags/other.py"
    about = pair(
        [seen(dag("a")), seen(dag("b", path=other), path=other)],
        [seen(), seen(dag("b", path=other), dag("a", path=other), path=other)],
    )
    assert rules(CHECK, about) == ["dag-moved", "dag-appeared"]


def test_a_dag_that_is_defined_elsewhere_now() -> None:
    about = pair(
        [seen(dag("a"))], [seen(dag("a", path="dags/legacy.py"))], files=["dags/legacy.py"]
    )
    assert rules(CHECK, about) == ["dag-moved"]
    made_by_the_rewrite = pair([seen(dag("a"))], [seen(dag("a", path="dags/made.py"))])
    assert rules(CHECK, made_by_the_rewrite) == []


def test_two_files_with_one_dag() -> None:
    other = "dags/other.py"
    both = [seen(dag("a")), seen(dag("a", path=other), path=other)]
    about = pair(both, both, texts={other: "\nDAG('a')\n"})
    (found,) = findings(CHECK, about)
    assert (found.rule, found.path, found.line) == ("duplicate-dag-id", other, 2)
    assert found.message.endswith("on the bridge already")


def test_one_dag_seen_through_two_files_is_no_duplicate() -> None:
    both = [seen(dag("a")), seen(dag("a", path=PATH), path="dags/other.py")]
    assert rules(CHECK, pair(both, both)) == []


def test_sub_dags_are_no_duplicates_but_may_vanish() -> None:
    both = [seen(dag("a", parent="x")), seen(dag("a", path="b.py", parent="y"), path="b.py")]
    assert rules(CHECK, pair(both, both)) == []
    about = pair([seen(dag("a"), dag("a.b", task("t"), parent="a"))], [seen(dag("a"))])
    assert rules(CHECK, about) == ["dag-disappeared"]


def test_what_does_not_load_on_the_target_is_unjudged() -> None:
    about = pair([seen(dag())], [seen(outcome="timeout")])
    assert unjudged(CHECK, about) == [PATH]
    assert rules(CHECK, about) == []


@pytest.mark.parametrize("now", ["exit", "ok"])
def test_what_never_worked_has_nothing_to_lose(now: str) -> None:
    about = pair([seen(outcome="exit")], [seen(outcome=now)])
    assert judged(CHECK, about) == []
    assert unjudged(CHECK, about) == ([] if now == "ok" else [PATH])
