"""Mine the method table: what each public method of a hook takes, release by release.

    python tools/mine_methods.py CONSTRAINTS... [--cache DIR]

Covers the hooks of Airflow 1.10.15 and the classes of its models that DAG code calls, in 1.10.15
and in each environment, with the classes they inherit from. A method is listed again only when it
changed. One line a method, in the words of ``mine_arguments.py``::

    path.method() positional required! * keyword_only old>new warned? **

``path.method gone`` says that the class has it no more, ``path.method() @`` that it is a property
or another name.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from codemods.tables.hops import Hops
from tools.mine_imports import names
from tools.mine_wheels import Home, Signature, World, dist_of
from tools.mining import Timeline, asked

_HOOKS = re.compile(r"airflow\.(?:contrib\.)?hooks\.")
_MODELS = (
    "airflow.models.dag.DAG",
    "airflow.models.dag.DagModel",
    "airflow.models.dagbag.DagBag",
    "airflow.models.dagrun.DagRun",
    "airflow.models.taskinstance.TaskInstance",
    "airflow.models.variable.Variable",
    "airflow.models.connection.Connection",
    "airflow.models.xcom.XCom",
    "airflow.models.xcom.BaseXCom",
    "airflow.models.baseoperator.BaseOperator",
    "airflow.models.skipmixin.SkipMixin",
    "airflow.api.client.json_client.Client",
    "airflow.api.client.local_client.Client",
)


def tokens(signature: Signature | None) -> str:
    """A signature in the words of the table."""
    if signature is None:
        return "@"
    parts: list[str] = []
    star = False
    for param in signature.params:
        if not param.positional and not star:
            parts.append("*")
            star = True
        parts.append(param.name + ("!" if param.required else ""))
    renamed = {o: n for o, n in signature.renamed if o != n}
    parts += [f"{old}>{new}" for old, new in renamed.items()]
    parts += [f"{old}?" for old in sorted({*signature.warned} - {*renamed}) if old.isidentifier()]
    if signature.kwargs or signature.args:
        parts.append("***")
    return " ".join(parts)


def methods(world: World, paths: list[str]) -> dict[str, tuple[str, str]]:
    """path.method → (distribution, line) for the classes at ``paths`` and their bases."""
    found: dict[str, tuple[str, str]] = {}
    queue = [h for p in paths if (h := world.find(*p.rpartition(".")[::2])) is not None]
    seen: set[str] = set()
    while queue:
        home: Home = queue.pop()
        if home.path in seen or home.definition.kind != "class":
            continue
        if not home.module.startswith("airflow"):
            continue
        seen.add(home.path)
        for name, signature in home.definition.methods:
            row = f"{home.path}.{name}() {tokens(signature)}".rstrip()
            found[f"{home.path}.{name}"] = dist_of(world, home.module), row
        queue += [b for e in home.definition.bases if (b := world.base(home, e)) is not None]
    return found


def main() -> int:
    baseline, targets = asked(__doc__.splitlines()[0])
    hooks = {n for n in names(baseline, providers=False) if _HOOKS.match(n)}
    start = sorted({*hooks, *_MODELS})
    timeline = Timeline()
    for world in (baseline, *targets):
        hops = Hops(world.pins)
        ends = start if world is baseline else [hops.resolve(p).path for p in start]
        found = methods(world, [*ends, *_MODELS])
        classes = {path.rpartition(".")[0] for path in found}
        timeline.add(world, found)
        for path in sorted(set(timeline.latest) - set(found)):
            there = not timeline.latest[path].endswith(" gone")
            if there and path.rpartition(".")[0] in classes:
                timeline.gone(world, path)
    timeline.write(
        "methods.txt",
        tool=Path(__file__).name,
        by_hand="methods_by_hand.txt",
        targets=targets,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
