"""Every id has a page that says something, and the pages in docs/rules are current."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import codemods
from harness.checks import checks, rules
from harness.errors import UsageError
from harness.explain import explain, index, pages

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import make_docs

ALL = sorted(pages())


def test_every_id_has_a_page() -> None:
    wanted = {check.id for check in checks()} | set(rules()) | {rule.id for rule in codemods.RULES}
    assert set(pages()) == wanted


def test_no_id_is_used_twice() -> None:
    ids = [check.id for check in checks()] + list(rules()) + [r.id for r in codemods.RULES]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("identifier", ALL)
def test_a_page_says_something(identifier: str) -> None:
    text = explain(identifier)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", identifier)
    assert text.startswith(f"# {identifier}\n")
    assert len(text.split()) > 25


@pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: rule.id)
def test_a_rule_is_complete(rule) -> None:  # type: ignore[no-untyped-def]
    assert all((rule.title, rule.why, rule.fix, rule.example, rule.keeps))
    assert rule.example != rule.keeps
    assert not rule.title.endswith(".")
    assert rule.why.endswith(".")
    assert rule.fix.endswith(".")


def test_one_rule_is_one_rule_in_every_check() -> None:
    for check in checks():
        for rule in check.rules:
            assert rule is rules()[rule.id]


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(UsageError) as error:
        explain("missing-variabel")
    assert "Did you mean missing-variable" in str(error.value)


def test_the_index_lists_everything() -> None:
    assert all(f"- {identifier} – " in index() for identifier in ALL)


def test_the_pages_in_docs_are_current() -> None:
    assert make_docs.stale(make_docs.FOLDER) == (), "run: python tools/make_docs.py"


def test_pages_are_written_and_removed(tmp_path: Path) -> None:
    (tmp_path / "retired-rule.md").write_text("gone", encoding="utf-8")
    assert "retired-rule.md" in make_docs.stale(tmp_path)
    assert "index.md" in make_docs.write(tmp_path)
    assert make_docs.stale(tmp_path) == ()
    assert not (tmp_path / "retired-rule.md").exists()
    assert make_docs.write(tmp_path) == ()


def test_a_codemods_page_shows_what_it_says() -> None:
    """A reader of `explain` sees the findings of an example, and not only that it stays."""
    for rule in codemods.RULES:
        text = explain(rule.id)
        for example in rule.examples:
            for part in example.notes:
                assert part in text, (rule.id, part)
