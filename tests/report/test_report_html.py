"""The page: one file, whole, harmless, readable by everybody. How it looks is a matter of looking
at it; what can be asserted about that is asserted here."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from report_builder import HOSTILE, STORIES, fails, hostile, large, passes

from harness.model import Report, Severity
from harness.report import View
from harness.report.base import visible
from harness.report.html import DIFF_LINES, lines

VOID = {"meta", "input", "br"}
PAGE = Path(__file__).parents[2] / "harness" / "report" / "page"


class Page(HTMLParser):
    """Elements in order with their attributes, the text, and the content of style and script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.raw: dict[str, str] = {"style": "", "script": ""}
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]] += data
        else:
            self.text += data

    def attributes(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.elements if name in attrs]

    def ids(self) -> list[str]:
        return self.attributes("id")


def html(report: Report) -> str:
    return "\n".join(lines(report, View()))


def skeleton(page: Page) -> list[tuple[str, list[str]]]:
    return [(tag, sorted(attrs)) for tag, attrs in page.elements]


@pytest.mark.parametrize("story", STORIES)
def test_it_asks_nothing_of_anybody(story: str) -> None:
    page = Page(html(STORIES[story]()))
    assert not {tag for tag, _ in page.elements} & {"link", "img", "iframe", "object", "base"}
    assert page.attributes("src") == []
    assert all(link.startswith("#") for link in page.attributes("href"))
    assert not re.search(r"url\(|@import|https?:", page.raw["style"] + page.raw["script"])
    names = {name for _, attrs in page.elements for name in attrs}
    assert "style" not in names
    assert not any(name.startswith("on") for name in names)


def test_the_policy_allows_the_pages_own_parts_and_nothing_else() -> None:
    page = Page(html(fails()))
    (policy,) = [
        attrs["content"]
        for _, attrs in page.elements
        if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.split(maxsplit=1) for rule in (policy or "").split("; "))
    assert rules.pop("default-src") == "'none'"
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.raw[kind].encode()).digest()).decode()
        assert rules.pop(f"{kind}-src") == f"'sha256-{digest}'"
    assert set(rules.values()) == {"'none'"}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(text: str) -> None:
    """With hostile text in every field the page has the very elements that it has with harmless
    text, and shows the text."""
    page = Page(html(hostile(text)))
    harmless = Page(html(hostile("harmless")))
    assert skeleton(page) == skeleton(harmless)
    assert page.raw == harmless.raw
    assert " ".join(visible(text).split()) in " ".join(page.text.split())
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2066\ud800-\udfff]", page.text)


def test_everything_is_on_the_page() -> None:
    report = fails()
    page = Page(html(report))
    text = page.text
    for finding in report.findings:
        assert finding.rule in text
        assert finding.path in text
        assert finding.message in text
        assert finding.fix in text
        assert all(
            line.removeprefix("bridge: ").removeprefix("target: ") in text
            for line in finding.evidence.split("\n")
        )
        assert finding.ignored in text
    for row in report.files:
        assert row.path in text
    for result in report.checks:
        assert result.title in text
        assert all(unjudged.reason in text for unjudged in result.unjudged)
    for rewrite in report.rewrites:
        assert rewrite.error in text
        assert all(line in text for line in rewrite.diff.split("\n"))
        for each in (*rewrite.edits, *rewrite.notes):
            assert each.message in text
    for environment in report.environments:
        assert environment.constraints_location in text
        assert all(name in text for name in environment.packages)


def test_the_same_environment_is_shown_once() -> None:
    bridge = fails().environments[0]
    several = tuple(replace(bridge, target=target) for target in fails().targets)
    other = replace(bridge, python="3.8")
    text = Page(html(replace(fails(), environments=(*several, other)))).text
    assert text.count("Airflow 1.10.15 bridge") == 2


