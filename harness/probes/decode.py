"""Read pickled values of Airflow's metadata in the Python that wrote them, and print them as JSON.

Run inside a runtime, never imported by the harness:

    python -B -s decode.py PAYLOAD.json RESULT < LINES

LINES are JSON, one value each: ``{"id": any, "data": base64}``. A value is a pickle, or the JSON
text that Airflow writes when pickling is off. PAYLOAD.json holds ``sys_path`` (folders to append:
DAGs, plugins) and what a value may cost: ``timeout`` (seconds), ``memory`` (MiB), ``nodes`` (how
many values it may hold when it is written out). RESULT is a file or
descriptor that JSON lines are appended to; each has a ``kind``:

    start    python
    value    id, and ``value`` (tagged JSON, see below) or ``error`` (a sentence)
    end      count

A pickle is a program. One that names nothing but plain types is read by a worker that lets it
name nothing else. Any other is read in a fork of its own, which it may end, hang, fill or fork as
it likes: only its own value is lost. The process that starts them never loads a pickle.

Tagged JSON: null, booleans, texts, numbers, lists and objects mean themselves. What JSON does not
have is an object with the key ``$``, which says what it is; ``v`` is its content and ``class``,
where there is one, the well-known class that it was an instance of:

    dict       v: [[key, value], …]     keys that are no texts, or one of which is "$"
    tuple set frozenset                 v: [value, …]; sets in the order of their JSON texts
    bytes bytearray                     v: base64
    datetime   v: ISO 8601 with the offset, if it has one; "zone": the zone's name, if it has one
    date time  v: ISO 8601              time also with "zone"
    timedelta  v: [days, seconds, microseconds]
    decimal uuid                        v: text
    complex    v: [real, imaginary]
    float      v: "nan", "inf", "-inf"
    int        v: text                  beyond 64 bits
    str        v: base64                of UTF-8 with surrogates, for texts that JSON cannot hold
    bool int float str                  with "class": a NumPy scalar

Standard library only, and what the pickles name; Python 3.6 syntax, one file: it is copied into
the runtime. Other probes load its first half.
"""

import base64
import collections
import contextlib
import ctypes
import datetime
import decimal
import fcntl
import gc
import io
import json
import os
import pickle
import re
import resource
import select
import signal
import sys
import time
import uuid

# Bound before foreign code runs.
to_json = json.JSONEncoder(ensure_ascii=True, check_circular=False, separators=(",", ":")).encode
exit_now, clock = os._exit, time.monotonic

MAX_DEPTH = 200
NODES = 2000000  # values inside a value, unless PAYLOAD says otherwise
MAX_MESSAGE = 500


# ----------------------------------------------------------------------------- values → tagged JSON


class NotPlain(Exception):
    """A value that has no plain form; the message says why."""


def name_of(kind):
    """``module.Class``."""
    return "{}.{}".format(type.__getattribute__(kind, "__module__"), kind.__qualname__)


def text(data):
    """Base64 as text."""
    return base64.b64encode(data).decode("ascii")


def iso(moment):
    """ISO 8601 of a datetime or time of any class, with its offset if it has one."""
    offset = moment.utcoffset()
    fields = [moment.hour, moment.minute, moment.second, moment.microsecond]
    if isinstance(moment, datetime.datetime):
        bare = datetime.datetime(moment.year, moment.month, moment.day, *fields)
    else:
        bare = datetime.time(*fields)
    if offset is None:
        return bare.isoformat()
    total = offset.days * 86400 + offset.seconds
    sign, total = ("-", -total) if total < 0 else ("+", total)
    hours, rest = divmod(total, 3600)
    shown = f"{bare.isoformat()}{sign}{hours:02d}:{rest // 60:02d}"
    return shown + (f":{rest % 60:02d}" if rest % 60 else "")


def zone(moment):
    """What tells the zone's name of pendulum, pytz, zoneinfo and the standard library."""
    info = moment.tzinfo
    if info is None:
        return {}
    # pendulum 1 keeps the zone behind a fixed offset.
    for holder in (getattr(info, "tz", None), info):
        for attribute in ("name", "zone", "key"):
            found = getattr(holder, attribute, None)
            if isinstance(found, str) and (found == "UTC" or "/" in found):
                return {"zone": found}
    return {"zone": "UTC"} if info is datetime.timezone.utc else {}


