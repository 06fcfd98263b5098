"""Each lock proven: the image's distributions install under it and Airflow makes its database."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from packaging.version import Version
from uv import find_uv_bin

from harness.model import Target
from harness.targets import image_overrides, image_requirements, load_targets, lock_path, lock_pins

# uv refuses the metadata of 1.10.12 (a requirement line there is two run together), so that version
# can be resolved for but not installed by it.
INSTALLABLE = [target for target in load_targets() if target.airflow != "1.10.12"]

TABLES = {"dag", "dag_run", "task_instance", "connection", "variable", "alembic_version"}


def interpreter(minor: str) -> str:
    """A pyenv interpreter when there is one (its shims mislead uv), else what uv finds."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(root.glob(f"versions/{minor}.*/bin/python"))
    return str(found[-1]) if found else minor


def run(*command: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("target", INSTALLABLE, ids=lambda target: target.airflow)
def test_image_installs_under_its_lock_and_makes_a_database(target: Target, tmp_path: Path) -> None:
    venv, home = tmp_path / "venv", tmp_path / "home"
    wanted, overrides = tmp_path / "requirements.txt", tmp_path / "overrides.txt"
    wanted.write_text("\n".join(image_requirements(target, lock_pins(target))))
    overrides.write_text("\n".join(image_overrides(target, lock_pins(target))))
    uv = [find_uv_bin(), "--no-config", "--quiet"]
    run(*uv, "venv", "--python", interpreter(target.python), str(venv))
    run(*uv, "pip", "install", "--python", str(venv / "bin" / "python"), "-r", str(wanted),
        "--constraints", str(lock_path(target)), "--overrides", str(overrides),
        # This machine may have the headers that others lack.
        "--only-binary", "psycopg2", "--only-binary", "pycurl")  # fmt: skip

    home.mkdir()
    env = {
        "PATH": f"{venv / 'bin'}:/usr/bin:/bin",
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "LC_ALL": "C.UTF-8",
    }
    airflow = str(venv / "bin" / "airflow")
    version = Version(target.airflow)
    assert run(airflow, "version", env=env).split()[-1] == target.airflow

    init = ["initdb"] if version < Version("2") else ["db", "init"]
    run(airflow, *(init if version < Version("2.7") else ["db", "migrate"]), env=env)
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        assert {name for (name,) in rows} >= TABLES
