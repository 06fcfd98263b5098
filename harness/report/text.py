"""The report for a terminal or a log."""

from __future__ import annotations

import io
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.model import Finding, Report, Severity, Verdict
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
    inert,
    location,
    origin,
    shown,
    source_reader,
    split_repeated,
    statements,
    summary,
    tally,
    visible,
)

# The sixteen colours of the terminal's own theme: they fit a light and a dark one.
STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "red",
    Verdict.UNKNOWN: "yellow",
    Severity.ERROR: "red",
    Severity.WARNING: "yellow",
    Severity.NOTE: "cyan",
}
# Nothing is lost by these limits: the JSON report and the HTML page hold everything.
PLACES = 12
PATHS = 3
EVIDENCE_HEAD, EVIDENCE_TAIL = 8, 12
# More findings than this do not fit on a screen: they are also counted by rule, near the end.
OVERVIEW = 10

Reader = Callable[[Finding], str]


def lines(report: Report, view: View) -> Iterator[str]:
    """The report as lines of at most ``view.width`` columns (paths and the verdict are never
    broken), the verdict last."""
    console = Console(
        file=io.StringIO(),
        width=view.width,
        force_terminal=view.color,
        color_system="standard" if view.color else None,
        no_color=not view.color,
        legacy_windows=False,
        markup=False,
        highlight=False,
        emoji=False,
    )
    for block in _blocks(report, view):
        with console.capture() as captured:
            console.print(block, soft_wrap=isinstance(block, Text) and bool(block.no_wrap))
        for line in captured.get().removesuffix("\n").split("\n"):
            yield inert(line.rstrip(" "))


def _blocks(report: Report, view: View) -> Iterator[RenderableType]:
    said = statements(report)
    open_ones = shown(said)
    numbers = counts(report, said)
    yield from _head(report)
    if report.checks:
        yield from _section("Checks", [_checks(report)])
    yield from _findings(report, view, open_ones)
    if len(open_ones) > OVERVIEW:
        yield from _section("By rule", [_by_rule(open_ones)])
    yield from _section("Not judged", _gaps(report))
    yield from _section("Ignored", _ignored(said))
    yield ""
    yield _next(report, open_ones)
    yield ""
    yield _one_line(
        (f"{SYMBOLS[report.verdict]} {report.verdict.upper()}", f"bold {STYLES[report.verdict]}"),
        ("  " + summary(report, numbers), ""),
    )


# ------------------------------------------------------------------------------------- sections


def _section(title: str, blocks: Iterable[RenderableType]) -> Iterator[RenderableType]:
    blocks = list(blocks)
    if blocks:
        yield ""
        yield Text(title, "bold")
        yield from blocks


def _head(report: Report) -> Iterator[RenderableType]:
    yield _text(("mwaa-harness ", "bold"), (report.version, "dim"))
    yield ""
    grid = _grid()
    grid.add_row(Text("repository", "dim"), _text((report.repo, "")))
    targets = ", ".join(report.targets)
    grid.add_row(Text("move", "dim"), _text((f"Airflow {report.bridge} → {targets}", "")))
    yield grid
    blocks: list[RenderableType] = []
    for environment in distinct_environments(report):
        about = f"Airflow {environment.airflow} on Python {environment.python}"
        aside = _dot(environment.runtime)
        blocks.append(_one_line((f"  {environment.side:<8}", "dim"), (about, ""), (aside, "dim")))
        if constraints := origin(environment):
            blocks.append(_indented(10, _text((constraints, "dim"))))
        image = (environment.image, environment.image_digest) if environment.image else ()
        for place in filter(None, (environment.constraints_location, *image)):
            blocks.append(_one_line((f"{'':10}{place}", "dim")))
        if environment.failure:
            blocks.append(_indented(10, _text((environment.failure.strip(), "red"))))
    yield from _section("Environments", blocks)


def _checks(report: Report) -> RenderableType:
    """A row for each check and answer: targets with the same answer share one."""
    grid = _grid()
    order = list(dict.fromkeys(each.check for each in report.checks))
    rows = grouped(
        sorted(report.checks, key=lambda each: order.index(each.check)),
        lambda each: (each.check, each.status, tally(each)),
    )
    for (check, status, numbers), results in rows.items():
        targets = in_order(report.targets, (result.target for result in results))
        some = ", ".join(targets) if set(targets) != set(report.targets) else ""
        grid.add_row(
            _text((f"{SYMBOLS[status]} {status}", STYLES[status])),
            _text((check, "")),
            _text((numbers, "" if status is not Verdict.PASS else "dim"), (_dot(some), "dim")),
        )
    return _indented(2, grid)


def _findings(report: Report, view: View, said: list[Statement]) -> Iterator[RenderableType]:
    read = source_reader(report)
    by_path, repeated = split_repeated(said)
    for path, here in by_path.items():
        yield ""
        yield _one_line((path or "the repository", "bold"))
        for _, alike in groupby(here, key=lambda each: (each.finding.rule, each.finding.fix)):
            *others, last = alike
            for statement in others:
                yield from _finding(report, view, statement, read)
            yield from _finding(report, view, last, read, fix=last.finding.fix)
    for many in repeated:
        yield ""
        yield Text(f"in {len(many):,} places", "bold")
        fix = many[0].finding.fix
        yield from _finding(report, view, many[0], read, places=many, fix=fix)


