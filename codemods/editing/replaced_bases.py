"""Classes to inherit from where another one replaced the base of a class: subclasses of the
successor that take and keep what the old one does, so that the subclass and who makes it stay.

Source: the constructors of the old classes, which call SQLExecuteQueryOperator in just this way
(operators/<database>.py of the releases that warn), and operators/bigquery.py of
apache-airflow-providers-google 15.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Template

from codemods.editing.changes import Operation
from codemods.editing.settling import settle
from codemods.editing.stand_ins import StandIn, class_code, stand_in
from codemods.reading.source import Source
from codemods.tables.hops import Resolution
from codemods.tables.target import Target

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


def _codes() -> Mapping[str, Template]:
    codes = {
        f"{_PROVIDERS}google.cloud.operators.bigquery.BigQueryCreateEmptyTableOperator": class_code(
            "bigquery_table"
        ),
        f"{_PROVIDERS}snowflake.operators.snowflake.SnowflakeOperator": class_code("snowflake"),
    }
    for path, (kind, database) in _SQL.items():
        code = class_code("sql_with_database" if database else "sql")
        codes[_PROVIDERS + path] = Template(code.safe_substitute(kind=kind, database=database))
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
