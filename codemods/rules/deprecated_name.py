"""Names that are still there on the target and warn when they are used."""

from __future__ import annotations

from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.changes import Change
from codemods.rules._text import lines, sentence
from codemods.source import Source
from codemods.target import Target

ID = "deprecated-name"


def _find(source: Source, target: Target) -> Iterator[Change]:
    for binding in source.bindings:
        if not binding.path.startswith("airflow.") or binding.name == "*":
            continue
        seen: set[str] = set()
        for use in binding.uses:
            parts = use.path.split(".")
            for length in range(len(parts), binding.path.count("."), -1):
                end = target.resolve(".".join(parts[:length]))
                if end.warns and end.path not in seen:
                    seen.add(end.path)
                    yield Note.at(
                        use.node,
                        rule=ID,
                        message=f"{end.path} is deprecated on the target: its use warns",
                        fix=sentence(end.warns),
                    )
                if end.hops or end.warns:
                    break


_POOL = lines(
    "from airflow.api.common.experimental.pool import get_pool",
    "",
    "get_pool(name='p')",
)

RULE = Rule(
    id=ID,
    title="Leave what will go",
    why="The name still works on the target, warns whenever it is used, and has no successor of "
    "the same form.",
    examples=(Example(before=_POOL, after=_POOL, notes=("airflow.models.pool.Pool",)),),
    keeps=(
        lines("from airflow.models.pool import Pool", "", "Pool.get_pool('p')"),
        lines("from airflow.api.common.experimental.pool import get_pool"),
    ),
    find=_find,
)
