"""Arguments that the target's constructors name differently, or do not take."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.argument_code import gathered, shaped
from codemods.editing.argument_map import Mapped, map_arguments, place_of
from codemods.editing.changes import AddImport, Change, EditCall, NewImport, Step
from codemods.editing.settling import missing, settle
from codemods.reading.calls import Construction, constructions
from codemods.reading.source import Source
from codemods.rules._text import block, lines, sentence
from codemods.tables.constructors import baseline
from codemods.tables.hops import Resolution
from codemods.tables.target import Target

ID = "arguments"
_CONTEXT = "provide_context"


def _find(source: Source, target: Target) -> Iterator[Change]:
    for made in constructions(source):
        if made.path.startswith("airflow") and target.resolve(made.path).removed is None:
            resolution = settle(target, source, made.path)
            yield from _construction(target, source, made, resolution)
    if _CONTEXT in source.text and target.has("apache-airflow>=2.0"):
        yield from _of_any_class(source)


def _of_any_class(source: Source) -> Iterator[Note]:
    """``provide_context`` for a class that only the run shows: a parameter, or out of a table."""
    seen = {id(made.node) for made in constructions(source)}
    taken = {
        id(call): {x.arg for x in [*a.posonlyargs, *a.args, *a.kwonlyargs]}
        for function in source.nodes
        if isinstance(function, ast.FunctionDef)
        for a in [function.args]
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
    }
    for call in source.plain_calls:
        given = next((k for k in call.keywords if k.arg == _CONTEXT), None)
        chosen = isinstance(call.func, ast.Call | ast.Subscript) or (
            isinstance(call.func, ast.Name) and call.func.id in taken.get(id(call), ())
        )
        if given is not None and chosen and id(call) not in seen:
            yield Note.at(
                given,
                rule=ID,
                message=f"{source.segment(call.func)} is known when it runs, and operators of the "
                "target do not take provide_context",
                fix="Leave it out: the context is given always",
            )


def _construction(
    target: Target, source: Source, made: Construction, resolution: Resolution
) -> Iterator[Change]:
    mapped = map_arguments(target, source, resolution, made.node, made.first)
    if made.own and mapped.into:
        _not_twice(target, source, made, resolution, mapped)
    yield from _said_of(target, source, made, resolution, mapped)
    yield from _edited(source, made, resolution.path.rpartition(".")[2], mapped)


def _not_twice(
    target: Target, source: Source, made: Construction, resolution: Resolution, mapped: Mapped
) -> None:
    """What goes into an argument that a constructor on the way makes of what it takes itself."""
    names = [ast.keyword(name, ast.Name("_")) for name in sorted(made.own)]
    theirs = ast.Call(func=ast.Name("f"), args=[], keywords=names)
    made_there = {r.new for r in map_arguments(target, source, resolution, theirs).into.values()}
    for name, row in list(mapped.into.items()):
        if name not in made.own and row.new in made_there:
            del mapped.into[name]
            mapped.unsure[name] = f"let the class take it, and {place_of(row)} where it makes that"


def _said_of(
    target: Target, source: Source, made: Construction, resolution: Resolution, mapped: Mapped
) -> Iterator[Note]:
    """What a person must see to in the arguments of a construction."""
    name = resolution.path.rpartition(".")[2]
    at = {k.arg: k for k in made.node.keywords if k.arg}
    places: dict[str, ast.keyword | ast.expr] = dict(at)
    places |= {name: made.node.args[i] for i, name in mapped.unsure_positional.items()}
    new = target.constructors.signature(resolution.path)
    for argument, advice in mapped.unsure.items():
        if argument in made.own:
            continue
        taken = new is not None and argument in new.accepts
        yield Note.at(
            places[argument],
            rule=ID,
            message=f"{name} does not take {argument} on the target as 1.10 did"
            if taken
            else f"{name} does not take {argument} on the target",
            fix=sentence(advice),
        )
    for argument, advice in mapped.warned.items():
        if argument not in made.own:
            yield Note.at(
                at[argument],
                rule=ID,
                message=f"{name} warns about {argument} on the target",
                fix=sentence(advice),
            )
    for argument, to in mapped.merged.items():
        other = next((at[o] for o, n in mapped.rename.items() if n == to), at.get(to))
        if other is not None and ast.dump(other.value) != ast.dump(at[argument].value):
            yield Note.at(
                at[argument],
                rule=ID,
                message=f"{name} has one {to} on the target, where {argument} was another",
                fix=f"See that {to}={source.segment(other.value)} may do what "
                f"{source.segment(at[argument].value)} did",
            )
    for argument, row in mapped.by_default.items():
        if row.keys:
            yield Note.at(
                made.node,
                rule=ID,
                message=f"{name} takes {argument} out of default_args no more",
                fix=sentence(place_of(row)),
            )
    for addition in mapped.lacking:
        yield Note.at(
            made.node,
            rule=ID,
            message=f"{addition.keys[0].lstrip('@')} needs {addition.keys[-1]}, which default_args "
            "do not give it",
            fix=f"Pass {addition.keys[-1]}=... to {addition.keys[0].lstrip('@')}",
        )
    whole = made.use is not None and not made.first  # partial gives the rest later
    lacking = missing(target, source, resolution, made.node, mapped) if whole else []
    of_old = made.path.startswith("airflow.providers.") or baseline().signature(made.path)
    if lacking and of_old:
        yield Note.at(
            made.node,
            rule=ID,
            message=f"{name} needs {', '.join(lacking)} on the target",
            fix=f"Pass {', '.join(f'{n}=...' for n in lacking)}",
        )


def _edited(source: Source, made: Construction, name: str, mapped: Mapped) -> Iterator[Step]:
    """The construction with the arguments of the target's class."""
    at = {k.arg: k for k in made.node.keywords if k.arg}
    rename = {o: n for o, n in mapped.rename.items() if o not in made.own}
    drop = {o: w for o, w in mapped.drop.items() if o not in made.own}
    into = {o: row for o, row in mapped.into.items() if o not in made.own}
    if made.own:  # a constructor on the way may give it
        mapped.add.clear()
    add, wrappers = gathered(source, mapped, at, made.own)
    if wrappers and made.use is None:
        return
    values = {o: shaped(source, at[o].value, shape) for o, shape in mapped.shape.items()}
    positional = mapped.positional
    if not (rename or drop or add or values or positional or mapped.drop_positional):
        return
    said = [f"{o} is {n}" for o, n in rename.items()]
    said += [f"{o} is dropped: {why}" for o, why in drop.items()]
    said += [f"{o} goes into {row.new}" for o, row in into.items()]
    said += [f"{n} is given by name" for n in positional.values()]
    said += [f"{a.name}={add[a.name]} was the default" for a in mapped.add if not a.keys]
    said += [f"{o} is {code}" for o, code in values.items() if o not in rename]
    operations: list[EditCall | AddImport] = [
        EditCall(
            node=made.node,
            rename=rename,
            drop=frozenset({*drop, *into}),
            values=values,
            add=add,
            positional=positional,
            drop_positional=frozenset(mapped.drop_positional),
        )
    ]
    if made.use is not None:
        near = made.use.bindings[0]
        for path in dict.fromkeys(wrappers):
            module, _, local = path.rpartition(".")
            operations.append(AddImport(near=near, new=NewImport(module=module, name=local)))
    yield Step(
        rule=ID,
        line=made.node.lineno,
        message=f"{name}: " + "; ".join(said or ["an argument without effect is dropped"]),
        operations=tuple(operations),
    )


