"""What ``targets``, ``doctor`` and ``requirements resolve`` print: values in, lines out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from harness.doctor import Diagnosis
from harness.model import Resolution
from harness.targets import default_bridge, default_target, load_targets

if TYPE_CHECKING:
    from harness.containers.pair import Member


def target_lines() -> Iterator[str]:
    """One line per Airflow version, newest last; the defaults are marked."""
    marks = {default_bridge().airflow: "default bridge", default_target().airflow: "default target"}
    yield f"{'airflow':<9} {'python':<7} {'side':<7} {'on MWAA':<14} {'released':<11}"
    for row in load_targets():
        mark = marks.get(row.airflow, "")
        yield (
            f"{row.airflow:<9} {row.python:<7} {row.role:<7} {row.mwaa:<14} "
            f"{row.released:<11} {mark}"
        ).rstrip()


def diagnosis_lines(diagnoses: Iterable[Diagnosis]) -> Iterator[str]:
    """One line per thing looked at, and a hint below what is missing."""
    for entry in diagnoses:
        yield f"{'ok' if entry.ok else 'MISSING':<8} {entry.name:<22} {entry.detail}"
        if not entry.ok and entry.hint:
            yield f"{'':<8} → {entry.hint}"


def resolution_lines(resolution: Resolution) -> Iterator[str]:
    """The answer, then every conflict with both its ends, then what the image would lose."""
    answer = {True: "can be installed", False: "cannot be installed", None: "could not be judged"}
    yield f"{resolution.judge}: the requirements {answer[resolution.ok]}"
    if resolution.message:
        yield resolution.message
    for conflict in resolution.conflicts:
        place = f"line {conflict.line}: " if conflict.line else ""
        yield f"  {place}{conflict.requirement} against {conflict.against}: {conflict.message}"
    for name, (image, wanted) in sorted(resolution.changed.items()):
        yield f"  {name}: the image has {image}, the requirements bring {wanted}"


def member_lines(members: Iterable[Member]) -> Iterator[str]:
    """One line per container of the pair: what it is, how it does, where and how to log in."""
    empty = True
    for member in members:
        empty = False
        mark = "ok" if member.healthy else "--"
        yield f"{mark}  {member.service:<10} {member.about:<28} {member.state}"
        if member.url:
            login = f"   log in: {member.login}" if member.login else ""
            yield f"    {'':<10} {member.url}{login}"
    if empty:
        yield "no pair is up; `mwaa-harness up` starts one"
