"""The emulator with a proxy before it, and both generations of Airflow to use it."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.aws.emulator import Emulator
from harness.model import Config, Side
from harness.runtimes.venv import VenvRuntime
from harness.targets import get_target
from tools.aws_proxy import Proxy, proxy


@pytest.fixture
def watched(aws: Emulator) -> Iterator[Proxy]:
    """A proxy before the emptied moto server."""
    with proxy(aws.address) as before:
        yield before


@pytest.fixture(scope="session")
def airflow_python() -> Callable[[str], Path]:
    """Airflow version → an interpreter that has it, as the embedded runtime provides it."""

    @functools.cache
    def python(version: str) -> Path:
        runtime, target = VenvRuntime(), get_target(version)
        side = Side.BRIDGE if target.role == "bridge" else Side.TARGET
        constraints = runtime.constraints(target, Config())
        return runtime.environment(target, side, constraints).python

    return python
