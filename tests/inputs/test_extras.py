"""The extras of Airflow 1.10 that code needs: found in its imports, left out where they are had."""

import ast
from pathlib import Path

import pytest

from harness.checks.modules import EXTRA_OF
from harness.extras import needed_extras, third_party
from harness.model import AssumedExtra, Repo
from harness.targets import get_target

BRIDGE = get_target("1.10.15")
BIGQUERY = "from airflow.contrib.operators.bigquery_operator import BigQueryOperator\n"


def needed(
    *requirements: str, plugins: str | None = None, bridge: str = BRIDGE.airflow, **texts: str
) -> tuple[AssumedExtra, ...]:
    """``texts`` are sources by path, without the suffix and with ``__`` for the first slash."""
    sources = {f"{name.replace('__', '/', 1)}.py": text for name, text in texts.items()}
    repo = Repo(
        root=Path("/nowhere"),
        dags="dags",
        plugins=plugins,
        requirements=None,
        startup=None,
        airflow_cfg=None,
        files=tuple(sources),
        dag_files=(),
    )
    return needed_extras(repo, sources, bridge=get_target(bridge), requirements=requirements)


def names(*requirements: str, **texts: str) -> list[str]:
    found = needed(*requirements, **texts)
    return [extra.requirement.partition("[")[2].partition("]")[0] for extra in found]


@pytest.mark.parametrize(
    ("source", "extras"),
    [
        (BIGQUERY, ["gcp"]),
        ("from airflow.contrib.operators import bigquery_operator", ["gcp"]),
        ("import airflow.contrib.operators.bigquery_operator as bq", ["gcp"]),
        ("from airflow.operators import SlackAPIPostOperator", ["slack"]),
        ("from airflow.hooks.mysql_hook import MySqlHook", ["mysql"]),
        ("from airflow.contrib.operators.mysql_to_gcs import X", ["gcp", "mysql"]),
        ("from airflow.contrib.sensors.sftp_sensor import SFTPSensor", ["ssh"]),
        ("import docker", ["docker"]),
        ("def task():\n    from google.cloud import storage", ["gcp"]),
        ("try:\n    import jira\nexcept ImportError:\n    pass", ["jira"]),
        # What the image has, or Airflow itself, needs no extra.
        ("from airflow.hooks.postgres_hook import PostgresHook", []),
        ("from airflow.hooks.S3_hook import S3Hook", []),
        ("from airflow.operators.bash_operator import BashOperator", []),
        ("import pandas, requests, company.docker", []),
        ("# docker, bigquery_operator", []),
        ("from . import docker", []),
        ("print 'docker'\nimport docker", []),  # Python 2 loads nowhere
    ],
)
def test_what_an_import_needs(source: str, extras: list[str]) -> None:
    assert names(dags__a=source) == extras


def test_each_extra_is_told_once_with_its_first_place() -> None:
    texts = {"dags__b": BIGQUERY, "dags__a": "import os\n" + BIGQUERY, "plugins__c": BIGQUERY}
    assert needed(plugins="plugins", bridge="1.10.12", **texts) == (
        AssumedExtra(
            requirement="apache-airflow[gcp]==1.10.12",
            path="dags/a.py",
            line=2,
            module="airflow.contrib.operators.bigquery_operator.BigQueryOperator",
        ),
    )


def test_only_what_airflow_loads_is_looked_at() -> None:
    assert names(scripts__load=BIGQUERY, plugins__a=BIGQUERY) == []
    assert names(plugins="plugins", plugins__a=BIGQUERY) == ["gcp"]


@pytest.mark.parametrize(
    "line",
    [
        "apache-airflow[gcp]==1.10.15",
        "apache-airflow[slack,gcp_api]==1.10.15",
        "apache-airflow[google]==1.10.15",
        "apache-airflow[all]==1.10.15",
        "apache-airflow[devel_ci]==1.10.15",
        "apache-airflow-backport-providers-google==2021.3.3",
    ],
)
def test_an_extra_that_is_named_under_any_name_is_not_assumed(line: str) -> None:
    assert names(line, dags__a=BIGQUERY) == []


def test_databases_come_together() -> None:
    source = "from airflow.hooks.mysql_hook import MySqlHook\n" + BIGQUERY
    assert names("apache-airflow[all_dbs]==1.10.15", dags__a=source) == ["gcp"]


def test_hive_is_named_like_its_project() -> None:
    source = "import pyhive"
    assert names(dags__a=source) == ["hive"]
    assert names("apache-airflow[apache.hive]==1.10.15", dags__a=source) == []


def test_a_distribution_that_is_named_stands_for_its_module() -> None:
    source = "from google.cloud import bigquery\n"
    assert names("google-cloud-bigquery<2", dags__a=source) == []
    assert names("google-cloud-bigquery<2", dags__a=source + BIGQUERY) == ["gcp"]
    assert names("slackclient~=1.0", dags__a="from airflow.hooks.slack_hook import X") == []


def test_a_module_of_the_repository_is_its_own() -> None:
    assert names(dags__a="import docker", dags__docker="") == []
    assert names(dags__a="import docker", **{"dags__docker/__init__": ""}) == []
    # A folder of DAGs that is called like a package does not hide it.
    assert names(dags__a="import docker", **{"dags__docker/dag": ""}) == ["docker"]


def test_the_table_is_of_modules_that_people_import() -> None:
    table = third_party()
    assert table["airflow.operators.docker_operator"] == ("docker",)
    assert "pandas_gbq" in table["airflow.contrib.operators.bigquery_operator"]
    # Guarded, within functions, and Airflow's own requirements.
    assert "airflow.operators.bash_operator" not in table
    assert not {"jinja2", "sqlalchemy", "dateutil"} & {
        third for row in table.values() for third in row
    }
    for module in table:
        ast.parse(f"import {module}")


# What an image must bring: no extra of Airflow 1.10 has it, or Airflow on MWAA always does.
WITHOUT_EXTRA = {"boto", "boto3", "botocore", "celery", "distributed", "mesos", "numpy", "pyspark"}


def test_every_module_of_the_table_has_an_extra_or_needs_none() -> None:
    needs = {third for row in third_party().values() for third in row}
    assert needs - EXTRA_OF.keys() == WITHOUT_EXTRA | {"urllib3"}
