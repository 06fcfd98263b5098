"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` with ``data`` in one step, keeping the mode of a file that is there.

    Raises OSError, and then leaves ``path`` as it was and nothing beside it.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        mode = path.stat().st_mode & 0o7777 if path.exists() else 0o644
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def drop_emptied(folder: Path, root: Path) -> None:
    """Take away a folder that holds nothing any more, and those above it that then hold nothing.

    A folder right below ``root`` stays: it is where people look for it.
    """
    while root in folder.parents and folder.parent != root:
        try:
            folder.rmdir()
        except OSError:  # something is in it, or it is not ours
            return
        folder = folder.parent


def plain(data: bytes) -> bytes:
    """The bytes of a text in UTF-16, which PowerShell writes, as UTF-8; any other as it is."""
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if data.startswith(mark):
            return data.removeprefix(mark).decode(encoding, errors="replace").encode()
    return data


def content(path: Path) -> bytes:
    """What a file holds; nothing when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
