"""What an import does about rows that the target has already."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_faults import TARGET, bundled  # noqa: F401
from transfers import content, exported, imported, untouched, verified

from harness.metadata.databases import opened
from harness.metadata.options import POLICIES
from harness.metadata.problems import TargetProblem

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("metadata-postgres")]

RUN = (
    "INSERT INTO dag_run (dag_id, execution_date, state, run_id, external_trigger, run_type,"
    " clear_number) SELECT dag_id, execution_date, 'queued', run_id, false, 'manual', 0"
    " FROM (VALUES ('{dag}', '{date}'::timestamptz, '{run}')) v (dag_id, execution_date, run_id)"
)


def _occupy(url: str, *statements: str) -> None:
    with opened(url) as there:
        for statement in statements:
            there.execute(statement)
        there.commit()


def _new_run(dag: str, run: str, date: str = "2030-01-01 UTC") -> str:
    return RUN.format(dag=dag, run=run, date=date)


@pytest.fixture
def busy(database: Callable[[str], str]) -> str:
    """A target with a history of its own that is in nobody's way, and advanced sequences."""
    url = database(TARGET)
    _occupy(
        url,
        "INSERT INTO job (job_type, state, hostname) SELECT 'SchedulerJob', 'running', 'new'"
        " FROM generate_series(1, 7)",
        *[_new_run("of the target", f"manual__{n}", f"2030-01-0{n} UTC") for n in (1, 2, 3)],
        "INSERT INTO task_instance (task_id, dag_id, run_id, pool, pool_slots, job_id) VALUES"
        " ('one', 'of the target', 'manual__1', 'default_pool', 1, 7)",
        "INSERT INTO xcom (dag_run_id, dag_id, task_id, run_id, key, value, timestamp) SELECT"
        " id, dag_id, 'one', run_id, 'k', '1', now() FROM dag_run WHERE run_id = 'manual__1'",
        "INSERT INTO log (event) SELECT 'cli' FROM generate_series(1, 5)",
        "INSERT INTO variable (key, val, is_encrypted) VALUES ('of the target', 'v', false)",
    )
    return url


def test_history_is_set_behind_the_targets_own(bundled: str, busy: str) -> None:  # noqa: F811
    with opened(busy) as there:
        own = there.value("SELECT count(*) FROM log")
        before = there.rows("SELECT * FROM dag_run ORDER BY id")
    report = imported(busy, bundled, TARGET)
    assert all(table.rows == table.written + table.same + table.refused for table in report.tables)
    assert verified(busy, bundled, TARGET).ok
    with opened(busy) as there:
        assert (
            there.rows("SELECT * FROM dag_run WHERE dag_id = 'of the target' ORDER BY id") == before
        )
        # What pointed to something still points to the same thing.
        assert there.value("SELECT count(*) FROM xcom x JOIN dag_run r ON r.id = x.dag_run_id"
                           " WHERE (r.dag_id, r.run_id) <> (x.dag_id, x.run_id)") == 0  # fmt: skip
        assert there.value("SELECT count(*) FROM xcom x LEFT JOIN dag_run r ON r.id = x.dag_run_id"
                           " WHERE r.id IS NULL") == 0  # fmt: skip
        jobs = there.rows(
            "SELECT t.dag_id = 'of the target', j.hostname = 'new' FROM task_instance t"
            " JOIN job j ON j.id = t.job_id GROUP BY 1, 2"
        )
        assert sorted(jobs) == [(False, False), (True, True)]
        assert there.value("SELECT count(*) FROM log") > own
        for table in ("job", "dag_run", "log", "variable", "connection", "slot_pool"):
            there.execute(f"SELECT nextval(pg_get_serial_sequence('{table}', 'id'))")
            highest = there.value(f"SELECT max(id) FROM {table}")
            assert there.value(f"SELECT currval(pg_get_serial_sequence('{table}', 'id'))") > highest


def test_a_row_in_the_way_stops_everything(bundled: str, busy: str) -> None:  # noqa: F811
    before = content(busy)
    _occupy(busy, "INSERT INTO variable (key, val, is_encrypted) SELECT 'crlf', 'v', false")
    with opened(busy) as there:
        there.execute("DELETE FROM variable WHERE key = 'crlf'")
        there.commit()
    assert content(busy) == before
    with opened(busy) as there:
        there.execute(_new_run("carried", "manual__by_hand"))
        there.commit()
    with pytest.raises(TargetProblem, match="carried / manual__by_hand"):
        imported(busy, bundled, TARGET)
    with opened(busy) as there:
        assert "mwaa_harness_import" not in there.catalogue()
        assert there.value("SELECT count(*) FROM task_instance") == 1


