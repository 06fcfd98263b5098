"""Pickled values: read in the Python that wrote them, kept as tagged JSON, written for the target.

A pickle is a program, so nothing here ever loads one: that is done by the probe ``decode.py``, in
the bridge's own Python and cut off from the rest; its docstring says what tagged JSON is. Here
tagged JSON becomes plain Python values, and those become what the target's Airflow keeps: a
pickle of nothing but builtins and standard library values, or the JSON of its XComEncoder.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import base64
import collections
import datetime
import decimal
import json
import os
import pickle
import subprocess
import threading
import uuid
from contextlib import ExitStack, suppress
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from harness.metadata.problems import MetadataError
from harness.metadata.schema import version_key
from harness.scratch import scratch

VALUE_SECONDS = 30
VALUE_MEBIBYTES = 1024
VALUE_NODES = 2_000_000

# What the bridge's Python 3.7 and every target's Python read and write alike.
PROTOCOL = 3


class Unrepresentable(Exception):
    """A value that the target cannot keep; the message says why."""


# --- reading pickles, elsewhere ------------------------------------------------------------------


class Decoder:
    """The probe as a process that is asked for one batch of values after the other.

    ``python`` is the bridge's, ``script`` the probe; ``wrap`` turns a command line into the one
    that is started (so that it has no network and cannot outlive us).
    """

    def __init__(
        self,
        python: str,
        script: str,
        sys_path: Sequence[str] = (),
        wrap: Callable[[Sequence[str]], Sequence[str]] = tuple,
    ) -> None:
        self.python = python
        self.script = script
        self.sys_path = list(sys_path)
        self.wrap = wrap
        self._process: Any = None
        self._results: Any = None
        self._ready = False
        self._folder = ExitStack()

    def decode(self, values: Sequence[bytes]) -> List[Tuple[Any, str]]:
        """For each value (tagged JSON, "") or (None, a sentence that says why not).

        A value that takes the whole process down loses itself alone. Raises MetadataError when the
        process does not start.
        """
        answers: List[Tuple[Any, str]] = []
        while len(answers) < len(values):
            if not self._ready:
                self._start()
            lines = [
                json.dumps({"id": 0, "data": base64.b64encode(value).decode("ascii")}) + "\n"
                for value in values[len(answers) :]
            ]
            feeder = threading.Thread(target=self._feed, args=(lines,), daemon=True)
            feeder.start()
            while len(answers) < len(values):
                record = self._next()
                if record is None:
                    self.close()
                    answers.append((None, "it ended the process that reads all values"))
                    break
                if record.get("kind") == "value":
                    answers.append((record.get("value"), str(record.get("error", ""))))
            feeder.join()
        return answers

    def warm(self) -> None:
        """Let it begin to start, while there is something else to do.

        When it cannot, the first value will say so.
        """
        if self.python and self._process is None:
            with suppress(MetadataError):
                self._spawn()

    def _start(self) -> None:
        """See it started. Raises MetadataError."""
        if self._process is None:
            self._spawn()
        if self._next() is None:
            status = self._process.wait()
            self.close()
            raise MetadataError(
                f"{self.python} does not run {os.path.basename(self.script)} (status {status}).",
                hint="Name the bridge's own Python (3.7 or 3.8, with its Airflow): --bridge-python",
            )
        self._ready = True

    def _spawn(self) -> None:
        folder = self._folder.enter_context(scratch("decode"))
        payload = str(folder / "payload.json")
        with open(payload, "w", encoding="utf-8") as file:
            json.dump(
                {
                    "sys_path": self.sys_path,
                    "timeout": VALUE_SECONDS,
                    "memory": VALUE_MEBIBYTES,
                    "nodes": VALUE_NODES,
                },
                file,
            )
        source, result = os.pipe()
        os.set_inheritable(result, True)
        command = [self.python, "-B", "-s", self.script, payload, f"/dev/fd/{result}"]
        environment = {
            name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ
        }
        environment["PYTHONHASHSEED"] = "0"
        try:
            self._process = subprocess.Popen(
                list(self.wrap(command)),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(result,),
                env=environment,
                cwd=str(folder),
            )
        except OSError as error:
            os.close(source)
            raise MetadataError(
                f"{self.python} cannot be started ({error.strerror}).",
                hint="Name the bridge's Python: --bridge-python",
            ) from None
        finally:
            os.close(result)
        self._results = os.fdopen(source, "rb", 1 << 20)

    def _feed(self, lines: Iterable[str]) -> None:
        try:
            for line in lines:
                self._process.stdin.write(line.encode("ascii"))
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return  # the reader sees that it has ended

    def _next(self) -> Optional[Dict[str, Any]]:
        line = self._results.readline()
        if not line.endswith(b"\n"):
            return None
        record: Dict[str, Any] = json.loads(line.decode("ascii"))
        return record

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                self._process.kill()  # it has ended, but perhaps not what was wrapped around it
            self._process.wait()
            self._results.close()
            self._process = None
            self._ready = False
        self._folder.close()


# json.dumps would make an encoder for each value.
_COMPACT = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def json_value(data: bytes) -> Optional[bytes]:
    """The tagged JSON, as text, of a value that is JSON already; None for anything else.

    Every pickle ends with a full stop and no JSON text does. Such values are no programs, and
    most XComs of an Airflow that does not pickle are such values.
    """
    if data[-1:] in (b".", b"") or data.rstrip()[-1:] == b".":
        return None
    try:
        value = json.loads(data.decode("utf-8"))
        if not _simple(value):
            return None
        return _COMPACT(value).encode("ascii")
    except (ValueError, RecursionError):
        return None


def _simple(value: Any) -> bool:
    """Whether JSON means the same as tagged JSON; what does not is left to the probe."""
    kind = type(value)
    if kind is dict:
        return "$" not in value and all(_simple(item) for item in value.values())
    if kind is list:
        return all(_simple(item) for item in value)
    if kind is int:
        return bool(-(2**63) <= value < 2**64)
    if kind is str:
        value.encode("utf-8")  # a ValueError for lone surrogates
    return True


# --- tagged JSON → plain values ------------------------------------------------------------------


def plain(tagged: Any) -> Any:
    """The value that tagged JSON stands for, of builtin and standard library types only."""
    if isinstance(tagged, list):
        return [plain(item) for item in tagged]
    if not isinstance(tagged, dict):
        return tagged
    if "$" not in tagged:
        return {key: plain(value) for key, value in tagged.items()}
    return _PLAIN[tagged["$"]](tagged)


def _zone(moment: Any) -> Any:
    """A moment's zone as the standard library has it: UTC itself, else the offset."""
    if moment.tzinfo is not None and moment.utcoffset() == datetime.timedelta(0):
        return moment.replace(tzinfo=datetime.timezone.utc)
    return moment


