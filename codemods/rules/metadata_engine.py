"""Airflow's own engine speaks SQLAlchemy 2 on the target."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change
from codemods.reading.source import Source
from codemods.rules._text import block
from codemods.tables.target import Target

ID = "metadata-engine"
_ENGINE = "airflow.settings.engine"
# Source: create_engine in airflow/settings.py, 2.6.3 and 2.7.2 (future=True).
_SINCE = "apache-airflow>=2.7"
_LOOKS = "Ask sqlalchemy.inspect(engine) for it: get_table_names(), has_table(name)"
_GONE = {
    "execute": "Write: with {0}.begin() as connection: connection.execute(sqlalchemy.text(...))",
    "scalar": "Write: with {0}.begin() as connection: connection.scalar(sqlalchemy.text(...))",
    "table_names": _LOOKS,
    "has_table": _LOOKS,
}
_CONNECTING = {"begin", "connect"}


def _find(source: Source, target: Target) -> Iterator[Change]:
    if "engine" not in source.text or not target.has(_SINCE):
        return
    engines = _named(source, lambda node: source.path_of(node) == _ENGINE)

    def is_engine(node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in engines

    connections = _named(source, lambda node: _connects(source, node, engines))
    for call in source.plain_calls:
        func = call.func
        if not isinstance(func, ast.Attribute):
            continue
        path, _, name = (source.path_of(func) or "").rpartition(".")
        owner = source.segment(func.value)
        if func.attr in _GONE and (is_engine(func.value) or (path, name) == (_ENGINE, func.attr)):
            yield Note.at(
                call,
                rule=ID,
                message=f"Airflow's engine has no {func.attr}() since 2.7",
                fix=_GONE[func.attr].replace("{0}", owner),
            )
        elif func.attr == "execute" and _is_text(source, call) and owner in connections:
            yield Note.at(
                call,
                rule=ID,
                message="a connection of Airflow's engine takes no plain text since 2.7, and "
                "keeps nothing that is not committed",
                fix=f"Write {owner}.execute(sqlalchemy.text(...)), within engine.begin()",
            )


def _named(source: Source, meant: Callable[[ast.expr], bool]) -> set[str]:
    """The names that are given nothing but values of which ``meant`` holds."""
    found: dict[str, list[bool]] = {}
    for name, values in source.assigned.items():
        found.setdefault(name, []).extend(meant(value) for value in values)
    for item in source.every(ast.withitem):
        if isinstance(item.optional_vars, ast.Name):
            found.setdefault(item.optional_vars.id, []).append(meant(item.context_expr))
    return {name for name, held in found.items() if all(held)}


def _connects(source: Source, node: ast.expr, engines: set[str]) -> bool:
    """``settings.engine.connect()``."""
    func = node.func if isinstance(node, ast.Call) else None
    if not isinstance(func, ast.Attribute) or func.attr not in _CONNECTING:
        return False
    own = isinstance(func.value, ast.Name) and func.value.id in engines
    return own or source.path_of(func) == f"{_ENGINE}.{func.attr}"


def _is_text(source: Source, call: ast.Call) -> bool:
    """Whether a call is given SQL as it is."""
    value = call.args[0] if call.args else None
    if isinstance(value, ast.Name):
        values = source.assigned.get(value.id, [])
        value = values[0] if len(values) == 1 else None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        value = value.func.value if value.func.attr == "format" else None
    if isinstance(value, ast.BinOp):
        value = value.left
    text = isinstance(value, ast.Constant) and isinstance(value.value, str)
    return text or isinstance(value, ast.JoinedStr)


RULE = Rule(
    id=ID,
    title="Ask Airflow's database as SQLAlchemy 2 does",
    why="Since 2.7 Airflow makes its engine with future=True: it has no execute() of its own, and "
    "its connections take no plain text and commit nothing by themselves. Sessions go on.",
    examples=(
        Example(
            before=block("""
                from airflow import settings

                settings.engine.execute('delete from log')
                engine = settings.engine
                print(engine.has_table('dag'))
                with engine.connect() as connection:
                    connection.execute('delete from log where id = %d' % 1)
            """),
            notes=("settings.engine.begin()", "sqlalchemy.inspect", "sqlalchemy.text"),
        ),
    ),
    keeps=(
        block("""
            from airflow import settings

            with settings.engine.begin() as connection:
                connection.execute(text('delete from log'))
            hook.get_sqlalchemy_engine().execute('select 1')
            settings.Session().execute('select 1')
        """),
    ),
    find=_find,
)
