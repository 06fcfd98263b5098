"""TriggerDagRunOperator's ``python_callable`` becomes ``conf``, or is asked by a subclass."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from string import Template

from codemods.base import Example, Note, Place, Rule
from codemods.editing.changes import (
    Change,
    Compose,
    EditCall,
    Operation,
    Rebind,
    Step,
)
from codemods.editing.stand_ins import StandIn, below_imports, class_code, replaceable, stand_in
from codemods.reading.calls import Construction, constructions, init_of, takes
from codemods.reading.heritage import own_at
from codemods.reading.scopes import Binding
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.target import Target

ID = "trigger-dag-run"
_PATH = "airflow.operators.trigger_dagrun.TriggerDagRunOperator"
_ORDER = "airflow.operators.dagrun_operator.DagRunOrder"
_TRIGGERED = "trig__"
_TESTS = {
    "find",
    "ilike",
    "like",
    "match",
    "removeprefix",
    "replace",
    "search",
    "split",
    "startswith",
}
Function = ast.FunctionDef | ast.Lambda
_NO_DICT = (ast.List, ast.Tuple, ast.ListComp, ast.JoinedStr, ast.Constant)
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


def _payload(function: Function) -> tuple[ast.expr | None, bool]:
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


def _function(source: Source, given: ast.expr) -> Function | None:
    if isinstance(given, ast.Name):
        return _functions(source).get(given.id)
    return given if isinstance(given, ast.Lambda) else None


def _conf(source: Source, made: Construction, given: ast.keyword) -> str | None:
    """The code of the ``conf`` that does all that the callable does: empty where it adds none,
    None where no such expression does."""
    if any(k.arg == "conf" for k in made.node.keywords):
        return None
    if isinstance(given.value, ast.Constant) and given.value.value is None:
        return ""
    function = _function(source, given.value)
    payload, whole = _payload(function) if function is not None else (None, False)
    if payload is None:
        return "" if whole else None
    code = " ".join(source.segment(payload).split())
    # Unlike a payload, conf is a template.
    plain = isinstance(payload, ast.Dict) and not re.search(r"\{[{%#]", code)
    return code if whole and plain and _movable(source, payload) else None


def defines_order(source: Source, binding: Binding) -> bool:
    """Whether a file does without the DagRunOrder that it imports: it gets a class of its own
    where it makes orders itself, and asks others for a payload."""
    if binding.path != _ORDER:
        return False
    bindings = [b for b in source.bindings if b.path == _ORDER]
    asked = {id(call.args[1]) for call in _order_checks(source)}
    only_asked = asked and all(id(use.node) in asked for b in bindings for use in b.uses)
    return bool(only_asked or _makes_orders(source)) and replaceable(source, bindings)


def _makes_orders(source: Source) -> bool:
    return any(source.path_of(call.func) == _ORDER for call in source.plain_calls)


def _order_checks(source: Source) -> list[ast.Call]:
    """The calls of ``isinstance`` that ask for a DagRunOrder."""
    return [
        call
        for call in source.plain_calls
        if isinstance(call.func, ast.Name)
        and call.func.id == "isinstance"
        and len(call.args) == 2
        and source.path_of(call.args[1]) == _ORDER
    ]


def _orders(source: Source) -> Iterator[Step]:
    """DagRunOrder, which a callable may make itself."""
    bindings = [b for b in source.bindings if defines_order(source, b)]
    if not bindings:
        return
    first, last = bindings[0], bindings[-1]
    # Each file has a class of its own: what another file's callable returns is none of it.
    operations: list[Operation] = [
        Compose(node=call, parts=("hasattr(", call.args[0], ', "payload")'))
        for call in _order_checks(source)
    ]
    operations += [Rebind(binding=binding, imports=()) for binding in bindings]
    message = "the target has no DagRunOrder: what has a payload is one"
    if _makes_orders(source):
        message = "the target has no DagRunOrder: the file defines it"
        code = class_code("dag_run_order").substitute(name=first.name)
        operations.append(below_imports(source, last.statement, code))
    yield Step(rule=ID, line=first.alias.lineno, message=message, operations=tuple(operations))


def _payloads(source: Source, function: Function) -> Iterator[ast.expr]:
    """What a callable plainly makes the payload."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Attribute) and t.attr == "payload" for t in node.targets
        ):
            yield node.value
        elif isinstance(node, ast.Call) and source.path_of(node.func) == _ORDER:
            yield from (k.value for k in node.keywords if k.arg == "payload")


