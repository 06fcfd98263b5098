r"""The text form of a row in a bundle: PostgreSQL's own COPY text format.

One row a line, fields apart by tabs; NULL is ``\N`` and '' is nothing at all; a tab, a newline, a
carriage return or a backslash inside a value is ``\t``, ``\n``, ``\r``, ``\\``. So every line
is one row, whatever its values hold. Bytes are ``\\x`` and hexadecimal digits, booleans ``t`` and
``f``, times ISO 8601 in UTC as PostgreSQL writes them (``2021-01-01 00:00:00+00``, fractions
without trailing zeros), floats the shortest text that gives the same float again.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import math
import re
import struct
from datetime import date, datetime, timedelta, timezone
from typing import Any, Callable, Dict, List, Optional

NULL = rb"\N"
BLOCK = 1 << 18
"""About how many bytes of lines are handled at once."""

_ESCAPES = {
    b"\\": rb"\\",
    b"\b": rb"\b",
    b"\t": rb"\t",
    b"\n": rb"\n",
    b"\v": rb"\v",
    b"\f": rb"\f",
    b"\r": rb"\r",
}
_UNESCAPES = {escaped: plain for plain, escaped in _ESCAPES.items()}
_SPECIAL = re.compile(rb"[\\\x08-\r]")
_ESCAPED = re.compile(rb"\\(?:x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.DOTALL)


def escape(value: bytes) -> bytes:
    """A value's bytes as a field."""
    if _SPECIAL.search(value):
        return _SPECIAL.sub(lambda found: _ESCAPES[found.group()], value)
    return value


def unescape(field: bytes) -> Optional[bytes]:
    """A field's value; None for NULL."""
    if b"\\" not in field:
        return field
    if field == NULL:
        return None
    return _ESCAPED.sub(_plain, field)


def _plain(found: Any) -> bytes:
    text: bytes = found.group()
    # Anything else that is escaped stands for itself.
    return _UNESCAPES.get(text, text[1:])


def field_text(field: bytes) -> Optional[str]:
    """A field's text, or None."""
    value = unescape(field)
    return None if value is None else value.decode("utf-8")


def bytes_field(value: Optional[bytes]) -> bytes:
    """Bytes, or None, as a field."""
    return NULL if value is None else b"\\\\x" + value.hex().encode("ascii")


def field_bytes(field: bytes) -> Optional[bytes]:
    """The bytes that a field of type bytea holds, or None."""
    if field == NULL:
        return None
    if field[:3] != b"\\\\x":
        raise ValueError("not a bytea field: " + repr(field[:20]))
    return bytes.fromhex(field[3:].decode("ascii"))


def lines_of(block: bytes) -> List[bytes]:
    """A block's lines, each with its newline."""
    # Within a value every line end is escaped, so these are the ends of rows.
    return block.splitlines(True)


def fields(line: bytes) -> List[bytes]:
    """A line's fields; its newline is not part of the last."""
    return line.rstrip(b"\n").split(b"\t")


# --- values of drivers that have no COPY ---------------------------------------------------------


def _integer(value: Any) -> bytes:
    if isinstance(value, float):
        # SQLite keeps all of a duration, for which PostgreSQL has whole seconds.
        value = math.floor(value + 0.5)
    return str(int(value)).encode("ascii")


def _float(value: Any) -> bytes:
    text = repr(float(value))
    if text.endswith(".0"):
        text = text[:-2]
    return text.replace("inf", "Infinity").replace("nan", "NaN").encode("ascii")


def _single(value: Any) -> bytes:
    """A float of 32 bits: the shortest text that gives the same 32 bits again."""
    bits = struct.pack("f", value)
    if struct.unpack("f", bits)[0] == value:
        texts = (f"{value:.{digits}g}" for digits in range(6, 10))
        value = next(text for text in texts if struct.pack("f", float(text)) == bits)
    return _float(value)


# What drivers give for a boolean: a number, a BIT, or the text of one.
_BOOLEANS = {0: b"f", 1: b"t", b"\0": b"f", b"\1": b"t", b"0": b"f", b"1": b"t"}


def _boolean(value: Any) -> bytes:
    if value not in _BOOLEANS:
        raise ValueError("not a boolean: " + repr(value))
    return _BOOLEANS[value]


def _text(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return escape(bytes(value))
    return escape(str(value).encode("utf-8"))


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        value = value.encode("utf-8")
    elif not isinstance(value, (bytes, bytearray)):
        raise TypeError("not bytes: " + repr(value))
    return b"\\\\x" + bytes(value).hex().encode("ascii")


def _moment(value: Any, zone: str) -> bytes:
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value).decode("ascii")
    if isinstance(value, str):
        value = parse_moment(value)
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise TypeError("not a time: " + repr(value))
    if value.tzinfo is not None:
        value = value.astimezone(timezone.utc).replace(tzinfo=None)
    text = value.strftime("%H:%M:%S")
    if value.microsecond:
        text += f".{value.microsecond:06d}".rstrip("0")
    # strftime("%Y") does not pad years below 1000 everywhere.
    day = f"{value.year:04d}-{value.month:02d}-{value.day:02d}"
    return f"{day} {text}{zone}".encode("ascii")


_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6})\d*)?)?)?"
    r"\s*(Z|[+-]\d\d(?::?\d\d)?)?$"
)


def parse_moment(text: str) -> datetime:
    """A time as SQLite keeps it (a text); one without a zone is UTC. Raises ValueError."""
    found = _MOMENT.match(text.strip())
    if not found:
        raise ValueError("not a time: " + repr(text))
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    value = datetime(
        int(year),
        int(month),
        int(day),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        int((fraction or "").ljust(6, "0") or 0),
    )
    if zone and zone != "Z":
        digits = zone[1:].replace(":", "")
        ahead = timedelta(minutes=int(digits[:2]) * 60 + int(digits[2:] or 0))
        return value - ahead if zone[0] == "+" else value + ahead
    return value


ENCODERS: Dict[str, Callable[[Any], bytes]] = {
    "text": _text,
    "json": _text,
    "integer": _integer,
    "float": _float,
    "single": _single,
    "boolean": _boolean,
    "bytea": _bytes,
    "timestamptz": lambda value: _moment(value, "+00"),
    "timestamp": lambda value: _moment(value, ""),
}
"""Column type → what makes a field of a driver's value that is not None."""


def _plain_moment(text: str) -> str:
    """As SQLAlchemy writes a time into SQLite, so that Airflow finds it again by equality."""
    value = parse_moment(text)
    return f"{value.strftime('%Y-%m-%d %H:%M:%S')}.{value.microsecond:06d}"


def driver_value(field: bytes, type_: str) -> Any:
    """A field as the value that SQLite's driver takes, kept as SQLAlchemy keeps it."""
    if field == NULL:
        return None
    if type_ == "bytea":
        return field_bytes(field)
    text = field_text(field) or ""
    if type_ == "integer":
        return int(text)
    if type_ == "float":
        return float(text)
    if type_ == "boolean":
        return 1 if text == "t" else 0
    if type_ in ("timestamptz", "timestamp"):
        return _plain_moment(text)
    return text
