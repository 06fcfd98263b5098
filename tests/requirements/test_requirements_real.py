"""The real resolvers against the package index, for rows of the table."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from harness.model import Constraints, Resolution, Side
from harness.requirements.resolve import resolve
from harness.targets import get_target, lock_path, parse_pins

pytestmark = pytest.mark.slow


def interpreter(minor: str) -> Path:
    """A Python of that minor version: pyenv's, or one on PATH."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(pyenv.glob(f"{minor}.*/bin/python"))
    on_path = shutil.which(f"python{minor}")
    if not found and not on_path:
        pytest.fail(f"These tests need a Python {minor}.")
    return found[-1] if found else Path(str(on_path))


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory):
    cache = tmp_path_factory.mktemp("cache")

    def ask(text: str, airflow: str, judge: str = "pip-tools") -> Resolution:
        row = get_target(airflow)
        text_of_lock = lock_path(row).read_text(encoding="utf-8")
        return resolve(
            text,
            side=Side.BRIDGE if row.role == "bridge" else Side.TARGET,
            target=row,
            constraints=Constraints(
                origin="reconstructed",
                location="",
                text=text_of_lock,
                pins=parse_pins(text_of_lock),
            ),
            python=interpreter(row.python),
            cache=cache,
            judge=judge,
            timeout=500,
        )

    return ask


@pytest.mark.parametrize("judge", ["uv", "pip-tools"])
def test_the_backport_provider_conflicts_on_the_bridge(ask, judge: str) -> None:
    answer = ask("six\napache-airflow-backport-providers-amazon\n", "1.10.15", judge)
    assert (answer.judge, answer.ok) == (judge, False)
    conflict = answer.conflicts[0]
    assert conflict.requirement == "apache-airflow-backport-providers-amazon"
    assert conflict.line == 2
    name, _, version = conflict.against.partition("==")
    assert name in ("boto3", "botocore")
    assert version == parse_pins(lock_path(get_target("1.10.15")).read_text("utf-8"))[name]


@pytest.mark.parametrize("judge", ["uv", "pip-tools"])
def test_no_pre_release_for_want_of_better(ask, judge: str) -> None:
    answer = ask("dbt-core\n", "2.11.0", judge)
    assert answer.ok is False
    assert {conflict.line for conflict in answer.conflicts} == {1}
    assert "==" in answer.conflicts[0].against


def test_a_clean_file(ask) -> None:
    answer = ask("requests\napache-airflow-providers-slack\n", "2.11.0")
    assert (answer.judge, answer.ok, answer.changed) == ("pip-tools", True, {})
    assert {"requests", "apache-airflow-providers-slack"} <= {*answer.pins}
    again = ask("requests\napache-airflow-providers-slack\n", "2.11.0")
    assert again.cached
    assert again.pins == answer.pins


def test_airflow_upgraded_where_nothing_forbids_it(ask) -> None:
    answer = ask("apache-airflow==2.6.3\n", "2.5.1")
    assert answer.ok
    assert answer.changed["apache-airflow"] == ("2.5.1", "2.6.3")


def test_airflow_not_upgraded_where_mwaa_forbids_it(ask) -> None:
    answer = ask("# -c \napache-airflow==2.6.3\n", "2.11.0")
    assert answer.ok is False
    assert answer.conflicts[0].against == "apache-airflow==2.11.0"


def test_both_judges_in_every_python_tell_the_same(ask) -> None:
    for airflow in ("1.10.15", "2.5.1", "2.10.3", "2.11.0"):
        for judge in ("uv", "pip-tools"):
            answer = ask("no-such-distribution-of-anyone==1\n", airflow, judge)
            assert (answer.ok, answer.conflicts[0].against) == (False, "the package index"), (
                airflow,
                judge,
                json.dumps(answer.message),
            )
