"""Would the requirements install? One text, one side, one answer."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from packaging.utils import canonicalize_version
from packaging.version import Version

from harness.errors import HarnessError
from harness.files import write_atomically
from harness.model import Conflict, Constraints, Repo, Resolution, Side, Target
from harness.requirements.applied import Applied, applied_constraints
from harness.requirements.conflicts import FORMAT, Pin, Root, Setting
from harness.requirements.install import airflow_of_bridge
from harness.requirements.judges import (
    ALLOWED,
    OUTPUT,
    PASSED,
    SOURCE,
    Answer,
    Question,
    ask_pip_tools,
    ask_uv,
    pip_tools_for,
    python_version,
)
from harness.requirements.parse import Line, parse
from harness.requirements.sources import (
    Problem,
    SourceFile,
    Tree,
    disk_tree,
    gather,
    is_remote,
    located,
    official_version,
)

# The index grows: an answer is good for a day. A newer release rarely changes it under constraints,
# but "rarely" is not "never", and a day is how long a wrong green may live. Offline, any age does.
FRESH_SECONDS = 24 * 3600.0
_SCHEMA = 5


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """The rendered files by name (line numbers kept), and how to read the answer."""

    files: Mapping[str, str]
    roots: Mapping[tuple[str, int], Root]
    pins: Mapping[str, tuple[Pin, ...]]
    problems: tuple[Problem, ...]
    invalid: tuple[Conflict, ...]
    torn: tuple[Conflict, ...]


def resolve(
    text: str,
    *,
    side: Side,
    target: Target,
    constraints: Constraints,
    python: Path,
    cache: Path,
    judge: str = "pip-tools",
    extra: Iterable[str] = (),
    offline: bool = False,
    on_progress: Callable[[str], None] | None = None,
    repo: Repo | None = None,
    timeout: float = 300.0,
) -> Resolution:
    """Whether the requirements file ``text`` installs on one side, as MWAA would install it.

    In: the file; the side's Airflow version and Airflow's own constraints for it; the side's
    interpreter; a cache folder; further requirement lines of the configuration; the repository
    that the file's paths lead into (its root must be readable). ``judge`` "uv" answers in
    seconds, "pip-tools" runs pip's own resolver in the side's Python and decides.

    Out: ``ok`` None when the package index could not be reached, a file named by the requirements
    is missing, a source distribution does not build here, or time ran out – ``message`` says
    which. uv helps pip-tools twice: it proposes which versions of the image stay (pip keeps what
    is installed when it fits, pip-tools cannot know what is), and its proof of impossibility
    counts when pip-tools gave no answer (``judge`` of the answer says whose it is). Answers are
    cached by content for a day.
    """
    started = time.monotonic()
    report = on_progress or (lambda _step: None)
    tree = disk_tree(repo, path="requirements.txt")
    plan = _plan(text, target=target, constraints=constraints, tree=tree, extra=tuple(extra))
    try:
        version = python_version(python)
        tools = pip_tools_for(version).pip_tools if judge == "pip-tools" else "uv"
        key = _key(plan, judge, tools, version, target)
        entry = cache / "resolutions" / f"{key}.json"
        if (known := _cached(entry, any_age=offline)) is not None:
            return replace(known, cached=True, seconds=time.monotonic() - started)
        (cache / "work").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache / "work", prefix=f"{side}-") as folder:
            question = Question(
                folder=Path(folder),
                python=python,
                setting=Setting(roots=plan.roots, pins=plan.pins, python=version),
                cache=cache,
                timeout=timeout,
                offline=offline,
            )
            report("uv")
            preferred = _preferred(question, target, constraints)
            lines = "".join(f"{name}=={version}\n" for name, version in preferred.items())
            allowed = "".join(_prereleases(preferred))
            _write(question.folder, {**plan.files, OUTPUT: lines, ALLOWED: allowed})
            answer, by = ask_uv(question), "uv"
            if judge == "pip-tools":
                report("pip-tools")
                answer, by = _decide(answer, question, plan, preferred)
    except HarnessError as error:
        return Resolution(judge=judge, ok=None, message=str(error))
    if not answer.ok and plan.invalid:
        # A resolver stops at the first line that it cannot read, and each of them is to be mended.
        told = {conflict.line for conflict in plan.invalid if conflict.line}
        others = (conflict for conflict in answer.conflicts if conflict.line not in told)
        answer = replace(answer, ok=False, conflicts=(*plan.invalid, *others))
    if answer.ok is False and plan.torn:
        # A resolver blames whatever needs such a distribution first, Airflow itself as a rule.
        others = (conflict for conflict in answer.conflicts if conflict.line)
        answer = replace(answer, conflicts=(*plan.torn, *others))
    resolution = Resolution(
        judge=by,
        ok=None if answer.ok and plan.problems else answer.ok,
        pins=dict(answer.pins),
        conflicts=answer.conflicts,
        changed=_changed(answer.pins, target, constraints),
        message=" ".join([*(problem.message for problem in plan.problems), answer.message]).strip(),
        seconds=time.monotonic() - started,
    )
    if resolution.ok is not None:
        _store(entry, resolution)
    return resolution


def _decide(
    proposal: Answer, question: Question, plan: _Plan, preferred: Mapping[str, str]
) -> tuple[Answer, str]:
    """pip-tools' answer, and whose it is in the end."""
    kept = {name: pin for name, pin in preferred.items() if proposal.pins.get(name) == pin}
    if kept:
        lines = "".join(f"{name}=={pin}\n" for name, pin in kept.items())
        (question.folder / "kept.txt").write_text(lines, encoding="utf-8")
        main = f"{plan.files[SOURCE]}-c kept.txt\n"
        (question.folder / SOURCE).write_text(main, encoding="utf-8")
        answer = ask_pip_tools(question)
        if answer.ok is not False:
            return answer, "pip-tools"
        # What stays was uv's idea: without it pip may still find a way.
        (question.folder / SOURCE).write_text(plan.files[SOURCE], encoding="utf-8")
    answer = ask_pip_tools(question)
    if answer.ok is None and proposal.ok is False:
        return replace(proposal, message=answer.message), "uv"
    if answer.ok is False and not any(conflict.line for conflict in answer.conflicts):
        # pip names the last thing it tried, which may be far from the file; uv's proof ends in it.
        return replace(answer, conflicts=proposal.conflicts or answer.conflicts), "pip-tools"
    return answer, "pip-tools"