def _asked(source: Source, target: Target) -> Iterator[tuple[Construction, ast.keyword]]:
    """The calls that give a callable, and where they do."""
    for made in constructions(source):
        if target.resolve(made.path).path == _PATH:
            given = next((k for k in made.reaching if k.arg == "python_callable"), None)
            if given is not None:
                yield made, given


def _handing_on(source: Source, target: Target) -> Iterator[ast.ClassDef]:
    """Subclasses that a callable may be given to, which they hand on unseen."""
    for cls, _ in source.classes:
        paths = [path for base in cls.bases if (path := source.path_of(base))]
        if any(path != _PATH and target.resolve(path).path == _PATH for path in paths):
            init = init_of(cls)
            own = takes(init) if init is not None else frozenset()
            if own is not None and "python_callable" not in own:
                yield cls


def _of_own_class(source: Source, made: Construction) -> bool:
    """Whether a call makes a subclass of the repository's, whose file sees to the callable."""
    path = source.path_of(made.node.func)
    own = own_at(source, path) if path is not None else None
    if own is not None:
        return own.inherits
    return not made.of_base and any(
        cls.name == ast.unparse(made.node.func) for cls, _ in source.classes
    )


def _classes(source: Source, target: Target) -> Iterator[Change]:
    """What calls need whose callable no argument can stand for."""
    calls = [
        (made, given)
        for made, given in _asked(source, target)
        if _conf(source, made, given) is None and not _of_own_class(source, made)
    ]
    asking: list[Place] = [*(given for _, given in calls), *_handing_on(source, target)]
    if not asking:
        return
    bindings = [
        b for b in source.bindings if b.name != "*" and target.resolve(b.path).path == _PATH
    ]
    date = "logical_date" if target.has("apache-airflow>=2.10") else "execution_date"
    code = Template(class_code("trigger_dag_run").safe_substitute(date=date))
    operations = stand_in(
        source,
        bindings,
        StandIn(path=_PATH, code=code, needs=_NEEDS),
        [made for made, _ in calls],
        last=not (_makes_orders(source) and any(defines_order(source, b) for b in source.bindings)),
    )
    if operations:
        yield Step(
            rule=ID,
            line=asking[0].lineno,
            message="TriggerDagRunOperator is a class of the file's, which asks python_callable "
            "as on 1.10",
            operations=operations,
        )
        return
    for _, given in calls:
        yield Note.at(
            given,
            rule=ID,
            message="TriggerDagRunOperator takes no python_callable, DagRunOrder is gone",
            fix=_ADVICE,
        )


def _find(source: Source, target: Target) -> Iterator[Change]:
    yield from _orders(source)
    yield from _classes(source, target)
    if _TRIGGERED in source.text:
        yield from _looked_for(source)
    for made, given in _asked(source, target):
        code = _conf(source, made, given)
        if code is not None:
            edit = EditCall(
                node=made.node,
                drop=frozenset({"python_callable"}),
                add={"conf": code} if code else {},
            )
            yield Step(
                rule=ID,
                line=given.lineno,
                message="the payload that python_callable gave is conf",
                operations=(edit,),
            )
        function = _function(source, given.value)
        for payload in _payloads(source, function) if function is not None else ():
            none = isinstance(payload, ast.Constant) and payload.value is None
            if isinstance(payload, _NO_DICT) and not none:
                yield Note.at(
                    payload,
                    rule=ID,
                    message="the payload becomes the conf of a DAG run, which has to be a dict now",
                    fix='Put it under a key, {"items": [...]}, and read dag_run.conf["items"] in '
                    "the DAG that is triggered",
                )


def _looked_for(source: Source) -> Iterator[Note]:
    """Places that know a triggered run by its id: what is asked for or compared, not what a call
    gives as the id of a run."""
    for node in source.nodes:
        sides: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            sides = node.args if node.func.attr in _TESTS else []
        for side in sides:
            if isinstance(side, ast.Constant) and str(side.value).startswith(_TRIGGERED):
                yield Note.at(
                    side,
                    rule=ID,
                    message="a run that TriggerDagRunOperator makes is called manual__... on the "
                    "target, as those that people start are",
                    fix='Give the operator trigger_run_id="trig__{{ ts_nodash }}", which has to be '
                    "another one for each run, or ask dag_run.conf for a mark of your own",
                )


