"""Both Airflows reach the emulator whatever their boto3, and nothing reaches the real AWS."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.aws.emulator import SHIM, Emulator
from harness.config import connection_uri
from harness.launch import launched
from tools.aws_proxy import Proxy

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("moto")]

SCRIPT = Path(__file__).with_name("uses_aws.py")
VERSIONS = ("1.10.15", "2.5.1", "2.10.3", "2.11.0")
ROLE = "arn:aws:iam::123456789012:role/loader"


@dataclass(frozen=True)
class Used:
    """What the calls gave, and which AWS hosts were asked for in vain."""

    answers: Mapping[str, Any]
    attempts: Sequence[str]


Use = Callable[..., Used]


@pytest.fixture
def use(
    watched: Proxy, aws: Emulator, airflow_python: Callable[[str], Path], tmp_path: Path
) -> Use:
    """Run calls of uses_aws.py on an Airflow, in a network that holds nothing but the proxy."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="a.txt", Body=b"hello")
    aws.client("sqs", region_name="us-east-1").create_queue(QueueName="q")
    aws.client("secretsmanager").create_secret(
        Name="airflow/variables/from_secret", SecretString="kept"
    )
    aws.client("iam").create_role(RoleName="loader", AssumeRolePolicyDocument="{}")
    before = Emulator(name="moto", endpoint=watched.endpoint)
    attempts = tmp_path / "attempts"

    def use(version: str, *calls: str, shim: bool = True, **env: str) -> Used:
        home = tmp_path / version
        home.mkdir()
        extra = {"conn_type": "aws", "extra": before.connection_extra()}
        role = {"conn_type": "aws", "extra": {"role_arn": ROLE}}
        done = subprocess.run(
            launched(
                (str(airflow_python(version)), "-B", "-s", str(SCRIPT), *calls),
                no_network=True,
                port=before.port,
            ),
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "AIRFLOW_HOME": str(home),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
                "AIRFLOW_CONN_WITH_ROLE": connection_uri(role),
                "AIRFLOW_CONN_WITH_EXTRA": connection_uri(extra),
                **before.environment(),
                **({"PYTHONPATH": str(SHIM)} if shim else {}),
                "MWAA_HARNESS_AWS_ATTEMPTS": str(attempts),
                **env,
            },
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        refused = attempts.read_text().splitlines() if attempts.exists() else []
        return Used(json.loads(done.stdout.splitlines()[-1]), refused)

    return use


@pytest.mark.parametrize("version", VERSIONS)
def test_every_call_arrives_at_the_emulator_and_none_asks_for_aws(
    version: str, use: Use, watched: Proxy
) -> None:
    used = use(
        version,
        *("plain_client", "plain_resource", "own_session", "named_endpoint", "client_config"),
        *("hook_reads", "hook_with_role", "hook_with_role_s3", "hook_with_extra"),
        *("athena_operator", "secrets_backend", "asynchronous"),
    )
    answers = dict(used.answers)
    assert answers.pop("plain_client") == ["a.txt"]
    assert answers.pop("plain_resource") == ["a.txt"]
    assert answers.pop("own_session") == []  # a Region of its own, and it is empty
    assert answers.pop("named_endpoint") == ["a.txt"]
    assert answers.pop("client_config") == "hello"
    assert answers.pop("hook_reads") == "written"
    (queue,) = answers.pop("hook_with_role")
    assert queue.startswith("http://127.0.0.1")
    assert queue.endswith("/123456789012/q")
    assert answers.pop("hook_with_role_s3") == "hello"
    assert answers.pop("hook_with_extra") == "hello"
    assert answers.pop("athena_operator") in ("str", "NoneType")
    assert answers.pop("secrets_backend") == "kept"
    has_aiobotocore = version in ("2.10.3", "2.11.0")
    assert ("hook.txt" in (answers.pop("asynchronous") or [])) is has_aiobotocore
    assert not answers
    assert used.attempts == []
    assert {"s3", "sqs", "sts", "athena", "secretsmanager"} <= watched.services
    assert {call.host for call in watched.calls} == {watched.endpoint.removeprefix("http://")}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_passes_by_boto3_is_refused_before_a_name_is_resolved(
    version: str, use: Use, watched: Proxy
) -> None:
    used = use(version, "leaks")
    assert used.answers["leaks"] == [True] * 4
    assert used.attempts == [
        "sts.amazonaws.com",
        "169.254.169.254",
        "dynamodb.us-east-1.api.aws",
        "s3.cn-north-1.amazonaws.com.cn",
    ]
    assert watched.calls == []


def test_every_service_of_the_old_boto3_is_led_to_the_emulator(use: Use, watched: Proxy) -> None:
    endpoints, count = use("1.10.15", "every_service").answers["every_service"]
    assert endpoints == [watched.endpoint]
    assert count > 150


@pytest.mark.parametrize("version", ["1.10.15", "2.5.1"])
def test_a_connection_reaches_it_without_the_shim(version: str, use: Use, watched: Proxy) -> None:
    used = use(version, "hook_with_extra", shim=False)
    assert used.answers == {"hook_with_extra": "hello"}
    assert watched.services == {"s3"}


def test_without_the_shim_the_old_boto3_would_leave(use: Use, watched: Proxy) -> None:
    """What the shim is for: should this change, it can go."""
    used = use("1.10.15", "plain_client", shim=False, AWS_MAX_ATTEMPTS="1")
    assert "amazonaws.com" in used.answers["plain_client"]["error"]
    assert watched.calls == []
