"""Load every DAG file of a repository in the Airflow installed here, and print what came of it.

Run inside a runtime, never imported by the harness:

    python -B -s observe.py PAYLOAD.json RESULT

PAYLOAD.json holds ``repo_root``, ``airflow_home``, ``dags_folder``, ``plugins_folder`` (or null),
``files`` (DAG files relative to the root), ``sys_path`` (folders to prepend), ``workers``,
``timeout`` (seconds a file), ``memory`` (MiB a file), ``allowed_hosts`` (host or host:port),
``assume_missing`` and ``samples`` ({"variable": {name: text}, "connection": {name: URI}}), and if
wanted ``files_a_process``; other keys are ignored. The environment (AIRFLOW_HOME, AIRFLOW__*,
AIRFLOW_VAR_* …) and the metadata database are the runtime's work. RESULT is a file or descriptor
that JSON lines are appended to; each has a ``kind``:

    start    airflow, python, packages {name: version}, seconds
    plugins  plugins[], errors[], warnings[], lookups[]
    begin    path
    file     the fields of harness.model.FileObservation
    end      seconds

Airflow is imported once; every file is then loaded by Airflow's own DagBag in a forked child, so
that no file can change what the next one sees. A fork costs more than most files, so a child goes
on to another file as long as each has left it as it found it; what does not load in such company is
loaded again, alone. The parent alone writes RESULT, keeps the time and clears up after each child.
The sections below follow that order: what values look like, what is recorded while foreign code
runs, how it is contained, how Airflow is asked, which files leave nothing behind, who runs whom.

Standard library and Airflow only; Python 3.6 syntax, one file: it is copied into the runtime.
"""

import ast
import builtins
import collections
import contextlib
import copy
import ctypes
import datetime
import enum
import errno
import faulthandler
import fcntl
import functools
import gc
import hashlib
import importlib
import importlib.machinery
import inspect
import io
import ipaddress
import itertools
import json
import logging
import math
import operator
import os
import re
import resource
import select
import signal
import socket
import sys
import time
import tokenize
import traceback
import types
import warnings

# Bound before foreign code runs: a DAG file may replace json.dumps or time.time for itself.
to_json = json.JSONEncoder(ensure_ascii=True, check_circular=False, separators=(",", ":")).encode
now, clock = time.time, time.monotonic
exit_now, kill, killpg, getpid, write = os._exit, os.kill, os.killpg, os.getpid, os.write

PROBE = __file__


# ------------------------------------------------------------------- paths: whose file is this?


LIBRARY_FILE = re.compile(r"/lib/python3(?:\.\d+)?/(?:(?:site|dist)-packages/)?(.+)$")
MODULE_SUFFIX = re.compile(r"(?:/__init__)?\.py$")


class Paths:
    """Names files the way a report shows them, the same on every machine and on both sides.

    ``root`` is the repository; ``stands_for`` maps other folders that differ between two runs to
    the words that replace them in values and messages.
    """

    def __init__(self, root, stands_for=()):
        self.roots = sorted({root.rstrip("/"), os.path.realpath(root)}, key=len, reverse=True)
        words = dict(stands_for)
        words.update((folder, "$REPO") for folder in self.roots)
        self.words = {folder: word for folder, word in words.items() if len(folder) > 1}
        alternatives = "|".join(map(re.escape, sorted(self.words, key=len, reverse=True)))
        self.pattern = re.compile(f"(?:{alternatives})(?![\\w.-])")
        self.own = functools.lru_cache(maxsize=None)(self.own)

    def own(self, filename):
        """The path below the repository, or "" for a file that is not the repository's own."""
        if "/site-packages/" in filename:
            return ""
        filename = os.path.normpath(filename)
        for root in self.roots:
            if filename.startswith(root + "/"):
                return filename[len(root) + 1 :]
        return ""

    def show(self, filename):
        """A short name for any source file: own ones relative, libraries below site-packages."""
        own = self.own(filename)
        if own:
            return own
        library = LIBRARY_FILE.search(filename)
        return library.group(1) if library else self.text(filename)

    def text(self, text):
        """``text`` with the folders that differ between runs replaced, fit for UTF-8."""
        if "/" in text:
            text = self.pattern.sub(lambda match: self.words[match.group()], text)
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        return text


PATHS = Paths("/nonexistent")


def own_place(frame):
    """(path, line) of the innermost frame of the repository's own code, or ("", 0)."""
    while frame is not None:
        path = PATHS.own(frame.f_code.co_filename)
        if path:
            return path, frame.f_lineno
        frame = frame.f_back
    return "", 0


def modules_being_imported(frame):
    """The names of the modules whose bodies run on the stack of ``frame``."""
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            yield frame.f_globals.get("__name__")
        frame = frame.f_back


def code_of(function):
    """The code object behind a function, method, partial or decorated function, or None."""
    for _ in range(20):
        inner = read(function, "__wrapped__") or read(function, "func")
        function = inner or read(function, "__func__") or function
        if not inner:
            break
    code = read(function, "__code__")
    return code if isinstance(code, types.CodeType) else None


def class_name(kind):
    """``module.Class``, or ``path/of/file.py:Class`` for a class of the repository's own.

    Both generations load DAG files and plugins under made-up module names, and 1.10 its lazy
    operators under shortened ones, so the file counts.
    """
    name = type.__getattribute__(kind, "__qualname__")
    module = str(read(kind, "__module__", ""))
    if module == "builtins":
        return name
    path = source_of(kind, module)
    own = PATHS.own(path)
    if own:
        return f"{own}:{name}"
    library = LIBRARY_FILE.search(path)
    dotted = MODULE_SUFFIX.sub("", library.group(1)).replace("/", ".") if library else ""
    return f"{dotted if dotted.endswith('.' + module) else module}.{name}"


def source_of(kind, module):
    """The file that a class is from: its module's, or its methods' when that is gone."""
    if module in sys.modules:
        return str(read(sys.modules[module], "__file__") or "")
    codes = filter(None, map(code_of, list(vars(kind).values())))
    return next((code.co_filename for code in codes), "")


# ----------------------------------------------------------- values: plain JSON out of anything

MAX_TEXT = 4000
MAX_DEPTH = 12
MAX_NODES = 5000
MAX_CHAIN = 5
MAX_FRAMES = 40


def read(thing, name, default=None):
    """An attribute of a foreign object, whose ``__getattr__`` may do anything at all."""
    try:
        return getattr(thing, name, default)
    except MemoryError:
        raise
    except BaseException:
        return default


def text_of(thing):
    """``str()`` of a foreign object, whose ``__str__`` may do anything at all."""
    try:
        return str(thing)
    except MemoryError:
        raise
    except BaseException:
        return "<its __str__ fails>"


def cut(text):
    """``text``, or its beginning with a digest of the whole: two long texts still differ."""
    text = PATHS.text(text)
    if len(text) <= MAX_TEXT:
        return text
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]
    return f"{text[:MAX_TEXT]}… ({len(text)} characters, sha256 {digest})"


def iso(moment):
    """ISO 8601 in UTC; a naive moment stays naive."""
    offset = moment.utcoffset()
    fields = (moment.hour, moment.minute, moment.second, moment.microsecond)
    bare = datetime.datetime(moment.year, moment.month, moment.day, *fields)
    return bare.isoformat() if offset is None else (bare - offset).isoformat() + "+00:00"


def seconds(delta):
    """A timedelta as ``{"seconds": n}``."""
    count = delta.total_seconds()
    return {"seconds": int(count) if count == int(count) else count}


def relative(delta):
    """A dateutil relativedelta as ``{"seconds": n}``, with ``"months"`` when it has any."""
    rest = datetime.timedelta(
        days=delta.days,
        hours=delta.hours,
        minutes=delta.minutes,
        seconds=delta.seconds,
        microseconds=delta.microseconds,
    )
    months = delta.years * 12 + delta.months
    return dict(seconds(rest), months=int(months)) if months else seconds(rest)


def callable_name(function):
    """``path.py:qualname`` of the repository's own functions, ``module:qualname`` of others."""
    code = code_of(function)
    path = PATHS.own(code.co_filename) if code else ""
    function = read(function, "func") or function
    name = read(function, "__qualname__") or read(function, "__name__") or "?"
    return "{}:{}".format(path or read(function, "__module__") or "builtins", name)


CALLABLES = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    functools.partial,
    type(functools.lru_cache(maxsize=1)(len)),
)

