"""The test world itself: every version's database is migrated, separate and quickly made."""

from collections.abc import Callable

import psycopg
import pytest
from postgres_server import Server

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("metadata")]

# Source: the migration heads that each release prints (`airflow db check-migrations`), as
# recorded from databases that the releases made themselves.
HEADS = {
    "1.10.15": "03afc6b6f902",
    "2.5.1": "290244fb8b83",
    "2.10.3": "5f2621c13b39",
    "2.11.0": "5f2621c13b39",
}


def test_each_version_has_its_own_fresh_database(
    any_version: str, database: Callable[[str], str], postgres: Server
) -> None:
    first, second = database(any_version), database(any_version)
    with psycopg.connect(first) as connection:
        head = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        assert head == [(HEADS[any_version],)]
        connection.execute("INSERT INTO variable (key, val) VALUES ('left', 'behind')")
    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT count(*) FROM variable").fetchone() == (0,)


def test_the_old_database_has_a_history(old_database: str) -> None:
    with psycopg.connect(old_database) as connection:

        def count(table: str, condition: str = "true") -> int:
            query = f"SELECT count(*) FROM {table} WHERE {condition}"
            (number,) = connection.execute(query).fetchone()
            return number

        assert count("task_instance", "dag_id = 'carried' AND state = 'failed'") >= 2
        assert count("task_reschedule", "dag_id = 'carried'") >= 2
        assert count("task_fail", "dag_id = 'carried'") >= 2
        assert count("xcom", "dag_id = 'carried' AND key = 'return_value'") >= 1
        assert count("dag_run", "run_id LIKE 'backfill_2021-01-0%'") == 4
        assert count("dag_run", "run_id IS NULL") == 1
        assert count("rendered_task_instance_fields") > 0
        assert count("serialized_dag") + count("log") > 0
