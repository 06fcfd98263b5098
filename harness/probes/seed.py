"""Give a fresh 1.10 database the history that a repository's DAGs would have left in it.

Run inside a bridge, never imported by the harness:

    python -B -s seed.py PAYLOAD.json RESULT

PAYLOAD.json holds ``dags`` (the fields of harness.model.DagObservation that are used below),
``runs`` (scheduled runs of each DAG), ``variables`` ({key: text}) and ``connections`` ({id: URI}).
The database and the Fernet key are the environment's. RESULT is a file or descriptor that JSON
lines are appended to; each has a ``kind``:

    start    airflow, python
    failed   error (instead of the others)
    end      rows {table: count}

No DAG code is loaded: what is written has the shape of the DAGs as they were observed. Every state
occurs, and every kind of value that tasks hand to each other; all of it is made by the bridge's
own models, so that its own Python pickles and encrypts it. The same payload gives the same rows.

Standard library and Airflow only; Python 3.6 syntax. decode.py has to lie beside it.
"""

import collections
import datetime
import decimal
import importlib.machinery
import json
import os
import pickle
import sys
import types

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH = 5000

# A DAG that says nothing of when it starts, and no clock: two runs make the same history.
EPOCH = datetime.datetime(2021, 1, 1, tzinfo=datetime.timezone.utc)

STATES = (
    "success", "success", "success", "failed", "skipped", "upstream_failed", "up_for_retry",
    "up_for_reschedule", "removed", "queued", "scheduled", "running", "shutdown", None,
)  # fmt: skip
HOSTS = ("ip-10-0-0-1.ec2.internal", "", "worker-ü")


def sibling(name):
    """Another probe as a module, by its place: nothing else may answer to its name."""
    module = types.ModuleType("probe_" + name)
    loader = importlib.machinery.SourceFileLoader(module.__name__, os.path.join(HERE, name + ".py"))
    loader.exec_module(module)
    return module


decode = sibling("decode")


# ------------------------------------------------------------------------------------- when


def moment_of(text):
    """An observed date as a datetime; EPOCH for none."""
    if not text:
        return EPOCH
    from dateutil.parser import parse

    found = parse(text)
    return found if found.tzinfo else found.replace(tzinfo=datetime.timezone.utc)


def dates_of(dag, count):
    """The execution dates of the DAG's first ``count`` scheduled runs."""
    schedule, begin = dag.get("schedule"), moment_of(dag.get("start_date"))
    if schedule == "@once":
        return [begin]
    if isinstance(schedule, dict) and schedule.get("seconds", 0) > 0 and not schedule.get("months"):
        step = datetime.timedelta(seconds=schedule["seconds"])
        return [begin + step * number for number in range(count)]
    if isinstance(schedule, str):
        from croniter import croniter

        try:
            following = croniter(schedule, begin - datetime.timedelta(seconds=1))
            return [following.get_next(datetime.datetime) for _ in range(count)]
        except Exception:
            return []  # no cron expression: such a DAG is triggered
    return []


# ------------------------------------------------------------------------------------- what


def values(moment):
    """What tasks return, one kind after the other. Each is new to whoever reads it."""
    import pendulum

    zoned = pendulum.instance(moment)
    return (
        None,
        "text with 'quotes', ü, \\ and\r\na second line",
        {"rows": 3, "names": ["a", "b"], "ratio": 0.5, "nothing": None},
        [1, 2.0, True, ""],
        zoned.isoformat(),
        {"at": zoned, "day": zoned.date().isoformat()},
        {"amounts": [decimal.Decimal("1.10")], "pair": (1, "two"), "took": moment - EPOCH},
        "x" * 70000,
        ("a", ("b",)),
    )


