"""In the child: load one file after the other, and tell the parent."""

import contextlib
import faulthandler
import os
import resource
import signal
import sys
import traceback

from .errors import describe_error, describe_frame, plain_error
from .loading import load, observation
from .notes import Seen
from .processes import PIPE_SIZE, memory_limits, protect_ancestors, release_descriptors, send
from .safely import exit_now, getpid, to_json
from .tidiness import Tidiness
from .warned import hear_all_warnings

STACK_SIGNAL = signal.SIGUSR2  # a child that is late is asked with it where it is
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
        release_descriptors()
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
