"""Airflow 1.10 source in, source for one target out. Knows pins, never a runtime."""

from typing import TYPE_CHECKING, Any

from codemods.base import (
    Edit,
    Example,
    Migration,
    Note,
    PluginModules,
    Removed,
    Rule,
)
from codemods.python_gone import concerns
from codemods.tables.symbols import resolve_symbol

if TYPE_CHECKING:
    from codemods.migrate import (
        RULES,
        migrate_bytes,
        migrate_configuration,
        migrate_source,
        migrate_template,
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
    "migrate_configuration",
    "migrate_source",
    "migrate_template",
    "resolve_symbol",
]


def __getattr__(name: str) -> Any:
    """What needs LibCST, which takes long to import, only when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import codemods.migrate

    return getattr(codemods.migrate, name)