class Rows:
    """Rows by table, written in batches; ``counts`` is how many there were."""

    def __init__(self, connection):
        self.connection = connection
        self.waiting = collections.OrderedDict()
        self.counts = collections.Counter()

    def add(self, model, **row):
        self.counts[model.__table__.name] += 1
        # One statement needs the same columns in every row of it.
        key = (model.__table__, tuple(sorted(row)))
        rows = self.waiting.setdefault(key, [])
        rows.append(row)
        if len(rows) >= BATCH:
            self.write()

    def write(self):
        """All that waits, in the order in which tables were first named."""
        for (table, _), rows in self.waiting.items():
            if rows:
                self.connection.execute(table.insert(), rows)
        self.waiting.clear()


def seed_dag(rows, number, dag, count):
    """Everything that one DAG leaves."""
    from airflow import models
    from airflow.jobs import BaseJob

    dag_id, owner = dag["dag_id"], "airflow"
    rows.add(
        models.DagModel,
        dag_id=dag_id,
        root_dag_id=dag.get("parent") or None,
        is_paused=number % 2 == 1,
        is_subdag=bool(dag.get("parent")),
        is_active=True,
        fileloc="/usr/local/airflow/dags/" + dag["path"],
        owners=owner,
        description=dag.get("description"),
        default_view="tree",
    )
    for tag in sorted(set(dag.get("tags", ()))):
        rows.add(models.DagTag, name=tag, dag_id=dag_id)
    for run, (date, run_id, conf) in enumerate(runs_of(dag, count)):
        began, ended = date + datetime.timedelta(minutes=1), date + datetime.timedelta(minutes=9)
        rows.add(
            models.DagRun,
            dag_id=dag_id,
            execution_date=date,
            run_id=run_id,
            state=("success", "failed", "running")[run % 3],
            external_trigger=run_id.startswith("manual"),
            conf=conf,
            start_date=began,
            end_date=None if run % 3 == 2 else ended,
        )
        for position, task in enumerate(dag["tasks"]):
            which = number + run * 5 + position
            seed_task(rows, dag_id, task, date, which, began, ended)
    rows.add(
        BaseJob,
        dag_id=dag_id,
        job_type="LocalTaskJob",
        state=("success", "failed", None)[number % 3],
        start_date=EPOCH,
        end_date=EPOCH,
        latest_heartbeat=EPOCH,
        executor_class="CeleryExecutor",
        hostname=HOSTS[number % 3],
        unixname="airflow",
    )


def runs_of(dag, count):
    """(execution date, run_id, conf) of the scheduled runs, a backfill's and a trigger's."""
    import pendulum

    dates = dates_of(dag, count)
    for position, date in enumerate(dates):
        kind = "backfill_" if position == count - 1 and count > 1 else "scheduled__"
        yield date, kind + date.isoformat(), {}
    by_hand = (dates or [moment_of(dag.get("start_date"))])[-1] + datetime.timedelta(seconds=7)
    conf = {"by": "hand", "at": pendulum.instance(by_hand), "ids": (1, 2), "note": "ü\r\n"}
    yield by_hand, "manual__" + by_hand.isoformat(), conf


