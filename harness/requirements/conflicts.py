"""Why a resolution is impossible: what pip or uv said → :class:`~harness.model.Conflict`.

A conflict has two ends: the line of the user's file that it goes back to, and what stands against
it: a pin of a constraint file, another requirement, the Python version, or the package index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from harness.model import Conflict

# What a line stands against that is no requirement at all.
FORMAT = "the requirements file format"

_ORIGIN = re.compile(r"-[rc] (?P<file>\S+) \(line (?P<line>\d+)\)")
_NEEDS_PYTHON = re.compile(r"(?P<version>\S+) Requires-Python (?P<needs>[^;\n]+)")
_VERSIONS = re.compile(r"\(from versions: (?P<versions>[^)]*)\)")
_PYTHON = "<Python from Requires-Python>"

# uv: "apache-airflow-backport-providers-amazon>=2021.2.5 depends on botocore>=1.18.0,<1.19.0"
_PACKAGE = r"(?P<{0}>[A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?(?P<{0}_spec>(?:[<>=!~]=?=?[^\s,]+,?)*)"
_DEPENDS = re.compile(_PACKAGE.format("who") + r" depends? on " + _PACKAGE.format("what"))
_REQUIRED = re.compile(r"you require " + _PACKAGE.format("what"))
_NAMED = re.compile(_PACKAGE.format("what"))


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A version that a constraint file demands; ``label`` says which file, after "by"."""

    version: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Root:
    """A requirement that was asked for directly: its text, and its line in the user's file
    (0 when it is not of that file; then ``text`` says where it is from)."""

    name: str
    text: str
    line: int = 0


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What the resolver was asked: ``roots`` by (file, line) as it saw them, ``pins`` by name,
    the side's Python version."""

    roots: Mapping[tuple[str, int], Root]
    pins: Mapping[str, tuple[Pin, ...]]
    python: str

    def root_named(self, name: str) -> Root | None:
        """The requirement for a distribution, when the file asks for it directly."""
        wanted = canonicalize_name(name)
        return next((root for root in self.roots.values() if root.name == wanted), None)

    def against(self, name: str, specifier: str) -> Pin | None:
        """The pin of ``name`` that ``specifier`` does not allow."""
        try:
            allowed = SpecifierSet(specifier)
        except InvalidSpecifier:
            return None
        pins = self.pins.get(canonicalize_name(name), ())
        return next((p for p in pins if not allowed.contains(p.version, prereleases=True)), None)


# ------------------------------------------------------------------------------------------ pip


@dataclass(frozen=True, kw_only=True)
class _Cause:
    """One demand that pip could not meet: ``who`` made it ("" = the file itself)."""

    root: Root
    name: str
    requirement: str
    who: str

    @property
    def demand(self) -> str:
        return f"{self.who} needs {self.requirement}" if self.who else self.requirement


def from_pip(
    causes: Iterable[Mapping[str, str]], *, log: str, setting: Setting
) -> tuple[Conflict, ...]:
    """The conflicts in the causes that ``pip_judge.py`` reports; ``log`` is pip's stderr."""
    # pip tries the newest version first, so the order of its causes is worth keeping.
    demands: dict[str, list[_Cause]] = {}
    for cause in causes:
        demands.setdefault(cause["name"], []).append(_cause(cause, setting))
    return _distinct(
        conflict
        for name, group in demands.items()
        for conflict in _explain(name, group, log, setting)
    )


def _cause(cause: Mapping[str, str], setting: Setting) -> _Cause:
    match = _ORIGIN.search(cause["origin"])
    root = setting.roots.get((match["file"], int(match["line"]))) if match else None
    if root is None:
        asked = cause["parent"] or cause["name"]
        root = setting.root_named(asked) or Root(name=asked, text=asked)
    return _Cause(
        root=root,
        name=cause["name"],
        requirement=cause["requirement"],
        who=f"{cause['parent']} {cause['parent_version']}" if cause["parent"] else "",
    )