def tag_datetime(moment):
    return dict({"$": "datetime", "v": iso(moment)}, **zone(moment))


def tag_timedelta(delta):
    # pendulum's own give the days within a week as ``days``.
    whole = datetime.timedelta
    days = whole.days.__get__(delta)
    return {"$": "timedelta", "v": [days, whole.seconds.__get__(delta),
                                    whole.microseconds.__get__(delta)]}  # fmt: skip


def tag_int(number):
    return number if -(2**63) <= number < 2**64 else {"$": "int", "v": str(number)}


def tag_float(number):
    if number != number:
        return {"$": "float", "v": "nan"}
    if number in (float("inf"), float("-inf")):
        return {"$": "float", "v": "inf" if number > 0 else "-inf"}
    return number


def tag_str(content):
    try:
        content.encode("utf-8")
    except UnicodeEncodeError:
        return {"$": "str", "v": text(content.encode("utf-8", "surrogatepass"))}
    return content


LEAVES = {
    type(None): lambda value: value,
    bool: lambda value: value,
    int: tag_int,
    float: tag_float,
    str: tag_str,
    bytes: lambda value: {"$": "bytes", "v": text(value)},
    bytearray: lambda value: {"$": "bytearray", "v": text(bytes(value))},
    complex: lambda value: {"$": "complex", "v": [tag_float(value.real), tag_float(value.imag)]},
    datetime.datetime: tag_datetime,
    datetime.date: lambda value: {"$": "date", "v": datetime.date.isoformat(value)},
    datetime.time: lambda value: dict({"$": "time", "v": iso(value)}, **zone(value)),
    datetime.timedelta: tag_timedelta,
    decimal.Decimal: lambda value: {"$": "decimal", "v": str(value)},
    uuid.UUID: lambda value: {"$": "uuid", "v": str(value)},
}

# Classes that are known to mean what the plain class means: of pendulum 1, 2 and 3, pandas, numpy.
# A target's own pendulum is the same thing to its users, so it is not named in ``class``.
LIKE = {
    "pendulum.pendulum.Pendulum": (datetime.datetime, ""),
    "pendulum.datetime.DateTime": (datetime.datetime, ""),
    "pendulum.date.Date": (datetime.date, ""),
    "pendulum.time.Time": (datetime.time, ""),
    "pendulum.interval.Interval": (datetime.timedelta, ""),
    "pendulum.duration.Duration": (datetime.timedelta, ""),
    "pandas._libs.tslibs.timestamps.Timestamp": (datetime.datetime, "pandas.Timestamp"),
}
NUMPY = re.compile(r"numpy\.(?:bool_?|u?int\d+|float(?:16|32|64)|str_|longlong|ulonglong)")


def like(value):
    """How to tag a value whose class is like a plain one, and what to call that class; or None."""
    kind = type(value)
    known, named = LIKE.get(name_of(kind), (None, ""))
    if known is not None and issubclass(kind, known):
        return LEAVES[known], named
    if NUMPY.fullmatch(name_of(kind)):
        return (lambda number: tag_numpy(number, kind)), ""
    return None, ""


def tag_numpy(number, kind):
    plain = number.item()
    inner = LEAVES[type(plain)](plain)
    content = inner["v"] if isinstance(inner, dict) else inner
    return {"$": type(plain).__name__, "v": content, "class": name_of(kind)}


def tagged(value, nodes=float("inf")):
    """``value`` as tagged JSON. NotPlain when it is, or holds, something without a plain form."""
    return Tagger(nodes).tag(value, 0)


