"""Keys of ``default_args`` follow the arguments that they stand for."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, EditCall, EditDict, Operation, Replace, Step
from codemods.editing.settling import renamed_key, settle
from codemods.reading.calls import constructions
from codemods.reading.defaults import DefaultKey
from codemods.reading.source import Source
from codemods.reading.values import quoted
from codemods.rules._text import block
from codemods.tables.constructors import baseline
from codemods.tables.core_classes import TASK
from codemods.tables.target import Target

ID = "default-args"


def _outcomes(source: Source, target: Target, key: str) -> set[str]:
    """What the classes that the text makes call the argument ``key`` on the target."""
    found: set[str] = set()
    for path in {made.path for made in constructions(source)} | {TASK}:
        old = baseline().signature(path)
        if old is None or TASK not in old.lineage or key not in old.accepts:
            continue
        resolution = settle(target, source, path)
        if resolution.removed is None:
            found.add(renamed_key(target, source, resolution, key))
    return found


def _rename(key: DefaultKey, name: str) -> Operation:
    if isinstance(key.holder, ast.Dict):
        return EditDict(node=key.holder, rename={key.name: name})
    if isinstance(key.holder, ast.Call):
        return EditCall(node=key.holder, rename={key.name: name})
    return Replace(node=key.holder, code=quoted(name))


def _find(source: Source, target: Target) -> Iterator[Change]:
    given = {key.name for key in source.default_keys}
    for name in sorted(given - {"xcom_push"}):  # 1.10 ignored that one here
        outcomes = _outcomes(source, target, name)
        new = outcomes - {name}
        if len(new) != 1 or new & given:
            continue
        (to,) = new
        for key in source.default_keys:
            if key.name != name:
                continue
            if name in outcomes:
                yield Note.at(
                    key.place,
                    rule=ID,
                    message=f"default_args gives {name}, which some of these tasks call {to} now",
                    fix=f'Add "{to}" with the same value beside "{name}"',
                )
                continue
            yield Step(
                rule=ID,
                line=key.place.lineno,
                message=f"{name} in default_args is {to} on the target",
                operations=(_rename(key, to),),
            )


RULE = Rule(
    id=ID,
    title="Rename keys of default_args",
    why="default_args are silently ignored where no argument bears their name, so a renamed "
    "argument would lose its value.",
    examples=(
        Example(
            before=block("""
                from airflow import DAG
                from airflow.operators.bash import BashOperator

                default_args = {'owner': 'me', 'task_concurrency': 2}
                with DAG('d', schedule=None, default_args=default_args):
                    BashOperator(task_id='t', bash_command='true')
            """),
            after=block("""
                from airflow import DAG
                from airflow.operators.bash import BashOperator

                default_args = {'owner': 'me', 'max_active_tis_per_dag': 2}
                with DAG('d', schedule=None, default_args=default_args):
                    BashOperator(task_id='t', bash_command='true')
            """),
        ),
        Example(
            before=block("""
                from airflow import DAG

                base = dict(owner='me', task_concurrency=2)
                default_args = {**base, 'queue': 'q'}
                default_args['task_concurrency'] = 3
                default_args.update({'task_concurrency': 4})
                dag = DAG('d', schedule=None, default_args=default_args)
            """),
            after=block("""
                from airflow import DAG

                base = dict(owner='me', max_active_tis_per_dag=2)
                default_args = {**base, 'queue': 'q'}
                default_args["max_active_tis_per_dag"] = 3
                default_args.update({'max_active_tis_per_dag': 4})
                dag = DAG('d', schedule=None, default_args=default_args)
            """),
        ),
    ),
    keeps=(
        block("""
            from airflow import DAG

            settings = dict(task_concurrency=2)
            settings['task_concurrency'] = 3
            dag = DAG('d', schedule=None, default_args=dict(owner='me'))
        """),
        block("""
            from airflow import DAG

            settings = {'task_concurrency': 2}
            dag = DAG('d', schedule=None, default_args={'owner': 'me', 'retries': 1})
        """),
    ),
    find=_find,
)
