"""BigQueryOperator is a class of the file's where its calls have no exact form."""

from __future__ import annotations

from collections.abc import Iterator

from codemods.base import Example, Rule
from codemods.editing.changes import Change
from codemods.editing.query_class import CODE, ID
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.target import Target


def _find(_: Source, __: Target) -> Iterator[Change]:
    """``codemods.editing.query_class`` comes before any rule, which then see the class."""
    return iter(())


_CALL = "BigQueryOperator(task_id='t', sql='select 1', destination_dataset_table=TABLE)"
_NEW = (
    "from airflow.providers.google.cloud.hooks.bigquery import BigQueryHook",
    "from airflow.providers.google.cloud.operators import bigquery",
)
_CLASS = CODE.substitute(
    name="BigQueryOperator", base="bigquery.BigQueryInsertJobOperator", hook="BigQueryHook"
)
_HEIR = ("class Mine(BigQueryOperator):", "    def where(self):")
_READS = "        return self.destination_dataset_table"

RULE = Rule(
    id=ID,
    title="Let a class of the file's make BigQuery's jobs",
    why="BigQueryInsertJobOperator, which took BigQueryOperator's place, wants the parts of the "
    "destination's name in a job's configuration, the project always. Where a name is known only "
    "when the task runs, leaves the project to the connection, or a class inherits from the "
    "operator, a subclass in the file takes 1.10's arguments.",
    examples=(
        Example(
            before=block("""
                from airflow.contrib.operators.bigquery_operator import BigQueryOperator

                BigQueryOperator(task_id='t', sql='select 1', destination_dataset_table=TABLE)
            """),
            after=lines(*_NEW, "", "", _CLASS, "", _CALL),
        ),
        Example(
            before=block("""
                from airflow.contrib.operators.bigquery_operator import BigQueryOperator


                class Mine(BigQueryOperator):
                    def where(self):
                        return self.destination_dataset_table
            """),
            after=lines(*_NEW, "", "", _CLASS, "", *_HEIR, _READS),
            target="2.5.1",
        ),
    ),
    keeps=(
        lines(*_NEW, "", "", _CLASS, "", _CALL),
        block("""
            # airflow
            from company import BigQueryOperator

            BigQueryOperator(task_id='t', sql='select 1', destination_dataset_table=TABLE)
        """),
    ),
    find=_find,
)
