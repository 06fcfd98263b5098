"""The questions that a pair of observations is asked; one judge a file, found by name.

A module of this package that holds ``CHECK`` is a check. All of them are pure functions of a
``Pair``: they never see a runtime, read no file and start nothing.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from harness.model import Check, Rule

# The order of a report: what everything else rests on comes first. A check that is not named here
# follows in the order of its id.
ORDER = (
    "parses-on-bridge",
    "parses-on-target",
    "dags-survive",
    "structure-survives",
    "plugins-load",
    "no-deprecations",
    "rewrite-complete",
    "requirements-resolve",
    "requirements-keep-airflow",
    "mwaa-rules",
    "inputs-complete",
    "metadata-survives",
)


@cache
def checks() -> tuple[Check, ...]:
    """Every check of this package, in the order of a report."""
    modules = (
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
    )
    found = (module.CHECK for module in modules if hasattr(module, "CHECK"))
    return tuple(sorted(found, key=_rank))


@cache
def rules() -> Mapping[str, Rule]:
    """Every rule that a check may raise, by id, in the order of the checks."""
    return {rule.id: rule for check in checks() for rule in check.rules}


def _rank(check: Check) -> tuple[int, str]:
    known = ORDER.index(check.id) if check.id in ORDER else len(ORDER)
    return known, check.id
