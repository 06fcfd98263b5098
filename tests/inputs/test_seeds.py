"""harness.seeds: what is set, and what a placeholder stands in for."""

import pytest

from harness.model import Config, Need
from harness.seeds import Seeds, seed_environment


def need(kind: str, name: str, *, optional: bool = False, line: int = 1) -> Need:
    return Need(
        kind=kind, name=name, path="dags/a.py", line=line, sample=f"<{name}>", optional=optional
    )


CONFIG = Config(
    variables={"stage": "test", "With.Dots-9": "x"},
    connections={"aws_default": "aws://"},
    env={"REGION": "eu", "AIRFLOW_VAR_FROM_ENV": "e"},
)
GIVEN = {
    "AIRFLOW_VAR_STAGE": "test",
    "AIRFLOW_VAR_WITH.DOTS-9": "x",
    "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
    "REGION": "eu",
    "AIRFLOW_VAR_FROM_ENV": "e",
}


def test_nothing_in_nothing_out() -> None:
    assert seed_environment(Config(), ()) == Seeds()


def test_what_is_configured_is_set_and_nothing_else() -> None:
    assert seed_environment(CONFIG, (need("variable", "other"),)) == Seeds(env=GIVEN)


def test_placeholders_stand_in_for_what_is_missing() -> None:
    config = Config(
        variables=CONFIG.variables,
        connections=CONFIG.connections,
        env=CONFIG.env,
        assume_missing=True,
    )
    missing = need("variable", "missing")
    wanted = need("env", "TOKEN")
    needs = (
        need("variable", "stage"),
        need("variable", "from_env"),
        missing,
        need("variable", "missing", line=2),
        need("variable", "later", optional=True),
        need("connection", "AWS_default"),
        need("connection", "db"),
        need("env", "REGION"),
        wanted,
        need("env", "DEBUG", optional=True),
    )
    seeds = seed_environment(config, needs)
    assert seeds.env == {**GIVEN, "TOKEN": "<TOKEN>"}
    assert seeds.samples == {
        "variable": {"missing": "<missing>", "later": "<later>"},
        "connection": {"db": "<db>"},
    }
    assert seeds.assumed == (missing, need("connection", "db"), wanted)


@pytest.mark.parametrize("kind", ["variable", "connection", "env"])
def test_a_place_that_cannot_do_without_counts_among_others(kind: str) -> None:
    needs = (need(kind, "X", optional=True), need(kind, "X", line=2))
    seeds = seed_environment(Config(assume_missing=True), needs)
    assert [found.line for found in seeds.assumed] == [2]
