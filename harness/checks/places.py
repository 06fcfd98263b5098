"""Where things stand: every finding points at a line of the file as its author wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.model import ErrorObservation, FileObservation, Pair, Side

TAIL = 8  # lines of a traceback or of output that are worth showing


def original_line(pair: Pair, side: Side, path: str, line: int) -> int:
    """``line`` of ``path`` as ``side`` saw it, counted in the original file (0 = not known)."""
    if side is Side.BRIDGE:
        return line
    for rewrite in pair.rewrites:
        if rewrite.path == path and rewrite.lines:
            return rewrite.lines[line] if 0 < line < len(rewrite.lines) else 0
    return line


def line_in(pair: Pair, side: Side, path: str, error: ErrorObservation) -> int:
    """The innermost line of ``path`` itself on the way to ``error``, in the original file."""
    lines = [frame.line for frame in error.frames if frame.own and _within(frame.path, path)]
    if _within(error.path, path) and error.line:
        lines.append(error.line)
    if not lines:
        return 0
    return original_line(pair, side, error.path if _within(error.path, path) else path, lines[-1])


def evidence(pair: Pair, side: Side, seen: FileObservation) -> str:
    """What there is to show for a file that did not load: its own frames and the message, or the
    end of what it printed."""
    return error_evidence(pair, side, seen.error) if seen.error else _tail(seen.output)


def error_evidence(pair: Pair, side: Side, error: ErrorObservation) -> str:
    """The repository's own frames of a traceback and the message below them."""
    frames = [
        f"{frame.path}:{original_line(pair, side, frame.path, frame.line)} in {frame.function}"
        for frame in error.frames
        if frame.own
    ]
    causes = [f"caused by {cause}" for cause in error.chain]
    return steady(_tail("\n".join([*frames, f"{error.type}: {error.message}", *causes])))


def quoted_line(text: str, word: str) -> int:
    """The line of ``text`` where ``word`` stands in quotes, preferring one that calls it an id
    (0 = nowhere, as with names made at run time)."""
    literal = re.compile(rf"""(?P<quote>['"]){re.escape(word)}(?P=quote)""")
    hits = [(number, line) for number, line in _numbered(text) if literal.search(line)]
    named = [number for number, line in hits if re.search(r"(task|dag)_id\s*[=:]", line)]
    return next(iter([*named, *(number for number, _ in hits)]), 0)


def source_line(pair: Pair, path: str, line: int) -> str:
    """One line of the original file, "" when the pair does not hold it."""
    return line_of(pair.texts.get(path, ""), line)


def line_of(text: str, number: int) -> str:
    """Line ``number`` of ``text``, "" when it has none such."""
    lines = text.splitlines()
    return lines[number - 1] if 0 < number <= len(lines) else ""


def bare(name: str) -> str:
    """The class's own name: without its module (``a.b.Name``) or file (``dags/a.py:Name``)."""
    return re.split(r"[.:]", name)[-1]


def steady(text: str) -> str:
    """``text`` without the addresses of objects, which are others in every run."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def left_to_do(pair: Pair, path: str, line: int) -> str:
    """What the rewrite leaves to be done by hand at one line of the original file, "" when nothing:
    each thing once, since a line may hold several imports that go the same way."""
    return " ".join(
        dict.fromkeys(
            note.fix
            for rewrite in pair.rewrites
            if rewrite.path == path
            for note in rewrite.notes
            if note.line == line
        )
    )


def listed(names: Iterable[str], limit: int = 5) -> str:
    """``a, b and 3 more``: a list for a sentence."""
    names = list(names)
    shown, rest = names[:limit], len(names) - limit
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")


def _within(inner: str, path: str) -> bool:
    """Whether ``inner`` is ``path`` or a member of the archive ``path``."""
    return inner == path or inner.startswith(f"{path}/")


def _numbered(text: str) -> Iterable[tuple[int, str]]:
    return enumerate(text.splitlines(), start=1)


def _tail(text: str) -> str:
    return "\n".join(text.rstrip().splitlines()[-TAIL:])
