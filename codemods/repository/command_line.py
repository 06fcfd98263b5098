"""Commands of 1.10's ``airflow`` in shell text, and what 2.x calls them: it takes no old name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from codemods.base import Edit, Migration, Note

ID = "command-line"

# Old command → new one. Source: the deprecated_subparsers of airflow/bin/cli.py (1.10.15), and
# airflow/cli/cli_config.py (2.5.1, 2.10.3 and 2.11.0).
_RENAMED: Mapping[str, str] = {
    "backfill": "dags backfill",
    "clear": "tasks clear",
    "dag_state": "dags state",
    "delete_dag": "dags delete",
    "list_dag_runs": "dags list-runs",
    "list_dags": "dags list",
    "list_tasks": "tasks list",
    "next_execution": "dags next-execution",
    "pause": "dags pause",
    "pool": "pools",
    "render": "tasks render",
    "run": "tasks run",
    "show_dag": "dags show",
    "task_failed_deps": "tasks failed-deps",
    "task_state": "tasks state",
    "test": "tasks test",
    "trigger_dag": "dags trigger",
    "unpause": "dags unpause",
    "variables": "variables",
}
# What MWAA does itself, or has nothing for.
_ITS_OWN = {
    "checkdb",
    "create_user",
    "delete_user",
    "flower",
    "initdb",
    "list_users",
    "resetdb",
    "rotate_fernet_key",
    "shell",
    "sync_perm",
    "upgradedb",
    "worker",
}
# Options that are commands now, and those whose name is another; the long ones have hyphens.
_ACTIONS = {
    "--delete": "delete",
    "--export": "export",
    "--get": "get",
    "--import": "import",
    "--set": "set",
    "-e": "export",
    "-g": "get",
    "-i": "import",
    "-s": "set",
    "-x": "delete",
}
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "": {"-sd": "-S"},
    "backfill": {"-dr": "-n"},
    "clear": {"-c": "-y", "--no_confirm": "--yes", "-xp": "-X", "-dx": "-R"},
    "run": {"-int": "-N"},
    "test": {"-dr": "-n", "-tp": "-t", "-pm": "-m"},
}
_KNOWN = "|".join(sorted({*_RENAMED, *_ITS_OWN, "connections"}, key=len, reverse=True))
_GAP = r"(?:[ \t]|\\\n)+"
_COMMAND = re.compile(rf"(?<![\w-])airflow{_GAP}(?P<command>{_KNOWN})(?![\w.=-])")
_LISTED = re.compile(rf"[\"']airflow[\"'],\s*[\"'](?:{_KNOWN})[\"']")
_REST = re.compile(r"(?:\\\n|\\(?![\nn])|[^\n;|&\\])*")  # up to the end of the command
_WORD = re.compile(r"(?<!\S)-{1,2}[A-Za-z_]+(?![\w-])")
# Where a command can begin, in shell text and in the literal that holds it.
_BEGIN = re.compile(
    r"(?:^[ \t]*(?:\w{0,2}(?:\"{3}|'{3}|[\"']))?|[;&|(`{}]|\\n|"
    r"\b(?:do|then|else|if|exec|sudo|nohup)[ \t])[ \t]*(?:[\w./~$-]*/)?$"
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A command in a text: the spans that change with what stands there now, or ``advice``."""

    start: int
    old: str
    parts: tuple[tuple[int, int, str], ...] = ()
    advice: str = ""

    @property
    def message(self) -> str:
        return f"Airflow 2 has no command `airflow {self.old}`"


def mentions(text: str) -> bool:
    """Whether a text may hold such a command."""
    return _COMMAND.search(text) is not None or _LISTED.search(text) is not None


def commands(text: str, *, run: bool) -> Iterator[Found]:
    """The commands of 1.10 in a text; one that may be prose counts in shell text only, and
    there where a command can begin."""
    for match in _COMMAND.finditer(text):
        old = match["command"]
        before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if "_" not in old and not old.endswith("db") and not (run and _BEGIN.search(before)):
            continue
        start, end = match.span("command")
        rest = _REST.match(text, end)
        last = rest.end() if rest is not None else end
        yield from _found(old, text, start, end, last)


def _found(old: str, text: str, start: int, end: int, last: int) -> Iterator[Found]:
    rest = text[end:last]
    first = rest.split(maxsplit=1)[0] if rest.strip() else ""
    if old in _ITS_OWN:
        advice = "MWAA keeps the database, the users and the workers itself: take the command out"
        yield Found(start=start, old=old, advice=advice)
    elif old == "connections":
        if first.startswith("-"):
            advice = "Write `airflow connections list`, `add ID --conn-uri URI` or `delete ID`"
            yield Found(start=start, old=f"{old} {first}", advice=advice)
    elif old in ("pool", "variables"):
        new = _RENAMED[old]
        at = end + rest.find(first)
        if first in _ACTIONS:
            parts = ((start, end, new), (at, at + len(first), _ACTIONS[first]))
            yield Found(start=start, old=f"{old} {first}", parts=parts)
        elif first.startswith("-"):
            advice = f"Write `airflow {new}` with get, set, delete, import or export"
            yield Found(start=start, old=f"{old} {first}", advice=advice)
    else:
        options = [
            (end + word.start(), end + word.end(), new)
            for word in _WORD.finditer(rest)
            if (new := option(old, word[0])) != word[0]
        ]
        yield Found(start=start, old=old, parts=((start, end, _RENAMED[old]), *options))


def words(old: str) -> tuple[str, ...]:
    """The new words of an old command that is a list's second element; () = none."""
    return () if old in ("pool", "variables") else tuple(_RENAMED.get(old, "").split())


def option(command: str, name: str) -> str:
    """What an option of an old command is called now."""
    renamed = {**_OPTIONS[""], **_OPTIONS.get(command, {})}
    return renamed.get(name) or (name.replace("_", "-") if name.startswith("--") else name)


def rewrite_shell(text: str) -> Migration:
    """A whole file of shell text."""
    found = list(commands(text, run=True))
    lines = [text.count("\n", 0, place.start) + 1 for place in found]
    new = text
    for start, end, code in sorted((p for f in found for p in f.parts), reverse=True):
        new = new[:start] + code + new[end:]
    return Migration(
        text=new if new != text else None,
        edits=tuple(
            Edit(rule=ID, line=line, message=place.message)
            for place, line in zip(found, lines, strict=True)
            if place.parts
        ),
        notes=tuple(
            Note(rule=ID, line=line, column=0, message=place.message, fix=place.advice)
            for place, line in zip(found, lines, strict=True)
            if not place.parts
        ),
    )
