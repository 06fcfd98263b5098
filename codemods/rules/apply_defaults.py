"""``@apply_defaults`` goes: the operator's metaclass does its work."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, DropDecorator, Rebind, Step
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.target import Target

ID = "apply-defaults"
_PATH = "airflow.utils.decorators.apply_defaults"


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not target.has("apache-airflow>=2.1"):
        return
    bindings = [b for b in source.bindings if target.resolve(b.path).path == _PATH]
    dropped = set()
    for node, _ in source.classes:
        methods = [method for method in node.body if isinstance(method, ast.FunctionDef)]
        decorators = [*node.decorator_list, *(d for m in methods for d in m.decorator_list)]
        for decorator in decorators:
            path = source.path_of(decorator)
            if path is not None and target.resolve(path).path == _PATH:
                dropped.add(id(decorator))
                yield Step(
                    rule=ID,
                    line=decorator.lineno,
                    message="apply_defaults does nothing in 2.x but warn",
                    operations=(DropDecorator(node=decorator),),
                )
    for binding in bindings:
        left = [use for use in binding.uses if id(use.node) not in dropped]
        for use in left[:1]:
            yield Note.at(
                use.node,
                rule=ID,
                message="apply_defaults does nothing in 2.x but warn",
                fix="Take the function as it is",
            )
        if binding.uses and not left:
            yield Step(
                rule=ID,
                line=binding.alias.lineno,
                message="apply_defaults is not used any more",
                operations=(Rebind(binding=binding, imports=()),),
            )


_WITHOUT = (
    "from airflow.models import BaseOperator",
    "",
    "",
    "class Mine(BaseOperator):",
    "    def __init__(self, x, *args, **kwargs):",
    "        super().__init__(*args, **kwargs)",
)

RULE = Rule(
    id=ID,
    title="Drop @apply_defaults",
    why="Since Airflow 2.1 the metaclass of BaseOperator applies default_args; the decorator only "
    "warns.",
    examples=(
        Example(
            before=lines(
                _WITHOUT[0],
                "from airflow.utils.decorators import apply_defaults",
                *_WITHOUT[1:3],
                "@apply_defaults",
                _WITHOUT[3],
                "    @apply_defaults",
                *_WITHOUT[4:],
            ),
            after=lines(*_WITHOUT),
        ),
        Example(
            before=lines(
                "from airflow import utils as tools",
                *_WITHOUT[:4],
                "    @tools.apply_defaults",
                *_WITHOUT[4:],
            ),
            after=lines(*_WITHOUT),
        ),
    ),
    keeps=(
        block("""
            from airflow.models import BaseOperator
            from mylib import apply_defaults


            class Mine(BaseOperator):
                @apply_defaults
                def __init__(self):
                    super().__init__()
        """),
        lines("def apply_defaults(airflow):", "    return airflow"),
    ),
    find=_find,
)
