"""Arguments that the target's constructors name differently, or do not take."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from codemods.base import Example, Note, Rule
from codemods.calls import Construction, constructions
from codemods.changes import Change, EditCall, Step
from codemods.constructors import DROP, Signature, baseline
from codemods.hops import Resolution
from codemods.rules._text import lines
from codemods.source import Source
from codemods.target import Target

ID = "arguments"
REPLACED = "replaced-class"
TEMPLATES = (".sql", ".json")
TASK = "airflow.models.baseoperator.BaseOperator"


@dataclass(kw_only=True)
class Mapped:
    """What becomes of the arguments of one construction."""

    rename: dict[str, str] = field(default_factory=dict)
    drop: dict[str, str] = field(default_factory=dict)  # argument → why that is safe
    into: dict[str, tuple[str, ...]] = field(default_factory=dict)  # argument → dict and its keys
    include: set[str] = field(default_factory=set)  # of those, names of template files
    add: dict[str, str] = field(default_factory=dict)
    positional: dict[int, str] = field(default_factory=dict)
    unsure: dict[str, str] = field(default_factory=dict)  # argument → advice
    drop_positional: set[int] = field(default_factory=set)


def _lineage(target: Target, path: str) -> tuple[str, ...]:
    signature = target.constructors.signature(path)
    return signature.lineage if signature is not None else (path,)


def map_arguments(target: Target, resolution: Resolution, node: ast.Call, first: int = 0) -> Mapped:
    """Map the arguments of a call of ``resolution.start`` to the class at its end."""
    mapped = Mapped()
    table = target.constructors
    new = table.signature(resolution.path)
    old = baseline().signature(resolution.start)
    chain = [resolution.start, *(hop.new for hop in resolution.hops if hop.new)]
    lineage = tuple(dict.fromkeys(p for c in reversed(chain) for p in _lineage(target, c)))
    given = {k.arg for k in node.keywords if k.arg}
    renames = {o: n for p in reversed(lineage) for o, n in table.renames(p).items()}
    for keyword in node.keywords:
        if keyword.arg is not None:
            _map_one(target, mapped, keyword.arg, keyword.value, new, old, lineage, renames, given)
    stars = any(k.arg is None for k in node.keywords)
    if new is not None and resolution.replaced:
        for path in chain[:-1]:
            for name, code in table.additions(path).items():
                taken = given | set(mapped.rename.values())
                if name in new.accepts and name not in taken and not stars:
                    mapped.add[name] = code
    _map_positional(mapped, node, first, old, new, lineage, target)
    return mapped


def _map_one(
    target: Target,
    mapped: Mapped,
    name: str,
    value: ast.expr,
    new: Signature | None,
    old: Signature | None,
    lineage: tuple[str, ...],
    renames: dict[str, str],
    given: set[str],
) -> None:
    none = isinstance(value, ast.Constant) and value.value is None
    accepts = new.accepts if new is not None else frozenset()
    row = target.constructors.by_hand(lineage, name, accepts)
    if row is not None and row.new == DROP:
        mapped.drop[name] = "it has no effect"
        return
    if row is not None and row.new:
        into, *keys = re.findall(r"\w+", row.new)
        if keys and into in accepts and name not in accepts:
            if row.new.endswith("%"):
                if not isinstance(value, ast.Constant | ast.JoinedStr):
                    mapped.unsure[name] = f"put it into {row.new[:-1]}; a file as {{% include %}}"
                    return
                if isinstance(value, ast.Constant) and str(value.value).endswith(TEMPLATES):
                    mapped.include.add(name)
            mapped.into[name] = (into, *keys)
            return
        if not keys and row.new in accepts:
            _rename(mapped, name, row.new, given)
            return
    if new is None:
        return
    to = renames.get(name)
    while to is not None and to not in accepts and renames.get(to) not in (None, name):
        to = renames[to]
    if to is not None and to in accepts and (name not in accepts or name in new.renamed):
        _rename(mapped, name, to, given)
    elif name in accepts or new.anything:
        return
    elif row is not None and row.advice and not none:
        mapped.unsure[name] = row.advice
    elif none:
        mapped.drop[name] = "None is what the target does anyway"
    elif old is not None and name not in old.accepts and not old.anything:
        if TASK in old.lineage:
            mapped.drop[name] = "1.10 ignored it as well, with a warning"
    else:
        mapped.unsure[name] = _takes(new)


def _takes(new: Signature) -> str:
    base = {"task_id", "owner", "retries"}
    names = sorted(n for n in new.required - base) or sorted(new.positional)
    return f"the constructor takes {', '.join(names)}" if names else "drop it or find its successor"


def _rename(mapped: Mapped, name: str, to: str, given: set[str]) -> None:
    if to == name:
        return
    if to in given or to in mapped.rename.values():
        mapped.drop[name] = f"{to} is given as well"
    else:
        mapped.rename[name] = to


def _map_positional(
    mapped: Mapped,
    node: ast.Call,
    first: int,
    old: Signature | None,
    new: Signature | None,
    lineage: tuple[str, ...],
    target: Target,
) -> None:
    if old is None or new is None or any(isinstance(a, ast.Starred) for a in node.args):
        return
    given = node.args[first:]
    if len(given) > len(old.positional):
        return
    keywords: dict[int, str] = {}
    dropped: set[int] = set()
    for place, name in enumerate(old.positional[: len(given)]):
        row = target.constructors.by_hand(lineage, name, new.accepts)
        to = row.new if row is not None and row.new in new.accepts else new.renamed.get(name, name)
        if row is not None and row.new == DROP and name not in new.accepts:
            dropped.add(first + place)
        elif to not in new.accepts:
            return  # what it became is not known: leave the call to its own error
        elif keywords or dropped or new.positional[place : place + 1] != (to,):
            keywords[first + place] = to
    mapped.positional |= keywords
    mapped.drop_positional |= dropped


def mechanical(target: Target, resolution: Resolution, node: ast.Call) -> bool:
    """Whether a call can be mapped to the end of its hops without a person."""
    mapped = map_arguments(target, resolution, node)
    new = target.constructors.signature(resolution.path)
    if mapped.unsure or new is None:
        return False
    given = {mapped.rename.get(k.arg or "", k.arg) for k in node.keywords} - set(mapped.drop)
    if any(k.arg is None for k in node.keywords):
        return True
    return new.required <= given | set(mapped.add) | {"task_id"} | {
        v[0] for v in mapped.into.values()
    } | set(mapped.positional.values()) | set(new.positional[: len(node.args)])


def settle(target: Target, path: str, calls: list[ast.Call]) -> Resolution:
    """Where ``path`` goes for these calls.

    A class that another one replaced is left for its successor only where every call can be
    mapped, or where the target has the old class no more.
    """
    resolution = target.resolve(path)
    if resolution.removed is not None or not resolution.replaced:
        return resolution
    if calls and all(mechanical(target, resolution, node) for node in calls):
        return resolution
    for index, hop in enumerate(resolution.hops):
        if hop.replaced:
            before = resolution.hops[:index]
            at = before[-1].new if before else path
            if target.constructors.signature(at) is not None:
                return Resolution(start=path, path=at, hops=before)
    return resolution


def missing(
    target: Target, source: Source, resolution: Resolution, node: ast.Call, mapped: Mapped
) -> list[str]:
    """What the target's constructor requires and neither the call nor default_args gives."""
    new = target.constructors.signature(resolution.path)
    given, known = source.default_arguments
    if new is None or not known or any(k.arg is None for k in node.keywords):
        return []
    if any(isinstance(a, ast.Starred) for a in node.args):
        return []
    have = {mapped.rename.get(k.arg or "", k.arg or "") for k in node.keywords} - set(mapped.drop)
    have |= set(mapped.add) | {path[0] for path in mapped.into.values()}
    have |= set(mapped.positional.values()) | set(new.positional[: len(node.args)]) | given
    return sorted(new.required - have)