# Airflow's own types, by name: this table must not import them. The values are what stands for one.
AIRFLOW_VALUES = {
    "airflow.models.dag.DAG": lambda dag, _: "<{}>".format(text_of(read(dag, "dag_id"))),
    "airflow.models.baseoperator.BaseOperator": lambda task, _: f"<{text_of(task.task_id)}>",
    "airflow.models.mappedoperator.MappedOperator": lambda task, _: f"<{text_of(task.task_id)}>",
    "airflow.models.param.Param": lambda param, plain: plain(read(param, "value")),
    "airflow.models.param.ParamsDict": lambda params, plain: plain(
        {key: params.get_param(key) for key in params}
    ),
    "airflow.utils.types.ArgNotSet": lambda _, __: None,
    "dateutil.relativedelta.relativedelta": lambda delta, _: relative(delta),
}


@functools.lru_cache(maxsize=None)
def airflow_value(kind):
    """The row of AIRFLOW_VALUES for a class, found through its ancestors, or None."""
    for ancestor in kind.__mro__:
        row = AIRFLOW_VALUES.get(f"{ancestor.__module__}.{ancestor.__qualname__}")
        if row:
            return row
    return None


def plain(value):
    """``value`` as JSON values, the same on both generations; never calls the value's own code
    unguarded, never prints an address, bounded in depth and size, safe on cycles."""
    return _Plain().of(value)


class _Plain:
    """One walk over one value: how many nodes it may still visit, and which it is inside of."""

    def __init__(self):
        self.left = MAX_NODES
        self.inside = []

    def of(self, value):
        kind = type(value)
        if value is None or kind is bool:
            return value
        self.left -= 1
        if self.left < 0 or len(self.inside) >= MAX_DEPTH:
            return "<more>"
        if kind is str:
            return cut(value)
        if any(value is outer for outer in self.inside):
            return "<cycle>"
        self.inside.append(value)
        try:
            return self.convert(value, kind)
        except MemoryError:
            raise
        except BaseException:
            return f"<{class_name(kind)}>"
        finally:
            self.inside.pop()

    def convert(self, value, kind):
        if issubclass(kind, enum.Enum):
            return self.of(value.value)
        if issubclass(kind, str):
            return cut(str.__str__(value))
        if issubclass(kind, int):
            number = int.__index__(value)
            return number if -(2**63) <= number < 2**64 else str(number)
        if issubclass(kind, float):
            number = float.__float__(value)
            return number if math.isfinite(number) else str(number)
        if issubclass(kind, (bytes, bytearray)):
            return cut(bytes(value).decode("utf-8", "backslashreplace"))
        if issubclass(kind, dict):
            return self.mapping(dict.items(value))
        for base in (list, tuple):
            if issubclass(kind, base):
                return self.sequence(base.__iter__(value))
        for base in (set, frozenset):
            if issubclass(kind, base):
                return sorted(self.sequence(base.__iter__(value)), key=to_json)
        if issubclass(kind, datetime.datetime):
            return iso(value)
        if issubclass(kind, (datetime.date, datetime.time)):
            return value.isoformat()
        if issubclass(kind, datetime.timedelta):
            return seconds(value)
        if issubclass(kind, os.PathLike) and kind.__module__.startswith("pathlib"):
            return cut(str(value))
        if issubclass(kind, CALLABLES):
            return callable_name(value)
        if issubclass(kind, type):
            return class_name(value)
        row = airflow_value(kind)
        if row:
            return row(value, self.of)
        return f"<{class_name(kind)}>"

    def mapping(self, items):
        shown = {}
        for key, value in items:
            if self.left < 0:
                shown["<more>"] = None
                break
            key = self.of(key)
            shown[key if type(key) is str else to_json(key)] = self.of(value)
        return shown

    def sequence(self, items):
        shown = []
        for value in items:
            if self.left < 0:
                shown.append("<more>")
                break
            shown.append(self.of(value))
        return shown


# --------------------------------------------------------------------------------------- errors


class Exited(Exception):
    """Stands in for the SystemExit of a plugin, so that Airflow counts it as any other failure."""


def describe_error(error, path):
    """An ErrorObservation of an exception; ``path`` is the file to blame when no frame is own."""
    if isinstance(error, Exited):
        error = error.__cause__
    frames = []
    with contextlib.suppress(Exception):  # a traceback may hold anything once user code had it
        for summary in traceback.extract_tb(error.__traceback__):
            if summary.filename != PROBE and "importlib" not in summary.filename:
                frames.append(describe_frame(summary.filename, summary.lineno, summary.name))
    place = next((frame for frame in reversed(frames) if frame["own"]), None)
    place = (place["path"], place["line"]) if place else (path, 0)
    message = text_of(error)
    if isinstance(error, SyntaxError):
        message = text_of(error.msg)
        if PATHS.own(str(error.filename)):
            place = (PATHS.own(error.filename), error.lineno if type(error.lineno) is int else 0)
    return {
        "type": class_name(type(error)),
        "message": cut(message),
        "path": place[0],
        "line": place[1],
        "frames": frames[-MAX_FRAMES:],
        "chain": [f"{class_name(type(e))}: {cut(text_of(e))}" for e in causes(error)],
    }


def plain_error(kind, message, path, frames=()):
    """An ErrorObservation of what was no exception."""
    place = next((frame for frame in reversed(frames) if frame["own"]), {"path": path, "line": 0})
    return {
        "type": kind,
        "message": cut(text_of(message)),
        "path": place["path"],
        "line": place["line"],
        "frames": list(frames),
        "chain": [],
    }


def describe_frame(filename, line, function):
    own = PATHS.own(filename)
    return {
        "path": own or PATHS.show(filename),
        "line": line or 0,
        "function": function,
        "own": bool(own),
    }


def causes(error):
    """The exceptions that led to ``error``, nearest first."""
    found = []
    while len(found) < MAX_CHAIN:
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if error is None or any(error is known for known in found):
            break
        found.append(error)
    return found


# ------------------------------------------------------ what is recorded while foreign code runs


NOTES = ("warnings", "lookups", "egress")


class Seen:
    """Warnings, look-ups and refused connections of one file, without doubles; or, with no path,
    those of the plugins, for whom only what the repository's own code causes counts. ``loud`` are
    the library modules that something was noted for as they were imported: a file that imports
    one has to run it, to be told the same. ``tell(kind, json)`` is called with each new note.
    """

    LIMIT = 1000

    def __init__(self, path="", tell=None):
        self.path, self.tell = path, tell
        self.notes = {kind: {} for kind in NOTES}
        self.loud = set()
        self.warned = False  # by a library that may do so only once; Airflow always does

    def note(self, kind, record):
        notes, text = self.notes[kind], to_json(record)
        if text not in notes and len(notes) < self.LIMIT:
            notes[text] = record
            if self.tell:
                self.tell(kind, text)

    def all(self, kind):
        return list(self.notes[kind].values())


SEEN = None  # the Seen of the code that runs now; None: nobody is interested


@contextlib.contextmanager
def recording(seen):
    """Record what the code inside does into ``seen``."""
    global SEEN
    SEEN = seen
    try:
        yield seen
    finally:
        SEEN = None


# Libraries that issue deprecations in the name of the module that uses them.
SPOKESMEN = re.compile(r"/(?:deprecated|wrapt|zope/deprecation|typing_extensions)(?:/|\.py)")
AIRFLOW_FILE = re.compile(r"/site-packages/airflow/")
# Airflow 2.11's modules say this of airflow.cfg, to whoever imports them first.
ABOUT_CONFIGURATION = re.compile(r"\btimer_unit_consistency\b")
DEPRECATIONS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)


def watch_warnings():
    """Record every warning where it is issued, with the stack still there.

    ``warnings._showwarnmsg`` is where both the C and the Python half of ``warnings`` end, below
    ``catch_warnings(record=True)``, which newer DagBags wrap around each file. Filters that the
    repository's own code sets to silence warnings are not applied: what is silenced is still there.
    """
    show, print_out = warnings._showwarnmsg, warnings._showwarnmsg_impl

    def note(message):
        if SEEN is not None:
            frame = sys._getframe(1)
            while frame and frame.f_code.co_filename == warnings.__file__:
                frame = frame.f_back
            note_warning(message, frame)
        if warnings._showwarnmsg_impl is not print_out:  # someone is collecting them
            show(message)

    def unless_own(function):
        @functools.wraps(function)
        def filter_warnings(action, *args, **kwargs):
            if action == "ignore" and PATHS.own(sys._getframe(1).f_code.co_filename):
                return
            function(action, *args, **kwargs)

        return filter_warnings

    warnings._showwarnmsg = note
    warnings.simplefilter = unless_own(warnings.simplefilter)
    warnings.filterwarnings = unless_own(warnings.filterwarnings)
    hear_all_warnings()


def hear_all_warnings():
    """Let every warning through, also one that was shown before."""
    warnings.resetwarnings()
    warnings.simplefilter("always")


