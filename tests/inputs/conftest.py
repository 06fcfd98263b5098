"""Real Airflows for the tests that compare our reading of Airflow's rules with Airflow."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest


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
