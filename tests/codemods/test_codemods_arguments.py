"""Arguments of constructions, however the construction is spelt."""

from __future__ import annotations

import pytest

from codemods import migrate_source

HEAD = "from airflow.operators.python import PythonOperator\n\n"


def test_positional_arguments_keep_their_meaning(newest: dict[str, str]) -> None:
    """2.4 put ``schedule`` and ``timetable`` before ``start_date``."""
    before = "from airflow import DAG\n\nDAG('d', 'text', '@daily', START)\n"
    after = "from airflow import DAG\n\nDAG('d', 'text', '@daily', start_date=START)\n"
    assert migrate_source(before, pins=newest).text == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "from functools import partial\n\n"
            "make = partial(PythonOperator, provide_context=True, retries=1)\n",
            "from functools import partial\n\nmake = partial(PythonOperator, retries=1)\n",
        ),
        (
            "class Mine(PythonOperator):\n"
            "    def __init__(self, **kwargs):\n"
            "        super().__init__(provide_context=True, **kwargs)\n",
            "class Mine(PythonOperator):\n"
            "    def __init__(self, **kwargs):\n"
            "        super().__init__(**kwargs)\n",
        ),
        (
            "class Mine(PythonOperator):\n    pass\n\n\n"
            "Mine(task_id='t', python_callable=print, provide_context=True)\n",
            "class Mine(PythonOperator):\n    pass\n\n\nMine(task_id='t', python_callable=print)\n",
        ),
    ],
)
def test_partial_and_subclasses(before: str, after: str, newest: dict[str, str]) -> None:
    assert migrate_source(HEAD + before, pins=newest).text == HEAD + after


def test_a_subclass_that_takes_the_argument_keeps_it(newest: dict[str, str]) -> None:
    source = HEAD + (
        "class Mine(PythonOperator):\n"
        "    def __init__(self, **kwargs):\n"
        "        self.context = kwargs.pop('provide_context', False)\n"
        "        super().__init__(**kwargs)\n\n\n"
        "Mine(task_id='t', python_callable=print, provide_context=True)\n"
    )
    assert migrate_source(source, pins=newest).text is None


def test_a_renamed_argument_that_is_given_twice_is_dropped(newest: dict[str, str]) -> None:
    before = (
        "from airflow import DAG\n\nDAG('d', schedule=None, concurrency=1, max_active_tasks=2)\n"
    )
    after = "from airflow import DAG\n\nDAG('d', schedule=None, max_active_tasks=2)\n"
    assert migrate_source(before, pins=newest).text == after


@pytest.mark.parametrize(
    ("version", "argument"), [("2.2.2", "schedule_interval"), ("2.4.3", "schedule")]
)
def test_schedule_by_target(
    version: str, argument: str, targets: dict[str, dict[str, str]]
) -> None:
    source = "from airflow import DAG\n\nDAG('d', schedule_interval='@daily')\n"
    migration = migrate_source(source, pins=targets[version])
    assert (migration.text or source) == source.replace("schedule_interval", argument)


def test_what_is_not_mechanical_is_a_note(newest: dict[str, str]) -> None:
    source = (
        "from airflow.operators.dagrun_operator import TriggerDagRunOperator\n\n"
        "TriggerDagRunOperator(\n"
        "    task_id='t',\n"
        "    trigger_dag_id='d',\n"
        "    python_callable=choose,\n"
        ")\n"
    )
    (note,) = migrate_source(source, pins=newest).notes
    assert (note.rule, note.line, note.column) == ("trigger-dag-run", 6, 4)
    assert "conf={...}" in note.fix


def test_snowflake_goes_into_hook_params(newest: dict[str, str]) -> None:
    source = (
        "from airflow.contrib.operators.snowflake_operator import SnowflakeOperator\n\n"
        "SnowflakeOperator(task_id='t', sql='s', snowflake_conn_id='c', warehouse='w', role=ROLE)\n"
    )
    migration = migrate_source(source, pins=newest)
    assert migration.text == (
        "from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator\n\n"
        "SQLExecuteQueryOperator(task_id='t', sql='s', conn_id='c', autocommit=True, "
        'hook_params={"warehouse": \'w\', "role": ROLE})\n'
    )
    assert migration.notes == ()


