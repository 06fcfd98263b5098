"""What Airflow itself makes of a 1.10.15 database: its own in-place upgrade, run on a copy.

``STOPS`` are the rows that the upgrade stumbles over; they are deleted from the copy first, and
the comparison says what our side has done with them.
"""

from pathlib import Path

from airflows import Airflow, kept
from packaging.version import Version
from population import FERNET_KEY, sources
from postgres_server import Server

# Condition on a table of 1.10.15 → why its rows stop the upgrade.
STOPS = (
    ("connection", "conn_id IS NULL", "2.0 makes conn_id NOT NULL"),
    ("connection", "conn_type IS NULL", "2.0 makes conn_type NOT NULL"),
    (
        "connection",
        "EXISTS (SELECT 1 FROM connection n WHERE n.conn_id = connection.conn_id"
        " AND n.id > connection.id)",
        "2.0 makes conn_id unique",
    ),
    ("xcom", "key IS NULL", "2.3 makes key part of the primary key"),
    (
        "xcom",
        "EXISTS (SELECT 1 FROM xcom n WHERE n.dag_id = xcom.dag_id AND n.task_id = xcom.task_id"
        " AND n.key = xcom.key AND n.execution_date = xcom.execution_date"
        " AND (n.timestamp, n.id) > (xcom.timestamp, xcom.id))",
        "2.3 makes (run, task, key) the primary key",
    ),
)


def oracle(target: Airflow, server: Server, populated: str) -> str:
    """The name of a template database that ``target`` has upgraded from ``populated``."""
    version = target.target.airflow
    name = f"oracle_{version}"

    def make(path: Path) -> None:
        scratch = f"{name}_being_made"
        server.drop(scratch)
        url = server.create(scratch, populated)
        with server.connect(scratch) as connection:
            for table, condition, _ in STOPS:
                connection.execute(f"DELETE FROM {table} WHERE {condition}")  # type: ignore[call-overload]
        command = ("db", "upgrade") if Version(version) < Version("2.7") else ("db", "migrate")
        target.call(*command, url=url, settings={"AIRFLOW__CORE__FERNET_KEY": FERNET_KEY})
        server.dump(scratch, path)
        server.drop(scratch)

    if not server.exists(name):
        parts = (target.environment.key, sources(), Path(__file__).read_text(encoding="utf-8"))
        server.restore(name, kept(name, parts, make))
    return name
