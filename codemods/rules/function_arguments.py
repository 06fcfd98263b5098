"""Functions of Airflow's modules take the arguments that they have on the target."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change
from codemods.reading.source import Source
from codemods.rules._signatures import edited, map_call, told_of
from codemods.rules._text import block
from codemods.tables.methods import baseline_methods
from codemods.tables.target import Target

ID = "function-arguments"


_SESSION = "session"
_PROVIDE = ".provide_session"


def _find(source: Source, target: Target) -> Iterator[Change]:
    if _PROVIDE[1:] in source.text and target.has("apache-airflow>=2.0"):
        yield from _without_session(source)
    for call in source.calls:
        old = baseline_methods().function(call.path)
        resolution = target.resolve(call.path)
        if old is None or resolution.removed is not None:
            continue
        new = target.methods.function(resolution.path)
        if new is None:
            continue
        module, _, name = resolution.path.rpartition(".")
        mapped = map_call(target, (module,), name, call.node, old, new)
        yield from told_of(call.node, name, mapped, old, new, rule=ID)
        yield from edited(call.node, name, mapped, rule=ID)


def _without_session(source: Source) -> Iterator[Note]:
    """Functions that 1.10 gave a session in their ``**kwargs``. Source: airflow/utils/session.py of
    2.0.2, find_session_idx."""
    for function in source.every(ast.FunctionDef):
        names = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
        paths = [source.path_of(decorator) or "" for decorator in function.decorator_list]
        if _SESSION not in names and any(
            path.startswith("airflow.") and path.endswith(_PROVIDE) for path in paths
        ):
            yield Note.at(
                function,
                rule=ID,
                message=f"provide_session asks {function.name} for a parameter called session: the "
                "target raises when the file is imported",
                fix="Give it session=None, and take the session from there instead of **kwargs",
            )


RULE = Rule(
    id=ID,
    title="Call Airflow's functions as the target has them",
    why="Functions of airflow.utils, airflow.macros and airflow.api take other arguments, or take "
    "them by name alone; a call fails when the task runs, long after the DAG parsed.",
    examples=(
        Example(
            before=block("""
                from airflow.api.common.experimental.mark_tasks import set_state
                from airflow.utils.db import initdb
                from airflow.utils.email import send_MIME_email
                from airflow.utils.helpers import reap_process_group

                set_state([task], day, True, commit=True)
                send_MIME_email('a@example.com', ['b@example.com'], message, True)
                reap_process_group(pgid=1, log=log)
                initdb(rbac=True)
            """),
            after=block("""
                from airflow.api.common.mark_tasks import set_state
                from airflow.utils.db import initdb
                from airflow.utils.email import send_mime_email
                from airflow.utils.process_utils import reap_process_group

                set_state(tasks=[task], execution_date=day, upstream=True, commit=True)
                send_mime_email('a@example.com', ['b@example.com'], message, dryrun=True)
                reap_process_group(process_group_id=1, logger=log)
                initdb()
            """),
        ),
        Example(
            before=block("""
                from airflow.models.taskinstance import clear_task_instances

                clear_task_instances(tis, session, activate_dag_runs=False, dag=dag)
            """),
            notes=("clear_task_instances does not take activate_dag_runs",),
        ),
        Example(
            before=block("""
                from airflow.utils.session import provide_session


                @provide_session
                def count(**kwargs):
                    return kwargs['session'].query(DagRun).count()
            """),
            notes=("asks count for a parameter called session",),
        ),
    ),
    keeps=(
        block("""
            from airflow.utils.session import provide_session


            @provide_session
            def count(*, session=None):
                return session.query(DagRun).count()
        """),
        block("""
            from airflow.utils.email import send_email
            from airflow.utils.helpers import chunks

            send_email(to=['a@example.com'], subject='s', html_content='h', mime_charset='utf-8')
            chunks([1, 2], 1)
        """),
    ),
    find=_find,
)
