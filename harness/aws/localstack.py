"""LocalStack in a container, on request: for the services that moto does not have, or has thinner.

Testcontainers' own LocalStackContainer waits for a word in the log, publishes its port beyond the
loopback and names an image of 2023; its parent class does all that is needed.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import time
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from harness.aws.emulator import REGION, Emulator, EmulatorError
from harness.containers.engine import (
    EngineError,
    ImageMissing,
    connect,
    explaining,
    sweep_gone,
    sweep_run,
)
from harness.processes import check_running

if TYPE_CHECKING:
    from testcontainers.core.waiting_utils import WaitStrategyTarget

PORT = 4566
# Ten seconds on an idle machine; its services are imported when they are first asked for.
START_SECONDS = 240.0
GLANCE_SECONDS = 0.5
TAIL_LINES = 15

TOKEN_VARIABLE = "LOCALSTACK_AUTH_TOKEN"  # noqa: S105
NO_LICENCE = 55
"""How LocalStack's images from 2026.3.0 on end when they are given no token, or a wrong one."""

NO_IMAGE_HINT = (
    "Pull it where a registry can be reached (`docker pull`), name another one in the configuration"
    ' (aws = {emulator = "localstack", image = "…"}), or use moto, which needs no image.'
)


def default_image() -> str:
    """The image that is used when the configuration names none."""
    text = (files("harness.data") / "aws.toml").read_text("utf-8")
    return str(tomllib.loads(text)["localstack"]["image"])


@contextlib.contextmanager
def localstack(
    *,
    image: str = "",
    region: str = REGION,
    seconds: float = START_SECONDS,
) -> Iterator[Emulator]:
    """A LocalStack whose port is published on the loopback, ready to answer.

    LOCALSTACK_AUTH_TOKEN of our own environment is handed to it, for images that need one; nothing
    else of ours enters the container. Raises EngineError (no engine answers, the image cannot be
    had) or EmulatorError (it ends, with its log, or is not healthy in time).
    """
    image = image or default_image()
    from testcontainers.core.container import DockerContainer

    engine = connect()
    sweep_gone(engine)
    container = (
        DockerContainer(image)
        .with_env("DEBUG", "0")
        .with_env("DISABLE_EVENTS", "1")  # its usage statistics
        .with_env("SKIP_SSL_CERT_DOWNLOAD", "1")
        .with_env("AWS_DEFAULT_REGION", region)
        .with_kwargs(labels=engine.labels())
        .waiting_for(_healthy(image, seconds))
    )
    # A host and no port: docker takes a free one of that host; Testcontainers cannot say so.
    container.ports[str(PORT)] = ("127.0.0.1", None)  # type: ignore[assignment]
    if token := os.environ.get(TOKEN_VARIABLE):
        container.with_env(TOKEN_VARIABLE, token)
    with contextlib.ExitStack() as stack:
        stack.callback(engine.close)
        stack.callback(sweep_run, engine)
        try:
            with explaining(f"Starting LocalStack ({image})"):
                stack.enter_context(container)
        except ImageMissing as error:
            raise EngineError(error.message, hint=NO_IMAGE_HINT) from error
        endpoint = f"http://127.0.0.1:{container.get_exposed_port(PORT)}"
        yield Emulator(name="localstack", endpoint=endpoint, region=region)


def _healthy(image: str, seconds: float) -> Any:
    from testcontainers.core.waiting_utils import WaitStrategy

    class Healthy(WaitStrategy):
        """Its health page answers; an end and a silence are told with what it printed."""

        def wait_until_ready(self, container: WaitStrategyTarget) -> None:
            wrapped: Any = container.get_wrapped_container()
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                check_running()
                wrapped.reload()
                state = wrapped.attrs["State"]
                if state["Status"] in ("exited", "dead"):
                    raise _ended(image, state["ExitCode"], _tail(wrapped))
                if (port := _published(wrapped)) and _answers(port):
                    return
                time.sleep(GLANCE_SECONDS)
            raise EmulatorError(
                f"LocalStack ({image}) is {wrapped.status} and was not healthy after {seconds:g} s."
                f" The end of what it printed:\n{_tail(wrapped)}",
                hint="If the machine is only slow, try again; `docker logs` shows all of it.",
            )

    return Healthy()


def _ended(image: str, code: int, printed: str) -> EmulatorError:
    if code == NO_LICENCE:
        given = "refused the token in" if os.environ.get(TOKEN_VARIABLE) else "needs a token in"
        return EmulatorError(
            f"LocalStack ({image}) {given} {TOKEN_VARIABLE} (exit code {code}).",
            hint=f"Set it to a valid token of your LocalStack account, or use {default_image()}, "
            "the last image that needs none, or moto.",
        )
    return EmulatorError(
        f"LocalStack ({image}) ended with code {code}. The end of what it printed:\n{printed}",
        hint="If it says nothing of the reason, `docker run` with the same image shows all of it.",
    )


def _tail(wrapped: Any) -> str:
    lines = wrapped.logs(tail=TAIL_LINES).decode("utf-8", errors="replace").strip()
    return lines or "(nothing)"


def _published(wrapped: Any) -> int:
    """The port of our loopback, 0 as long as there is none."""
    bindings = wrapped.attrs["NetworkSettings"]["Ports"].get(f"{PORT}/tcp") or []
    return int(bindings[0]["HostPort"]) if bindings else 0


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/_localstack/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
