"""Real Airflows for the tests that compare our reading of Airflow's rules with Airflow."""

import functools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.model import Config, Side
from harness.runtimes.venv import VenvRuntime
from harness.targets import get_target


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


@pytest.fixture
def airflow_env(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """A process environment with its own AIRFLOW_HOME and the settings given."""

    def build(**settings: str) -> dict[str, str]:
        home = tmp_path / "airflow-home"
        home.mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "LC_ALL": "C.UTF-8",
            **settings,
        }

    return build
