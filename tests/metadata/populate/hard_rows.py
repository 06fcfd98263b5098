"""The hard rows: written inside the bridge, so that its own Python makes its pickles.

    python hard_rows.py            (the database and the Fernet key are the environment's)

One list a table, one dict a row; a column that a row leaves out is NULL. ``PICKLES`` and others
are referred to by name. Standard library and Airflow 1.10 only; Python 3.6 syntax.
"""

import collections
import datetime
import decimal
import json
import os
import pickle
import sys
import uuid

import pendulum
from airflow import settings
from airflow.jobs import BaseJob
from airflow.models import (
    DagRun,
    Log,
    Pool,
    SlaMiss,
    TaskFail,
    TaskInstance,
    TaskReschedule,
    Variable,
    XCom,
)
from airflow.models.connection import Connection
from airflow.models.crypto import get_fernet
from airflow.utils import timezone

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import carried_types

UTC = timezone.utc
NEPAL = datetime.timezone(datetime.timedelta(hours=5, minutes=45), "NPT")


def day(number, hour=0):
    """A moment of May 2021."""
    return datetime.datetime(2021, 5, number, hour, 30, 15, 123456, tzinfo=UTC)


class Exits:
    """A pickle that ends the process that loads it."""

    def __reduce__(self):
        return os._exit, (3,)


class Calls:
    """A pickle that runs a program."""

    def __reduce__(self):
        return os.system, ("echo a pickle printed this; echo and this >&2",)


RECURSIVE = ["itself"]
RECURSIVE.append(RECURSIVE)
SHARED = ["twice"]

# What tasks hand to each other, and triggers to runs; name → value.
VALUES = {
    "none": None,
    "true": True,
    "zero": 0,
    "big_int": 2**80,
    "negative": -1,
    "float": 0.1,
    "whole_float": 2.0,
    "nan": float("nan"),
    "infinite": float("-inf"),
    "empty_text": "",
    "text": "plain",
    "unicode": "Grüße, 世界 \U0001f600 \u2028",
    "nul": "before\0after",
    "surrogate": "\udcff",
    "crlf": "a\r\nb\rc\nd\te\\f\\N\\.",
    "long": "x" * 200000,
    "bytes": b"\x00\xff\r\n",
    "bytearray": bytearray(b"\x01\x02"),
    "list": [1, "two", None, [3.5]],
    "tuple": (1, ("two",)),
    "set": {1, 2, 3},
    "frozenset": frozenset(["a", "b"]),
    "dict": {"a": {"b": [1, 2]}},
    "dict_of_ints": {1: "one", (2, 3): "pair", None: "none"},
    "dict_like_a_tag": {"$": "tuple", "v": [1], "__type": "set", "__classname__": "os.system"},
    "ordered": collections.OrderedDict([("z", 1), ("a", 2)]),
    "defaults": collections.defaultdict(list, a=[1]),
    "shared": [SHARED, SHARED],
    "naive": datetime.datetime(2021, 5, 1, 12, 30, 15, 5),
    "utc": datetime.datetime(2021, 5, 1, 12, tzinfo=datetime.timezone.utc),
    "offset": datetime.datetime(2021, 5, 1, 12, tzinfo=NEPAL),
    "airflow_utc": day(1),
    "pendulum_utc": pendulum.create(2021, 5, 1, 12, 0, 0, tz="UTC"),
    "pendulum_zone": pendulum.create(2021, 10, 31, 2, 30, 0, tz="Europe/Paris"),
    "pendulum_in_zone": pendulum.instance(day(2)).in_timezone("America/New_York"),
    "date": datetime.date(2021, 5, 1),
    "time": datetime.time(12, 30, 15, 5),
    "timedelta": datetime.timedelta(days=-1, seconds=5, microseconds=7),
    "decimal": decimal.Decimal("12.3400"),
    "decimal_nan": decimal.Decimal("NaN"),
    "uuid": uuid.UUID(int=7),
    "complex": 1 + 2j,
    "mixed": {"when": day(3), "amounts": (decimal.Decimal("1.10"), {"x"}), 7: b"seven"},
    "money": carried_types.Money(5, "EUR"),
    "labelled": carried_types.Labelled(a=1),
    "shifting": datetime.datetime(2021, 5, 1, tzinfo=carried_types.Shifting()),
    "function": os.path.join,
    "recursive": RECURSIVE,
    "exits": Exits(),
    "calls": Calls(),
}
PICKLES = {name: pickle.dumps(value) for name, value in VALUES.items()}
PICKLES.update(
    {
        "protocol_0": pickle.dumps({"a": "ü"}, 0),
        "protocol_2": pickle.dumps({"a": (1, 2)}, 2),
        "module_gone": b"\x80\x03cgone_module\nThing\nq\x00)\x81q\x01.",
        "cut_short": pickle.dumps(list(range(100)))[:-20],
        "empty": b"",
        "json": json.dumps({"written": "as JSON", "n": [1, 2]}).encode("utf-8"),
        "no_value": None,
    }
)
# Python's own would raise in the ORM of this side already; they are written past it.
READABLE_CONFS = (
    "none", "text", "unicode", "crlf", "long", "list", "tuple", "set", "dict", "dict_of_ints",
    "dict_like_a_tag", "ordered", "naive", "utc", "offset", "airflow_utc", "pendulum_utc",
    "pendulum_zone", "decimal", "mixed", "money", "labelled",
)  # fmt: skip

