"""Export: one consistent state of a 1.10 database becomes a bundle.

Everything is read in one transaction that sees one state. The manifest is written last, so an
export that was stopped has left no bundle; started again it begins anew, with a new state, and
what the first one left is replaced. (Files of two states in one bundle could contradict each
other, and reading again is cheap.)

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import datetime
import io
import json
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from harness.errors import UsageError
from harness.metadata.bundle import (
    CHUNK_ROWS,
    FORMAT,
    MANIFEST,
    File,
    Manifest,
    TableEntry,
    TableWriter,
    listed_file,
    manifest_bytes,
    table_file,
)
from harness.metadata.copytext import (
    NULL,
    escape,
    field_bytes,
    field_text,
    fields,
    lines_of,
    unescape,
)
from harness.metadata.databases import Database
from harness.metadata.problems import (
    BundleProblem,
    KeyProblem,
    MetadataError,
    TargetProblem,
    database_errors,
)
from harness.metadata.sealing import Fernet, Seal, one_of
from harness.metadata.tables import TABLES, Column, Table, airflow_of
from harness.metadata.values import Decoder, json_value

UNDECODABLE = "undecodable"
WRONG_KEY = "undecryptable"
NOT_TEXT = "not-text"
MEMO = 4096
PENDING_ROWS = 500
PENDING_BYTES = 4 << 20


@dataclass(frozen=True)
class ExportOptions:
    """What an export may be told. ``tables`` is empty for all; ``since`` is a date or a time.

    ``without`` is a DAG whose history stays out: the one that exports, which is not over yet.
    """

    tables: Tuple[str, ...] = ()
    since: str = ""
    without: str = ""
    dry_run: bool = False
    overwrite: bool = False
    list_undecryptable: bool = False
    chunk_rows: int = CHUNK_ROWS


@dataclass
class _Export:
    """What the steps of one export share."""

    database: Database
    store: Any
    options: ExportOptions
    fernet: Fernet
    seal: Optional[Seal]
    decoder: Optional[Decoder]
    catalogue: Mapping[str, Tuple[str, ...]]
    progress: Callable[[str, int, int], None]
    any_text: bool = False


@dataclass
class _Tally:
    """What happened to one table's rows on the way."""

    listed: Dict[str, int] = field(default_factory=dict)
    values: Dict[str, int] = field(default_factory=dict)
    transformed: Dict[str, int] = field(default_factory=dict)
    writer: Optional[TableWriter] = None


def no_steps(table: str, done: int, total: int) -> None:
    """For callers that draw nothing."""


def export(
    database: Database,
    store: Any,
    options: ExportOptions,
    fernet: Fernet,
    seal: Optional[Seal] = None,
    decoder: Optional[Decoder] = None,
    progress: Callable[[str, int, int], None] = no_steps,
) -> Manifest:
    """Write the database as a bundle into ``store``; with ``dry_run`` only say what it would hold.

    Raises KeyProblem when a secret cannot be read with ``fernet`` or there is none to seal it
    with, BundleProblem when there is a bundle already, MetadataError for everything that the
    database or the store refuse. Nothing of a failed export is a bundle.
    """
    wanted = chosen(options.tables)
    with database_errors(f"export from {database.where}"):
        catalogue = database.catalogue()
        revision = database.revision()
        _check_source(database, catalogue)
        work = _Export(database, store, options, fernet, seal, decoder, catalogue, progress)
        names = store.names()
        if MANIFEST in names and not options.overwrite and not options.dry_run:
            raise BundleProblem(
                f"{store.where}: there is a bundle already.",
                hint="Name another place, or replace it with --overwrite.",
            )
        work.any_text = database.any_text()
        if decoder is not None and any(map(_pickles, wanted)):
            decoder.warm()
        database.snapshot()
        try:
            _check_secrets(work, wanted)
            if not options.dry_run:
                for name in sorted(names):
                    if name == MANIFEST or name.startswith(("tables/", "listed/")):
                        store.remove(name)
            entries = tuple(
                _export_table(work, table) for table in wanted if table.name in catalogue
            )
            unknown = _unknown_tables(work)
        finally:
            database.rollback()
    manifest = Manifest(
        airflow=airflow_of(revision),
        revision=revision,
        dialect=database.dialect,
        exported=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        tables=entries,
        since=options.since,
        seal=seal.parameters if seal else {},
        unknown_tables=unknown,
        unknown_columns=_unknown_columns(work, wanted),
        format=FORMAT,
    )
    if seal:
        manifest = replace(manifest, signature=seal.signature(manifest_bytes(manifest)))
    if not options.dry_run:
        out = store.writer(MANIFEST)
        out.write(manifest_bytes(manifest))
        out.finish()
    return manifest


