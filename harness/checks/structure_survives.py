"""The DAGs are still the same DAGs: tasks, edges, operators, schedules, limits, templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache

from harness.checks.attributes import (
    ATTRIBUTE_RULES,
    DAG_ATTRIBUTES,
    TASK_ATTRIBUTES,
    Attribute,
    normal,
)
from harness.checks.clock import clock_of
from harness.checks.comparison import Comparison, Place, Resolve
from harness.checks.loads import comparable
from harness.checks.templates import TEMPLATE_RULES, compare_templates
from harness.model import (
    Check,
    DagObservation,
    Finding,
    Judged,
    Judgement,
    Pair,
    Rule,
    TaskObservation,
    Unjudged,
)

TASK_DISAPPEARED = Rule(
    id="task-disappeared",
    title="A task is not there on the target",
    why="Its work is no longer done, and nothing fails.",
    fix="See what the DAG makes its tasks from; the condition or name depends on the version.",
    example="if airflow.__version__.startswith('1.'):\n    notify = BashOperator(...)",
    keeps="notify = BashOperator(...)",
)
TASK_APPEARED = Rule(
    id="task-appeared",
    title="A task is there on the target only",
    why="Something runs that did not run before, or a task changed its id and its history is lost.",
    fix="Make the same tasks on both sides.",
    example="with TaskGroup('load'):  # prefixes the ids of its tasks\n    EmptyOperator(...)",
    keeps="with TaskGroup('load', prefix_group_id=False):\n    EmptyOperator(...)",
)
EDGE_CHANGED = Rule(
    id="edge-changed",
    title="A dependency between two tasks was lost or added",
    why="Tasks run in another order.",
    fix="Set the dependency explicitly.",
    example="extract >> load  →  (dropped)",
    keeps="load.set_upstream(extract)  →  extract >> load",
)
OPERATOR_CHANGED = Rule(
    id="operator-changed",
    title="A task is of another class",
    why="The class is not the one that the old one became on the target, so the task does "
    "something else.",
    fix="Use the class that the import map names.",
    example="BashOperator(...)  →  EmptyOperator(...)",
    keeps="airflow.operators.bash_operator.BashOperator  →  airflow.operators.bash.BashOperator",
)


def judge(pair: Pair) -> Iterator[Judgement]:
    """Judge each DAG that both sides have, by what the two Airflows made of it."""
    resolve = _resolver(pair.target_pins)
    template = _template(pair.target_pins)
    for item in comparable(pair):
        if isinstance(item, Unjudged):
            yield item
            continue
        comparison = Comparison(
            clock=clock_of(item.bridge, item.target),
            resolve=resolve,
            template=template,
            files=frozenset(pair.repo.files),
        )
        new = {dag.dag_id: dag for dag in item.target.dags}
        for dag in item.bridge.dags:
            if dag.dag_id in new:
                yield Judged(path=item.path)
                text = pair.texts.get(item.path, "")
                place = Place(path=item.path, text=text, dag=dag.dag_id)
                yield from differences(dag, new[dag.dag_id], place, comparison)


def differences(
    old: DagObservation, new: DagObservation, place: Place, comparison: Comparison
) -> Iterator[Finding]:
    """Everything in which the DAG of the target is not the DAG of the bridge."""
    yield from _attributes(DAG_ATTRIBUTES, old, new, place, comparison)
    before = {task.task_id: task for task in old.tasks}
    after = {task.task_id: task for task in new.tasks}
    for task_id in before.keys() - after.keys():
        yield TASK_DISAPPEARED.finding(
            place.path,
            f"DAG {place.dag}: task {task_id} is not there on the target",
            line=replace(place, task=task_id).line,
        )
    for task_id in after.keys() - before.keys():
        yield TASK_APPEARED.finding(
            place.path,
            f"DAG {place.dag}: task {task_id} is there on the target only",
            line=replace(place, task=task_id).line,
        )
    both = before.keys() & after.keys()
    yield from _edges(old, new, both, place)
    for task_id in sorted(both):
        here = replace(place, task=task_id)
        yield from _task(before[task_id], after[task_id], here, comparison)


def _task(
    old: TaskObservation, new: TaskObservation, place: Place, comparison: Comparison
) -> Iterator[Finding]:
    if not comparison.same_class(old, new):
        yield place.finding(OPERATOR_CHANGED, "operator", old.operator, new.operator)
    yield from _attributes(TASK_ATTRIBUTES, old, new, place, comparison)
    yield from compare_templates(old, new, place, comparison)


def _attributes(
    rows: tuple[Attribute, ...], old: object, new: object, place: Place, comparison: Comparison
) -> Iterator[Finding]:
    for row in rows:
        before, after = getattr(old, row.name), getattr(new, row.name)
        if before != after and not comparison.same(normal(row, before), normal(row, after)):
            yield place.finding(row.rule, row.name, before, after)


def _edges(
    old: DagObservation, new: DagObservation, tasks: frozenset[str] | set[str], place: Place
) -> Iterator[Finding]:
    before, after = _edge_set(old), _edge_set(new)
    for first, second in sorted(before ^ after):
        if {first, second} <= tasks:
            lost = (first, second) in before
            yield EDGE_CHANGED.finding(
                place.path,
                f"DAG {place.dag}: {first} >> {second} was {'lost' if lost else 'added'}",
                line=replace(place, task=second).line,
            )


def _edge_set(dag: DagObservation) -> set[tuple[str, str]]:
    return {(task.task_id, after) for task in dag.tasks for after in task.downstream} | {
        (before, task.task_id) for task in dag.tasks for before in task.upstream
    }


def _template(pins: Mapping[str, str]) -> Resolve:
    """What the rewrite makes of a template; Jinja is loaded only when two differ."""

    def template(text: str) -> str:
        from codemods import migrate_template

        return migrate_template(text, pins=pins).text or text

    return template


def _resolver(pins: Mapping[str, str]) -> Resolve:
    """``codemods.resolve_symbol`` for one target; its tables are loaded only when a check runs."""
    from codemods import resolve_symbol

    @cache  # thousands of tasks are of a few classes
    def resolve(dotted: str) -> str:
        found = resolve_symbol(dotted, pins=pins)
        return found if isinstance(found, str) else dotted

    return resolve


CHECK = Check(
    id="structure-survives",
    title="Every DAG keeps its tasks, edges and settings",
    why="A DAG that loads can still run other work, in another order, at other times.",
    rules=(
        TASK_DISAPPEARED,
        TASK_APPEARED,
        EDGE_CHANGED,
        OPERATOR_CHANGED,
        *TEMPLATE_RULES,
        *ATTRIBUTE_RULES,
    ),
    judge=judge,
)
