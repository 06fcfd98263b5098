"""What the rules may ask about the target: its pins, where a path lives there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from packaging.requirements import Requirement
from packaging.version import Version

from codemods.base import PluginModules
from codemods.tables.attributes import Attributes
from codemods.tables.constructors import Constructors
from codemods.tables.contracts import Contracts
from codemods.tables.hops import CORE, Hops, Resolution
from codemods.tables.methods import Methods

# From which Airflow on MWAA runs which Python. Source: docs.aws.amazon.com/mwaa, "Apache Airflow
# versions on Amazon MWAA".
_PYTHON = ((">=2.11", (3, 12)), (">=2.7", (3, 11)), (">=2.4", (3, 10)), (">=1", (3, 7)))


class Target:
    """One target environment, known by its pins alone."""

    def __init__(self, pins: Mapping[str, str], plugins: PluginModules | None = None) -> None:
        self.pins = dict(pins)
        self.hops = Hops(pins)
        self.plugins = _with_short_paths(plugins or {})
        self.plugin_modules = {path.rpartition(".")[0] for path in self.plugins}
        self.airflow = Version(self.pins[CORE])
        self.constructors = Constructors(pins)
        self.methods = Methods(pins)
        self.attributes = Attributes(pins)
        self.contracts = Contracts(pins)
        self.python = next(python for when, python in _PYTHON if self.has(f"{CORE}{when}"))

    def resolve(self, path: str) -> Resolution:
        """Where a 1.10 path lives on the target; plugin modules come first."""
        if path in self.plugins:
            home = self.plugins[path]
            # A plugin may have registered what is Airflow's own.
            further = self.hops.resolve(home) if home.startswith("airflow.") else None
            if further is None:
                return Resolution(start=path, path=home)
            return Resolution(
                start=path, path=further.path, hops=further.hops, removed=further.removed
            )
        return self.hops.resolve(path)

    def has(self, requirement: str) -> bool:
        """Whether the pins satisfy a requirement such as ``apache-airflow>=2.4``."""
        return self.hops.has(_requirement(requirement))


def _with_short_paths(plugins: PluginModules) -> dict[str, str]:
    """1.10 also put a plugin's classes right below ``airflow.operators`` and its like."""
    found: dict[str, str] = {}
    for path, new in plugins.items():
        parts = path.split(".")
        if len(parts) == 4:
            found[f"{parts[0]}.{parts[1]}.{parts[3]}"] = new
    return {**found, **plugins}


@lru_cache(maxsize=256)
def _requirement(text: str) -> Requirement:
    return Requirement(text)


@lru_cache(maxsize=32)
def target_for(
    pins: tuple[tuple[str, str], ...], plugins: tuple[tuple[str, str], ...] = ()
) -> Target:
    """The target of these (distribution, version) pins, built once."""
    return Target(dict(pins), dict(plugins))
