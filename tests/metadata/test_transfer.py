"""Export → import → verify, between real databases of real Airflows."""

from collections.abc import Callable
from pathlib import Path

import population
import pytest

from harness.carry import Place, run_export, run_import, run_verify
from harness.metadata.databases import opened
from harness.metadata.options import ExportOptions, LoadOptions
from harness.runtimes.surroundings import FERNET_KEY

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("metadata-postgres")]

TARGETS = ("2.5.1", "2.10.3", "2.11.0")
# The template's own connections were encrypted before the key was rotated.
OLD_KEYS = f"{population.FERNET_KEY},{FERNET_KEY}"
TARGET_KEY = FERNET_KEY


@pytest.fixture
def keys(tmp_path: Path) -> Callable[[str], Path]:
    """A secret → a file that holds it."""

    def write(secret: str) -> Path:
        path = tmp_path / f"key-{abs(hash(secret))}"
        path.write_text(secret + "\n")
        return path

    return write


@pytest.mark.parametrize("version", TARGETS)
def test_a_real_history_survives(
    version: str,
    old_database: str,
    database: Callable[[str], str],
    airflow: Callable[[str], object],
    keys: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    bundle = str(tmp_path / "bundle")
    source = Place(
        url=old_database,
        bundle=bundle,
        fernet_key_file=keys(OLD_KEYS),
        passphrase_file=keys("passphrase"),
    )
    manifest = run_export(source, ExportOptions(), airflow("1.10.15").python)  # type: ignore[attr-defined]
    for entry in manifest.tables:
        listed = sum(entry.listed.values())
        assert entry.source_rows == entry.rows + listed + entry.left_out, entry.name

    target = Place(
        url=database(version),
        bundle=bundle,
        fernet_key_file=keys(TARGET_KEY),
        passphrase_file=keys("passphrase"),
    )
    report = run_import(target, LoadOptions(target=version))
    for loaded in report.tables:
        assert loaded.rows == loaded.written + loaded.same + loaded.refused, loaded.name
    with opened(target.url) as there:
        for loaded in report.tables:
            count = there.value(f"SELECT count(*) FROM {loaded.name}")
            assert count >= loaded.written, loaded.name

    verified, _ = run_verify(target, LoadOptions(target=version))
    assert [table for table in verified.tables if not table.ok] == []
    again = run_import(target, LoadOptions(target=version))
    assert again.already
    assert again.tables == report.tables
