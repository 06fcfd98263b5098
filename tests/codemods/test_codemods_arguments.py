"""Arguments of constructions, however the construction is spelt."""

from __future__ import annotations

import inspect
import re
import sys
from importlib import import_module

import pytest

from codemods import Migration, migrate_source
from codemods.base import OwnClass
from codemods.repository.own_classes import own_classes


def other_notes(migration: Migration) -> list[str]:
    """What is said but for the connections that are used where none is given."""
    return [note.message for note in migration.notes if note.rule != "changed-defaults"]


def joined(text: str | None) -> str:
    """The text with what was broken into lines, an item a line, on one line again."""
    text = re.sub(r",\n *(?=[\])}])", "", text or "")
    return re.sub(r",\n +", ", ", re.sub(r"(?<=[\[({])\n +", "", text))


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
        "def make(choose):\n"
        "    from airflow.operators.dagrun_operator import TriggerDagRunOperator\n\n"
        "    return TriggerDagRunOperator(\n"
        "        task_id='t',\n"
        "        trigger_dag_id='d',\n"
        "        python_callable=choose,\n"
        "    )\n"
    )
    (note,) = migrate_source(source, pins=newest).notes
    assert (note.rule, note.line, note.column) == ("trigger-dag-run", 7, 8)
    assert "conf={...}" in note.fix


_TRIGGER = "from airflow.operators.dagrun_operator import TriggerDagRunOperator"
_GIVEN = "task_id='t', trigger_dag_id='d', python_callable=f"


@pytest.mark.parametrize(
    ("imports", "call", "payload", "notes"),
    [
        (f"{_TRIGGER} as Run\n{_TRIGGER} as Run", f"Run({_GIVEN})", "{}", 0),
        (_TRIGGER, f"partial(TriggerDagRunOperator, {_GIVEN})()", "{}", 0),
        (_TRIGGER, f"TriggerDagRunOperator({_GIVEN})", "[1]", 1),  # it has to be a dict
    ],
)
def test_a_callable_that_decides_is_asked_by_a_class_of_the_file(
    imports: str, call: str, payload: str, notes: int, newest: dict[str, str]
) -> None:
    source = (
        f"from functools import partial\n{imports}\n\n\ndef f(context, order):\n"
        f"    if context:\n        order.payload = {payload}\n    return order\n\n\n{call}\n"
    )
    migration = migrate_source(source, pins=newest)
    text = migration.text or ""
    assert "(trigger_dagrun.TriggerDagRunOperator):" in text
    assert text.endswith(f"return order\n\n\n{call}\n")
    assert "import TriggerDagRunOperator" not in text
    assert len(migration.notes) == notes
    assert migrate_source(text, pins=newest).text is None


def test_a_subclass_that_hands_the_callable_on_has_a_base_that_takes_it(
    newest: dict[str, str],
) -> None:
    multi = (
        f"{_TRIGGER}\n\n\nclass Multi(TriggerDagRunOperator):\n"
        "    def __init__(self, *args, **kwargs):\n        super().__init__(*args, **kwargs)\n\n"
        "    def execute(self, context):\n        return self.python_callable(context, None)\n"
    )
    call = f"from multi import Multi  # airflow\n\n\ndef f():\n    yield 1\n\n\nMulti({_GIVEN})\n"
    own = own_classes({"plugins/multi.py": multi}, ["Multi"])
    defined = migrate_source(multi, pins=newest)
    assert "class TriggerDagRunOperator(trigger_dagrun." in (defined.text or "")
    assert defined.notes == ()
    made = migrate_source(call, pins=newest, own=own)
    assert (made.text, made.notes) == (None, ())


def test_an_argument_that_means_something_else_now_is_a_note(newest: dict[str, str]) -> None:
    source = (
        "from airflow.operators.s3_to_redshift_operator import S3ToRedshiftTransfer as Load\n\n"
        "Load(task_id='t', schema='s', table='t', s3_bucket='b', s3_key='k')\n"
    )
    migration = migrate_source(source, pins=newest)
    assert ["append" in note.fix for note in migration.notes] == [True]
    assert migrate_source(migration.text or "", pins=newest).notes == ()


def test_snowflake_goes_into_hook_params(newest: dict[str, str]) -> None:
    source = (
        "from airflow.contrib.operators.snowflake_operator import SnowflakeOperator\n\n"
        "SnowflakeOperator(task_id='t', sql='s', snowflake_conn_id='c', warehouse='w', role=ROLE)\n"
    )
    migration = migrate_source(source, pins=newest)
    assert joined(migration.text) == (
        "from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator\n\n"
        "SQLExecuteQueryOperator(task_id='t', sql='s', conn_id='c', autocommit=True, "
        'hook_params={"warehouse": \'w\', "role": ROLE})\n'
    )
    assert other_notes(migration) == []


