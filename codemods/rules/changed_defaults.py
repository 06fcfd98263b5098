"""What a class takes where nothing is given is something else on the target."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from codemods.base import Example, Note, Rule
from codemods.editing.argument_map import map_arguments
from codemods.editing.changes import Change, EditCall, Step
from codemods.editing.settling import settle
from codemods.reading.calls import Construction, constructions, leaves_out
from codemods.reading.heritage import heritage, own_at
from codemods.reading.source import Source
from codemods.reading.values import known, quoted, readable
from codemods.repository.own_classes import attributes
from codemods.repository.queries import PLACE, file_gives_rows, gives_rows
from codemods.rules._text import block, lines
from codemods.tables.constructors import baseline
from codemods.tables.target import Target

ID = "changed-defaults"
_QUERY = "airflow.providers.common.sql.operators.sql.SQLExecuteQueryOperator"
# Operator of 1.10 that kept the rows of its query to itself → since when the target's, though it is
# no SQLExecuteQueryOperator, hands them on. Source: the operators that the locks pin.
_ROWS: Mapping[str, str] = {
    "airflow.contrib.operators.vertica_operator.VerticaOperator": "",
    "airflow.operators.jdbc_operator.JdbcOperator": "apache-airflow-providers-jdbc>=3.0",
    "airflow.operators.mssql_operator.MsSqlOperator": "",
    "airflow.operators.mysql_operator.MySqlOperator": "",
    "airflow.operators.oracle_operator.OracleOperator": "",
    "airflow.operators.postgres_operator.PostgresOperator": "",
    "airflow.operators.sqlite_operator.SqliteOperator": "",
    "airflow.contrib.operators.snowflake_operator.SnowflakeOperator": (
        "apache-airflow-providers-snowflake>=2.0"
    ),
}
_RUN_SQL = tuple("." + path.rpartition(".")[2] for path in _ROWS)
_PUSHES = ("do_xcom_push", "xcom_push", "handler")
# SnowflakeOperator asked for no XCom ends in a TypeError before this.
_SILENCED = "apache-airflow-providers-common-sql>=1.5"


# Class of 1.10 → what its arguments were where none was given, as code. Of all defaults that are
# others on a target these change what is seen from outside; do_xcom_push, which is on now, adds an
# XCom at most. Pods and sensors of SQL are rules of their own.
# Source: the constructors of 1.10.15 and of the providers that the locks pin, side by side.
VALUES: Mapping[str, Mapping[str, str]] = {
    "airflow.contrib.operators.spark_submit_operator.SparkSubmitOperator": {
        "name": '"airflow-spark"'
    },
    "airflow.contrib.sensors.pubsub_sensor.PubSubPullSensor": {"poke_interval": "60"},
    # A row without it cannot be written: its column takes no NULL.
    "airflow.models.pool.Pool": {"include_deferred": "False"},
}
# Class of VALUES → since when its argument is one.
# Source: airflow/models/pool.py of 2.6.3 and 2.7.0.
_SINCE: Mapping[str, str] = {"airflow.models.pool.Pool": "apache-airflow>=2.7"}


def _find(source: Source, target: Target) -> Iterator[Change]:
    yield from _null_cells(source, target)
    yield from _values(source, target)
    yield from _rows(source, target)
    found: dict[tuple[str, str], list[tuple[EditCall, str]]] = {}
    for made in constructions(source):
        old = baseline().signature(made.path)
        if old is None or not old.defaults:
            continue
        resolution = settle(target, source, made.path)
        new = target.constructors.signature(resolution.path)
        if resolution.removed is not None or new is None:
            continue
        if not leaves_out(source, made):
            continue
        given = {k.arg or "" for k in made.node.keywords} | source.default_arguments[0] | made.own
        given |= set(old.positional[: len(made.node.args) - made.first])
        mapped = map_arguments(target, source, resolution, made.node, made.first)
        taken = {mapped.rename.get(name, name) for name in given} | mapped.added
        for name, connection in sorted(old.defaults.items()):
            probe = ast.Call(
                func=made.node.func, args=[], keywords=[ast.keyword(name, ast.Name("x"))]
            )
            renamed = map_arguments(target, source, resolution, probe).rename
            to = renamed.get(name, name)
            now = new.defaults.get(to, connection)
            if to in taken or now == connection:
                continue
            edit = EditCall(node=made.node, add={to: quoted(connection)})
            cls = resolution.path.rpartition(".")[2]
            found.setdefault((connection, now), []).append((edit, cls))
    for (connection, now), edits in found.items():
        first, _ = edits[0]
        classes = ", ".join(dict.fromkeys(cls for _, cls in edits))
        yield Step(
            rule=ID,
            line=first.node.lineno,
            message=f"{classes} used the connection {connection} where none is given; on the "
            f"target it is {now}: {next(iter(first.add))}={quoted(connection)} keeps it",
            operations=tuple(edit for edit, _ in edits),
            safe=False,
        )


def _values(source: Source, target: Target) -> Iterator[Step]:
    """Arguments that are given what 1.10 took for them."""
    for made in constructions(source):
        home = baseline().home(made.path)
        values = VALUES.get(home, {}) if target.has(_SINCE.get(home, "apache-airflow>=2.0")) else {}
        for name, code in values.items() if target.resolve(made.path).removed is None else ():
            if leaves_out(source, made, name):
                cls = made.path.rpartition(".")[2]
                yield Step(
                    rule=ID,
                    line=made.node.lineno,
                    message=f"{cls} took {name}={code} where none is given",
                    operations=(EditCall(node=made.node, add={name: code}),),
                )


def _rows(source: Source, target: Target) -> Iterator[Step]:
    """Queries whose rows nobody asked for: the target pushes them, which fails where a column is of
    a kind that its XComs do not take."""
    unread: list[Construction] = []
    for made in constructions(source):
        home = baseline().home(made.path) if made.path.endswith(_RUN_SQL) else ""
        if home not in _ROWS or not leaves_out(source, made, *_PUSHES) or _executes(source, made):
            continue
        new = target.constructors.signature(target.resolve(made.path).path)
        handed_on = new is not None and _QUERY in new.lineage
        if not handed_on and not (_ROWS[home] and target.has(_ROWS[home])):
            continue
        sql = next((k.value for k in made.reaching if k.arg == "sql"), None)
        if sql is None and made.use is not None:
            sql = next(iter(made.node.args[made.first :]), None)
        found = _given_rows(source, sql) if sql is not None else None
        if found is None:
            unread.append(made)
        elif found:
            yield _silenced(source, target, [made])
    if unread:
        yield _silenced(source, target, unread, sure=False)


def _executes(source: Source, made: Construction) -> bool:
    """Whether a class of the repository's that may be meant says itself what is pushed."""
    if made.use is not None:
        return False
    own = own_at(source, source.path_of(made.node.func) or "")
    if own is not None and own.inherits:
        return "execute" in own.defines
    classes = (cls for cls, _ in source.classes if heritage(source, cls).path == made.path)
    return any("execute" in attributes(cls) for cls in classes)