class Tagger:
    """One value: counts what it has seen, and knows what it is inside of."""

    def __init__(self, most):
        self.nodes, self.most = 0, most
        self.open = set()

    def tag(self, value, depth):
        self.nodes += 1
        if self.nodes > self.most:
            raise NotPlain(f"it holds more than {self.most} values")
        tag = LEAVES.get(type(value))
        if tag is not None:
            return tag(value)
        tag, named = like(value)
        if tag is not None:
            found = tag(value)
            return dict(found, **{"class": named}) if named else found
        if depth > MAX_DEPTH:
            raise NotPlain(f"it is nested more than {MAX_DEPTH} deep")
        if id(value) in self.open:
            raise NotPlain("it contains itself")
        self.open.add(id(value))
        try:
            return self.container(value, type(value), depth + 1)
        finally:
            self.open.discard(id(value))

    def container(self, value, kind, depth):
        if kind is list:
            return [self.tag(item, depth) for item in value]
        if kind is dict:
            if all(type(key) is str for key in value) and "$" not in value:
                keys = [tag_str(key) for key in value]
                if all(type(key) is str for key in keys):
                    return {key: self.tag(value[key], depth) for key in keys}
            return {"$": "dict", "v": self.pairs(value, depth)}
        if kind in (collections.OrderedDict, collections.defaultdict):
            return {"$": "dict", "v": self.pairs(value, depth), "class": name_of(kind)}
        if kind is tuple:
            return {"$": "tuple", "v": [self.tag(item, depth) for item in value]}
        if kind in (set, frozenset):
            items = [self.tag(item, depth) for item in value]
            return {"$": kind.__name__, "v": sorted(items, key=to_json)}
        raise NotPlain(f"an instance of {name_of(kind)} has no plain form")

    def pairs(self, value, depth):
        return [[self.tag(key, depth), self.tag(value[key], depth)] for key in value]


def sentence(error):
    """An exception in one line, cut to a length that a report can show."""
    try:
        message = str(error)
    except BaseException:
        message = "its message cannot be shown"
    if isinstance(error, NotPlain):
        return message
    line = "{}: {}".format(type(error).__name__, " ".join(message.split()))
    line = line.encode("utf-8", "backslashreplace").decode("utf-8")
    return line if len(line) <= MAX_MESSAGE else line[:MAX_MESSAGE] + "…"


# ------------------------------------------------------------------------ pickles that name no more


class Foreign(Exception):
    """A pickle names something that is not on the list of plain things."""


# Built in: a pickle cannot change them for the next one.
BUILTIN = {
    ("builtins", name) for name in ("set", "frozenset", "bytearray", "complex", "object", "list",
                                    "dict", "tuple", "int", "float", "str", "bytes", "bool")
}  # fmt: skip
BUILTIN |= {("datetime", name) for name in ("datetime", "date", "time", "timedelta", "timezone")}
BUILTIN |= {("decimal", "Decimal"), ("collections", "OrderedDict")}

# Written in Python: a pickle could set their attributes, so they are looked at afterwards.
WATCHED = {
    ("uuid", "UUID"),
    ("pendulum.pendulum", "Pendulum"),
    ("pendulum.date", "Date"),
    ("pendulum.interval", "Interval"),
    ("pendulum.tz.timezone", "Timezone"),
    ("pendulum.tz.timezone", "FixedTimezone"),
    ("pendulum.tz.timezone", "_UTC"),
    ("pendulum.tz.timezone_info", "TimezoneInfo"),
    ("pendulum.tz.transition", "Transition"),
    ("pendulum.tz.transition_type", "TransitionType"),
}


def encode_latin(content, encoding):
    """``_codecs.encode`` as protocols 0 to 2 use it for bytes."""
    if encoding != "latin1":
        raise Foreign
    return content.encode("latin1")


def reconstruct(kind, base, _state):
    """``copyreg._reconstructor`` for objects that are nothing but their attributes."""
    if base is not object:
        raise Foreign
    return object.__new__(kind)


class Plain(pickle.Unpickler):
    """An unpickler that finds plain things only. ``find_class`` is asked for whatever a pickle
    names; what a pickle can call is what it has been given here."""

    def find_class(self, module, name):
        # What Python 2 called them, under protocols 0 to 2.
        module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        name = {"unicode": "str", "long": "int"}.get(name, name)
        if (module, name) in BUILTIN:
            return super().find_class(module, name)
        if (module, name) in WATCHED:
            found = super().find_class(module, name)
            UNTOUCHED.setdefault(found, dict(vars(found)))
            return found
        if (module, name) == ("_codecs", "encode"):
            return encode_latin
        if (module, name) == ("copyreg", "_reconstructor"):
            return reconstruct
        raise Foreign


UNTOUCHED = {}  # watched class → its attributes when a pickle first named it


def untouched():
    """Whether every watched class is what it was when it was first named."""
    return all(dict(vars(kind)) == before for kind, before in UNTOUCHED.items())