def _pickles(table: Table) -> bool:
    return any(column.transform in ("pickle", "xcom") for column in table.columns)


def chosen(names: Sequence[str]) -> Tuple[Table, ...]:
    """The rows of those tables, in the order in which they can be written; all without names.

    Raises UsageError for a name that is no table.
    """
    known = {table.name for table in TABLES}
    wrong = [name for name in names if name not in known]
    if wrong:
        raise UsageError(
            f"{', '.join(wrong)}: there is no such table.",
            hint=f"Tables: {', '.join(sorted(known))}",
        )
    return tuple(table for table in TABLES if not names or table.name in names)


def _check_source(database: Database, catalogue: Mapping[str, Tuple[str, ...]]) -> None:
    if "dag_run" not in catalogue or "task_instance" not in catalogue:
        raise TargetProblem(
            f"{database.where} is not Airflow's metadata database (it has no table dag_run).",
            hint=database.elsewhere(),
        )
    if "run_type" in catalogue["dag_run"]:
        raise TargetProblem(
            f"{database.where} is the database of an Airflow 2.x; the source is a 1.10.",
            hint="Nothing has to be transformed from 2.x to 2.x: `airflow db migrate` does it.",
        )


# --- secrets -------------------------------------------------------------------------------------


def secret_tables(tables: Sequence[Table]) -> Tuple[Table, ...]:
    """Those of the tables that hold secrets."""
    return tuple(table for table in tables if table.secret)


def _check_secrets(work: _Export, wanted: Sequence[Table]) -> None:
    """Try every key on every secret before anything is written."""
    closed: List[str] = []
    opened = any_secret = 0
    for table in secret_tables(wanted):
        if table.name not in work.catalogue:
            continue
        any_secret += work.database.value(f"SELECT count(*) FROM {work.database.name(table.name)}")
        for column in table.columns:
            if column.transform != "fernet":
                continue
            for name, token in _encrypted(work, table, column):
                if work.fernet.decrypt(token) is None:
                    closed.append(f"{table.name} {name}")
                else:
                    opened += 1
    if closed and not (opened and work.options.list_undecryptable):
        raise KeyProblem(
            f"{work.fernet.where}: {'no' if work.fernet.encrypts else 'without a'} key opens "
            f"{len(closed)} of {len(closed) + opened} encrypted values: {one_of(closed)}.",
            hint="Nothing was written. "
            + (
                "Add the older key after a comma, or list these with --list-undecryptable."
                if opened
                else "Give the bridge's own fernet_key with --fernet-key-file."
            ),
        )
    if any_secret and work.seal is None and not work.options.dry_run:
        raise KeyProblem(
            "Variables, connections or users would be in the bundle, and there is no passphrase to "
            "seal them with.",
            hint="Give one with --passphrase-file, or leave those tables out with --tables.",
        )


def _encrypted(work: _Export, table: Table, column: Column) -> List[Tuple[str, bytes]]:
    """The name and the ciphertext of every value that the source's key has closed."""
    quoted = work.database.name
    found: List[Tuple[str, bytes]] = []

    def take(block: bytes) -> None:
        for line in lines_of(block):
            name, token = fields(line)
            found.append((_listed_text(name) or "", unescape(token) or b""))

    work.database.copy_out(
        f"SELECT {quoted(table.source_key[-1])}, {quoted(column.name)} FROM {quoted(table.name)}"
        f" WHERE {quoted(column.name)} IS NOT NULL AND {quoted(column.name)} <> ''"
        f" AND {quoted(column.flag)}",
        ["text", "text"],
        take,
    )
    return found


# --- one table -----------------------------------------------------------------------------------


def expression(database: Database, column: Column, present: Sequence[str]) -> str:
    """SQL for a column of the superset; NULL where an older 1.10 does not have it yet."""
    if column.expression:
        own = f"t.{column.name}"
        missing = own in column.expression and column.name not in present
        return column.expression.replace(own, "NULL") if missing else column.expression
    if column.name not in present:
        return "NULL"
    return database.column(column.name, column.type)


def carried(table: Table) -> Tuple[Column, ...]:
    """The columns that a bundle has of the table."""
    return tuple(column for column in table.columns if column.carried)


