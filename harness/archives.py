"""The Python sources inside of archives, which Airflow loads without unpacking them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

# Nobody has written a source of this size; what claims to be one would only fill the memory.
SOURCE_BYTES = 32 << 20


def python_members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each; nothing is unpacked to disk. A broken archive has none: the probes
    report it."""
    try:
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                if info.filename.endswith(".py") and info.file_size <= SOURCE_BYTES:
                    yield info.filename, opened.read(info)
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError):
        return  # RuntimeError: encrypted; NotImplementedError: an unknown compression
