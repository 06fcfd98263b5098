"""Verify: is every row of a bundle in the target, and says what it said?

Both sides are read as the same text – the bundle's rows shaped for the target, and the target's
own – and added up by what identifies a row, in a fixed number of buckets; nothing grows with the
rows. Only buckets whose sums differ are read again, row by row, to say which rows differ.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from harness.metadata.bundle import TableEntry, blocks, check_files
from harness.metadata.copytext import NULL, escape, unescape
from harness.metadata.databases import Database
from harness.metadata.export import no_steps
from harness.metadata.load import (
    LoadOptions,
    imported_tables,
    open_bundle,
    own_columns,
    plan_of,
    table_name_file,
)
from harness.metadata.problems import TargetProblem, database_errors
from harness.metadata.sealing import Fernet, Seal
from harness.metadata.shape import Plan, Shape
from harness.metadata.tables import Table

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
    store: Any,
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
        store: Any,
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

    def expected(self) -> Iterator[bytes]:
        """The bundle's rows, as they should be in the target."""
        whole = len(self.kept) == len(self.shape.names)
        for chunk in self.entry.chunks:
            for block in self.shape.lines(blocks(self.store, table_name_file(self.entry), chunk)):
                for line in block.split(b"\n"):
                    if line and whole:
                        yield line
                    elif line:
                        values = line.split(b"\t")
                        yield b"\t".join([values[position] for position in self.kept])

    def found(self, give: Callable[[bytes], None]) -> None:
        """The target's rows, each to ``give``."""
        database = self.database
        columns = ", ".join(database.name(name) for name in self.names)
        select = f"SELECT {columns} FROM {database.name(self.table.name)}"
        if not self.secret:
            database.copy_out(select, self.types, lambda line: give(line[:-1]))
            return
        flags = [column.flag for _, column in self.secret]
        more = "".join(f", {database.name(flag)}" for flag in flags)
        select = f"SELECT {columns}{more} FROM {database.name(self.table.name)}"

        def opened(line: bytes) -> None:
            values = line[:-1].split(b"\t")
            count = len(self.names)
            for (position, _), flag in zip(self.secret, values[count:]):
                raw = unescape(values[position])
                if raw and flag == b"t":
                    plain = self.fernet.decrypt(raw)
                    values[position] = NULL if plain is None else escape(plain)
            give(b"\t".join(values[:count]))

        database.copy_out(select, [*self.types, *["boolean" for _ in flags]], opened)

    def key_of(self, line: bytes) -> bytes:
        """What identifies a line's row."""
        values = line.split(b"\t")
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
    want, have = _Sums(sides), _Sums(sides)
    for line in sides.expected():
        want.add(line)
    sides.found(have.add)
    wrong = {
        bucket
        for bucket in range(BUCKETS)
        if want.sums[bucket] != have.sums[bucket] or want.counts[bucket] != have.counts[bucket]
    }
    missing = different = extra = 0
    differences: List[Difference] = []
    if wrong:
        missing, different, extra, differences = _compare(sides, wrong)
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


class _Sums:
    """Sums of hashes, by bucket: equal for the same rows in any order."""

    def __init__(self, sides: _Sides) -> None:
        self.sums = [0] * BUCKETS
        self.counts = [0] * BUCKETS
        self.rows = 0
        self._key_of = sides.key_of

    def add(self, line: bytes) -> None:
        """One row."""
        bucket = zlib.crc32(self._key_of(line)) % BUCKETS
        digest = hashlib.blake2b(line, digest_size=8).digest()
        self.sums[bucket] = (self.sums[bucket] + int.from_bytes(digest, "big")) & MASK
        self.counts[bucket] += 1
        self.rows += 1

    def checksum(self) -> str:
        """One number for all."""
        return f"{sum(self.sums) & MASK:016x}"


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
        for line in sides.expected():
            _keep(want, sides.key_of(line), line, some)
        have: Dict[bytes, List[bytes]] = {}
        sides.found(lambda line, have=have, some=some: _keep(have, sides.key_of(line), line, some))  # type: ignore[misc]
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


def _keep(rows: Dict[bytes, List[bytes]], key: bytes, line: bytes, some: Any) -> None:
    if zlib.crc32(key) % BUCKETS in some:
        rows.setdefault(key, []).append(line)


def _difference(sides: _Sides, key: bytes, line: bytes, other: Optional[bytes]) -> Difference:
    """Which columns differ; never their values, which may be secret."""
    names: Sequence[str] = ()
    if other is not None:
        pairs = zip(sides.names, line.split(b"\t"), other.split(b"\t"))
        names = [name for name, ours, theirs in pairs if ours != theirs]
    text = tuple(part.decode("utf-8", "backslashreplace") for part in key.split(b"\t"))
    return Difference(text, tuple(names), "missing" if other is None else "different")
