"""Whether a file was written for Airflow 2, where what it says means what it means there."""

from __future__ import annotations

import re

from codemods.reading.source import Source
from codemods.tables.hops import core_modules

_OLD_MODULE = re.compile(r"_(hook|operator|sensor)s?$")


def of_2(source: Source) -> bool:
    """Whether the file imports what only one that was written for 2.x imports."""
    return any(_fresh(binding.path) for binding in source.bindings)


def _fresh(path: str) -> bool:
    module = path.rpartition(".")[0]
    fresh = any(m in core_modules() and not _OLD_MODULE.search(m) for m in (path, module))
    return fresh or module.startswith(("airflow.decorators", "airflow.providers"))


def scheduled(source: Source) -> bool:
    """Whether a DAG of the file has a ``schedule``, which there is since 2.4."""
    calls = (c for c in source.calls if c.path.endswith(".DAG"))
    return any(call.keyword("schedule") is not None for call in calls)
