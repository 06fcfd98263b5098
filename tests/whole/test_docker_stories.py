"""On every fixture repository both runtimes make the same observations and the same report."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.containers.engine import Engine
from harness.model import Environment, Observation, Report, Side
from harness.pipeline import Options, check
from harness.runtimes import make_runtime
from harness.runtimes.base import OnProgress, Request, Runtime
from harness.runtimes.docker import DockerRuntime
from harness.runtimes.replay import record, recording_path
from harness.targets import default_target

STORIES = Path(__file__).parents[2] / "fixtures" / "repos"

# What a side has besides Airflow and its requirements depends on how it was made.
INSTALLERS = {"pip", "setuptools", "wheel"}

# 1.10 names a plugin's module after the whole path of its file, which the two have elsewhere.
PLUGINS = re.compile(rb"'__[\w-]+?__airflow__plugins__")

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.xdist_group("docker")]


CASES = [
    *((story.name, default_target().airflow) for story in sorted(STORIES.iterdir())),
    ("movie_list", "2.10.3"),
    ("movie_list", "2.5.1"),
]


class Recorded:
    """A runtime whose observations are written down as they come, each into a file of its own."""

    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self._runtime, self._folder = runtime, folder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def observe(self, request: Request, on_progress: OnProgress) -> Observation:
        seen = self._runtime.observe(request, on_progress)
        plain = replace(
            seen, runtime="", isolation="", image="", image_digest="", packages=without_tools(seen)
        )
        record(plain, recording_path(self._folder, seen.side, seen.airflow))
        return seen

    def bytes(self) -> dict[str, bytes]:
        """Side and version → its recording."""
        files = self._folder.iterdir()
        return {path.name: PLUGINS.sub(b"'__plugins__", path.read_bytes()) for path in files}


@pytest.mark.parametrize(("story", "target"), CASES)
def test_both_runtimes_say_the_same(
    engine: Engine, tmp_path: Path, story: str, target: str
) -> None:
    """Byte by byte, but for times and for what names the runtime."""
    options = Options(path=STORIES / story / "before", targets=(target,))
    expect = tomllib.loads((STORIES / story / "story.toml").read_text())["expect"]
    inside = Recorded(DockerRuntime(engine=engine), tmp_path / "docker")
    outside = Recorded(make_runtime("venv"), tmp_path / "venv")
    seen = check(options, inside)
    assert seen.verdict == expect.get(target, {}).get("verdict", expect["verdict"])
    assert comparable(seen) == comparable(check(options, outside))
    assert len(inside.bytes()) == len(Side)
    assert inside.bytes() == outside.bytes()


DAG = """
from datetime import datetime
import socket
import boto3
from airflow import DAG

{code}
dag = DAG("asks", schedule_interval=None, start_date=datetime(2020, 1, 1))
"""

ASKS = {
    "no_such_service": "boto3.client('gamelift').list_builds()",
    "a_queue_that_is_there": (
        "queue = boto3.client('sqs').create_queue(QueueName='q')['QueueUrl']\n"
        "boto3.client('sqs').send_message(QueueUrl=queue, MessageBody='hello')"
    ),
    "the_real_aws": "socket.create_connection(('sts.amazonaws.com', 443))",
    "somebody_else": "socket.create_connection(('192.0.2.1', 80))",
}


def test_both_runtimes_have_the_same_emulated_aws(engine: Engine, tmp_path: Path) -> None:
    """Also where it has no such service, and where a file asks for more than it."""
    for name, code in ASKS.items():
        (tmp_path / "dags").mkdir(exist_ok=True)
        (tmp_path / "dags" / f"{name}.py").write_text(DAG.format(code=code).replace("asks", name))
    options = Options(path=tmp_path, overrides={"aws": "moto"})
    seen = check(options, DockerRuntime(engine=engine))
    outcomes = {Path(row.path).stem: {row.bridge, row.observed} for row in seen.files}
    assert outcomes == {
        name: {"ok" if name == "a_queue_that_is_there" else "error"} for name in ASKS
    }
    found = [each for each in seen.findings if each.path == "dags/no_such_service.py"]
    (finding,) = (each for each in found if each.rule == "network-at-parse")
    assert "moto does not have what it needs" in str(finding)
    assert comparable(seen) == comparable(check(options, make_runtime("venv")))


def comparable(report: Report) -> Any:
    """A report without times, and without what names its runtime."""
    environments = tuple(
        replace(
            environment,
            runtime="",
            image="",
            image_digest="",
            packages=without_tools(environment),
        )
        for environment in report.environments
    )
    plain = replace(report, timings={}, environments=environments, sources={})
    return msgspec.to_builtins(plain)


def without_tools(side: Environment | Observation) -> dict[str, str]:
    """What is installed, but for what installed it."""
    return {name: version for name, version in side.packages.items() if name not in INSTALLERS}
