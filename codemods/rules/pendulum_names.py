"""Names of Pendulum 1, which came with Airflow 1.10, are those of the target's Pendulum."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from codemods.base import Example, Note, Rule
from codemods.editing.changes import (
    Change,
    Compose,
    EditCall,
    Insert,
    NewImport,
    Operation,
    Rebind,
    Replace,
    Step,
)
from codemods.reading.age import of_2
from codemods.reading.instances import instances
from codemods.reading.scopes import Binding, Use
from codemods.reading.source import Source
from codemods.reading.values import text_of
from codemods.rules._text import block
from codemods.tables.core_classes import DATE
from codemods.tables.target import Target

ID = "pendulum-names"
# Name → its successor, and from which Airflow on: Pendulum 2 came with 2.0, Pendulum 3 with 2.8.
# Source: the names in pendulum/__init__.py of 1.4.4, 2.1.2, 3.0.0 and 3.1.0.
_NEW = {
    "Pendulum": ("DateTime", "2.0"),
    "create": ("datetime", "2.0"),
    "Period": ("Interval", "2.8"),
    "period": ("interval", "2.8"),
}
_GONE = {
    "combine": "Use pendulum.instance(datetime.datetime.combine(...))",
    "fromordinal": "Use pendulum.instance(datetime.datetime.fromordinal(...))",
    "fromtimestamp": "Use pendulum.from_timestamp(...)",
    "strptime": "Use pendulum.instance(datetime.datetime.strptime(...))",
    "utcfromtimestamp": "Use pendulum.from_timestamp(...)",
    "utcnow": "Use pendulum.now('UTC')",
}
_MAKERS = ("pendulum.Pendulum", "pendulum.create", "pendulum.datetime")
# What is asked of the class in 1 is a function of the module in all.
_FUNCTIONS = {"instance", "now", "parse", "today", "tomorrow", "yesterday"}
_FIELD = re.compile(r"{[^{}]*}")
_SPACE = "the target's Pendulum writes a date with a space where 1.10's wrote a T"


def _successor(name: str, target: Target) -> str:
    new, since = _NEW.get(name, ("", ""))
    return new if new and target.has(f"apache-airflow>={since}") else ""


def _of_module(source: Source, use: Use, target: Target) -> Iterator[Change]:
    """``pendulum.Pendulum`` and the like."""
    name, *rest = use.path.split(".")[1:]
    new = _successor(name, target)
    node, head = use.nodes[1], source.segment(use.nodes[0])
    if name == "Pendulum" and rest[:1] and rest[0] in _FUNCTIONS:
        yield _step(
            f"pendulum.Pendulum.{rest[0]}",
            use,
            Replace(node=use.nodes[2], code=f"{head}.{rest[0]}"),
        )
    elif new:
        made = name == "Pendulum" and any(c.node.func is node for c in source.calls)
        code = f"{head}.{'datetime' if made else new}"
        yield _step(f"pendulum.{name}", use, Replace(node=node, code=code))
    elif name in _GONE:
        yield _note(f"pendulum.{name}", use, _GONE[name])


def _of_name(source: Source, binding: Binding, target: Target) -> Iterator[Change]:
    """``from pendulum import Pendulum`` and the like."""
    name = binding.path.partition(".")[2]
    new = _successor(name, target)
    called = {id(c.node.func) for c in source.calls}
    by_itself = name != "Pendulum" or not any(
        len(use.nodes) > 1 or id(use.node) in called for use in binding.uses
    )
    if new and by_itself and all(use.sure for use in binding.uses):
        local = binding.alias.asname or source.free_name(new)
        again = NewImport(module="pendulum", name=new, asname=local if local != new else "")
        uses = (Replace(node=u.root, code=local) for u in binding.uses if u.root.id != local)
        yield Step(
            rule=ID,
            line=binding.alias.lineno,
            message=f"pendulum.{name} is pendulum.{new} on the target",
            operations=(Rebind(binding=binding, imports=(again,)), *uses),
        )
    elif new or name in _GONE:
        fix = _GONE.get(name) or (
            "Import pendulum: the class is pendulum.DateTime, pendulum.datetime(...) makes one in "
            "UTC, pendulum.now(...) and pendulum.instance(...) are functions"
        )
        yield Note.at(
            binding.alias,
            rule=ID,
            message=f"the target's Pendulum has no {name}",
            fix=fix,
        )


def _step(old: str, use: Use, change: Replace) -> Step:
    return Step(
        rule=ID,
        line=use.node.lineno,
        message=f"{old} is {change.code} on the target",
        operations=(change,),
    )


def _note(old: str, use: Use, fix: str) -> Note:
    return Note.at(
        use.node,
        rule=ID,
        message=f"the target's Pendulum has no {old.partition('.')[2]}",
        fix=fix,
    )


def _zones(source: Source) -> Iterator[Change]:
    """``pendulum.datetime(…, tzinfo=…)``: the class in 1, a function that takes ``tz`` since."""
    for call in source.plain_calls if "tzinfo" in source.text else ():
        made = _MAKERS[isinstance(call.func, ast.Name) :]  # the bare class stays one
        if any(k.arg == "tzinfo" for k in call.keywords) and source.path_of(call.func) in made:
            yield Step(
                rule=ID,
                line=call.lineno,
                message="tzinfo of pendulum.datetime is tz on the target",
                operations=(EditCall(node=call, rename={"tzinfo": "tz"}),),
            )


def _texts(source: Source) -> Iterator[Change]:
    """``str(execution_date)`` and the like: Pendulum 3 writes a space where 1 and 2 wrote a T."""
    if "execution_date" not in source.text or of_2(source):
        return
    known = instances(source)
    for call in source.plain_calls:
        func = call.func
        values: Sequence[ast.expr] = ()
        if isinstance(func, ast.Name) and func.id == "str" and len(call.args) == 1:
            values = call.args
        elif isinstance(func, ast.Attribute) and func.attr == "format":
            plain = ":" not in "".join(_FIELD.findall(text_of(func.value) or "{:}"))
            values = [*call.args, *(k.value for k in call.keywords)] if plain else ()
        whole = call if isinstance(func, ast.Name) else None
        yield from (_written(source, v, whole) for v in values if known.path(v) == DATE)
    for node in source.nodes:
        if isinstance(node, ast.FormattedValue) and node.format_spec is None:
            if node.conversion == -1 and known.path(node.value) == DATE:
                yield Note.at(node, rule=ID, message=_SPACE, fix=f"Write {_iso(node.value)}")
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            given = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            if text_of(node.left) is not None:
                yield from (_written(source, v) for v in given if known.path(v) == DATE)


def _iso(value: ast.expr) -> str:
    return f"{ast.unparse(value)}.isoformat()"


def _written(source: Source, value: ast.expr, whole: ast.expr | None = None) -> Change:
    """A date that becomes text, by a call of ``str`` as a ``whole``; a parameter may be anything
    if somebody else calls the function."""
    if isinstance(value, ast.Name):
        return Note.at(value, rule=ID, message=_SPACE, fix=f"Write {_iso(value)}")
    operation: Operation = Insert(at=source.span(value)[1], code=".isoformat()")
    if whole is not None:
        operation = Compose(node=whole, parts=(value, ".isoformat()"))
    return Step(rule=ID, line=value.lineno, message=_SPACE, operations=(operation,))


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not target.has("apache-airflow>=2.0"):
        return
    yield from _zones(source)
    if target.has("apache-airflow>=2.8"):
        yield from _texts(source)
    for binding in source.bindings:
        if binding.path == "pendulum":
            for use in binding.uses:
                if use.sure and len(use.nodes) > 1 and use.bindings[0] is binding:
                    yield from _of_module(source, use, target)
        elif binding.path.startswith("pendulum.") and binding.path.count(".") == 1:
            yield from _of_name(source, binding, target)


RULE = Rule(
    id=ID,
    title="Name Pendulum's classes as the target's Pendulum does",
    why="Airflow 1.10 came with Pendulum 1, 2.0 with Pendulum 2 and 2.8 with Pendulum 3; those "
    "have no Pendulum, create or utcnow, and the import or the call raises. Pendulum 3 writes a "
    "date with a space for the T: paths and keys that are made of one are others.",
    examples=(
        Example(
            before=block("""
                from pendulum import Pendulum
                from airflow.models import DAG


                def first(when: Pendulum) -> bool:
                    return isinstance(when, Pendulum)
            """),
            after=block("""
                from pendulum import DateTime
                from airflow.models import DAG


                def first(when: DateTime) -> bool:
                    return isinstance(when, DateTime)
            """),
        ),
        Example(
            before=block("""
                import pendulum
                from airflow.models import DAG

                DAG('d', schedule=None, start_date=pendulum.create(2020, 1, 1, tz='UTC'))
                DAG('e', schedule=None, start_date=pendulum.Pendulum(2020, 1, 1, tzinfo=ZONE))
                late = isinstance(pendulum.Pendulum.now('UTC') - START, pendulum.Period)
                again = pendulum.utcnow()
            """),
            after=block("""
                import pendulum
                from airflow.models import DAG

                DAG('d', schedule=None, start_date=pendulum.datetime(2020, 1, 1, tz='UTC'))
                DAG('e', schedule=None, start_date=pendulum.datetime(2020, 1, 1, tz=ZONE))
                late = isinstance(pendulum.now('UTC') - START, pendulum.Interval)
                again = pendulum.utcnow()
            """),
            notes=("Use pendulum.now('UTC')",),
        ),
        Example(
            before=block("""
                from pendulum import Pendulum
                from airflow.models import DAG

                DAG('d', schedule=None, start_date=Pendulum(2020, 1, 1))
            """),
            notes=("pendulum.datetime(...) makes one in UTC",),
        ),
        Example(
            before=block("""
                from airflow.models import Variable


                def load(**kwargs):
                    nxt = kwargs['next_execution_date']
                    print(str(kwargs['execution_date']), '%s' % nxt.add(1))
                    return f'{nxt}', '{}/x'.format(nxt.subtract(days=1))
            """),
            after=block("""
                from airflow.models import Variable


                def load(**kwargs):
                    nxt = kwargs['next_execution_date']
                    print(kwargs['execution_date'].isoformat(), '%s' % nxt.add(1).isoformat())
                    return f'{nxt}', '{}/x'.format(nxt.subtract(days=1).isoformat())
            """),
            notes=("Write nxt.isoformat()",),
        ),
    ),
    keeps=(
        block("""
            from airflow.decorators import task


            @task
            def load(**kwargs):
                return f'{kwargs["execution_date"]}'
        """),
        block("""
            # airflow
            import pendulum

            pendulum.datetime(2020, 1, 1), pendulum.now()
        """),
        block("""
            # airflow
            from .pendulum import Pendulum

            Pendulum(1)
        """),
        block("""
            # airflow
            from mylib import pendulum

            pendulum.create(1)
        """),
        block("""
            # airflow
            from pendulum import DateTime, Interval

            DateTime.now()
        """),
    ),
    find=_find,
)
