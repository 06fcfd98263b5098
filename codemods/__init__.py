"""Airflow 1.10 source in, source for one target out. Knows pins, never a runtime."""

from codemods.base import (
    Edit,
    Example,
    Migration,
    Note,
    PluginModules,
    Removed,
    Rule,
)
from codemods.migrate import (
    RULES,
    concerns,
    migrate_bytes,
    migrate_source,
    migrate_template,
    resolve_symbol,
)

__all__ = [
    "RULES",
    "Edit",
    "Example",
    "Migration",
    "Note",
    "PluginModules",
    "Removed",
    "Rule",
    "concerns",
    "migrate_bytes",
    "migrate_source",
    "migrate_template",
    "resolve_symbol",
]