def test_bigquery_arguments_become_the_jobs_configuration(newest: dict[str, str]) -> None:
    source = (
        "from airflow.contrib.operators.bigquery_operator import BigQueryOperator\n\n"
        "BigQueryOperator(task_id='t', bql='select 1', use_legacy_sql=False, bigquery_conn_id=B)\n"
        "BigQueryOperator(task_id='u', sql='sql/u.sql', labels={'a': 'b'})\n"
    )
    migration = migrate_source(source, pins=newest)
    assert other_notes(migration) == []
    assert joined(migration.text) == (
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


_SQL = "airflow.operators.postgres_operator import PostgresOperator"
_PYTHON = "airflow.operators.python_operator import BranchPythonOperator, PythonOperator"


@pytest.mark.parametrize(
    ("table", "unpacked"),
    [
        ("class Conf:\n    pg = {'postgres_conn_id': 'a'}\n", "Conf.pg"),
        ("C = {'a': {'postgres_conn_id': 'a'}, 'b': {}}\nprint(C['b'])\n", "C['a']"),
        ("C = {'a': dict(postgres_conn_id='a')}\n", "C.get('a', {})"),
        ("one = {'postgres_conn_id': 'a'}\n", "(one or {})"),
        ("one = {'postgres_conn_id': 'a'}\n", "(one if DEBUG else {})"),
        ("if DEBUG:\n    one = {'postgres_conn_id': 'a'}\nelse:\n    one = {}\n", "one"),
        ("for one in [{'postgres_conn_id': 'a'}]:\n    pass\n", "one"),
        ("for _, one in {'k': {'postgres_conn_id': 'a'}}.items():\n    pass\n", "one"),
        ("one = {'postgres_conn_id': 'a'}\nmore = {**one}\nlast = more.copy()\n", "last"),
    ],
)
def test_arguments_are_found_where_they_stand(
    table: str, unpacked: str, newest: dict[str, str]
) -> None:
    source = (
        f"from {_SQL}\n\n{table}PostgresOperator(task_id='t', sql='drop table t', **{unpacked})\n"
    )
    migration = migrate_source(source, pins=newest)
    new = source.replace("postgres_conn_id", "conn_id").replace("PostgresOp", "SQLExecuteQueryOp")
    assert (migration.text or "").splitlines()[1:] == new.splitlines()[1:]
    assert migration.notes == ()


def test_what_else_asks_for_an_argument_keeps_it(newest: dict[str, str]) -> None:
    source = (
        f"from {_SQL}\n\nC = {{'a': {{'postgres_conn_id': 'a'}}}}\n"
        "print(C['a']['postgres_conn_id'])\n"
        "PostgresOperator(task_id='t', sql='drop table t', **C['a'])\n"
    )
    migration = migrate_source(source, pins=newest)
    assert "C = {'a': {'postgres_conn_id': 'a'}}" in (migration.text or "")
    assert [note.fix for note in migration.notes] == ["it is conn_id now"]


def test_two_arguments_of_a_dict_that_are_one_on_the_target(newest: dict[str, str]) -> None:
    source = (
        "from airflow.contrib.operators.gcs_to_bq import GoogleCloudStorageToBigQueryOperator\n\n"
        "ids = {'bigquery_conn_id': 'a', 'google_cloud_storage_conn_id': 'b'}\n"
        "GoogleCloudStorageToBigQueryOperator(task_id='t', bucket='b', source_objects=['o'],\n"
        "    destination_project_dataset_table='d.t', **ids)\n"
    )
    migration = migrate_source(source, pins=newest)
    assert "ids = {'gcp_conn_id': 'a'}" in (migration.text or "")
    assert [note.line for note in migration.notes] == [3]


@pytest.mark.parametrize(
    "code",
    [
        "for cls in (PythonOperator,):\n    cls(task_id='t', python_callable=f{})",
        "for n, cls in [('a', PythonOperator)]:\n    cls(task_id=n, python_callable=f{})",
        "[cls(task_id='t', python_callable=f{}) for cls in [PythonOperator]]",
        "(PythonOperator if DEBUG else BranchPythonOperator)(task_id='t', python_callable=f{})",
        "make = partial(PythonOperator, dag=dag{})",
    ],
)
def test_classes_are_found_where_they_stand(code: str, newest: dict[str, str]) -> None:
    source = f"from functools import partial\nfrom {_PYTHON}\n\n{code}\n"
    migration = migrate_source(source.format(", provide_context=True"), pins=newest)
    assert migration.text == source.format("").replace("python_operator", "python")
    assert migration.notes == ()


@pytest.mark.parametrize("version", ["2.5.1", "2.11.0"])
def test_a_file_of_lineage_is_known_by_its_url(
    version: str, targets: dict[str, dict[str, str]]
) -> None:
    """attrs makes the constructor of the target's class out of its fields."""
    before = (
        "from airflow.lineage.datasets import File\n\n"
        "one, other = File('/a'), File(name='/b')\nlast = File(data={'name': '/c'})\n"
    )
    migration = migrate_source(before, pins=targets[version])
    assert migration.text == (
        "from airflow.lineage.entities import File\n\n"
        "one, other = File('/a'), File(url='/b')\nlast = File(data={'name': '/c'})\n"
    )
    said = [note.message for note in migration.notes]
    assert said == ["File needs url on the target", "File does not take data on the target"]


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
    source = closed.replace("*args, **kwargs", "task_id='t'") + "Own(table='t', xcom_push=True)\n"
    assert migrate_source(source, pins=newest).text is None


@pytest.mark.parametrize("version", ["2.5.1", "2.10.3", "2.11.0"])
@pytest.mark.parametrize(
    "path",
    [
        "airflow.hooks.postgres_hook.PostgresHook",
        "airflow.hooks.mysql_hook.MySqlHook",
        "airflow.hooks.mssql_hook.MsSqlHook",
        "airflow.hooks.oracle_hook.OracleHook",
        "airflow.contrib.hooks.snowflake_hook.SnowflakeHook",
        "airflow.hooks.hive_hooks.HiveServer2Hook",
        "airflow.hooks.presto_hook.PrestoHook",
        "airflow.hooks.sqlite_hook.SqliteHook",
        "airflow.contrib.hooks.vertica_hook.VerticaHook",
        "airflow.hooks.jdbc_hook.JdbcHook",
        "airflow.hooks.druid_hook.DruidDbApiHook",
        "airflow.contrib.hooks.pinot_hook.PinotDbApiHook",
    ],
)
def test_the_first_argument_of_a_database_hook_is_its_connection(
    path: str, version: str, targets: dict[str, dict[str, str]]
) -> None:
    """Their constructors are (*args, **kwargs): no name that they pop is the first one's."""
    module, _, name = path.rpartition(".")
    migration = migrate_source(
        f"from {module} import {name}\n\n{name}('pg')\n", pins=targets[version]
    )
    assert migration.text is not None
    assert migration.text.endswith(f"{name}('pg')\n")
    assert other_notes(migration) == []


def test_positional_arguments_of_a_hook_get_the_names_of_the_target(newest: dict[str, str]) -> None:
    before = (
        "from airflow.contrib.hooks.bigquery_hook import BigQueryHook\n\n"
        "BigQueryHook('bq', None, False)\n"
    )
    migration = migrate_source(before, pins=newest)
    assert other_notes(migration) == []
    assert migration.text is not None
    assert migration.text.endswith("BigQueryHook(gcp_conn_id='bq', use_legacy_sql=False)\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "from airflow.utils.dates import days_ago\n\n"
            "args = {'owner': 'a', 'start_date': days_ago(2), 'end_date': days_ago(0)}\n",
            "import pendulum\n\n"
            "args = {'owner': 'a', 'start_date': pendulum.today(\"UTC\").add(days=-2), "
            "'end_date': pendulum.today(\"UTC\")}\n",
            id="days_ago",
        ),
        pytest.param(
            "from airflow.operators.postgres_operator import PostgresOperator\n\n"
            "args = {'postgres_conn_id': 'mine'}\n"
            "PostgresOperator(task_id='t', sql='delete from a', default_args=args)\n",
            "from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator\n\n"
            "args = {'conn_id': 'mine'}\n"
            "SQLExecuteQueryOperator(task_id='t', sql='delete from a', default_args=args)\n",
            id="what the call would gain by default must not win over the user's own",
        ),
    ],
)
def test_default_args_are_changed(before: str, after: str, newest: dict[str, str]) -> None:
    assert migrate_source(before, pins=newest).text == after


def test_default_args_that_move_into_another_argument_are_said(newest: dict[str, str]) -> None:
    before = (
        "from airflow.contrib.operators.dataproc_operator import DataProcHiveOperator\n\n"
        "args = {'cluster_name': 'mine'}\n"
        "DataProcHiveOperator(task_id='t', query='select 1', default_args=args)\n"
    )
    migration = migrate_source(before, pins=newest)
    assert migration.text is not None
    assert "cluster-1" not in migration.text
    assert any('job["placement"]["cluster_name"]' in n.fix for n in migration.notes)


