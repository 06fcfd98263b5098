"""The nodes of a GKE cluster are a pool of its body."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, Compose, EditDict, Step
from codemods.reading.calls import constructions
from codemods.reading.source import Source
from codemods.reading.values import known
from codemods.rules._text import block, lines
from codemods.tables.target import Target

ID = "gke-body"
_PATH = "airflow.providers.google.cloud.operators.kubernetes_engine.GKECreateClusterOperator"
# Source: operators/kubernetes_engine.py of apache-airflow-providers-google 10.9 (it warns), and the
# GKE API, Cluster: of count and config it makes the pool "default-pool".
_WARNS = "apache-airflow-providers-google>=10.9"
_COUNT, _CONFIG = "initial_node_count", "node_config"
_OTHERS = {"zone", "instance_group_urls", "node_pools"}


def _find(source: Source, target: Target) -> Iterator[Change]:
    if _COUNT not in source.text or not target.has(_WARNS):
        return
    seen = set[int]()
    for made in constructions(source):
        if target.resolve(made.path).path != _PATH:
            continue
        for body in (known(k.value, source) for k in made.reaching if k.arg == "body"):
            if id(body) not in seen and _asks(source, body):
                seen.add(id(body))
                yield _pooled(source, body) or _note(body)


def _asks(source: Source, body: ast.expr) -> bool:
    """Whether a body counts its nodes, outside of pools."""
    if isinstance(body, ast.Dict) and None not in body.keys:
        return _named(body, _COUNT)
    return _COUNT in source.segment(body)


def _pooled(source: Source, body: ast.expr) -> Step | None:
    """The display of a body with a pool; None where it is none, or says more of its nodes."""
    if not isinstance(body, ast.Dict):
        return None
    items = {
        key.value: value
        for key, value in zip(body.keys, body.values, strict=True)
        if isinstance(key, ast.Constant)
    }
    said = sum(n.value == _COUNT for n in source.every(ast.Constant))
    here = sum(isinstance(n, ast.Constant) and n.value == _COUNT for n in ast.walk(body))
    displays = sum(_named(n, _COUNT) for n in source.every(ast.Dict))
    if len(items) < len(body.keys) or items.keys() & _OTHERS or here > 1 or said > displays:
        return None
    count, config = items[_COUNT], items.get(_CONFIG)
    more = f', "config": {source.segment(config)}' if config is not None else ""
    pool = ('[{"name": "default-pool", "initial_node_count": ', count, more + "}]")
    drop = frozenset({_CONFIG} if config is not None else ())
    return Step(
        rule=ID,
        line=body.lineno,
        message="initial_node_count makes a node pool of the body",
        operations=(
            EditDict(node=body, rename={_COUNT: "node_pools"}, drop=drop),
            Compose(node=count, parts=pool),
        ),
    )


def _named(node: ast.Dict, name: str) -> bool:
    return any(isinstance(key, ast.Constant) and key.value == name for key in node.keys)


def _note(body: ast.expr) -> Note:
    return Note.at(
        body,
        rule=ID,
        message="GKECreateClusterOperator warns about initial_node_count in the body",
        fix='Give it as "node_pools": [{"name": "default-pool", "initial_node_count": ..., '
        '"config": <node_config>}] instead',
    )


_NEW = (
    "from airflow.providers.google.cloud.operators.kubernetes_engine import ("
    "GKECreateClusterOperator)"
)

RULE = Rule(
    id=ID,
    title="Give a GKE cluster its nodes as a pool",
    why="The operator warns about initial_node_count and node_config in the body of a cluster, out "
    "of which GKE makes the pool default-pool.",
    examples=(
        Example(
            before=lines(
                _NEW,
                "",
                'BODY = {"name": "c", "initial_node_count": 2, "node_config": CONFIG}',
                'GKECreateClusterOperator(task_id="t", location="eu", body=BODY)',
            ),
            after=lines(
                _NEW,
                "",
                'BODY = {"name": "c", "node_pools": [',
                '    {"name": "default-pool", "initial_node_count": 2, "config": CONFIG},',
                "]}",
                'GKECreateClusterOperator(task_id="t", location="eu", body=BODY)',
            ),
        ),
        Example(
            before=lines(
                _NEW,
                "",
                'BODY = dict(name="c", initial_node_count=2)',
                'GKECreateClusterOperator(task_id="t", location="eu", body=BODY)',
            ),
            notes=("node_pools",),
        ),
    ),
    keeps=(
        lines(
            _NEW,
            "",
            'BODY = {"name": "c", "node_pools": [{"name": "p", "initial_node_count": 2}]}',
            'GKECreateClusterOperator(task_id="t", location="eu", body=BODY)',
        ),
        block("""
            # airflow
            from company import GKE

            GKE(body={"initial_node_count": 1})
        """),
        lines(_NEW, "", 'GKECreateClusterOperator(task_id="t", location="eu", body=BODY)'),
    ),
    find=_find,
)
