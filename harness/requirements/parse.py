"""pip's requirements format, line by line and lossless: text in, :class:`Line` values out.

Written against pip's documentation of the format ("Requirements File Format", pip 26.3); pip
offers no parser as a stable interface. Joining, comments and the split between a requirement and
its options follow that document, so a line number here is the one that pip prints.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

# Flag → (takes a value, what a line that carries it is). The flags of pip 26.3.
_FLAGS: Mapping[str, tuple[bool, str]] = {
    "-c": (True, "constraint"),
    "--constraint": (True, "constraint"),
    "-r": (True, "include"),
    "--requirement": (True, "include"),
    "-i": (True, "index"),
    "--index-url": (True, "index"),
    "--pypi-url": (True, "index"),
    "--extra-index-url": (True, "index"),
    "--no-index": (False, "index"),
    "-f": (True, "index"),
    "--find-links": (True, "index"),
    "-e": (True, "requirement"),
    "--editable": (True, "requirement"),
    "--no-binary": (True, "option"),
    "--only-binary": (True, "option"),
    "--prefer-binary": (False, "option"),
    "--require-hashes": (False, "option"),
    "--pre": (False, "option"),
    "--all-releases": (True, "option"),
    "--only-final": (True, "option"),
    "--trusted-host": (True, "option"),
    "--use-feature": (True, "option"),
    "--hash": (True, "option"),
    "--config-settings": (True, "option"),
    "--global-option": (True, "option"),
    "--install-option": (True, "option"),
    "--no-use-wheel": (False, "option"),
    "--use-wheel": (False, "option"),
}
_CANONICAL = {
    "-c": "--constraint",
    "-r": "--requirement",
    "-i": "--index-url",
    "--pypi-url": "--index-url",
    "-f": "--find-links",
    "-e": "--editable",
}
# When one line carries several flags, the first of these is what the line is.
_RANK = ("requirement", "include", "constraint", "index", "option")

_COMMENT = re.compile(r"(^|\s+)#.*$", re.DOTALL)
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:(//|(?=/))", re.IGNORECASE)
_EGG = re.compile(r"[#&]egg=([^&\[]+)(?:\[([^\]]*)\])?")


@dataclass(frozen=True, kw_only=True)
class Option:
    """One flag of a line, by its long name, and its value ("" when it takes none)."""

    flag: str
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One logical line: what backslashes join is one value.

    ``number`` is its first physical line (1-based), ``raw`` the exact text with its line ends.
    ``kind``: "requirement", "constraint", "include", "index", "option", "comment", "blank" or
    "invalid" (``problem`` says why). ``name`` is canonical and "" where the text does not tell it
    (a URL or path); ``url`` is a URL or path. ``value`` is the file or URL of a constraint or an
    include. ``text`` is the line without comment and continuation.
    """

    number: int
    raw: str
    kind: str
    text: str = ""
    name: str = ""
    specifier: str = ""
    extras: tuple[str, ...] = ()
    marker: str = ""
    url: str = ""
    hashes: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    value: str = ""
    comment: str = ""
    problem: str = ""


@lru_cache(maxsize=16)  # a constraint file has 700 lines, and several rooms ask for them
def parse(text: str) -> tuple[Line, ...]:
    """The lines of a requirements file; their ``raw`` joined is ``text`` again. Never raises."""
    return tuple(_line(number, raw) for number, raw in _logical_lines(text))


