"""Zip archives out of a repository, which nobody trusts: what may be read of them, and the Python
sources inside, which Airflow loads without unpacking them."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

# Nobody has written a source of this size; what claims to be one would only fill the memory.
SOURCE_BYTES = 32 << 20
# MWAA's guide advises to stay below 1 GB for plugins.zip; more than this is no source code.
MOST_BYTES = 1 << 30
MOST_MEMBERS = 20_000

UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,  # an unknown compression
    RuntimeError,  # encrypted
    ValueError,  # a name that is not in the encoding it claims
)
"""What reading an archive may raise."""


def problem_of(path: Path) -> str:
    """Why an archive is left alone; "" when every member of it can be read, within bounds."""
    try:
        with zipfile.ZipFile(path) as opened:
            members = opened.infolist()
            if len(members) > MOST_MEMBERS:
                return f"holds more than {MOST_MEMBERS:,} files"
            # No more than these sizes is read, whatever follows them.
            if sum(info.file_size for info in members) > MOST_BYTES:
                return f"holds more than {MOST_BYTES >> 30} GB"
            if any(info.flag_bits & 0x1 for info in members):
                return "is encrypted"
            broken = opened.testzip()
    except UNREADABLE as error:
        return f"cannot be read ({error})"
    return f"cannot be read ({broken!r} is damaged)" if broken else ""


def python_members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each; nothing is unpacked to disk. An archive with a problem has none:
    the probes report what Airflow says of it."""
    if problem_of(archive):
        return
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if info.filename.endswith(".py") and info.file_size <= SOURCE_BYTES:
                yield info.filename, opened.read(info)
