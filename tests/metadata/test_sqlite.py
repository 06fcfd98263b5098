"""From SQLite to SQLite: small local environments."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from airflows import Airflow
from transfers import exported, imported, verified

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("metadata-postgres")]

TEXT = "a\tb\r\nc\\N 'ü' \U0001f600"


def test_a_small_environment_survives(airflow: Callable[[str], Airflow], tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    for path, version in ((old, "1.10.15"), (new, "2.11.0")):
        folder = airflow(version).environment.path.parent
        shutil.copy(next(folder.rglob("template.db")), path)
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
