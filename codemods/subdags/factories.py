"""Functions that make a sub-DAG, and whether the tasks in it can be a task group's as they are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from codemods.reading.source import Source
from codemods.subdags.ids import group_id

OPERATOR = "airflow.operators.subdag_operator.SubDagOperator"
_OPERATORS = (
    *(OPERATOR, "airflow.operators.SubDagOperator"),
    "airflow.operators.subdag.SubDagOperator",
)
# They skip, or choose, among all that comes after in the DAG, which was the sub-DAG.
_CHOOSERS = re.compile(r"Branch|ShortCircuit|LatestOnly")
# What a template says of the DAG, the task and its id.
_TOLD = re.compile(r"xcom_pull|task_ids?\b|dag_id|task_instance|\b(?:dag|task|ti)\.")
# With these a sub-DAG ends another way than its last tasks do.
_OUTCOME = ("trigger_rule", "soft_fail")


class Stays(Exception):
    """Why a sub-DAG is not made a task group."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Factory:
    """A function that makes a DAG, fills it and returns it."""

    function: ast.FunctionDef
    statement: ast.Assign | ast.With  # what binds the DAG
    made: ast.Call  # the DAG
    name: str  # its local name
    id: ast.expr  # the sub-DAG's id
    group: str  # the code of the group's
    uses: tuple[ast.Name, ...]  # of the name, without the one that binds it
    tasks: tuple[ast.Call, ...]

    @property
    def arguments(self) -> Mapping[str, ast.expr]:
        """What the DAG is given by keyword."""
        return {k.arg: k.value for k in self.made.keywords if k.arg}

    @property
    def passed(self) -> str:
        """The ``**kwargs`` that the DAG is given."""
        values = (k.value for k in self.made.keywords if k.arg is None)
        return next((v.id if isinstance(v, ast.Name) else "**" for v in values), "")


def is_dag(source: Source, node: ast.AST) -> bool:
    """Whether this makes a DAG of Airflow's."""
    path = source.path_of(node.func) or "" if isinstance(node, ast.Call) else ""
    return path.startswith("airflow.") and path.endswith(".DAG")


def is_subdag_operator(source: Source, node: ast.AST) -> bool:
    """Whether this makes a SubDagOperator, by its own name."""
    return isinstance(node, ast.Call) and source.path_of(node.func) in _OPERATORS


def factory_of(source: Source, function: ast.FunctionDef) -> Factory:
    """What is known of the function. Raises ``Stays``."""
    dags = [n for n in ast.walk(function) if isinstance(n, ast.Call) and is_dag(source, n)]
    if len(dags) != 1 or function.decorator_list:
        count = "several DAGs" if dags else "no DAG itself"
        raise Stays("it has a decorator" if function.decorator_list else f"it makes {count}")
    made = dags[0]
    statement, name = _bound(function, made)
    identity = _identity(made)
    child = group_id(identity, source, function)
    if child is None:
        raise Stays(f"its id is {source.segment(identity)}, which does not show the group's")
    tasks = tuple(
        n
        for n in ast.walk(function)
        if isinstance(n, ast.Call) and n is not made and any(k.arg == "task_id" for k in n.keywords)
    )
    found = Factory(
        function=function,
        statement=statement,
        made=made,
        name=name,
        id=identity,
        group=child,
        uses=tuple(
            n
            for n in ast.walk(function)
            if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)
        ),
        tasks=tasks,
    )
    _check_shape(found)
    _check_uses(found)
    _check_tasks(source, found)
    return found


def _bound(function: ast.FunctionDef, made: ast.Call) -> tuple[ast.Assign | ast.With, str]:
    for statement in function.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if value is made:
                return statement, name
            case ast.With(
                items=[ast.withitem(context_expr=value, optional_vars=ast.Name(id=name))]
            ) if value is made:
                return statement, name
    raise Stays("the DAG in it is not bound to a name at once")


def _identity(made: ast.Call) -> ast.expr:
    if len(made.args) > 1 or any(isinstance(a, ast.Starred) for a in made.args):
        raise Stays("its DAG takes arguments by place")
    for keyword in made.keywords:
        if keyword.arg == "dag_id":
            return keyword.value
    if not made.args:
        raise Stays("its DAG is given no id in sight")
    return made.args[0]


def _check_shape(factory: Factory) -> None:
    """One name, bound once and returned at the end."""
    function, name = factory.function, factory.name
    bound = [n for n in ast.walk(function) if isinstance(n, ast.Name) and n.id == name]
    stores = [n for n in bound if not isinstance(n.ctx, ast.Load)]
    returns = [n for n in ast.walk(function) if isinstance(n, ast.Return)]
    last = function.body[-1]
    if isinstance(last, ast.With) and last is factory.statement:
        last = last.body[-1]
    inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Yield)
    within = (n for n in ast.walk(function) if n is not function)
    if len(stores) != 1 or any(isinstance(n, inner) for n in within):
        raise Stays("it is more than a plain row of statements")
    match last:
        case ast.Return(value=ast.Name(id=returned)) if returns == [last] and returned == name:
            return
    raise Stays(f"it does not end in `return {name}`")


