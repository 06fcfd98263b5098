"""The text of a reading after operations on it."""

from __future__ import annotations

from collections.abc import Sequence

from codemods.editing.changes import Operation
from codemods.editing.imports import Plan
from codemods.editing.splices import expression_splices
from codemods.reading.source import Source


def written(source: Source, operations: Sequence[Operation]) -> str:
    """The new text. libcst's ``ParserSyntaxError`` and ``SyntaxError`` where that is no Python."""
    splices = expression_splices(source, operations) + Plan(source, operations).splices()
    text = source.text
    for start, end, new in sorted(splices, key=lambda s: (s[0], s[1]), reverse=True):
        text = text[:start] + new + text[end:]
    return text
