"""In the parent: many files, a few children at a time."""

import collections
import contextlib
import gc
import importlib
import itertools
import os
import re
import select
import signal
import sys

from .notes import Seen, recording
from .processes import OURS, children, memory_limits, peak_memory, protect_descriptors
from .safely import clock, kill, to_json
from .tidiness import forget
from .worker import check_time, ended, finish, record_of, start_worker

PRINT_PAUSE = 0.005  # seconds between two looks at the output of a child that prints
SWEEP = 0.5  # seconds between two looks for orphans
FILES_A_PROCESS = 64  # at most, also when each leaves it as it was
LESSON = 2  # files that had to load a library before the parent loads it for the next ones
AIRFLOW_IMPORT = re.compile(rb"^[ \t]*(?:from|import)[ \t]+(airflow(?:\.[A-Za-z_]\w*)+)", re.M)


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
    gc.enable()
    return memory_limits(mebibytes)


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
    OURS.update((*close, woken, wake))
    protect_descriptors()
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    active, swept, wanted = {}, clock(), collections.Counter()
    preload(airflow_imports(payload["repo_root"], payload["files"]))
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
