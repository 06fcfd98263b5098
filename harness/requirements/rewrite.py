"""A requirements file of 1.10 → one for an MWAA 2.x version. Text in, text out; nothing is run."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from harness.model import Constraints, RewriteEdit, RewriteNote, Rule, Severity, Target
from harness.requirements.applied import (
    Applied,
    applied_constraints,
    constraint_lines,
    mentions_constraints,
)
from harness.requirements.extras import EXTRAS, OBSOLETE, RENAMED, RENAMED_PROVIDERS, Renamed
from harness.requirements.parse import Line, parse
from harness.requirements.sources import SourceFile, Tree, is_remote, official_version
from harness.targets import default_bridge, outside_pins

_PROVIDER = "apache-airflow-providers-"
_BACKPORT = "apache-airflow-backport-providers-"

CONSTRAINT = Rule(
    id="requirements-constraint-line",
    title="The constraint line names the target's own file",
    why="MWAA installs a requirements file under the constraints that it names; those of another "
    "Airflow version contradict what the environment has.",
    fix="Name the constraint file of the target's Airflow and Python version.",
    example='--constraint ".../constraints-1.10.12/constraints-3.7.txt"',
    keeps='--constraint "/usr/local/airflow/dags/constraints.txt"',
)
AIRFLOW = Rule(
    id="requirements-airflow-line",
    title="Airflow itself is not a requirement",
    why="MWAA brings Airflow. A line for another version breaks the environment or does not "
    "install, and the extras of 1.10 are provider distributions in 2.x.",
    fix="Drop the line; name the providers instead of the extras.",
    example="apache-airflow[aws,slack]==1.10.12",
    keeps="apache-airflow-providers-slack",
)
BACKPORT = Rule(
    id="requirements-backport-provider",
    title="Backport providers became providers",
    why="The backport distributions are for Airflow 1.10 only and do not install beside 2.x.",
    fix="Name the provider distribution with the version of the target's constraints.",
    example="apache-airflow-backport-providers-slack==2021.3.3",
    keeps="apache-airflow-providers-slack",
)
PROVIDER = Rule(
    id="requirements-missing-provider",
    title="What the image lacks and the DAGs import is required",
    why="Operators of 1.10 moved into provider distributions, and MWAA's image has only some; of "
    "what 1.10's constraint set brought besides (pandas, numpy …) it has little.",
    fix="Require the distribution with the version of the target's constraints.",
    example="# (no line for apache-airflow-providers-slack, and a DAG imports its hook)",
    keeps="apache-airflow-providers-slack==8.9.0",
)
PIN = Rule(
    id="requirements-pin",
    title="A pin agrees with the constraints",
    why="pip refuses a requirement that its constraint file contradicts: the one that the "
    "requirements name – your own, if it is – and else Airflow's.",
    fix="Ask for the version of the constraints, or test a constraint file of your own.",
    severity=Severity.WARNING,
    example="pandas==0.25.3",
    keeps="pandas",
)
OBSOLETE_RULE = Rule(
    id="requirements-obsolete",
    title="Distributions that the target's Python or Airflow has outgrown",
    why="Backports of standard modules shadow the real ones or refuse to install.",
    fix="Drop the line.",
    example="enum34",
    keeps='dataclasses ; python_version < "3.7"',
)
LINE = Rule(
    id="requirements-line",
    title="A line is written as pip reads it",
    why="pip stops at the first line that it cannot read and installs nothing: a whole command, "
    "or the single = of conda.",
    fix="Write the requirement alone, with ==.",
    example="pip install requests==2.31.0",
    keeps="requests==2.31.0",
)
UNASKED = Rule(
    id="requirements-unasked-module",
    title="What the code imports is required",
    why="MWAA has what its image and the requirements bring. A module that was only there on "
    "someone's machine, or on the servers of 1.10, is not found, and the file does not load.",
    fix="Require the distribution that has the module, or delete the import.",
    example="import networkx",
    keeps="try:\n    import networkx\nexcept ImportError:\n    networkx = None",
)
RULES: tuple[Rule, ...] = (CONSTRAINT, AIRFLOW, BACKPORT, PROVIDER, PIN, OBSOLETE_RULE, LINE)

_COMMAND = re.compile(r"^(?:sudo )?(?:python3? -m )?pip3? install (?:(?:-U|--upgrade|--user) )*")
_CONDAS = re.compile(r"^([\w.-]+)\s*=\s*(\d[\w.]*)(?:=\w+)?$")


@dataclass(frozen=True, kw_only=True)
class RequirementsRewrite:
    """The new text, what was changed (safe edits change no version beyond a major release) and
    what is left to a person. Line numbers count in the old text."""

    text: str
    edits: tuple[RewriteEdit, ...] = ()
    notes: tuple[RewriteNote, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Step:
    """What one line becomes: new lines without line ends (None = the line stays as it is)."""

    rows: tuple[str, ...] | None = None
    edits: tuple[RewriteEdit, ...] = ()
    notes: tuple[RewriteNote, ...] = ()


def rewrite_requirements(
    text: str,
    *,
    target: Target,
    constraints: Constraints,
    applied: Iterable[Applied],
    needs: Iterable[str],
    reasons: Mapping[str, str] | None = None,
    constrained: bool = False,
    beside: Collection[str] = (),
) -> RequirementsRewrite:
    """The file for ``target``: comments, order, markers and line ends stay; twice = once.

    ``constraints`` is Airflow's constraint file for the target, which knows a version for what is
    new; ``applied`` are the files that will bind the lines (see :func:`constraints_after`).
    ``needs`` are the distributions that the rewritten DAGs import, ``reasons`` where they do. A
    file that asks for nothing stays as it is unless something is needed; ``text`` "" makes a new
    file. ``constrained`` means that another file has the constraint line: this one gets none.
    ``beside`` are the distributions that the files it includes ask for.
    """
    said = parse(text)
    lines = [_readable(line) for line in said]
    asked = {line.name.replace(_BACKPORT, _PROVIDER) for line in lines} | {*beside}
    applied = tuple(applied)
    pins = _known({**outside_pins(target), **constraints.pins}, applied)
    bound = {name: (pin, one.label) for one in reversed(applied) for name, pin in one.pins.items()}
    steps = [
        _told(line, before, _line(line, target, pins, bound, asked))
        for line, before in zip(lines, said, strict=True)
    ]
    newline = "\r\n" if "\r\n" in text.partition("\n")[0] + "\n" else "\n"
    body = "".join(
        line.raw if step.rows is None else "".join(f"{row}{newline}" for row in step.rows)
        for line, step in zip(lines, steps, strict=True)
    )
    lacking = sorted({canonicalize_name(need) for need in needs} - {*beside})
    added = _needed(body, lacking, reasons or {}, target, pins, last=len(text.splitlines()))
    if added.rows:
        body += newline if body and not body.endswith(("\n", "\r")) else ""
        # A backslash on the last line would join what follows to it.
        body += newline if body and body.splitlines()[-1].endswith("\\") else ""
        body += "".join(f"{row}{newline}" for row in added.rows)
    head = _Step() if constrained else _constraint_line(lines, body, target)
    if head.rows:
        mark = "\ufeff" if body.startswith("\ufeff") else ""
        body = f"{mark}{head.rows[0]}{newline}{body.removeprefix(mark)}"
    everything = (head, *steps, added)
    return RequirementsRewrite(
        text=body,
        edits=tuple(edit for step in everything for edit in step.edits),
        notes=tuple(note for step in everything for note in step.notes),
    )


def constraints_after(
    files: Sequence[SourceFile], *, target: Target, constraints: Constraints, tree: Tree
) -> tuple[Applied, ...]:
    """The constraint files that bind a requirements file and those it reaches, once rewritten."""
    moved = [
        replace(
            file,
            lines=tuple(
                parse(row)[0]
                if line.kind == "constraint" and (row := _moved(line, target))
                else line
                for line in file.lines
            ),
        )
        for file in files
    ]
    if not any(constraint_lines(files)) and not mentions_constraints(files[0].lines):
        official = parse(f'--constraint "{target.constraints_url}"')
        moved[0] = replace(moved[0], lines=(*moved[0].lines, *official))
    return applied_constraints(moved, target=target, constraints=constraints, tree=tree)


def contradictions(applied: Sequence[Applied]) -> Iterator[tuple[str, RewriteNote]]:
    """(path, note) of each line of the repository's own constraint files that another file which
    binds with it excludes: pip finds nothing for what both name."""
    for one in applied:
        others = [other for other in applied if other.label != one.label]
        for line in parse(one.text or "") if one.location == one.label else ():
            for other in others:
                pin = other.pins.get(line.name)
                if pin and not SpecifierSet(line.specifier).contains(pin, prereleases=True):
                    message = f"{line.text}: {line.name} is pinned to {pin} by {other.label}."
                    yield one.location, _note(PIN, line.number, message)
                    break


def _known(suggested: Mapping[str, str], applied: Iterable[Applied]) -> dict[str, str]:
    """Distribution → the version to ask for; "" where a range of the user's own excludes the one
    that Airflow's constraints have."""
    known = dict(suggested)
    for one in applied:
        for line in parse(one.text or ""):
            if line.name in known and not SpecifierSet(line.specifier).contains(
                known[line.name], prereleases=True
            ):
                known[line.name] = ""
        known |= one.pins
    return known


