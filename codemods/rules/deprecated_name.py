"""Names that are still there on the target and warn when they are used."""

from __future__ import annotations

from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change
from codemods.reading.source import Source
from codemods.rules._text import block, lines, sentence
from codemods.tables.target import Target

ID = "deprecated-name"


def _find(source: Source, target: Target) -> Iterator[Change]:
    seen: set[tuple[int, str]] = set()  # two ``import a.b`` share their uses
    for binding in source.bindings:
        if binding.path.partition(".")[0] != "airflow" or binding.name == "*":
            continue
        for use in binding.uses:
            parts = use.path.split(".")
            for length in range(len(parts), binding.path.count("."), -1):
                end = target.resolve(".".join(parts[:length]))
                if end.warns and (id(binding.scope), end.path) not in seen:
                    seen.add((id(binding.scope), end.path))
                    yield Note.at(
                        use.node,
                        rule=ID,
                        message=f"{end.path} is deprecated on the target: its use warns",
                        fix=sentence(end.warns),
                    )
                if end.hops or end.warns:
                    break


_POOL = block("""
    from airflow.api.common.experimental.pool import get_pool

    get_pool(name='p')
""")
_DOTTED = block("""
    import airflow.api.common.experimental.pool

    airflow.api.common.experimental.pool.get_pool(name='p')
""")

RULE = Rule(
    id=ID,
    title="Leave what will go",
    why="The name still works on the target, warns whenever it is used, and has no successor of "
    "the same form.",
    examples=(
        Example(before=_POOL, notes=("airflow.models.pool.Pool",)),
        Example(before=_DOTTED, notes=("airflow.models.pool.Pool",)),
    ),
    keeps=(
        block("""
            from airflow.models.pool import Pool

            Pool.get_pool('p')
        """),
        lines("from airflow.api.common.experimental.pool import get_pool"),
    ),
    find=_find,
)
