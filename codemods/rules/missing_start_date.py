"""A scheduled DAG says its start date itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, EditCall, Step
from codemods.reading.calls import Construction
from codemods.reading.source import Source
from codemods.rules._dag import SCHEDULES, dags, has_start
from codemods.rules._text import block, lines
from codemods.tables.target import Target

ID = "missing-start-date"


def _scheduled(made: Construction) -> bool:
    """Whether the target sees a schedule: without one it does not ask for the date."""
    if len(made.node.args) > 2:
        value: ast.expr | None = made.node.args[2]
    else:
        value = next((k.value for k in made.node.keywords if k.arg in SCHEDULES), None)
    return value is not None and not (isinstance(value, ast.Constant) and not value.value)


def _tasks_date(source: Source, made: Construction) -> str | None:
    """The one start date that the tasks of the file are given, as code that can stand anywhere."""
    given = {
        ast.unparse(k.value)
        for call in source.plain_calls
        for k in call.keywords
        if k.arg == "start_date"
    }
    if len(given) != 1:
        return None
    (code,) = given
    tree = ast.parse(code, mode="eval")
    before = {b.name for b in source.bindings if b.scope is source.module and b.tower is None} | {
        name
        for name, values in source.assigned.items()
        if all(v.lineno < made.node.lineno for v in values)
    }
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    return code if names <= before else None


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not target.has("apache-airflow>=2.8"):
        return
    found = [made for made in dags(source, target) if not made.first and made.use is not None]
    for made in found:
        if not _scheduled(made) or has_start(source, made) is not False:
            continue
        date = _tasks_date(source, made) if len(found) == 1 else None
        if date is not None and len(made.node.args) < 4:
            yield Step(
                rule=ID,
                line=made.node.lineno,
                message=f"the DAG starts when its tasks do: start_date={date}",
                operations=(EditCall(node=made.node, add={"start_date": date}),),
            )
        else:
            yield Note.at(
                made.node,
                rule=ID,
                message="a scheduled DAG without start_date is refused on the target",
                fix="Pass start_date=... (the earliest one of its tasks) to the DAG, or put it "
                "into default_args",
            )


RULE = Rule(
    id=ID,
    title="Give a scheduled DAG its start date",
    why="1.10 was content when the tasks had one; since 2.8 a DAG with a schedule and without "
    "start_date, in default_args neither, raises when it is made.",
    examples=(
        Example(
            before=block("""
                from datetime import datetime
                from airflow import DAG
                from airflow.operators.bash import BashOperator

                dag = DAG('d', schedule='@daily', default_args={'owner': 'me'})
                BashOperator(
                    task_id='t', bash_command='true', start_date=datetime(2020, 1, 1), dag=dag
                )
            """),
            after=lines(
                "from datetime import datetime",
                "from airflow import DAG",
                "from airflow.operators.bash import BashOperator",
                "",
                "dag = DAG('d', schedule='@daily', default_args={'owner': 'me'}, "
                "start_date=datetime(2020, 1, 1))",
                "BashOperator(",
                "    task_id='t', bash_command='true', start_date=datetime(2020, 1, 1), dag=dag",
                ")",
            ),
        ),
        Example(
            before=block("""
                from airflow import DAG

                DAG('d', None, '@daily')
            """),
            notes=("start_date=...",),
        ),
    ),
    keeps=(
        block("""
            from airflow import DAG

            DAG('d', schedule='@daily', start_date=START)
        """),
        block("""
            from airflow import DAG

            DAG('d', schedule=None)
        """),
        block("""
            from airflow import DAG

            DAG('d', schedule='@daily', default_args=load())
        """),
        block("""
            from airflow import DAG

            args = {'start_date': START}
            DAG('d', schedule='@daily', default_args=args)
        """),
        block("""
            from airflow import DAG

            args = {'owner': 'me'}
            args['start_date'] = START
            DAG('d', schedule='@daily', default_args=args)
        """),
        block("""
            from airflow import DAG

            DAG('d', schedule='@daily', **options)
        """),
    ),
    find=_find,
)
