"""Where the metadata's probes run: an interpreter with its Airflow, and what it finds around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.model import Target
from harness.runtimes.environments import Environment
from harness.runtimes.surroundings import Place, airflow_environment


@dataclass(frozen=True, kw_only=True)
class Inside:
    """One side's interpreter. ``env`` is all that a probe has of an environment, ``folder`` its
    private folder."""

    python: Path
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)


def inside(environment: Environment, target: Target, folder: Path) -> Inside:
    """The inside of an environment of the embedded runtime; ``folder`` is made."""
    place = Place.below(folder)
    place.make()
    return Inside(
        python=environment.python,
        folder=folder,
        env=airflow_environment(target, place, environment.path),
    )


def database_option(env: Mapping[str, str]) -> str:
    """The variable of ``env`` that holds the database's URL: its section moved with 2.3."""
    (found,) = (name for name in env if name.endswith("__SQL_ALCHEMY_CONN"))
    return found