# A text of Python 2 without non-ASCII characters is the same in every encoding; where there are
# some, they were UTF-8 as a rule. What is not ends as an error.
ENCODING = "utf-8"


def is_json(data):
    """Whether a stored value is JSON and no pickle: every pickle ends with a full stop, no JSON
    text does."""
    return not data.rstrip().endswith(b".")


def read_json(data):
    return json.loads(data.decode("utf-8"))


# ------------------------------------------------------------------------------------ in the worker


def answer(identity, **fields):
    """One record as a line."""
    return to_json(dict(fields, kind="value", id=identity)).encode("ascii") + b"\n"


def read_lines(stream, out, cost):
    """The worker's life: a line in, a record out, or an empty line for what it leaves alone."""
    for limit in cost.limits:
        resource.setrlimit(*limit)
    for line in iter(stream.readline, b""):
        send(out, plain_answer(line, cost.nodes))


def plain_answer(line, nodes):
    record = json.loads(line.decode("ascii"))
    data = base64.b64decode(record["data"])
    try:
        if is_json(data):
            return answer(record["id"], value=tagged(read_json(data), nodes))
        try:
            found = {"value": tagged(Plain(io.BytesIO(data), encoding=ENCODING).load(), nodes)}
        except NotPlain as error:
            found = {"error": sentence(error)}
        if not untouched():
            exit_now(1)
        return answer(record["id"], **found)
    except Exception as error:
        if is_json(data):
            return answer(record["id"], error="neither a pickle nor JSON: " + sentence(error))
        return b"\n"  # a fork will find the same, or do better


def read_one(data, out, cost):
    """The life of a fork: one pickle of any kind, one record without its ``id``."""
    for limit in cost.limits:
        resource.setrlimit(*limit)
    try:
        found = {"value": tagged(pickle.loads(data, encoding=ENCODING), cost.nodes)}  # noqa: S301
    except MemoryError:
        lift(cost.limits)
        found = {"error": "it needs more memory than a value may have"}
    except BaseException as error:
        found = {"error": sentence(error)}
    send(out, to_json(found).encode("ascii"))
    exit_now(0)


# ------------------------------------------------------------------------------------ in the parent

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
CHUNK = 1 << 16
ANSWER_BYTES = 256 << 20


def prctl(option, value):
    """Ask the Linux kernel for something; elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def send(descriptor, data):
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def memory_limits(mebibytes):
    """The limits, as arguments of ``setrlimit``, that let a fork of this process grow so much."""
    size = 0
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmSize:"):
                    size = int(line.split()[1]) * 1024
    except OSError:
        return []
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = size + mebibytes * 1024 * 1024
    fits = hard == resource.RLIM_INFINITY or limit < hard
    return [(resource.RLIMIT_AS, (limit, hard))] if fits else []


def lift(limits):
    """Undo ``memory_limits``, so that there is room to say that one was reached."""
    for number, (_, hard) in limits:
        resource.setrlimit(number, (hard, hard))


# What one value may cost: arguments of ``setrlimit``, and how many values it may hold.
Cost = collections.namedtuple("Cost", "limits nodes")


class Child:
    """A fork with a pipe from it, and one to it unless ``work`` needs none."""

    def __init__(self, work, private, talks=False):
        """``work(stream, out)`` is what it does; ``private`` are descriptors it must not hold."""
        self.answers, out = os.pipe()
        source, self.questions = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != parent:
                    exit_now(1)
                for descriptor in (self.answers, self.questions, *private):
                    os.close(descriptor)
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                work(os.fdopen(source, "rb") if talks else None, out)
            finally:
                exit_now(1)
        os.close(out)
        os.close(source)

    def hear(self, timeout, whole=False):
        """What it says, up to a line's end or (``whole``) up to its end; with what stopped it:
        "" when nothing did, else "time", "end" or "size"."""
        heard, deadline = bytearray(), clock() + timeout
        while True:
            if not select.select([self.answers], [], [], max(0, deadline - clock()))[0]:
                return bytes(heard), "time"
            data = os.read(self.answers, CHUNK)
            if not data:
                return bytes(heard), "" if whole else "end"
            heard += data
            if not whole and data.endswith(b"\n"):
                return bytes(heard), ""
            if len(heard) > ANSWER_BYTES:
                return b"", "size"

    def finish(self):
        """End it and whatever it has started; its wait status."""
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.answers)
        os.close(self.questions)
        reap()
        return status


def children():
    """The ids of this process' children, as /proc tells; empty where there is no /proc."""
    found, me = set(), str(os.getpid())
    for entry in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as stat:
                    # "pid (name) state ppid …", and the name may hold anything
                    if stat.read().rpartition(b")")[2].split()[1].decode() == me:
                        found.add(int(entry))
            except OSError:
                continue
    return found


