"""What the writers share: the view they write for, and how findings are merged, counted and named.

Every text of a report comes from somebody's repository or from what its code printed, so none of
it is trusted: :func:`visible` is the one door through which it reaches a screen.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from harness.model import CheckResult, Environment, Finding, Report, Rule, Severity, Verdict

T = TypeVar("T")
K = TypeVar("K")

SEVERITIES = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
SYMBOLS: Mapping[str, str] = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.UNKNOWN: "?",
    Severity.ERROR: "✗",
    Severity.WARNING: "!",
    Severity.NOTE: "i",
}
# A finding that says the same in this many places is shown once, with the list of its places.
REPEATED = 4

# Control characters, bidirectional overrides (they can make a line read as another one), lone
# surrogates and the two code points that XML 1.0 forbids.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
# A runner's commands. GitHub's obeys a line that begins with ``::``, blanks before it aside, and
# ``##[`` anywhere (actions/runner, ActionCommand.cs); Azure's ``##vso[``, TeamCity ``##teamcity[``.
_COMMAND = re.compile(r"^(\s*:)(?=:)|(##)(?=\w*\[)", re.M)
_LINE_END = re.compile(r"\r\n|\r|\n")

_ORIGINS: Mapping[str, str] = {
    "user": "your constraints",
    "official": "official constraints",
    "reconstructed": "reconstructed constraints, not the official file",
}


@dataclass(frozen=True, kw_only=True)
class View:
    """What a writer may know besides the report.

    ``width`` and ``color`` describe the terminal. ``prefix`` is the repository's folder as the CI
    service names it ("" = the repository is the working directory). ``rules`` explains rule ids;
    a writer falls back on the bare id.
    """

    width: int = 80
    color: bool = False
    prefix: str = ""
    rules: Mapping[str, Rule] = field(default_factory=dict)


Writer = Callable[[Report, View], Iterator[str]]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One thing that the report says: a finding without its target, and the targets it holds for
    (in the report's order; empty = it was not found for one in particular)."""

    finding: Finding
    targets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Gap:
    """One reason why something could not be judged, and all that it kept from being judged."""

    reason: str
    checks: tuple[str, ...]
    targets: tuple[str, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The numbers of a summary. What holds for several targets counts once."""

    severities: Mapping[Severity, int]
    ignored: int
    unjudged: int
    files: int
    rewritten: int


def visible(text: str) -> str:
    """``text`` with everything that a terminal, an XML parser or a reader's eye could be misled by
    written as an escape; line feeds and tabs stay."""
    return _UNSAFE.sub(lambda match: ascii(match[0])[1:-1], text.replace("\r\n", "\n"))


def inert(text: str) -> str:
    """``text`` for a log, with a blank in what a CI service would take for a command to it."""
    return _COMMAND.sub(lambda match: f"{match[0]} ", text)


def for_people(text: str) -> str:
    """``text`` of somebody's repository as it may stand on a screen or in a log."""
    return inert(visible(text))


def plural(number: int, noun: str, nouns: str = "") -> str:
    """``1 file``, ``2 files``, ``0 files``."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def statements(report: Report) -> tuple[Statement, ...]:
    """The report's findings with those merged that differ in their target only, ordered by path,
    line and column."""
    targets: dict[Finding, set[str]] = {}
    for finding in report.findings:
        targets.setdefault(replace(finding, target=""), set()).add(finding.target)
    merged = (
        Statement(finding=finding, targets=in_order(report.targets, names))
        for finding, names in targets.items()
    )
    return tuple(sorted(merged, key=_place))


def in_order(order: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """``names`` without "" and doubles, in ``order``; those that it does not hold come last."""
    wanted = {name for name in names if name}
    known = [name for name in order if name in wanted]
    return (*dict.fromkeys(known), *sorted(wanted.difference(known)))


def shown(said: Iterable[Statement]) -> list[Statement]:
    """The statements that the user has not decided to live with."""
    return [statement for statement in said if not statement.finding.ignored]


def ignored(said: Iterable[Statement]) -> dict[tuple[str, str], list[Statement]]:
    """The others, by rule and the user's reason."""
    return grouped(
        (statement for statement in said if statement.finding.ignored),
        lambda statement: (statement.finding.rule, statement.finding.ignored),
    )


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """``items`` by ``key``, both in the order in which they come."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def split_repeated(
    said: Iterable[Statement],
) -> tuple[dict[str, list[Statement]], list[list[Statement]]]:
    """Part statements into those shown where they are, by path, and those that say the same in
    many places, a list each, the most frequent first."""
    same = grouped(said, _without_place)
    by_path = grouped(
        sorted((s for many in same.values() if len(many) < REPEATED for s in many), key=_place),
        lambda statement: statement.finding.path,
    )
    repeated = [many for many in same.values() if len(many) >= REPEATED]
    return by_path, sorted(repeated, key=len, reverse=True)


def gaps(report: Report) -> tuple[Gap, ...]:
    """What could not be judged, by reason."""
    seen = grouped(
        (
            (result, unjudged.path, unjudged.reason)
            for result in report.checks
            for unjudged in result.unjudged
        ),
        lambda item: item[2],
    )
    return tuple(
        Gap(
            reason=reason,
            checks=tuple(dict.fromkeys(result.check for result, _, _ in items)),
            targets=in_order(report.targets, (result.target for result, _, _ in items)),
            paths=tuple(sorted({path for _, path, _ in items if path})),
        )
        for reason, items in seen.items()
    )


def counts(report: Report, said: Iterable[Statement]) -> Counts:
    """Count ``said``, the statements of ``report``, and its files."""
    said = tuple(said)
    severities = Counter(statement.finding.severity for statement in shown(said))
    return Counts(
        severities={severity: severities[severity] for severity in SEVERITIES},
        ignored=sum(bool(statement.finding.ignored) for statement in said),
        unjudged=len({(each.check, gap) for each in report.checks for gap in each.unjudged}),
        files=len({row.path for row in report.files}),
        rewritten=len({rewrite.path for rewrite in report.rewrites if rewrite.diff}),
    )


def tally(result: CheckResult) -> str:
    """What a check has looked at, in words."""
    parts = [f"{result.judged:,} judged"] if result.judged else []
    if result.findings:
        parts.append(plural(result.findings, "finding"))
    if result.unjudged:
        parts.append(f"{len(result.unjudged):,} not judged")
    nothing = "nothing to judge" if result.status is Verdict.PASS else "nothing was judged"
    return ", ".join(parts) or nothing


def summary(report: Report, numbers: Counts) -> str:
    """The report in one line, without its verdict."""
    found = [
        plural(number, severity.value) for severity, number in numbers.severities.items() if number
    ]
    if numbers.ignored:
        found.append(f"{numbers.ignored:,} ignored")
    if numbers.unjudged:
        found.append(f"{numbers.unjudged:,} not judged")
    parts = [", ".join(found) or "nothing found", plural(numbers.files, "file")]
    if numbers.rewritten:
        parts[-1] += f", {numbers.rewritten:,} rewritten"
    if "total" in report.timings:
        parts.append(f"{report.timings['total']:.1f} s")
    return " · ".join(parts)


def location(finding: Finding, *, path: bool = True) -> str:
    """``dags/a.py:12:5``, with as much of it as is known; without ``path`` only ``12:5``."""
    parts = [finding.path if path else ""]
    if finding.line:
        parts.append(str(finding.line))
        if finding.column:
            parts.append(str(finding.column))
    return ":".join(part for part in parts if part)


def source_reader(report: Report) -> Callable[[Finding], str]:
    """A function that gives the source line of a finding, "" when it is not known.

    Only Python is quoted: a line of a configuration file may hold a secret, so it is for the
    check that found it to choose the evidence. Lines end where Python ends them, so that numbers
    agree with tracebacks (``str.splitlines`` also breaks at form feeds and other separators).
    """
    split: dict[str, list[str]] = {}

    def read(finding: Finding) -> str:
        if not finding.path.endswith(".py"):
            return ""
        if finding.path not in split:
            split[finding.path] = _LINE_END.split(report.sources.get(finding.path, ""))
        lines = split[finding.path]
        return lines[finding.line - 1] if 0 < finding.line <= len(lines) else ""

    return read


def origin(environment: Environment) -> str:
    """Whose constraints an environment was made from, in words; "" when none were used."""
    return _ORIGINS.get(environment.constraints_origin, environment.constraints_origin)


def distinct_environments(report: Report) -> tuple[Environment, ...]:
    """The environments, those that several targets share (the bridge) once."""
    return tuple(
        many[0]
        for many in grouped(
            report.environments,
            # Mappings do not hash; their text tells two apart as well.
            lambda environment: repr(replace(environment, target="")),
        ).values()
    )


def _place(statement: Statement) -> tuple[str, int, int]:
    finding = statement.finding
    return finding.path, finding.line, finding.column


def _without_place(statement: Statement) -> Statement:
    bare = replace(statement.finding, path="", line=0, column=0, evidence="")
    return replace(statement, finding=bare)
