"""What the rewritten code needs that the image lacks, and what it does not need."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness.model import Config, Repo
from harness.repo import load
from harness.rewrite.projects import projects
from harness.rewrite.providers import needed, own_modules
from harness.rewrite.unasked import unasked
from harness.targets import default_bridge, get_target, lock_pins

BRIDGE = default_bridge()
BROUGHT = {**lock_pins(BRIDGE), **BRIDGE.preinstalled}


def made(code: str, path: str = "dags/d.py", **others: str) -> tuple[Repo, dict[str, bytes]]:
    files = {path: f"# airflow\n{code}\n", **{f"dags/{n}.py": t for n, t in others.items()}}
    paths = {"requirements": None, "startup": None, "airflow_cfg": None, "plugins": None}
    repo = Repo(root=Path("r"), dags="dags", files=tuple(files), dag_files=(), **paths)
    return repo, {name: text.encode() for name, text in files.items()}


def needs(code: str, target: str = "2.11.0", path: str = "dags/d.py", **others: str) -> set[str]:
    repo, sources = made(code, path, **others)
    row = get_target(target)
    return set(needed(repo, sources, target=row, pins=lock_pins(row), brought=BROUGHT))


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("import pandas as pd", {"pandas"}),
        ("from pymongo import MongoClient", {"pymongo"}),
        ("def f():\n    import numpy", {"numpy"}),
        ("import MySQLdb", {"mysqlclient"}),
        ("from google.cloud import storage", {"google-cloud-storage"}),
        ("'{{ macros.hive.max_partition(t) }}'", {"apache-airflow-providers-apache-hive"}),
        ("import boto3, requests", set()),
        ("import json, os.path", set()),
        ("try:\n    import configparser\nexcept ImportError:\n    import ConfigParser", set()),
        ("import nobody_knows_this", set()),
        ("try:\n    import pandas\nexcept ImportError:\n    pandas = None", set()),
        ("if TYPE_CHECKING:\n    import pandas", set()),
        ("'''\nimport pandas\n'''", set()),
        (
            "from airflow.providers.slack.hooks.slack import SlackHook",
            {"apache-airflow-providers-slack"},
        ),
        (
            "from airflow.providers.amazon.aws.transfers.mysql_to_s3 import MySQLToS3Operator",
            set(),
        ),
        (
            "from airflow.providers.amazon.aws.transfers import gcs_to_s3",
            {"apache-airflow-providers-google"},
        ),
        (
            "from airflow.providers.apache.hive.transfers.s3_to_hive import S3ToHiveOperator",
            {"apache-airflow-providers-apache-hive"},
        ),
        # What the rule third-party has replaced is not brought back.
        ("import slackclient, flask_admin", set()),
    ],
)
def test_what_an_import_needs(code: str, wanted: set[str]) -> None:
    assert needs(code) == wanted


def test_the_image_of_each_target_counts() -> None:
    """Pandas is in the image of 2.0.2, not in that of 2.11.0."""
    assert needs("import pandas", "2.0.2") == set()
    assert needs("import pandas", "2.5.1") == (
        set() if "pandas" in get_target("2.5.1").preinstalled else {"pandas"}
    )


def test_modules_of_the_repository_are_its_own() -> None:
    assert needs("import pandas", pandas="") == set()


def test_modules_of_an_archive_are_the_repositorys_own(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    with zipfile.ZipFile(tmp_path / "dags" / "packed.zip", "w") as archive:
        archive.writestr("lib/__init__.py", "")
        archive.writestr("helper.py", "")
    repo = replace(made("")[0], root=tmp_path, files=("dags/packed.zip",))
    assert set(own_modules(repo)) == {"lib", "helper"}


@pytest.mark.parametrize("path", ["dags/tests/d.py", "dags/test_d.py", "dags/conftest.py"])
def test_tests_need_nothing_of_the_environment(path: str) -> None:
    assert needs("import pandas", path=path) == set()


def test_a_script_that_no_dag_imports_runs_elsewhere() -> None:
    assert needs("", job="import pandas") == set()
    assert needs("from job import run", job="import pandas") == {"pandas"}


@pytest.mark.parametrize(
    ("code", "required", "wanted"),
    [
        ("import networkx", [], {"networkx"}),
        ("def f():\n    from ldap3.core import x", ["requests"], {"ldap3"}),
        ("import ldap3, helper, os", ["ldap3"], set()),
        ("import yaml, airflow.models", [], set()),
        ("from dateutil import tz\nimport numpy", ["pandas"], set()),  # pandas brings them
        ("import absl.logging", ["absl-py"], set()),
        ("import slackclient, flask_admin", [], set()),
        ("import networkx", ["a-private-one"], {"networkx"}),
        ("try:\n    import networkx\nexcept ImportError:\n    networkx = None", [], set()),
    ],
)
@pytest.mark.parametrize("target", ["2.5.1", "2.11.0"])
def test_a_module_that_nothing_brings_is_named(
    code: str, required: list[str], wanted: set[str], target: str
) -> None:
    repo, sources = made(code, helper="")
    found = list(unasked(repo, sources, required, get_target(target)))
    assert {note.message.partition(" ")[0] for _, note in found} == wanted
    for path, note in found:
        assert (path, note.line) == ("dags/d.py", 3 if "def" in code else 2)
        assert ("a-private-one" in note.fix) == ("a-private-one" in required)


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("sklearn", "Require scikit-learn"),
        ("controllers", "If controllers is your own, put it into the DAG folder"),
    ],
)
def test_only_a_known_distribution_is_advised_by_name(module: str, says: str) -> None:
    """Whoever has the name of one's own module on PyPI must not get into the requirements."""
    repo, sources = made(f"import {module}")
    ((_, note),) = unasked(repo, sources, [], get_target("2.11.0"))
    assert says in note.fix
    assert module not in note.fix.partition(".")[0]


@pytest.mark.parametrize(
    ("name", "text", "asked"),
    [
        (
            "Pipfile",
            '[packages]\napache-airflow = {extras = ["aws"], version = "==1.10.15"}',
            "amazon",
        ),
        ("setup.py", 'x\ninstall_requires=["apache-airflow[s3]>=1.10,<2"]', "amazon"),
        ("pyproject.toml", '\napache-airflow-backport-providers-slack = "*"', "slack"),
        ("pyproject.toml", '\napache-airflow = "2.11.0"\napache-airflow-providers-http = "*"', ""),
        ("notes.txt", "\napache-airflow==1.10.15", ""),
    ],
)
def test_other_files_that_ask_for_the_old_airflow_are_named(
    tmp_path: Path, name: str, text: str, asked: str
) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "d.py").write_text("from airflow import DAG\n")
    (tmp_path / name).write_text(text)
    target = get_target("2.11.0")
    found = list(projects(load(tmp_path, config=Config()), target, lock_pins(target)))
    assert [(path, note.line) for path, note in found] == ([(name, 2)] if asked else [])
    assert all(f"apache-airflow-providers-{asked}==" in note.fix for _, note in found)


def test_the_driver_of_an_engine_is_needed() -> None:
    made = "from sqlalchemy import create_engine\ncreate_engine({})"
    assert needs(made.format("'mysql://me@db/x'")) == {"mysqlclient"}
    assert needs(made.format("f'mysql+pymysql://{me}@db/x'")) == set()  # 1.10 did not bring it
    assert needs(made.format("'postgresql://me@db/x'")) == set()
    assert needs("import os\nos.environ['AIRFLOW_CONN_X'] = 'mysql://me@db/x'") == set()