DATAPROC = "airflow.providers.google.cloud.operators.dataproc"
# What 1.10 took for the disks of a cluster, where none is given; the target takes 1024.
DISKS = "master_disk_size=500, worker_disk_size=500, "


def test_dataproc_jobs_and_clusters(newest: dict[str, str]) -> None:
    before = (
        "from airflow.contrib.operators.dataproc_operator import (\n"
        "    DataProcPySparkOperator, DataprocClusterCreateOperator)\n\n"
        "BUCKET = 'gs://b'\n"
        "MAIN = BUCKET + '/m.py'\n"
        "DataProcPySparkOperator(task_id='t', main=MAIN, arguments=ARGS, region='r', "
        "dataproc_pyspark_jars='gs://b/j.jar')\n"
        "DataprocClusterCreateOperator(\n"
        "    task_id='c', cluster_name='c', project_id=P, num_workers=2, image_version='2.0')\n"
    )
    migration = migrate_source(before, pins=newest)
    assert other_notes(migration) == []
    text = joined(migration.text)
    assert "DataprocSubmitJobOperator(task_id='t', region='r', job={" in text
    assert '"placement": {"cluster_name": "cluster-1"}' in text
    assert '"main_python_file_uri": MAIN, "args": ARGS' in text
    assert "\"jar_file_uris\": ['gs://b/j.jar']" in text
    made = f"ClusterGenerator(project_id=P, {DISKS}num_workers=2, image_version='2.0').make()"
    assert f"cluster_config={made}" in text
    assert f"from {DATAPROC} import ClusterGenerator" in text


@pytest.mark.parametrize(
    ("args", "code", "notes"),
    [
        ("ARGS = {'project_id': P}\n", 'project_id=ARGS["project_id"], ', []),
        ("ARGS = read()\n", "", ["ClusterGenerator needs project_id"]),
    ],
)
def test_default_args_give_the_project_of_a_cluster(
    args: str, code: str, notes: list[str], newest: dict[str, str]
) -> None:
    before = (
        "from airflow import DAG\n"
        "from airflow.contrib.operators.dataproc_operator import DataprocClusterCreateOperator\n"
        f"{args}"
        "DAG('d', default_args=ARGS, schedule=None)\n"
        "DataprocClusterCreateOperator(task_id='c', cluster_name='c', num_workers=2)\n"
    )
    migration = migrate_source(before, pins=newest)
    assert f"ClusterGenerator({code}{DISKS}num_workers=2).make()" in joined(migration.text)
    assert [n.partition(",")[0] for n in other_notes(migration) if "Cluster" in n] == notes


def test_a_local_file_is_not_handed_to_dataproc(newest: dict[str, str]) -> None:
    before = (
        "from airflow.contrib.operators.dataproc_operator import DataProcPySparkOperator\n\n"
        "DataProcPySparkOperator(task_id='t', main='jobs/m.py')\n"
    )
    (note,) = migrate_source(before, pins=newest).notes
    assert "main_python_file_uri" in note.fix


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ("'p.d.t'", '{"projectId": "p", "datasetId": "d", "tableId": "t"}'),
        ("'p:d.t$20200101'", '{"projectId": "p", "datasetId": "d", "tableId": "t$20200101"}'),
        ("f'{P}.{D}.t_{N}'", '{"projectId": P, "datasetId": D, "tableId": f"t_{N}"}'),
        ("'{}.{}.t'.format(P, D)", '{"projectId": P, "datasetId": D, "tableId": "t"}'),
        ("'%s.%s.t' % (P, D)", '{"projectId": P, "datasetId": D, "tableId": "t"}'),
        ("P + '.d.' + read('t')", '{"projectId": P, "datasetId": "d", "tableId": read(\'t\')}'),
        (
            "'{{ var.value.p }}.d.t_{{ ds_nodash }}'",
            '{"projectId": "{{ var.value.p }}", "datasetId": "d", "tableId": "t_{{ ds_nodash }}"}',
        ),
    ],
)
def test_a_table_of_bigquery_is_taken_apart(table: str, code: str, newest: dict[str, str]) -> None:
    before = (
        "from airflow.providers.google.cloud.operators.bigquery import "
        "BigQueryExecuteQueryOperator as Query\n\n"
        f"Query(task_id='t', sql='select 1', destination_dataset_table={table})\n"
    )
    migration = migrate_source(before, pins=newest)
    assert other_notes(migration) == []
    assert f'"destinationTable": {code}' in joined(migration.text)


@pytest.mark.parametrize("table", ["'d.t'", "TABLE", "'p.d.t_%d' % N"])
def test_a_table_without_a_project_in_sight_is_a_note(table: str, newest: dict[str, str]) -> None:
    before = (
        "from airflow.providers.google.cloud.operators.bigquery import "
        "BigQueryExecuteQueryOperator as Query\n\n"
        f"Query(task_id='t', sql='select 1', destination_dataset_table={table})\n"
    )
    assert any("destinationTable" in n.fix for n in migrate_source(before, pins=newest).notes)


def test_what_moves_into_another_argument_keeps_its_imports(newest: dict[str, str]) -> None:
    before = (
        "from datetime import datetime\n"
        "from airflow.contrib.operators.dataproc_operator import DataprocClusterCreateOperator\n\n"
        "DataprocClusterCreateOperator(task_id='c', cluster_name='c', project_id='p',\n"
        "    num_workers=2, auto_delete_time=datetime(2030, 1, 1))\n"
    )
    text = migrate_source(before, pins=newest).text
    assert text is not None
    assert text.startswith("from datetime import datetime\n")


@pytest.mark.parametrize(("version", "stays"), [("2.10.3", True), ("2.11.0", False)])
def test_a_subclass_of_a_replaced_class_is_said(
    version: str, stays: bool, targets: dict[str, dict[str, str]]
) -> None:
    """Who makes it may be in other files: it stays where the target has the old class, or comes
    from one of the file's that takes the same."""
    before = (
        "from airflow.operators.postgres_operator import PostgresOperator\n\n\n"
        "class Mine(PostgresOperator):\n"
        "    def __init__(self, **kwargs):\n"
        "        super().__init__(**kwargs)\n\n\n"
        "Mine(task_id='t', sql=SQL, postgres_conn_id='p', do_xcom_push=False)\n"
    )
    migration = migrate_source(before, pins=targets[version])
    assert migration.text is not None
    assert ("class PostgresOperator(sql.SQLExecuteQueryOperator)" in migration.text) is stays
    assert ("sql=SQL, postgres_conn_id='p'" in migration.text) is stays
    assert [n.message.partition(",")[0] for n in migration.notes] == (
        [] if stays else ["Mine inherits from PostgresOperator"]
    )


