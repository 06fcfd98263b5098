"""Workflow commands, read as the runner of GitHub Actions reads them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from report_builder import HOSTILE, STORIES, fails, hostile, large, passes, unknown

from harness.model import Finding, Report, Severity, Verdict
from harness.report import View
from harness.report.github import LIMIT, lines


def commands(report: Report, prefix: str = "") -> list[tuple[str, dict[str, str], str]]:
    """Each workflow command: its name, its properties and its message, unescaped. Every line has
    to be one command or one plain line that the runner does not obey."""
    found = []
    for line in lines(report, View(prefix=prefix)):
        assert "\n" not in line
        assert "\r" not in line
        if not line.startswith("::"):
            assert "##[" not in line
            continue
        head, message = line.removeprefix("::").split("::", 1)
        name, _, rest = head.partition(" ")
        pairs = (pair.split("=", 1) for pair in rest.split(",") if pair)
        found.append((name, {key: unescape(value) for key, value in pairs}, unescape(message)))
    return found


def unescape(text: str) -> str:
    for escape, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escape, char)
    return text


def only(*findings: Finding) -> Report:
    return replace(passes(), verdict=Verdict.FAIL, findings=findings)


def finding(**changes: object) -> Finding:
    return Finding(**{"rule": "a-rule", "path": "dags/a.py", "message": "broken"} | changes)


def test_an_annotation_says_where_why_and_what_to_do() -> None:
    report = only(finding(line=3, column=7, evidence="raise X", fix="do Y", target="2.11.0"))
    name, properties, message = commands(report, prefix="sub")[0]
    assert name == "error"
    assert properties == {"file": "sub/dags/a.py", "line": "3", "col": "7", "title": "a-rule"}
    assert message == "broken\nraise X\ndo Y\nAirflow 2.11.0"


def test_what_is_not_known_is_left_out() -> None:
    assert commands(only(finding(path="")))[0][1] == {"title": "a-rule"}
    assert commands(only(finding()))[0][1] == {"title": "a-rule", "file": "dags/a.py"}


def test_properties_and_messages_survive_their_escapes() -> None:
    report = only(finding(path="a,b:c%2C=d.py", message="50%: a,b\nnext %0A"))
    _, properties, message = commands(report)[0]
    assert properties["file"] == "a,b:c%2C=d.py"
    assert message == "50%: a,b\nnext %0A"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_adds_no_command(text: str) -> None:
    names = [name for name, _, _ in commands(hostile(text))]
    assert names == [name for name, _, _ in commands(fails())]


def test_the_worst_comes_first() -> None:
    report = only(
        finding(severity=Severity.NOTE), finding(severity=Severity.WARNING), finding(line=1)
    )
    assert [name for name, _, _ in commands(report)] == ["error", "warning", "notice", "error"]


@pytest.mark.parametrize("report", [*(story() for story in STORIES.values()), large(100, 300)])
def test_no_type_has_more_than_github_shows(report: Report) -> None:
    numbers = Counter(name for name, _, _ in commands(report))
    assert all(numbers[name] <= LIMIT for name in ("error", "warning", "notice"))


def test_each_kind_of_finding_gets_room_before_repeats() -> None:
    repeats = [finding(path=f"dags/{number:02}.py") for number in range(40)]
    report = only(*repeats, finding(path="dags/z.py", message="the rare one"))
    shown = [message for name, _, message in commands(report) if name == "error"]
    assert shown[1] == "the rare one"
    output = list(lines(report, View()))
    assert all(any(each.path in line for line in output) for each in report.findings)


def test_ignored_findings_are_not_annotated() -> None:
    assert len(commands(only(finding(ignored="known")))) == 1


@pytest.mark.parametrize(
    ("report", "command"), [(passes(), "notice"), (fails(), "error"), (unknown(), "error")]
)
def test_the_verdict_comes_last(report: Report, command: str) -> None:
    name, properties, message = commands(report)[-1]
    assert (name, properties) == (command, {"title": "mwaa-harness"})
    assert message.startswith(f"{report.verdict}: ")


def test_findings_come_before_what_could_not_be_judged() -> None:
    report = replace(unknown(), findings=(finding(), finding(severity=Severity.WARNING)))
    titles = [properties["title"] for _, properties, _ in commands(report)]
    assert titles == ["a-rule", "not judged", "a-rule", "mwaa-harness"]


def test_what_could_not_be_judged_is_an_error() -> None:
    name, properties, message = commands(unknown())[0]
    assert (name, properties) == ("error", {"title": "not judged"})
    assert "no Python 3.12 was found" in message