def distribution_of(url: str) -> str:
    """The canonical name that a URL or path of a distribution tells, or ""."""
    if egg := _EGG.search(url):
        return canonicalize_name(egg[1])
    filename = PurePosixPath(url.partition("#")[0].partition("?")[0]).name
    try:
        if filename.endswith(".whl"):
            return str(parse_wheel_filename(filename)[0])
        return str(parse_sdist_filename(filename)[0])
    except (InvalidWheelFilename, InvalidSdistFilename):
        return ""


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Physical lines, those joined that end in a backslash. A comment ends a joined line."""
    number, parts = 1, list[str]()
    for physical in text.splitlines(keepends=True):
        parts.append(physical)
        body = physical.splitlines()[0]
        if not body.endswith("\\") or _COMMENT.match(body):
            yield number, "".join(parts)
            number, parts = number + len(parts), []
    if parts:
        yield number, "".join(parts)


def _line(number: int, raw: str) -> Line:
    joined, comment = _joined(raw)
    text = joined.strip()
    if not text:
        return Line(number=number, raw=raw, kind="comment" if comment else "blank", comment=comment)
    try:
        fields = _requirement_or_options(text)
    except (InvalidRequirement, ValueError) as error:
        fields = {"kind": "invalid", "problem": str(error).splitlines()[0]}
    return Line(number=number, raw=raw, text=text, comment=comment, **fields)


def _joined(raw: str) -> tuple[str, str]:
    """A logical line without continuation, split into (what pip reads, comment)."""
    pieces = raw.removeprefix("\ufeff").splitlines() or [""]
    *parts, last = [piece.strip("\\") if piece.endswith("\\") else piece for piece in pieces]
    if parts and _COMMENT.match(last):
        last = f" {last}"
    joined = "".join([*parts, last])
    if match := _COMMENT.search(joined):
        return joined[: match.start()], match[0].strip()
    return joined, ""


def _requirement_or_options(text: str) -> dict[str, Any]:
    words = text.split(" ")
    start = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    options = tuple(_options(" ".join(words[start:])))
    if specification := " ".join(words[:start]).strip():
        hashes = tuple(option.value for option in options if option.flag == "--hash")
        return {"options": options, "hashes": hashes, **_requirement(specification)}
    return {"options": options, **_option_line(options)}


def _option_line(options: tuple[Option, ...]) -> dict[str, Any]:
    first = min(options, key=lambda option: _RANK.index(_FLAGS[option.flag][1]))
    kind = _FLAGS[first.flag][1]
    if kind == "requirement":
        return _requirement(first.value)
    return {"kind": kind, "value": first.value}


def _options(text: str) -> Iterator[Option]:
    words = iter(shlex.split(text))
    for word in words:
        flag, separator, value = word.partition("=")
        if not word.startswith("--") and len(word) > 2:
            flag, separator, value = word[:2], "=", word[2:]
        flag = _full_flag(flag)
        takes_value, _ = _FLAGS[flag]
        if takes_value and not separator:
            value = next(words, "")
        if takes_value and not value:
            raise ValueError(f"{flag} needs a value")
        if separator and not takes_value:
            raise ValueError(f"{flag} takes no value")
        yield Option(flag=_CANONICAL.get(flag, flag), value=value)


def _full_flag(flag: str) -> str:
    """The flag itself or the only one it abbreviates, as pip's option parser reads it."""
    if flag in _FLAGS:
        return flag
    matches = [known for known in _FLAGS if flag.startswith("--") and known.startswith(flag)]
    if len(matches) == 1:
        return matches[0]
    raise ValueError(f"{flag} is not an option of a requirements file")


def _requirement(text: str) -> dict[str, Any]:
    try:
        found = Requirement(text)
    except InvalidRequirement:
        if not _is_location(text):
            raise
        return _location(text)
    if found.name.endswith(_ARCHIVES):
        # A file's bare name is a valid requirement by its letters; pip takes it for the file.
        return _location(text)
    return {
        "kind": "requirement",
        "name": canonicalize_name(found.name),
        "specifier": str(found.specifier),
        "extras": tuple(sorted(canonicalize_name(extra) for extra in found.extras)),
        "marker": str(found.marker or ""),
        "url": found.url or "",
    }


def _is_location(text: str) -> bool:
    place = text.partition(";")[0].partition("[")[0].strip()
    return bool(
        _SCHEME.match(place)
        or place.startswith(("/", "./", "../", "."))
        or "/" in place
        or place.endswith(_ARCHIVES)
    )


def _location(text: str) -> dict[str, Any]:
    place, _, marker = text.partition("; ") if "; " in text else text.partition(" ;")
    place = place.strip()
    extras = re.search(r"\[([^\]]*)\]$", place)
    egg = _EGG.search(place)
    named = (egg and egg[2]) or (extras and extras[1]) or ""
    return {
        "kind": "requirement",
        "name": distribution_of(place.removesuffix(extras[0] if extras else "")),
        "url": place,
        "extras": tuple(sorted(canonicalize_name(e) for e in named.split(",") if e.strip())),
        "marker": marker.strip(),
    }