def _given_rows(source: Source, sql: ast.expr) -> bool | None:
    """Whether an argument's query gives rows: text, the file that it names, or several of them."""
    value = known(sql, source)
    if isinstance(value, ast.List | ast.Tuple):
        each = [_given_rows(source, one) for one in value.elts]
        return True if True in each else None if None in each else False
    text = readable(value, source, PLACE)
    return file_gives_rows(source.queries, text) if text.endswith(".sql") else gives_rows(text)


def _silenced(
    source: Source, target: Target, calls: Sequence[Construction], *, sure: bool = True
) -> Step:
    path = calls[0].path
    there = settle(target, source, path)
    add = {"do_xcom_push": "False"}
    if there.path.endswith(".SnowflakeOperator") and not target.has(_SILENCED):
        add = {"handler": "lambda cursor: []"}
    name, code = next(iter(add.items()))
    unread = "" if sure else " (what this one runs cannot be read here)"
    return Step(
        rule=ID,
        line=calls[0].node.lineno,
        message=f"{path.rpartition('.')[2]} pushes the rows of its query{unread} to XCom on the "
        f"target; {name}={code} does not",
        operations=tuple(EditCall(node=made.node, add=add) for made in calls),
        safe=sure,
    )


def _null_cells(source: Source, target: Target) -> Iterator[Change]:
    """1.10's SqlSensor took a first cell that is NULL for success, unless told not to."""
    for made in constructions(source):
        old = baseline().signature(made.path)
        new = target.constructors.signature(target.resolve(made.path).path)
        if old is None or new is None or "allow_null" not in old.accepts - new.accepts:
            continue
        names = {k.arg for k in made.node.keywords} | source.default_arguments[0]
        given = next((k for k in made.reaching if k.arg == "allow_null"), None)
        allowed = given is None
        if given is not None:
            value = known(given.value, source)
            if not isinstance(value, ast.Constant) or (value.value and None in names):
                yield Note.at(given, rule=ID, message=_NO_NULL, fix=_SUCCESS)
                continue
            allowed = bool(value.value)
        elif made.use is None or None in names:
            continue
        judged = "success" in names
        if given is None and judged:
            continue
        yield Step(
            rule=ID,
            line=made.node.lineno,
            message="whether a NULL first cell is success is said by success",
            operations=(
                EditCall(
                    node=made.node,
                    drop=frozenset({"allow_null"}),
                    add={"success": _CELL} if allowed and not judged else {},
                ),
            ),
        )


