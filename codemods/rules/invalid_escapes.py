"""Backslashes that begin no escape are said as Python takes them."""

from __future__ import annotations

from collections.abc import Iterator

from codemods.base import Example, Rule
from codemods.editing.changes import Change
from codemods.reading.escapes import ID
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.target import Target


def _find(_: Source, __: Target) -> Iterator[Change]:
    """``codemods.reading.escapes`` comes first: a literal may be changed by other rules too."""
    return iter(())


RULE = Rule(
    id=ID,
    title="Double the backslashes that begin no escape",
    why="Python takes a backslash before such a letter as it is, and warns: for all to see since "
    "3.12, which Airflow 2.11 has on MWAA. The value of the literal stays.",
    examples=(
        Example(
            before=block(r"""
                # airflow
                PATTERN = '^\d+\.csv$'
                SQL = 'like \'\_%\''
            """),
            after=block(r"""
                # airflow
                PATTERN = r'^\d+\.csv$'
                SQL = 'like \'\\_%\''
            """),
        ),
        Example(
            before=block(r"""
                # airflow
                TEXT = f'{x}\d'
                BYTES = b'\N'
                OLD = u'\d'
            """),
            after=block(r"""
                # airflow
                TEXT = fr'{x}\d'
                BYTES = br'\N'
                OLD = u'\\d'
            """),
            target="2.5.1",
        ),
        Example(
            before=block(r"""
                from airflow.operators.bash_operator import BashOperator

                BashOperator(task_id='t', bash_command="echo \$1", xcom_push=True)
            """),
            after=block(r"""
                from airflow.operators.bash import BashOperator

                BashOperator(task_id='t', bash_command=r"echo \$1", do_xcom_push=True)
            """),
        ),
    ),
    keeps=(
        block(r"""
            # airflow
            PATTERN = r'^\d+$'
            PATH = '\n\x41\u0041\N{BULLET}\0'
        """),
        block(r"""
            # airflow \d
            TEXT = 'a' \
                'b'
        """),
        lines("PATTERN = '\\d'"),
    ),
    find=_find,
)