def _export_table(work: _Export, table: Table) -> TableEntry:
    database = work.database
    source = f"FROM {database.name(table.name)} t"
    total = int(database.value(f"SELECT count(*) {source}"))
    work.progress(table.name, 0, total)
    if not table.carried:
        return _left_behind(work, table, total)
    columns = carried(table)
    present = work.catalogue[table.name]
    missing = [c.name for c in columns if not c.expression and c.name not in present]
    if set(missing) & set(table.source_key):
        raise TargetProblem(f"{database.where}: {table.name} has no column {', '.join(missing)}.")
    inside = _inside(work, table)
    left_out = (
        int(database.value(f"SELECT count(*) {source} WHERE NOT ({inside})")) if inside else 0
    )
    tally = _Tally()
    if not work.options.dry_run:
        tally.writer = TableWriter(work.store, listed_file(table.name), {}, work.options.chunk_rows)
    select = _select(work, table, inside)
    writer: Any = _Counter()
    if not work.options.dry_run:
        header = {
            "format": FORMAT,
            "table": table.name,
            "columns": [[column.name, column.type] for column in columns],
        }
        writer = TableWriter(work.store, table_file(table.name), header, work.options.chunk_rows)
    try:
        sink = _sink(work, table, columns, tally, _shown(work, table, writer.write, total))
        if work.any_text:
            sink = _Texts(work, table, [column.name for column in columns], tally, sink)
        database.copy_out(select, [column.type for column in columns], sink.write)
        sink.finish()
        rest = total - left_out - writer.rows - sum(tally.listed.values())
        if rest:
            _list_rejected(work, table, source, inside, tally)
        file, chunks = writer.finish()
        listed = tally.writer.finish()[0] if tally.writer else None
    except BaseException:
        writer.abort()
        if tally.writer:
            tally.writer.abort()
        raise
    if listed is not None and not listed.rows:
        work.store.remove(listed.name)
        listed = None
    entry = TableEntry(
        name=table.name,
        source_rows=total,
        columns=tuple((column.name, column.type) for column in columns),
        file=file,
        chunks=chunks,
        listed_file=listed,
        listed=tally.listed,
        values=tally.values,
        transformed=tally.transformed,
        left_out=left_out,
        ranges=_ranges(work, table, source),
    )
    _check_sum(entry)
    work.progress(table.name, total, total)
    return entry


def _select(work: _Export, table: Table, inside: str) -> str:
    """SQL for the rows that are carried, in the superset's shape."""
    database, present = work.database, work.catalogue[table.name]
    conditions = [f"NOT ({reject.when})" for reject in table.rejects]
    if inside:
        conditions.append(inside)
    return (
        "SELECT "
        + ", ".join(
            f"{expression(database, column, present)} AS {database.name(column.name)}"
            for column in carried(table)
        )
        + f" FROM {database.name(table.name)} t {table.joins}"
        + (f" WHERE {' AND '.join(conditions)}" if conditions else "")
    )


def selects(database: Database) -> Dict[str, str]:
    """Table → the SQL that an export reads it with, to compare it with the server's own tools."""
    catalogue = database.catalogue()
    nothing = Fernet("", "")
    work = _Export(database, None, ExportOptions(), nothing, None, None, catalogue, no_steps)
    return {
        table.name: _select(work, table, "")
        for table in TABLES
        if table.carried and table.name in catalogue
    }


def _inside(work: _Export, table: Table) -> str:
    """SQL for the rows that were asked for, never NULL; "" for all."""
    parts = []
    if work.options.since and table.when:
        when = f"t.{work.database.name(table.when)}"
        since = _since(work.options.since)
        parts.append(f"({when} IS NULL OR {when} >= '{since}')")
    if work.options.without and "dag_id" in work.catalogue[table.name]:
        own = work.options.without.replace("'", "''")
        parts.append(f"(t.dag_id IS NULL OR t.dag_id <> '{own}')")
    return " AND ".join(parts)


def _check_sum(entry: TableEntry) -> None:
    """Every row is accounted for, or there is no bundle."""
    counted = entry.rows + sum(entry.listed.values()) + entry.left_out
    if counted != entry.source_rows:
        raise MetadataError(
            f"{entry.name}: {entry.source_rows} rows were read, but {entry.rows} carried + "
            f"{sum(entry.listed.values())} listed + {entry.left_out} left out are {counted}.",
            hint="This is a bug of mwaa-harness: please report it. There is no bundle.",
        )


class _Counter:
    """A writer that only counts."""

    def __init__(self) -> None:
        self.rows = 0

    def write(self, block: bytes) -> None:
        self.rows += block.count(b"\n")

    def finish(self) -> Tuple[File, Tuple[Any, ...]]:
        return File("", 0, "", self.rows), ()

    def abort(self) -> None:
        """Nothing is there."""


