"""Load one DAG file the way Airflow does."""

import copy
import logging
import sys

from .dags import describe_dag
from .errors import describe_error, plain_error
from .notes import recording
from .processes import lift_memory_limit
from .safely import now, read


class Listener(logging.Logger):
    """DagBag's logger for one file: keeps the exceptions it logs, whatever logging is set to."""

    def __init__(self):
        super().__init__("dagbag")
        self.errors = []

    def exception(self, *_, **__):
        error = sys.exc_info()[1]
        if error is not None and not any(error is known for known in self.errors):
            self.errors.append(error)

    def _log(self, *_, **__):
        """Say nothing: the output belongs to the file."""


def load(airflow, filename, path, seen):
    """Load one DAG file the way Airflow does; a dict with most of FileObservation's fields."""
    at = now()
    bag, listener = copy.copy(airflow.bag), Listener()
    vars(bag).update((name, {}) for name, value in vars(bag).items() if type(value) is dict)
    bag._log = listener
    errors = listener.errors
    with recording(seen):
        try:
            bag.process_file(filename, only_if_updated=False, safe_mode=airflow.safe_mode)
        except BaseException as error:  # SystemExit among them
            errors.append(error)
    lift_memory_limit()
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 1000))
    dags = []
    for dag in sorted(bag.dags.values(), key=lambda dag: dag.dag_id):
        try:
            dags.append(present(airflow, dag, path))
        except BaseException as error:
            errors.append(error)
    error = error_of(errors, bag, path)
    return observation(path, outcome_of(errors, bag, airflow.timeout), error, dags, at)


def present(airflow, dag, path):
    """Describe a DAG, after asking Airflow 2 to serialise it: a DAG that it cannot is, to the
    scheduler, one that did not load. A sub-DAG is serialised with its parent."""
    if airflow.serialize and not read(dag, "parent_dag"):
        airflow.serialize(dag)
    return describe_dag(dag, path)


def observation(path, outcome, error, dags=(), at=None):
    """A FileObservation, as far as the child knows and has not told before."""
    return {"path": path, "outcome": outcome, "dags": dags, "error": error, "at": at or now()}


def outcome_of(errors, bag, timeout):
    """FileObservation.outcome, the most telling of the errors' first."""
    for kinds, outcome in ((MemoryError, "memory"), (timeout, "timeout"), (SystemExit, "exit")):
        if any(isinstance(error, kinds) for error in errors):
            return outcome
    return "error" if errors or bag.import_errors else "ok"


def error_of(errors, bag, path):
    """The first error's observation; some of DagBag's own refusals are only a text."""
    if errors:
        return describe_error(errors[0], path)
    for message in bag.import_errors.values():
        return plain_error("AirflowException", message, path)
    return None
