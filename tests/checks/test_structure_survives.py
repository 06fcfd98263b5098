"""Identical DAGs raise nothing; any single difference is found, named, and found once."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pairs import PATH, dag, findings, judged, pair, same_pair, seen, task, unjudged

from harness.checks.attributes import DAG_ATTRIBUTES, SAME_MEANING, TASK_ATTRIBUTES
from harness.model import DagObservation, Finding, Severity, Side, TaskObservation

CHECK = "structure-survives"

# attribute → (value of the bridge, another value)
DAG_VALUES: dict[str, tuple[Any, Any]] = {
    "schedule": ("0 0 * * *", {"seconds": 86400}),
    "catchup": (True, False),
    "dagrun_timeout": ({"seconds": 7200}, None),
    "is_paused_upon_creation": (True, None),
    "parent": ("", "other"),
    "start_date": ("2020-01-01T00:00:00+00:00", "2021-01-01T00:00:00+00:00"),
    "end_date": ("2022-01-01T00:00:00+00:00", None),
    "max_active_tasks": (16, 4),
    "max_active_runs": (16, 1),
    "params": ({"table": "sales"}, {}),
    "template_searchpath": (["$REPO/sql"], None),
    "user_defined_macros": (("as_local",), ()),
    "user_defined_filters": (("quoted",), ()),
    "render_template_as_native_obj": (False, True),
    "callbacks": (("on_failure_callback=dags/load.py:page",), ()),
    "tags": (("finance",), ()),
    "description": ("Loads sales", None),
    "doc_md": ("# Sales", None),
    "default_view": ("grid", "graph"),
    "orientation": ("LR", "TB"),
    "access_control": ({"Ops": ["can_read"]}, None),
}
TASK_VALUES: dict[str, tuple[Any, Any]] = {
    "trigger_rule": ("all_done", "all_success"),
    "depends_on_past": (True, False),
    "wait_for_downstream": (True, False),
    "start_date": ("2020-01-01T00:00:00+00:00", "2020-06-01T00:00:00+00:00"),
    "end_date": (None, "2020-06-01T00:00:00+00:00"),
    "retries": (3, 0),
    "retry_delay": ({"seconds": 300}, {"seconds": 60}),
    "execution_timeout": ({"seconds": 60}, None),
    "queue": ("big", "default"),
    "priority_weight": (10, 1),
    "weight_rule": ("upstream", "downstream"),
    "pool": ("warehouse", "default_pool"),
    "pool_slots": (2, 1),
    "max_active_tis_per_dag": (1, None),
    "sla": ({"seconds": 3600}, None),
    "owner": ("finance", "airflow"),
    "email_on_failure": (True, False),
    "email_on_retry": (True, False),
    "params": ({"table": "sales"}, {"table": "costs"}),
}


def compare(old: DagObservation, new: DagObservation, **fields: Any) -> tuple[Finding, ...]:
    return findings(CHECK, pair([seen(old)], [seen(new)], **fields))


def test_every_attribute_of_the_tables_has_a_test() -> None:
    assert set(DAG_VALUES) == {row.name for row in DAG_ATTRIBUTES}
    assert set(TASK_VALUES) == {row.name for row in TASK_ATTRIBUTES}


def test_every_field_of_an_observation_is_compared() -> None:
    # Fields that identify a DAG or task, or are compared by code of their own.
    own = {"dag_id", "path", "tasks", "task_id", "operator", "bases"}
    own |= {"upstream", "downstream", "template_fields", "fields"}
    rows = {row.name for row in (*DAG_ATTRIBUTES, *TASK_ATTRIBUTES)}
    kinds = (DagObservation, TaskObservation)
    assert {field.name for kind in kinds for field in dataclasses.fields(kind)} == rows | own


@pytest.mark.parametrize("name", DAG_VALUES)
def test_a_changed_attribute_of_a_dag_is_named(name: str) -> None:
    old, new = DAG_VALUES[name]
    (found,) = compare(dag(**{name: old}), dag(**{name: new}))
    assert f"DAG load: {name} is " in found.message
    assert found.rule == next(row.rule.id for row in DAG_ATTRIBUTES if row.name == name)
    (back,) = compare(dag(**{name: new}), dag(**{name: old}))
    assert back.rule == found.rule


@pytest.mark.parametrize("name", TASK_VALUES)
def test_a_changed_attribute_of_a_task_is_named(name: str) -> None:
    old, new = TASK_VALUES[name]
    (found,) = compare(dag("load", task(**{name: old})), dag("load", task(**{name: new})))
    assert f"DAG load, task extract: {name} is " in found.message
    assert found.rule == next(row.rule.id for row in TASK_ATTRIBUTES if row.name == name)


@pytest.mark.parametrize("row", SAME_MEANING, ids=lambda row: f"{row.attribute}-{row.bridge}")
def test_what_the_target_spells_differently_is_no_change(row: Any) -> None:
    if row.attribute in TASK_VALUES:
        old, new = ({row.attribute: value} for value in (row.bridge, row.target))
        assert compare(dag("load", task(**old)), dag("load", task(**new))) == ()
    else:
        assert compare(dag(**{row.attribute: row.bridge}), dag(**{row.attribute: row.target})) == ()
    assert row.source


def test_kinds_of_nothing_are_the_same() -> None:
    assert compare(dag(tags=(), params={}, description=None), dag(description="")) == ()


def test_a_document_that_names_a_file_is_not_compared() -> None:
    assert compare(dag(doc_md="sales.md"), dag(doc_md=None)) == ()


# ------------------------------------------------------------------------------------ properties

IDS = st.sampled_from(["extract", "check", "load", "notify", "clean_up"])
TASKS = st.builds(
    task,
    task_id=IDS,
    retries=st.integers(0, 5),
    trigger_rule=st.sampled_from(["all_success", "all_done", "none_failed_or_skipped", "dummy"]),
    queue=st.sampled_from(["default", "big"]),
    params=st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
    fields=st.dictionaries(
        st.sampled_from(["bash_command", "env"]), st.text(max_size=10), max_size=2
    ),
)


@st.composite
def dags(draw: st.DrawFn) -> DagObservation:
    """A DAG with edges from earlier tasks to later ones, told from both ends."""
    tasks = draw(st.lists(TASKS, min_size=1, max_size=5, unique_by=lambda item: item.task_id))
    names = [item.task_id for item in tasks]
    edges = {
        (first, second)
        for place, first in enumerate(names)
        for second in names[place + 1 :]
        if draw(st.booleans())
    }
    return dag(
        "load",
        *(
            replace(
                item,
                upstream=tuple(a for a, b in sorted(edges) if b == item.task_id),
                downstream=tuple(b for a, b in sorted(edges) if a == item.task_id),
            )
            for item in tasks
        ),
        tags=tuple(draw(st.sets(st.text(max_size=4), max_size=3))),
        schedule=draw(st.sampled_from([None, "@once", "0 0 * * *", {"seconds": 60}])),
    )


@settings(max_examples=25)
@given(dags())
def test_identical_dags_raise_nothing(observed: DagObservation) -> None:
    assert findings(CHECK, same_pair(observed)) == ()
    assert judged(CHECK, same_pair(observed)) == [PATH]


@settings(max_examples=25)
@given(dags(), st.data())
def test_one_changed_attribute_is_one_finding(
    observed: DagObservation, data: st.DataObject
) -> None:
    if data.draw(st.booleans(), label="of a task"):
        name = data.draw(st.sampled_from(sorted(TASK_VALUES)))
        place = data.draw(st.integers(0, len(observed.tasks) - 1))
        victim = observed.tasks[place]
        old, new = (replace(victim, **{name: value}) for value in TASK_VALUES[name])
        before, after = (
            replace(observed, tasks=(*observed.tasks[:place], item, *observed.tasks[place + 1 :]))
            for item in (old, new)
        )
        wanted = f"DAG load, task {victim.task_id}: {name} is "
    else:
        name = data.draw(st.sampled_from(sorted(DAG_VALUES)))
        before, after = (replace(observed, **{name: value}) for value in DAG_VALUES[name])
        wanted = f"DAG load: {name} is "
    (found,) = compare(before, after)
    assert found.message.startswith(wanted)
    assert found.side == ""
    assert found.path == PATH


@settings(max_examples=25)
@given(dags(), st.data())
def test_one_lost_edge_is_one_finding(observed: DagObservation, data: st.DataObject) -> None:
    edges = [(item.task_id, after) for item in observed.tasks for after in item.downstream]
    if not edges:
        return
    first, second = data.draw(st.sampled_from(edges))
    fewer = replace(
        observed,
        tasks=tuple(
            replace(
                item,
                downstream=tuple(
                    n for n in item.downstream if (item.task_id, n) != (first, second)
                ),
                upstream=tuple(n for n in item.upstream if (n, item.task_id) != (first, second)),
            )
            for item in observed.tasks
        ),
    )
    (lost,) = compare(observed, fewer)
    assert lost.rule == "edge-changed"
    assert f"{first} >> {second} was lost" in lost.message
    (added,) = compare(fewer, observed)
    assert f"{first} >> {second} was added" in added.message


# -------------------------------------------------------------------------------- tasks and classes


def test_a_lost_task_is_told_once_and_not_by_its_edges() -> None:
    old = dag("load", task("a", downstream=("b",)), task("b", upstream=("a",)))
    (found,) = compare(old, dag("load", task("a")), texts={PATH: "x = 1\nDummy(task_id='b')\n"})
    assert (found.rule, found.line) == ("task-disappeared", 2)
    assert [item.rule for item in compare(dag("load", task("a")), old)] == ["task-appeared"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("airflow.operators.bash_operator.BashOperator", "airflow.operators.bash.BashOperator"),
        ("airflow.operators.dummy_operator.DummyOperator", "airflow.operators.empty.EmptyOperator"),
        (
            "airflow.contrib.operators.emr_add_steps_operator.EmrAddStepsOperator",
            "airflow.providers.amazon.aws.operators.emr.EmrAddStepsOperator",
        ),
        ("plugins/company.py:LoadOperator", "dags/company_operators.py:LoadOperator"),
        ("company.operators.LoadOperator", "company.operators.LoadOperator"),
        (
            "airflow.operators.subdag_operator.SubDagOperator",
            "airflow.operators.subdag.SubDagOperator",
        ),
    ],
)
def test_a_class_that_moved_is_the_same(old: str, new: str) -> None:
    assert compare(dag("load", task(operator=old)), dag("load", task(operator=new))) == ()


def test_a_class_that_only_warns_stands_for_what_it_wraps() -> None:
    old = task(
        operator="airflow.operators.sensors.S3KeySensor",
        bases=("airflow.sensors.s3_key_sensor.S3KeySensor",),
    )
    new = task(operator="airflow.providers.amazon.aws.sensors.s3.S3KeySensor")
    assert compare(dag("load", old), dag("load", new)) == ()


def test_a_descendant_of_the_new_class_will_do() -> None:
    new = task(
        operator="dags/load.py:Loud",
        bases=("airflow.operators.bash.BashOperator", "airflow.models.baseoperator.BaseOperator"),
    )
    old = task(operator="airflow.operators.bash_operator.BashOperator")
    assert compare(dag("load", old), dag("load", new)) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("airflow.operators.bash_operator.BashOperator", "airflow.operators.empty.EmptyOperator"),
        ("dags/load.py:LoadOperator", "dags/load.py:CopyOperator"),
        ("dags/load.py:LoadOperator", "dags/other.py:LoadOperator"),
        ("company.operators.LoadOperator", "company.legacy.LoadOperator"),
    ],
)
def test_another_class_is_named(old: str, new: str) -> None:
    about = pair(
        [seen(dag("load", task(operator=old)))],
        [seen(dag("load", task(operator=new)))],
        files=["dags/other.py"],
    )
    (found,) = findings(CHECK, about)
    assert found.rule == "operator-changed"
    assert old in found.message
    assert new in found.message


# --------------------------------------------------------------------------------- templated fields


def fields_of(old: dict[str, Any], new: dict[str, Any], text: str = "") -> list[str]:
    found = compare(
        dag("load", task(fields=old)), dag("load", task(fields=new)), texts={PATH: text}
    )
    return [item.rule for item in found]


def test_a_changed_template_is_named() -> None:
    assert fields_of({"bash_command": "load {{ ds }}"}, {"bash_command": "load"}) == [
        "template-changed"
    ]


def test_a_changed_default_is_a_note() -> None:
    text = "HttpSensor(task_id='extract', endpoint='x')"
    (found,) = compare(
        dag("load", task(fields={"headers": {}})),
        dag("load", task(fields={"headers": {"Accept": "*/*"}})),
        texts={PATH: text},
    )
    assert (found.rule, found.severity) == ("template-default-changed", Severity.NOTE)


@pytest.mark.parametrize(
    ("old", "new", "rules"),
    [
        ("{{ dag_run.conf['a'] }}", "{{ dag_run.conf['a'] | default }}", []),
        ("{{ a }} {{ b }}", "{{ a | default }} {{ b|default }}", ["template-changed"]),
        ("{{ a | default }}", "{{ a }}", ["template-changed"]),
        ("{{ a }}", "{{ b | default }}", ["template-changed"]),
        ("{{ a }}", "{{ a | default('x') }}", ["template-changed"]),
    ],
)
def test_a_default_for_what_1_10_let_be_undefined(old: str, new: str, rules: list[str]) -> None:
    assert fields_of({"sql": old}, {"sql": new}, "sql") == rules


@pytest.mark.parametrize(
    ("new", "rules"),
    [
        ({"a": 1, "ds": None}, []),
        ({"a": 2, "ds": None}, ["template-changed"]),
        ({"a": 1, "ds": "{{ ds }}"}, ["template-changed"]),
    ],
)
def test_arguments_that_keep_the_context_away(new: dict[str, Any], rules: list[str]) -> None:
    assert fields_of({"op_kwargs": {"a": 1}}, {"op_kwargs": new}, "op_kwargs") == rules


def test_a_template_that_is_no_longer_rendered() -> None:
    assert fields_of({"queue": "{{ var.value.queue }}"}, {}) == ["template-lost"]
    assert fields_of({"queue": "fast"}, {}) == []


def test_a_field_under_a_new_name_is_no_loss() -> None:
    assert fields_of({"bql": "SELECT {{ ds }}"}, {"sql": "SELECT {{ ds }}"}) == []
    nested = {"configuration": {"query": {"query": "SELECT {{ ds }}", "useLegacySql": False}}}
    assert fields_of({"sql": "SELECT {{ ds }}"}, nested) == []
    assert fields_of({"sql": "SELECT {{ ts }}"}, nested) == ["template-lost", "template-gained"]


def test_a_literal_that_is_rendered_now() -> None:
    text = "Bash(task_id='extract', cwd='{{ x }}')"
    assert fields_of({}, {"cwd": "{{ x }}"}, text) == ["template-gained"]
    assert fields_of({}, {"cwd": "{{ x }}"}, "Bash(task_id='extract')") == []
    assert fields_of({}, {"cwd": "/data"}, text) == []


def test_empty_values_and_tuples_are_the_same() -> None:
    assert fields_of({"op_args": [], "op_kwargs": None}, {"op_args": (), "op_kwargs": {}}) == []


def test_a_key_of_s3_may_be_split() -> None:
    operator = "airflow.providers.amazon.aws.sensors.s3.S3KeySensor"
    split = {"bucket_name": "lake", "bucket_key": "in/{{ ds }}.csv"}
    whole = {"bucket_name": None, "bucket_key": "s3://lake/in/{{ ds }}.csv"}
    old, new = task(operator=operator, fields=split), task(operator=operator, fields=whole)
    assert compare(dag("load", old), dag("load", new)) == ()
    listed = task(operator=operator, fields={**split, "bucket_key": ["in/{{ ds }}.csv"]})
    assert compare(dag("load", old), dag("load", listed)) == ()
    other = task(operator=operator, fields={**split, "bucket_name": "swamp"})
    assert [item.rule for item in compare(dag("load", other), dag("load", new))] == [
        "template-changed"
    ]


def test_numbers_that_databricks_takes_as_text() -> None:
    operator = "airflow.providers.databricks.operators.databricks.DatabricksSubmitRunOperator"

    def run(**cluster: Any) -> TaskObservation:
        return task(operator=operator, fields={"json": {"clusters": [cluster]}})

    old = run(workers="8", ratio="0.5", elastic=True)
    assert compare(dag("load", old), dag("load", run(workers=8, ratio=0.5, elastic=True))) == ()
    for other in (run(workers=9, ratio=0.5, elastic=True), run(workers=8, ratio=0.5, elastic="1")):
        found = compare(dag("load", old), dag("load", other))
        assert [item.rule for item in found] == ["template-changed"]


def test_long_values_are_cut_where_they_part() -> None:
    long = "select a, b, c, d, e, f, g from lake.orders where region = 'north' and day = '{{ ds }}'"
    old = task(fields={"bash_command": f"{long} limit 10"})
    new = task(fields={"bash_command": f"{long} limit 99"})
    (found,) = compare(dag("load", old), dag("load", new))
    assert "limit 10 on the bridge" in found.message
    assert "limit 99 on the target" in found.message
    assert long not in found.message
    assert long in found.evidence


def test_objects_in_fields_follow_their_class() -> None:
    assert (
        fields_of(
            {"hook": "<airflow.hooks.S3_hook.S3Hook>"},
            {"hook": "<airflow.providers.amazon.aws.hooks.s3.S3Hook>"},
        )
        == []
    )
    assert fields_of({"hook": "<company.A>"}, {"hook": "<company.B>"}) == ["template-changed"]


# ------------------------------------------------------------------------------------------- places


def test_a_difference_points_at_the_line_of_its_task() -> None:
    text = "retries = 3\n\nextract = Bash(\n    task_id='extract',\n)\nprint('extract')\n"
    (found,) = compare(
        dag("load", task(retries=3)), dag("load", task(retries=0)), texts={PATH: text}
    )
    assert found.line == 4
    assert found.evidence == "bridge: 3\ntarget: 0"


def test_what_does_not_load_is_not_judged() -> None:
    about = pair([seen(dag())], [seen(outcome="timeout")])
    assert unjudged(CHECK, about) == [PATH]
    assert findings(CHECK, about) == ()


def test_a_side_that_failed_is_not_judged() -> None:
    good = same_pair(dag())
    for which in (Side.BRIDGE, Side.TARGET):
        name = "bridge" if which is Side.BRIDGE else "observed"
        failed = replace(getattr(good, name), failure="no interpreter", files=())
        about = replace(good, **{name: failed})
        assert unjudged(CHECK, about) == ["dags"]
        assert judged(CHECK, about) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"depends_on_past": "False", "retries": "2"}, {"depends_on_past": True, "retries": 2}),
        ({"email_on_retry": 0, "priority_weight": "10"}, {"priority_weight": 10}),
        ({"pool": 1, "queue": 2}, {"pool": "1", "queue": "2"}),
    ],
)
def test_what_1_10_took_in_any_type_is_the_same(old: dict[str, Any], new: dict[str, Any]) -> None:
    base = dataclasses.asdict(task())
    read = [
        msgspec.convert({**base, "email_on_retry": False, **given}, TaskObservation)
        for given in (old, new)
    ]
    tasks = [replace(dag(), tasks=(one,)) for one in read]
    assert compare(*tasks) == ()
