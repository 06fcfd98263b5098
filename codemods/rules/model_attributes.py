"""Attributes of DAGs, tasks and runs bear the names that they have on the target."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from codemods.base import Example, Note, Rule
from codemods.changes import Change, Step
from codemods.instances import (
    CONNECTION,
    DAG,
    DAG_BAG,
    INSTANCE,
    MODEL,
    POOL,
    RUN,
    TASK,
    instances,
)
from codemods.rules._text import lines
from codemods.source import Source
from codemods.target import Target

ID = "model-attributes"
_JOB = "airflow.jobs.base_job.BaseJob"
_LOGGED = "airflow.utils.log.logging_mixin.LoggingMixin"
_STATE = "airflow.utils.state.State"
_SETS = {"finished", "unfinished"}


@dataclass(frozen=True, kw_only=True)
class _Row:
    """What became of an attribute: ``new`` is the code behind the dot, or ``advice`` is given."""

    since: str
    new: str = ""
    advice: str = ""

    @property
    def called(self) -> bool:
        return self.new.endswith(")")


_RUNS = "Ask the timetable: dag.next_dagrun_info(...) or dag.iter_dagrun_infos_between(...)"
_CYCLE = "Call airflow.utils.dag_cycle_tester.check_cycle(dag)"
# Source: airflow/models/{dag,baseoperator,taskinstance,dagrun,connection,pool}.py and
# airflow/utils/log/logging_mixin.py of 1.10.15, 2.5.1, 2.10.3 and 2.11.0.
# tests/codemods/test_model_attributes.py proves that it is complete.
ROWS: Mapping[str, Mapping[str, _Row]] = {
    DAG: {
        "concurrency": _Row(since="2.2", new="max_active_tasks"),
        "full_filepath": _Row(since="2.0", new="fileloc"),
        "latest_execution_date": _Row(since="2.0", new="get_latest_execution_date()"),
        "is_paused": _Row(since="2.0", new="get_is_paused()"),
        "concurrency_reached": _Row(since="2.0", new="get_concurrency_reached()"),
        "sub_dag": _Row(since="2.0", new="partial_subset"),
        "description_unicode": _Row(since="2.0", new="description"),
        "filepath": _Row(since="2.2", advice="Write str(dag.relative_fileloc)"),
        "following_schedule": _Row(since="2.2", advice=_RUNS),
        "previous_schedule": _Row(since="2.2", advice=_RUNS),
        "date_range": _Row(since="2.2", advice=_RUNS),
        "get_run_dates": _Row(since="2.2", advice=_RUNS),
        "normalize_schedule": _Row(since="2.2", advice=_RUNS),
        "is_fixed_time_schedule": _Row(since="2.2", advice=_RUNS),
        "normalized_schedule_interval": _Row(since="2.2", advice="Use dag.timetable"),
        "set_dag_runs_state": _Row(since="2.2", advice="Call dag.clear(...), which sets it"),
        "tree_view": _Row(since="2.8", advice="There is no successor: log what you need yourself"),
        "get_dagtags": _Row(since="2.0", advice="Use dag.tags"),
        "test_cycle": _Row(since="2.0", advice=_CYCLE),
    },
    TASK: {
        "task_concurrency": _Row(since="2.2", new="max_active_tis_per_dag"),
        "schedule_interval": _Row(since="2.0", advice="Tasks have none: use self.dag's"),
        "lineage_data": _Row(since="2.0", advice="Use inlets and outlets"),
        "add_only_new": _Row(since="2.0", advice="Use set_upstream or set_downstream"),
    },
    INSTANCE: {
        "previous_ti": _Row(since="2.0", new="get_previous_ti()"),
        "previous_ti_success": _Row(since="2.0", new='get_previous_ti(state="success")'),
        "previous_start_date_success": _Row(
            since="2.0", new='get_previous_start_date(state="success")'
        ),
        "previous_execution_date_success": _Row(
            since="2.0", new='get_previous_execution_date(state="success")'
        ),
        "prev_attempted_tries": _Row(since="2.10", new="try_number"),
        "pool_full": _Row(since="2.0", advice="Ask Pool.get_pool(ti.pool).open_slots()"),
        "log_filepath": _Row(since="2.0", advice="Use ti.log_url"),
        "command": _Row(since="2.0", new="command_as_list"),
    },
    RUN: {
        "id_for_date": _Row(
            since="2.0",
            advice="Write DagRun.generate_run_id(DagRunType.MANUAL, date), with DagRunType of "
            "airflow.utils.types",
        ),
        "ID_PREFIX": _Row(since="2.0", advice='Write "scheduled__" or use DagRunType'),
        "ID_FORMAT_PREFIX": _Row(since="2.0", advice='Write "scheduled__{0}" or use DagRunType'),
        "get_run": _Row(since="2.2", advice="Use DagRun.find(dag_id=..., execution_date=...)"),
    },
    CONNECTION: {
        "parse_from_uri": _Row(since="2.0", advice="Make it by Connection(uri=...)"),
        "log_info": _Row(since="2.0", advice="Log what you need of it, never the password"),
        "debug_info": _Row(since="2.0", advice="Log what you need of it, never the password"),
    },
    POOL: {"used_slots": _Row(since="2.0", new="running_slots")},
    MODEL: {
        "last_scheduler_run": _Row(since="2.0.2", new="last_parsed_time"),
        "get_dag": _Row(
            since="2.0", advice="Ask DagBag(read_dags_from_db=True).get_dag(model.dag_id)"
        ),
        "create_dagrun": _Row(
            since="2.0",
            advice="Ask DagBag(read_dags_from_db=True).get_dag(model.dag_id), and it for the run",
        ),
    },
    DAG_BAG: {
        "kill_zombies": _Row(since="2.0", advice="Delete the call: the scheduler fails zombies"),
        "store_serialized_dags": _Row(since="2.0", new="read_dags_from_db"),
        **{
            name: _Row(since="2.0", advice=advice)
            for name, advice in {
                "CYCLE_NEW": _CYCLE,
                "CYCLE_IN_PROGRESS": _CYCLE,
                "CYCLE_DONE": _CYCLE,
                "UNIT_TEST_MODE": 'Ask conf.getboolean("core", "unit_test_mode")',
                "executor": "A DagBag has none: ask ExecutorLoader.get_default_executor()",
            }.items()
        },
        "DAGBAG_IMPORT_TIMEOUT": _Row(
            since="2.4", advice='Ask conf.getfloat("core", "dagbag_import_timeout")'
        ),
        "SCHEDULER_ZOMBIE_TASK_THRESHOLD": _Row(
            since="2.4", advice='Ask conf.getint("scheduler", "scheduler_zombie_task_threshold")'
        ),
    },
    "airflow.models.taskreschedule.TaskReschedule": {
        "find_for_task_instance": _Row(
            since="2.8", advice="Run session.scalars(TaskReschedule.stmt_for_task_instance(ti=ti))"
        ),
    },
    "airflow.models.xcom.BaseXCom": {
        "id": _Row(since="2.0", advice="Its key is dag_id, task_id, the run and key together"),
    },
    "airflow.models.taskfail.TaskFail": {
        "execution_date": _Row(since="2.3", advice="Use TaskFail.run_id, or its dag_run's date"),
    },
    _JOB: {
        "reset_state_for_orphaned_tasks": _Row(since="2.0", advice="The scheduler's job does it"),
        "run": _Row(since="2.6", advice="Use run_job(job=..., execute_callable=...)"),
        "heartbeat_callback": _Row(since="2.6", advice="It is the job runner's"),
    },
    _LOGGED: {"logger": _Row(since="2.0", new="log")},
}
_NAMES = frozenset(name for rows in ROWS.values() for name in rows)


def _find(source: Source, target: Target) -> Iterator[Change]:
    yield from _states(source, target)
    if not any(f".{name}" in source.text for name in _NAMES):
        return
    for node in source.nodes:
        if not isinstance(node, ast.Attribute) or node.attr not in _NAMES:
            continue
        known = instances(source)
        # DagRun.id_for_date
        static = (source.path_of(node) or "").rpartition(".")[0]
        lineage = known.lineage(known.path(node.value) or static)
        row = next((ROWS[p][node.attr] for p in lineage if node.attr in ROWS.get(p, {})), None)
        if (
            row is None
            or known.overrides(node.value, node.attr)
            or not target.has(f"apache-airflow>={row.since}")
        ):
            continue
        yield _change(source, node, row, lineage)


def _states(source: Source, target: Target) -> Iterator[Step]:
    """``State.finished()`` gave a list; it is a set without a call."""
    if "finished()" not in source.text or not target.has("apache-airflow>=2.0"):
        return
    for node in source.plain_calls:
        owner, _, name = (source.path_of(node.func) or "").rpartition(".")
        if name in _SETS and not node.args and target.resolve(owner).path == _STATE:
            code = f"list({source.segment(node.func)})"
            yield Step.replace(node, code, rule=ID, message=f"State.{name} is a set on the target")


def _change(source: Source, node: ast.Attribute, row: _Row, lineage: tuple[str, ...]) -> Change:
    name = lineage[0].rpartition(".")[2]
    if not row.new or (row.called and not isinstance(node.ctx, ast.Load)):
        return Note.at(
            node,
            rule=ID,
            message=f"{name}.{node.attr} is gone or warns on the target",
            fix=row.advice or f"Use {source.segment(node.value)}.{row.new}",
        )
    message = f"{name}.{node.attr} is {row.new} on the target"
    return Step.attribute(node, row.new, rule=ID, message=message)


RULE = Rule(
    id=ID,
    title="Ask DAGs, tasks and runs by the target's names",
    why="Attributes of DAG, BaseOperator, TaskInstance and DagRun were renamed or became methods; "
    "what is gone fails when the task runs, long after the DAG parsed.",
    examples=(
        Example(
            before=lines("from airflow.utils.state import State", "", "State.finished() + x"),
            after=lines("from airflow.utils.state import State", "", "list(State.finished) + x"),
        ),
        Example(
            before=lines(
                "from airflow import DAG",
                "from airflow.models import BaseOperator",
                "",
                "dag = DAG('d', schedule=None)",
                "print(dag.concurrency, dag.full_filepath, dag.latest_execution_date)",
                "",
                "",
                "class Mine(BaseOperator):",
                "    def execute(self, context):",
                "        self.logger.info(self.dag.concurrency)",
                "        return context['ti'].previous_ti",
            ),
            after=lines(
                "from airflow import DAG",
                "from airflow.models import BaseOperator",
                "",
                "dag = DAG('d', schedule=None)",
                "print(dag.max_active_tasks, dag.fileloc, dag.get_latest_execution_date())",
                "",
                "",
                "class Mine(BaseOperator):",
                "    def execute(self, context):",
                "        self.log.info(self.dag.max_active_tasks)",
                "        return context['ti'].get_previous_ti()",
            ),
        ),
        Example(
            before=lines(
                "from airflow.models import DagModel, DagRun",
                "",
                "columns = [DagRun.execution_date, DagModel.last_scheduler_run]",
            ),
            after=lines(
                "from airflow.models import DagModel, DagRun",
                "",
                "columns = [DagRun.execution_date, DagModel.last_parsed_time]",
            ),
        ),
        Example(
            before=lines(
                "from airflow import DAG",
                "",
                "",
                "def f(ti, **kwargs):",
                "    return kwargs['dag'].following_schedule(ti.previous_execution_date_success)",
            ),
            after=lines(
                "from airflow import DAG",
                "",
                "",
                "def f(ti, **kwargs):",
                "    return kwargs['dag'].following_schedule("
                'ti.get_previous_execution_date(state="success"))',
            ),
            notes=("dag.next_dagrun_info(...)",),
        ),
        Example(
            before=lines(
                "from airflow.models import DagBag, DagModel, DagRun",
                "",
                "bag = DagBag()",
                "bag.kill_zombies([])",
                "",
                "",
                "def told(ctx, session=None):",
                "    model = session.query(DagModel).first()",
                "    print(model.get_dag(), ctx['dag_run'].dag.full_filepath)",
                "    for run in DagRun.find(dag_id='d'):",
                "        print(run.dag.concurrency, run.get_dag().sub_dag)",
                "",
                "",
                "arguments = {'on_failure_callback': told}",
            ),
            after=lines(
                "from airflow.models import DagBag, DagModel, DagRun",
                "",
                "bag = DagBag()",
                "bag.kill_zombies([])",
                "",
                "",
                "def told(ctx, session=None):",
                "    model = session.query(DagModel).first()",
                "    print(model.get_dag(), ctx['dag_run'].dag.fileloc)",
                "    for run in DagRun.find(dag_id='d'):",
                "        print(run.dag.max_active_tasks, run.get_dag().partial_subset)",
                "",
                "",
                "arguments = {'on_failure_callback': told}",
            ),
            notes=("the scheduler fails zombies", "read_dags_from_db=True"),
        ),
    ),
    keeps=(
        lines("from airflow.utils.state import State", "", "print(State.finished)"),
        lines(
            "from airflow.models import BaseOperator",
            "",
            "",
            "class Mine(BaseOperator):",
            "    def __init__(self, concurrency, **kwargs):",
            "        super().__init__(**kwargs)",
            "        self.concurrency = self.logger = concurrency",
            "",
            "    def execute(self, context):",
            "        self.logger(self.concurrency)",
        ),
        lines("from airflow import DAG", "", "POOL.concurrency", "dag.is_paused"),
        lines(
            "from airflow import DAG",
            "",
            "",
            "def f(dag):",
            "    return dag.concurrency",
        ),
        lines("import mylib", "", "# airflow", "dag = mylib.DAG()", "dag.full_filepath"),
    ),
    find=_find,
)
