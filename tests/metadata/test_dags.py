"""The two DAGs, run by the real Airflows that they are for, against the emulated S3."""

import ast
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from airflows import Airflow
from transfers import OLD_KEYS, PASSPHRASE

from harness.aws.emulator import Emulator
from harness.errors import UsageError
from harness.metadata import bundle
from harness.metadata.dags import FILES, DagOptions, dag_text, write_dags
from harness.metadata.databases import opened
from harness.metadata.ledger import LEDGER
from harness.metadata.stores import S3Store
from harness.runtimes.surroundings import FERNET_KEY

PLACE = "s3://carried/data/migration/1.10.15_to_2.x/export"
DATE = "2021-01-01"

real = pytest.mark.slow
grouped = pytest.mark.xdist_group("metadata-postgres")


@pytest.mark.parametrize("verb", FILES)
def test_a_file_is_one_readable_module_without_us(verb: str) -> None:
    text = dag_text(verb, FILES[verb], DagOptions(bundle=PLACE))
    tree = ast.parse(text, feature_version=(3, 7))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    roots = {name.partition(".")[0] for name in imported}
    assert "harness" not in roots
    # Beside the standard library: what every image of Airflow on MWAA has.
    foreign = {"airflow", "boto3", "botocore", "cryptography", "psycopg2", "pymysql"}
    import sys

    assert roots - foreign <= set(sys.stdlib_module_names)
    assert PLACE in text


def test_a_bundle_that_no_task_finds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder of its own"):
        write_dags(tmp_path, DagOptions(bundle="bundle"))


@contextmanager
def _in_dags(airflow: Airflow, options: DagOptions, verb: str) -> Iterator[None]:
    path = airflow.place.dags / f"{FILES[verb]}.py"
    path.write_text(dag_text(verb, FILES[verb], options))
    try:
        yield
    finally:
        path.unlink()


def _settings(aws: Emulator, key: str) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__FERNET_KEY": key,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "MWAA_HARNESS_PASSPHRASE": PASSPHRASE.decode(),
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": aws.region,
        "NO_PROXY": "127.0.0.1",
    }


def _log(airflow: Airflow, dag_id: str) -> str:
    """What the transfer's task has logged."""
    logs = airflow.place.logs.rglob("*.log")
    return "\n".join(
        path.read_text(errors="replace")
        for path in sorted(logs)
        if dag_id in str(path) and "transfer" in str(path)
    )


def _paused(url: str) -> dict[str, bool]:
    with opened(url) as there:
        return dict(there.rows("SELECT dag_id, is_paused FROM dag WHERE dag_id NOT LIKE 'db_%'"))


def _states(url: str, dag_id: str) -> dict[str, str]:
    with opened(url) as there:
        return dict(
            there.rows("SELECT task_id, state FROM task_instance WHERE dag_id = ?", (dag_id,))
        )


@real
@grouped
def test_they_carry_a_history_through_s3(
    aws: Emulator,
    airflow: Callable[[str], Airflow],
    old_database: str,
    database: Callable[[str], str],
) -> None:
    aws.client("s3").create_bucket(Bucket="carried")
    options = DagOptions(bundle=PLACE, wait_seconds=1)
    bridge = airflow("1.10.15")
    with opened(old_database) as there:
        there.execute("UPDATE dag SET is_paused = (dag_id <> 'carried')")
        there.commit()
    before = _paused(old_database)
    assert set(before.values()) == {True, False}
    with _in_dags(bridge, options, "export"):
        bridge.run("backfill", "db_export", "-s", DATE, "-e", DATE, url=old_database,
                          settings=_settings(aws, OLD_KEYS))  # fmt: skip
    assert set(_states(old_database, "db_export").values()) == {"success"}, _log(
        bridge, "db_export"
    )
    assert _paused(old_database) == before
    store = S3Store("carried", PLACE.partition("carried/")[2], aws.client("s3"))
    manifest = bundle.read_manifest(store)
    assert not [name for name in store.names() if name.startswith("state/")]
    heads = [
        aws.client("s3").head_object(Bucket="carried", Key=store.key(name))
        for name in store.names()
    ]
    assert {head["ServerSideEncryption"] for head in heads} == {"AES256"}

    for version in ("2.5.1", "2.11.0"):
        _import_there(version, aws, airflow(version), database(version), manifest)


def _import_there(
    version: str, aws: Emulator, target: Airflow, url: str, manifest: bundle.Manifest
) -> None:
    options = DagOptions(bundle=PLACE, wait_seconds=1)
    with opened(url) as there:
        there.execute(
            "INSERT INTO dag (dag_id, is_paused, max_active_tasks, has_task_concurrency_limits"
            + (", max_consecutive_failed_dag_runs" if version != "2.5.1" else "")
            + ") VALUES ('carried', true, 1, false"
            + (", 0" if version != "2.5.1" else "")
            + "), ('elsewhere', false, 1, false"
            + (", 0)" if version != "2.5.1" else ")")
        )
        there.commit()
    with _in_dags(target, options, "import"):
        done = target.run("dags", "test", "db_import", DATE, url=url,
                          settings=_settings(aws, FERNET_KEY))  # fmt: skip
    assert set(_states(url, "db_import").values()) == {"success"}, done.stdout + done.stderr
    after = _paused(url)
    assert (after["carried"], after["elsewhere"]) == (True, False)
    with opened(url) as there:
        for entry in manifest.tables:
            if entry.name in ("dag_run", "task_instance", "xcom", "variable"):
                found = there.value(
                    f"SELECT count(*) FROM {entry.name}"
                    + (" WHERE dag_id <> 'db_import'" if entry.name != "variable" else "")
                )
                refused = sum(
                    json.loads(note)["refused"]
                    for (note,) in there.rows(
                        f"SELECT note FROM {LEDGER} WHERE part = '{entry.name}'"
                    )
                )
                assert found + refused == entry.rows, entry.name
                # Since 2.8.1 an XCom that JSON cannot hold is refused, and listed.
                assert not refused or (entry.name, version) == ("xcom", "2.11.0")


@real
@grouped
def test_a_failed_import_lets_the_dags_run_again(
    aws: Emulator, airflow: Callable[[str], Airflow], database: Callable[[str], str]
) -> None:
    aws.client("s3").create_bucket(Bucket="carried")
    target, url = airflow("2.10.3"), database("2.10.3")
    with opened(url) as there:
        there.execute(
            "INSERT INTO dag (dag_id, is_paused, max_active_tasks, has_task_concurrency_limits,"
            " max_consecutive_failed_dag_runs) VALUES ('a', false, 1, false, 0),"
            " ('b', true, 1, false, 0)"
        )
        there.commit()
    with _in_dags(target, DagOptions(bundle=PLACE, wait_seconds=1), "import"):
        done = target.run("dags", "test", "db_import", DATE, url=url,
                          settings=_settings(aws, FERNET_KEY))  # fmt: skip
    states = _states(url, "db_import")
    assert (states["transfer"], states["restore"]) == ("failed", "success"), done.stdout
    assert states["finished"] == "upstream_failed"
    assert "no complete bundle" in done.stdout + done.stderr
    assert _paused(url) == {"a": False, "b": True}
    with opened(url) as there:
        assert there.value("SELECT state FROM dag_run WHERE dag_id = 'db_import'") == "failed"
