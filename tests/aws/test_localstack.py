"""LocalStack: what goes wrong is told in words; with an engine, the real thing is started."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.aws.emulator import EmulatorError
from harness.aws.localstack import LocalStackReady, default_image, localstack
from harness.containers.engine import SCOPE_LABEL, Engine, EngineError, scope
from harness.containers.readiness import ContainerDied, NeverHealthy


def test_the_default_image_is_the_last_that_needs_no_account() -> None:
    assert default_image() == "localstack/localstack:4.14.0"


def test_without_an_engine_the_error_says_so(tmp_path: Path) -> None:
    """In a process of its own: docker-py forgets the socket that it could not connect."""
    program = (
        "from harness.aws.localstack import localstack\n"
        "from harness.containers.engine import NoEngine\n"
        "try:\n    localstack().__enter__()\nexcept NoEngine as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/no.sock"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No Docker engine answers" in done.stdout, done.stderr


class Wrapped:
    """docker-py's container, as far as the wait looks at it."""

    def __init__(self, status: str, code: int = 0, log: bytes = b"") -> None:
        self.status, self.log = status, log
        self.attrs = {
            "State": {"Status": status, "ExitCode": code, "OOMKilled": False},
            "NetworkSettings": {"Ports": {"4566/tcp": None}},
        }

    def get_wrapped_container(self) -> Any:
        return self

    def reload(self) -> None:
        pass

    def logs(self, tail: int) -> bytes:
        assert tail
        return self.log


def test_exit_code_55_is_a_missing_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCALSTACK_AUTH_TOKEN", raising=False)
    with pytest.raises(EmulatorError) as caught:
        LocalStackReady("localstack/localstack:2026.3.0", 5).wait_until_ready(Wrapped("exited", 55))
    assert "needs a token in LOCALSTACK_AUTH_TOKEN" in caught.value.message
    assert default_image() in caught.value.hint
    monkeypatch.setenv("LOCALSTACK_AUTH_TOKEN", "ls-secret")
    with pytest.raises(EmulatorError) as caught:
        LocalStackReady("localstack/localstack:2026.3.0", 5).wait_until_ready(Wrapped("exited", 55))
    assert "refused the token" in caught.value.message
    assert "ls-secret" not in str(caught.value)


def test_another_end_shows_the_log() -> None:
    with pytest.raises(ContainerDied, match=r"LocalStack \(x\) ended(?s:.*)no space left"):
        LocalStackReady("x", 5).wait_until_ready(Wrapped("exited", 1, b"no space left on device\n"))


def test_one_that_never_gets_healthy_shows_status_and_log() -> None:
    with pytest.raises(NeverHealthy, match=r"is running and was not ready(?s:.*)Loading"):
        LocalStackReady("x", 0.1).wait_until_ready(Wrapped("running", log=b"Loading services\n"))


# ------------------------------------------------------------------------------- the real thing


def ours(engine: Engine) -> list[Any]:
    """The containers of LocalStack's that are there."""
    found = engine.client.containers.list(all=True, filters={"label": f"{SCOPE_LABEL}={scope()}"})
    return [each for each in found if "localstack" in str(each.image.tags)]


@pytest.mark.docker
@pytest.mark.xdist_group("docker")
def test_it_starts_answers_and_is_gone(engine: Engine, localstack_image: str) -> None:
    with localstack(image=localstack_image) as aws:
        (container,) = ours(engine)
        bindings = container.attrs["HostConfig"]["PortBindings"]["4566/tcp"]
        assert [binding["HostIp"] for binding in bindings] == ["127.0.0.1"]
        assert "docker.sock" not in str(container.attrs["Mounts"])
        s3 = aws.client("s3")
        s3.create_bucket(Bucket="data")
        s3.put_object(Bucket="data", Key="a", Body=b"hello")
        assert s3.get_object(Bucket="data", Key="a")["Body"].read() == b"hello"
        secrets = aws.client("secretsmanager")
        secrets.create_secret(Name="db", SecretString="kept")
        assert secrets.get_secret_value(SecretId="db")["SecretString"] == "kept"
        assert aws.client("sts").get_caller_identity()["Account"] == "000000000000"
    assert ours(engine) == []


@pytest.mark.docker
@pytest.mark.xdist_group("docker")
def test_an_image_that_is_nowhere_is_named(engine: Engine) -> None:
    image = "localhost:1/no/localstack:0"
    with pytest.raises(EngineError) as caught, localstack(image=image):
        pass
    assert image in caught.value.message
    assert ours(engine) == []


@pytest.mark.docker
@pytest.mark.xdist_group("docker")
def test_a_container_that_ends_leaves_its_words_and_nothing_else(
    engine: Engine, localstack_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was handed the token: without it, it would have ended otherwise."""
    monkeypatch.setenv("LOCALSTACK_AUTH_TOKEN", "ls-secret")
    ends = "mwaa-harness/test-localstack-ends:0"
    ends_when = '[ "$LOCALSTACK_AUTH_TOKEN" = ls-secret ] && exit 55'
    dockerfile = f"FROM {localstack_image}\nENTRYPOINT []\nCMD {ends_when}\n"
    (tmp_path / "Dockerfile").write_text(dockerfile)
    engine.client.images.build(path=str(tmp_path), tag=ends, rm=True, forcerm=True)
    try:
        with pytest.raises(EmulatorError) as caught, localstack(image=ends):
            pass
        assert "refused the token" in caught.value.message
        assert "exit code 55" in caught.value.message
        assert "ls-secret" not in str(caught.value)
        assert ours(engine) == []
    finally:
        engine.client.images.remove(ends, force=True)