def note_warning(message, issuer):
    """Record one ``warnings.WarningMessage``; ``issuer`` is the frame that issued it."""
    if issuer.f_code.co_name == "capture_with_reraise":
        return  # DagBag repeats, without a stack, what was recorded as it happened
    if ABOUT_CONFIGURATION.search(text_of(message.message)):
        return
    if issuer.f_code.co_name == "<module>":
        SEEN.loud.add(issuer.f_globals.get("__name__"))
    path, line = own_place(issuer)
    if not path and not SEEN.path:
        return
    if not path:
        path, line = PATHS.show(message.filename), message.lineno
    category = message.category
    airflow = is_airflows(category, text_of(message.message), issuer)
    issued_by_own = PATHS.own(issuer.f_code.co_filename)
    if not issued_by_own and not AIRFLOW_FILE.search(speaker(issuer).f_code.co_filename):
        SEEN.warned = True
    if not airflow and not issued_by_own and is_brought_by_import(issuer.f_back):
        return
    SEEN.note(
        "warnings",
        {
            "category": class_name(category),
            "message": cut(text_of(message.message)),
            "path": path,
            "line": line,
            "airflow": airflow,
        },
    )


def speaker(frame):
    """The frame in whose name ``frame`` issues a warning, or the last there is."""
    while frame.f_back and SPOKESMEN.search(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def is_airflows(category, message, issuer):
    """Whether Airflow or a provider issued this as a deprecation of what own code does."""
    if not issubclass(category, DEPRECATIONS):
        return False
    helper, issuer = issuer, speaker(issuer)
    named = issuer is not helper and "airflow." in message
    issued = AIRFLOW_FILE.search(issuer.f_code.co_filename)
    if not (issued or named or category.__module__.partition(".")[0] == "airflow"):
        return False
    return not is_brought_by_import(issuer.f_back if issued else issuer)


def is_brought_by_import(frame):
    """Whether a library is being imported somewhere between ``frame`` and the repository's code:
    what it brings on itself then is its own affair, not the repository's."""
    while frame and not PATHS.own(frame.f_code.co_filename):
        if frame.f_code.co_name == "<module>" and frame.f_code.co_filename != PROBE:
            return True
        frame = frame.f_back
    return False


# ---------------------------------------------- Variables, Connections and environment variables

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
    if SEEN is None:
        return
    SEEN.loud.update(modules_being_imported(sys._getframe(1)))
    path, line = own_place(sys._getframe(1))
    record = {"kind": kind, "name": text_of(name), "path": path or SEEN.path, "line": line}
    SEEN.note("lookups", dict(record, answer=answer, value=value))


# --------------------------------------------------------------------------------- the network

LOCAL_NAMES = {"", "localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"}


class Network:
    """Refuses every connection that leaves this machine, except to ``allowed`` hosts."""

    def __init__(self, allowed):
        self.rules = [split_host(rule) for rule in allowed]
        self.names = {}  # address → the allowed names that resolved to it
        self.local = LOCAL_NAMES | {socket.gethostname().lower()}

    def permits(self, host, port=None):
        """Whether a name or an address may be asked for; with ``port`` None, only resolved."""
        if host in self.local:
            return True
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(host.partition("%")[0])
            if address.is_loopback or address.is_unspecified:
                return True
        names = {host} | self.names.get(host, set())
        return any(
            name in names and (rule is None or port is None or rule == port)
            for name, rule in self.rules
        )

    def check(self, host, port=None):
        """Raise OSError, and record it, unless ``host`` is permitted."""
        host = host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else host
        host = "" if host is None else str(host).lower().rstrip(".")
        if self.permits(host, port):
            return
        place = f"{host}:{port}" if port else host
        if SEEN is not None:
            SEEN.loud.update(modules_being_imported(sys._getframe(1)))
            SEEN.note("egress", place)
        raise OSError(
            errno.ENETUNREACH,
            f"the harness allows no network while DAGs are parsed, and {place} was asked for; a "
            "host that the file has to reach is named under allowed_hosts in the configuration",
        )

    def check_address(self, sock, address):
        """The same for what is given to ``connect`` and ``sendto``."""
        if sock.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            self.check(*address[:2])

    def learn(self, host, found):
        """Remember which addresses an allowed name has."""
        for address in found:
            self.names.setdefault(address, set()).add(str(host).lower())


def split_host(rule):
    """``host``, ``host:port`` or ``[address]:port`` → (host, port or None)."""
    match = re.match(r"^(?:\[([^]]+)\]|([^:]+))(?::(\d+))?$", rule)
    if not match:
        return rule.lower(), None  # an IPv6 address as it stands
    address, host, port = match.groups()
    return (address or host).lower(), int(port) if port else None


def guard_network(network):
    """Put ``network`` before the socket module: wrappers, which also learn what allowed names
    resolve to, and from Python 3.8 on an audit hook, which no later code can take away."""

    def resolving(function, addresses):
        @functools.wraps(function)
        def resolve(host, *args, **kwargs):
            network.check(host, args[0] if args and isinstance(args[0], int) else None)
            found = function(host, *args, **kwargs)
            network.learn(host, addresses(found))
            return found

        return resolve

    def connecting(function, least):
        @functools.wraps(function)
        def connect(sock, *args):
            if len(args) >= least:
                network.check_address(sock, args[-1])
            return function(sock, *args)

        return connect

    socket.getaddrinfo = resolving(socket.getaddrinfo, lambda found: [i[4][0] for i in found])
    socket.gethostbyname = resolving(socket.gethostbyname, lambda found: [found])
    socket.gethostbyname_ex = resolving(socket.gethostbyname_ex, lambda found: found[2])
    socket.gethostbyaddr = resolving(socket.gethostbyaddr, lambda found: found[2])
    # The address comes last, once there are so many arguments.
    for name, least in {"connect": 1, "connect_ex": 1, "sendto": 2, "sendmsg": 4}.items():
        setattr(socket.socket, name, connecting(getattr(socket.socket, name), least))

    checks = {
        "socket.connect": lambda args: network.check_address(*args[:2]),
        "socket.sendto": lambda args: network.check_address(*args[:2]),
        "socket.sendmsg": lambda args: network.check_address(*args[:2]),
        "socket.getaddrinfo": lambda args: network.check(args[0]),
        "socket.gethostbyname": lambda args: network.check(args[0]),
        "socket.gethostbyaddr": lambda args: network.check(args[0]),
    }

    def audit(event, args):
        check = checks.get(event)
        if check is not None:
            check(args)

    if hasattr(sys, "addaudithook"):
        sys.addaudithook(audit)


# ------------------------------------------------------------------------------ processes: Linux

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
LIBC = ctypes.CDLL(None, use_errno=True)


def prctl(option, value):
    """Ask the Linux kernel for something; elsewhere nothing happens."""
    if sys.platform == "linux":
        LIBC.prctl(option, value, 0, 0, 0)


def die_with(parent):
    """End with ``parent``, whose id is given to tell whether it has ended already."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        exit_now(1)


def children():
    """The ids of this process' children, as /proc tells; empty where there is no /proc."""
    found, me = set(), str(os.getpid())
    for entry in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as stat:
                # "pid (name) state ppid …", and the name may hold anything
                if stat.read().rpartition(b")")[2].split()[1].decode() == me:
                    found.add(int(entry))
    return found


def memory_limits(mebibytes):
    """The limits, as arguments of ``setrlimit``, that let this process or a fork of it grow by so
    much; none where there is no /proc."""
    sizes = {}
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        for line in status:
            key, _, value = line.partition(":")
            if key in ("VmSize", "VmData"):
                sizes[key] = int(value.split()[0]) * 1024
    # Data counts what is written to; the address space also what is only reserved or mapped from
    # files (libraries, Java heaps), so it gets room to spare: it is for memory that is not data.
    limits = []
    for name, key, room in (("RLIMIT_DATA", "VmData", 1), ("RLIMIT_AS", "VmSize", 4)):
        number = getattr(resource, name)
        _, hard = resource.getrlimit(number)
        limit = sizes.get(key, 0) + mebibytes * room * 1024 * 1024
        if key in sizes and (hard == resource.RLIM_INFINITY or limit < hard):
            limits.append((number, (limit, hard)))
    return limits


def lift_memory_limit():
    """Undo ``memory_limits``, so that there is room to report that one was reached."""
    for name in ("RLIMIT_DATA", "RLIMIT_AS"):
        _, hard = resource.getrlimit(getattr(resource, name))
        resource.setrlimit(getattr(resource, name), (hard, hard))


def protect_ancestors(parent):
    """Refuse signals from Python code to the processes that run this one."""
    groups = {os.getpgid(parent), 1}
    with contextlib.suppress(OSError):
        groups.add(os.getpgid(os.getppid()))
    ancestors = {1, parent, os.getppid()}

    def refuse():
        raise PermissionError(errno.EPERM, "a DAG file may not signal the processes that load it")

    def careful_kill(pid, number):
        if pid in ancestors or -pid in groups:
            refuse()
        return kill(pid, number)

    def careful_killpg(group, number):
        if group in groups:
            refuse()
        return killpg(group, number)

    os.kill, os.killpg = careful_kill, careful_killpg


# --------------------------------------------------------------------- describing DAGs and tasks

# Sources: airflow/utils/dates.py (cron_presets) of 1.10.15 and 2.11.0; @midnight and @annually
# are aliases of croniter itself.
CRON_PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

# Timetables that only spell out a schedule_interval (airflow/timetables of 2.2.0 to 2.11.0).
PLAIN_TIMETABLES = {
    "airflow.timetables.interval.CronDataIntervalTimetable",
    "airflow.timetables.simple.ContinuousTimetable",
    "airflow.timetables.simple.NullTimetable",
    "airflow.timetables.simple.OnceTimetable",
}
DELTA_TIMETABLE = "airflow.timetables.interval.DeltaDataIntervalTimetable"

# Field of the observation → attributes that hold it, the newest generation's first: some of the
# older ones are still there in 2.x, and warn when they are read.
DAG_FIELDS = {
    "start_date": ("start_date",),
    "end_date": ("end_date",),
    "catchup": ("catchup",),
    "max_active_tasks": ("max_active_tasks", "concurrency"),
    "max_active_runs": ("max_active_runs",),
    "dagrun_timeout": ("dagrun_timeout",),
    "orientation": ("orientation",),
    "description": ("description",),
    "doc_md": ("doc_md",),
    "is_paused_upon_creation": ("is_paused_upon_creation",),
    "render_template_as_native_obj": ("render_template_as_native_obj",),
    "params": ("params",),
    "template_searchpath": ("template_searchpath",),
}
TASK_FIELDS = {
    "trigger_rule": ("trigger_rule",),
    "retries": ("retries",),
    "retry_delay": ("retry_delay",),
    "pool": ("pool",),
    "pool_slots": ("pool_slots",),
    "queue": ("queue",),
    "priority_weight": ("priority_weight",),
    "owner": ("owner",),
    "depends_on_past": ("depends_on_past",),
    "wait_for_downstream": ("wait_for_downstream",),
    "start_date": ("start_date",),
    "end_date": ("end_date",),
    "execution_timeout": ("execution_timeout",),
    "sla": ("sla",),
    "max_active_tis_per_dag": ("max_active_tis_per_dag", "task_concurrency"),
    "email_on_failure": ("email_on_failure",),
    "email_on_retry": ("email_on_retry",),
    "params": ("params",),
}
CALLBACKS = (
    "on_success_callback",
    "on_failure_callback",
    "on_retry_callback",
    "on_execute_callback",
    "sla_miss_callback",
)
# Actions of 1.10 under their names since 2.0 (airflow/models/dag.py of 2.11.0).
DAG_ACTIONS = {"can_dag_read": "can_read", "can_dag_edit": "can_edit"}
WEIGHT_STRATEGY = re.compile(r"^airflow\.task\.priority_strategy\._(\w+)PriorityWeightStrategy$")
ABSENT = object()


def describe_fields(thing, table):
    """The values of ``table``'s fields, each from the first attribute that is there."""
    fields = {}
    for field, attributes in table.items():
        values = (read(thing, attribute, ABSENT) for attribute in attributes)
        value = next((value for value in values if value is not ABSENT), ABSENT)
        if value is not ABSENT:
            fields[field] = plain(value)
    return fields


def describe_dag(dag, path):
    """A DagObservation of ``dag``, found in ``path``."""
    parent = read(dag, "parent_dag")
    view = text_of(read(dag, "default_view") or dag.get_default_view())
    return dict(
        describe_fields(dag, DAG_FIELDS),
        dag_id=text_of(dag.dag_id),
        path=path,
        schedule=schedule_of(dag),
        default_view="grid" if view == "tree" else view,  # renamed in 2.3
        tags=sorted(map(text_of, read(dag, "tags") or ())),
        access_control=access_of(dag),
        user_defined_macros=sorted(map(text_of, read(dag, "user_defined_macros") or ())),
        user_defined_filters=sorted(map(text_of, read(dag, "user_defined_filters") or ())),
        callbacks=list(callbacks_of(dag)),
        parent=text_of(parent.dag_id) if parent is not None and parent is not dag else "",
        tasks=[describe_task(task) for _, task in sorted(dag.task_dict.items())],
    )


def schedule_of(dag):
    """The canonical schedule; see DagObservation."""
    timetable = read(dag, "timetable")
    if timetable is not None:
        name = class_name(type(timetable))
        if name == DELTA_TIMETABLE:
            return plain(read(timetable, "_delta"))
        if name not in PLAIN_TIMETABLES:
            return name
    schedule = plain(read(dag, "schedule_interval"))
    if isinstance(schedule, str):
        schedule = " ".join(schedule.split())
    return CRON_PRESETS.get(schedule, schedule) if isinstance(schedule, str) else schedule


def access_of(dag):
    """Role → actions on the DAG itself; 2.x adds a level for the kind of thing since 2.9."""
    roles = plain(read(dag, "access_control", read(dag, "_access_control")))
    if not isinstance(roles, dict):
        return roles
    for role, actions in roles.items():
        if isinstance(actions, dict) and set(actions) == {"DAGs"}:
            actions = actions["DAGs"]
        if isinstance(actions, list):
            actions = sorted(DAG_ACTIONS.get(action, action) for action in map(str, actions))
        roles[role] = actions
    return roles


def callbacks_of(dag):
    """``on_failure_callback=path.py:function`` for each callback."""
    for name in CALLBACKS:
        callbacks = read(dag, name)
        for callback in callbacks if isinstance(callbacks, (list, tuple)) else (callbacks,):
            if callback is not None:
                yield f"{name}={plain(callback)}"


def describe_task(task):
    """A TaskObservation of ``task``."""
    kind = operator_class(task)
    template_fields = read(task, "template_fields") or ()
    if isinstance(template_fields, str):
        template_fields = (template_fields,)
    template_fields = [text_of(name) for name in template_fields]
    return dict(
        describe_fields(task, TASK_FIELDS),
        task_id=text_of(task.task_id),
        operator=class_name(kind),
        bases=[class_name(base) for base in bases_of(kind)],
        upstream=sorted(map(text_of, task.upstream_task_ids)),
        downstream=sorted(map(text_of, task.downstream_task_ids)),
        weight_rule=weight_rule_of(task),
        template_fields=template_fields,
        fields={name: template_value(task, name) for name in template_fields},
    )


def operator_class(task):
    """The task's operator; a mapped task names the one it will become."""
    kind = read(task, "operator_class")
    return kind if isinstance(kind, type) else type(task)


def bases_of(kind):
    """The ancestors of an operator, nearest first, down to BaseOperator."""
    for base in kind.__mro__[1:]:
        yield base
        if base.__name__ == "BaseOperator":
            return


def template_value(task, name):
    value = read(task, name, ABSENT)
    if value is ABSENT:
        return (
            "<unreadable>"
            if name not in read(task, "partial_kwargs", ())
            else plain(task.partial_kwargs[name])
        )
    return plain(value)


def weight_rule_of(task):
    """The rule's name; 2.9 made a strategy object of it."""
    rule = plain(read(task, "weight_rule"))
    if not isinstance(rule, str):
        return ""
    strategy = WEIGHT_STRATEGY.match(rule.strip("<>"))
    return strategy.group(1).lower() if strategy else rule


# -------------------------------------------------------------------------------------- Airflow


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


def import_airflow(plugins_folder):
    """Import Airflow and load the plugins; gives back an Airflow."""
    failures = []
    log = logging.getLogger("airflow.plugins_manager")
    listener = logging.Handler()
    listener.emit = lambda record: failures.append((record.exc_info or (None, None))[1])
    log.addHandler(listener)
    with recording(Seen()) as seen, exits_as_errors(plugins_folder):
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


@contextlib.contextmanager
def exits_as_errors(folder):
    """While plugins are loaded, turn the SystemExit of a module in ``folder`` into an exception
    that Airflow reports like any other, so that the other plugins are still seen."""
    loader = importlib.machinery.SourceFileLoader
    execute = loader.exec_module
    depth = []

    def exec_module(self, module):
        if not folder or depth or not self.path.startswith(folder.rstrip("/") + "/"):
            return execute(self, module)
        depth.append(module)
        try:
            return execute(self, module)
        except SystemExit as error:
            raise Exited(f"sys.exit({text_of(error.code)})") from error
        finally:
            depth.pop()

    loader.exec_module = exec_module
    try:
        yield
    finally:
        loader.exec_module = execute


def describe_plugins(manager, failures, seen):
    """The ``plugins`` record: what is registered, what failed, and what own code warned about."""
    errors = []
    for path, message in manager.import_errors.items():
        path = PATHS.own(path) or PATHS.text(path)
        error = next((f for f in failures if text_of(f) == message), None)
        errors.append(
            describe_error(error, path)
            if error is not None
            else plain_error("ImportError", message, path)
        )
    return {
        "plugins": [describe_plugin(plugin, manager) for plugin in manager.plugins or ()],
        "errors": errors,
        "warnings": seen.all("warnings"),
        "lookups": seen.all("lookups"),
    }


def describe_plugin(plugin, manager):
    """A PluginObservation; 1.10 keeps plugin classes, 2.x mostly instances."""
    kind = plugin if isinstance(plugin, type) else type(plugin)
    kinds = [name for name, value in vars(manager.AirflowPlugin).items() if type(value) is list]
    module = sys.modules.get(kind.__module__)
    registers = {name: registered(read(plugin, name)) for name in kinds}
    return {
        "name": text_of(read(plugin, "name")),
        "path": PATHS.show(str(read(module, "__file__") or kind.__module__)),
        "registers": {name: names for name, names in registers.items() if names},
    }


def registered(things):
    """Names of what a plugin lists: classes and functions, or objects and dicts with a name."""
    things = things if isinstance(things, (list, tuple, set)) else ()
    return [
        text_of(
            thing.get("name", "?")
            if isinstance(thing, dict)
            else read(thing, "__name__") or read(thing, "name") or type(thing).__name__
        )
        for thing in things
    ]


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


# ------------------------------------------- does a file leave the process as it found it?

# A process may go on to another file only if all that it has run so far has left it as it was. What
# can be compared afterwards is compared (see State); for the rest the sources are read, and what is
# not known to be harmless counts as harmful: it costs one fork, nothing else. What only runs with a
# task does not count.

# Libraries whose functions give back new values and leave nothing behind, but for those below.
HARMLESS_LIBRARIES = frozenset(
    re.findall(
        r"\w+",
        """__future__ abc airflow attr base64 builtins calendar collections configparser contextlib
        copy croniter csv dataclasses datetime dateutil decimal enum fractions functools glob
        hashlib io itertools jinja2 json logging math numbers operator os packaging pathlib pendulum
        pprint pytz random re statistics string sys tempfile textwrap time traceback typing
        typing_extensions urllib uuid warnings yaml zoneinfo""",
    )
)
# What nobody uses who only wants to say what his DAG looks like.
HARMFUL_LIBRARIES = frozenset(
    re.findall(
        r"\w+",
        """_thread asyncio atexit concurrent ctypes faulthandler gc gevent imp importlib
        inspect mock multiprocessing pytest resource runpy signal socket subprocess threading
        unittest weakref""",
    )
)
# Functions and methods of libraries that change something there; so does every call that is a
# statement, for nobody takes what it gives back. What logging is told can be compared.
CHANGES = re.compile(
    r"(?:_?set|add|append|apply|chdir|clear|config|del|disable|enable|extend|filter|init|insert"
    r"|install|monkey|patch|pop|put|register|reload|remove|reset|seed|simplefilter|sort|start"
    r"|umask|unset|update|use)"
)
STATEMENTS = frozenset(["airflow", "logging", "pprint", "time"])
HARMFUL_BUILTINS = frozenset(
    ["__import__", "breakpoint", "compile", "delattr", "eval", "exec", "locals", "setattr", "vars"]
)
HARMLESS_DUNDERS = frozenset(
    ["__doc__", "__file__", "__init__", "__name__", "__qualname__", "__version__"]
)
# Arguments that name functions for later.
LATER = re.compile(r"call(?:able|back)|_(?:fn|check|filter|func)$|macros|filters")
RUN_AT_ONCE = re.compile(r"\.(?:dag|task_group)$")  # what other decorators of Airflow take, is not
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Unit:
    """The body of a module or of its functions of one name: which names it mentions, whose
    functions it may thus call, and the line of the first thing in it that may change something
    beyond its own module (0: there is none)."""

    def __init__(self):
        self.names, self.harm = set(), 0


class Source(ast.NodeVisitor):
    """A module's source, read into ``units``: "" is what runs when it is imported, the others are
    its functions and methods. ``is_own`` tells the repository's own top-level modules."""

    def __init__(self, text, is_own):
        tree = ast.parse(text)
        self.units = collections.defaultdict(Unit)
        self.unit, self.parameters, self.in_class = self.units[""], frozenset(), False
        self.foreign, self.bound = {}, set()  # names: of libraries' things; of all others
        for node in ast.walk(tree):
            self.bind(node, is_own)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                self.alias(node.targets, node.value)
            elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
                self.alias([node.target], node.iter)
            elif isinstance(node, ast.withitem):
                self.alias([node.optional_vars], node.context_expr)
        self.visit(tree)

    def bind(self, node, is_own):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = getattr(node, "module", None)
            for name in node.names:
                path = f"{module}.{name.name}" if module else name.name
                bound = name.asname or (name.name if module else name.name.partition(".")[0])
                if getattr(node, "level", 0) or is_own(path.partition(".")[0]):
                    self.bound.add(bound)
                else:
                    self.foreign[bound] = path if name.asname or module else bound
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            self.bound.add(node.id)
        elif isinstance(node, (ast.ClassDef, *FUNCTIONS)):
            self.bound.add(node.name)
        elif isinstance(node, ast.arg):
            self.bound.add(node.arg)

    def alias(self, targets, value):
        """Names that are given a library's thing are that library's."""
        origin = self.origin(value)
        for target in targets if origin else ():
            for node in ast.walk(target) if target else ():
                if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                    self.foreign[node.id] = origin

    def origin(self, node):
        """The dotted path of a library's thing, or "" of what is the module's own or new."""
        if isinstance(node, ast.Name):
            return self.foreign.get(node.id, "")
        if isinstance(node, ast.Attribute):
            origin = self.origin(node.value)
            return origin and f"{origin}.{node.attr}"
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == "getattr" and node.args:
                return self.origin(node.args[0])
            origin = self.origin(node.func)
            return "" if is_class(origin) or library_of(origin) in HARMLESS_LIBRARIES else origin
        if isinstance(node, (ast.Subscript, ast.Starred, ast.Await)):
            return self.origin(node.value)
        parts = ()
        if isinstance(node, ast.IfExp):
            parts = (node.body, node.orelse)
        elif isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            parts = node.elts
        elif isinstance(node, ast.BoolOp):
            parts = node.values
        return next(filter(None, map(self.origin, parts)), "")

    def harms(self, node):
        self.unit.harm = self.unit.harm or node.lineno

    def visit_FunctionDef(self, node):
        decorators = (getattr(made, "func", made) for made in node.decorator_list)
        origins = [self.origin(decorator) for decorator in decorators]
        for decorator, origin in zip(node.decorator_list, origins):
            self.visit(decorator)
            if origin and library_of(origin) not in HARMLESS_LIBRARIES:
                self.harms(node)
        self.visit(node.args)
        if any(library_of(o) == "airflow" and not RUN_AT_ONCE.search(o) for o in origins):
            return  # it has become a task
        outer = self.unit, self.parameters, self.in_class
        # Python calls special methods, and decorators whatever they like.
        special = node.decorator_list or (self.in_class and node.name.startswith("__"))
        self.unit = self.unit if special else self.units[node.name]
        names = [argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)]
        self.parameters = self.parameters.union(names[1:] if self.in_class else names)
        self.in_class = False
        for statement in node.body:
            self.visit(statement)
        self.unit, self.parameters, self.in_class = outer

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        outer, self.in_class = self.in_class, True
        self.generic_visit(node)
        self.in_class = outer

    def visit_ImportFrom(self, node):
        if node.names[0].name == "*" and "*" in self.foreign:
            self.harms(node)

    def visit_Name(self, node):
        self.unit.names.add(node.id)
        if library_of(self.origin(node)) in HARMFUL_LIBRARIES or node.id == "__builtins__":
            self.harms(node)

    def visit_Attribute(self, node):
        self.unit.names.add(node.attr)
        dunder = node.attr.startswith("__") and node.attr not in HARMLESS_DUNDERS
        if dunder or (not isinstance(node.ctx, ast.Load) and not self.is_own_place(node)):
            self.harms(node)
        self.generic_visit(node)

    def visit_Subscript(self, node):
        if not isinstance(node.ctx, ast.Load) and not self.is_own_place(node):
            self.harms(node)
        self.generic_visit(node)

    def is_own_place(self, node):
        """Whether what is stored in an attribute or item stays in this module."""
        called = False
        while not isinstance(node, ast.Name):
            if not isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
                return False
            called = isinstance(node, ast.Call)
            node = node.func if called else node.value
        if called and node.id == "globals":
            return True
        return node.id in self.bound and node.id not in self.parameters and not self.origin(node)

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Call):
            origin = self.origin(node.value.func)
            if origin and library_of(origin) not in STATEMENTS:
                self.harms(node)
        self.generic_visit(node)

    def visit_Call(self, node):
        origin, name = self.origin(node.func), ""
        if isinstance(node.func, (ast.Name, ast.Attribute)):
            name = getattr(node.func, "id", None) or node.func.attr
        library = library_of(origin)
        known = library in HARMLESS_LIBRARIES or is_class(origin)
        if origin and not (known and (library == "logging" or not CHANGES.match(name))):
            self.harms(node)
        if isinstance(node.func, ast.Name) and name in HARMFUL_BUILTINS - self.bound:
            self.harms(node)
        self.generic_visit(node)

    def visit_keyword(self, node):
        if not is_for_later(node.arg, node.value):
            self.visit(node.value)

    def visit_Dict(self, node):
        for key, value in zip(node.keys, node.values):
            text = read(key, "value") or read(key, "s")  # the latter before Python 3.8
            if not is_for_later(text, value):
                self.visit(value)
            if key:
                self.visit(key)


