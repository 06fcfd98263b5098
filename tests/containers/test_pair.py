"""The pair in Docker, for real: brought up once for all that follows here."""

import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

from harness.containers.engine import Engine
from harness.containers.pair import Member, down, members
from harness.containers.plan import pair_name
from harness.listing import member_lines
from harness.model import Side

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]

DAG = """
import os
from datetime import datetime

import cowsay
from airflow import DAG
from airflow.operators.bash_operator import BashOperator

with DAG("from_{stage}".format(stage=os.environ["STAGE"]), schedule_interval=None,
         start_date=datetime(2020, 1, 1)) as dag:
    BashOperator(task_id="hello", bash_command="echo hello")
"""

FILES = {
    "dags/hello.py": DAG,
    "requirements.txt": "cowsay==4.0\n",
    "startup.sh": "export STAGE=startup AWS_REGION=eu-west-1\n",
    "mwaa-harness.toml": '[env]\nSTAGE = "check"\n',
}


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pair") / "repo"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
    for folder in (root, root / "dags"):
        folder.chmod(0o755)
    return root


# What must not come along.
OF_THE_HOST = {"AWS_ACCESS_KEY_ID": "AKIAOFTHEHOST", "AWS_SESSION_TOKEN": "ofthehost"}


def command(*arguments: str) -> str:
    """What `mwaa-harness` prints, when it ends well."""
    argv = [sys.executable, "-m", "harness", *arguments]
    env = {**os.environ, **OF_THE_HOST}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def pair(
    engine: Engine, repo: Path, of_the_pair: Callable[[], list[str]]
) -> Iterator[dict[str, Member]]:
    """Its members by name."""
    try:
        said = command("up", str(repo), "--bridge-port", "0", "--target-port", "0")
        started = members(engine)
        assert said.splitlines() == list(member_lines(started))
        yield {member.service: member for member in started}
    finally:
        down(engine, wipe=True)
        assert of_the_pair() == []


def container(engine: Engine, service: str) -> Any:
    return engine.client.containers.get(f"{pair_name()}-{service}")


def inside(engine: Engine, service: str, *argv: str) -> str:
    code, output = container(engine, service).exec_run(list(argv))
    text: str = output.decode("utf-8", errors="replace")
    assert code == 0, text
    return text


def test_all_are_healthy(engine: Engine, pair: dict[str, Member]) -> None:
    assert list(pair) == ["bridge-db", "target-db", "aws", "bridge", "target"]
    assert {member.state for member in pair.values()} == {"healthy"}


def test_status_says_where_the_pages_are_and_how_to_log_in(pair: dict[str, Member]) -> None:
    said = command("status")
    for side in Side:
        assert pair[side].url.startswith("http://127.0.0.1:")
        assert f"{pair[side].url}   log in: {pair[side].login}" in said


@pytest.mark.parametrize("side", list(Side))
def test_the_dag_of_each_side_is_there(engine: Engine, pair: dict[str, Member], side: Side) -> None:
    """Requirements were installed, the startup script's variable is set, the target's copy is
    rewritten – and `docker exec airflow` sees the same database and DAGs as the scheduler."""
    listed = ("list_dags",) if side is Side.BRIDGE else ("dags", "list")
    argv = ("env", "STAGE=startup", "airflow", *listed)
    assert "from_startup" in inside(engine, side, *argv)
    source = inside(engine, side, "cat", "/usr/local/airflow/dags/hello.py")
    assert ("airflow.operators.bash_operator" in source) is (side is Side.BRIDGE)
    deadline = time.monotonic() + 120
    while (found := scheduled(engine, side)) == "" and time.monotonic() < deadline:
        time.sleep(2)
    assert found == "from_startup"


def scheduled(engine: Engine, side: Side) -> str:
    """What the scheduler has written into its database."""
    query = "select dag_id from dag"
    argv = ("psql", "-U", "airflow", "-d", "airflow", "-tAc", query)
    return inside(engine, f"{side}-db", *argv).strip()


def test_the_startup_script_cannot_set_all(engine: Engine, pair: dict[str, Member]) -> None:
    log = command("logs", "target", "--lines", "5000")
    assert "startup.sh cannot set AWS_REGION" in log
    # The rewrite has named the official constraint file, so that MWAA forces none of its own.
    assert "installing requirements/requirements.txt under essential.txt" in log