RUN_IDS = (
    "scheduled__2021-05-01T00:30:15.123456+00:00",
    "manual__2021-05-01T00:30:15.123456+00:00",
    "backfill_2021-05-01T00:30:15.123456+00:00",
    "backfill__2021-05-01",
    "backfillX2021",
    "backfill",
    "scheduled_x",
    "scheduledZZ1",
    "manual_1",
    "manual",
    "trig__2021-05-01",
    "deferred__1",
    "map_index=3",
    "",
    " leading and trailing ",
    "Ünï 'quoted' \"twice\" \\ back",
    "two\nlines\r\nand\ttab",
    "%s %(x)s {{ ds }} __",
    "r" * 250,
)  # fmt: skip

STATES = (
    None, "", "none", "success", "running", "failed", "skipped", "upstream_failed", "queued",
    "scheduled", "up_for_retry", "up_for_reschedule", "removed", "shutdown", "deferred",
)  # fmt: skip


def runs():
    """DAG runs under every run_id, with every conf, and those that are not whole."""
    for number, run_id in enumerate(RUN_IDS, 1):
        yield dict(
            dag_id="hard_runs",
            execution_date=day(number),
            run_id=run_id,
            state=("success", "failed", "running", None)[number % 4],
            external_trigger=(True, False, None)[number % 3],
            start_date=day(number, 1),
            end_date=day(number, 2) if number % 2 else None,
        )
    for number, name in enumerate(READABLE_CONFS, 1):
        yield dict(
            dag_id="hard_confs",
            execution_date=day(number),
            run_id="manual__" + name,
            state="success",
            external_trigger=True,
            conf=PICKLES[name],
        )
    for number, name in enumerate(("exits", "module_gone", "cut_short", "recursive"), 1):
        yield dict(
            dag_id="unreadable_confs",
            execution_date=day(number),
            run_id="manual__" + name,
            state="success",
            conf=PICKLES[name],
        )
    for dag_id in ("hard_xcoms", "hard_configs"):
        yield dict(dag_id=dag_id, execution_date=day(1), run_id="manual__1", state="success")
    yield dict(dag_id="no_run_id", execution_date=day(1), run_id=None, state="success")
    yield dict(dag_id="no_date", execution_date=None, run_id="manual__no_date", state="success")
    yield dict(dag_id=None, execution_date=day(1), run_id="manual__no_dag", state="success")