def is_for_later(name, value):
    """Whether a function is only handed over, to be called when a task runs."""
    handed_over = isinstance(value, (ast.Name, ast.Attribute))
    return handed_over and isinstance(name, str) and bool(LATER.search(name))


def library_of(origin):
    return origin.partition(".")[0]


def is_class(origin):
    return origin.rpartition(".")[2][:1].isupper()


def harm_in(sources):
    """Where what runs when modules are imported may change something beyond them, as (number of
    the source, line), or None. What one mentions may be defined in any other."""
    named, waiting = {""}, [""]
    while waiting:
        name = waiting.pop()
        for number, source in enumerate(sources):
            if name in source.units:
                unit = source.units[name]
                if unit.harm:
                    return number, unit.harm
                waiting += unit.names - named
                named |= unit.names
    return None


State = collections.namedtuple("State", "facts things finders")
State.__doc__ = """What can be compared of a process: plain values, and objects that must be the
same ones, because their own ``__eq__`` may say anything; ``finders`` are those that libraries bring
which find modules for themselves."""


def state_of_process(airflow, besides=()):
    """The state that a file may have changed; None when that cannot be told. Loggers of modules
    in ``besides``, and of DAG files, are those files' own."""
    root = logging.getLogger()
    try:
        facts = [os.getcwd(), dict(os.environ._data), sys.getrecursionlimit(), gc.isenabled()]
        facts += [os.listdir("/proc/self/task"), sorted(os.listdir("/proc/self/fd"))]
        facts += [signal.getitimer(signal.ITIMER_REAL), socket.getdefaulttimeout(), time.tzname]
        facts += [len(read(airflow.masker, "patterns") or ()), has_children()]
    except OSError:
        return None
    things = [os.environ, sys.path, sys.stdin, sys.stdout, sys.stderr, sys.excepthook]
    things += [sys.gettrace(), sys.getprofile(), os._exit, os.kill, logging.getLoggerClass()]
    things += itertools.chain(sys.path, warnings.filters)
    things += [warnings.showwarning, warnings._showwarnmsg]
    things += [root.manager.disable, root.level, *root.handlers]
    # DagBag leaves a handler of its own time limit; without a timer it does nothing.
    signals = (number for number in range(1, signal.NSIG) if number != signal.SIGALRM)
    things += map(signal._signal.getsignal, signals)
    things += vars(builtins).values()
    things += vars(airflow.settings).values()
    for name, logger in list(root.manager.loggerDict.items()):
        told = (read(logger, "level"), read(logger, "disabled"), *(read(logger, "handlers") or ()))
        if any(told) and name not in besides and not name.startswith("unusual_prefix_"):
            things += (logger, *told)
    for context in airflow.contexts:
        for name, value in vars(context).items():
            if "autoregister" not in name:  # DagBag sets those anew for each file
                things += value if isinstance(value, (list, collections.deque)) else [value]
    return State(facts, things, [*sys.meta_path, *sys.path_hooks])