def _readable(line: Line) -> Line:
    """The line, or the requirement that one pip cannot read must mean."""
    if line.kind != "invalid":
        return line
    meant = parse(_CONDAS.sub(r"\1==\2", _COMMAND.sub("", " ".join(line.text.split()))))[0]
    if meant.kind != "requirement":
        return line
    return replace(meant, number=line.number, raw=line.raw, comment=line.comment)


def _told(line: Line, before: Line, step: _Step) -> _Step:
    """A line's step, with what was put right before it."""
    if line.text == before.text:
        return step
    rows = (_commented(line.text, line),) if step.rows is None else step.rows
    edit = _edit(LINE, line.number, f"{before.text!r} becomes {line.text}.")
    return replace(step, rows=rows, edits=(edit, *step.edits))


def _line(
    line: Line,
    target: Target,
    pins: Mapping[str, str],
    bound: Mapping[str, tuple[str, str]],
    asked: Collection[str],
) -> _Step:
    if line.kind == "constraint":
        return _constraint(line, target)
    if line.name == "airflow" and not line.url:  # what it was called until 1.8
        line = replace(line, name="apache-airflow")
    if line.name == "apache-airflow" and line.url:
        message = f"{line.text} brings an Airflow of its own beside MWAA's {target.airflow}."
        return _Step(notes=(_note(AIRFLOW, line.number, message),))
    if line.kind != "requirement" or line.url:
        return _Step()
    if line.name == "apache-airflow":
        return _airflow(line, target, pins, asked)
    renamed = RENAMED_PROVIDERS.get(line.name)
    if line.name.startswith(_BACKPORT) or (renamed in pins and line.name not in pins):
        return _backport(line, target, pins)
    obsolete = next((row for row in OBSOLETE if row.name == line.name), None)
    if obsolete and not line.marker:
        return _dropped(line, OBSOLETE_RULE, f"{line.name} is dropped: {obsolete.why}.")
    if succeeded := next((row for row in RENAMED if row.name == line.name), None):
        return _succeeded(line, succeeded, pins)
    return _pin(line, *bound[line.name]) if line.name in bound else _Step()