def merges(factory: Factory) -> bool:
    """Whether the DAG is bound to a name first, and one block at the end has it as its context."""
    return isinstance(factory.statement, ast.Assign) and [*blocks(factory)] == [
        factory.function.body[-2]
    ]


def _check_uses(factory: Factory) -> None:
    """The DAG is nothing but what tasks are given."""
    fine = {id(k.value) for task in factory.tasks for k in task.keywords if k.arg == "dag"}
    for node in ast.walk(factory.function):
        if isinstance(node, ast.Return):
            fine.add(id(node.value))
        elif isinstance(node, ast.With):
            fine |= {id(item.context_expr) for item in node.items}
    for use in factory.uses:
        if id(use) not in fine:
            raise Stays(f"line {use.lineno} uses {factory.name} for more than dag={factory.name}")


def _check_tasks(source: Source, factory: Factory) -> None:
    if not factory.tasks:
        raise Stays("it makes no task in sight")
    inside = {id(n) for block in blocks(factory) for n in ast.walk(block)}
    for task in factory.tasks:
        line, called = task.lineno, source.segment(task.func)
        given = {k.arg: k.value for k in task.keywords}
        if is_subdag_operator(source, task):
            raise Stays(f"line {line} makes a sub-DAG within it")
        if not called.rpartition(".")[2][:1].isupper():
            raise Stays(f"{called} in line {line} is no class, and may need dag={factory.name}")
        if _CHOOSERS.search(called.rpartition(".")[2]):
            raise Stays(
                f"{called} in line {line} skipped or chose tasks of the sub-DAG alone; in a group "
                "it does so with those after it, and names them by their whole ids"
            )
        for name in _OUTCOME:
            if name in given:
                raise Stays(
                    f"{name} in line {line}: the sub-DAG failed with any of its tasks, and what "
                    "comes after a group sees its last ones alone"
                )
        dag = given.get("dag")
        if id(task) not in inside and not (isinstance(dag, ast.Name) and dag.id == factory.name):
            raise Stays(f"{called} in line {line} is not given dag={factory.name}")
    outside = any(id(task) not in inside for task in factory.tasks)
    if inside and isinstance(factory.statement, ast.Assign) and (outside or not merges(factory)):
        raise Stays(f"`with {factory.name}:` holds a part of what it makes")
    _check_words(factory)


def blocks(factory: Factory) -> Iterator[ast.With]:
    """The blocks that the DAG is the context of."""
    for node in ast.walk(factory.function):
        if isinstance(node, ast.With):
            held = [item.context_expr for item in node.items]
            named = [h.id for h in held if isinstance(h, ast.Name)]
            if node is factory.statement or factory.name in named:
                yield node


def _check_words(factory: Factory) -> None:
    """No template in it tells the id of the DAG or of a task."""
    for node in ast.walk(factory.function):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            told = _TOLD.search(node.value) if "{{" in node.value or "{%" in node.value else None
            if told:
                raise Stays(f"the template in line {node.lineno} says {told[0]}, of the sub-DAG")


def check_ids(source: Source, factory: Factory) -> None:
    """Nothing in a text names the tasks but where they are made. Raises ``Stays``."""
    values = [k.value for task in factory.tasks for k in task.keywords if k.arg == "task_id"]
    texts = {v.value for v in values if isinstance(v, ast.Constant)}
    own = {id(v) for v in values}
    if "AirflowSkipException" in source.text:
        raise Stays(f"{source.path} has a task skipped, which skips what comes after a group")
    pulls = "xcom_pull" in source.text
    if pulls and len(texts) < len(values):
        raise Stays(f"{source.path} has an xcom_pull, and ids of its tasks are made by code")
    for node in source.every(ast.Constant):
        if node.value in texts and id(node) not in own and not _is_task_id(source, node):
            raise Stays(f"line {node.lineno} of {source.path} says {node.value!r}, a task's id")
    for call in source.plain_calls if pulls else ():
        if isinstance(call.func, ast.Attribute) and call.func.attr == "xcom_pull":
            asked = [k.value for k in call.keywords if k.arg in {"task_ids", "dag_id"}]
            if not all(_plain(v) for v in [*call.args, *asked]) or _other_dag(call.keywords):
                raise Stays(f"line {call.lineno} of {source.path} pulls from what may be its tasks")


def _is_task_id(source: Source, node: ast.Constant) -> bool:
    """Whether it is the id of some task that is made."""
    return any(
        k.value is node for call in source.plain_calls for k in call.keywords if k.arg == "task_id"
    )


def _plain(value: ast.expr) -> bool:
    items: Sequence[ast.expr] = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
    return all(isinstance(item, ast.Constant) for item in items)


def _other_dag(keywords: Sequence[ast.keyword]) -> bool:
    return any(
        k.arg == "dag_id" and isinstance(k.value, ast.Constant) and "." in str(k.value.value)
        for k in keywords
    )
