"""The commands of 1.10's ``airflow`` that a DAG runs get the names that 2.x knows them by."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import cast

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, Replace, Respell, Step
from codemods.reading.source import Source
from codemods.repository.command_line import ID, commands, mentions, option, words
from codemods.rules._text import block, lines
from codemods.tables.target import Target

# Arguments that hold shell text: BashOperator and BashSensor, SSHOperator.
_SHELL = {"bash_command", "command"}
_CALLS = ("os.system", "os.popen", "subprocess.")


def _find(source: Source, _: Target) -> Iterator[Change]:
    if not mentions(source.text):
        return
    shell = _shell(source)
    passed = {
        id(node.value) for node in source.every(ast.Expr) if isinstance(node.value, ast.Constant)
    }
    passed |= {
        id(part)
        for node in source.every(ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in source.nodes:
        if isinstance(node, ast.List | ast.Tuple):
            yield from _listed(source, node)
        text = isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
        if text and id(node) not in passed:
            yield from _literal(source, cast(ast.expr, node), run=id(node) in shell)


def _shell(source: Source) -> set[int]:
    """The literals in what is run by a shell."""
    given: list[ast.expr] = []
    for call in source.plain_calls:
        given += [k.value for k in call.keywords if k.arg in _SHELL]
        if (source.path_of(call.func) or "").startswith(_CALLS):
            given += call.args[:1]
    for node in source.dicts:
        given += [
            value
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant) and key.value in _SHELL
        ]
    values = [source.value_of(value, ast.expr) or value for value in given]
    values += [v for value in values for v in _assigned(source, value)]
    return {id(part) for value in values for part in ast.walk(value)}


def _assigned(source: Source, value: ast.expr) -> Iterator[ast.expr]:
    for node in ast.walk(value):
        if isinstance(node, ast.Name):
            yield from source.assigned.get(node.id, [])


def _literal(source: Source, node: ast.expr, *, run: bool) -> Iterator[Change]:
    begin = source.span(node)[0]
    found = list(commands(source.segment(node), run=run))
    for place in found:
        if not place.parts:
            line = source.line_of(begin + place.start)
            yield Note(rule=ID, line=line, column=0, message=place.message, fix=place.advice)
    parts = [Respell(start=begin + a, end=begin + b, code=c) for f in found for a, b, c in f.parts]
    if parts:
        message = next(place.message for place in found if place.parts)
        yield Step(rule=ID, line=node.lineno, message=message, operations=tuple(parts))


def _listed(source: Source, node: ast.List | ast.Tuple) -> Iterator[Change]:
    """``["airflow", "trigger_dag", …]``."""
    texts = [e.value if isinstance(e, ast.Constant) else None for e in node.elts]
    old = texts[1] if len(texts) > 1 else None
    if texts[:1] != ["airflow"] or not isinstance(old, str) or not (new := words(old)):
        return
    quote = source.segment(node.elts[1])[0]
    code = ", ".join(f"{quote}{word}{quote}" for word in new)
    renamed = [
        Replace(node=element, code=source.segment(element).replace(text, option(old, text)))
        for element, text in zip(node.elts, texts, strict=True)
        if isinstance(text, str) and text.startswith("-") and option(old, text) != text
    ]
    yield Step(
        rule=ID,
        line=node.lineno,
        message=f"Airflow 2 has no command `airflow {old}`",
        operations=(Replace(node=node.elts[1], code=code), *renamed),
    )


_IMPORT = "from airflow.operators.bash import BashOperator"

RULE = Rule(
    id=ID,
    title="Call Airflow's commands by their names of 2.x",
    why="2.0 put the commands of `airflow` in groups and their long options in hyphens, and knows "
    "the old ones no more: the task fails when it runs. Shell text is rewritten where operators or "
    "os and subprocess run it, and in the .sh files that DAGs name; what a database, users or "
    "workers of one's own need, MWAA has no place for.",
    examples=(
        Example(
            before=lines(
                _IMPORT,
                "",
                'command = """',
                "set -eu",
                "airflow pause x_{{ execution_date }} -sd d; "
                "/usr/bin/airflow clear -c --start_date b x",
                '"""',
                "BashOperator(task_id='a', bash_command=command)",
                "BashOperator(task_id='b', bash_command=f'airflow variables -s k {command}')",
            ),
            after=block('''
                from airflow.operators.bash import BashOperator

                command = """
                set -eu
                airflow dags pause x_{{ ts }} -S d; /usr/bin/airflow tasks clear -y --start-date b x
                """
                BashOperator(task_id='a', bash_command=command)
                BashOperator(task_id='b', bash_command=f'airflow variables set k {command}')
            '''),
        ),
        Example(
            before=block("""
                import subprocess

                subprocess.run(['airflow', 'trigger_dag', '--run_id', 'r', 'x'])
                subprocess.run('airflow trigger_dag ' + 'x', shell=True)
            """),
            after=block("""
                import subprocess

                subprocess.run(['airflow', 'dags', 'trigger', '--run-id', 'r', 'x'])
                subprocess.run('airflow dags trigger ' + 'x', shell=True)
            """),
        ),
        Example(
            before=block("""
                from airflow.operators.bash import BashOperator

                BashOperator(task_id='a', bash_command='airflow initdb')
                BashOperator(task_id='b', bash_command='airflow connections --list')
            """),
            notes=("MWAA keeps the database", "airflow connections list"),
        ),
    ),
    keeps=(
        block("""
            from airflow.operators.bash import BashOperator

            print('airflow test of what airflow variables are')
            BashOperator(task_id='a', bash_command='airflow dags test; airflow variables get k')
            BashOperator(task_id='b', bash_command='cd airflow test; ls /airflow run')
        """),
    ),
    find=_find,
)
