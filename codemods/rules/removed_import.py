"""Names that the target does not have are reported with what to do instead."""

from __future__ import annotations

from collections.abc import Iterator

from codemods.base import Example, Rule
from codemods.editing.changes import Change
from codemods.reading.class_paths import REMOVED
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.rules.moved_import import import_changes
from codemods.tables.target import Target


def _find(source: Source, target: Target) -> Iterator[Change]:
    return (c for c in import_changes(source, target) if c.rule == REMOVED)


_DAGRUN = block("""
    def make():
        from airflow.operators.dagrun_operator import DagRunOrder

        return DagRunOrder()
""")
_PLUGIN = block("""
    from airflow.operators.company_plugin import CompanyOperator

    CompanyOperator()
""")
_HOOK = block("""
    from airflow.hooks import CompanyHook

    CompanyHook()
""")
_DOTTED = block("""
    import airflow
    from airflow import sensors

    airflow.operators.CompanyOperator()
    sensors.company_plugin.CompanySensor()
""")
_SET = block("""
    from airflow import settings

    settings.CONTEXT_MANAGER_DAG = None
""")
_READ_ONCE = block("""
    from airflow.settings import CONTEXT_MANAGER_DAG

    CONTEXT_MANAGER_DAG.x
""")
_STAR = block("""
    from airflow.hooks.company_plugin import *

    CompanyHook()
""")
_BACKPORT = block("""
    from airflow.providers.plexus.operators.job import PlexusJobOperator

    PlexusJobOperator(task_id='t')
""")
_CALLED = block("""
    try:
        from airflow.contrib.kubernetes.pod import Pod
    except ImportError:
        Pod = None

    Pod(image='i', envs={}, cmds=[])
""")

RULE = Rule(
    id=REMOVED,
    title="Replace what the target does not have",
    why="Some names have no successor, or live in a provider that the target's constraints do not "
    "have. The import fails on the target; it is taken away where nothing uses the name.",
    examples=(
        Example(before=_DAGRUN, notes=("conf=",)),
        Example(before=_PLUGIN, notes=("the module that defines it",)),
        Example(before=_HOOK, notes=("no hooks of plugins here",)),
        Example(before=_DOTTED, notes=("no operators of plugins", "no sensors of plugins")),
        Example(before=_SET, notes=("DagContext",)),
        Example(before=_READ_ONCE, notes=("DagContext",)),
        Example(before=_STAR, notes=("no hooks of plugins here",)),
        Example(before=_CALLED, notes=("V1Pod",)),
        Example(before=_BACKPORT, notes=("apache-airflow-providers-plexus",)),
        Example(
            before=block("""
                from airflow.contrib.executors.mesos_executor import MesosExecutor
                from airflow.operators.dagrun_operator import DagRunOrder, TriggerDagRunOperator

                TriggerDagRunOperator(task_id='t', trigger_dag_id='d')
            """),
            after=block("""
                from airflow.operators.trigger_dagrun import TriggerDagRunOperator

                TriggerDagRunOperator(task_id='t', trigger_dag_id='d')
            """),
        ),
    ),
    keeps=(
        block("""
            try:
                from airflow.operators.dagrun_operator import DagRunOrder
            except ImportError:
                DagRunOrder = None

            if DagRunOrder:
                DagRunOrder()
        """),
        lines("from airflow.models import DagRun"),
        block("""
            from airflow_company.operators.carte import CarteOperator

            CarteOperator()
        """),
        block("""
            from airflow.hooks.filesystem import FSHook

            FSHook()
        """),
        block("""
            from airflow import hooks

            hooks.filesystem.FSHook()
        """),
        lines("from airflow.operators.weekday import BranchDayOfWeekOperator"),
    ),
    find=_find,
)
