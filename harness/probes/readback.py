"""Read carried metadata back through the target's own Airflow, and print what it makes of it.

Run inside a runtime, never imported by the harness:

    python -B -s readback.py PAYLOAD.json RESULT

The database and the Fernet key are the environment's (``AIRFLOW__DATABASE__SQL_ALCHEMY_CONN``,
``AIRFLOW__CORE__FERNET_KEY``). PAYLOAD.json holds ``tables`` (which of ``READERS`` to read, all
when it is missing), ``secret_key`` (a file with the key that secrets are digested under) and
``logs`` (for about how many task instances the name of the log is asked, at least one a DAG).
RESULT is a file or descriptor that JSON lines are appended to; each has a ``kind``:

    start    airflow, python
    failed   error (instead of all others: nothing can be read)
    row      table, key (a list), and ``value`` (tagged JSON as in decode.py) or ``error``
    empty    table, count: rows of it that hold an empty dict, which are not printed one by one
    end      count (of row records)

Keys are those that identify a row on both sides: (dag_id, run_id) of dag_run, and (dag_id,
task_id, run_id, map_index) of a task instance, followed by the key for an XCom. A NULL has the
value null. No secret is printed: of a variable's text, a password and an extra there is only
``{"hmac": hexadecimal HMAC-SHA-256}``.

What cannot be read is an ``error`` of its own row; the others are read all the same. Values come
from the column types and serializers of the target's ORM, row by row, so the memory is flat.

Standard library and Airflow only; Python 3.6 syntax. decode.py has to lie beside it.
"""

import contextlib
import functools
import hashlib
import hmac
import importlib.machinery
import json
import logging
import os
import sys
import types

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH = 1000


def sibling(name):
    """Another probe as a module, by its place: nothing else may answer to its name."""
    module = types.ModuleType("probe_" + name)
    loader = importlib.machinery.SourceFileLoader(module.__name__, os.path.join(HERE, name + ".py"))
    loader.exec_module(module)
    return module


decode = sibling("decode")


def digest(secret, key):
    """A text that nobody may see, so that two of them can be compared all the same."""
    if secret is None:
        return None
    return {"hmac": hmac.new(key, secret.encode("utf-8"), hashlib.sha256).hexdigest()}


class Row(decode.NotPlain):
    """A problem of one row, in a sentence of ours."""


def attempt(read):
    """``{"value": …}`` or ``{"error": …}`` of one row."""
    try:
        return {"value": decode.tagged(read())}
    except Exception as error:
        return {"error": decode.sentence(error)}


# ------------------------------------------------------------------------------- pickled columns


def column_values(session, keys, column):
    """(key, how to read it) of every row whose ``column`` is not NULL; (None, how many) for those
    that hold an empty dict.

    The bytes come as they are; the column's own type makes a value of them, as it would have.
    """
    from sqlalchemy import LargeBinary, func, type_coerce

    dialect = session.get_bind().dialect
    process = column.type.result_processor(dialect, None) or (lambda value: value)
    raw = type_coerce(column, LargeBinary)
    small = session.query(raw, func.count()).filter(func.length(raw) <= SMALL).group_by(raw)
    empty = [
        (bytes(value), count)
        for value, count in small
        if attempt(lambda value=value: process(value)) == {"value": {}}
    ]
    yield None, sum(count for _, count in empty)
    query = session.query(*keys, raw).filter(raw.isnot(None))
    if empty:
        query = query.filter(raw.notin_([value for value, _ in empty]))
    for row in query.yield_per(BATCH):
        yield list(row[:-1]), lambda value=row[-1]: process(value)


SMALL = 16  # bytes of a pickle: an empty dict has no more
# A million instances have no configuration of their own; a line for each would say nothing.
MOSTLY_EMPTY = ("dag_run.conf", "task_instance.executor_config")


def read_confs(session, _payload):
    from airflow.models import DagRun

    return column_values(session, (DagRun.dag_id, DagRun.run_id), DagRun.conf)


def read_executor_configs(session, _payload):
    from airflow.models import TaskInstance

    keys = [getattr(TaskInstance, name) for name in instance_keys(TaskInstance)]
    return column_values(session, keys, TaskInstance.executor_config)


def instance_keys(model):
    """The names of the columns that identify a task instance in this version, as far as it has
    them."""
    return [name for name in ("dag_id", "task_id", "run_id", "map_index") if hasattr(model, name)]


def read_xcoms(session, _payload):
    from airflow.configuration import conf
    from airflow.models.xcom import XCom

    # Asked again for each XCom, which takes longer than to read it; it does not change meanwhile.
    conf.getboolean = functools.lru_cache(maxsize=None)(conf.getboolean)
    keys = [getattr(XCom, name) for name in (*instance_keys(XCom), "key")]
    for row in session.query(*keys, XCom.value).yield_per(BATCH):
        holder = types.SimpleNamespace(value=row[-1])
        yield list(row[:-1]), lambda holder=holder: XCom.deserialize_value(holder)


# ------------------------------------------------------------------------------- whole objects


def each(session, model, column):
    """(key, how to load the object) of every row: a model may decrypt, and fail, on loading."""
    for (key,) in session.query(column).order_by(column).all():
        yield [key], lambda key=key: session.query(model).filter(column == key).one()


