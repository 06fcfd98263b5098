"""However a run ends, nothing of it stays in the engine; and what a dead run left is swept."""

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.containers.engine import (
    OWNER_LABEL,
    PAIR_LABEL,
    RUN_LABEL,
    SCOPE_LABEL,
    Engine,
    connect,
    owner,
    scope,
    sweep_gone,
    sweep_run,
)
from harness.containers.images import build, pack_context
from harness.containers.pair import down
from harness.containers.plan import pair_name

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]

HANGS = """
import subprocess, time
from airflow import DAG
subprocess.Popen(["sleep", "611"], start_new_session=True)
time.sleep(600)
"""


def containers_of(engine: Engine, pid: int) -> list[str]:
    """The containers that a process has made."""
    found = engine.client.api.containers(all=True, filters={"label": RUN_LABEL})
    return [each["Id"] for each in found if each["Labels"][OWNER_LABEL].split()[2] == str(pid)]


def wait_for(what: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        time.sleep(0.3)
    return bool(what())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_check_that_is_ended(engine: Engine, tmp_path: Path, number: signal.Signals) -> None:
    """While it runs, its containers have nothing of this machine's, and no way out or in."""
    repo = tmp_path / "repo"
    (repo / "dags").mkdir(parents=True)
    (repo / "dags" / "hangs.py").write_text(HANGS)
    argv = [sys.executable, "-m", "harness", "check", str(repo), "--runtime", "docker"]
    process = subprocess.Popen(
        [*argv, "--timeout", "500", "--output", str(tmp_path / "report")], stderr=subprocess.PIPE
    )

    def hangs() -> bool:
        assert process.poll() is None, process.stderr.read() if process.stderr else b""
        found = containers_of(engine, process.pid)
        return any("sleep 611" in str(top(engine, name)) for name in found)

    assert wait_for(hangs, 600)
    for name in containers_of(engine, process.pid):
        attributes = engine.client.containers.get(name).attrs
        assert attributes["Mounts"] == []
        assert attributes["NetworkSettings"]["Ports"] == {}
        assert attributes["HostConfig"]["NetworkMode"] == "none"
        assert attributes["HostConfig"]["CapDrop"] == ["ALL"]
        assert attributes["Config"]["User"].partition(":")[0] != "0"
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)

    if number == signal.SIGKILL:
        # Nobody was left to clean up: whoever comes next does, whichever process it is.
        assert containers_of(engine, process.pid)
        sweep_gone(replace(engine, run="another"))
    else:
        assert process.returncode == 130
        assert b"Traceback" not in errors
    assert containers_of(engine, process.pid) == []
    assert not (tmp_path / "report").exists()


@pytest.fixture(scope="module")
def hangs(engine: Engine, base: str) -> Iterator[str]:
    """An image that never gets healthy, whatever it is told."""
    name = f"mwaa-harness/test-hangs:{engine.run}"
    text = f'FROM {base}\nENTRYPOINT ["python3", "-c", "import time; time.sleep(600)"]\n'
    build(engine, pack_context({"Dockerfile": text.encode()}), name, {}, what="")
    yield name
    engine.client.images.remove(name, force=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_up_that_is_ended(
    engine: Engine, hangs: str, of_the_pair: Callable[[], list[str]], number: signal.Signals
) -> None:
    argv = ["up", "--bridge-image", hangs, "--target-image", hangs]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *argv, "--bridge-port", "0", "--target-port", "0"],
        stderr=subprocess.PIPE,
    )
    assert wait_for(lambda: f"{pair_name()}-target" in of_the_pair(), 120)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    if number == signal.SIGKILL:
        # It may as well be a pair that was left running: `down`, or the next `up`, takes it away.
        assert of_the_pair()
        down(engine, wipe=True)
    else:
        assert process.returncode == 130
        assert b"Traceback" not in errors
    assert of_the_pair() == []


def top(engine: Engine, name: str) -> Any:
    import docker

    try:
        return engine.client.api.top(name)
    except docker.errors.APIError:
        return ""  # not started, or gone


def test_a_sweep_leaves_neighbours_alone(engine: Engine, base: str) -> None:
    """Those that live, pairs that were left on purpose, and what is not ours at all."""
    gone = f"{owner().split()[0]} another-boot 1 1"
    made = {
        "ours": {RUN_LABEL: engine.run, OWNER_LABEL: owner()},
        "dead": {RUN_LABEL: "dead", OWNER_LABEL: gone},
        "alive": {RUN_LABEL: "alive", OWNER_LABEL: owner()},
        "elsewhere": {RUN_LABEL: "elsewhere", OWNER_LABEL: "another-machine boot 1 1"},
        "kept": replace(engine, run="kept").pair_labels("some-pair"),
        "foreign": {"org.example": "1"},
    }
    client = engine.client
    containers = {
        what: client.containers.create(base, "true", labels=labels, volumes=["/anonymous"])
        for what, labels in made.items()
    }
    networks = {w: client.networks.create(f"{w}-{engine.run}", labels=x) for w, x in made.items()}
    try:
        swept = sweep_gone(engine)
        assert containers["dead"].name in swept.containers
        assert f"dead-{engine.run}" in swept.networks
        assert still(client, containers) == {"ours", "alive", "elsewhere", "kept", "foreign"}
        sweep_run(engine)
        assert still(client, containers) == {"alive", "elsewhere", "kept", "foreign"}
        there = {each.id for each in client.networks.list()}
        assert {w for w, n in networks.items() if n.id in there} == {
            "alive",
            "elsewhere",
            "kept",
            "foreign",
        }
    finally:
        for what, container in containers.items():
            if what in still(client, containers):
                container.remove(v=True, force=True)
        for network in client.networks.list(filters={"name": engine.run}):
            network.remove()


def still(client: Any, containers: dict[str, Any]) -> set[str]:
    there = {each.id for each in client.containers.list(all=True)}
    return {what for what, container in containers.items() if container.id in there}


def test_anonymous_volumes_go_with_their_container(engine: Engine, base: str) -> None:
    container = engine.client.containers.run(
        base, "true", labels=engine.labels(), volumes=["/anonymous"], detach=True
    )
    container.reload()
    (volume,) = (mount["Name"] for mount in container.attrs["Mounts"])
    sweep_run(engine)
    assert volume not in {each.name for each in engine.client.volumes.list()}


def test_down_all_is_a_command(engine: Engine, base: str) -> None:
    """Another machine's label: no sweep at a start takes it for ours, `down --all` does; but not
    what is of another scope, such as the pair of whoever runs these tests."""
    labels = {RUN_LABEL: "lost", OWNER_LABEL: "another-machine boot 1 1"}
    create = functools.partial(engine.client.containers.create, base, "true")
    lost = create(labels={**labels, SCOPE_LABEL: scope()})
    foreign = create(labels={**labels, PAIR_LABEL: "mwaa-harness"})
    try:
        done = subprocess.run(
            [sys.executable, "-m", "harness", "down", "--all"],
            env=os.environ,
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"removed {lost.name}" in done.stdout
        assert still(engine.client, {"lost": lost, "foreign": foreign}) == {"foreign"}
    finally:
        foreign.remove(force=True)


def test_a_closed_engine_can_be_had_again() -> None:
    for _ in range(2):
        connect().close()
