"""Which functions of a repository make sub-DAGs that can be task groups.

A function and the SubDagOperators that it is called for change together or not at all, wherever
each of them stands. So this reads all files that name one of the functions.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from codemods.base import OwnClasses, OwnSubDag, OwnSubDags, best_fit
from codemods.reading.newlines import unified
from codemods.reading.parsing import UNPARSABLE
from codemods.reading.source import Source
from codemods.reading.values import known, text_of
from codemods.subdags.calls import Parents, factory_call, made_of, operators_of, without_retries
from codemods.subdags.factories import Factory, Stays, check_ids, factory_of

_SAYS = "SubDagOperator"


@dataclass(frozen=True, eq=False, kw_only=True)
class _Home:
    """A file, and a function of it that is called for a sub-DAG."""

    source: Source
    function: ast.FunctionDef
    within: tuple[str, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Call:
    source: Source
    node: ast.Call  # of SubDagOperator
    called: ast.Call  # of the function
    nested: bool = False  # whether another such function makes it


def own_subdags(sources: Mapping[str, str], kept: Collection[str] = ()) -> OwnSubDags:
    """Name → the functions of that name that are called for a SubDagOperator, and whether each is
    made a task group's.

    ``sources`` maps paths to texts. What does not parse, or is at one of the ``kept`` paths, which
    nobody rewrites, and names a function, keeps that as it is.
    """
    found = {path: None if path in kept else _source(path, text) for path, text in sources.items()}
    read = [source for source in found.values() if source is not None]
    unread = [text for path, text in sources.items() if found[path] is None]
    calls = [
        _Call(source=source, node=node, called=called)
        for source in read
        for node in (operators_of(source) if _SAYS in source.text else ())
        if (called := factory_call(node)) is not None
    ]
    names = sorted({_name(one.called) for one in calls} - {""})
    homes = {name: [home for source in read for home in _homes(source, name)] for name in names}
    inside = {id(n) for ones in homes.values() for home in ones for n in ast.walk(home.function)}
    calls = [replace(one, nested=id(one.node) in inside) for one in calls]
    return {
        name: tuple(_judged(home, calls, read, unread, ones) for home in ones)
        for name, ones in homes.items()
        if ones
    }


def _source(path: str, text: str) -> Source | None:
    try:
        return Source(unified(text)[0], path)
    except UNPARSABLE:
        return None


def left(rows: OwnSubDags | None) -> OwnSubDags | None:
    """Those that stay as they are."""
    if rows is None:
        return None
    return {name: tuple(row for row in found if row.stays) for name, found in rows.items()}


def without_factories(own: OwnClasses, rows: OwnSubDags | None) -> OwnClasses:
    """The repository's classes and functions, without those that make task groups then."""
    known = ((name, row) for name, found in (rows or {}).items() for row in found)
    groups = {(name, row.within) for name, row in known if not row.stays}
    if not groups:
        return own
    return {
        name: tuple(one for one in found if (name, one.within) not in groups)
        for name, found in own.items()
    }


def within_of(path: str) -> tuple[str, ...]:
    """The folders and the module of a file."""
    parts = PurePosixPath(path).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def _name(called: ast.Call) -> str:
    func = called.func
    return func.id if isinstance(func, ast.Name) else getattr(func, "attr", "")


def _homes(source: Source, name: str) -> Iterator[_Home]:
    for node in source.tree.body if name in source.text else ():
        if isinstance(node, ast.FunctionDef) and node.name == name:
            yield _Home(source=source, function=node, within=within_of(source.path))


def row_of(source: Source, called: ast.Call, rows: OwnSubDags) -> OwnSubDag | None:
    """What is known of the function that a text calls."""
    found = rows.get(_name(called), ())
    if isinstance(called.func, ast.Name) and _defines(source, called.func.id):
        return next((row for row in found if row.within == within_of(source.path)), None)
    path = _path(source, called.func)
    return best_fit(found, path) if path is not None else None


def _path(source: Source, func: ast.expr) -> str | None:
    """What a called name means, also where it becomes the name of what the call makes."""
    use = source.use_of(func)
    itself = use is not None and _becomes(source, use.root.id) == use.root
    return use.path if use is not None and itself else source.path_of(func)


def _becomes(source: Source, name: str) -> ast.Name | None:
    """The one use of an imported name in the one statement that gives the name a value."""
    values = source.assigned.get(name, [])
    if len(values) != 1 or name not in source.module.imports:
        return None
    found = [n for n in ast.walk(values[0]) if isinstance(n, ast.Name) and n.id == name]
    return found[0] if len(found) == 1 else None


