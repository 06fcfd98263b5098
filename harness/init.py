"""What ``mwaa-harness init`` writes into a DAG repository: configuration, tox, pre-commit, CI.

``init`` plans and touches nothing; ``write`` carries the plan out. A file that is there is never
replaced unless that is asked for: something is appended where the format allows it, and shown as
a step to do by hand where it does not. Running it again changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from harness.config import OWN_FILE, SHARED_FILE, configurable, load_config, read_table
from harness.errors import HarnessError
from harness.files import write_atomically
from harness.model import Config, Need
from harness.needs.find import find_needs
from harness.repo import load
from harness.report.base import visible
from harness.seeds import seed_environment
from harness.targets import default_target, get_target

TEMPLATES = Path(__file__).parent / "data" / "init"
DATA_FILES: Mapping[str, tuple[str, str]] = {
    "variable": ("variables", "variables.json"),
    "connection": ("connections", "connections.json"),
    "env": ("env", "mwaa-harness.env"),
}
"""Kind of need → the configuration's key and the file that ``init`` gives it."""


class Action(StrEnum):
    """What becomes of a file: made, added to, left as it is, or left to the user."""

    CREATE = "create"
    APPEND = "append"
    KEEP = "keep"
    MANUAL = "manual"


@dataclass(frozen=True, kw_only=True)
class InitFile:
    """One file of the plan, ``path`` below ``root``. ``text`` is the whole of a new file, what is
    appended, or what to add by hand; ``forced`` is what replaces a file of ours when that is asked
    for ("" = never)."""

    root: Path
    path: str
    action: Action
    text: str = ""
    forced: str = ""


def init(repo_root: Path, targets: Sequence[str] = ()) -> tuple[InitFile, ...]:
    """The plan for the repository at ``repo_root``; nothing is written.

    Raises UsageError for a folder without DAGs, a broken configuration or an unknown target.
    """
    config = load_config(repo_root)
    repo = load(repo_root, config=config)
    needs = find_needs(repo)
    missing = seed_environment(replace(config, assume_missing=True), needs).assumed
    versions = [get_target(version).airflow for version in targets]
    data = [_data_file(repo.root, kind, missing) for kind in DATA_FILES]
    return (
        _configuration(repo.root, config, versions or [default_target().airflow], needs),
        *(file for file in data if file is not None),
        _tox(repo.root),
        _pre_commit(repo.root),
        _workflow(repo.root),
    )


def write(plan: Sequence[InitFile], *, force: bool = False) -> Iterator[str]:
    """Carry out a plan; a line for each file says what was done or is left to do.

    Raises HarnessError when a file cannot be written, and before any is when one leads out of the
    repository.
    """
    for file in plan:
        place = (file.root / file.path).resolve()
        if not place.is_relative_to(file.root.resolve()):
            raise HarnessError(
                f"{file.path} leads out of the repository, to {place}: nothing was written.",
                hint="Put a file of its own in the link's place.",
            )
    for file in plan:
        path = file.root / file.path
        forced = bool(force and file.forced and file.action is not Action.CREATE)
        try:
            if forced:
                write_atomically(path.resolve(), file.forced.encode("utf-8"))
            elif file.action in _MODES:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open(_MODES[file.action], encoding="utf-8") as stream:
                    stream.write(file.text)
        except OSError as error:
            raise HarnessError(
                f"Cannot write {path}: {error.strerror}.",
                hint="Make the folder writable, or remove what is in the way.",
            ) from error
        yield from _report(file, forced=forced)


_MODES: Mapping[Action, str] = {Action.CREATE: "x", Action.APPEND: "a"}
"""“x” refuses a file that has come into being since the plan was made."""


def _report(file: InitFile, *, forced: bool) -> Iterator[str]:
    done = "replaced" if forced else _DONE[file.action]
    yield f"{done:>21}  {file.path}"
    if file.action is Action.MANUAL and not forced:
        yield from (f"{'':>25}{line}".rstrip() for line in file.text.splitlines())


_DONE: Mapping[Action, str] = {
    Action.CREATE: "created",
    Action.APPEND: "added to",
    Action.KEEP: "left as it is",
    Action.MANUAL: "to do by hand: add to",
}


# ------------------------------------------------------------------- configuration and its data


def _configuration(
    root: Path, config: Config, targets: Sequence[str], needs: Sequence[Need]
) -> InitFile:
    kinds = {need.kind for need in needs if not need.optional}
    lines = [
        f"{key} = {json.dumps(name)}" for kind, (key, name) in DATA_FILES.items() if kind in kinds
    ]
    fresh = Template((TEMPLATES / OWN_FILE).read_text("utf-8")).substitute(
        targets=json.dumps(list(targets))
    )
    fresh += "".join(f"{line}\n" for line in (*lines, *_spared(needs)))
    if not config.source:
        return InitFile(root=root, path=OWN_FILE, action=Action.CREATE, text=fresh)
    configured = (root / config.source).read_text("utf-8")
    lacking = [line for line in lines if not _has_key(configured, line.partition(" ")[0])]
    return InitFile(
        root=root,
        path=config.source,
        action=Action.MANUAL if lacking else Action.KEEP,
        text="\n".join(lacking),
        forced="" if config.source == SHARED_FILE else fresh,
    )


def _has_key(text: str, key: str) -> bool:
    return (
        re.search(rf"^[ \t]*(?:\[(?:tool\.mwaa-harness\.)?{key}\]|{key}\s*=)", text, re.M)
        is not None
    )


