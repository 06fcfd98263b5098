"""Pickled values in, their plain form out; a pickle is a program, so none is loaded here.

The probe ``decode.py`` reads them in the Python that wrote them, without a network and each on its
own where it names more than plain types. What comes back is *tagged JSON*, as that probe describes
it; ``plain`` makes Python values of it, of the standard library's types alone.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import itertools
import os
import queue
import threading
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import zoneinfo

import harness.probes
from harness.errors import HarnessError
from harness.metadata.inside import Inside
from harness.runtimes.supervise import Ended, Limits, supervise

PROBE = Path(harness.probes.__file__).parent / "decode.py"

TIMEOUT_SECONDS = 20.0
MEMORY_MIB = 1024
NODES = 2_000_000

Key = Hashable
"""What the caller knows a value by."""


class DecodeFailed(HarnessError):
    """The probe does not start: nothing at all can be decoded."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One value: its tagged JSON, or the ``error`` that tells why it has none."""

    key: Key
    value: Any = None
    error: str = ""


def decode(
    values: Iterable[tuple[Key, bytes]],
    where: Inside,
    *,
    timeout: float = TIMEOUT_SECONDS,
    memory: int = MEMORY_MIB,
    nodes: int = NODES,
) -> Iterator[Decoded]:
    """Every value's plain form or error, in the order given, while the values are still coming.

    ``timeout`` (seconds), ``memory`` (MiB) and ``nodes`` (values inside it) are what one may cost.
    What is held at any time is what fits into a pipe. A value that takes the whole probe down
    loses itself alone: the next ones are read by another. Raises ``DecodeFailed``.
    """
    coming = iter(values)
    waiting: deque[tuple[Key, bytes]] = deque()
    # Not before there is something to read: a start costs more than most values.
    for first in coming:
        coming = itertools.chain((first,), coming)
        break
    else:
        return
    payload = where.folder / "decode.json"
    payload.write_bytes(
        msgspec.json.encode(
            {
                "sys_path": list(where.sys_path),
                "timeout": timeout,
                "memory": memory,
                "nodes": nodes,
            }
        )
    )
    while True:
        run = _Run(where, payload)
        try:
            yield from run.through(waiting, coming)
        finally:
            ended = run.close()
        if not run.started:
            raise DecodeFailed(
                f"The values cannot be decoded: {where.python} {ended.why}.\n{ended.output}",
                hint="Run `mwaa-harness doctor`; the bridge's environment may be damaged.",
            )
        if not waiting:
            return
        key, _ = waiting.popleft()
        yield Decoded(key, error=f"it ended the reader of all values: {ended.why}")


class _Run:
    """One life of the probe, watched by a thread; values go in one by one."""

    def __init__(self, where: Inside, payload: Path) -> None:
        self.started = False
        self._ended: list[Ended | BaseException] = []
        self._records: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
        reading, self._writing = os.pipe()
        watching = (where, payload, reading)
        self._thread = threading.Thread(target=self._watch, args=watching, daemon=True)
        self._thread.start()

    def _watch(self, where: Inside, payload: Path, reading: int) -> None:
        try:
            ended = supervise(
                (str(where.python), "-B", "-s", str(PROBE), str(payload)),
                env=where.env,
                cwd=where.folder,
                # The probe keeps the time itself; it is silent while we have nothing for it.
                limits=Limits(start=float("inf"), silence=float("inf")),
                no_network=True,
                on_record=self._records.put,
                stdin=reading,
            )
            self._ended.append(ended)
        except BaseException as error:
            self._ended.append(error)
        finally:
            os.close(reading)
            self._records.put(None)

    def through(
        self, waiting: deque[tuple[Key, bytes]], coming: Iterator[tuple[Key, bytes]]
    ) -> Iterator[Decoded]:
        """Answers to what waits and then to what comes; ``waiting`` keeps what has none."""
        for _, data in waiting:
            if not self._send(data):
                break
        else:
            for key, data in coming:
                waiting.append((key, data))
                if not self._send(data):
                    break
                yield from self._answers(waiting, block=False)
        os.close(self._writing)
        self._writing = -1
        yield from self._answers(waiting, block=True)

    def _send(self, data: bytes) -> bool:
        line = b'{"id":0,"data":"' + base64.b64encode(data) + b'"}\n'
        view = memoryview(line)
        try:
            while view:
                view = view[os.write(self._writing, view) :]
        except BrokenPipeError:
            return False
        return True

    def _answers(self, waiting: deque[tuple[Key, bytes]], *, block: bool) -> Iterator[Decoded]:
        while True:
            try:
                record = self._records.get(block)
            except queue.Empty:
                return
            if record is None:
                self._records.put(None)
                return
            self.started = True
            if record.get("kind") == "value" and waiting:
                key, _ = waiting.popleft()
                yield Decoded(key, record.get("value"), record.get("error", ""))

    def close(self) -> Ended:
        """Wait for the probe's end."""
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1
        self._thread.join()
        (ended,) = self._ended
        if isinstance(ended, BaseException):
            raise ended
        return ended


