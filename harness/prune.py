"""What the cache holds, and the removal of environments that nobody has used for long."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from harness.cache import cache_folder
from harness.runtimes.environments import last_use, remove

DAY = 24 * 3600.0
MEBIBYTE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One environment of the cache. ``days`` is how long ago it was used, ``size`` what its removal
    would free, in bytes; ``about`` names what is in it. One that was never finished has nothing."""

    folder: Path
    about: str
    days: float
    size: int


def entries(cache: Path | None = None) -> tuple[Entry, ...]:
    """The environments of the cache, the one that was used last first."""
    root = (cache or cache_folder()) / "environments"
    folders = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    return tuple(sorted(map(_entry, folders), key=lambda entry: entry.days))


def prune(days: float, cache: Path | None = None) -> Iterator[Entry]:
    """Remove every environment that was not used for ``days``; gives back what is gone.

    One that another run is making is left alone. Raises OSError when one cannot be removed.
    """
    for entry in entries(cache):
        if entry.days < days:
            continue
        with suppress(Timeout), FileLock(entry.folder.with_suffix(".lock"), timeout=0):
            remove(entry.folder)
            yield entry


def entry_lines(found: tuple[Entry, ...]) -> Iterator[str]:
    """One line per environment, and what they hold together."""
    for entry in found:
        yield (
            f"{entry.folder.name:<26} {entry.size / MEBIBYTE:>7,.0f} MiB  "
            f"used {entry.days:>5.1f} days ago  {entry.about}"
        )
    total = sum(entry.size for entry in found)
    yield f"{len(found)} environments, {total / MEBIBYTE:,.0f} MiB that nothing else shares"


def _entry(folder: Path) -> Entry:
    packages: dict[str, str] = {}
    with suppress(OSError, msgspec.MsgspecError):
        ready = msgspec.json.decode((folder / "READY").read_bytes())
        packages = ready["packages"]
    about = (
        f"Airflow {packages['apache-airflow']}" if "apache-airflow" in packages else "unfinished"
    )
    if packages:
        about += f", {len(packages)} packages"
    days = (time.time() - last_use(folder)) / DAY
    return Entry(folder=folder, about=about, days=max(0.0, days), size=_freed(folder))


def _freed(folder: Path) -> int:
    """Bytes of the files that no other folder links to; environments and uv's cache share most."""
    freed = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                status = os.lstat(os.path.join(root, name))  # noqa: PTH118 – 10⁵ files
                freed += status.st_blocks * 512 if status.st_nlink == 1 else 0
    return freed
