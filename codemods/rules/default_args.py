"""Keys of ``default_args`` follow the arguments that they stand for."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.calls import constructions
from codemods.changes import Change, EditDict, Step
from codemods.constructors import baseline
from codemods.rules._text import lines
from codemods.rules.arguments import TASK, calls_by_path, map_arguments, settle
from codemods.source import Source
from codemods.target import Target

ID = "default-args"


def _outcomes(source: Source, target: Target, key: str) -> set[str]:
    """What the classes that the text makes call the argument ``key`` on the target."""
    probe = ast.Call(func=ast.Name("f"), args=[], keywords=[ast.keyword(key, ast.Name("x"))])
    calls = calls_by_path(source)
    found: set[str] = set()
    for path in {made.path for made in constructions(source)} | {TASK}:
        old = baseline().signature(path)
        if old is None or TASK not in old.lineage or key not in old.accepts:
            continue
        resolution = settle(target, source, path, calls.get(path, []))
        if resolution.removed is None:
            found.add(map_arguments(target, source, resolution, probe).rename.get(key, key))
    return found


def _find(source: Source, target: Target) -> Iterator[Change]:
    for node in source.default_dicts:
        keys = {
            k.value: k
            for k in node.keys
            if isinstance(k, ast.Constant) and isinstance(k.value, str)
        }
        for key, place in keys.items():
            if key == "xcom_push":
                continue  # not an argument of every task: 1.10 ignored it here
            outcomes = _outcomes(source, target, key)
            new = outcomes - {key}
            if len(new) != 1 or new & set(keys):
                continue
            (name,) = new
            if key in outcomes:
                yield Note(
                    rule=ID,
                    line=place.lineno,
                    column=place.col_offset,
                    message=f"default_args gives {key}, which some of these tasks call {name} now",
                    fix=f'Add "{name}" with the same value beside "{key}"',
                )
                continue
            yield Step(
                rule=ID,
                line=place.lineno,
                message=f"{key} in default_args is {name} on the target",
                operations=(EditDict(node=node, rename={key: name}),),
            )


RULE = Rule(
    id=ID,
    title="Rename keys of default_args",
    why="default_args are silently ignored where no argument bears their name, so a renamed "
    "argument would lose its value.",
    examples=(
        Example(
            before=lines(
                "from airflow import DAG",
                "from airflow.operators.bash import BashOperator",
                "",
                "default_args = {'owner': 'me', 'task_concurrency': 2}",
                "with DAG('d', schedule=None, default_args=default_args):",
                "    BashOperator(task_id='t', bash_command='true')",
            ),
            after=lines(
                "from airflow import DAG",
                "from airflow.operators.bash import BashOperator",
                "",
                "default_args = {'owner': 'me', 'max_active_tis_per_dag': 2}",
                "with DAG('d', schedule=None, default_args=default_args):",
                "    BashOperator(task_id='t', bash_command='true')",
            ),
        ),
    ),
    keeps=(
        lines(
            "from airflow import DAG",
            "",
            "settings = {'task_concurrency': 2}",
            "dag = DAG('d', schedule=None, default_args={'owner': 'me', 'retries': 1})",
        ),
    ),
    find=_find,
)
