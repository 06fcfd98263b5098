"""The dicts that calls take their arguments out of by ``**``, as far as they are in sight."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from codemods.reading.calls import (
    Construction,
    Filling,
    Holder,
    Item,
    constructions,
    fillings,
    items_of,
    key_of,
)
from codemods.reading.defaults import copied
from codemods.reading.loops import looped
from codemods.reading.source import Source
from codemods.reading.values import returned


@dataclass(frozen=True, kw_only=True)
class Way:
    """How values lead to a dict: ``name`` of a variable or of a function that returns one,
    ``.name`` of an attribute, ``name[key]`` of an item; and the nodes that ask for them."""

    names: frozenset[str] = frozenset()
    nodes: frozenset[int] = frozenset()

    def __or__(self, other: Way) -> Way:
        return Way(names=self.names | other.names, nodes=self.nodes | other.nodes)


def holders(
    source: Source,
    value: ast.expr,
    by: Way = Way(),
) -> Iterator[tuple[Holder, Way]]:
    """The dict displays and calls of ``dict`` that a value may stand for, and the way to each."""
    if isinstance(value, ast.Dict):
        yield value, by
        for key, part in zip(value.keys, value.values, strict=True):
            if key is None:
                yield from holders(source, part, by)
    elif (original := copied(value)) is not None:
        yield from holders(source, original, by)
    elif (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict"
    ):
        yield value, by
        for part in (*value.args, *(k.value for k in value.keywords if k.arg is None)):
            yield from holders(source, part, by)
    else:
        for way, meant in _meant(source, value):
            if not way.names or way.names - by.names:
                yield from holders(source, meant, by | way)


def _meant(source: Source, value: ast.expr) -> Iterator[tuple[Way, ast.expr]]:
    """The expressions that a name, a call, an item or a condition may stand for, and the ways."""
    match value:
        case ast.Name(id=name) if id(value) not in _given(source):
            way = Way(names=frozenset({name}), nodes=frozenset({id(value)}))
            values = source.assigned.get(name) or looped(source, name)
            yield from ((way, one) for one in values)
        case ast.Attribute(attr=name):
            way = Way(names=frozenset({f".{name}"}), nodes=frozenset({id(value)}))
            yield from ((way, one) for one in _attributes(source).get(name, ()))
        case ast.Call(func=ast.Name(id=name) as func):
            way = Way(names=frozenset({name}), nodes=frozenset({id(func)}))
            given = returned(source, name)
            yield from ((way, one) for one in [given] if one is not None)
        case ast.IfExp(body=body, orelse=orelse):
            yield from ((Way(), part) for part in (body, orelse))
        case ast.BoolOp(values=values):
            yield from ((Way(), part) for part in values)
        case ast.Subscript() | ast.Call():
            yield from _item(source, value)


def _item(source: Source, value: ast.expr) -> Iterator[tuple[Way, ast.expr]]:
    """What ``table["key"]`` and ``table.get("key")`` stand for."""
    table, key = _asked(value)
    for holder, by in holders(source, table) if table is not None else ():
        way = by | Way(names=frozenset(f"{name}[{key}]" for name in by.names))
        yield from ((way, item) for _, name, item in items_of(holder) if name == key)


def _asked(node: ast.AST) -> tuple[ast.expr | None, str]:
    match node:
        case (
            ast.Subscript(value=table, slice=ast.Constant(value=str(key)))
            | ast.Call(
                func=ast.Attribute(value=table, attr="get"), args=[ast.Constant(value=str(key)), *_]
            )
        ):
            return table, key
    return None, ""


@lru_cache(maxsize=1)
def _given(source: Source) -> frozenset[int]:
    """The names that are parameters where they stand, and stay what the caller gave."""
    found: set[int] = set()
    functions: list[ast.FunctionDef | ast.Lambda] = [*source.every(ast.FunctionDef)]
    for function in [*functions, *source.every(ast.Lambda)]:
        inside = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
        bound = {node.id for node in inside if isinstance(node.ctx, ast.Store)}
        taken = {node.arg for node in _parameters(function)} - bound
        found |= {id(node) for node in inside if node.id in taken}
    return frozenset(found)


def _parameters(function: ast.FunctionDef | ast.Lambda) -> Iterator[ast.arg]:
    return (node for node in ast.walk(function.args) if isinstance(node, ast.arg))


@lru_cache(maxsize=1)
def _attributes(source: Source) -> dict[str, list[ast.expr]]:
    """What the text's classes have for attributes, set in their body or on ``self``."""
    found: dict[str, list[ast.expr]] = {}
    for cls, _ in source.classes:
        for node in ast.walk(cls):
            match node:
                case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)]):
                    found.setdefault(name, []).append(node.value)
        for statement in cls.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)]):
                    found.setdefault(name, []).append(statement.value)
    return found


