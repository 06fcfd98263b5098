"""What the rewritten code imports and MWAA's image lacks: providers and other distributions.

Airflow 1.10 was one distribution that had everything; what its constraint set brought besides
(pandas, pymongo …) was there as well. On the target each must be required.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path, PurePosixPath

from packaging.version import Version

from codemods.reading.parsing import absolute_imports, parsed
from codemods.rules.third_party import SUCCEEDED
from harness.archives import python_members
from harness.checks.modules import EXTRA_OF, PYTHON_2_MODULES, distribution_for, provider_for
from harness.model import Repo, Target

TABLE = Path(__file__).parents[1] / "data" / "provider_needs.txt"
PROVIDERS = "airflow.providers."
# What 1.10 gave to every template and a provider gives on the target.
_MACROS = ((re.compile(rb"\bmacros\.hive\."), "apache-airflow-providers-apache-hive"),)

_IMPORT = re.compile(rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import\b|import[ \t]+([^\n#;]+))", re.M)


def needed(
    repo: Repo,
    sources: Mapping[str, bytes],
    *,
    target: Target,
    pins: Mapping[str, str],
    brought: Mapping[str, str],
) -> dict[str, str]:
    """Distribution → why it is needed, for all that the rewritten ``sources`` import.

    ``pins`` are those of the target, ``brought`` what the environment of 1.10 had. What the image
    has, what the repository has itself and what nobody brought before is none of it.
    """
    own = frozenset(own_modules(repo))
    found: dict[str, str] = {}
    mentioned = {path: tuple(_mentioned(data)) for path, data in sources.items()}
    used = {part for names in mentioned.values() for name in names for part in name.split(".")}
    for path in sorted(sources):
        names = mentioned[path]
        if not runs_here(path, sources[path], used):
            continue
        for macro, dist in _MACROS:
            if dist in pins and macro.search(sources[path]):
                found.setdefault(dist, f"its macros are used by {path}, came with Airflow 1.10")
        if not any(_wanted(n, own, target, pins, brought) for n in names):
            continue
        for dotted in dict.fromkeys(name for _, name in imports(sources[path])):
            if dotted.startswith(PROVIDERS):
                for dist, why in _providers(dotted, pins):
                    found.setdefault(dist, f"{why} in {path}")
            elif dist := _other(dotted, own, target, pins, brought):
                found.setdefault(dist, f"imported by {path}, came with Airflow 1.10")
    return {d: why for d, why in found.items() if d not in target.preinstalled}


def runs_here(path: str, data: bytes, used: set[str]) -> bool:
    """Whether Airflow runs the file: no test, and no script that only another machine runs."""
    place = PurePosixPath(path)
    if {"test", "tests"} & set(place.parts) or re.match(r"test_|conftest\.py", place.name):
        return False
    return b"airflow" in data or place.stem in used or place.parent.name in used


def _wanted(
    name: str,
    own: frozenset[str],
    target: Target,
    pins: Mapping[str, str],
    brought: Mapping[str, str],
) -> bool:
    if name.startswith("airflow"):
        return name.startswith(PROVIDERS)
    # ``from google.cloud import storage``: the line alone does not say which distribution.
    return name.partition(".")[0] in EXTRA_OF or bool(_other(name, own, target, pins, brought))


def _other(
    dotted: str,
    own: frozenset[str],
    target: Target,
    pins: Mapping[str, str],
    brought: Mapping[str, str],
) -> str:
    """The distribution of a third-party module that the image lacks and 1.10 had; else ""."""
    root = dotted.partition(".")[0]
    if root in own or root in sys.stdlib_module_names or root == "airflow":
        return ""
    if root in PYTHON_2_MODULES:  # what backports it to Python 2 does not bring it back
        return ""
    if root in SUCCEEDED and SUCCEEDED[root] not in pins:  # a rule says what to write in its place
        return ""
    if distribution_for(dotted, target.preinstalled):
        return ""
    had = distribution_for(dotted, brought)
    if not had and root not in EXTRA_OF:
        return ""
    return distribution_for(dotted, pins) or had


def _providers(dotted: str, pins: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The provider of a path, and those that its module imports in turn."""
    own = provider_for(dotted, pins)
    if not own:
        return
    yield own, "imported"
    for module in (dotted, dotted.rpartition(".")[0]):
        for dist in _table_for(own, pins[own]).get(module, ()):
            yield dist, f"needed by {module}"