def _plan(
    text: str, *, target: Target, constraints: Constraints, tree: Tree, extra: Sequence[str]
) -> _Plan:
    files, problems = gather(text, tree)
    names = {file.path: f"file-{index}.txt" for index, file in enumerate(files)}
    names[tree.path] = SOURCE
    applied = applied_constraints(files, target=target, constraints=constraints, tree=tree)
    rendered: dict[str, str] = {}
    roots: dict[tuple[str, int], Root] = {}
    invalid: list[Conflict] = []
    for file in files:
        rendered[names[file.path]] = _render(file, names, target, tree)
        if not file.constraints:
            roots |= _roots(file, names[file.path], tree)
        invalid += _invalid(file, tree)
    rows = [row for row in extra if row.strip()]
    if target.essential:
        # MWAA installs its own list along with the user's, Airflow first.
        # Source: amazon-mwaa-docker-images @ 9d2bebb, safe-pip-install.
        rows.append(f"apache-airflow=={target.airflow}")
    for index, row in enumerate(rows):
        label = "configuration" if row in extra else "the image's own"
        number = rendered[SOURCE].count("\n") + 1 + index
        roots[SOURCE, number] = Root(name=parse(row)[0].name, text=f"{row} ({label})")
    named = [one for one in applied if one.origin != "user"]
    rows += [f"-c {one.origin}.txt" for one in named]
    rendered |= {f"{one.origin}.txt": one.text or "" for one in named}
    # Lines that name Airflow's own file by its URL get the copy at hand.
    rendered["official.txt"] = constraints.text
    rendered[SOURCE] += "".join(f"{row}\n" for row in rows)
    return _Plan(
        files=rendered,
        roots=roots,
        pins=_pins(applied),
        problems=problems,
        invalid=tuple(invalid),
        torn=tuple(_torn(applied)),
    )


def _torn(applied: Sequence[Applied]) -> Iterator[Conflict]:
    """What a constraint file of the user's own pins otherwise than one that holds beside it."""
    for own, other in itertools.product(applied, applied):
        if own.origin != "user" or other.origin == "user":
            continue
        mine, theirs = own.pins, other.pins
        apart = [
            name
            for name in mine.keys() & theirs.keys()
            if canonicalize_version(mine[name]) != canonicalize_version(theirs[name])
        ]
        rows = [f"{name} {mine[name]} ({theirs[name]})" for name in sorted(apart)]
        more = f" and {len(rows) - 4} more" if len(rows) > 4 else ""
        if rows:
            yield Conflict(
                requirement=f"{min(apart)}=={mine[min(apart)]} ({own.location})",
                line=own.line,
                against=f"{min(apart)}=={theirs[min(apart)]}",
                message=f"{own.label} pins otherwise than {other.label}: "
                f"{', '.join(rows[:4])}{more}.",
            )


