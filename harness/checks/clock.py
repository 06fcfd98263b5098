"""Values that depend on when a file was loaded.

Both sides load a file at different seconds, sometimes on different days. ``days_ago(2)``,
``datetime.now()``, ``date.today().isoformat()`` and ``uuid4()`` then differ although nothing
changed; whatever the two clocks explain is no difference.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.model import FileObservation

MINUTE, HOUR, DAY = 60, 3_600, 86_400

# Epoch numbers are recognised by lying this close to the moment of the load.
NEARBY = 10 * 366 * DAY

VOLATILE = re.compile(
    r"""(?P<uuid>\b[0-9a-f]{8}-[0-9a-f]{4}-[14][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b)
    |(?P<moment>\b\d{4}-\d\d-\d\d
        (?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?)
    |(?P<compact>\b20\d{6}(?:T?\d{6})?\b)
    |(?P<epoch>\b1\d{9}(?:\d{3}|\.\d+)?\b)""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Clock:
    """When the two sides loaded one file, in Unix time, and how long that took at most.

    A side whose time is unknown has 0; then no difference is explained by the clock.
    """

    bridge: float
    target: float
    slack: float = 1.0


def clock_of(bridge: FileObservation, target: FileObservation) -> Clock:
    """The clock for one file that both sides have loaded."""
    return Clock(
        bridge=bridge.at, target=target.at, slack=1.0 + max(bridge.seconds, target.seconds)
    )


def same(left: object, right: object, clock: Clock) -> bool:
    """Whether a value of the bridge and one of the target are equal but for the clock."""
    if left == right:
        return True
    if isinstance(left, str) and isinstance(right, str):
        return _same_text(left, right, clock)
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    if isinstance(left, int | float) and isinstance(right, int | float):
        return _same_epoch(left, right, clock)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[k], right[k], clock) for k in left)
    if isinstance(left, Sequence) and isinstance(right, Sequence):
        return len(left) == len(right) and all(
            same(a, b, clock) for a, b in zip(left, right, strict=True)
        )
    return False


def _same_text(left: str, right: str, clock: Clock) -> bool:
    if VOLATILE.sub("\0", left) != VOLATILE.sub("\0", right):
        return False
    pairs = zip(VOLATILE.finditer(left), VOLATILE.finditer(right), strict=True)
    return all(_same_token(a, b, clock) for a, b in pairs)


def _same_token(left: re.Match[str], right: re.Match[str], clock: Clock) -> bool:
    if left[0] == right[0]:
        return True
    if left.lastgroup != right.lastgroup:
        return False
    if left.lastgroup == "uuid":
        return True
    if left.lastgroup == "epoch":
        return _same_epoch(float(left[0]), float(right[0]), clock)
    try:
        first, second = datetime.fromisoformat(left[0]), datetime.fromisoformat(right[0])
    except ValueError:
        return False
    return _explained(_timestamp(first), _timestamp(second), clock)


def _timestamp(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _same_epoch(left: float, right: float, clock: Clock) -> bool:
    scale = 1_000 if left > 1e12 else 1
    near = abs(left / scale - clock.bridge) < NEARBY
    return near and _explained(left / scale, right / scale, clock)


def _explained(left: float, right: float, clock: Clock) -> bool:
    """Whether the clock moved on from ``left`` to ``right``: by the same time as between the two
    loads, or by as many whole minutes, hours or days as were begun in between. Both values stand
    at the same phase of that unit; for midnight in some time zone it tells where a day begins."""
    if not (clock.bridge and clock.target):
        return False
    shift, passed = right - left, clock.target - clock.bridge
    if abs(shift - passed) <= clock.slack:
        return True
    for unit in (MINUTE, HOUR, DAY):
        phase = left % unit
        if not math.isclose(phase, right % unit, abs_tol=1e-6):
            continue
        least = _begun(clock.bridge + clock.slack, clock.target - clock.slack, unit, phase)
        most = _begun(clock.bridge - clock.slack, clock.target + clock.slack, unit, phase)
        if least <= round(shift / unit) <= most:
            return True
    return False


def _begun(start: float, end: float, unit: int, phase: float) -> int:
    return math.floor((end - phase) / unit) - math.floor((start - phase) / unit)
