"""From SQLite to SQLite: small local environments."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflows import Airflow
from click.testing import CliRunner
from transfers import PASSPHRASE, exported, imported, verified

from harness.cli import cli
from harness.runtimes.surroundings import FERNET_KEY

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("metadata-postgres")]

TEXT = "a\tb\r\nc\\N 'ü' \U0001f600"


@pytest.fixture
def fresh(airflow: Callable[[str], Airflow], tmp_path: Path) -> tuple[Path, Path]:
    """A database that 1.10.15 has just initialised, and one that 2.11.0 has."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    for path, version in ((old, "1.10.15"), (new, "2.11.0")):
        folder = airflow(version).environment.path.parent
        shutil.copy(next(folder.rglob("template.db")), path)
    return old, new


def test_a_small_environment_survives(
    fresh: tuple[Path, Path], airflow: Callable[[str], Airflow], tmp_path: Path
) -> None:
    old, new = fresh
    with sqlite3.connect(old) as there:
        there.executescript(
            """
            INSERT INTO dag_run (dag_id, execution_date, state, run_id, external_trigger) VALUES
              ('d', '2021-01-01 00:00:00.500000', 'success', 'scheduled__x', 0);
            INSERT INTO task_instance (task_id, dag_id, execution_date, hostname, pool,
              executor_config) VALUES
              ('t', 'd', '2021-01-01 00:00:00.500000', '', 'default_pool', x'80037d71002e'),
              ('t', 'd', '2022-01-01 00:00:00.000000', NULL, 'default_pool', NULL);
            INSERT INTO xcom (key, value, timestamp, execution_date, task_id, dag_id) VALUES
              ('k', x'7b2261223a20317d', '2021-01-01 00:00:00.000000',
               '2021-01-01 00:00:00.500000', 't', 'd');
            """
        )
        there.execute("INSERT INTO log (event, extra) VALUES ('e', ?)", (TEXT,))
    there.close()
    place = str(tmp_path / "bundle")
    manifest = exported(f"sqlite:///{old}", place, airflow("1.10.15").python)
    instances = manifest.table("task_instance")
    assert instances is not None
    assert (instances.rows, dict(instances.listed)) == (1, {"no-dag-run": 1})
    imported(f"sqlite:///{new}", place, "2.11.0")
    assert verified(f"sqlite:///{new}", place, "2.11.0").ok
    found = sqlite3.connect(new)
    assert found.execute("SELECT extra FROM log WHERE event = 'e'").fetchall() == [(TEXT,)]
    instances_there = "SELECT run_id, hostname, executor_config FROM task_instance"
    assert found.execute(instances_there).fetchall() == [("scheduled__x", "", b"\x80\x03}q\x00.")]
    assert found.execute("SELECT execution_date, run_type FROM dag_run").fetchall() == [
        ("2021-01-01 00:00:00.500000", "scheduled")
    ]
    assert found.execute("SELECT value FROM xcom").fetchall() == [(b'{"a": 1}',)]
    found.close()


def test_what_a_command_is_told_is_what_it_does(fresh: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = fresh
    bundle, key, passphrase = tmp_path / "bundle", tmp_path / "key", tmp_path / "pass"
    key.write_text(FERNET_KEY)
    passphrase.write_bytes(PASSPHRASE)
    with sqlite3.connect(old) as there:
        there.execute("INSERT INTO variable (key, val, is_encrypted) VALUES ('k', 'plain', 0)")
        dates = [("2021-01-01 00:00:00.000000",), ("2021-07-01 00:00:00.000000",)]
        there.executemany("INSERT INTO log (event, dttm) VALUES ('ours', ?)", dates)
    there.close()

    def told(verb: str, *options: str) -> tuple[int, dict[str, Any]]:
        ends = {"export": (bundle, f"sqlite:///{old}")}.get(verb, (f"sqlite:///{new}", bundle))
        target = () if verb == "export" else ("--target", "2.11.0")
        files = ("--fernet-key-file", key, "--passphrase-file", passphrase, "--format", "json")
        arguments = ("metadata", verb, "--to", ends[0], "--from", ends[1], *target, *files)
        command = [*map(str, arguments), *options]
        result = CliRunner().invoke(cli, command, standalone_mode=False)
        assert result.exception is None
        return result.return_value or 0, json.loads(result.output)

    def variables() -> list[Any]:
        with sqlite3.connect(new) as there:
            return there.execute("SELECT key FROM variable").fetchall()

    only = ("--tables", "variable, log", "--since", "2021-06-01")
    for options, written in (((*only, "--dry-run"), False), (only, True)):
        code, document = told("export", *options)
        left_out = {table["name"]: table["left_out"] for table in document["tables"]}
        assert (code, left_out) == (0, {"variable": 0, "log": 1})
        assert (bundle / "manifest.json").exists() == written
    for options, there_now in ((("--dry-run",), []), (("--tables", "variable"), [("k",)])):
        code, document = told("import", *options)
        assert (code, variables()) == (0, there_now)
    code, document = told("verify", "--tables", "variable", "--no-values")
    assert (code, document["ok"], [t["name"] for t in document["tables"]]) == (
        0, True, ["variable"],
    )  # fmt: skip
    with sqlite3.connect(new) as there:
        there.execute("DELETE FROM variable")
    there.close()
    code, document = told("verify", "--tables", "variable", "--no-values")
    assert (code, document["ok"]) == (1, False)