def are_same(before, after):
    """Whether two lists hold the same objects."""
    return len(before) == len(after) and all(map(operator.is_, before, after))


def has_children():
    """Whether this process has a child, alive or dead."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


class Tidiness:
    """Tells of file after file whether it has left this process as it was at the beginning."""

    def __init__(self, airflow):
        self.airflow, self.known = airflow, len(sys.modules)
        self.before = state_of_process(airflow)
        self.sources = {}  # of modules that one file after the other may import

    def after(self, filename, text, seen):
        """Forget the repository's modules that a file has brought, ``text`` being its source.
        Gives back whether all is as it was, and else the library modules that are the reason, if
        they are the only one."""
        new = list(itertools.islice(sys.modules, self.known, None))
        own = {name: own_file(sys.modules[name]) for name in new}
        told = seen.warned or seen.notes["egress"]
        if told or self.harm(filename, text, filter(None, own.values())):
            return False, []
        for name in new:
            if own[name]:
                forget(name)
        gc.collect()  # here, and not beside the next file, for the sake of any __del__
        before, now = self.before, state_of_process(self.airflow, own)
        if None in (before, now) or before.facts != now.facts:
            return False, []
        if not are_same(before.things, now.things):
            return False, []
        libraries = [name for name in new if not own[name]]
        tidy = len(sys.modules) == self.known and are_same(before.finders, now.finders)
        quiet = [name for name in libraries if name not in seen.loud]
        return tidy, [name for name in quiet if is_library(name, sys.modules[name])]

    def harm(self, filename, text, imported):
        """Whether something in these sources may change more than their own modules."""
        try:
            sources = [Source(text, is_own_module)]
            for path in set(imported) - {filename}:
                if path not in self.sources:
                    with tokenize.open(path) as file:
                        self.sources[path] = Source(file.read(), is_own_module)
                sources.append(self.sources[path])
        except Exception:  # what cannot be read is not known to be harmless
            return True
        return harm_in(sources) is not None


def own_file(module):
    """The file of one of the repository's modules, the folder of a package without one, or ""."""
    places = [read(module, "__file__"), *(read(module, "__path__") or ())]
    return next((place for place in places if type(place) is str and PATHS.own(place)), "")


