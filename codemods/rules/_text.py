"""Small helpers that rules share."""

from __future__ import annotations


def lines(*rows: str) -> str:
    """Rows joined into a text that ends in a newline."""
    return "\n".join(rows) + "\n"


def sentence(advice: str) -> str:
    """Advice with a capital at its head."""
    return advice[:1].upper() + advice[1:]
