"""What 1.10 kept in a plain name of its insides, asked of the class that has it now."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from codemods.base import Example, Rule
from codemods.editing.changes import AddImport, Change, NewImport, Operation, Rebind, Replace, Step
from codemods.reading.scopes import Binding, Use
from codemods.reading.source import Source
from codemods.rules._text import block
from codemods.tables.target import Target

ID = "internal-names"


@dataclass(frozen=True, kw_only=True)
class _Successor:
    """Where the class is that has it, and what it is asked for."""

    module: str
    name: str
    code: str
    a_value: bool = False  # read anew each time: an import of the name itself would keep one


# Source: airflow/executors/__init__.py and airflow/settings.py of 1.10.15;
# airflow/executors/executor_loader.py and airflow/models/dag.py of 2.0.2 to 2.11.2.
_SUCCESSORS: Mapping[str, _Successor] = {
    "airflow.executors.get_default_executor": _Successor(
        module="airflow.executors.executor_loader",
        name="ExecutorLoader",
        code="get_default_executor",
    ),
    "airflow.settings.CONTEXT_MANAGER_DAG": _Successor(
        module="airflow.models.dag", name="DagContext", code="get_current_dag()", a_value=True
    ),
}


def _named(use: Use) -> tuple[str, ast.expr] | None:
    """Which of these a use reads, and the part of it that names it."""
    for path, successor in _SUCCESSORS.items():
        if not f"{use.path}.".startswith(f"{path}.") or not use.sure:
            continue
        node = use.nodes[len(use.nodes) - 1 - (use.path.count(".") - path.count("."))]
        read = isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load)
        if read and not (successor.a_value and isinstance(node, ast.Name)):
            return path, node
    return None


def has_successor(use: Use) -> bool:
    """Whether a use is asked of the class that has it: nothing else is to be said of it."""
    return _named(use) is not None


def succeeded(binding: Binding) -> bool:
    """Whether an import brings such a name alone, and each use of it has a successor."""
    return (
        binding.path in _SUCCESSORS and bool(binding.uses) and all(map(has_successor, binding.uses))
    )


def _import(source: Source, successor: _Successor) -> NewImport:
    """The import of the class, under another name where the text has given its own away."""
    module, name = successor.module, successor.name
    there = source.module.imports.get(name, ())
    same = bool(there) and all(b.path == f"{module}.{name}" for b in there)
    free = name not in source.names or (same and name not in source.module.others)
    return NewImport(module=module, name=name, asname="" if free else source.free_name(name))


def _operations(source: Source, binding: Binding) -> Iterator[Operation]:
    whole = succeeded(binding)
    if binding.path in _SUCCESSORS and not whole:
        return
    imports: dict[str, NewImport] = {}
    for use in binding.uses:
        named = _named(use) if use.bindings[0] is binding else None
        if named is not None:
            path, node = named
            successor = _SUCCESSORS[path]
            new = imports.setdefault(path, _import(source, successor))
            yield Replace(node=node, code=f"{new.local}.{successor.code}")
    if whole:
        yield Rebind(binding=binding, imports=tuple(imports.values()))
    else:
        yield from (AddImport(near=binding, new=new) for new in imports.values())


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not target.has("apache-airflow>=2.0"):
        return
    for binding in source.bindings:
        operations = tuple(_operations(source, binding))
        if operations:
            paths = sorted({n[0] for use in binding.uses if (n := _named(use)) is not None})
            asked = ", ".join(f"{_SUCCESSORS[p].name}.{_SUCCESSORS[p].code}" for p in paths)
            yield Step(
                rule=ID,
                line=binding.alias.lineno,
                message=f"{', '.join(paths)} is {asked} on the target",
                operations=operations,
            )


RULE = Rule(
    id=ID,
    title="Ask the class that has it",
    why="Some plain names of Airflow's insides went into classes in 2.0: the DAG of the `with` "
    "statement that runs, and the executor of the configuration.",
    examples=(
        Example(
            before=block("""
                from airflow import settings
                from airflow.operators.bash_operator import BashOperator


                def make(dag=None):
                    dag = dag or settings.CONTEXT_MANAGER_DAG
                    return BashOperator(task_id=dag.dag_id, bash_command='ls', dag=dag)
            """),
            after=block("""
                from airflow.models.dag import DagContext
                from airflow.operators.bash import BashOperator


                def make(dag=None):
                    dag = dag or DagContext.get_current_dag()
                    return BashOperator(task_id=dag.dag_id, bash_command='ls', dag=dag)
            """),
        ),
        Example(
            before=block("""
                from airflow.executors import get_default_executor

                get_default_executor().heartbeat()
            """),
            after=block("""
                from airflow.executors.executor_loader import ExecutorLoader

                ExecutorLoader.get_default_executor().heartbeat()
            """),
        ),
        Example(
            before=block("""
                import airflow

                print(airflow.settings.CONTEXT_MANAGER_DAG.dag_id)
            """),
            after=block("""
                import airflow
                from airflow.models.dag import DagContext

                print(DagContext.get_current_dag().dag_id)
            """),
        ),
    ),
    keeps=(
        block("""
            # airflow
            from company import settings

            settings.CONTEXT_MANAGER_DAG
        """),
        block("""
            from airflow import settings

            settings.Session()
        """),
    ),
    find=_find,
)