def _shown(
    work: _Export, table: Table, write: Callable[[bytes], None], total: int
) -> Callable[[bytes], None]:
    """``write``, with progress, where anybody wants to see any."""
    if work.progress is no_steps:
        return write
    done = 0

    def counted(block: bytes) -> None:
        nonlocal done
        done += block.count(b"\n")
        work.progress(table.name, done, total)
        write(block)

    return counted


def _since(text: str) -> str:
    """``--since`` as every database reads it. Raises UsageError."""
    try:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise UsageError(
            f"--since {text}: this is no time.", hint="For example: --since 2021-06-01"
        ) from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    return moment.isoformat(" ")


def _ranges(work: _Export, table: Table, source: str) -> Dict[str, Tuple[str, str]]:
    """The smallest and the largest surrogate id and time of the source's rows.

    As text, since a database keeps times that Python has no value for.
    """
    kinds = {column.name: column.type for column in table.columns}
    names = [name for name in (table.identity, table.when) if name]
    if not names:
        return {}
    ends = [f"{end}(t.{work.database.name(name)})" for name in names for end in ("min", "max")]
    block = io.BytesIO()
    types = [kinds[name] for name in names for _ in range(2)]
    work.database.copy_out(f"SELECT {', '.join(ends)} {source}", types, block.write)
    texts = [field_text(value) for value in fields(block.getvalue())]
    return {
        name: (low, high)
        for name, low, high in zip(names, texts[::2], texts[1::2])
        if low is not None and high is not None
    }


def _unknown_tables(work: _Export) -> Dict[str, int]:
    known = {table.name for table in TABLES}
    return {
        name: int(work.database.value(f"SELECT count(*) FROM {work.database.name(name)}"))
        for name in work.catalogue
        if name not in known
    }


def _unknown_columns(work: _Export, wanted: Sequence[Table]) -> Tuple[str, ...]:
    return tuple(
        f"{table.name}.{name}"
        for table in wanted
        if table.carried
        for name in work.catalogue.get(table.name, ())
        if name not in {column.name for column in table.columns}
    )


# --- rows that are not carried -------------------------------------------------------------------


def _list_rejected(work: _Export, table: Table, source: str, inside: str, tally: _Tally) -> None:
    reasons = " ".join(f"WHEN {reject.when} THEN '{reject.reason}'" for reject in table.rejects)
    rejected = " OR ".join(f"({reject.when})" for reject in table.rejects)
    if not rejected:
        return
    where = f"({rejected})" + (f" AND ({inside})" if inside else "")
    _list_rows(work, table, f"CASE {reasons} END", f"{source} {table.joins} WHERE {where}", tally)


def _list_rows(work: _Export, table: Table, reason: str, source: str, tally: _Tally) -> None:
    present = work.catalogue[table.name]
    kinds = {column.name: column.type for column in table.columns}
    quoted = work.database.name
    select = f"SELECT {reason} AS reason, " + ", ".join(f"t.{quoted(name)}" for name in present)

    def write(block: bytes) -> None:
        for line in lines_of(block):
            first, *values = fields(line)
            why = field_text(first) or ""
            row: Dict[str, Optional[str]] = dict(zip(present, map(_listed_text, values)))
            _put_listed(work, table, tally, why, row)

    work.database.copy_out(
        f"{select} {source}",
        ["text", *(kinds.get(name, "text") for name in present)],
        write,
    )


def _listed_text(value: bytes) -> Optional[str]:
    plain = unescape(value)
    return None if plain is None else plain.decode("utf-8", "backslashreplace")


