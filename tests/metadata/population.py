"""A 1.10.15 database with a history: real runs of real DAGs, and the hard rows."""

import base64
import shutil
from pathlib import Path

from airflows import Airflow, kept, must
from postgres_server import Server

SCRIPTS = Path(__file__).parent / "populate"
NAME = "populated"

FERNET_KEY = base64.urlsafe_b64encode(b"the key of the tests' old bridge").decode()

SETTINGS = {
    "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "True",
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
    "AIRFLOW__CORE__PARALLELISM": "4",
    "AIRFLOW__CORE__STORE_SERIALIZED_DAGS": "True",
    "AIRFLOW__WEBSERVER__RBAC": "True",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
}

# What is run, in this order; a backfill whose DAG has a failing task fails itself.
COMMANDS = (
    # It also enters the DAGs into the database; the scheduler would do that, but run them, too.
    ("initdb",),
    ("backfill", "carried", "-s", "2021-01-01", "-e", "2021-01-02"),
    ("backfill", "example_bash_operator", "-s", "2021-01-01", "-e", "2021-01-01"),
    ("backfill", "example_xcom", "-s", "2021-01-01", "-e", "2021-01-01"),
    ("trigger_dag", "carried", "-r", "manual__by_hand", "-c", '{"who": "o\'hara", "n": [1, null]}'),
    ("trigger_dag", "carried", "-r", "after the fact", "-e", "2021-01-03T04:05:06+02:00"),
    ("create_user", "-r", "Op", "-u", "operator", "-e", "o@example.com", "-f", "O", "-l", "P",
     "-p", "secret"),
)  # fmt: skip
FAILING = {"carried"}


def populated(airflow: Airflow, server: Server) -> str:
    """The name of a template database of 1.10.15 that holds all of it."""

    def make(path: Path) -> None:
        scratch = f"{NAME}_being_made"
        server.drop(scratch)
        url = server.create(scratch)
        dags = [airflow.place.dags / name for name in ("carried.py", "carried_types.py")]
        for dag in dags:
            shutil.copy(SCRIPTS / dag.name, dag)
        for command in COMMANDS:
            done = airflow.run(*command, url=url, settings=SETTINGS)
            expected = command[0] == "backfill" and command[1] in FAILING
            assert (done.returncode != 0) == expected, f"{command}:\n{done.stdout}\n{done.stderr}"
        must(airflow.script(SCRIPTS / "hard_rows.py", url=url, settings=SETTINGS))
        for dag in dags:  # other tests' databases know of no DAG
            dag.unlink()
        server.dump(scratch, path)
        server.drop(scratch)

    if not server.exists(NAME):
        server.restore(NAME, kept(NAME, (airflow.environment.key, sources()), make))
    return NAME


def sources() -> str:
    """All that decides what the database holds, but for the Airflow that makes it."""
    paths = (*sorted(SCRIPTS.glob("*.py")), Path(__file__))
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)