# ------------------------------------------------------------------------------ constraint line


def _moved(line: Line, target: Target) -> str:
    """A constraint line of another version's official file with the target's; else ""."""
    named = official_version(line.value, airflow=target.airflow)
    if not named or not is_remote(line.value) or named == (target.airflow, target.python):
        return ""
    return line.text.replace(line.value, target.constraints_url)


def _constraint(line: Line, target: Target) -> _Step:
    row = _moved(line, target)
    if not row:
        return _Step()
    airflow, _ = official_version(line.value, airflow=target.airflow) or ("", "")
    message = f"The constraints of Airflow {airflow} become those of {target.airflow}."
    return _Step(rows=(_commented(row, line),), edits=(_edit(CONSTRAINT, line.number, message),))


def _constraint_line(lines: Sequence[Line], body: str, target: Target) -> _Step:
    """The line to put on top of ``body``; ``lines`` are those of the old text."""
    kinds = {line.kind for line in parse(body)}
    if not kinds & {"requirement", "include"} or "constraint" in kinds:
        return _Step()
    if line := next((line for line in lines if mentions_constraints([line])), None):
        message = (
            f"The mention of a constraint file in {line.raw.strip()!r} makes MWAA leave out its "
            "own: the requirements install without constraints."
        )
        return _Step(notes=(_note(CONSTRAINT, line.number, message),))
    message = f"The constraint file of Airflow {target.airflow} is named."
    row = f'--constraint "{target.constraints_url}"'
    return _Step(rows=(row,), edits=(_edit(CONSTRAINT, 1, message),))