@pytest.mark.parametrize(("version", "told"), [("2.10.3", False), ("2.11.0", True)])
def test_what_is_set_on_a_replaced_class_counts_for_more_tasks(
    version: str, told: bool, targets: dict[str, dict[str, str]]
) -> None:
    before = (
        "from airflow.operators.postgres_operator import PostgresOperator\n\n"
        "PostgresOperator.execute = logged(PostgresOperator.execute)\n"
    )
    notes = migrate_source(before, pins=targets[version]).notes
    assert [n.rule for n in notes] == ["replaced-class"] * told


FILES = {
    "plugins/ops/base.py": "from airflow.operators.python_operator import PythonOperator\n\n\n"
    "class Base(PythonOperator):\n"
    "    def __init__(self, x, *args, **kwargs):\n"
    "        self.context = kwargs.pop('colour', None)\n"
    "        super(Base, self).__init__(*args, **kwargs)\n",
    "plugins/ops/mine.py": "from ops.base import Base\n\n\n"
    "class Mine(Base):\n    pass\n\n\n"
    "class Closed(Base):\n    def __init__(self, task_id):\n        super().__init__(1)\n\n\n"
    "class Keeps(Base):\n"
    "    def __init__(self, **kwargs):\n"
    "        self.kwargs = kwargs\n"
    "        super().__init__(x=1, task_id=kwargs['task_id'])\n",
    "plugins/s3.py": "from airflow.sensors.base_sensor_operator import BaseSensorOperator\n\n\n"
    "class S3KeySensor(BaseSensorOperator):\n    pass\n",
    "dags/broken.py": "class Mine(:\n",
}


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("Mine(task_id='t', x=1, provide_context=True, shape='round')", "Mine(task_id='t', x=1)"),
        (
            "Mine(task_id='t', colour='red', task_concurrency=2)",
            "Mine(task_id='t', colour='red', max_active_tis_per_dag=2)",
        ),
        ("Closed(task_id='t', provide_context=True)", ""),
        ("Keeps(task_id='t', provide_context=True)", ""),
        ("Other(task_id='t', provide_context=True)", ""),
        ("S3KeySensor(task_id='t', bucket_key='k')", ""),
    ],
)
def test_classes_of_other_files_hand_arguments_on(
    line: str, after: str, newest: dict[str, str]
) -> None:
    own = own_classes(FILES, ["Mine", "Closed", "Keeps", "Other", "S3KeySensor"])
    head = (
        "from ops.mine import Closed, Keeps, Mine\nfrom elsewhere.mine import Mine as Other\n\n"
        "from airflow import DAG\n"
        "from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor\n\n"
    )
    migration = migrate_source(f"{head}{line}\n", pins=newest, own=own)
    assert migration.text == (f"{head}{after}\n" if after else None)


GOOGLE = "airflow.providers.google.cloud.operators"


@pytest.mark.parametrize(
    ("module", "before", "after"),
    [
        (
            "bigquery",
            "BigQueryCreateExternalTableOperator(task_id='t', bucket=B, source_objects=FILES, "
            "destination_project_dataset_table='p.d.t', skip_leading_rows=1)",
            "BigQueryCreateTableOperator(task_id='t', "
            'project_id="p", dataset_id="d", table_id="t", '
            'table_resource={"externalDataConfiguration": {"sourceFormat": "CSV", '
            '"sourceUris": ["gs://{}/{}".format(B, source_object) for source_object in FILES], '
            '"csvOptions": {"skipLeadingRows": 1}}}, if_exists="ignore")',
        ),
        (
            "bigquery",
            "BigQueryCreateEmptyTableOperator(task_id='t', dataset_id=D, table_id='t', "
            "cluster_fields=F, exists_ok=True)",
            "BigQueryCreateTableOperator(task_id='t', dataset_id=D, table_id='t', "
            'if_exists="ignore", table_resource={"clustering": {"fields": F}})',
        ),
        (
            "bigquery",
            "BigQueryCreateEmptyDatasetOperator(task_id='t', dataset_id=D, exists_ok=False)",
            "BigQueryCreateEmptyDatasetOperator(task_id='t', dataset_id=D, if_exists=\"log\")",
        ),
        (
            "dataprep",
            "DataprepGetJobsForJobGroupOperator(task_id='t', job_id=4)",
            "DataprepGetJobsForJobGroupOperator(task_id='t', job_group_id=4)",
        ),
        (
            "kubernetes_engine",
            "GKEStartPodOperator(task_id='t', name='n', location='l', cluster_name='c', image='i')",
            "GKEStartPodOperator(task_id='t', name='n', location='l', cluster_name='c', image='i', "
            'on_finish_action="keep_pod")',
        ),
        (
            "dataproc",
            "DataprocScaleClusterOperator(task_id='t', cluster_name=C, region=R, num_workers=3)",
            "DataprocUpdateClusterOperator(task_id='t', cluster_name=C, region=R, "
            'cluster={"config": {"secondary_worker_config": {"num_instances": 0}, '
            '"worker_config": {"num_instances": 3}}}, '
            'update_mask={"paths": ["config.worker_config.num_instances", '
            '"config.secondary_worker_config.num_instances"]}, '
            'graceful_decommission_timeout={"seconds": 0})',
        ),
        (
            "dataproc",
            "DataprocSubmitHiveJobOperator(task_id='t', cluster_name=C, region=R, query_uri=Q, "
            "dataproc_jars=J, job_name=N)",
            "DataprocSubmitJobOperator(task_id='t', region=R, "
            'job={"placement": {"cluster_name": C}, "hive_job": {"query_file_uri": Q, '
            '"jar_file_uris": J}})',
        ),
    ],
)
def test_classes_of_the_backports_find_their_successors(
    module: str, before: str, after: str, newest: dict[str, str]
) -> None:
    name, successor = before.partition("(")[0], after.partition("(")[0]
    text = f"from {GOOGLE}.{module} import {{}}\n\n{{}}\n"
    migration = migrate_source(text.format(name, before), pins=newest)
    assert joined(migration.text) == text.format(successor, after)
    assert other_notes(migration) == []


@pytest.mark.parametrize("table", ["f'{D}.t'", "TABLE", "'{{ params.d }}.t'"])
def test_a_table_whose_project_may_be_hidden_is_left_alone(
    table: str, newest: dict[str, str]
) -> None:
    made = "BigQueryCreateExternalTableOperator(bucket=B, source_objects=F, task_id='t', "
    text = f"from {GOOGLE}.bigquery import BigQueryCreateExternalTableOperator\n\n{made}"
    text += f"destination_project_dataset_table={table})\n"
    migration = migrate_source(text, pins=newest)
    assert migration.text is None
    assert [note.rule for note in migration.notes] == ["replaced-class"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "from airflow.providers.google.cloud.operators.bigquery import "
            "BigQueryExecuteQueryOperator as Query\n\n"
            "Query(task_id='t', sql=SQL, destination_dataset_table='d.t')\n",
            '{"projectId": "<the connection\'s project>", "datasetId": "d", "tableId": "t"}',
        ),
        (
            "from airflow.contrib.operators.bigquery_operator import "
            "BigQueryCreateExternalTableOperator\n\n"
            "BigQueryCreateExternalTableOperator(task_id='t', bigquery_conn_id='b', "
            "source_objects=FILES, bucket=B, destination_project_dataset_table=TABLE)\n",
            "BigQueryCreateTableOperator(task_id='t', gcp_conn_id='b', ",
        ),
    ],
)
def test_a_finding_gives_the_code_with_the_users_values(
    text: str, said: str, newest: dict[str, str]
) -> None:
    notes = migrate_source(text, pins=newest).notes
    assert any(said in note.fix for note in notes)


