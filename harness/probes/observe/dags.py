"""DAGs and tasks, as DagObservation and TaskObservation."""

import re

from .names import class_name
from .safely import read, text_of
from .values import plain

# Sources: airflow/utils/dates.py (cron_presets) of 1.10.15 and 2.11.0; @midnight and @annually
# are aliases of croniter itself.
CRON_PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

# Timetables that only spell out a schedule_interval (airflow/timetables of 2.2.0 to 2.11.0).
PLAIN_TIMETABLES = {
    "airflow.timetables.interval.CronDataIntervalTimetable",
    "airflow.timetables.simple.ContinuousTimetable",
    "airflow.timetables.simple.NullTimetable",
    "airflow.timetables.simple.OnceTimetable",
}

DELTA_TIMETABLE = "airflow.timetables.interval.DeltaDataIntervalTimetable"

# Field of the observation → attributes that hold it, the newest generation's first: some of the
# older ones are still there in 2.x, and warn when they are read.
DAG_FIELDS = {
    "start_date": ("start_date",),
    "end_date": ("end_date",),
    "catchup": ("catchup",),
    "max_active_tasks": ("max_active_tasks", "concurrency"),
    "max_active_runs": ("max_active_runs",),
    "dagrun_timeout": ("dagrun_timeout",),
    "orientation": ("orientation",),
    "description": ("description",),
    "doc_md": ("doc_md",),
    "is_paused_upon_creation": ("is_paused_upon_creation",),
    "render_template_as_native_obj": ("render_template_as_native_obj",),
    "params": ("params",),
    "template_searchpath": ("template_searchpath",),
}

TASK_FIELDS = {
    "trigger_rule": ("trigger_rule",),
    "retries": ("retries",),
    "retry_delay": ("retry_delay",),
    "pool": ("pool",),
    "pool_slots": ("pool_slots",),
    "queue": ("queue",),
    "priority_weight": ("priority_weight",),
    "owner": ("owner",),
    "depends_on_past": ("depends_on_past",),
    "wait_for_downstream": ("wait_for_downstream",),
    "start_date": ("start_date",),
    "end_date": ("end_date",),
    "execution_timeout": ("execution_timeout",),
    "sla": ("sla",),
    "max_active_tis_per_dag": ("max_active_tis_per_dag", "task_concurrency"),
    "email_on_failure": ("email_on_failure",),
    "email_on_retry": ("email_on_retry",),
    "params": ("params",),
}

CALLBACKS = (
    "on_success_callback",
    "on_failure_callback",
    "on_retry_callback",
    "on_execute_callback",
    "sla_miss_callback",
)

# Actions of 1.10 under their names since 2.0 (airflow/models/dag.py of 2.11.0).
DAG_ACTIONS = {"can_dag_read": "can_read", "can_dag_edit": "can_edit"}
WEIGHT_STRATEGY = re.compile(r"^airflow\.task\.priority_strategy\._(\w+)PriorityWeightStrategy$")
ABSENT = object()


def describe_fields(thing, table):
    """The values of ``table``'s fields, each from the first attribute that is there."""
    fields = {}
    for field, attributes in table.items():
        for attribute in attributes:
            value = read(thing, attribute, ABSENT)
            if value is not ABSENT:
                fields[field] = plain(value)
                break
    return fields


def describe_dag(dag, path):
    """A DagObservation of ``dag``, found in ``path``."""
    parent = read(dag, "parent_dag")
    view = text_of(read(dag, "default_view") or dag.get_default_view())
    return dict(
        describe_fields(dag, DAG_FIELDS),
        dag_id=text_of(dag.dag_id),
        path=path,
        schedule=schedule_of(dag),
        default_view="grid" if view == "tree" else view,  # renamed in 2.3
        tags=sorted(map(text_of, read(dag, "tags") or ())),
        access_control=access_of(dag),
        user_defined_macros=sorted(map(text_of, read(dag, "user_defined_macros") or ())),
        user_defined_filters=sorted(map(text_of, read(dag, "user_defined_filters") or ())),
        callbacks=list(callbacks_of(dag)),
        parent=text_of(parent.dag_id) if parent is not None and parent is not dag else "",
        tasks=[describe_task(task) for _, task in sorted(dag.task_dict.items())],
    )


def schedule_of(dag):
    """The canonical schedule; see DagObservation."""
    timetable = read(dag, "timetable")
    if timetable is not None:
        name = class_name(type(timetable))
        if name == DELTA_TIMETABLE:
            return plain(read(timetable, "_delta"))
        if name not in PLAIN_TIMETABLES:
            return name
    schedule = plain(read(dag, "schedule_interval"))
    if isinstance(schedule, str):
        schedule = " ".join(schedule.split())
    return CRON_PRESETS.get(schedule, schedule) if isinstance(schedule, str) else schedule


def access_of(dag):
    """Role → actions on the DAG itself; 2.x adds a level for the kind of thing since 2.9."""
    roles = plain(read(dag, "access_control", read(dag, "_access_control")))
    if not isinstance(roles, dict):
        return roles
    for role, actions in roles.items():
        if isinstance(actions, dict) and set(actions) == {"DAGs"}:
            actions = actions["DAGs"]
        if isinstance(actions, list):
            actions = sorted(DAG_ACTIONS.get(action, action) for action in map(str, actions))
        roles[role] = actions
    return roles


def callbacks_of(dag):
    """``on_failure_callback=path.py:function`` for each callback."""
    for name in CALLBACKS:
        callbacks = read(dag, name)
        for callback in callbacks if isinstance(callbacks, (list, tuple)) else (callbacks,):
            if callback is not None:
                yield f"{name}={plain(callback)}"


def describe_task(task):
    """A TaskObservation of ``task``."""
    kind = operator_class(task)
    template_fields = read(task, "template_fields") or ()
    if isinstance(template_fields, str):
        template_fields = (template_fields,)
    template_fields = [text_of(name) for name in template_fields]
    return dict(
        describe_fields(task, TASK_FIELDS),
        task_id=text_of(task.task_id),
        operator=class_name(kind),
        bases=[class_name(base) for base in bases_of(kind)],
        upstream=sorted(map(text_of, task.upstream_task_ids)),
        downstream=sorted(map(text_of, task.downstream_task_ids)),
        weight_rule=weight_rule_of(task),
        template_fields=template_fields,
        fields={name: template_value(task, name) for name in template_fields},
    )


def operator_class(task):
    """The task's operator; a mapped task names the one it will become."""
    kind = read(task, "operator_class")
    return kind if isinstance(kind, type) else type(task)


def bases_of(kind):
    """The ancestors of an operator, nearest first, down to BaseOperator."""
    for base in kind.__mro__[1:]:
        yield base
        if base.__name__ == "BaseOperator":
            return


def template_value(task, name):
    value = read(task, name, ABSENT)
    if value is ABSENT:
        return (
            "<unreadable>"
            if name not in read(task, "partial_kwargs", ())
            else plain(task.partial_kwargs[name])
        )
    return plain(value)


def weight_rule_of(task):
    """The rule's name; 2.9 made a strategy object of it."""
    rule = plain(read(task, "weight_rule"))
    if not isinstance(rule, str):
        return ""
    strategy = WEIGHT_STRATEGY.match(rule.strip("<>"))
    return strategy.group(1).lower() if strategy else rule
