"""The emulated AWS of a check in containers, in a network that holds nothing else.

It is filled through a port on our loopback. Then it loses its network, and each side's container
gets what is left: the emulator's own loopback. So nothing gets out, of either.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.aws.contained import contained
from harness.aws.emulation import Started, emulated
from harness.aws.emulator import Emulator
from harness.aws.localstack import PORT as LOCALSTACK_PORT
from harness.aws.localstack import localstack
from harness.aws.moto import HEALTH_PAGE, START_SECONDS
from harness.containers.engine import Engine, explaining
from harness.containers.images import OnStep, provide_aws_image
from harness.containers.readiness import PageAnswers
from harness.model import AwsConfig, Config

AWS_PORT = 5000
SHIM_INSIDE = "/opt/mwaa-harness/shim"

MEMORY = "1g"


@contextlib.contextmanager
def emulated_inside(
    engine: Engine, config: Config, *, cache: Path, on_step: OnStep
) -> Iterator[Emulator | None]:
    """The emulator of the configuration, filled, in a container; None when it asks for none.

    Its endpoint is that of whoever shares its network. Where DAG files may reach some hosts
    (``allowed_hosts``) it keeps its network, since it is theirs. Raises EmulatorError, EngineError.
    """

    def start(aws: AwsConfig, region: str) -> Started:
        on_step(f"starting the emulated AWS ({aws.emulator})")
        if aws.emulator == "localstack":
            return localstack(image=aws.image, region=region)
        return _moto(provide_aws_image(engine, cache=cache, on_step=on_step).name, region)

    with emulated(config.aws, config.env, start) as emulator:
        if emulator is None:
            yield None
            return
        if not config.allowed_hosts:
            _leave_networks(engine, emulator)
        port = LOCALSTACK_PORT if emulator.name == "localstack" else AWS_PORT
        yield replace(emulator, endpoint=f"http://127.0.0.1:{port}")


@contextlib.contextmanager
def _moto(image: str, region: str) -> Iterator[Emulator]:
    ready = PageAnswers(
        service="emulated AWS", seconds=START_SECONDS, port=AWS_PORT, page=HEALTH_PAGE
    )
    with contained(image, ready, cap_drop=["ALL"], init=True, mem_limit=MEMORY) as emulator:
        yield replace(emulator, name="moto", region=region)


def _leave_networks(engine: Engine, emulator: Emulator) -> None:
    with explaining("Taking the emulated AWS off the network"):
        container = engine.client.containers.get(emulator.container)
        for name in container.attrs["NetworkSettings"]["Networks"]:
            engine.client.networks.get(name).disconnect(container)