def test_qubole_keeps_what_its_constructor_puts_away(targets: dict[str, dict[str, str]]) -> None:
    text = (
        "from airflow.contrib.operators.qubole_operator import QuboleOperator\n\n"
        "QuboleOperator(task_id='t', command_type='hivecmd', query='q')\n"
    )
    migration = migrate_source(text, pins=targets["2.5.1"])
    assert "QuboleOperator(task_id='t', command_type='hivecmd', query='q')" in (
        migration.text or ""
    )


def test_an_empty_table_is_made_by_its_resource(newest: dict[str, str]) -> None:
    """``google_cloud_storage_conn_id`` stays: the successor takes it."""
    head = (
        "from airflow.contrib.operators.bigquery_operator import BigQueryCreateEmptyTableOperator"
    )
    text = (
        f"{head}\n\n"
        "BigQueryCreateEmptyTableOperator(task_id='t', dataset_id='d', table_id=T, labels=L, "
        "bigquery_conn_id='b', google_cloud_storage_conn_id='g', schema_fields=F)\n"
        "BigQueryCreateEmptyTableOperator(task_id='u', dataset_id='d', table_id=T, "
        "gcs_schema_object='gs://b/o')\n"
    )
    migration = migrate_source(text, pins=newest)
    assert joined(migration.text).splitlines()[2:] == [
        "BigQueryCreateTableOperator(task_id='t', dataset_id='d', table_id=T, gcp_conn_id='b', "
        "google_cloud_storage_conn_id='g', "
        'table_resource={"labels": L, "schema": {"fields": F}})',
        "BigQueryCreateTableOperator(task_id='u', dataset_id='d', table_id=T, "
        "gcs_schema_object='gs://b/o', table_resource={})",
    ]


@pytest.mark.parametrize(("other", "notes"), [("'b'", 0), ("'g'", 1)])
def test_two_connections_that_become_one(other: str, notes: int, newest: dict[str, str]) -> None:
    text = (
        "from airflow.contrib.operators.gcs_to_bq import GoogleCloudStorageToBigQueryOperator\n\n"
        "GoogleCloudStorageToBigQueryOperator(task_id='t', bucket='b', source_objects=['a'], "
        "destination_project_dataset_table='d.t', bigquery_conn_id='b', "
        f"google_cloud_storage_conn_id={other})\n"
    )
    migration = migrate_source(text, pins=newest)
    assert "gcp_conn_id='b')" in (migration.text or "")
    assert len([n for n in migration.notes if "has one gcp_conn_id" in n.message]) == notes


BACKPORTS = "airflow.providers.google"


@pytest.mark.parametrize(
    ("module", "call", "after", "told"),
    [
        (
            f"{BACKPORTS}.cloud.transfers.azure_fileshare_to_gcs",
            "AzureFileShareToGCSOperator(**more, wasb_conn_id='w', directory_name='d')",
            "AzureFileShareToGCSOperator(**more, azure_fileshare_conn_id='w', directory_path='d')",
            [],
        ),
        (
            f"{BACKPORTS}.cloud.transfers.gdrive_to_gcs",
            "GoogleDriveToGCSOperator(**more, destination_bucket='b', delegate_to=None)",
            "GoogleDriveToGCSOperator(**more, bucket_name='b')",
            [],
        ),
        (
            "airflow.providers.amazon.aws.transfers.glacier_to_gcs",
            "GlacierToGCSOperator(**more, delegate_to='me')",
            None,
            ["does not take delegate_to"],
        ),
        (
            "airflow.providers.amazon.aws.transfers.imap_attachment_to_s3",
            "ImapAttachmentToS3Operator(task_id='t', imap_attachment_name='a', s3_key='k')",
            None,
            ["needs s3_bucket"],
        ),
        (
            f"{BACKPORTS}.cloud.transfers.gcs_to_gcs",
            "GCSToGCSOperator(**more, source_object='a/*', source_objects=['a', 'b'])",
            None,
            ["warns about a wildcard in source_object"],
        ),
    ],
)
def test_classes_that_only_backports_had(
    module: str, call: str, after: str | None, told: list[str], newest: dict[str, str]
) -> None:
    name = call.partition("(")[0]
    migration = migrate_source(f"from {module} import {name}\n\n{call}\n", pins=newest)
    assert migration.text == (after and f"from {module} import {name}\n\n{after}\n")
    assert [n.message for n in migration.notes] == [f"{name} {t} on the target" for t in told]


MAKERS = """\
from airflow import DAG
from airflow.operators.postgres_operator import PostgresOperator


def make_dag(name, schedule_interval, **kwargs):
    return DAG(name, schedule_interval=schedule_interval, **kwargs)


def ask(name, autocommit=True, **kwargs):
    return PostgresOperator(task_id=name, autocommit=autocommit, **kwargs)
"""
MADE = """

make_dag('d', schedule_interval='@daily', concurrency=2)
ask('a', sql='delete from a', postgres_conn_id='p', autocommit=False)
"""
MADE_AFTER = MADE.replace("concurrency", "max_active_tasks").replace("postgres_conn_id", "conn_id")


def test_a_function_that_hands_kwargs_on(newest: dict[str, str]) -> None:
    migration = migrate_source(MAKERS + MADE, pins=newest)
    assert other_notes(migration) == []
    assert (migration.text or "").endswith(MADE_AFTER)
    head = "# airflow\nfrom lib.makers import ask, make_dag\n"
    own = own_classes({"lib/makers.py": MAKERS}, ["ask", "make_dag"])
    assert migrate_source(head + MADE, pins=newest, own=own).text == head + MADE_AFTER


def test_what_a_function_takes_for_itself_is_its_own(newest: dict[str, str]) -> None:
    head = (
        "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator\n\n\n"
        "def pod(is_delete_operator_pod, **kwargs):\n"
        "    return KubernetesPodOperator(**kwargs)\n\n\n"
    )
    assert migrate_source(head + "pod(is_delete_operator_pod=True)\n", pins=newest).text is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("run = PythonOperator\nrun(provide_context=True)\n", "run = PythonOperator\nrun()\n"),
        (
            "KINDS = {'py': PythonOperator}\nKINDS['py'](provide_context=True)\n",
            "KINDS = {'py': PythonOperator}\nKINDS['py']()\n",
        ),
        (
            "make = lambda **more: PythonOperator(**more)\nmake(provide_context=True)\n",
            "make = lambda **more: PythonOperator(**more)\nmake()\n",
        ),
        (
            "class Flow:\n    def add(self, **more):\n        return PythonOperator(**more)\n\n\n"
            "Flow().add(provide_context=True)\nseen.add(provide_context=True)\n",
            "class Flow:\n    def add(self, **more):\n        return PythonOperator(**more)\n\n\n"
            "Flow().add()\nseen.add(provide_context=True)\n",
        ),
    ],
)
def test_operators_by_other_names(before: str, after: str, newest: dict[str, str]) -> None:
    assert migrate_source(HEAD + before, pins=newest).text == HEAD + after


