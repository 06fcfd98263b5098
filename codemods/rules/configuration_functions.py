"""The functions of ``airflow.configuration`` are called on ``conf``."""

from __future__ import annotations

from collections.abc import Iterator

from codemods.base import Example, Rule
from codemods.editing.changes import Change, NewImport, Operation, Rebind, Replace, Step
from codemods.reading.scopes import Binding, Use
from codemods.reading.source import Source
from codemods.rules._text import block
from codemods.tables.target import Target

ID = "configuration-functions"
_MODULE = "airflow.configuration"
# Source: airflow/configuration.py of 2.0.2 (each of these warns and calls its namesake on conf).
_FUNCTIONS = frozenset(
    (
        "as_dict",
        "get",
        "getboolean",
        "getfloat",
        "getint",
        "getsection",
        "has_option",
        "load_test_config",
        "remove_option",
        "set",
    )
)


def _function(use: Use) -> str:
    """The function that a use names, or nothing."""
    module, _, rest = use.path.partition(f"{_MODULE}.")
    name = rest.partition(".")[0]
    return name if not module and name in _FUNCTIONS and use.sure else ""


def _local(source: Source, binding: Binding) -> NewImport:
    """The import of ``conf``, under another name where the text has given this one away."""
    same = binding.scope.imports.get("conf", ())
    free = "conf" not in source.names or (
        bool(same)
        and all(b.path in {_MODULE, f"{_MODULE}.conf"} for b in same)
        and all(b is binding or b.path != _MODULE for b in same)
        and "conf" not in source.module.others
    )
    name = "conf" if free else source.free_name("airflow_conf")
    return NewImport(module=_MODULE, name="conf", asname="" if name == "conf" else name)


def _operations(source: Source, binding: Binding, uses: list[Use]) -> Iterator[Operation]:
    whole = len(uses) == len(binding.uses) and not binding.dotted and binding.tower is None
    if binding.path == f"{_MODULE}.{_function(uses[0])}" or (whole and binding.path == _MODULE):
        if not whole:
            return
        new = _local(source, binding)
        yield Rebind(binding=binding, imports=(new,))
        for use in uses:
            code = new.local if binding.path == _MODULE else f"{new.local}.{_function(use)}"
            if use.root.id != code:
                yield Replace(node=use.root, code=code)
        return
    for use in uses:
        at = use.nodes[len(use.nodes) - 1 - (use.path.count(".") - 2)]
        head = source.segment(at).rpartition(".")[0]
        yield Replace(node=at, code=f"{head}.conf.{_function(use)}")


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not target.has("apache-airflow>=2.0"):
        return
    for binding in source.bindings:
        # ``import a.b`` and ``import a`` bind one name together: the first speaks for its uses.
        uses = [u for u in binding.uses if _function(u) and u.bindings[0] is binding]
        operations = tuple(_operations(source, binding, uses)) if uses else ()
        if operations:
            names = ", ".join(sorted({_function(use) for use in uses}))
            yield Step(
                rule=ID,
                line=binding.alias.lineno,
                message=f"{_MODULE}: {names} of the module warns, conf has it",
                operations=operations,
            )


RULE = Rule(
    id=ID,
    title="Ask conf for the configuration",
    why="Since Airflow 2.0 the functions of airflow.configuration warn; its conf has the same "
    "ones.",
    examples=(
        Example(
            before=block("""
                from airflow import configuration

                configuration.get('core', 'dags_folder')
                configuration.getint('core', 'parallelism')
            """),
            after=block("""
                from airflow.configuration import conf

                conf.get('core', 'dags_folder')
                conf.getint('core', 'parallelism')
            """),
        ),
        Example(
            before=block("""
                from airflow import configuration as conf

                conf.get('core', 'dags_folder')
            """),
            after=block("""
                from airflow.configuration import conf

                conf.get('core', 'dags_folder')
            """),
        ),
        Example(
            before=block("""
                from airflow import configuration

                configuration.get('core', 'dags_folder')
                configuration.get_airflow_home()
            """),
            after=block("""
                from airflow import configuration

                configuration.conf.get('core', 'dags_folder')
                configuration.get_airflow_home()
            """),
        ),
        Example(
            before=block("""
                from airflow.configuration import get, get_airflow_home

                conf = get('core', 'dags_folder')
            """),
            after=block("""
                from airflow.configuration import get_airflow_home
                from airflow.configuration import conf as airflow_conf

                conf = airflow_conf.get('core', 'dags_folder')
            """),
        ),
        Example(
            before=block("""
                import airflow.configuration

                airflow.configuration.has_option('a', 'b')
            """),
            after=block("""
                import airflow.configuration

                airflow.configuration.conf.has_option('a', 'b')
            """),
        ),
    ),
    keeps=(
        block("""
            from airflow import configuration

            configuration.conf.get('a', 'b')
        """),
        block("""
            from airflow.configuration import conf

            conf.get('a', 'b')
        """),
        block("""
            # airflow
            from mylib import configuration

            configuration.get('a', 'b')
        """),
        block("""
            from airflow import configuration

            configuration = {}
            configuration.get('a', 'b')
        """),
    ),
    find=_find,
)