def _put_listed(
    work: _Export,
    table: Table,
    tally: _Tally,
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


def _left_behind(work: _Export, table: Table, total: int) -> TableEntry:
    """A table that is not carried: counted, and kept as listed rows where a user would miss it."""
    tally = _Tally()
    if not table.keep or not total or work.options.dry_run:
        return TableEntry(
            name=table.name,
            source_rows=total,
            listed={"not-carried": total} if total else {},
            why_not=table.why_not,
        )
    tally.writer = TableWriter(work.store, listed_file(table.name), {}, work.options.chunk_rows)
    try:
        source = f"FROM {work.database.name(table.name)} t"
        _list_rows(work, table, "'not-carried'", source, tally)
        file, _ = tally.writer.finish()
    except BaseException:
        tally.writer.abort()
        raise
    entry = TableEntry(
        name=table.name,
        source_rows=total,
        listed=tally.listed,
        listed_file=file,
        why_not=table.why_not,
    )
    _check_sum(entry)
    return entry


# --- values on their way -------------------------------------------------------------------------


class _Straight:
    """Rows that nothing has to be done to."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write

    def finish(self) -> None:
        """Nothing is held back."""


def _is_text(data: bytes) -> bool:
    """Whether PostgreSQL, in UTF-8, would keep it in a text."""
    try:
        return b"\0" not in data and bool(data.decode("utf-8") or True)
    except UnicodeDecodeError:
        return False


class _Texts:
    """Puts U+FFFD for what is no text, the same in every table, so that rows still find each other.

    PostgreSQL takes care of that itself, unless the database has no encoding.
    """

    def __init__(self, work: _Export, table: Table, names: Sequence[str], tally: _Tally, to: Any):
        self.work, self.table, self.names, self.tally = work, table, names, tally
        self.to = to

    def write(self, block: bytes) -> None:
        if not _is_text(block):
            block = b"".join(map(self._mended, lines_of(block)))
        self.to.write(block)

    def _mended(self, line: bytes) -> bytes:
        if _is_text(line):
            return line
        row = dict(zip(self.names, map(_listed_text, fields(line))))
        tally = _Tally(listed=self.tally.values, writer=self.tally.writer)
        _put_listed(self.work, self.table, tally, NOT_TEXT, row)
        return line.decode("utf-8", "replace").replace("\0", "\ufffd").encode("utf-8")

    def finish(self) -> None:
        self.to.finish()


def _sink(
    work: _Export,
    table: Table,
    columns: Sequence[Column],
    tally: _Tally,
    write: Callable[[bytes], None],
) -> Any:
    transforms = {column.transform for column in columns} - {""}
    if not transforms:
        return _Straight(write)
    if transforms & {"fernet", "seal"}:
        return _Secrets(work, table, columns, tally, write)
    return _Pickles(work, table, columns, tally, write)


class _Secrets:
    """Opens what the source's key has closed, and seals it."""

    def __init__(
        self,
        work: _Export,
        table: Table,
        columns: Sequence[Column],
        tally: _Tally,
        write: Callable[[bytes], None],
    ) -> None:
        self.work, self.table, self.tally, self.out = work, table, tally, write
        self.names = [column.name for column in columns]
        self.secrets = [
            (position, column)
            for position, column in enumerate(columns)
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
                    texts = {name: _listed_text(raw) for name, raw in row.items()}
                    why = WRONG_KEY if opened is None else NOT_TEXT
                    _put_listed(self.work, self.table, self.tally, why, texts)
                    return
                value = opened
                counts = self.tally.transformed
                counts["decrypted"] = counts.get("decrypted", 0) + 1
            if self.work.seal is not None:
                place = place_of(self.table, row, column)
                values[position] = self.work.seal.close(value, *place)
        self.out(b"\t".join(values) + b"\n")

    def finish(self) -> None:
        """Nothing is held back."""


def place_of(table: Table, row: Mapping[str, bytes], column: Column) -> Tuple[str, ...]:
    """What a sealed value is bound to."""
    return (table.name, *(row[name].decode("utf-8") for name in table.key), column.name)


NULL_LINE = NULL + b"\n"


class _Pickles:
    """Replaces a pickle by tagged JSON. The pickled column is the last one of its table.

    Most rows hold one of a few values (an empty dict), which are remembered; the others wait
    until there are enough of them to ask the decoder.
    """

    def __init__(
        self,
        work: _Export,
        table: Table,
        columns: Sequence[Column],
        tally: _Tally,
        write: Callable[[bytes], None],
    ) -> None:
        self.work, self.table, self.tally, self.out = work, table, tally, write
        self.names = [column.name for column in columns]
        self.column = columns[-1]
        if not self.column.transform:
            raise AssertionError(f"{table.name}: the column with a transform has to be the last")
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
        texts = [_listed_text(value) for value in [*fields(head), raw[:-1]]]
        row = dict(zip(self.names, texts))
        if self.column.transform == "xcom":
            _put_listed(self.work, self.table, self.tally, UNDECODABLE, row, why=error)
            return
        # The row itself is carried, without the value: what hangs on a run must not be lost.
        tally = _Tally(listed=self.tally.values, writer=self.tally.writer)
        more = {"why": error, "column": self.column.name}
        _put_listed(self.work, self.table, tally, UNDECODABLE, row, **more)
        self.out(head + b"\t" + NULL + b"\n")

    def finish(self) -> None:
        """Ask for what is left."""
        if self.waiting:
            self._answer()
        if self.decoded:
            self.tally.transformed["decoded"] = self.decoded
