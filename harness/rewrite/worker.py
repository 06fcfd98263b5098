"""The codemods in processes of their own: one source in, one answer out, over a pipe.

Not multiprocessing: its workers import the caller's main module again, and a caller may be
anything – a script, pytest, a notebook. A source that takes the codemods down, or that they never
come back from, costs its own answer only.
"""

from __future__ import annotations

import ctypes
import queue
import signal
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import msgspec

import codemods
from codemods.base import OwnClasses, OwnDicts, OwnFunctions, OwnSubDags
from harness.diffs import decoded, line_origins, unified_diff
from harness.model import RewriteEdit, RewriteNote
from harness.processes import finish, start

LENGTH = struct.Struct("!I")

# A large file takes a second; what takes this long will not end.
SECONDS_A_SOURCE = 60

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


@dataclass(frozen=True, kw_only=True)
class Job:
    """One source on its way through the codemods: where it stands, and its bytes.

    ``member`` is its name inside the archive ``path``, or "" for a plain file.
    """

    path: str
    member: str
    data: bytes

    @property
    def name(self) -> str:
        return f"{self.path}/{self.member}" if self.member else self.path


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """What the codemods made of one source: the new bytes (None = unchanged), how they differ and
    which lines they stand for (see ``harness.diffs``), and the protocol."""

    data: bytes | None = None
    diff: str = ""
    lines: tuple[int, ...] = ()
    edits: tuple[RewriteEdit, ...] = ()
    notes: tuple[RewriteNote, ...] = ()
    needs: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What holds for every source of a run; the first thing a worker is sent."""

    pins: Mapping[str, str]
    plugins: Mapping[str, str]
    unsafe: bool
    python2: bool = False
    shared: tuple[str, ...] = ()  # names that the repository's files import from each other
    own: OwnClasses = field(default_factory=dict)  # its own classes, by name
    dicts: OwnDicts = field(default_factory=dict)  # its own dicts, by name
    functions: OwnFunctions = field(default_factory=dict)  # its own that Airflow calls, by name
    queries: Mapping[str, bool | None] = field(default_factory=dict)  # files of SQL: give rows?
    subdags: OwnSubDags = field(default_factory=dict)  # its functions that make sub-DAGs


def migrate(job: Job, settings: Settings) -> Migrated:
    """One source through the codemods, in this process."""
    data, migration = codemods.migrate_bytes(
        job.data,
        pins=settings.pins,
        path=job.name,
        plugins=settings.plugins,
        unsafe=settings.unsafe,
        python2=settings.python2,
        shared=settings.shared,
        own=settings.own,
        dicts=settings.dicts,
        functions=settings.functions,
        queries=settings.queries,
        subdags=settings.subdags,
    )
    before, after = decoded(job.data), decoded(data or b"")
    return Migrated(
        data=data,
        diff=unified_diff(job.name, before, after) if data is not None else "",
        lines=line_origins(before, after) if data is not None else (),
        edits=tuple(msgspec.convert(migration.edits, list[RewriteEdit], from_attributes=True)),
        notes=tuple(msgspec.convert(migration.notes, list[RewriteNote], from_attributes=True)),
        needs=migration.needs,
        error=migration.error or "",
    )


def migrate_all(
    jobs: Sequence[Job], settings: Settings, *, workers: int
) -> Iterator[tuple[Job, Migrated]]:
    """All sources through ``workers`` processes, in the order in which they are done."""
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Job, Migrated] | BaseException] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    threads = [
        threading.Thread(target=_feed, args=(settings, waiting, done), daemon=True)
        for _ in range(workers)
    ]
    for thread in threads:
        thread.start()
    for _ in jobs:
        answer = done.get()
        if isinstance(answer, BaseException):
            raise answer
        yield answer
    for thread in threads:
        thread.join()


def _feed(
    settings: Settings,
    waiting: queue.SimpleQueue[Job],
    done: queue.SimpleQueue[tuple[Job, Migrated] | BaseException],
) -> None:
    """Hand jobs to one worker until none is waiting; a worker that dies is replaced."""
    try:
        while True:
            process = start(
                [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            try:
                if _serve_until_it_dies(process, settings, waiting, done):
                    return
            finally:
                finish(process)
    except BaseException as error:
        done.put(error)


def _serve_until_it_dies(
    process: subprocess.Popen[bytes],
    settings: Settings,
    waiting: queue.SimpleQueue[Job],
    done: queue.SimpleQueue[tuple[Job, Migrated] | BaseException],
) -> bool:
    """True when no job is left, False when the worker has died over one."""
    stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    with stdin, stdout:
        _send(stdin, settings)
        while True:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return True
            try:
                _send(stdin, job)
                answer = _receive(stdout)
            except BrokenPipeError:
                answer = None
            if answer is None:
                done.put((job, Migrated(error="line 1: the codemods ended over this file")))
                return False
            done.put((job, msgspec.msgpack.decode(answer, type=Migrated)))


def _send(stream: IO[bytes], value: object) -> None:
    data = msgspec.msgpack.encode(value)
    stream.write(LENGTH.pack(len(data)) + data)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes | None:
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    data = stream.read(length)
    return data if len(data) == length else None


def main() -> None:
    """Answer until the other end closes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    first = _receive(stdin)
    if first is None:
        return
    settings = msgspec.msgpack.decode(first, type=Settings)
    while (data := _receive(stdin)) is not None:
        signal.alarm(SECONDS_A_SOURCE)
        job = msgspec.msgpack.decode(data, type=Job)
        try:
            answer = migrate(job, settings)
        except Exception as error:  # a fault of ours: it costs this source alone
            answer = Migrated(error=_fault(error))
        _send(stdout, answer)


def _fault(error: Exception) -> str:
    """What is said where the codemods themselves fail, with the place for who mends them."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        "line 1: the codemods failed over this file, which stays as it is; please report it"
        f" ({type(error).__name__}: {error}, at {Path(last.filename).name}:{last.lineno})"
    )


if __name__ == "__main__":
    main()
