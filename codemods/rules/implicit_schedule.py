"""A DAG without a schedule says the one that it has."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import AddImport, Change, EditCall, NewImport, Step
from codemods.reading.source import Source
from codemods.reading.unpacking import filled_in
from codemods.rules._dag import SCHEDULES, dags, has_start
from codemods.rules._text import block, lines
from codemods.tables.target import Target

ID = "implicit-schedule"
_TIMEDELTA = {"datetime.timedelta", "airflow.utils.dates.timedelta"}


def _timedelta(source: Source) -> tuple[str, NewImport | None]:
    """How the text can write ``timedelta``, and the import that it lacks for it."""
    for binding in source.bindings:
        if binding.scope is source.module and binding.tower is None:
            if binding.path in _TIMEDELTA:
                return binding.name, None
            if binding.path == "datetime" and binding.name not in source.module.others:
                return f"{binding.name}.timedelta", None
    name = source.free_name("timedelta")
    asname = name if name != "timedelta" else ""
    return name, NewImport(module="datetime", name="timedelta", asname=asname)


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not target.has("apache-airflow>=2.10"):
        return
    for made in dags(source, target):
        node = made.node
        names = {k.arg for k in node.keywords} | made.own
        starred = any(isinstance(argument, ast.Starred) for argument in node.args)
        if None in names or names & SCHEDULES or starred or len(node.args) - made.first > 2:
            continue
        if made.use is None and any(name in SCHEDULES for _, (_, name, _) in filled_in(source)):
            continue  # what makes it says one
        if made.use is None or made.first:
            yield Note.at(
                node,
                rule=ID,
                message="the DAG that this makes has no schedule and runs daily; the target wants "
                "it said",
                fix="Pass schedule=timedelta(days=1) on to it",
            )
            continue
        if has_start(source, made) is False:
            yield Note.at(
                node,
                rule=ID,
                message="a DAG without a schedule runs daily; the target wants it said",
                fix="Pass schedule=timedelta(days=1) and start_date=..., which the target asks for "
                "as soon as there is a schedule",
            )
            continue
        code, new = _timedelta(source)
        add = () if new is None else (AddImport(near=made.use.bindings[0], new=new),)
        yield Step(
            rule=ID,
            line=node.lineno,
            message="a DAG without a schedule runs daily; the target wants it said",
            operations=(EditCall(node=node, add={"schedule": f"{code}(days=1)"}), *add),
        )


RULE = Rule(
    id=ID,
    title="Say the schedule",
    why="A DAG without a schedule runs once a day; Airflow 2.10 warns, and 3 never runs it.",
    examples=(
        Example(
            before=block("""
                from datetime import datetime, timedelta
                from airflow import DAG

                dag = DAG('d', start_date=datetime(2020, 1, 1))
            """),
            after=block("""
                from datetime import datetime, timedelta
                from airflow import DAG

                dag = DAG('d', start_date=datetime(2020, 1, 1), schedule=timedelta(days=1))
            """),
        ),
        Example(
            before=block("""
                from airflow import DAG
                from airflow.utils.dates import timedelta

                dag = DAG('d', start_date=START, dagrun_timeout=timedelta(hours=1))
            """),
            after=lines(
                "from airflow import DAG",
                "from airflow.utils.dates import timedelta",
                "",
                "dag = DAG('d', start_date=START, dagrun_timeout=timedelta(hours=1), "
                "schedule=timedelta(days=1))",
            ),
        ),
        Example(
            before=block("""
                from airflow import DAG

                dag = DAG('d')
            """),
            notes=("schedule=timedelta(days=1) and start_date=...",),
        ),
        Example(
            before=block("""
                from airflow import DAG


                def part(parent, **kwargs):
                    return DAG(f'{parent}.part', **kwargs)


                part('d', start_date=START)
            """),
            notes=("schedule=timedelta(days=1) on to it",),
        ),
    ),
    keeps=(
        block("""
            from airflow import DAG

            args = ['d', 'nightly', None]
            dag = DAG(*args, start_date=START)
        """),
        block("""
            from airflow import DAG


            class Hourly(DAG):
                def __init__(self, *args, **kwargs):
                    kwargs.setdefault('schedule', '@hourly')
                    super().__init__(*args, **kwargs)


            dag = Hourly('d', start_date=START)
        """),
        block("""
            from airflow import DAG

            dag = DAG('d', schedule=None)
        """),
        block("""
            from airflow import DAG

            dag = DAG('d', **options)
        """),
        block("""
            from airflow import DAG

            dag = DAG('d', 'text', '@daily', start_date=START)
        """),
        block("""
            from airflow import DAG


            def make(name, **kwargs):
                return DAG(name, schedule='@daily', **kwargs)


            def other(name, when, **kwargs):
                return DAG(name, None, when, **kwargs)


            class Mine(DAG):
                def __init__(self, name, **kwargs):
                    super().__init__(name, schedule='@daily', **kwargs)


            make('a', start_date=START)
            other('b', '@daily', start_date=START)
            Mine('c', start_date=START)
        """),
    ),
    find=_find,
)
