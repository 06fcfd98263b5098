"""The target's own Airflow reads a database back: every value, or why it cannot be read."""

import base64
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflows import TARGETS, Airflow
from postgres_server import Server

from harness.metadata.inside import Inside, inside
from harness.metadata.readback import (
    TABLES,
    Read,
    ReadbackFailed,
    digest,
    new_secret,
    readback,
)
from harness.runtimes.surroundings import FERNET_KEY

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("metadata")]

KEY = FERNET_KEY  # what the fresh database's own connections are encrypted with
OTHER_KEY = base64.urlsafe_b64encode(b"a key that has never been in use").decode()
SECRET = "p@ss/w:ör%d\n"
MOMENT = "2021-05-01 12:30:00+00"

# What a pickle of 1.10 with a timezone-aware datetime names, and what no target has.
PENDULUM_1 = b"\x80\x03cpendulum.tz.timezone\n_UTC\nq\x00)\x81q\x01."


@pytest.fixture(scope="module", params=[TARGETS[0], TARGETS[-1]])
def target(request: pytest.FixtureRequest, airflow: Callable[[str], Airflow]) -> Airflow:
    return airflow(request.param)


def where(target: Airflow, folder: Path) -> Inside:
    return inside(target.environment, target.target, folder / "inside")


def read_all(
    target: Airflow, folder: Path, url: str, *, secret: bytes = b"s", key: str = KEY, **options: Any
) -> dict[tuple[Any, ...], Read]:
    found: dict[tuple[Any, ...], Read] = {}
    empty: dict[str, int] = {}

    def keep(read: Read) -> None:
        found[read.table, *read.key] = read

    count = readback(
        where(target, folder),
        url,
        fernet_key=key,
        secret=secret,
        on_read=keep,
        on_empty=empty.__setitem__,
        **options,
    )
    assert count == len(found)
    assert empty == (
        {} if "tables" in options else {"dag_run.conf": 0, "task_instance.executor_config": 1}
    )
    return found


def fill(url: str, encrypt: Callable[[str], str]) -> None:
    """A run, two instances and what hangs on them, as an import leaves them."""
    with psycopg.connect(url) as connection:

        def insert(table: str, **values: Any) -> Any:
            names = ", ".join(f'"{name}"' for name in values)
            marks = ", ".join(["%s"] * len(values))
            returning = " RETURNING id" if table == "dag_run" else ""
            query = f"INSERT INTO {table} ({names}) VALUES ({marks}){returning}"
            done = connection.execute(query, list(values.values()))  # type: ignore[call-overload]
            return done.fetchone()[0] if returning else None

        conf = pickle.dumps({"a": (1, "ü")}, 3)
        template = connection.execute("SELECT min(id) FROM log_template").fetchone()[0]
        run = {"execution_date": MOMENT, "dag_id": "carried", "log_template_id": template}
        first = insert(
            "dag_run", **run, run_id="manual__1", run_type="manual", state="success", conf=conf
        )
        later = {**run, "execution_date": "2021-05-02 00:00:00+00"}
        insert("dag_run", **later, run_id="x", run_type="manual", conf=PENDULUM_1)
        for task, config in (("good", pickle.dumps({})), ("bad", PENDULUM_1)):
            insert(
                "task_instance",
                dag_id="carried",
                task_id=task,
                run_id="manual__1",
                map_index=-1,
                pool="default_pool",
                pool_slots=1,
                executor_config=config,
            )
        for key, value in (("json", b'{"n": [1, null]}'), ("broken", PENDULUM_1)):
            insert(
                "xcom",
                dag_run_id=first,
                dag_id="carried",
                run_id="manual__1",
                task_id="good",
                map_index=-1,
                key=key,
                value=value,
                timestamp=MOMENT,
            )
        sealed = encrypt(SECRET)
        insert("variable", key="sealed", val=sealed, is_encrypted=True)
        insert("variable", key="open", val="text", is_encrypted=False)
        insert("variable", key="nothing", val=None, is_encrypted=False)
        insert(
            "connection",
            conn_id="db",
            conn_type="postgres",
            host="h",
            port=1,
            password=sealed,
            is_encrypted=True,
            extra=encrypt('{"a": 1}'),
            is_extra_encrypted=True,
        )


def encrypting(target: Airflow, tmp_path: Path) -> Callable[[str], str]:
    """Fernet of the target's own environment."""
    script = tmp_path / "encrypt.py"
    script.write_text(
        "import sys, base64\nfrom cryptography.fernet import Fernet\n"
        "print(Fernet(sys.argv[1]).encrypt(base64.b64decode(sys.argv[2])).decode())\n"
    )

    def encrypt(text: str) -> str:
        coded = base64.b64encode(text.encode()).decode()
        done = target.script(script, KEY, coded, url="sqlite://")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return encrypt


def test_every_value_is_read_or_its_error_is_told(
    target: Airflow, database: Callable[[str], str], tmp_path: Path
) -> None:
    url = database(target.target.airflow)
    fill(url, encrypting(target, tmp_path))
    secret = new_secret()
    found = read_all(target, tmp_path, url, secret=secret)
    assert {key[0] for key in found} >= set(TABLES) - {"ab_user"}
    instance = ("carried", "good", "manual__1", -1)
    assert found["dag_run.conf", "carried", "manual__1"].value == {
        "a": {"$": "tuple", "v": [1, "ü"]}
    }
    assert "_UTC" in found["dag_run.conf", "carried", "x"].error
    assert "_UTC" in found["dag_run", "carried"].error
    assert ("task_instance.executor_config", *instance) not in found  # it is empty
    assert found["task_instance.executor_config", "carried", "bad", "manual__1", -1].error
    assert found["xcom.value", *instance, "json"].value == {"n": [1, None]}
    assert found["xcom.value", *instance, "broken"].error
    assert found["variable", "sealed"].value == digest(SECRET, secret)
    assert found["variable", "open"].value == digest("text", secret)
    assert found["variable", "nothing"] == Read("variable", ("nothing",))
    connection = found["connection", "db"].value
    assert connection["password"] == digest(SECRET, secret)
    assert connection["extra"] == digest('{"a": 1}', secret)
    assert (connection["host"], connection["port"]) == ("h", 1)
    assert found["slot_pool", "default_pool"].value["slots"] == 128
    # One instance a run is asked for its log.
    log = found["log_name", "carried", "bad", "manual__1", -1].value
    assert log.startswith(("carried/bad/", "dag_id=carried/"))


@pytest.mark.parametrize("version", [TARGETS[0], TARGETS[-1]])
def test_under_a_wrong_key_each_secret_is_an_error(
    version: str,
    airflow: Callable[[str], Airflow],
    database: Callable[[str], str],
    tmp_path: Path,
) -> None:
    target = airflow(version)
    url = database(target.target.airflow)
    fill(url, encrypting(target, tmp_path))
    tables = ("variable", "connection")
    found = read_all(target, tmp_path, url, key=OTHER_KEY, tables=tables)
    assert "cannot be decrypted" in found["variable", "sealed"].error
    assert found["connection", "db"].error
    assert not found["variable", "open"].error
    assert SECRET not in json.dumps([read.error for read in found.values()])


def test_a_database_that_cannot_be_read_is_an_error_without_its_password(
    airflow: Callable[[str], Airflow], postgres: Server, tmp_path: Path
) -> None:
    target = airflow(TARGETS[-1])
    url = postgres.url("not_there")
    with pytest.raises(ReadbackFailed) as raised:
        read_all(target, tmp_path, url)
    assert "not_there" in str(raised.value)
    assert postgres.password not in str(raised.value)