def read_runs(session, _payload):
    """One row a DAG: how many of its runs Airflow finds; any that it cannot load is an error."""
    from airflow.models import DagRun

    for (dag_id,) in session.query(DagRun.dag_id).distinct().order_by(DagRun.dag_id).all():
        yield [dag_id], lambda dag_id=dag_id: len(DagRun.find(dag_id=dag_id))


def read_variables(session, payload):
    from airflow.models import Variable

    def read(variable):
        text = variable.get_val()
        if text is None and variable._val is not None:
            raise Row("it cannot be decrypted with the key of this environment")
        return digest(text, payload["secret"])

    for key, load in each(session, Variable, Variable.key):
        yield key, lambda load=load: read(load())


def read_connections(session, payload):
    from airflow.models import Connection

    def read(connection):
        connection.get_uri()  # what hooks and secrets backends ask for
        return {
            "conn_type": connection.conn_type,
            "host": connection.host,
            "schema": connection.schema,
            "login": connection.login,
            "port": connection.port,
            "password": digest(connection.get_password(), payload["secret"]),
            "extra": digest(connection.get_extra(), payload["secret"]),
        }

    for key, load in each(session, Connection, Connection.conn_id):
        yield key, lambda load=load: read(load())


def read_pools(session, _payload):
    from airflow.models import Pool

    def read(pool):
        return {"slots": pool.slots, "description": pool.description}

    for key, load in each(session, Pool, Pool.pool):
        yield key, lambda load=load: read(load())


def read_users(session, payload):
    try:
        from airflow.providers.fab.auth_manager.models import User
    except ImportError:
        from airflow.www.fab_security.sqla.models import User

    def read(user):
        return {
            "email": user.email,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "active": user.active,
            "roles": sorted(role.name for role in user.roles),
            "password": digest(user.password, payload["secret"]),
        }

    for key, load in each(session, User, User.username):
        yield key, lambda load=load: read(load())


def read_log_names(session, payload):
    """Where this Airflow looks for the logs of carried task instances: of the first try of one
    instance a run, for some runs of every DAG."""
    from airflow.models import TaskInstance
    from airflow.utils.log.file_task_handler import FileTaskHandler
    from sqlalchemy import func
    from sqlalchemy.orm import defer

    handler = FileTaskHandler("/")
    names = instance_keys(TaskInstance)
    dags = session.query(TaskInstance.dag_id).distinct().all()
    runs = max(1, payload["logs"] // max(1, len(dags)))
    for (dag_id,) in dags:
        ours = TaskInstance.dag_id == dag_id
        found = session.query(TaskInstance.run_id, func.min(TaskInstance.task_id)).filter(ours)
        found = found.group_by(TaskInstance.run_id).order_by(TaskInstance.run_id).limit(runs)
        for run_id, task_id in found.all():
            one = (ours, TaskInstance.run_id == run_id, TaskInstance.task_id == task_id)
            # What it was configured with has nothing to do with its log, and may not be readable.
            query = session.query(TaskInstance).options(defer(TaskInstance.executor_config))
            instance = query.filter(*one).first()
            key = [getattr(instance, name) for name in names]
            yield key, lambda instance=instance: handler._render_filename(instance, 1)


READERS = {
    "dag_run.conf": read_confs,
    "task_instance.executor_config": read_executor_configs,
    "xcom.value": read_xcoms,
    "dag_run": read_runs,
    "variable": read_variables,
    "connection": read_connections,
    "slot_pool": read_pools,
    "ab_user": read_users,
    "log_name": read_log_names,
}


def read_table(name, session, payload):
    """The records of one table; where the table itself fails, one error without a key."""
    rows = READERS[name](session, payload)
    empty = 0
    while True:
        try:
            key, read = next(rows)
        except StopIteration:
            if name in MOSTLY_EMPTY:
                yield {"kind": "empty", "table": name, "count": empty}
            return
        except Exception as error:
            session.rollback()
            yield {"kind": "row", "table": name, "key": [], "error": decode.sentence(error)}
            return
        if key is None:
            empty += read
        else:
            yield dict(attempt(read), kind="row", table=name, key=key)


def main(payload_file, result_path):
    """Read everything; see the top of this file."""
    with open(payload_file, encoding="utf-8") as file:
        payload = json.load(file)
    with open(payload["secret_key"], "rb") as file:
        payload["secret"] = file.read()
    result = decode.open_result(result_path)
    logging.disable(logging.CRITICAL)  # Airflow logs the values that it cannot read

    def emit(**record):
        decode.send(result, decode.to_json(record).encode("ascii") + b"\n")

    try:
        import airflow
        from airflow import settings

        settings.engine.connect().close()
        # All models, or relationships between them cannot be resolved.
        with contextlib.suppress(ImportError):
            from airflow.models import import_all_models

            import_all_models()
    except Exception as error:
        emit(kind="failed", error=decode.sentence(error))
        sys.exit(1)
    version = ".".join(map(str, sys.version_info[:3]))
    emit(kind="start", airflow=airflow.__version__, python=version)
    count = 0
    for name in payload.get("tables") or READERS:
        session = settings.Session()
        try:
            for record in read_table(name, session, payload):
                emit(**record)
                count += record["kind"] == "row"
        finally:
            session.close()
            settings.Session.remove()
    emit(kind="end", count=count)


if __name__ == "__main__":
    main(*sys.argv[1:])
