"""A file that did not load, and the shape of a row that says why.

A cause has a kind. ``OWN``: the file itself does not work, with any Airflow. ``SURROUNDINGS``:
something it reads was not supplied, so nothing can be said about the file. ``MOVE``: Airflow,
a provider or Python is another one on the target. On a side where a kind makes no sense (nothing
moved on the bridge) the row does not apply.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from harness.checks.places import line_in, line_of
from harness.model import ErrorObservation, FileObservation, Observation, Pair, Rule, Side

# What the probe's socket guard says of a host (probes/observe/network.py).
REFUSED_HOST = re.compile(r"the harness allows no network .*?, and (\S+) was asked for")


class Kind(StrEnum):
    """Whose fault it is."""

    OWN = "own"
    SURROUNDINGS = "surroundings"
    MOVE = "move"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One file that did not load on one side."""

    pair: Pair
    side: Side
    seen: FileObservation

    @property
    def observation(self) -> Observation:
        return self.pair.bridge if self.side is Side.BRIDGE else self.pair.observed

    @property
    def error(self) -> ErrorObservation:
        return self.seen.error or ErrorObservation(type="", message="")

    @property
    def line(self) -> int:
        return line_in(self.pair, self.side, self.seen.path, self.error)

    @property
    def source(self) -> str:
        """The line of the repository's own code that failed, as this side saw it."""
        texts = self.pair.texts if self.side is Side.BRIDGE else self.pair.rewritten_texts
        return line_of(texts.get(self.error.path, ""), self.error.line)


def plugin_scene(pair: Pair, side: Side, error: ErrorObservation) -> Scene:
    """A plugin that did not load, seen as a file that did not load."""
    observation = pair.bridge if side is Side.BRIDGE else pair.observed
    said = " ".join((error.message, *error.chain))
    seen = FileObservation(
        path=error.path,
        outcome=error.outcome,
        error=error,
        lookups=observation.plugin_lookups,
        egress=tuple(dict.fromkeys(REFUSED_HOST.findall(said))),
    )
    return Scene(pair=pair, side=side, seen=seen)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What is wrong and what to do. ``input`` is the (kind, name) of an input that was missing;
    ``machine`` when the file may well load elsewhere."""

    rule: Rule
    kind: Kind
    message: str
    fix: str
    input: tuple[str, str] | None = None
    machine: bool = False


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A row of the table that fits a scene, and what its groups caught in the message."""

    scene: Scene
    words: Mapping[str, str]

    @property
    def name(self) -> str:
        """What is missing; of a setting, the environment variable that gives it."""
        if "section" in self.words:
            return f"AIRFLOW__{self.words['section']}__{self.words['key']}".upper()
        return self.words.get("name", "")

    @property
    def module(self) -> str:
        return self.words.get("module", "")

    @property
    def root(self) -> str:
        return self.module.partition(".")[0]


@dataclass(frozen=True, kw_only=True)
class Cause:
    """How a cause is recognised and told.

    ``outcome`` is that of the file. ``types`` are names of exceptions without their modules
    (empty = any), ``message`` is searched in the exception's message and in those of its causes;
    what its groups caught fills ``says`` (with ``airflow``, ``python`` and ``path`` of the scene)
    and is handed to ``when`` and ``fix``. ``input`` names the kind of input that was missing; its
    name is the group ``name``. ``machine`` says that this machine alone is to blame.
    """

    rule: Rule
    kind: Kind
    says: str
    outcome: str = "error"
    types: tuple[str, ...] = ()
    message: str = ""
    side: Side | None = None
    when: Callable[[Hit], bool] | None = None
    fix: Callable[[Hit], str] | None = None
    input: str = ""
    machine: bool = False
