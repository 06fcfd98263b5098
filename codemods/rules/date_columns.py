"""The date of a task instance or an XCom is no column any more: it is its run's."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, Compose, EditCall, Step
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.target import Target

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
_TURNED = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: ">",
    ast.LtE: ">=",
    ast.Gt: "<",
    ast.GtE: "<=",
}
_SORTING = {"group_by", "order_by"}
_CHANGING = {"delete", "update"}
_SYNCHRONIZE = "synchronize_session"


def _models(source: Source, target: Target) -> dict[str, str]:
    """The names of a text that stand for such a model, or for ``aliased`` of one."""

    def model(node: ast.expr) -> str:
        if isinstance(node, ast.Call) and node.args and _called(node) == "aliased":
            node = node.args[0]
        return _model(source.path_of(node) or "", target)

    found = {name: {model(v) for v in values} for name, values in source.assigned.items()}
    return {name: models.pop() for name, models in found.items() if len(models) == 1}


def _called(call: ast.Call) -> str:
    func = call.func
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")


def _model(path: str, target: Target) -> str:
    """The model at a path, where its date is its run's."""
    module, _, model = path.rpartition(".")
    since = _SINCE.get(model, "") if f"{module}.".startswith("airflow.models.") else ""
    return model if since and target.has(f"apache-airflow>={since}") else ""


def _dates(source: Source, target: Target) -> dict[int, str]:
    """``id`` of ``TaskInstance.execution_date`` and the like → what the model is called."""
    found: dict[int, str] = {}
    uses = (use for binding in source.bindings for use in binding.uses if use.sure)
    for use in uses:
        for behind, node in enumerate(reversed(use.nodes), start=1):
            if isinstance(node, ast.Attribute) and node.attr == _NAME:
                model = _model(use.path.rsplit(".", behind)[0], target)
                found |= {id(node): model} if model else {}
    named = _models(source, target)
    for node in source.every(ast.Attribute):
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        if node.attr == _NAME and named.get(owner):
            found[id(node)] = owner
    return found


def _find(source: Source, target: Target) -> Iterator[Change]:
    if _NAME not in source.text or ".query(" not in source.text:
        return
    dates = _dates(source, target)
    yield from _sorted_by_text(source, target)
    if not dates:
        return
    compared = set()
    for node in source.nodes:
        if isinstance(node, ast.Compare):
            compared |= {id(side) for side in (node.left, *node.comparators)}
            yield from _turned(source, node, dates)
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


def _turned(source: Source, node: ast.Compare, dates: dict[int, str]) -> Iterator[Change]:
    """A column is not compared with the date of a run, but that with the column."""
    right, sign = node.comparators[0], _TURNED.get(type(node.ops[0]))
    if id(right) not in dates or len(node.ops) > 1 or sign is None:
        return
    column = isinstance(node.left, ast.Attribute) and (
        id(node.left) in dates or (source.path_of(node.left) or "").startswith("airflow.models.")
    )
    if id(node.left) in dates:
        yield _note(right, dates[id(right)])
    elif column:
        message = f"{dates[id(right)]}.{_NAME} can be compared with a column, no column with it"
        made = (Compose(node=node, parts=(right, f" {sign} ", node.left)),)
        yield Step(rule=ID, line=node.lineno, message=message, operations=made)


def _sorted_by_text(source: Source, target: Target) -> Iterator[Note]:
    """``query(TaskInstance).order_by("execution_date")``."""
    for call in source.plain_calls:
        if not (isinstance(call.func, ast.Attribute) and call.func.attr in _SORTING):
            continue
        inner: ast.AST = call.func.value
        names: list[str] = []
        while isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            names.append(inner.func.attr)
            if inner.func.attr == "query" and len(inner.args) == 1 and "join" not in names:
                model = _model(source.path_of(inner.args[0]) or "", target)
                for text in call.args if model else ():
                    if isinstance(text, ast.Constant) and text.value == _NAME:
                        yield _note(text, model)
            inner = inner.func.value


def _note(node: ast.expr, model: str) -> Note:
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
            before=block("""
                from airflow.models import DagRun, TaskInstance, XCom


                def last(session):
                    found = session.query(TaskInstance)
                    return found.order_by(TaskInstance.execution_date.desc()).first()
            """),
            notes=("join(TaskInstance.dag_run)",),
        ),
        Example(
            before=block("""
                from airflow.models import DagRun, TaskInstance, XCom


                def same(session):
                    TI, other = TaskInstance, 1
                    run = TaskInstance
                    session.query(run).order_by(run.execution_date)
                    session.query(TaskInstance).order_by('execution_date')
                    session.query(XCom, run).filter(run.execution_date == XCom.execution_date)
                    return session.query(run).join(
                        DagRun, DagRun.execution_date >= run.execution_date)
            """),
            after=block("""
                from airflow.models import DagRun, TaskInstance, XCom


                def same(session):
                    TI, other = TaskInstance, 1
                    run = TaskInstance
                    session.query(run).order_by(run.execution_date)
                    session.query(TaskInstance).order_by('execution_date')
                    session.query(XCom, run).filter(run.execution_date == XCom.execution_date)
                    return session.query(run).join(
                        DagRun, run.execution_date <= DagRun.execution_date)
            """),
            notes=("join(run.dag_run)", "join(TaskInstance.dag_run)", "join(XCom.dag_run)"),
        ),
    ),
    keeps=(
        block("""
            from airflow.models import DagRun, TaskInstance, XCom


            def find(session, days):
                dates = TaskInstance.execution_date.in_(days)
                session.query(TaskInstance).filter(dates, TaskInstance.state == 'failed').all()
                session.query(DagRun).filter(DagRun.execution_date.in_(days)).delete()
                return session.query(DagRun.execution_date).all()
        """),
    ),
    find=_find,
)
