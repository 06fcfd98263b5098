"""Classes to inherit from where another one replaced the base of a class: subclasses of the
successor that take and keep what the old one does, so that the subclass and who makes it stay.

Source: the constructors of the old classes, which call SQLExecuteQueryOperator in just this way
(operators/<database>.py of the releases that warn), and operators/bigquery.py of
apache-airflow-providers-google 15.1.
"""

from __future__ import annotations

from collections.abc import Mapping

from codemods.changes import Operation
from codemods.hops import Resolution
from codemods.settling import settle
from codemods.source import Source
from codemods.stand_ins import StandIn, stand_in
from codemods.target import Target

_PROVIDERS = "airflow.providers."
# Old class → what it calls its connection, that one's default, and what the database's name is
# among the parameters of the hook.
_SQL = {
    "jdbc.operators.jdbc.JdbcOperator": ("jdbc", ""),
    "microsoft.mssql.operators.mssql.MsSqlOperator": ("mssql", "schema"),
    "mysql.operators.mysql.MySqlOperator": ("mysql", "schema"),
    "oracle.operators.oracle.OracleOperator": ("oracle", ""),
    "postgres.operators.postgres.PostgresOperator": ("postgres", "database"),
    "sqlite.operators.sqlite.SqliteOperator": ("sqlite", ""),
    "vertica.operators.vertica.VerticaOperator": ("vertica", ""),
}
_PLAIN = '''\
class {{name}}({{base}}):
    """Takes {kind}_conn_id."""

    def __init__(self, *, {kind}_conn_id="{kind}_default", **kwargs):
        super().__init__(conn_id={kind}_conn_id, **kwargs)
        self.{kind}_conn_id = {kind}_conn_id
'''
_WITH_DATABASE = '''\
class {{name}}({{base}}):
    """Takes {kind}_conn_id and database."""

    def __init__(self, *, {kind}_conn_id="{kind}_default", database=None, **kwargs):
        if database is not None:
            more = kwargs.get("hook_params") or {{{{}}}}
            kwargs["hook_params"] = {{{{"{database}": database, **more}}}}
        super().__init__(conn_id={kind}_conn_id, **kwargs)
        self.{kind}_conn_id = {kind}_conn_id
'''
_SNOWFLAKE = '''\
class {name}({base}):
    """Takes snowflake_conn_id and what a session is set up with."""

    def __init__(
        self,
        *,
        snowflake_conn_id="snowflake_default",
        warehouse=None,
        database=None,
        role=None,
        schema=None,
        authenticator=None,
        session_parameters=None,
        autocommit=True,
        **kwargs,
    ):
        session = {{
            "warehouse": warehouse,
            "database": database,
            "role": role,
            "schema": schema,
            "authenticator": authenticator,
            "session_parameters": session_parameters,
        }}
        given = {{key: value for key, value in session.items() if value}}
        if given:
            kwargs["hook_params"] = {{**given, **(kwargs.get("hook_params") or {{}})}}
        super().__init__(conn_id=snowflake_conn_id, autocommit=autocommit, **kwargs)
        self.snowflake_conn_id = snowflake_conn_id
'''
_TABLE = '''\
class {name}({base}):
    """Takes the parts of the table by name."""

    template_fields = (
        *{base}.template_fields,
        "labels",
        "view",
        "materialized_view",
    )

    def __init__(
        self,
        *,
        schema_fields=None,
        time_partitioning=None,
        labels=None,
        view=None,
        materialized_view=None,
        encryption_configuration=None,
        cluster_fields=None,
        table_resource=None,
        **kwargs,
    ):
        super().__init__(table_resource=table_resource or {{}}, **kwargs)
        self.schema_fields = schema_fields
        self.time_partitioning = time_partitioning or {{}}
        self.labels = labels
        self.view = view
        self.materialized_view = materialized_view
        self.encryption_configuration = encryption_configuration
        self.cluster_fields = cluster_fields

    def execute(self, context):
        parts = {{
            "schema": self.schema_fields and {{"fields": self.schema_fields}},
            "timePartitioning": self.time_partitioning,
            "labels": self.labels,
            "view": self.view,
            "materializedView": self.materialized_view,
            "encryptionConfiguration": self.encryption_configuration,
            "clustering": self.cluster_fields and {{"fields": self.cluster_fields}},
        }}
        self.table_resource.update({{key: part for key, part in parts.items() if part}})
        if self.schema_fields:
            self.gcs_schema_object = None
        return super().execute(context)
'''


def _codes() -> Mapping[str, str]:
    codes = {
        f"{_PROVIDERS}google.cloud.operators.bigquery.BigQueryCreateEmptyTableOperator": _TABLE,
        f"{_PROVIDERS}snowflake.operators.snowflake.SnowflakeOperator": _SNOWFLAKE,
    }
    for path, (kind, database) in _SQL.items():
        code = _WITH_DATABASE if database else _PLAIN
        codes[_PROVIDERS + path] = code.format(kind=kind, database=database)
    return codes


_CODES = _codes()


def kept_for(target: Target, path: str, stays: Resolution) -> StandIn | None:
    """The class to inherit from instead of the one that ``path`` is on the target, which warns."""
    code = _CODES.get(stays.path)
    end = target.resolve(path).path
    return StandIn(path=end, code=code, needs={}) if code and end != stays.path else None


def kept_base(source: Source, target: Target, path: str) -> tuple[Operation, ...]:
    """What puts such a class into a file that inherits from ``path``; empty where nothing can."""
    made = kept_for(target, path, settle(target, source, path))
    bindings = [b for b in source.bindings if b.path == path and b.name != "*"]
    return stand_in(source, bindings, made, ()) if made is not None and bindings else ()
