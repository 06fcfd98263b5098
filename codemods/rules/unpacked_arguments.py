"""Arguments that come out of a dict: ``Operator(**common)``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.calls import Construction, constructions
from codemods.changes import Change, EditCall, EditDict, Operation, Step
from codemods.constructors import DROP
from codemods.rules._dag import dags
from codemods.rules._text import lines
from codemods.rules.arguments import calls_by_path, map_arguments, settle
from codemods.source import Source
from codemods.target import Target
from codemods.values import known

ID = "unpacked-arguments"


_Holder = ast.Dict | ast.Call


def _holders(
    source: Source, value: ast.expr, by: frozenset[str] = frozenset()
) -> Iterator[tuple[_Holder, frozenset[str]]]:
    """The dict displays and calls of ``dict`` that a value stands for, and the names that lead
    there: variables, functions that return one, and what a display unpacks."""
    shown = known(value, source)
    if shown is not value and isinstance(value, ast.Name):
        by |= {value.id}
    if isinstance(shown, ast.Dict):
        yield shown, by
        for key, part in zip(shown.keys, shown.values, strict=True):
            if key is None:
                yield from _holders(source, part, by)
    elif isinstance(shown, ast.Call) and isinstance(shown.func, ast.Name):
        name = shown.func.id
        if name == "dict":
            yield shown, by
        elif name not in by and (given := _returned(source, name)) is not None:
            yield from _holders(source, given, by | {name})


def _returned(source: Source, name: str) -> ast.expr | None:
    """What the one function of that name always returns."""
    functions = [n for n in source.tree.body if isinstance(n, ast.FunctionDef) and n.name == name]
    returns = [n for f in functions for n in ast.walk(f) if isinstance(n, ast.Return)]
    return returns[0].value if len(functions) == len(returns) == 1 else None


def _items(holder: _Holder) -> Iterator[tuple[ast.expr | ast.keyword, str, ast.expr]]:
    """(place, name, value) of each argument that a dict holds under a name in sight."""
    if isinstance(holder, ast.Call):
        yield from ((k, k.arg, k.value) for k in holder.keywords if k.arg)
        return
    for key, value in zip(holder.keys, holder.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key, key.value, value


def _unpacked(source: Source) -> dict[int, tuple[_Holder, list[Construction], set[str]]]:
    """The dicts that calls take their arguments out of, with those calls and how they get there."""
    found: dict[int, tuple[_Holder, list[Construction], set[str]]] = {}
    for made in constructions(source):
        for keyword in made.node.keywords:
            if keyword.arg is None and made.path.startswith("airflow."):
                for node, by in _holders(source, keyword.value):
                    _, calls, names = found.setdefault(id(node), (node, [], set()))
                    calls.append(made)
                    names |= by
    return found


def _only(source: Source, node: _Holder, calls: list[Construction], names: set[str]) -> bool:
    """Whether nothing but these calls uses the dict."""
    uses = sum(
        isinstance(n, ast.Name) and n.id in names and isinstance(n.ctx, ast.Load)
        for n in ast.walk(source.tree)
    )
    return uses <= len(calls) and all(id(k.holder) != id(node) for k in source.default_keys)


def _outcome(source: Source, target: Target, made: Construction, key: str, value: ast.expr) -> str:
    """The argument's name on the target, ``-`` where it goes, or ``!`` and what to do."""
    if key in made.own:
        return key
    resolution = settle(target, source, made.path, calls_by_path(source).get(made.path, []))
    if resolution.removed is not None:
        return key
    probe = ast.Call(func=ast.Name("f"), args=[], keywords=[ast.keyword(key, value)])
    mapped = map_arguments(target, source, resolution, probe)
    if key in mapped.drop:
        return DROP
    if key in mapped.unsure or key in mapped.into or key in mapped.shape:
        return "!" + mapped.unsure.get(key, "write it into the call, where it can be changed")
    return mapped.rename.get(key, key)


def _out_of_sight(source: Source, target: Target) -> Iterator[Change]:
    """A DAG whose arguments come out of a file or an attribute."""
    handed = {
        n.args.kwarg.arg
        for n in ast.walk(source.tree)
        if isinstance(n, ast.FunctionDef | ast.Lambda) and n.args.kwarg is not None
    }  # those are looked for where the function is called
    for made in dags(source, target) if target.has("apache-airflow>=2.4") else ():
        if any(k.arg in {"schedule", "timetable"} for k in made.node.keywords):
            continue  # written for Airflow 2
        for value in (k.value for k in made.node.keywords if k.arg is None):
            name = value.id if isinstance(value, ast.Name) else ""
            unknown = name in handed or name in source.unbound
            if not unknown and not any(_holders(source, value)):
                yield Note.at(
                    value,
                    rule=ID,
                    message="what ** gives the DAG is made elsewhere: schedule_interval and "
                    "concurrency warn on the target",
                    fix="Say schedule and max_active_tasks where it is made",
                )


