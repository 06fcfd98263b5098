"""On every fixture repository both runtimes make the same observations and the same report."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.aws.emulation import EMULATORS
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
from airflow.hooks.S3_hook import S3Hook

{code}
dag = DAG("{name}", schedule_interval=None, start_date=datetime(2020, 1, 1))
"""

ROLE = "arn:aws:iam::123456789012:role/loader"
ENDPOINT = "https://s3.eu-central-1.amazonaws.com"

# What a file asks for while it is parsed: whichever way it takes, the emulator has it.
READS = {
    "plain_client": (
        "found = boto3.client('s3').list_objects_v2(Bucket='data')['Contents']\n"
        "assert [each['Key'] for each in found] == ['a.txt'], found"
    ),
    "plain_resource": "assert list(boto3.resource('s3').Bucket('data').objects.all())",
    "named_endpoint": (
        f"client = boto3.client('s3', endpoint_url={ENDPOINT!r})\n"
        "assert client.get_object(Bucket='data', Key='a.txt')['Body'].read() == b'hello'"
    ),
    "default_connection": "assert S3Hook().read_key('a.txt', 'data') == 'hello'",
    "connection_with_endpoint": "assert S3Hook('endpoint').read_key('a.txt', 'data') == 'hello'",
    "connection_with_role": "assert S3Hook('role').read_key('a.txt', 'data') == 'hello'",
    "assumed_role": (
        f"boto3.client('sts').assume_role(RoleArn={ROLE!r}, RoleSessionName='parse')['Credentials']"
    ),
    "secret": (
        "asked = boto3.client('secretsmanager').get_secret_value(SecretId='db')\n"
        "assert asked['SecretString'] == 'kept', asked"
    ),
    "parameter": (
        "asked = boto3.client('ssm').get_parameter(Name='/team/retries')\n"
        "assert asked['Parameter']['Value'] == '4', asked"
    ),
    "queue": (
        "queue = boto3.client('sqs').create_queue(QueueName='q')['QueueUrl']\n"
        "boto3.client('sqs').send_message(QueueUrl=queue, MessageBody='hello')"
    ),
}
REACHES = {
    "the_real_aws": "socket.create_connection(('sts.amazonaws.com', 443))",
    "somebody_else": "socket.create_connection(('192.0.2.1', 80))",
}
LACKS = {
    "moto": "boto3.client('gamelift').list_builds()",
    "localstack": "boto3.client('athena').list_work_groups()",
}
CONFIGURATION = """
[aws]
{asked}
s3 = "s3"
secrets = {{ db = "kept" }}
parameters = {{ "/team/retries" = "4" }}

[connections.endpoint]
conn_type = "aws"
extra = {{ host = "{endpoint}", endpoint_url = "{endpoint}" }}

[connections.role]
conn_type = "aws"
extra = {{ role_arn = "{role}" }}
"""


@pytest.mark.parametrize("emulator", EMULATORS)
def test_both_runtimes_have_the_same_emulated_aws(
    engine: Engine, tmp_path: Path, emulator: str, request: pytest.FixtureRequest
) -> None:
    """Whichever way a file takes to it; also where it has no such service, and where a file asks
    for more than it."""
    asked = f'emulator = "{emulator}"'
    if emulator == "localstack":
        asked += f'\nimage = "{request.getfixturevalue("localstack_image")}"'
    configuration = CONFIGURATION.format(asked=asked, endpoint=ENDPOINT, role=ROLE)
    files = {"mwaa-harness.toml": configuration, "s3/data/a.txt": "hello"}
    fail = {"no_such_service": LACKS[emulator], **REACHES}
    for name, code in (READS | fail).items():
        files[f"dags/{name}.py"] = DAG.format(code=code, name=name)
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    options = Options(path=tmp_path)
    seen = check(options, DockerRuntime(engine=engine))
    outcomes = {Path(row.path).stem: (row.bridge, row.observed) for row in seen.files}
    assert outcomes == dict.fromkeys(READS, ("ok", "ok")) | dict.fromkeys(fail, ("error", "error"))
    found = [each for each in seen.findings if each.path == "dags/no_such_service.py"]
    (finding,) = (each for each in found if each.rule == "network-at-parse")
    (other,) = set(EMULATORS) - {emulator}
    assert f"{emulator} does not have what it needs" in str(finding)
    assert f"--aws {other}" in str(finding)
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
