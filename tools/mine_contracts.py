"""Mine what Airflow's own code asks of the methods that subclasses override.

    python tools/mine_contracts.py CONSTRAINTS... [--cache DIR]

Covers the classes of Airflow 1.10.15. One line a method or property, when that came about::

    path.method given name=default -old   the target's class calls self.method with what 1.10's
                                          method did not take, and without what it had to have
    path.method uncalled                  1.10's class called self.method, no code of the target's
                                          package or of Airflow itself calls any method of that name
    path.name fixed                       a property of the target's that cannot be set, which 1.10
                                          did not have
    path.name kept                        none of this any more, or only of what it inherits from
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from codemods.tables.hops import Hops
from tools.mine_attributes import line_of
from tools.mine_imports import names
from tools.mine_wheels import CORE, INSIDE, Def, Home, SelfCall, Signature, World, dist_of
from tools.mining import Timeline, asked

_LITERAL = re.compile(r"None|True|False|-?\d+|'[^' ]*'")


def methods_of(line: list[Home]) -> dict[str, Signature | None]:
    """Method → what it takes, of a class with this line; None for properties and the like."""
    found: dict[str, Signature | None] = {}
    for home in line:
        for name, signature in home.definition.methods:
            found.setdefault(name, signature)
    return found


def _asks(call: SelfCall, old: Signature, new: Signature) -> set[str]:
    """The words of the table for a call that 1.10's method could not take as it is."""
    defaults = {p.name: p.default for p in new.params}
    before, after = ([p.name for p in one.params if p.positional] for one in (old, new))
    given = set() if old.args else set(after[len(before) : call.positional])
    given |= set() if old.kwargs else set(call.keywords) - {p.name for p in old.params}
    have = {*before[: call.positional], *call.keywords}
    lacking = {p.name for p in old.params if p.required} - have
    # A default that is no literal is nothing that a file of somebody else's can name.
    plain = {n: d if _LITERAL.fullmatch(d) else "None" for n, d in defaults.items()}
    return {f"{name}={plain.get(name, 'None')}" for name in given} | {f"-{n}" for n in lacking}


def _asked_for(
    old: list[Home], after: Mapping[str, Signature | None]
) -> dict[str, Signature | None]:
    """The methods that 1.10 called and left to subclasses, with what its calls gave."""
    found: dict[str, Signature | None] = {}
    for call in (call for home in old for call in home.definition.calls):
        new = after.get(call.name)
        if new is not None:
            names = {*[p.name for p in new.params][: call.positional], *call.keywords}
            params = tuple(replace(p, required=False) for p in new.params if p.name in names)
            found[call.name] = replace(new, params=params)
    return found


def _marked(definition: Def) -> set[str]:
    return {f"{name}()" for name in definition.read_only}


def rows_of(old: list[Home], new: list[Home], named: frozenset[str]) -> dict[str, str]:
    """Method or property → what the table says of it, by the lines of a class on both sides."""
    after = methods_of(new)
    before = {**_asked_for(old, after), **methods_of(old)}
    called = {call.name for home in old for call in home.definition.calls}
    calls = [call for home in new for call in home.definition.calls]
    found: dict[str, str] = {}
    for name, signature in before.items():
        new_one = after.get(name)
        if signature is None or new_one is None:
            continue
        asks = (_asks(call, signature, new_one) for call in calls if call.name == name)
        order = {param.name: place for place, param in enumerate(new_one.params)}
        words = sorted(set().union(*asks), key=lambda w: (order.get(w.partition("=")[0], -1), w))
        if words:
            found[name] = f"given {' '.join(words)}"
        elif name in called and name not in named:
            found[name] = "uncalled"
    had = {name for home in old for name in home.definition.read_only}
    for name in {name for home in new for name in home.definition.read_only} - had:
        ways = (d for h in new if f"{name}()" in (d := h.definition).attributes | _marked(d))
        if name in next(ways).read_only and not name.startswith("_"):
            found[name] = "fixed"
    return found


def classes_of(baseline: World) -> dict[str, list[Home]]:
    """The classes of 1.10 with what they inherit from, by path."""
    found: dict[str, list[Home]] = {}
    for name in sorted(n for n in names(baseline, providers=False) if not INSIDE.match(n)):
        home = baseline.find(*name.rpartition(".")[::2])
        if home is not None and home.definition.kind == "class" and home.path not in found:
            found[home.path] = line_of(baseline, home)[0]
    return found


def contracts(
    world: World, classes: Mapping[str, list[Home]]
) -> dict[str, tuple[str, dict[str, str]]]:
    """Class of 1.10 → the distribution that dates what the table says of its names, and that: its
    successor's own or, where that inherits from another provider's, Airflow, as no version of
    either tells the other's."""
    hops = Hops(world.pins)
    by_dist: dict[str, set[str]] = {}
    for module in world.modules.values():
        by_dist.setdefault(module.dist.replace("_", "-"), set()).update(module.asked)
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for path, old in classes.items():
        there = world.find(*hops.resolve(path).path.rpartition(".")[::2])
        if there is None or there.definition.kind != "class":
            continue
        new = line_of(world, there)[0]
        dists = {CORE, *(dist_of(world, home.module) for home in new)}
        named = frozenset().union(*(by_dist.get(dist, ()) for dist in dists))
        providers = dists - {CORE}
        dist = CORE if len(providers) > 1 else dist_of(world, there.module)
        found[path] = dist, rows_of(old, new, named)
    return found


def main() -> int:
    baseline, targets = asked(__doc__.splitlines()[0])
    classes = classes_of(baseline)
    timeline = Timeline()
    for world in targets:
        found = contracts(world, classes)
        rows: dict[str, tuple[str, str]] = {}
        for path, (dist, said) in found.items():
            above: dict[str, str] = {}
            for base in reversed(classes[path][1:]):
                above |= found.get(base.path, ("", {}))[1]
            for name in said.keys() | above.keys():
                if said.get(name) != above.get(name):
                    rows[f"{path}.{name}"] = dist, f"{path}.{name} {said.get(name, 'kept')}"
        for name in timeline.latest.keys() - rows.keys():
            path, _, short = name.rpartition(".")
            dist, said = found.get(path, (timeline.owner(name), {}))
            if dist in world.pins:  # what is told of its base is said of it again
                rows[name] = dist, f"{name} {said.get(short, 'kept')}"
        timeline.add(world, rows)
    timeline.write(
        "contracts.txt",
        tool=Path(__file__).name,
        by_hand="codemods/rules/subclass_contracts.py",
        targets=targets,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
