"""From a URL to a database that is open, whichever of the three that Airflow 1.10 runs on it is.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import contextmanager
from typing import Any, Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

from harness.errors import UsageError
from harness.metadata.database import Database
from harness.metadata.drivers import MySQL, SQLite
from harness.metadata.postgresql import PostgreSQL
from harness.metadata.problems import MetadataError, database_errors


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
    scheme, mark, rest = url.partition("://")
    head, at, tail = rest.rpartition("@")
    user, colon, _ = head.partition(":")
    shown = f"{user}:***@{tail}" if at and colon else rest
    return f"{scheme}{mark}{_PASSWORD.sub(_HIDDEN, shown)}"


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


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """``connect`` as a context that closes."""
    database = connect(url)
    try:
        yield database
    finally:
        database.close()
