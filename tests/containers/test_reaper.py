"""Where Ryuk's image is, it cleans up after a run that is killed; it alone is given the socket.

Ryuk's own image can be had from an image registry alone. What stands in for it here speaks its
protocol: a filter a line, "ACK" for each, and some time after the last connection has ended what
the filters name is removed through the engine's socket.
"""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from testcontainers.core.config import TestcontainersConfiguration

from harness.containers.engine import RUN_LABEL, Engine
from harness.containers.images import build, pack_context
from harness.containers.reaper import RUN, guard

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]

STAND_IN = """
import http.client, json, os, socket, socketserver, threading, time, urllib.parse

class Engine(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/var/run/docker.sock")

def ask(method, path):
    connection = Engine("engine")
    connection.request(method, path)
    return connection.getresponse().read()

def reap(filters):
    asked = urllib.parse.quote(json.dumps(filters))
    for each in json.loads(ask("GET", "/containers/json?all=1&filters=" + asked)):
        ask("DELETE", "/containers/" + each["Id"] + "?force=1&v=1")
    for each in json.loads(ask("GET", "/networks?filters=" + asked)):
        ask("DELETE", "/networks/" + each["Id"])

class Client(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            filters = urllib.parse.parse_qs(line.decode().strip())
            self.wfile.write(b"ACK\\n")
        time.sleep(1)
        reap(filters)  # of several the last, as versions from 0.9 on do
        os._exit(0)

socketserver.ThreadingTCPServer(("", 8080), Client).serve_forever()
"""

# A process with two runs, of which each makes a container and a network, and then waits.
MAKES = """
import sys, time
from harness.containers.engine import connect, sweep_run
from harness.containers.reaper import guard
engines = [connect(), connect()]
for engine in engines:
    assert guard(engine) == ""
    engine.client.networks.create("reaped-" + engine.run, labels=engine.labels())
    made = engine.client.containers.create(sys.argv[1], "true", labels=engine.labels())
print(made.id, *(engine.run for engine in engines), flush=True)
time.sleep(float(sys.argv[2]))
for engine in engines:
    sweep_run(engine)
    engine.close()
"""


@pytest.fixture(scope="module")
def ryuk(engine: Engine, base: str) -> Iterator[str]:
    name = f"mwaa-harness/test-ryuk:{engine.run}"
    text = f'FROM {base}\nCOPY ryuk.py /\nENTRYPOINT ["python3", "/ryuk.py"]\n'
    context = {"Dockerfile": text.encode(), "ryuk.py": STAND_IN.encode()}
    build(engine, pack_context(context), name, {}, what="")
    yield name
    engine.client.images.remove(name, force=True)


@contextlib.contextmanager
def making(
    base: str, ryuk: str, seconds: int
) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """A process of ours with Ryuk beside it: the process, a container that it made, its runs."""
    argv = [sys.executable, "-c", MAKES, base, str(seconds)]
    env = {**os.environ, "RYUK_CONTAINER_IMAGE": ryuk, "TESTCONTAINERS_RYUK_DISABLED": "false"}
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        made, *runs = process.stdout.readline().split()
        try:
            yield process, made, runs
        finally:
            process.kill()


def of(engine: Engine, *runs: str) -> set[str]:
    """The containers and networks of some runs."""
    client, found = engine.client.api, []
    for run in runs:
        filters = {"label": f"{RUN_LABEL}={run}"}
        found += client.containers(all=True, filters=filters) + client.networks(filters=filters)
    return {each["Id"] for each in found}


def gone(look: Callable[[], set[str]]) -> bool:
    """Whether nothing is to be seen any more, sooner or later."""
    deadline = time.monotonic() + 60
    while look() and time.monotonic() < deadline:
        time.sleep(0.3)
    return not look()


def test_what_a_killed_run_made_is_removed_without_another(
    engine: Engine, base: str, ryuk: str
) -> None:
    with making(base, ryuk, 600) as (process, made, runs):
        (reaper,) = of(engine, RUN)
        ports = engine.client.containers.get(reaper).attrs["NetworkSettings"]["Ports"]
        assert [binding["HostIp"] for binding in ports["8080/tcp"]] == ["127.0.0.1"]
        # It alone has the socket.
        assert engine.client.containers.get(made).attrs["Mounts"] == []
        assert len(of(engine, *runs)) == 4
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert gone(lambda: of(engine, *runs))
        assert gone(lambda: of(engine, RUN))


def test_at_a_normal_end_it_goes_as_well(engine: Engine, base: str, ryuk: str) -> None:
    with making(base, ryuk, 0) as (process, _, runs):
        assert process.wait(timeout=60) == 0
        assert of(engine, *runs, RUN) == set()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "its image is not here"),
        ({"TESTCONTAINERS_RYUK_DISABLED": "true"}, "it is switched off"),
        ({"DOCKER_HOST": "tcp://192.0.2.1:2375"}, "the engine is on another machine"),
    ],
)
def test_where_it_is_not_used(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], reason: str
) -> None:
    configured = functools.partial(TestcontainersConfiguration, ryuk_image="registry.invalid/ryuk")
    monkeypatch.setattr("testcontainers.core.config.TestcontainersConfiguration", configured)
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "false")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert guard(engine) == reason
