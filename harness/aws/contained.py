"""An emulator in a container of its own, with a port on our loopback."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from harness.aws.emulator import Emulator
from harness.containers.engine import connect, explaining, no_reaper, sweep_run
from harness.containers.readiness import PageAnswers
from harness.containers.reaper import begin


@contextlib.contextmanager
def contained(
    image: str, ready: PageAnswers, *, env: Mapping[str, str] | None = None, **limits: Any
) -> Iterator[Emulator]:
    """The emulator of an image, ready as ``ready`` says, until the block ends. ``limits`` are
    docker-py's words for what the container may not do.

    Raises EngineError: see the classes of engine and readiness.
    """
    from testcontainers.core.container import DockerContainer

    no_reaper()
    engine = connect()
    with contextlib.ExitStack() as stack:
        stack.callback(engine.close)
        begin(engine)
        container = (
            DockerContainer(image)
            .with_envs(**(env or {}))
            .with_kwargs(labels=engine.labels(), security_opt=["no-new-privileges"], **limits)
            .waiting_for(ready)
        )
        # A host and no port: docker takes a free one of that host; Testcontainers cannot say so.
        container.ports[str(ready.port)] = ("127.0.0.1", None)  # type: ignore[assignment]
        stack.callback(sweep_run, engine)
        with explaining(f"Starting {ready.service}"):
            container.start()
        yield Emulator(
            name=ready.service,
            endpoint=f"http://127.0.0.1:{container.get_exposed_port(ready.port)}",
            container=str(container.get_wrapped_container().id),
        )
