"""The date of a task instance or an XCom is no column any more: it is its run's."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.changes import Change, EditCall, Step
from codemods.rules._text import lines
from codemods.source import Source
from codemods.target import Target

ID = "date-columns"
_NAME = "execution_date"
# Model of airflow.models → from which Airflow on its date is an association proxy.
# Source: airflow/models/{taskinstance,taskreschedule,renderedtifields,xcom}.py of 2.2.0 and 2.3.0.
_SINCE = {
    "TaskInstance": "2.2",
    "TaskReschedule": "2.2",
    "RenderedTaskInstanceFields": "2.3",
    "XCom": "2.3",
    "BaseXCom": "2.3",
}
_COMPARING = {"between", "in_", "is_", "is_not", "isnot", "not_in", "notin_"}
_CHANGING = {"delete", "update"}
_SYNCHRONIZE = "synchronize_session"


def _dates(source: Source, target: Target) -> dict[int, str]:
    """``id`` of ``TaskInstance.execution_date`` and the like → the name of the model."""
    found = {}
    uses = (use for binding in source.bindings for use in binding.uses if use.sure)
    for use in uses:
        for behind, node in enumerate(reversed(use.nodes), start=1):
            if isinstance(node, ast.Attribute) and node.attr == _NAME:
                module, _, model = use.path.rsplit(".", behind)[0].rpartition(".")
                since = _SINCE.get(model, "") if f"{module}.".startswith("airflow.models.") else ""
                if since and target.has(f"apache-airflow>={since}"):
                    found[id(node)] = model
    return found


def _find(source: Source, target: Target) -> Iterator[Change]:
    if f".{_NAME}" not in source.text or ".query(" not in source.text:
        return
    dates = _dates(source, target)
    if not dates:
        return
    compared = set()
    for node in source.nodes:
        if isinstance(node, ast.Compare):
            compared |= {id(side) for side in (node.left, *node.comparators)}
        elif isinstance(node, ast.Attribute) and node.attr in _COMPARING:
            compared.add(id(node.value))
    for node in source.every(ast.Attribute):
        if id(node) in dates and id(node) not in compared:
            yield _note(node, dates[id(node)])
    for call in source.plain_calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr in _CHANGING:
            query = source.value_of(call.func.value, ast.Call) or call.func.value
            if any(id(part) in dates for part in ast.walk(query)) and not any(
                k.arg in {_SYNCHRONIZE, None} for k in call.keywords
            ):
                yield Step(
                    rule=ID,
                    line=call.lineno,
                    message=f"{call.func.attr}() cannot find by itself what has the date of a run",
                    operations=(EditCall(node=call, add={_SYNCHRONIZE: '"fetch"'}),),
                )


def _note(node: ast.Attribute, model: str) -> Note:
    return Note.at(
        node,
        rule=ID,
        message=f"{model}.{_NAME} is the run's on the target: a query compares it, and can neither "
        "select it nor sort or group by it",
        fix=f"Join the run, query(...).join({model}.dag_run), and use DagRun.{_NAME}",
    )


_HEAD = ("from airflow.models import DagRun, TaskInstance, XCom", "", "")
_DELETED = (
    "def clean(session, day):",
    "    (session.query(XCom)",
    "     .filter(XCom.execution_date < day)",
    "     .delete({end}))",
    "    old = session.query(TaskInstance).filter(TaskInstance.execution_date == day)",
    "    old.update({{'state': None}}{comma}{end})",
)
_END = 'synchronize_session="fetch"'

RULE = Rule(
    id=ID,
    title="Ask the run for the date of a task instance or an XCom",
    why="Since 2.2 task instances, since 2.3 XComs have no date of their own: a query that sorts "
    "by it or selects it raises, and so do delete() and update() that look at it in memory.",
    examples=(
        Example(
            before=lines(*_HEAD, *(row.format(end="", comma="") for row in _DELETED)),
            after=lines(*_HEAD, *(row.format(end=_END, comma=", ") for row in _DELETED)),
        ),
        Example(
            before=lines(
                *_HEAD,
                "def last(session):",
                "    found = session.query(TaskInstance)",
                "    return found.order_by(TaskInstance.execution_date.desc()).first()",
            ),
            notes=("join(TaskInstance.dag_run)",),
        ),
    ),
    keeps=(
        lines(
            *_HEAD,
            "def find(session, days):",
            "    dates = TaskInstance.execution_date.in_(days)",
            "    session.query(TaskInstance).filter(dates, TaskInstance.state == 'failed').all()",
            "    session.query(DagRun).filter(DagRun.execution_date.in_(days)).delete()",
            "    return session.query(DagRun.execution_date).all()",
        ),
    ),
    find=_find,
)
