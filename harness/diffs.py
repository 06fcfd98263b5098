"""Diffs that ``git apply`` takes, and where the lines of a new text come from."""

from __future__ import annotations

import difflib
import io
import re
import tokenize


def unified_diff(path: str, before: str, after: str) -> str:
    """A diff from ``before`` to ``after``; "" when they are equal. No text before = a new file."""
    old, new = ("/dev/null" if not before else f"a/{path}"), f"b/{path}"
    return _hunks(before, after, old, new)


def file_diff(old: str, new: str, before: bytes, after: bytes) -> str:
    """The diff of a file that comes (``old`` is ""), goes (``new`` is ""), moves or changes."""
    texts = [decoded(data) for data in (before, after)]
    if not old:
        head = f"diff --git a/{new} b/{new}\nnew file mode 100644\n"
        return head + _hunks("", texts[1], "/dev/null", f"b/{new}")
    if not new:
        head = f"diff --git a/{old} b/{old}\ndeleted file mode 100644\n"
        return head + _hunks(texts[0], "", f"a/{old}", "/dev/null")
    if old == new:
        return unified_diff(old, texts[0], texts[1])
    hunks, alike = "", 100
    if before != after:
        hunks = _hunks(texts[0], texts[1], f"a/{old}", f"b/{new}")
        matcher = difflib.SequenceMatcher(None, _lines(texts[0]), _lines(texts[1]), autojunk=False)
        alike = round(100 * matcher.ratio())
    return (
        f"diff --git a/{old} b/{new}\nsimilarity index {alike}%\n"
        f"rename from {old}\nrename to {new}\n{hunks}"
    )


def line_origins(before: str, after: str) -> tuple[int, ...]:
    """For every line of ``after`` the line of ``before`` it stands for (1-based, index 0 unused).

    Lines that were put in belong to the line they replaced or follow.
    """
    matcher = difflib.SequenceMatcher(None, _lines(before), _lines(after), autojunk=False)
    origins = [0]
    for _, start, stop, first, last in matcher.get_opcodes():
        for offset in range(last - first):
            line = min(start + offset, stop - 1) if stop > start else start - 1
            origins.append(max(line, 0) + 1)
    return tuple(origins)


def _hunks(before: str, after: str, old: str, new: str) -> str:
    lines = []
    for line in difflib.unified_diff(_rows(before), _rows(after), old, new):
        lines.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(lines)


def encoding_of(data: bytes) -> str:
    """How the text of a file is to be read so that its bytes come back: by its own encoding line
    where it has one, and where that is true of it."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        encoding = "utf-8" if encoding == "utf-8-sig" else encoding  # the mark is a part of it
        data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError):
        return "utf-8"
    return encoding


def decoded(data: bytes) -> str:
    """The text of a file, for a diff; what does not decode is replaced."""
    return data.decode(encoding_of(data), errors="replace")


def _rows(text: str) -> list[str]:
    """Lines as git counts them: nothing but a newline ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _lines(text: str) -> list[str]:
    # str.splitlines() also splits at form feeds and other separators that do not end a line.
    return io.StringIO(text, newline="").readlines() if text else []
