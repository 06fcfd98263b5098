"""The classes of 1.10 that code meets everywhere, and what their attributes and methods give.

``data/gives.txt`` has a row for each: ``class.name -> class``, with ``*`` before several of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

TASK = "airflow.models.baseoperator.BaseOperator"
DAG = "airflow.models.dag.DAG"
DAG_BAG = "airflow.models.dagbag.DagBag"
MODEL = "airflow.models.dag.DagModel"
RUN = "airflow.models.dagrun.DagRun"
INSTANCE = "airflow.models.taskinstance.TaskInstance"
CONNECTION = "airflow.models.connection.Connection"
POOL = "airflow.models.pool.Pool"
DATE = "pendulum.Pendulum"
HOOK = "airflow.hooks.base_hook.BaseHook"
# What 1.10 gives to callables, templates and execute().
GIVEN = {
    "dag": DAG,
    "task": TASK,
    "ti": INSTANCE,
    "task_instance": INSTANCE,
    "dag_run": RUN,
    **dict.fromkeys(("execution_date", "next_execution_date", "prev_execution_date"), DATE),
}


@lru_cache(maxsize=1)
def gives() -> Mapping[str, str]:
    """``class.name`` → the class of what it gives, with ``*`` before several."""
    lines = (files("codemods") / "data" / "gives.txt").read_text("utf-8").splitlines()
    rows = (line.partition(" -> ") for line in lines if line and not line.startswith("#"))
    return {name: given for name, _, given in rows}