_NEEDS = {
    "space": ("types", "SimpleNamespace"),
    "clock": ("airflow.utils", "timezone"),
}
_OPERATOR_TEXT = (
    "",
    "",
    *class_code("trigger_dag_run")
    .substitute(
        name="TriggerDagRunOperator",
        base="trigger_dagrun.TriggerDagRunOperator",
        space="SimpleNamespace",
        clock="timezone",
        date="logical_date",
    )
    .splitlines(),
)
_NEW = "from airflow.operators.trigger_dagrun import TriggerDagRunOperator"
_ORDERS = "from airflow.operators.dagrun_operator import DagRunOrder, TriggerDagRunOperator"
_CHOOSE = (
    "",
    "",
    "def choose(context, dag_run_obj):",
    "    if context['params']['go']:",
    "        return DagRunOrder(payload={'by': context['ds']})",
    "",
    "",
    "TriggerDagRunOperator(task_id='t', trigger_dag_id='d', python_callable=choose)",
)

RULE = Rule(
    id=ID,
    title="Trigger a DAG with conf",
    why="2.x has no DagRunOrder: what the callable put into its payload is the argument conf. A "
    "callable that decides at run time is asked by a subclass in the file; whether there is a run, "
    "its run_id and its conf stay what they were.",
    examples=(
        Example(
            before=block("""
                from airflow import DAG


                def triggered(dag_run, **kwargs):
                    return dag_run.run_id.startswith('trig__')
            """),
            notes=("is called manual__",),
        ),
        Example(
            before=block("""
                from airflow.operators.dagrun_operator import TriggerDagRunOperator


                def fill(context, dag_run_obj):
                    dag_run_obj.payload = {'message': 'hello'}
                    return dag_run_obj


                TriggerDagRunOperator(task_id='t', trigger_dag_id='d', python_callable=fill)
            """),
            after=block("""
                from airflow.operators.trigger_dagrun import TriggerDagRunOperator


                def fill(context, dag_run_obj):
                    dag_run_obj.payload = {'message': 'hello'}
                    return dag_run_obj


                TriggerDagRunOperator(task_id='t', trigger_dag_id='d', conf={'message': 'hello'})
            """),
        ),
        Example(
            before=block("""
                from airflow.operators.trigger_dagrun import TriggerDagRunOperator

                TriggerDagRunOperator(
                    task_id='t',
                    trigger_dag_id='d',
                    python_callable=lambda context, dag_run: dag_run,
                )
            """),
            after=block("""
                from airflow.operators.trigger_dagrun import TriggerDagRunOperator

                TriggerDagRunOperator(
                    task_id='t',
                    trigger_dag_id='d',
                )
            """),
        ),
        Example(
            before=lines(_ORDERS, *_CHOOSE),
            after=lines(
                "from airflow.operators import trigger_dagrun",
                "from airflow.utils import timezone",
                "from types import SimpleNamespace",
                *_OPERATOR_TEXT,
                "",
                "",
                *class_code("dag_run_order").substitute(name="DagRunOrder").splitlines(),
                *_CHOOSE,
            ),
        ),
        Example(
            before=block("""
                from airflow.operators import dagrun_operator

                trigger = dagrun_operator.TriggerDagRunOperator(
                    task_id='t', trigger_dag_id='d', python_callable=CHOOSE
                )
            """),
            after=lines(
                "from airflow.operators import trigger_dagrun",
                "from airflow.utils import timezone",
                "from types import SimpleNamespace",
                *_OPERATOR_TEXT,
                "",
                "",
                "trigger = TriggerDagRunOperator(",
                "    task_id='t', trigger_dag_id='d', python_callable=CHOOSE",
                ")",
            ),
        ),
        Example(
            before=block("""
                from airflow.operators.dagrun_operator import DagRunOrder


                def is_order(made):
                    return isinstance(made, DagRunOrder)
            """),
            after=lines(
                "",
                "",
                "def is_order(made):",
                '    return hasattr(made, "payload")',
            ),
        ),
        Example(
            before=lines(
                "def make(choose):",
                f"    {_NEW}",
                "",
                "    return TriggerDagRunOperator(",
                "        task_id='t', trigger_dag_id='d', python_callable=choose",
                "    )",
            ),
            notes=("ShortCircuitOperator",),
        ),
    ),
    keeps=(
        block("""
            from airflow.operators.trigger_dagrun import TriggerDagRunOperator

            TriggerDagRunOperator(task_id='t', trigger_dag_id='d', conf={'a': 1})
        """),
        block("""
            # airflow
            from mylib import Trigger

            Trigger(python_callable=print)
        """),
        block("""
            from airflow.operators.python import PythonOperator

            PythonOperator(task_id='t', python_callable=print)
        """),
        block("""
            from airflow.operators.trigger_dagrun import TriggerDagRunOperator

            TriggerDagRunOperator(task_id='t', trigger_dag_id='d', **options)
        """),
    ),
    find=_find,
)
