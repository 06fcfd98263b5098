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
from harness.metadata.copytext import fields, lines_of, unescape
from harness.metadata.databases import Database
from harness.metadata.defaults import DEFAULT_CONNECTIONS, DEFAULT_POOL
from harness.metadata.export import chosen, no_steps
from harness.metadata.handover import HANDED, Handed, hand_over
from harness.metadata.ledger import DONE, PLAN, Ledger, plan_note, refusals_note
from harness.metadata.problems import (
    BundleProblem,
    KeyProblem,
    MetadataError,
    TargetProblem,
    database_errors,
    refusal,
)
from harness.metadata.sealing import Fernet, Seal, reopened_seal
from harness.metadata.shape import Plan, Shape
from harness.metadata.stores import aws_client
from harness.metadata.tables import (
    OLD_LOG_TEMPLATE,
    Column,
    Table,
    airflow_of,
    columns_of,
    revision_of,
    version_key,
)

POLICIES = ("fail", "skip-identical", "replace")
NAMED = 5


@dataclass(frozen=True)
class LoadOptions:
    """What an import may be told. ``tables`` is empty for all that the bundle has.

    ``keep_paused`` leaves it to the target which of the DAGs that it knows are paused. With
    ``secrets_prefix`` variables and connections become secrets of AWS Secrets Manager under it.
    """

    target: str
    tables: Tuple[str, ...] = ()
    policy: str = "fail"
    keep_paused: bool = False
    secrets_prefix: str = ""
    dry_run: bool = False


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


@dataclass
class _Import:
    database: Database
    store: Any
    manifest: Manifest
    options: LoadOptions
    fernet: Fernet
    seal: Optional[Seal]
    ledger: Ledger
    progress: Callable[[str, int, int], None]
    tables: Tuple[Tuple[Table, TableEntry], ...] = ()
    plan: Plan = field(default_factory=Plan)


def open_bundle(store: Any, passphrase: Optional[bytes]) -> Tuple[Manifest, Optional[Seal]]:
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
    store: Any,
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
    tables = _tables(manifest, options)
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
        work = _Import(database, store, manifest, options, fernet, seal, ledger, progress, tables)
        try:
            return replace(_load(work), handed=handed)
        except BaseException:
            database.rollback()
            raise


def _identity(manifest: Manifest, tables: Sequence[Tuple[Table, TableEntry]]) -> str:
    """What is imported: another choice of tables out of one bundle is another import."""
    names = ",".join(table.name for table, _ in tables)
    return hashlib.sha256(f"{manifest.identity} {names}".encode("ascii")).hexdigest()


def _tables(manifest: Manifest, options: LoadOptions) -> Tuple[Tuple[Table, TableEntry], ...]:
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


def _load(work: _Import) -> LoadReport:
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
    _check_target(work)
    _check_needed(work)
    key_checked = _check_key(work)
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
    work.plan = plan if plan is not None else _planned(work)
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
        _begin(work)
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


def _results(work: _Import) -> Tuple[Loaded, ...]:
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


# --- checks before the first write ---------------------------------------------------------------


def _check_target(work: _Import) -> None:
    database, version = work.database, work.options.target
    if version_key(version) < (2,):
        raise TargetProblem(f"{version} is no target: metadata is carried to Airflow 2.x.")
    catalogue = database.catalogue()
    revision, expected = database.revision(), revision_of(version)
    if revision and expected and revision != expected:
        actual = airflow_of(revision)
        raise TargetProblem(
            f"{database.where} has the schema of "
            + (f"Airflow {actual}" if actual else f"an Airflow that is not known ({revision})")
            + f", not of {version} ({expected}).",
            hint="Name the target's own version with --target, or run `airflow db migrate` there.",
        )
    wrong = []
    for table, _ in work.tables:
        declared = {column.name for column in columns_of(table, version)}
        present = set(catalogue.get(table.name, ()))
        if not present:
            wrong.append(f"no {table.name}")
        elif declared - present:
            wrong.append(f"{table.name} without {', '.join(sorted(declared - present))}")
    if wrong:
        raise TargetProblem(
            f"{database.where} is not a database of Airflow {version}: {'; '.join(wrong)}.",
            hint=(database.elsewhere() if "dag_run" not in catalogue else "")
            or "Nothing was written. Is it initialised, and is --target right?",
        )


