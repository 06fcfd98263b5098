"""Trigger rules bear the names that the target knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Rule
from codemods.changes import Change, Step
from codemods.rules._text import lines
from codemods.source import Source
from codemods.target import Target

ID = "trigger-rules"
_CLASS = "airflow.utils.trigger_rule.TriggerRule"
# Source: airflow/models/baseoperator.py of 2.2.2 and 2.11.0 (BaseOperator.__init__ warns).
_VALUES = {"dummy": "always", "none_failed_or_skipped": "none_failed_min_one_success"}


def _values(source: Source) -> Iterator[ast.expr]:
    """What is given as a trigger rule, as an argument or under that key of a dict."""
    for call in source.plain_calls:
        yield from (k.value for k in call.keywords if k.arg == "trigger_rule")
    for node in source.dicts:
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "trigger_rule":
                yield value
    for place, value in source.items_set:
        if isinstance(place.slice, ast.Constant) and place.slice.value == "trigger_rule":
            yield value


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not target.has("apache-airflow>=2.2") or not any(b.airflow for b in source.bindings):
        return
    for value in _values(source):
        if isinstance(value, ast.Constant) and value.value in _VALUES:
            code, new = source.segment(value), _VALUES[str(value.value)]
            yield _step(value, str(value.value), new, code.replace(str(value.value), new))
    for binding in source.bindings:
        for use in binding.uses:
            name = use.path.rpartition(".")[2]
            path = use.path.rpartition(".")[0]
            if name.lower() in _VALUES and target.resolve(path).path == _CLASS and use.sure:
                new = _VALUES[name.lower()].upper()
                head = source.segment(use.nodes[-2])
                yield _step(use.node, name, new, f"{head}.{new}")


def _step(node: ast.expr, old: str, new: str, code: str) -> Step:
    return Step.replace(node, code, rule=ID, message=f"trigger rule {old} is {new} on the target")


RULE = Rule(
    id=ID,
    title="Name trigger rules as the target does",
    why="Airflow 2.2 renamed dummy to always and none_failed_or_skipped to "
    "none_failed_min_one_success; the old names warn.",
    examples=(
        Example(
            before=lines(
                "from airflow.operators.bash import BashOperator",
                "from airflow.utils.trigger_rule import TriggerRule",
                "",
                "BashOperator(task_id='a', bash_command='true', trigger_rule='dummy')",
                "BashOperator(",
                "    task_id='b',",
                "    bash_command='true',",
                "    trigger_rule=TriggerRule.NONE_FAILED_OR_SKIPPED,",
                ")",
            ),
            after=lines(
                "from airflow.operators.bash import BashOperator",
                "from airflow.utils.trigger_rule import TriggerRule",
                "",
                "BashOperator(task_id='a', bash_command='true', trigger_rule='always')",
                "BashOperator(",
                "    task_id='b',",
                "    bash_command='true',",
                "    trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,",
                ")",
            ),
        ),
    ),
    keeps=(
        lines("from airflow import DAG", "", "kind = 'dummy'"),
        lines("# airflow", "import mylib", "", "mylib.TriggerRule.DUMMY"),
    ),
    find=_find,
)
