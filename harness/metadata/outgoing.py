"""Rows on their way into a bundle: secrets are opened and sealed, pickles become tagged JSON, and
what cannot be carried is listed.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from harness.metadata.bundle import TableWriter
from harness.metadata.copytext import (
    NULL,
    escape,
    field_bytes,
    field_text,
    fields,
    lines_of,
    unescape,
)
from harness.metadata.database import Database, as_they_are
from harness.metadata.options import ExportOptions
from harness.metadata.problems import MetadataError
from harness.metadata.schema import Column, Table
from harness.metadata.sealing import Fernet, Seal
from harness.metadata.stores import Store
from harness.metadata.values import Decoder, json_value

UNDECODABLE = "undecodable"
WRONG_KEY = "undecryptable"
NOT_TEXT = "not-text"
WRONG_TYPE = "wrong-type"
MEMO = 4096
PENDING_ROWS = 500
PENDING_BYTES = 4 << 20


@dataclass
class ExportWork:
    """What the steps of one export share."""

    database: Database
    store: Store
    options: ExportOptions
    fernet: Fernet
    seal: Optional[Seal]
    decoder: Optional[Decoder]
    catalogue: Mapping[str, Tuple[str, ...]]
    progress: Callable[[str, int, int], None]
    any_text: bool = False


@dataclass
class Tally:
    """What happened to one table's rows on the way."""

    listed: Dict[str, int] = field(default_factory=dict)
    values: Dict[str, int] = field(default_factory=dict)
    transformed: Dict[str, int] = field(default_factory=dict)
    writer: Optional[TableWriter] = None


def list_rejected(work: ExportWork, table: Table, source: str, inside: str, tally: Tally) -> None:
    reasons = " ".join(f"WHEN {reject.when} THEN '{reject.reason}'" for reject in table.rejects)
    rejected = " OR ".join(f"({reject.when})" for reject in table.rejects)
    if not rejected:
        return
    where = f"({rejected})" + (f" AND ({inside})" if inside else "")
    list_rows(work, table, f"CASE {reasons} END", f"{source} {table.joins} WHERE {where}", tally)


def list_rows(work: ExportWork, table: Table, reason: str, source: str, tally: Tally) -> None:
    present = work.catalogue[table.name]
    kinds = {column.name: column.type for column in table.columns}
    quoted = work.database.name
    select = f"SELECT {reason} AS reason, " + ", ".join(f"t.{quoted(name)}" for name in present)

    def write(block: bytes) -> None:
        for line in lines_of(block):
            first, *values = fields(line)
            why = field_text(first) or ""
            row: Dict[str, Optional[str]] = dict(zip(present, map(listed_text, values)))
            _put_listed(work, table, tally, why, row)

    work.database.copy_out(
        f"{select} {source}",
        ["text", *(kinds.get(name, "text") for name in present)],
        write,
    )


def listed_text(value: bytes) -> Optional[str]:
    plain = unescape(value)
    return None if plain is None else plain.decode("utf-8", "backslashreplace")


def _put_listed(
    work: ExportWork,
    table: Table,
    tally: Tally,
    reason: str,
    row: Dict[str, Optional[str]],
    **more: str,
) -> None:
    tally.listed[reason] = tally.listed.get(reason, 0) + 1
    if tally.writer is None:
        return
    key = {name: row.get(name) for name in table.source_key if name in row}
    for name in table.secret:
        value = row.get(name)
        if value is not None and work.seal is not None:
            place = (table.name, str(row.get("id")), name)
            row[name] = "sealed:" + work.seal.close(value.encode("utf-8"), *place).decode("ascii")
    record = {"table": table.name, "reason": reason, "key": key, "row": row, **more}
    tally.writer.write(json.dumps(record, sort_keys=True).encode("ascii") + b"\n")