def test_identical_rows_stay_and_others_stop_everything(
    bundled: str, database: Callable[[str], str]  # noqa: F811
) -> None:  # fmt: skip
    url = database(TARGET)
    imported(url, bundled, TARGET)
    first = content(url)
    _occupy(url, "DROP TABLE mwaa_harness_import", "DELETE FROM log", "DELETE FROM job",
            "DELETE FROM task_fail", "DELETE FROM task_reschedule",
            "DELETE FROM xcom WHERE key = 'return_value'")  # fmt: skip
    report = imported(url, bundled, TARGET, policy="skip-identical")
    tables = {table.name: table for table in report.tables}
    assert tables["dag_run"].same == tables["dag_run"].rows > 0
    assert tables["task_instance"].same == tables["task_instance"].rows > 0
    assert 0 < tables["xcom"].same < tables["xcom"].rows
    assert verified(url, bundled, TARGET).ok
    again = content(url)
    for name in ("dag_run", "xcom", "variable", "slot_pool", "rendered_task_instance_fields"):
        assert again[name] == first[name], name

    _occupy(url, "DROP TABLE mwaa_harness_import", "UPDATE dag_run SET state = 'failed'")
    with pytest.raises(TargetProblem, match="dag_run"):
        imported(url, bundled, TARGET, policy="skip-identical")


def test_replaced_rows_say_what_the_bundle_says(
    bundled: str, database: Callable[[str], str]  # noqa: F811
) -> None:  # fmt: skip
    url = database(TARGET)
    imported(url, bundled, TARGET)
    _occupy(url, "DROP TABLE mwaa_harness_import", "UPDATE dag_run SET state = 'failed'",
            "UPDATE task_instance SET state = 'failed', hostname = NULL",
            "UPDATE xcom SET value = 'null'", "UPDATE variable SET val = 'x', is_encrypted = false",
            "UPDATE connection SET host = 'elsewhere'", "DELETE FROM log", "DELETE FROM job",
            "DELETE FROM task_fail", "DELETE FROM task_reschedule")  # fmt: skip
    report = imported(url, bundled, TARGET, policy="replace")
    tables = {table.name: table for table in report.tables}
    assert tables["dag_run"].merged == tables["dag_run"].rows
    assert verified(url, bundled, TARGET).ok


def test_dags_of_the_target_keep_what_its_scheduler_wrote(
    bundled: str, database: Callable[[str], str]  # noqa: F811
) -> None:  # fmt: skip
    url = database(TARGET)
    _occupy(
        url,
        "INSERT INTO dag (dag_id, is_paused, fileloc, max_active_tasks,"
        " has_task_concurrency_limits, max_consecutive_failed_dag_runs) VALUES"
        " ('carried', true, '/new/place.py', 7, false, 3),"
        " ('only here', true, '/new/other.py', 7, false, 3)",
    )
    with opened(url) as there:
        imported(url, bundled, TARGET)
        rows = dict(there.rows("SELECT dag_id, fileloc FROM dag WHERE fileloc LIKE '/new/%'"))
    assert rows == {"carried": "/new/place.py", "only here": "/new/other.py"}
    assert verified(url, bundled, TARGET).ok


USER = "INSERT INTO ab_user (id, first_name, last_name, username, email) VALUES (9, 'a', 'b', {})"


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_unique_beside_the_name_is_in_the_way(
    policy: str, bundled: str, database: Callable[[str], str]  # noqa: F811
) -> None:  # fmt: skip
    url = database(TARGET)
    for statement, named in (
        (
            _new_run("carried", "another name", "2021-01-01 UTC"),
            "dag_run: carried / .*another name",
        ),
        (USER.format("'another', 'o@example.com'"), "ab_user: operator / another"),
        (USER.format("'OPERATOR', 'x@example.com'"), "ab_user: operator / OPERATOR"),
    ):
        _occupy(url, "DELETE FROM dag_run", "DELETE FROM ab_user", statement)
        with pytest.raises(TargetProblem, match=named):
            imported(url, bundled, TARGET, policy=policy)


def test_another_unfinished_import_is_not_mixed_with(
    bundled: str,  # noqa: F811
    old_database: str,
    database: Callable[[str], str],
    airflow: Callable[[str], Any],
    tmp_path: Path,
) -> None:
    url = database(TARGET)
    imported(url, bundled, TARGET)
    _occupy(url, "DELETE FROM mwaa_harness_import WHERE part = '*done'")
    other = str(tmp_path / "other")
    exported(old_database, other, airflow("1.10.15").python, tables=("log",))
    with pytest.raises(TargetProblem, match="never finished"):
        imported(url, other, TARGET)
    assert not untouched(url)
