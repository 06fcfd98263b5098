"""Templated fields keep their raw values, and stay templated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from harness.checks.comparison import Comparison, Place
from harness.model import Finding, Rule, Severity, TaskObservation

TEMPLATE_CHANGED = Rule(
    id="template-changed",
    title="The raw value of a templated field differs",
    why="The task is given another command, query or key.",
    fix="Give the argument the value it has on the bridge.",
    example="bash_command='load {{ ds }}'  →  bash_command='load'",
    keeps="op_args=[]  →  op_args=()",
)
TEMPLATE_DEFAULT_CHANGED = Rule(
    id="template-default-changed",
    title="The default of a templated field differs",
    why="The file does not set the field; the class itself has another default on the target.",
    fix="Set the field where the old value matters.",
    severity=Severity.NOTE,
    example="HttpSensor(endpoint='x')  # headers: {} → {'Accept': '*/*'}",
    keeps="HttpSensor(endpoint='x', headers={'Accept': 'text/csv'})",
)
TEMPLATE_LOST = Rule(
    id="template-lost",
    title="A field with a template is no longer rendered",
    why="The task is given the braces themselves.",
    fix="Use a field that the target's class renders, or render the value in the task.",
    example="queue='{{ var.value.queue }}'  # templated by the old class only",
    keeps="bash_command='echo {{ ds }}'",
)
TEMPLATE_GAINED = Rule(
    id="template-gained",
    title="A field is rendered that was literal before",
    why="Braces in the value are taken for a template now.",
    fix="Escape the braces, for instance with {% raw %}.",
    severity=Severity.WARNING,
    example="cwd='/data/{{ not_a_template }}'  # a templated field on the target only",
    keeps="cwd='/data'",
)

TEMPLATE_RULES = (TEMPLATE_CHANGED, TEMPLATE_DEFAULT_CHANGED, TEMPLATE_LOST, TEMPLATE_GAINED)

JINJA = re.compile(r"\{\{|\{%|\{#")

Fields = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class FieldForm:
    """A class that holds its templated fields in another form in one of the generations.

    ``operator`` is its name; ``normal`` brings the fields of either into one form.
    """

    operator: str
    normal: Callable[[Fields], Fields]
    source: str


def _split_key(fields: Fields) -> Fields:
    """An ``s3://bucket/key`` as bucket and key; 1.10 splits it in the constructor, 2.x in poke.
    Amazon's provider had releases that made a list of one key (6.0.0 is one)."""
    key = fields.get("bucket_key")
    if isinstance(key, list | tuple) and len(key) == 1:
        return _split_key({**fields, "bucket_key": key[0]})
    if fields.get("bucket_name") or not isinstance(key, str) or not key.startswith("s3://"):
        return fields
    url = urlsplit(key)
    return {**fields, "bucket_name": url.netloc, "bucket_key": url.path.removeprefix("/")}


def _numbers_as_text(fields: Fields) -> Fields:
    """``json`` with its numbers as text: 1.10 turns them in the constructor, 2.x in execute."""
    return {**fields, "json": _coerced(fields.get("json"))}


def _coerced(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _coerced(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_coerced(item) for item in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value


FIELD_FORMS: tuple[FieldForm, ...] = (
    FieldForm(
        operator="S3KeySensor",
        normal=_split_key,
        source="airflow/sensors/s3_key_sensor.py, apache-airflow 1.10.15",
    ),
    *(
        FieldForm(
            operator=operator,
            normal=_numbers_as_text,
            source="airflow/contrib/operators/databricks_operator.py, apache-airflow 1.10.15",
        )
        for operator in ("DatabricksSubmitRunOperator", "DatabricksRunNowOperator")
    ),
)


def compare_templates(
    old: TaskObservation, new: TaskObservation, place: Place, comparison: Comparison
) -> Iterator[Finding]:
    """Compare templated fields by their raw values.

    A field that one side does not template is known on the other only, so what counts is whether
    its value holds a template; a value that turns up under a new name was renamed.
    """
    before, after = _fields(old, new), _fields(new, new)
    for name, value in before.items():
        if name in after:
            if not _same_field(name, value, after[name], comparison):
                rule = TEMPLATE_CHANGED if _mentions(place, name) else TEMPLATE_DEFAULT_CHANGED
                yield place.finding(rule, name, value, after[name])
        elif not _renamed(value, before, after, comparison):
            yield place.finding(TEMPLATE_LOST, name, value, "no templated field")
    for name, value in after.items():
        if (
            name not in before
            and not _renamed(value, after, before, comparison)
            and _mentions(place, name)
        ):
            yield place.finding(TEMPLATE_GAINED, name, "no templated field", value)


def _fields(task: TaskObservation, new: TaskObservation) -> Fields:
    """The templated fields of ``task`` in the form that both generations share."""
    name = new.operator.rpartition(".")[2]
    for form in FIELD_FORMS:
        if form.operator == name:
            return form.normal(task.fields)
    return task.fields


def _same_field(name: str, old: Any, new: Any, comparison: Comparison) -> bool:
    if name == "op_kwargs" and isinstance(new, Mapping):
        # What the rewrite keeps from the context, which the target gives where 1.10 did not.
        kept = old if isinstance(old, Mapping) else {}
        new = {key: value for key, value in new.items() if key in kept or any(_templates(value))}
    return (not old and not new) or comparison.same(old, new)


def _renamed(value: Any, here: Fields, there: Fields, comparison: Comparison) -> bool:
    """Whether each template of ``value`` is within some field that only ``there`` has."""
    others = [part for name in there.keys() - here.keys() for part in _parts(there[name])]
    return all(
        any(comparison.same(template, other) for other in others) for template in _templates(value)
    )


def _templates(value: Any) -> Iterator[str]:
    """Every text within ``value`` that holds a template."""
    for part in _parts(value):
        if isinstance(part, str) and JINJA.search(part):
            yield part


def _parts(value: Any) -> Iterator[Any]:
    """``value`` and everything inside it."""
    yield value
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _parts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item)


def _mentions(place: Place, name: str) -> bool:
    """Whether the file names the field; without its text, it may."""
    return not place.text or bool(re.search(rf"\b{re.escape(name)}\b", place.text))
