"""What tasks and hooks keep of their arguments is asked for by the target's names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

from codemods.base import Example, Note, Rule
from codemods.editing.argument_map import is_elsewhere, map_arguments
from codemods.editing.changes import Change, Step
from codemods.editing.settling import calls_by_path, settle
from codemods.reading.heritage import signature_of
from codemods.reading.instances import Instances, instances
from codemods.reading.source import Source
from codemods.rules._text import block, lines, sentence
from codemods.tables.core_classes import HOOK, TASK
from codemods.tables.methods import baseline_methods
from codemods.tables.model_names import ROWS
from codemods.tables.target import Target

ID = "kept-arguments"
# Arguments that went while the attribute stayed: of hooks, and of all.
# Source: the classes of 1.10.15 and of the providers that the locks pin, side by side.
_STAYED_WITH_HOOKS = {"conn_id", "delegate_to", "schema", "timeout"}
_STAYED = {"filter"}
_TRIGGER = "airflow.operators.dagrun_operator.TriggerDagRunOperator"
_ASKED = re.compile(r"\.(\w+)")


@lru_cache(maxsize=1024)
def _kept(path: str) -> frozenset[str]:
    """What a task or a hook of 1.10 keeps under the names of its arguments."""
    signature = signature_of(path)
    if signature is None or not {TASK, HOOK} & set(signature.lineage):
        return frozenset()
    told = {name for p in signature.lineage for name in ROWS.get(p, {})} | _STAYED
    told |= _STAYED_WITH_HOOKS if HOOK in signature.lineage else set()
    if _TRIGGER in signature.lineage:  # a class that asks it has it still
        told.add("python_callable")
    methods = baseline_methods()
    names = signature.accepts - told
    return frozenset(n for n in names if methods.find(signature.lineage, n) is None)


def _outcome(source: Source, target: Target, path: str, name: str) -> tuple[str, str] | None:
    """The target's name, or nothing and what to do; None where the attribute is still there."""
    resolution = settle(target, source, path)
    new = target.constructors.signature(resolution.path)
    if resolution.removed is not None or new is None:
        return None
    given = ast.keyword(name, ast.Name("_"))
    probe = ast.Call(func=ast.Name("f"), args=[], keywords=[given])
    mapped = map_arguments(target, source, resolution, probe)
    if name in mapped.into:
        row = mapped.into[name]
        keys = "".join(f'["{key}"]' for key in row.keys if not key.startswith("@"))
        return "", f"its value is in {row.new}{keys}"
    if name in new.accepts and name not in new.renamed:
        return None
    if name in mapped.rename:
        return mapped.rename[name], ""
    if name in mapped.drop:
        return "", f"delete what reads it: {mapped.drop[name]}"
    if name in mapped.unsure or (is_elsewhere(resolution.path, name) and not new.anything):
        return "", mapped.unsure.get(name, "keep it in the class itself")
    return None


def tells(source: Source, target: Target, path: str, name: str) -> bool:
    """Whether this rule sees to an attribute of a class of 1.10."""
    return name in _kept(path) and _outcome(source, target, path, name) is not None


def _find(source: Source, target: Target) -> Iterator[Change]:
    paths = {*calls_by_path(source), *(b.path for b in source.bindings)}
    paths |= {own.base for found in source.own.values() for own in found}
    wanted = {name for path in paths if path.startswith("airflow.") for name in _kept(path)}
    if not wanted & {*_ASKED.findall(source.text), *source.words}:
        return
    known = instances(source)
    for node in source.every(ast.Attribute):
        if node.attr in wanted:
            path = known.path(node.value)
            if node.attr in _kept(path) and not known.overrides(node.value, node.attr):
                yield from _change(source, target, path, node)
    for cls, _ in source.classes:
        yield from _fields(source, target, known, cls)


