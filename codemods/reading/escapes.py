"""Backslashes that begin no escape, which Python takes as they are, with a warning since 3.6."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator

from codemods.base import Edit

ID = "invalid-escapes"
# What may follow a backslash; the last three mean something in a text, nothing in bytes.
_VALID = frozenset("\n\r\\'\"abfnrtvx01234567")
_OF_TEXT = frozenset("NuU")
_MAYBE = re.compile(r"\\[^\n\r\\'\"abfnrtvx0-7]")
_PAIR = re.compile(r"\\(.)", re.DOTALL)
# From Python 3.12 on an f-string is several tokens.
_BEGINS = getattr(tokenize, "FSTRING_START", -1)
_ENDS = getattr(tokenize, "FSTRING_END", -1)


def plain_escapes(text: str) -> tuple[str, tuple[Edit, ...]]:
    """The text with each such backslash said, and what was changed; line by line it stays.

    A literal without any escape becomes a raw one, else the backslash is doubled. What cannot be
    read as tokens comes back as it is.
    """
    if not _MAYBE.search(text):
        return text, ()
    starts = [0]
    starts += [match.end() for match in re.finditer("\n", text)]
    edits: list[Edit] = []
    pieces: list[str] = []
    at = 0
    try:
        for (first, column), (last, end) in _literals(text):
            begin, stop = starts[first - 1] + column, starts[last - 1] + end
            new, wrong = _literal(text[begin:stop])
            if wrong:
                pieces += [text[at:begin], new]
                at = stop
                message = f"{wrong} is no escape: Python warns about it, and will refuse it"
                edits.append(Edit(rule=ID, line=first, message=message))
    except (tokenize.TokenError, SyntaxError):
        return text, ()
    return "".join([*pieces, text[at:]]), tuple(edits)


_Place = tuple[int, int]


def _literals(text: str) -> Iterator[tuple[_Place, _Place]]:
    """Where each string begins and ends; an f-string is one, whatever is inside."""
    depth, begun = 0, (0, 0)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == _BEGINS:
            begun = begun if depth else token.start
            depth += 1
        elif token.type == _ENDS:
            depth -= 1
            if not depth:
                yield begun, token.end
        elif token.type == tokenize.STRING and not depth:
            yield token.start, token.end


def _literal(code: str) -> tuple[str, str]:
    """The code of a literal without backslashes that mean nothing, and the first of these."""
    prefix = code[: min(code.find(quote) for quote in "'\"" if quote in code)]
    kinds = prefix.lower()
    valid = _VALID if "b" in kinds else _VALID | _OF_TEXT
    escapes = [] if "r" in kinds else list(_PAIR.finditer(code))
    wrong = [match for match in escapes if match[1] not in valid]
    if not wrong:
        return code, ""
    if len(wrong) == len(escapes) and "u" not in kinds:
        return f"{prefix}r{code[len(prefix) :]}", wrong[0][0]
    for match in reversed(wrong):
        code = f"{code[: match.start()]}\\{code[match.start() :]}"
    return code, wrong[0][0]
