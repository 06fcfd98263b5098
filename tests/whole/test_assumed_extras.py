"""A repository that names none of the extras it needs is judged all the same, when asked to."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DAG = """\
from datetime import datetime

from airflow import DAG
from airflow.contrib.operators.bigquery_operator import BigQueryOperator
from airflow.operators.docker_operator import DockerOperator
from airflow.operators.slack_operator import SlackAPIPostOperator

with DAG("reports", start_date=datetime(2020, 1, 1), schedule_interval="@daily") as dag:
    query = BigQueryOperator(task_id="query", sql="SELECT 1", use_legacy_sql=False)
    render = DockerOperator(task_id="render", image="report:1", command="render")
    tell = SlackAPIPostOperator(task_id="tell", slack_conn_id="slack", text="done", channel="#all")
    query >> render >> tell
"""
DOCKER_ALONE = """\
from datetime import datetime

from airflow import DAG
from airflow.operators.docker_operator import DockerOperator

with DAG("render", start_date=datetime(2020, 1, 1)) as dag:
    DockerOperator(task_id="render", image="report:1", command="render")
"""
CHECKS = ("parses-on-bridge", "inputs-complete")


def check(repo: Path, *options: str) -> Any:
    argv = [sys.executable, "-m", "harness", "check", str(repo), "--offline", "--format", "json"]
    argv += [word for name in CHECKS for word in ("--only", name)]
    done = subprocess.run(
        [*argv, *options], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_extras_are_assumed_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "reports.py").write_text(DAG)

    plain = check(tmp_path)
    assert [row["bridge"] for row in plain["files"]] == ["error"]
    assert "assumed-extra" not in {found["rule"] for found in plain["findings"]}

    assumed = check(tmp_path, "--assume-missing")
    assert [row["bridge_dags"] for row in assumed["files"]] == [["reports"]]
    told = [found for found in assumed["findings"] if found["check"] == "inputs-complete"]
    assert {(found["rule"], found["line"], found["fix"].split()[1]) for found in told} == {
        ("assumed-extra", 4, "apache-airflow[gcp]==1.10.15"),
        ("assumed-extra", 5, "apache-airflow[docker]==1.10.15"),
        ("assumed-extra", 6, "apache-airflow[slack]==1.10.15"),
    }
    assert {row["check"]: row["status"] for row in assumed["checks"]} == dict.fromkeys(
        CHECKS, "pass"
    )


@pytest.mark.slow
def test_an_extra_that_cannot_be_had_takes_nothing_else_down(root: Path, tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "reports.py").write_text(DAG)
    (tmp_path / "dags" / "docker_alone.py").write_text(DOCKER_ALONE)
    lock = (root / "harness" / "data" / "locks" / "1.10.15-py3.7.txt").read_text()
    # A release that the extra does not allow.
    (tmp_path / "pins.txt").write_text(lock.replace("slackclient==1.3.2", "slackclient==2.9.4"))
    (tmp_path / "mwaa-harness.toml").write_text('[constraints]\n"1.10.15" = "pins.txt"\n')

    report = check(tmp_path, "--assume-missing")
    told = {
        found["fix"].split()[1]: "could not be installed" in found["message"]
        for found in report["findings"]
        if found["rule"] == "assumed-extra"
    }
    assert told == {
        "apache-airflow[docker]==1.10.15": False,
        "apache-airflow[gcp]==1.10.15": False,
        "apache-airflow[slack]==1.10.15": True,
    }
    loaded = {row["path"]: row["bridge"] for row in report["files"]}
    assert loaded == {"dags/docker_alone.py": "ok", "dags/reports.py": "error"}
