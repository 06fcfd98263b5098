"""Every rule holds its own tests: what it changes, what it says, what it leaves alone."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from codemods import RULES, Example, Rule, migrate_source

EXAMPLES = [pytest.param(r, e, id=f"{r.id}-{i}") for r in RULES for i, e in enumerate(r.examples)]
KEEPS = [pytest.param(text, id=f"{r.id}-{i}") for r in RULES for i, text in enumerate(r.keeps)]


@pytest.mark.parametrize(("rule", "example"), EXAMPLES)
def test_example(rule: Rule, example: Example, targets: dict[str, dict[str, str]]) -> None:
    pins = targets[example.target]
    migration = migrate_source(
        example.before, pins=pins, unsafe=example.unsafe, python2=example.python2
    )
    assert migration.error is None
    assert migration.text == example.after
    if example.after is not None:
        ast.parse(example.after)
        grades = {e.safe for e in migration.edits if e.rule == rule.id}
        assert grades
        assert example.unsafe == (False in grades)
    notes = [n for n in migration.notes if n.rule == rule.id]
    assert len(notes) == len(example.notes)
    for note, part in zip(notes, example.notes, strict=True):
        assert part in f"{note.message} {note.fix}"
        assert not re.search(r"[\s,:]$", note.fix), "it breaks off"


@pytest.mark.parametrize(("rule", "example"), EXAMPLES)
def test_applied_twice_is_applied_once(
    rule: Rule, example: Example, targets: dict[str, dict[str, str]]
) -> None:
    text = example.before if example.after is None else example.after
    again = migrate_source(text, pins=targets[example.target], unsafe=example.unsafe)
    assert again.text is None


@pytest.mark.parametrize("text", KEEPS)
def test_keeps(text: str, newest: dict[str, str]) -> None:
    migration = migrate_source(text, pins=newest)
    assert (migration.text, migration.notes, migration.error) == (None, (), None)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.id)
def test_rule_explains_itself(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", rule.id)
    assert rule.title
    assert rule.why.endswith(".")
    assert rule.examples
    assert rule.keeps


def test_ids_are_unique() -> None:
    assert len({r.id for r in RULES}) == len(RULES)


def test_one_rule_a_file() -> None:
    folder = Path(__file__).resolve().parents[2] / "codemods" / "rules"
    files = [p for p in folder.glob("*.py") if not p.name.startswith("_")]
    assert len(files) == len(RULES)


def test_every_reported_rule_is_registered(targets: dict[str, dict[str, str]]) -> None:
    """Whatever an example makes of a text, each edit and note bears the id of a rule."""
    ids = {r.id for r in RULES}
    for rule in RULES:
        for example in rule.examples:
            migration = migrate_source(example.before, pins=targets[example.target])
            assert {x.rule for x in (*migration.edits, *migration.notes)} <= ids


def test_the_page_is_made_from_the_rules() -> None:
    from codemods.docs import page

    path = Path(__file__).resolve().parents[2] / "docs" / "codemods.md"
    assert path.read_text("utf-8") == page(), "run: python -m codemods.docs > docs/codemods.md"
