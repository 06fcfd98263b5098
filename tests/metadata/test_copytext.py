"""The text form of a row: nothing that a value holds can change what a row is."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metadata.copytext import (
    ENCODERS,
    NULL,
    bytes_field,
    driver_value,
    escape,
    field_bytes,
    fields,
    parse_moment,
    unescape,
)
from harness.metadata.drivers import WRONG

VALUES = st.one_of(
    st.none(), st.binary(), st.text(alphabet="\\\t\n\r\x08\x0b\x0cNn.x0").map(str.encode)
)


@given(st.lists(VALUES, min_size=1))
def test_rows_come_back_as_they_went(values: list[bytes | None]) -> None:
    line = b"\t".join(NULL if value is None else escape(value) for value in values) + b"\n"
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    assert [unescape(field) for field in fields(line)] == values


@given(st.one_of(st.none(), st.binary()))
def test_bytes_come_back_as_they_went(value: bytes | None) -> None:
    assert field_bytes(bytes_field(value)) == value


def test_null_and_empty_and_the_text_of_null_are_three_things() -> None:
    assert [NULL, escape(b""), escape(rb"\N")] == [rb"\N", b"", rb"\\N"]
    assert [unescape(rb"\N"), unescape(b""), unescape(rb"\\N")] == [None, b"", rb"\N"]


@pytest.mark.parametrize(
    ("kind", "value", "field"),
    [
        ("timestamptz", datetime(2021, 1, 2, 3, 4, 5, 600000), b"2021-01-02 03:04:05.6+00"),
        ("timestamptz", "2021-01-02 03:04:05.000000", b"2021-01-02 03:04:05+00"),
        ("timestamptz", b"2021-01-02T03:04:05.000001Z", b"2021-01-02 03:04:05.000001+00"),
        ("timestamptz", "2021-01-01 00:30:00+05:30", b"2020-12-31 19:00:00+00"),
        ("timestamptz", "2020-12-31 23:30:00-01", b"2021-01-01 00:30:00+00"),
        ("timestamp", datetime(900, 1, 2), b"0900-01-02 00:00:00"),
        ("boolean", 1, b"t"),
        ("boolean", b"\x00", b"f"),
        ("float", 3.0, b"3"),
        ("float", 0.1, b"0.1"),
        ("single", 0.10000000149011612, b"0.1"),
        ("single", 3661.123535156250, b"3661.1235"),
        ("single", 123456792.0, b"123456790"),
        ("single", 3661.123456789, b"3661.123456789"),
        ("integer", True, b"1"),
        ("integer", 12.5, b"13"),
        ("text", "a\tb", rb"a\tb"),
        ("bytea", b"\x80\x03", rb"\\x8003"),
    ],
)
def test_drivers_values_are_written_as_postgresql_would(
    kind: str, value: object, field: bytes
) -> None:
    assert ENCODERS[kind](value) == field


@pytest.mark.parametrize(
    ("kind", "value"),
    [("boolean", 2), ("bytea", 5), ("timestamptz", 5), ("timestamptz", "0000-00-00"),
     ("timestamp", b"\xff"), ("integer", b"x"), ("integer", float("inf")), ("float", b"")],
)  # fmt: skip
def test_what_is_of_another_type_is_an_error(kind: str, value: object) -> None:
    with pytest.raises(WRONG):
        ENCODERS[kind](value)


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
)
def test_any_zone_is_the_same_moment(moment: datetime, minutes: int) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    found = parse_moment(zoned.isoformat(" "))
    assert found.replace(tzinfo=UTC) == zoned


def test_sqlite_gets_times_as_sqlalchemy_writes_them() -> None:
    assert driver_value(b"2021-01-02 03:04:05+00", "timestamptz") == "2021-01-02 03:04:05.000000"
    assert driver_value(b"", "text") == ""
    assert driver_value(NULL, "boolean") is None