def test_an_own_operator_of_another_file_gets_its_arguments_by_name(newest: dict[str, str]) -> None:
    base = (
        "from airflow.models import BaseOperator\n\n\nclass Base(BaseOperator):\n"
        "    def __init__(self, table, key=None, **kwargs):\n"
        "        super().__init__(**kwargs)\n"
    )
    sources = {
        "ops/base.py": base,
        "ops/mine.py": "from ops.base import Base\nclass Mine(Base): pass\n",
    }
    own = own_classes(sources, ["Mine"])
    before = "# airflow\nfrom ops.mine import Mine\n\nMine('a', 'b', task_id='t')\n"
    after = before.replace("'a', 'b'", "table='a', key='b'")
    assert migrate_source(before, pins=newest, own=own).text == after


def test_a_class_is_known_where_the_repository_is_a_package_itself(newest: dict[str, str]) -> None:
    text = (
        "from airflow.operators.bash import BashOperator\n\n\nclass Mine(BashOperator):\n"
        "    def __init__(self, *args, **kwargs):\n        super().__init__(*args, **kwargs)\n"
    )
    own = own_classes({"ops/mine.py": text}, ["Mine"])
    for module, argument in (("company.ops.mine", "max_active_tis_per_dag"), ("other.mine", "")):
        before = f"# airflow\nfrom {module} import Mine\n\nMine(task_id='t', task_concurrency=2)\n"
        after = before.replace("task_concurrency", argument) if argument else None
        assert migrate_source(before, pins=newest, own=own).text == after


def test_what_cannot_be_written_is_told_and_the_rest_is_done(newest: dict[str, str]) -> None:
    head = "from airflow.utils.dates import days_ago\n"
    lines = "text = f\"{f'{days_ago(2)}'}\"\n", "first = days_ago(1)\n"
    migration = migrate_source(head + "".join(lines), pins=newest)
    assert migration.error is None
    assert migration.text is not None
    if sys.version_info < (3, 12):  # from there on a quote may stand in a string of its kind
        assert lines[0] in migration.text
        assert [(note.rule, note.line) for note in migration.notes] == [("days-ago", 2)]
    assert 'first = pendulum.today("UTC").add(days=-1)\n' in migration.text


def test_what_is_the_same_of_two_names_of_a_line_is_told_once(newest: dict[str, str]) -> None:
    line = "from flask_admin.model import BaseModelView, typefmt\n"
    (note,) = migrate_source(f"# airflow\n{line}BaseModelView, typefmt\n", pins=newest).notes
    assert note.rule == "third-party"
    assert note.column == line.index("BaseModelView")


def test_a_long_value_is_written_over_lines(newest: dict[str, str]) -> None:
    path = "a/" * 20
    before = (
        "from airflow.contrib.operators.dataproc_operator import DataprocClusterCreateOperator\n\n"
        "DataprocClusterCreateOperator(\n    task_id='c',\n    cluster_name='c',\n"
        f"    project_id=P,\n    network_uri='{path}',\n    subnetwork_uri='{path}',\n)\n"
    )
    after = (
        "    cluster_config=ClusterGenerator(\n        project_id=P,\n"
        "        master_disk_size=500,\n        worker_disk_size=500,\n"
        f"        network_uri='{path}',\n        subnetwork_uri='{path}',\n    ).make(),\n)\n"
    )
    assert (migrate_source(before, pins=newest).text or "").endswith(after)


def test_what_goes_over_lines_already_moves_with_its_lines(newest: dict[str, str]) -> None:
    before = (
        "from airflow.contrib.operators.dataproc_operator import DataProcSparkOperator\n\n"
        "with DAG():\n"
        "    DataProcSparkOperator(task_id='t', cluster_name='c', arguments=[\n"
        "        'a',  # the first\n        'b',\n    ], main_class='X')\n"
    )
    after = (
        "    DataprocSubmitJobOperator(task_id='t', region=\"global\", job={\n"
        '        "placement": {"cluster_name": \'c\'},\n'
        '        "spark_job": {\n'
        "            \"args\": [\n                'a',  # the first\n                'b',\n"
        "            ],\n            \"main_class\": 'X',\n        },\n    })\n"
    )
    assert (migrate_source(before, pins=newest).text or "").endswith(after)


def test_text_over_lines_stays_as_it_is(newest: dict[str, str]) -> None:
    query = '"""SELECT\n  1\n"""'
    before = (
        "from airflow.contrib.operators.dataproc_operator import DataProcHiveOperator\n\n"
        f"DataProcHiveOperator(task_id='t', cluster_name='c', query={query})\n"
    )
    text = migrate_source(before, pins=newest).text or ""
    assert f"[{query}]" in text
    assert '\'t\', region="global", job={\n    "placement"' in text


def test_a_name_for_one_of_two_classes_that_take_the_same(newest: dict[str, str]) -> None:
    head = (
        "from airflow.operators.bash_operator import BashOperator\n"
        "from airflow.operators.python_operator import BranchPythonOperator, PythonOperator\n\n"
    )
    call = "make(task_id='t', python_callable=print, provide_context=True)\n"
    for other, dropped in (("BranchPythonOperator", True), ("BashOperator", False)):
        text = f"{head}make = PythonOperator if late else {other}\n{call}"
        new = migrate_source(text, pins=newest).text or ""
        assert ("provide_context" not in new) == dropped


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "s3_to_snowflake.S3ToSnowflakeOperator(task_id='t', s3_keys=K, table='x', stage='s')",
            "CopyFromExternalStageToSnowflakeOperator(task_id='t', files=K, table='x', stage='s')",
        ),
        (
            "snowflake_to_slack.SnowflakeToSlackOperator(sql=S, slack_message=M, role='r')",
            "SqlToSlackWebhookOperator(sql=S, slack_message=M, "
            'sql_conn_id="snowflake_default", sql_hook_params={"role": \'r\'})',
        ),
    ],
)
def test_snowflakes_transfers_go_to_their_successors(
    before: str, after: str, newest: dict[str, str]
) -> None:
    module = before.partition(".")[0]
    text = f"from airflow.providers.snowflake.transfers import {module}\n\n{before}\n"
    new = joined(migrate_source(text, pins=newest).text)
    assert after in new.replace(f"{module}.", "").replace("sql_to_slack_webhook.", "").replace(
        "copy_into_snowflake.", ""
    )


