"""What went wrong, as an ErrorObservation."""

import contextlib
import re
import traceback

from .names import PATHS, class_name, is_ours
from .safely import text_of
from .values import cut

MAX_CHAIN = 5
MAX_FRAMES = 40


class Ended(Exception):
    """Stands in for what would end the process that loads a plugin, so that Airflow counts it as
    any other failure: ``outcome`` is a FileObservation's, the cause what was raised."""

    def __init__(self, outcome, cause):
        super().__init__(f"{type(cause).__name__}: {text_of(cause)}")
        self.outcome = outcome


def describe_error(error, path):
    """An ErrorObservation of an exception; ``path`` is the file to blame when no frame is own."""
    outcome = "error"
    if isinstance(error, Ended):
        outcome, error = error.outcome, error.__cause__
    frames = []
    with contextlib.suppress(Exception):  # a traceback may hold anything once user code had it
        for summary in traceback.extract_tb(error.__traceback__):
            if not is_ours(summary.filename) and "importlib" not in summary.filename:
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
        "outcome": outcome,
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
        "outcome": "error",
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


def read_stack(text):
    """The frames of a faulthandler dump, outermost first, without the probe's."""
    frames = []
    for match in re.finditer(r'  File "(.*)", line (\d+) in (.*)', text):
        filename = match.group(1).encode("ascii", "replace").decode("unicode_escape")
        if not is_ours(filename) and "importlib" not in filename:
            frames.append(describe_frame(filename, int(match.group(2)), match.group(3)))
    return frames[::-1][-MAX_FRAMES:]
