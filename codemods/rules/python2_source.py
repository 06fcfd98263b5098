"""Files of Python 2 become Python 3 when asked to."""

from __future__ import annotations

from collections.abc import Iterator

from codemods.base import Example, Rule
from codemods.editing.changes import Change
from codemods.python2 import ID
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.target import Target


def _find(_: Source, __: Target) -> Iterator[Change]:
    """What parses needs no translation; ``codemods.python2`` comes before any rule."""
    return iter(())


RULE = Rule(
    id=ID,
    title="Translate Python 2",
    why="A file that Python 3 cannot parse is no DAG file on MWAA 2.x, and none for the other "
    "codemods. With --python2 fissix, the maintained lib2to3, translates it first. Text and bytes, "
    "and the division of whole numbers, are for a person to look at.",
    examples=(
        Example(
            before=block("""
                from airflow import DAG

                try:
                    print 'DAG', 0755
                except ValueError, error:
                    print error
            """),
            after=block("""
                from airflow import DAG

                try:
                    print('DAG', 0o755)
                except ValueError as error:
                    print(error)
            """),
            python2=True,
        ),
        Example(
            before=lines("# airflow", "submit(async=True)"),
            after=lines("# airflow", "submit(async_=True)"),
            python2=True,
        ),
    ),
    keeps=(
        lines("# airflow", "print('DAG')"),
        lines("# airflow", "x = {'a': 1}.keys()"),
        block("""
            # airflow
            async def f(g):
                await g
        """),
    ),
    find=_find,
)
