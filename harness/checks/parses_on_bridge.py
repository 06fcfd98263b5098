"""Every DAG file loads on the bridge. What does not was broken before the move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from harness.checks.diagnosis import diagnose, rules_for
from harness.checks.load_rules import BROKEN_ON_BRIDGE, UNREADABLE_FILE
from harness.checks.loads import failed_side, files_of, unobserved
from harness.checks.places import evidence
from harness.checks.scene import Kind, Scene
from harness.model import (
    Check,
    Finding,
    Judged,
    Judgement,
    Pair,
    Severity,
    Side,
    Unjudged,
)

DAG_SUFFIXES = {".py", ".zip"}

WORDS = {
    Kind.OWN: "Already broken on the bridge.",
    Kind.SURROUNDINGS: "Cannot be judged on the bridge.",
}


def judge(pair: Pair) -> Iterator[Judgement]:
    """Judge each DAG file by what the bridge saw of it.

    A file that does not load is an error, unless it loads on the target: then nothing is lost, and
    it is a warning. When its surroundings are at fault it is unjudged besides.
    """
    yield from _unreadable(pair)
    if pair.bridge.failure:
        yield Unjudged(path=pair.repo.dags, reason=failed_side(pair.bridge))
        return
    files, target = files_of(pair.bridge), files_of(pair.observed)
    for path in sorted({*files, *pair.repo.dag_files}):
        if path not in files:
            yield Unjudged(path=path, reason=unobserved(pair.bridge))
            continue
        yield Judged(path=path)
        if files[path].outcome == "ok":
            continue
        scene = Scene(pair=pair, side=Side.BRIDGE, seen=files[path])
        cause = diagnose(scene)
        loads_on_target = path in target and target[path].outcome == "ok"
        yield cause.rule.finding(
            path,
            f"{WORDS[cause.kind]} {cause.message}",
            severity=Severity.WARNING if loads_on_target else Severity.ERROR,
            line=scene.line,
            evidence=evidence(pair, Side.BRIDGE, files[path]),
            fix=cause.fix,
            side=Side.BRIDGE.value,
        )
        if cause.kind is Kind.SURROUNDINGS:
            yield Unjudged(path=path, reason=cause.message)


def _unreadable(pair: Pair) -> Iterator[Finding]:
    """Files that were left out of both sides because they could not be read at all."""
    for path, why in sorted(pair.repo.problems.items()):
        below = PurePosixPath(path).is_relative_to(pair.repo.dags)
        counts = below and PurePosixPath(path).suffix in DAG_SUFFIXES
        lines = PurePosixPath(path).name == ".airflowignore"
        yield UNREADABLE_FILE.finding(
            path,
            f"{'Not every line counts' if lines else 'The file was left out'}: {why}",
            severity=Severity.ERROR if counts else Severity.WARNING,
            fix="Correct the line that is named, or take it out." if lines else UNREADABLE_FILE.fix,
        )


CHECK = Check(
    id="parses-on-bridge",
    title="Every DAG file loads on the bridge",
    why="Only what works today can be lost tomorrow. A file that is broken on 1.10.15 already is "
    "named here, and the move is not blamed for it.",
    rules=(BROKEN_ON_BRIDGE, *(r for r in rules_for(Side.BRIDGE) if r is not BROKEN_ON_BRIDGE)),
    judge=judge,
)
