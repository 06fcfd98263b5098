"""Mine the import table: where each Airflow name went, hop by hop, out of the wheels themselves.

    python tools/mine_imports.py CONSTRAINTS... [--cache DIR]

The constraint files name the environments to compare, from Airflow 2.0 to the newest target; the
baseline is Airflow 1.10.15. Every name of the baseline, and every name of the first provider
releases (backport packages have the same paths), is followed through the environments in order:

* a module that warns when imported and re-exports the name: a hop to the name's own home;
* a class that warns when it is made and names its successor: a hop to the successor;
* a name that is gone: a hop to the one definition that bears the same name, if there is one,
  else a ``removed`` row.

Rows that mining cannot know are in ``codemods/data/hops_by_hand.txt`` and win over mined ones.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from codemods.tables.hops import STAYS, Hop, Hops, rows_by_hand
from tools.mine_wheels import CORE, INSIDE, PROVIDER, Home, World, dist_of, successors
from tools.mining import DATA, asked, write_table

REMOVED = "!"
WARNS = "?"  # still there, deprecated, and nothing is said to come after it
STOPS = (None, REMOVED, WARNS)
REPLACED = "~"  # before a successor whose constructor is another one
# Where DAG and plugin authors import from; the rest of 1.10 is Airflow's own inside.
_PUBLIC = re.compile(
    r"airflow(?:$|\.(?:contrib|operators|sensors|hooks|macros|models|utils|executors|exceptions"
    r"|config_templates|configuration|settings|secrets|kubernetes|lineage|plugins_manager|stats|logging_config"
    r"|security|task|ti_deps|jobs|api|sentry|dag|version|typing_compat|serialization|bin|www"
    r"|www_rbac|default_login)(?:\.|$))"
)
# Module-level names that are nobody's interface.
PRIVATE = {"log", "logger", "PY3", "PY37", "airflow_importer", "AirflowImporter"}
# Where the names that a 1.10 module happens to have are still found; not what only annotates or
# served Python 2.
_LASTING = {"airflow", "boto3", "botocore", "dateutil", "jinja2", "pendulum", "requests"}
_LASTING |= {"sqlalchemy", *sys.stdlib_module_names} - {"__future__", "builtins", "typing"}
# The first environment speaks for everything since the first release: (providers, Airflow).
FIRST = ("1.0", "2.0")
# What became providers in 2.0.
_PROVIDED = re.compile(r"airflow\.(?:contrib\.)?(?:operators|hooks|sensors|providers)\.")
# Words that say nothing about what a module is for.
_NOISE = {"airflow", "contrib", "providers", "operators", "hooks", "sensors", "operator", "hook"}
_NOISE |= {"sensor", "cloud", "aws", "amazon", "google", "utils", "transfers", "apache", "gcp"}


def _split(dotted: str) -> tuple[str, str]:
    head, _, tail = dotted.rpartition(".")
    return head, tail


def names(world: World, *, providers: bool) -> Iterator[str]:
    """The paths that people import: definitions, lazy forms and re-exported Airflow names."""
    for module in world.modules.values():
        in_provider = module.name.startswith("airflow.providers.")
        if in_provider != providers or not (in_provider or _PUBLIC.match(module.name)):
            continue
        for name in world.names(module.name):
            if name.startswith("_") or name in PRIVATE:
                continue
            if name in module.defs:
                if not in_provider or module.defs[name].kind != "value":
                    yield f"{module.name}.{name}"
            elif not in_provider:
                home = world.find(module.name, name)
                # People import what a module happens to have: timedelta, a session class.
                lasting = {"airflow"} if INSIDE.match(module.name) else _LASTING
                if home is not None and home.module.partition(".")[0] in lasting:
                    yield f"{module.name}.{name}"


def _words(dotted: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", dotted.lower().replace("_", " "))) - _NOISE


def _kind_of_module(dotted: str) -> str:
    m = re.search(
        r"\b(operators?|transfers?|sensors?|hooks?|secrets?|utils?|models?|executors?)\b",
        dotted.replace("_", " ").replace(".", " "),
    )
    kind = m[1].rstrip("s") if m else ""
    return "operator" if kind == "transfer" else kind


def same_name(world: World, old: str, kind: str) -> Home | None:
    """The definition that a name which is gone most likely is now; None when it is not clear."""
    module, name = _split(old)
    found = [h for h in world.by_name.get(name.lower(), ()) if h.definition.kind == kind]
    inside = INSIDE.match(module) is not None
    found = [h for h in found if (INSIDE.match(h.module) is not None) is inside]
    found = [h for h in found if not h.definition.deprecated] or found
    found = [h for h in found if h.name == name] or [
        h for h in found if _PROVIDED.match(module) and _PROVIDED.match(h.module)
    ]
    if old.startswith("airflow.providers."):
        own = [h for h in found if dist_of(world, h.module) == dist_of(world, module)]
        # Into another provider only with its module, as jira and the transfers did.
        found = own or [
            h
            for h in found
            if h.module.startswith("airflow.providers.")
            and _split(h.module)[1] == _split(module)[1]
        ]
    if kind == "function":
        # Function names repeat everywhere: the module must be about the same thing as well.
        found = [
            h
            for h in found
            if 2 * len(_words(h.module) & _words(module)) >= len(_words(module)) > 0
            or (not _PROVIDED.match(module) and h.module.startswith("airflow.utils."))
        ]
    elif len(found) > 1:
        alike = [h for h in found if _kind_of_module(h.module) == _kind_of_module(module)]
        found = alike or found
    if len(found) > 1:
        score = {h.path: len(_words(h.module) & _words(module)) for h in found}
        best = max(score.values())
        found = [h for h in found if score[h.path] == best]
    return found[0] if len(found) == 1 else None


def successor(world: World, home: Home) -> str | None:
    """The successor that a deprecated definition names, ``~`` before one that is not its base."""
    options: list[str] = []
    for text in successors(home.definition.advice):
        if "." in text:
            module, name = _split(text)
            target = world.find(module, name)
        else:
            target = world.find(home.module, text) or same_name(
                world, f"{home.module}.{text}", home.definition.kind
            )
        if (
            target is not None
            and target.definition.kind == home.definition.kind
            and not target.definition.deprecated
            and target.path != home.path
        ):
            options.append(target.path)
    if home.definition.passthrough and home.definition.bases:
        base = world.base(home, home.definition.bases[0])
        if base is not None:
            return base.path
    mark = REPLACED if home.definition.kind == "class" else ""
    return mark + options[0] if options else None


def step(world: World, dotted: str, kind: str) -> str | None:
    """Where ``dotted`` goes in this environment: its next path, ``removed``, or None (it stays)."""
    module, name = _split(dotted)
    home = world.find(module, name)
    if home is None:
        moved = same_name(world, dotted, kind)
        return moved.path if moved is not None else REMOVED
    if home.shim and world.warns(home.module):
        moved = same_name(world, dotted, kind)  # a fallback that warns: there is a real home
        if moved is not None:
            return moved.path
    if home.shim and home.path != dotted:
        return home.path
    if home.definition.deprecated and home.path == dotted:
        return successor(world, home) or WARNS
    return None


def mine(
    baseline: World, targets: list[World], by_hand: Mapping[str, Sequence[Hop]]
) -> dict[str, list[tuple[str | None, dict[str, str]]]]:
    """old path → [(next path or None, pins)], one entry an environment that has its owner."""
    start: dict[str, str] = {}
    for world, providers in ((baseline, False), (targets[0], True)):
        for dotted in names(world, providers=providers):
            home = world.find(*_split(dotted))
            if home is not None:
                start[dotted] = home.definition.kind
    # Where the rows by hand lead, mining goes on.
    ends = {hop.new for hops in by_hand.values() for hop in hops}
    start |= {new: "class" for new in ends if new.startswith("airflow.")}
    start = {d: k for d, k in start.items() if d not in by_hand and not _buried(targets, d, k)}
    history: dict[str, list[tuple[str | None, World]]] = defaultdict(list)
    origins = {d: h.path for d in start if (h := baseline.find(*_split(d))) and h.path != d}
    for world in targets:
        decided: dict[str, str | None] = _written(by_hand, world)
        last = {d: rows[-1][0] for d, rows in history.items()}

        def decide(
            dotted: str,
            kind: str,
            world: World = world,
            decided: dict[str, str | None] = decided,
            last: dict[str, str | None] = last,
        ) -> str | None:
            if dotted in decided:
                return decided[dotted]
            if not dotted.startswith("airflow."):
                return None
            decided[dotted] = None  # a cycle ends here
            origin = origins.get(dotted)
            if origin is not None and world.find(*_split(dotted)) is None:
                to: str | None = origin  # a name that was only re-exported follows its definition
            else:
                to = step(world, dotted, kind)
            past = last.get(dotted)
            if past not in STOPS and (to == REMOVED or _announced(world, dotted, to)):
                ahead = str(past).removeprefix(REPLACED)
                decide(ahead, kind)
                # It was told while the old name still stood.
                if to == REMOVED or _exists(world, _end(decided, ahead)):
                    to = past
            decided[dotted] = to
            if to not in STOPS:
                decide(str(to).removeprefix(REPLACED), kind)
            return to

        for dotted, kind in start.items():
            decide(dotted, kind)
        homes: dict[str, str | None] = {}
        for module in baseline.modules:
            if module in by_hand or not _PUBLIC.match(module):
                continue
            package = baseline.modules[module].package and not baseline.modules[module].defs
            homes[module] = None if package else module_step(world, baseline, module, decided)
        for dotted, kind in start.items():
            module, name = _split(dotted)
            home = homes.get(module)
            lost = kind == "value" and decided.get(_end(decided, dotted)) == REMOVED
            # A constant has no shim: it went with its module, if it went anywhere.
            if lost and home not in STOPS and world.find(str(home), name) is not None:
                decided[dotted] = f"{home}.{name}"
        # A provider that renamed a class and dropped the old name between two environments: the
        # 1.10 paths that came through the old name tell where it went.
        through = {past: d for d, past in last.items() if past not in STOPS}
        for dotted, to in decided.items():
            if to == REMOVED and dotted in through:
                end = _end(decided, through[dotted])
                if end not in (dotted, through[dotted]) and _exists(world, end):
                    decided[dotted] = end
        for dotted in decided:
            start.setdefault(dotted, "class")
        for dotted, to in {**decided, **homes}.items():
            if dotted in by_hand:
                continue
            # Keep the hop that was there when its chain still ends at the same place.
            past = last.get(dotted)
            told = past is not None and past != WARNS and to not in STOPS
            if told and _end(decided, str(past)) == _end(decided, str(to)):
                to = past
            owner = dist_of(world, dotted) or _owner(targets, dotted)
            if owner in world.pins:
                history[dotted].append((to, world))
    return {
        dotted: [(to, world.pins) for to, world in rows]
        for dotted, rows in history.items()
        if any(to for to, _ in rows)
    }


def _buried(targets: list[World], dotted: str, kind: str) -> bool:
    """Whether a constant is of an inside module that no 2.x has: what is said of that will do."""
    module = _split(dotted)[0]
    gone = not any(module in world.modules for world in targets)
    return kind == "value" and INSIDE.match(module) is not None and gone


def module_step(
    world: World, baseline: World, module: str, decided: dict[str, str | None]
) -> str | None:
    """Where most of a baseline module's own definitions live now; None when it stays."""
    if module in world.modules and not world.warns(module):
        return None
    ends = [
        _end(decided, f"{module}.{name}")
        for name, d in baseline.modules[module].defs.items()
        if d.kind != "value" and decided.get(f"{module}.{name}") not in STOPS
    ]
    homes = Counter(_split(end)[0] for end in ends if _exists(world, end))
    homes.pop(module, None)
    if not homes:
        return REMOVED
    (best, _), *_ = homes.most_common(1)
    return best


