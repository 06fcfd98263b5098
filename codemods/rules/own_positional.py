"""Operators of one's own are given their arguments by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Rule
from codemods.editing.changes import Change, EditCall, Step
from codemods.reading.calls import init_of, positional_of
from codemods.reading.heritage import heritage, own_at
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.constructors import baseline
from codemods.tables.core_classes import TASK
from codemods.tables.target import Target

ID = "own-positional"


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not target.has("apache-airflow>=2.0"):
        return
    named = {cls.name: cls for cls, scope in source.classes if scope is source.module}
    for call in source.plain_calls:
        if not call.args or any(isinstance(a, ast.Starred) for a in call.args):
            continue
        names = _names(source, target, call, named)
        if len(call.args) <= len(names):
            yield Step(
                rule=ID,
                line=call.lineno,
                message=f"{ast.unparse(call.func)} takes its arguments by name, as all tasks do",
                operations=(
                    EditCall(node=call, positional=dict(enumerate(names[: len(call.args)]))),
                ),
            )


def _names(
    source: Source, target: Target, call: ast.Call, named: dict[str, ast.ClassDef]
) -> tuple[str, ...]:
    """What the arguments of a call are called, where it makes a task of a class of one's own."""
    path = source.path_of(call.func)
    if path is not None:
        own = own_at(source, path)
        return own.positional if own is not None and _is_task(target, own.base) else ()
    cls = named.get(call.func.id) if isinstance(call.func, ast.Name) else None
    found = heritage(source, cls) if cls is not None else None
    if found is None or not _is_task(target, found.path):
        return ()
    inits = (init for one in found.line if (init := init_of(one)) is not None)
    init = next(inits, None)
    if init is not None:
        return positional_of(init)
    return found.own.positional if found.own is not None else ()


def _is_task(target: Target, path: str) -> bool:
    """Whether a class makes tasks: one of 1.10's, or of a file that has moved on already."""
    signature = baseline().signature(path) or target.constructors.signature(path)
    return signature is not None and TASK in signature.lineage


_CLASS = (
    "from airflow.models import BaseOperator",
    "",
    "",
    "class Load(BaseOperator):",
    "    def __init__(self, table, *args, **kwargs):",
    "        super().__init__(*args, **kwargs)",
    "        self.table = table",
    "",
    "",
)

RULE = Rule(
    id=ID,
    title="Give operators of your own their arguments by name",
    why="1.10 asked for names where the constructor bore @apply_defaults; since 2.0 every operator "
    "refuses arguments that are given by place.",
    examples=(
        Example(
            before=lines(*_CLASS, "Load('sales', task_id='t')"),
            after=lines(*_CLASS, "Load(table='sales', task_id='t')"),
        ),
    ),
    keeps=(
        lines(*_CLASS, "Load(table='sales', task_id='t')"),
        lines(*_CLASS, "Load(*names, task_id='t')"),
        block("""
            from airflow.hooks.base import BaseHook


            class Mine(BaseHook):
                def __init__(self, name):
                    super().__init__()


            Mine('a')
        """),
    ),
    find=_find,
)