def _mapping(tagged: Any) -> Any:
    pairs = [(plain(key), plain(value)) for key, value in tagged["v"]]
    if tagged.get("class") == "collections.OrderedDict":
        return collections.OrderedDict(pairs)
    return dict(pairs)


_PLAIN: Dict[str, Callable[[Any], Any]] = {
    "dict": _mapping,
    "tuple": lambda tagged: tuple(plain(item) for item in tagged["v"]),
    "set": lambda tagged: {plain(item) for item in tagged["v"]},
    "frozenset": lambda tagged: frozenset(plain(item) for item in tagged["v"]),
    "bytes": lambda tagged: base64.b64decode(tagged["v"]),
    "bytearray": lambda tagged: bytearray(base64.b64decode(tagged["v"])),
    "datetime": lambda tagged: _zone(datetime.datetime.fromisoformat(tagged["v"])),
    "date": lambda tagged: datetime.date.fromisoformat(tagged["v"]),
    "time": lambda tagged: _zone(datetime.time.fromisoformat(tagged["v"])),
    "timedelta": lambda tagged: datetime.timedelta(*tagged["v"]),
    "decimal": lambda tagged: decimal.Decimal(tagged["v"]),
    "uuid": lambda tagged: uuid.UUID(tagged["v"]),
    "complex": lambda tagged: complex(*[plain(part) for part in tagged["v"]]),
    "float": lambda tagged: float(tagged["v"]),
    "int": lambda tagged: int(tagged["v"]),
    "bool": lambda tagged: bool(tagged["v"]),
    "str": lambda tagged: (
        tagged["v"]
        if "class" in tagged
        else base64.b64decode(tagged["v"]).decode("utf-8", "surrogatepass")
    ),
}


