"""``metadata roundtrip``, ``metadata-survives``: a repository's own history, carried and read."""

import json
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from airflows import BRIDGE, TARGETS, Airflow
from click.testing import CliRunner, Result

from harness.cli import cli
from harness.metadata.inside import inside
from harness.model import Config, DagObservation, Survival, SurvivalTable, TaskObservation
from harness.roundtrip import document, lines
from harness.runtimes.surroundings import FERNET_KEY
from harness.survival import SeedFailed, seed


def run(*arguments: str) -> Result:
    """A command; what it returns is the exit code."""
    return CliRunner().invoke(cli, arguments, standalone_mode=False)


TABLE = SurvivalTable(
    name="xcom",
    rows=3,
    carried=2,
    listed=1,
    reasons={"no-dag-run": 1},
    missing=0,
    different=0,
    source_checksum="a",
    target_checksum="a",
    values=2,
)
GOOD = Survival(target="2.11.0", database="sqlite", tables=(TABLE,), seconds=1.0)


def test_the_report_says_what_survived_and_what_did_not() -> None:
    bad = replace(GOOD, target="2.5.1", tables=(replace(TABLE, carried=1),))
    failed = Survival(target="2.10.3", failure="No disk.\nFree some space.")
    text = list(lines(Path("repo"), (GOOD, bad, failed)))
    assert text[0] == "repo: metadata survives the move to Airflow 2.11.0"
    assert any("no-dag-run 1" in line for line in text)
    assert any("does NOT survive the move to Airflow 2.5.1" in line for line in text)
    assert text[-2:] == ["  No disk.", "  Free some space."]
    found = json.loads(document(Path("repo"), (GOOD, bad, failed)))
    assert [target["ok"] for target in found["targets"]] == [True, False, False]
    assert found["ok"] is False
    assert found["targets"][0]["tables"][0]["reasons"] == {"no-dag-run": 1}


def test_a_database_needs_its_key(tmp_path: Path) -> None:
    done = run("metadata", "roundtrip", str(tmp_path), "--database", "x")
    assert "belong together" in str(done.exception)


TASKS = tuple(
    TaskObservation(
        task_id=f"task_{number}",
        operator="airflow.operators.python_operator.PythonOperator",
        pool="small" if number == 2 else "default_pool",
        sla={"seconds": 60} if number == 1 else None,
        fields={"templates_dict": {"a": "{{ ds }}"}},
    )
    for number in range(15)
)
SCHEDULES = ("0 0 * * *", {"seconds": 3600}, "@once", None, "dags/own.py:Timetable")


def dags() -> list[DagObservation]:
    found = [
        DagObservation(
            dag_id=f"dag_{number}", path="dags/a.py", schedule=schedule, tasks=TASKS, tags=("x",)
        )
        for number, schedule in enumerate(SCHEDULES)
    ]
    return [*found, replace(found[0], path="dags/b.py", tasks=TASKS[:3])]


@pytest.mark.slow
@pytest.mark.xdist_group("metadata")
def test_a_seed_has_every_state_and_is_always_the_same(
    airflow: Callable[[str], Airflow], tmp_path: Path
) -> None:
    bridge = airflow(BRIDGE)
    config = Config(variables={"own": "text"}, connections={"own": "mysql://u:p@h/s"})
    contents = []
    for name in ("one", "two"):
        path = tmp_path / f"{name}.db"
        shutil.copyfile(bridge.environment.template_db, path)
        where = inside(bridge.environment, bridge.target, tmp_path / name)
        counts = seed(dags(), config, where, f"sqlite:///{path}")
        assert counts["dag"] == len(SCHEDULES)
        assert (counts["variable"], counts["connection"]) == (2, 2)
        # What is secret is not left lying about.
        assert not list(where.folder.rglob("seed.json"))
        with closing(sqlite3.connect(path)) as connection:
            query = "SELECT dag_id, task_id, execution_date, state FROM task_instance"
            contents.append(sorted(connection.execute(query), key=repr))
            runs = connection.execute("SELECT run_id FROM dag_run").fetchall()
        kinds = {run_id.partition("2")[0] for (run_id,) in runs}
        assert kinds == {"scheduled__", "backfill_", "manual__"}
    assert contents[0] == contents[1]
    assert {row[3] for row in contents[0]} >= {None, "success", "failed", "skipped", "removed"}


@pytest.mark.slow
@pytest.mark.xdist_group("metadata")
def test_a_database_that_is_none_of_the_bridges_is_an_error(
    airflow: Callable[[str], Airflow], tmp_path: Path
) -> None:
    bridge = airflow(BRIDGE)
    where = inside(bridge.environment, bridge.target, tmp_path / "inside")
    with pytest.raises(SeedFailed, match=r"did not write a history.*no such table"):
        seed(dags(), Config(), where, f"sqlite:///{tmp_path / 'empty.db'}")


