"""SubDagOperator is reported with the TaskGroup form."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, OwnSubDag, OwnSubDags, Rule
from codemods.editing.changes import Change, Step
from codemods.reading.calls import constructions
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.subdags.calls import Parents, factory_call, made_of
from codemods.subdags.factories import Stays, is_subdag_operator
from codemods.subdags.groups import ID, SINCE, message, rows_for
from codemods.subdags.own import row_of
from codemods.tables.target import Target

_PATH = "airflow.operators.subdag.SubDagOperator"


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not target.has(SINCE):
        return
    rows: OwnSubDags | None = None
    for made in constructions(source):
        if target.resolve(made.path).path == _PATH:
            rows = rows_for(source, source.subdags) if rows is None else rows
            yield _told(source, made.node, rows)


def _told(source: Source, node: ast.Call, rows: OwnSubDags) -> Change:
    called = factory_call(node)
    row = row_of(source, called, rows) if called is not None else None
    if called is not None and row is not None and not row.stays:
        said = message(row, source.segment(called.func))
        return Step(rule=ID, line=node.lineno, message=said, operations=(), safe=False)
    name = next((k.value for k in node.keywords if k.arg == "task_id"), None)
    group = source.segment(name) if name is not None else '"section"'
    why, where = _why(source, node, called, row)
    return Note.at(
        node,
        rule=ID,
        message=f"SubDagOperator is deprecated; it warns when it is made{why}",
        fix=f"{where} under `with TaskGroup(group_id={group}) as group:` (from "
        "airflow.utils.task_group import TaskGroup), in the same DAG, and use `group` where the "
        "operator stood; task ids gain the group's id as prefix",
    )


def _why(
    source: Source, node: ast.Call, called: ast.Call | None, row: OwnSubDag | None
) -> tuple[str, str]:
    """Why migrate leaves it, and what has to stand under the group."""
    if called is not None and row is not None:
        name = source.segment(called.func)
        return f"; {name} stays: {row.stays}", f"Put the tasks that {name} makes ({row.place})"
    if not is_subdag_operator(source, node):
        return "; a class or function of your own makes it", "Put the sub-DAG's tasks"
    try:
        made_of(source, node, Parents(source))
    except Stays as why:
        return f"; it stays: {why}", "Put the sub-DAG's tasks"
    name = source.segment(called.func) if called is not None else "the function"
    return f"; it stays: where {name} is defined is not in sight", "Put the sub-DAG's tasks"


_TEXT = block("""
    from airflow.operators.subdag import SubDagOperator

    section = SubDagOperator(task_id='section', subdag=make('section'))
""")
_HEAD = (
    "from airflow import DAG",
    "from airflow.operators.bash import BashOperator",
    "from airflow.operators.subdag import SubDagOperator",
    "",
    "",
    "def make(parent, child, args):",
    "    subdag = DAG(f'{parent}.{child}', default_args=args, schedule=None)",
)
_TAIL = (
    "    BashOperator(task_id='one', bash_command='true', dag=subdag)",
    "    return subdag",
    "",
    "",
    "args = {'start_date': START}",
    "with DAG('main', default_args=args, schedule=None) as dag:",
    "    section = SubDagOperator(task_id='section', subdag=make('main', 'section', args))",
)
_GROUP = block("""
    from airflow import DAG
    from airflow.utils.task_group import TaskGroup
    from airflow.operators.bash import BashOperator


    def make(parent, child, args):
        with TaskGroup(child, default_args=args) as group:
            BashOperator(task_id='one', bash_command='true')
        return group


    args = {'start_date': START}
    with DAG('main', default_args=args, schedule=None) as dag:
        section = make('main', 'section', args)
""")

RULE = Rule(
    id=ID,
    title="Turn sub-DAGs into task groups",
    why="SubDagOperator warns since Airflow 2.2 and is gone in 3. The tasks of a task group "
    "belong to the DAG itself: their ids gain the group's, they have no runs of their own, and run "
    "side by side where nothing orders them. With --unsafe a function that makes a sub-DAG makes a "
    "task group, and is called where the operator was made, in all files together or in none: "
    "where the tasks are what they were but for that. What the DAG's default_args alone say of an "
    "owner, an address or on_failure_callback was the operator's and is the tasks' then.",
    examples=(
        Example(before=lines(*_HEAD, *_TAIL), after=_GROUP, unsafe=True),
        Example(before=lines(*_HEAD, *_TAIL), notes=("becomes a TaskGroup",)),
        Example(
            before=lines(*_HEAD, "    subdag.doc_md = 'One.'", *_TAIL),
            notes=("make stays: line 8 uses subdag for more than dag=subdag",),
            unsafe=True,
        ),
        Example(before=_TEXT, notes=("TaskGroup(group_id='section')",)),
    ),
    keeps=(
        block("""
            from airflow.utils.task_group import TaskGroup

            with TaskGroup(group_id='section') as group:
                pass
        """),
    ),
    find=_find,
)
