"""What the files of a repository ask of each other: names, classes, dicts and functions.

Expressions find the few files that have to be read as Python.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from codemods.base import OwnClasses, OwnDicts, OwnFunctions, OwnSubDags
from harness.diffs import decoded
from harness.rewrite.worker import Job

_FROM = re.compile(
    rb"^[ \t]*from[ \t]+([\w.]+)[ \t]+import[ \t]*(\([^)]*\)|[^\n#;]+)", re.MULTILINE
)
_CLASS = re.compile(rb"\b[A-Z]\w*(?:Operator|Sensor|Hook|Transfer)\b")


def shared_names(sources: Iterable[bytes]) -> tuple[str, ...]:
    """Names of Airflow's kind that the files of a repository import from each other.

    A module that renamed such a class would leave its importers without it.
    """
    found: set[bytes] = set()
    for data in sources:
        for module, names in _FROM.findall(data):
            if module.partition(b".")[0] != b"airflow":
                # What a star brings is whatever the file says.
                found.update(_CLASS.findall(data if b"*" in names else names))
    return tuple(sorted(name.decode("ascii", "ignore") for name in found))


def shared_plugins(sources: Collection[Job], projects: Iterable[bytes]) -> Iterator[str]:
    """The plugin classes that another file imports, or that a distribution gives to Airflow."""
    own = {
        name: job
        for job in sources
        if b"AirflowPlugin" in job.data
        for name, given in _DEFINES.findall(job.data)
        if b"AirflowPlugin" in given
    }
    if not own:
        return
    said = [(job, names) for job in sources for _, names in _FROM.findall(job.data)]
    said += [(job, job.data) for job in sources if job.path.endswith("setup.py")]
    given = list(projects)
    for name, home in sorted(own.items(), key=lambda item: item[0]):
        texts = (*given, *(names for job, names in said if job is not home))
        if any(name in _WORD.findall(text) for text in texts):
            yield name.decode()


_DEFINES = re.compile(rb"^[ \t]*class[ \t]+(\w+)[ \t]*\(([^()]*)", re.MULTILINE)
_WORD = re.compile(rb"[A-Za-z_]\w*")
_MAKES = re.compile(rb"^def[ \t]+(\w+)\([^)]*\*\*", re.MULTILINE)
_CALLS = re.compile(rb"\b([A-Za-z]\w*)\(")


def classes_of(sources: Collection[Job]) -> OwnClasses:
    """The classes, and functions with ``**kwargs``, that one file defines and another one calls.

    Only files that define one of them, or what they inherit from, are read as Python.
    """
    bases: dict[str, set[str]] = {}
    homes: dict[str, list[Job]] = {}
    asked: dict[str, set[str]] = {}  # name → the files that call it or inherit from it
    for job in sources:
        for name, given in _DEFINES.findall(job.data):
            above = {base.decode() for base in _WORD.findall(given)}
            bases.setdefault(name.decode(), set()).update(above)
            homes.setdefault(name.decode(), []).append(job)
            for base in above:
                asked.setdefault(base, set()).add(job.name)
        for name in _MAKES.findall(job.data) if b"airflow" in job.data else ():
            homes.setdefault(name.decode(), []).append(job)
    for job in sources:
        for name in {name.decode() for name in _CALLS.findall(job.data)} & homes.keys():
            asked.setdefault(name, set()).add(job.name)
    wanted = {
        name
        for name, found in homes.items()
        if any(asked.get(name, set()) - {home.name} for home in found)
    }
    needed, more = set(wanted), set(wanted)
    while more:
        more = {b for name in more for b in bases.get(name, ())} & set(homes) - needed
        needed |= more
    if not needed:
        return {}
    from codemods.repository.own_classes import own_classes

    return own_classes(
        {job.name: decoded(job.data) for name in sorted(needed) for job in homes[name]}, wanted
    )


_BINDS = re.compile(rb"^([A-Za-z_]\w*)\s*(?::[^=\n]+)?=\s*(?:dict\(|\{)", re.MULTILINE)
_UNPACKS = re.compile(rb"\*\*\s*(?:\w+\.)*([A-Za-z_]\w*)")


def dicts_of(sources: Collection[Job]) -> OwnDicts:
    """The dicts that one file binds and another one unpacks."""
    homes: dict[bytes, list[Job]] = {}
    for job in sources:
        for name in set(_BINDS.findall(job.data)):
            homes.setdefault(name, []).append(job)
    wanted = {
        name
        for job in sources
        for name in {*_UNPACKS.findall(job.data)} & homes.keys()
        if any(home is not job for home in homes[name])
    }
    if not wanted:
        return {}
    from codemods.repository.own_dicts import own_dicts

    read = {job.name: decoded(job.data) for name in wanted for job in homes[name]}
    return own_dicts(read, {name.decode() for name in wanted})


_GIVES = re.compile(
    rb"(python_callable|on_\w+_callback)['\"]?\s*[=:]\s*(?:\w+\.)*([A-Za-z_]\w*)[ \t]*[,)}\n]"
)
_HANDS = re.compile(rb"\b([A-Za-z_]\w*)\([^()\n]*\b(?:context|kwargs|ctx)\b")
_FUNCTION = re.compile(rb"^def[ \t]+(\w+)", re.MULTILINE)


def functions_of(sources: Collection[Job]) -> OwnFunctions:
    """The functions that one file defines and another one gives to Airflow, or hands the context.

    Of the files that give the same callback by the same import one is read.
    """
    homes: dict[bytes, list[Job]] = {}
    for job in sources:
        for name in set(_FUNCTION.findall(job.data)):
            homes.setdefault(name, []).append(job)
    wanted: set[bytes] = set()
    read: dict[str, Job] = {}
    seen: set[tuple[bytes, bytes]] = set()
    for job in sources:
        callables = {name for kind, name in _GIVES.findall(job.data) if kind == b"python_callable"}
        others = {name for kind, name in _GIVES.findall(job.data)} - callables
        callables.update(_HANDS.findall(job.data))
        for name in (callables | others) & homes.keys():
            if job in homes[name]:
                continue
            line = re.search(
                rb"^[ \t]*(?:from|import)\b[^\n]*\b%b\b" % name, job.data, re.MULTILINE
            )
            key = name, line[0] if line is not None else b""
            if name in callables or not line or key not in seen:
                read[job.name] = job
            seen.add(key)
            wanted.add(name)
    if not wanted:
        return {}
    from codemods.repository.own_functions import own_functions

    read |= {job.name: job for name in wanted for job in homes[name]}
    return own_functions(
        {name: decoded(job.data) for name, job in sorted(read.items())},
        {name.decode() for name in wanted},
    )


_RUNS = re.compile(rb"\bsubdag\s*=\s*(?:\w+\.)*([A-Za-z_]\w*)\s*\(")


def subdags_of(sources: Collection[Job], kept: Collection[str]) -> OwnSubDags:
    """The functions that SubDagOperators are given a DAG of, read with all files that name them or
    what other DAGs ask of; files at ``kept`` paths are not rewritten."""
    asking = [job for job in sources if b"SubDagOperator" in job.data]
    names = {name for job in asking for name in _RUNS.findall(job.data)}
    if not names:
        return {}
    from codemods.subdags.own import own_subdags

    word = re.compile(rb"\b(?:external_dag_id|%b)\b" % b"|".join(sorted(names)))
    near = [job for job in sources if word.search(job.data)]
    stay = {job.name for job in near if job.path in kept}
    return own_subdags({job.name: decoded(job.data) for job in near}, stay)