def tags(tagged: Any) -> bool:
    """Whether tagged JSON holds anything that JSON itself does not have."""
    if isinstance(tagged, list):
        return any(tags(item) for item in tagged)
    if isinstance(tagged, dict):
        return "$" in tagged or any(tags(value) for value in tagged.values())
    return False


# --- plain values → what the target keeps --------------------------------------------------------


def pickled(tagged: Any) -> bytes:
    """A value as SQLAlchemy's PickleType keeps it: ``dag_run.conf``, ``executor_config``."""
    return pickle.dumps(plain(tagged), PROTOCOL)


CLASSNAME, VERSION, DATA, SCHEMA = "__classname__", "__version__", "__data__", "__id__"


TEXT_KEYS = "keys-became-text"


def xcom_value(tagged: Any, target: str) -> Tuple[bytes, str]:
    """A value as the target's XCom keeps it with its default settings, and what it lost ("").

    JSON where JSON can say it, and from 2.6 on in the words of Airflow's own serializers. Until
    2.8.0 a pickle is read too, so it takes what JSON cannot. Raises Unrepresentable.
    """
    version = version_key(target)
    if not tags(tagged) and not _reserved(tagged):
        return json.dumps(tagged).encode("utf-8"), ""
    if version < version_key("2.6.0"):
        return pickled(tagged), ""
    value = plain(tagged)
    try:
        lost: List[str] = []
        text = json.dumps(_serialized(value, lost)).encode("utf-8")
    except Unrepresentable:
        lost = [""]
        # The releases that still fall back to pickles; those after them refuse.
        if version >= version_key("2.8.1"):
            raise
    if lost and version < version_key("2.8.1"):
        return pickled(tagged), ""
    return text, TEXT_KEYS if lost else ""


def _reserved(value: Any) -> bool:
    if isinstance(value, list):
        return any(_reserved(item) for item in value)
    if isinstance(value, dict):
        return (
            CLASSNAME in value
            or SCHEMA in value
            or "__type" in value
            or any(_reserved(item) for item in value.values())
        )
    return False


def _named(name: str, version: int, data: Any) -> Dict[str, Any]:
    return {CLASSNAME: name, VERSION: version, DATA: data}


def _serialized(value: Any, lost: List[str]) -> Any:
    """As ``airflow.serialization.serde`` of 2.6 and later writes it, in its oldest versions."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is list:
        return [_serialized(item, lost) for item in value]
    if kind in (dict, collections.OrderedDict):
        if CLASSNAME in value or SCHEMA in value or "__type" in value:
            raise Unrepresentable("a dict with a key that Airflow 2 keeps for itself")
        texts = {str(key): _serialized(item, lost) for key, item in value.items()}
        if len(texts) < len(value):
            raise Unrepresentable("a dict with keys that become the same text in JSON")
        if not all(isinstance(key, str) for key in value):
            lost.append(TEXT_KEYS)
        return texts
    if kind in (tuple, set, frozenset):
        items = list(value) if kind is tuple else sorted(value, key=repr)
        return _named(f"builtins.{kind.__name__}", 1, [_serialized(item, lost) for item in items])
    if kind is datetime.datetime:
        return _named("datetime.datetime", 1, _serialized_moment(value))
    if kind is datetime.date:
        return _named("datetime.date", 1, value.isoformat())
    if kind is datetime.timedelta:
        return _named("datetime.timedelta", 1, float(value.total_seconds()))
    if kind is decimal.Decimal:
        return _named("decimal.Decimal", 1, str(value))
    raise Unrepresentable(f"{kind.__name__}: Airflow's JSON has no form for it")


def _serialized_moment(value: datetime.datetime) -> Dict[str, Any]:
    offset = value.utcoffset()
    if offset is None:
        # Read back by fromtimestamp() in the zone of the process, which on MWAA is UTC.
        return {"timestamp": value.replace(tzinfo=datetime.timezone.utc).timestamp()}
    seconds = int(offset.total_seconds())
    return {"timestamp": value.timestamp(), "tz": seconds or "UTC"}