def unpacked(source: Source) -> list[tuple[Holder, list[Construction], Way]]:
    """The dicts that calls take their arguments out of, with those calls and the way there."""
    found: dict[int, tuple[Holder, list[Construction], Way]] = {}
    for made in constructions(source):
        for keyword in made.node.keywords:
            if keyword.arg is None and made.path.startswith("airflow."):
                for node, by in holders(source, keyword.value):
                    _, calls, way = found.get(id(node), (node, [], Way()))
                    found[id(node)] = node, [*calls, made], way | by
    return list(found.values())


def only_theirs(source: Source, node: Holder, way: Way) -> bool:
    """Whether nothing uses the dict but the calls that this way leads from, and what puts more into
    it."""
    filled = [f for name in way.names for f in fillings(source.nodes, name)]
    put = {id(place) for f in filled for place, _, _ in f.items}
    keys = [k for name in way.names for n in source.nodes if (k := key_of(n, name)) is not None]
    read = {text for place, text in keys if id(place) not in put}
    held = {name for _, name, _ in items_of(node)}
    alone = _others(source, way) <= len(filled) and not read & held
    return alone and all(id(k.holder) != id(node) for k in source.default_keys)


def _others(source: Source, way: Way) -> int:
    """How often the text asks for what a way leads to by other nodes."""
    tables = {name.partition("[")[0] for name in way.names if "[" in name}
    apart = set(way.nodes)
    for node in source.nodes if tables else ():
        table, key = _asked(node)
        # Another item of the same table.
        if (
            isinstance(table, ast.Name)
            and table.id in tables
            and f"{table.id}[{key}]" not in way.names
        ):
            apart.add(id(table))
    named = [n for n in source.every(ast.Name) if n.id in way.names and id(n) not in apart]
    of = [
        n for n in source.every(ast.Attribute) if f".{n.attr}" in way.names and id(n) not in apart
    ]
    return sum(isinstance(n.ctx, ast.Load) for n in named) + sum(
        isinstance(n.ctx, ast.Load) for n in of
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Filled:
    """A dict that a function, or the module, fills step by step and gives to calls by ``**``."""

    scope: ast.Module | ast.FunctionDef
    name: str
    calls: list[Construction]

    @property
    def fillings(self) -> list[Filling]:
        return list(fillings(ast.walk(self.scope), self.name))

    @property
    def read(self) -> frozenset[str]:
        """The keys that are asked for."""
        put = {id(place) for f in self.fillings for place, _, _ in f.items}
        keys = [k for n in ast.walk(self.scope) if (k := key_of(n, self.name)) is not None]
        return frozenset(text for place, text in keys if id(place) not in put)

    @property
    def shared(self) -> bool:
        """Whether something else may see the dict."""
        nodes = list(ast.walk(self.scope))
        named = [n for n in nodes if isinstance(n, ast.Name) and n.id == self.name]
        keyed = {id(n) for n in nodes if key_of(n, self.name) is not None}
        updated = {id(f.statement) for f in self.fillings if f.holder is not None}
        loads = sum(isinstance(n.ctx, ast.Load) for n in named)
        return loads > len(keyed) + len(updated) + len(self.calls)


def filled(source: Source) -> Iterator[Filled]:
    given = [
        (made, keyword.value.id)
        for made in constructions(source)
        if made.path.startswith("airflow.")
        for keyword in made.node.keywords
        if keyword.arg is None and isinstance(keyword.value, ast.Name)
    ]
    within: dict[int, ast.Module | ast.FunctionDef] = {}  # a call → the function around it
    for node in source.nodes if given else ():
        if isinstance(node, ast.Module | ast.FunctionDef):
            within |= {id(n): node for n in ast.walk(node) if isinstance(n, ast.Call)}
    found: dict[tuple[int, str], Filled] = {}
    for made, name in given:
        scope = within[id(made.node)]
        new = Filled(scope=scope, name=name, calls=[])
        found.setdefault((id(scope), name), new).calls.append(made)
    yield from found.values()


def filled_in(source: Source) -> Iterator[tuple[list[Construction], Item]]:
    """What is put into a dict that calls are given by ``**``, and those calls."""
    for one in filled(source):
        yield from ((one.calls, item) for filling in one.fillings for item in filling.items)
