"""What the engine asks of a database: rows as streams of COPY text, out and in.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Mapping, Sequence, Tuple

from harness.metadata.problems import MetadataError

LOCK = 0x6D776161
"""The number of the advisory lock that two imports into one database compete for."""

Write = Callable[[bytes], Any]
"""Takes a block of whole lines of COPY text."""

Misfit = Callable[[List[bytes], Mapping[int, str]], bytes]
"""A row's fields and, for those that are not of their column's type (they are there as text), what
is wrong by their position; gives the line that stands for the row, or b""."""


def as_they_are(values: List[bytes], wrong: Mapping[int, str]) -> bytes:
    """A row in which a value may be of any type."""
    return b"\t".join(values) + b"\n"


def sql_list(names: Iterable[str]) -> str:
    """SQL for a choice of names, none of which has a quote."""
    return "(" + ", ".join(f"'{name}'" for name in names) + ")"


def columns_by_table(pairs: Iterable[Tuple[str, str]]) -> Dict[str, Tuple[str, ...]]:
    """Table → its columns, out of pairs of the two."""
    found: Dict[str, Tuple[str, ...]] = {}
    for table, column in pairs:
        found[table] = (*found.get(table, ()), column)
    return found


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
        return self.typed(f"t.{self.name(name)}", type_)

    def typed(self, sql: str, type_: str) -> str:
        """SQL for a value of that type."""
        return sql

    def readable(self, table: str) -> bool:
        """Whether this user may read a table that is none of Airflow's."""
        return True

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

    def views(self, names: Iterable[str]) -> Dict[str, Tuple[str, ...]]:
        """What of these names is read like a table and shows rows kept elsewhere → its columns."""
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

    def copy_out(
        self, select: str, types: Sequence[str], write: Write, misfit: Misfit = as_they_are
    ) -> None:
        """Give the rows of ``select`` to ``write`` as blocks of whole lines of COPY text.

        Where a database takes values that are not of their column's type, ``misfit`` is asked
        about each row that has some.
        """
        raise NotImplementedError

    def copy_in(
        self, table: str, columns: Sequence[str], types: Sequence[str], lines: Iterable[bytes]
    ) -> int:
        """Insert lines (or blocks of whole lines) of COPY text; how many rows came in."""
        raise NotImplementedError

    def lock(self) -> bool:
        """Keep other imports out until the connection ends; False = one is at work."""
        raise NotImplementedError

    def revision(self) -> str:
        """The schema's alembic revision, "" when it has none."""
        if "alembic_version" not in self.catalogue():
            return ""
        return ",".join(sorted(row[0] for row in self.rows("SELECT * FROM alembic_version")))
