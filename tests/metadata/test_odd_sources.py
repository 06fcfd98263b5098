"""Sources that are legal and that nobody expects: what they hold, and how they are reached."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import population
import psycopg
import pytest
from airflows import BRIDGE, Airflow
from cryptography.fernet import Fernet as Token
from postgres_server import Server
from psycopg import sql
from transfers import PASSPHRASE, exported, imported, listed, verified

from harness.metadata.inside import inside
from harness.metadata.load import open_bundle
from harness.metadata.problems import MetadataError, TargetProblem
from harness.metadata.readable import Readable, read_back
from harness.metadata.stores import store_of
from harness.runtimes.surroundings import FERNET_KEY

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("metadata-postgres")]

TARGET = "2.11.0"

ODD = (
    # Times that PostgreSQL keeps and Python does not.
    "UPDATE task_instance SET start_date = 'infinity', end_date = '-infinity'"
    " WHERE dag_id = 'carried'",
    "UPDATE log SET dttm = '0044-03-15 BC' WHERE id = (SELECT min(id) FROM log)",
    "UPDATE log SET dttm = '20000-01-01' WHERE id = (SELECT max(id) FROM log)",
    "UPDATE task_instance SET duration = 'NaN', try_number = 2147483647 WHERE dag_id = 'carried'",
    "UPDATE task_instance SET job_id = 99999999 WHERE dag_id = 'example_xcom'",
    r"UPDATE log SET extra = E'\x01\x0b\x0c\x1c\u0085\u2028\r\n\t\\N\\.' WHERE id = 2",
    r"INSERT INTO variable (key, val, is_encrypted) VALUES (E'\u2028\\.', E'\\.', NULL),"
    " ('', '', false)",
    # The history of DAGs that were deleted; tables and columns of plugins.
    "TRUNCATE dag CASCADE",
    'CREATE TABLE "My Plugin" AS SELECT 1 AS "x y"',
    'ALTER TABLE dag_run ADD COLUMN "Tenant" text',
    # Users whose names differ in nothing but case, one of whom made another one.
    "INSERT INTO ab_user (id, first_name, last_name, username, email, created_by_fk) VALUES"
    " (2000, 'B', 'o', 'Bob', 'a@example.com', NULL),"
    " (2001, 'b', 'o', 'bob', 'b@example.com', 2000),"
    " (2002, 'n', 'o', 'nobody', 'n@example.com', 2000)",
    "INSERT INTO ab_user_role (id, user_id, role_id) SELECT 3000 + n, 2000 + n, min(r.id)"
    " FROM ab_role r, generate_series(0, 1) n GROUP BY n",
)

XCOMS = {
    "nan": b'{"a": NaN, "b": [Infinity, -Infinity, 1e400, -0.0]}',
    "nul": b'"a\\u0000b"',
    "surrogate": b'"\\ud800"',
    "twice": b'{"a": 1, "a": 2}',
    "huge": b"123456789012345678901234567890",
    "long": b'"' + b"y" * 5_000_000 + b'"',
    "deep": b"[" * 150 + b"]" * 150,
}
NO_VALUES = {"too deep": b"[" * 3000 + b"]" * 3000, "nothing": b"", "latin": b'"\xe9"'}


def _read(bundle: str, url: str, airflow: Airflow, folder: Path) -> Readable:
    store = store_of(bundle)
    where = inside(airflow.environment, airflow.target, folder)
    opened = open_bundle(store, PASSPHRASE)
    return read_back(store, *opened, where, url, target=TARGET, fernet_key=FERNET_KEY)


def test_odd_rows_survive_or_are_listed(
    old_database: str,
    airflow: Callable[[str], Airflow],
    database: Callable[[str], str],
    tmp_path: Path,
) -> None:
    place = str(tmp_path / "bundle")
    secret = Token(population.FERNET_KEY.encode()).encrypt(b"\xff\xfe").decode()
    with psycopg.connect(old_database) as there:
        for statement in ODD:
            there.execute(statement)  # type: ignore[call-overload]
        for key, value in {**XCOMS, **NO_VALUES}.items():
            there.execute(
                "INSERT INTO xcom (key, value, timestamp, execution_date, task_id, dag_id) SELECT"
                " %s, %s, now(), execution_date, task_id, dag_id FROM task_instance"
                " WHERE dag_id = 'carried' LIMIT 1",
                (f"odd {key}", value),
            )
        there.execute("INSERT INTO variable (key, val, is_encrypted) VALUES ('odd', %s, true)",
                      (secret,))  # fmt: skip
    manifest = exported(old_database, place, airflow(BRIDGE).python)
    assert manifest.unknown_tables == {"My Plugin": 1}
    assert manifest.unknown_columns == ("dag_run.Tenant",)
    logs = manifest.table("log")
    assert logs is not None
    assert logs.ranges["dttm"] == ("0044-03-15 00:00:00+00 BC", "20000-01-01 00:00:00+00")
    keys = {row["key"]["key"] for row in listed(place, "xcom") if row["reason"] == "undecodable"}
    assert {key for key in keys if key.startswith("odd ")} == {f"odd {key}" for key in NO_VALUES}
    assert [row["key"]["key"] for row in listed(place, "variable")] == ["odd"]
    assert [row["reason"] for row in listed(place, "variable")] == ["not-text"]
    assert [row["row"]["username"] for row in listed(place, "ab_user")] == ["Bob"]
    url = database(TARGET)
    imported(url, place, TARGET)
    assert verified(url, place, TARGET).ok
    with psycopg.connect(url) as there:
        users = "SELECT id, username, created_by_fk FROM ab_user WHERE id >= 2000 ORDER BY id"
        assert there.execute(users).fetchall() == [(2001, "bob", 2001), (2002, "nobody", 2001)]
        roles = "SELECT user_id FROM ab_user_role WHERE user_id >= 2000"
        assert there.execute(roles).fetchall() == [(2001,)]
    found = _read(place, url, airflow(TARGET), tmp_path / "inside")
    assert found.ok, found.unreadable


def test_times_that_no_airflow_can_read_are_told(
    old_database: str,
    airflow: Callable[[str], Airflow],
    database: Callable[[str], str],
    tmp_path: Path,
) -> None:
    place, url = str(tmp_path / "bundle"), database(TARGET)
    with psycopg.connect(old_database) as there:
        for date in ("infinity", "20000-01-01"):
            there.execute("INSERT INTO dag_run (dag_id, execution_date, state, run_id)"
                          " VALUES (%s, %s, 'success', 'manual__far')", (date, date))  # fmt: skip
        there.execute("INSERT INTO task_instance (task_id, dag_id, execution_date, pool)"
                      " SELECT 'far', dag_id, execution_date, 'p' FROM dag_run"
                      " WHERE run_id = 'manual__far'")  # fmt: skip
    exported(
        old_database, place, airflow(BRIDGE).python, tables=("job", "dag_run", "task_instance")
    )
    imported(url, place, TARGET)
    assert verified(url, place, TARGET).ok
    found = _read(place, url, airflow(TARGET), tmp_path / "inside")
    assert not found.ok
    told = {(one.table, one.key[:1]) for one in found.unreadable}
    assert told >= {("log_name", ())} or told >= {("log_name", ("infinity",))}


def test_a_database_without_an_encoding(
    postgres: Server,
    airflow: Callable[[str], Airflow],
    database: Callable[[str], str],
    tmp_path: Path,
) -> None:
    script, place = tmp_path / "old.sql", str(tmp_path / "bundle")
    source = database(BRIDGE)
    postgres.dump(source.rpartition("/")[2], script)
    url = postgres.restore("no_encoding", script, "ENCODING 'SQL_ASCII' LOCALE 'C'")
    try:
        with psycopg.connect(url, client_encoding="SQL_ASCII") as there:
            for statement in (
                b"INSERT INTO dag_run (dag_id, execution_date, state, run_id)"
                b" VALUES ('caf\xe9', now(), 'success', 'run \xe9')",
                b"INSERT INTO task_instance (dag_id, task_id, execution_date, pool)"
                b" SELECT dag_id, 't', execution_date, 'caf\xc3\xa9' FROM dag_run",
            ):
                there.execute(statement)
        manifest = exported(url, place, airflow(BRIDGE).python)
    finally:
        postgres.drop("no_encoding")
    assert {entry.name: entry.values for entry in manifest.tables if entry.values} == {
        "dag_run": {"not-text": 1},
        "task_instance": {"not-text": 1},
    }
    assert [row["row"]["dag_id"] for row in listed(place, "dag_run")] == ["caf\\xe9"]
    target = database(TARGET)
    imported(target, place, TARGET)
    assert verified(target, place, TARGET).ok
    with psycopg.connect(target) as there:
        instances = "SELECT dag_id, run_id, pool FROM task_instance"
        assert there.execute(instances).fetchall() == [("caf\ufffd", "run \ufffd", "café")]


def test_what_sqlite_does_not_check_is_refused_row_by_row(
    airflow: Callable[[str], Airflow], database: Callable[[str], str], tmp_path: Path
) -> None:
    old, place = tmp_path / "old.db", str(tmp_path / "bundle")
    folder = airflow(BRIDGE).environment.path.parent
    shutil.copy(next(folder.rglob("template.db")), old)
    date = "2021-01-01 00:00:00.000000"
    there = sqlite3.connect(old)
    for dag, state in (("d\0d", "success"), ("x" * 300, "success"), ("fine", "failed")):
        there.execute("INSERT INTO dag_run (dag_id, execution_date, run_id, state)"
                      " VALUES (?, ?, 'r', ?)", (dag, date, state))  # fmt: skip
        for task, pid in (("t", 7), ("u", 10**12)):
            there.execute("INSERT INTO task_instance (dag_id, task_id, execution_date, pool, pid)"
                          " VALUES (?, ?, ?, 'p', ?)", (dag, task, date, pid))  # fmt: skip
    there.executemany("INSERT INTO log (event, extra) VALUES (?, ?)", [("a\0", "b"), ("c", "\0")])
    there.commit()
    manifest = exported(f"sqlite:///{old}", place, airflow(BRIDGE).python)
    assert {entry.name: entry.values for entry in manifest.tables if entry.values} == {
        "dag_run": {"not-text": 1},
        "task_instance": {"not-text": 2},
        "log": {"not-text": 2},
    }
    url = database(TARGET)
    report = imported(url, place, TARGET)
    refused = {table.name: (table.rows, table.refused, table.notes) for table in report.tables}
    assert refused["dag_run"] == (
        3, 1, {"value too long for type character varying(250) – dag_id": 1}
    )  # fmt: skip
    rows, count, notes = refused["task_instance"]
    assert (rows, count) == (6, 4)
    assert sum(notes.values()) == 4
    assert notes["value it is out of range for type integer – pid"] >= 2
    # What did not survive is not said to have survived.
    found = {table.name: table.missing for table in verified(url, place, TARGET).tables}
    assert (found["dag_run"], found["task_instance"], found["log"]) == (1, 4, 0)
    with psycopg.connect(url) as target:
        instances = "SELECT dag_id, task_id FROM task_instance ORDER BY dag_id"
        assert target.execute(instances).fetchall() == [("d\ufffdd", "t"), ("fine", "t")]
    there.close()


def test_values_that_are_not_of_their_columns_type_are_listed(
    airflow: Callable[[str], Airflow], database: Callable[[str], str], tmp_path: Path
) -> None:
    old, place = tmp_path / "old.db", tmp_path / "bundle"
    folder = airflow(BRIDGE).environment.path.parent
    shutil.copy(next(folder.rglob("template.db")), old)
    there = sqlite3.connect(old)
    day = "2021-01-01 00:00:00.000000"
    there.executemany(
        "INSERT INTO dag_run (dag_id, execution_date, run_id, end_date, conf)"
        " VALUES (?, ?, 'r', ?, ?)",
        [("fine", day, day, None), ("kept", day, "yesterday", 5), ("gone", b"\xff", day, None)],
    )
    there.executemany("INSERT INTO log (event, dttm) VALUES (?, ?)", [("a", 1.5), ("b", day)])
    there.execute(
        "INSERT INTO task_instance (dag_id, task_id, execution_date, pool, try_number, pid)"
        " VALUES ('kept', 't', ?, 'p', 1.5, 9e999)",
        (day,),
    )
    there.execute("ALTER TABLE sla_miss RENAME TO kept_elsewhere")
    there.execute("CREATE VIEW sla_miss AS SELECT * FROM kept_elsewhere")
    there.execute("CREATE VIEW report AS SELECT * FROM no_such_table")
    there.execute("INSERT INTO kept_elsewhere (task_id, dag_id, execution_date) VALUES (1, 2, ?)",
                  (day,))  # fmt: skip
    there.commit()
    there.close()
    manifest = exported(f"sqlite:///{old}", str(place), airflow(BRIDGE).python)
    assert manifest.unknown_tables == {"kept_elsewhere": 1}
    found = {entry.name: (entry.rows, dict(entry.listed), dict(entry.values))
             for entry in manifest.tables if entry.source_rows}  # fmt: skip
    assert found["dag_run"] == (2, {"wrong-type": 1}, {"wrong-type": 1})
    assert found["task_instance"] == (1, {}, {"wrong-type": 1})
    assert found["sla_miss"] == (1, {}, {})
    runs = {row["key"]["dag_id"]: row for row in listed(place, "dag_run")}
    assert runs["gone"]["row"]["execution_date"] == "\\xff"
    assert (runs["kept"]["column"], runs["kept"]["row"]["conf"]) == ("end_date, conf", "5")
    assert runs["kept"]["why"] == "not a time: 'yesterday'; not bytes: 5"
    assert [row["why"] for row in listed(place, "log")] == ["not a time: 1.5"]
    url = database(TARGET)
    imported(url, str(place), TARGET)
    assert verified(url, str(place), TARGET).ok
    with psycopg.connect(url) as target:
        ended = "SELECT dag_id, end_date IS NULL, conf FROM dag_run ORDER BY dag_id"
        assert target.execute(ended).fetchall() == [("fine", False, None), ("kept", True, None)]


# A source that was split up, renamed and retyped, and is Airflow's all the same.
RESHAPED = (
    "ALTER TABLE log RENAME TO log_kept",
    "CREATE VIEW log AS SELECT * FROM log_kept",
    "ALTER TABLE sla_miss RENAME TO sla_miss_kept",
    "CREATE MATERIALIZED VIEW sla_miss AS SELECT * FROM sla_miss_kept",
    "CREATE TABLE task_fail_2020 () INHERITS (task_fail)",
    "INSERT INTO task_fail_2020 SELECT * FROM task_fail LIMIT 1",
    "UPDATE task_fail_2020 SET id = 1000000",
    "ALTER TABLE job RENAME TO job_kept",
    "CREATE TABLE job (LIKE job_kept INCLUDING DEFAULTS) PARTITION BY HASH (id)",
    "CREATE TABLE job_0 PARTITION OF job FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
    "CREATE TABLE job_1 PARTITION OF job FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    "INSERT INTO job SELECT * FROM job_kept",
    "CREATE SCHEMA elsewhere",
    "ALTER TABLE variable SET SCHEMA elsewhere",
    "ALTER TABLE connection SET UNLOGGED",
    "DO $$ BEGIN EXECUTE (SELECT format('CREATE TYPE outcome AS ENUM (%s)',"
    " string_agg(DISTINCT quote_literal(state), ',')) FROM task_instance); END $$",
    "ALTER TABLE task_instance ALTER state TYPE outcome USING state::outcome",
    "CREATE DOMAIN named AS text",
    "ALTER TABLE dag ALTER fileloc TYPE named, ALTER last_expired TYPE timestamp",
    "ALTER TABLE dag_run ADD long int GENERATED ALWAYS AS (length(run_id)) STORED,"
    " ALTER start_date TYPE timestamp, ALTER external_trigger TYPE smallint"
    " USING external_trigger::int",
    "ALTER TABLE elsewhere.variable ALTER is_encrypted TYPE smallint USING is_encrypted::int",
    "ALTER TABLE slot_pool ALTER id TYPE numeric(12, 2)",
    "ALTER TABLE xcom ALTER id TYPE bigint",
    "ALTER TABLE dag DROP COLUMN schedule_interval",
    "CREATE VIEW report AS SELECT 1 / (SELECT 0) AS broken",
)


def test_a_source_is_read_whatever_its_tables_are_made_of(
    old_database: str,
    airflow: Callable[[str], Airflow],
    database: Callable[[str], str],
    tmp_path: Path,
) -> None:
    plain, place, python = str(tmp_path / "plain"), str(tmp_path / "bundle"), airflow(BRIDGE).python
    before = exported(old_database, plain, python)
    with psycopg.connect(old_database) as there:
        there.execute("SET timezone = 'UTC'")
        for statement in RESHAPED:
            there.execute(statement)  # type: ignore[call-overload]
    manifest = exported(old_database + "?options=-csearch_path%3Dpublic,elsewhere", place, python)
    counts = {entry.name: (entry.rows, dict(entry.listed)) for entry in before.tables}
    rows, listed_ = counts["task_fail"]
    counts["task_fail"] = (rows + 1, listed_)
    assert {e.name: (e.rows, dict(e.listed)) for e in manifest.tables} == counts
    assert set(manifest.unknown_tables) == {"log_kept", "sla_miss_kept", "job_kept"}
    assert manifest.unknown_columns == ("dag_run.long",)
    url = database(TARGET)
    imported(url, place, TARGET)
    assert verified(url, place, TARGET).ok


def test_another_schema_and_a_user_who_may_only_read(
    old_database: str,
    airflow: Callable[[str], Airflow],
    database: Callable[[str], str],
    tmp_path: Path,
) -> None:
    place, target = str(tmp_path / "bundle"), database(TARGET)
    password = "p@ss:w/o?r#d% &'\"é"
    with psycopg.connect(old_database) as there:
        there.execute(sql.SQL('CREATE ROLE "Read Only" LOGIN PASSWORD {}').format(password))
        there.execute('ALTER SCHEMA public RENAME TO "Air Flow"')
        there.execute('GRANT USAGE ON SCHEMA "Air Flow" TO "Read Only"')
        there.execute('GRANT SELECT ON ALL TABLES IN SCHEMA "Air Flow" TO "Read Only"')
        there.execute('CREATE TABLE "Air Flow"."not yours" (a integer)')
    with psycopg.connect(target) as there:
        there.execute('ALTER SCHEMA public RENAME TO "Air Flow"')
    user, host = quote("Read Only"), old_database.rpartition("@")[2]
    url = f"postgresql+psycopg2://{user}:{quote(password, safe='')}@{host}"
    python = airflow(BRIDGE).python
    try:
        with pytest.raises(TargetProblem) as problem:
            exported(url, place, python)
        assert problem.value.hint is not None
        query = problem.value.hint.rpartition(" ")[2]
        manifest = exported(f"{url}{query}&sslmode=prefer", place, python)
        assert manifest.unknown_tables == {"not yours": None}
        with pytest.raises(TargetProblem, match="no slot_pool; no variable"):
            imported(target, place, TARGET)
        imported(f"{target}{query}", place, TARGET)
        assert verified(f"{target}{query}", place, TARGET).ok
        with pytest.raises(MetadataError, match="does not support SSL"):
            exported(f"{url}{query}&sslmode=require", place, python, overwrite=True)
        with psycopg.connect(old_database) as there:
            there.execute('ALTER TABLE "Air Flow".log ENABLE ROW LEVEL SECURITY')
        with pytest.raises(MetadataError, match="row-level security"):
            exported(f"{url}{query}", place, python, overwrite=True)
    finally:
        with psycopg.connect(old_database) as there:
            there.execute('DROP OWNED BY "Read Only"')
            there.execute('DROP ROLE "Read Only"')