def _find(source: Source, target: Target) -> Iterator[Change]:
    yield from _out_of_sight(source, target)
    for node, calls, names in _unpacked(source).values():
        rename: dict[str, str] = {}
        drop: set[str] = set()
        only = _only(source, node, calls, names)
        for place, name, value in _items(node):
            outcomes = {_outcome(source, target, made, name, value) for made in calls}
            new = sorted(outcomes - {name})
            if not new:
                continue
            if len(outcomes) > 1 or not only or new[0].startswith("!"):
                said = [n[1:] if n.startswith("!") else f"it is {n} now" for n in new if n != DROP]
                yield Note.at(
                    place,
                    rule=ID,
                    message=f"{name} reaches a class by ** that does not take it on the target",
                    fix="; ".join(said) or "Drop it, or give it to those that take it",
                )
            elif new[0] == DROP:
                drop.add(name)
            else:
                rename[name] = new[0]
        if rename or drop:
            said = [f"{o} is {n}" for o, n in rename.items()]
            said += [f"{o} is dropped" for o in sorted(drop)]
            yield Step(
                rule=ID,
                line=node.lineno,
                message="arguments given by **: " + "; ".join(said),
                operations=(_edit(node, rename, frozenset(drop)),),
            )


def _edit(node: _Holder, rename: dict[str, str], drop: frozenset[str]) -> Operation:
    if isinstance(node, ast.Call):
        return EditCall(node=node, rename=rename, drop=drop)
    return EditDict(node=node, rename=rename, drop=drop)


_BASH = "from airflow.operators.bash import BashOperator"

RULE = Rule(
    id=ID,
    title="Use the target's arguments where they come out of a dict",
    why="What a dict gives by ** is an argument like any other: 2.x raises where 1.10 warned.",
    examples=(
        Example(
            before=lines(
                _BASH.replace("bash ", "bash_operator "),
                "",
                "common = {'bash_command': 'true', 'xcom_push': True, 'provide_context': True}",
                "BashOperator(task_id='t', **common)",
                "BashOperator(task_id='u', **common)",
            ),
            after=lines(
                _BASH,
                "",
                "common = {'bash_command': 'true', 'do_xcom_push': True}",
                "BashOperator(task_id='t', **common)",
                "BashOperator(task_id='u', **common)",
            ),
        ),
        Example(
            before=lines(
                _BASH,
                "",
                "common = dict(bash_command='true', xcom_push=True)",
                "BashOperator(task_id='t', **common)",
            ),
            after=lines(
                _BASH,
                "",
                "common = dict(bash_command='true', do_xcom_push=True)",
                "BashOperator(task_id='t', **common)",
            ),
        ),
        Example(
            before=lines(
                _BASH,
                "",
                "common = {'bash_command': 'true', 'xcom_push': True}",
                "BashOperator(task_id='t', **common)",
                "mine(**common)",
            ),
            after=lines(
                _BASH,
                "",
                "common = {'bash_command': 'true', 'xcom_push': True}",
                "BashOperator(task_id='t', **common)",
                "mine(**common)",
            ),
            notes=("it is do_xcom_push now",),
        ),
        Example(
            before=lines(
                "from airflow import DAG",
                "",
                "",
                "def common():",
                "    return {'schedule_interval': '@daily', 'catchup': False}",
                "",
                "",
                "DAG('d', start_date=START, **common())",
                "DAG('e', start_date=START, **settings['e'])",
            ),
            after=lines(
                "from airflow import DAG",
                "",
                "",
                "def common():",
                "    return {'schedule': '@daily', 'catchup': False}",
                "",
                "",
                "DAG('d', start_date=START, **common())",
                "DAG('e', start_date=START, **settings['e'])",
            ),
            notes=("what ** gives the DAG is made elsewhere",),
        ),
    ),
    keeps=(
        lines(_BASH, "", "common = {'retries': 1}", "BashOperator(task_id='t', **common)"),
        lines(_BASH, "", "common = {'xcom_push': True}", "mine(**common)"),
        lines("# airflow", "from mylib import Bash", "", "Bash(**{'xcom_push': True})"),
        lines(
            "from airflow import DAG",
            "",
            "",
            "def make(name, **kwargs):",
            "    return DAG(name, schedule=None, **{**kwargs})",
        ),
    ),
    find=_find,
)
