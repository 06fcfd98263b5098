"""Write ``codemods/data/third_party.txt``: what 1.10's constraint set had and later pins lack.

    python tools/mine_third_party.py BRIDGE_ENVIRONMENT TARGET_ENVIRONMENT…

Each environment holds its lock: 1.10.15's for the first, one target's for each other. Their files
are read by ast; nothing in them is run. A name is lost where a module that was there is not, or
where its text no longer binds the name and has no star import, ``__getattr__`` or ``globals()``
that could. A row counts from the lowest of the targets' pins that lacks it to the next one that
has it again; of a module that is gone nothing below it is a row of its own. Of Airflow itself what
the import table knows is left out.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from codemods.tables.hops import CORE, all_hops, family_advice
from harness.targets import default_bridge, lock_pins

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "codemods" / "data" / "third_party.txt"
HEAD = """\
# Modules and names that a distribution of 1.10.15's constraint set had and later releases lack:
# from which release on, and until which, by the pins of 2.5.1, 2.10.3 and 2.11.0.
# Made by: python tools/mine_third_party.py (the locks' environments, read by ast)
"""
_INNER = re.compile(
    r"(?:^|\.)(?:_\w*|tests?|testing|conftest|samples|docs|scripts|setup)(?:\.|$)"
    r"|^kubernetes\.client\.(?:apis?|models)\."
)
_DYNAMIC = re.compile(r"\b__getattr__\b|\bglobals\(\)|\bsys\.modules\b|import \*")
# Deeper than this lies what a distribution does not offer.
DEPTH = 3
# Compilers, linters, servers and parts of packaging: no DAG imports them. Pendulum has a rule of
# its own, which knows what is called otherwise.
_TOOLS = re.compile(
    r"pendulum|pip|setuptools|wheel|virtualenv|black|mypy|flake8|pylint|astroid|jedi|parso|sphinx|docutils"
    r"|pytest|coverage|pre-commit|ipython|ipdb|prompt-toolkit|pygments|jupyter|pyzmq|alembic|mako"
    r"|chardet|pyasn1|email-validator|humanize|packaging|wtforms|prometheus|gunicorn|flower|celery|kombu|amqp|billiard|vine|babel|pluggy|distlib|pbr|argcomplete|cattrs"
)

# Airflow's inside that no DAG imports.
_OWN = re.compile(
    r"airflow\.(?:example_dags|migrations|config_templates|www|www_rbac|contrib\b)|(?!airflow\.)"
)


@dataclass(frozen=True, kw_only=True)
class Held:
    """A module as one environment has it; ``path`` is None for a compiled one."""

    dist: str
    version: str
    path: Path | None


def modules(environment: Path) -> dict[str, Held]:
    """Every public module of an environment, by its dotted name."""
    (packages,) = environment.glob("lib/python3*/site-packages")
    found = {}
    for dist in distributions(path=[str(packages)]):
        name = canonicalize_name(dist.metadata["Name"])
        for line in (dist.read_text("RECORD") or "").splitlines():
            place = line.rsplit(",", 2)[0]
            if place.startswith("..") or not place.endswith((".py", ".so")):
                continue
            dotted = re.sub(r"(?:/__init__)?(?:\.cpython[^/]*|\.abi3)?\.(?:py|so)$", "", place)
            dotted = dotted.replace("/", ".")
            if not _INNER.search(dotted) and all(p.isidentifier() for p in dotted.split(".")):
                path = packages / place if place.endswith(".py") else None
                found[dotted] = Held(dist=name, version=dist.version, path=path)
    return found


@cache
def bound(path: Path) -> tuple[frozenset[str], frozenset[str]] | None:
    """(names of its own, all names) that a module binds; None where its text does not tell."""
    text = path.read_text("utf-8", errors="replace")
    own: set[str] = set()
    taken: set[str] = set()
    top = path.parts[path.parts.index("site-packages") + 1]

    def read(body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
                own.add(node.name)
                # What a function declares global is the module's.
                inside = (n for n in ast.walk(node) if isinstance(n, ast.Global))
                taken.update(name for n in inside for name in n.names)
            elif isinstance(node, ast.Import):
                taken.update(a.asname or a.name.partition(".")[0] for a in node.names)
            elif isinstance(node, ast.ImportFrom):
                inside = node.level or (node.module or "").partition(".")[0] == top
                offered = inside and (path.name == "__init__.py" or "__all__" in text)
                (own if offered else taken).update(a.asname or a.name for a in node.names)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for name in (n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)):
                    own.add(name.id)
            else:
                for field in ("body", "orelse", "finalbody"):
                    read(getattr(node, field, []))
                for handler in getattr(node, "handlers", []):
                    read(handler.body)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(ast.parse(text).body)
    except (SyntaxError, ValueError):
        return None
    return frozenset(own), frozenset(own | taken)


def lost(old: Mapping[str, Held], new: Mapping[str, Held], brought: set[str]) -> Iterator[str]:
    """The paths of ``old`` that the same distribution of ``new`` has no more."""
    present = {held.dist for held in new.values()}
    packages = {".".join(m.split(".")[:i]) for m in new for i in range(1, m.count(".") + 2)}
    gone: set[str] = set()
    for module, held in sorted(old.items()):
        if held.dist not in brought & present or _TOOLS.match(held.dist):
            continue
        parts = module.split(".")
        if any(".".join(parts[:length]) in gone for length in range(1, len(parts))):
            continue
        if module not in packages:
            if not _offered(module, new):
                gone.add(module)
                yield module
        elif module.count(".") < DEPTH and held.path and module in new and new[module].path:
            yield from lost_names(module, held, new[module], packages)


def _offered(module: str, new: Mapping[str, Held]) -> bool:
    """Whether a package still has a module of that name, of which the file is called otherwise."""
    above, _, name = module.rpartition(".")
    home = new[above].path if above in new else None
    names = bound(home) if home is not None else None
    if home is None or names is None:
        return False
    text = home.read_text("utf-8", errors="replace")
    if name not in names[1]:
        return "__getattr__" in text and re.search(rf"['\"]{name}['\"]", text) is not None
    return re.search(rf"^(?:async def|def|class) {name}\b", text, re.MULTILINE) is None


def lost_names(module: str, old: Held, new: Held, packages: set[str]) -> Iterator[str]:
    """The public names of a module that its later text does not bind."""
    if old.path is None or new.path is None:
        return
    if _DYNAMIC.search(new.path.read_text("utf-8", errors="replace")):
        return
    before, after = bound(old.path), bound(new.path)
    if before is None or after is None:
        return
    for name in sorted(before[0] - after[1]):
        path = f"{module}.{name}"
        if not name.startswith("_") and name != "*" and path not in packages:
            yield path


def known(path: str) -> bool:
    """Whether the import table has a word on the path or on something below it."""
    return any(old == path or old.startswith(f"{path}.") for old in all_hops()) or bool(
        family_advice(path)
    )


def main() -> None:
    bridge, *targets = (Path(word) for word in sys.argv[1:])
    brought = set(lock_pins(default_bridge())) | {CORE}
    old = modules(bridge)
    found = [modules(target) for target in targets]
    since: dict[str, Version] = {}
    for new in found:
        versions = {held.dist: Version(held.version) for held in new.values()}
        for path in lost(old, new, brought):
            version = versions[_dist(path, old)]
            if _dist(path, old) != CORE or not (_OWN.match(path) or known(path)):
                since[path] = min(version, since.get(path, version))
    blocks: dict[tuple[str, Version, str], list[str]] = {}
    for path, first in since.items():
        have = (_release(path, new, was_module=path in old) for new in found)
        again = [version for version in have if version and version >= first]
        if first not in again:  # else it depends on the Python, not on the release
            until = f",<{min(again)}" if again else ""
            blocks.setdefault((_dist(path, old), first, until), []).append(path)
    rows = [HEAD]
    for (dist, first, until), paths in sorted(blocks.items()):
        rows.append(f"\n[{dist}>={first}{until}]\n")
        rows += [f"{path}\n" for path in sorted(paths)]
    TABLE.write_text("".join(rows), "utf-8")
    print(sum(map(len, blocks.values())), "rows")


def _release(path: str, new: Mapping[str, Held], *, was_module: bool) -> Version | None:
    """The release of an environment that has a module or a name of one; None where it has not."""
    module, _, name = path.rpartition(".")
    home = new.get(path) or new.get(module)
    names = bound(home.path) if home is not None and home.path is not None else None
    binds = names is not None and name in names[1]
    there = path in new or (_offered(path, new) if was_module else binds)
    return Version(home.version) if home is not None and there else None


def _dist(path: str, old: Mapping[str, Held]) -> str:
    """The distribution that had a module or a name of one."""
    return old[path].dist if path in old else old[path.rpartition(".")[0]].dist


if __name__ == "__main__":
    main()
