"""Every place where a class of Airflow's is constructed, however it is spelt."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeGuard

from codemods.base import OwnClass
from codemods.reading.heritage import heritage, own_at
from codemods.reading.loops import looped
from codemods.reading.scopes import Use
from codemods.reading.source import Source
from codemods.reading.values import known
from codemods.tables.constructors import baseline


@dataclass(frozen=True, eq=False, kw_only=True)
class Construction:
    """A call that reaches the constructor of the class at ``path``."""

    node: ast.Call
    path: str  # as the text means it, that is on 1.10
    use: Use | None  # the name that is called, unless a subclass or a function stands between
    own: frozenset[str] = frozenset()  # what those on the way take for themselves
    first: int = 0  # how many positional arguments do not belong to the constructor

    @property
    def of_base(self) -> bool:
        """Whether a class calls the constructor that it inherits."""
        return isinstance(self.node.func, ast.Attribute) and self.node.func.attr == "__init__"

    @property
    def reaching(self) -> list[ast.keyword]:
        """The keywords that get as far as the constructor."""
        return [k for k in self.node.keywords if k.arg not in self.own]


def leaves_out(source: Source, made: Construction, *names: str) -> bool:
    """Whether a call gives the class none of these: neither itself, where ``*`` and ``**`` may hold
    anything, nor what stands between, nor ``default_args``."""
    given = {k.arg for k in made.node.keywords} | made.own | source.default_arguments[0]
    starred = any(isinstance(a, ast.Starred) for a in made.node.args)
    return not starred and given.isdisjoint({None, *names})


def by_place(
    source: Source, function: ast.FunctionDef | ast.Lambda, op_args: ast.expr
) -> tuple[list[str], int | None]:
    """The parameters of a callable that may be filled by place, and how many ``op_args`` fill; None
    where that cannot be read."""
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    value = known(op_args, source)
    if not isinstance(value, ast.List | ast.Tuple):
        return names, None
    starred = any(isinstance(item, ast.Starred) for item in value.elts)
    return names, None if starred else len(value.elts)


Holder = ast.Dict | ast.Call
Item = tuple[ast.expr | ast.keyword, str, ast.expr]  # place, name, value


@dataclass(frozen=True, eq=False, kw_only=True)
class Filling:
    """A statement that puts values under names into a dict."""

    statement: ast.Assign | ast.Expr
    items: tuple[Item, ...]
    holder: Holder | None = None  # what ``update`` is given


def items_of(holder: Holder) -> Iterator[Item]:
    """What a dict display, or the keywords of a call, hold under names in sight."""
    if isinstance(holder, ast.Call):
        yield from ((k, k.arg, k.value) for k in holder.keywords if k.arg)
        return
    for key, value in zip(holder.keys, holder.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key, key.value, value


def fillings(nodes: Iterable[ast.AST], name: str) -> Iterator[Filling]:
    """``d["x"] = 1``, ``d.setdefault("x", 1)``, ``d.update(x=1)`` and ``d.update({"x": 1})``."""
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            key = key_of(node.targets[0], name)
            if key is not None:
                yield Filling(statement=node, items=((*key, node.value),))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            key = key_of(call, name)
            method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            if key is not None and method == "setdefault" and len(call.args) == 2:
                yield Filling(statement=node, items=((*key, call.args[1]),))
            elif method == "update" and ast.unparse(call.func) == f"{name}.update":
                holder = next((a for a in call.args if isinstance(a, ast.Dict)), call)
                yield Filling(statement=node, items=tuple(items_of(holder)), holder=holder)


def key_of(node: ast.AST, name: str) -> tuple[ast.expr, str] | None:
    """The text that ``d["x"]``, ``d.get("x")``, ``d.pop("x", None)`` and ``"x" in d`` name."""
    found: tuple[ast.expr, ast.expr] | None = None
    if isinstance(node, ast.Subscript):
        found = node.value, node.slice
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        found = node.func.value, node.args[0]
    elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        found = node.comparators[0], node.left
    if found is None or not (isinstance(found[0], ast.Name) and found[0].id == name):
        return None
    key = found[1]
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        return key, key.value
    return None


@lru_cache(maxsize=1)  # many rules ask in turn about one text
def constructions(source: Source) -> tuple[Construction, ...]:
    """Direct calls and those by another name, ``partial``, calls of the text's own subclasses and
    of its functions that hand their ``**kwargs`` on, and ``super().__init__``."""
    return (
        *_direct(source),
        *_by_other_names(source),
        *_subclasses(source),
        *_makers(source),
        *_from_other_files(source),
    )


def _direct(source: Source) -> Iterator[Construction]:
    for call in source.calls:
        if call.path == "functools.partial" and call.node.args:
            path = source.path_of(call.node.args[0])
            if path is not None:
                use = source.use_of(call.node.args[0])
                yield Construction(node=call.node, path=path, use=use, first=1)
        else:
            yield Construction(node=call.node, path=call.path, use=call.use)


def init_of(node: ast.ClassDef) -> ast.FunctionDef | None:
    return next(
        (n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None
    )


def positional_of(init: ast.FunctionDef) -> tuple[str, ...]:
    """What a constructor takes by place, ``self`` left out."""
    return tuple(x.arg for x in [*init.args.posonlyargs, *init.args.args][1:])


def takes(init: ast.FunctionDef) -> frozenset[str] | None:
    """What a constructor takes for itself; None when it hands nothing, or all that it has, on."""
    a = init.args
    if a.kwarg is None:
        return None
    kept = any(
        isinstance(n, ast.Assign) and isinstance(n.value, ast.Name) and n.value.id == a.kwarg.arg
        for n in ast.walk(init)
    )
    call = handing(init)
    return _named(init) | _said(call) if call is not None and not kept else None


def handing(init: ast.FunctionDef) -> ast.Call | None:
    """The call of a base's constructor that is given the ``**kwargs`` of this one."""
    calls = (
        n
        for n in ast.walk(init)
        if isinstance(n, ast.Call)
        and isinstance(n.func, ast.Attribute)
        and n.func.attr == "__init__"
        and any(k.arg is None and _is_kwargs(init, k.value) for k in n.keywords)
    )
    return next(calls, None)


