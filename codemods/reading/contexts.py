"""The functions of a text that get the context of a task, and the parameters that hold it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from codemods.base import BY_NAME, UNSURE, OwnFunction, roles_here
from codemods.reading.callables import Function, given, handed_on, holders
from codemods.reading.calls import key_of
from codemods.reading.source import Source

# Methods of operators and hooks of a DAG that are given the context.
_METHODS = {
    "execute",
    "pre_execute",
    "post_execute",
    "poke",
    "execute_complete",
    "get_redirect_url",
}
_HOLDERS = {"context", "ctx"}
# Keys that nothing but Airflow's context has.
_TELLING = {"dag_run", "task_instance", "ti"}


@dataclass(eq=False, kw_only=True)
class Taker:
    """A function that gets the context."""

    node: Function
    roles: set[str] = field(default_factory=set)  # as those of ``OwnFunction``
    own: OwnFunction | None = None  # what other files do with it
    handed: bool = False  # this file, or another one, gives it to Airflow itself
    asks: bool = False  # it says by its parameters that it gets the context
    first: int = 0  # 1 for a method

    @property
    def holders(self) -> dict[str, bool]:
        """The parameters that hold the context, with whether they hold nothing else."""
        found = holders(self.node, self.roles, self.first)
        if self.asks or self.handed:
            a = self.node.args
            found |= dict.fromkeys({x.arg for x in a.args} & _HOLDERS, True)
            found |= {a.kwarg.arg: True} if a.kwarg is not None else {}
        return found

    @property
    def named(self) -> bool:
        """Whether its parameters are filled out of the context, by their names."""
        return self.asks or self.handed or not self.roles.isdisjoint({BY_NAME, UNSURE + BY_NAME})


@lru_cache(maxsize=1)  # several rules ask in turn about one text
def takers(source: Source) -> tuple[Taker, ...]:
    """All of them: those that Airflow calls, and those that these hand the context on to."""
    found = {id(one.node): one for one in _called(source)}
    methods = {
        (cls.name, node.name): node
        for cls, _ in source.classes
        for node in cls.body
        if isinstance(node, ast.FunctionDef)
    }
    around = {id(node): name for (name, _), node in methods.items()}
    functions = {node.name: node for node in source.tree.body if isinstance(node, ast.FunctionDef)}
    left = list(found.values())
    while left:
        taker = left.pop()
        for call, role in handed_on(taker.node, taker.holders):
            method = _of_self(call.func)
            cls = around.get(id(taker.node), "")
            node = methods.get((cls, method)) if method else _named(source, call.func, functions)
            if node is None or any(isinstance(d, ast.Call) for d in node.decorator_list):
                continue
            first = int(bool(method) and not node.decorator_list)
            one = found.setdefault(id(node), Taker(node=node, first=first))
            sure = all(taker.holders.values()) and _always(source, node.name, role)
            more = {role if sure else UNSURE + role} - one.roles
            if more and UNSURE + role not in one.roles:
                one.roles |= more
                left.append(one)
    return tuple(found.values())


def _of_self(func: ast.expr) -> str:
    """The method of ``self`` that is called."""
    owner = func.value if isinstance(func, ast.Attribute) else None
    return func.attr if isinstance(func, ast.Attribute) and _is_self(owner) else ""


def _is_self(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _named(
    source: Source, func: ast.expr, functions: dict[str, ast.FunctionDef]
) -> ast.FunctionDef | None:
    plain = isinstance(func, ast.Name) and func.id not in source.module.imports
    return functions.get(func.id) if plain and isinstance(func, ast.Name) else None


def _always(source: Source, name: str, role: str) -> bool:
    """Whether a text does nothing with a function but call it with the context in that role."""
    calls = [c for c in source.plain_calls if ast.unparse(c.func) in {name, f"self.{name}"}]
    uses = sum(n.id == name for n in source.every(ast.Name))
    uses += sum(n.attr == name for n in source.every(ast.Attribute))
    handed = [c for c in calls if any(r == role for _, r in _hands(c))]
    return uses == len(calls) == len(handed)


def _hands(call: ast.Call) -> Iterator[tuple[ast.expr, str]]:
    """What a call gives by the names that the context mostly has."""
    names = {*_HOLDERS, "kwargs"}
    for place, value in enumerate(call.args):
        if isinstance(value, ast.Name) and value.id in names:
            yield value, str(place)
    for keyword in call.keywords:
        if isinstance(keyword.value, ast.Name) and keyword.value.id in names:
            yield keyword.value, keyword.arg or BY_NAME


def _called(source: Source) -> Iterator[Taker]:
    """Functions that Airflow calls with the context."""
    there = roles_here(source.path, source.own_functions)
    roles: dict[str, set[str]] = {}
    for one in given(source):
        if isinstance(one.value, ast.Lambda):
            yield Taker(node=one.value, roles={one.role} - {""}, handed=True)
        elif isinstance(one.value, ast.Name):
            roles.setdefault(one.value.id, set()).add(one.role)
    for node in source.every(ast.FunctionDef):
        takes = {a.arg for a in node.args.args}
        own = there.get(node.name) if node in source.tree.body else None
        asks = (
            (node.name in _METHODS and "context" in takes)
            or (node.args.kwarg is not None and node.args.kwarg.arg == "context")
            or _asks_for_context(node, takes & _HOLDERS)
        )
        if asks or own is not None or node.name in roles:
            more = roles.get(node.name, set()) - {""}
            yield Taker(
                node=node,
                roles=more.union(own.roles if own is not None else ()),
                own=own,
                handed=node.name in roles
                or (own is not None and not {BY_NAME, "0"}.isdisjoint(own.roles)),
                asks=asks,
            )


def _asks_for_context(node: ast.FunctionDef, names: set[str]) -> bool:
    """Whether a parameter is asked for what only a context has: a callback of other files'."""
    keys = (key_of(inner, name) for name in names for inner in ast.walk(node))
    return any(key is not None and key[1] in _TELLING for key in keys)
