"""What a connection that code makes is given is what the target takes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, EditCall, Step
from codemods.reading.calls import Construction, constructions
from codemods.reading.source import Source
from codemods.reading.values import known
from codemods.rules._text import block
from codemods.tables.constructors import baseline
from codemods.tables.core_classes import CONNECTION
from codemods.tables.target import Target

ID = "connection-values"
# Source: Connection.__init__ and conn_type of airflow/models/connection.py, 1.10.15 and 2.0.2.
_PARTS = {"conn_type", "host", "login", "password", "schema", "port", "extra"}
_STORING = {"add", "add_all", "merge"}


def _find(source: Source, target: Target) -> Iterator[Change]:
    if "Connection" not in source.text or not target.has("apache-airflow>=2.0"):
        return
    stored = set(_stored(source))
    for made in constructions(source):
        signature = baseline().signature(made.path)
        if made.own or made.first or signature is None or CONNECTION not in signature.lineage:
            continue
        given = dict(zip(signature.positional, made.node.args, strict=False))
        given |= {k.arg: k.value for k in made.node.keywords if k.arg}
        if any(k.arg is None for k in made.node.keywords) or any(
            isinstance(a, ast.Starred) for a in made.node.args
        ):
            continue
        yield from _both(source, made, given)
        if (
            id(made.node) in stored
            and not {"conn_type", "uri"} & given.keys()
            and ".conn_type" not in source.text
        ):
            yield Note.at(
                made.node,
                rule=ID,
                message="the target stores no connection without a type, as 1.10 did",
                fix='Give it conn_type=..., such as "http", or "generic" where nothing asks for it',
            )


def _stored(source: Source) -> Iterator[int]:
    """``id`` of what calls of a session are given to store."""
    for call in source.plain_calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr in _STORING:
            for argument in call.args:
                several = argument.elts if isinstance(argument, ast.List | ast.Tuple) else ()
                for value in several or (argument,):
                    yield id(value)
                    if isinstance(value, ast.Name):
                        yield from map(id, source.assigned.get(value.id, []))


def _both(source: Source, made: Construction, given: dict[str, ast.expr]) -> Iterator[Change]:
    """What stands beside a uri, which 1.10 passed over."""
    beside = {
        name
        for name in _PARTS & given.keys()
        if not (isinstance(given[name], ast.Constant) and not _truth(given[name]))
    }
    by_name = next((k.value for k in made.node.keywords if k.arg == "uri"), None)
    uri = known(by_name, source) if by_name is not None else None
    if uri is None or not beside or (isinstance(uri, ast.Constant) and not uri.value):
        return
    said = ", ".join(sorted(beside))
    message = f"the target raises where a connection has a uri and {said}; 1.10 took the uri alone"
    named = beside <= {k.arg for k in made.node.keywords}
    if named and isinstance(uri, ast.Constant | ast.JoinedStr):
        operations = (EditCall(node=made.node, drop=frozenset(beside)),)
        yield Step(rule=ID, line=made.node.lineno, message=message, operations=operations)
    else:
        yield Note.at(made.node, rule=ID, message=message, fix=f"Leave out {said}, or the uri")


def _truth(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and bool(node.value)


RULE = Rule(
    id=ID,
    title="Make connections of what the target takes",
    why="1.10 passed over whatever stood beside a uri, and stored a connection without a type. 2.x "
    "raises AirflowException, and refuses to store it.",
    examples=(
        Example(
            before=block("""
                from airflow.models import Connection

                Connection(conn_id='a', conn_type='http', host=None, uri='http://a')
                Connection(conn_id='a', conn_type='http', uri=find())
                made = Connection('a', host='b')
                session.add_all([made])
            """),
            after=block("""
                from airflow.models import Connection

                Connection(conn_id='a', host=None, uri='http://a')
                Connection(conn_id='a', conn_type='http', uri=find())
                made = Connection('a', host='b')
                session.add_all([made])
            """),
            notes=("Leave out conn_type", "conn_type=..."),
        ),
    ),
    keeps=(
        block("""
            from airflow.models import Connection

            session.add(Connection('a', 'http', uri=None))
            session.add(Connection('a', uri='http://a'))
            Connection(**values)
        """),
        block("""
            from airflow.models import Connection

            made = Connection('a')
            made.conn_type = 'http'
            session.add(made)
        """),
        block("""
            from airflow.models import Connection

            Connection('a')
            names.add('a')
        """),
    ),
    find=_find,
)
