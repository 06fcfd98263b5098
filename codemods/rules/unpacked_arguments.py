"""Arguments that come out of a dict: ``Operator(**common)``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, OwnDict, Rule, best_fit
from codemods.editing.argument_map import is_elsewhere, map_arguments
from codemods.editing.changes import (
    Change,
    DropStatement,
    EditCall,
    EditDict,
    Operation,
    Replace,
    Step,
)
from codemods.editing.settling import settle
from codemods.reading.calls import Construction, Holder, Item, constructions, items_of
from codemods.reading.defaults import copied
from codemods.reading.source import Source
from codemods.reading.unpacking import filled, holders, only_theirs, unpacked
from codemods.reading.values import known, quoted
from codemods.rules._dag import dags
from codemods.rules._text import block, lines
from codemods.tables.constructors import DROP
from codemods.tables.target import Target

ID = "unpacked-arguments"
_FILLED = frozenset({"auto_remove", "volumes"})
_IN_DICTS = _FILLED | {"is_delete_operator_pod", "token", "webhook_token"}
# What a class takes, though it warns or means another thing, where it takes the other one as well.
_SUCCEEDED = {
    "is_delete_operator_pod": ("on_finish_action", 'on_finish_action="delete_pod" (or "keep_pod")'),
    "resources": (
        "container_resources",
        "container_resources=kubernetes.client.V1ResourceRequirements(requests=..., limits=...): "
        "resources are those of every task",
    ),
}


def _outcome(source: Source, target: Target, made: Construction, key: str, value: ast.expr) -> str:
    """The argument's name on the target, ``-`` where it goes, or ``!`` and what to do."""
    if key in made.own:
        return key
    resolution = settle(target, source, made.path)
    if resolution.removed is not None:
        return key
    instead, advice = _SUCCEEDED.get(key, ("", ""))
    if instead and _takes(target, resolution.path, instead):
        return f"!pass {advice}"
    probe = ast.Call(func=ast.Name("f"), args=[], keywords=[ast.keyword(key, value)])
    mapped = map_arguments(target, source, resolution, probe)
    if key in mapped.drop:
        return DROP
    other = is_elsewhere(resolution.path, key) and not _takes(target, resolution.path, key)
    if other or key in mapped.unsure or key in mapped.into or key in mapped.shape:
        return "!" + mapped.unsure.get(key, "write it into the call, where it can be changed")
    return mapped.rename.get(key, key)


def _from_elsewhere(source: Source, target: Target) -> Iterator[Note]:
    """Dicts of other files of the repository: told where they are unpacked."""
    told: set[tuple[int, str]] = set()
    for made in constructions(source) if source.own_dicts else ():
        for keyword in made.node.keywords:
            if keyword.arg is not None or not made.path.startswith("airflow."):
                continue
            for node, held in _dicts(source, keyword.value):
                here = (id(held), made.path)
                if here not in told:
                    told.add(here)
                    yield from _of_dict(source, target, made, node, held)


def _dicts(source: Source, value: ast.expr, depth: int = 0) -> Iterator[tuple[ast.expr, OwnDict]]:
    """The dicts of other files that a value unpacks, and the expressions that mean them."""
    path = source.path_of(value) or ""
    held = best_fit(source.own_dicts.get(path.rpartition(".")[2], ()), path) if path else None
    if held is not None:
        yield value, held
        return
    shown = copied(value) or known(value, source)
    parts: list[ast.expr] = [] if shown is value else [shown]
    if isinstance(shown, ast.Dict):
        parts = [v for k, v in zip(shown.keys, shown.values, strict=True) if k is None]
    elif isinstance(shown, ast.Call) and isinstance(shown.func, ast.Name):
        within = [*shown.args, *(k.value for k in shown.keywords if k.arg is None)]
        parts = within if shown.func.id == "dict" else []
    for part in parts if depth < 4 else ():
        yield from _dicts(source, part, depth + 1)


def _of_dict(
    source: Source, target: Target, made: Construction, node: ast.expr, held: OwnDict
) -> Iterator[Note]:
    changed: dict[str, str] = {}
    for key, code in held.items:
        value = _placeless(code)
        outcome = _outcome(source, target, made, key, value)
        if outcome != key:
            changed[key] = outcome
    if changed:
        says = [
            f"drop {key}" if new == DROP else f"{key}: {new.lstrip('!')}"
            for key, new in changed.items()
        ]
        name = made.path.rpartition(".")[2]
        yield Note.at(
            node,
            rule=ID,
            message=f"{source.segment(node)} gives {name} {', '.join(changed)}, which the target's "
            "class does not take as 1.10's did",
            fix=f"In {'/'.join(held.within)}: {'; '.join(says)}",
        )


def _placeless(code: str) -> ast.expr:
    """A value of another file: what is literal, else a name that says nothing."""
    value = ast.parse(code, mode="eval").body if code else ast.Name("_")
    for node in ast.walk(value):
        for place in ("lineno", "col_offset", "end_lineno", "end_col_offset"):
            vars(node).pop(place, None)
    return value


