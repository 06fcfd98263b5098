"""What several rules ask about the construction of a DAG."""

from __future__ import annotations

import ast

from codemods.calls import Construction
from codemods.source import Source

DAG = "airflow.models.dag.DAG"


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
