"""Mine what the classes of the target lack of those of 1.10: attributes and methods.

    python tools/mine_attributes.py CONSTRAINTS... [--cache DIR]

Covers the operators, sensors and hooks of Airflow 1.10.15, whose subclasses use what they inherit,
with what starts with one underscore. An attribute stands with the class that gave it. One line an
attribute, when it went or came back::

    path.attribute lost
    path.attribute() lost                 the class's body gave it: a method or a constant
    path.attribute there                  it came back, or only a base of it lost it
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from codemods.tables.hops import Hops
from tools.mine_imports import names
from tools.mine_wheels import Home, World, dist_of
from tools.mining import Timeline, asked

_INHERITED = re.compile(
    r"airflow\.(?:(?:contrib\.)?(?:hooks|operators|sensors)\.\w+\.\w*"
    r"(?:Operator|Sensor\w*|Hook|Transfer|Cursor|Connection)|models\.BaseOperator)$"
)
_PLAIN = {"object", "ABC", "Generic", "Protocol", "LoggingMixin"}


def line_of(world: World, home: Home) -> tuple[list[Home], bool]:
    """A class and what it inherits from, and whether all of that is Airflow's."""
    found: list[Home] = []
    queue, whole = [home], True
    while queue:
        at = queue.pop(0)
        if at.path in {h.path for h in found}:
            continue
        found.append(at)
        for expression in at.definition.bases:
            base = world.base(at, expression)
            if base is not None and base.definition.kind == "class":
                queue.append(base)
            elif expression.rpartition(".")[2] not in _PLAIN:
                whole = False
    return found, whole


def given(line: list[Home]) -> dict[str, str]:
    """Attribute of a class's line → how the table says it; what Python itself asks for left out."""
    every = {name for home in line for name in home.definition.attributes}
    return {name.removesuffix("()"): name for name in sorted(every) if not name.startswith("__")}


def lost(
    baseline: World, world: World, starts: Mapping[str, Home]
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Class of 1.10 → what its successor lacks, without what was told of its bases; and what it has
    though a base's successor lacks it."""
    hops = Hops(world.pins)
    found: dict[str, set[str]] = {}
    kept: dict[str, set[str]] = {}
    bases: dict[str, list[Home]] = {}
    for path, home in starts.items():
        there = world.find(*hops.resolve(path).path.rpartition(".")[::2])
        if there is None or there.definition.kind != "class":
            continue
        (old, _), (new, whole) = line_of(baseline, home), line_of(world, there)
        bases[path] = old[1:]
        before, after = given(old), given(new)
        found[path] = {before[name] for name in before.keys() - after.keys()} if whole else set()
        kept[path] = before.keys() & after.keys()
    above = {
        path: {name for base in bases[path] for name in found.get(base.path, ())} for path in found
    }
    return (
        {path: gone - above[path] for path, gone in found.items()},
        {
            path: {name for name in names if name.removesuffix("()") in kept[path]}
            for path, names in above.items()
        },
    )


def inherited(baseline: World) -> dict[str, Home]:
    """The classes of 1.10 that people inherit from, by path."""
    found: dict[str, Home] = {}
    for name in sorted(n for n in names(baseline, providers=False) if _INHERITED.match(n)):
        home = baseline.find(*name.rpartition(".")[::2])
        if home is not None and home.definition.kind == "class":
            found[home.path] = home
    return found


def main() -> int:
    baseline, targets = asked(__doc__.splitlines()[0])
    starts = inherited(baseline)
    timeline = Timeline()
    for world in targets:
        hops = Hops(world.pins)
        rows: dict[str, tuple[str, str]] = {}
        gone, kept = lost(baseline, world, starts)
        for path in gone:
            dist = dist_of(world, hops.resolve(path).path)
            for name in gone[path]:
                rows[f"{path}.{name.removesuffix('()')}"] = dist, f"{path}.{name} lost"
            for name in {name.removesuffix("()") for name in kept[path]}:
                rows[f"{path}.{name}"] = dist, f"{path}.{name} there"
            back = {p for p in timeline.latest if p.rpartition(".")[0] == path} - rows.keys()
            rows |= {name: (dist, f"{name} there") for name in back}
        timeline.add(world, rows)
    timeline.write(
        "attributes.txt",
        tool=Path(__file__).name,
        by_hand="attributes_by_hand.txt",
        targets=targets,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
