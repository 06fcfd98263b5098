"""SARIF: the shape of the standard, and alerts that stay themselves when lines move."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft202012Validator
from report_builder import HOSTILE, MOVIES, RULES, STORIES, fails, hostile, large, passes, unknown

from harness.model import Finding, Report
from harness.report import View
from harness.report.sarif import lines

# The official schema is not in any package index, so its part that is used here is stated anew.
SHAPE = Draft202012Validator(
    json.loads(Path(__file__).with_name("sarif.schema.json").read_text(encoding="utf-8"))
)


def run(report: Report, **view: Any) -> dict[str, Any]:
    log = json.loads("\n".join(lines(report, View(rules=RULES, **view))))
    SHAPE.validate(log)
    return log["runs"][0]


def only(*findings: Finding) -> Report:
    return replace(fails(), findings=findings)


def finding(**changes: Any) -> Finding:
    return Finding(**{"rule": "a-rule", "path": "dags/movie_list.py", "message": "m"} | changes)


def fingerprints(report: Report) -> list[str]:
    return [each["partialFingerprints"]["mwaaHarness/v1"] for each in run(report)["results"]]


@pytest.mark.parametrize("report", [*(story() for story in STORIES.values()), large(50, 100)])
def test_shape(report: Report) -> None:
    found = run(report)
    rules = [rule["id"] for rule in found["tool"]["driver"]["rules"]]
    assert rules == sorted(set(rules))
    for result in found["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
    assert len(set(fingerprints(report))) == len(found["results"])


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_keeps_the_shape(text: str) -> None:
    assert len(run(hostile(text))["results"]) == len(run(fails())["results"])


def test_a_rule_brings_its_own_text_and_else_its_id() -> None:
    rules = {rule["id"]: rule for rule in run(fails())["tool"]["driver"]["rules"]}
    known, unknown_rule = rules["structure-differs"], rules["import-error"]
    assert known["shortDescription"]["text"] == RULES["structure-differs"].title
    assert RULES["structure-differs"].fix in known["help"]["text"]
    assert unknown_rule["shortDescription"]["text"] == "import-error"


def test_targets_are_merged_and_named() -> None:
    report = only(finding(target="2.5.1"), finding(target="2.11.0"))
    (result,) = run(report)["results"]
    assert result["message"]["text"] == "m (Airflow 2.5.1, 2.11.0)"
    assert result["properties"]["targets"] == ["2.5.1", "2.11.0"]


def test_place_region_and_snippet() -> None:
    (result,) = run(only(finding(line=7, column=27)))["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["region"] == {
        "startLine": 7,
        "startColumn": 27,
        "snippet": {"text": MOVIES.split("\n")[6]},
    }
    (result,) = run(only(finding()))["results"]
    assert "region" not in result["locations"][0]["physicalLocation"]


@pytest.mark.parametrize("path", ["dags/ü n%i.py", "c:d/e.py", "a#b?c.py", ""])
@pytest.mark.parametrize("prefix", ["", "sub dir"])
def test_a_path_is_a_relative_uri(path: str, prefix: str) -> None:
    (result,) = run(only(finding(path=path)), prefix=prefix)["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert unquote(uri) == ("/".join(part for part in (prefix, path) if part) or ".")
    assert not set(uri) & set(":?# ")


def test_an_alert_stays_itself_when_lines_above_it_change() -> None:
    before = only(finding(line=7, column=27), finding(line=12))
    moved = replace(
        only(finding(line=9, column=27), finding(line=14)),
        sources={"dags/movie_list.py": "\n\n" + MOVIES},
    )
    assert fingerprints(before) == fingerprints(moved)
    assert fingerprints(only(finding(line=7))) != fingerprints(only(finding(line=12)))
    twice = fingerprints(only(finding(column=1), finding(column=2)))
    assert len(set(twice)) == 2


def test_ignored_findings_are_suppressed_with_their_reason() -> None:
    ignored, shown = run(only(finding(ignored="we know"), finding(line=7)))["results"]
    assert ignored["suppressions"] == [{"kind": "external", "justification": "we know"}]
    assert shown["suppressions"] == []


def test_unknown_is_not_a_successful_run() -> None:
    (invocation,) = run(unknown())["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["exitCode"] == 3
    texts = [note["message"]["text"] for note in invocation["toolExecutionNotifications"]]
    assert any("no Python 3.12 was found" in text for text in texts)
    assert run(passes())["invocations"] == [{"executionSuccessful": True, "exitCode": 0}]
