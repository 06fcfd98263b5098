"""LocalStack in a container, on request: for the services that moto does not have, or has thinner.

Testcontainers' own LocalStackContainer waits for a word in the log, publishes its port beyond the
loopback and names an image of 2023; its parent class does all that is needed.
"""

from __future__ import annotations

import contextlib
import os
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from typing import Any

from harness.aws.contained import contained
from harness.aws.emulator import REGION, Emulator, EmulatorError
from harness.containers.engine import EngineError, ImageMissing
from harness.containers.readiness import PageAnswers
from harness.errors import HarnessError

PORT = 4566
# Ten seconds on an idle machine; its services are imported when they are first asked for.
START_SECONDS = 240.0

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
    ready = LocalStackReady(image, seconds)
    with (
        advised(),
        contained(image, ready, env=environment(region)) as emulator,
    ):
        yield replace(emulator, name="localstack", region=region)


def environment(region: str = REGION) -> dict[str, str]:
    """What a LocalStack is told, our own token among it."""
    token = os.environ.get(TOKEN_VARIABLE)
    return {
        "DEBUG": "0",
        "DISABLE_EVENTS": "1",  # its usage statistics
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "AWS_DEFAULT_REGION": region,
        **({TOKEN_VARIABLE: token} if token else {}),
    }


@contextlib.contextmanager
def advised() -> Iterator[None]:
    """What to do when its image cannot be had is another thing than for images of Airflow."""
    try:
        yield
    except ImageMissing as error:
        raise EngineError(error.message, hint=NO_IMAGE_HINT) from error


class LocalStackReady(PageAnswers):
    """Its health page answers; an end for want of a licence is told as such."""

    def __init__(self, image: str, seconds: float, port: int = PORT) -> None:
        super().__init__(
            service=f"LocalStack ({image})", seconds=seconds, port=port, page="/_localstack/health"
        )

    def died(self, container: Any) -> HarnessError:
        """A missing token is a sentence of its own."""
        if container.attrs["State"]["ExitCode"] != NO_LICENCE:
            return super().died(container)
        given = "refused the token in" if os.environ.get(TOKEN_VARIABLE) else "needs a token in"
        return EmulatorError(
            f"{self.service} {given} {TOKEN_VARIABLE} (exit code {NO_LICENCE}).",
            hint=f"Set it to a valid token of your LocalStack account, or use {default_image()}, "
            "the last image that needs none, or moto.",
        )
