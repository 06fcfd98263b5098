"""The rewritten copy of every DAG file loads on the target."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.diagnosis import diagnose, rules_for
from harness.checks.load_rules import BROKEN_ON_TARGET
from harness.checks.loads import BROKEN_BEFORE, failed_side, files_of, unobserved
from harness.checks.places import evidence
from harness.checks.scene import Kind, Scene
from harness.model import Check, FileObservation, Judged, Judgement, Pair, Severity, Side, Unjudged


def judge(pair: Pair) -> Iterator[Judgement]:
    """Judge each DAG file by what the target saw of its rewritten copy.

    A file that loads on the bridge and not here is broken by the move, whatever the cause. One
    that loads on neither side is blamed on the move only when its surroundings stopped it on the
    bridge and something that moved stops it here; what this machine alone could not install
    leaves it unjudged.
    """
    if pair.observed.failure:
        yield Unjudged(path=pair.repo.dags, reason=failed_side(pair.observed))
        return
    files = files_of(pair.observed)
    for path in sorted({*files, *pair.repo.dag_files}):
        if path not in files:
            yield Unjudged(path=path, reason=unobserved(pair.observed))
        elif files[path].outcome == "ok":
            yield Judged(path=path)
        else:
            yield from _judge_broken(pair, files[path])


def _judge_broken(pair: Pair, seen: FileObservation) -> Iterator[Judgement]:
    scene = Scene(pair=pair, side=Side.TARGET, seen=seen)
    cause = diagnose(scene)
    before = _fault_before(pair, seen.path)
    if before is Kind.OWN:
        yield Unjudged(path=seen.path, reason=BROKEN_BEFORE)
        return
    if before is Kind.SURROUNDINGS and cause.kind is not Kind.MOVE:
        yield Unjudged(path=seen.path, reason=f"it loads on neither side: {cause.message}")
        return
    yield (
        Unjudged(path=seen.path, reason=cause.message) if cause.machine else Judged(path=seen.path)
    )
    yield cause.rule.finding(
        seen.path,
        cause.message,
        severity=Severity.WARNING if cause.machine else cause.rule.severity,
        line=scene.line,
        evidence=evidence(pair, Side.TARGET, seen),
        fix=cause.fix,
        side=Side.TARGET.value,
    )


def _fault_before(pair: Pair, path: str) -> Kind | None:
    """Why the file does not load on the bridge (None = it does, or only the target has it).

    What the bridge could not look at is the fault of its surroundings.
    """
    seen = files_of(pair.bridge).get(path)
    if seen is None:
        return Kind.SURROUNDINGS if path in pair.repo.dag_files else None
    if seen.outcome == "ok":
        return None
    return diagnose(Scene(pair=pair, side=Side.BRIDGE, seen=seen)).kind


CHECK = Check(
    id="parses-on-target",
    title="Every DAG file loads on the target after the rewrite",
    why="A file that raises while it is imported takes all its DAGs with it.",
    rules=(BROKEN_ON_TARGET, *(r for r in rules_for(Side.TARGET) if r is not BROKEN_ON_TARGET)),
    judge=judge,
)
