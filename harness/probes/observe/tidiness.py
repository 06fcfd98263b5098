"""Has a file left the process as it found it?

A process may go on to another file only if all that it has run so far has left it as it was. What
can be compared afterwards is compared (see State); for the rest the sources are read (``harm``).
"""

import builtins
import collections
import gc
import itertools
import logging
import operator
import os
import signal
import socket
import sys
import time
import tokenize
import warnings

from .harm import Source, harm_in
from .names import PATHS
from .processes import has_children
from .safely import read

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


STANDARD_LIBRARY = os.path.dirname(os.__file__) + "/"


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


def is_library(name, module):
    """Whether a module came from the standard library or site-packages by an ordinary import."""
    path, spec = read(module, "__file__"), read(module, "__spec__")
    return (
        isinstance(path, str)
        and read(spec, "name") == name
        and ("/site-packages/" in path or path.startswith(STANDARD_LIBRARY))
    )


def forget(name):
    """Undo the import of a module."""
    module = sys.modules.pop(name, None)
    package, _, last = name.rpartition(".")
    if module is not None and vars(sys.modules.get(package, sys)).get(last) is module:
        delattr(sys.modules[package], last)