def _seen_to(
    target: Target, calls: list[Construction], name: str, names: frozenset[str] = _IN_DICTS
) -> bool:
    """Whether the rule that sees to an argument looks for it in dicts as well."""
    return name in names and all(
        is_elsewhere(target.resolve(made.path).path, name) for made in calls
    )


def _takes(target: Target, path: str, name: str) -> bool:
    """Whether the target's class takes an argument without a warning."""
    new = target.constructors.signature(path)
    return new is not None and name in new.accepts - new.warned


def _out_of_sight(source: Source, target: Target) -> Iterator[Change]:
    """A DAG whose arguments come out of a file or an attribute."""
    for made in dags(source, target) if target.has("apache-airflow>=2.4") else ():
        if any(k.arg in {"schedule", "timetable"} for k in made.node.keywords):
            continue  # written for Airflow 2
        for value in (k.value for k in made.node.keywords if k.arg is None):
            name = value.id if isinstance(value, ast.Name) else ""
            handed = {
                n.args.kwarg.arg
                for n in source.nodes
                if isinstance(n, ast.FunctionDef | ast.Lambda) and n.args.kwarg is not None
            }  # those are looked for where the function is called
            unknown = name in handed or name in source.unbound
            if not unknown and not any(holders(source, value)):
                yield Note.at(
                    value,
                    rule=ID,
                    message="what ** gives the DAG is made elsewhere: schedule_interval and "
                    "concurrency warn on the target",
                    fix="Say schedule and max_active_tasks where it is made",
                )


def _alone(scope: ast.AST, statement: ast.stmt) -> bool:
    """Whether a statement is all that its block holds."""
    blocks = (
        getattr(n, part, None) for n in ast.walk(scope) for part in ("body", "orelse", "finalbody")
    )
    return any(isinstance(b, list) and len(b) == 1 and b[0] is statement for b in blocks)


def _find(source: Source, target: Target) -> Iterator[Change]:
    yield from _out_of_sight(source, target)
    yield from _from_elsewhere(source, target)
    kept: set[str] = set()  # what a dict of these names holds keeps its names
    for node, calls, way in unpacked(source):
        only = only_theirs(source, node, way)
        kept |= set() if only else way.names
        items = [item for item in items_of(node) if not _seen_to(target, calls, item[1])]
        rename, drop, notes = _settled(source, target, calls, items, only)
        yield from notes
        if rename or drop:
            yield _step(node.lineno, rename, drop, _edit(node, rename, frozenset(drop)))
    for one in filled(source):
        for filling in one.fillings:
            read = any(name in one.read for _, name, _ in filling.items)
            only = not read and not one.shared and one.name not in kept
            items = [i for i in filling.items if not _seen_to(target, one.calls, i[1], _FILLED)]
            rename, drop, notes = _settled(source, target, one.calls, items, only)
            yield from notes
            if not (rename or drop):
                continue
            place = items[0][0]
            operation: Operation
            if len(drop) == len(items) and not _alone(one.scope, filling.statement):
                operation = DropStatement(node=filling.statement)
            elif filling.holder is not None:
                operation = _edit(filling.holder, rename, frozenset(drop))
            elif rename and isinstance(place, ast.expr):
                code = quoted(rename[items[0][1]])
                operation = Replace(node=place, code=_as(source.segment(place), code))
            else:
                continue
            yield _step(filling.statement.lineno, rename, drop, operation)


def _as(before: str, code: str) -> str:
    """A literal in the quotes of another."""
    return code.replace('"', "'") if before.endswith("'") else code


def _settled(
    source: Source, target: Target, calls: list[Construction], items: list[Item], only: bool
) -> tuple[dict[str, str], set[str], list[Note]]:
    """What is renamed, what is dropped, and what a person has to look at."""
    rename: dict[str, str] = {}
    drop: set[str] = set()
    notes: list[Note] = []
    given = {name: value for _, name, value in items}
    for place, name, value in items:
        outcomes = {_outcome(source, target, made, name, value) for made in calls}
        new = sorted(outcomes - {name})
        if not new:
            continue
        if len(outcomes) > 1 or not only or new[0].startswith("!"):
            said = [n[1:] if n.startswith("!") else f"it is {n} now" for n in new if n != DROP]
            notes.append(
                Note.at(
                    place,
                    rule=ID,
                    message=f"{name} reaches a class by ** that does not take it on the target",
                    fix="; ".join(said) or "Drop it, or give it to those that take it",
                )
            )
        elif new[0] == DROP:
            drop.add(name)
        elif (other := given.get(new[0])) is None:
            rename[name] = new[0]
            given[new[0]] = value
        else:
            drop.add(name)
            if ast.dump(other) != ast.dump(value):
                cls = target.resolve(calls[0].path).path.rpartition(".")[2]
                notes.append(_two(source, cls, place, name, new[0], other, value))
    return rename, drop, notes


