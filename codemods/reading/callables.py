"""The functions that Airflow calls, and the context that it gives them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from codemods.base import BY_NAME, UNSURE, OwnFunction, best_fit
from codemods.reading.age import of_2
from codemods.reading.calls import Construction, by_place, constructions, leaves_out
from codemods.reading.source import Source

Function = ast.FunctionDef | ast.Lambda
CALLABLE = "python_callable"
_ASKS = "provide_context"
_OPERATORS = ("PythonOperator", "PythonSensor", "ShortCircuitOperator")
_GIVEN = re.compile(rf"{CALLABLE}|on_\w+_callback|sla_miss_callback")
_CALLBACK = re.compile(r"on_\w+_callback")
# What a call gives its callable by name, beside the context.
_FILLS = ("op_kwargs", "templates_dict", "params")


@dataclass(frozen=True, eq=False, kw_only=True)
class Given:
    """A value that a call or ``default_args`` give to Airflow to be called."""

    name: str  # as what
    value: ast.expr
    call: ast.Call | None = None

    @property
    def role(self) -> str:
        """What it gets of the context: see ``OwnFunction.roles``."""
        return BY_NAME if self.name == CALLABLE else "0" if _CALLBACK.fullmatch(self.name) else ""


@lru_cache(maxsize=1)  # several rules ask in turn about one text
def given(source: Source) -> tuple[Given, ...]:
    """What a text gives to Airflow to be called."""
    found = [
        Given(name=k.arg or "", value=k.value, call=call)
        for call in source.plain_calls
        for k in call.keywords
    ]
    found += [Given(name=key.name, value=key.value) for key in source.default_keys]
    return tuple(one for one in found if _GIVEN.fullmatch(one.name))


def function_at(source: Source, node: ast.expr) -> Function | None:
    """The function that an expression means, of this file or another one of the repository; None
    where that is not plain, or where a decorator stands between."""
    if isinstance(node, ast.Lambda):
        return node
    found: list[ast.FunctionDef] = []
    if isinstance(node, ast.Name) and node.id not in source.module.imports:
        found = [f for f in source.every(ast.FunctionDef) if f.name == node.id]
        found = [f for f in found if f in source.tree.body] if len(found) == 1 else []
    elif (own := own_function_at(source, node)) is not None:
        found = _read(own.code)
    return found[0] if found and not found[0].decorator_list else None


def own_function_at(source: Source, node: ast.expr) -> OwnFunction | None:
    """What is known of the function of another file that an expression means."""
    path = source.path_of(node) or ""
    return best_fit(source.own_functions.get(path.rpartition(".")[2], ()), path)


@lru_cache(maxsize=64)
def _read(code: str) -> list[ast.FunctionDef]:
    return [node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)]


def filled(source: Source, call: ast.Call) -> frozenset[str] | None:
    """The names that a call gives its callable; None where not all of them are in sight."""
    found: set[str] = set()
    for keyword in call.keywords:
        if keyword.arg is None:
            return None
        if keyword.arg not in _FILLS:
            continue
        value = source.value_of(keyword.value, ast.Dict) or keyword.value
        if isinstance(value, ast.Dict):
            keys = [k.value if isinstance(k, ast.Constant) else None for k in value.keys]
        elif isinstance(value, ast.Call) and ast.unparse(value.func) == "dict" and not value.args:
            keys = [k.arg for k in value.keywords]
        else:
            keys = [None]
        if None in keys:
            return None
        found |= {str(key) for key in keys}
    return frozenset(found)


def placed(source: Source, call: ast.Call, function: Function | None) -> frozenset[str] | None:
    """The parameters of a callable that ``op_args`` fill; None where that is not in sight."""
    op_args = next((k.value for k in call.keywords if k.arg == "op_args"), None)
    if op_args is None:
        return frozenset()
    names, count = by_place(source, function, op_args) if function is not None else ([], None)
    return None if count is None else frozenset(names[:count])


def unasking(source: Source) -> Iterator[tuple[ast.Call, Function]]:
    """The calls that give 1.10 a callable without the context, where that is sure."""
    if CALLABLE not in source.text or of_2(source) or not source.default_arguments[1]:
        return
    # Where the DAG, or what it is made of, comes from elsewhere its default_args may ask for it.
    dags = [call for call in source.calls if call.path.endswith(".DAG")]
    sure = dags and not any(k.arg is None for call in dags for k in call.node.keywords)
    for made in constructions(source) if sure else ():
        if made.path.startswith("airflow.") and made.path.endswith(_OPERATORS):
            given = {k.arg: k.value for k in made.node.keywords}
            node = function_at(source, given[CALLABLE]) if CALLABLE in given else None
            if node is not None and _without_context(source, made, given.get(_ASKS)):
                yield made.node, node


def _without_context(source: Source, made: Construction, asks: ast.expr | None) -> bool:
    """Whether 1.10 gives a callable nothing but what the call says."""
    if asks is None:
        return leaves_out(source, made, _ASKS)
    return isinstance(asks, ast.Constant) and asks.value is False


def defaults_of(a: ast.arguments) -> dict[str, ast.expr]:
    """The parameters that have a default."""
    names = [x.arg for x in (*a.posonlyargs, *a.args)]
    found = dict(zip(names[len(names) - len(a.defaults) :], a.defaults, strict=True))
    pairs = zip(a.kwonlyargs, a.kw_defaults, strict=True)
    return found | {x.arg: value for x, value in pairs if value is not None}


def holders(function: Function, roles: Iterable[str], first: int = 0) -> dict[str, bool]:
    """The parameters that hold the context, by what is handed in these roles, with whether that is
    sure; ``first`` is how many parameters stand before those that are counted."""
    a = function.args
    names = [x.arg for x in (*a.posonlyargs, *a.args)][first:]
    every = {*names, *(x.arg for x in a.kwonlyargs)}
    found: dict[str, bool] = {}
    for role in roles:
        plain = role.removeprefix(UNSURE)
        name = plain if plain in every else ""
        if plain == BY_NAME:
            name = a.kwarg.arg if a.kwarg is not None else ""
        elif plain.isdigit():
            name = names[int(plain)] if int(plain) < len(names) else ""
        if name:
            found[name] = found.get(name, False) or role == plain
    return found


def handed_on(function: Function, held: Iterable[str]) -> Iterator[tuple[ast.Call, str]]:
    """The calls in a function that hand the context on, and in which role."""
    stored = {
        n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    names = set(held) - stored
    for call in ast.walk(function) if names else ():
        if not isinstance(call, ast.Call):
            continue
        for place, value in enumerate(call.args):
            if isinstance(value, ast.Starred):
                break
            if isinstance(value, ast.Name) and value.id in names:
                yield call, str(place)
        for keyword in call.keywords:
            if isinstance(keyword.value, ast.Name) and keyword.value.id in names:
                yield call, keyword.arg or BY_NAME
