"""The connection that a class takes where none is given is another one on the target."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Rule
from codemods.calls import constructions
from codemods.changes import Change, EditCall, Step
from codemods.constructors import baseline
from codemods.rules._text import lines
from codemods.rules.arguments import calls_by_path, map_arguments, settle
from codemods.source import Source
from codemods.target import Target
from codemods.values import quoted

ID = "changed-defaults"


def _find(source: Source, target: Target) -> Iterator[Change]:
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


_BIGQUERY = "from airflow.contrib.sensors.bigquery_sensor import BigQueryTableSensor"
_TABLE = "from airflow.providers.google.cloud.sensors.bigquery import BigQueryTableExistenceSensor"
_SENSOR = "(task_id='t', project_id='p', dataset_id='d', table_id='t')"
_GIVEN = f'{_SENSOR[:-1]}, gcp_conn_id="bigquery_default_conn")'

RULE = Rule(
    id=ID,
    title="Know which connection is used where none is given",
    why="Providers renamed their default connections (bigquery_default is google_cloud_default "
    "since 2.0); a task that gives none reaches another account, or none, without a word.",
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
    ),
    keeps=(
        lines(_TABLE, "", f"BigQueryTableExistenceSensor{_SENSOR}"),
        lines(
            "from airflow.providers.http.hooks.http import HttpHook", "", "HttpHook(method='GET')"
        ),
    ),
    find=_find,
)
