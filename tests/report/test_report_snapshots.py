"""Whole reports, as they were when somebody last looked at them.

    MWAA_HARNESS_UPDATE_SNAPSHOTS=1 python -m pytest tests/report/test_report_snapshots.py

writes them anew (``git diff`` then shows what changed): ``fixtures/reports/*.json`` are the
stories in the machine format, ``tests/report/snapshots/`` the same in the others. The page's own
style sheet and script are not part of its snapshot.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from report_builder import RULES, STORIES

from harness.report import FORMATS, View

HERE = Path(__file__).parent
FIXTURES = HERE.parents[1] / "fixtures" / "reports"
SUFFIXES = {
    "text": "txt",
    "json": "json",
    "junit": "xml",
    "sarif": "sarif",
    "github": "github",
    "html": "html",
}


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("story", STORIES)
def test_whole_report(story: str, format_: str) -> None:
    lines = FORMATS[format_](STORIES[story](), View(width=80, prefix="dags-repo", rules=RULES))
    text = "\n".join(lines) + "\n"
    if format_ == "html":
        text = re.sub(r"<(style|script)>.*?</\1>", r"<\1>…</\1>", text, flags=re.DOTALL)
        text = re.sub(r"sha256-[A-Za-z0-9+/=]+", "sha256-…", text)
    folder = FIXTURES if format_ == "json" else HERE / "snapshots"
    path = folder / f"{story}.{SUFFIXES[format_]}"
    if os.environ.get("MWAA_HARNESS_UPDATE_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_no_snapshot_is_left_over() -> None:
    expected = {f"{story}.{suffix}" for story in STORIES for suffix in SUFFIXES.values()}
    found = [*HERE.joinpath("snapshots").iterdir(), *FIXTURES.iterdir()]
    assert {path.name for path in found} == expected
