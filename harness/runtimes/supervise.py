"""Run a probe over code that nobody trusts: watch it, limit it, and leave nothing of it behind.

The probe's records come through one pipe as JSON lines, whatever it prints through another of
which only the end is kept. When it ends, hangs or is ended, every process that descends from it or
carries the run's mark is killed, wherever it has moved to (see launch.py).
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from harness.launch import launched
from harness.processes import finish, kill_group, start
from harness.runtimes.surroundings import RUN_VARIABLE

TAIL_BYTES = 8192
CHUNK_BYTES = 1 << 16

# One record is one DAG file; more than this without a line end is not a record.
LINE_BYTES = 256 << 20

# How often a probe that holds its pipes open is looked at.
GLANCE_SECONDS = 0.1

# Processes may fork while they are being killed; each round kills what the last one missed.
SWEEP_ROUNDS = 1000

OnRecord = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds without a record that count as a hang: until the plugins are loaded, and later."""

    start: float
    silence: float


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a probe ended. ``complete`` = it said so itself; else ``why`` says what became of it.
    ``output`` is the end of what it printed, ``isolation`` what the launcher reported."""

    complete: bool
    why: str
    output: str
    isolation: str


def supervise(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    limits: Limits,
    no_network: bool,
    port: int | None = None,
    on_record: OnRecord,
    stdin: int = subprocess.DEVNULL,
) -> Ended:
    """Run ``argv`` with the path of the record pipe appended, until it ends or must be ended.

    ``env`` is all that it has of an environment, but for the mark of the run; ``stdin`` is a
    descriptor that it reads from. ``port`` of our loopback is within its reach even with
    ``no_network``.
    """
    run = uuid.uuid4().hex
    records, records_in = os.pipe()
    output, output_in = os.pipe()
    report, report_in = os.pipe()
    try:
        command = (*argv, f"/dev/fd/{records_in}")
        process = start(
            launched(
                command,
                no_network=no_network,
                port=port,
                report=report_in,
                extra={RUN_VARIABLE: run},
            ),
            env=dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=output_in,
            stderr=output_in,
            pass_fds=(records_in, report_in),
        )
    except BaseException:
        for descriptor in (records, output, report, records_in, output_in, report_in):
            os.close(descriptor)
        raise
    try:
        for descriptor in (records_in, output_in, report_in):
            os.close(descriptor)
        watch = _ProcessWatch(process=process, limits=limits, on_record=on_record)
        why = watch.until_end(records=records, output=output, report=report)
    finally:
        _end(process, report, run)
        for descriptor in (records, output, report):
            os.close(descriptor)
    return Ended(
        complete=watch.complete,
        why=why or exit_text(process.returncode),
        output=watch.tail.decode("utf-8", errors="replace"),
        isolation=watch.report.decode("ascii", errors="replace"),
    )


class Watch:
    """What is known of a running probe, fed with what it writes, wherever it runs."""

    def __init__(self, *, limits: Limits, on_record: OnRecord) -> None:
        self.limits = limits
        self.on_record = on_record
        self.started = False
        self.complete = False
        self.tail = b""
        self._line = bytearray()
        self._heard = time.monotonic()

    def problem(self) -> str:
        """Why it must be ended now, "" = it need not."""
        limit = self.limits.silence if self.started else self.limits.start
        if time.monotonic() - self._heard > limit:
            return f"it hung: nothing was heard of it for {limit:.0f} s"
        if len(self._line) > LINE_BYTES:
            return "it wrote something else into the channel of the results"
        return ""

    def take_output(self, chunk: bytes) -> None:
        """What it printed."""
        self.tail = (self.tail + chunk)[-TAIL_BYTES:]

    def take_records(self, chunk: bytes) -> None:
        """What came through the channel of the results."""
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            self._line += line
            self._take_line(bytes(self._line))
            self._line.clear()
        self._line += rest

    def _take_line(self, line: bytes) -> None:
        try:
            record = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError):
            return  # cut short by the death of its writer, or not ours; the file is not seen
        if not isinstance(record, dict):
            return
        self._heard = time.monotonic()
        self.started = self.started or record.get("kind") == "plugins"
        self.complete = self.complete or record.get("kind") == "end"
        self.on_record(record)


class _ProcessWatch(Watch):
    """Of a process of this machine, fed by its three pipes."""

    def __init__(
        self, *, process: subprocess.Popen[bytes], limits: Limits, on_record: OnRecord
    ) -> None:
        super().__init__(limits=limits, on_record=on_record)
        self.process = process
        self.report = b""

    def until_end(self, *, records: int, output: int, report: int) -> str:
        """Read until the probe is gone or must go; why it must, "" = it went by itself."""
        sinks = {records: self.take_records, output: self.take_output, report: self._take_report}
        with selectors.DefaultSelector() as selector:
            for descriptor, sink in sinks.items():
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ, sink)
            while True:
                # First whether it lives, then what it said: what it wrote last is still read.
                gone = self.process.poll() is not None
                ready = selector.select(0 if gone else GLANCE_SECONDS)
                for key, _ in ready:
                    if not self._read(key.fd, key.data):
                        selector.unregister(key.fd)
                if gone and not ready:
                    return ""
                if self.complete and gone:
                    return ""
                if problem := self.problem():
                    return problem

    def _read(self, descriptor: int, sink: Callable[[bytes], None]) -> bool:
        try:
            chunk = os.read(descriptor, CHUNK_BYTES)
        except BlockingIOError:
            return True
        sink(chunk)
        return bool(chunk)

    def _take_report(self, chunk: bytes) -> None:
        self.report += chunk


def exit_text(returncode: int) -> str:
    """How a process ended, from its exit code; negative = by that signal."""
    if returncode >= 0:
        return f"it exited with code {returncode}"
    with contextlib.suppress(ValueError):
        return f"it was killed by {signal.Signals(-returncode).name}"
    return f"it was killed by signal {-returncode}"


# ------------------------------------------------------------------------------------- sweeping


def _end(process: subprocess.Popen[bytes], report: int, run: str) -> None:
    """End whatever the probe has started, and wait until it is gone.

    The guardian of launch.py does it when the launcher is gone. What carries the run's mark is
    killed as well, in case that somebody has killed the guardian.
    """
    kill_group(process.pid)
    for _ in range(SWEEP_ROUNDS):
        marked = _marked(run)
        for pid in marked:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not marked and _closed(report):
            break
        time.sleep(0.002)
    finish(process)


def _closed(report: int) -> bool:
    """Whether the guardian, who holds the other end, is gone."""
    try:
        return os.read(report, CHUNK_BYTES) == b""
    except BlockingIOError:
        return False


def _marked(run: str) -> list[int]:
    """The living processes that carry the run's mark. None where there is no /proc: there the
    process group is all that can be ended."""
    if sys.platform != "linux":
        return []
    mark = f"{RUN_VARIABLE}={run}".encode()
    found = []
    for entry in os.listdir("/proc"):  # noqa: PTH208 – hundreds of entries, several times a run
        if entry.isdigit():
            try:
                # A zombie's is empty.
                environ = Path("/proc", entry, "environ").read_bytes()
            except OSError:
                continue  # it ended, or it is somebody else's
            if mark in environ.split(b"\0"):
                found.append(int(entry))
    return found