def _change(source: Source, target: Target, path: str, node: ast.Attribute) -> Iterator[Change]:
    outcome = _outcome(source, target, path, node.attr)
    if outcome is None:
        return
    name, (to, advice) = path.rpartition(".")[2], outcome
    if to:
        message = f"{name} keeps {node.attr} as {to} on the target"
        yield Step.attribute(node, to, rule=ID, message=message)
    else:
        message = f"{name} keeps no {node.attr} on the target"
        yield Note.at(node, rule=ID, message=message, fix=sentence(advice))


def _fields(
    source: Source, target: Target, known: Instances, cls: ast.ClassDef
) -> Iterator[Change]:
    """The names in ``template_fields`` of a class that inherits them of one of Airflow's."""
    path = known.base(cls)
    for statement in cls.body if path else ():
        names = [n for t in getattr(statement, "targets", ()) for n in ast.walk(t)]
        if not any(isinstance(n, ast.Name) and n.id == "template_fields" for n in names):
            continue
        for node in ast.walk(statement):
            if not isinstance(node, ast.Constant) or not isinstance(field := node.value, str):
                continue
            if field not in _kept(path) or known.defines(cls, field):
                continue
            outcome = _outcome(source, target, path, field)
            if outcome is None:
                continue
            to, _ = outcome
            name = path.rpartition(".")[2]
            if to:
                code = source.segment(node).replace(field, to)
                message = f"{name} keeps {field} as {to} on the target"
                yield Step.replace(node, code, rule=ID, message=message)
            else:
                message = f"{name} keeps no {field} on the target"
                fix = f"Take {field} out of template_fields: it cannot be rendered"
                yield Note.at(node, rule=ID, message=message, fix=fix)


_AFTER = (
    "from airflow.providers.google.cloud.transfers.gcs_to_bigquery import GCSToBigQueryOperator"
)
_MYSQL = lines(
    "",
    "",
    "class Mine({0}):",
    "    template_fields = ('sql', '{1}')",
    "",
    "    def execute(self, context):",
    "        self.log.info(self.{1})",
)
_OWN = lines(
    "",
    "",
    "class Mine({0}):",
    "    def __init__(self, bigquery_conn_id='b', **kwargs):",
    "        super().__init__(**kwargs)",
    "        self.bigquery_conn_id = bigquery_conn_id",
    "",
    "    def execute(self, context):",
    "        print(self.bigquery_conn_id, other.bigquery_conn_id)",
)

RULE = Rule(
    id=ID,
    title="Ask for what a task keeps by the target's names",
    why="Operators and hooks keep their arguments as attributes. Where an argument got another "
    "name, or went, so did the attribute: what a subclass reads fails when the task runs.",
    examples=(
        Example(
            before=block("""
                from airflow.contrib.operators.gcs_to_bq import GoogleCloudStorageToBigQueryOperator


                class Mine(GoogleCloudStorageToBigQueryOperator):
                    template_fields = ('bucket', "bigquery_conn_id")

                    def execute(self, context):
                        self.log.info(self.bigquery_conn_id)
                        super().execute(context)


                def told(task: Mine):
                    return task.bigquery_conn_id + task.delegate_to
            """),
            after=lines(
                _AFTER,
                "",
                "",
                "class Mine(GCSToBigQueryOperator):",
                "    template_fields = ('bucket', \"gcp_conn_id\")",
                "",
                "    def execute(self, context):",
                "        self.log.info(self.gcp_conn_id)",
                "        super().execute(context)",
                "",
                "",
                "def told(task: Mine):",
                "    return task.gcp_conn_id + task.delegate_to",
            ),
            notes=("impersonation_chain",),
        ),
        Example(
            before="from airflow.operators.mysql_operator import MySqlOperator\n"
            + _MYSQL.format("MySqlOperator", "mysql_conn_id"),
            after="from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator\n"
            + _MYSQL.format("SQLExecuteQueryOperator", "conn_id"),
        ),
    ),
    keeps=(
        lines(_AFTER) + _OWN.format("GCSToBigQueryOperator"),
        block("""
            from airflow.hooks.base import BaseHook

            print(BaseHook().conn_id, task.bigquery_conn_id, self.task_concurrency)
        """),
    ),
    find=_find,
)
