"""Note which Variables, Connections and environment variables are asked for, and answer for those
that are assumed."""

import importlib
import os
import re
import sys
import types

from . import notes
from .names import PATHS, modules_being_imported, own_place
from .safely import read, text_of

BACKEND_MODULE = "mwaa_harness_lookups"
# Where os.environ.get and os.getenv are written.
ENVIRONMENT_FILE = re.compile(r"(?:/|<frozen )(?:os|_collections_abc)(?:\.py|>)$")
# Text, number and JSON at once: whatever the code makes of an unknown Variable, "1" fits best.
PLACEHOLDERS = {"text": "1", "json": "{}", "connection": "generic://assumed"}


def watch_lookups(assume, samples):
    """Make Airflow ask a recording secrets backend first. Call before Airflow is imported."""

    class RecordingBackend:
        """Answers from the environment and the metadata database, as the default backends behind
        it would, and records who asked. Both generations' method names are served."""

        def get_variable(self, key, **_):
            asked = asked_of_variable(sys._getframe(1))
            if asked is None:
                return None
            value = os.environ.get("AIRFLOW_VAR_" + str(key).upper())
            if value is None:
                value = metastore().get_variable(key=key)
            if value is not None:
                note_lookup("variable", key, "given")
            elif asked["default"]:
                note_lookup("variable", key, "default")
            elif assume:
                value = samples.get("variable", {}).get(key, PLACEHOLDERS[asked["shape"]])
                note_lookup("variable", key, "assumed", value)
            else:
                note_lookup("variable", key, "missing")
            return value

        def get_connection(self, conn_id, **_):
            return next(iter(self.get_connections(conn_id)), None)

        def get_connections(self, conn_id, **_):
            found = connections(conn_id)
            if found:
                note_lookup("connection", conn_id, "given")
            elif assume:
                uri = samples.get("connection", {}).get(conn_id, PLACEHOLDERS["connection"])
                note_lookup("connection", conn_id, "assumed", uri)
                found = [connection(conn_id, uri)]
            else:
                note_lookup("connection", conn_id, "missing")
            return found

        def get_conn_uri(self, conn_id, **_):
            found = self.get_connections(conn_id)
            return found[0].get_uri() if found else None

        get_conn_value = get_conn_uri

        def get_config(self, **_):
            return None

    def metastore():
        return importlib.import_module("airflow.secrets.metastore").MetastoreBackend()

    def connection(conn_id, uri):
        model = importlib.import_module("airflow.models.connection").Connection
        if uri.lstrip().startswith("{") and hasattr(model, "from_json"):
            return model.from_json(value=uri, conn_id=conn_id)
        return model(conn_id=conn_id, uri=uri)

    def connections(conn_id):
        uri = os.environ.get("AIRFLOW_CONN_" + str(conn_id).upper())
        if uri:
            return [connection(conn_id, uri)]
        backend = metastore()
        if hasattr(backend, "get_connection"):
            return list(filter(None, [backend.get_connection(conn_id=conn_id)]))
        return list(backend.get_connections(conn_id=conn_id))

    module = types.ModuleType(BACKEND_MODULE)
    module.RecordingBackend = RecordingBackend
    sys.modules[BACKEND_MODULE] = module
    os.environ["AIRFLOW__SECRETS__BACKEND"] = BACKEND_MODULE + ".RecordingBackend"
    os.environ.pop("AIRFLOW__SECRETS__BACKEND_KWARGS", None)


def asked_of_variable(frame):
    """What the call of ``Variable.get`` on the stack says: whether it brings a default, and the
    shape it wants. None when Airflow only checks for a name clash before it writes."""
    while frame is not None and not PATHS.own(frame.f_code.co_filename):
        name, values = frame.f_code.co_name, frame.f_locals
        if name == "check_for_write_conflict":
            return None
        if name == "get" and "default_var" in values:
            unset = read(values.get("cls"), "_Variable__NO_DEFAULT_SENTINEL", values)
            return {
                "default": values["default_var"] is not unset,
                "shape": "json" if values.get("deserialize_json") else "text",
            }
        frame = frame.f_back
    return {"default": False, "shape": "text"}


def watch_environment():
    """Record the environment variables that the repository's own code asks for in vain. Those that
    are there are not recorded: copying the environment reads them all."""
    kind = type(os.environ)
    getitem = kind.__getitem__

    def watched(self, key):
        try:
            return getitem(self, key)
        except KeyError:
            caller = sys._getframe(1)
            direct = bool(PATHS.own(caller.f_code.co_filename))
            while not direct and caller and ENVIRONMENT_FILE.search(caller.f_code.co_filename):
                caller = caller.f_back  # os.environ.get and os.getenv bring a default
            if direct or (caller and PATHS.own(caller.f_code.co_filename)):
                note_lookup("env", key, "missing" if direct else "default")
            raise

    kind.__getitem__ = watched


def note_lookup(kind, name, answer, value=""):
    if notes.SEEN is None:
        return
    notes.SEEN.loud.update(modules_being_imported(sys._getframe(1)))
    path, line = own_place(sys._getframe(1))
    record = {
        "kind": kind,
        "name": text_of(name),
        "path": path or notes.SEEN.path,
        "line": line,
    }
    notes.SEEN.note("lookups", dict(record, answer=answer, value=value))
