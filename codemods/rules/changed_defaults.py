"""What a class takes where nothing is given is something else on the target."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from codemods.base import Example, Note, Rule
from codemods.calls import constructions
from codemods.changes import Change, EditCall, Step
from codemods.constructors import baseline
from codemods.rules._text import lines
from codemods.rules.arguments import calls_by_path, map_arguments, settle
from codemods.source import Source
from codemods.target import Target
from codemods.values import known, quoted

ID = "changed-defaults"


# Class of 1.10 → what its arguments were where none was given, as code. Of all defaults that are
# others on a target these change what is seen from outside; do_xcom_push, which is on now, adds an
# XCom at most. Pods and sensors of SQL are rules of their own.
# Source: the constructors of 1.10.15 and of the providers that the locks pin, side by side.
VALUES: Mapping[str, Mapping[str, str]] = {
    "airflow.contrib.operators.spark_submit_operator.SparkSubmitOperator": {
        "name": '"airflow-spark"'
    },
    "airflow.contrib.sensors.pubsub_sensor.PubSubPullSensor": {"poke_interval": "60"},
}


def _find(source: Source, target: Target) -> Iterator[Change]:
    yield from _null_cells(source, target)
    yield from _values(source, target)
    found: dict[tuple[str, str], list[tuple[EditCall, str]]] = {}
    calls: dict[str, list[ast.Call]] | None = None
    for made in constructions(source):
        old = baseline().signature(made.path)
        if old is None or not old.defaults or made.use is None:
            continue
        calls = calls if calls is not None else calls_by_path(source)
        resolution = settle(target, source, made.path, calls.get(made.path, []))
        new = target.constructors.signature(resolution.path)
        if resolution.removed is not None or new is None:
            continue
        given = {k.arg for k in made.node.keywords} | source.default_arguments[0]
        given |= set(old.positional[: len(made.node.args) - made.first])
        if None in given or any(isinstance(a, ast.Starred) for a in made.node.args):
            continue
        mapped = map_arguments(target, source, resolution, made.node, made.first)
        taken = {mapped.rename.get(name or "", name) for name in given} | mapped.added
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
        first, cls = edits[0]
        yield Step(
            rule=ID,
            line=first.node.lineno,
            message=f"{cls} used the connection {connection} where none is given, and uses {now} "
            f"on the target; {next(iter(first.add))}={quoted(connection)} keeps it",
            operations=tuple(edit for edit, _ in edits),
            safe=False,
        )


def _values(source: Source, target: Target) -> Iterator[Step]:
    """Arguments that are given what 1.10 took for them."""
    for made in constructions(source):
        home = baseline().home(made.path)
        taken = {k.arg for k in made.node.keywords} | source.default_arguments[0]
        if made.use is None or None in taken or target.resolve(made.path).removed is not None:
            continue
        for name, code in VALUES.get(home, {}).items():
            if name not in taken:
                cls = made.path.rpartition(".")[2]
                yield Step(
                    rule=ID,
                    line=made.node.lineno,
                    message=f"{cls} took {name}={code} where none is given",
                    operations=(EditCall(node=made.node, add={name: code}),),
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
_SPARK = "from airflow.{} import SparkSubmitOperator"
_SUBMIT = "SparkSubmitOperator(task_id='t', application='a')"
_GIVEN = f'{_SENSOR[:-1]}, gcp_conn_id="bigquery_default_conn")'

RULE = Rule(
    id=ID,
    title="Know what is used where nothing is given",
    why="Providers renamed their default connections (bigquery_default is google_cloud_default "
    "since 2.0); a task that gives none reaches another account, or none, without a word. A sensor "
    "of SQL waits on where it took a NULL for success.",
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
            before=lines(
                "from airflow.sensors.sql_sensor import SqlSensor",
                "",
                "SqlSensor(task_id='t', conn_id='c', sql='s')",
                "SqlSensor(task_id='u', conn_id='c', sql='s', allow_null=False)",
                "SqlSensor(task_id='v', conn_id='c', sql='s', success=good)",
                "SqlSensor(task_id='w', conn_id='c', sql='s', allow_null=NULL)",
            ),
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
            before=lines(_SPARK.format("contrib.operators.spark_submit_operator"), "", _SUBMIT),
            after=lines(
                _SPARK.format("providers.apache.spark.operators.spark_submit"),
                "",
                f'{_SUBMIT[:-1]}, name="airflow-spark")',
            ),
        ),
    ),
    keeps=(
        lines(_TABLE, "", f"BigQueryTableExistenceSensor{_SENSOR}"),
        lines(
            "from airflow.providers.http.hooks.http import HttpHook", "", "HttpHook(method='GET')"
        ),
    ),
    find=_find,
)