def _check_needed(work: _Import) -> None:
    """Rows point to rows of other tables, which come along or are there."""
    chosen_names = {table.name for table, _ in work.tables}
    wrong = [
        f"{table.name} needs {name}"
        for table, entry in work.tables
        for name in table.after
        if entry.rows and name not in chosen_names and not _occupied(work, name)
    ]
    if wrong:
        raise TargetProblem(
            f"{work.database.where} has no rows of what is pointed to: {'; '.join(wrong)}.",
            hint="Nothing was written. Name those tables with --tables, too.",
        )


def _check_key(work: _Import) -> bool:
    """Whether the target's key could be tried on something the target has encrypted itself."""
    tried = 0
    for table, _ in work.tables:
        for column in table.columns:
            if column.transform != "fernet":
                continue
            quoted = work.database.name
            for (token,) in work.database.rows(
                f"SELECT {quoted(column.name)} FROM {quoted(table.name)}"
                f" WHERE {quoted(column.flag)} AND {quoted(column.name)} <> '' LIMIT 20"
            ):
                tried += 1
                if work.fernet.decrypt(token.encode("utf-8")) is None:
                    raise KeyProblem(
                        f"{work.fernet.where}: this is not the target's Fernet key: it does not "
                        f"open what the target has encrypted in {table.name}.",
                        hint="Nothing was written. Give the target's own fernet_key.",
                    )
    return bool(tried)


# --- the plan ------------------------------------------------------------------------------------


def _occupied(work: _Import, table: str) -> bool:
    return bool(work.database.rows(f"SELECT 1 FROM {work.database.name(table)} LIMIT 1"))


def _planned(work: _Import) -> Plan:
    """How what is there is met. Raises TargetProblem when the policy does not allow it."""
    occupied = {table.name for table, _ in work.tables if _occupied(work, table.name)}
    offsets = {
        table.name: _highest(work, table)
        for table, _ in work.tables
        if table.identity and table.name in occupied
    }
    mapped: Dict[str, Mapping[str, str]] = {
        name: _id_map(work, name, offsets.get(name, 0))
        for name in ("ab_role", "ab_user")
        if name in occupied
    }
    staged = [
        table.name
        for table, _ in work.tables
        if table.key
        and (table.name in occupied or (table.name == "xcom" and "dag_run" in occupied))
    ]
    kept = work.options.keep_paused
    plan = Plan(work.options.policy, offsets, mapped, tuple(staged), None, kept)
    work.plan = plan
    problems = []
    for table, entry in work.tables:
        if table.name in staged and table.name in occupied:
            problems += _conflicts(work, table, entry)
    if problems:
        raise TargetProblem(
            f"{work.database.where} has rows already that are in the way: {'; '.join(problems)}.",
            hint="Nothing was written. --on-conflict skip-identical leaves rows that say the same, "
            "--on-conflict replace puts the bundle's in their place.",
        )
    return plan


def _highest(work: _Import, table: Table) -> int:
    return int(
        work.database.value(
            f"SELECT coalesce(max({work.database.name(table.identity)}), 0)"
            f" FROM {work.database.name(table.name)}"
        )
    )


def _id_map(work: _Import, name: str, offset: int) -> Dict[str, str]:
    """Source id → target id of a small table whose rows the target may have under another id."""
    (table, entry) = next(pair for pair in work.tables if pair[0].name == name)
    (key,) = table.key
    there = {
        text: str(number)
        for number, text in work.database.rows(
            f"SELECT {work.database.name(table.identity)}, {work.database.name(key)}"
            f" FROM {work.database.name(name)}"
        )
    }
    names = [column for column, _ in entry.columns]
    found = {}
    for line in _rows(work, entry):
        row = dict(zip(names, fields(line)))
        old = row[table.identity].decode("ascii")
        text = (unescape(row[key]) or b"").decode("utf-8")
        found[old] = there.get(text, str(int(old) + offset))
    return found


