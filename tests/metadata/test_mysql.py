"""MySQL as a source: 1.10.15's own schema and the hard rows, as PostgreSQL carries them, too."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from airflows import BRIDGE, Airflow, must
from mysql_server import MySQLServer, bridge_driver, program, running_mysql
from population import SCRIPTS, SETTINGS
from transfers import content, exported, imported, listed, verified

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("metadata-postgres")]

TARGET = "2.11.0"


@pytest.fixture(scope="module")
def mysql() -> Iterator[MySQLServer]:
    if program() is None:
        pytest.skip("no MySQL server: install mariadb-server-core")
    with running_mysql() as server:
        yield server


def test_what_mysql_keeps_survives(
    mysql: MySQLServer,
    airflow: Callable[[str], Airflow],
    database: Callable[[str], str],
    tmp_path: Path,
) -> None:
    bridge = airflow(BRIDGE)
    url = mysql.create("airflow")
    settings = {**SETTINGS, "PYTHONPATH": str(bridge_driver()),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__SQL_ENGINE_COLLATION_FOR_IDS": "utf8mb3_bin"}  # fmt: skip
    other = database(BRIDGE)
    bridge.call("initdb", url=url, settings=settings)
    # Quotes as elsewhere; and not strict: what is too long is cut, as older servers do.
    for source in (other, f"{url}&sql_mode=ANSI_QUOTES"):
        must(bridge.script(SCRIPTS / "hard_rows.py", url=source, settings=settings))
    mysql.execute("RENAME TABLE log TO kept_elsewhere", "airflow")
    mysql.execute("CREATE VIEW log AS SELECT * FROM kept_elsewhere", "airflow")
    mysql.execute("CREATE VIEW report AS SELECT * FROM kept_elsewhere", "airflow")
    targets = {}
    for name, source in (("mysql", url), ("postgresql", other)):
        place, targets[name] = str(tmp_path / name), database(TARGET)
        manifest = exported(source, place, bridge.python)
        assert (manifest.dialect, manifest.airflow) == (name, "1.10.13")
        imported(targets[name], place, TARGET)
        assert verified(targets[name], place, TARGET).ok
    mysql.execute("SET STATEMENT sql_mode='' FOR UPDATE sla_miss SET timestamp = 0", "airflow")
    missed = exported(url, str(tmp_path / "day 0"), bridge.python, tables=("sla_miss",)).tables[0]
    assert dict(missed.values) == {"wrong-type": missed.rows}
    ours, theirs = content(targets["mysql"]), content(targets["postgresql"])
    # What MySQL itself has not kept: more than 64 KiB of a BLOB, more than 32 bits of a float.
    long_conf = next(row for row in theirs["dag_run"] if "manual__long" in row)
    cut_conf = tuple("None" if part.startswith("b'") else part for part in long_conf)
    theirs["dag_run"] = sorted({*theirs["dag_run"], cut_conf} - {long_conf})
    theirs["xcom"] = [row for row in theirs["xcom"] if row[3] != "long"]
    theirs["task_instance"] = [
        tuple("123456790.0" if part == "123456789.125" else part for part in row)
        for row in theirs["task_instance"]
    ]
    assert ours == theirs
    for table in ("dag_run", "xcom"):
        assert any("long" in (row["key"].get("run_id") or row["row"].get("key") or "")
                   for row in listed(tmp_path / "mysql", table))  # fmt: skip
