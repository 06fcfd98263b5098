"""moto server: ready when it is handed out, gone afterwards, and its errors explain themselves."""

import contextlib
import io
import os
import socket
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from harness.aws import moto as room
from harness.aws.emulator import Emulator, EmulatorError
from harness.aws.moto import moto
from harness.launch import NO_NETWORK, launched

pytestmark = pytest.mark.xdist_group("moto")


def test_session_reaches_the_emulator_and_nothing_else(
    aws: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")  # somebody's own; not ours
    monkeypatch.setenv("USE_SSL", "1")
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="metadata")
    s3.put_object(Bucket="metadata", Key="tables/dag_run.jsonl", Body=b"{}\n")
    bucket = aws.session().resource("s3").Bucket("metadata")
    assert [item.key for item in bucket.objects.all()] == ["tables/dag_run.jsonl"]
    assert s3.meta.endpoint_url == aws.endpoint


def test_services_that_localstack_client_does_not_list_are_there(aws: Emulator) -> None:
    assert aws.client("datapipeline").list_pipelines()["pipelineIdList"] == []


@pytest.mark.parametrize(
    ("service", "operation", "said"),
    [
        ("glue", "list_blueprints", "list_blueprints action has not been implemented"),
        ("gamelift", "list_builds", "no such service"),
        ("ses", "list_receipt_filters", "not been implemented"),
        ("mwaa", "list_environments", "no such service"),
    ],
)
def test_what_it_does_not_emulate_is_said(
    aws: Emulator, service: str, operation: str, said: str
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(aws.client(service), operation)()
    error = caught.value.response["Error"]
    assert error["Code"] == "NotEmulated"
    assert error["Message"].startswith("The emulated AWS cannot do this")
    assert said in error["Message"]
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0


def test_secrets(aws: Emulator) -> None:
    secrets = aws.client("secretsmanager")
    arn = secrets.create_secret(Name="airflow/connections/db", SecretString="postgres://db")["ARN"]
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "postgres://db"


def test_connection_extra_has_both_generations_keys_and_keeps_the_rest(aws: Emulator) -> None:
    extra = aws.connection_extra({"role_arn": "arn:aws:iam::1:role/r", "host": "other"})
    assert extra["role_arn"] == "arn:aws:iam::1:role/r"
    assert extra["host"] == extra["endpoint_url"] == aws.endpoint


def test_environment_alone_leads_a_plain_boto3_to_the_emulator(aws: Emulator) -> None:
    program = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=aws.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("123456789012\n", "")


def test_it_listens_on_the_loopback_only(aws: Emulator) -> None:
    host, port = aws.address.split(":")
    assert host == "127.0.0.1"
    with socket.socket() as sock:
        sock.bind(("127.0.0.2", int(port)))  # nobody has it there


def test_what_it_is_asked_to_deliver_stays_inside(aws: Emulator) -> None:
    """A subscription to a topic is a way out for who may not go out himself."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(1)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        sns = aws.client("sns")
        topic = sns.create_topic(Name="out")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
        with contextlib.suppress(ClientError):
            sns.publish(TopicArn=topic, Message="secret")
        if namespaces_are_permitted():
            with pytest.raises(TimeoutError):
                server.accept()


def namespaces_are_permitted() -> bool:
    done = subprocess.run(
        launched((sys.executable, "-c", "pass"), no_network=True, report=1),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout == NO_NETWORK


def test_functions_do_not_run_on_our_docker_engine(aws: Emulator) -> None:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("f.py", "def handler(event, context):\n    return 'ran'\n")
    role = aws.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    functions = aws.client("lambda")
    functions.create_function(
        FunctionName="f",
        Runtime="python3.12",
        Role=role,
        Handler="f.handler",
        Code={"ZipFile": code.getvalue()},
    )
    answer = functions.invoke(FunctionName="f")
    assert answer["FunctionError"]
    assert b"error running docker" in answer["Payload"].read()


@pytest.mark.slow
def test_it_is_gone_after_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), moto() as emulator:
        raise ZeroDivisionError
    assert is_gone(emulator.address)


@pytest.mark.slow
def test_it_ends_with_a_harness_that_is_killed(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import time
        from harness.aws.moto import moto
        with moto() as emulator:
            print(emulator.address, flush=True)
            time.sleep(60)
        """
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        host, port = child.stdout.readline().strip().split(":")
        child.kill()
    assert is_gone(f"{host}:{port}")


def is_gone(address: str) -> bool:
    """Whether nobody listens there within ten seconds: what is killed takes a moment to go."""
    host, _, port = address.partition(":")
    deadline = time.monotonic() + 10
    while answers(host, int(port)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not answers(host, int(port))


def answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_an_emulator_that_ends_at_once_shows_what_it_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "broken.py"
    script.write_text("raise SystemExit('no module named flask_cors')")
    monkeypatch.setattr(room, "SCRIPT", script)
    with pytest.raises(EmulatorError) as caught, moto():
        pass
    assert "ended with code 1" in caught.value.message
    assert "no module named flask_cors" in caught.value.message


def test_an_emulator_that_never_gets_ready_shows_what_it_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "slow.py"
    script.write_text("import time; print('loading', flush=True); time.sleep(60)")
    monkeypatch.setattr(room, "SCRIPT", script)
    with pytest.raises(EmulatorError) as caught, moto(seconds=0.5):
        pass
    assert "was not ready after 0.5 s" in caught.value.message
    assert "loading" in caught.value.message


def test_without_moto_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "moto_version", lambda: "")
    with pytest.raises(EmulatorError) as caught, moto():
        pass
    assert "pip install 'mwaa-harness[aws]'" in caught.value.hint


def test_no_credential_of_ours_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    assert "AWS_SECRET_ACCESS_KEY" not in room._inherited()
    assert "PATH" in room._inherited() or "PATH" not in os.environ
