"""The three databases that Airflow 1.10 runs on, as streams of COPY text.

PostgreSQL does the work itself (COPY); for SQLite and MySQL the rows go through their drivers and
are written as PostgreSQL would have.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import io
import os
import re
import sqlite3
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterable, Iterator, List, Sequence, Tuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from harness.errors import UsageError
from harness.metadata.copytext import BLOCK, ENCODERS, NULL, driver_value, fields, lines_of
from harness.metadata.problems import MetadataError, database_errors

LOCK = 0x6D776161
"""The number of the advisory lock that two imports into one database compete for."""

BATCH = 2000


class Database:
    """An open connection. What differs between the databases is in the subclasses."""

    dialect = ""
    quote = '"'
    placeholder = "%s"

    def __init__(self, connection: Any, where: str) -> None:
        self.connection = connection
        self.where = where

    def name(self, identifier: str) -> str:
        """A table's or a column's name, quoted."""
        return f"{self.quote}{identifier}{self.quote}"

    def column(self, name: str, type_: str) -> str:
        """SQL for a column of the table ``t``, as exactly as the database has it."""
        return f"t.{self.name(name)}"

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> List[Tuple[Any, ...]]:
        """All rows of a query whose answer is small."""
        cursor = self.connection.cursor()
        try:
            self._run(cursor, sql, parameters)
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            cursor.close()

    def _run(self, cursor: Any, sql: str, parameters: Sequence[Any]) -> None:
        if parameters:
            cursor.execute(sql.replace("?", self.placeholder), parameters)
        else:
            cursor.execute(sql)  # in which no % is a placeholder

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The only value of a query."""
        return self.rows(sql, parameters)[0][0]

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; how many rows it touched."""
        cursor = self.connection.cursor()
        try:
            self._run(cursor, sql, parameters)
            return int(cursor.rowcount)
        finally:
            cursor.close()

    def begin(self) -> None:
        """Begin a transaction that writes, where the driver does not do so itself."""

    def commit(self) -> None:
        """End the transaction."""
        self.connection.commit()

    def rollback(self) -> None:
        """Give the transaction up; a connection that is gone has done so itself."""
        try:
            self.connection.rollback()
        except Exception as error:
            if isinstance(error, MetadataError):
                raise

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        try:
            self.connection.close()
        except Exception as error:
            if isinstance(error, MetadataError):
                raise

    def catalogue(self) -> Dict[str, Tuple[str, ...]]:
        """Table → its columns, in their order."""
        raise NotImplementedError

    def elsewhere(self) -> str:
        """A hint at where Airflow's tables are, if they are in this database but out of sight."""
        return ""

    def snapshot(self) -> None:
        """Begin a read-only transaction that sees one state of the database to its end."""
        raise NotImplementedError

    def any_text(self) -> bool:
        """Whether its texts may hold NUL or no UTF-8; from now on they come as they are."""
        return True

    def copy_out(self, select: str, types: Sequence[str], write: Callable[[bytes], Any]) -> None:
        """Give the rows of ``select`` to ``write`` as blocks of whole lines of COPY text."""
        raise NotImplementedError

    def copy_in(
        self, table: str, columns: Sequence[str], types: Sequence[str], lines: Iterable[bytes]
    ) -> int:
        """Insert lines (or blocks of whole lines) of COPY text; how many rows came in."""
        raise NotImplementedError

    def lock(self) -> bool:
        """Keep other imports out until the connection ends; False = one is at work."""
        raise NotImplementedError

    def set_sequence(self, table: str, column: str) -> None:
        """Let the table's own ids go on after those that are there."""

    def revision(self) -> str:
        """The schema's alembic revision, "" when it has none."""
        if "alembic_version" not in self.catalogue():
            return ""
        return ",".join(sorted(row[0] for row in self.rows("SELECT * FROM alembic_version")))


