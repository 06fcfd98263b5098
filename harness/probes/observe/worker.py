"""In the parent: one child, what comes from it, and what is told of its file."""

import contextlib
import fcntl
import itertools
import json
import os
import signal
import sys
import traceback

from .child import DONE_LETTER, NOTE_LETTERS, OBSERVATION_LETTER, STACK_SIGNAL, Child
from .errors import plain_error, read_stack
from .loading import observation
from .names import PATHS
from .processes import F_SETPIPE_SZ, PIPE_SIZE, Pipe, die_with, drop, peak_memory, send
from .safely import clock, exit_now, getpid, kill, killpg, to_json

STACK_GRACE = 0.3  # seconds it has to say so
TAIL = 4096  # bytes of a child's output that are kept
NEAR_LIMIT = 0.9  # of the memory limit: a death there is taken to be the limit's work


class Worker:
    """A child at work: its process, the file that it loads, what has come from it of that file so
    far, and when it has to be done."""

    def __init__(self, pid, result, output, orders, timeout):
        self.pid, self.timeout, self.loaded = pid, timeout, 0
        self.result, self.output, self.orders = result, output, orders
        self.prints = False

    def begins(self, path):
        """Note which file it loads from now on."""
        self.path, self.loaded = path, self.loaded + 1
        self.received = {self.result: bytearray(), self.output: bytearray()}  # by descriptor
        self.started = clock()
        self.deadline = self.started + self.timeout
        self.late = False

    def order(self, path):
        """Have it load one more file."""
        self.begins(path)
        with contextlib.suppress(OSError), open(f"/proc/{self.pid}/clear_refs", "w") as file:
            file.write("5")  # its memory peak starts anew: proc(5)
        with contextlib.suppress(OSError):  # it has just been killed, and that will show
            send(self.orders, path.encode())

    def take(self, descriptor):
        """Read what is there; False when there is no more."""
        try:
            data = os.read(descriptor, PIPE_SIZE)
        except BlockingIOError:
            return False
        kept = self.received[descriptor]
        kept += data
        if descriptor == self.output:
            del kept[:-TAIL]
        return bool(data)

    def answered(self):
        """Whether the last line that a child sends of a file is there."""
        received = self.received[self.result]
        last = received.rfind(b"\n", 0, -1) + 1
        return received.endswith(b"\n") and received.startswith(DONE_LETTER, last)

    def told(self, letter):
        """The JSON texts of the lines that begin with ``letter``."""
        lines = bytes(self.received[self.result]).split(b"\n")[:-1]
        return [line[1:] for line in lines if line.startswith(letter)]

    def done(self):
        """What the last line says; as if it said that all went wrong when there is none."""
        if not self.answered():
            return {"ok": False, "tidy": False, "modules": ()}
        return json.loads(self.told(DONE_LETTER)[-1].decode())


def start_worker(airflow, payload, path, limits, private):
    """Fork a child for ``path``; ``private`` are descriptors that it must not hold."""
    result, output, orders = Pipe(), Pipe(), Pipe()
    parent = getpid()
    pid = os.fork()
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setpgid(0, 0)
            die_with(parent)
            mine = (result.start, output.start, orders.end)
            for descriptor in itertools.chain(private, mine):
                drop(descriptor)
            os.dup2(output.end, 1)
            os.dup2(output.end, 2)
            drop(output.end)
            Child(airflow, payload, parent, result, orders.start, limits).run(path)
        except BaseException:
            traceback.print_exc()  # the probe's own fault
        finally:
            exit_now(70)
    with contextlib.suppress(OSError):  # the child may have done it, or have ended, already
        os.setpgid(pid, pid)
    for pipe in (result, output):
        drop(pipe.end)
        os.set_blocking(pipe.start, False)
    drop(orders.start)
    with contextlib.suppress(OSError):  # a little luxury, for files that print a lot
        fcntl.fcntl(output.start, F_SETPIPE_SZ, PIPE_SIZE)
    worker = Worker(pid, result.start, output.start, orders.end, payload["timeout"])
    worker.begins(path)
    return worker


def ended(worker):
    """Whether the child has ended; it stays a zombie, so that its id and group stay its own."""
    return os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def check_time(worker):
    """Ask a late child where it is; True once it has had the time to say so."""
    if clock() < worker.deadline:
        return False
    if worker.late:
        return True
    worker.late = True
    worker.deadline = clock() + STACK_GRACE
    with contextlib.suppress(OSError):
        kill(worker.pid, STACK_SIGNAL)
    return False


def finish(worker, payload):
    """End a child's process group, and give back its ``file`` record."""
    reset = worker.loaded > 1
    peak = peak_memory(worker.pid) if reset else 0.0
    with contextlib.suppress(OSError):
        killpg(worker.pid, signal.SIGKILL)
    _, status, usage = os.wait4(worker.pid, 0)
    peak = peak or usage.ru_maxrss / (1024.0 if sys.platform == "linux" else 1024.0 * 1024.0)
    record = record_of(worker, peak, status, payload)
    for descriptor in (worker.result, worker.output, worker.orders):
        drop(descriptor)
    return record


def record_of(worker, peak, status, payload):
    """The ``file`` record of the file that a child has loaded, as bytes of JSON."""
    for descriptor in (worker.result, worker.output):
        for _ in range(64):  # something that got away may still be writing
            if not worker.take(descriptor):
                break
    observed = worker.told(OBSERVATION_LETTER)
    if not observed:
        observed = [to_json(post_mortem(worker, status, peak, payload)).encode("ascii")]
    for kind, letter in NOTE_LETTERS.items():
        # Put together as text: a large observation is neither parsed nor copied more than once.
        notes = b",".join(worker.told(letter))
        observed.append(b'{"' + kind.encode("ascii") + b'":[' + notes + b"]}")
    rest = {
        "kind": "file",
        "output": PATHS.text(bytes(worker.received[worker.output]).decode("utf-8", "replace")),
        "seconds": round(clock() - worker.started, 4),
        "memory": round(peak, 1),
    }
    observed.append(to_json(rest).encode("ascii"))
    return b"{" + b",".join(part[1:-1] for part in observed) + b"}"


def post_mortem(worker, status, peak, payload):
    """The observation of a child that left without an answer."""
    path, frames = worker.path, ()
    if worker.late:
        outcome, kind = "timeout", "TimeoutError"
        message = "it was not loaded within {:g} seconds".format(payload["timeout"])
        frames = read_stack(bytes(worker.received[worker.result]).decode("ascii", "replace"))
    elif os.WIFSIGNALED(status):
        kind = signal.Signals(os.WTERMSIG(status)).name
        # Libraries in C end the process when they get no more memory.
        outcome = "memory" if peak > NEAR_LIMIT * payload["memory"] else "killed"
        message = f"its process was killed by {kind}, when it held {peak:.0f} MiB"
    else:
        outcome, kind = "exit", "os._exit"
        message = f"its process ended with status {os.WEXITSTATUS(status)}"
    return observation(path, outcome, plain_error(kind, message, path, frames))
