"""BigQueryOperator as a class of the file's, where its calls have no exact form on the target.

A job's configuration wants project, dataset and table of its destination apart, and the project
always; 1.10 took them out of a name when the task ran, and the project out of the connection. A
subclass of BigQueryInsertJobOperator still does: the calls, and classes that inherit, stay as they
are. This comes before the rules, which then see a class of the file's.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from codemods.base import Edit, OwnClass, OwnClasses
from codemods.editing.folding import Folded
from codemods.editing.settling import mapped_whole
from codemods.editing.stand_ins import StandIn, class_code, stand_in
from codemods.editing.writing import written
from codemods.reading.calls import Construction, constructions
from codemods.reading.source import Source
from codemods.tables.target import Target

ID = "bigquery-query"
NEEDS = "apache-airflow-providers-google"
OLD = "airflow.contrib.operators.bigquery_operator.BigQueryOperator"
_NEW = "airflow.providers.google.cloud.operators.bigquery.BigQueryInsertJobOperator"
_PLAIN = "airflow.models.baseoperator.BaseOperator"
# Source: airflow/contrib/operators/bigquery_operator.py (BigQueryOperator) and
# airflow/contrib/hooks/bigquery_hook.py (run_query, _split_tablename) of 1.10.15; operators/
# bigquery.py of apache-airflow-providers-google 8.8, 10.25 and 15.1.
_TAKES = (
    *("bql", "sql", "destination_dataset_table", "write_disposition", "allow_large_results"),
    *("flatten_results", "bigquery_conn_id", "delegate_to", "udf_config", "use_legacy_sql"),
    *("maximum_billing_tier", "maximum_bytes_billed", "create_disposition"),
    *("schema_update_options", "query_params", "labels", "priority", "time_partitioning"),
    *("api_resource_configs", "cluster_fields", "location", "encryption_configuration"),
)
CODE = class_code("bigquery_query")
_CLASS = StandIn(
    path=_NEW,
    code=CODE,
    needs={"hook": ("airflow.providers.google.cloud.hooks.bigquery", "BigQueryHook")},
)


def with_query_class(text: str, path: str, target: Target) -> Folded | None:
    """The text with the class, where its calls need it and it can have it; else None."""
    if "BigQueryOperator" not in text or target.resolve(OLD).path != _NEW:
        return None
    source = Source(text, path)
    made = [one for one in constructions(source) if one.path == OLD]
    bindings = [b for b in source.bindings if b.path == OLD and b.name != "*"]
    heirs = [c for c, _ in source.classes if OLD in map(source.path_of, c.bases)]
    if not (made or heirs) or any(map(_delegates, made)):
        return None
    if not heirs and mapped_whole(target, source, OLD):
        return None
    operations = stand_in(source, bindings, _CLASS, made)
    if not operations:
        return None
    new = written(source, operations)
    line = heirs[0].lineno if heirs else made[0].node.lineno
    message = "BigQueryOperator is a class of the file's, which makes its job on the target"
    edit = Edit(rule=ID, line=line, message=message)
    return Folded.between(text, new, (edit,))


def _delegates(made: Construction) -> bool:
    """Whether a call acts for somebody else, which Google's hooks do no more."""
    given = (k.value for k in made.node.keywords if k.arg == "delegate_to")
    return any(not isinstance(v, ast.Constant | ast.Name) or bool(_value(v)) for v in given)


def _value(node: ast.expr) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def without_heirs(own: OwnClasses, target: Target) -> OwnClasses:
    """The repository's classes, where one that inherits BigQueryOperator takes what that takes:
    the file that defines it has the class."""
    if not own or target.resolve(OLD).path != _NEW:
        return own
    return {name: tuple(map(_plain, found)) for name, found in own.items()}


def _plain(own: OwnClass) -> OwnClass:
    if own.base != OLD or not own.inherits:
        return own
    return replace(own, base=_PLAIN, takes=(*own.takes, *_TAKES))