class _Sink:
    """A table's rows on their way. To those of most tables nothing has to be done."""

    def __init__(
        self,
        work: ExportWork,
        table: Table,
        columns: Sequence[Column],
        tally: Tally,
        write: Callable[[bytes], None],
    ) -> None:
        self.work, self.table, self.columns = work, table, columns
        self.tally, self.out = tally, write
        self.names = [column.name for column in columns]

    def write(self, block: bytes) -> None:
        """Some rows."""
        self.out(block)

    def misfit(self, values: List[bytes], wrong: Mapping[int, str]) -> bytes:
        """A row's line without its values of wrong types; none when these are part of its key."""
        names = [self.names[position] for position in wrong]
        more = {"column": ", ".join(names), "why": "; ".join(wrong.values())}
        if set(names) & {*self.table.key, *self.table.source_key}:
            self.list_row(WRONG_TYPE, values, **more)
            return b""
        self.list_value(WRONG_TYPE, values, **more)
        return as_they_are([NULL if n in wrong else value for n, value in enumerate(values)], {})

    def finish(self) -> None:
        """There are no more."""

    def list_row(self, reason: str, values: Iterable[bytes], **more: str) -> None:
        """Say that a row is not carried."""
        _put_listed(self.work, self.table, self.tally, reason, self._texts(values), **more)

    def list_value(self, reason: str, values: Iterable[bytes], **more: str) -> None:
        """Say that a row is carried without one of its values, and which that was."""
        tally = Tally(listed=self.tally.values, writer=self.tally.writer)
        _put_listed(self.work, self.table, tally, reason, self._texts(values), **more)

    def _texts(self, values: Iterable[bytes]) -> Dict[str, Optional[str]]:
        return dict(zip(self.names, map(listed_text, values)))


def _is_text(data: bytes) -> bool:
    """Whether PostgreSQL, in UTF-8, would keep it in a text."""
    try:
        return b"\0" not in data and bool(data.decode("utf-8") or True)
    except UnicodeDecodeError:
        return False


class _Texts(_Sink):
    """Puts U+FFFD for what is no text, the same in every table, so that rows still find each other.

    PostgreSQL takes care of that itself, unless the database has no encoding.
    """

    def __init__(self, to: _Sink) -> None:
        super().__init__(to.work, to.table, to.columns, to.tally, to.write)
        self.finish = to.finish  # type: ignore[method-assign]

    def write(self, block: bytes) -> None:
        if not _is_text(block):
            block = b"".join(map(self._mended, lines_of(block)))
        self.out(block)

    def _mended(self, line: bytes) -> bytes:
        if _is_text(line):
            return line
        self.list_value(NOT_TEXT, fields(line))
        return line.decode("utf-8", "replace").replace("\0", "\ufffd").encode("utf-8")


def sink_of(
    work: ExportWork,
    table: Table,
    columns: Sequence[Column],
    tally: Tally,
    write: Callable[[bytes], None],
) -> _Sink:
    """What a table's rows go through on their way to ``write``."""
    transforms = {column.transform for column in columns} - {""}
    kind = _Secrets if transforms & {"fernet", "seal"} else _Pickles if transforms else _Sink
    sink = kind(work, table, columns, tally, write)
    return _Texts(sink) if work.any_text else sink


class _Secrets(_Sink):
    """Opens what the source's key has closed, and seals it."""

    def __init__(self, *of: Any) -> None:
        super().__init__(*of)
        self.secrets = [
            (position, column)
            for position, column in enumerate(self.columns)
            if column.transform in ("fernet", "seal")
        ]

    def write(self, block: bytes) -> None:
        for line in lines_of(block):
            self._write(line)

    def _write(self, line: bytes) -> None:
        values = fields(line)
        row = dict(zip(self.names, values))
        for position, column in self.secrets:
            value = unescape(values[position])
            if value is None:
                continue
            if column.flag and row[column.flag] == b"t" and value:
                opened = self.work.fernet.decrypt(value)
                if opened is None or not _is_text(opened):
                    # As it came: a value before this one may be open by now.
                    self.list_row(WRONG_KEY if opened is None else NOT_TEXT, row.values())
                    return
                value = opened
                counts = self.tally.transformed
                counts["decrypted"] = counts.get("decrypted", 0) + 1
            if self.work.seal is not None:
                place = place_of(self.table, row, column)
                values[position] = self.work.seal.close(value, *place)
        self.out(b"\t".join(values) + b"\n")


