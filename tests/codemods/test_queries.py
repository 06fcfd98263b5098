"""Whether SQL gives rows, by its text."""

import pytest

from codemods import migrate_source
from codemods.repository.own_classes import own_classes
from codemods.repository.queries import file_gives_rows, gives_rows


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT ';' -- it's\n ;", True),
        ("{% set x = 1 %}(select '{{ ds }}') UNION (select 2)", True),
        ("/* ; */ WITH a AS (SELECT 1), b AS (SELECT (2)) SELECT * FROM b", True),
        ("INSERT INTO a VALUES (1) RETURNING id", True),
        ("with a as (select 1) insert into t select * from a", False),
        ("SELECT 1; DO $x$ begin select 1; end $x$", False),
        ("SELECT a INTO b FROM c", False),
        ("UPDATE t SET a = 'x''; select' WHERE b IN (SELECT 1)", False),
        ("{{ params.query }}", None),
        ("CALL refresh()", None),
        ("-- nothing", None),
    ],
)
def test_gives_rows(sql: str, rows: bool | None) -> None:
    assert gives_rows(sql) is rows


FILES = {"dags/sql/read.sql": True, "dags/sql/load_a.sql": False, "dags/sql/load_b.sql": False}


@pytest.mark.parametrize(
    ("name", "rows"),
    [("sql/read.sql", True), ("load_{{ ds }}.sql", False), ("ad.sql", None), ("*.sql", None)],
)
def test_files_of_the_repository(name: str, rows: bool | None) -> None:
    assert file_gives_rows(FILES, name) is rows


HEAD = "from airflow.operators.postgres_operator import PostgresOperator\n\n"


@pytest.mark.parametrize(
    ("code", "silenced"),
    [
        ("'sql/read.sql'", True),
        ("'sql/load_{}.sql'.format(x)", False),
        ("f'SELECT {x}'", True),
        ("'DROP TABLE %s' % x + ' CASCADE'", False),
        ("'SELECT {} WHERE a = \\'{{{{ ds }}}}\\''.format(x)", True),
        ("['DELETE FROM a', 'SELECT 1']", True),
        ("QUERY", True),
    ],
)
def test_what_rows_are_pushed(code: str, silenced: bool, newest: dict[str, str]) -> None:
    text = f"{HEAD}QUERY = 'SHOW TABLES'\nPostgresOperator(task_id='t', sql={code})\n"
    migration = migrate_source(text, pins=newest, queries=FILES)
    assert ("do_xcom_push=False" in (migration.text or "")) is silenced
    assert migration.notes == ()


@pytest.mark.parametrize(("method", "silenced"), [("execute", False), ("on_kill", True)])
def test_a_class_of_ones_own_pushes_what_it_says(
    method: str, silenced: bool, newest: dict[str, str]
) -> None:
    defined = f"class Mine(PostgresOperator):\n    def {method}(self, *_):\n        return 1\n\n\n"
    call = "Mine(task_id='t', sql='SELECT 1')\n"
    here = migrate_source(f"{HEAD}\n{defined}{call}", pins=newest).text or ""
    own = own_classes({"lib.py": f"{HEAD}\n{defined}"}, ["Mine"])
    head = "# airflow\nfrom lib import Mine\n\n"
    there = migrate_source(f"{head}{call}", pins=newest, own=own).text or ""
    assert ["do_xcom_push=False" in text for text in (here, there)] == [silenced, silenced]
