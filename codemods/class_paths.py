"""Dotted paths of Airflow's classes in configuration: YAML that DAGs are made of, and the like."""

from __future__ import annotations

import re

from codemods.base import Edit, Migration, Note
from codemods.constructors import baseline
from codemods.hops import CORE, Resolution, distribution_of
from codemods.target import Target

MOVED, REMOVED = "moved-import", "removed-import"
_PATH = re.compile(r"(?<![\w./-])airflow(?:\.[A-Za-z_]\w*){2,}(?![\w./-])")
_TASK = "airflow.models.baseoperator.BaseOperator"


def rewrite_class_paths(text: str, target: Target) -> Migration:
    """Every 1.10 path of a text at its home on the target; arguments beside it are told of."""
    edits: list[Edit] = []
    notes: list[Note] = []
    needs: set[str] = set()

    def home(match: re.Match[str]) -> str:
        path = match[0]
        resolution = target.resolve(path)
        line = text.count("\n", 0, match.start()) + 1
        column = match.start() - text.rfind("\n", 0, match.start()) - 1
        if resolution.removed is not None and baseline().signature(path) is not None:
            advice = resolution.removed.advice
            said, fix = f"{path} does not exist on the target", advice[:1].upper() + advice[1:]
            notes.append(Note(rule=REMOVED, line=line, column=column, message=said, fix=fix))
        if not resolution.moved:
            return path
        needs.add(distribution_of(resolution.path))
        edits.append(Edit(rule=MOVED, line=line, message=f"{path} is {resolution.path}"))
        lost = _lost(resolution, target)
        if lost:
            said = f"{resolution.path} does not take {', '.join(lost)}, as {path} did"
            fix = "Look at the arguments that are given beside the path, and rename them"
            notes.append(Note(rule=MOVED, line=line, column=column, message=said, fix=fix))
        return resolution.path

    new = _PATH.sub(home, text)
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
