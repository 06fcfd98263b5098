"""A page for each check, each rule of a check and each rule of a codemod, made from itself."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial

import codemods
from harness.checks import checks
from harness.errors import UsageError
from harness.model import Check, Rule
from harness.targets import get_target, lock_pins, outside_pins


@dataclass(frozen=True, kw_only=True)
class Page:
    """What there is to say about one id. ``kind`` is "check", "rule" or "codemod"; ``body`` makes
    the text."""

    id: str
    kind: str
    title: str
    body: Callable[[], str]


def explain(identifier: str) -> str:
    """The page about a check, a rule or a codemod, as Markdown that reads well in a terminal.

    An id that does not exist is a UsageError that names the nearest.
    """
    return render(page(identifier))


def page(identifier: str) -> Page:
    """The page about one id, its text not yet made; UsageError as in ``explain``."""
    known = pages()
    if identifier not in known:
        near = difflib.get_close_matches(identifier, known, n=3)
        meant = f"Did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(
            f"There is no rule or check called {identifier}.",
            hint=f"{meant}`mwaa-harness explain` lists all of them.",
        )
    return known[identifier]


def index() -> str:
    """Every id with its title, by kind, as Markdown."""
    return "\n".join(_index(lambda each: each.id))


def linked_index() -> str:
    """The same with links to the files of ``docs/rules``."""
    return "\n".join(_index(lambda each: f"[{each.id}]({each.id}.md)")) + "\n"


@cache
def pages() -> Mapping[str, Page]:
    """Every page by id: checks in the order of a report, their rules, then codemods."""
    return {each.id: each for each in (*_check_pages(), *_rule_pages(), *_codemod_pages())}


def render(shown: Page) -> str:
    """One page as Markdown that reads well in a terminal."""
    return f"# {shown.id}\n\n{shown.title}.\n\n{shown.body()}"


def _check_pages() -> Iterator[Page]:
    for check in checks():
        body = partial(_check_body, check)
        yield Page(id=check.id, kind="check", title=check.title, body=body)


def _check_body(check: Check) -> str:
    ids = "\n".join(f"- `{rule.id}` – {rule.title}" for rule in check.rules)
    return f"{check.why}\n\n## What it may find\n\n{ids}\n"


def _rule_pages() -> Iterator[Page]:
    raised_by: dict[str, list[Check]] = {}
    for check in checks():
        for rule in check.rules:
            raised_by.setdefault(rule.id, []).append(check)
    for rule_id, raisers in raised_by.items():
        rule = next(rule for rule in raisers[0].rules if rule.id == rule_id)
        body = partial(_rule_body, rule, raisers)
        yield Page(id=rule.id, kind="rule", title=rule.title, body=body)


def _rule_body(rule: Rule, raisers: Iterable[Check]) -> str:
    parts = [
        rule.why,
        f"## What to do\n\n{rule.fix}",
        f"## Raised by\n\n{_code(rule.example)}",
        f"## Looks alike and is fine\n\n{_code(rule.keeps)}" if rule.keeps else "",
        f"Severity: {rule.severity.value}. Check: {', '.join(c.id for c in raisers)}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _codemod_pages() -> Iterator[Page]:
    for rule in codemods.RULES:
        body = partial(_codemod_body, rule)
        yield Page(id=rule.id, kind="codemod", title=rule.title, body=body)


@cache
def _codemod_body(rule: codemods.Rule) -> str:
    parts = [rule.why]
    for example in rule.examples:
        how = [f"--{name}" for name in ("unsafe", "python2") if getattr(example, name)]
        parts.append(f"## {' '.join([f'Airflow {example.target}', *how])}")
        if example.after is None:
            parts.append(f"Stays:\n\n{_code(example.before)}")
        else:
            parts.append(f"Before:\n\n{_code(example.before)}")
            parts.append(f"After:\n\n{_code(example.after)}")
        if findings := "\n".join(_findings(rule, example)):
            parts.append(f"What is left to do:\n\n{findings}")
    parts += [f"## Left alone\n\n{_code(text)}" for text in rule.keeps]
    return "\n\n".join(parts) + "\n"


def _findings(rule: codemods.Rule, example: codemods.Example) -> Iterator[str]:
    """What the rule itself says of an example, a list item each."""
    row = get_target(example.target)
    pins = {
        **outside_pins(row),
        **lock_pins(row),
        **row.preinstalled,
        "apache-airflow": row.airflow,
    }
    made = codemods.migrate_source(
        example.before, pins=pins, unsafe=example.unsafe, python2=example.python2
    )
    for note in made.notes:
        if note.rule == rule.id:
            said, _, code = note.fix.partition("\n")
            yield f"- line {note.line}: {note.message}. {said.rstrip('.')}{':' if code else '.'}"
            if code:
                yield f"\n{_code(_code(code))}\n"


def _code(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.strip("\n").splitlines())


KINDS = {"check": "Checks", "rule": "Rules of the checks", "codemod": "Codemods"}


def _index(label: Callable[[Page], str]) -> Iterator[str]:
    yield "# Checks, rules and codemods"
    for kind, heading in KINDS.items():
        yield from ("", f"## {heading}", "")
        for each in pages().values():
            if each.kind == kind:
                yield f"- {label(each)} – {each.title}"
