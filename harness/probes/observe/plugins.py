"""What the plugins registered, and which failed."""

import contextlib
import importlib
import importlib.machinery
import sys

from .errors import Exited, describe_error, plain_error
from .names import PATHS
from .safely import read, text_of


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