def _defines(source: Source, name: str) -> bool:
    return any(isinstance(n, ast.FunctionDef) and n.name == name for n in source.tree.body)


def _judged(
    home: _Home,
    calls: Sequence[_Call],
    read: Iterable[Source],
    unread: Iterable[str],
    homes: Sequence[_Home],
) -> OwnSubDag:
    place = f"{home.source.path}:{home.function.lineno}"
    try:
        retries = _decided(home, calls, read, unread, homes)
    except Stays as why:
        return OwnSubDag(within=home.within, place=place, stays=str(why))
    return OwnSubDag(within=home.within, place=place, retries=retries)


def _decided(
    home: _Home,
    calls: Sequence[_Call],
    read: Iterable[Source],
    unread: Iterable[str],
    homes: Sequence[_Home],
) -> bool:
    """Whether the group takes retries away. Raises ``Stays``."""
    name = home.function.name
    if any(re.search(rf"\b{name}\b", text) for text in unread):
        raise Stays(f"a file that migrate leaves says {name}")
    own = [one for one in calls if _is_home(home, one.source, one.called.func, homes)]
    factory = factory_of(home.source, home.function)
    for source in read:
        _check_mentions(home, source, [one.called.func for one in own], homes)
    check_ids(home.source, factory)
    if not own or [one.within for one in homes].count(home.within) > 1:
        raise Stays(f"which function {name} is, where it is called, is not plain")
    for one in own:
        _check_sensors(read, one)
    answers = {_retries(home, factory, one) for one in own}
    if len(answers) > 1:
        raise Stays("the DAGs that it is called for give their tasks other retries")
    return answers.pop()


def _retries(home: _Home, factory: Factory, one: _Call) -> bool:
    try:
        made = made_of(one.source, one.node, Parents(one.source))
        if one.nested:
            raise Stays("it stands in a sub-DAG itself")
        if one.source is not home.source:
            check_ids(one.source, factory)
        return without_retries(made, factory, one.source, home.source)
    except Stays as why:
        where = f"{one.source.path}:{one.node.lineno}"
        raise Stays(f"{why} ({where})" if one.source is not home.source else str(why)) from why


def _is_home(home: _Home, source: Source, func: ast.expr, homes: Sequence[_Home]) -> bool:
    """Whether an expression means the function there."""
    if isinstance(func, ast.Name) and _defines(source, func.id):
        return source is home.source and func.id == home.function.name
    path = _path(source, func)
    named = path is not None and path.rpartition(".")[2] == home.function.name
    return path is not None and named and best_fit(homes, path) is home


def _check_mentions(
    home: _Home, source: Source, known: Sequence[ast.expr], homes: Sequence[_Home]
) -> None:
    """Nothing but the operators uses the function. Raises ``Stays``."""
    name = home.function.name
    fine = {id(func) for func in known}
    if name not in source.text:
        return
    starred = any(b.name == "*" and not b.airflow for b in source.bindings)
    bound = source is home.source or any(b.alias.name == name for b in source.bindings)
    became = _becomes(source, name)
    last = became.lineno if became is not None and id(became) in fine else sys.maxsize
    for node in source.every(ast.Name) if bound or starred else ():
        stored = not isinstance(node.ctx, ast.Load) and source is not home.source
        if node.id == name and id(node) not in fine and not stored and node.lineno < last:
            raise Stays(f"{source.path}:{node.lineno} uses {name} for something else")
    for one in source.every(ast.Attribute):
        used = one.attr == name and id(one) not in fine
        if used and _is_home(home, source, one, homes):
            raise Stays(f"{source.path}:{one.lineno} uses {name} for something else")


def _check_sensors(read: Iterable[Source], one: _Call) -> None:
    """No other DAG asks for the sub-DAG or its operator. Raises ``Stays``."""
    task_id = next((k.value for k in one.node.keywords if k.arg == "task_id"), one.node)
    name = text_of(known(task_id, one.source))
    for source in read:
        for call in source.plain_calls if "external_" in source.text else ():
            for keyword in call.keywords:
                said = text_of(known(keyword.value, source)) or ""
                of_dag = keyword.arg == "external_dag_id" and "." in said
                of_task = keyword.arg == "external_task_id" and name in {None, said}
                if of_task or (of_dag and (name is None or said.endswith(f".{name}"))):
                    raise Stays(f"{source.path}:{call.lineno} asks for {said}")
