"""Which extras of Airflow 1.10 a repository's code needs, though its requirements name none.

Repositories got them from an image of their own. On the target it is the rewrite that adds the
providers; on the bridge nobody would.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path, PurePosixPath

from codemods.reading.parsing import absolute_imports, parsed
from harness.checks.modules import EXTRA_OF, distribution_for
from harness.model import AssumedExtra, Repo, Target
from harness.requirements.extras import EXTRAS
from harness.requirements.parse import parse

TABLE = Path(__file__).parent / "data" / "third_party.txt"

# Source: extras_require of the wheel apache_airflow-1.10.15. ``all_dbs`` lacks the other services.
EVERYTHING = frozenset({"all", "devel-all", "devel-ci"})
DATABASES = frozenset(
    {
        "cassandra",
        "cloudant",
        "druid",
        "hdfs",
        "hive",
        "mongo",
        "mssql",
        "mysql",
        "pinot",
        "postgres",
        "presto",
        "vertica",
    }
)

_SUCCESSORS = {row.name: row.provider for row in EXTRAS if row.provider}
_BACKPORT = "apache-airflow-backport-providers-"


def needed_extras(
    repo: Repo, texts: Mapping[str, str], *, bridge: Target, requirements: Iterable[str]
) -> tuple[AssumedExtra, ...]:
    """The extras that the DAGs and plugins import something of, each once, sorted by name.

    ``texts`` are the repository's files by path, ``requirements`` the lines that the bridge gets
    anyway. What these lines or the bridge's image bring needs no extra, nor what the repository
    has itself. A file that is not Python of today is passed over: it does not load on the bridge
    either. An import within a function counts, since the task that runs it needs the module too.
    """
    lines = [line for text in requirements for line in parse(text)]
    named = frozenset(extra for line in lines for extra in line.extras)
    held = {**bridge.preinstalled, **{line.name: "" for line in lines if line.name}}
    folders = [PurePosixPath(folder) for folder in (repo.dags, repo.plugins) if folder is not None]
    own = frozenset(_own_modules(texts, folders))
    found: dict[str, AssumedExtra] = {}
    for path in sorted(texts):
        if not path.endswith(".py") or not any(map(PurePosixPath(path).is_relative_to, folders)):
            continue
        for number, module in _imports(texts[path]):
            for third in _third_party(module):
                extra = EXTRA_OF.get(third.partition(".")[0], "")
                if (
                    extra
                    and extra not in found
                    and third.partition(".")[0] not in own
                    and not distribution_for(third, held)
                    and not _is_named(extra, named, held)
                ):
                    found[extra] = AssumedExtra(
                        requirement=f"apache-airflow[{extra}]=={bridge.airflow}",
                        path=path,
                        line=number,
                        module=module,
                    )
    return tuple(found[extra] for extra in sorted(found))


@cache
def third_party() -> Mapping[str, tuple[str, ...]]:
    """Airflow module → the top-level modules that importing it needs beyond Airflow's own."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    rows = (line.split() for line in lines if line and not line.startswith("#"))
    return {module: tuple(needs) for module, *needs in rows}


@cache
def _telltale() -> frozenset[str]:
    """The words of which every file that needs an extra has one."""
    return frozenset(EXTRA_OF) | {module.rpartition(".")[2] for module in third_party()}


def _imports(text: str) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything that a file imports absolutely."""
    if _telltale().isdisjoint(re.findall(r"\w+", text)):
        return
    if (tree := parsed(text)) is not None:
        yield from absolute_imports(ast.walk(tree))


def _third_party(dotted: str) -> tuple[str, ...]:
    """What an imported name needs: itself, or for a name of Airflow's what its module imports."""
    if not dotted.startswith("airflow."):
        return (dotted,)
    table = third_party()
    return table.get(dotted) or table.get(dotted.rpartition(".")[0], ())


def _own_modules(texts: Iterable[str], folders: Iterable[PurePosixPath]) -> Iterator[str]:
    """The regular packages and modules at the top of a folder on ``sys.path``. A folder without
    ``__init__.py`` hides no installed package."""
    roots = {PurePosixPath("."), *folders}
    for text in texts:
        path = PurePosixPath(text)
        top = path.parent if path.name == "__init__.py" else path
        if path.suffix == ".py" and top.parent in roots:
            yield top.stem


def _is_named(extra: str, named: frozenset[str], held: Mapping[str, str]) -> bool:
    """Whether the requirements have the extra: under any of its names, in one that has it with
    others, or as the backport of the provider that it became."""
    names = {name.lower().replace("_", "-").replace(".", "-") for name in named}
    provider = _SUCCESSORS.get(extra, extra)
    return (
        bool(names & EVERYTHING)
        or ("all-dbs" in names and extra in DATABASES)
        or provider in {_SUCCESSORS.get(name, name.removeprefix("apache-")) for name in names}
        or provider in names
        or _BACKPORT + provider in held
    )
