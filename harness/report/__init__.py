"""The writers: a Report goes in, lines come out; :func:`write` is the only place that writes.

A format is a module of this package with one function, ``lines(report, view)``, and a row in
``FORMATS``. Modules are imported when they are first used: ``--help`` needs only their names.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, TextIO

from harness.errors import HarnessError, UsageError
from harness.model import Report, Rule
from harness.report.base import View, Writer

__all__ = ["FORMATS", "View", "Writer", "write"]

# Wider lines are harder to read, not easier; narrower ones leave no room for a path.
WIDTHS = (40, 120)
DEFAULT_WIDTH = 80

_PLAIN = str.maketrans({"✓": "+", "✗": "x", "→": "->", "·": "-", "–": "-", "…": "...", "│": "|"})


def _writer(name: str) -> Writer:
    def lines(report: Report, view: View) -> Iterator[str]:
        writer: Writer = import_module(f"harness.report.{name}").lines
        return writer(report, view)

    return lines


FORMATS: Mapping[str, Writer] = {
    name: _writer(name) for name in ("text", "json", "junit", "sarif", "github", "html")
}


def write(
    report: Report,
    format: str,
    path: str | Path | None = None,
    stream: TextIO | None = None,
    *,
    rules: Mapping[str, Rule] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Write ``report`` in ``format`` to the file ``path``, or to ``stream`` (standard output) when
    ``path`` is None or ``-``.

    A file is replaced in one step: whatever happens, it holds the old report or the new one.
    ``rules`` explains rule ids where a format has room for it; by default it knows those of the
    checks. Raises UsageError for an unknown format and
    HarnessError when the report cannot be written; a closed pipe stays a BrokenPipeError.
    """
    if format not in FORMATS:
        raise UsageError(f"there is no report format {format!r}", hint=f"one of {_or(FORMATS)}")
    from harness.checks import rules as known_rules  # not needed to name the formats

    out = sys.stdout if stream is None else stream
    to_stream = path is None or str(path) == "-"
    view = View(
        width=_width(environ, out if to_stream else None),
        color=to_stream and _wants_color(environ, out),
        prefix=_prefix(report.repo, environ),
        rules=known_rules() if rules is None else rules,
    )
    lines = FORMATS[format](report, view)
    try:
        if path is None or str(path) == "-":
            _to_stream(lines, out, own_encoding=format == "text")
        else:
            _to_file(lines, Path(path))
    except BrokenPipeError:
        raise
    except OSError as error:
        where = "standard output" if to_stream else str(path)
        raise HarnessError(
            f"could not write the report to {where}: {error.strerror or error}",
            hint="name another file with --output, or make room on the disk",
        ) from error


def _to_stream(lines: Iterator[str], stream: TextIO, *, own_encoding: bool) -> None:
    """Programs read UTF-8 whatever the terminal's encoding is; people read what it can show."""
    raw: BinaryIO | None = getattr(stream, "buffer", None)
    if own_encoding or raw is None:
        encoding = stream.encoding or "utf-8"
        for line in lines:
            stream.write(_encodable(line, encoding) + "\n")
    else:
        stream.flush()
        for line in lines:
            raw.write(f"{line}\n".encode())
    stream.flush()


def _encodable(line: str, encoding: str) -> str:
    try:
        line.encode(encoding)
    except UnicodeEncodeError:
        return line.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    return line


def _to_file(lines: Iterator[str], path: Path) -> None:
    target = path.resolve()  # a symbolic link is written through, not replaced
    if target.exists() and not target.is_file() and not target.is_dir():
        with target.open("w", encoding="utf-8") as device:  # /dev/null, a named pipe
            device.writelines(f"{line}\n" for line in lines)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with half.open("x", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in lines)
        if target.exists():
            shutil.copymode(target, half)
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)


def _wants_color(environ: Mapping[str, str], stream: TextIO) -> bool:
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environ.get("TERM") != "dumb"


def _width(environ: Mapping[str, str], stream: TextIO | None) -> int:
    columns = environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns):
        width = int(columns)
    elif stream is not None and stream.isatty():
        width = os.get_terminal_size(stream.fileno()).columns or DEFAULT_WIDTH
    else:
        width = DEFAULT_WIDTH
    return max(WIDTHS[0], min(width, WIDTHS[1]))


def _prefix(repo: str, environ: Mapping[str, str]) -> str:
    """The repository's folder relative to the checkout (GitHub names its checkout in
    ``GITHUB_WORKSPACE``; elsewhere it is the working directory); absolute when it lies outside."""
    checkout = Path(environ.get("GITHUB_WORKSPACE") or ".").resolve()
    root = Path(repo).resolve()
    if not root.is_relative_to(checkout):
        return root.as_posix()
    relative = root.relative_to(checkout).as_posix()
    return "" if relative == "." else relative


def _or(names: Mapping[str, object]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}"
