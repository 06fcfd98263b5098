"""Values of a DAG's arguments that the target names differently."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Rule
from codemods.editing.changes import Change, Step
from codemods.reading.source import Source
from codemods.reading.values import known, quoted, text_of, whole_texts
from codemods.rules._dag import dags
from codemods.rules._text import block
from codemods.tables.target import Target

ID = "dag-values"
# Source: airflow/models/dag.py of 2.3.0 (the tree view became the grid) and of 2.0.0
# (_upgrade_outdated_dag_access_control).
_VIEWS = {"tree": "grid"}
_PERMISSIONS = {"can_dag_read": "can_read", "can_dag_edit": "can_edit"}


def _find(source: Source, target: Target) -> Iterator[Change]:
    for made in dags(source, target):
        for keyword in made.node.keywords:
            if keyword.arg == "default_view" and target.has("apache-airflow>=2.3"):
                view = text_of(known(keyword.value, source))
                yield from _replaced(keyword.value, view, _VIEWS)
    # Nothing else is called so: it need not be seen how they get to the DAG.
    if source.bindings and any(old in source.text for old in _PERMISSIONS):
        for text in whole_texts(source):
            yield from _replaced(text, text.value, _PERMISSIONS)


def _replaced(node: ast.expr, old: object, names: dict[str, str]) -> Iterator[Change]:
    if isinstance(old, str) and old in names:
        message = f"{old} is {names[old]} on the target"
        yield Step.replace(node, quoted(names[old]), rule=ID, message=message)


RULE = Rule(
    id=ID,
    title="Name a DAG's view and permissions as the target does",
    why="The tree view is the grid since Airflow 2.3, the permissions of a DAG are can_read and "
    "can_edit since 2.0; the old names warn.",
    examples=(
        Example(
            before=block("""
                from airflow import DAG

                READ = {'can_dag_read'}
                ACCESS = {'ops': {'can_dag_read', 'can_dag_edit'}, 'viewers': READ}
                DAG('d', schedule=None, default_view='tree', access_control=ACCESS)
            """),
            after=block("""
                from airflow import DAG

                READ = {"can_read"}
                ACCESS = {'ops': {"can_read", "can_edit"}, 'viewers': READ}
                DAG('d', schedule=None, default_view="grid", access_control=ACCESS)
            """),
        ),
    ),
    keeps=(
        block("""
            from airflow import DAG

            DAG('d', schedule=None, default_view='graph')
        """),
        block("""
            # airflow
            from mylib import DAG

            DAG('d', default_view='tree')
        """),
        block("""
            from airflow import DAG

            VIEW = 'tree'
            DAG('d', schedule=None)
        """),
        block("""
            from airflow import DAG

            DAG('d', schedule=None, tags=[f'{1}can_dag_read'])
        """),
    ),
    find=_find,
)