def seed_task(rows, dag_id, task, date, which, began, ended):
    """A task instance in one of all states, and what hangs on it."""
    from airflow import models
    from airflow.models.renderedtifields import RenderedTaskInstanceFields

    state = STATES[which % len(STATES)]
    key = {"task_id": task["task_id"], "dag_id": dag_id, "execution_date": date}
    finished = state in ("success", "failed")
    rows.add(
        models.TaskInstance,
        state=state,
        start_date=began,
        end_date=ended if finished else None,
        duration=480.25 if finished else None,
        try_number=which % 3,
        max_tries=number_of(task.get("retries")),
        hostname=HOSTS[which % 3],
        unixname="airflow",
        job_id=None if which % 2 else which % 7 + 1,
        pool=text_of(task.get("pool")) or "default_pool",
        pool_slots=number_of(task.get("pool_slots")) or 1,
        queue=text_of(task.get("queue")) or "default",
        priority_weight=number_of(task.get("priority_weight")) or 1,
        operator=task["operator"].rpartition(":")[2].rpartition(".")[2],
        queued_dttm=began,
        pid=1000 + which,
        executor_config={"KubernetesExecutor": {"image": "x"}} if which % 11 == 0 else {},
        **key,
    )
    if state == "success":
        possible = values(date)
        value = pickle.dumps(possible[which % len(possible)])
        rows.add(models.XCom, key="return_value", value=value, timestamp=ended, **key)
    if state == "failed":
        rows.add(models.TaskFail, start_date=began, end_date=ended, duration=480, **key)
    if state == "up_for_reschedule" or any("Sensor" in base for base in task.get("bases", ())):
        rows.add(
            models.TaskReschedule,
            try_number=1,
            start_date=began,
            end_date=ended,
            duration=480,
            reschedule_date=ended,
            **key,
        )
    if task.get("sla"):
        rows.add(
            models.SlaMiss,
            email_sent=True,
            timestamp=ended,
            description="late,\nvery",
            notification_sent=False,
            **key,
        )
    if task.get("fields"):
        rendered = {name: task["fields"][name] for name in sorted(task["fields"])}
        rows.add(RenderedTaskInstanceFields, rendered_fields=rendered, **key)
    rows.add(
        models.Log,
        dttm=began,
        event=state or "cli_run",
        owner="airflow",
        extra='{"host_name": "h"}\nsecond line',
        **key,
    )


def number_of(value):
    """A number that was observed, or 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def text_of(value):
    """A text that was observed, or "" for what is none."""
    return value if isinstance(value, str) else ""


def seed_pools(rows, dags):
    """Every pool that a task names."""
    from airflow.models import Pool

    named = {text_of(task.get("pool")) for dag in dags for task in dag["tasks"]}
    for name in sorted(named - {"", "default_pool"}):
        rows.add(Pool, pool=name, slots=16, description="named by a task")


def seed_secrets(session, payload, counts):
    """Variables and connections, encrypted by their models."""
    from airflow.models import Connection, Variable

    long = "ü, 'quoted'\r\nand long: " + "y" * 2000
    variables = dict(payload["variables"], mwaa_harness_seed=long)
    for key, text in sorted(variables.items()):
        session.add(Variable(key=key, val=text))
        counts["variable"] += 1
    for name, uri in sorted(payload["connections"].items()):
        session.query(Connection).filter(Connection.conn_id == name).delete()
        session.add(Connection(conn_id=name, uri=uri))
        counts["connection"] += 1
    login = Connection(
        conn_id="mwaa_harness_seed",
        conn_type="postgres",
        host="db.internal",
        login="seed",
        password="p@ss/w:ör%d",  # noqa: S106
        port=5432,
    )
    login.set_extra('{"region_name": "eu-central-1"}')
    session.add(login)
    counts["connection"] += 1
    session.flush()


def write_all(payload):
    """Everything in one transaction; how many rows each table got."""
    from airflow import settings

    session = settings.Session()
    rows = Rows(session.connection())
    seed_secrets(session, payload, rows.counts)
    seed_pools(rows, payload["dags"])
    for number, dag in enumerate(payload["dags"]):
        seed_dag(rows, number, dag, payload["runs"])
    rows.write()
    session.commit()
    return rows.counts


def main(payload_file, result_path):
    """Read what is asked for, write it, say so; see the top of this file."""
    with open(payload_file, encoding="utf-8") as file:
        payload = json.load(file)
    result = decode.open_result(result_path)

    def emit(**record):
        decode.send(result, decode.to_json(record).encode("ascii") + b"\n")

    try:
        import airflow

        version = ".".join(map(str, sys.version_info[:3]))
        emit(kind="start", airflow=airflow.__version__, python=version)
        counts = write_all(payload)
    except Exception as error:
        emit(kind="failed", error=decode.sentence(error))
        sys.exit(1)
    emit(kind="end", rows=dict(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
