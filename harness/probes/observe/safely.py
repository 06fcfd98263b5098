"""What foreign code cannot take away: functions bound before it ran, and ways to touch its objects,
which may do anything at all."""

import json
import os
import time

# Bound before foreign code runs: a DAG file may replace json.dumps or time.time for itself.
to_json = json.JSONEncoder(ensure_ascii=True, check_circular=False, separators=(",", ":")).encode
now, clock = time.time, time.monotonic
exit_now, kill, killpg, getpid, write = os._exit, os.kill, os.killpg, os.getpid, os.write
close, closerange = os.close, os.closerange


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
