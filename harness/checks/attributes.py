"""What the structure of a DAG is made of: one row an attribute, read by one comparison.

A new attribute is a row of ``DAG_ATTRIBUTES`` or ``TASK_ATTRIBUTES``. What Airflow itself spells
differently in the two generations, and means the same, is a row of ``SAME_MEANING``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.model import Rule, Severity

SCHEDULE_CHANGED = Rule(
    id="schedule-changed",
    title="A DAG runs at other times",
    why="Runs are missed, doubled or made up for.",
    fix="Give the DAG the schedule, catchup and timeout it has on the bridge.",
    example="schedule_interval='@daily'  →  schedule='@hourly'",
    keeps="schedule_interval='@daily'  →  schedule='0 0 * * *'",
)
DATES_CHANGED = Rule(
    id="dates-changed",
    title="A start or end date differs",
    why="Airflow makes up for every interval since the start date, or ends too early.",
    fix="Write the date as a constant with a time zone.",
    example="start_date=datetime(2020, 1, 1)  →  start_date=datetime(2021, 1, 1)",
    keeps="start_date=days_ago(2)  # loaded before and after midnight",
)
TRIGGER_RULE_CHANGED = Rule(
    id="trigger-rule-changed",
    title="A task is triggered by another rule",
    why="It runs when it must not, or waits for ever.",
    fix="Give the task the rule that means the same on the target.",
    example="trigger_rule='all_done'  →  trigger_rule='all_success'",
    keeps="trigger_rule='none_failed_or_skipped'  →  trigger_rule='none_failed_min_one_success'",
)
LIMITS_CHANGED = Rule(
    id="limits-changed",
    title="A limit on how much runs at once differs",
    why="Services behind the tasks meet more load than they were built for, or runs queue up.",
    fix="Set the limit explicitly under the name it has on the target.",
    example="concurrency=4  →  (dropped)",
    keeps="concurrency=4  →  max_active_tasks=4",
)
EXECUTION_CHANGED = Rule(
    id="execution-changed",
    title="A task is retried, timed or queued differently",
    why="It gives up sooner, runs longer, or runs where it should not.",
    fix="Set the attribute explicitly on the task or in default_args.",
    example="retries=3  →  retries=0",
    keeps="retry_delay=300  →  retry_delay=timedelta(minutes=5)",
)
PARAMS_CHANGED = Rule(
    id="params-changed",
    title="Params, macros or rendering of a DAG or task differ",
    why="Templates render to other text, or not at all.",
    fix="Give the params, macros and template settings that the bridge has.",
    example="params={'table': 'sales'}  →  params={}",
    keeps="params={'table': 'sales'}  →  params={'table': Param('sales')}",
)
NOTIFICATION_CHANGED = Rule(
    id="notification-changed",
    title="A callback, e-mail or owner differs",
    why="A failure goes unnoticed, or somebody else is told.",
    fix="Set the callback, the e-mail flags or the owner explicitly.",
    example="on_failure_callback=page_someone  →  (dropped)",
    keeps="on_failure_callback=page_someone  →  on_failure_callback=page_someone",
)
APPEARANCE_CHANGED = Rule(
    id="appearance-changed",
    title="How a DAG looks or who may see it differs",
    why="Runs are the same; people find the DAG elsewhere, or not at all.",
    fix="Set the attribute explicitly under the name it has on the target.",
    severity=Severity.WARNING,
    example="tags=['finance']  →  (dropped)",
    keeps="default_view='tree'  →  default_view='grid'",
)


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One attribute of a DAG or task. ``name`` is the field of its observation; ``normal`` brings
    a value of either generation into one form."""

    name: str
    rule: Rule
    normal: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True, kw_only=True)
class SameMeaning:
    """A value of the bridge that the target spells differently, and where that is written."""

    attribute: str
    bridge: Any
    target: Any
    source: str


SAME_MEANING: tuple[SameMeaning, ...] = (
    SameMeaning(
        attribute="trigger_rule",
        bridge="dummy",
        target="always",
        source="airflow/models/baseoperator.py, BaseOperator.__init__, apache-airflow 2.5.1",
    ),
    SameMeaning(
        attribute="trigger_rule",
        bridge="none_failed_or_skipped",
        target="none_failed_min_one_success",
        source="airflow/models/baseoperator.py, BaseOperator.__init__, apache-airflow 2.5.1",
    ),
    SameMeaning(
        attribute="default_view",
        bridge="",
        target="grid",
        source="webserver.dag_default_view: tree in default_airflow.cfg of apache-airflow 1.10.15, "
        "grid in config.yml of 2.11.0, which is its new name (DAG.__init__)",
    ),
    SameMeaning(
        attribute="pool",
        bridge="",
        target="default_pool",
        source="airflow/models/baseoperator.py, BaseOperator.__init__, apache-airflow 2.5.1",
    ),
)


