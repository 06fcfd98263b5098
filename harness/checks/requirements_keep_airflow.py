"""Installing the requirements leaves Airflow and the image's essential distributions alone."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.places import original_line, source_line
from harness.checks.requirements import requirements_path
from harness.model import (
    Check,
    Judged,
    Judgement,
    Pair,
    Resolution,
    Rule,
    Severity,
    Side,
    Unjudged,
)
from harness.requirements.parse import parse

AIRFLOW_CHANGED = Rule(
    id="requirements-change-airflow",
    title="The requirements would replace Airflow",
    why="Without constraints pip takes another Airflow when a requirement asks for it. The "
    "metadata database is then of the wrong version, and the environment has to be made anew.",
    fix="Name the constraint file of the target in a --constraint line, and ask for providers in "
    "the versions it pins.",
    example="apache-airflow-providers-snowflake  # without a constraint line, on 2.5.1",
    keeps="apache-airflow-providers-snowflake==4.0.2",
)
IMAGE_CHANGED = Rule(
    id="requirements-change-image",
    title="The requirements would replace a distribution of the image",
    why="MWAA's own parts and the preinstalled providers were tested with the image's versions.",
    fix="Drop the pin, or ask for the version of the constraints.",
    severity=Severity.WARNING,
    example="boto3==1.40.0",
    keeps="boto3",
)


def judge(pair: Pair) -> Iterator[Judgement]:
    """Judge what the resolver would install on the target against what the image has."""
    path = requirements_path(pair)
    resolution = pair.observed.resolution
    if not path or path not in {*pair.rewritten_texts, pair.repo.requirements}:
        return
    if resolution is None:
        if pair.rewritten_texts.get(path, "").strip():
            yield Unjudged(path=path, reason="Nothing was resolved for the target.")
        return
    if resolution.ok is False:
        yield from _refused(pair, resolution, path)
        return
    if not resolution.pins and not resolution.ok:
        yield Unjudged(path=path, reason=resolution.message or "The resolver gave no answer.")
        return
    yield Judged(path=path)
    lines = {line.name: line.number for line in parse(pair.rewritten_texts.get(path, ""))}
    for name, (image, wanted) in resolution.changed.items():
        line = original_line(pair, Side.TARGET, path, lines.get(name, 0))
        rule = AIRFLOW_CHANGED if _is_essential(pair, name) else IMAGE_CHANGED
        asked = "" if name in lines else " (asked for by another requirement)"
        yield rule.finding(
            path,
            f"{name} goes from {image}, the image's version, to {wanted}{asked}.",
            line=line,
            evidence=source_line(pair, path, line),
            side=Side.TARGET.value,
        )


def _refused(pair: Pair, resolution: Resolution, path: str) -> Iterator[Judgement]:
    """What does not install replaces nothing; but an attempt on Airflow is called one."""
    attempts = [
        conflict
        for conflict in resolution.conflicts
        if _is_essential(pair, conflict.against.partition("==")[0])
    ]
    if not attempts:
        reason = "What would be installed is not known: the requirements did not resolve."
        yield Unjudged(path=path, reason=reason)
        return
    yield Judged(path=path)
    for conflict in attempts:
        line = original_line(pair, Side.TARGET, path, conflict.line)
        yield AIRFLOW_CHANGED.finding(
            path,
            f"{conflict.requirement} asks for another version than {conflict.against}, which MWAA "
            "keeps.",
            line=line,
            evidence=source_line(pair, path, line),
            side=Side.TARGET.value,
        )


def _is_essential(pair: Pair, name: str) -> bool:
    return name == "apache-airflow" or name in pair.target.essential


CHECK = Check(
    id="requirements-keep-airflow",
    title="The requirements leave Airflow alone",
    why="What MWAA runs on is not the requirements' to choose.",
    rules=(AIRFLOW_CHANGED, IMAGE_CHANGED),
    judge=judge,
)
