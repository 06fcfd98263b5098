"""Plain JSON out of anything: the same for a value of either generation."""

import datetime
import enum
import functools
import hashlib
import math
import os
import types

from .names import PATHS, callable_name, class_name
from .safely import read, text_of, to_json

MAX_TEXT = 4000
MAX_DEPTH = 12
MAX_NODES = 5000


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
