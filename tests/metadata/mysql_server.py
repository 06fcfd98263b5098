"""A real MySQL for the tests: the system's ``mariadbd``, thrown away with everything in it.

It listens on a socket in a private folder and on nothing else, so it asks for no password.
Debian has it as ``mariadb-server-core``; MySQL's own ``mysqld`` starts in another way.
"""

import contextlib
import functools
import getpass
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pymysql
from filelock import FileLock

from harness.cache import cache_folder
from harness.launch import die_with_parent

SYSTEM_TABLES = Path("/usr/share/mysql/mysql_system_tables.sql")
START_SECONDS = 60.0

# The last PyMySQL that the bridge's Python 3.7 can read.
DRIVER = "pymysql==1.1.1"


def program() -> str | None:
    """The server's program, if there is one that can be started here."""
    return (shutil.which("mariadbd", path=os.environ["PATH"] + ":/usr/sbin")
            if SYSTEM_TABLES.exists() else None)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MySQLServer:
    """A running server; databases are made at will."""

    socket: Path

    def execute(self, statement: str, database: str | None = None) -> None:
        """One statement, committed."""
        with pymysql.connect(
            unix_socket=str(self.socket), user="root", database=database, autocommit=True
        ) as connection:
            connection.cursor().execute(statement)

    def create(self, name: str) -> str:
        """A new database; its URL, as Airflow and we understand it."""
        self.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        place = quote(str(self.socket), safe="")
        return f"mysql+pymysql://root@localhost/{name}?unix_socket={place}&charset=utf8mb4"


@contextlib.contextmanager
def running_mysql() -> Iterator[MySQLServer]:
    """A server of its own; gone at the end, with its data."""
    folder = Path(tempfile.mkdtemp(prefix="mwaa-harness-mysql-"))
    process = None
    try:
        (folder / "data" / "mysql").mkdir(parents=True)
        command = (
            str(program()), "--no-defaults", f"--user={getpass.getuser()}",
            f"--datadir={folder / 'data'}", "--skip-grant-tables",
        )  # fmt: skip
        tables = "USE mysql;\n" + SYSTEM_TABLES.read_text(encoding="utf-8")
        done = subprocess.run(
            [*command, "--bootstrap"], input=tables, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"mariadbd exited with {done.returncode}:\n{done.stderr}")
        server = MySQLServer(socket=folder / "socket")
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [*command, "--skip-networking", f"--socket={server.socket}",
                 "--innodb-flush-log-at-trx-commit=0"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=functools.partial(die_with_parent, os.getpid(), signal.SIGTERM),
            )  # fmt: skip
        _wait(server, process, folder / "log")
        yield server
    finally:
        if process is not None:
            process.kill()
            process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: MySQLServer, process: subprocess.Popen[bytes], log: Path) -> None:
    # The server makes the socket when it listens on it.
    deadline = time.monotonic() + START_SECONDS
    while not server.socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"mariadbd does not answer:\n{log.read_text()}")
        time.sleep(0.05)


def bridge_driver() -> Path:
    """A folder with the driver that the bridge's Airflow reaches MySQL with."""
    folder = cache_folder("test-databases") / DRIVER.replace("==", "-")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            half = folder.with_name(f"{folder.name}.{os.getpid()}")
            command = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps")
            subprocess.run([*command, "--target", str(half), DRIVER], check=True)
            half.rename(folder)
    return folder
