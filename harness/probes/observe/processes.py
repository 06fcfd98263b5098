"""What the kernel is asked about processes: Linux first, elsewhere as far as it goes."""

import contextlib
import ctypes
import errno
import os
import re
import resource
import signal
import sys

from .safely import close, closerange, exit_now, kill, killpg, write

F_SETPIPE_SZ, PIPE_SIZE = 1031, 1 << 20  # linux/fcntl.h; bytes
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
LIBC = ctypes.CDLL(None, use_errno=True)
OURS = {0, 1, 2}  # the descriptors that this process works with


def prctl(option, value):
    """Ask the Linux kernel for something; elsewhere nothing happens."""
    if sys.platform == "linux":
        LIBC.prctl(option, value, 0, 0, 0)


def die_with(parent):
    """End with ``parent``, whose id is given to tell whether it has ended already."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        exit_now(1)


def children():
    """The ids of this process' children, as /proc tells; empty where there is no /proc."""
    found, me = set(), str(os.getpid())
    for entry in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as stat:
                # "pid (name) state ppid …", and the name may hold anything
                if stat.read().rpartition(b")")[2].split()[1].decode() == me:
                    found.add(int(entry))
    return found


def has_children():
    """Whether this process has a child, alive or dead."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def memory_limits(mebibytes):
    """The limits, as arguments of ``setrlimit``, that let this process or a fork of it grow by so
    much; none where there is no /proc."""
    sizes = {}
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        for line in status:
            key, _, value = line.partition(":")
            if key in ("VmSize", "VmData"):
                sizes[key] = int(value.split()[0]) * 1024
    # Data counts what is written to; the address space also what is only reserved or mapped from
    # files (libraries, Java heaps), so it gets room to spare: it is for memory that is not data.
    limits = []
    for name, key, room in (("RLIMIT_DATA", "VmData", 1), ("RLIMIT_AS", "VmSize", 4)):
        number = getattr(resource, name)
        _, hard = resource.getrlimit(number)
        limit = sizes.get(key, 0) + mebibytes * room * 1024 * 1024
        if key in sizes and (hard == resource.RLIM_INFINITY or limit < hard):
            limits.append((number, (limit, hard)))
    return limits


def lift_memory_limit():
    """Undo ``memory_limits``, so that there is room to report that one was reached."""
    for name in ("RLIMIT_DATA", "RLIMIT_AS"):
        _, hard = resource.getrlimit(getattr(resource, name))
        resource.setrlimit(getattr(resource, name), (hard, hard))


def peak_memory(pid):
    """The most MiB that a process has held since that was reset, or 0 when it is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", "rb") as status:
        found = re.search(rb"VmHWM:\s*(\d+)", status.read())
        return int(found.group(1)) / 1024.0 if found else 0.0
    return 0.0


def protect_ancestors(parent):
    """Refuse signals from Python code to the processes that run this one."""
    groups = {os.getpgid(parent), 1}
    with contextlib.suppress(OSError):
        groups.add(os.getpgid(os.getppid()))
    ancestors = {1, parent, os.getppid()}

    def refuse():
        raise PermissionError(errno.EPERM, "a DAG file may not signal the processes that load it")

    def careful_kill(pid, number):
        if pid in ancestors or -pid in groups:
            refuse()
        return kill(pid, number)

    def careful_killpg(group, number):
        if group in groups:
            refuse()
        return killpg(group, number)

    os.kill, os.killpg = careful_kill, careful_killpg


def protect_descriptors():
    """Keep OURS open whatever Python code closes: a plugin may have left a thread that does."""

    def careful_close(descriptor):
        if descriptor not in OURS:
            close(descriptor)

    def careful_closerange(low, high):
        for descriptor in range(low, high):
            with contextlib.suppress(OSError):
                careful_close(descriptor)

    os.close, os.closerange = careful_close, careful_closerange


def release_descriptors():
    """Undo ``protect_descriptors``."""
    os.close, os.closerange = close, closerange


def drop(descriptor):
    """Close one of OURS."""
    OURS.discard(descriptor)
    with contextlib.suppress(OSError):  # that thread was quicker
        close(descriptor)


class Pipe:
    """A pipe from a child: the parent keeps ``start``, the child ``end``."""

    def __init__(self):
        self.start, self.end = os.pipe()
        OURS.update((self.start, self.end))
        self.identity = os.fstat(self.end).st_ino

    def reach(self, parent):
        """The child's end, opened anew when the file has closed it, as daemons do."""
        try:
            if os.fstat(self.end).st_ino == self.identity:
                return self.end
        except OSError:
            pass
        self.end = os.open(f"/proc/{parent}/fd/{self.start}", os.O_WRONLY)
        return self.end


def send(descriptor, data):
    view = memoryview(data)
    while view:
        view = view[write(descriptor, view) :]
