"""A callable that did not ask for the context goes on without it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, EditCall, Insert, Operation, Step
from codemods.reading.callables import (
    CALLABLE,
    Function,
    defaults_of,
    filled,
    function_at,
    placed,
    unasking,
)
from codemods.reading.source import Source
from codemods.reading.values import quoted
from codemods.rules._text import lines
from codemods.rules.reserved_names import reserved
from codemods.tables.target import Target

ID = "unasked-context"
_WHOLE = {"copy", "items", "keys", "values"}  # methods that hold all of it
_TAKES_ALL = {"dict", "len", "list", "set", "sorted", "tuple", "dumps", "bool"}


def _find(source: Source, target: Target) -> Iterator[Change]:
    if target.has("apache-airflow>=2.0"):
        names = reserved(target)
        for call, node in unasking(source):
            yield from _unasked(source, names, call, node)


def _unasked(
    source: Source, reserved: set[str], call: ast.Call, node: Function
) -> Iterator[Change]:
    by_place, by_name = placed(source, call, node), filled(source, call)
    if by_place is None or by_name is None:
        return
    defaults = defaults_of(node.args)
    asked = {n: d for n, d in defaults.items() if n in reserved - by_place - by_name}
    name = "the lambda" if isinstance(node, ast.Lambda) else node.name
    if asked:
        yield _kept(source, call, name, asked)
    if node.args.kwarg is not None and _whole(source, node, node.args.kwarg.arg):
        takes = [*(["*args"] if by_place else []), *sorted(by_name)]
        gives = [*takes[: bool(by_place)], *(f"{n}={n}" for n in sorted(by_name))]
        what = name if isinstance(node, ast.FunctionDef) else "..."
        yield Note.at(
            call,
            rule=ID,
            message=f"{name} is given the whole context in {node.args.kwarg.arg}, where 1.10 gave "
            "what op_kwargs hold, and hands all of it on",
            fix="Give it a lambda that names what it takes: "
            f"{CALLABLE}=lambda{' ' if takes else ''}{', '.join(takes)}: "
            f"{what}({', '.join(gives)})",
        )


def _kept(source: Source, call: ast.Call, name: str, asked: dict[str, ast.expr]) -> Change:
    """The defaults, given by name: that goes before the context."""
    said = ", ".join(sorted(asked))
    message = f"{name} is given {said} of the context, where 1.10 left the default"
    items = ", ".join(f"{quoted(n)}: {ast.unparse(asked[n])}" for n in sorted(asked))
    given = next((k.value for k in call.keywords if k.arg == "op_kwargs"), None)
    plain = all(isinstance(d, ast.Constant) and "{" not in str(d.value) for d in asked.values())
    if not plain or not (given is None or isinstance(given, ast.Dict)):
        fix = f"Give it what it is meant to have in op_kwargs ({items}), or rename the parameter"
        return Note.at(call, rule=ID, message=message, fix=fix)
    made: Operation = EditCall(node=call, add={"op_kwargs": f"{{{items}}}"})
    if given is not None:
        made = Insert(at=source.span(given)[0] + 1, code=f"{items}, ")
    return Step(rule=ID, line=call.lineno, message=message, operations=(made,))


def _whole(source: Source, node: Function, kwargs: str, depth: int = 0) -> bool:
    """Whether a function does something with all that it is given by name."""

    def is_it(part: ast.AST | None) -> bool:
        return isinstance(part, ast.Name) and part.id == kwargs

    for part in ast.walk(node):
        match part:
            case ast.Call(func=ast.Attribute(value=owner, attr=method)) if is_it(owner):
                if method in _WHOLE:
                    return True
            case ast.Call(func=func, args=args, keywords=keywords):
                called = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
                if called in _TAKES_ALL and any(map(is_it, args)):
                    return True
                unpacked = any(k.arg is None and is_it(k.value) for k in keywords)
                if unpacked and called != "format" and not _leaves(source, func, depth):
                    return True
            case ast.For(iter=held) | ast.comprehension(iter=held) if is_it(held):
                return True
            case ast.Dict(keys=keys, values=values):
                if any(k is None and is_it(v) for k, v in zip(keys, values, strict=True)):
                    return True
    return False


def _leaves(source: Source, func: ast.expr, depth: int) -> bool:
    """Whether what is called takes anything by name, and does nothing with all of it."""
    node = function_at(source, func)
    takes = node is not None and node.args.kwarg is not None and depth < 4
    if not takes or node is None or node.args.kwarg is None:
        return False
    return not _whole(source, node, node.args.kwarg.arg, depth + 1)


_HEAD = (
    "from airflow import DAG",
    "from airflow.operators.python_operator import PythonOperator",
    "",
    "",
    "def load(table, ds=None):",
    "    print(table, ds)",
    "",
    "",
    "def send(**kwargs):",
    "    post(**kwargs)",
    "",
    "",
    "with DAG('d', schedule=None):",
)
_NEW = (
    "from airflow import DAG",
    "from airflow.operators.python import PythonOperator",
    *_HEAD[2:],
)

RULE = Rule(
    id=ID,
    title="Give callables no more of the context than 1.10 did",
    why="1.10 gave a callable the context where provide_context said so. 2.x always does: a "
    "parameter with a default is filled where the context has its name, and **kwargs hold all of "
    "it.",
    examples=(
        Example(
            before=lines(
                *_HEAD,
                "    PythonOperator(task_id='a', python_callable=load, op_args=['t'])",
                "    PythonOperator(task_id='b', python_callable=load, op_kwargs={'table': 't'})",
                "    PythonOperator(task_id='c', python_callable=send, op_kwargs={'to': 'x'})",
            ),
            after=lines(
                *_NEW,
                "    PythonOperator(task_id='a', python_callable=load, op_args=['t'], "
                'op_kwargs={"ds": None})',
                "    PythonOperator(task_id='b', python_callable=load, "
                "op_kwargs={\"ds\": None, 'table': 't'})",
                "    PythonOperator(task_id='c', python_callable=send, op_kwargs={'to': 'x'})",
            ),
            notes=("python_callable=lambda to: send(to=to)",),
        ),
    ),
    keeps=(
        lines(
            *_NEW,
            "    PythonOperator(task_id='a', python_callable=load, op_args=['t'])",
        ),
    ),
    find=_find,
)