# ------------------------------------------------------------------- tagged JSON → Python's values


def plain(tagged: Any) -> Any:
    """The Python value that a tagged JSON value stands for, of the standard library's types.

    Zones come back as ``zoneinfo``'s, pandas' and NumPy's values as the plain ones they are like.
    Raises KeyError for a tag that does not exist.
    """
    if isinstance(tagged, list):
        return [plain(item) for item in tagged]
    if not isinstance(tagged, dict):
        return tagged
    if "$" not in tagged:
        return {key: plain(value) for key, value in tagged.items()}
    return _PLAIN[tagged["$"]](tagged)


def _dict(tagged: Mapping[str, Any]) -> dict[Any, Any]:
    kind = OrderedDict if tagged.get("class") == "collections.OrderedDict" else dict
    return kind((plain(key), plain(value)) for key, value in tagged["v"])


def _datetime(tagged: Mapping[str, Any]) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(tagged["v"])
    zone = tagged.get("zone", "")
    if moment.tzinfo is None or not zone or zone == "UTC":
        return moment
    try:
        there = moment.astimezone(zoneinfo.ZoneInfo(zone))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OverflowError):
        return moment
    # Zones change their rules: the moment and what the clock showed are what was written.
    return there if there.isoformat() == moment.isoformat() else moment


def _time(tagged: Mapping[str, Any]) -> datetime.time:
    return datetime.time.fromisoformat(tagged["v"])


def _str(tagged: Mapping[str, Any]) -> str:
    if "class" in tagged:
        return str(tagged["v"])
    return base64.b64decode(tagged["v"]).decode("utf-8", "surrogatepass")


_PLAIN: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "dict": _dict,
    "tuple": lambda tagged: tuple(plain(item) for item in tagged["v"]),
    "set": lambda tagged: {plain(item) for item in tagged["v"]},
    "frozenset": lambda tagged: frozenset(plain(item) for item in tagged["v"]),
    "bytes": lambda tagged: base64.b64decode(tagged["v"]),
    "bytearray": lambda tagged: bytearray(base64.b64decode(tagged["v"])),
    "datetime": _datetime,
    "date": lambda tagged: datetime.date.fromisoformat(tagged["v"]),
    "time": _time,
    "timedelta": lambda tagged: datetime.timedelta(*tagged["v"]),
    "decimal": lambda tagged: decimal.Decimal(tagged["v"]),
    "uuid": lambda tagged: uuid.UUID(tagged["v"]),
    "complex": lambda tagged: complex(*(plain(part) for part in tagged["v"])),
    "float": lambda tagged: float(tagged["v"]),
    "int": lambda tagged: int(tagged["v"]),
    "bool": lambda tagged: bool(tagged["v"]),
    "str": _str,
}