def test_long_new_code_is_an_item_a_line_and_the_old_stays(newest: dict[str, str]) -> None:
    text = (
        "from airflow.contrib.operators.snowflake_operator import SnowflakeOperator\n\n\n"
        "def load():\n"
        "    SnowflakeOperator(task_id='t', sql=['a', 'b'], warehouse='a_house', role='a_role')\n"
    )
    first = migrate_source(text, pins=newest)
    assert (first.text or "").splitlines()[4:] == [
        "    SQLExecuteQueryOperator(task_id='t', sql=['a', 'b'], conn_id=\"snowflake_default\", "
        "autocommit=True, hook_params={",
        "        \"warehouse\": 'a_house',",
        "        \"role\": 'a_role',",
        "    })",
    ]
    assert migrate_source(first.text or "", pins=newest).text is None


def test_what_is_in_an_f_string_is_not_broken(newest: dict[str, str]) -> None:
    text = (
        "from airflow.contrib.operators.snowflake_operator import SnowflakeOperator\n\n"
        "x = f'{SnowflakeOperator(task_id=T, sql=S, warehouse=A_LONG_WAREHOUSE, role=A_ROLE)}'\n"
    )
    migration = migrate_source(text, pins=newest)
    assert migration.error is None


def test_a_class_that_others_inherit_from_is_not_called_as_its_successor(
    targets: dict[str, dict[str, str]],
) -> None:
    """The class in the other file stays with the one that warns, and so does its call."""
    imports = "from airflow.operators.postgres_operator import PostgresOperator\n"
    own = own_classes({"ops/mine.py": f"{imports}class Mine(PostgresOperator): pass\n"}, ["Mine"])
    text = "from airflow import DAG\nfrom ops.mine import Mine\n\n"
    text += "Mine(task_id='t', sql='s', postgres_conn_id='p')\n"
    assert migrate_source(text, pins=targets["2.10.3"], own=own).text is None
    called = migrate_source(text, pins=targets["2.11.0"], own=own).text or ""
    assert "Mine(task_id='t', sql='s', conn_id='p')" in called


S3 = "from airflow.sensors.s3_prefix_sensor import S3PrefixSensor\n\n"


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("prefix='in/{{ ds[:4] }}', delimiter='/'", '"in/{{ ds[:4] }}/*"'),
        ("prefix='in/'", '"in/*"'),
        ("prefix=f'{TEAM}/in'", 'f"{TEAM}/in/*"'),
        ("prefix=FOLDER", 'f"{FOLDER}/*"'),
    ],
)
def test_a_prefix_of_s3_is_a_pattern(given: str, key: str, newest: dict[str, str]) -> None:
    """1.10 waited for anything below a folder."""
    head = "FOLDER = 'in/files'\n\nwait = "
    before = S3 + head + f"S3PrefixSensor(task_id='w', bucket_name='b', {given})\n"
    after = (
        "from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor\n\n"
        + head
        + "S3KeySensor("
        f"task_id='w', bucket_name='b', bucket_key={key}, wildcard_match=True)\n"
    )
    migration = migrate_source(before, pins=newest)
    assert joined(migration.text) == after
    assert not migration.notes


@pytest.mark.parametrize(
    "given", ["prefix=ask()", "prefix='in/*'", "prefix=f'in/{TEAM}'", "prefix='a', delimiter='.'"]
)
def test_a_prefix_of_s3_that_is_no_folder_in_sight(given: str, newest: dict[str, str]) -> None:
    text = S3 + f"S3PrefixSensor(task_id='w', bucket_name='b', {given})\n"
    notes = [note.message for note in migrate_source(text, pins=newest).notes]
    assert any("does not take" in message for message in notes)


@pytest.mark.parametrize(
    ("hook", "connection"),
    [("SSHHook('files')", "'files'"), ("HOOK", '"other"'), ("SSHHook('a', timeout=3)", "")],
)
def test_the_connection_of_an_ssh_hook(hook: str, connection: str, newest: dict[str, str]) -> None:
    text = (
        "from airflow.contrib.hooks.ssh_hook import SSHHook\n"
        "from airflow.contrib.operators.sftp_operator import SFTPOperator\n\n"
        'HOOK = SSHHook(ssh_conn_id="other")\n'
        f"put = SFTPOperator(task_id='p', ssh_hook={hook}, remote_filepath='b')\n"
    )
    migration = migrate_source(text, pins=newest)
    made = joined(migration.text).partition("put = ")[2]
    if connection:
        assert f"ssh_conn_id={connection}, remote" in made
        assert not migration.notes
    else:
        assert "ssh_hook=SSHHook(" in made
        assert "ssh_hook" in migration.notes[0].message


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        (  # what one rule rewrites in a dict no other tells of
            "from airflow.operators.docker_operator import DockerOperator\n\n"
            "kw = {'image': 'i', 'volumes': ['/a:/b'], 'auto_remove': True}\n"
            "DockerOperator(task_id='t', **kw)\n",
            set(),
        ),
        (
            "from airflow.contrib.operators.docker_swarm_operator import DockerSwarmOperator\n\n"
            "DockerSwarmOperator(task_id='t', image='i', volumes=MOUNTED)\n",
            {"docker-arguments"},
        ),
    ],
)
def test_one_thing_is_told_by_one_rule(text: str, rules: set[str], newest: dict[str, str]) -> None:
    migration = migrate_source(text, pins=newest)
    assert {note.rule for note in migration.notes} == rules
    assert len(migration.notes) == len(rules)


@pytest.mark.parametrize(
    "call",
    [
        "XCom.get_one(execution_date=day, key='k')",
        "XCom.get_many(day)",
        "XCom.set('k', 1, day, 't', 'd')",
        "TaskInstance(task, day)",
        "TaskInstance(task=task, execution_date=day)",
    ],
)
def test_a_date_that_stands_for_a_run_is_told(
    call: str, targets: dict[str, dict[str, str]]
) -> None:
    text = f"from airflow.models import TaskInstance, XCom\n\n{call}\n"
    for version, told in (("2.0.2", []), ("2.5.1", [True]), ("2.11.0", [True])):
        migration = migrate_source(text, pins=targets[version])
        assert migration.text is None
        assert ["run_id=..." in note.fix for note in migration.notes] == told


def test_what_an_attribute_of_is_asked_is_rewritten_too(newest: dict[str, str]) -> None:
    text = (
        "from airflow import DAG\n"
        "from airflow.contrib.hooks.salesforce_hook import SalesforceHook\n\n"
        "DAG('x', schedule_interval=None, concurrency=3).sub_dag('a')\n"
        "SalesforceHook(conn_id='c').sign_in()\n"
    )
    assert migrate_source(text, pins=newest).text == (
        "from airflow import DAG\n"
        "from airflow.providers.salesforce.hooks.salesforce import SalesforceHook\n\n"
        "DAG('x', schedule=None, max_active_tasks=3).partial_subset('a')\n"
        "SalesforceHook(salesforce_conn_id='c').get_conn()\n"
    )