def instances():
    """Task instances of runs that are there, and of runs that are not."""
    for number, state in enumerate(STATES):
        yield dict(
            dag_id="hard_runs",
            task_id="state_%d" % number,
            execution_date=day(1),
            state=state,
            start_date=day(1, 1),
            end_date=day(1, 2) if state else None,
            duration=(None, 0.0, 1.5, 1e-7, 123456789.125)[number % 5],
            try_number=(0, 1, 2, None)[number % 4],
            max_tries=(-1, 0, 3, None)[number % 4],
            hostname=("", None, "ip-10-0-0-1.ec2.internal")[number % 3],
            unixname=("airflow", "", None)[number % 3],
            pool=("default_pool", 'odd, "pool"')[number % 2],
            pool_slots=(1, 2, None)[number % 3],
            queue=("default", "", None)[number % 3],
            priority_weight=(1, None, -5)[number % 3],
            operator=("BashOperator", None, "")[number % 3],
            queued_dttm=day(1) if number % 2 else None,
            pid=(None, 4711)[number % 2],
            job_id=(None, 1, 999999)[number % 3],
            executor_config=PICKLES["dict"] if number % 2 else pickle.dumps({}),
        )
    for task_id in ("deferred", "mapped__1", "mapped[0]", "map_index=3", "a.b.c", "trigger_id",
                    "tâche", "t" * 250):  # fmt: skip
        yield dict(
            dag_id="hard_runs", task_id=task_id, execution_date=day(2), state="success",
            try_number=1, max_tries=0, hostname="h", pool="default_pool", pool_slots=1,
            executor_config=pickle.dumps({}),
        )  # fmt: skip
    for number in range(1, len(RUN_IDS) + 1):
        yield dict(
            dag_id="hard_runs", task_id="each", execution_date=day(number), state="success",
            try_number=1, max_tries=0, hostname="h", pool="default_pool", pool_slots=1,
            executor_config=pickle.dumps({}),
        )  # fmt: skip
    for name in ("none", "pendulum_zone", "mixed", "tuple", "module_gone", "money", "no_value"):
        yield dict(
            dag_id="hard_configs", task_id=name, execution_date=day(1), state="success",
            try_number=1, max_tries=0, hostname="h", pool="default_pool", pool_slots=1,
            executor_config=PICKLES[name],
        )  # fmt: skip
    for number in range(1, len(PICKLES) + 1):
        yield dict(
            dag_id="hard_xcoms", task_id="pushes_%02d" % number, execution_date=day(1),
            state="success", try_number=1, max_tries=0, hostname="h", pool="default_pool",
            pool_slots=1, executor_config=pickle.dumps({}),
        )  # fmt: skip
    # No run: of a DAG that has others, and of one that has none.
    for dag_id in ("hard_runs", "gone"):
        yield dict(
            dag_id=dag_id, task_id="dangling", execution_date=day(28), state="failed",
            try_number=1, max_tries=0, hostname="h", pool="default_pool", pool_slots=1,
            executor_config=pickle.dumps({}),
        )  # fmt: skip
    for number in range(1, len(READABLE_CONFS) + 1):
        yield dict(
            dag_id="hard_confs", task_id="each", execution_date=day(number), state=None,
            try_number=0, max_tries=0, hostname="", pool="default_pool", pool_slots=1,
            executor_config=pickle.dumps({}),
        )  # fmt: skip


