"""Which constraint files MWAA applies."""

from __future__ import annotations

import pytest
from requirement_sets import constraints, target, tree

from harness.requirements.applied import applied_constraints, mentions_constraints
from harness.requirements.parse import parse

HERE = {"dags/constraints.txt": "requests==1.0\n"}
OFFICIAL = "https://raw.githubusercontent.com/apache/airflow/constraints-{}/constraints-{}.txt"


def origins(text: str, airflow: str) -> list[str]:
    found = applied_constraints(
        parse(text), target=target(airflow), constraints=constraints(), tree=tree(HERE)
    )
    return [one.origin for one in found]


@pytest.mark.parametrize(
    ("text", "old", "forced", "essential"),
    [
        ("requests\n", [], ["official"], ["official", "essential"]),
        ("# -c \nrequests\n", [], [], ["essential"]),
        ("requests  # see --constraint below\n", [], [], ["essential"]),
        ("-c /usr/local/airflow/dags/constraints.txt\n", ["user"], ["user"], ["user", "essential"]),
        # pip reads this form, MWAA's test for a constraint file does not.
        (
            "--constraint=/usr/local/airflow/dags/constraints.txt\n",
            ["user"],
            ["user", "official"],
            ["user", "official", "essential"],
        ),
        ("-c missing.txt\n", [], [], ["essential"]),
    ],
)
def test_by_generation(text: str, old: list[str], forced: list[str], essential: list[str]) -> None:
    assert origins(text, "2.5.1") == old
    assert origins(text, "2.7.2") == forced
    assert origins(text, "2.10.3") == essential


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("requests\n", ["official"]),
        ("# -c \nrequests\n", ["official"]),
        (f"-c {OFFICIAL.format('1.10.12', '3.7')}\n", ["user"]),
        ("-c /usr/local/airflow/dags/constraints.txt\n", ["user"]),
    ],
)
def test_the_bridge_always_has_some(text: str, expected: list[str]) -> None:
    assert origins(text, "1.10.15") == expected


def test_the_targets_own_url_means_the_copy_at_hand() -> None:
    text = f"-c {OFFICIAL.format('2.11.0', '3.12')}\n"
    own, _ = applied_constraints(
        parse(text), target=target(), constraints=constraints(), tree=tree()
    )
    assert own.pins == dict(constraints().pins)
    assert own.line == 1


def test_another_versions_url_is_left_to_the_resolver() -> None:
    text = f"-c {OFFICIAL.format('2.5.1', '3.10')}\n"
    other, _ = applied_constraints(
        parse(text), target=target(), constraints=constraints(), tree=tree()
    )
    assert (other.origin, other.text, other.pins) == ("user", None, {})


def test_a_reconstructed_file_is_called_so() -> None:
    applied = applied_constraints(
        parse("requests"),
        target=target(),
        constraints=constraints(origin="reconstructed"),
        tree=tree(),
    )
    assert applied[0].label == "the reconstructed constraints of Airflow 2.11.0"


@pytest.mark.parametrize("text", ["requests", "# constraints", "-cfile", "--constraint=file"])
def test_what_mwaa_does_not_take_for_a_mention(text: str) -> None:
    assert not mentions_constraints(parse(text))
