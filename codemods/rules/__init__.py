"""One rule a file; a file that defines ``RULE`` is registered by being here."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from codemods.base import Rule

RULES: tuple[Rule, ...] = tuple(
    import_module(f"{__name__}.{module.name}").RULE
    for module in sorted(iter_modules(__path__), key=lambda m: m.name)
    if not module.name.startswith("_")
)