def _spared(needs: Sequence[Need]) -> Iterator[str]:
    """Comments that name what is read and not missed when the files are loaded."""
    missed = {(need.kind, need.name) for need in needs if not need.optional}
    spared = {(need.kind, need.name) for need in needs} - missed
    if spared:
        yield "\n# Read too, but with a default of the code's own, or only when a task runs:"
    for kind, (key, _) in DATA_FILES.items():
        names = sorted(name for of, name in spared if of == kind)
        if names:
            listed = visible(", ".join(names)).replace("\n", "\\n")  # a comment is one line
            yield f"# {key}: {listed}"


def _data_file(root: Path, kind: str, missing: Sequence[Need]) -> InitFile | None:
    """The file with an entry for each missing need of one kind; None when nothing is missing."""
    name = DATA_FILES[kind][1]
    present = _entries(root / name)
    wanted = list(_lacking(kind, missing, present))
    if not wanted:
        return None
    exists = (root / name).exists()
    if kind == "env":
        text = "".join(f"{need.name}={json.dumps(need.sample)}\n" for need in wanted)
        if exists:
            text = _newline(root / name) + text
        action = Action.APPEND if exists else Action.CREATE
        return InitFile(root=root, path=name, action=action, text=text)
    entry = _variable if kind == "variable" else _connection
    entries = {need.name: entry(need) for need in wanted}
    return InitFile(
        root=root,
        path=name,
        action=Action.MANUAL if exists else Action.CREATE,
        text=_json(entries),
        forced=_json({**present, **entries}),
    )


def _lacking(kind: str, missing: Sequence[Need], present: Mapping[str, Any]) -> Iterator[Need]:
    """The needs of one kind that can be configured and are not. Airflow cannot tell names apart
    that differ in case only: the first of them stands."""
    fold = str if kind == "env" else str.upper
    seen = {fold(name) for name in present}
    for need in missing:
        if need.kind == kind and configurable(kind, need.name) and fold(need.name) not in seen:
            seen.add(fold(need.name))
            yield need


def _entries(path: Path) -> dict[str, Any]:
    """What an earlier file of ours holds already; an error for one that cannot be read."""
    return dict(read_table(path)) if path.is_file() else {}


def _json(table: Mapping[str, Any]) -> str:
    return json.dumps(table, indent=4, ensure_ascii=False) + "\n"


def _variable(need: Need) -> Any:
    return json.loads(need.sample) if need.shape == "json" else need.sample


def _connection(need: Need) -> dict[str, Any]:
    """The placeholder as ``airflow connections export`` would write it."""
    parts = urlsplit(need.sample)
    return {
        "conn_type": parts.scheme,
        "host": parts.hostname,
        "login": parts.username,
        "password": parts.password,
        "schema": parts.path[1:],
        "port": parts.port,
        "extra": dict(parse_qsl(parts.query)),
    }


# ------------------------------------------------------------------------------ tox, pre-commit, CI


def _tox(root: Path) -> InitFile:
    section = (TEMPLATES / "tox.ini").read_text("utf-8")
    path = root / "tox.ini"
    if path.is_file():
        if section.splitlines()[0] in path.read_text("utf-8", "replace"):
            return InitFile(root=root, path="tox.ini", action=Action.KEEP)
        text = f"{_newline(path)}\n{section}"
        return InitFile(root=root, path="tox.ini", action=Action.APPEND, text=text)
    for name, mark in ((SHARED_FILE, "[tool.tox"), ("setup.cfg", "[tox:tox]"), ("tox.toml", "")):
        other = root / name
        if other.is_file() and mark in other.read_text("utf-8", "replace"):
            # tox reads one file only: it would no longer see this one beside a new tox.ini
            return InitFile(root=root, path=name, action=Action.MANUAL, text=section)
    text = f"[tox]\nenv_list = mwaa\nno_package = true\n\n{section}"
    return InitFile(root=root, path="tox.ini", action=Action.CREATE, text=text)


def _pre_commit(root: Path) -> InitFile:
    name = ".pre-commit-config.yaml"
    entry = (TEMPLATES / "pre-commit.yaml").read_text("utf-8")
    path = root / name
    if not path.is_file():
        return InitFile(root=root, path=name, action=Action.CREATE, text=f"repos:\n{entry}")
    text = path.read_text("utf-8", "replace")
    if "id: mwaa-harness" in text:
        return InitFile(root=root, path=name, action=Action.KEEP)
    indent = _repos_indent(text.splitlines())
    if indent is None:
        return InitFile(root=root, path=name, action=Action.MANUAL, text=entry)
    lines = "".join(f"{indent}{line}\n" for line in entry.splitlines())
    return InitFile(root=root, path=name, action=Action.APPEND, text=_newline(path) + lines)


def _repos_indent(lines: Sequence[str]) -> str | None:
    """How far the entries of ``repos:`` are indented, when it is the last key of the file and
    written a line an entry; else None: then nothing can be appended safely."""
    keys = [n for n, line in enumerate(lines) if line[:1] not in ("", " ", "\t", "#", "-")]
    if not keys or not re.fullmatch(r"repos:\s*(#.*)?", lines[keys[-1]]):
        return None
    below = [line for line in lines[keys[-1] + 1 :] if not re.match(r"\s*(#|$)", line)]
    first = re.match(r" *(?=- )", below[0]) if below else None
    return first[0] if first else None


def _workflow(root: Path) -> InitFile:
    name = ".github/workflows/mwaa-harness.yml"
    text = (TEMPLATES / "workflow.yml").read_text("utf-8")
    action = Action.KEEP if (root / name).exists() else Action.CREATE
    return InitFile(root=root, path=name, action=action, text=text, forced=text)


def _newline(path: Path) -> str:
    """What must come before an addition so that it starts on a line of its own."""
    text = path.read_bytes()
    return "" if not text or text.endswith(b"\n") else "\n"