def _announced(world: World, dotted: str, to: str | None) -> bool:
    """Whether a name still stands, deprecated, without saying what comes after it."""
    home = world.find(*_split(dotted))
    return (
        to in (None, WARNS)
        and home is not None
        and home.path == dotted
        and home.definition.deprecated
    )


def _exists(world: World, dotted: str) -> bool:
    return dotted in world.modules or world.find(*_split(dotted)) is not None


def _end(decided: dict[str, str | None], dotted: str) -> str:
    """Where the hops of one environment lead in the end."""
    seen: set[str] = set()
    at = dotted.removeprefix(REPLACED)
    while at not in seen and (to := decided.get(at)) not in STOPS:
        seen.add(at)
        at = str(to).removeprefix(REPLACED)
    return at


def _written(by_hand: Mapping[str, Sequence[Hop]], world: World) -> dict[str, str | None]:
    """What the rows by hand say in one environment, in the words of the miner."""
    pins = Hops(world.pins)
    found: dict[str, str | None] = {}
    for old, hops in by_hand.items():
        holds = [h for h in hops if pins.has(h.when)]
        able = [h for h in holds if h.needs is None or pins.has(h.needs)]
        row = (able or holds or [None])[-1]
        if row is None or row.new == STAYS:
            found[old] = None
        elif not row.new:
            found[old] = WARNS if row.warns else REMOVED
        else:
            found[old] = REPLACED * row.replaced + row.new
    return found