def place_of(table: Table, row: Mapping[str, bytes], column: Column) -> Tuple[str, ...]:
    """What a sealed value is bound to."""
    return (table.name, *(row[name].decode("utf-8") for name in table.key), column.name)


NULL_LINE = NULL + b"\n"


class _Pickles(_Sink):
    """Replaces a pickle by tagged JSON. The pickled column is the last one of its table.

    Most rows hold one of a few values (an empty dict), which are remembered; the others wait
    until there are enough of them to ask the decoder.
    """

    def __init__(self, *of: Any) -> None:
        super().__init__(*of)
        self.column = self.columns[-1]
        if not self.column.transform:
            raise AssertionError(f"{self.table.name}: the column with a transform is not the last")
        self.memo: Dict[bytes, bytes] = {NULL_LINE: NULL_LINE}
        self.waiting: List[Tuple[bytes, bytes]] = []
        self.size = 0
        self.decoded = 0

    def write(self, block: bytes) -> None:
        done: List[bytes] = []
        memo = self.memo
        for line in lines_of(block):
            head, tab, raw = line.rpartition(b"\t")
            value = memo.get(raw) or self._json(raw)
            if value is None:
                self.waiting.append((head, raw))
                self.size += len(line)
            else:
                done.append(head + tab + value)
        self.decoded += len(done) - block.count(b"\t" + NULL_LINE)
        if done:
            self.out(b"".join(done))
        if len(self.waiting) >= PENDING_ROWS or self.size >= PENDING_BYTES:
            self._answer()

    def _json(self, raw: bytes) -> Optional[bytes]:
        """The field of a value that is JSON already; None for anything else."""
        if self.column.transform != "xcom":
            return None
        text = json_value(field_bytes(raw[:-1]) or b"")
        return None if text is None else escape(text) + b"\n"

    def _answer(self) -> None:
        asked: Dict[bytes, int] = {}
        for _, raw in self.waiting:
            if raw not in self.memo:
                asked.setdefault(raw, len(asked))
        answers = self._decode([field_bytes(raw[:-1]) or b"" for raw in asked])
        done = []
        for head, raw in self.waiting:
            known = self.memo.get(raw)
            if known is None:
                value, error = answers[asked[raw]]
                if error:
                    self._list(head, raw, error)
                    continue
                text = json.dumps(value, separators=(",", ":")).encode("ascii")
                known = escape(text) + b"\n"
                if len(raw) < 256 and len(self.memo) < MEMO:
                    self.memo[raw] = known
            self.decoded += 1
            done.append(head + b"\t" + known)
        if done:
            self.out(b"".join(done))
        self.waiting.clear()
        self.size = 0

    def _decode(self, values: Sequence[bytes]) -> List[Tuple[Any, str]]:
        if not values:
            return []
        if self.work.decoder is None:
            raise MetadataError(
                f"{self.table.name}.{self.column.name} holds pickled values, and there is no "
                "Python to read them with.",
                hint="Name the bridge's Python (3.7 or 3.8, with its Airflow): --bridge-python",
            )
        return self.work.decoder.decode(values)

    def _list(self, head: bytes, raw: bytes, error: str) -> None:
        values = [*fields(head), raw[:-1]]
        if self.column.transform == "xcom":
            self.list_row(UNDECODABLE, values, why=error)
            return
        # The row itself is carried, without the value: what hangs on a run must not be lost.
        self.list_value(UNDECODABLE, values, why=error, column=self.column.name)
        self.out(head + b"\t" + NULL + b"\n")

    def finish(self) -> None:
        """Ask for what is left."""
        if self.waiting:
            self._answer()
        if self.decoded:
            self.tally.transformed["decoded"] = self.decoded