def test_bigquery_arguments_become_the_jobs_configuration(newest: dict[str, str]) -> None:
    source = (
        "from airflow.contrib.operators.bigquery_operator import BigQueryOperator\n\n"
        "BigQueryOperator(task_id='t', bql='select 1', use_legacy_sql=False, bigquery_conn_id=B)\n"
        "BigQueryOperator(task_id='u', sql='sql/u.sql', labels={'a': 'b'})\n"
    )
    migration = migrate_source(source, pins=newest)
    assert migration.notes == ()
    assert migration.text == (
        "from airflow.providers.google.cloud.operators.bigquery import BigQueryInsertJobOperator\n"
        "\n"
        "BigQueryInsertJobOperator(task_id='t', gcp_conn_id=B, "
        'configuration={"query": {"query": \'select 1\', "useLegacySql": False}})\n'
        "BigQueryInsertJobOperator(task_id='u', configuration={\"query\": "
        "{\"query\": \"{% include 'sql/u.sql' %}\"}, \"labels\": {'a': 'b'}})\n"
    )


def test_other_peoples_calls_are_theirs(newest: dict[str, str]) -> None:
    source = (
        "from airflow import DAG\nfrom mylib import PythonOperator\n\n"
        "PythonOperator(task_id='t', provide_context=True, xcom_push=True)\n"
    )
    assert migrate_source(source, pins=newest).text is None


def test_a_shadowed_name_is_not_airflows(newest: dict[str, str]) -> None:
    source = HEAD + (
        "def f(PythonOperator):\n    return PythonOperator(task_id='t', provide_context=True)\n"
    )
    assert migrate_source(source, pins=newest).text is None


def test_days_ago_in_default_args(newest: dict[str, str]) -> None:
    before = (
        "from airflow.utils.dates import days_ago\n\n"
        "args = {'owner': 'a', 'start_date': days_ago(2), 'end_date': days_ago(0)}\n"
    )
    after = (
        "import pendulum\n\n"
        "args = {'owner': 'a', 'start_date': pendulum.today(\"UTC\").add(days=-2), "
        "'end_date': pendulum.today(\"UTC\")}\n"
    )
    assert migrate_source(before, pins=newest).text == after


def test_only_the_first_base_is_reached_by_super(newest: dict[str, str]) -> None:
    source = (
        "from multiprocessing import Process\n"
        "from airflow.utils.log.logging_mixin import LoggingMixin\n\n\n"
        "class Worker(Process, LoggingMixin):\n"
        "    def __init__(self):\n"
        "        super().__init__(target=self.work)\n"
    )
    assert migrate_source(source, pins=newest).text is None


def test_positional_arguments_that_went_are_dropped(newest: dict[str, str]) -> None:
    """1.10's hooks passed a source that nothing read."""
    before = "from airflow.hooks.base_hook import BaseHook\n\nBaseHook('x')\n"
    after = "from airflow.hooks.base import BaseHook\n\nBaseHook()\n"
    assert migrate_source(before, pins=newest).text == after


@pytest.mark.parametrize("version", ["2.5.1", "2.11.0"])
def test_a_sub_dag_has_no_executor(version: str, targets: dict[str, dict[str, str]]) -> None:
    before = (
        "from airflow.executors.local_executor import LocalExecutor\n"
        "from airflow.operators.subdag_operator import SubDagOperator\n\n"
        "SubDagOperator(task_id='s', subdag=make('s'), executor=LocalExecutor())\n"
    )
    after = (
        "from airflow.operators.subdag import SubDagOperator\n\n"
        "SubDagOperator(task_id='s', subdag=make('s'))\n"
    )
    assert migrate_source(before, pins=targets[version]).text == after


OWN = (
    "from airflow.models import BaseOperator\n\n\n"
    "class Own(BaseOperator):\n"
    "    def __init__(self, table='', *args, **kwargs):\n"
    "        super(Own, self).__init__(*args, **kwargs)\n"
    "        self.table = table\n\n\n"
    "class Owner(Own):\n"
    "    pass\n\n\n"
)


@pytest.mark.parametrize("version", ["2.5.1", "2.11.0"])
@pytest.mark.parametrize("name", ["Own", "Owner"])
def test_what_an_own_operator_hands_to_airflow(
    name: str, version: str, targets: dict[str, dict[str, str]]
) -> None:
    """1.10's BaseOperator took these out of **kwargs or warned; 2.x raises."""
    before = OWN + f"{name}(task_id='t', table='a', provide_context=True, xcom_push=False)\n"
    after = OWN + f"{name}(task_id='t', table='a', do_xcom_push=False)\n"
    assert migrate_source(before, pins=targets[version]).text == after


def test_an_own_operator_that_hands_nothing_on_is_left_alone(newest: dict[str, str]) -> None:
    closed = OWN.replace("table='', *args, **kwargs", "table, xcom_push")
    source = closed.replace("*args, **kwargs", "task_id='t'") + "Own('t', xcom_push=True)\n"
    assert migrate_source(source, pins=newest).text is None