def _finding(
    report: Report,
    view: View,
    statement: Statement,
    read: Reader,
    places: list[Statement] | None = None,
    fix: str = "",
) -> Iterator[RenderableType]:
    """One finding, and ``fix``, which several in a row may have in common."""
    finding = statement.finding
    style = STYLES[finding.severity]
    aside = [f"seen on the {finding.side}"] if finding.side else []
    if len(report.targets) > 1 and statement.targets:
        aside.append(", ".join(statement.targets))
    where = "" if places else location(finding, path=False)
    if where and not finding.column:
        where = f"line {where}"
    yield _indented(
        2,
        _text(
            (f"{SYMBOLS[finding.severity]} {finding.severity}", f"bold {style}"),
            (f" {where}" if where else "", ""),
            (f" {finding.rule}", "bold"),
            ("".join(map(_dot, aside)), "dim"),
        ),
    )
    yield _indented(4, _text((finding.message, "")))
    if places:
        listed = ", ".join(location(place.finding) for place in places[:PLACES])
        more = f" and {len(places) - PLACES:,} more" if len(places) > PLACES else ""
        yield _indented(4, _text((f"{listed}{more}", "dim")))
    source = read(finding)
    if source.strip():
        yield _source(finding, source, view.width)
    if finding.evidence.strip() not in ("", source.strip()):
        yield from (
            _indented(4, _text((line, "dim")))
            for line in _shortened(finding.evidence.strip("\n").split("\n"))
        )
    if fix:
        grid = _grid(1)
        grid.add_row(_text(("fix:", style)), _text((fix, "")))
        yield _indented(4, grid)


def _by_rule(said: list[Statement]) -> RenderableType:
    found = Counter((each.finding.severity, each.finding.rule) for each in said)
    grid = _grid()
    for (severity, rule), number in sorted(
        found.items(), key=lambda item: (SEVERITIES.index(item[0][0]), -item[1], item[0][1])
    ):
        mark = _text((f"{SYMBOLS[severity]} {severity}", STYLES[severity]))
        grid.add_row(mark, Text(f"{number:,}", justify="right"), _text((rule, "")))
    return _indented(2, grid)


def _gaps(report: Report) -> Iterator[RenderableType]:
    for gap in gaps(report):
        yield _indented(2, _text(("? ", STYLES[Verdict.UNKNOWN]), (gap.reason, "")))
        where = [", ".join(gap.checks)]
        if len(report.targets) > 1:
            where.append(", ".join(gap.targets))
        if gap.paths:
            more = len(gap.paths) - PATHS
            where.append(", ".join(gap.paths[:PATHS]) + (f" and {more:,} more" * (more > 0)))
        yield _indented(4, _text((" · ".join(where), "dim")))


def _ignored(said: Iterable[Statement]) -> Iterator[RenderableType]:
    for (rule, reason), many in ignored(said).items():
        yield _indented(2, _text((f"{len(many):,} × {rule}", ""), (f" – {reason}", "dim")))


def _next(report: Report, said: list[Statement]) -> Text:
    """The one command that helps most."""
    repo = shlex.quote(report.repo)
    rules = Counter(
        statement.finding.rule
        for statement in said
        if statement.finding.severity is not Severity.NOTE
    )
    if rules:
        command = f"mwaa-harness explain {rules.most_common(1)[0][0]}"
        why = "why that is so and what to do; it knows every rule above"
    elif any(side.failure for side in report.environments):
        command, why = "mwaa-harness doctor", "what this machine lacks to judge the rest"
    elif open_questions := gaps(report):
        command = f"mwaa-harness explain {open_questions[0].checks[0]}"
        why = "what that check looks at; what kept it from judging stands under “Not judged”"
    elif any(rewrite.diff for rewrite in report.rewrites):
        target = report.targets[-1]
        command = f"mwaa-harness migrate {repo} --target {target} --diff"
        why = "what the move changes in your files"
    else:
        command = f"mwaa-harness check {repo} --format html --output report.html"
        why = "the same with every file and environment"
    return _text(("Next: ", "dim"), (command, "bold"), (f"\n{why}", "dim"))


# ------------------------------------------------------------------------------------- elements


def _text(*parts: tuple[str, str]) -> Text:
    """Untrusted text as it is, part by part with its style: no markup, no escape sequence."""
    text = Text(overflow="fold")
    for content, style in parts:
        text.append(visible(content), style)
    return text


def _one_line(*parts: tuple[str, str]) -> Text:
    """Text that is for copying or searching – a path, the verdict – and so is never broken."""
    text = _text(*parts)
    text.no_wrap = True
    return text


def _dot(text: str) -> str:
    return f" · {text}" if text else ""


def _indented(columns: int, block: RenderableType) -> Padding:
    return Padding(block, (0, 0, 0, columns))


def _grid(gap: int = 2) -> Table:
    return Table.grid(padding=(0, gap, 0, 0))


def _source(finding: Finding, source: str, width: int) -> Padding:
    """The line of the file, without its indentation, and a caret below the column."""
    number = str(finding.line)
    code = source.expandtabs(4)
    before = source[: finding.column - 1].expandtabs(4) if finding.column else ""
    indent = len(code) - len(code.lstrip())
    room = width - 4 - len(number) - 3
    # Of a very long line, the part around the column.
    start = max(indent, len(before) - room // 2) if len(code) - indent > room else indent
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{number} │ ", "dim")
    text.append(visible(code[start:].rstrip()))
    if finding.column and len(before) >= start:
        offset = cell_len(visible(before[start:]))
        text.append(f"\n{' ' * len(number)} │ ", "dim")
        text.append(" " * offset + "^", STYLES[finding.severity])
    return _indented(4, text)


def _shortened(found: list[str]) -> list[str]:
    left_out = len(found) - EVIDENCE_HEAD - EVIDENCE_TAIL
    if left_out <= 1:
        return found
    return [
        *found[:EVIDENCE_HEAD],
        f"… {left_out:,} lines left out …",
        *found[-EVIDENCE_TAIL:],
    ]
