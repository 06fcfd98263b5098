"""A wildcard in the objects that are copied in Google Cloud Storage is a pattern."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, EditCall, Step
from codemods.reading.calls import Construction, constructions
from codemods.reading.source import Source
from codemods.reading.values import known, quoted, text_of
from codemods.rules._text import block, lines
from codemods.tables.target import Target

ID = "gcs-wildcard"
_PATH = "airflow.providers.google.cloud.transfers.gcs_to_gcs.GCSToGCSOperator"
# Source: transfers/gcs_to_gcs.py of apache-airflow-providers-google 10.25 and 15.1: without a
# wildcard all objects below the prefix are copied, those of the pattern where there is one; to
# what the destination names it adds another part of their names.
_OTHERS = {"delimiter", "destination_object", "exact_match", "match_glob", "source_objects"}
_SPECIAL = set("?[]{}/")


def _find(source: Source, target: Target) -> Iterator[Change]:
    if "*" not in source.text:
        return
    for made in constructions(source):
        signature = target.constructors.signature(_PATH)
        if target.resolve(made.path).path != _PATH or signature is None:
            continue
        given = {k.arg: k.value for k in made.reaching}
        value = given.get("source_object")
        text = text_of(known(value, source)) if value is not None else None
        if value is None or "source_object" not in signature.warned:
            continue
        if "*" not in (text if text is not None else source.segment(value)):
            continue
        step = _pattern(source, made, value, text or "")
        yield step or Note.at(
            value,
            rule=ID,
            message="GCSToGCSOperator warns about a wildcard in source_object on the target",
            fix="Give the part before the * as source_object and the pattern as match_glob, and "
            'see that destination_object is the folder: "<folder>/"',
        )


def _pattern(source: Source, made: Construction, value: ast.expr, text: str) -> Step | None:
    """The call with prefix and pattern, where it copies the same objects under their names."""
    prefix, _, suffix = text.partition("*")
    given = {k.arg for k in made.node.keywords}
    more = given & {*_OTHERS, None} or source.default_arguments[0] & _OTHERS
    inside = prefix.count("{{") != prefix.count("}}")
    if more or inside or not prefix or "*" in suffix or _SPECIAL & set(suffix):
        return None
    edit = EditCall(
        node=made.node,
        values={"source_object": quoted(prefix)},
        add={"match_glob": quoted(f"**/*{suffix}")} if suffix else {},
    )
    message = "The wildcard of source_object is its end, or match_glob"
    return Step(rule=ID, line=value.lineno, message=message, operations=(edit,))


_NEW = "from airflow.providers.google.cloud.transfers.gcs_to_gcs import GCSToGCSOperator"
_COPY = "GCSToGCSOperator(task_id='t', source_bucket='a', destination_bucket='b', "

RULE = Rule(
    id=ID,
    title="Name the objects to copy by prefix and pattern",
    why="GCSToGCSOperator warns about a wildcard in source_object, which match_glob stands for.",
    examples=(
        Example(
            before=block("""
                from airflow.providers.google.cloud.transfers.gcs_to_gcs import GCSToGCSOperator

                GCSToGCSOperator(source_bucket='a', source_object='d/*.csv')
            """),
            after=block("""
                from airflow.providers.google.cloud.transfers.gcs_to_gcs import GCSToGCSOperator

                GCSToGCSOperator(source_bucket='a', source_object="d/", match_glob="**/*.csv")
            """),
        ),
        Example(
            before=lines(_NEW, "", f"{_COPY}source_object='d/*', destination_object='e/')"),
            notes=("match_glob",),
        ),
    ),
    keeps=(
        lines(_NEW, "", f"{_COPY}source_object='d/', match_glob='**/*.csv')"),
        block("""
            # airflow
            from company import Copy

            Copy(source_object='a/*')
        """),
    ),
    find=_find,
)
