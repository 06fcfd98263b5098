"""Dotted paths of Airflow's classes where no import stands: strings of code, and configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass

from codemods.base import Edit, Migration, Note
from codemods.tables.constructors import baseline
from codemods.tables.hops import CORE, Resolution, distribution_of
from codemods.tables.target import Target

MOVED, REMOVED = "moved-import", "removed-import"
# A colon may stand before the class, as for an entry point.
_PATH = re.compile(
    r"(?<![\w.$/\\-])airflow(?:\.[A-Za-z_]\w*){2,}(?::[A-Za-z_]\w*)?(?![\w/\\-]|\.\w)"
)
_COMMENT = re.compile(r"\s*(?:#|;|//)")
_TASK = "airflow.models.baseoperator.BaseOperator"


@dataclass(frozen=True, kw_only=True)
class End:
    """Where a path goes: ``path`` is it on the target, by ``by``; ``advice`` is why it cannot."""

    path: str
    by: Resolution | None = None
    advice: str = ""


def path_end(target: Target, value: str) -> End:
    """The end of a path, an attribute of a class or module behind it included."""
    parts = value.split(".")
    for length in range(len(parts), 2, -1):
        resolution = target.resolve(".".join(parts[:length]))
        if resolution.removed is not None:
            return End(path=value, by=resolution, advice=resolution.removed.advice)
        if resolution.moved:
            return End(path=".".join([resolution.path, *parts[length:]]), by=resolution)
        if resolution.warns:
            return End(path=value, by=resolution)
        if resolution.hops:
            break
    return End(path=value)


def rewrite_class_paths(text: str, target: Target) -> Migration:
    """Every 1.10 path of a text at its home on the target; arguments beside it are told of, and
    what has no home. Comments stay as they are."""
    edits: list[Edit] = []
    notes: list[Note] = []
    needs: set[str] = set()
    lines = text.split("\n")

    def note(rule: str, line: int, column: int, message: str, fix: str) -> None:
        fix = fix[:1].upper() + fix[1:]
        notes.append(Note(rule=rule, line=line, column=column, message=message, fix=fix))

    for number, row in enumerate(lines, 1):
        if "airflow." not in row or _COMMENT.match(row):
            continue
        pieces, at = [], 0
        for match in _PATH.finditer(row):
            path = match[0].replace(":", ".")
            end = path_end(target, path)
            if end.advice:
                said = f"{path} does not exist on the target"
                note(REMOVED, number, match.start(), said, end.advice)
            if end.path == path or end.by is None:
                continue
            needs.add(distribution_of(end.by.path))
            edits.append(Edit(rule=MOVED, line=number, message=f"{path} is {end.path}"))
            if lost := _lost(end.by, target):
                said = f"{end.path} does not take {', '.join(lost)}, as {path} did"
                advice = "look at the arguments that are given beside the path, and rename them"
                note(MOVED, number, match.start(), said, advice)
            head, _, last = end.path.rpartition(".")
            pieces += [row[at : match.start()], f"{head}:{last}" if ":" in match[0] else end.path]
            at = match.end()
        lines[number - 1] = "".join([*pieces, row[at:]])
    new = "\n".join(lines)
    return Migration(
        text=new if new != text else None,
        edits=tuple(edits),
        notes=tuple(notes),
        needs=tuple(sorted(needs - {"", CORE})),
    )


def _lost(resolution: Resolution, target: Target) -> list[str]:
    """What the class of another name does not take of the arguments of the old one."""
    old = baseline().signature(resolution.start)
    new = target.constructors.signature(resolution.path)
    task = baseline().signature(_TASK)
    same = resolution.start.rpartition(".")[2] == resolution.path.rpartition(".")[2]
    if old is None or new is None or task is None or same:
        return []
    return sorted(old.accepts - new.accepts - task.accepts - {"xcom_push"})