def _render(file: SourceFile, names: Mapping[str, str], target: Target, tree: Tree) -> str:
    """A file with every name leading to its rendered or absolute place, line for line."""
    rows: list[str] = []
    for line in file.lines:
        rows.append(_row(line, file.path, names, target, tree))
        rows += [""] * (len(line.raw.splitlines()) - 1)
    return "".join(f"{row}\n" for row in rows)


def _row(line: Line, path: str, names: Mapping[str, str], target: Target, tree: Tree) -> str:
    if line.kind in ("include", "constraint"):
        flag = "-r" if line.kind == "include" else "-c"
        official = official_version(line.value, airflow=target.airflow)
        if official and is_remote(line.value):
            if target.role == "bridge" or official[0] == target.airflow:
                return f"{flag} official.txt"
        elif (place := tree.locate(line.value, base=path)) and place in names:
            return f"{flag} {names[place]}"
        return f"{flag} {line.value}" if is_remote(line.value) else ""
    if row := airflow_of_bridge(line, target):
        return row
    # What is missing is reported as a problem; without its line the rest can still be looked at.
    return located(line, path, tree) or ""


def _invalid(file: SourceFile, tree: Tree) -> Iterator[Conflict]:
    for line in file.lines:
        if line.kind == "invalid":
            place = "" if file.path == tree.path else f"{file.path}:{line.number}: "
            yield Conflict(
                requirement=line.text,
                line=line.number if file.path == tree.path else 0,
                against=FORMAT,
                message=f"{place}{line.problem}.",
            )


def _roots(file: SourceFile, name: str, tree: Tree) -> dict[tuple[str, int], Root]:
    own = file.path == tree.path
    return {
        (name, line.number): Root(
            name=line.name,
            text=line.text if own else f"{line.text} ({file.path}:{line.number})",
            line=line.number if own else 0,
        )
        for line in file.lines
        if line.kind == "requirement"
    }


def _pins(applied: Iterable[Applied]) -> dict[str, tuple[Pin, ...]]:
    pins: dict[str, tuple[Pin, ...]] = {}
    for one in applied:
        for name, version in one.pins.items():
            pins[name] = (*pins.get(name, ()), Pin(version=version, label=one.label))
    return pins


def _image(target: Target) -> dict[str, str]:
    """What the image has before the user's requirements, as far as it is known."""
    return {"apache-airflow": target.airflow, **target.preinstalled, **target.essential}


def _preferred(question: Question, target: Target, constraints: Constraints) -> dict[str, str]:
    """Versions that are installed before the user's file, so that a resolver keeps them where they
    fit. Of some images only a part is known: there the rest is what Airflow and that part need
    under the constraints the image was built from."""
    image = _image(target)
    if "apache-airflow" in target.preinstalled:
        return image
    lines = "".join(f"{name}=={version}\n" for name, version in image.items())
    _write(question.folder, {SOURCE: f"{lines}-c image.txt\n", "image.txt": constraints.text})
    rest = ask_uv(question).pins
    (question.folder / OUTPUT).unlink(missing_ok=True)
    return {**rest, **image}


def _prereleases(image: Mapping[str, str]) -> Iterator[str]:
    """Lines that let a resolver take pre-releases of what the image has as one."""
    for name, version in image.items():
        if Version(version).is_prerelease:
            yield f"{name}>={version}\n"


def _changed(
    pins: Mapping[str, str], target: Target, constraints: Constraints
) -> dict[str, tuple[str, str]]:
    """What the file would change in the image. An image's own list may differ from the official
    constraints by a patch; the constraints' version is no change of the user's making."""
    image = _image(target)
    return {
        name: (image[name], pin)
        for name, pin in sorted(pins.items())
        if name in image and pin not in (image[name], constraints.pins.get(name))
    }


# ---------------------------------------------------------------------------------------- cache


@dataclass(frozen=True, kw_only=True)
class _Entry:
    at: float
    resolution: Resolution


def _key(plan: _Plan, judge: str, tools: str, python: str, target: Target) -> str:
    """Everything the answer depends on, but for the package index' state (see FRESH_SECONDS)."""
    where = {name: os.environ[name] for name in PASSED if "INDEX" in name and name in os.environ}
    content = [
        *(_SCHEMA, judge, tools, python, platform.system(), platform.machine(), where),
        *(target.airflow, dict(plan.files), sorted(_image(target).items())),
        [(problem.line, problem.message) for problem in plan.problems],
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _cached(entry: Path, *, any_age: bool) -> Resolution | None:
    try:
        known = msgspec.json.decode(entry.read_bytes(), type=_Entry)
    except (OSError, msgspec.MsgspecError):
        return None
    return known.resolution if any_age or time.time() - known.at < FRESH_SECONDS else None


def _store(entry: Path, resolution: Resolution) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    data = msgspec.json.encode(_Entry(at=time.time(), resolution=resolution))
    write_atomically(entry, data)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