def _owner(targets: list[World], dotted: str) -> str:
    return next((d for w in targets if (d := dist_of(w, dotted))), CORE)


def rows(
    history: dict[str, list[tuple[str | None, dict[str, str]]]], targets: list[World]
) -> Iterator[tuple[str, str, str]]:
    """(header, old, new) with runs of equal answers folded into one version range."""
    for dotted in sorted(history):
        owner = _owner(targets, dotted)
        runs: list[list[object]] = []
        for to, pins in history[dotted]:
            if runs and runs[-1][0] == to:
                continue
            if runs:
                runs[-1][2] = pins[owner]
            runs.append([to, pins[owner] if runs else FIRST[owner == CORE], None])
        for to, since, until in runs:
            if to is None:
                continue
            when = f"{owner}>={since}" + (f",<{until}" if until else "")
            if to in STOPS:
                yield when, dotted, str(to)
                continue
            end = str(to).removeprefix(REPLACED)
            need = _owner(targets, end)
            if need == owner or not end.startswith("airflow."):
                yield when, dotted, str(to)
                continue
            first = next(
                w.pins[need] if w is not targets[0] else FIRST[need == CORE]
                for w in targets
                if need in w.pins and _exists(w, end)
            )
            yield f"{when} -> {need}>={first}", dotted, str(to)


