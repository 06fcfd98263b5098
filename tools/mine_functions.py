"""Mine the function table: what each plain function of 1.10.15 takes, release by release.

    python tools/mine_functions.py CONSTRAINTS... [--cache DIR]

Covers every path at which a module of Airflow 1.10.15 has a function, and where that leads in each
environment, if what it takes is another thing in any of them. A path is listed again only when its
function changed. One line a function, in the
words of ``mine_arguments.py``::

    path() positional required! * keyword_only old>new warned? ***

``path gone`` says that the path is no function any more.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from codemods.tables.hops import Hops
from tools.mine_imports import names
from tools.mine_methods import tokens
from tools.mine_wheels import INSIDE, World, dist_of
from tools.mining import Timeline, asked


def functions(world: World, paths: list[str]) -> dict[str, tuple[str, str]]:
    """path → (distribution, line) for the functions at ``paths``."""
    found: dict[str, tuple[str, str]] = {}
    for path in paths:
        home = world.find(*path.rpartition(".")[::2])
        if home is not None and home.definition.kind == "function":
            row = f"{path}() {tokens(home.definition.init)}".rstrip()
            found[path] = dist_of(world, path), row
    return found


def taken(row: tuple[str, str]) -> str:
    """What a function takes, by its line."""
    return row[1].partition("()")[2]


def main() -> int:
    baseline, targets = asked(__doc__.splitlines()[0])
    public = (name for name in names(baseline, providers=False) if not INSIDE.match(name))
    before = functions(baseline, [*public])
    ends = [{path: Hops(world.pins).resolve(path).path for path in before} for world in targets]
    after = [functions(world, [*end.values()]) for world, end in zip(targets, ends, strict=True)]
    changed = {
        path
        for end, there in zip(ends, after, strict=True)
        for path in before
        if end[path] in there and taken(there[end[path]]) != taken(before[path])
    }
    timeline = Timeline()
    timeline.add(baseline, {path: before[path] for path in changed})
    for world, end, there in zip(targets, ends, after, strict=True):
        found = {end[path]: there[end[path]] for path in changed if end[path] in there}
        timeline.add(world, found)
        for path in sorted(set(timeline.latest) - set(found)):
            if not timeline.latest[path].endswith(" gone"):
                timeline.gone(world, path)
    timeline.write(
        "functions.txt",
        tool=Path(__file__).name,
        by_hand="methods_by_hand.txt",
        targets=targets,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
