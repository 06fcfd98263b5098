"""What a side finds around it: nothing of the host, nothing that leads out."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Target
from harness.runtimes.surroundings import (
    FERNET_KEY,
    MWAA_OVERWRITES,
    RUN_VARIABLE,
    Place,
    airflow_environment,
    option_variable,
    reaches_out,
    repository_options,
    user_environment,
)
from harness.targets import get_target, load_targets

PLACE = Place.below(Path("/run/x"))
VENV = Path("/venv")


def environment(version: str) -> dict[str, str]:
    return airflow_environment(get_target(version), PLACE, VENV)


@pytest.mark.parametrize("target", load_targets(), ids=lambda target: target.airflow)
def test_every_path_is_private(target: Target) -> None:
    env = airflow_environment(target, PLACE, VENV)
    paths = {name: value for name, value in env.items() if "/" in value and name != "PATH"}
    assert paths
    for name, value in paths.items():
        assert re.fullmatch(r"(?:sqlite:///)?/run/x/.*", value), name


def test_the_host_has_no_part_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = environment("2.11.0")
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
    for name in (*keys, "AIRFLOW__CORE__FERNET_KEY", "HTTPS_PROXY", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "leak")
    monkeypatch.setenv("PYTHONPATH", "/leak")
    assert environment("2.11.0") == before
    assert "leak" not in str(before)


def test_options_move_with_the_version() -> None:
    old, middle, new = environment("1.10.15"), environment("2.2.2"), environment("2.4.3")
    assert "AIRFLOW__CORE__SQL_ALCHEMY_CONN" in old
    assert "AIRFLOW__CORE__SQL_ALCHEMY_CONN" in middle
    assert "AIRFLOW__CORE__SQL_ALCHEMY_CONN" not in new
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in new
    assert "AIRFLOW__CORE__BASE_LOG_FOLDER" in old
    assert "AIRFLOW__LOGGING__BASE_LOG_FOLDER" in middle
    assert "AIRFLOW__CORE__LAZY_LOAD_PLUGINS" not in old
    assert middle["AIRFLOW__CORE__LAZY_LOAD_PLUGINS"] == "False"


def test_the_key_is_one_that_fernet_takes() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}=", FERNET_KEY)


def test_folders_are_made(tmp_path: Path) -> None:
    place = Place.below(tmp_path / "run")
    place.make()
    place.make()
    for folder in (place.home, place.temp, place.logs, place.dags, place.plugins):
        assert folder.is_dir()
        assert folder.is_relative_to(tmp_path)


CFG = """\
[core]
dags_folder = /usr/local/airflow/dags
sql_alchemy_conn = postgresql://prod/airflow
executor = CeleryExecutor
default_timezone = Europe/Berlin
dag_concurrency = 16
fernet_key_cmd = cat /etc/key
[scheduler]
catchup_by_default = False
statsd_host = prod
[secrets]
backend = airflow.contrib.secrets.aws_secrets_manager.SecretsManagerBackend
[operators]
default_owner = data%%team
default_queue = fast
[acme.data]
input_folder = s3://bucket/%(nothing)s
[core]
parallelism = 8
"""


def test_what_a_repository_may_set() -> None:
    assert repository_options(CFG) == {
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Europe/Berlin",
        "AIRFLOW__CORE__DAG_CONCURRENCY": "16",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__SCHEDULER__CATCHUP_BY_DEFAULT": "False",
        "AIRFLOW__OPERATORS__DEFAULT_OWNER": "data%team",
        "AIRFLOW__ACME_DATA__INPUT_FOLDER": "s3://bucket/%(nothing)s",
    }


@pytest.mark.parametrize("text", ["no section = 1", "[core\n", "\0", "[core]\nkey", ""])
def test_a_file_that_is_none_has_no_options(text: str) -> None:
    assert repository_options(text) == {}


@pytest.mark.parametrize("option", sorted(MWAA_OVERWRITES))
def test_what_mwaa_overwrites_is_not_the_repositorys(option: tuple[str, str]) -> None:
    section, key = option
    assert repository_options(f"[{section}]\n{key} = x\n") == {}
    assert user_environment({option_variable(section, key): "x"}) == {}


def test_every_option_that_we_set_is_ours() -> None:
    for target in load_targets():
        options = {
            name: "theirs"
            for name in airflow_environment(target, PLACE, VENV)
            if name.startswith("AIRFLOW__") or name in ("HOME", "TMPDIR", "PATH", "AIRFLOW_HOME")
        }
        assert user_environment(options) == {}


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,20}", fullmatch=True), st.text()))
def test_the_users_own_variables_pass(env: dict[str, str]) -> None:
    passed = user_environment(env)
    assert passed.items() <= env.items()
    for name in env.keys() - passed.keys():
        assert name.startswith(("AIRFLOW_", "LD_", "PYTHON", RUN_VARIABLE)) or name in (
            "HOME",
            "PATH",
            "TMPDIR",
        )


def test_variables_and_connections_pass() -> None:
    given = {
        "AIRFLOW_VAR_SECRET": "1",
        "AIRFLOW_CONN_MY_CMD": "http://x",
        "AIRFLOW__ACME__THING": "2",
        "AIRFLOW__CORE__PARALLELISM": "3",
        "AWS_PROFILE": "mine",
        "STAGE": "dev",
    }
    assert user_environment(given) == given


@pytest.mark.parametrize(
    ("section", "key", "out"),
    [
        ("CORE", "SQL_ALCHEMY_CONN_CMD", True),
        ("core", "sql_alchemy_pool_size", True),
        ("webserver", "log_fetch_timeout_sec", True),
        ("kubernetes_environment_variables", "x", True),
        ("core", "dag_discovery_safe_mode", False),
        ("core", "min_serialized_dag_update_interval", False),
        ("scheduler", "dag_dir_list_interval", False),
        ("acme", "database_path", False),
    ],
)
def test_reaches_out(section: str, key: str, out: bool) -> None:
    assert reaches_out(section, key) is out


def test_the_process_really_sees_only_this(tmp_path: Path) -> None:
    env = environment("1.10.15")
    done = subprocess.run(["/usr/bin/env"], env=env, capture_output=True, text=True, check=True)
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert seen == env
    assert not seen.keys() & (os.environ.keys() - env.keys())