@pytest.mark.parametrize(
    ("module", "name", "read"),
    [
        ("bigquery_operator", "BigQueryOperator", "sql destination_dataset_table query_params"),
        ("dataproc_operator", "DataProcSparkOperator", "main_jar dataproc_spark_jars job_name"),
    ],
)
def test_an_attribute_is_mapped_without_a_value(
    module: str, name: str, read: str, newest: dict[str, str]
) -> None:
    """What a subclass reads has no text that a changed shape could be told from."""
    text = f"from airflow.contrib.operators.{module} import {name}\n\n\nclass Mine({name}):\n"
    text += "    def all(self):\n        return " + ", ".join(f"self.{n}" for n in read.split())
    migration = migrate_source(f"{text}\n", pins=newest)
    assert migration.text
    assert not migration.error


def test_a_name_that_is_made_of_itself_again_and_again_has_an_end(newest: dict[str, str]) -> None:
    """Each of these may be any of those before: to follow all ways would take years."""
    text = "from airflow.hooks.S3_hook import S3Hook\n\nhook = S3Hook()\n"
    text += "hook = hook.more(hook)[hook] or hook\n" * 20 + "hook.load_string('a', 'b')\n"
    migration = migrate_source(text, pins=newest)
    assert migration.text == text.replace(
        "airflow.hooks.S3_hook", "airflow.providers.amazon.aws.hooks.s3"
    )


def test_a_query_class_of_another_file_keeps_its_arguments(newest: dict[str, str]) -> None:
    own = {
        "Merge": (
            OwnClass(
                base="airflow.contrib.operators.bigquery_operator.BigQueryOperator",
                takes=(),
                within=("merge",),
            ),
        )
    }
    text = (
        "from merge import Merge\n\n"
        "Merge(task_id='airflow', sql='s', bigquery_conn_id='b', bql=None, xcom_push=True)\n"
    )
    made = migrate_source(text, pins=newest, own=own)
    assert made.text == text.replace("xcom_push", "do_xcom_push")
    assert made.notes == ()


@pytest.mark.parametrize("version", ["2.5.1", "2.10.3"])
def test_a_subclass_of_snowflakes_operator_keeps_its_arguments(
    version: str, targets: dict[str, dict[str, str]]
) -> None:
    made = migrate_source(
        "from airflow.contrib.operators.snowflake_operator import SnowflakeOperator\n\n\n"
        "class Mine(SnowflakeOperator):\n    pass\n\n\n"
        "Mine(task_id='t', sql='insert', warehouse='w')\n",
        pins=targets[version],
    )
    assert made.notes == ()
    assert "class SnowflakeOperator(sql.SQLExecuteQueryOperator):" in (made.text or "")
    assert "Mine(task_id='t', sql='insert', warehouse='w'" in (made.text or "")


def test_a_date_as_text_within_a_call_that_changes(newest: dict[str, str]) -> None:
    """What is inserted belongs to the call around it, which is written anew."""
    source = (
        "from airflow.contrib.operators.slack_webhook_operator import SlackWebhookOperator\n\n\n"
        "def alert(context):\n"
        "    text = 'failed at {}'.format(context['execution_date'])\n"
        "    return SlackWebhookOperator(\n"
        "        task_id='alert',\n"
        "        http_conn_id='slack',\n"
        "        message='{} {}'.format(text, context['execution_date']),\n"
        "    ).execute(context)\n"
    )
    migration = migrate_source(source, pins=newest)
    assert migration.error is None
    assert migration.text == (
        "from airflow.providers.slack.operators.slack_webhook import SlackWebhookOperator\n\n\n"
        "def alert(context):\n"
        "    text = 'failed at {}'.format(context['execution_date'].isoformat())\n"
        "    return SlackWebhookOperator(\n"
        "        task_id='alert',\n"
        "        slack_webhook_conn_id='slack',\n"
        "        message='{} {}'.format(text, context['execution_date'].isoformat()),\n"
        "    ).execute(context)\n"
    )


def test_output_of_ssh_is_pushed_as_base64(newest: dict[str, str]) -> None:
    """1.10 pickled the bytes; only a file that was written for it is told."""
    old = "from airflow.contrib.operators.ssh_operator import SSHOperator\n"
    call = "SSHOperator(task_id='a', ssh_conn_id='s', command='ls', do_xcom_push=True)\n"
    migration = migrate_source(old + call, pins=newest)
    assert [n.message for n in migration.notes if n.rule == "xcom-values"] == [
        "SSHOperator pushes its output as base64 text on the target, where 1.10 pushed the bytes"
    ]
    assert migrate_source(migration.text or "", pins=newest).notes == ()
    silent = migrate_source(old + call.replace(", do_xcom_push=True", ""), pins=newest)
    assert silent.notes == ()


def test_all_output_of_a_container_is_pushed_as_lines(newest: dict[str, str]) -> None:
    old = "from airflow.operators.docker_operator import DockerOperator\n"
    call = "DockerOperator(task_id='a', image='i', xcom_push=True, xcom_all=True)\n"
    (note,) = migrate_source(old + call, pins=newest).notes
    assert note.rule == "xcom-values"
    assert "a list of lines" in note.message
    # 1.10 pushed nothing where xcom_push is not given, and the last line without xcom_all.
    for part in (", xcom_push=True", ", xcom_all=True"):
        assert migrate_source(old + call.replace(part, ""), pins=newest).notes == ()


def test_a_databases_hook_takes_its_connection_by_the_name_that_it_says(
    targets: dict[str, dict[str, str]],
) -> None:
    made = (
        "from airflow.providers.mysql.hooks.mysql import MySqlHook\n"
        "MySqlHook(mysql_conn_id='m', other=1)\n"
    )
    for version in ("2.0.2", "2.5.1", "2.11.0"):
        notes = migrate_source(made, pins=targets[version]).notes
        assert ["other" in note.message for note in notes] == [True]


def test_a_hook_that_another_one_replaced_stays_as_long_as_it_is_there(
    newest: dict[str, str],
) -> None:
    made = (
        "from airflow.providers.google.cloud.hooks.automl import CloudAutoMLHook\n"
        "CloudAutoMLHook(gcp_conn_id='x').create_dataset(DATASET, 'here')\n"
    )
    done = migrate_source(made, pins=newest)
    assert done.text is None
    assert ["AutoMLHook" in note.fix for note in done.notes] == [True]


def test_pythons_own_callables_that_do_not_say_what_they_take() -> None:
    """The table is that of Python 3.7 to 3.12; later ones may say it."""
    from codemods.rules.builtin_callables import _BUILTINS, _PATHS

    for path in (*(f"builtins.{name}" for name in _BUILTINS), *_PATHS):
        module, _, name = path.rpartition(".")
        found = getattr(import_module(module), name)
        assert callable(found)
        if sys.version_info < (3, 13):
            with pytest.raises(ValueError, match="signature"):
                inspect.signature(found)
