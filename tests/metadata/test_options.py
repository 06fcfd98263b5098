"""What an export and an import may be told, on a real history, and older sources."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflows import BRIDGE, Airflow, must
from transfers import OLD_KEYS, exported, imported, listed, untouched, verified

from harness.metadata import export as exporting
from harness.metadata.bundle import Manifest
from harness.metadata.databases import opened
from harness.metadata.problems import KeyProblem, MetadataError, TargetProblem
from harness.metadata.schema import Table
from harness.metadata.sealing import Fernet
from harness.metadata.tables import TABLES
from harness.runtimes.surroundings import FERNET_KEY

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("metadata-postgres")]

TARGET = "2.10.3"

# An older schema out of a newer one, by Airflow's own migrations.
DOWNGRADE = """
import os, sys
import airflow
from airflow import settings
from alembic import command
from alembic.config import Config
folder = os.path.dirname(airflow.__file__)
config = Config(os.path.join(folder, "alembic.ini"))
config.set_main_option("script_location", os.path.join(folder, "migrations"))
config.set_main_option("sqlalchemy.url", settings.SQL_ALCHEMY_CONN)
command.downgrade(config, sys.argv[1])
"""


def rows(manifest: Manifest) -> dict[str, int]:
    return {entry.name: entry.rows for entry in manifest.tables}


def test_since_leaves_older_history_out(
    old_database: str, airflow: Callable[[str], Airflow], database: Callable[[str], str],
    tmp_path: Path,
) -> None:  # fmt: skip
    place, since = str(tmp_path / "bundle"), "2021-05-02T02:00:00+02:00"
    manifest = exported(old_database, place, airflow(BRIDGE).python, since=since)
    with opened(old_database) as there:
        for table in TABLES:
            entry = manifest.table(table.name)
            if not table.when or entry is None:
                continue
            older = there.value(
                f"SELECT count(*) FROM {table.name} WHERE {table.when} < '2021-05-02 00:00:00+00'"
            )
            assert entry.left_out == older
            assert entry.source_rows == entry.rows + sum(entry.listed.values()) + older
    left_out = {entry.name: entry.left_out for entry in manifest.tables}
    assert min(left_out[name] for name in ("dag_run", "task_instance", "xcom", "sla_miss")) > 0
    # What is carried points to nothing that is not.
    url = database(TARGET)
    imported(url, place, TARGET)
    assert verified(url, place, TARGET).ok


def test_tables_are_carried_alone_or_with_what_they_need(
    old_database: str, airflow: Callable[[str], Airflow], database: Callable[[str], str],
    tmp_path: Path,
) -> None:  # fmt: skip
    place, python = str(tmp_path / "bundle"), airflow(BRIDGE).python
    exported(old_database, place, python)
    url = database(TARGET)
    with pytest.raises(TargetProblem, match=r"xcom needs task_instance"):
        imported(url, place, TARGET, tables=("xcom",))
    assert untouched(url)
    for tables in (("variable", "slot_pool"), ("dag_run", "job"), ("task_instance", "xcom")):
        report = imported(url, place, TARGET, tables=tables)
        assert {table.name for table in report.tables} == set(tables)
        assert verified(url, place, TARGET, tables=tables).ok


def test_secrets_that_no_key_opens_are_listed_when_that_is_asked_for(
    old_database: str, airflow: Callable[[str], Airflow], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    place, python = tmp_path / "bundle", airflow(BRIDGE).python
    monkeypatch.setattr("transfers.OLD_KEYS", OLD_KEYS.partition(",")[0])
    lost = Fernet(FERNET_KEY, "a key that was lost").encrypt(b"nobody knows").decode("ascii")
    with opened(old_database) as there:
        change = "UPDATE connection SET password = ? WHERE conn_id = 'sealed'"
        assert there.execute(change, (lost,)) == 1
        there.commit()
    with pytest.raises(KeyProblem, match=r"opens 1 of \d+ encrypted values: connection sealed"):
        exported(old_database, str(place), python, tables=("connection",))
    assert not place.exists()
    options = {"tables": ("connection",), "list_undecryptable": True}
    (entry,) = exported(old_database, str(place), python, **options).tables
    assert entry.listed["undecryptable"] == 1
    assert entry.source_rows == entry.rows + sum(entry.listed.values())
    reasons = {row["key"]["conn_id"]: row["reason"] for row in listed(place, "connection")}
    assert reasons["sealed"] == "undecryptable"


@pytest.mark.parametrize(
    ("revision", "version"),
    [("da3f683c3a5a", "1.10.12"), ("7939bcff74ba", ""), ("9635ae0956e7", ""), ("cc1e65623dc7", "")],
)
def test_older_sources_are_carried(
    revision: str, version: str, old_database: str, airflow: Callable[[str], Airflow],
    database: Callable[[str], str], tmp_path: Path,
) -> None:  # fmt: skip
    bridge, place = airflow(BRIDGE), str(tmp_path / "bundle")
    script = tmp_path / "downgrade.py"
    script.write_text(DOWNGRADE)
    with opened(old_database) as there:  # what older ones have no room for
        there.execute("UPDATE connection SET password = NULL WHERE length(password) > 400")
        there.commit()
    must(bridge.script(script, revision, url=old_database))
    if revision in ("9635ae0956e7", "cc1e65623dc7"):  # before pools had to have a name
        with opened(old_database) as there:
            assert there.execute("UPDATE task_instance SET pool = NULL") > 100
            there.commit()
    manifest = exported(old_database, place, bridge.python)
    assert (manifest.airflow, manifest.revision) == (version, revision)
    assert rows(manifest)["task_instance"] > 100
    url = database(TARGET)
    imported(url, place, TARGET)
    assert verified(url, place, TARGET).ok


def test_an_export_that_loses_its_connection_leaves_no_bundle(
    old_database: str, airflow: Callable[[str], Airflow], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    place, python = tmp_path / "bundle", airflow(BRIDGE).python
    select = exporting._select

    def cut(work: Any, table: Table, inside: str) -> str:
        if table.name == "task_instance":
            with opened(old_database) as other:
                other.rows(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        return select(work, table, inside)

    with monkeypatch.context() as patch:
        patch.setattr(exporting, "_select", cut)
        with pytest.raises(MetadataError, match="connection"):
            exported(old_database, str(place), python)
    assert not (place / "manifest.json").exists()
    assert not list(place.rglob("*.part"))
    assert rows(exported(old_database, str(place), python))["task_instance"] > 100
