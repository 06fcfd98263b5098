"""Verify: is every row of a bundle in the target, and says what it said?

Both sides are read as the same text – the bundle's rows shaped for the target, and the target's
own – and added up by what identifies a row, in a fixed number of buckets; nothing grows with the
rows. Only buckets whose sums differ are read again, row by row, to say which rows differ.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import partial
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Set, Tuple

from harness.metadata.bundle import TableEntry, blocks, check_files
from harness.metadata.copytext import NULL, escape, fields, lines_of, unescape
from harness.metadata.database import Database
from harness.metadata.export import no_steps
from harness.metadata.load import imported_tables, open_bundle, plan_of
from harness.metadata.options import LoadOptions
from harness.metadata.planning import own_columns, table_name_file
from harness.metadata.problems import TargetProblem, database_errors
from harness.metadata.schema import Table
from harness.metadata.sealing import Fernet, Seal
from harness.metadata.shape import Plan, Shape
from harness.metadata.stores import Store

BUCKETS = 1 << 14
MASK = (1 << 64) - 1
SHOWN = 20
SIXTEEN = 16


@dataclass(frozen=True)
class Difference:
    """One row that is not what it was. ``expected`` and ``found`` are None where it is missing."""

    key: Tuple[str, ...]
    columns: Tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class Verified:
    """One table: rows that were to be there, rows that are, and their checksums.

    ``extra`` are rows that the target has beside them; they are no fault of the import.
    """

    name: str
    expected: int
    found: int
    missing: int
    different: int
    extra: int
    expected_checksum: str
    found_checksum: str
    differences: Tuple[Difference, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every row is there and says what it said."""
        return not self.missing and not self.different


@dataclass(frozen=True)
class VerifyReport:
    """What was found, table by table."""

    bundle: str
    target: str
    tables: Tuple[Verified, ...]

    @property
    def ok(self) -> bool:
        """Whether everything survived."""
        return all(table.ok for table in self.tables)


def verify(
    database: Database,
    store: Store,
    options: LoadOptions,
    fernet: Fernet,
    passphrase: Optional[bytes] = None,
    progress: Callable[[str, int, int], None] = no_steps,
) -> VerifyReport:
    """Compare every imported row of the database with the bundle in ``store``.

    Raises TargetProblem when this bundle was never imported there, BundleProblem and KeyProblem
    as an import does.
    """
    manifest, seal = open_bundle(store, passphrase)
    tables = imported_tables(manifest, options)
    check_files(store, manifest, [table.name for table, _ in tables])
    with database_errors(f"verify {database.where}"):
        plan = plan_of(database, manifest, options)
        if plan is None:
            raise TargetProblem(
                f"{database.where}: this bundle was not imported here.",
                hint="Import it first, with the same --tables.",
            )
        database.rollback()
        database.snapshot()
        try:
            found = tuple(
                _verify_table(
                    _Sides(database, store, table, entry, options.target, plan, fernet, seal),
                    progress,
                )
                for table, entry in tables
            )
        finally:
            database.rollback()
    return VerifyReport(bundle=manifest.identity, target=options.target, tables=found)


class _Sides:
    """One table as two streams of comparable lines."""

    def __init__(
        self,
        database: Database,
        store: Store,
        table: Table,
        entry: TableEntry,
        target: str,
        plan: Plan,
        fernet: Fernet,
        seal: Optional[Seal],
    ) -> None:
        self.database, self.store, self.table, self.entry = database, store, table, entry
        self.fernet = fernet
        self.shape = Shape(table, entry, target, plan, fernet, seal, plain_secrets=True)
        shared = table.name in plan.staged
        names = self.shape.names
        own = _own(table, names, plan) if shared else set()
        self.kept = [position for position, name in enumerate(names) if name not in own]
        self.names = [names[position] for position in self.kept]
        self.types = [self.shape.types[position] for position in self.kept]
        identity = (table.identity,) if table.identity in self.names else ()
        key = [name for name in table.key or identity or self.names if name in self.names]
        if table.key and "dag_run_id" in own:
            key += ["dag_id", "run_id"]
        self.key = [self.names.index(name) for name in key]
        self.secret = [
            (self.names.index(column.name), column)
            for column in self.shape.columns
            if column.transform == "fernet" and column.name in self.names
        ]

    def expected(self, give: Callable[[bytes], None]) -> None:
        """The bundle's rows, as they should be in the target, as blocks of lines to ``give``."""
        whole = len(self.kept) == len(self.shape.names)
        for chunk in self.entry.chunks:
            for block in self.shape.lines(blocks(self.store, table_name_file(self.entry), chunk)):
                give(block if whole else b"".join(map(self._compared, lines_of(block))))

    def _compared(self, line: bytes) -> bytes:
        values = fields(line)
        return b"\t".join([values[position] for position in self.kept]) + b"\n"

    def found(self, give: Callable[[bytes], None]) -> None:
        """The target's own rows, likewise."""
        database = self.database
        columns = ", ".join(database.name(name) for name in self.names)
        select = f"SELECT {columns} FROM {database.name(self.table.name)}"
        if not self.secret:
            database.copy_out(select, self.types, give)
            return
        flags = [column.flag for _, column in self.secret]
        more = "".join(f", {database.name(flag)}" for flag in flags)
        select = f"SELECT {columns}{more} FROM {database.name(self.table.name)}"
        database.copy_out(
            select,
            [*self.types, *["boolean" for _ in flags]],
            lambda block: give(b"".join(map(self._opened, lines_of(block)))),
        )

    def _opened(self, line: bytes) -> bytes:
        """A line of a table with secrets, without its flags and with what they close."""
        values = fields(line)
        count = len(self.names)
        for (position, _), flag in zip(self.secret, values[count:]):
            raw = unescape(values[position])
            if raw and flag == b"t":
                plain = self.fernet.decrypt(raw)
                values[position] = NULL if plain is None else escape(plain)
        return b"\t".join(values[:count]) + b"\n"

    def key_of(self, line: bytes) -> bytes:
        """What identifies a line's row."""
        values = fields(line)
        return b"\t".join([values[position] for position in self.key])


