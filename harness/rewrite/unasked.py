"""Modules that the rewritten code imports and nothing brings: neither MWAA's image nor a
requirement. On a machine of one's own they may be there by chance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from packaging.utils import canonicalize_name

from codemods.rules.third_party import SUCCEEDED
from harness.checks.modules import (
    PYTHON_2_MODULES,
    STANDARD_LIBRARY,
    distribution_for,
    repository_folders,
)
from harness.model import Repo, RewriteNote, Target
from harness.requirements.rewrite import UNASKED
from harness.rewrite.providers import imports, own_modules, runs_here

TABLE = Path(__file__).parents[1] / "data" / "requires.txt"


@cache
def _table() -> Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Distribution → the modules that it has, and the distributions that it brings."""
    found = {}
    for line in TABLE.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            head, _, needs = line.partition(":")
            name, *modules = head.split()
            found[name] = (tuple(modules or [name.replace("-", "_")]), tuple(needs.split()))
    return found


def modules_of(name: str) -> tuple[str, ...]:
    """The top-level modules of a distribution."""
    return _table().get(name, ((name.replace("-", "_"),), ()))[0]


def unasked(
    repo: Repo, sources: Mapping[str, bytes], required: Iterable[str], target: Target
) -> Iterator[tuple[str, RewriteNote]]:
    """(path, note) of each import that nothing brings, once a file and module.

    ``required`` are the names in the requirements file of the target.
    """
    asked = {canonicalize_name(name) for name in required}
    there = _closure(asked | target.preinstalled.keys() | {"apache-airflow"})
    modules = {module for name in there for module in _table().get(name, ((),))[0]}
    modules |= STANDARD_LIBRARY | {*own_modules(repo)}
    modules |= PYTHON_2_MODULES.keys() | SUCCEEDED.keys()  # rules say what to write in their place
    names = dict.fromkeys(there, "")
    unknown = sorted(asked - _table().keys())
    used = {part for data in sources.values() for _, n in imports(data) for part in n.split(".")}
    for path in sorted(sources):
        said: set[str] = set()
        for line, dotted in imports(sources[path]) if runs_here(path, sources[path], used) else ():
            root = dotted.partition(".")[0]
            if root in modules | said or distribution_for(dotted, names):
                continue
            said.add(root)
            if not repository_folders(root, repo.files) and not any(
                _plain(root) in _plain(name) for name in unknown
            ):
                yield path, _note(line, root, unknown)


def _closure(names: Iterable[str]) -> set[str]:
    """The distributions and all that they bring, as far as the table knows."""
    found: set[str] = set()
    left = list(names)
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += _table().get(one, ((), ()))[1]
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _note(line: int, module: str, unknown: Sequence[str]) -> RewriteNote:
    others = " or ".join(unknown) if len(unknown) < 4 else "another requirement"
    unless = f", unless {others} brings it" if unknown else ""
    name = next((d for d, (has, _) in sorted(_table().items()) if module in has), "")
    likely = f"Require {name}" if name else "Require the distribution that has it"
    own = "" if name else f". If {module} is your own, put it into the DAG folder instead"
    return RewriteNote(
        rule=UNASKED.id,
        line=line,
        column=0,
        message=f"{module} is imported, and neither MWAA's image nor the requirements bring it",
        fix=f"{likely}{unless}{own}",
    )