@pytest.mark.parametrize("story", STORIES)
def test_it_can_be_found_ones_way_in(story: str) -> None:
    """Landmarks, names, one heading order, ids that exist once and links that lead somewhere."""
    page = Page(html(STORIES[story]()))
    tags = [tag for tag, _ in page.elements]
    assert tags.count("main") == tags.count("h1") == 1
    assert {"header", "nav", "footer", "title"} <= set(tags)
    ids = page.ids()
    assert len(ids) == len(set(ids))
    for link in page.attributes("href"):
        assert link.removeprefix("#") in ids
    for name in page.attributes("aria-labelledby"):
        assert name in ids
    for tag, attrs in page.elements:
        if tag == "section":
            assert "aria-labelledby" in attrs
        if tag == "th":
            assert attrs["scope"] in ("col", "row")
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert ("html", {"lang": "en"}) in page.elements


def test_structure_differences_are_a_table_and_not_said_twice() -> None:
    page = Page(html(fails()))
    message = next(f.message for f in fails().findings if f.check == "structure-survives")
    assert page.text.count(message) == 1
    assert "structure" in page.ids()
    without = [f for f in fails().findings if f.check != "structure-survives"]
    assert "structure" not in Page(html(replace(fails(), findings=tuple(without)))).ids()


def test_both_values_of_a_difference_have_a_column() -> None:
    page = html(fails())
    assert '<td data-label="bridge"><code>3</code></td><td data-label="target"><code>0' in page
    other = replace(fails().findings[0], evidence="what was seen", message="gone")
    assert "what was seen" in Page(html(replace(passes(), findings=(other,)))).text


def test_files_with_a_problem_come_first() -> None:
    table = html(large(files=100, findings=0)).split('<section id="files"')[1].split("<tbody>")[1]
    rows = re.findall(r"<tr( data-problem)?", table.split("</tbody>")[0])
    assert len(rows) == 117
    marks = [bool(mark) for mark in rows]
    assert marks == sorted(marks, reverse=True)
    assert any(marks)
    assert not all(marks)


def test_a_lost_dag_is_a_problem_though_both_sides_load() -> None:
    row = replace(passes().files[0], observed_dags=())
    assert "data-problem" not in html(passes()).split("<body>")[1]
    assert "data-problem" in html(replace(passes(), files=(row,))).split("<body>")[1]


def test_a_warning_alone_is_no_problem() -> None:
    finding = replace(fails().findings[0], severity=Severity.WARNING)
    assert "<tr data-problem" not in html(replace(passes(), findings=(finding,)))


def test_a_large_report_stays_small() -> None:
    assert len(html(large(files=1000, findings=300)).encode()) < 2_000_000


def test_diffs_do_not_grow_without_bound_and_say_so() -> None:
    report = fails()
    line = "+" + "x" * 99 + "\n"
    long = replace(report.rewrites[0], diff=line * (DIFF_LINES + 1))
    assert "1 line left out here" in html(replace(report, rewrites=(long,)))
    many = tuple(
        replace(long, path=f"dags/{number}.py", diff=line * DIFF_LINES) for number in range(100)
    )
    page = html(replace(report, rewrites=many))
    assert len(page) < 2_000_000
    assert f"{DIFF_LINES} lines left out here" in page
    assert all(f"dags/{number}.py" in page for number in range(100))


def test_diff_lines_are_marked_as_what_they_are() -> None:
    page = html(passes())
    assert "<del>-from airflow.operators.python_operator import PythonOperator</del>" in page
    assert "<ins>+from airflow.operators.python import PythonOperator</ins>" in page
    assert "<del>--- dags" not in page


def luminance(color: str) -> float:
    channels = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        *((ink, paper) for ink in ("ink", "soft", "link") for paper in ("paper", "raised")),
        *((ink, "paper") for ink in ("pass", "fail", "unknown", "note")),
        *((ink, f"{ink}-wash") for ink in ("pass", "fail", "unknown")),
        *(("ink", f"{ink}-wash") for ink in ("pass", "fail", "unknown")),
    ],
)
def test_contrast(theme: int, ink: str, paper: str) -> None:
    """WCAG 2.1, 1.4.3: at least 4.5 to 1."""
    css = (PAGE / "page.css").read_text(encoding="utf-8")
    root = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[theme]
    colors = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", root))
    light, dark = sorted((luminance(colors[ink]), luminance(colors[paper])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5
