"""Two databases of the same Airflow, compared row by row: what differs, and nothing about ids.

A surrogate id says nothing, so it is not compared; what refers to one is compared by what it
refers to. Encrypted texts are compared decrypted, pickled values elsewhere (through the ORM).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from cryptography.fernet import Fernet

# Ids that nothing but their own database knows.
SURROGATES = {
    "connection", "variable", "slot_pool", "job", "log", "task_fail", "task_reschedule",
    "dag_run", "ab_user", "ab_role", "ab_user_role", "xcom",
}  # fmt: skip

JOB = (
    "SELECT concat_ws(' ', j.job_type, j.state, j.dag_id, j.start_date, j.latest_heartbeat,"
    " j.hostname, j.executor_class) FROM job j WHERE j.id = t.{column}"
)
USER = "SELECT u.username FROM ab_user u WHERE u.id = t.{column}"

# What a reference says: the thing itself, by its natural key.
REFERENCES = {
    ("xcom", "dag_run_id"): "SELECT r.dag_id || ' ' || r.run_id FROM dag_run r"
    " WHERE r.id = t.{column}",
    ("task_instance", "job_id"): JOB,
    ("dag_run", "creating_job_id"): JOB,
    # Rows without one use the first.
    ("dag_run", "log_template_id"): "SELECT l.filename FROM log_template l WHERE l.id ="
    " coalesce(t.{column}, (SELECT min(id) FROM log_template))",
    ("ab_user", "created_by_fk"): USER,
    ("ab_user", "changed_by_fk"): USER,
    ("ab_user_role", "user_id"): USER,
    ("ab_user_role", "role_id"): "SELECT r.name FROM ab_role r WHERE r.id = t.{column}",
}

# Compared as values, by the ORM that reads them.
PICKLED = {("dag_run", "conf"), ("task_instance", "executor_config"), ("xcom", "value")}

ENCRYPTED = {
    ("variable", "val"): "is_encrypted",
    ("connection", "password"): "is_encrypted",
    ("connection", "extra"): "is_extra_encrypted",
}

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Contents:
    """A table: its columns as they are compared, and how often it holds each row."""

    columns: tuple[str, ...]
    rows: Counter[Row]


def contents(
    url: str, tables: Mapping[str, frozenset[str]], fernet_key: str
) -> dict[str, Contents]:
    """The tables of a database, but for the columns that ``tables`` maps each to."""
    fernet = Fernet(fernet_key)
    found = {}
    with psycopg.connect(url) as connection:
        for table, left_out in tables.items():
            names = [
                name
                for (name,) in connection.execute(
                    "SELECT column_name FROM information_schema.columns"
                    " WHERE table_name = %s AND table_schema = 'public' ORDER BY column_name",
                    (table,),
                )
                if name not in left_out
                and (table, name) not in PICKLED
                and not (name == "id" and table in SURROGATES)
            ]
            flags = {flag for (owner, _), flag in ENCRYPTED.items() if owner == table}
            asked = [*names, *sorted(flags)]
            shown = ", ".join(_shown(table, name) for name in asked)
            rows = connection.execute(f'SELECT {shown} FROM "{table}" t')  # type: ignore[call-overload]
            found[table] = Contents(
                tuple(names),
                Counter(_decrypted(table, asked, row, fernet)[: len(names)] for row in rows),
            )
    return found


def _shown(table: str, column: str) -> str:
    reference = REFERENCES.get((table, column))
    return f"({reference})".format(column=column) if reference else f't."{column}"::text'


def _decrypted(table: str, names: list[str], row: Row, fernet: Fernet) -> Row:
    values = dict(zip(names, row, strict=True))

    def plain(name: str, value: str | None) -> str | None:
        flag = ENCRYPTED.get((table, name))
        sealed = flag and values[flag] == "true" and value
        return fernet.decrypt(str(value)).decode() if sealed else value

    return tuple(plain(name, value) for name, value in zip(names, row, strict=True))


@dataclass(frozen=True)
class Difference:
    """A row that only one side has. ``like`` is the nearest row of the other side, by columns."""

    table: str
    side: str
    columns: tuple[str, ...]
    row: Row

    def __str__(self) -> str:
        pairs = zip(self.columns, self.row, strict=True)
        return f"only {self.side} {self.table}: " + " ".join(
            f"{name}={_short(value)}" for name, value in pairs if value is not None
        )


def _short(value: str | None) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "…"


def differences(ours: dict[str, Contents], theirs: dict[str, Contents]) -> list[Difference]:
    """The rows that are not on both sides equally often."""
    found = []
    for table, mine in ours.items():
        other = theirs[table]
        assert mine.columns == other.columns
        for side, more in (("ours", mine.rows - other.rows), ("oracle", other.rows - mine.rows)):
            for row, count in sorted(more.items(), key=repr):
                found += [Difference(table, side, mine.columns, row)] * count
    return found
