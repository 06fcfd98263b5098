"""Python's own parser, over sources that nobody has looked at."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections.abc import Iterable, Iterator

UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What it raises. MemoryError, like RecursionError, for what is nested more deeply than it goes;
ValueError for a NUL."""


def parsed(source: str | bytes) -> ast.Module | None:
    """The tree of a source; None when it is not Python of ours. What is warned of in it is not our
    concern."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except UNPARSABLE:
        return None


def absolute_imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of all that these nodes import; ``from a import b`` is of ``a.b``."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def source_encoding(data: bytes) -> str:
    """What a source is decoded with, by its own encoding line; UTF-8 where that names no codec for
    text."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        data.decode(encoding, errors="replace")
    except (SyntaxError, LookupError, ValueError):
        return "utf-8"
    return encoding
