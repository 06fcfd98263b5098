"""What is asked of the configuration is asked under the name that the target has for it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files

from packaging.version import Version

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, Replace, Step
from codemods.reading.scopes import Call
from codemods.reading.source import Source
from codemods.reading.values import text_of
from codemods.rules._text import block
from codemods.tables.target import Target

ID = "configuration-options"
_CALLS = frozenset(
    f"{module}.{function}"
    for module in ("airflow.configuration.conf", "airflow.configuration", "airflow.conf")
    for function in ("get", "getboolean", "getfloat", "getint", "getjson", "has_option", "set")
)
_ASKING_NOT = (".has_option", ".set")
_GONE = "!"
# What Airflow 2 always does.
_ALWAYS = {
    "core.store_dag_code",
    "core.store_serialized_dags",
    "webserver.authenticate",
    "webserver.rbac",
}
_HOME = "core.airflow_home"  # no default has it since 1.10.3


@lru_cache(maxsize=1)
def _rows() -> Mapping[str, tuple[Version, str]]:
    """old → since which version, and the new name."""
    text = (files("codemods") / "data" / "options.txt").read_text("utf-8")
    rows, since = {_HOME: (Version("2.0"), _GONE)}, Version("0")
    for line in text.splitlines():
        if line.startswith("["):
            since = Version(line.strip("[]"))
        elif line and not line.startswith("#"):
            old, new = line.split(" ")
            rows[old] = (since, new)
    return rows


def _name(option: str, airflow: Version) -> str:
    """The target's name for an option: itself where nothing changed."""
    rows = _rows()
    while True:
        section, _, key = option.partition(".")
        for old, rest in ((option, ""), (f"{section}.*", key)):
            since, new = rows.get(old, (airflow, ""))
            if new and since <= airflow:
                option = new.replace("*", rest)
                break
        else:
            return option
        if option == _GONE:
            return option


def _asked(call: Call) -> tuple[ast.expr, ast.expr] | None:
    """The section and the option that a call names."""
    named = [call.keyword("section"), call.keyword("key") or call.keyword("option")]
    given = [*call.node.args[:2], *(k.value for k in named if k is not None)]
    return (given[0], given[1]) if len(given) == 2 else None


def _find(source: Source, target: Target) -> Iterator[Change]:
    for call in source.calls:
        asked = _asked(call) if call.path in _CALLS and call.use.sure else None
        if call.path.endswith(".set") and call.path in _CALLS:
            yield from _set(call, target)
        section, key = map(text_of, asked) if asked else (None, None)
        if asked is None or section is None or key is None:
            continue
        old = f"{section}.{key.lower()}"
        new = _name(old, target.airflow)
        if new == _GONE:
            if old in _ALWAYS and call.path.endswith(".getboolean"):
                yield Step.replace(
                    call.node,
                    "True",
                    rule=ID,
                    message=f"the option {old} is gone: the target always does so",
                )
            elif call.keyword("fallback") is None and not call.path.endswith(_ASKING_NOT):
                yield _gone(call, old)
        elif new != old:
            names = zip(asked, old.split("."), new.split("."), strict=True)
            yield Step(
                rule=ID,
                line=call.node.lineno,
                message=f"the option {old} is {new} on the target",
                operations=tuple(
                    Replace(node=node, code=_written(source.segment(node), after))
                    for node, before, after in names
                    if before != after
                ),
            )


def _set(call: Call, target: Target) -> Iterator[Note]:
    """``conf.set`` fails where airflow.cfg does not have the section: defaults lie elsewhere."""
    if target.has("apache-airflow>=2.7"):
        yield Note.at(
            call.node,
            rule=ID,
            message="conf.set raises NoSectionError on the target unless airflow.cfg has the "
            "section, and what it sets holds in this process alone",
            fix="Leave it out, and set the option in the environment's configuration",
        )


def _written(old: str, name: str) -> str:
    """A name between the quotes, and in the case, that the old one had."""
    quote = old[-1]
    return f"{quote}{name.upper() if old.isupper() else name}{quote}"


def _gone(call: Call, option: str) -> Note:
    return Note.at(
        call.node,
        rule=ID,
        message=f"the target has no option {option}: asking for it raises AirflowConfigException",
        fix="Use airflow.settings.AIRFLOW_HOME"
        if option == _HOME
        else "Leave the question out, or pass fallback=... with what shall hold then",
    )


RULE = Rule(
    id=ID,
    title="Ask for options under the names of the target",
    why="Options moved to other sections (sql_alchemy_conn to database in 2.3, logs to logging in "
    "2.0); asking for the old name warns or raises.",
    examples=(
        Example(
            before=block("""
                from airflow.configuration import conf

                conf.get('core', 'SQL_ALCHEMY_CONN')
                conf.get("core", "base_log_folder")
                conf.get('kubernetes', 'NAMESPACE')
                conf.getint('core', 'dag_concurrency')
                conf.get(section='scheduler', key='statsd_allow_list', fallback=None)
            """),
            after=block("""
                from airflow.configuration import conf

                conf.get('database', 'SQL_ALCHEMY_CONN')
                conf.get("logging", "base_log_folder")
                conf.get('kubernetes_executor', 'NAMESPACE')
                conf.getint('core', 'max_active_tasks_per_dag')
                conf.get(section='metrics', key='metrics_allow_list', fallback=None)
            """),
        ),
        Example(
            before=block("""
                from airflow import configuration

                configuration.get('core', 'sql_alchemy_conn')
                configuration.get('core', 'remote_logging')
            """),
            after=block("""
                from airflow.configuration import conf

                conf.get('core', 'sql_alchemy_conn')
                conf.get('logging', 'remote_logging')
            """),
            target="2.2.2",
        ),
        Example(
            before=block("""
                from airflow.configuration import conf

                conf.get('core', 'airflow_home')
                conf.getboolean('webserver', 'filter_by_owner')
                rbac = conf.getboolean('webserver', 'rbac')
                conf.set('core', 'enable_xcom_pickling', 'True')
            """),
            after=block("""
                from airflow.configuration import conf

                conf.get('core', 'airflow_home')
                conf.getboolean('webserver', 'filter_by_owner')
                rbac = True
                conf.set('core', 'enable_xcom_pickling', 'True')
            """),
            notes=(
                "airflow.settings.AIRFLOW_HOME",
                "no option webserver.filter_by_owner",
                "conf.set raises NoSectionError",
            ),
        ),
    ),
    keeps=(
        block("""
            from airflow.configuration import conf

            conf.get('core', 'dags_folder')
            conf.get('database', 'sql_alchemy_conn')
            conf.get('my_company', 'sql_alchemy_conn')
            conf.getboolean('webserver', 'owner_mode', fallback=True)
        """),
        block("""
            # airflow
            from mylib import conf

            conf.get('core', 'base_log_folder')
        """),
        block("""
            from airflow import DAG

            conf = {}
            conf.get('core', 'remote_logging')
        """),
        block("""
            from airflow.configuration import conf

            conf.get(SECTION, 'base_log_folder')
        """),
    ),
    find=_find,
)