RULE = Rule(
    id=ID,
    title="Use the arguments that the target's classes take",
    why="1.10 warned about arguments that an operator does not know, 2.x raises; others were "
    "renamed and warn.",
    examples=(
        Example(
            before=block("""
                from airflow import DAG


                def make(cls, **kwargs):
                    return cls(task_id='t', provide_context=True, **kwargs)
            """),
            notes=("do not take provide_context",),
        ),
        Example(
            before=block("""
                from airflow import DAG

                dag = DAG(
                    'd',
                    schedule_interval='@daily',  # at midnight
                    concurrency=4,
                )
            """),
            after=block("""
                from airflow import DAG

                dag = DAG(
                    'd',
                    schedule='@daily',  # at midnight
                    max_active_tasks=4,
                )
            """),
        ),
        Example(
            before=block("""
                from airflow.operators.python import PythonOperator

                PythonOperator(
                    task_id='t',
                    python_callable=print,
                    provide_context=True,
                )
            """),
            after=block("""
                from airflow.operators.python import PythonOperator

                PythonOperator(
                    task_id='t',
                    python_callable=print,
                )
            """),
        ),
        Example(
            before=block("""
                from airflow.operators.bash_operator import BashOperator

                BashOperator(task_id='t', bash_command='true', xcom_push=True, colour='red')
            """),
            after=block("""
                from airflow.operators.bash import BashOperator

                BashOperator(task_id='t', bash_command='true', do_xcom_push=True)
            """),
        ),
        Example(
            before=block("""
                from airflow.operators.postgres_operator import PostgresOperator

                PostgresOperator(task_id='t', sql='delete from a', postgres_conn_id='p')
                PostgresOperator(task_id='u', sql='delete from a')
            """),
            after=lines(
                "from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator",
                "",
                "SQLExecuteQueryOperator(task_id='t', sql='delete from a', conn_id='p')",
                "SQLExecuteQueryOperator(task_id='u', sql='delete from a', "
                'conn_id="postgres_default")',
            ),
        ),
    ),
    keeps=(
        block("""
            from airflow import DAG

            DAG('d', schedule='@once', max_active_tasks=4, **more)
        """),
        block("""
            from airflow import DAG

            my_dag('d', schedule_interval='@daily')
        """),
        block("""
            from airflow.models import BaseOperator


            class Mine(BaseOperator):
                def __init__(self, provide_context=False, **kwargs):
                    super().__init__(**kwargs)


            Mine(task_id='t', provide_context=True)
        """),
        block("""
            from airflow.operators.python import PythonOperator

            options = {'provide_context': True}
            PythonOperator(task_id='t', python_callable=print)
        """),
    ),
    find=_find,
)
