"""JUnit XML: its shape is what Jenkins reads, and nothing unproven is green."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from report_builder import HOSTILE, STORIES, fails, hostile, passes, unknown

from harness.model import FileRow, Finding, Report, Severity, Verdict
from harness.report import View
from harness.report.junit import lines

# element → (children in it, attributes it must have, attributes it may have), from the XML Schema
# junit-10.xsd of jenkinsci/xunit-plugin, revision 031e285ef3b60dee7aaf36e9096d7dcd95ffae83; only
# what this project uses.
SHAPE: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": ({"testsuite"}, set(), {"name", "time", "tests", "failures", "errors"}),
    "testsuite": (
        {"testcase"},
        {"name", "tests", "failures", "errors"},
        {"time", "skipped", "timestamp", "hostname", "id", "package"},
    ),
    "testcase": ({"failure", "error", "skipped", "system-out"}, {"name"}, {"time", "classname"}),
    "failure": (set(), set(), {"type", "message"}),
    "error": (set(), set(), {"type", "message"}),
    "skipped": (set(), set(), {"type", "message"}),
    "system-out": (set(), set(), set()),
}


def parsed(report: Report) -> ET.Element:
    return ET.fromstring("\n".join(lines(report, View())))  # noqa: S314 – our own


def cases(report: Report) -> dict[tuple[str, str], str]:
    """(class name, name) → outcome; "" is green."""
    return {
        (case.get("classname", ""), case.get("name", "")): next(
            (child.tag for child in case if child.tag != "system-out"), ""
        )
        for case in parsed(report).iter("testcase")
    }


def assert_shape(element: ET.Element) -> None:
    children, must, may = SHAPE[element.tag]
    assert {child.tag for child in element} <= children
    assert must <= set(element.attrib) <= must | may
    for child in element:
        assert_shape(child)


@pytest.mark.parametrize("story", STORIES)
def test_shape_and_numbers(story: str) -> None:
    root = parsed(STORIES[story]())
    assert_shape(root)
    assert re.fullmatch(r"[0-9]{0,3}(\.[0-9]*)?", root.get("time", ""))
    for element in (root, *root.iter("testsuite")):
        for attribute, tag in (("failures", "failure"), ("errors", "error")):
            assert int(element.get(attribute, "")) == len(list(element.iter(tag)))
        assert int(element.get("tests", "")) == len(list(element.iter("testcase")))
    for suite in root.iter("testsuite"):
        assert int(suite.get("skipped", "")) == len(list(suite.iter("skipped")))


@pytest.mark.parametrize("story", STORIES)
def test_names_are_unique_and_stable(story: str) -> None:
    report = STORIES[story]()
    named = [(case.get("classname"), case.get("name")) for case in parsed(report).iter("testcase")]
    assert len(named) == len(set(named))
    better = replace(
        report,
        verdict=Verdict.PASS,
        findings=(),
        checks=tuple(replace(each, status=Verdict.PASS, findings=0) for each in report.checks),
    )
    assert [*cases(better)] == [*cases(report)]
    assert ("mwaa-harness.checks.airflow-2_11_0", "dags-survive") in cases(report)
    assert ("mwaa-harness.files.airflow-2_11_0", "dags/movie_list.py [bridge]") in cases(report)


def test_all_is_green_only_when_all_is_proven() -> None:
    assert set(cases(passes()).values()) == {""}


@pytest.mark.parametrize("status", list(Verdict))
def test_a_check_says_what_it_says(status: Verdict) -> None:
    report = fails()
    check = replace(report.checks[0], status=status)
    outcome = cases(replace(report, checks=(check,)))[
        ("mwaa-harness.checks.airflow-2_5_1", "parses-on-bridge")
    ]
    assert outcome == {"pass": "", "fail": "failure", "unknown": "error"}[status]


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.UNKNOWN])
def test_a_report_with_nothing_in_it_is_not_green(verdict: Verdict) -> None:
    empty = replace(passes(), verdict=verdict, checks=(), files=())
    assert [*cases(empty).values()] == ["failure" if verdict is Verdict.FAIL else "error"]


def finding(
    severity: Severity = Severity.ERROR, ignored: str = "", side: str = "bridge"
) -> Finding:
    return Finding(
        rule="broken-on-bridge",
        path="dags/a.py",
        message="it does not load",
        severity=severity,
        ignored=ignored,
        side=side,
        target="2.11.0",
    )


@pytest.mark.parametrize(
    ("outcome", "findings", "expected"),
    [
        ("ok", (), ""),
        ("ok", (finding(),), ""),
        *((each, (), "failure") for each in ("error", "exit", "timeout", "memory", "killed")),
        ("a new one", (), "failure"),
        ("absent", (), "error"),
        ("lost", (), "error"),
        ("lost", (finding(ignored="we know"),), "error"),
        ("error", (finding(ignored="we know"),), "skipped"),
        ("error", (finding(ignored="we know"), finding()), "failure"),
        ("error", (finding(ignored="we know", side="target"),), "failure"),
        ("error", (finding(ignored="we know"), finding(Severity.WARNING)), "failure"),
    ],
)
def test_a_file_is_green_only_when_it_loaded(
    outcome: str, findings: tuple[Finding, ...], expected: str
) -> None:
    row = FileRow(path="dags/a.py", target="2.11.0", bridge=outcome, observed="ok")
    report = replace(passes(), files=(row,), findings=findings)
    assert cases(report)[("mwaa-harness.files.airflow-2_11_0", "dags/a.py [bridge]")] == expected
    assert cases(report)[("mwaa-harness.files.airflow-2_11_0", "dags/a.py [target]")] == ""


def test_the_text_says_where_why_and_what_to_do() -> None:
    text = next(
        failure.text or ""
        for failure in parsed(fails()).iter("failure")
        if "structure-differs" in (failure.text or "")
    )
    assert "dags/movie_list.py:12:5: error structure-differs: DAG movie-list-dag, task" in text
    assert "fix: Set retries=3" in text


def test_unjudged_reasons_are_there() -> None:
    errors = [error.text or "" for error in parsed(unknown()).iter("error")]
    assert any("no Python 3.12 was found" in text for text in errors)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_keeps_the_document_whole(text: str) -> None:
    root = parsed(hostile(text))
    assert_shape(root)
    assert len(list(root.iter())) == len(list(parsed(fails()).iter()))
