"""Every public class and function of Airflow 1.10.15, and what becomes of it on each target.

    python tools/inventory.py [--cache DIR]

The inventory is read out of the wheel of 1.10.15, apart from the import table and from how the
miner reads it. Each symbol is written down in every spelling of an import, migrated, and what the
result means is looked up in the target's pinned wheels. Prints what is wrong, and writes the
numbers to ``codemods/data/inventory.txt``, out of which the docs take them.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from codemods import migrate_source
from codemods.source import Source
from tools.mine_wheels import (
    BASELINE,
    CORE,
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
REMOVED = {"removed-import", "kubernetes-arguments"}
_NO_ADVICE = re.compile(r"nothing in its place|1\.10\.15 has no module|was never public", re.I)
# What no DAG or plugin can import: vendored code, examples, migrations.
_LEFT_OUT = re.compile(
    r"airflow/(?:_vendor|example_dags|contrib/example_dags|migrations|config_templates)/|/tests?/"
)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one symbol in one spelling."""

    path: str
    spelling: str
    outcome: str  # same, moved, reported, wrong
    detail: str = ""


def _public(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            if not node.name.startswith("_"):
                yield node.name
        elif isinstance(node, ast.If):
            yield from _public([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from _public([*node.body, *(s for h in node.handlers for s in h.body)])


def inventory(wheel: Path) -> list[str]:
    """Dotted paths of the classes and functions that the modules of a wheel define."""
    found: dict[str, None] = {}
    with zipfile.ZipFile(wheel) as archive:
        for entry in sorted(archive.namelist()):
            if not re.match(r"airflow/.*\.py$", entry) or _LEFT_OUT.search(entry):
                continue
            module = entry.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            tree = ast.parse(archive.read(entry))
            found |= dict.fromkeys(f"{module}.{name}" for name in _public(tree.body))
    return list(found)


def spellings(path: str) -> Iterator[tuple[str, str]]:
    """(name, text) of each way to import and use one symbol."""
    module, _, name = path.rpartition(".")
    package, _, last = module.rpartition(".")
    use = "\n\ndef use(it: {0}) -> {0}:\n    return isinstance(it, {0})\n"
    yield "from", f"from {module} import {name}\n" + use.format(name)
    yield "as", f"from {module} import {name} as Other\n" + use.format("Other")
    yield "import", f"import {module}\n" + use.format(path)
    if package:
        yield "module", f"from {package} import {last}\n" + use.format(f"{last}.{name}")
        yield "module as", f"import {module} as other\n" + use.format(f"other.{name}")
    yield "inside", f"def f():\n    from {module} import {name}\n\n    return {name}\n"


def _meanings(text: str) -> set[str]:
    """The Airflow paths that the names of a text mean in the end."""
    source = Source(text)
    return {
        use.path
        for binding in source.bindings
        for use in binding.uses
        if use.path.startswith("airflow.")
    }


def judge(path: str, pins: Mapping[str, str], world: World) -> Iterator[Verdict]:
    """What becomes of a symbol in each spelling, by the wheels of the target."""
    for spelling, text in spellings(path):
        migration = migrate_source(text, pins=pins)
        gone = [n for n in migration.notes if n.rule in REMOVED]
        if migration.error is not None:
            yield Verdict(path=path, spelling=spelling, outcome="wrong", detail=migration.error)
        elif gone:
            bare = [n.fix for n in gone if _NO_ADVICE.search(n.fix)]
            outcome = "wrong" if bare else "reported"
            why = "; ".join(bare)
            yield Verdict(path=path, spelling=spelling, outcome=outcome, detail=why)
        else:
            new = migration.text or text
            missing = [
                p
                for p in _meanings(new)
                if world.find(*p.rpartition(".")[::2]) is None and p not in world.modules
            ]
            outcome = "wrong" if missing else "moved" if migration.text else "same"
            yield Verdict(path=path, spelling=spelling, outcome=outcome, detail=", ".join(missing))


def target(version: str, cache: Path) -> tuple[dict[str, str], World]:
    """The pins of a target and all its wheels."""
    (lock,) = LOCKS.glob(f"{version}-py*.txt")
    pins = {**read_pins(lock), CORE: version}
    fetch(pins, cache)
    return pins, World(pins, local_wheels(cache))


def main() -> int:
    """Judge all and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    cache = parser.parse_args().cache
    fetch({CORE: BASELINE}, cache)
    paths = inventory(local_wheels(cache)[CORE, BASELINE])
    lines = ["# Generated by tools/inventory.py: target, symbols, same path, moved, reported."]
    wrong = 0
    for version in TARGETS:
        pins, world = target(version, cache)
        counts: Counter[str] = Counter()
        for path in paths:
            for verdict in judge(path, pins, world):
                counts[verdict.outcome] += verdict.spelling == "from"
                if verdict.outcome == "wrong":
                    wrong += 1
                    print(version, verdict.spelling, path, verdict.detail)
        numbers = " ".join(str(counts[k]) for k in ("same", "moved", "reported"))
        lines.append(f"{version} {len(paths)} {numbers}")
    NUMBERS.write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines[1:]), f"{wrong} wrong", sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