def _rows(work: _Import, entry: TableEntry) -> Any:
    for chunk in entry.chunks:
        for block in blocks(work.store, table_name_file(entry), chunk):
            yield from block.splitlines()


def table_name_file(entry: TableEntry) -> str:
    """The name of the file that an entry's rows are in."""
    return entry.file.name if entry.file else ""


def _shape(work: _Import, table: Table, entry: TableEntry, plain: bool = False) -> Shape:
    return Shape(
        table, entry, work.options.target, work.plan, work.fernet, work.seal, plain_secrets=plain
    )


def _stage(
    work: _Import, table: Table, entry: TableEntry, plain: bool = False
) -> Tuple[str, Shape]:
    """Put the bundle's rows, as the target will have them, into a temporary table."""
    database = work.database
    name = f"mwaa_harness_{table.name}"
    shape = _shape(work, table, entry, plain)
    columns = ", ".join(database.name(column) for column in shape.names)
    database.execute(f"DROP TABLE IF EXISTS {name}")
    database.execute(
        f"CREATE TEMPORARY TABLE {name} AS SELECT {columns} FROM {database.name(table.name)}"
        " WHERE 1 = 0"
    )
    for chunk in entry.chunks:
        lines = shape.lines(blocks(work.store, table_name_file(entry), chunk))
        database.copy_in(name, shape.names, shape.types, lines)
    if table.name == "xcom":
        # A run that is there already keeps its own id.
        database.execute(
            f"UPDATE {name} SET dag_run_id = (SELECT r.id FROM dag_run r"
            f" WHERE r.dag_id = {name}.dag_id AND r.run_id = {name}.run_id)"
            " WHERE EXISTS (SELECT 1 FROM dag_run r"
            f" WHERE r.dag_id = {name}.dag_id AND r.run_id = {name}.run_id)"
        )
    return name, shape


def _same(database: Database, one: str, other: str) -> str:
    """SQL: equal, or both NULL."""
    word = "IS NOT DISTINCT FROM" if database.dialect == "postgresql" else "IS"
    return f"{one} {word} {other}"


def _comparable(database: Database, side: str, name: str, kinds: Mapping[str, str]) -> str:
    """SQL: a column as something that can be compared."""
    column = f"{side}.{database.name(name)}"
    return f"CAST({column} AS text)" if kinds[name] == "json" else column


def _compared(table: Table, columns: Sequence[Column]) -> List[str]:
    """The columns in which two rows with the same key may differ in what they say."""
    flags = {column.flag for column in table.columns if column.flag}
    own = {"log_template_id", "updated_at", "last_parsed_time", "last_scheduler_run"}
    return [
        column.name
        for column in columns
        if column.name not in (table.identity, *table.key, *flags, *own)
        and not column.references
        and column.fill is None
    ]


def _conflicts(work: _Import, table: Table, entry: TableEntry) -> List[str]:
    """What is in the way, in words; [] when the policy allows it."""
    database = work.database
    if table.merge or (work.options.policy == "replace" and not table.also_unique):
        return []
    stage, shape = _stage(work, table, entry, plain=True)
    second = _second_keys(work, table, stage)
    if work.options.policy == "replace":
        return second
    keys = [database.name(name) for name in table.key]
    join = " AND ".join(f"s.{key} = t.{key}" for key in keys)
    compared = _compared(table, shape.columns)
    secret = set(table.secret)
    others = [name for name in compared if name not in secret]
    names = ", ".join(
        [f"s.{key}" for key in keys]
        + [f"{side}.{database.name(name)}" for name in sorted(secret) for side in "st"]
        + [f"t.{database.name(c.flag)}" for c in shape.columns if c.name in secret and c.flag]
    )
    kinds = {column.name: column.type for column in shape.columns}
    pairs = [[_comparable(database, side, name, kinds) for side in "st"] for name in others]
    differs = " OR ".join(f"NOT ({_same(database, *pair)})" for pair in pairs)
    source = f"FROM {stage} s JOIN {database.name(table.name)} t ON {join}"
    rows: List[Tuple[Any, ...]] = []
    if work.options.policy == "skip-identical" and not secret:
        if differs:
            rows = database.rows(f"SELECT {names} {source} WHERE {differs}")
    elif secret or table.name == "slot_pool":
        rows = _not_ours(work, table, stage, join, others)
    else:
        rows = database.rows(f"SELECT {names} {source}")
    return _said(table, [row[: len(keys)] for row in rows]) + second


