"""A call of what is one class or another, which do not take the same, is told."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.argument_map import map_arguments
from codemods.editing.changes import Change
from codemods.reading.calls import constructions, init_of
from codemods.reading.heritage import heritage, kin, meant, signature_of
from codemods.reading.source import Source
from codemods.rules._text import lines
from codemods.tables.target import Target

ID = "either-class"


def _find(source: Source, target: Target) -> Iterator[Change]:
    made = {id(one.node) for one in constructions(source)}
    for node in source.plain_calls:
        func = node.func
        if id(node) in made or not isinstance(func, ast.Name) or func.id not in source.assigned:
            continue
        told: set[str] = set()
        for path in dict.fromkeys(_classes(source, func)):
            for message in _messages(source, target, path, node):
                if message not in told:
                    told.add(message)
                    yield Note.at(
                        node,
                        rule=ID,
                        message=f"{func.id} may be {path.rpartition('.')[2]}, which {message}",
                        fix="Call each class where it is chosen, with what it takes itself",
                    )


def _classes(source: Source, func: ast.Name) -> Iterator[str]:
    """The 1.10 paths of Airflow's classes whose constructor the call may reach."""
    for one in meant(source, func):
        path = source.path_of(one)
        if path is not None and signature_of(path) is not None:
            yield path
        elif isinstance(one, ast.Name) and path is None:
            for cls in (c for c, _ in source.classes if c.name == one.id):
                if not any(init_of(k) for k in kin(source, cls)) and heritage(source, cls).path:
                    yield heritage(source, cls).path


def _messages(source: Source, target: Target, path: str, node: ast.Call) -> Iterator[str]:
    """What the class takes otherwise of the arguments that the call gives by name."""
    resolution = target.resolve(path)
    if resolution.removed is not None or target.constructors.signature(resolution.path) is None:
        return
    mapped = map_arguments(target, source, resolution, node)
    given = {k.arg for k in node.keywords}
    for old, new in mapped.rename.items():
        if new not in given:
            yield f"calls {old} {new} on the target"
    for old in sorted({*mapped.drop, *mapped.into, *mapped.unsure}):
        yield f"takes no {old} on the target"


_HEAD = (
    "import os",
    "",
    "from airflow.models.baseoperator import BaseOperator",
    "from airflow.providers.http.sensors.http import HttpSensor",
    "from airflow.providers.ssh.operators.ssh import SSHOperator",
    "",
    "",
    "class Log(BaseOperator):",
    "    def __init__(self, command, timeout=None, **kwargs):",
    "        super().__init__(**kwargs)",
    "",
    "",
    "class Far(SSHOperator):",
    "    pass",
    "",
    "",
    "Run = Log if os.environ.get('DEV') else Far",
)

RULE = Rule(
    id=ID,
    title="Tell of calls that reach one class or another",
    why="Where a name is one class or another, by the environment for instance, and these do not "
    "take the same, a call cannot be changed for both; with an argument that the target's class "
    "does not take it fails, in a callback unseen.",
    examples=(
        Example(
            before=lines(*_HEAD, "Run(task_id='a', command='ls', timeout=5)"),
            notes=("Run may be SSHOperator, which calls timeout cmd_timeout",),
        ),
    ),
    keeps=(
        lines(*_HEAD, "Run(task_id='a', command='ls')", "Log(task_id='b', command='', timeout=5)"),
    ),
    find=_find,
)