def main() -> int:
    baseline, targets = asked(__doc__.splitlines()[0])
    grouped: dict[str, list[str]] = defaultdict(list)
    by_hand = rows_by_hand()
    for header, old, new in rows(mine(baseline, targets, by_hand), targets):
        grouped[header].append(f"{old} {new}")
    write_table(
        "hops.txt",
        tool=Path(__file__).name,
        by_hand="hops_by_hand.txt",
        targets=targets,
        blocks=dict(sorted(grouped.items())),
    )
    packages = {
        f"airflow.providers.{dist.removeprefix(PROVIDER).replace('-', '.')}": dist
        for world in targets
        for dist in world.pins
        if dist.startswith(PROVIDER)
    }
    lines = ["# Generated by tools/mine_imports.py: provider packages and their distributions."]
    lines += [f"{package} {dist}" for package, dist in sorted(packages.items())]
    (DATA / "providers.txt").write_text("\n".join(lines) + "\n", "utf-8")
    kept = {
        m.name
        for world in targets
        for m in world.modules.values()
        if re.match(r"airflow\.(operators|sensors|hooks)\.\w+$", m.name) and not m.lazy
    }
    lines = ["# Generated by tools/mine_imports.py: operators, sensors and hooks of 2.x itself."]
    (DATA / "core_modules.txt").write_text("\n".join([*lines, *sorted(kept)]) + "\n", "utf-8")
    print(sum(map(len, grouped.values())), "hops under", len(grouped), "headers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
