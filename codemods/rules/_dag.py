"""What several rules ask about the construction of a DAG."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.reading.calls import Construction, constructions
from codemods.reading.source import Source
from codemods.tables.constructors import baseline
from codemods.tables.core_classes import DAG
from codemods.tables.target import Target

SCHEDULES = frozenset({"schedule", "schedule_interval", "timetable"})  # what says when it runs


def dags(source: Source, target: Target) -> Iterator[Construction]:
    """The calls that make a DAG, by whichever path the text names the class."""
    for made in constructions(source):
        signature = baseline().signature(made.path) or target.constructors.signature(made.path)
        if signature is not None and signature.lineage[0] == DAG:
            yield made


def has_start(source: Source, made: Construction) -> bool | None:
    """Whether a DAG is given a start date; None when the text does not show it."""
    names = {k.arg for k in made.node.keywords}
    if "start_date" in names or len(made.node.args) > 3:
        return True
    if None in names or any(isinstance(a, ast.Starred) for a in made.node.args):
        return None
    given = next((k.value for k in made.node.keywords if k.arg == "default_args"), None)
    if given is None:
        return False
    node = source.value_of(given, ast.Dict)
    if not isinstance(node, ast.Dict):
        return None
    keys = {k.value if isinstance(k, ast.Constant) else None for k in node.keys}
    if "start_date" in keys:
        return True
    changed = isinstance(given, ast.Name) and source.text.count(given.id) > 2
    return None if None in keys or changed else False
