"""SQLite and MySQL, whose rows go through their drivers and are written as PostgreSQL would have.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Iterator, List, Sequence, Tuple

from harness.metadata.copytext import ENCODERS, NULL, driver_value, fields, lines_of
from harness.metadata.database import Database
from harness.metadata.problems import MetadataError

BATCH = 2000


class SQLite(Database):
    """A small local environment's database."""

    dialect = "sqlite"
    placeholder = "?"

    def __init__(self, connection: Any, where: str) -> None:
        super().__init__(connection, where)
        connection.isolation_level = None
        connection.text_factory = bytes
        self.execute("PRAGMA foreign_keys = ON")
        self._lock: Any = None

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> List[Tuple[Any, ...]]:
        return [
            tuple(value.decode("utf-8") if isinstance(value, bytes) else value for value in row)
            for row in super().rows(sql, parameters)
        ]

    def begin(self) -> None:
        """Begin a transaction that writes, unless one is there."""
        if not self.connection.in_transaction:
            self.connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        if self.connection.in_transaction:
            self.connection.execute("COMMIT")

    def catalogue(self) -> Dict[str, Tuple[str, ...]]:
        tables = self.rows(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            " ORDER BY name"
        )
        return {
            table: tuple(row[1] for row in self.rows(f"PRAGMA table_info({self.name(table)})"))
            for (table,) in tables
        }

    def snapshot(self) -> None:
        self.commit()
        self.connection.execute("BEGIN")
        # The snapshot starts with the first read.
        self.rows("SELECT count(*) FROM sqlite_master")

    def copy_out(self, select: str, types: Sequence[str], write: Callable[[bytes], Any]) -> None:
        _encode(self.connection.cursor(), select, types, write)

    def copy_in(
        self, table: str, columns: Sequence[str], types: Sequence[str], lines: Iterable[bytes]
    ) -> int:
        self.begin()
        names = ", ".join(self.name(column) for column in columns)
        marks = ", ".join("?" for _ in columns)
        insert = f"INSERT INTO {self.name(table)} ({names}) VALUES ({marks})"
        count = 0
        for batch in _batches(line for block in lines for line in lines_of(block)):
            self.connection.executemany(
                insert,
                [
                    [driver_value(field, kind) for field, kind in zip(fields(line), types)]
                    for line in batch
                ],
            )
            count += len(batch)
        return count

    def lock(self) -> bool:
        import fcntl

        path = f"{self.where}.mwaa-harness-lock"
        self._lock = open(path, "w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def close(self) -> None:
        super().close()
        if self._lock:
            self._lock.close()
            self._lock = None


class MySQL(Database):
    """MySQL, as a source only."""

    dialect = "mysql"
    quote = "`"

    def __init__(self, connection: Any, where: str) -> None:
        super().__init__(connection, where)
        self.execute("SET time_zone = '+00:00'")
        self.execute("SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'")

    def catalogue(self) -> Dict[str, Tuple[str, ...]]:
        found: Dict[str, Tuple[str, ...]] = {}
        for table, column in self.rows(
            "SELECT c.table_name, c.column_name FROM information_schema.columns c"
            " JOIN information_schema.tables t ON t.table_schema = c.table_schema"
            " AND t.table_name = c.table_name WHERE c.table_schema = database()"
            " AND t.table_type = 'BASE TABLE' ORDER BY c.table_name, c.ordinal_position"
        ):
            found[table] = (*found.get(table, ()), column)
        return found

    def snapshot(self) -> None:
        self.commit()
        self.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def copy_out(self, select: str, types: Sequence[str], write: Callable[[bytes], Any]) -> None:
        import pymysql.cursors

        cursor = self.connection.cursor(pymysql.cursors.SSCursor)
        _encode(cursor, select, ["single" if kind == "float" else kind for kind in types], write)

    def column(self, name: str, type_: str) -> str:
        # A FLOAT is written with six digits, whatever it holds; a DOUBLE with all of them.
        return super().column(name, type_) + (" + 0E0" if type_ == "float" else "")


def _encode(cursor: Any, select: str, types: Sequence[str], write: Callable[[bytes], Any]) -> None:
    encoders = [ENCODERS[kind] for kind in types]
    try:
        cursor.execute(select)
        while True:
            batch = cursor.fetchmany(BATCH)
            if not batch:
                return
            lines = []
            for row in batch:
                try:
                    lines.append(
                        b"\t".join(
                            [
                                NULL if value is None else encode(value)
                                for value, encode in zip(row, encoders)
                            ]
                        )
                    )
                except (ValueError, TypeError) as error:
                    raise _not_of_its_type(cursor, row, encoders, error) from None
            write(b"\n".join(lines) + b"\n")
    finally:
        cursor.close()


def _not_of_its_type(
    cursor: Any, row: Sequence[Any], encoders: Sequence[Any], error: Exception
) -> MetadataError:
    """Which value it is that cannot be written as its column's type."""
    names = [column[0] for column in cursor.description]
    wrong = names[0]
    for name, value, encode in zip(names, row, encoders):
        try:
            encode(value)
        except (ValueError, TypeError):
            wrong = name
            break
    return MetadataError(
        f"The row with {names[0]} {row[0]!r} cannot be exported: {wrong}: {error}.",
        hint="Its value is not of its column's type: mend it, or delete the row.",
    )


def _batches(lines: Iterable[bytes]) -> Iterator[List[bytes]]:
    batch: List[bytes] = []
    for line in lines:
        batch.append(line)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
