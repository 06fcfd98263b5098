"""What two clocks explain is no difference; everything else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.clock import Clock, same

MIDNIGHT = datetime(2024, 3, 10, tzinfo=UTC)


def clock(bridge: datetime, target: datetime) -> Clock:
    return Clock(bridge=bridge.timestamp(), target=target.timestamp())


QUIET = clock(MIDNIGHT + timedelta(hours=9, seconds=20), MIDNIGHT + timedelta(hours=9, seconds=29))
LATE = clock(MIDNIGHT - timedelta(seconds=20), MIDNIGHT + timedelta(seconds=20))


def iso(moment: datetime) -> str:
    return moment.isoformat()


@given(st.datetimes(timezones=st.just(UTC)))
def test_equal_dates_are_equal(moment: datetime) -> None:
    assert same(iso(moment), iso(moment), QUIET)


def test_days_ago_over_midnight() -> None:
    old, new = MIDNIGHT - timedelta(days=3), MIDNIGHT - timedelta(days=2)
    assert same(iso(old), iso(new), LATE)
    assert not same(iso(old), iso(new), QUIET)
    assert not same(iso(old), iso(new + timedelta(days=1)), LATE)


def test_days_ago_over_midnight_of_another_zone() -> None:
    # Midnight in Berlin is 23:00 in London.
    berlin = MIDNIGHT - timedelta(hours=1)
    about = clock(berlin - timedelta(seconds=20), berlin + timedelta(seconds=20))
    assert same(iso(berlin - timedelta(days=3)), iso(berlin - timedelta(days=2)), about)
    assert not same(iso(berlin - timedelta(days=3)), iso(berlin - timedelta(days=2)), LATE)


@given(st.integers(1, 500), st.integers(-300, 300))
def test_now_moves_on_with_the_clock(days: int, between: int) -> None:
    about = clock(MIDNIGHT, MIDNIGHT + timedelta(seconds=between))
    old = MIDNIGHT - timedelta(days=days) + timedelta(microseconds=123_456)
    assert same(iso(old), iso(old + timedelta(seconds=between)), about)


@pytest.mark.parametrize("shift", [timedelta(days=1), timedelta(days=-1), timedelta(hours=2)])
def test_a_constant_that_changed_is_a_difference(shift: timedelta) -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    assert not same(iso(start), iso(start + shift), QUIET)


def test_without_clocks_nothing_is_explained() -> None:
    unknown = Clock(bridge=0.0, target=0.0)
    assert not same(iso(MIDNIGHT), iso(MIDNIGHT + timedelta(seconds=1)), unknown)
    assert not same("run 1710000000", "run 1710000001", unknown)


def test_dates_inside_texts() -> None:
    assert same("load 2024-03-09 now", "load 2024-03-10 now", LATE)
    assert same("s3://lake/20240309/in", "s3://lake/20240310/in", LATE)
    assert not same("load 2024-03-09 now", "load 2024-03-09 soon", LATE)
    assert not same("load 2024-03-09", "load 2024-03-12", LATE)
    assert not same("load 2024-13-09", "load 2024-13-10", LATE)


def test_epochs() -> None:
    start = int(QUIET.bridge)
    assert same(start, start + 9, QUIET)
    assert same(f"--since {start}", f"--since {start + 9}", QUIET)
    assert same(start * 1000 + 123, (start + 9) * 1000 + 456, QUIET)
    assert not same(3, 12, QUIET)
    assert not same(start, start + 900, QUIET)


def test_ids_made_at_random() -> None:
    one, two = "8f14e45f-ceea-467f-a34d-6f3b2e5c9d10", "c9f0f895-fb98-4b91-8d2f-0a1b2c3d4e5f"
    assert same(f"run_{one}".replace("run_", "run "), f"run {two}", QUIET)
    assert not same(one, two.upper().replace("C9F0", "C9F"), QUIET)


def test_inside_containers() -> None:
    old, new = {"since": ["2024-03-09"]}, {"since": ["2024-03-10"]}
    assert same(old, new, LATE)
    assert not same(old, {"until": ["2024-03-10"]}, LATE)
    assert not same(["a"], ["a", "b"], LATE)
    assert same(["a"], ("a",), LATE)


@pytest.mark.parametrize(("left", "right"), [(True, 1.5), ("1", 1), (None, 0), ({}, [])])
def test_kinds_are_not_mixed(left: object, right: object) -> None:
    assert not same(left, right, QUIET)
