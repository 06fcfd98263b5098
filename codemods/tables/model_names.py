"""What became of the attributes of DAGs, tasks, runs and their dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codemods.tables.core_classes import (
    CONNECTION,
    DAG,
    DAG_BAG,
    DATE,
    INSTANCE,
    MODEL,
    POOL,
    RUN,
    TASK,
)

_JOB = "airflow.jobs.base_job.BaseJob"
_LOGGED = "airflow.utils.log.logging_mixin.LoggingMixin"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of an attribute: ``new`` is the code behind the dot, or ``advice`` is given, in
    which ``{0}`` stands for what is asked."""

    since: str
    new: str = ""
    advice: str = ""
    given: str = ""  # it counts only for calls whose first text holds this
    uncalled: bool = False  # what is called by that name is the target's own method

    @property
    def called(self) -> bool:
        return self.new.endswith(")")

    def holds(self, text: str) -> bool:
        """Whether it counts for a call that is given this text."""
        return self.given in text

    def said(self, owner: str) -> str:
        """What to write instead, of what is called ``owner``."""
        return self.advice.replace("{0}", owner) if self.advice else f"Use {owner}.{self.new}"


_RUNS = "Ask the timetable: dag.next_dagrun_info(...) or dag.iter_dagrun_infos_between(...)"
_CYCLE = "Call airflow.utils.dag_cycle_tester.check_cycle(dag)"
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Source: the classes of dates of Pendulum 1.4.4, 2.1.2 (Airflow 2.0) and 3.0.0 (Airflow 2.8).
_DATES = {
    "format": Row(since="2.0", new="strftime", given="%"),
    "day_of_week": Row(
        since="2.8", advice="Write ({0}.isoweekday() % 7): Pendulum 3 counts from Monday"
    ),
    **{
        name: Row(since="2.0", advice=advice)
        for name, advice in {
            "between": "Write start <= {0} <= end",
            "copy": "Write {0}: it cannot be changed",
            "is_today": "Compare {0}.date() with that of today",
            "is_tomorrow": "Compare {0}.date() with that of tomorrow",
            "is_weekday": "Write {0}.isoweekday() < 6",
            "is_weekend": "Write {0}.isoweekday() > 5",
            "is_yesterday": "Compare {0}.date() with that of yesterday",
            "maximum": "Write max({0}, ...)",
            "minimum": "Write min({0}, ...)",
            "seconds_since_midnight": "Write ({0} - {0}.start_of('day')).in_seconds()",
            "seconds_until_end_of_day": "Write ({0}.end_of('day') - {0}).in_seconds()",
            "with_time_from_string": "Write {0}.at(hour, minute, second)",
            "with_timestamp": "Use pendulum.from_timestamp(...)",
            **{
                f"is_{day}": f"Write {{0}}.isoweekday() == {number}"
                for number, day in enumerate(_DAYS, 1)
            },
        }.items()
    },
}
# Source: airflow/models/{dag,baseoperator,taskinstance,dagrun,connection,pool}.py and
# airflow/utils/log/logging_mixin.py of 1.10.15, 2.5.1, 2.10.3 and 2.11.0.
# tests/codemods/test_model_attributes.py proves that it is complete.
ROWS: Mapping[str, Mapping[str, Row]] = {
    DATE: _DATES,
    DAG: {
        "concurrency": Row(since="2.2", new="max_active_tasks"),
        "full_filepath": Row(since="2.0", new="fileloc"),
        "latest_execution_date": Row(since="2.0", new="get_latest_execution_date()"),
        "is_paused": Row(since="2.0", new="get_is_paused()"),
        "concurrency_reached": Row(since="2.0", new="get_concurrency_reached()"),
        "sub_dag": Row(since="2.0", new="partial_subset"),
        "description_unicode": Row(since="2.0", new="description"),
        "filepath": Row(since="2.2", advice="Write str(dag.relative_fileloc)"),
        "following_schedule": Row(since="2.2", advice=_RUNS),
        "previous_schedule": Row(since="2.2", advice=_RUNS),
        "date_range": Row(since="2.2", advice=_RUNS),
        "get_run_dates": Row(since="2.2", advice=_RUNS),
        "normalize_schedule": Row(since="2.2", advice=_RUNS),
        "is_fixed_time_schedule": Row(since="2.2", advice=_RUNS),
        "normalized_schedule_interval": Row(since="2.2", advice="Use dag.timetable"),
        "set_dag_runs_state": Row(since="2.2", advice="Call dag.clear(...), which sets it"),
        "tree_view": Row(since="2.8", advice="There is no successor: log what you need yourself"),
        "get_dagtags": Row(since="2.0", advice="Use dag.tags"),
        "test_cycle": Row(since="2.0", advice=_CYCLE),
    },
    TASK: {
        "task_concurrency": Row(since="2.2", new="max_active_tis_per_dag"),
        "schedule_interval": Row(since="2.0", advice="Tasks have none: use self.dag's"),
        "lineage_data": Row(since="2.0", advice="Use inlets and outlets"),
        "add_only_new": Row(since="2.0", advice="Use set_upstream or set_downstream"),
    },
    INSTANCE: {
        "previous_ti": Row(since="2.0", new="get_previous_ti()"),
        "previous_ti_success": Row(since="2.0", new='get_previous_ti(state="success")'),
        "previous_start_date_success": Row(
            since="2.0", new='get_previous_start_date(state="success")'
        ),
        "previous_execution_date_success": Row(
            since="2.0", new='get_previous_execution_date(state="success")'
        ),
        "prev_attempted_tries": Row(since="2.10", new="try_number"),
        "pool_full": Row(since="2.0", advice="Ask Pool.get_pool(ti.pool).open_slots()"),
        "log_filepath": Row(since="2.0", advice="Use ti.log_url"),
        "command": Row(since="2.0", new="command_as_list"),
    },
    RUN: {
        "id_for_date": Row(
            since="2.0",
            advice="Write DagRun.generate_run_id(DagRunType.MANUAL, date), with DagRunType of "
            "airflow.utils.types",
        ),
        "ID_PREFIX": Row(since="2.0", advice='Write "scheduled__" or use DagRunType'),
        "ID_FORMAT_PREFIX": Row(since="2.0", advice='Write "scheduled__{0}" or use DagRunType'),
        "get_run": Row(since="2.2", advice="Use DagRun.find(dag_id=..., execution_date=...)"),
    },
    CONNECTION: {
        "parse_from_uri": Row(since="2.0", advice="Make it by Connection(uri=...)"),
        "log_info": Row(since="2.0", advice="Log what you need of it, never the password"),
        "debug_info": Row(since="2.0", advice="Log what you need of it, never the password"),
    },
    POOL: {"used_slots": Row(since="2.0", new="running_slots")},
    MODEL: {
        "last_scheduler_run": Row(since="2.0.2", new="last_parsed_time"),
        "get_dag": Row(
            since="2.0", advice="Ask DagBag(read_dags_from_db=True).get_dag(model.dag_id)"
        ),
        "create_dagrun": Row(
            since="2.0",
            advice="Ask DagBag(read_dags_from_db=True).get_dag(model.dag_id), and it for the run",
        ),
    },
    DAG_BAG: {
        "kill_zombies": Row(since="2.0", advice="Delete the call: the scheduler fails zombies"),
        "store_serialized_dags": Row(since="2.0", new="read_dags_from_db"),
        **{
            name: Row(since="2.0", advice=advice)
            for name, advice in {
                "CYCLE_NEW": _CYCLE,
                "CYCLE_IN_PROGRESS": _CYCLE,
                "CYCLE_DONE": _CYCLE,
                "UNIT_TEST_MODE": 'Ask conf.getboolean("core", "unit_test_mode")',
                "executor": "A DagBag has none: ask ExecutorLoader.get_default_executor()",
            }.items()
        },
        "DAGBAG_IMPORT_TIMEOUT": Row(
            since="2.4", advice='Ask conf.getfloat("core", "dagbag_import_timeout")'
        ),
        "SCHEDULER_ZOMBIE_TASK_THRESHOLD": Row(
            since="2.4", advice='Ask conf.getint("scheduler", "scheduler_zombie_task_threshold")'
        ),
    },
    "airflow.models.taskreschedule.TaskReschedule": {
        "find_for_task_instance": Row(
            since="2.8", advice="Run session.scalars(TaskReschedule.stmt_for_task_instance(ti=ti))"
        ),
    },
    "airflow.models.xcom.BaseXCom": {
        "id": Row(since="2.0", advice="Its key is dag_id, task_id, the run and key together"),
    },
    "airflow.models.taskfail.TaskFail": {
        "execution_date": Row(since="2.3", advice="Use TaskFail.run_id, or its dag_run's date"),
    },
    _JOB: {
        "reset_state_for_orphaned_tasks": Row(since="2.0", advice="The scheduler's job does it"),
        "run": Row(since="2.6", advice="Use run_job(job=..., execute_callable=...)"),
        "heartbeat_callback": Row(since="2.6", advice="It is the job runner's"),
    },
    _LOGGED: {"logger": Row(since="2.0", new="log", uncalled=True)},
}