_NO_NULL = "SqlSensor does not take allow_null on the target: a NULL first cell never succeeds"
_CELL = "lambda cell: cell is None or bool(cell)"
_SUCCESS = f"Say with success=<callable> what does, as {_CELL} where NULL is allowed"
_BIGQUERY = "from airflow.contrib.sensors.bigquery_sensor import BigQueryTableSensor"
_TABLE = "from airflow.providers.google.cloud.sensors.bigquery import BigQueryTableExistenceSensor"
_SENSOR = "(task_id='t', project_id='p', dataset_id='d', table_id='t')"
_ROWS_OF = "task_id='t', sql='WITH a AS (SELECT 1) SELECT * FROM a', "
_SPARK = "from airflow.{} import SparkSubmitOperator"
_SUBMIT = "SparkSubmitOperator(task_id='t', application='a')"
_GIVEN = f'{_SENSOR[:-1]}, gcp_conn_id="bigquery_default_conn")'

RULE = Rule(
    id=ID,
    title="Know what is used where nothing is given",
    why="Providers renamed their default connections (bigquery_default is google_cloud_default "
    "since 2.0); a task that gives none reaches another account, or none, without a word. A sensor "
    "of SQL waits on where it took a NULL for success. Operators of SQL fetch the rows of their "
    "query and push them, however many they are, and fail where 2.5.1 finds a date or a decimal "
    "in one. A pool that is made as a row says whether it counts what is deferred, or cannot be "
    "written.",
    examples=(
        Example(
            before=lines(
                _BIGQUERY, "", f"BigQueryTableSensor{_SENSOR}", f"BigQueryTableSensor{_SENSOR}"
            ),
            after=lines(
                _TABLE,
                "",
                f"BigQueryTableExistenceSensor{_GIVEN}",
                f"BigQueryTableExistenceSensor{_GIVEN}",
            ),
            unsafe=True,
        ),
        Example(
            before=block("""
                from airflow.sensors.sql_sensor import SqlSensor

                SqlSensor(task_id='t', conn_id='c', sql='s')
                SqlSensor(task_id='u', conn_id='c', sql='s', allow_null=False)
                SqlSensor(task_id='v', conn_id='c', sql='s', success=good)
                SqlSensor(task_id='w', conn_id='c', sql='s', allow_null=NULL)
            """),
            after=lines(
                "from airflow.providers.common.sql.sensors.sql import SqlSensor",
                "",
                f"SqlSensor(task_id='t', conn_id='c', sql='s', success={_CELL})",
                "SqlSensor(task_id='u', conn_id='c', sql='s')",
                "SqlSensor(task_id='v', conn_id='c', sql='s', success=good)",
                "SqlSensor(task_id='w', conn_id='c', sql='s', allow_null=NULL)",
            ),
            notes=("success=<callable>",),
        ),
        Example(
            before=lines(
                "from airflow.operators.postgres_operator import PostgresOperator",
                "",
                f"PostgresOperator({_ROWS_OF}postgres_conn_id='c')",
                "PostgresOperator(task_id='u', sql='DELETE FROM a', postgres_conn_id='c')",
                "PostgresOperator(task_id='v', sql=query(), postgres_conn_id='c')",
            ),
            after=lines(
                f"from {_QUERY.rpartition('.')[0]} import SQLExecuteQueryOperator",
                "",
                f"SQLExecuteQueryOperator({_ROWS_OF}conn_id='c', do_xcom_push=False)",
                "SQLExecuteQueryOperator(task_id='u', sql='DELETE FROM a', conn_id='c')",
                "SQLExecuteQueryOperator(task_id='v', sql=query(), conn_id='c')",
            ),
            target="2.5.1",
            notes=("cannot be read here",),
        ),
        Example(
            before=lines(_SPARK.format("contrib.operators.spark_submit_operator"), "", _SUBMIT),
            after=lines(
                _SPARK.format("providers.apache.spark.operators.spark_submit"),
                "",
                f'{_SUBMIT[:-1]}, name="airflow-spark")',
            ),
        ),
        Example(
            before=block("""
                from airflow.models import Pool

                Pool(pool='p', slots=2)
            """),
            after=block("""
                from airflow.models import Pool

                Pool(pool='p', slots=2, include_deferred=False)
            """),
        ),
    ),
    keeps=(
        block("""
            from airflow.models import Pool

            Pool.get_pool('p')
        """),
        lines(_TABLE, "", f"BigQueryTableExistenceSensor{_SENSOR}"),
        block("""
            from airflow.providers.http.hooks.http import HttpHook

            HttpHook(method='GET')
        """),
    ),
    find=_find,
)
