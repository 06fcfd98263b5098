"""Exports and imports for the tests, with the keys of the tests' databases."""

import gzip
import json
import os
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import population

from harness.metadata.bundle import Manifest
from harness.metadata.databases import connect, opened
from harness.metadata.export import export
from harness.metadata.load import LoadReport, load
from harness.metadata.options import ExportOptions, LoadOptions
from harness.metadata.sealing import Fernet, new_seal
from harness.metadata.stores import store_of
from harness.metadata.tables import TABLES
from harness.metadata.values import Decoder
from harness.metadata.verify import VerifyReport, verify
from harness.runtimes.surroundings import FERNET_KEY

# The template's own connections were encrypted before the key was rotated.
OLD_KEYS = f"{population.FERNET_KEY},{FERNET_KEY}"
PASSPHRASE = b"correct horse battery staple"
SCRIPT = str(Path(population.__file__).parents[2] / "harness" / "probes" / "decode.py")


def exported(url: str, place: str, python: Path, **options: Any) -> Manifest:
    """A bundle of the database at ``place``."""
    fernet, seal = Fernet(OLD_KEYS, "the tests' old key"), new_seal(PASSPHRASE)
    with opened(url) as database, closing(Decoder(str(python), SCRIPT)) as decoder:
        return export(database, store_of(place), ExportOptions(**options), fernet, seal, decoder)


def imported(url: str, place: str, version: str, **options: Any) -> LoadReport:
    """The bundle in the database."""
    with opened(url) as database:
        return load(
            database,
            store_of(place),
            LoadOptions(target=version, **options),
            Fernet(FERNET_KEY, "the target's key"),
            PASSPHRASE,
        )


def verified(url: str, place: str, version: str, **options: Any) -> VerifyReport:
    """What verify says."""
    with opened(url) as database:
        return verify(
            database,
            store_of(place),
            LoadOptions(target=version, **options),
            Fernet(FERNET_KEY, "the target's key"),
            PASSPHRASE,
        )


def listed(place: str | Path, table: str) -> list[dict[str, Any]]:
    """The rows and values of a table that a bundle lists."""
    with gzip.open(Path(place) / "listed" / f"{table}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def content(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every carried table's rows, sorted; secrets, which are never the same twice, opened."""
    fernet = Fernet(FERNET_KEY, "the target's key")
    found = {}
    with opened(url) as database:
        catalogue = database.catalogue()
        for table in TABLES:
            if not table.carried:
                continue
            names = catalogue[table.name]
            rows = []
            for values in database.rows(f"SELECT * FROM {table.name}"):
                row = dict(zip(names, values, strict=True))
                for name in table.secret:
                    if isinstance(row[name], str) and row[name].startswith("gAAAA"):
                        row[name] = fernet.decrypt(row[name].encode())
                rows.append(tuple(_text(row[name]) for name in names))
            found[table.name] = sorted(rows)
    return found


def _text(value: Any) -> str:
    return str(bytes(value) if isinstance(value, memoryview) else value)


def untouched(url: str) -> bool:
    """Whether an import has left nothing at all in a fresh database."""
    database = connect(url)
    with closing(database):
        return "mwaa_harness_import" not in database.catalogue() and not database.rows(
            "SELECT 1 FROM dag_run UNION ALL SELECT 1 FROM variable UNION ALL SELECT 1 FROM job"
        )


def killed(work: Callable[[], object]) -> bool:
    """Do ``work`` in a process of its own; whether that was killed by SIGKILL.

    Anything else that ends it early fails the test.
    """
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def die() -> None:
    """End this process here and now."""
    os.kill(os.getpid(), signal.SIGKILL)