def reap():
    """Kill and collect what has come to this process because its own parent has gone."""
    while True:
        orphans = children() - WORKERS
        if not orphans:
            return
        for pid in orphans:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


WORKERS = set()


class Reader:
    """Hands values to the worker, and those that it leaves alone to forks."""

    def __init__(self, payload, private):
        self.timeout, self.private = payload["timeout"], private
        self.cost = Cost(memory_limits(payload["memory"]), payload.get("nodes", NODES))
        self.worker = None

    def read(self, line):
        """The record of one line, as a line."""
        if self.worker is None:
            cost = self.cost
            self.worker = Child(
                lambda stream, out: read_lines(stream, out, cost), self.private, talks=True
            )
            WORKERS.add(self.worker.pid)
        try:
            send(self.worker.questions, line)
            heard, stopped = self.worker.hear(self.timeout)
        except BrokenPipeError:
            heard, stopped = b"", "end"
        if not stopped and len(heard) > 1:
            return heard
        if stopped:
            self.close()
        record = json.loads(line.decode("ascii"))
        data = base64.b64decode(record["data"])
        if stopped == "time":
            return answer(record["id"], error=self.late())
        if is_json(data):
            return answer(record["id"], error="the process that read it ended")
        return answer(record["id"], **self.alone(data))

    def alone(self, data):
        """``value`` or ``error`` of a pickle that has a process of its own."""
        held = (self.worker.answers, self.worker.questions) if self.worker else ()
        cost = self.cost
        child = Child(lambda _, out: read_one(data, out, cost), (*self.private, *held))
        heard, stopped = child.hear(self.timeout, whole=True)
        status = child.finish()
        if stopped == "time":
            return {"error": self.late()}
        if stopped == "size":
            return {"error": f"its plain form is larger than {ANSWER_BYTES >> 20} MiB"}
        with contextlib.suppress(ValueError, KeyError, TypeError):
            found = json.loads(heard.decode("ascii"))
            if len(found) == 1 and ("value" in found or isinstance(found["error"], str)):
                return found
        if os.WIFSIGNALED(status):
            how = "was killed by " + signal.Signals(os.WTERMSIG(status)).name
        else:
            how = f"ended with status {os.WEXITSTATUS(status)}"
        return {"error": "the process that read it " + how}

    def late(self):
        return f"it was not read within {self.timeout:g} seconds"

    def close(self):
        """End the worker, if there is one."""
        if self.worker is not None:
            WORKERS.discard(self.worker.pid)
            self.worker.finish()
            self.worker = None


def open_result(path):
    """Open RESULT where foreign code is unlikely to meet it: high up, closed on exec; the
    descriptor that was inherited for it is closed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 200)
    os.close(descriptor)
    inherited = re.match(r"^/(?:dev|proc/self)/fd/(\d+)$", path)
    if inherited and int(inherited.group(1)) > 2:
        os.close(int(inherited.group(1)))
    return high


def main(payload_file, result_path):
    """Read every value; see the top of this file."""
    with open(payload_file, encoding="utf-8") as file:
        payload = json.load(file)
    result = open_result(result_path)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    lines = os.fdopen(fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 200), "rb", 1 << 20)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]
    sys.path.extend(payload["sys_path"])
    gc.collect()
    getattr(gc, "freeze", lambda: None)()  # from 3.7 on: keeps forks from copying pages
    version = ".".join(map(str, sys.version_info[:3]))
    send(result, to_json({"kind": "start", "python": version}).encode("ascii") + b"\n")
    reader = Reader(payload, (result, lines.fileno()))
    count = 0
    try:
        for line in lines:
            send(result, reader.read(line))
            count += 1
    finally:
        reader.close()
    send(result, to_json({"kind": "end", "count": count}).encode("ascii") + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