def _said(table: Table, rows: Sequence[Tuple[Any, ...]]) -> List[str]:
    if not rows:
        return []
    named = [" / ".join(str(part) for part in row) for row in rows[:NAMED]]
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return [f"{table.name}: {', '.join(named)}{more}"]


def _not_ours(
    work: _Import, table: Table, stage: str, join: str, others: Sequence[str]
) -> List[Tuple[Any, ...]]:
    """Rows in the way in a table that Airflow itself puts rows into, or that has secrets."""
    database = work.database
    quoted = database.name
    columns = [*table.key, *others, *sorted(table.secret)]
    flags = [column.flag for column in table.columns if column.name in table.secret]
    flags = [flag or "id" for flag in flags]
    found = []
    for row in database.rows(
        "SELECT "
        + ", ".join(
            [f"s.{quoted(name)}" for name in columns]
            + [f"t.{quoted(name)}" for name in columns]
            + [f"t.{quoted(flag)}" for flag in flags]
        )
        + f" FROM {stage} s JOIN {quoted(table.name)} t ON {join}"
    ):
        count = len(columns)
        ours = dict(zip(columns, row[:count]))
        theirs = dict(zip(columns, row[count : 2 * count]))
        encrypted = dict(
            zip([c.name for c in table.columns if c.name in table.secret], row[2 * count :])
        )
        for name in table.secret:
            if (theirs[name] and encrypted[name] is True) or encrypted[name] == 1:
                opened = work.fernet.decrypt(str(theirs[name]).encode("utf-8"))
                theirs[name] = opened.decode("utf-8") if opened is not None else theirs[name]
        if default_row(table.name, theirs):
            continue
        if work.options.policy == "skip-identical" and ours == theirs:
            continue
        found.append(tuple(ours[name] for name in table.key))
    return found


def default_row(table: str, row: Mapping[str, Any]) -> bool:
    """Whether a row is what Airflow itself puts into a new database, untouched."""
    if table == "slot_pool":
        return bool(row["pool"] == DEFAULT_POOL)
    if table != "connection":
        return False
    return connection_digest(row) in DEFAULT_CONNECTIONS


def connection_digest(row: Mapping[str, Any]) -> str:
    """What tells a connection's content, for the list of Airflow's own."""
    parts = [
        "" if row.get(name) is None else str(row[name])
        for name in ("conn_id", "conn_type", "host", "schema", "login", "password", "port", "extra")
    ]
    if parts[0] == "sqlite_default":
        # A file in whatever folder was the temporary one.
        parts[2] = parts[2].rpartition("/")[2]
    return hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()[:16]


def own_columns(plan: Plan) -> Tuple[str, ...]:
    """What a row that the target has already keeps although the bundle says something else."""
    return ("is_paused",) if plan.keep_paused else ()


def _second_keys(work: _Import, table: Table, stage: str) -> List[str]:
    """Rows that no policy can put in the others' place: they have another name, and something else
    that only one row can have (the same user's address, a DAG's run of the same time)."""
    quoted = work.database.name
    found: List[Tuple[Any, ...]] = []
    for unique in table.also_unique:
        ours, theirs = unique.format("s"), unique.format("t")
        keys = [f"{side}.{quoted(name)}" for side in "st" for name in table.key]
        own = " AND ".join(f"s.{quoted(name)} = t.{quoted(name)}" for name in table.key)
        found += work.database.rows(
            f"SELECT {', '.join(keys)} FROM {stage} s JOIN {quoted(table.name)} t"
            f" ON ({ours}) = ({theirs}) AND NOT ({own})"
        )
    return _said(table, found)


# --- writing -------------------------------------------------------------------------------------


