"""Inputs that were assumed or are missing, each told once with what to add where."""

from __future__ import annotations

from typing import Any

import pytest
from pairs import PATH, broken, dag, findings, judged, pair, rules, seen, side, unjudged

from harness.model import AssumedExtra, Config, LookupObservation, Need, Severity, Side

CHECK = "inputs-complete"


def look(answer: str, name: str = "lake", **fields: Any) -> LookupObservation:
    return LookupObservation(
        **{"kind": "variable", "name": name, "path": PATH, "line": 2, "answer": answer, **fields}
    )


def both(*looks: LookupObservation, **fields: Any) -> Any:
    file = seen(dag(), lookups=looks)
    return pair([file], [file], **fields)


@pytest.mark.parametrize("answer", ["given", "default"])
def test_what_was_answered_is_fine(answer: str) -> None:
    about = both(look(answer))
    assert rules(CHECK, about) == []
    assert judged(CHECK, about) == [PATH, PATH]


def test_nothing_read_is_nothing_to_judge() -> None:
    assert judged(CHECK, both()) == []
    assert unjudged(CHECK, both()) == []


def test_an_assumption_is_a_warning_told_once() -> None:
    about = both(look("assumed", value='{"bucket": "x"}'), look("assumed", line=9))
    (found,) = findings(CHECK, about)
    assert (found.rule, found.severity, found.line) == ("assumed-input", Severity.WARNING, 2)
    assert '{"bucket": "x"}' in found.message
    assert f"{PATH}:9" in found.message
    assert '"lake": {"bucket": "x"}' in found.fix


def test_a_long_assumption_is_cut() -> None:
    (found,) = findings(CHECK, both(look("assumed", value="x" * 80 + "yz")))
    assert "x" * 79 + "…" in found.message
    assert "yz" not in found.message


def test_an_assumption_of_a_plugin() -> None:
    assumed = look("assumed", path="plugins/company.py")
    bridge = side(Side.BRIDGE, [seen(dag())], plugin_lookups=(assumed,))
    (found,) = findings(CHECK, pair(bridge, [seen(dag())]))
    assert found.path == "plugins/company.py"


@pytest.mark.parametrize(
    ("kind", "rule", "where"),
    [
        ("variable", "missing-variable", "[variables]"),
        ("connection", "missing-connection", "[connections]"),
        ("env", "missing-environment-variable", "[env]"),
    ],
)
def test_a_missing_value_that_the_file_survived(kind: str, rule: str, where: str) -> None:
    (found,) = findings(CHECK, both(look("missing", kind=kind)))
    assert (found.rule, found.severity) == (rule, Severity.WARNING)
    assert where in found.fix
    assert "mwaa-harness.toml" in found.fix


def stopped(**fields: Any) -> Any:
    """A file that stops at the Variable lake."""
    error = broken("KeyError", "'Variable lake does not exist'", lookups=(look("missing"),))
    return pair([error], [error], **fields)


def test_a_value_that_stopped_the_file_is_told_by_the_parse_check_alone() -> None:
    assert rules(CHECK, stopped()) == []
    assert unjudged(CHECK, stopped()) == [PATH]
    assert rules("parses-on-bridge", stopped()) == ["missing-variable"]


def test_what_a_stopped_file_would_read_next_is_named_too() -> None:
    needs = (
        Need(kind="variable", name="lake", path=PATH, line=2),
        Need(kind="variable", name="swamp", path=PATH, line=3, sample="text"),
        Need(kind="connection", name="db", path=PATH, line=4),
        Need(kind="variable", name="soft", path=PATH, line=5, optional=True),
        Need(kind="variable", name="given", path=PATH, line=6),
        Need(kind="variable", name="elsewhere", path="dags/other.py", line=1),
    )
    about = stopped(needs=needs, config=Config(variables={"given": "1"}))
    found = [(item.rule, item.line) for item in findings(CHECK, about)]
    assert found == [("missing-connection", 4), ("missing-variable", 3)]


def test_an_environment_variable_that_was_assumed() -> None:
    needs = (
        Need(kind="env", name="STAGE", path=PATH, line=3, sample="text"),
        Need(kind="env", name="GIVEN", path=PATH, line=4, sample="text"),
        Need(kind="env", name="SOFT", path=PATH, line=5, sample="text", optional=True),
    )
    config = Config(assume_missing=True, env={"GIVEN": "1"})
    (found,) = findings(CHECK, both(needs=needs, config=config))
    assert (found.rule, found.line) == ("assumed-input", 3)
    assert "STAGE" in found.message
    assert rules(CHECK, both(needs=needs)) == []


def test_a_refused_connection_that_the_file_survived() -> None:
    file = seen(dag(), egress=("catalog.example:443",))
    (found,) = findings(CHECK, pair([file], [file]))
    assert (found.rule, found.severity) == ("network-at-parse", Severity.WARNING)
    assert 'allowed-hosts = ["catalog.example:443"]' in found.fix
    refused = broken("OSError", "refused", egress=("catalog.example:443",))
    assert rules(CHECK, pair([refused], [refused])) == []


def test_a_side_that_failed_is_unjudged() -> None:
    failed = side(Side.TARGET, (), failure="no interpreter")
    assert unjudged(CHECK, pair([seen(dag())], failed)) == ["dags"]


DOCKER = AssumedExtra(
    requirement="apache-airflow[docker]==1.10.15",
    path=PATH,
    line=3,
    module="airflow.operators.docker_operator.DockerOperator",
)


def test_an_extra_that_was_assumed_says_who_wants_it_and_what_to_add() -> None:
    about = both(assumed_extras=(DOCKER,))
    (found,) = findings(CHECK, about)
    assert (found.rule, found.severity) == ("assumed-extra", Severity.WARNING)
    assert (found.path, found.line) == (PATH, 3)
    assert "airflow.operators.docker_operator.DockerOperator needs, was assumed" in found.message
    assert "apache-airflow[docker]==1.10.15 to requirements.txt" in found.fix


def test_an_extra_that_could_not_be_had_is_told_here_and_not_held_against_the_requirements() -> (
    None
):
    bridge = side(Side.BRIDGE, [seen(dag())], not_installed={DOCKER.requirement: "no wheel"})
    (found,) = findings(CHECK, pair(bridge, [seen(dag())], assumed_extras=(DOCKER,)))
    assert (found.rule, found.severity) == ("assumed-extra", Severity.WARNING)
    assert "could not be installed here: no wheel" in found.message
    assert "headers of a library" in found.fix
