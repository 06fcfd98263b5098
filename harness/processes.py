"""Child processes that do not outlive us: each leads its own group, and all can be ended at once.

Interrupts arrive in the main thread while the children are watched by others; ``stop_all`` is how
the main thread ends what those others started.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness.errors import HarnessError

_lock = threading.Lock()
_live: set[subprocess.Popen[bytes]] = set()
_stopping = threading.Event()


class Stopped(HarnessError):
    """The run is being ended; nothing new may start."""


@dataclass(frozen=True, kw_only=True)
class Completed:
    """How a command ended: exit code (negative = a signal), what it printed, wall seconds."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    timed_out: bool = False


def start(argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start ``argv`` as the leader of a new process group. ``finish`` must be called for it."""
    with _lock:
        check_running()
        process = subprocess.Popen(argv, start_new_session=True, **options)
        _live.add(process)
    return process


def finish(process: subprocess.Popen[bytes]) -> int:
    """End what is left of the process' group, and give its exit code."""
    kill_group(process.pid)
    returncode = process.wait()
    with _lock:
        _live.discard(process)
    return returncode


def kill_group(leader: int) -> None:
    """SIGKILL to a whole group; it may be gone already."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
) -> Completed:
    """Run a command to its end, at most ``timeout`` seconds, and end all that it started."""
    process = start(
        argv, env=env, cwd=cwd, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    timed_out = False
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        timed_out = True
        kill_group(process.pid)
        stdout, stderr = process.communicate()
    finally:
        finish(process)
    return Completed(
        argv=tuple(argv),
        returncode=process.returncode,
        stdout=stdout.decode("utf-8", errors="replace"),
        stderr=stderr.decode("utf-8", errors="replace"),
        timed_out=timed_out,
    )


def stop_all() -> None:
    """End every group that is still alive, and let nothing new start."""
    _stopping.set()
    with _lock:
        for process in _live:
            kill_group(process.pid)


def check_running() -> None:
    """Raise Stopped when the run is being ended; for whoever waits for something else."""
    if _stopping.is_set():
        raise Stopped("The run is being stopped.")


def allow_start() -> None:
    """A new run begins in this process (pytest runs several)."""
    _stopping.clear()
