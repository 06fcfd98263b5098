"""Names that live elsewhere on the target are imported from there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from codemods.base import Example, Rule
from codemods.editing.changes import Change, NewImport, Rebind, Replace
from codemods.plugins.web_interface import goes
from codemods.reading.class_paths import MOVED
from codemods.reading.scopes import Binding
from codemods.reading.source import Source
from codemods.rules._imports.modules import dotted_changes, module_changes
from codemods.rules._imports.moves import Moves, absent, split
from codemods.rules._imports.star import star_changes
from codemods.rules._imports.strings import string_changes, text_notes
from codemods.rules._imports.towers import dead_branch
from codemods.rules._text import block, lines
from codemods.rules.internal_names import succeeded
from codemods.rules.trigger_dag_run import defines_order
from codemods.tables.hops import members
from codemods.tables.target import Target

ID = MOVED


def import_changes(source: Source, target: Target) -> tuple[Change, ...]:
    """All that imports need, found once for the rules that share it."""
    if "imports" not in source.found:
        source.found["imports"] = tuple(_all(Moves(source, target)))
    return source.found["imports"]


def _all(moves: Moves) -> Iterator[Change]:
    source = moves.source
    for binding in source.bindings:
        if (
            binding.airflow
            and not dead_branch(moves, binding)
            and not goes(source, binding)
            and not defines_order(source, binding)
            and not succeeded(binding)
        ):
            moves.hooks = set()
            yield from _binding(moves, binding)
    yield from string_changes(moves)
    yield from text_notes(moves)


def _binding(moves: Moves, binding: Binding) -> Iterator[Change]:
    if binding.name == "*":
        yield from star_changes(moves, binding)
        return
    if binding.dotted:
        yield from dotted_changes(moves, binding)
        return
    resolution = moves.end(binding.path)
    known = binding.path in members() or (
        binding.path in moves.target.plugin_modules and not resolution.moved
    )
    if known and (resolution.hops or moves.known_below(binding)):
        yield from module_changes(moves, binding, resolution)
    elif resolution.removed is not None:
        yield moves.lost(binding, binding.path, resolution.removed.advice)
    elif resolution.moved:
        yield from _symbol(moves, binding, resolution.path)
    elif not resolution.hops:
        advice = moves.unknown(binding.path)
        if advice:
            yield absent(binding.alias, binding.path, advice)
        for use in binding.uses:
            yield from moves.unserved(use, binding.path)


def _symbol(moves: Moves, binding: Binding, path: str) -> Iterator[Change]:
    module, name = split(path)
    asname, renames = binding.name if name != binding.name else "", list[Replace]()
    if asname and not binding.alias.asname and _may_rename(moves, binding, module, name):
        asname = ""
        renames = [
            Replace(node=use.root, code=name)
            for use in binding.uses
            if moves.source.segment(use.root) == binding.name
        ]
    first = Rebind(binding=binding, imports=(NewImport(module=module, name=name, asname=asname),))
    yield moves.step(binding.alias.lineno, binding.path, path, first, *renames)


def _may_rename(moves: Moves, binding: Binding, module: str, name: str) -> bool:
    """Whether every use can bear the new name: else the import keeps the old one by ``as``."""
    source = moves.source
    siblings = binding.scope.imports[binding.name]
    ends = {moves.end(b.path).path for b in siblings}
    missed = not binding.uses and not source.unused(binding)  # elsewhere, by its name
    if len(ends) > 1 or missed or binding.name in source.words:
        return False
    if any(b.tower is not None or b.alias.asname for b in siblings if b is not binding):
        return False  # another branch binds the old name as well, and goes on to
    if any(not use.sure for use in binding.uses):
        return False
    if any(source.segment(use.root) != binding.name for use in binding.uses):
        return False
    if name not in source.names:
        return True
    # The name is there already: fine if it is the same thing, imported in the same scope.
    same = binding.scope.imports.get(name, ())
    return (
        bool(same)
        and all(moves.target.resolve(b.path).path == f"{module}.{name}" for b in same)
        and name not in source.module.others
    )


def _find(source: Source, target: Target) -> Iterator[Change]:
    return (c for c in import_changes(source, target) if c.rule == ID)


_EXAMPLES: Sequence[Example] = (
    Example(
        before=lines("from airflow.operators.python_operator import PythonOperator"),
        after=lines("from airflow.operators.python import PythonOperator"),
    ),
    Example(
        before=lines("from airflow.operators import HttpSensor, S3KeySensor  # noqa: F401"),
        after=lines(
            "from airflow.providers.http.sensors.http import HttpSensor  # noqa: F401",
            "from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor  # noqa: F401",
        ),
    ),
    Example(
        before=block("""
            from airflow.operators.dummy_operator import DummyOperator

            start = DummyOperator(task_id='start')
        """),
        after=block("""
            from airflow.operators.empty import EmptyOperator

            start = EmptyOperator(task_id='start')
        """),
    ),
    Example(
        before=block("""
            from airflow.contrib.operators import aws_athena_operator

            aws_athena_operator.AWSAthenaOperator(task_id='q', query='', database='d')
            getattr(aws_athena_operator, 'AWSAthenaOperator')
        """),
        after=block("""
            from airflow.providers.amazon.aws.operators import athena as aws_athena_operator

            aws_athena_operator.AthenaOperator(task_id='q', query='', database='d')
            getattr(aws_athena_operator, 'AthenaOperator')
        """),
    ),
    Example(
        before=block("""
            from unittest.mock import patch

            patch('airflow.contrib.operators.ssh_operator.SSHHook')
            patch('airflow.operators.bash_operator.Popen')
            patch('airflow.hooks.base_hook.BaseHook.get_connection')
            import_module('.bash_operator', 'airflow.operators')
            bash = 'airflow.operators.bash_operator:BashOperator'
        """),
        after=block("""
            from unittest.mock import patch

            patch('airflow.contrib.operators.ssh_operator.SSHHook')
            patch('airflow.operators.bash_operator.Popen')
            patch('airflow.hooks.base.BaseHook.get_connection')
            import_module('airflow.operators.bash')
            bash = 'airflow.operators.bash:BashOperator'
        """),
        notes=("airflow.providers.ssh.operators.ssh.SSHHook", "airflow.operators.bash.Popen"),
    ),
    Example(
        before=lines(
            "with open('generated.py', 'w') as dag_file:",
            "    dag_file.write('from airflow.hooks.base_hook import BaseHook')",
        ),
        notes=("from airflow.hooks.base import BaseHook",),
    ),
    Example(
        before=block("""
            import airflow.operators.bash_operator

            airflow.operators.bash_operator.BashOperator(task_id='b', bash_command='true')
        """),
        after=block("""
            import airflow.operators.bash

            airflow.operators.bash.BashOperator(task_id='b', bash_command='true')
        """),
    ),
)

RULE = Rule(
    id=ID,
    title="Import from where the target has it",
    why="Airflow 2 moved operators, sensors and hooks to new modules and to provider "
    "distributions; the shims that remain warn, and many paths have none.",
    examples=tuple(_EXAMPLES),
    keeps=(
        lines("from airflow import DAG"),
        block("""
            from airflow.models import Variable

            Variable.get('x')
        """),
        lines("from airflow.operators.python import PythonOperator"),
        block("""
            try:
                from airflow.operators.python import PythonOperator
            except ImportError:
                from airflow.operators.python_operator import PythonOperator
        """),
        lines("from .operators.python_operator import PythonOperator"),
        lines("text = 'from airflow.models import Variable'"),
        block('''
            """
            from airflow.operators.python_operator import PythonOperator
            """
        '''),
        lines("path = 'see airflow.operators.python_operator.PythonOperator'"),
    ),
    find=_find,
)