def xcoms():
    """A value of every kind, and rows that are not whole."""
    for number, name in enumerate(sorted(PICKLES), 1):
        yield dict(
            dag_id="hard_xcoms", task_id="pushes_%02d" % number, execution_date=day(1),
            key=name, value=PICKLES[name], timestamp=day(1, 3),
        )  # fmt: skip
    one = dict(dag_id="hard_runs", task_id="each", execution_date=day(1), timestamp=day(1, 3))
    yield dict(one, key="k" * 512, value=PICKLES["text"])
    yield dict(one, key="", value=PICKLES["text"])
    yield dict(one, key='odd\nkey, "quoted"', value=PICKLES["text"])
    # Legal in 1.10, and what a task that pushes twice in one second leaves.
    yield dict(one, key="duplicate", value=PICKLES["zero"], timestamp=day(1, 4))
    yield dict(one, key="duplicate", value=PICKLES["text"], timestamp=day(1, 5))
    yield dict(one, key=None, value=PICKLES["text"])
    yield dict(one, key="of no instance", value=PICKLES["text"], task_id="not_there")
    yield dict(one, key="of no run", value=PICKLES["text"], execution_date=day(28))
    yield dict(one, key="of no dag", value=PICKLES["text"], dag_id="gone", task_id="dangling",
               execution_date=day(28))  # fmt: skip


def fails():
    """Failures of instances that are there, of instances that are not, of runs that are not."""
    one = dict(dag_id="hard_runs", task_id="state_5", execution_date=day(1), start_date=day(1, 1))
    yield dict(one, end_date=day(1, 2), duration=3600)
    yield dict(one, end_date=day(1, 2), duration=3600)
    yield dict(one, end_date=None, duration=None)
    yield dict(one, start_date=None)
    yield dict(one, task_id="not_there")
    yield dict(one, execution_date=day(28), task_id="dangling", end_date=day(28, 1))
    yield dict(one, execution_date=day(28), task_id="dangling", dag_id="gone")


def reschedules():
    """Reschedules; the foreign key of 1.10 wants their task instance, not its run."""
    one = dict(
        dag_id="hard_runs", task_id="state_11", execution_date=day(1), try_number=1,
        start_date=day(1, 1), end_date=day(1, 2), duration=3600, reschedule_date=day(1, 3),
    )  # fmt: skip
    yield one
    yield dict(one, reschedule_date=day(1, 4))
    yield dict(one, task_id="dangling", execution_date=day(28))
    yield dict(one, task_id="dangling", execution_date=day(28), dag_id="gone")


def logs():
    """What people and commands did."""
    yield dict(dttm=day(1), event="cli_run", owner="airflow", extra='{"host_name": "a\\nb"}')
    yield dict(dttm=day(1), event="cli_run", owner="", extra="line one\nline two\r\nline three")
    yield dict(dttm=day(1), event="", owner=None, extra=None)
    yield dict(dttm=None, event=None, dag_id=None, owner=None, extra="")
    yield dict(dttm=day(2), dag_id="hard_runs", task_id="each", event="success", owner="o'hara",
               execution_date=day(2))  # fmt: skip
    yield dict(dttm=day(2), dag_id="gone", task_id="dangling", event="failed", owner="Ünï",
               execution_date=day(28), extra="\\N")  # fmt: skip


def jobs():
    """Jobs that ran, that run, and that nobody closed."""
    one = dict(dag_id=None, job_type="SchedulerJob", executor_class="CeleryExecutor",
               start_date=day(1), latest_heartbeat=day(1, 1), unixname="airflow")  # fmt: skip
    yield dict(one, state="success", end_date=day(1, 2), hostname="h")
    yield dict(one, state="running", hostname="")
    yield dict(one, state=None, hostname=None, job_type="LocalTaskJob", dag_id="hard_runs")
    yield dict(one, state="failed", hostname="h", job_type="BackfillJob", dag_id="gone")


