"""Which files loaded on which side, and so what can be compared at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.checks.diagnosis import diagnose
from harness.checks.scene import Kind, Scene
from harness.model import FileObservation, Observation, Pair, Side, Unjudged

BROKEN_BEFORE = "it is broken on the bridge already, and loads on neither side"


def files_of(observation: Observation) -> Mapping[str, FileObservation]:
    """What one side saw of each file, by path."""
    return {seen.path: seen for seen in observation.files}


def dag_paths(pair: Pair) -> tuple[str, ...]:
    """Every DAG file of the repository, and every other that a side has looked at."""
    seen = {seen.path for side in (pair.bridge, pair.observed) for seen in side.files}
    return tuple(sorted(seen.union(pair.repo.dag_files)))


@dataclass(frozen=True, kw_only=True)
class Both:
    """A file that loaded on both sides."""

    path: str
    bridge: FileObservation
    target: FileObservation


def comparable(pair: Pair) -> Iterator[Both | Unjudged]:
    """Every file whose DAGs can be compared, and for each other one why it cannot.

    A file that works on the target only has no DAG that could be lost: it is passed over.
    """
    for observation in (pair.bridge, pair.observed):
        if observation.failure:
            yield Unjudged(path=pair.repo.dags, reason=failed_side(observation))
            return
    bridge, target = files_of(pair.bridge), files_of(pair.observed)
    for path in dag_paths(pair):
        old, new = bridge.get(path), target.get(path)
        if old is None:
            if path in pair.repo.dag_files:
                yield Unjudged(path=path, reason=unobserved(pair.bridge))
        elif old.outcome != "ok":
            cause = diagnose(Scene(pair=pair, side=Side.BRIDGE, seen=old))
            if cause.kind is Kind.SURROUNDINGS:
                yield Unjudged(path=path, reason=f"it does not load on the bridge: {cause.message}")
            elif new and new.outcome != "ok":
                yield Unjudged(path=path, reason=BROKEN_BEFORE)
        elif new is None:
            yield Unjudged(path=path, reason=unobserved(pair.observed))
        elif new.outcome != "ok":
            yield Unjudged(path=path, reason="it does not load on the target (parses-on-target)")
        else:
            yield Both(path=path, bridge=old, target=new)


def failed_side(observation: Observation) -> str:
    """Why nothing about a side can be judged."""
    return f"the {observation.side.value} could not be brought up: {observation.failure}"


def unobserved(observation: Observation) -> str:
    """Why a file cannot be judged that a side, once up, has not reported on."""
    return f"it was not observed on the {observation.side.value} (Airflow {observation.airflow})"