# ------------------------------------------------------------------- Airflow and its providers


def _airflow(line: Line, target: Target, pins: Mapping[str, str], asked: Collection[str]) -> _Step:
    fits = SpecifierSet(line.specifier).contains(target.airflow, prereleases=True)
    old = line.text.lower().startswith("airflow")
    if fits and not line.extras and not old:
        return _Step()
    if _wants_newer(line.specifier, target):
        message = f"{line.text} asks for a newer Airflow than {target.airflow}, the target."
        return _Step(notes=(_note(AIRFLOW, line.number, message),))
    marker = _marker(line, target)
    rows = [f"apache-airflow{line.specifier}{marker}"] if fits else []
    told = "its name is apache-airflow" if fits else "MWAA brings Airflow"
    edits = [_edit(AIRFLOW, line.number, f"{line.text}: {told}.")] if old or not fits else []
    notes = []
    for extra in line.extras:
        provider, note = provider_of(extra, pins)
        if provider:
            if provider not in asked:
                rows.append(f"{_asked(provider, pins)}{marker}")
            edits.append(_edit(AIRFLOW, line.number, f"The extra {extra} is now {provider}."))
        elif note:
            notes.append(_note(AIRFLOW, line.number, f"The extra {extra} is gone. {note}"))
    kept = tuple(dict.fromkeys(rows)) or ((line.comment,) if line.comment else ())
    if rows:
        kept = (_commented(kept[0], line), *kept[1:])
    return _Step(rows=kept, edits=tuple(edits), notes=tuple(notes))


def _wants_newer(specifier: str, target: Target) -> bool:
    """Whether a line cannot be met by ``target`` because it wants a later version: no line of the
    1.10 environment, so nothing to drop without asking."""
    wanted = Version(target.airflow)
    return any(
        lowest >= wanted if one.operator == ">" else lowest > wanted
        for one in SpecifierSet(specifier)
        if one.operator in (">=", ">", "==", "~=")
        and (lowest := Version(one.version.removesuffix(".*")))
    )


def provider_of(extra: str, pins: Mapping[str, str]) -> tuple[str, str]:
    """(provider distribution, "") or ("", what to think of) for an extra's canonical name."""
    row = next((row for row in EXTRAS if row.name == extra), None)
    provider = _PROVIDER + (row.provider if row and row.provider else extra)
    if provider in pins and not (row and not row.provider):
        return provider, ""
    if row and not row.provider:
        return "", row.note
    return "", f"The target's constraints have no {provider}."


def _backport(line: Line, target: Target, pins: Mapping[str, str]) -> _Step:
    provider = line.name.replace(_BACKPORT, _PROVIDER)
    provider = provider if provider in pins else RENAMED_PROVIDERS.get(provider, provider)
    if provider not in pins:
        message = f"{line.name} is for 1.10 only, and the target's constraints have no {provider}."
        commented = f"# {line.text}{f'  {line.comment}' if line.comment else ''}"
        return _Step(
            rows=(commented,),
            edits=(_edit(BACKPORT, line.number, f"{line.text} is commented out.", safe=False),),
            notes=(_note(BACKPORT, line.number, message),),
        )
    extras = f"[{','.join(line.extras)}]" if line.extras else ""
    row = f"{_asked(provider, pins, extras)}{_marker(line, target)}"
    message = f"{line.name} is now {provider} {pins[provider]}".strip() + "."
    return _Step(rows=(_commented(row, line),), edits=(_edit(BACKPORT, line.number, message),))


def _asked(name: str, pins: Mapping[str, str], extras: str = "") -> str:
    """A requirement of ``name`` in the version that is known for it."""
    return f"{name}{extras}=={pins[name]}" if pins.get(name) else f"{name}{extras}"


