"""Small helpers that rules share."""

from __future__ import annotations

from textwrap import dedent


def lines(*rows: str) -> str:
    """Rows joined into a text that ends in a newline."""
    return "\n".join(rows) + "\n"


def block(text: str) -> str:
    """A text that stands indented in its source, from the line below its opening quotes on."""
    return dedent(text).removeprefix("\n")


def sentence(advice: str) -> str:
    """Advice with a capital at its head."""
    return advice[:1].upper() + advice[1:]
