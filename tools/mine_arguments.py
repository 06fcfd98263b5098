"""Mine the argument table: the constructor that each class really has, release by release.

    python tools/mine_arguments.py CONSTRAINTS... [--cache DIR]

Covers every class that a path of the import table starts, passes or ends at, in Airflow 1.10.15
and in each environment, and the operators, sensors and hooks of the first providers (the backport
packages have the same), with the classes they inherit from. A class is listed again only when its
constructor changed. One line a class::

    path(bases) positional required! * keyword_only old>new warned? **

``!`` is required, ``conn_id=name`` has that connection as its default, ``old>new`` a deprecated
argument that the constructor copies to another, ``old?`` one whose use only warns, ``name=`` one
that the class gives to its base itself, so that a call cannot, ``^`` a class that warns whenever
it is made, ``**`` takes more and hands it to the bases, ``***`` puts it away or hands it to
something that is not Airflow's, ``=`` alone has its base's constructor. ``path = home`` says that a
module re-exports the class, ``path gone`` that it is not there any more.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from codemods.tables.hops import Hops, all_hops
from tools.mine_imports import names
from tools.mine_wheels import Home, Param, World, dist_of
from tools.mining import Timeline, asked

# Takes any keyword to name the unknown ones in its error (2.x) or warning (1.10).
_CLOSED = "airflow.models.baseoperator.BaseOperator"
# What BaseOperator itself adds to or renames in its arguments is told by its signature too.
_ROOTS = (
    "airflow.models.dag.DAG",
    _CLOSED,
    "airflow.hooks.base.BaseHook",
    "airflow.models.connection.Connection",
    "airflow.models.variable.Variable",
)
# What DAGs of 1.10 import from backport packages, under the paths of the first providers.
_BACKPORTED = re.compile(r"airflow\.providers\.(?:\w+\.)+(?:operators|sensors|hooks|transfers)\.")


def _default(param: Param) -> str:
    """The connection that is used where none is given."""
    told = re.fullmatch(r"'([\w-]+)'", param.default)
    return f"={told[1]}" if told and param.name.endswith("conn_id") else ""


def line(world: World, home: Home) -> tuple[str, list[Home]]:
    """The table line of a class, and the bases that it names."""
    bases = [b for e in home.definition.bases if (b := world.base(home, e)) is not None]
    known = [b for b in bases if b.module.startswith("airflow") and b.definition.kind == "class"]
    foreign = len(known) < len([b for b in home.definition.bases if b not in {"object", "ABC"}])
    parts: list[str] = []
    init = home.definition.init
    if init is None:
        parts = ["="]  # its constructor is its base's
    else:
        renamed, warned, star = dict(init.renamed), set(init.warned), False
        for param in init.params:
            if not param.positional and not star:
                parts.append("*")
                star = True
            parts.append(param.name + ("!" if param.required else _default(param)))
        given = {p.name for p in init.params}
        if not star and (init.popped or init.args):
            parts.append("*")  # what is taken out of **kwargs is given by name
        parts += [f"{name}" for name in init.popped if name not in given and name.isidentifier()]
        parts += [f"{old}>{new}" for old, new in renamed.items() if new != old]
        parts += [f"{old}?" for old in sorted(warned - set(renamed)) if old.isidentifier()]
        parts += [f"{name}=" for name in init.handed]
        if init.kwargs and home.path != _CLOSED:
            parts.append("**")
    if home.definition.deprecated:
        parts.insert(0, "^")
    if "**" in parts and (foreign or (init is not None and init.kept)):
        parts[-1] = "***"  # hands them to something that is not Airflow's: anything goes
    return f"{home.path}({','.join(b.path for b in known)}) {' '.join(parts)}".rstrip(), known


def classes(world: World, paths: list[str]) -> dict[str, tuple[str, str]]:
    """path → (distribution, line) for the classes at ``paths`` and all that they inherit from."""
    found: dict[str, tuple[str, str]] = {}
    queue = [h for p in paths if (h := world.find(*p.rpartition(".")[::2])) is not None]
    for path in paths:
        seen_at = world.find(*path.rpartition(".")[::2])
        if seen_at is None or seen_at.shim or seen_at.path == path:
            continue
        if seen_at.definition.kind == "class":
            found[path] = dist_of(world, path), f"{path} = {seen_at.path}"
    while queue:
        home = queue.pop()
        if home.definition.kind != "class" or home.path in found:
            continue
        if not home.module.startswith("airflow"):
            continue
        text, bases = line(world, home)
        found[home.path] = (dist_of(world, home.module), text)
        queue += bases
    return found


def main() -> int:
    baseline, targets = asked(__doc__.splitlines()[0])
    first = {n for n in names(targets[0], providers=True) if _BACKPORTED.match(n)}
    start = sorted({*names(baseline, providers=False), *all_hops(), *_ROOTS, *first})
    timeline = Timeline()
    for world in (baseline, *targets):
        hops = Hops(world.pins)
        paths = start if world is baseline else []
        for path in () if world is baseline else start:
            resolution = hops.resolve(path)
            paths += [path, *(h.new for h in resolution.hops if h.new)]
        found = classes(world, paths)
        timeline.add(world, found)
        for path in sorted(set(timeline.latest) - set(found)):
            if "(" in timeline.latest[path] and world.find(*path.rpartition(".")[::2]) is None:
                timeline.gone(world, path)
    timeline.write(
        "constructors.txt",
        tool=Path(__file__).name,
        by_hand="arguments_by_hand.txt",
        targets=targets,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
