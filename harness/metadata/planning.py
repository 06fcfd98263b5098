"""Before an import's first write: is the target what it has to be, does its key fit, which rows are
there already, and what is to be done about them.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from harness.metadata.bundle import Manifest, TableEntry, blocks
from harness.metadata.copytext import fields, unescape
from harness.metadata.database import Database
from harness.metadata.defaults import DEFAULT_CONNECTIONS, DEFAULT_POOL
from harness.metadata.ledger import PLAN, Ledger, plan_note
from harness.metadata.options import LoadOptions
from harness.metadata.problems import KeyProblem, TargetProblem
from harness.metadata.schema import Column, Table, airflow_of, columns_of, revision_of, version_key
from harness.metadata.sealing import Fernet, Seal
from harness.metadata.shape import Plan, Shape
from harness.metadata.stores import Store
from harness.metadata.tables import OLD_LOG_TEMPLATE

NAMED = 5


@dataclass
class ImportWork:
    database: Database
    store: Store
    manifest: Manifest
    options: LoadOptions
    fernet: Fernet
    seal: Optional[Seal]
    ledger: Ledger
    progress: Callable[[str, int, int], None]
    tables: Tuple[Tuple[Table, TableEntry], ...] = ()
    plan: Plan = field(default_factory=Plan)


def check_target(work: ImportWork) -> None:
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


def check_needed(work: ImportWork) -> None:
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


def check_key(work: ImportWork) -> bool:
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


def _occupied(work: ImportWork, table: str) -> bool:
    return bool(work.database.rows(f"SELECT 1 FROM {work.database.name(table)} LIMIT 1"))


def planned(work: ImportWork) -> Plan:
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


def _highest(work: ImportWork, table: Table) -> int:
    return int(
        work.database.value(
            f"SELECT coalesce(max({work.database.name(table.identity)}), 0)"
            f" FROM {work.database.name(table.name)}"
        )
    )


def _id_map(work: ImportWork, name: str, offset: int) -> Dict[str, str]:
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


def _rows(work: ImportWork, entry: TableEntry) -> Any:
    for chunk in entry.chunks:
        for block in blocks(work.store, table_name_file(entry), chunk):
            yield from block.splitlines()


def table_name_file(entry: TableEntry) -> str:
    """The name of the file that an entry's rows are in."""
    return entry.file.name if entry.file else ""


def shape_of(work: ImportWork, table: Table, entry: TableEntry, plain: bool = False) -> Shape:
    return Shape(
        table, entry, work.options.target, work.plan, work.fernet, work.seal, plain_secrets=plain
    )


def stage_rows(
    work: ImportWork, table: Table, entry: TableEntry, plain: bool = False
) -> Tuple[str, Shape]:
    """Put the bundle's rows, as the target will have them, into a temporary table."""
    database = work.database
    name = f"mwaa_harness_{table.name}"
    shape = shape_of(work, table, entry, plain)
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


def _conflicts(work: ImportWork, table: Table, entry: TableEntry) -> List[str]:
    """What is in the way, in words; [] when the policy allows it."""
    database = work.database
    if table.merge or (work.options.policy == "replace" and not table.also_unique):
        return []
    stage, shape = stage_rows(work, table, entry, plain=True)
    second = _second_keys(work, table, stage)
    if work.options.policy == "replace":
        return second
    keys = [database.name(name) for name in table.key]
    join = " AND ".join(f"s.{key} = t.{key}" for key in keys)
    others = [name for name in _compared(table, shape.columns) if name not in table.secret]
    names = ", ".join(f"s.{key}" for key in keys)
    kinds = {column.name: column.type for column in shape.columns}
    pairs = [[_comparable(database, side, name, kinds) for side in "st"] for name in others]
    differs = " OR ".join(f"NOT ({_same(database, *pair)})" for pair in pairs)
    source = f"FROM {stage} s JOIN {database.name(table.name)} t ON {join}"
    rows: List[Tuple[Any, ...]] = []
    if work.options.policy == "skip-identical" and not table.secret:
        if differs:
            rows = database.rows(f"SELECT {names} {source} WHERE {differs}")
    elif table.secret or table.name == "slot_pool":
        rows = _not_ours(work, table, stage, join, others)
    else:
        rows = database.rows(f"SELECT {names} {source}")
    return _said(table, rows) + second


def _said(table: Table, rows: Sequence[Tuple[Any, ...]]) -> List[str]:
    if not rows:
        return []
    named = [" / ".join(str(part) for part in row) for row in rows[:NAMED]]
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return [f"{table.name}: {', '.join(named)}{more}"]


def _not_ours(
    work: ImportWork, table: Table, stage: str, join: str, others: Sequence[str]
) -> List[Tuple[Any, ...]]:
    """Rows in the way in a table that Airflow itself puts rows into, or that has secrets."""
    database = work.database
    quoted = database.name
    secrets = {column.name: column.flag for column in table.columns if column.name in table.secret}
    columns = [*table.key, *others, *secrets]
    flags = [flag for flag in secrets.values() if flag]
    names = [f"{side}.{quoted(name)}" for side in "st" for name in columns]
    names += [f"t.{quoted(flag)}" for flag in flags]
    count = len(columns)
    found = []
    for row in database.rows(
        f"SELECT {', '.join(names)} FROM {stage} s JOIN {quoted(table.name)} t ON {join}"
    ):
        ours, theirs = dict(zip(columns, row)), dict(zip(columns, row[count:]))
        closed = dict(zip(flags, row[2 * count :]))
        for name, flag in secrets.items():
            if closed.get(flag) and theirs[name]:
                opened = work.fernet.decrypt(str(theirs[name]).encode("utf-8"))
                theirs[name] = theirs[name] if opened is None else opened.decode("utf-8")
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


def _second_keys(work: ImportWork, table: Table, stage: str) -> List[str]:
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


def begin_import(work: ImportWork) -> None:
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


def _reserve(work: ImportWork, table: Table, last: int, offset: Optional[int]) -> int:
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


def _log_template(work: ImportWork) -> Optional[int]:
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
