"""Functions of Python's standard library take the arguments that the target's Python gives them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, EditCall, Respell, Step
from codemods.reading.source import Source
from codemods.rules._text import block
from codemods.tables.target import Target

ID = "python-arguments"


@dataclass(frozen=True, kw_only=True)
class _Row:
    """What became of one argument of a function."""

    since: tuple[int, int]
    name: str
    given: str = ""  # it is asked for now; this is what it was by default
    place: int = 0  # by which place it may be given as well, from 1
    first: bool = False  # it is given by place alone, and is the first
    advice: str = "Take the argument away"


# Source: docs.python.org, "What's New In Python" 3.8 to 3.11, "Removed" and "Porting to Python",
# and the functions' own pages; traceback as well after the signatures of 3.9.19 and 3.10.14.
_LOOPS = (
    *("BoundedSemaphore", "Condition", "Event", "LifoQueue", "Lock", "PriorityQueue", "Queue"),
    *("Semaphore", "as_completed", "create_subprocess_exec", "create_subprocess_shell", "gather"),
    *("open_connection", "shield", "sleep", "start_server", "wait", "wait_for"),
)
_ROWS: Mapping[str, _Row] = {
    "hmac.new": _Row(since=(3, 8), name="digestmod", given="'md5'", place=3),
    **{
        f"traceback.{name}": _Row(since=(3, 10), name="etype", first=True)
        for name in ("format_exception", "format_exception_only", "print_exception")
    },
    **{f"asyncio.{name}": _Row(since=(3, 10), name="loop") for name in _LOOPS},
    "random.shuffle": _Row(
        since=(3, 11),
        name="random",
        place=2,
        advice="Shuffle with a generator of your own: random.Random(seed).shuffle(items)",
    ),
}
_MODULES = tuple({path.partition(".")[0] for path in _ROWS})


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not any(module in source.text for module in _MODULES):
        return
    for node in source.plain_calls:
        row = _ROWS.get(source.path_of(node.func) or "")
        if row is None or target.python < row.since:
            continue
        if any(isinstance(a, ast.Starred) for a in node.args) or None in _names(node):
            continue  # what it is given is told elsewhere
        yield from _call(source, node, row)


def _names(node: ast.Call) -> list[str | None]:
    return [k.arg for k in node.keywords]


def _call(source: Source, node: ast.Call, row: _Row) -> Iterator[Change]:
    name = ast.unparse(node.func)
    since = f"since Python {row.since[0]}.{row.since[1]}"
    given = next((k for k in node.keywords if k.arg == row.name), None)
    if row.given:
        if given is None and len(node.args) < row.place:
            message = f"{name} asks for {row.name} {since}; it was {row.given} by default"
            edit = EditCall(node=node, add={row.name: row.given})
            yield Step(rule=ID, line=node.lineno, message=message, operations=(edit,))
        return
    message = f"{name} takes no {row.name} {since}"
    if row.first and given is not None:
        message = f"{name} takes {row.name} by place alone {since}"
        if not node.args and given is node.keywords[0]:
            start, end = source.span(given)[0], source.span(given.value)[0]
            made = Respell(start=start, end=end, code="")
            yield Step(rule=ID, line=node.lineno, message=message, operations=(made,))
        else:
            yield Note.at(node, rule=ID, message=message, fix="Give it first, without its name")
    elif not row.first and given is not None and not row.place:
        drop = EditCall(node=node, drop=frozenset({row.name}))
        yield Step(rule=ID, line=node.lineno, message=message, operations=(drop,))
    elif not row.first and (given is not None or 0 < row.place <= len(node.args)):
        yield Note.at(node, rule=ID, message=message, fix=row.advice)


RULE = Rule(
    id=ID,
    title="Call Python's own functions as the target's Python has them",
    why="Functions of the standard library lost arguments, or ask for some, between Python 3.7 "
    "and the target's. The call raises TypeError when the task runs, or the callback.",
    examples=(
        Example(
            before=block("""
                import asyncio
                import hmac
                import random
                import traceback


                def failed(context):  # of airflow
                    e = context['exception']
                    traceback.format_exception(etype=type(e), value=e, tb=e.__traceback__)
                    traceback.print_exception(value=e, etype=type(e), tb=None)
                    hmac.new(b'key', b'text')
                    asyncio.sleep(1, loop=None)
                    random.shuffle([1, 2], random.random)
            """),
            after=block("""
                import asyncio
                import hmac
                import random
                import traceback


                def failed(context):  # of airflow
                    e = context['exception']
                    traceback.format_exception(type(e), value=e, tb=e.__traceback__)
                    traceback.print_exception(value=e, etype=type(e), tb=None)
                    hmac.new(b'key', b'text', digestmod='md5')
                    asyncio.sleep(1)
                    random.shuffle([1, 2], random.random)
            """),
            notes=("Give it first, without its name", "Shuffle with a generator of your own"),
        ),
    ),
    keeps=(
        block("""
            import hmac
            import random
            import traceback

            # airflow
            hmac.new(b'key', b'text', 'sha1')
            hmac.new(b'key', digestmod='sha1')
            random.shuffle([1, 2])
            traceback.format_exception(type(e), e, e.__traceback__)
            traceback.print_exception(*sys.exc_info())
        """),
    ),
    find=_find,
)
