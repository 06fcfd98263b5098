"""SQLite and MySQL, whose rows go through their drivers and are written as PostgreSQL would have.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Iterator, List, Sequence, Tuple

from harness.metadata.copytext import ENCODERS, NULL, driver_value, fields, lines_of
from harness.metadata.database import (
    Database,
    Misfit,
    Write,
    as_they_are,
    columns_by_table,
    sql_list,
)

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
        return self._relations("type = 'table' AND name NOT LIKE 'sqlite_%'")

    def views(self, names: Iterable[str]) -> Dict[str, Tuple[str, ...]]:
        return self._relations(f"type = 'view' AND name IN {sql_list(names)}")

    def _relations(self, which: str) -> Dict[str, Tuple[str, ...]]:
        return {
            name: tuple(row[1] for row in self.rows(f"PRAGMA table_info({self.name(name)})"))
            for (name,) in self.rows(f"SELECT name FROM sqlite_master WHERE {which} ORDER BY name")
        }

    def snapshot(self) -> None:
        self.commit()
        self.connection.execute("BEGIN")
        # The snapshot starts with the first read.
        self.rows("SELECT count(*) FROM sqlite_master")

    def copy_out(
        self, select: str, types: Sequence[str], write: Write, misfit: Misfit = as_they_are
    ) -> None:
        _encode(self.connection.cursor(), select, types, write, misfit)

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
        return self._relations("t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')")

    def views(self, names: Iterable[str]) -> Dict[str, Tuple[str, ...]]:
        return self._relations(f"t.table_type = 'VIEW' AND t.table_name IN {sql_list(names)}")

    def _relations(self, which: str) -> Dict[str, Tuple[str, ...]]:
        return columns_by_table(
            self.rows(
                "SELECT c.table_name, c.column_name FROM information_schema.columns c"
                " JOIN information_schema.tables t ON t.table_schema = c.table_schema"
                " AND t.table_name = c.table_name WHERE c.table_schema = database()"
                f" AND {which} ORDER BY c.table_name, c.ordinal_position"
            )
        )

    def snapshot(self) -> None:
        self.commit()
        self.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def copy_out(
        self, select: str, types: Sequence[str], write: Write, misfit: Misfit = as_they_are
    ) -> None:
        import pymysql.cursors

        cursor = self.connection.cursor(pymysql.cursors.SSCursor)
        kinds = ["single" if kind == "float" else kind for kind in types]
        _encode(cursor, select, kinds, write, misfit)

    def typed(self, sql: str, type_: str) -> str:
        # A FLOAT is written with six digits, whatever it holds; a DOUBLE with all of them.
        return f"{sql} + 0E0" if type_ == "float" else sql


# What an encoder raises for a value that is not of its type.
WRONG = (ValueError, TypeError, OverflowError)


def _encode(cursor: Any, select: str, types: Sequence[str], write: Write, misfit: Misfit) -> None:
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
                        + b"\n"
                    )
                except WRONG:
                    lines.append(misfit(*_apart(row, encoders)))
            write(b"".join(lines))
    finally:
        cursor.close()


def _apart(
    row: Sequence[Any], encoders: Sequence[Callable[[Any], bytes]]
) -> Tuple[List[bytes], Dict[int, str]]:
    """The fields of a row with values of wrong types, and what is wrong by position."""
    values: List[bytes] = []
    wrong: Dict[int, str] = {}
    for position, (value, encode) in enumerate(zip(row, encoders)):
        try:
            values.append(NULL if value is None else encode(value))
        except WRONG as error:
            wrong[position] = str(error)
            values.append(ENCODERS["text"](value))
    return values, wrong


def _batches(lines: Iterable[bytes]) -> Iterator[List[bytes]]:
    batch: List[bytes] = []
    for line in lines:
        batch.append(line)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