def is_own_module(name):
    return bool(own_file(sys.modules.get(name)))


# ------------------------------------------------------------------------ in the child: its files


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


# A child tells its parent what it sees as it sees it, in lines: a letter, and JSON.
NOTE_LETTERS = {"warnings": b"w", "lookups": b"l", "egress": b"e"}
OBSERVATION_LETTER, DONE_LETTER = b"o", b"d"


class Child:
    """A process that loads one file after the other, as long as each leaves it as it was.

    It tells what came of each through ``result``. A file that forks comes back here twice: only
    this process may say something.
    """

    def __init__(self, airflow, payload, parent, result, orders, limits):
        self.airflow, self.payload, self.limits = airflow, payload, limits
        self.me, self.parent, self.result, self.orders = getpid(), parent, result, orders
        self.path = ""
        faulthandler.register(STACK_SIGNAL, file=os.dup(result.end), all_threads=False)
        protect_ancestors(parent)
        os._exit = self.exit_with_a_word
        hear_all_warnings()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def tell(self, letter, text):
        if getpid() == self.me:
            send(self.result.reach(self.parent), letter + text.encode("ascii") + b"\n")

    def note(self, kind, text):
        self.tell(NOTE_LETTERS[kind], text)

    def exit_with_a_word(self, status):
        """os._exit, after saying where it was called."""
        sys.stdout.flush()
        if getpid() == self.me:
            stack = traceback.extract_stack(sys._getframe(1))
            frames = [describe_frame(f.filename, f.lineno, f.name) for f in stack]
            frames = [frame for frame in frames if frame["own"]]
            message = f"the process ended with status {status}"
            error = plain_error("os._exit", message, self.path, frames)
            self.tell(OBSERVATION_LETTER, to_json(observation(self.path, "exit", error)))
        exit_now(status)

    def run(self, path):
        """Load ``path``, and what is ordered after it. Never comes back."""
        tidiness = Tidiness(self.airflow)
        limits = self.limits
        tidy = True
        while tidy and path:
            for limit in limits:
                resource.setrlimit(*limit)
            tidy = self.load(path, tidiness)
            if tidy:
                path = os.read(self.orders, PIPE_SIZE).decode()
                limits = memory_limits(self.payload["memory"])
        exit_now(0)

    def load(self, path, tidiness):
        """Load one file and tell of it; True when another may be loaded."""
        self.path, seen = path, Seen(path, self.note)
        filename = os.path.join(self.payload["repo_root"], path)
        text = ""  # harmless, if it is one that Airflow does not load
        with contextlib.suppress(OSError), open(filename, "rb") as file:
            text = file.read()
        try:
            observed = load(self.airflow, filename, path, seen)
        except BaseException as error:
            observed = observation(path, "error", describe_error(error, path))
        self.tell(OBSERVATION_LETTER, to_json(observed))
        ok, tidy, modules = observed["outcome"] == "ok", False, []
        observed = None
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
            if ok and getpid() == self.me:
                tidy, modules = tidiness.after(filename, text, seen)
        self.tell(DONE_LETTER, to_json({"ok": ok, "tidy": tidy, "modules": modules}))
        return tidy and getpid() == self.me


