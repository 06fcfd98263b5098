"""Whatever ends an export or an import, and wherever: started again, the result is the same."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflows import schema
from small_disk import small_disk
from transfers import (
    PASSPHRASE,
    content,
    die,
    exported,
    imported,
    killed,
    untouched,
    verified,
)

from harness.metadata import bundle, load, stores
from harness.metadata.databases import opened
from harness.metadata.ledger import Ledger
from harness.metadata.options import LoadOptions
from harness.metadata.postgresql import PostgreSQL
from harness.metadata.problems import BundleProblem, KeyProblem, MetadataError, TargetProblem
from harness.metadata.sealing import Fernet
from harness.metadata.stores import FolderStore

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("metadata-postgres")]

TARGET = "2.10.3"
SMALL = 100


@pytest.fixture(scope="module")
def bundled(
    postgres: Any,
    populated_template: str,
    airflow: Callable[[str], Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """A bundle of the populated database, in chunks of a few rows."""
    url = postgres.create("bundled", populated_template)
    place = str(tmp_path_factory.mktemp("bundled") / "bundle")
    exported(url, place, airflow("1.10.15").python, chunk_rows=SMALL)
    postgres.drop("bundled")
    return place


@pytest.fixture(scope="module")
def expected(
    postgres: Any, airflow: Callable[[str], Any], bundled: str
) -> dict[str, list[tuple[Any, ...]]]:
    """What an import that nothing disturbed leaves."""
    url = postgres.create("undisturbed", schema(airflow(TARGET), postgres))
    imported(url, bundled, TARGET)
    found = content(url)
    postgres.drop("undisturbed")
    assert sum(len(rows) for rows in found.values()) > 100
    return found


def test_an_import_is_killed_at_every_ledger_step(
    bundled: str, expected: dict[str, list[tuple[Any, ...]]], database: Callable[[str], str]
) -> None:
    url = database(TARGET)
    commit, add = PostgreSQL.commit, Ledger.add

    def once(committed: bool) -> None:
        """Die with the first entry that this run writes: before its commit, or right after it."""
        written = False

        def noted(ledger: Ledger, *arguments: Any) -> None:
            nonlocal written
            add(ledger, *arguments)
            written = True

        def fatal(database: PostgreSQL) -> None:
            if written and not committed:
                die()
            commit(database)
            if written:
                die()

        Ledger.add = noted  # type: ignore[method-assign]
        PostgreSQL.commit = fatal  # type: ignore[method-assign]
        imported(url, bundled, TARGET)

    steps = 0
    while killed(partial(once, False)):  # nothing of the step is kept
        assert _entries(url) == steps
        assert killed(partial(once, True))  # all of it is
        steps += 1
        assert _entries(url) == steps
    assert steps > 15
    assert content(url) == expected
    assert verified(url, bundled, TARGET).ok


def _entries(url: str) -> int:
    with opened(url) as there:
        if "mwaa_harness_import" not in there.catalogue():
            return 0
        return len(there.rows("SELECT 1 FROM mwaa_harness_import"))


def test_an_import_is_killed_in_the_middle_of_a_chunk(
    bundled: str, expected: dict[str, list[tuple[Any, ...]]], database: Callable[[str], str]
) -> None:
    url = database(TARGET)
    blocks = bundle.blocks

    def once(limit: int) -> None:
        seen = 0

        def fatal(*arguments: Any) -> Any:
            nonlocal seen
            for block in blocks(*arguments):
                yield block[: block.index(b"\n") + 1]
                seen += 1
                if seen > limit:
                    die()
                yield block[block.index(b"\n") + 1 :]

        load.blocks = fatal  # type: ignore[attr-defined]
        imported(url, bundled, TARGET)

    for limit in (0, 2, 4):
        assert killed(partial(once, limit))
    report = imported(url, bundled, TARGET)
    assert report.resumed
    assert content(url) == expected


def test_an_export_is_killed_at_every_file(
    old_database: str, bundled: str, airflow: Callable[[str], Any], tmp_path: Path
) -> None:
    place, python = str(tmp_path / "bundle"), airflow("1.10.15").python
    tables = ("variable", "dag_run", "task_instance", "xcom")
    finish = stores.FolderWriter.finish

    def once(limit: int) -> None:
        done = 0

        def fatal(writer: Any) -> None:
            nonlocal done
            if done == limit:
                die()
            finish(writer)
            done += 1

        stores.FolderWriter.finish = fatal  # type: ignore[method-assign]
        exported(old_database, place, python, tables=tables, chunk_rows=SMALL)

    limit = 0
    while killed(partial(once, limit)):
        with pytest.raises(BundleProblem, match="no complete bundle"):
            load.open_bundle(FolderStore(place), PASSPHRASE)
        limit += 1
    assert limit == 2 * len(tables) + 1  # a file and a listing each, and the manifest
    manifest, _ = load.open_bundle(FolderStore(place), PASSPHRASE)
    bundle.check_files(FolderStore(place), manifest, tables)
    assert not [name for name in FolderStore(place).names() if name.endswith(".part")]
    whole = bundle.read_manifest(FolderStore(bundled))
    for entry in manifest.tables:
        assert entry.rows == next(e for e in whole.tables if e.name == entry.name).rows


def test_a_lost_connection_is_said_and_made_good(
    bundled: str, expected: dict[str, list[tuple[Any, ...]]], database: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    url = database(TARGET)
    add = Ledger.add
    steps = 0

    def cut(ledger: Ledger, *arguments: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == 9:
            with opened(url) as other:
                other.rows(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        add(ledger, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "add", cut)
        with pytest.raises(MetadataError) as failure:
            imported(url, bundled, TARGET)
    assert "connection" in failure.value.message
    assert "start again" in failure.value.hint.lower()
    assert imported(url, bundled, TARGET).resumed
    assert content(url) == expected


def test_a_second_import_is_locked_out(bundled: str, database: Callable[[str], str]) -> None:
    url = database(TARGET)
    with opened(url) as first:
        assert first.lock()
        with pytest.raises(TargetProblem, match="another import"):
            imported(url, bundled, TARGET)
        assert untouched(url)
    imported(url, bundled, TARGET)


def test_two_imports_at_once_do_the_work_once(
    bundled: str, expected: dict[str, list[tuple[Any, ...]]], database: Callable[[str], str]
) -> None:
    url = database(TARGET)
    refused: list[str] = []

    def work() -> None:
        try:
            imported(url, bundled, TARGET)
        except TargetProblem as problem:
            refused.append(problem.message)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) <= 2
    assert content(url) == expected


def _damages(place: Path) -> dict[str, Callable[[], object]]:
    runs, manifest = place / "tables" / "dag_run.copy.gz", place / "manifest.json"
    return {
        "cut off": lambda: runs.write_bytes(runs.read_bytes()[:-7]),
        "not what was exported": lambda: runs.write_bytes(runs.read_bytes()[:-1] + b"!"),
        "missing": runs.unlink,
        "no complete bundle": manifest.unlink,
        "manifest.json is damaged": lambda: manifest.write_bytes(manifest.read_bytes()[:-40]),
        "signature differs": lambda: manifest.write_text(
            manifest.read_text().replace('"airflow": "1.10.13"', '"airflow": "1.10.14"')
        ),
        "format is 'mwaa-harness/metadata-bundle/9'": lambda: manifest.write_text(
            manifest.read_text().replace("metadata-bundle/1", "metadata-bundle/9")
        ),
    }


@pytest.mark.parametrize("message", list(_damages(Path())))
def test_a_damaged_bundle_is_refused_before_any_write(
    message: str, bundled: str, database: Callable[[str], str], tmp_path: Path
) -> None:
    place = tmp_path / "bundle"
    shutil.copytree(bundled, place)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    _damages(place)[message]()
    assert before != {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    url = database(TARGET)
    with pytest.raises(BundleProblem, match=message):
        imported(url, str(place), TARGET)
    assert untouched(url)


def test_files_that_the_manifest_does_not_name_lead_nowhere(bundled: str, tmp_path: Path) -> None:
    raw = json.loads((Path(bundled) / "manifest.json").read_text())
    raw["tables"][0]["file"]["name"] = "../../../etc/passwd"
    with pytest.raises(BundleProblem, match="damaged"):
        bundle.parse_manifest(json.dumps(raw).encode(), "here")


def test_wrong_keys_are_errors_before_any_write(
    old_database: str,
    bundled: str,
    database: Callable[[str], str],
    airflow: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import transfers

    place = tmp_path / "never"
    wrong = "d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3I="
    with monkeypatch.context() as patch:
        patch.setattr(transfers, "OLD_KEYS", wrong)
        with pytest.raises(KeyProblem, match="no key opens"):
            exported(old_database, str(place), airflow("1.10.15").python)
    assert not place.exists()

    url = database("2.5.1")  # whose own connections are encrypted
    with monkeypatch.context() as patch:
        patch.setattr(transfers, "FERNET_KEY", wrong)
        with pytest.raises(KeyProblem, match="not the target's Fernet key"):
            imported(url, bundled, "2.5.1")
    with monkeypatch.context() as patch:
        patch.setattr(transfers, "PASSPHRASE", b"battery horse")
        with pytest.raises(KeyProblem, match="does not open this bundle"):
            imported(url, bundled, "2.5.1")
    assert untouched(url)
    with pytest.raises(KeyProblem, match="no Fernet key"):
        Fernet("short", "key.txt")


def test_another_schema_is_refused(bundled: str, database: Callable[[str], str]) -> None:
    url = database("2.5.1")
    with pytest.raises(TargetProblem, match=r"schema of Airflow 2\.5\.0"):
        imported(url, bundled, TARGET)
    assert untouched(url)
    with pytest.raises(TargetProblem, match="not a database of Airflow"):
        imported(database(""), bundled, TARGET)
    with pytest.raises(TargetProblem, match="is no target"):
        imported(url, bundled, "1.10.15")


def test_a_full_disk_is_said_and_leaves_no_bundle(
    old_database: str,
    airflow: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = tmp_path / "bundle"
    tables = ("job", "dag_run", "task_instance")
    made = stores.FolderWriter.__init__

    def full(writer: Any, path: str) -> None:
        made(writer, path)
        if path.endswith("tables/task_instance.copy.gz"):
            with Path("/dev/full").open("wb") as kernels:  # its own full disk
                os.dup2(kernels.fileno(), writer.stream.fileno())

    with monkeypatch.context() as patch:
        patch.setattr(stores.FolderWriter, "__init__", full)
        with pytest.raises(MetadataError, match="no space left"):
            exported(old_database, str(place), airflow("1.10.15").python, tables=tables)
    assert not (place / "manifest.json").exists()
    assert not list(place.rglob("*.part"))
    exported(old_database, str(place), airflow("1.10.15").python, tables=tables)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")


@as_root
def test_an_export_to_a_disk_that_is_full_is_made_good(
    old_database: str, airflow: Callable[[str], Any]
) -> None:
    python = airflow("1.10.15").python
    with small_disk() as disk:
        place = disk.path / "bundle"
        for free in (4096, 65536):
            disk.leave(free)
            with pytest.raises(MetadataError, match="no space left") as failure:
                exported(old_database, str(place), python)
            assert str(disk.path) in failure.value.message
            assert not (place / "manifest.json").exists()
            assert not list(place.rglob("*.part"))
        disk.leave(64 << 20)
        manifest = exported(old_database, str(place), python)
        bundle.check_files(FolderStore(str(place)), manifest, [t.name for t in manifest.tables])


@as_root
def test_an_import_into_a_server_whose_disk_is_full_goes_on_later(
    bundled: str,
    expected: dict[str, list[tuple[Any, ...]]],
    postgres: Any,
    airflow: Callable[[str], Any],
) -> None:
    template = schema(airflow(TARGET), postgres)
    with small_disk() as disk:
        shutil.chown(disk.path, "nobody")  # who the server is
        postgres.execute(f"CREATE TABLESPACE small LOCATION '{disk.path}'")
        try:
            url = postgres.create("on_a_small_disk", template, "TABLESPACE small")
            failures = []
            for free in range(0, 1 << 20, 1 << 16):
                disk.leave(free)
                try:
                    report = imported(url, bundled, TARGET)
                    break
                except MetadataError as failure:
                    failures.append(failure.message)
            assert failures
            assert all("the database server's disk is full" in message for message in failures)
            assert report.resumed
            assert content(url) == expected
            assert verified(url, bundled, TARGET).ok
        finally:
            postgres.drop("on_a_small_disk")
            postgres.execute("DROP TABLESPACE small")


def test_verify_says_what_differs(bundled: str, database: Callable[[str], str]) -> None:
    url = database(TARGET)
    with pytest.raises(TargetProblem, match="was not imported here"):
        verified(url, bundled, TARGET)
    imported(url, bundled, TARGET)
    assert verified(url, bundled, TARGET).ok
    with opened(url) as there:
        there.execute("UPDATE task_instance SET state = 'failed' WHERE state = 'success'")
        changed = there.value("SELECT count(*) FROM task_instance WHERE state = 'failed'")
        there.execute("DELETE FROM log WHERE id = (SELECT max(id) FROM log)")
        there.execute("UPDATE variable SET val = 'x', is_encrypted = false WHERE key = "
                      "(SELECT min(key) FROM variable)")  # fmt: skip
        there.commit()
    report = verified(url, bundled, TARGET)
    tables = {table.name: table for table in report.tables}
    assert not report.ok
    assert 0 < tables["task_instance"].different <= changed
    assert tables["task_instance"].differences[0].columns == ("state",)
    assert (tables["log"].missing, tables["log"].different) == (1, 0)
    assert tables["variable"].different == 1
    assert "val" in tables["variable"].differences[0].columns
    assert all(t.ok for t in report.tables if t.name not in ("task_instance", "log", "variable"))


def test_dry_runs_write_nothing(
    old_database: str, bundled: str, database: Callable[[str], str],
    airflow: Callable[[str], Any], tmp_path: Path,
) -> None:  # fmt: skip
    manifest = exported(old_database, str(tmp_path / "b"), airflow("1.10.15").python, dry_run=True)
    assert not (tmp_path / "b").exists()
    whole = bundle.read_manifest(FolderStore(bundled))
    assert {e.name: (e.rows, dict(e.listed)) for e in manifest.tables} == {
        e.name: (e.rows, dict(e.listed)) for e in whole.tables
    }
    url = database(TARGET)
    report = imported(url, bundled, TARGET, dry_run=True)
    assert [table.written for table in report.tables] == [0] * len(report.tables)
    assert untouched(url)
    assert LoadOptions(target=TARGET).policy == "fail"
