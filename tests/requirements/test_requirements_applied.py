"""Which constraint files MWAA applies."""

from __future__ import annotations

from pathlib import Path

import pytest
from requirement_sets import PINS, constraints, repo_on_disk, target, tree

from harness.requirements.applied import Applied, applied_constraints, mentions_constraints
from harness.requirements.install import constraints_for_side
from harness.requirements.parse import parse
from harness.requirements.sources import gather

HERE = {"dags/constraints.txt": "requests==1.0\n"}
OFFICIAL = "https://raw.githubusercontent.com/apache/airflow/constraints-{}/constraints-{}.txt"


def origins(text: str, airflow: str) -> list[str]:
    return [one.origin for one in applied(text, airflow)]


def applied(
    text: str, airflow: str = "2.11.0", files: dict[str, str] = HERE, **changes: str
) -> tuple[Applied, ...]:
    beside = tree(files)
    return applied_constraints(
        gather(text, beside)[0],
        target=target(airflow),
        constraints=constraints(**changes),
        tree=beside,
    )


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
    own, _ = applied(text)
    assert own.pins == dict(constraints().pins)
    assert own.line == 1


def test_another_versions_url_is_left_to_the_resolver() -> None:
    text = f"-c {OFFICIAL.format('2.5.1', '3.10')}\n"
    other, _ = applied(text)
    assert (other.origin, other.text, other.pins) == ("user", None, {})


@pytest.mark.parametrize(
    ("airflow", "expected"),
    [
        ("1.10.15", ["user"]),
        ("2.5.1", ["user"]),
        # MWAA looks into the first file alone, and adds its own.
        ("2.7.2", ["user", "official"]),
    ],
)
def test_a_constraint_line_of_an_included_file_holds(airflow: str, expected: list[str]) -> None:
    files = {"more/base.txt": "-c pins.txt\nsix\n", "more/pins.txt": "six==1.15.0\n"}
    found = applied("-r more/base.txt\n", airflow, files)
    assert [one.origin for one in found] == expected
    assert (found[0].label, found[0].line, found[0].pins) == ("more/pins.txt", 0, {"six": "1.15.0"})


def test_a_reconstructed_file_is_called_so() -> None:
    official, *_ = applied("requests", origin="reconstructed")
    assert official.label == "the reconstructed constraints of Airflow 2.11.0"


@pytest.mark.parametrize(
    ("text", "airflow", "expected"),
    [
        ("-c own.txt\nsix", "2.5.1", "six==1.15.0\nurllib3<2"),
        # MWAA does not see this form, and adds its own file.
        ("-cown.txt\nsix", "2.7.2", f"six==1.15.0\nurllib3<2\n{PINS.strip()}"),
        ("six", "2.5.1", PINS),
        ("-c gone.txt\nsix", "2.5.1", PINS),
        (f"-c {OFFICIAL.format('2.5.1', '3.10')}\nsix", "2.5.1", PINS),
        (f"-c {OFFICIAL.format('1.10.12', '3.7')}\nsix", "1.10.15", PINS),
    ],
)
def test_what_requirements_are_installed_under(
    text: str, airflow: str, expected: str, tmp_path: Path
) -> None:
    repo = repo_on_disk(tmp_path, {"own.txt": "six==1.15.0  # old\nurllib3<2\n-c own.txt\n"})
    found = constraints_for_side(text, target=target(airflow), constraints=constraints(), repo=repo)
    assert found.text == expected


@pytest.mark.parametrize("text", ["requests", "# constraints", "-cfile", "--constraint=file"])
def test_what_mwaa_does_not_take_for_a_mention(text: str) -> None:
    assert not mentions_constraints(parse(text))
