"""Diffs that ``git apply`` takes, and where the lines of a new text come from."""

from __future__ import annotations

import io
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import Match, SequenceMatcher
from itertools import pairwise

from codemods.reading.parsing import source_encoding

# Gaps with more lines than this, none of them unique, are not searched for every repeated line.
LARGE = 2000


_NEEDS_QUOTES = re.compile(r'[\x00-\x1f\x7f"\\]')


class Matcher(SequenceMatcher[str]):
    """difflib's, but for how lines are matched: those that stand once in both texts first, then
    what lies between them. A file in which one line stands thousands of times takes difflib
    minutes; and a repeated line no longer holds together what does not belong together.
    """

    def __init__(self, before: Sequence[str], after: Sequence[str]) -> None:
        super().__init__(None, before, after)
        self.found = _joined(_matches(before, after), len(before), len(after))

    def get_matching_blocks(self) -> list[Match]:
        return self.found


def _joined(matches: Iterator[Match], before: int, after: int) -> list[Match]:
    """Without a seam between neighbours, and with the empty match that ends difflib's lists."""
    joined: list[Match] = []
    for match in matches:
        last = joined[-1] if joined else Match(0, 0, 0)
        if joined and (last.a + last.size, last.b + last.size) == (match.a, match.b):
            joined[-1] = last._replace(size=last.size + match.size)
        elif match.size:
            joined.append(match)
    return [*joined, Match(before, after, 0)]


def _matches(
    before: Sequence[str], after: Sequence[str], a: int = 0, b: int = 0
) -> Iterator[Match]:
    """Runs of equal lines in order; ``a`` and ``b`` are where the two stand in the whole texts."""
    most = min(len(before), len(after))
    head = next((n for n in range(most) if before[n] != after[n]), most)
    rest = most - head
    tail = next((n for n in range(rest) if before[-1 - n] != after[-1 - n]), rest)
    yield Match(a, b, head)
    inside = before[head : len(before) - tail], after[head : len(after) - tail]
    a, b = a + head, b + head
    marks = [(-1, -1), *_anchors(*inside), (len(inside[0]), len(inside[1]))]
    if len(marks) > 2:
        for (left, right), (to_left, to_right) in pairwise(marks):
            if left >= 0:
                yield Match(a + left, b + right, 1)
            gap = inside[0][left + 1 : to_left], inside[1][right + 1 : to_right]
            yield from _matches(*gap, a + left + 1, b + right + 1)
    elif all(inside):
        many = max(map(len, inside)) > LARGE
        for match in SequenceMatcher(None, *inside, autojunk=many).get_matching_blocks():
            yield Match(a + match.a, b + match.b, match.size)
    yield Match(a + len(inside[0]), b + len(inside[1]), tail)


def _anchors(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int]]:
    """Where lines stand that both have once: the longest series that rises on both sides."""
    once, also = ({x for x, n in Counter(side).items() if n == 1} for side in (before, after))
    there = {line: n for n, line in enumerate(after) if line in once and line in also}
    ends: list[int] = []  # the least last place of a series of each length
    last: list[tuple[int, int]] = []
    way: dict[tuple[int, int], tuple[int, int] | None] = {}
    for n, line in enumerate(before):
        place = there.get(line)
        if place is None:
            continue
        length = bisect_left(ends, place)
        pair = n, place
        way[pair] = last[length - 1] if length else None
        ends[length : length + 1] = [place]
        last[length : length + 1] = [pair]
    series: list[tuple[int, int]] = []
    step = last[-1] if last else None
    while step is not None:
        series.append(step)
        step = way[step]
    return series[::-1]


def unified_diff(path: str, before: str, after: str) -> str:
    """A diff of a file that is there, though it may be empty; "" when nothing changes."""
    return _hunks(before, after, named(f"a/{path}"), named(f"b/{path}"))


def file_diff(old: str, new: str, before: bytes, after: bytes) -> str:
    """The diff of a file that comes (``old`` is ""), goes (``new`` is ""), moves or changes."""
    texts = [decoded(data) for data in (before, after)]
    if old == new:
        return unified_diff(old, texts[0], texts[1])
    was, becomes = named(f"a/{old or new}"), named(f"b/{new or old}")
    head = f"diff --git {was} {becomes}\n"
    if not old:
        return f"{head}new file mode 100644\n" + _hunks("", texts[1], "/dev/null", becomes)
    if not new:
        return f"{head}deleted file mode 100644\n" + _hunks(texts[0], "", was, "/dev/null")
    hunks, alike = "", 100
    if before != after:
        hunks = _hunks(texts[0], texts[1], was, becomes)
        alike = round(100 * Matcher(_lines(texts[0]), _lines(texts[1])).ratio())
    move = f"rename from {named(old)}\nrename to {named(new)}\n"
    return f"{head}similarity index {alike}%\n{move}{hunks}"


def named(path: str) -> str:
    """A path as git writes it into a diff: one that holds a line end, a tab or the like in quotes,
    or it would end early and the rest of it be read as lines of the diff."""
    if not _NEEDS_QUOTES.search(path):
        return path
    return f'"{_NEEDS_QUOTES.sub(lambda match: f"{chr(92)}{ord(match[0]):03o}", path)}"'


def line_origins(before: str, after: str) -> tuple[int, ...]:
    """For every line of ``after`` the line of ``before`` it stands for (1-based, index 0 unused).

    Lines that were put in belong to the line they replaced or follow.
    """
    origins = [0]
    for _, start, stop, first, last in Matcher(_lines(before), _lines(after)).get_opcodes():
        for offset in range(last - first):
            line = min(start + offset, stop - 1) if stop > start else start - 1
            origins.append(max(line, 0) + 1)
    return tuple(origins)


def _hunks(before: str, after: str, old: str, new: str) -> str:
    left, right = _rows(before), _rows(after)
    lines = []
    for group in Matcher(left, right).get_grouped_opcodes():
        (_, start, _, first, _), (_, _, stop, _, last) = group[0], group[-1]
        lines.append(f"@@ -{_span(start, stop)} +{_span(first, last)} @@\n")
        for tag, start, stop, first, last in group:
            if tag == "equal":
                lines += [f" {line}" for line in left[start:stop]]
                continue
            lines += [f"-{line}" for line in left[start:stop]]
            lines += [f"+{line}" for line in right[first:last]]
    whole = (x if x.endswith("\n") else f"{x}\n\\ No newline at end of file\n" for x in lines)
    return "".join([f"--- {old}\n+++ {new}\n", *whole]) if lines else ""


def _span(start: int, stop: int) -> str:
    """Lines as a hunk's head counts them: from the line before where there are none."""
    if stop - start == 1:
        return f"{stop}"
    return f"{start + (stop > start)},{stop - start}"


def encoding_of(data: bytes) -> str:
    """How the text of a file is to be read so that its bytes come back: by its own encoding line
    where it has one, and where that is true of it."""
    encoding = source_encoding(data)
    if encoding == "utf-8-sig":  # the mark is a part of the text
        return "utf-8"
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
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