def _own(table: Table, names: Sequence[str], plan: Plan) -> Set[str]:
    """In a table that shares rows with the target: the columns that a row may have of its own."""
    if table.merge:
        kept = own_columns(plan)
        return {name for name in names if name not in (*table.key, *table.merge) or name in kept}
    runs = {column.name for column in table.columns if column.references == "dag_run"}
    return {table.identity, "log_template_id"} | runs


def _verify_table(sides: _Sides, progress: Callable[[str, int, int], None]) -> Verified:
    progress(sides.table.name, 0, sides.entry.rows)
    want, have = _Sum(), _Sum()
    sides.expected(want.add)
    sides.found(have.add)
    missing = different = extra = 0
    differences: List[Difference] = []
    if want != have:
        missing, different, extra, differences = _compare(sides, _wrong(sides))
    progress(sides.table.name, sides.entry.rows, sides.entry.rows)
    # The target's other rows are not part of what was carried.
    found = want.checksum() if not (missing or different) else have.checksum()
    return Verified(
        name=sides.table.name,
        expected=want.rows,
        found=want.rows - missing - different,
        missing=missing,
        different=different,
        extra=extra,
        expected_checksum=want.checksum(),
        found_checksum=found,
        differences=tuple(differences),
    )


@dataclass
class _Sum:
    """Rows, added up: equal for the same rows in any order.

    Python's own keyed hash tells whether two sides are the same; it is another one in every
    process, so the CRCs make the checksum that is shown. Both are C, a row costs no call of ours.
    """

    rows: int = 0
    hashes: int = 0
    sums: int = 0

    def add(self, block: bytes) -> None:
        """Some rows."""
        lines = lines_of(block)
        self.rows += len(lines)
        self.hashes += sum(map(hash, lines))
        self.sums += sum(map(zlib.crc32, lines))

    def checksum(self) -> str:
        """One number for all."""
        return f"{self.sums & MASK:016x}"


def _wrong(sides: _Sides) -> List[int]:
    """The buckets, out of a fixed number, in which rows differ: rows are spread by their keys."""
    found = []
    for read in (sides.expected, sides.found):
        sums = [0] * BUCKETS

        def add(block: bytes, sums: List[int] = sums) -> None:
            for line in lines_of(block):
                sums[_bucket(sides.key_of(line))] += hash(line)

        read(add)
        found.append(sums)
    return [bucket for bucket in range(BUCKETS) if found[0][bucket] != found[1][bucket]]


def _bucket(key: bytes) -> int:
    return zlib.crc32(key) % BUCKETS


def _compare(sides: _Sides, wrong: Iterable[int]) -> Tuple[int, int, int, List[Difference]]:
    """Read the rows of some buckets again and say which differ.

    A few buckets at a time, so that a target that lacks everything needs no more memory.
    """
    missing = different = extra = 0
    differences: List[Difference] = []
    buckets = sorted(wrong)
    step = max(SIXTEEN, BUCKETS // max(1, -(-sides.entry.rows // 200_000)))
    for start in range(0, len(buckets), step):
        some = set(buckets[start : start + step])
        want: Dict[bytes, List[bytes]] = {}
        have: Dict[bytes, List[bytes]] = {}
        sides.expected(partial(_keep, sides, want, some))
        sides.found(partial(_keep, sides, have, some))
        for key, lines in want.items():
            theirs = have.pop(key, [])
            for line in list(lines):
                if line in theirs:
                    theirs.remove(line)
                    lines.remove(line)
            for line in lines:
                other = theirs.pop() if theirs else None
                missing += other is None
                different += other is not None
                if len(differences) < SHOWN:
                    differences.append(_difference(sides, key, line, other))
            extra += len(theirs)
        extra += sum(len(lines) for lines in have.values())
    return missing, different, extra, differences


def _keep(sides: _Sides, rows: Dict[bytes, List[bytes]], some: Set[int], block: bytes) -> None:
    for line in lines_of(block):
        key = sides.key_of(line)
        if _bucket(key) in some:
            rows.setdefault(key, []).append(line)


def _difference(sides: _Sides, key: bytes, line: bytes, other: Optional[bytes]) -> Difference:
    """Which columns differ; never their values, which may be secret."""
    names: Sequence[str] = ()
    if other is not None:
        pairs = zip(sides.names, fields(line), fields(other))
        names = [name for name, ours, theirs in pairs if ours != theirs]
    text = tuple(part.decode("utf-8", "backslashreplace") for part in key.split(b"\t"))
    return Difference(text, tuple(names), "missing" if other is None else "different")
