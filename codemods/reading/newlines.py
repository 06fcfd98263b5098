"""How lines end: the codemods see ``\\n`` alone; what a text had comes back to its lines."""

from __future__ import annotations

import difflib
import re
from collections import Counter

_ENDS = re.compile(r"\r\n|\r|\n")


def unified(text: str) -> tuple[str, tuple[str, ...]]:
    """The text with ``\\n`` for every end of a line as Python counts them, and what they were."""
    if "\r" not in text:
        return text, ()
    return _ENDS.sub("\n", text), tuple(_ENDS.findall(text))


def rows_of(text: str) -> list[str]:
    """The lines of a text with their ends, as Python counts them: a form feed ends none, though
    ``str.splitlines`` says so."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)


def usual(ends: tuple[str, ...]) -> str:
    """How most lines end."""
    return Counter(ends).most_common(1)[0][0] if ends else "\n"


def restored(text: str, before: str, ends: tuple[str, ...]) -> str:
    """``text`` with the ends that the lines of ``before`` had; a line that is new ends as most."""
    if not ends:
        return text
    common = usual(ends)
    if len(set(ends)) == 1:
        return text.replace("\n", common)
    old, new = before.split("\n"), text.split("\n")
    given = [common] * (len(new) - 1)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for _, first, last, start, stop in matcher.get_opcodes():
        if last - first == stop - start:
            for a, b in zip(range(first, last), range(start, stop), strict=True):
                if a < len(ends) and b < len(given):
                    given[b] = ends[a]
    return "".join(line + end for line, end in zip(new, [*given, ""], strict=True))