def calls_by_path(source: Source) -> dict[str, list[ast.Call]]:
    """1.10 path → the calls that construct it."""
    found: dict[str, list[ast.Call]] = {}
    for made in constructions(source):
        found.setdefault(made.path, []).append(made.node)
    return found


def argument_changes(source: Source, target: Target) -> tuple[Change, ...]:
    """All that constructions need, found once for the rules that share it."""
    if "arguments" not in source.found:
        source.found["arguments"] = tuple(_all(source, target))
    return source.found["arguments"]


def _find(source: Source, target: Target) -> Iterator[Change]:
    return (c for c in argument_changes(source, target) if c.rule == ID)


def _all(source: Source, target: Target) -> Iterator[Change]:
    calls = calls_by_path(source)
    for made in constructions(source):
        if not made.path.startswith("airflow"):
            continue
        wanted = target.resolve(made.path)
        if wanted.removed is not None:
            continue
        resolution = settle(target, made.path, calls[made.path])
        if wanted.path != resolution.path:
            yield _replaced_note(target, made, wanted)
        yield from _construction(target, source, made, resolution)


def _dicts(
    source: Source, parts: dict[str, tuple[tuple[str, ...], ast.expr]], include: set[str]
) -> dict[str, str]:
    """Argument → code of the dict that gathers what moved into it."""
    tree: dict[str, Any] = {}
    for name, (path, value) in parts.items():
        code = source.segment(value)
        if name in include and isinstance(value, ast.Constant):
            code = f"\"{{% include '{value.value!s}' %}}\""
        node = tree
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = code

    def write(node: dict[str, Any] | str) -> str:
        if isinstance(node, str):
            return node
        return "{" + ", ".join(f'"{key}": {write(inner)}' for key, inner in node.items()) + "}"

    return {name: write(node) for name, node in tree.items()}


