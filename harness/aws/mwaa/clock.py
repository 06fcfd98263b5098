"""The stand-in's time, which need not be ours."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class Clock:
    """The time of day, plus whatever it was advanced by."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        """Let so much time pass at once."""
        with self._lock:
            self._ahead += timedelta(seconds=seconds)


class SteppingClock(Clock):
    """Goes on by so many seconds whenever somebody looks at it: who polls sees every status, and
    waits for none. It does not go by itself."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self._now = datetime.now(UTC)
        self._step = timedelta(seconds=step)

    def now(self) -> datetime:
        with self._lock:
            self._now += self._step
            return self._now + self._ahead
