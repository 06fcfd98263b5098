"""PostgreSQL, which does the work itself: COPY on the server.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import io
from typing import Any, Dict, Iterable, Sequence, Tuple
from urllib.parse import quote

from harness.metadata.copytext import BLOCK
from harness.metadata.database import (
    LOCK,
    Database,
    Misfit,
    Write,
    as_they_are,
    columns_by_table,
    sql_list,
)

TABLE = "c.relkind IN ('r', 'p')"
# A partition, or a table whose rows are another table's, too.
OTHERS_ROWS = "EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhrelid = c.oid)"

# Nothing where a column is what Airflow made of it; else an enum, a numeric, a time without a zone.
CASTS = {
    "text": "CAST({} AS text)",
    "integer": "CAST({} AS bigint)",
    "float": "CAST({} AS float8)",
    "boolean": "CAST(CAST({} AS text) AS boolean)",  # out of a smallint, too
    "timestamp": "CAST({} AS timestamp)",
    "timestamptz": "CAST({} AS timestamptz)",
}


class _Reader:
    """Lines or blocks as the file that COPY … FROM STDIN reads from."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.lines = iter(lines)
        self.rest = memoryview(b"")

    def read(self, size: int = 65536) -> bytes:
        if not self.rest:
            parts, length = [], 0
            while length < size:
                line = next(self.lines, None)
                if line is None:
                    break
                parts.append(line)
                length += len(line)
            self.rest = memoryview(b"".join(parts))
        # A view, since a value may be many times as long as what is asked for.
        block, self.rest = self.rest[:size], self.rest[size:]
        return bytes(block)

    def readline(self, size: int = 65536) -> bytes:  # the driver wants it to be there
        return self.read(size)


class _Blocks(io.RawIOBase):
    """What is under the buffer that COPY … TO STDOUT writes to, row by row: it gives the buffer's
    content on, cut behind the last whole line."""

    def __init__(self, give: Write) -> None:
        self.give = give
        self.rest = b""
        self.failed = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if not self.failed:  # else the buffer is only being thrown away
            block = self.rest + bytes(data)
            end = block.rfind(b"\n") + 1
            self.rest = block[end:]
            self.failed = True
            if end:
                self.give(block[:end])
            self.failed = False
        return len(data)


class PostgreSQL(Database):
    """PostgreSQL and Aurora PostgreSQL, through psycopg2, which Airflow's own images have."""

    dialect = "postgresql"

    def __init__(self, connection: Any, where: str) -> None:
        super().__init__(connection, where)
        for setting in (
            "SET TIME ZONE 'UTC'",
            "SET DateStyle = 'ISO'",
            "SET IntervalStyle = 'postgres'",
            "SET extra_float_digits = 3",
            "SET bytea_output = 'hex'",
            "SET client_encoding = 'UTF8'",
            "SET statement_timeout = 0",
            "SET row_security = off",  # rows that we may not see are an error, not a smaller table
            "SET idle_in_transaction_session_timeout = 0",
        ):
            self.execute(setting)
        self.commit()

    def catalogue(self) -> Dict[str, Tuple[str, ...]]:
        return self._relations(f"{TABLE} AND NOT {OTHERS_ROWS}")

    def views(self, names: Iterable[str]) -> Dict[str, Tuple[str, ...]]:
        shown = f"(c.relkind IN ('v', 'm', 'f') OR {TABLE} AND {OTHERS_ROWS})"
        return self._relations(f"{shown} AND c.relname IN {sql_list(names)}")

    def _relations(self, which: str) -> Dict[str, Tuple[str, ...]]:
        return columns_by_table(
            self.rows(
                "SELECT c.relname, a.attname FROM pg_class c"
                f" JOIN pg_attribute a ON a.attrelid = c.oid WHERE {which}"
                " AND a.attnum > 0 AND NOT a.attisdropped AND pg_table_is_visible(c.oid)"
                " AND c.relnamespace <> 'pg_catalog'::regnamespace ORDER BY c.relname, a.attnum"
            )
        )

    def typed(self, sql: str, type_: str) -> str:
        return CASTS.get(type_, "{}").format(sql)

    def readable(self, table: str) -> bool:
        return bool(self.value("SELECT has_table_privilege(?, 'SELECT')", (self.name(table),)))

    def elsewhere(self) -> str:
        schemas = self.rows(
            "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relname = 'dag_run'"
        )
        return "".join(
            f"Its schema {name} has one: end the URL in ?options="
            + quote('-csearch_path="' + name.replace(" ", "\\ ") + '"', safe="")
            for (name,) in schemas[:1]
        )

    def snapshot(self) -> None:
        self.commit()
        self.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def any_text(self) -> bool:
        if self.value("SHOW server_encoding") != "SQL_ASCII":
            return False
        self.execute("SET client_encoding = 'SQL_ASCII'")
        return True

    def copy_out(
        self, select: str, types: Sequence[str], write: Write, misfit: Misfit = as_they_are
    ) -> None:
        cursor = self.connection.cursor()
        try:
            # The buffer is C, so that a row costs no call of ours.
            rows = io.BufferedWriter(_Blocks(write), BLOCK)
            cursor.copy_expert(f"COPY ({select}) TO STDOUT", rows)
            rows.flush()
        finally:
            cursor.close()

    def copy_in(
        self, table: str, columns: Sequence[str], types: Sequence[str], lines: Iterable[bytes]
    ) -> int:
        names = ", ".join(self.name(column) for column in columns)
        cursor = self.connection.cursor()
        try:
            cursor.copy_expert(
                f"COPY {self.name(table)} ({names}) FROM STDIN", _Reader(lines), 1 << 16
            )
            return int(cursor.rowcount)
        finally:
            cursor.close()

    def lock(self) -> bool:
        taken = bool(self.value("SELECT pg_try_advisory_lock(?)", (LOCK,)))
        self.commit()
        return taken
