"""Classes that another one replaced, where a call cannot be mapped without a person."""

from __future__ import annotations

from collections.abc import Iterator

from codemods.base import Example, Rule
from codemods.changes import Change
from codemods.rules._text import lines
from codemods.rules.arguments import REPLACED, argument_changes
from codemods.source import Source
from codemods.target import Target


def _find(source: Source, target: Target) -> Iterator[Change]:
    return (c for c in argument_changes(source, target) if c.rule == REPLACED)


_CALL = "BigQueryExecuteQueryOperator(task_id='t', sql='s', destination_dataset_table='d.t')"
_MODULE = "airflow.providers.google.cloud.operators.bigquery"

RULE = Rule(
    id=REPLACED,
    title="Move to the class that took its place",
    why="The class warns on the target and another one, with other arguments, is its successor. "
    "It still works until Airflow or the provider drops it.",
    examples=(
        Example(
            before=lines(f"from {_MODULE} import BigQueryExecuteQueryOperator", "", _CALL),
            target="2.10.3",
            notes=("BigQueryInsertJobOperator",),
        ),
        Example(
            before=lines(
                f"from {_MODULE} import BigQueryExecuteQueryOperator",
                "",
                "",
                "class Mine(BigQueryExecuteQueryOperator):",
                "    def __init__(self, **kwargs):",
                "        super().__init__(**kwargs)",
                "",
                "",
                "Mine(task_id='t', sql='s')",
            ),
            target="2.10.3",
            notes=("Mine inherits from", "Let Mine come from BigQueryInsertJobOperator"),
        ),
    ),
    keeps=(
        lines(
            f"from {_MODULE} import BigQueryInsertJobOperator",
            "",
            "BigQueryInsertJobOperator(task_id='t', configuration={})",
        ),
    ),
    find=_find,
)