@pytest.mark.slow
@pytest.mark.xdist_group("metadata")
def test_a_repositorys_history_survives_on_sqlite(stories: Path) -> None:
    repo = str(stories / "reads_variables" / "before")
    versions = TARGETS[1:]
    targets = [part for version in versions for part in ("--target", version)]
    done = run("metadata", "roundtrip", repo, *targets, "--format", "json")
    assert done.return_value == 0, done.output
    found = json.loads(done.stdout)
    assert [target["target"] for target in found["targets"]] == list(versions)
    for target in found["targets"]:
        assert target["ok"]
        tables = {table["name"]: table for table in target["tables"]}
        assert set(tables) >= {"dag_run", "task_instance", "xcom", "variable", "connection"}
        assert tables["xcom"]["values"] == tables["xcom"]["carried"] > 0
        assert tables["variable"]["values"] == tables["variable"]["rows"] > 1
        for name, count in target["seeded"].items():
            assert tables[name]["rows"] >= count > 0


REAL = """
import datetime, os, pathlib, time, urllib.request
from airflow import DAG
from airflow.operators.bash_operator import BashOperator
from airflow.operators.dummy_operator import DummyOperator
from airflow.operators.python_operator import PythonOperator

class Own(PythonOperator):
    pass

def outside():
    pathlib.Path({outside!r}).write_text("a task was here")

def online():
    urllib.request.urlopen("http://127.0.0.1:{port}")

def returns(**context):
    return {{"at": context["execution_date"], "pair": (1, 2), "there": os.path.exists({outside!r})}}

with DAG("real", start_date=datetime.datetime(2021, 2, 3), schedule_interval="@daily",
         default_args={{"owner": "a"}}) as dag:
    begin = DummyOperator(task_id="begin")
    bash = BashOperator(task_id="bash", xcom_push=True,
                        bash_command="touch $TMPDIR/x; rm -f {outside}; echo ü {{{{ ds }}}}")
    begin >> bash >> PythonOperator(task_id="python", python_callable=returns, provide_context=True)
    begin >> PythonOperator(task_id="outside", python_callable=outside)
    failed = PythonOperator(task_id="online", python_callable=online)
    begin >> failed >> DummyOperator(task_id="behind")
    failed >> DummyOperator(task_id="always", trigger_rule="all_done")
    Own(task_id="own", python_callable=outside)
"""


@pytest.mark.slow
@pytest.mark.xdist_group("metadata")
def test_tasks_that_can_do_no_harm_are_run_for_real(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("as it was")
    with socket.create_server(("127.0.0.1", 0)) as server:
        text = REAL.format(outside=str(kept), port=server.getsockname()[1])
        (tmp_path / "repo" / "dags").mkdir(parents=True)
        (tmp_path / "repo" / "dags" / "real.py").write_text(text)
        repo = str(tmp_path / "repo")
        done = run("metadata", "roundtrip", repo, "--target", TARGETS[1], "--format", "json")
    assert done.return_value == 0, done.output
    (target,) = json.loads(done.stdout)["targets"]
    assert target["ok"]
    if "not-isolated" in target["left"]:  # no namespaces here: then no code of the DAG runs
        assert target["ran"] == {"real.begin": "success"}
    else:
        states = {task.removeprefix("real."): state for task, state in target["ran"].items()}
        assert states == {"begin": "success", "bash": "success", "python": "success",
                          "outside": "failed", "online": "failed", "behind": "upstream_failed",
                          "always": "success"}  # fmt: skip
        assert target["left"] == {"operator": 1}
    assert kept.read_text() == "as it was"
    seeded = target["seeded"]
    tables = {table["name"]: table for table in target["tables"]}
    assert tables["task_instance"]["rows"] == seeded["task_instance"] + 8
    assert tables["dag_run"]["rows"] == seeded["dag_run"] + 1


@pytest.mark.slow
@pytest.mark.xdist_group("metadata")
def test_it_survives_on_postgresql_and_in_the_report_of_check(
    stories: Path, database: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = str(stories / "movie_list" / "before")
    key = tmp_path / "fernet.key"
    key.write_text(FERNET_KEY)
    monkeypatch.setenv("FRESH", database(TARGETS[0]))
    options = ("--target", TARGETS[0], "--database", "env:FRESH", "--fernet-key-file", str(key))
    done = run("metadata", "roundtrip", repo, *options)
    assert done.return_value == 0, done.output
    assert "metadata survives the move" in done.stdout
    assert "postgresql" in done.stdout

    asked = ("--only", "metadata-survives", "--target", TARGETS[0], "--format", "json")
    done = run("check", repo, *asked)
    assert done.return_value == 0, done.output
    (result,) = json.loads(done.stdout)["checks"]
    assert (result["check"], result["status"]) == ("metadata-survives", "pass")
    assert result["judged"] >= 10
