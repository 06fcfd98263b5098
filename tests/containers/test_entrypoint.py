"""MWAA's rules for starting an environment, as the entrypoint of the images has them."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.containers.images import compose_folder, start_rules
from harness.targets import get_target

RULES = start_rules(get_target("2.10.3"))


@pytest.fixture
def entrypoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with AIRFLOW_HOME in a folder of the test's."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    spec = importlib.util.spec_from_file_location("entrypoint", compose_folder() / "entrypoint.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("-c constraints.txt\npandas\n", True),
        ('--constraint "https://example.com/c.txt"\npandas', True),
        ("# -c constraints.txt\npandas\n", True),
        ("pandas  # see --constraint below\n", True),
        ("pandas\n", False),
        ("--constraint=constraints.txt\npandas\n", False),
        ("-cconstraints.txt\n", False),
        ("", False),
    ],
)
def test_a_constraint_line_is_found_as_mwaa_finds_it(
    entrypoint: ModuleType, text: str, has: bool
) -> None:
    assert entrypoint.has_constraint(text) is has


@pytest.mark.parametrize(
    ("version", "text", "files"),
    [
        ("2.10.3", "pandas\n", ["constraints.txt", "essential.txt"]),
        ("2.10.3", "# -c off\npandas\n", ["essential.txt"]),
        ("2.8.1", "pandas\n", []),
        ("1.10.15", "pandas\n", []),
    ],
)
def test_which_constraints_are_forced(
    entrypoint: ModuleType, tmp_path: Path, version: str, text: str, files: list[str]
) -> None:
    target = get_target(version)
    pins = "".join(f"{name}=={pin}\n" for name, pin in target.essential.items())
    (tmp_path / "essential.txt").write_text(pins)
    found = entrypoint.constraint_files(text, start_rules(target), str(tmp_path))
    assert [Path(path).name for path in found] == files


def test_a_startup_script_sets_what_it_may(entrypoint: ModuleType) -> None:
    before = {"PATH": "/bin", "AWS_REGION": "us-east-1", "STAGE": "dev", "GONE": "x"}
    after = {
        "PATH": "/opt/bin:/bin",
        "AWS_REGION": "eu-west-1",
        "MWAA__X": "1",
        "ECS_AGENT_URI": "x",
        "STAGE": "prod",
        "NEW": "line\nbreak",
        "SHLVL": "2",
        "_": "/usr/bin/env",
    }
    kept, refused = entrypoint.taken_over(before, after, RULES["reserved_variables"])
    assert kept == {
        "PATH": "/opt/bin:/bin",
        "AWS_REGION": "us-east-1",
        "STAGE": "prod",
        "NEW": "line\nbreak",
    }
    assert refused == ["AWS_REGION", "ECS_AGENT_URI", "MWAA__X"]


def startup(entrypoint: ModuleType, script: str, **env: str) -> Any:
    path = Path(entrypoint.STARTUP)
    path.parent.mkdir(parents=True)
    path.write_text(script)
    return entrypoint.run_startup({"PATH": os.environ["PATH"], **env}, RULES)


def test_the_startup_script_is_run(entrypoint: ModuleType) -> None:
    env = startup(entrypoint, "#!/bin/sh\nexport GREETING='a b\nc' AIRFLOW_HOME=/x\nNOT=exported\n")
    assert env["GREETING"] == "a b\nc"
    assert "AIRFLOW_HOME" not in env
    assert "NOT" not in env


def test_a_startup_script_that_fails(entrypoint: ModuleType) -> None:
    with pytest.raises(entrypoint.Failed, match=r"startup\.sh failed \(exit code 3\)"):
        startup(entrypoint, "exit 3\n")


def test_a_startup_script_that_takes_too_long(entrypoint: ModuleType) -> None:
    with pytest.raises(
        entrypoint.Failed, match=r"took longer than 0 s and was stopped\. So does MWAA"
    ):
        startup(entrypoint, "sleep 60\n", MWAA_HARNESS_STARTUP_SECONDS="0.3")


def test_no_startup_script(entrypoint: ModuleType) -> None:
    assert entrypoint.run_startup({"A": "b"}, RULES) == {"A": "b"}


def test_an_installation_that_takes_too_long(
    entrypoint: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MWAA's nine minutes, shortened; the distribution sleeps while it is built."""
    package = tmp_path / "slow"
    package.mkdir()
    # A backend of its own: nothing has to be fetched to build it.
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (package / "backend.py").write_text("import time\ntime.sleep(60)\n")
    requirements = Path(entrypoint.REQUIREMENTS)
    requirements.parent.mkdir(parents=True)
    requirements.write_text(f"# -c none\n{package}\n")
    env = {**os.environ, "MWAA_HARNESS_INSTALL_SECONDS": "1"}
    # A virtual environment hides what `pip install --user` installs, and pip refuses it there.
    monkeypatch.setattr(sys, "executable", sys._base_executable)
    with pytest.raises(entrypoint.Failed, match="requirements took longer than 1 s") as caught:
        entrypoint.install_requirements(env, RULES)
    assert "So does MWAA: it ends the installation after nine minutes" in str(caught.value)
    assert "pin every version" in str(caught.value)


def test_the_limits_are_mwaas() -> None:
    assert RULES["install_seconds"] == 9 * 60
    assert 4 * 60 < RULES["startup_seconds"] < 5 * 60


@pytest.mark.parametrize(
    ("version", "migrate", "create"),
    [
        ("1.10.15", ("initdb",), ("create_user",)),
        ("2.5.1", ("db", "init"), ("users", "create")),
        ("2.7.2", ("db", "migrate"), ("users", "create")),
        ("2.11.0", ("db", "migrate"), ("users", "create")),
    ],
)
def test_commands_of_each_airflow(
    entrypoint: ModuleType, version: str, migrate: tuple[str, ...], create: tuple[str, ...]
) -> None:
    assert entrypoint.commands(entrypoint.version_of(version)) == (migrate, create)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"metadatabase": {"status": "healthy"}, "scheduler": {"status": "healthy"}}, 0),
        ({"metadatabase": {"status": "healthy"}, "scheduler": {"status": None}}, 1),
        ({"metadatabase": {"status": "unhealthy"}, "scheduler": {"status": "healthy"}}, 1),
        ({}, 1),
    ],
)
def test_the_health_check_means_healthy(answer: dict[str, Any], code: int) -> None:
    script = (
        "import importlib.util, json, sys\n"
        "spec = importlib.util.spec_from_file_location('health', sys.argv[1])\n"
        "health = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(health)\n"
        "sys.exit(1 if health.problems(json.loads(sys.argv[2])) else 0)\n"
    )
    argv = [sys.executable, "-c", script, compose_folder() / "health.py", json.dumps(answer)]
    assert subprocess.run(argv, check=False).returncode == code
