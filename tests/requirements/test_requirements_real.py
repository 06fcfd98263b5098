"""The real resolvers against the package index, for rows of the table."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from requirement_sets import constraints, repo_on_disk

from harness.model import Constraints, Repo, Resolution, Side, Target
from harness.requirements.resolve import resolve
from harness.requirements.rewrite import constraints_after, rewrite_requirements
from harness.requirements.sources import disk_tree, gather
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


def lock_of(row: Target) -> Constraints:
    return constraints(lock_path(row).read_text(encoding="utf-8"), "reconstructed")


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory):
    cache = tmp_path_factory.mktemp("cache")

    def ask(
        text: str, airflow: str, judge: str = "pip-tools", repo: Repo | None = None
    ) -> Resolution:
        row = get_target(airflow)
        return resolve(
            text,
            side=Side.BRIDGE if row.role == "bridge" else Side.TARGET,
            target=row,
            constraints=lock_of(row),
            repo=repo,
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


def test_the_rewrite_installs_under_a_constraint_file_of_the_users_own(ask, tmp_path: Path) -> None:
    """Airflow's own pin of the same release, as the rewrite of a file without one sets it, would
    contradict the user's."""
    row = get_target("2.11.0")
    lock, text = lock_of(row), "-c own.txt\nrequests==2.31.0\n"
    own = lock.text.replace(f"requests=={lock.pins['requests']}\n", "requests==2.31.0\n")
    assert own != lock.text
    repo = repo_on_disk(tmp_path, {"requirements.txt": text, "own.txt": own})
    tree = disk_tree(repo, path="requirements.txt")
    applied = constraints_after(gather(text, tree)[0], target=row, constraints=lock, tree=tree)
    done = rewrite_requirements(
        text,
        target=row,
        constraints=lock,
        applied=applied,
        needs=["apache-airflow-providers-slack"],
    )
    assert "requests==2.31.0" in done.text
    answer = ask(done.text, "2.11.0", "uv", repo)
    assert (answer.ok, answer.pins["requests"]) == (True, "2.31.0"), answer.message
    wrong = text.replace("2.31.0", lock.pins["requests"])
    assert [one.against for one in ask(wrong, "2.11.0", "uv", repo).conflicts] == [
        "requests==2.31.0"
    ]