def _replaced_note(target: Target, made: Construction, wanted: Resolution) -> Note:
    mapped = map_arguments(target, wanted, made.node)
    new = target.constructors.signature(wanted.path)
    old_name = made.path.rpartition(".")[2]
    parts = [f"from {wanted.path.rpartition('.')[0]} import {wanted.path.rpartition('.')[2]}"]
    if mapped.rename:
        parts.append(", ".join(f"{o} becomes {n}" for o, n in sorted(mapped.rename.items())))
    if mapped.unsure:
        parts.append("no counterpart: " + ", ".join(sorted(mapped.unsure)))
    if new is not None:
        needed = sorted(new.required - {"task_id"} - set(mapped.rename.values()))
        if needed:
            parts.append("it needs " + ", ".join(needed))
    return Note(
        rule=REPLACED,
        line=made.node.lineno,
        column=made.node.col_offset,
        message=f"{old_name} is deprecated on the target; another class took its place",
        fix="; ".join(parts),
    )


def _construction(
    target: Target, source: Source, made: Construction, resolution: Resolution
) -> Iterator[Change]:
    mapped = map_arguments(target, resolution, made.node, made.first)
    name = resolution.path.rpartition(".")[2]
    at = {k.arg: k for k in made.node.keywords if k.arg}
    for argument, advice in mapped.unsure.items():
        if argument in made.own:
            continue
        yield Note(
            rule=ID,
            line=at[argument].lineno,
            column=at[argument].col_offset,
            message=f"{name} does not take {argument} on the target",
            fix=advice[:1].upper() + advice[1:],
        )
    lacking = missing(target, source, resolution, made.node, mapped) if made.use else []
    if lacking and baseline().signature(made.path) is not None:
        yield Note(
            rule=ID,
            line=made.node.lineno,
            column=made.node.col_offset,
            message=f"{name} needs {', '.join(lacking)} on the target",
            fix=f"Pass {', '.join(f'{n}=...' for n in lacking)}",
        )
    rename = {o: n for o, n in mapped.rename.items() if o not in made.own}
    drop = {o: w for o, w in mapped.drop.items() if o not in made.own}
    into = {o: w for o, w in mapped.into.items() if o not in made.own}
    add = dict(mapped.add) if made.use is not None else {}
    add |= _dicts(source, {o: (path, at[o].value) for o, path in into.items()}, mapped.include)
    positional = mapped.positional
    if not (rename or drop or into or add or positional or mapped.drop_positional):
        return
    said = [f"{o} is {n}" for o, n in rename.items()]
    said += [f"{o} is dropped: {why}" for o, why in drop.items()]
    said += [f"{o} goes into {path[0]}" for o, path in into.items()]
    said += [f"{n} is given by name" for n in positional.values()]
    said += [f"{n}={code} was the default" for n, code in mapped.add.items() if n in add]
    yield Step(
        rule=ID,
        line=made.node.lineno,
        message=f"{name}: " + "; ".join(said or ["an argument without effect is dropped"]),
        operations=(
            EditCall(
                node=made.node,
                rename=rename,
                drop=frozenset({*drop, *into}),
                add=add,
                positional=positional,
                drop_positional=frozenset(mapped.drop_positional),
            ),
        ),
    )