def _two(
    source: Source,
    cls: str,
    place: ast.expr | ast.keyword,
    name: str,
    new: str,
    other: ast.expr,
    value: ast.expr,
) -> Note:
    """A class has one argument on the target where it had two."""
    return Note.at(
        place,
        rule=ID,
        message=f"{cls} has one {new} on the target, where {name} was another",
        fix=f"See that {new}={source.segment(other)} may do what {source.segment(value)} did",
    )


def _step(line: int, rename: dict[str, str], drop: set[str], operation: Operation) -> Step:
    said = [f"{o} is {n}" for o, n in rename.items()]
    said += [f"{o} is dropped" for o in sorted(drop)]
    return Step(
        rule=ID,
        line=line,
        message="arguments given by **: " + "; ".join(said),
        operations=(operation,),
    )


def _edit(node: Holder, rename: dict[str, str], drop: frozenset[str]) -> Operation:
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
            before=block("""
                from copy import deepcopy
                from airflow.operators.bash import BashOperator

                common = {'bash_command': 'true', 'xcom_push': True}
                mine = deepcopy(common)
                BashOperator(task_id='t', **mine)
            """),
            after=block("""
                from copy import deepcopy
                from airflow.operators.bash import BashOperator

                common = {'bash_command': 'true', 'do_xcom_push': True}
                mine = deepcopy(common)
                BashOperator(task_id='t', **mine)
            """),
        ),
        Example(
            before=block("""
                from airflow.operators.trigger_dagrun import TriggerDagRunOperator


                class Mine(TriggerDagRunOperator):
                    def __init__(self, **kwargs):
                        kwargs['python_callable'] = print
                        super().__init__(**kwargs)
            """),
            notes=("python_callable reaches",),
        ),
        Example(
            before=lines(
                _BASH.replace("bash ", "bash_operator "),
                "",
                "common = {'bash_command': 'true', 'xcom_push': True, 'provide_context': True}",
                "BashOperator(task_id='t', **common)",
                "BashOperator(task_id='u', **common)",
            ),
            after=block("""
                from airflow.operators.bash import BashOperator

                common = {'bash_command': 'true', 'do_xcom_push': True}
                BashOperator(task_id='t', **common)
                BashOperator(task_id='u', **common)
            """),
        ),
        Example(
            before=block("""
                from airflow.operators.bash import BashOperator

                common = dict(bash_command='true', xcom_push=True)
                BashOperator(task_id='t', **common)
            """),
            after=block("""
                from airflow.operators.bash import BashOperator

                common = dict(bash_command='true', do_xcom_push=True)
                BashOperator(task_id='t', **common)
            """),
        ),
        Example(
            before=block("""
                from airflow.operators.bash import BashOperator

                common = {'bash_command': 'true', 'xcom_push': True}
                BashOperator(task_id='t', **common)
                mine(**common)
            """),
            notes=("it is do_xcom_push now",),
        ),
        Example(
            before=lines(
                _BASH.replace("bash ", "bash_operator "),
                "",
                "",
                "class Mine(BashOperator):",
                "    def __init__(self, **kwargs):",
                "        kwargs['provide_context'] = True",
                "        kwargs.setdefault('xcom_push', True)",
                "        super().__init__(**kwargs)",
                "",
                "",
                "Mine(task_id='t', bash_command='true', xcom_push=False)",
            ),
            after=block("""
                from airflow.operators.bash import BashOperator


                class Mine(BashOperator):
                    def __init__(self, **kwargs):
                        kwargs.setdefault('do_xcom_push', True)
                        super().__init__(**kwargs)


                Mine(task_id='t', bash_command='true', do_xcom_push=False)
            """),
        ),
        Example(
            before=block("""
                from airflow import DAG


                def common():
                    return {'schedule_interval': '@daily', 'catchup': False}


                DAG('d', start_date=START, **common())
                DAG('e', start_date=START, **settings['e'])
            """),
            after=block("""
                from airflow import DAG


                def common():
                    return {'schedule': '@daily', 'catchup': False}


                DAG('d', start_date=START, **common())
                DAG('e', start_date=START, **settings['e'])
            """),
            notes=("what ** gives the DAG is made elsewhere",),
        ),
    ),
    keeps=(
        block("""
            from airflow.operators.bash import BashOperator


            class Mine(BashOperator):
                def __init__(self, **kwargs):
                    super().__init__(**kwargs)

                def execute(self, context):
                    kwargs = {'xcom_push': True}
                    return start(**kwargs)
        """),
        block("""
            from airflow.operators.bash import BashOperator

            common = {'retries': 1}
            BashOperator(task_id='t', **common)
        """),
        block("""
            from airflow.operators.bash import BashOperator

            common = {'xcom_push': True}
            mine(**common)
        """),
        block("""
            from airflow.operators.bash import BashOperator


            def make(**kwargs):
                kwargs['retries'] = 1
                return BashOperator(**kwargs)
        """),
        block("""
            # airflow
            from mylib import Bash

            Bash(**{'xcom_push': True})
        """),
        block("""
            from airflow import DAG


            def make(name, **kwargs):
                return DAG(name, schedule=None, **{**kwargs})
        """),
    ),
    find=_find,
)
