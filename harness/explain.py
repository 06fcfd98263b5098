"""A page for each check, each rule of a check and each rule of a codemod, made from itself."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import codemods
from harness.checks import checks
from harness.errors import UsageError
from harness.model import Check, Rule


@dataclass(frozen=True, kw_only=True)
class Page:
    """What there is to say about one id. ``kind`` is "check", "rule" or "codemod"."""

    id: str
    kind: str
    title: str
    body: str


def explain(identifier: str) -> str:
    """The page about a check, a rule or a codemod, as Markdown that reads well in a terminal.

    An id that does not exist is a UsageError that names the nearest.
    """
    known = pages()
    if identifier not in known:
        near = difflib.get_close_matches(identifier, known, n=3)
        meant = f"Did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(
            f"There is no rule or check called {identifier}.",
            hint=f"{meant}`mwaa-harness explain` lists all of them.",
        )
    return render(known[identifier])


def index() -> str:
    """Every id with its title, by kind, as Markdown."""
    return "\n".join(_index(lambda page: page.id))


def linked_index() -> str:
    """The same with links to the files of ``docs/rules``."""
    return "\n".join(_index(lambda page: f"[{page.id}]({page.id}.md)")) + "\n"


@cache
def pages() -> Mapping[str, Page]:
    """Every page by id: checks in the order of a report, their rules, then codemods."""
    return {page.id: page for page in (*_check_pages(), *_rule_pages(), *_codemod_pages())}


def render(page: Page) -> str:
    """One page as Markdown that reads well in a terminal."""
    return f"# {page.id}\n\n{page.title}.\n\n{page.body}"


def _check_pages() -> Iterator[Page]:
    for check in checks():
        ids = "\n".join(f"- `{rule.id}` – {rule.title}" for rule in check.rules)
        yield Page(
            id=check.id,
            kind="check",
            title=check.title,
            body=f"{check.why}\n\n## What it may find\n\n{ids}\n",
        )


def _rule_pages() -> Iterator[Page]:
    raised_by: dict[str, list[Check]] = {}
    for check in checks():
        for rule in check.rules:
            raised_by.setdefault(rule.id, []).append(check)
    for rule_id, raisers in raised_by.items():
        rule = next(rule for rule in raisers[0].rules if rule.id == rule_id)
        yield Page(id=rule.id, kind="rule", title=rule.title, body=_rule_body(rule, raisers))


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
        parts = [rule.why]
        for example in rule.examples:
            parts.append(
                f"## Airflow {example.target}\n\nBefore:\n\n{_code(example.before)}\n\n"
                f"After:\n\n{_code(example.after)}"
            )
        parts += [f"## Left alone\n\n{_code(text)}" for text in rule.keeps]
        yield Page(id=rule.id, kind="codemod", title=rule.title, body="\n\n".join(parts) + "\n")


def _code(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.strip("\n").splitlines())


KINDS = {"check": "Checks", "rule": "Rules of the checks", "codemod": "Codemods"}


def _index(label: Callable[[Page], str]) -> Iterator[str]:
    yield "# Checks, rules and codemods"
    for kind, heading in KINDS.items():
        yield from ("", f"## {heading}", "")
        for page in pages().values():
            if page.kind == kind:
                yield f"- {label(page)} – {page.title}"
