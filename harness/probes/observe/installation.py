"""The Airflow of this environment, imported once, of whichever generation."""

import collections
import contextlib
import datetime
import importlib
import inspect
import logging
import os
import re
import sys

from .loading import present
from .notes import Seen, recording
from .plugins import describe_plugins, guarded

# What 2.x does before it parses DAG files; 1.10 loads and integrates plugins as it is imported.
PLUGIN_STEPS = (
    "ensure_plugins_loaded",
    "integrate_executor_plugins",
    "integrate_macros_plugins",
    "initialize_extra_operators_links_plugins",
    "initialize_ti_deps_plugins",
    "initialize_timetables_plugins",
)

Airflow = collections.namedtuple(
    "Airflow", "version plugins bag safe_mode serialize timeout settings contexts masker"
)
Airflow.__doc__ = """The Airflow of this environment, imported once: its version, the ``plugins``
record, an empty DagBag, whether DagBag looks into files first, how 2.x serialises a DAG (None in
1.10), the exception of its own time limit, and what a file may leave something in: the settings,
the classes that know in which DAG and group a task is made, and the masker of secrets."""


def import_airflow(payload, tell):
    """Import Airflow and load the plugins, each of which is told before; gives back an Airflow."""
    failures = []
    log = logging.getLogger("airflow.plugins_manager")
    listener = logging.Handler()
    listener.emit = lambda record: failures.append((record.exc_info or (None, None))[1])
    log.addHandler(listener)
    guard = guarded(
        payload["plugins_folder"], payload["timeout"], payload["memory"], payload["killers"], tell
    )
    with recording(Seen()) as seen, guard:
        importlib.import_module("airflow")
        manager = importlib.import_module("airflow.plugins_manager")
        for step in PLUGIN_STEPS:
            getattr(manager, step, lambda: None)()
    log.removeHandler(listener)

    version = importlib.import_module("airflow.version").version
    conf = importlib.import_module("airflow.configuration").conf
    dagbag = importlib.import_module("airflow.models.dagbag")
    serialize = None
    if not version.startswith("1."):
        serialized = importlib.import_module("airflow.serialization.serialized_objects")
        serialize = serialized.SerializedDAG.to_dict
    airflow = Airflow(
        version=version,
        plugins=describe_plugins(manager, list(filter(None, failures)), seen),
        bag=dagbag.DagBag(dag_folder=os.devnull, include_examples=False),
        safe_mode=conf.getboolean("core", "dag_discovery_safe_mode", fallback=True),
        serialize=serialize,
        timeout=importlib.import_module("airflow.exceptions").AirflowTaskTimeout,
        settings=importlib.import_module("airflow.settings"),
        contexts=list(contexts()),
        masker=masker(),
    )
    warm_up(airflow)
    return airflow


def contexts():
    """The classes of 2.x that hold the DAG and the group that tasks are made in; 1.10 has that in
    its settings."""
    for module, name in (("models.dag", "DagContext"), ("utils.task_group", "TaskGroupContext")):
        with contextlib.suppress(ImportError, AttributeError):
            yield getattr(importlib.import_module(f"airflow.{module}"), name)


def masker():
    """What 2.x knows of secrets that logs must not show, or None."""
    with contextlib.suppress(ImportError, AttributeError):
        return importlib.import_module("airflow.utils.log.secrets_masker")._secrets_masker()
    return None


def warm_up(airflow):
    """Do once, before the forks, what every file would otherwise do again: load what Airflow only
    loads with the first DAG."""
    models = importlib.import_module("airflow.models")
    if airflow.serialize:  # it asks for these with each task
        for kind in (models.BaseOperator, models.DAG):
            kind.__init__.__signature__ = inspect.signature(kind.__init__)
    dag = models.DAG("warm_up", start_date=datetime.datetime(2020, 1, 1))
    models.BaseOperator(task_id="task", dag=dag)
    airflow.bag.bag_dag(dag, root_dag=dag, **({} if airflow.serialize else {"parent_dag": dag}))
    present(airflow, dag, "")
    airflow.bag.dags.clear()


def installed():
    """Distributions on sys.path: canonical name → version. Names of metadata folders are enough."""
    pattern = re.compile(r"^(.+?)-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info$")
    found = {}
    for folder in sys.path:
        with contextlib.suppress(OSError):
            for match in filter(None, map(pattern.match, os.listdir(folder or "."))):
                name = re.sub(r"[-_.]+", "-", match.group(1)).lower()
                found.setdefault(name, match.group(2))
    return found