class Pipe:
    """A pipe from a child: the parent keeps ``start``, the child ``end``."""

    def __init__(self):
        self.start, self.end = os.pipe()
        self.identity = os.fstat(self.end).st_ino

    def reach(self, parent):
        """The child's end, opened anew when the file has closed it, as daemons do."""
        try:
            if os.fstat(self.end).st_ino == self.identity:
                return self.end
        except OSError:
            pass
        self.end = os.open(f"/proc/{parent}/fd/{self.start}", os.O_WRONLY)
        return self.end


def is_library(name, module):
    """Whether a module came from the standard library or site-packages by an ordinary import."""
    path, spec = read(module, "__file__"), read(module, "__spec__")
    return (
        isinstance(path, str)
        and read(spec, "name") == name
        and ("/site-packages/" in path or path.startswith(STANDARD_LIBRARY))
    )


def send(descriptor, data):
    view = memoryview(data)
    while view:
        view = view[write(descriptor, view) :]


# ----------------------------------------------------------------------- in the parent: many files

STACK_SIGNAL = signal.SIGUSR2  # a child that is late is asked with it where it is
STACK_GRACE = 0.3  # seconds it has to say so
F_SETPIPE_SZ, PIPE_SIZE = 1031, 1 << 20  # linux/fcntl.h; bytes
TAIL = 4096  # bytes of a child's output that are kept
PRINT_PAUSE = 0.005  # seconds between two looks at the output of a child that prints
NEAR_LIMIT = 0.9  # of the memory limit: a death there is taken to be the limit's work
SWEEP = 0.5  # seconds between two looks for orphans
FILES_A_PROCESS = 64  # at most, also when each leaves it as it was
LESSON = 2  # files that had to load a library before the parent loads it for the next ones
AIRFLOW_IMPORT = re.compile(rb"^[ \t]*(?:from|import)[ \t]+(airflow(?:\.[A-Za-z_]\w*)+)", re.M)
STANDARD_LIBRARY = os.path.dirname(os.__file__) + "/"


class Worker:
    """A child at work: its process, the file that it loads, what has come from it of that file so
    far, and when it has to be done."""

    def __init__(self, pid, result, output, orders, timeout):
        self.pid, self.timeout, self.loaded = pid, timeout, 0
        self.result, self.output, self.orders = result, output, orders
        self.prints = False

    def begins(self, path):
        """Note which file it loads from now on."""
        self.path, self.loaded = path, self.loaded + 1
        self.received = {self.result: bytearray(), self.output: bytearray()}  # by descriptor
        self.started = clock()
        self.deadline = self.started + self.timeout
        self.late = False

    def order(self, path):
        """Have it load one more file."""
        self.begins(path)
        with contextlib.suppress(OSError), open(f"/proc/{self.pid}/clear_refs", "w") as file:
            file.write("5")  # its memory peak starts anew: proc(5)
        with contextlib.suppress(OSError):  # it has just been killed, and that will show
            send(self.orders, path.encode())

    def take(self, descriptor):
        """Read what is there; False when there is no more."""
        try:
            data = os.read(descriptor, PIPE_SIZE)
        except BlockingIOError:
            return False
        kept = self.received[descriptor]
        kept += data
        if descriptor == self.output:
            del kept[:-TAIL]
        return bool(data)

    def answered(self):
        """Whether the last line that a child sends of a file is there."""
        received = self.received[self.result]
        last = received.rfind(b"\n", 0, -1) + 1
        return received.endswith(b"\n") and received.startswith(DONE_LETTER, last)

    def told(self, letter):
        """The JSON texts of the lines that begin with ``letter``."""
        lines = bytes(self.received[self.result]).split(b"\n")[:-1]
        return [line[1:] for line in lines if line.startswith(letter)]

    def done(self):
        """What the last line says; as if it said that all went wrong when there is none."""
        if not self.answered():
            return {"ok": False, "tidy": False, "modules": ()}
        return json.loads(self.told(DONE_LETTER)[-1].decode())


def start_worker(airflow, payload, path, limits, private):
    """Fork a child for ``path``; ``private`` are descriptors that it must not hold."""
    result, output, orders = Pipe(), Pipe(), Pipe()
    parent = getpid()
    pid = os.fork()
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setpgid(0, 0)
            die_with(parent)
            mine = (result.start, output.start, orders.end)
            for descriptor in itertools.chain(private, mine):
                os.close(descriptor)
            os.dup2(output.end, 1)
            os.dup2(output.end, 2)
            os.close(output.end)
            Child(airflow, payload, parent, result, orders.start, limits).run(path)
        except BaseException:
            traceback.print_exc()  # this script's own fault
        finally:
            exit_now(70)
    with contextlib.suppress(OSError):  # the child may have done it, or have ended, already
        os.setpgid(pid, pid)
    for pipe in (result, output):
        os.close(pipe.end)
        os.set_blocking(pipe.start, False)
    os.close(orders.start)
    with contextlib.suppress(OSError):  # a little luxury, for files that print a lot
        fcntl.fcntl(output.start, F_SETPIPE_SZ, PIPE_SIZE)
    worker = Worker(pid, result.start, output.start, orders.end, payload["timeout"])
    worker.begins(path)
    return worker


def ended(worker):
    """Whether the child has ended; it stays a zombie, so that its id and group stay its own."""
    return os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def check_time(worker):
    """Ask a late child where it is; True once it has had the time to say so."""
    if clock() < worker.deadline:
        return False
    if worker.late:
        return True
    worker.late = True
    worker.deadline = clock() + STACK_GRACE
    with contextlib.suppress(OSError):
        kill(worker.pid, STACK_SIGNAL)
    return False


def finish(worker, payload):
    """End a child's process group, and give back its ``file`` record."""
    reset = worker.loaded > 1
    peak = peak_memory(worker.pid) if reset else 0.0
    with contextlib.suppress(OSError):
        killpg(worker.pid, signal.SIGKILL)
    _, status, usage = os.wait4(worker.pid, 0)
    peak = peak or usage.ru_maxrss / (1024.0 if sys.platform == "linux" else 1024.0 * 1024.0)
    record = record_of(worker, peak, status, payload)
    for descriptor in (worker.result, worker.output, worker.orders):
        os.close(descriptor)
    return record


