"""What the rewrite could not do by itself is said, and not only where a file fails to load."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.loads import files_of
from harness.checks.places import original_line, source_line
from harness.model import (
    Check,
    Finding,
    Judged,
    Judgement,
    Pair,
    Rewrite,
    RewriteNote,
    Rule,
    Severity,
    Side,
)
from harness.requirements.rewrite import CONSTRAINT, UNASKED
from harness.requirements.rewrite import RULES as REQUIREMENT_RULES

NOT_REWRITTEN = Rule(
    id="not-rewritten",
    title="The codemods could not read a file",
    why="The target gets the file as it is, so its old imports and arguments are still in it.",
    fix="Mend the line that is named, or make the changes of the move by hand.",
    severity=Severity.WARNING,
    example='print "rows: %d" % total',
    keeps='print("rows: %d" % total)',
)


def judge(pair: Pair) -> Iterator[Judgement]:
    """Judge each file that the rewrite had something to say about.

    A note at a line that another check reports already – the file stops there on the target, or
    Airflow warns there – is that check's to show; it quotes the note as the way out. So is a
    constraint line: ``mwaa-rules`` reads the rewritten file.
    """
    taken = set(_reported_places(pair))
    broken = {path for path, seen in files_of(pair.bridge).items() if seen.outcome != "ok"}
    for rewrite in pair.rewrites:
        yield Judged(path=rewrite.path)
        if rewrite.error and rewrite.path not in broken:
            yield _not_rewritten(pair, rewrite)
        for note in rewrite.notes:
            if note.rule != CONSTRAINT.id and (rewrite.path, note.line) not in taken:
                yield _left(pair, rewrite, note)


def _reported_places(pair: Pair) -> Iterator[tuple[str, int]]:
    """(path, line of the original) of what the target stumbled over or warned about."""
    for path, seen in files_of(pair.observed).items():
        for warning in seen.warnings:
            where = warning.path or path
            yield where, original_line(pair, Side.TARGET, where, warning.line)
        for frame in seen.error.frames if seen.error else ():
            if frame.own:
                yield frame.path, original_line(pair, Side.TARGET, frame.path, frame.line)
    resolution, requirements = pair.observed.resolution, pair.repo.requirements or ""
    for conflict in resolution.conflicts if resolution else ():
        yield requirements, original_line(pair, Side.TARGET, requirements, conflict.line)


def _not_rewritten(pair: Pair, rewrite: Rewrite) -> Finding:
    head, _, reason = rewrite.error.partition(": ")
    number = head.removeprefix("line ")
    line = int(number) if head.startswith("line ") and number.isdigit() else 0
    return NOT_REWRITTEN.finding(
        rewrite.path,
        f"The codemods left the file as it is: {reason if line else rewrite.error}",
        line=line,
        evidence=source_line(pair, rewrite.path, line),
    )


def _left(pair: Pair, rewrite: Rewrite, note: RewriteNote) -> Finding:
    return Finding(
        rule=note.rule,
        path=rewrite.path,
        line=note.line,
        column=note.column,
        message=note.message,
        fix=note.fix,
        severity=Severity.WARNING,
        evidence=source_line(pair, rewrite.path, note.line),
    )


CHECK = Check(
    id="rewrite-complete",
    title="Nothing of the move is left to do by hand",
    why="Not all that breaks does so while a DAG is parsed: an argument whose meaning changed or a "
    "callable that reads what is no longer there fails when the task runs. Each codemod names "
    "such places under its own id.",
    rules=(NOT_REWRITTEN, *REQUIREMENT_RULES, UNASKED),
    judge=judge,
)
