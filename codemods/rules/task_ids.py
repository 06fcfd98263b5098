"""Two tasks of one DAG have two ids."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change
from codemods.reading.source import Source
from codemods.reading.values import known
from codemods.rules._text import block
from codemods.tables.target import Target

ID = "task-ids"
_GROUP = "TaskGroup"


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a statement runs: below which branches, and in which DAG and groups."""

    branches: tuple[tuple[int, str], ...] = ()  # (statement, field that holds the block)
    dag: str = ""
    groups: tuple[int, ...] = ()

    def leads_to(self, later: _Place) -> bool:
        """Whether what runs there ran here before."""
        return later.branches[: len(self.branches)] == self.branches


@dataclass(frozen=True, eq=False, kw_only=True)
class _Task:
    call: ast.Call
    id: ast.expr
    place: _Place
    names: frozenset[str] = field(default_factory=frozenset)  # that its id and its DAG depend on


def _tasks(statements: Sequence[ast.stmt], place: _Place) -> Iterator[_Task]:
    """The tasks of a function or a module, in order; functions in it are others."""
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        inside = place
        if isinstance(statement, ast.With):
            for item in statement.items:
                yield from _made(item.context_expr, inside)
                inside = _within(item, inside)
        for name, value in ast.iter_fields(statement):
            if isinstance(value, ast.expr):
                yield from _made(value, place)
            elif name in {"body", "orelse", "finalbody"}:
                branch = () if isinstance(statement, ast.With) else ((id(statement), name),)
                yield from _tasks(value, replace(inside, branches=(*place.branches, *branch)))
            elif name == "handlers":
                for handler in value:
                    branch = ((id(statement), f"handler {handler.lineno}"),)
                    yield from _tasks(
                        handler.body, replace(inside, branches=(*place.branches, *branch))
                    )


def _within(item: ast.withitem, place: _Place) -> _Place:
    """The place inside ``with DAG(...) as dag:``, ``with dag:`` or a group."""
    made = item.context_expr
    if isinstance(made, ast.Call) and ast.unparse(made.func).endswith(_GROUP):
        return replace(place, groups=(*place.groups, id(made)))
    if isinstance(item.optional_vars, ast.Name):
        return replace(place, dag=item.optional_vars.id)
    if isinstance(made, ast.Name):
        return replace(place, dag=made.id)
    if isinstance(made, ast.Call) and ast.unparse(made.func).upper().endswith("DAG"):
        return replace(place, dag=f"with {id(made)}")
    return place


def _made(value: ast.expr, place: _Place) -> Iterator[_Task]:
    """The tasks that an expression makes, as far as it makes each once and whatever else is."""
    again = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.IfExp)
    left: list[ast.AST] = [value]
    while left:
        node = left.pop()
        if isinstance(node, again):
            continue
        left += list(ast.iter_child_nodes(node))
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).rpartition(".")[2]
        given = {k.arg: k.value for k in node.keywords}
        if not name[:1].isupper() or "task_id" not in given:
            continue
        dag = ast.unparse(given["dag"]) if "dag" in given else place.dag
        if dag:
            found = [given["task_id"], *([given["dag"]] if "dag" in given else ())]
            names = {n.id for part in found for n in ast.walk(part) if isinstance(n, ast.Name)}
            yield _Task(
                call=node,
                id=given["task_id"],
                place=replace(place, dag=dag),
                names=frozenset(names),
            )


def _functions(source: Source) -> Iterator[Sequence[ast.stmt]]:
    yield source.tree.body
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.body


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not target.has("apache-airflow>=2.0") or source.text.count("task_id") < 2:
        return
    for body in _functions(source):
        first: dict[tuple[str, tuple[int, ...], str], _Task] = {}
        for task in _tasks(body, _Place()):
            meant = known(task.id, source)
            if any(isinstance(n, ast.Call) and not _formats(n) for n in ast.walk(meant)):
                continue
            place = task.place
            earlier = first.setdefault((place.dag, place.groups, ast.dump(meant)), task)
            if earlier is task or not earlier.place.leads_to(place):
                continue
            fixed = isinstance(meant, ast.Constant)
            if (fixed or earlier.place == place) and not _changed(source, earlier, task):
                yield Note.at(
                    task.call,
                    rule=ID,
                    message=f"line {earlier.call.lineno} has made the task "
                    f"{ast.unparse(task.id)} of this DAG: 1.10 warned and left this one out, the "
                    "target refuses the file (DuplicateTaskIdFound)",
                    fix="Give it a task_id of its own if it shall run, or take it out",
                )


def _formats(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "format"


def _changed(source: Source, earlier: _Task, task: _Task) -> bool:
    """Whether a name that makes the id or the DAG is bound anew between the two."""
    names = earlier.names | task.names | {task.place.dag}
    start, stop = earlier.call.lineno, task.call.lineno
    return any(
        isinstance(n.ctx, ast.Store) and n.id in names and start <= n.lineno <= stop
        for n in source.every(ast.Name)
    )


RULE = Rule(
    id=ID,
    title="Give each task an id of its own",
    why="1.10 warned about a second task of the same id and left it out of the DAG; since 2.0 the "
    "file is refused.",
    examples=(
        Example(
            before=block("""
                from airflow import DAG
                from airflow.operators.bash import BashOperator

                dag = DAG('d', schedule=None)
                load = BashOperator(task_id='load', bash_command='true', dag=dag)
                store = BashOperator(task_id='load', bash_command='false', dag=dag)
            """),
            notes=("line 5 has made the task 'load' of this DAG",),
        ),
    ),
    keeps=(
        block("""
            from airflow import DAG
            from airflow.operators.bash import BashOperator

            with DAG('d', schedule=None) as d:
                if today():
                    BashOperator(task_id='t', bash_command='true')
                else:
                    BashOperator(task_id='t', bash_command='false')
            with DAG('e', schedule=None) as e:
                BashOperator(task_id='t', bash_command='true')
        """),
        block("""
            from airflow import DAG
            from airflow.operators.bash import BashOperator

            dag = DAG('d', schedule=None)
            BashOperator(task_id='t', bash_command='true', dag=dag)
            dag = DAG('e', schedule=None)
            BashOperator(task_id='t', bash_command='true', dag=dag)
            for name in 'ab':
                BashOperator(task_id='t_' + name, bash_command='true', dag=dag)
            for name in 'cd':
                BashOperator(task_id='t_' + name, bash_command='true', dag=dag)
        """),
        block("""
            from airflow import DAG
            from airflow.operators.bash import BashOperator

            number = 1
            with DAG('d', schedule=None):
                BashOperator(task_id=f't{number}', bash_command='true')
                number += 1
                BashOperator(task_id=f't{number}', bash_command='true')
        """),
    ),
    find=_find,
)
