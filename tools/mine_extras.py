"""Mine which third-party modules the modules of Airflow 1.10.15 import when they are imported.

    python tools/mine_extras.py [--cache FOLDER] [--offline]

Writes ``harness/data/third_party.txt``: a line for each public module of the wheel that needs
something beyond what Airflow itself installs, with everything that must be importable for it –
also through the other Airflow modules that it imports. Imports whose absence the code survives
(``try … except ImportError``) do not count, nor do those inside functions. A module that is only
named by a package's table of lazy names (``from airflow.operators import SlackAPIPostOperator``)
gets a line for each such name.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools.mine_wheels import (
    BASELINE,
    CORE,
    default_cache,
    fetch,
    local_wheels,
    required,
    trees,
)

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "harness" / "data" / "third_party.txt"
PUBLIC = re.compile(r"airflow\.(contrib\.)?(operators|hooks|sensors|secrets|executors)\b")
LAZY_TABLES = ("_operators", "_sensors", "_hooks")
OF_AIRFLOW = re.compile(r"airflow/(?!_vendor|contrib/example_dags|example_dags|migrations).*\.py")

HEADER = f"""\
# What must be importable for a module of Airflow {BASELINE} to be imported itself, beyond what
# Airflow's own requirements bring. Made by: python tools/mine_extras.py
# Source: the wheel apache_airflow-{BASELINE}, read by ast.
"""


def statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """What runs on import and must not fail: classes' bodies and branches, no guarded imports."""
    for node in body:
        if isinstance(node, ast.Try):
            if not any(map(survives, node.handlers)):
                yield from statements(node.body)
            yield from statements([*node.orelse, *node.finalbody])
        elif isinstance(node, ast.ClassDef):
            yield from statements(node.body)
        elif isinstance(node, ast.If):
            if "TYPE_CHECKING" not in ast.unparse(node.test):
                yield from statements(node.body)
        else:
            yield node


def survives(handler: ast.ExceptHandler) -> bool:
    """Whether an ``except`` catches an ImportError."""
    caught = ast.unparse(handler.type) if handler.type else "ImportError"
    return bool(re.search(r"\b(ImportError|ModuleNotFoundError|Exception)\b", caught))


def imported(name: str, package: bool, tree: ast.Module) -> Iterator[str]:
    """The dotted names that a module imports, with what is taken out of them."""
    for node in statements(tree.body):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = name.split(".")
            above = above[: len(above) - node.level + package] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def lazy_names(name: str, tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(name below a package, the module that it is fetched from) of ``_operators`` and the like."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in LAZY_TABLES:
            for module, names in ast.literal_eval(node.value).items():
                yield from ((f"{name}.{found}", f"{name}.{module}") for found in names)


def closure(start: str, graph: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Every third-party name that importing ``start`` imports."""
    seen: set[str] = set()
    wanted = [start]
    found: set[str] = set()
    while wanted:
        at = wanted.pop()
        if at in seen:
            continue
        seen.add(at)
        if not at.startswith("airflow.") and at != "airflow":
            found.add(at)
            continue
        module = at if at in graph else at.rpartition(".")[0]
        # Importing a module imports the packages that it is in.
        wanted += [*graph.get(module, ()), module.rpartition(".")[0] or module]
    return found


def rows(wheel: zipfile.ZipFile) -> Iterator[str]:
    """``module third-party …`` for each public module and lazy name that needs any."""
    graph: dict[str, tuple[str, ...]] = {}
    for name, package, tree in trees(wheel, OF_AIRFLOW):
        graph[name] = tuple(imported(name, package, tree))
        graph |= {lazy: (module,) for lazy, module in lazy_names(name, tree)}
    # Modules that are not called like their distribution: those that Airflow's heart imports.
    known = {name.replace("-", "_") for name in required(wheel)} | sys.stdlib_module_names
    known |= roots(closure("airflow.models", graph))
    for name in sorted(filter(PUBLIC.match, graph)):
        if others := roots(closure(name, graph)) - known:
            yield " ".join([name, *sorted(others)])


def roots(names: Iterable[str]) -> set[str]:
    """The top-level modules of dotted names."""
    return {name.partition(".")[0] for name in names}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--offline", action="store_true", help="use the cache only")
    options = parser.parse_args()
    if not options.offline:
        fetch({CORE: BASELINE}, options.cache)
    with zipfile.ZipFile(local_wheels(options.cache)[CORE, BASELINE]) as wheel:
        lines = list(rows(wheel))
    TABLE.write_text("\n".join([HEADER, *lines]) + "\n", "utf-8")
    print(len(lines), "modules")
    return 0


if __name__ == "__main__":
    sys.exit(main())
