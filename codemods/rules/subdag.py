"""SubDagOperator is reported with the TaskGroup form."""

from __future__ import annotations

from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.calls import constructions
from codemods.changes import Change
from codemods.rules._text import lines
from codemods.source import Source
from codemods.target import Target

ID = "subdag"
_PATH = "airflow.operators.subdag.SubDagOperator"


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not target.has("apache-airflow>=2.2"):
        return
    for made in constructions(source):
        if target.resolve(made.path).path == _PATH:
            name = next((k.value for k in made.node.keywords if k.arg == "task_id"), None)
            group = source.segment(name) if name is not None else '"section"'
            yield Note.at(
                made.node,
                rule=ID,
                message="SubDagOperator is deprecated; it warns when it is made",
                fix="Put the sub-DAG's tasks under `with TaskGroup(group_id="
                f"{group}) as group:` (from airflow.utils.task_group import TaskGroup), in the "
                "same DAG, and use `group` where the operator stood; task ids gain the group's "
                "id as prefix",
            )


_TEXT = lines(
    "from airflow.operators.subdag import SubDagOperator",
    "",
    "section = SubDagOperator(task_id='section', subdag=make('section'))",
)

RULE = Rule(
    id=ID,
    title="Turn sub-DAGs into task groups",
    why="SubDagOperator warns since Airflow 2.2 and is gone in 3. The tasks of a task group "
    "belong to the DAG itself, so this changes task ids and is left to you.",
    examples=(Example(before=_TEXT, notes=("TaskGroup(group_id='section')",)),),
    keeps=(
        lines(
            "from airflow.utils.task_group import TaskGroup",
            "",
            "with TaskGroup(group_id='section') as group:",
            "    pass",
        ),
    ),
    find=_find,
)