def peak_memory(pid):
    """The most MiB that a process has held since that was reset, or 0 when it is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", "rb") as status:
        found = re.search(rb"VmHWM:\s*(\d+)", status.read())
        return int(found.group(1)) / 1024.0 if found else 0.0
    return 0.0


def record_of(worker, peak, status, payload):
    """The ``file`` record of the file that a child has loaded, as bytes of JSON."""
    for descriptor in (worker.result, worker.output):
        for _ in range(64):  # something that got away may still be writing
            if not worker.take(descriptor):
                break
    observed = worker.told(OBSERVATION_LETTER)
    if not observed:
        observed = [to_json(post_mortem(worker, status, peak, payload)).encode("ascii")]
    for kind, letter in NOTE_LETTERS.items():
        # Put together as text: a large observation is neither parsed nor copied more than once.
        notes = b",".join(worker.told(letter))
        observed.append(b'{"' + kind.encode("ascii") + b'":[' + notes + b"]}")
    rest = {
        "kind": "file",
        "output": PATHS.text(bytes(worker.received[worker.output]).decode("utf-8", "replace")),
        "seconds": round(clock() - worker.started, 4),
        "memory": round(peak, 1),
    }
    observed.append(to_json(rest).encode("ascii"))
    return b"{" + b",".join(part[1:-1] for part in observed) + b"}"


def post_mortem(worker, status, peak, payload):
    """The observation of a child that left without an answer."""
    path, frames = worker.path, ()
    if worker.late:
        outcome, kind = "timeout", "TimeoutError"
        message = "it was not loaded within {:g} seconds".format(payload["timeout"])
        frames = read_stack(bytes(worker.received[worker.result]).decode("ascii", "replace"))
    elif os.WIFSIGNALED(status):
        kind = signal.Signals(os.WTERMSIG(status)).name
        # Libraries in C end the process when they get no more memory.
        outcome = "memory" if peak > NEAR_LIMIT * payload["memory"] else "killed"
        message = f"its process was killed by {kind}, when it held {peak:.0f} MiB"
    else:
        outcome, kind = "exit", "os._exit"
        message = f"its process ended with status {os.WEXITSTATUS(status)}"
    return observation(path, outcome, plain_error(kind, message, path, frames))


def read_stack(text):
    """The frames of a faulthandler dump, outermost first, without this script's."""
    frames = []
    for match in re.finditer(r'  File "(.*)", line (\d+) in (.*)', text):
        filename = match.group(1).encode("ascii", "replace").decode("unicode_escape")
        if filename != PROBE and "importlib" not in filename:
            frames.append(describe_frame(filename, int(match.group(2)), match.group(3)))
    return frames[::-1][-MAX_FRAMES:]


def preload(names):
    """Import library modules before the next fork, so that not every child has to; the loud ones
    are forgotten again. Says whether there was something to do."""
    names = [name for name in names if name not in sys.modules]
    if not names:
        return False
    with recording(Seen()) as seen:
        for name in names:
            with contextlib.suppress(Exception):  # then a child will see it, and say so
                importlib.import_module(name)
    for name in list(sys.modules):
        if any(name == loud or name.startswith(f"{loud}.") for loud in seen.loud):
            forget(name)
    return True


def prepare_to_fork(mebibytes):
    """Make forks cheap, and take down what they start from."""
    getattr(gc, "freeze", lambda: None)()  # from 3.7 on: keeps children from copying pages
    return memory_limits(mebibytes)


def forget(name):
    """Undo the import of a module."""
    module = sys.modules.pop(name, None)
    package, _, last = name.rpartition(".")
    if module is not None and vars(sys.modules.get(package, sys)).get(last) is module:
        delattr(sys.modules[package], last)


def airflow_imports(root, files):
    """The modules of Airflow that the files import, as far as a look at their text tells. Airflow
    itself does the same before it forks for a file, since 2.6 (parsing_pre_import_modules)."""
    found = collections.OrderedDict()
    for path in files:
        with contextlib.suppress(OSError), open(os.path.join(root, path), "rb") as file:
            for match in AIRFLOW_IMPORT.finditer(file.read()):
                found[match.group(1).decode("ascii")] = None
    return list(found)


def reap(keep):
    """Kill and collect every child that is not in ``keep``: orphans of earlier files' children."""
    while True:
        orphans = children() - keep
        if not orphans:
            return
        for pid in orphans:
            with contextlib.suppress(OSError):
                kill(pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.waitpid(pid, 0)


def fan_out(airflow, payload, emit, close):
    """Load all files, ``workers`` at a time, and emit ``begin`` and ``file`` records.

    What does not load in the company of others is loaded again, alone: whatever went wrong, it was
    the file's own doing.
    """
    waiting, again = collections.deque(payload["files"]), collections.deque()
    company = payload.get("files_a_process", FILES_A_PROCESS)
    residents = children()  # a plugin's own processes, if it has any
    woken, wake = os.pipe()
    for descriptor in (woken, wake):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    active, swept, wanted = {}, clock(), collections.Counter()
    preload(airflow_imports(payload["repo_root"], payload["files"]))
    gc.collect()
    limits = prepare_to_fork(payload["memory"])

    def next_file(queue):
        path = queue.popleft()
        emit(to_json({"kind": "begin", "path": path}).encode("ascii"))
        return path

    while waiting or again or active:
        while (waiting or again) and len(active) < max(1, payload["workers"]):
            path = next_file(again or waiting)
            sys.stdout.flush()
            sys.stderr.flush()
            held = [d for w in active.values() for d in (w.result, w.output, w.orders)]
            private = [*close, woken, wake, *held]
            worker = start_worker(airflow, payload, path, limits, private)
            active[worker.pid] = worker
        listen(active, woken)
        for worker in list(active.values()):
            if not (worker.answered() or ended(worker) or check_time(worker)):
                continue
            done = worker.done()
            goes_on = done["tidy"] and worker.loaded < company and waiting and not again
            if goes_on:
                record = record_of(worker, peak_memory(worker.pid), None, payload)
            else:
                del active[worker.pid]
                record = finish(worker, payload)
            if done["ok"] or worker.loaded == 1:
                emit(record)
            else:
                again.append(worker.path)
            if goes_on:
                worker.order(next_file(waiting))
            wanted.update(done["modules"])
            if preload(name for name in done["modules"] if wanted[name] == LESSON):
                limits = prepare_to_fork(payload["memory"])
        if clock() - swept > SWEEP or not active:
            reap(residents | set(active))
            swept = clock()
    reap(set())


def listen(active, woken):
    """Wait until a child says or does something, or its time is up, and read what it says. One that
    prints is read in large pieces, not line by line."""
    owners = {worker.result: worker for worker in active.values()}
    owners.update((worker.output, worker) for worker in active.values() if not worker.prints)
    patience = min(worker.deadline for worker in active.values()) - clock()
    patience = min(patience, PRINT_PAUSE if len(owners) < 2 * len(active) else SWEEP)
    poller = select.poll()
    for descriptor in itertools.chain(owners, [woken]):
        poller.register(descriptor, select.POLLIN)
    ready = [descriptor for descriptor, _ in poller.poll(max(0.0, patience) * 1000)]
    if woken in ready:
        with contextlib.suppress(BlockingIOError):
            os.read(woken, 4096)
    for worker in active.values():
        if worker.result in ready:
            worker.take(worker.result)
        worker.prints = (worker.prints or worker.output in ready) and worker.take(worker.output)


# ------------------------------------------------------------------------------------------ main


def open_result(path):
    """Open RESULT so that foreign code is unlikely to meet it: high up, closed on exec; the
    descriptor that was inherited for it is closed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 200)
    os.close(descriptor)
    inherited = re.match(r"^/(?:dev|proc/self)/fd/(\d+)$", path)
    if inherited and int(inherited.group(1)) > 2:
        os.close(int(inherited.group(1)))
    return high


def tame_output():
    """Standard output and error that show at once what was printed, whatever it is."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        raw = open(descriptor, "wb", 0, closefd=False)
        text = io.TextIOWrapper(raw, "utf-8", "backslashreplace", line_buffering=True)
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)


def main(payload_file, result_path):
    """Observe what the payload asks for; see the top of this file."""
    global PATHS
    began = clock()
    with open(payload_file, encoding="utf-8") as file:
        payload = json.load(file)
    descriptor = open_result(result_path)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    die_with(os.getppid())
    tame_output()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def emit(line):
        send(descriptor, line + b"\n")

    def emit_record(kind, **fields):
        emit(to_json(dict(fields, kind=kind)).encode("ascii"))

    PATHS = Paths(
        payload["repo_root"],
        [
            (os.environ.get("HOME", ""), "$HOME"),
            (sys.prefix, "$PREFIX"),
            # Logs, temporary files and the database of this run lie beside its configuration.
            (os.path.dirname(os.environ.get("AIRFLOW_CONFIG", "")), "$RUN"),
            (payload["airflow_home"], "$AIRFLOW_HOME"),
        ],
    )
    sys.path[:0] = payload["sys_path"]
    watch_warnings()
    watch_lookups(payload["assume_missing"], payload["samples"])
    watch_environment()
    guard_network(Network(payload["allowed_hosts"]))
    os.environ["AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT"] = "0"  # ours is kept from outside
    os.environ.setdefault("AWS_MAX_ATTEMPTS", "1")  # boto: what is refused stays refused
    airflow = import_airflow(payload["plugins_folder"])
    emit_record(
        "start",
        airflow=airflow.version,
        python=".".join(map(str, sys.version_info[:3])),
        packages=installed(),
        seconds=round(clock() - began, 4),
    )
    emit_record("plugins", **airflow.plugins)
    fan_out(airflow, payload, emit, [descriptor])
    emit_record("end", seconds=round(clock() - began, 4))


if __name__ == "__main__":
    main(*sys.argv[1:])
