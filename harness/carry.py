"""The commands of ``metadata``: the engine of ``harness.metadata`` with what this machine has.

The engine knows neither runtimes nor files with keys, so that it can travel into a DAG; here the
bridge's Python is found, keys are read, and progress is shown.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.launch import launched
from harness.metadata.bundle import Manifest
from harness.metadata.databases import opened
from harness.metadata.export import export, no_steps
from harness.metadata.load import LoadReport, load, open_bundle
from harness.metadata.options import ExportOptions, LoadOptions
from harness.metadata.sealing import Fernet, new_seal, read_secret
from harness.metadata.stores import store_of
from harness.metadata.values import Decoder
from harness.metadata.verify import VerifyReport, verify
from harness.scratch import scratch

if TYPE_CHECKING:
    from harness.metadata.readable import Readable
    from harness.model import Target
    from harness.runtimes.environments import Environment

DECODE = Path(__file__).parent / "probes" / "decode.py"
OnStep = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Place:
    """One end of a transfer: a database's URL (or ``env:NAME``), a bundle, keys in files."""

    url: str
    bundle: str
    fernet_key_file: Path | None = None
    passphrase_file: Path | None = None
    kms_key: str = ""


def database_url(text: str) -> str:
    """The URL itself, or what an environment variable holds (``env:NAME`` keeps it out of ``ps``).

    Raises UsageError for a variable that is not set.
    """
    if not text.startswith("env:"):
        return text
    name = text.removeprefix("env:")
    if name not in os.environ:
        raise UsageError(f"{text}: the environment variable {name} is not set.")
    return os.environ[name]


def fernet_of(place: Place, whose: str) -> Fernet:
    """The Fernet of a place; without a file nothing is decrypted or encrypted."""
    if place.fernet_key_file is None:
        return Fernet("", f"{whose} without --fernet-key-file")
    path = str(place.fernet_key_file)
    keys = read_secret(path, "the Fernet key").decode("utf-8", "replace")
    return Fernet(keys, path)


def passphrase_of(place: Place) -> bytes | None:
    """The passphrase, if one was given. Raises UsageError for an empty one."""
    if place.passphrase_file is None:
        return None
    passphrase = read_secret(str(place.passphrase_file), "the passphrase")
    if not passphrase:
        raise UsageError(f"{place.passphrase_file}: the passphrase is empty.")
    return passphrase


@contextmanager
def decoder_of(python: Path | None, sys_path: Sequence[str] = ()) -> Iterator[Decoder]:
    """What reads pickled values: ``python``, or that of the embedded bridge.

    The process has no network and cannot outlive this one. It starts with the first value.
    """
    decoder = _Lazy(python, sys_path)
    try:
        yield decoder
    finally:
        decoder.close()


class _Lazy(Decoder):
    """Finds the bridge's Python when the first value asks for it: making one takes minutes."""

    def __init__(self, python: Path | None, sys_path: Sequence[str]) -> None:
        super().__init__(
            str(python or ""),
            str(DECODE),
            sys_path,
            lambda command: launched(tuple(command), no_network=True),
        )

    def _start(self) -> None:
        if not self.python:
            from harness.targets import default_bridge

            self.python = str(_environment(default_bridge()).python)
        super()._start()


def _known(version: str) -> Target:
    """The target of that version. Raises UnknownTarget."""
    from harness.targets import get_target  # which an export does not need, and loads slowly

    return get_target(version)


def _environment(target: Target) -> Environment:
    """The embedded runtime's environment of an Airflow, made when it is not in the cache."""
    from harness.model import Config, Side
    from harness.runtimes.venv import VenvRuntime

    runtime = VenvRuntime()
    side = Side.BRIDGE if target.role == "bridge" else Side.TARGET
    return runtime.environment(target, side, runtime.constraints(target, Config()))


def run_export(
    place: Place,
    options: ExportOptions,
    bridge_python: Path | None = None,
    on_step: OnStep = no_steps,
) -> Manifest:
    """Export the place's database into its bundle; see ``harness.metadata.export``."""
    fernet = fernet_of(place, "the source")
    passphrase = passphrase_of(place)
    store = store_of(place.bundle, place.kms_key)
    with opened(database_url(place.url)) as database, decoder_of(bridge_python) as decoder:
        seal = new_seal(passphrase) if passphrase else None
        return export(database, store, options, fernet, seal, decoder, on_step)


def run_import(place: Place, options: LoadOptions, on_step: OnStep = no_steps) -> LoadReport:
    """Import the place's bundle into its database; see ``harness.metadata.load``."""
    _known(options.target)
    fernet = fernet_of(place, "the target")
    passphrase = passphrase_of(place)
    store = store_of(place.bundle)
    with opened(database_url(place.url)) as database:
        return load(database, store, options, fernet, passphrase, on_step)


def run_verify(
    place: Place, options: LoadOptions, on_step: OnStep = no_steps, *, values: bool = False
) -> tuple[VerifyReport, Readable | None]:
    """Compare the place's database with its bundle; see ``harness.metadata.verify``.

    With ``values`` the target's own Airflow reads every value meanwhile, and it is held against the
    bundle; see ``harness.metadata.readable``.
    """
    _known(options.target)
    fernet = fernet_of(place, "the target")
    passphrase = passphrase_of(place)
    store = store_of(place.bundle)
    reading: list[Future[Readable]] = []

    with ThreadPoolExecutor(1) as aside, opened(database_url(place.url)) as database:

        def step(table: str, done: int, total: int) -> None:
            # With the first table everything has been checked that may be wrong.
            if values and not reading:
                reading.append(aside.submit(_read_back, place, options))
            on_step(table, done, total)

        report = verify(database, store, options, fernet, passphrase, step)
        return report, reading[0].result() if reading else None


def _read_back(place: Place, options: LoadOptions) -> Readable:
    """What the target's Airflow makes of the place's database.

    Its environment is the embedded runtime's, made when it is not in the cache.
    """
    from harness.metadata.inside import inside
    from harness.metadata.readable import read_back

    target = _known(options.target)
    store = store_of(place.bundle)
    manifest, seal = open_bundle(store, passphrase_of(place))
    key = b""
    if place.fernet_key_file is not None:
        key = read_secret(str(place.fernet_key_file), "the Fernet key")
    environment = _environment(target)
    with scratch("readback") as folder:
        return read_back(
            store,
            manifest,
            seal,
            inside(environment, target, folder),
            database_url(place.url),
            target=options.target,
            fernet_key=key.decode("utf-8", "replace"),
            tables=options.tables,
        )


@contextmanager
def steps() -> Iterator[OnStep]:
    """A callback that draws a bar a table on stderr; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield no_steps
        return
    from rich.console import Console
    from rich.progress import Progress, TaskID

    drawn: dict[str, TaskID] = {}
    with Progress(console=Console(stderr=True), transient=True) as bars:

        def draw(table: str, done: int, total: int) -> None:
            if table not in drawn:
                drawn[table] = bars.add_task(table, total=total or 1)
            bars.update(drawn[table], completed=done if total else 1)

        yield draw