class _Reader:
    """Lines or blocks as the file that COPY … FROM STDIN reads from."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.lines = iter(lines)
        self.rest = b""

    def read(self, size: int = 65536) -> bytes:
        parts = [self.rest]
        length = len(self.rest)
        while length < size:
            line = next(self.lines, None)
            if line is None:
                break
            parts.append(line)
            length += len(line)
        block = b"".join(parts)
        self.rest = block[size:]
        return block[:size]

    def readline(self, size: int = 65536) -> bytes:  # the driver wants it to be there
        return self.read(size)


class _Blocks(io.RawIOBase):
    """What is under the buffer that COPY … TO STDOUT writes to, row by row: it gives the buffer's
    content on, cut behind the last whole line."""

    def __init__(self, give: Callable[[bytes], Any]) -> None:
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
            "SET idle_in_transaction_session_timeout = 0",
        ):
            self.execute(setting)
        self.commit()

    def catalogue(self) -> Dict[str, Tuple[str, ...]]:
        found: Dict[str, Tuple[str, ...]] = {}
        for table, column in self.rows(
            "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped"
            " AND pg_table_is_visible(c.oid) AND c.relnamespace <> 'pg_catalog'::regnamespace"
            " ORDER BY c.relname, a.attnum"
        ):
            found[table] = (*found.get(table, ()), column)
        return found

    def elsewhere(self) -> str:
        schemas = self.rows(
            "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relname = 'dag_run' AND c.relkind = 'r'"
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

    def copy_out(self, select: str, types: Sequence[str], write: Callable[[bytes], Any]) -> None:
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

    def set_sequence(self, table: str, column: str) -> None:
        sequence = self.value("SELECT pg_get_serial_sequence(?, ?)", (table, column))
        if sequence:
            self.rows(
                f"SELECT setval('{sequence}', greatest((SELECT coalesce(max({self.name(column)}),"
                f" 1) FROM {self.name(table)}), (SELECT last_value FROM {sequence})))"
            )


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


def connect(url: str) -> Database:
    """Open the database that a SQLAlchemy URL names.

    Raises UsageError for a URL that cannot be one, MetadataError when nobody answers. Passwords
    of the URL are in no message.
    """
    parts = urlsplit(url)
    scheme, _, _ = parts.scheme.partition("+")
    if scheme in ("postgresql", "postgres", "mysql") and not _whole(parts):
        raise UsageError(
            f"{hide_password(url)!r} cannot be read as the URL of a database.",
            hint="In a user or password write # as %23, / as %2F, ? as %3F, @ as %40, : as %3A and "
            "% as %25.",
        )
    if scheme in ("postgresql", "postgres"):
        return _postgresql(parts, url)
    if scheme == "sqlite":
        return _sqlite(url)
    if scheme == "mysql":
        return _mysql(parts)
    raise UsageError(
        f"{hide_password(url)!r} is not the URL of a database that metadata is kept in.",
        hint="postgresql://user@host:5432/airflow, sqlite:////folder/airflow.db or "
        "mysql://user@host:3306/airflow",
    )


def _whole(parts: Any) -> bool:
    """Whether no character of a password has ended the place of the server too early."""
    try:
        return not parts.fragment and (parts.port or 0) >= 0
    except ValueError:
        return False


_PASSWORD, _HIDDEN = re.compile("((?:^|[?&])[a-z_]*password=)[^&]*", re.IGNORECASE), r"\1***"


def hide_password(url: str) -> str:
    """The URL without the password that it may hold, even where it is written wrongly."""
    scheme, _, rest = url.partition("://")
    head, at, tail = rest.rpartition("@")
    user, colon, _ = head.partition(":")
    shown = f"{user}:***@{tail}" if at and colon else rest
    return f"{scheme}://{_PASSWORD.sub(_HIDDEN, shown)}"


def _postgresql(parts: Any, url: str) -> Database:
    try:
        import psycopg2
    except ImportError:
        raise MetadataError(
            "psycopg2, the PostgreSQL driver, is not installed.",
            hint="python -m pip install psycopg2-binary",
        ) from None
    arguments = {
        "host": parts.hostname,
        "port": parts.port,
        "user": parts.username and unquote(parts.username),
        "password": parts.password and unquote(parts.password),
        "dbname": unquote(parts.path.lstrip("/")) or None,
        **dict(parse_qsl(parts.query)),
    }
    # A peer that is gone is noticed in minutes, not in hours.
    keep = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10}
    given = {key: value for key, value in {**keep, **arguments}.items() if value is not None}
    given.setdefault("connect_timeout", 30)
    given.setdefault("application_name", "mwaa-harness")
    with database_errors(hide_password(url)):
        return PostgreSQL(psycopg2.connect(**given), hide_password(url))


def _sqlite(url: str) -> Database:
    path = url.partition("://")[2].partition("?")[0]
    path = unquote(path[1:]) if path.startswith("/") else path
    if not path or not os.path.isfile(path):
        raise UsageError(
            f"{path or url}: there is no such SQLite database.",
            hint="A URL with an absolute path has four slashes: sqlite:////folder/airflow.db",
        )
    with database_errors(path):
        connection = sqlite3.connect(path, timeout=30, check_same_thread=False)
        return SQLite(connection, path)


# What of a URL's query the driver is told; the rest (`charset`) is Airflow's own business.
TLS = ("ssl_ca", "ssl_cert", "ssl_key")


def _mysql(parts: Any) -> Database:
    try:
        import pymysql
    except ImportError:
        raise MetadataError(
            "PyMySQL, the MySQL driver, is not installed.",
            hint="python -m pip install pymysql",
        ) from None
    where = hide_password(parts.geturl())
    query = dict(parse_qsl(parts.query))
    known = {name: query[name] for name in ("unix_socket", *TLS) if name in query}
    with database_errors(where):
        connection = pymysql.connect(
            host=parts.hostname or "localhost",
            port=parts.port or 3306,
            user=unquote(parts.username or "") or None,
            password=unquote(parts.password or ""),
            database=unquote(parts.path.lstrip("/")),
            charset="utf8mb4",
            connect_timeout=30,
            **known,
        )
        return MySQL(connection, where)


def adopt(dialect: str, connection: Any, where: str) -> Database:
    """A connection that Airflow itself has opened."""
    kinds = {"postgresql": PostgreSQL, "sqlite": SQLite, "mysql": MySQL}
    return kinds[dialect](connection, where)


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """``connect`` as a context that closes."""
    database = connect(url)
    try:
        yield database
    finally:
        database.close()