RULE = Rule(
    id=ID,
    title="Use the arguments that the target's classes take",
    why="1.10 warned about arguments that an operator does not know, 2.x raises; others were "
    "renamed and warn.",
    examples=(
        Example(
            before=lines(
                "from airflow import DAG",
                "",
                "dag = DAG(",
                "    'd',",
                "    schedule_interval='@daily',  # at midnight",
                "    concurrency=4,",
                ")",
            ),
            after=lines(
                "from airflow import DAG",
                "",
                "dag = DAG(",
                "    'd',",
                "    schedule='@daily',  # at midnight",
                "    max_active_tasks=4,",
                ")",
            ),
        ),
        Example(
            before=lines(
                "from airflow.operators.python import PythonOperator",
                "",
                "PythonOperator(",
                "    task_id='t',",
                "    python_callable=print,",
                "    provide_context=True,",
                ")",
            ),
            after=lines(
                "from airflow.operators.python import PythonOperator",
                "",
                "PythonOperator(",
                "    task_id='t',",
                "    python_callable=print,",
                ")",
            ),
        ),
        Example(
            before=lines(
                "from airflow.operators.bash_operator import BashOperator",
                "",
                "BashOperator(task_id='t', bash_command='true', xcom_push=True, colour='red')",
            ),
            after=lines(
                "from airflow.operators.bash import BashOperator",
                "",
                "BashOperator(task_id='t', bash_command='true', do_xcom_push=True)",
            ),
        ),
        Example(
            before=lines(
                "from airflow.operators.postgres_operator import PostgresOperator",
                "",
                "PostgresOperator(task_id='t', sql='select 1', postgres_conn_id='p')",
                "PostgresOperator(task_id='u', sql='select 1')",
            ),
            after=lines(
                "from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator",
                "",
                "SQLExecuteQueryOperator(task_id='t', sql='select 1', conn_id='p')",
                "SQLExecuteQueryOperator(task_id='u', sql='select 1', "
                'conn_id="postgres_default")',
            ),
        ),
    ),
    keeps=(
        lines("from airflow import DAG", "", "DAG('d', schedule='@daily', max_active_tasks=4)"),
        lines("from airflow import DAG", "", "my_dag('d', schedule_interval='@daily')"),
        lines(
            "from airflow.models import BaseOperator",
            "",
            "",
            "class Mine(BaseOperator):",
            "    def __init__(self, provide_context=False, **kwargs):",
            "        super().__init__(**kwargs)",
            "",
            "",
            "Mine(task_id='t', provide_context=True)",
        ),
        lines(
            "from airflow.operators.python import PythonOperator",
            "",
            "options = {'provide_context': True}",
            "PythonOperator(task_id='t', python_callable=print)",
        ),
    ),
    find=_find,
)
