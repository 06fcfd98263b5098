"""The table of tables, against the catalogues of databases that the real Airflows have made."""

from collections.abc import Callable

import pytest
from airflows import Airflow

from harness.metadata.databases import opened
from harness.metadata.defaults import DEFAULT_CONNECTIONS
from harness.metadata.planning import connection_digest
from harness.metadata.schema import REVISIONS, columns_of, revision_of, version_key
from harness.metadata.sealing import Fernet
from harness.metadata.tables import TABLES
from harness.runtimes.surroundings import FERNET_KEY

AGAINST_DATABASES = [pytest.mark.slow, pytest.mark.xdist_group("metadata-postgres")]


def against_databases(test: object) -> object:
    for mark in AGAINST_DATABASES:
        test = mark(test)  # type: ignore[operator]
    return test


@against_databases
def test_columns_are_those_of_the_migrated_database(
    any_version: str, database: Callable[[str], str]
) -> None:
    with opened(database(any_version)) as found:
        catalogue = found.catalogue()
        assert found.revision() == revision_of(any_version)
    for table in TABLES:
        if table.carried:
            declared = {column.name for column in columns_of(table, any_version)}
            assert declared == set(catalogue[table.name]), table.name


@against_databases
def test_no_table_of_the_bridge_is_forgotten(database: Callable[[str], str]) -> None:
    with opened(database("1.10.15")) as found:
        assert {table.name for table in TABLES} == set(found.catalogue())


@against_databases
def test_types_and_keys_are_those_of_the_target(
    any_version: str, database: Callable[[str], str]
) -> None:
    kinds = {
        "text": {"character varying", "text"},
        "integer": {"integer", "bigint"},
        "float": {"double precision"},
        "boolean": {"boolean"},
        "timestamptz": {"timestamp with time zone"},
        "timestamp": {"timestamp without time zone"},
        "bytea": {"bytea"},
        "json": {"json"},
    }
    with opened(database(any_version)) as found:
        actual = {
            (table, column): kind
            for table, column, kind in found.rows(
                "SELECT table_name, column_name, data_type FROM information_schema.columns"
            )
        }
        unique = {
            (table, frozenset(columns.split(",")))
            for table, columns in found.rows(
                "SELECT c.conrelid::regclass::text, string_agg(a.attname, ',') FROM pg_constraint c"
                " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)"
                " WHERE c.contype IN ('p', 'u') GROUP BY c.oid, c.conrelid"
            )
        }
        required = {
            (table, column)
            for table, column in found.rows(
                "SELECT table_name, column_name FROM information_schema.columns"
                " WHERE is_nullable = 'NO' AND column_default IS NULL"
            )
        }
    for table in TABLES:
        if not table.carried:
            continue
        for column in columns_of(table, any_version):
            assert actual[table.name, column.name] in kinds[column.type], (table.name, column.name)
            if (table.name, column.name) in required and any_version != "1.10.15":
                assert column.carried or column.fill is not None, (table.name, column.name)
        if table.key and any_version != "1.10.15":
            assert (table.name, frozenset(table.key)) in unique, table.name


@against_databases
@pytest.mark.parametrize("version", ["2.5.1", "2.11.0"])
def test_default_connections_are_known(
    version: str, database: Callable[[str], str], airflow: Callable[[str], Airflow]
) -> None:
    url = database(version)
    if version != "2.5.1":  # which makes them whenever it makes a database
        airflow(version).call("connections", "create-default-connections", url=url)
    fernet = Fernet(FERNET_KEY, "the tests' key")
    names = ("conn_id", "conn_type", "host", "schema", "login", "password", "port", "extra")
    with opened(url) as found:
        rows = found.rows(
            "SELECT conn_id, conn_type, host, schema, login, password, port, extra, is_encrypted,"
            " is_extra_encrypted FROM connection"
        )
    assert rows
    unknown = []
    for *values, encrypted, extra_encrypted in rows:
        row = dict(zip(names, values, strict=True))
        for name, flag in (("password", encrypted), ("extra", extra_encrypted)):
            if row[name] and flag:
                row[name] = (fernet.decrypt(row[name].encode()) or b"").decode()
        if connection_digest(row) not in DEFAULT_CONNECTIONS:
            unknown.append(row["conn_id"])
    assert unknown == []


def test_revisions_are_in_order() -> None:
    versions = [version_key(version) for version, _ in REVISIONS]
    assert versions == sorted(versions)
    assert revision_of("2.11.0") == revision_of("2.10.3") != revision_of("2.10.2")
    assert revision_of("2.5.1") == revision_of("2.5.3")
    assert revision_of("1.10.11") == ""


def test_what_has_to_be_there_before_comes_before() -> None:
    seen: set[str] = set()
    for table in TABLES:
        assert set(table.after) <= seen, table.name
        assert {column.references for column in table.columns} - {""} <= seen | {table.name}
        seen.add(table.name)


def test_each_table_is_carried_or_says_why_not() -> None:
    for table in TABLES:
        assert table.carried != bool(table.why_not), table.name
        assert table.source_key or not (table.carried or table.keep), table.name
