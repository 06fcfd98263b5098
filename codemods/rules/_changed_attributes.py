"""What tasks keep under the same name on the target, and of another shape, is told."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from codemods.base import Note
from codemods.reading.calls import Construction, constructions
from codemods.reading.instances import Instances, instances
from codemods.reading.source import Source
from codemods.tables.constructors import baseline
from codemods.tables.target import Target

_OF_DICTS = {"get", "items", "keys", "pop", "setdefault", "update", "values"}


@dataclass(frozen=True, kw_only=True)
class _Row:
    """An attribute of a class of 1.10 whose value is another on the target."""

    cls: str
    name: str
    now: str
    advice: str
    as_dict: bool = False  # only what treats it as a dict fails
    unless: str = ""  # it is what it was where this argument is given
    when: str = "apache-airflow>=2.0"


_S3 = "airflow.sensors.s3_key_sensor.S3KeySensor"
_URL = "Take both out of the URL: bucket, key = S3Hook.parse_s3_url(self.bucket_key)"
# Source: the constructors of 1.10.15 and those of the providers that the locks of 2.0.2 to 2.11.0
# pin, side by side.
_ROWS = (
    _Row(
        cls="airflow.contrib.operators.kubernetes_pod_operator.KubernetesPodOperator",
        name="env_vars",
        now="is a list of V1EnvVar on the target, where 1.10 kept the dict",
        advice="Append kubernetes.client.V1EnvVar(name=..., value=...)",
        as_dict=True,
    ),
    _Row(
        cls=_S3,
        name="bucket_name",
        now="is None on the target where only bucket_key was given, an s3:// URL; 1.10 took it out "
        "of there",
        advice=_URL,
        unless="bucket_name",
    ),
    _Row(
        cls=_S3,
        name="bucket_key",
        now="is the whole s3:// URL on the target where that was given; 1.10 kept the key alone",
        advice=_URL,
        unless="bucket_name",
    ),
    _Row(
        cls="airflow.contrib.operators.ssh_operator.SSHOperator",
        name="timeout",
        now="is NOTSET on the target where none was given, and not 10",
        advice="Give it one in the constructor: super().__init__(cmd_timeout=10, ...)",
        unless="timeout",
        when="apache-airflow-providers-ssh>=3.5",
    ),
)
_NAMES = {row.name for row in _ROWS}


def changed(source: Source, target: Target, *, rule: str) -> Iterator[Note]:
    """What a text does with such attributes of classes that it knows by the paths of 1.10."""
    if not any(f".{name}" in source.text for name in _NAMES):
        return
    known = instances(source)
    dicts = _treated_as_dicts(source)
    made = constructions(source)
    for node in source.every(ast.Attribute):
        row = _row(known, node) if node.attr in _NAMES else None
        if row is None or not target.has(row.when) or _is_given(known, made, row):
            continue
        shows = id(node) in dicts if row.as_dict else isinstance(node.ctx, ast.Load)
        if shows and not (isinstance(node.ctx, ast.Load) and known.overrides(node.value, row.name)):
            message = f"{row.cls.rpartition('.')[2]}.{row.name} {row.now}"
            yield Note.at(node, rule=rule, message=message, fix=row.advice)


def _is_given(known: Instances, made: Iterable[Construction], row: _Row) -> bool:
    """Whether the text makes such a task with the argument that lets all be as it was."""
    return any(
        keyword.arg == row.unless and row.cls in known.lineage(one.path)
        for one in made
        for keyword in one.node.keywords
    )


def _row(known: Instances, node: ast.Attribute) -> _Row | None:
    path = known.path(node.value)
    if not path or baseline().signature(path) is None:
        return None  # written for 2.x, which has it so
    lineage = known.lineage(path)
    return next((r for r in _ROWS if r.name == node.attr and r.cls in lineage), None)


def _treated_as_dicts(source: Source) -> set[int]:
    """The ids of attributes that are asked as a dict is, or given one outside a constructor."""
    found = {id(s.value) for s in source.every(ast.Subscript) if not _number(s.slice)}
    for call in source.plain_calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr in _OF_DICTS:
            found.add(id(call.func.value))
    for cls, _ in source.classes:
        for method in cls.body:
            if isinstance(method, ast.FunctionDef) and method.name != "__init__":
                for node in ast.walk(method):
                    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
                        found |= {id(t) for t in node.targets}
    return found


def _number(node: ast.expr) -> bool:
    """Whether a subscript is one of a list."""
    number = isinstance(node, ast.Constant) and isinstance(node.value, int)
    return number or isinstance(node, ast.Slice | ast.UnaryOp)