def _is_kwargs(init: ast.FunctionDef, value: ast.expr) -> bool:
    kwarg = init.args.kwarg
    return kwarg is not None and isinstance(value, ast.Name) and value.id == kwarg.arg


def _named(function: ast.FunctionDef | ast.Lambda) -> frozenset[str]:
    """What a function may take for itself: its parameters, and kwargs.pop("name").

    What it puts into its kwargs is no more of its own than what it is given there.
    """
    a = function.args
    filled = fillings(ast.walk(function), a.kwarg.arg) if a.kwarg is not None else ()
    put = {id(place) for filling in filled for place, _, _ in filling.items}
    constants = (n for n in ast.walk(function) if isinstance(n, ast.Constant))
    texts = (n.value for n in constants if id(n) not in put)
    names = {x.arg for x in [*a.posonlyargs, *a.args, *a.kwonlyargs]}
    return frozenset(names | {text for text in texts if isinstance(text, str)})


def _said(call: ast.Call) -> frozenset[str]:
    """What a call gives besides ``**``; whoever gave it as well would give it twice."""
    return frozenset(k.arg for k in call.keywords if k.arg is not None)


def maker(
    source: Source, function: ast.FunctionDef | ast.Lambda
) -> tuple[str, frozenset[str]] | None:
    """The one class of Airflow's that a function hands its ``**kwargs`` on to, and what it takes
    for itself; None where there is no such class."""
    given = function.args.kwarg
    if given is None:
        return None
    calls = [
        call
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
        and any(k.arg is None and given.arg in _unpacked(k.value) for k in call.keywords)
    ]
    path, *others = {source.path_of(call.func) for call in calls} or {None}
    if others or path is None or not path.startswith("airflow."):
        return None
    signature = baseline().signature(path)
    positional = signature.positional if signature is not None else ()
    by_place = {name for call in calls for name in positional[: len(call.args)]}
    return path, _named(function).union(by_place, *(_said(call) for call in calls))


def _subclasses(source: Source) -> Iterator[Construction]:
    for cls, _ in source.classes:
        init, found = init_of(cls), heritage(source, cls)
        above = _taken(found.line[1:], found.own) if found.path and init is not None else None
        if init is None or above is None:
            continue
        for call in ast.walk(init):
            first = _of_base(call, found.base)
            if isinstance(call, ast.Call) and first is not None:
                own_above = len(found.line) > 1 or found.own is not None
                yield Construction(
                    node=call,
                    path=found.path,
                    use=None,
                    own=above,
                    first=len(call.args) if own_above else first,
                )
    named = {node.name: node for node, scope in source.classes if scope is source.module}
    for call in source.plain_calls:
        made = named.get(call.func.id) if isinstance(call.func, ast.Name) else None
        if made is None:
            continue
        found = heritage(source, made)
        own = _taken(found.line, found.own)
        if found.path and own is not None:
            yield Construction(node=call, path=found.path, use=None, own=own, first=len(call.args))