def variables():
    """Texts that make an export stumble; some are encrypted."""
    texts = {
        "empty": "", "nothing": None, "long": "y" * 200000, "crlf": "a\r\nb\rc\nd", "tab": "\t",
        "backslashes": "\\N \\. \\\\ \\t", "quotes": "'single' \"double\" $dollar$ `tick`",
        "json": '{"a": [1, 2.0, null, "ü"]}', "unicode": "Grüße 世界 \U0001f600", "comma": ",,;|",
        "control": "\x01\x02\x7f\x1b[31m", "spaces": "  ", "null_word": "NULL", "number": "007",
        "odd key,\n'x' \"y\"": "under an odd key", "schlüssel": "under a unicode key",
    }  # fmt: skip
    for key, text in sorted(texts.items()):
        yield dict(key=key, val=text, is_encrypted=False)
        sealed = None if text is None else encrypted(text)
        yield dict(key=key + " sealed", val=sealed, is_encrypted=True)
    yield dict(key="unmarked", val="is_encrypted is NULL", is_encrypted=None)


def connections():
    """Passwords and extras, encrypted and not; ids twice, none and odd."""
    extra = json.dumps({"region_name": "eu-central-1", "note": "a\nb 'c' \"d\" ü"})
    plain = dict(conn_type="postgres", host="db.internal", schema="s", login="l", port=5432)
    yield dict(plain, conn_id="sealed", password=encrypted("p@ss:w/ör%d\n"), is_encrypted=True,
               extra=encrypted(extra), is_extra_encrypted=True)  # fmt: skip
    yield dict(plain, conn_id="plain", password="in the clear", is_encrypted=False, extra=extra,
               is_extra_encrypted=False)  # fmt: skip
    yield dict(plain, conn_id="empty", password="", is_encrypted=False, extra="", login="",
               schema="", host="", is_extra_encrypted=False)  # fmt: skip
    yield dict(conn_id="nothing", conn_type="http")
    yield dict(conn_id="no_type", host="h")
    yield dict(conn_id="not_json", conn_type="http", extra="key=value&x", is_extra_encrypted=False)
    yield dict(plain, conn_id="twice", host="first")
    yield dict(plain, conn_id="twice", host="second", password=encrypted("2"), is_encrypted=True)
    yield dict(plain, conn_id=None, host="without an id")
    yield dict(plain, conn_id="ödd id, 'x'\n\"y\"", host="höst")
    yield dict(plain, conn_id="long", password=encrypted("z" * 3000), is_encrypted=True)


def pools():
    """Names and sizes as people have typed them."""
    yield dict(pool='odd, "pool"', slots=3, description="with a 'quote'\nand a line")
    yield dict(pool="bäder", slots=-1, description="")
    yield dict(pool=" spaces ", slots=0, description=None)
    yield dict(pool="unsized", slots=None, description="\\N")


def misses():
    """SLA misses."""
    one = dict(dag_id="hard_runs", execution_date=day(1), timestamp=day(1, 5))
    yield dict(
        one, task_id="each", email_sent=True, description="late\nvery", notification_sent=True
    )
    yield dict(one, task_id="state_1", email_sent=False, notification_sent=False)
    yield dict(one, task_id="not_there", dag_id="gone")


def encrypted(text):
    """``text`` under the environment's Fernet key."""
    return get_fernet().encrypt(text.encode("utf-8")).decode("ascii")


ROWS = (
    (BaseJob, jobs),
    (DagRun, runs),
    (TaskInstance, instances),
    (XCom, xcoms),
    (TaskFail, fails),
    (TaskReschedule, reschedules),
    (Log, logs),
    (Variable, variables),
    (Connection, connections),
    (Pool, pools),
    (SlaMiss, misses),
)


def main():
    """Every row into the environment's database, in one transaction."""
    with settings.engine.begin() as connection:
        for model, rows in ROWS:
            table = model.__table__
            for row in rows():
                names = [table.c[name].name for name in sorted(row)]
                marks = ", ".join(["%s"] * len(names))
                columns = ", ".join('"%s"' % name for name in names)
                # Past the ORM's types: pickles are bytes here.
                statement = "INSERT INTO %s (%s) VALUES (%s)" % (table.name, columns, marks)
                connection.execute(statement, [row[name] for name in sorted(row)])


if __name__ == "__main__":
    main()
