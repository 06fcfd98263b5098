"""A callable of Python's own that does not say what it takes is called by a lambda that does."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, Compose, Step
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.target import Target

ID = "builtin-callables"
# What inspect.signature finds none for, in Python 3.7 and 3.10 to 3.12: builtins, and what C
# modules have. print has one since 3.11, which Airflow's images have from 2.7 on.
_BUILTINS = {
    *("bool", "bytearray", "bytes", "dict", "dir", "filter", "frozenset", "getattr", "int", "iter"),
    *("map", "max", "min", "next", "range", "set", "str", "type", "vars", "zip"),
}
_TIME = {"asctime", "ctime", "gmtime", "localtime", "mktime", "sleep", "strftime", "strptime"}
_PATHS = {
    *(f"time.{name}" for name in (*_TIME, "monotonic", "perf_counter", "process_time", "time")),
    *("datetime.date", "datetime.datetime", "datetime.timedelta", "math.hypot", "math.log"),
    *("os.utime", "socket.gethostbyname", "socket.gethostname", "sys.getsizeof"),
}
_OTHERS = {"op_kwargs", "templates_dict", None}


def _find(source: Source, target: Target) -> Iterator[Change]:
    if "python_callable" not in source.text or not target.has("apache-airflow>=2.0"):
        return
    unsigned = _BUILTINS | ({"print"} if target.has("apache-airflow<2.7") else set())
    for call in source.plain_calls:
        given = next((k.value for k in call.keywords if k.arg == "python_callable"), None)
        if given is None or _path(source, given) not in unsigned | _PATHS:
            continue
        name = source.segment(given)
        message = f"the target asks {name} what it takes, and it does not say"
        if any(k.arg in _OTHERS for k in call.keywords):
            fix = f"Call {name} in a function of your own that names what it takes"
            yield Note.at(given, rule=ID, message=message, fix=fix)
            continue
        parts = ("lambda *args: ", given, "(*args)")
        made = (Compose(node=given, parts=parts),)
        yield Step(rule=ID, line=given.lineno, message=message, operations=made)


def _path(source: Source, given: ast.expr) -> str | None:
    """What a callable is called: a builtin, or where it is imported from."""
    if isinstance(given, ast.Name) and given.id not in source.module.imports:
        return None if given.id in source.module.others else given.id
    return source.path_of(given)


_HEAD = ("import time", "", "from airflow.operators.python import PythonOperator", "")

RULE = Rule(
    id=ID,
    title="Wrap builtins that PythonOperator calls",
    why="2.x looks at the signature of a callable to see what of the context it takes. Some of "
    "Python's own functions have none, and the task raises ValueError when it runs.",
    examples=(
        Example(
            before=block("""
                import time

                from airflow.operators.python import PythonOperator

                PythonOperator(task_id='a', python_callable=time.sleep, op_args=[5])
                PythonOperator(task_id='b', python_callable=dict, op_kwargs={'a': 1})
            """),
            after=lines(
                *_HEAD,
                "PythonOperator(task_id='a', python_callable=lambda *args: time.sleep(*args), "
                "op_args=[5])",
                "PythonOperator(task_id='b', python_callable=dict, op_kwargs={'a': 1})",
            ),
            notes=("asks dict what it takes",),
        ),
        Example(
            before=lines(
                *_HEAD[2:], "PythonOperator(task_id='a', python_callable=print, op_args=['a'])"
            ),
            after=lines(
                *_HEAD[2:],
                "PythonOperator(task_id='a', python_callable=lambda *args: print(*args), "
                "op_args=['a'])",
            ),
            target="2.5.1",
        ),
    ),
    keeps=(
        lines(
            *_HEAD[2:],
            "PythonOperator(task_id='a', python_callable=print, op_args=['a'])",
        ),
        lines(
            *_HEAD[2:],
            "from company import dict",
            "",
            "PythonOperator(task_id='a', python_callable=dict)",
        ),
    ),
    find=_find,
)
