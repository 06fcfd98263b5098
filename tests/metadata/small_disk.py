"""A real disk that is full when a test wants it to be: a small tmpfs, which only root may mount."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Disk:
    """A mounted disk; everybody may write to it."""

    path: Path

    def leave(self, size: int) -> None:
        """Let so many bytes be free."""
        space = os.statvfs(self.path)
        used = (space.f_blocks - space.f_bfree) * space.f_frsize
        _done("mount", "-o", f"remount,size={used + size}", str(self.path))


@contextlib.contextmanager
def small_disk() -> Iterator[Disk]:
    """A disk of 256 MiB; gone at the end, with all that is on it."""
    folder = Path(tempfile.mkdtemp(prefix="mwaa-harness-disk-"))
    folder.chmod(0o755)
    path = folder / "disk"
    path.mkdir()
    try:
        _done("mount", "-t", "tmpfs", "-o", "size=256m,mode=777", "tmpfs", str(path))
        try:
            yield Disk(path)
        finally:
            _done("umount", str(path))
    finally:
        shutil.rmtree(folder)


def _done(*command: str) -> None:
    subprocess.run(command, check=True)
