"""TriggerDagRunOperator's ``python_callable`` becomes ``conf``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.calls import constructions
from codemods.changes import Change, EditCall, Step
from codemods.rules._text import lines
from codemods.source import Source
from codemods.target import Target

ID = "trigger-dag-run"
_PATH = "airflow.operators.trigger_dagrun.TriggerDagRunOperator"
_ADVICE = (
    'Pass conf={...} (templated: "{{ params.x }}", "{{ dag_run.conf }}") and trigger_run_id= '
    "instead; where the callable may return None, put a ShortCircuitOperator with its condition "
    "before this task"
)


def _functions(source: Source) -> dict[str, ast.FunctionDef]:
    found: dict[str, list[ast.FunctionDef]] = {}
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, []).append(node)
    return {name: nodes[0] for name, nodes in found.items() if len(nodes) == 1}


def _payload(function: ast.FunctionDef | ast.Lambda) -> tuple[ast.expr | None, bool]:
    """What a callable puts into the payload, and whether that is all that it does."""
    a = function.args
    names = [x.arg for x in [*a.posonlyargs, *a.args]]
    if len(names) < 2 or isinstance(function, ast.Lambda):
        return None, isinstance(function, ast.Lambda) and len(names) > 1 and (
            isinstance(function.body, ast.Name) and function.body.id == names[1]
        )
    context, run = names[:2]
    payload: ast.expr | None = None
    body = [s for s in function.body if not _docstring(s)]
    for statement in body[:-1]:
        if not (
            isinstance(statement, ast.Assign)
            and len(statement.targets) == 1
            and isinstance(target := statement.targets[0], ast.Attribute)
            and isinstance(target.value, ast.Name)
            and (target.value.id, target.attr) == (run, "payload")
            and payload is None
        ):
            return None, False
        payload = statement.value
    last = body[-1] if body else None
    returns = (
        isinstance(last, ast.Return) and isinstance(last.value, ast.Name) and last.value.id == run
    )
    used = {n.id for n in ast.walk(payload) if isinstance(n, ast.Name)} if payload else set()
    return payload, returns and not used & {context, run}


def _docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _movable(source: Source, payload: ast.expr) -> bool:
    """Whether an expression means the same, and can be rendered, at the place of the call."""
    simple = (
        ast.Dict,
        ast.Constant,
        ast.List,
        ast.Tuple,
        ast.Name,
        ast.Load,
        ast.JoinedStr,
        ast.FormattedValue,
        ast.BinOp,
        ast.operator,
    )
    names = {n.id for n in ast.walk(payload) if isinstance(n, ast.Name)}
    known = {b.name for b in source.bindings if b.scope is source.module} | set(source.assigned)
    return all(isinstance(n, simple) for n in ast.walk(payload)) and names <= known


def _find(source: Source, target: Target) -> Iterator[Change]:
    functions = _functions(source)
    for made in constructions(source):
        if target.resolve(made.path).path != _PATH:
            continue
        given = next((k for k in made.reaching if k.arg == "python_callable"), None)
        if given is None:
            continue
        function: ast.FunctionDef | ast.Lambda | None = None
        if isinstance(given.value, ast.Name):
            function = functions.get(given.value.id)
        elif isinstance(given.value, ast.Lambda):
            function = given.value
        payload, whole = _payload(function) if function is not None else (None, False)
        names = {k.arg for k in made.node.keywords}
        if isinstance(given.value, ast.Constant) and given.value.value is None:
            whole = True
        if not whole or "conf" in names or (payload and not _movable(source, payload)):
            yield Note.at(
                given,
                rule=ID,
                message="TriggerDagRunOperator takes no python_callable, DagRunOrder is gone",
                fix=_ADVICE,
            )
            continue
        code = source.segment(payload) if payload is not None else ""
        yield Step(
            rule=ID,
            line=given.lineno,
            message="the payload that python_callable gave is conf",
            operations=(
                EditCall(
                    node=made.node,
                    drop=frozenset({"python_callable"}),
                    add={"conf": " ".join(code.split())} if code else {},
                ),
            ),
        )


_OLD = "from airflow.operators.dagrun_operator import TriggerDagRunOperator"
_NEW = "from airflow.operators.trigger_dagrun import TriggerDagRunOperator"

RULE = Rule(
    id=ID,
    title="Trigger a DAG with conf",
    why="2.x has no DagRunOrder: what the callable put into its payload is the argument conf.",
    examples=(
        Example(
            before=lines(
                _OLD,
                "",
                "",
                "def fill(context, dag_run_obj):",
                "    dag_run_obj.payload = {'message': 'hello'}",
                "    return dag_run_obj",
                "",
                "",
                "TriggerDagRunOperator(task_id='t', trigger_dag_id='d', python_callable=fill)",
            ),
            after=lines(
                _NEW,
                "",
                "",
                "def fill(context, dag_run_obj):",
                "    dag_run_obj.payload = {'message': 'hello'}",
                "    return dag_run_obj",
                "",
                "",
                "TriggerDagRunOperator(task_id='t', trigger_dag_id='d', conf={'message': 'hello'})",
            ),
        ),
        Example(
            before=lines(
                _NEW,
                "",
                "TriggerDagRunOperator(",
                "    task_id='t',",
                "    trigger_dag_id='d',",
                "    python_callable=lambda context, dag_run: dag_run,",
                ")",
            ),
            after=lines(
                _NEW,
                "",
                "TriggerDagRunOperator(",
                "    task_id='t',",
                "    trigger_dag_id='d',",
                ")",
            ),
        ),
        Example(
            before=lines(
                _NEW,
                "",
                "",
                "def choose(context, dag_run_obj):",
                "    if context['params']['go']:",
                "        return dag_run_obj",
                "",
                "",
                "TriggerDagRunOperator(task_id='t', trigger_dag_id='d', python_callable=choose)",
            ),
            notes=("ShortCircuitOperator",),
        ),
    ),
    keeps=(
        lines(_NEW, "", "TriggerDagRunOperator(task_id='t', trigger_dag_id='d', conf={'a': 1})"),
        lines("# airflow", "from mylib import Trigger", "", "Trigger(python_callable=print)"),
        lines(
            "from airflow.operators.python import PythonOperator",
            "",
            "PythonOperator(task_id='t', python_callable=print)",
        ),
        lines(_NEW, "", "TriggerDagRunOperator(task_id='t', trigger_dag_id='d', **options)"),
    ),
    find=_find,
)