def _document(value: Any) -> Any:
    """``doc_md``; one that names a file is read by 2.x only, so its text cannot be compared."""
    return "" if isinstance(value, str) and value.endswith(".md") else value


def _truth(value: Any) -> Any:
    """A flag as 1.10 took it, whatever it was; 2.10 insists on a bool."""
    return None if value is None else bool(value)


def _number(value: Any) -> Any:
    """A number as it is meant; 2.10 insists on an int."""
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


def _name(value: Any) -> Any:
    """A name that may have been given as a number."""
    return str(value) if isinstance(value, int) else value


DAG_ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute(name="schedule", rule=SCHEDULE_CHANGED),
    Attribute(name="catchup", rule=SCHEDULE_CHANGED, normal=_truth),
    Attribute(name="dagrun_timeout", rule=SCHEDULE_CHANGED),
    Attribute(name="is_paused_upon_creation", rule=SCHEDULE_CHANGED, normal=_truth),
    Attribute(name="parent", rule=SCHEDULE_CHANGED),
    Attribute(name="start_date", rule=DATES_CHANGED),
    Attribute(name="end_date", rule=DATES_CHANGED),
    Attribute(name="max_active_tasks", rule=LIMITS_CHANGED, normal=_number),
    Attribute(name="max_active_runs", rule=LIMITS_CHANGED, normal=_number),
    Attribute(name="params", rule=PARAMS_CHANGED),
    Attribute(name="template_searchpath", rule=PARAMS_CHANGED),
    Attribute(name="user_defined_macros", rule=PARAMS_CHANGED, normal=sorted),
    Attribute(name="user_defined_filters", rule=PARAMS_CHANGED, normal=sorted),
    Attribute(name="render_template_as_native_obj", rule=PARAMS_CHANGED, normal=_truth),
    Attribute(name="callbacks", rule=NOTIFICATION_CHANGED, normal=sorted),
    Attribute(name="tags", rule=APPEARANCE_CHANGED, normal=sorted),
    Attribute(name="description", rule=APPEARANCE_CHANGED),
    Attribute(name="doc_md", rule=APPEARANCE_CHANGED, normal=_document),
    Attribute(name="default_view", rule=APPEARANCE_CHANGED),
    Attribute(name="orientation", rule=APPEARANCE_CHANGED),
    Attribute(name="access_control", rule=APPEARANCE_CHANGED),
)

TASK_ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute(name="trigger_rule", rule=TRIGGER_RULE_CHANGED),
    Attribute(name="depends_on_past", rule=TRIGGER_RULE_CHANGED, normal=_truth),
    Attribute(name="wait_for_downstream", rule=TRIGGER_RULE_CHANGED, normal=_truth),
    Attribute(name="start_date", rule=DATES_CHANGED),
    Attribute(name="end_date", rule=DATES_CHANGED),
    Attribute(name="retries", rule=EXECUTION_CHANGED, normal=_number),
    Attribute(name="retry_delay", rule=EXECUTION_CHANGED),
    Attribute(name="execution_timeout", rule=EXECUTION_CHANGED),
    Attribute(name="queue", rule=EXECUTION_CHANGED, normal=_name),
    Attribute(name="priority_weight", rule=EXECUTION_CHANGED, normal=_number),
    Attribute(name="weight_rule", rule=EXECUTION_CHANGED),
    Attribute(name="pool", rule=LIMITS_CHANGED, normal=_name),
    Attribute(name="pool_slots", rule=LIMITS_CHANGED, normal=_number),
    Attribute(name="max_active_tis_per_dag", rule=LIMITS_CHANGED, normal=_number),
    Attribute(name="sla", rule=NOTIFICATION_CHANGED),
    Attribute(name="owner", rule=NOTIFICATION_CHANGED),
    Attribute(name="email_on_failure", rule=NOTIFICATION_CHANGED, normal=_truth),
    Attribute(name="email_on_retry", rule=NOTIFICATION_CHANGED, normal=_truth),
    Attribute(name="params", rule=PARAMS_CHANGED),
)

ATTRIBUTE_RULES = tuple(
    {row.rule.id: row.rule for row in (*DAG_ATTRIBUTES, *TASK_ATTRIBUTES)}.values()
)


def normal(attribute: Attribute, value: Any) -> Any:
    """``value`` as the target spells it; every kind of nothing ("", [], {}) is None.

    A missing value takes part in ``SAME_MEANING`` as "".
    """
    value = attribute.normal(value)
    empty = value is None or value in ("", [], (), {})
    plain = "" if empty else value
    for row in SAME_MEANING:
        if row.attribute == attribute.name and row.bridge == plain:
            return row.target
    return None if empty else value
