"""Every public name of Airflow 1.10.15, and what becomes of it on each target.

    python tools/inventory.py [--cache DIR]

Each name that a module of 1.10.15 defines or takes from another module of Airflow is written down
in every spelling of an import, migrated, and what the result means is looked up in the target's
pinned wheels: it has to be there, and neither its import nor (of a class or function) its use may
warn, or a finding has to say what to do, and what that names has to be there too. Prints what is
wrong, and writes the numbers of classes and functions to ``codemods/data/inventory.txt``, out of
which the docs take them.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from codemods import migrate_source
from codemods.reading.source import Source
from harness.targets import get_target, outside_pins
from tools.mine_imports import PRIVATE
from tools.mine_wheels import (
    BASELINE,
    CORE,
    Home,
    World,
    default_cache,
    fetch,
    local_wheels,
    read_pins,
)

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "harness" / "data" / "locks"
NUMBERS = ROOT / "codemods" / "data" / "inventory.txt"
TARGETS = ("2.5.1", "2.10.3", "2.11.0")
_NO_ADVICE = re.compile(r"nothing in its place|1\.10\.15 has no module|was never public", re.I)
_NAMED = re.compile(r"\bairflow\.(?!cfg\b)\w+(?:\.\w+)*")  # what an advice names
_USE = "\n\ndef use(it: {0}) -> {0}:\n    return isinstance(it, {0})\n"
_HERE = "\n\nclass Mine({0}):\n    pass\n\n\n{0}()\n"
# What each name is written in, and what only a name where it is defined.
PLAIN = ("from", "module")
FURTHER = ("as", "import", "module as", "text", "inside", "star", "tried", "here")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one symbol in one spelling."""

    path: str
    spelling: str
    outcome: str  # same, moved, reported, wrong
    detail: str = ""


def inventory(baseline: World) -> dict[str, Home]:
    """Path → the definition behind it, of each name that a module has of Airflow's own."""
    found: dict[str, Home] = {}
    for module in baseline.modules:
        for name in baseline.names(module):
            path, home = f"{module}.{name}", baseline.find(module, name)
            if home is None or name.startswith("_") or not home.module.startswith("airflow"):
                continue
            if name not in PRIVATE or defined(path, home):
                found[path] = home
    return found


def defined(path: str, home: Home) -> bool:
    """Whether a path is where a class or function is defined."""
    return home.path == path and home.definition.kind != "value"


def spellings(path: str) -> Iterator[tuple[str, str]]:
    """(name, text) of each way to import and use one symbol."""
    module, _, name = path.rpartition(".")
    package, _, last = module.rpartition(".")
    plain = f"from {module} import {name}\n"
    yield "from", plain + _USE.format(name)
    yield "as", f"from {module} import {name} as Other\n" + _USE.format("Other")
    yield "import", f"import {module}\n" + _USE.format(path)
    if package:
        yield "module", f"from {package} import {last}\n" + _USE.format(f"{last}.{name}")
        yield "module as", f"import {module} as other\n" + _USE.format(f"other.{name}")
        yield "text", f'from unittest import mock\n\nmock.patch("{path}")\n'
    yield "inside", f"def f():\n    {plain}\n    return {name}\n"
    yield "star", f"from {module} import *\n" + _USE.format(name)
    yield "tried", f"try:\n    {plain}except ImportError:\n    pass\n" + _USE.format(name)
    yield "here", plain + _HERE.format(name)


def _meanings(source: Source) -> set[str]:
    """The Airflow paths that the names and the strings of a text mean in the end."""
    used = (use.path for binding in source.bindings for use in binding.uses)
    said = (str(node.value) for node in source.strings)
    return {path for path in (*used, *said) if path.startswith("airflow.")}


def _flaws(source: Source) -> Iterator[str]:
    """Names that nothing binds, and imports that nothing needs or that stand there twice."""
    nodes = list(ast.walk(source.tree))
    loaded = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    bound = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    bound |= {n.arg for n in nodes if isinstance(n, ast.arg)}
    bound |= {n.name for n in nodes if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    imported = [(b.name, b.alias.name) for b in source.bindings]
    names = {name for name, _ in imported}
    if "*" not in names:
        yield from (f"{n} is not bound" for n in loaded - bound - names - set(dir(builtins)))
    yield from (f"{name} is not used" for name in names - loaded - {"*"})
    yield from (f"{path} is imported twice" for (_, path), n in Counter(imported).items() if n > 1)


def _trouble(path: str, world: World, *, made: bool) -> str:
    """What is wrong with a path on the target: it is not there, or it warns."""
    if path in world.modules:
        return "warns" if world.warns(path) else ""
    owner, _, name = path.rpartition(".")
    home = world.find(owner, name)
    if home is None:
        held = world.find(*owner.rpartition(".")[::2])
        known = held is not None and (
            held.definition.kind == "value" or f"{name}()" in held.definition.attributes
        )
        return "" if known else "is not there"
    return "warns" if home.shim or (made and home.definition.deprecated) else ""


def judge(
    path: str, home: Home, pins: Mapping[str, str], world: World, further: Collection[str] = FURTHER
) -> Iterator[Verdict]:
    """What becomes of a name in each spelling, by the wheels of the target."""
    wanted = {*PLAIN, *further} if defined(path, home) else PLAIN
    for spelling, text in spellings(path):
        if spelling not in wanted:
            continue
        migration = migrate_source(text, pins=pins)
        source = Source(migration.text or text)
        wrong = [migration.error] if migration.error is not None else []
        wrong += _flaws(source)
        if home.definition.kind != "value":
            wrong += [n.fix for n in migration.notes if _NO_ADVICE.search(n.fix)]
        named = {p for n in migration.notes for p in _NAMED.findall(n.fix)}
        wrong += [
            f"{p}, which is advised, {t}" for p in named if (t := _trouble(p, world, made=True))
        ]
        if not migration.notes:
            found = {p: _trouble(p, world, made=spelling == "here") for p in _meanings(source)}
            wrong += [f"{p} {trouble}" for p, trouble in found.items() if trouble]
        right = "reported" if migration.notes else "moved" if migration.text else "same"
        outcome = "wrong" if wrong else right
        yield Verdict(path=path, spelling=spelling, outcome=outcome, detail="; ".join(wrong))


def target(version: str, cache: Path) -> tuple[dict[str, str], World]:
    """The pins of a target and all its wheels."""
    (lock,) = LOCKS.glob(f"{version}-py*.txt")
    pins = {**outside_pins(get_target(version)), **read_pins(lock), CORE: version}
    fetch(pins, cache)
    return pins, World(pins, local_wheels(cache))


def main() -> int:
    """Judge all and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    cache = parser.parse_args().cache
    fetch({CORE: BASELINE}, cache)
    paths = inventory(World({CORE: BASELINE}, local_wheels(cache)))
    count = sum(defined(*row) for row in paths.items())
    lines = ["# Generated by tools/inventory.py: target, symbols, same path, moved, reported."]
    wrong = 0
    for version in TARGETS:
        pins, world = target(version, cache)
        counts: Counter[str] = Counter()
        for path, home in paths.items():
            for verdict in judge(path, home, pins, world):
                counts[verdict.outcome] += defined(path, home) and verdict.spelling == "from"
                if verdict.outcome == "wrong":
                    wrong += 1
                    print(version, verdict.spelling, path, verdict.detail)
        numbers = " ".join(str(counts[k]) for k in ("same", "moved", "reported"))
        lines.append(f"{version} {count} {numbers}")
    NUMBERS.write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines[1:]), f"{wrong} wrong", sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
