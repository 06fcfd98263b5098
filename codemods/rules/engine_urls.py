"""URLs of databases name a dialect that the target's SQLAlchemy has."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Rule
from codemods.editing.changes import Change, Insert, Respell, Step
from codemods.reading.instances import instances
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.core_classes import CONNECTION
from codemods.tables.target import Target

ID = "engine-urls"
_OLD, _NEW = "postgres", "postgresql"
_MAKERS = {"create_engine", "make_url"}
_MESSAGE = "SQLAlchemy 1.4 knows PostgreSQL as postgresql:// alone"


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not target.has("sqlalchemy>=1.4") or "sqlalchemy" not in source.text:
        return
    known = instances(source)
    seen: set[int] = set()
    for call in source.calls:
        if not call.path.startswith("sqlalchemy.") or call.path.rpartition(".")[2] not in _MAKERS:
            continue
        given = [k.value for k in call.node.keywords if k.arg == "url"]
        for url in (*call.node.args[:1], *given):
            match url:
                case ast.Call(func=ast.Attribute(value=owner, attr="get_uri")):
                    uri = known.path(owner) == CONNECTION
                case _:
                    uri = False
            if uri:
                code = f'.replace("{_OLD}://", "{_NEW}://", 1)'
                yield _step(url, Insert(at=source.span(url)[1], code=code))
            text = _head(source, url)
            at = _scheme(source, text) if text is not None else None
            if text is not None and at is not None and at not in seen:
                seen.add(at)
                yield _step(text, Respell(start=at, end=at + len(_OLD), code=_NEW))


def _head(source: Source, url: ast.expr) -> ast.expr | None:
    """The text that an expression begins with, by the one value of a name as well."""
    if isinstance(url, ast.Name):
        values = source.assigned.get(url.id, [])
        return _head(source, values[0]) if len(values) == 1 else None
    match url:
        case ast.BinOp(left=first) | ast.Call(func=ast.Attribute(value=first, attr="format")):
            return _head(source, first)
    return url if isinstance(url, ast.Constant | ast.JoinedStr) else None


def _scheme(source: Source, text: ast.expr) -> int | None:
    """Where a text says ``postgres``, if it begins with that."""
    segment = source.segment(text)
    body = segment.lstrip("fFrRuU'\"")
    old = body.startswith((f"{_OLD}://", f"{_OLD}+"))
    return source.span(text)[0] + len(segment) - len(body) if old else None


def _step(node: ast.expr, operation: Insert | Respell) -> Step:
    return Step(rule=ID, line=node.lineno, message=_MESSAGE, operations=(operation,))


RULE = Rule(
    id=ID,
    title="Name PostgreSQL's dialect in full",
    why="The SQLAlchemy of 1.10 took postgres:// for postgresql://; 1.4, which the target has, "
    "finds no such dialect. Connection.get_uri() says postgres:// on both sides.",
    examples=(
        Example(
            before=block("""
                from airflow.hooks.base import BaseHook
                from sqlalchemy import create_engine

                URL = 'postgres+psycopg2://{}@db/x'
                create_engine('postgres://me@db/x')
                create_engine(f'postgres://{user}@db/x')
                create_engine(URL.format(user))
                create_engine(BaseHook.get_connection('p').get_uri())
            """),
            after=lines(
                "from airflow.hooks.base import BaseHook",
                "from sqlalchemy import create_engine",
                "",
                "URL = 'postgresql+psycopg2://{}@db/x'",
                "create_engine('postgresql://me@db/x')",
                "create_engine(f'postgresql://{user}@db/x')",
                "create_engine(URL.format(user))",
                "create_engine(BaseHook.get_connection('p').get_uri()"
                '.replace("postgres://", "postgresql://", 1))',
            ),
        ),
    ),
    keeps=(
        block("""
            import os

            from airflow.providers.postgres.hooks.postgres import PostgresHook
            from sqlalchemy import create_engine

            os.environ['AIRFLOW_CONN_P'] = 'postgres://me@db/x'
            create_engine('postgresql://me@db/x')
            create_engine(PostgresHook('p').get_uri())
        """),
    ),
    find=_find,
)
