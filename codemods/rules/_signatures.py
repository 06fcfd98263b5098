"""What becomes of the arguments of one call of a method or a function, by its signatures."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from codemods.base import Note
from codemods.editing.changes import Compose, EditCall, Operation, Step
from codemods.rules._text import sentence
from codemods.tables.constructors import DROP, Constructor
from codemods.tables.target import Target


@dataclass(kw_only=True)
class Mapped:
    """What becomes of the arguments of one call."""

    rename: dict[str, str] = field(default_factory=dict)
    drop: set[str] = field(default_factory=set)
    positional: dict[int, str] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)  # positional ones that are dropped
    unsure: dict[str, str] = field(default_factory=dict)  # argument → advice


def _akin(old: str, new: str) -> bool:
    """Whether two names of the argument at one place mean the same."""
    one, other = set(old.split("_")), set(new.split("_"))
    return one <= other or other <= one


def map_call(
    target: Target,
    lineage: tuple[str, ...],
    name: str,
    node: ast.Call,
    old: Constructor,
    new: Constructor,
) -> Mapped:
    """What becomes of the arguments of a call of ``name``, a method of a class with this lineage or
    a function of the module that is all of it; ``old`` and ``new`` are what it takes on the sides.
    """
    mapped = Mapped()
    given = {k.arg for k in node.keywords if k.arg}

    def successor(argument: str) -> tuple[str, str]:
        """(name on the target or ``-`` or empty, advice)."""
        row = target.methods.by_hand(lineage, name, argument)
        if row is not None:
            return row.new, row.advice
        if argument in new.renamed:
            return new.renamed[argument], ""
        if argument in new.accepts:
            return argument, ""
        if argument in old.positional:
            place = old.positional.index(argument)
            there = new.positional[place : place + 1]
            if there and there[0] not in old.accepts and _akin(argument, there[0]):
                return there[0], ""
        close = [n for n in new.accepts - old.accepts if _akin(argument, n)]
        return (close[0], "") if len(close) == 1 else ("", "")

    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg not in old.accepts:
            continue
        to, advice = successor(keyword.arg)
        none = isinstance(keyword.value, ast.Constant) and keyword.value.value is None
        if to == DROP or (not to and none and not new.anything):
            mapped.drop.add(keyword.arg)
        elif to and to in given - {keyword.arg}:
            mapped.unsure[keyword.arg] = f"{to} is given as well"
        elif to and to != keyword.arg:
            mapped.rename[keyword.arg] = to
        elif not to and (advice or not new.anything):
            takes = ", ".join(sorted(new.accepts)) or "no arguments"
            mapped.unsure[keyword.arg] = advice or f"it takes {takes}"
    if any(isinstance(a, ast.Starred) for a in node.args) or len(node.args) > len(old.positional):
        return mapped
    for place, argument in enumerate(old.positional[: len(node.args)]):
        to, advice = successor(argument)
        if new.positional[place : place + 1] == (to,) and to and not mapped.positional:
            continue
        taken = to in new.accepts or (new.anything and to != argument)
        if to == DROP and place == len(node.args) - 1:
            mapped.gone.add(place)
        elif to and to != DROP and taken and to not in given:
            mapped.positional[place] = to
        elif not new.anything or advice:
            takes = ", ".join(sorted(new.accepts)) or "no arguments"
            mapped.unsure[argument] = advice or f"it takes {takes}"
            break
    return mapped


def told_of(
    node: ast.Call, method: str, mapped: Mapped, old: Constructor, new: Constructor, *, rule: str
) -> Iterator[Note]:
    """What a person must see to in the arguments of a call."""
    for argument, advice in mapped.unsure.items():
        yield Note.at(
            node,
            rule=rule,
            message=f"{method} does not take {argument} on the target"
            + (" as 1.10 did" if argument in new.accepts else ""),
            fix=sentence(advice),
        )
    have = {mapped.rename.get(k.arg or "", k.arg or "") for k in node.keywords} - mapped.drop
    have |= set(new.positional[: len(node.args)]) | set(mapped.positional.values())
    starred = any(isinstance(a, ast.Starred) for a in node.args) or "" in have
    always = {mapped.rename.get(name, name) for name in old.required}  # 1.10 asked for it as well
    lacking = sorted(new.required - have - always) if not starred and not mapped.unsure else []
    if lacking:
        yield Note.at(
            node,
            rule=rule,
            message=f"{method} needs {', '.join(lacking)} on the target",
            fix=f"Pass {', '.join(f'{n}=...' for n in lacking)}",
        )


def edited(
    node: ast.Call, method: str, mapped: Mapped, *, rule: str, func: ast.Attribute | None = None
) -> Iterator[Step]:
    """The call with the arguments that the target has, and by the name of its method."""
    name = method.rpartition(".")[2]
    operations: list[Operation] = []
    if mapped.rename or mapped.drop or mapped.positional or mapped.gone:
        operations.append(
            EditCall(
                node=node,
                rename=mapped.rename,
                drop=frozenset(mapped.drop),
                positional=mapped.positional,
                drop_positional=frozenset(mapped.gone),
            )
        )
    said = [f"{o} is {n}" for o, n in mapped.rename.items()]
    said += [f"{o} has no effect" for o in sorted(mapped.drop)]
    said += ["its last argument has no effect" for _ in mapped.gone]
    said += [f"{n} is given by name" for n in mapped.positional.values()]
    if func is not None and name != func.attr:
        operations.append(Compose.attribute(func, name))
        said.insert(0, f"{func.attr} is {name}")
    if operations:
        yield Step(
            rule=rule,
            line=node.lineno,
            message=f"{method}: {'; '.join(said)}",
            operations=tuple(operations),
        )