def _explain(
    name: str, demands: Sequence[_Cause], log: str, setting: Setting
) -> Iterator[Conflict]:
    if name == _PYTHON:
        for demand in demands:
            yield _conflict(demand, f"Python {setting.python}", f"this is Python {setting.python}")
        return
    pinned = False
    for demand in demands:
        if pin := setting.against(name, _specifier(demand.requirement)):
            pinned = True
            against = f"{name}=={pin.version}"
            yield _conflict(demand, against, f"{pin.label} pin it to {pin.version}")
    if pinned:
        return
    different = [demand for demand in demands if demand.demand != demands[0].demand]
    if different:
        yield _conflict(demands[0], different[0].demand, different[0].demand)
    elif pins := setting.pins.get(name):
        version, label = pins[0].version, pins[0].label
        reason = f"{label} pin it to {version}, of which nothing fits Python {setting.python}"
        yield _conflict(demands[0], f"{name}=={version}", reason)
    else:
        yield _conflict(demands[0], *_not_found(demands[0], log, setting))


def _conflict(demand: _Cause, against: str, reason: str) -> Conflict:
    return Conflict(
        requirement=demand.root.text,
        line=demand.root.line,
        against=against,
        message=f"{demand.demand}: {reason}.",
    )


def _not_found(demand: _Cause, log: str, setting: Setting) -> tuple[str, str]:
    """(what stands against it, why) for a requirement that no candidate meets."""
    try:
        allowed = SpecifierSet(_specifier(demand.requirement))
    except InvalidSpecifier:
        allowed = SpecifierSet()
    for match in _NEEDS_PYTHON.finditer(log):
        if allowed.contains(match["version"].rpartition(" ")[2], prereleases=True):
            needs = match["needs"].strip()
            return f"Python {setting.python}", f"{match['version']} needs Python {needs}"
    found = _VERSIONS.search(log)
    versions = found["versions"].split(", ") if found else []
    if versions in ([], ["none"]):
        return "the package index", f"the package index has nothing for Python {setting.python}"
    newest = ", ".join(versions[-3:])
    return "the package index", f"no such version; the newest that fit here are {newest}"


def _specifier(requirement: str) -> str:
    try:
        return str(Requirement(requirement).specifier)
    except InvalidRequirement:
        return ""


# ------------------------------------------------------------------------------------------- uv


def from_uv(stderr: str, *, setting: Setting) -> tuple[Conflict, ...]:
    """The conflict in uv's proof that no solution exists; empty when the text holds none."""
    proof = " ".join(stderr.partition("No solution found")[2].partition("hint:")[0].split())
    if not proof:
        return ()
    demands = [(m["who"], m["what"], m["what_spec"].strip(",")) for m in _DEPENDS.finditer(proof)]
    required = [("", m["what"], m["what_spec"].strip(",")) for m in _REQUIRED.finditer(proof)]
    roots = [root for _, what, _ in required if (root := setting.root_named(what))]
    sentence = proof.partition("cause: ")[2] or proof
    for who, what, specifier in reversed([*demands, *required]):
        root = setting.root_named(who or what) or (roots[-1] if roots else None)
        pin = setting.against(what, specifier)
        if root and pin:
            demand = f"{who} needs {what}{specifier}" if who else f"{what}{specifier}"
            return (
                Conflict(
                    requirement=root.text,
                    line=root.line,
                    against=f"{canonicalize_name(what)}=={pin.version}",
                    message=f"{demand}: {pin.label} pin it to {pin.version}.",
                ),
            )
    if not roots:
        return (Conflict(requirement="", line=0, against="", message=_last(sentence)),)
    others = [what + spec for _, what, spec in required if what != roots[-1].name]
    against = others[0] if others else _index_or_python(sentence)
    return (
        Conflict(
            requirement=roots[-1].text,
            line=roots[-1].line,
            against=against,
            message=_last(sentence),
        ),
    )


def _index_or_python(proof: str) -> str:
    if match := re.search(r"the current Python version \(([\d.]+)\)", proof):
        return f"Python {match[1]}"
    return "the package index"


def _last(proof: str) -> str:
    """The end of a proof, where it comes to the point: three sentences, or one when long."""
    sentences = re.split(r"(?<=\.) (?=And |Because )", proof)
    end = " ".join(sentences[-3:])
    return end if len(end) <= 300 else sentences[-1]


def _distinct(conflicts: Iterable[Conflict]) -> tuple[Conflict, ...]:
    """The first conflict of each (requirement, other end): pip names every version it tried."""
    first: dict[tuple[str, int, str], Conflict] = {}
    for conflict in conflicts:
        first.setdefault((conflict.requirement, conflict.line, conflict.against), conflict)
    return tuple(sorted(first.values(), key=lambda conflict: (conflict.line == 0, conflict.line)))
