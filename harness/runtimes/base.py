"""What every runtime takes and gives: a Request goes in, an Observation comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.aws.emulator import Emulator
from harness.model import Config, Constraints, Observation, Repo, Side, Target


@dataclass(frozen=True, kw_only=True)
class Request:
    """One side of a pair, to be brought up and looked at.

    ``repo`` is rooted in the copy that this side may read and write (the original's copy for the
    bridge, the rewritten one for the target); ``requirements`` is the text of that side's
    requirements file, "" when there is none; ``extra_requirements`` are lines of the
    configuration. ``env`` is set before Airflow is imported (Variables and Connections included,
    as ``AIRFLOW_VAR_*`` and ``AIRFLOW_CONN_*``). ``samples`` maps "variable" and "connection" to
    name → placeholder, used with ``config.assume_missing``. ``workspace`` is an empty private
    folder for this run. ``emulator`` is the AWS that may be reached while files are loaded, None =
    none; its shim comes before the user's own PYTHONPATH.
    """

    side: Side
    target: Target
    repo: Repo
    constraints: Constraints
    workspace: Path
    config: Config
    requirements: str = ""
    extra_requirements: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    workers: int = 1
    emulator: Emulator | None = None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One step forward, for whoever draws a progress bar. ``total`` is 0 while unknown."""

    side: Side
    step: str
    done: int = 0
    total: int = 0


OnProgress = Callable[[Progress], None]


def no_progress(progress: Progress) -> None:
    """For callers that draw nothing."""


class Runtime(Protocol):
    """Brings one side up, runs the probes in it, and reports what they saw."""

    name: str

    def emulated(
        self, config: Config, on_progress: OnProgress
    ) -> AbstractContextManager[Emulator | None]:
        """The emulated AWS of the configuration where its sides can reach it; None = none."""
        ...

    def constraints(self, target: Target, config: Config) -> Constraints:
        """The constraint file that a side of this version is made under."""
        ...

    def python(self, target: Target, side: Side, config: Config) -> Path:
        """A Python of the side's version on this machine, to resolve requirements with."""
        ...

    def observe(self, request: Request, on_progress: OnProgress) -> Observation:
        """Observe one side. What cannot be brought up comes back as ``Observation.failure``."""
        ...