@cache
def _table_for(dist: str, version: str) -> Mapping[str, tuple[str, ...]]:
    """Module → the other providers that it needs, in one version of its distribution."""
    found: dict[str, tuple[str, ...]] = {}
    counts = False
    for line in TABLE.read_text("utf-8").splitlines():
        if line.startswith("["):
            name, _, since = line.strip("[]").partition(">=")
            counts = name == dist and Version(since) <= Version(version)
        elif counts and line and not line.startswith("#"):
            module, *needs = line.split()
            found[module] = () if needs == ["-"] else tuple(needs)
    return found


# Source: the dialects of SQLAlchemy 1.3.20 and 1.4.54, and their default drivers.
_DRIVERS = {
    "mssql+pymssql": "pymssql",
    "mysql": "MySQLdb",
    "mysql+mysqldb": "MySQLdb",
    "mysql+pymysql": "pymysql",
    "oracle": "cx_Oracle",
    "oracle+cx_oracle": "cx_Oracle",
    "snowflake": "snowflake.sqlalchemy",
}
_URL = re.compile(rb"['\"]([\w+]+)://")


def _mentioned(data: bytes) -> Iterator[str]:
    """The modules that lines of a source seem to import: cheap, and may be wrong."""
    for match in _IMPORT.finditer(data):
        said = (match[1] or match[2]).decode("latin-1")
        for part in said.split(","):
            words = part.split()
            if words:
                yield words[0]
    if b"create_engine" in data:
        dialects = (found[1].decode() for found in _URL.finditer(data))
        yield from (_DRIVERS[name] for name in dialects if name in _DRIVERS)


def imports(data: bytes) -> Iterator[tuple[int, str]]:
    """(line, path) of what a source imports absolutely, but for imports whose absence it
    survives, and of the drivers that its ``create_engine`` loads."""
    tree = parsed(data)
    if tree is None:
        return
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if (isinstance(node, ast.Try) and any(map(_survives, node.handlers)))
        or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        for statement in node.body
        for inner in ast.walk(statement)
    }
    yield from absolute_imports(node for node in ast.walk(tree) if id(node) not in guarded)
    yield from _drivers(tree)


def _drivers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The module that SQLAlchemy loads for each URL in sight that an engine is made of."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            url = (
                node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
            )
            text = str(url.value) if isinstance(url, ast.Constant) else ""
            driver = _DRIVERS.get(text.partition("://")[0]) if "://" in text else None
            if driver and ast.unparse(node.func).rpartition(".")[2] == "create_engine":
                yield node.lineno, driver


def _survives(handler: ast.ExceptHandler) -> bool:
    caught = ast.unparse(handler.type) if handler.type else "ImportError"
    return bool(re.search(r"\b(?:ImportError|ModuleNotFoundError|Exception)\b", caught))


def own_modules(repo: Repo) -> Iterator[str]:
    """The names at the top of a folder that is on ``sys.path`` (or may be)."""
    dags = PurePosixPath(repo.dags)
    folders = {dags, PurePosixPath(repo.plugins or dags), dags.parent, PurePosixPath()}
    for path in map(PurePosixPath, repo.files):
        if path.suffix == ".py":
            for folder in folders:
                if path.is_relative_to(folder):
                    yield path.relative_to(folder).parts[0].removesuffix(".py")
        elif path.suffix == ".zip" and any(map(path.is_relative_to, folders)):
            for name, _ in python_members(repo.root / path):
                yield PurePosixPath(name).parts[0].removesuffix(".py")