def _begin(work: _Import) -> None:
    """Write the plan down, and keep the ids that the bundle's rows will have out of others' way."""
    database = work.database
    offsets = dict(work.plan.offsets)
    for table, entry in work.tables:
        if not table.identity:
            continue
        last = int(entry.ranges.get(table.identity, ("0", "0"))[1])
        if database.dialect == "postgresql":
            offsets[table.name] = _reserve(work, table, last, offsets.get(table.name))
            # A sequence is moved for good; a lock kept any longer could meet the scheduler's own.
            database.commit()
    database.begin()
    work.ledger.create()
    template = _log_template(work)
    mapped = {name: _id_map(work, name, offsets.get(name, 0)) for name in work.plan.mapped}
    offsets = {name: offset for name, offset in offsets.items() if offset}
    work.plan = replace(work.plan, offsets=offsets, mapped=mapped, log_template=template)
    work.ledger.add(PLAN, 0, 0, plan_note(work.plan))
    database.commit()


def _reserve(work: _Import, table: Table, last: int, offset: Optional[int]) -> int:
    """Move the sequence behind the ids to come, so that a scheduler at work takes none of them."""
    database = work.database
    database.execute(f"LOCK TABLE {database.name(table.name)} IN SHARE ROW EXCLUSIVE MODE")
    sequence = database.value("SELECT pg_get_serial_sequence(?, ?)", (table.name, table.identity))
    if not sequence:
        return offset or 0
    used, called = database.rows(f"SELECT last_value, is_called FROM {sequence}")[0]
    # Nobody is inserting now: the lock waits for those who were. The sequence itself says nothing,
    # since an import that was killed here has moved it already.
    base = 0 if offset is None else _highest(work, table)
    highest = max(base + last, int(used) if called else 0)
    if highest:
        database.rows("SELECT setval(?, ?)", (sequence, highest))
    return base


def _log_template(work: _Import) -> Optional[int]:
    """The id that lets the target find 1.10's log files; None where it does so without."""
    table = next((table for table, _ in work.tables if table.name == "dag_run"), None)
    columns = columns_of(table, work.options.target) if table else ()
    if "log_template_id" not in {column.name for column in columns}:
        return None
    database = work.database
    rows = database.rows("SELECT id, filename FROM log_template ORDER BY id")
    old = [number for number, filename in rows if filename == OLD_LOG_TEMPLATE[0]]
    if old and old[0] == rows[0][0]:
        return None
    if old:
        return int(old[0])
    moment = "now()" if database.dialect == "postgresql" else "CURRENT_TIMESTAMP"
    # Below the others: the target gives the highest id to its own new runs.
    number = min([0, *[int(row[0]) for row in rows]]) - 1
    database.execute(
        "INSERT INTO log_template (id, filename, elasticsearch_id, created_at)"
        f" VALUES (?, ?, ?, {moment})",
        (number, *OLD_LOG_TEMPLATE),
    )
    return number


def _load_table(work: _Import, table: Table, entry: TableEntry) -> None:
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
            shape = _shape(work, table, entry)
            written = _written(work, shape, blocks(work.store, table_name_file(entry), chunk))
            if written is None:
                shape = _shape(work, table, entry)
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


def _written(work: _Import, shape: Shape, rows: Iterable[bytes]) -> Optional[int]:
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


def _one_by_one(work: _Import, shape: Shape, lines: List[bytes]) -> int:
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


def _merge(work: _Import, table: Table, entry: TableEntry) -> None:
    """Write a table that shares rows with the target: one transaction."""
    database = work.database
    quoted = database.name
    database.begin()
    stage, shape = _stage(work, table, entry)
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


def imported_tables(
    manifest: Manifest, options: LoadOptions
) -> Tuple[Tuple[Table, TableEntry], ...]:
    """The tables that an import with these options writes."""
    return _tables(manifest, options)


def plan_of(database: Database, manifest: Manifest, options: LoadOptions) -> Optional[Plan]:
    """The plan of the import of this bundle into this database, None when there was none."""
    return Ledger(database, _identity(manifest, _tables(manifest, options))).plan()
