"""The requirements file installs on both sides."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.places import original_line, source_line
from harness.model import (
    Check,
    Conflict,
    Finding,
    Judged,
    Judgement,
    Observation,
    Pair,
    Resolution,
    Rule,
    Severity,
    Side,
    Unjudged,
)
from harness.requirements.conflicts import FORMAT

CONFLICT = Rule(
    id="requirements-conflict",
    title="The requirements cannot be installed on the target",
    why="A requirement stands against a pin of the constraint file, against another requirement or "
    "against the Python version. MWAA gives up after minutes and rolls the environment back.",
    fix="Ask for a version that both ends allow, or drop the requirement; bring a constraint file "
    "of your own to the target's versions.",
    example="requests<2  # the constraints of Airflow 2.11.0 pin requests==2.32.3",
    keeps="requests",
)
CONFLICT_ON_BRIDGE = Rule(
    id="requirements-conflict-on-bridge",
    title="The requirements cannot be installed on Airflow 1.10 either",
    why="They contradict the constraints of the bridge, so the move is not what breaks them. Some "
    "of what the DAGs need is missing there, and the comparison is poorer for it.",
    fix="Make them installable on 1.10.15 first, or go by what the target says.",
    example="apache-airflow-backport-providers-amazon  # needs a newer boto3 than 1.10.15 pins",
    keeps="apache-airflow-backport-providers-http",
)
NO_REQUIREMENT = Rule(
    id="requirements-unreadable-line",
    title="A line of the requirements is no requirement",
    why="pip stops at the first line that it cannot read and installs nothing, on either side.",
    fix="Correct the line, or put a # before what is only a remark.",
    example="requests version 2",
    keeps="requests==2.32.3",
)


def judge(pair: Pair) -> Iterator[Judgement]:
    """Judge the requirements file by what the resolver said about it on each side."""
    for side, observation in ((Side.BRIDGE, pair.bridge), (Side.TARGET, pair.observed)):
        path = requirements_path(pair)
        if path and _asked(pair, side, path):
            yield from _judge_side(pair, side, observation, path)


def requirements_path(pair: Pair) -> str:
    """The requirements file: the user's, or the one that the rewrite made; "" without any."""
    if pair.repo.requirements:
        return pair.repo.requirements
    return "requirements.txt" if "requirements.txt" in pair.rewritten_texts else ""


def _asked(pair: Pair, side: Side, path: str) -> bool:
    """Whether this side has the file at all: one that only the rewrite made is the target's."""
    texts = pair.texts if side is Side.BRIDGE else pair.rewritten_texts
    return path in texts or path == pair.repo.requirements


def _judge_side(pair: Pair, side: Side, observation: Observation, path: str) -> Iterator[Judgement]:
    resolution = observation.resolution
    if resolution is None:
        if observation.failure or _text(pair, side, path).strip():
            yield Unjudged(path=path, reason=f"Nothing was resolved for {_place(pair, side)}.")
        return
    if resolution.ok is None:
        reason = resolution.message or "the resolver gave no answer"
        yield Unjudged(path=path, reason=f"{_place(pair, side)}: {reason}")
        return
    yield Judged(path=path)
    if not resolution.ok:
        yield from _conflicts(pair, side, resolution, path)
        return
    assumed = {extra.requirement for extra in pair.assumed_extras}
    for line, why in observation.not_installed.items():
        if line in assumed:
            continue  # not the user's line: inputs-complete tells it
        # MWAA may well have the compiler or the library that is missing here.
        reason = f"{_place(pair, side)}: “{line}” resolves, but was not installed here: {why}"
        yield Unjudged(path=path, reason=reason)


def _conflicts(pair: Pair, side: Side, resolution: Resolution, path: str) -> Iterator[Finding]:
    rule = CONFLICT if side is Side.TARGET else CONFLICT_ON_BRIDGE
    moved = pair.observed.resolution
    severity = Severity.ERROR
    if side is Side.BRIDGE and moved is not None and moved.ok:
        severity = Severity.WARNING  # what was broken there is well again on the target
    conflicts = resolution.conflicts or (
        Conflict(requirement=path, line=0, against="", message=resolution.message),
    )
    for conflict in conflicts:
        if conflict.against == FORMAT:
            if side is Side.TARGET or moved is None or moved.ok is not False:
                yield _no_requirement(pair, side, conflict, path)
            continue
        line = original_line(pair, side, path, conflict.line)
        against = f" conflicts with {conflict.against}" if conflict.against else " does not install"
        yield rule.finding(
            path,
            f"{conflict.requirement}{against}. {conflict.message}",
            severity=severity,
            line=line,
            evidence=source_line(pair, path, line),
            side=side.value,
        )


def _no_requirement(pair: Pair, side: Side, conflict: Conflict, path: str) -> Finding:
    """A line that both sides stumble over alike, and that is told once."""
    line = original_line(pair, side, path, conflict.line)
    return NO_REQUIREMENT.finding(
        path,
        f"“{conflict.requirement}” is no requirement: {conflict.message}",
        line=line,
        evidence=source_line(pair, path, line),
    )


def _text(pair: Pair, side: Side, path: str) -> str:
    return (pair.texts if side is Side.BRIDGE else pair.rewritten_texts).get(path, "")


def _place(pair: Pair, side: Side) -> str:
    version = pair.bridge_target if side is Side.BRIDGE else pair.target
    return f"Airflow {version.airflow} on Python {version.python}"


CHECK = Check(
    id="requirements-resolve",
    title="The requirements install on both sides",
    why="An environment whose requirements do not install keeps its old image or never starts.",
    rules=(CONFLICT, CONFLICT_ON_BRIDGE, NO_REQUIREMENT),
    judge=judge,
)
