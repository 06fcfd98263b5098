"""A requirements file as logical lines that can be installed."""

from __future__ import annotations

import re

# Constraints come from elsewhere: which ones hold is a decision, not a line of the file.
DROPPED = re.compile(r"(?:-c|--constraint|--no-binary|--only-binary|--prefer-binary)\b")


def requirement_lines(text: str, *extra: str) -> tuple[str, ...]:
    """The logical lines of ``text`` and then ``extra``, without comments and constraint lines.

    Continuations are joined; options such as ``--extra-index-url`` stay. Order is kept and each
    line comes once.
    """
    joined = re.sub(r"\\\r?\n", " ", text)
    lines = (re.sub(r"(?:^|\s)#.*", "", line).strip() for line in (*joined.splitlines(), *extra))
    return tuple(dict.fromkeys(line for line in lines if line and not DROPPED.match(line)))
