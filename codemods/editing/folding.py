"""What comes before the rules: a text that another one took the place of, and its lines."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from codemods.base import Edit


@dataclass(frozen=True, kw_only=True)
class Folded:
    """A text that was changed before any rule, and where its lines stood before (both from 1)."""

    text: str
    lines: Sequence[int]  # of line n at n - 1
    edits: tuple[Edit, ...]
    orphans: frozenset[str] = frozenset()  # names of imports that only what went used

    @classmethod
    def between(cls, old: str, new: str, edits: tuple[Edit, ...]) -> Folded:
        """The new text, its lines where they stood in the old one."""
        matcher = difflib.SequenceMatcher(None, old.split("\n"), new.split("\n"), autojunk=False)
        found: list[int] = []
        for _, first, last, start, stop in matcher.get_opcodes():
            found += [min(first + n, max(first, last - 1)) + 1 for n in range(stop - start)]
        lines = [min(line, old.count("\n") + 1) for line in found]
        return cls(text=new, lines=lines, edits=edits)
