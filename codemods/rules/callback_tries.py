"""The number of a try, as the callbacks of a task see it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, Step
from codemods.reading.age import of_2, scheduled
from codemods.reading.calls import items_of
from codemods.reading.instances import instances
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.core_classes import INSTANCE
from codemods.tables.target import Target

ID = "callback-tries"
_CALLBACK = re.compile(r"on_(failure|retry|success)_callback")
_NAME = "try_number"
_MESSAGE = "try_number is that of the try itself in a callback, where 1.10 had that of the next one"


def _find(source: Source, target: Target) -> Iterator[Change]:
    if f".{_NAME}" not in source.text or not target.has("apache-airflow>=2.10"):
        return
    if of_2(source) or scheduled(source):
        return
    known = instances(source)
    for function in _callbacks(source):
        less = {id(n.left): n for n in ast.walk(function) if isinstance(n, ast.BinOp) and _one(n)}
        for node in ast.walk(function):
            if not isinstance(node, ast.Attribute) or node.attr != _NAME:
                continue
            if known.path(node.value) != INSTANCE:
                continue
            whole, code = less.get(id(node)), source.segment(node)
            if whole is None:
                yield Note.at(node, rule=ID, message=_MESSAGE, fix=f"Write {code} + 1")
            else:
                yield Step.replace(whole, code, rule=ID, message=_MESSAGE)


def _one(node: ast.BinOp) -> bool:
    """``x - 1``."""
    less = isinstance(node.op, ast.Sub) and isinstance(node.right, ast.Constant)
    return less and isinstance(node.right, ast.Constant) and node.right.value == 1


def _callbacks(source: Source) -> Iterator[ast.FunctionDef | ast.Lambda]:
    """The functions that are given to tasks or DAGs as callbacks, and are nothing else."""
    given = [(k.arg or "", k.value) for call in source.plain_calls for k in call.keywords]
    for holder in source.dicts:
        given += [(name, value) for _, name, value in items_of(holder)]
    values = [value for name, value in given if _CALLBACK.fullmatch(name)]
    yield from (value for value in values if isinstance(value, ast.Lambda))
    named = [value.id for value in values if isinstance(value, ast.Name)]
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef) and node.name in named:
            uses = sum(name == node.name for _, name, _ in source.loads)
            if uses == named.count(node.name):
                yield node


_BEFORE = (
    "from airflow import DAG",
    "",
    "",
    "def tell(context):",
    "    ti = context['ti']",
    "    send(ti.task_id, {})",
    "",
    "",
    "dag = DAG('d', {}=None, default_args={{'on_failure_callback': tell}})",
)
_TEXT = lines(*_BEFORE)
_UNSCHEDULED = lines(*_BEFORE[:-1], "ARGUMENTS = {{'on_failure_callback': tell}}")

RULE = Rule(
    id=ID,
    title="Count tries as the target does",
    why="From 2.10 on try_number says which try it is, whenever it is asked; before, it said the "
    "next one as soon as the task had ended, so callbacks took one off.",
    examples=(
        Example(
            before=_TEXT.format("ti.try_number - 1", "schedule_interval"),
            after=_TEXT.format("ti.try_number", "schedule"),
        ),
        Example(
            before=_UNSCHEDULED.format("ti.try_number"),
            notes=("try_number is that of the try itself",),
        ),
    ),
    keeps=(
        "from airflow.decorators import task  # noqa: F401\n"
        + _UNSCHEDULED.format("ti.try_number"),
        _TEXT.format("ti.try_number", "schedule"),
        block("""
            from airflow.models import BaseOperator


            class Mine(BaseOperator):
                def execute(self, context):
                    return context['ti'].try_number - 1
        """),
    ),
    find=_find,
)
