"""Import: a bundle becomes rows of a 2.x database.

Before the first write everything is checked: the bundle byte for byte, the passphrase, the
target's schema and Fernet key, and whether rows that are there already are in the way. Then each
chunk is one transaction, written down in the ledger with its rows.

Rows that the target has already are met by one of three policies: ``fail`` (nothing is written
when there is one), ``skip-identical`` (they stay when they say the same, else nothing is written)
and ``replace``. What every Airflow puts into a new database itself – the default pool, its default
connections as they come – is in nobody's way. Surrogate ids are kept in a table that is empty;
else the imported ones are set behind those that are there, with everything that points to them.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from harness.metadata.bundle import (
    Manifest,
    TableEntry,
    blocks,
    check_files,
    header_of,
    manifest_bytes,
    read_manifest,
)
from harness.metadata.copytext import lines_of
from harness.metadata.database import Database
from harness.metadata.export import chosen, no_steps
from harness.metadata.handover import HANDED, Handed, hand_over
from harness.metadata.ledger import DONE, Ledger, refusals_note
from harness.metadata.options import LoadOptions
from harness.metadata.planning import (
    ImportWork,
    begin_import,
    check_key,
    check_needed,
    check_target,
    own_columns,
    planned,
    shape_of,
    stage_rows,
    table_name_file,
)
from harness.metadata.problems import (
    BundleProblem,
    KeyProblem,
    MetadataError,
    TargetProblem,
    database_errors,
    refusal,
)
from harness.metadata.schema import Table
from harness.metadata.sealing import Fernet, Seal, reopened_seal
from harness.metadata.shape import Plan, Shape
from harness.metadata.stores import Store, aws_client


@dataclass(frozen=True)
class Loaded:
    """What became of one table: ``rows`` of the bundle = ``written`` + ``same`` + ``refused``.

    ``merged`` of the written ones went into rows that were there. ``notes`` is reason → values.
    """

    name: str
    rows: int
    written: int
    same: int = 0
    merged: int = 0
    refused: int = 0
    notes: Mapping[str, int] = field(default_factory=dict)
    details: Tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class LoadReport:
    """What an import did. ``already`` = the whole bundle was there before."""

    bundle: str
    target: str
    plan: Plan
    tables: Tuple[Loaded, ...]
    handed: Tuple[Handed, ...] = ()
    already: bool = False
    resumed: bool = False
    key_checked: bool = False


def open_bundle(store: Store, passphrase: Optional[bytes]) -> Tuple[Manifest, Optional[Seal]]:
    """The manifest, and the seal of a bundle that has one.

    Raises BundleProblem when it is none, KeyProblem when the passphrase is missing or another.
    """
    manifest = read_manifest(store)
    if not manifest.seal:
        return manifest, None
    if passphrase is None:
        raise KeyProblem(
            f"{store.where}: the bundle's secrets are sealed.",
            hint="Give the export's passphrase with --passphrase-file.",
        )
    seal = reopened_seal(passphrase, manifest.seal, store.where)
    unsigned = manifest_bytes(replace(manifest, signature=""))
    if seal.signature(unsigned) != manifest.signature:
        raise BundleProblem(
            f"{store.where}: the manifest was changed after the export (its signature differs).",
            hint="Nothing was written. Copy the bundle again, or export again.",
        )
    return manifest, seal


def load(
    database: Database,
    store: Store,
    options: LoadOptions,
    fernet: Fernet,
    passphrase: Optional[bytes] = None,
    progress: Callable[[str, int, int], None] = no_steps,
) -> LoadReport:
    """Write the bundle in ``store`` into the database; with ``dry_run`` only check everything.

    Raises BundleProblem, KeyProblem or TargetProblem before anything is written, MetadataError
    when the database gives up on the way; what was committed then stays, and starting again goes
    on behind it.
    """
    manifest, seal = open_bundle(store, passphrase)
    tables = imported_tables(manifest, options)
    with database_errors(f"import into {database.where}"):
        if not database.lock():
            raise TargetProblem(
                f"{database.where}: another import is at work in this database.",
                hint="Wait for its end. Whatever it is killed by, its lock goes with it.",
            )
        handed: Tuple[Handed, ...] = ()
        if options.secrets_prefix:
            check_files(store, manifest, HANDED)
            handed = hand_over(
                store,
                manifest,
                seal,
                options.secrets_prefix,
                options.target,
                options.policy,
                aws_client("secretsmanager"),
                options.dry_run,
            )
        ledger = Ledger(database, _identity(manifest, tables))
        work = ImportWork(
            database, store, manifest, options, fernet, seal, ledger, progress, tables
        )
        try:
            return replace(_load(work), handed=handed)
        except BaseException:
            database.rollback()
            raise


def _identity(manifest: Manifest, tables: Sequence[Tuple[Table, TableEntry]]) -> str:
    """What is imported: another choice of tables out of one bundle is another import."""
    names = ",".join(table.name for table, _ in tables)
    return hashlib.sha256(f"{manifest.identity} {names}".encode("ascii")).hexdigest()


def imported_tables(
    manifest: Manifest, options: LoadOptions
) -> Tuple[Tuple[Table, TableEntry], ...]:
    """The tables that an import with these options writes."""
    wanted = chosen(options.tables)
    missing = [name for name in options.tables if manifest.table(name) is None]
    if missing:
        raise BundleProblem(f"The bundle was made without {', '.join(missing)}.")
    handed = HANDED if options.secrets_prefix else ()
    pairs = [
        (table, manifest.table(table.name))
        for table in wanted
        if table.carried and table.name not in handed
    ]
    return tuple((table, entry) for table, entry in pairs if entry is not None)


def _load(work: ImportWork) -> LoadReport:
    database, options, ledger = work.database, work.options, work.ledger
    plan = ledger.plan()
    if plan is not None and ledger.done():
        database.rollback()
        return LoadReport(
            bundle=work.manifest.identity,
            target=options.target,
            plan=plan,
            tables=_results(work),
            already=True,
        )
    others = ledger.others()
    if others:
        raise TargetProblem(
            f"{database.where}: the import of another bundle was begun here and never finished.",
            hint="Finish it, or start with a fresh database.",
        )
    check_target(work)
    check_needed(work)
    key_checked = check_key(work)
    check_files(work.store, work.manifest, [table.name for table, _ in work.tables])
    for table, entry in work.tables:
        header = header_of(work.store, entry)
        if [tuple(pair) for pair in header.get("columns", ())] != list(entry.columns):
            raise BundleProblem(f"{work.store.where}: {table.name}: header and manifest differ.")
    resumed = plan is not None
    if plan is not None and plan.policy != options.policy:
        raise TargetProblem(
            f"This import was begun with --on-conflict {plan.policy}.",
            hint="Start it again with the same policy.",
        )
    work.plan = plan if plan is not None else planned(work)
    if options.dry_run:
        database.rollback()
        return LoadReport(
            bundle=work.manifest.identity,
            target=options.target,
            plan=work.plan,
            tables=tuple(Loaded(table.name, entry.rows, 0) for table, entry in work.tables),
            key_checked=key_checked,
        )
    if plan is None:
        begin_import(work)
    for table, entry in work.tables:
        _load_table(work, table, entry)
    ledger.add(DONE, 0, 0, {})
    database.commit()
    report = LoadReport(
        bundle=work.manifest.identity,
        target=options.target,
        plan=work.plan,
        tables=_results(work),
        resumed=resumed,
        key_checked=key_checked,
    )
    for loaded in report.tables:
        if loaded.rows != loaded.written + loaded.same + loaded.refused:
            raise MetadataError(
                f"{loaded.name}: {loaded.rows} rows in the bundle, but {loaded.written} written +"
                f" {loaded.same} the same + {loaded.refused} refused.",
                hint="This is a bug of mwaa-harness: please report it.",
            )
    return report


def _results(work: ImportWork) -> Tuple[Loaded, ...]:
    entries = work.ledger.entries()
    results = []
    for table, entry in work.tables:
        written = refused = merged = same = 0
        notes: Dict[str, int] = {}
        details: List[Mapping[str, Any]] = []
        for (part, _), (rows, note) in entries.items():
            if part == table.name:
                written += rows
                refused += note["refused"]
                merged += note["merged"]
                same += note.get("same", 0)
                details += note["details"]
                for reason, count in note["notes"].items():
                    notes[reason] = notes.get(reason, 0) + count
        results.append(
            Loaded(table.name, entry.rows, written, same, merged, refused, notes, tuple(details))
        )
    return tuple(results)


# --- writing -------------------------------------------------------------------------------------


def _load_table(work: ImportWork, table: Table, entry: TableEntry) -> None:
    done = {chunk for (part, chunk) in work.ledger.entries() if part == table.name}
    work.database.rollback()
    if table.name in work.plan.staged:
        if 0 not in done:
            _merge(work, table, entry)
        work.progress(table.name, entry.rows, entry.rows)
        return
    database = work.database
    total = 0
    for number, chunk in enumerate(entry.chunks):
        if number not in done:
            shape = shape_of(work, table, entry)
            written = _written(work, shape, blocks(work.store, table_name_file(entry), chunk))
            if written is None:
                shape = shape_of(work, table, entry)
                lines = shape.lines(blocks(work.store, table_name_file(entry), chunk))
                written = sum(_one_by_one(work, shape, lines_of(block)) for block in lines)
            if written + shape.refusals.rows != chunk.rows:
                raise BundleProblem(
                    f"{table.name}: chunk {number} has {chunk.rows} rows, {written} came in."
                )
            work.ledger.add(table.name, number, written, refusals_note(shape.refusals))
            database.commit()
        total += chunk.rows
        work.progress(table.name, total, entry.rows)


def _written(work: ImportWork, shape: Shape, rows: Iterable[bytes]) -> Optional[int]:
    """How many rows of a chunk came in; None when the target does not take them all."""
    database, table = work.database, shape.table
    try:
        return database.copy_in(table.name, shape.names, shape.types, shape.lines(rows))
    except Exception as error:
        among_themselves = any(column.references == table.name for column in shape.columns)
        if among_themselves or not refusal(error):
            raise
        database.rollback()
        return None


def _one_by_one(work: ImportWork, shape: Shape, lines: List[bytes]) -> int:
    """Insert what the target takes of some rows, halving them until those are found, and refused,
    that it does not."""
    database = work.database
    database.begin()
    database.execute("SAVEPOINT some_rows")
    try:
        return database.copy_in(shape.table.name, shape.names, shape.types, lines)
    except Exception as error:
        reason = refusal(error)
        if not reason:
            raise
        database.execute("ROLLBACK TO SAVEPOINT some_rows")
        if len(lines) == 1:
            shape.refuse(lines[0], reason)
            return 0
        half = len(lines) // 2
        return _one_by_one(work, shape, lines[:half]) + _one_by_one(work, shape, lines[half:])


def _merge(work: ImportWork, table: Table, entry: TableEntry) -> None:
    """Write a table that shares rows with the target: one transaction."""
    database = work.database
    quoted = database.name
    database.begin()
    stage, shape = stage_rows(work, table, entry)
    keys = [quoted(name) for name in table.key]
    join = " AND ".join(f"s.{key} = t.{key}" for key in keys)
    there = int(
        database.value(f"SELECT count(*) FROM {stage} s JOIN {quoted(table.name)} t ON {join}")
    )
    staged = int(database.value(f"SELECT count(*) FROM {stage}"))
    columns = ", ".join(quoted(name) for name in shape.names)
    if table.merge:
        changed = [
            name for name in table.merge if name not in (*table.key, *own_columns(work.plan))
        ]
    elif work.plan.policy == "skip-identical" and table.name != "slot_pool" and not table.secret:
        changed = []
    else:
        changed = [name for name in shape.names if name not in table.key and name != table.identity]
    action = (
        "DO UPDATE SET " + ", ".join(f"{quoted(n)} = excluded.{quoted(n)}" for n in changed)
        if changed
        else "DO NOTHING"
    )
    database.execute(
        f"INSERT INTO {quoted(table.name)} ({columns}) SELECT {columns} FROM {stage} WHERE 1 = 1"
        f" ON CONFLICT ({', '.join(keys)}) {action}"
    )
    note = refusals_note(shape.refusals, merged=there if changed else 0)
    written = staged if changed else staged - there
    note["same"] = staged - written
    work.ledger.add(table.name, 0, written, note)
    database.execute(f"DROP TABLE {stage}")
    database.commit()


def plan_of(database: Database, manifest: Manifest, options: LoadOptions) -> Optional[Plan]:
    """The plan of the import of this bundle into this database, None when there was none."""
    return Ledger(database, _identity(manifest, imported_tables(manifest, options))).plan()
