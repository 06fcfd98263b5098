"""What the plugins registered, and which failed."""

import contextlib
import importlib
import importlib.machinery
import os
import resource
import signal
import sys

from .errors import Ended, describe_error, plain_error
from .names import PATHS
from .processes import lift_memory_limit, memory_limits
from .safely import exit_now, getpid, read, text_of


@contextlib.contextmanager
def guarded(folder, seconds, mebibytes, killers, tell):
    """While plugins are loaded, turn what a module in ``folder`` does to this process into an
    exception that Airflow reports like any other, so that the rest is still seen.

    Each may take so many seconds and MiB. ``tell(path)`` is called before each; one that is in
    ``killers``, path → what became of this process the last time, is not tried again.
    """
    loader = importlib.machinery.SourceFileLoader
    execute = loader.exec_module
    depth = []

    def exec_module(self, module):
        if not folder or depth or not self.path.startswith(folder.rstrip("/") + "/"):
            return execute(self, module)
        path = PATHS.own(self.path)
        if path in killers:
            error = ChildProcessError(f"as the plugin was loaded, {killers[path]}")
            raise Ended("lost", error) from error
        tell(path)
        depth.append(module)
        late = TimeoutError(f"it was not loaded within {seconds:g} seconds")
        try:
            with limits(late, seconds, mebibytes):
                return execute(self, module)
        except BaseException as error:
            outcome = "timeout" if error is late else outcome_of(error)
            if outcome:
                raise Ended(outcome, error) from error
            raise
        finally:
            depth.pop()

    loader.exec_module = exec_module
    try:
        yield
    finally:
        loader.exec_module = execute


def outcome_of(error):
    """What a plugin did with an exception that is not like any other, "" = it is."""
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, SystemExit):
        return "exit"
    return "" if isinstance(error, Exception) else "error"


@contextlib.contextmanager
def limits(late, seconds, mebibytes):
    """Raise ``late`` after so many seconds, MemoryError when this process grows by more than so
    many MiB, and SystemExit at os._exit; a process that is forked off may exit."""
    me = getpid()

    def ring(*_):
        raise late

    def leave(status):
        if getpid() != me:
            exit_now(status)
        raise SystemExit(status)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    for limit in memory_limits(mebibytes):
        resource.setrlimit(*limit)
    os._exit = leave
    try:
        yield
    finally:
        os._exit = exit_now
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        lift_memory_limit()


def describe_plugins(manager, failures, seen):
    """The ``plugins`` record: what is registered, what failed, and what own code warned about."""
    errors = []
    for path, message in manager.import_errors.items():
        path = PATHS.own(path) or PATHS.text(path)
        error = next((f for f in failures if text_of(f) == message), None)
        failures = [f for f in failures if f is not error]  # another may say the same
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