def _taken(line: Iterable[ast.ClassDef], own: OwnClass | None) -> frozenset[str] | None:
    """What classes take for themselves of what is meant for Airflow's; None: nothing gets on."""
    found = set(own.takes) if own is not None else set()
    for cls in line:
        init = init_of(cls)
        more = takes(init) if init is not None else frozenset()
        if more is None:
            return None
        found |= more
    return frozenset(found)


def _of_base(call: ast.AST, base: ast.expr | None) -> int | None:
    """How many arguments of a base's constructor come before its own; None: it is none."""
    if not (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "__init__"
    ):
        return None
    owner = call.func.value
    if isinstance(owner, ast.Call):
        return 0 if isinstance(owner.func, ast.Name) and owner.func.id == "super" else None
    return 1 if base is not None and ast.unparse(owner) == ast.unparse(base) else None


def _unpacked(value: ast.expr) -> set[str]:
    """The names that ``**`` unpacks, out of a display as well."""
    if isinstance(value, ast.Dict):
        inside = zip(value.keys, value.values, strict=True)
        return {name for key, part in inside if key is None for name in _unpacked(part)}
    return {value.id} if isinstance(value, ast.Name) else set()


def _makers(source: Source) -> Iterator[Construction]:
    """Calls of the text's own functions and methods, which make a task or a DAG of what they are
    given."""
    functions: list[tuple[str, ast.FunctionDef | ast.Lambda]] = [
        (node.name, node) for node in source.tree.body if isinstance(node, ast.FunctionDef)
    ]
    for name, values in source.assigned.items():
        functions += [(name, v) for v in values if isinstance(v, ast.Lambda) and len(values) == 1]
    made = {name: found for name, node in functions if (found := maker(source, node)) is not None}
    methods: dict[str, list[tuple[str, frozenset[str]] | None]] = {}
    for cls, _ in source.classes:
        for node in cls.body:
            if isinstance(node, ast.FunctionDef) and node.name != "__init__":
                methods.setdefault(node.name, []).append(maker(source, node))
    for call in source.plain_calls if made or methods else ():
        found = None
        if isinstance(call.func, ast.Name):
            found = made.get(call.func.id)
        elif isinstance(call.func, ast.Attribute) and source.use_of(call.func) is None:
            found, *others = methods.get(call.func.attr, [None])
            found = None if others else found
        if found is not None:
            path, own = found
            yield Construction(node=call, path=path, use=None, own=own, first=len(call.args))


def _by_other_names(source: Source) -> Iterator[Construction]:
    """Calls of what stands for classes: ``make = BashOperator``, ``MAKERS["bash"]``, the name of a
    loop over classes, ``A if x else B``, where all of them take the same."""
    for call in source.plain_calls:
        if source.use_of(call.func) is not None:
            continue
        paths = [source.path_of(one) or "" for one in _classes(source, call.func)]
        taken = {s.accepts if (s := baseline().signature(path)) else path for path in paths}
        if all(path.startswith("airflow.") for path in paths) and len(taken) == 1:
            yield Construction(node=call, path=paths[0], use=None)


def _classes(source: Source, func: ast.expr) -> Iterator[ast.expr]:
    """The expressions of which what is called is one."""
    match func:
        case ast.Name(id=name):
            values = source.assigned.get(name) or looped(source, name)
            if len(values) == 1 or name not in source.assigned:
                for value in values:
                    yield from _classes(source, value) if isinstance(value, ast.IfExp) else [value]
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)
        case ast.Subscript(value=of, slice=ast.Constant(value=key)):
            table = source.value_of(of, ast.Dict)
            pairs = zip(table.keys, table.values, strict=True) if _is_dict(table) else ()
            yield from (v for k, v in pairs if isinstance(k, ast.Constant) and k.value == key)


def _is_dict(node: ast.expr | None) -> TypeGuard[ast.Dict]:
    return isinstance(node, ast.Dict)


def _from_other_files(source: Source) -> Iterator[Construction]:
    """Calls of the repository's own classes and functions that other files define."""
    for call in source.calls if source.own else ():
        own = own_at(source, call.path)
        if own is not None:
            yield Construction(
                node=call.node,
                path=own.base,
                use=None,
                own=frozenset(own.takes),
                first=len(call.node.args),
            )
