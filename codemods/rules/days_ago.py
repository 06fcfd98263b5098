"""``days_ago(n)`` becomes the pendulum expression that it stands for."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import AddImport, Change, NewImport, Replace, Step
from codemods.reading.scopes import Call
from codemods.reading.source import Source
from codemods.rules._text import block
from codemods.tables.target import Target

ID = "days-ago"
_PATH = "airflow.utils.dates.days_ago"
_PARAMETERS = ("n", "hour", "minute", "second", "microsecond")
_UNITS = {"n": "days", **{name: f"{name}s" for name in _PARAMETERS[1:]}}


def _arguments(call: Call) -> dict[str, ast.expr] | None:
    """Parameter → value; None when the call spells them with stars."""
    node = call.node
    if any(isinstance(a, ast.Starred) for a in node.args) or len(node.args) > len(_PARAMETERS):
        return None
    found = dict(zip(_PARAMETERS, node.args, strict=False))
    for keyword in node.keywords:
        if keyword.arg not in _PARAMETERS:
            return None
        found[keyword.arg] = keyword.value
    return found if "n" in found else None


def _negative(source: Source, value: ast.expr) -> str:
    match value:
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return source.segment(operand)
        case ast.Constant() | ast.Name() | ast.Attribute() | ast.Call() | ast.Subscript():
            return f"-{source.segment(value)}"
    return f"-({source.segment(value)})"


def _code(source: Source, call: Call, module: str) -> str | None:
    arguments = _arguments(call)
    if arguments is None:
        return None
    parts = []
    for name, value in arguments.items():
        if isinstance(value, ast.Constant) and value.value == 0:
            continue
        code = _negative(source, value) if name == "n" else source.segment(value)
        parts.append(f"{_UNITS[name]}={code}")
    today = f'{module}.today("UTC")'
    return f"{today}.add({', '.join(parts)})" if parts else today


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not target.has("apache-airflow>=2.2"):
        return
    calls = [c for c in source.calls if target.resolve(c.path).path == _PATH]
    if not calls:
        return
    bound = next((b for b in source.bindings if b.path == "pendulum" and not b.dotted), None)
    plain = any(
        b.dotted and b.name == "pendulum" and b.scope is source.module for b in source.bindings
    )
    if bound is not None and bound.scope is source.module:
        module = bound.name
    else:
        module = "pendulum" if plain else source.free_name("pendulum")
    new = NewImport(module="pendulum", asname=module if module != "pendulum" else "")
    for call in calls:
        code = _code(source, call, module)
        if code is None:
            yield Note.at(
                call.node,
                rule=ID,
                message="days_ago is deprecated and its arguments are not written out here",
                fix="Use pendulum.today('UTC').add(days=-n)",
            )
            continue
        near = call.use.bindings[0]
        add = () if plain or bound is not None else (AddImport(near=near, new=new),)
        yield Step(
            rule=ID,
            line=call.node.lineno,
            message=f"days_ago is deprecated: {code} is the same moment",
            operations=(Replace(node=call.node, code=code), *add),
        )


RULE = Rule(
    id=ID,
    title="Write days_ago(n) out",
    why="airflow.utils.dates.days_ago warns since Airflow 2.2 and is gone in 3; its own warning "
    "names the pendulum expression.",
    examples=(
        Example(
            before=block("""
                from airflow.utils.dates import days_ago

                start = days_ago(2)
                text = f"since {days_ago(2)}"
            """),
            after=block("""
                import pendulum

                start = pendulum.today("UTC").add(days=-2)
                text = f"since {pendulum.today('UTC').add(days=-2)}"
            """),
        ),
        Example(
            before=block("""
                import airflow
                from airflow import DAG

                DAG('d', schedule=None, start_date=airflow.utils.dates.days_ago(1))
            """),
            after=block("""
                import pendulum
                from airflow import DAG

                DAG('d', schedule=None, start_date=pendulum.today("UTC").add(days=-1))
            """),
        ),
        Example(
            before=block("""
                import pendulum
                from airflow.utils.dates import days_ago, cron_presets

                start = days_ago(n=1 + 1, hour=6)
                presets = cron_presets
            """),
            after=block("""
                import pendulum
                from airflow.utils.dates import cron_presets

                start = pendulum.today("UTC").add(days=-(1 + 1), hours=6)
                presets = cron_presets
            """),
        ),
        Example(
            before=block("""
                from airflow.utils.dates import days_ago

                start = days_ago(1)
                for days_ago in range(3):
                    print(days_ago)
            """),
            after=block("""
                from airflow.utils.dates import days_ago
                import pendulum

                start = pendulum.today("UTC").add(days=-1)
                for days_ago in range(3):
                    print(days_ago)
            """),
        ),
    ),
    keeps=(
        block("""
            from mylib import days_ago
            # not airflow's
            start = days_ago(2)
        """),
        block("""
            def days_ago(n):
                return 'airflow' * n

            days_ago(2)
        """),
        block("""
            import pendulum

            # airflow
            pendulum.today('UTC').add(days=-2)
        """),
    ),
    find=_find,
)
