"""compose/compose.yml with a real Compose client, and with a ready-made image on one side."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cache import cache_folder
from harness.containers.engine import Engine
from harness.containers.images import build, compose_folder, pack_context, provide_image
from harness.containers.readiness import WEB_PORT, published, unhealthy
from harness.model import Side, Target
from harness.runtimes.constraints import find_constraints
from harness.targets import default_bridge, default_target

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]

# Shaped like the local runner that the maker of MWAA publishes: another entrypoint, which knows the
# database by other variables and makes its own administrator, and no health check.
ENTRYPOINT = """#!/bin/bash
set -e
[ "$1" = local-runner ] || exec "$@"
export AIRFLOW__CORE__EXECUTOR="${EXECUTOR:-Sequential}Executor"
conn="postgresql+psycopg2://$POSTGRES_USER:$POSTGRES_PASSWORD@$POSTGRES_HOST:$POSTGRES_PORT/airflow"
export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="$conn"
until (exec 3<>"/dev/tcp/$POSTGRES_HOST/$POSTGRES_PORT") 2>/dev/null; do sleep 1; done
airflow db migrate
airflow users create -r Admin -u admin -e admin@example.com -f admin -l user -p test
airflow scheduler &
exec airflow webserver
"""

DOCKERFILE = """
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
USER root
COPY entrypoint.sh /entrypoint.sh
RUN chmod 755 /entrypoint.sh
USER airflow
HEALTHCHECK NONE
ENTRYPOINT ["/entrypoint.sh"]
CMD ["local-runner"]
"""


@pytest.fixture(scope="module")
def client(engine: Engine) -> tuple[str, ...]:
    """The command line of Compose: what preparing the engine has named, version 2, or version 1."""
    named = os.environ.get("MWAA_HARNESS_COMPOSE", "")
    for argv in ((named,), ("docker", "compose"), ("docker-compose",)):
        if (
            shutil.which(argv[0])
            and subprocess.run([*argv, "version"], check=False).returncode == 0
        ):
            return argv
    if os.environ.get("MWAA_HARNESS_DOCKER_REQUIRED"):
        raise AssertionError("There is no Compose client.")
    pytest.skip("no Compose client")


def provided(engine: Engine, row: Target) -> str:
    """The name of a row's own image."""
    constraints = find_constraints(row)
    return provide_image(
        engine, row, constraints, cache=cache_folder(), on_step=lambda _: None
    ).name


@pytest.fixture(scope="module")
def ready_made(engine: Engine) -> Iterator[str]:
    """An image that is none of ours, with the Airflow of the default target in it."""
    base = provided(engine, default_target())
    name = f"mwaa-harness-test/mwaa-local:{engine.run}"
    context = {"Dockerfile": DOCKERFILE.encode(), "entrypoint.sh": ENTRYPOINT.encode()}
    build(engine, pack_context(context), name, {"BASE_IMAGE": base}, what="")
    yield name
    engine.client.images.remove(name, force=True)


DAG = """
from datetime import datetime

from airflow import DAG
from airflow.operators.bash_operator import BashOperator

with DAG("hello", schedule_interval=None, start_date=datetime(2020, 1, 1)) as dag:
    BashOperator(task_id="hello", bash_command="echo hello")
"""


@pytest.fixture(scope="module")
def airflows(
    engine: Engine,
    client: tuple[str, ...],
    ready_made: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[Side, Any]]:
    """The containers of both sides, brought up by Compose and healthy."""
    root = tmp_path_factory.mktemp("composed") / "repo"
    (root / "dags").mkdir(parents=True)
    (root / "dags" / "hello.py").write_text(DAG)
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    argv = [sys.executable, "-m", "harness", "up", str(root), "--build-only"]
    argv += ["--target-image", ready_made, "--bridge-port", "0", "--target-port", "0"]
    made = subprocess.run(argv, stdout=subprocess.PIPE, check=True)
    project = f"mwaa-harness-test-{engine.run}"
    env = root.parent / "env"
    env.write_bytes(made.stdout + f"AWS_PORT=0\nCOMPOSE_PROJECT_NAME={project}\n".encode())
    file = str(compose_folder() / "compose.yml")
    compose = [*client, "--env-file", str(env), "--project-name", project, "--file", file]
    try:
        subprocess.run([*compose, "up", "--detach"], check=True)
        found = engine.client.containers.list(
            filters={"label": f"com.docker.compose.project={project}"}
        )
        services = {each.labels["com.docker.compose.service"]: each for each in found}
        containers = {side: services[side] for side in Side}
        for container in containers.values():
            wait_until_healthy(container)
        yield containers
    finally:
        subprocess.run([*compose, "down", "--volumes"], check=True)


def wait_until_healthy(container: Any) -> None:
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        container.reload()
        assert container.status == "running", container.logs(tail=40).decode()
        if not unhealthy(published(container, WEB_PORT)):
            return
        time.sleep(1)
    raise AssertionError(container.logs(tail=40).decode())


@pytest.mark.parametrize("side", list(Side))
def test_each_side_has_its_dags(airflows: dict[Side, Any], side: Side) -> None:
    """The target's are rewritten."""
    listed = ("list_dags",) if side is Side.BRIDGE else ("dags", "list")
    code, output = airflows[side].exec_run(["airflow", *listed])
    assert (code, b"hello" in output) == (0, True), output.decode()
    _, source = airflows[side].exec_run(["cat", "/usr/local/airflow/dags/hello.py"])
    assert (b"airflow.operators.bash_operator" in source) is (side is Side.BRIDGE)


def test_the_ready_made_image_is_what_runs(airflows: dict[Side, Any], ready_made: str) -> None:
    assert airflows[Side.TARGET].attrs["Config"]["Image"] == ready_made
    assert airflows[Side.TARGET].attrs["Config"]["Entrypoint"] == ["/entrypoint.sh"]


def test_compose_publishes_on_the_loopback_alone(airflows: dict[Side, Any]) -> None:
    for container in airflows.values():
        bindings = container.attrs["NetworkSettings"]["Ports"][f"{WEB_PORT}/tcp"]
        assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}


def test_check_takes_ready_made_images_as_well(
    engine: Engine, ready_made: str, tmp_path: Path
) -> None:
    """And names what it ran on, with the digest, among the report's environments."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "hello.py").write_text(DAG)
    bridge = provided(engine, default_bridge())
    images = ["--bridge-image", bridge, "--target-image", ready_made]
    argv = [sys.executable, "-m", "harness", "check", str(tmp_path), "--runtime", "docker"]
    done = subprocess.run([*argv, *images, "--format", "json"], stdout=subprocess.PIPE, check=True)
    report = json.loads(done.stdout)
    assert report["verdict"] == "pass"
    named = [(each["image"], each["image_digest"]) for each in report["environments"]]
    assert named == [(name, digest_of(engine, name)) for name in (bridge, ready_made)]


def digest_of(engine: Engine, name: str) -> str:
    """An image that was never in a registry goes by the engine's own id."""
    found: str = engine.client.images.get(name).id
    assert found.startswith("sha256:")
    return found
