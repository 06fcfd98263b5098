"""The machine format: it keeps to its schema, and the schema to the model."""

from __future__ import annotations

import json
import os
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator, ValidationError
from report_builder import HOSTILE, STORIES, fails, hostile, large, passes

from harness.model import REPORT_SCHEMA, Finding, Report
from harness.report import View
from harness.report.json import dump, lines, schema

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "harness" / "data" / "report.schema.json"


def written(report: Report) -> Any:
    return json.loads("\n".join(lines(report, View())))


def test_the_committed_schema_is_the_models() -> None:
    """MWAA_HARNESS_UPDATE_SNAPSHOTS=1 writes it anew; a field added or renamed needs a thought
    about REPORT_SCHEMA's number."""
    text = "\n".join(dump(schema())) + "\n"
    if os.environ.get("MWAA_HARNESS_UPDATE_SNAPSHOTS"):
        SCHEMA.write_text(text, encoding="utf-8")
    assert SCHEMA.read_text(encoding="utf-8") == text
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("story", STORIES)
def test_reports_keep_to_the_schema(story: str) -> None:
    Draft202012Validator(schema()).validate(written(STORIES[story]()))


@pytest.mark.parametrize("name", [f.name for f in fields(Report) if f.name != "sources"])
def test_the_schema_notices_a_missing_field(name: str) -> None:
    payload = written(fails())
    del payload[name]
    with pytest.raises(ValidationError):
        Draft202012Validator(schema()).validate(payload)


def test_the_schema_notices_what_does_not_belong() -> None:
    for change in (
        {"schema": "mwaa-harness/report/2"},
        {"verdict": "maybe"},
        {"sources": {}},
        {"timings": {"total": "long"}},
    ):
        with pytest.raises(ValidationError):
            Draft202012Validator(schema()).validate(written(passes()) | change)


def test_every_finding_is_there_and_reads_back() -> None:
    for report in (fails(), large(files=50, findings=77)):
        text = "\n".join(lines(report, View()))
        assert msgspec.json.decode(text, type=Report) == replace(report, sources={})


def test_keys_have_one_order() -> None:
    report = fails()
    payload = written(report)
    names = [field.name for field in fields(Report) if field.name != "sources"]
    assert list(payload) == names
    assert names[0] == "schema"
    assert payload["schema"] == REPORT_SCHEMA
    assert list(payload["findings"][0]) == [field.name for field in fields(Finding)]
    shuffled = replace(report, timings=dict(reversed(list(report.timings.items()))))
    assert list(lines(shuffled, View())) == list(lines(report, View()))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_one_json_document(text: str) -> None:
    output = "\n".join(lines(hostile(text), View()))
    output.encode("utf-8")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", output)
    payload = json.loads(output)
    Draft202012Validator(schema()).validate(payload)
    if not re.search("[\ud800-\udfff]", text):
        assert payload["findings"][0]["message"] == fails().findings[0].message + text


def test_a_lone_surrogate_becomes_its_spelling() -> None:
    assert json.loads("\n".join(dump(["a\udcffb", "\\\udcff"]))) == ["a\\udcffb", "\\\\udcff"]


def test_the_docs_show_the_format() -> None:
    """docs/report.md names every field, and its example is the beginning of a real report."""
    text = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    for name, definition in schema()["$defs"].items():
        for field in definition.get("properties", {}):
            assert f"`{field}`" in text, f"{name}.{field} is not in docs/report.md"
    example = json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL)[1])
    assert example == written(passes()) | {key: example[key] for key in ("checks", "environments")}
    assert all(check in written(passes())["checks"] for check in example["checks"])
    assert all(each in written(passes())["environments"] for each in example["environments"])
