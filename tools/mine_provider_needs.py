"""Mine which other providers the modules of a provider import when they are imported.

    python tools/mine_provider_needs.py [--cache FOLDER] [--offline]

Writes ``harness/data/provider_needs.txt`` from the provider wheels that the targets' locks pin:
a header ``[distribution>=version]``, then a line for each module whose import needs another
provider, through modules of its own wheel too, that the wheel does not require in any case. A
module of which a later version needs nothing gets a line with ``-``. Imports whose absence the
code survives do not count, nor do those inside functions or under TYPE_CHECKING.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from packaging.version import Version

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools.mine_extras import statements
from tools.mine_wheels import (
    PROVIDER,
    default_cache,
    fetch,
    local_wheels,
    read_pins,
    required,
    trees,
)

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "harness" / "data" / "provider_needs.txt"
LOCKS = ROOT / "harness" / "data" / "locks"

HEADER = """\
# Which other providers a provider's module needs when it is imported.
# Made by: python tools/mine_provider_needs.py
# Source: the provider wheels that the locks of the targets pin, read by ast.
"""


_WANTED = re.compile(r"airflow/providers/(?!.*(?:/example_dags/|/tests?/)).*\.py")


def imported(tree: ast.Module) -> Iterator[str]:
    """Modules and names that running the module imports from below airflow.providers."""
    for node in statements(tree.body):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.startswith("airflow.providers."))


def needs(wheel: Path, dist: str, packages: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Module → the other distributions that it needs."""
    with zipfile.ZipFile(wheel) as opened:
        always = required(opened)
        graph = {name: set(imported(tree)) for name, _, tree in trees(opened, _WANTED)}
    found: dict[str, frozenset[str]] = {}
    for start in graph:
        others: set[str] = set()
        seen, pending = {start}, [start]
        while pending:
            for dotted in graph.get(pending.pop(), ()):
                owner = owner_of(dotted, packages)
                if owner and owner != dist:
                    others.add(owner)
                    continue
                for module in (dotted, dotted.rpartition(".")[0]):
                    if module in graph and module not in seen:
                        seen.add(module)
                        pending.append(module)
        found[start] = frozenset(others - always)
    return found


def owner_of(dotted: str, packages: Mapping[str, str]) -> str:
    """The distribution that has a path: that of the longest package around it."""
    parts = dotted.split(".")
    for length in range(len(parts), 2, -1):
        dist = packages.get(".".join(parts[:length]))
        if dist:
            return dist
    return ""


def rows(wheels: Mapping[tuple[str, str], Path], pins: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The lines of the table."""
    text = (ROOT / "codemods" / "data" / "providers.txt").read_text("utf-8")
    packages = dict(line.split() for line in text.splitlines() if line and line[0] != "#")
    known: dict[str, dict[str, frozenset[str]]] = {}
    for dist, version in sorted(pins, key=lambda pin: (pin[0], Version(pin[1]))):
        wheel = wheels.get((dist, str(Version(version))))
        if wheel is None:
            raise SystemExit(f"{dist} {version} is not in the cache: run without --offline")
        before = known.setdefault(dist, {})
        now = needs(wheel, dist, packages)
        changed = {
            module: others
            for module in sorted({*before, *now})
            if (others := now.get(module, frozenset())) != before.get(module, frozenset())
        }
        if changed:
            yield f"[{dist}>={version}]"
            for module, others in changed.items():
                yield f"{module} {' '.join(sorted(others)) or '-'}"
        known[dist] = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--offline", action="store_true")
    arguments = parser.parse_args()
    pins = {
        (name, version)
        for lock in sorted(LOCKS.glob("2.*.txt"))
        for name, version in read_pins(lock).items()
        if name.startswith(PROVIDER)
    }
    for name, version in sorted(pins) if not arguments.offline else ():
        fetch({name: version}, arguments.cache)
    wheels = local_wheels(arguments.cache)
    TABLE.write_text(HEADER + "\n" + "\n".join(rows(wheels, pins)) + "\n", "utf-8")
    print(f"wrote {TABLE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
