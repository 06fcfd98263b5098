"""Comparisons with a literal by ``is``, and assertions of a tuple, about which Python warns."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, Compose, Step
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.target import Target

ID = "literal-identity"
_EQUAL = {ast.Is: "==", ast.IsNot: "!="}


def _literal(node: ast.expr) -> bool:
    """Whether Python 3.8 and later warn where this is compared by ``is``."""
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str | bytes | int | float)
        and (not isinstance(node.value, bool))
    )


def _find(source: Source, _: Target) -> Iterator[Change]:
    for node in source.nodes:
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            equal = _EQUAL.get(type(node.ops[0]))
            sides = node.left, node.comparators[0]
            if equal and any(map(_literal, sides)):
                yield Step(
                    rule=ID,
                    line=node.lineno,
                    message=f"whether a literal is the same object is chance: {equal} compares",
                    operations=(Compose(node=node, parts=(sides[0], f" {equal} ", sides[1])),),
                    safe=False,
                )
        elif isinstance(node, ast.Assert) and isinstance(node.test, ast.Tuple) and node.test.elts:
            yield Note.at(
                node,
                rule=ID,
                message="a tuple is true whatever it holds: this asserts nothing",
                fix="Take the parentheses away: assert condition, message",
            )


RULE = Rule(
    id=ID,
    title="Compare with literals by their value",
    why="Python warns since 3.8 where `is` compares with a literal, and where a tuple is asserted.",
    examples=(
        Example(
            before=block("""
                # airflow
                if mode is 'full' or 0 is not count:
                    run()
            """),
            after=block("""
                # airflow
                if mode == 'full' or 0 != count:
                    run()
            """),
            unsafe=True,
        ),
        Example(before=lines("# airflow", "assert (x, 'no x')"), notes=("asserts nothing",)),
    ),
    keeps=(
        lines("# airflow", "x is None or y is not True or z is ..."),
        lines("# airflow", "a == 'b' is None"),
        block("""
            # airflow
            assert ()
            assert x, ('no', 'x')
        """),
    ),
    find=_find,
)