def _needed(
    body: str,
    needs: Iterable[str],
    reasons: Mapping[str, str],
    target: Target,
    pins: Mapping[str, str],
    *,
    last: int,
) -> _Step:
    """Lines for the needed distributions that neither the image nor the file has."""
    asked = {line.name for line in parse(body) if line.kind == "requirement"}
    # Of some images only the base providers are published.
    lacks = "not in" if "apache-airflow" in target.preinstalled else "not known to be in"
    added, edits, notes = [], [], []
    for name in (need for need in needs if need not in {*asked, *target.preinstalled}):
        why = reasons.get(name, "needed by the rewritten DAGs")
        added.append(f"{_asked(name, pins)}  # {why}; {lacks} MWAA's image")
        edits.append(_edit(PROVIDER, last or 1, f"{name} is added: {why}."))
        if name not in pins:
            message = f"The constraints of Airflow {target.airflow} do not know {name}."
            fix = "Look for a version that takes what they pin, and write it here."
            notes.append(replace(_note(PROVIDER, last or 1, message), fix=fix))
    return _Step(rows=tuple(added), edits=tuple(edits), notes=tuple(notes))


# --------------------------------------------------------------------------------- other lines


def _pin(line: Line, pin: str, label: str) -> _Step:
    """``label`` says which file pins the line's distribution to ``pin``."""
    if SpecifierSet(line.specifier).contains(pin, prereleases=True):
        return _Step()
    pinned = f"{line.name} is pinned to {pin} by {label}"
    exact = re.fullmatch(r"===?(?P<version>[^,*]+)", line.specifier)
    if exact is None or line.hashes or line.marker:
        asked = line.text.partition(" --hash")[0].rstrip(" \\")
        return _Step(notes=(_note(PIN, line.number, f"{asked}: {pinned}."),))
    row = line.text.replace(_spelled(line), f"=={pin}", 1)
    safe = _major(exact["version"]) == _major(pin)
    message = f"{line.text} becomes {pin}, the version of the constraints."
    # The version is the user's own choice: to change it is never silent, however small the step.
    broke = "" if safe else " Look for what that release broke."
    warning = f"{line.name} goes from {exact['version']} to {pin}: {pinned}.{broke}"
    return _Step(
        rows=(_commented(row, line),),
        edits=(_edit(PIN, line.number, message, safe=safe),),
        notes=(_note(PIN, line.number, warning),),
    )


def _spelled(line: Line) -> str:
    """The specifier as the line spells it: packaging's own form drops spaces."""
    match = re.search(r"===?\s*[^\s;,()]+", line.text)
    return match[0] if match else line.specifier


def _major(version: str) -> tuple[int, int]:
    try:
        parsed = Version(version)
    except InvalidVersion:
        return (-1, -1)
    return (parsed.epoch, parsed.major)


def _dropped(line: Line, rule: Rule, message: str) -> _Step:
    rows = (line.comment,) if line.comment else ()
    return _Step(rows=rows, edits=(_edit(rule, line.number, message),))


def _succeeded(line: Line, row: Renamed, pins: Mapping[str, str]) -> _Step:
    """What has another name, in the version of the constraints; without one, in any."""
    marker = f" ; {line.marker}" if line.marker else ""
    message = f"{line.name} is {row.now} now: {row.why}."
    return _Step(
        rows=(_commented(f"{_asked(row.now, pins)}{marker}", line),),
        edits=(_edit(OBSOLETE_RULE, line.number, message),),
    )


def _marker(line: Line, target: Target) -> str:
    """The marker of a line that becomes another distribution's; not one that only says that the
    line was for the older Python."""
    if not line.marker:
        return ""
    bridge = default_bridge().python
    for_old, for_new = (
        Marker(line.marker).evaluate({"python_version": p, "python_full_version": f"{p}.0"})
        for p in (bridge, target.python)
    )
    return "" if for_old and not for_new else f" ; {line.marker}"


def _commented(row: str, line: Line) -> str:
    return f"{row}  {line.comment}" if line.comment else row


def _edit(rule: Rule, line: int, message: str, *, safe: bool = True) -> RewriteEdit:
    return RewriteEdit(rule=rule.id, line=line, message=message, safe=safe)


def _note(rule: Rule, line: int, message: str) -> RewriteNote:
    return RewriteNote(rule=rule.id, line=line, column=0, message=message, fix=rule.fix)
