"""Trigger rules bear the names that the target knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, Step
from codemods.reading.age import of_2
from codemods.reading.source import Source
from codemods.reading.values import known, quoted, text_of, whole_texts
from codemods.rules._text import block
from codemods.tables.target import Target

ID = "trigger-rules"
_CLASS = "airflow.utils.trigger_rule.TriggerRule"
# Source: airflow/models/baseoperator.py of 2.2.2 and 2.11.0 (BaseOperator.__init__ warns).
_VALUES = {"dummy": "always", "none_failed_or_skipped": "none_failed_min_one_success"}
_TELLING = "none_failed_or_skipped"  # nothing else is called so, wherever it stands

# Source: operators/latest_only_operator.py of 1.10.15 and latest_only.py of 2.0.2 and 2.11.0.
_LATEST = ".LatestOnlyOperator"
_RUN_ANYWAY = ("all_done", "always", "dummy", "none_failed")


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


def _named(source: Source) -> Iterator[tuple[ast.expr, str]]:
    """The expressions that are the old name of a trigger rule, and that name."""
    for value in _values(source):
        for part in (value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,):
            name = text_of(known(part, source))
            if name in _VALUES and name != _TELLING:
                yield part, name
    if _TELLING in source.text:
        yield from ((text, _TELLING) for text in whole_texts(source) if text.value == _TELLING)


def _past_latest_only(source: Source) -> Iterator[Note]:
    """LatestOnlyOperator skipped all that comes after it, and skips only what comes next."""
    made = [call for call in source.calls if call.path.endswith(_LATEST)]
    names = {ast.unparse(value).strip("'\"").rpartition(".")[2] for value in _values(source)}
    running = sorted(names & {*_RUN_ANYWAY, *(name.upper() for name in _RUN_ANYWAY)})
    for call in made if running and not of_2(source) else ():
        yield Note.at(
            call.node,
            rule=ID,
            message="LatestOnlyOperator skips only the tasks right behind it on the target: those "
            f"further on with {', '.join(running)} run",
            fix="Put each task that it shall skip right behind it (latest_only >> task)",
        )


def _find(source: Source, target: Target) -> Iterator[Change]:
    if target.has("apache-airflow>=2.0"):
        yield from _past_latest_only(source)
    if not target.has("apache-airflow>=2.2") or not any(b.airflow for b in source.bindings):
        return
    for value, old in _named(source):
        new = _VALUES[old]
        constant = isinstance(value, ast.Constant)
        code = source.segment(value).replace(old, new) if constant else quoted(new)
        yield _step(value, old, new, code)
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
            before=block("""
                from airflow.operators.bash_operator import BashOperator
                from airflow.operators.latest_only_operator import LatestOnlyOperator

                latest = LatestOnlyOperator(task_id='latest')
                load = BashOperator(task_id='load', bash_command='true')
                last = BashOperator(task_id='last', bash_command='true', trigger_rule='dummy')
                latest >> load >> last
            """),
            after=block("""
                from airflow.operators.bash import BashOperator
                from airflow.operators.latest_only import LatestOnlyOperator

                latest = LatestOnlyOperator(task_id='latest')
                load = BashOperator(task_id='load', bash_command='true')
                last = BashOperator(task_id='last', bash_command='true', trigger_rule='always')
                latest >> load >> last
            """),
            notes=("those further on with dummy run",),
        ),
        Example(
            before=block("""
                from airflow.operators.bash import BashOperator
                from airflow.utils.trigger_rule import TriggerRule

                ANY, SOME = {'dummy'}, {'x': 'none_failed_or_skipped'}
                RUN = 'dummy'
                BashOperator(task_id='a', bash_command='true', trigger_rule='dummy')
                BashOperator(task_id='b', bash_command='true', trigger_rule=RUN)
                BashOperator(
                    task_id='c',
                    bash_command='true',
                    trigger_rule=TriggerRule.NONE_FAILED_OR_SKIPPED if x else 'dummy',
                )
            """),
            after=block("""
                from airflow.operators.bash import BashOperator
                from airflow.utils.trigger_rule import TriggerRule

                ANY, SOME = {'dummy'}, {'x': 'none_failed_min_one_success'}
                RUN = 'dummy'
                BashOperator(task_id='a', bash_command='true', trigger_rule='always')
                BashOperator(task_id='b', bash_command='true', trigger_rule="always")
                BashOperator(
                    task_id='c',
                    bash_command='true',
                    trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS if x else 'always',
                )
            """),
        ),
    ),
    keeps=(
        block("""
            from airflow import DAG

            kind = 'dummy'
        """),
        block("""
            # airflow
            import mylib

            mylib.TriggerRule.DUMMY
        """),
    ),
    find=_find,
)
