"""The report as one HTML file that asks nothing of anybody: no request, no framework, and useful
without its script.

The page's parts lie beside this module in ``page/``. All text of the report is untrusted: Jinja
escapes it, :func:`~harness.report.base.visible` unmasks it, and the page's Content-Security-Policy
allows exactly the one style sheet and the one script that are in it, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files as package_files
from itertools import groupby
from typing import Any

from jinja2 import Environment as Jinja
from jinja2 import PackageLoader, StrictUndefined

from harness.model import CheckResult, FileRewrite, FileRow, Report, Severity, Verdict
from harness.report.base import (
    SEVERITIES,
    SYMBOLS,
    Statement,
    View,
    counts,
    distinct_environments,
    gaps,
    grouped,
    ignored,
    in_order,
    location,
    origin,
    plural,
    shown,
    source_reader,
    split_repeated,
    statements,
    summary,
    tally,
    visible,
)

# A page has to open on a phone. What is left out is said, and whole in the JSON report.
DIFF_LINES = 400
DIFF_CHARACTERS = 1_500_000

STRUCTURE = "structure-survives"
# How that check states both values in a finding's evidence.
_BOTH_VALUES = re.compile("bridge: (?P<bridge>.*)\ntarget: (?P<target>.*)", re.DOTALL)
HEADLINES = {
    Verdict.PASS: "Pass: this repository survives the move",
    Verdict.FAIL: "Fail: this repository is not ready to move",
    Verdict.UNKNOWN: "Unknown: not everything could be judged",
}

Cell = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One file of the matrix: per side its outcomes and DAGs. A side has several outcomes only
    if it was observed more than once (the bridge, for each target) and they differ. ``findings``
    says how many there are; a file that is not ``fine`` is listed first."""

    path: str
    sides: Mapping[str, tuple[Cell, ...]]
    findings: str
    fine: bool
    rewritten: bool


def lines(report: Report, view: View) -> Iterator[str]:
    """The report as a self-contained HTML page."""
    del view
    css, js = _part("page.css"), _part("page.js")
    said = statements(report)
    open_ones = shown(said)
    structure = [each for each in open_ones if each.finding.check == STRUCTURE]
    by_path, repeated = split_repeated(
        each for each in open_ones if each.finding.check != STRUCTURE
    )
    content: dict[str, Any] = {
        "checks": grouped(report.checks, lambda result: result.check),
        "structure": structure,
        "findings": bool(by_path or repeated),
        "gaps": gaps(report),
        "files": _matrix(report, open_ones),
        "ignored": ignored(said),
        "rewrites": _rewrites(report),
        "environments": distinct_environments(report),
        "timings": report.timings,
    }
    titles = {
        "checks": "Checks",
        "structure": "Structure",
        "findings": "Findings",
        "gaps": "Not judged",
        "files": "Files",
        "ignored": "Ignored",
        "rewrites": "Rewritten files",
        "environments": "Environments",
        "timings": "Timings",
    }
    page = _jinja().get_template("page.html.jinja")
    text = page.render(
        **content,
        report=report,
        by_path=by_path,
        repeated=repeated,
        headline=HEADLINES[report.verdict],
        summary=summary(report, counts(report, said)),
        sections=[(name, title) for name, title in titles.items() if content[name]],
        several=len(report.targets) > 1,
        read=source_reader(report),
        shorten=_diff_shortener(),
        worst=_worst,
        both_values=_BOTH_VALUES.fullmatch,
        css=css,
        js=js,
        policy=_policy(css, js),
        symbols=SYMBOLS,
        location=location,
        origin=origin,
        plural=plural,
        tally=tally,
    )
    yield from text.split("\n")


@cache
def _jinja() -> Jinja:
    return Jinja(
        loader=PackageLoader("harness.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )


def _finalize(value: object) -> object:
    # What has __html__ is markup of the template's own.
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _part(name: str) -> str:
    return package_files("harness.report").joinpath("page", name).read_text(encoding="utf-8")


def _policy(css: str, js: str) -> str:
    style, script = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (css, js)
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _worst(results: list[CheckResult]) -> Verdict:
    order = list(Verdict)
    return min((result.status for result in results), key=order.index)


def _matrix(report: Report, said: list[Statement]) -> list[Row]:
    """The files, those with a problem first."""
    found = grouped((each.finding for each in said), lambda finding: finding.path)
    rows = (
        _row(report, rows, Counter(finding.severity for finding in found.get(path, ())))
        for path, rows in grouped(report.files, lambda row: row.path).items()
    )
    return sorted(rows, key=lambda row: (row.fine, row.path))


def _row(report: Report, rows: list[FileRow], found: Counter[Severity]) -> Row:
    bridge = tuple(dict.fromkeys((row.bridge, row.bridge_dags) for row in rows))
    return Row(
        path=rows[0].path,
        sides={
            f"{report.bridge} bridge": bridge,
            **{
                f"{target} target": tuple(
                    (row.observed, row.observed_dags) for row in rows if row.target == target
                )
                for target in report.targets
            },
        },
        findings=", ".join(
            plural(found[severity], severity.value) for severity in SEVERITIES if found[severity]
        ),
        fine=not found[Severity.ERROR]
        and all(
            row.bridge == row.observed == "ok" and set(row.bridge_dags) == set(row.observed_dags)
            for row in rows
        ),
        rewritten=any(row.rewritten for row in rows),
    )


def _rewrites(report: Report) -> list[tuple[FileRewrite, tuple[str, ...]]]:
    """What became of each file, with the targets for which it became the same."""
    same = grouped(report.rewrites, lambda rewrite: replace(rewrite, target=""))
    return [
        (rewrite, in_order(report.targets, (each.target for each in many)))
        for rewrite, many in same.items()
    ]


def _diff_shortener() -> Callable[[str], tuple[list[tuple[str, str]], int]]:
    """A function that parts a diff into runs of lines of one kind (``+``, ``-``, ``@`` or ""),
    and says how many lines it left out for the page's sake."""
    room = DIFF_CHARACTERS

    def shorten(diff: str) -> tuple[list[tuple[str, str]], int]:
        nonlocal room
        found = diff.rstrip("\n").split("\n")
        kept = found[:DIFF_LINES] if len(diff) <= room else []
        room -= sum(map(len, kept))
        runs = groupby(kept, _kind)
        return [(kind, "\n".join(run)) for kind, run in runs], len(found) - len(kept)

    return shorten


def _kind(line: str) -> str:
    if line.startswith(("+++", "---")):
        return ""
    return line[0] if line.startswith(("+", "-", "@")) else ""
