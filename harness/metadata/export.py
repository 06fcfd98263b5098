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
from dataclasses import replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from harness.errors import UsageError
from harness.metadata.bundle import (
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
from harness.metadata.copytext import fields, lines_of, unescape
from harness.metadata.database import Database
from harness.metadata.options import ExportOptions
from harness.metadata.outgoing import (
    ExportWork,
    Tally,
    list_rejected,
    list_rows,
    listed_text,
    sink_of,
)
from harness.metadata.problems import (
    BundleProblem,
    KeyProblem,
    MetadataError,
    TargetProblem,
    database_errors,
)
from harness.metadata.schema import Column, Table, airflow_of
from harness.metadata.sealing import Fernet, Seal, one_of
from harness.metadata.stores import FolderStore, Store
from harness.metadata.tables import TABLES
from harness.metadata.values import Decoder


def no_steps(table: str, done: int, total: int) -> None:
    """For callers that draw nothing."""


def export(
    database: Database,
    store: Store,
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
        catalogue = _catalogue(database)
        revision = database.revision()
        _check_source(database, catalogue)
        work = ExportWork(database, store, options, fernet, seal, decoder, catalogue, progress)
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


def _catalogue(database: Database) -> Dict[str, Tuple[str, ...]]:
    """Every table of the source, and of its views those that stand for a table of Airflow's."""
    return {**database.views(table.name for table in TABLES), **database.catalogue()}


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


def _check_secrets(work: ExportWork, wanted: Sequence[Table]) -> None:
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


def _encrypted(work: ExportWork, table: Table, column: Column) -> List[Tuple[str, bytes]]:
    """The name and the ciphertext of every value that the source's key has closed."""
    name, token = work.database.name(table.source_key[-1]), work.database.name(column.name)
    found: List[Tuple[str, bytes]] = []

    def take(block: bytes) -> None:
        for line in lines_of(block):
            who, closed = fields(line)
            found.append((listed_text(who) or "", unescape(closed) or b""))

    work.database.copy_out(
        f"SELECT {name}, {token} FROM {work.database.name(table.name)} t"
        f" WHERE {token} IS NOT NULL AND {token} <> ''"
        f" AND {work.database.column(column.flag, 'boolean')}",
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
        sql = column.expression.replace(own, "NULL") if missing else column.expression
        return database.typed(sql, column.type)
    if column.name not in present:
        return "NULL"
    return database.column(column.name, column.type)


def carried(table: Table) -> Tuple[Column, ...]:
    """The columns that a bundle has of the table."""
    return tuple(column for column in table.columns if column.carried)


def _export_table(work: ExportWork, table: Table) -> TableEntry:
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
    tally = Tally()
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
        sink = sink_of(work, table, columns, tally, _shown(work, table, writer.write, total))
        database.copy_out(select, [column.type for column in columns], sink.write, sink.misfit)
        sink.finish()
        rest = total - left_out - writer.rows - sum(tally.listed.values())
        if rest:
            list_rejected(work, table, source, inside, tally)
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


def _select(work: ExportWork, table: Table, inside: str) -> str:
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
    catalogue = _catalogue(database)
    nowhere, nothing = FolderStore(""), Fernet("", "")
    work = ExportWork(database, nowhere, ExportOptions(), nothing, None, None, catalogue, no_steps)
    return {
        table.name: _select(work, table, "")
        for table in TABLES
        if table.carried and table.name in catalogue
    }


def _inside(work: ExportWork, table: Table) -> str:
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
    if counted > entry.source_rows:
        raise TargetProblem(
            f"{entry.name}: {entry.source_rows} rows point to {counted} rows of other tables: some "
            "rows of dag, dag_run, task_instance or ab_user are there more than once.",
            hint="Airflow's own unique constraints are missing there. Delete the doubles.",
        )
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
    work: ExportWork, table: Table, write: Callable[[bytes], None], total: int
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


def _ranges(work: ExportWork, table: Table, source: str) -> Dict[str, Tuple[str, str]]:
    """The smallest and the largest surrogate id and time of the source's rows.

    As text, since a database keeps times that Python has no value for.
    """
    kinds = {column.name: column.type for column in table.columns}
    names = [name for name in (table.identity, table.when) if name]
    if not names:
        return {}
    columns = [work.database.column(name, kinds[name]) for name in names]
    ends = [f"{end}({column})" for column in columns for end in ("min", "max")]
    block = io.BytesIO()
    types = [kinds[name] for name in names for _ in range(2)]
    work.database.copy_out(f"SELECT {', '.join(ends)} {source}", types, block.write)
    texts = [listed_text(value) for value in fields(block.getvalue())]
    return {
        name: (low, high)
        for name, low, high in zip(names, texts[::2], texts[1::2])
        if low is not None and high is not None
    }


def _unknown_tables(work: ExportWork) -> Dict[str, Optional[int]]:
    """Tables that are not Airflow's, with their rows where this user may count them."""
    known, database = {table.name for table in TABLES}, work.database
    return {
        name: int(database.value(f"SELECT count(*) FROM {database.name(name)}"))
        if database.readable(name)
        else None
        for name in work.catalogue
        if name not in known
    }


def _unknown_columns(work: ExportWork, wanted: Sequence[Table]) -> Tuple[str, ...]:
    return tuple(
        f"{table.name}.{name}"
        for table in wanted
        if table.carried
        for name in work.catalogue.get(table.name, ())
        if name not in {column.name for column in table.columns}
    )


# --- rows that are not carried -------------------------------------------------------------------


def _left_behind(work: ExportWork, table: Table, total: int) -> TableEntry:
    """A table that is not carried: counted, and kept as listed rows where a user would miss it."""
    tally = Tally()
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
        list_rows(work, table, "'not-carried'", source, tally)
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
