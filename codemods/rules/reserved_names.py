"""What a callable takes by place bears no name that the target's context has."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, Compose, EditCall, Step
from codemods.reading.callables import CALLABLE, function_at
from codemods.reading.calls import by_place
from codemods.reading.source import Source
from codemods.reading.values import quoted
from codemods.rules._text import block, lines
from codemods.tables.target import Target

ID = "reserved-names"
_OPERATORS = ("PythonOperator", "PythonSensor", "ShortCircuitOperator")
# Source: get_template_context of airflow/models/taskinstance.py, 2.0.2 and 2.2.2.
_CONTEXT = {
    *("conf", "dag", "dag_run", "ds", "ds_nodash", "execution_date", "inlets", "macros"),
    *("next_ds", "next_ds_nodash", "next_execution_date", "outlets", "params", "prev_ds"),
    *("prev_ds_nodash", "prev_execution_date", "prev_execution_date_success", "run_id", "task"),
    *("prev_start_date_success", "task_instance", "task_instance_key_str", "test_mode", "ti"),
    *("tomorrow_ds", "tomorrow_ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz", "var"),
    *("yesterday_ds", "yesterday_ds_nodash"),
}
# Arguments that are functions, with names that the operator leaves out. Source: sensors/
# external_task.py of 2.0.2 and 2.11.0, operators/http.py and sensors/http.py of the http provider.
_FIRST = {
    "execution_date_fn": {"execution_date", "logical_date"},
    "response_check": set[str](),
    "response_filter": set[str](),
}
_SINCE_2_2 = {"conn", "data_interval_end", "data_interval_start", "logical_date"}


def reserved(target: Target) -> set[str]:
    """What the target's context has names for."""
    return _CONTEXT | (_SINCE_2_2 if target.has("apache-airflow>=2.2") else set())


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not target.has("apache-airflow>=2.0"):
        return
    names = reserved(target)
    if "op_args" in source.text:
        yield from _filled(source, names)
    if any(name in source.text for name in _FIRST):
        yield from _first(source, names)


def _filled(source: Source, reserved: set[str]) -> Iterator[Change]:
    """Callables that ``op_args`` fill."""
    for call in source.calls:
        if not (call.path.startswith("airflow.") and call.path.endswith(_OPERATORS)):
            continue
        given, called = call.keyword("op_args"), call.keyword(CALLABLE)
        node = function_at(source, called.value) if called is not None else None
        if given is None or called is None or node is None:
            continue
        function = "the lambda" if isinstance(node, ast.Lambda) else node.name
        names, count = by_place(source, node, given.value)
        clash = sorted(reserved.intersection(names[: 1 if count is None else count]))
        if not clash:
            continue
        message = f"{function} takes {', '.join(clash)} by place, which the target refuses: the "
        message += "context has that name"
        items = given.value.elts if isinstance(given.value, ast.List | ast.Tuple) else ()
        if items and count in range(len(names) + 1) and call.keyword("op_kwargs") is None:
            named = zip(names, items, strict=False)
            parts = [part for n, i in named for part in (f"{quoted(n)}: ", i, ", ")]
            yield Step(
                rule=ID,
                line=given.value.lineno,
                message=message,
                operations=(
                    EditCall(node=call.node, rename={"op_args": "op_kwargs"}),
                    Compose(node=given.value, parts=("{", *parts[:-1], "}")),
                ),
            )
        else:
            fix = f"Give what {function} takes by name, in op_kwargs"
            yield Note.at(given.value, rule=ID, message=message, fix=fix)


def _first(source: Source, reserved: set[str]) -> Iterator[Note]:
    """Functions that operators call with one value by place, and what they ask for by name."""
    for call in source.calls:
        for keyword in call.node.keywords if call.path.startswith("airflow.") else ():
            own = _FIRST.get(keyword.arg or "")
            node = function_at(source, keyword.value) if own is not None else None
            takes = [a.arg for a in (*node.args.posonlyargs, *node.args.args)] if node else []
            if takes and takes[0] in reserved - (own or set()):
                message = f"{keyword.arg} is given its first argument by place, and the target's "
                message += f"context has the name {takes[0]}: it raises ValueError"
                fix = "Give that parameter another name"
                yield Note.at(keyword.value, rule=ID, message=message, fix=fix)


_HEAD = (
    "from airflow.operators.python import PythonOperator",
    "",
    "",
    "def run(task, day):",
    "    print(task, day)",
    "",
    "",
)

RULE = Rule(
    id=ID,
    title="Give by name what the context has a name for",
    why="2.x hands every callable what it asks for of the context. Where op_args fill a parameter "
    "of such a name, as task, conf or ds, it raises ValueError when the task runs.",
    examples=(
        Example(
            before=lines(
                *_HEAD,
                "PythonOperator(task_id='a', python_callable=run, op_args=['load', '{{ ds }}'])",
                "PythonOperator(task_id='b', python_callable=run, op_args=ARGS)",
            ),
            after=lines(
                *_HEAD,
                "PythonOperator(task_id='a', python_callable=run, "
                "op_kwargs={\"task\": 'load', \"day\": '{{ ds }}'})",
                "PythonOperator(task_id='b', python_callable=run, op_args=ARGS)",
            ),
            notes=("in op_kwargs",),
        ),
        Example(
            before=block("""
                from airflow.sensors.external_task import ExternalTaskSensor

                ExternalTaskSensor(task_id='a', execution_date_fn=lambda ds: ds)
                ExternalTaskSensor(task_id='b', execution_date_fn=lambda execution_date: None)
            """),
            notes=("another name",),
        ),
    ),
    keeps=(
        block("""
            from airflow.operators.python import PythonOperator


            def run(name, ds=None, **context):
                print(name, ds)


            PythonOperator(task_id='a', python_callable=run, op_args=['x'])
        """),
    ),
    find=_find,
)