@pytest.mark.parametrize("side", list(Side))
def test_the_web_page_lets_the_administrator_in(pair: dict[str, Member], side: Side) -> None:
    user, password = pair[side].login.split(" / ")
    assert len(password) == 16
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    with browser.open(f"{pair[side].url}/login/", timeout=60) as page:
        text = page.read().decode()
    token = text.partition('name="csrf_token"')[2].partition('value="')[2].partition('"')[0]
    form = urllib.parse.urlencode({"username": user, "password": password, "csrf_token": token})
    with browser.open(f"{pair[side].url}/login/", data=form.encode(), timeout=60) as page:
        assert "/login" not in page.geturl()
    with browser.open(f"{pair[side].url}/home", timeout=60) as page:
        assert "from_startup" in page.read().decode()


def test_both_share_the_emulated_aws(engine: Engine, pair: dict[str, Member]) -> None:
    make = "import boto3; boto3.client('s3').create_bucket(Bucket='shared')"
    inside(engine, "bridge", "python3", "-c", make)
    read = "import boto3; print([b['Name'] for b in boto3.client('s3').list_buckets()['Buckets']])"
    assert "shared" in inside(engine, "target", "python3", "-c", read)


ASKS_AWS = """
import boto3, urllib.request
print("account", boto3.client("sts", "eu-west-1").get_caller_identity()["Account"])
for host in ("sts.amazonaws.com", "169.254.169.254"):
    try:
        urllib.request.urlopen("http://" + host, timeout=20)
    except OSError as error:
        print(error)
"""


@pytest.mark.parametrize("side", list(Side))
def test_nothing_reaches_the_real_aws(engine: Engine, pair: dict[str, Member], side: Side) -> None:
    """Which the pair's network would let through: it installs requirements."""
    said = inside(engine, side, "python3", "-c", ASKS_AWS)
    assert "account 123456789012" in said
    assert said.count("the harness lets nothing reach the real AWS") == 2


def test_nothing_is_published_beyond_the_loopback(engine: Engine, pair: dict[str, Member]) -> None:
    for service in pair:
        ports = container(engine, service).attrs["NetworkSettings"]["Ports"]
        bindings = [binding for found in ports.values() for binding in found or ()]
        assert {binding["HostIp"] for binding in bindings} <= {"127.0.0.1"}
        assert bool(bindings) is not service.endswith("-db")


def test_nothing_of_the_host_is_inside(engine: Engine, pair: dict[str, Member]) -> None:
    for service in pair:
        attributes = container(engine, service).attrs
        config, host = attributes["Config"], attributes["HostConfig"]
        assert not any("docker.sock" in mount["Source"] for mount in attributes["Mounts"])
        assert all(not m["RW"] for m in attributes["Mounts"] if m["Type"] == "bind")
        assert host["Privileged"] is False
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges" in host["SecurityOpt"]
        assert "ofthehost" not in str(config["Env"]).lower()
        if not service.endswith("-db"):
            assert inside(engine, service, "id", "-u").strip() != "0"


def test_logs_name_their_service(pair: dict[str, Member]) -> None:
    lines = command("logs", "--lines", "3").splitlines()
    assert {line.split()[0] for line in lines} == set(pair)


def test_an_up_of_nothing_leaves_the_pair_alone(engine: Engine, pair: dict[str, Member]) -> None:
    argv = [sys.executable, "-m", "harness", "up", "no/such/folder"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no such folder" in done.stderr
    assert members(engine) == tuple(pair.values())


def test_the_databases_outlive_the_pair(
    pair: dict[str, Member], of_the_pair: Callable[[], list[str]]
) -> None:
    """Last: it takes the pair down. Data is kept by ``down`` and removed by ``down --wipe``."""
    removed = command("down").splitlines()
    assert {f"removed {pair_name()}-{service}" for service in pair} < set(removed)
    kept = of_the_pair()
    assert [name.rpartition("-")[0] for name in sorted(kept)] == [
        f"{pair_name()}-bridge",
        f"{pair_name()}-target",
    ]
    assert set(command("down", "--wipe").splitlines()) == {f"removed {name}" for name in kept}
    assert of_the_pair() == []
