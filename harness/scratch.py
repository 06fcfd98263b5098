"""Folders for a moment: private, gone afterwards, and gone with the next one when we were killed.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OWNED = re.compile(r"mwaa-harness-[a-z]+-([0-9]+)-\w+\Z")


@contextmanager
def scratch(purpose: str) -> Iterator[Path]:
    """A private folder ``mwaa-harness-PURPOSE-PID-…`` below the system's temporary folder.

    What a block leaves in it goes with it, and so does what processes that were killed have left:
    their folders carry their number.
    """
    _sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=f"mwaa-harness-{purpose}-{os.getpid()}-"))
    try:
        yield folder
    finally:
        _remove(folder)


def _sweep(place: Path) -> None:
    for left in place.iterdir():
        owned = OWNED.match(left.name)
        # Anybody may put a link of that name there, to a folder that is none of ours.
        if owned and not left.is_symlink() and not _is_alive(int(owned.group(1))):
            _remove(left)


def _remove(folder: Path) -> None:
    """Remove a folder, also one that DAG code has closed to us; what cannot be removed stays."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        return
    for place, folders, _ in os.walk(folder):
        for below in (Path(place, name) for name in folders):
            if not below.is_symlink():
                below.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True  # somebody else's, or no number of a process at all
    return True
