"""Start a command that cannot outlive us and, if wanted, has no network.

Run as a script by our own Python. On Linux it becomes three processes:

    launcher   leads the process group that we know and can kill; ends with us, however we end
    guardian   a session of its own; when the launcher or the command ends, it kills everything
               that descends from the command, however far it has gone, and ends as the last
    command    a session of its own; ends with the guardian

Processes that leave their session and lose their parent come to the guardian, since it is their
subreaper: none can escape it by forking. Elsewhere the launcher becomes the command.

It starts in a few milliseconds, so it imports no pathlib and nothing of ours. It must be a
process of its own: doing the same between fork and exec is not safe in a program
with threads.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence

# <linux/prctl.h>, <linux/sched.h>, <linux/sockios.h>, <linux/if.h>
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 0x1
IFREQ = "16sH14s"

NO_NETWORK = "network-namespace"
"""What the launcher writes to ``report`` when the kernel has given the command a network with
nothing in it but the loopback."""


def launched(
    argv: Sequence[str],
    *,
    no_network: bool = False,
    port: int | None = None,
    report: int | None = None,
    extra: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """The command line that starts ``argv`` (its program an absolute path) through this script.

    With ``no_network`` the command gets a network namespace of its own if that is permitted;
    whether it was is written to the file descriptor ``report``, which is closed when nothing that
    was started is left. ``port`` of our loopback can be reached in that namespace all the same, at
    the same address. ``extra`` environment variables are the command's alone.
    """
    variables = [f"{name}={value}" for name, value in (extra or {}).items()]
    network = f"no-network={port or ''}" if no_network else "-"
    return (
        *(sys.executable, "-I", "-S", "-B", __file__),
        *(str(os.getpid()), network, str(report or "-")),
        *(str(len(variables)), *variables, *argv),
    )


def main(arguments: list[str]) -> None:
    """``PARENT no-network=[PORT]|- REPORT|- COUNT NAME=VALUE… ARGV…``; ends as the command ends."""
    parent, network, report, count, *rest = arguments
    variables, argv = rest[: int(count)], rest[int(count) :]
    environ = {**os.environ, **dict(variable.split("=", 1) for variable in variables)}
    linux = sys.platform == "linux"
    wanted, _, port = network.partition("=")
    if linux and wanted == "no-network" and leave_network(int(port or 0)) and report != "-":
        os.write(int(report), NO_NETWORK.encode())
    if not linux:
        os.execve(argv[0], argv, environ)  # noqa: S606
    # What another process does to its own end of these is not our concern.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    die_with_parent(int(parent), signal.SIGKILL)
    launcher = os.getpid()
    guardian = os.fork()
    if guardian == 0:
        guard(launcher, argv, environ, report)
    if report != "-":
        os.close(int(report))
    end_like(os.waitpid(guardian, 0)[1])


def guard(launcher: int, argv: list[str], environ: dict[str, str], report: str) -> None:
    """Run the command to its end, then end all that is left of it. Never comes back."""
    os.setsid()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, lambda number, _: end_all(number))
    die_with_parent(launcher, signal.SIGTERM)
    guardian = os.getpid()
    command = os.fork()
    if command == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        die_with_parent(guardian, signal.SIGKILL)
        if report != "-":
            os.close(int(report))
        try:
            os.execve(argv[0], argv, environ)  # noqa: S606
        except OSError as error:
            os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
            os._exit(127)
    ended, status = 0, 0
    while ended != command:
        ended, status = os.wait()
    end_all(status)


def end_all(status: int) -> None:
    """Kill every descendant and end with ``status``; killed parents' children become ours."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        while True:
            for child in children():
                os.kill(child, signal.SIGKILL)
            os.wait()
    except ChildProcessError:
        end_like(status)


def end_like(status: int) -> None:
    """End as a process of that wait status did."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def children() -> Iterator[int]:
    """The processes whose parent we are."""
    own = str(os.getpid())
    for entry in os.listdir("/proc"):  # noqa: PTH208
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as stat:  # noqa: PTH123
                    # "pid (name) state ppid …"; the name may hold anything, brackets included.
                    if stat.read().rpartition(b")")[2].split()[1].decode() == own:
                        yield int(entry)
            except OSError:
                continue


def prctl(option: int, value: int) -> None:
    """prctl(2); Linux always grants the two that are used here."""
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def die_with_parent(parent: int, number: int) -> None:
    """Ask the kernel for a signal when the parent ends, however it ends."""
    prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)  # it ended before we could ask


def leave_network(port: int = 0) -> bool:
    """Move into an empty network namespace with its loopback up; False = not permitted here.

    ``port`` of the loopback that we leave behind stays within reach.
    """
    if not port:
        return enter_empty_network()
    launcher = os.getpid()
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        relay(launcher, theirs.detach(), port)
    theirs.close()
    with ours:
        if not enter_empty_network():
            return False  # then the port is at hand, and the relay ends with ``ours``
        # A socket belongs to the network that it was made in, whoever holds it.
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as server:
            socket.send_fds(ours, [b"."], [server.fileno()])
    return True


def relay(launcher: int, channel: int, port: int) -> None:
    """Serve the listening socket that comes through ``channel`` with ``port`` of our own loopback.
    Ends with the launcher. Never comes back."""
    try:
        die_with_parent(launcher, signal.SIGKILL)
        for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208
            if descriptor != channel:
                with contextlib.suppress(OSError):  # the listing's own is gone
                    os.close(descriptor)
        _, (server, *_), *_ = socket.recv_fds(socket.socket(fileno=channel), 1, 1)
        listening = socket.socket(fileno=server)
        while True:
            arrived, _ = listening.accept()
            try:
                onward = socket.create_connection(("127.0.0.1", port))
            except OSError:
                arrived.close()
                continue
            for source, sink in ((arrived, onward), (onward, arrived)):
                threading.Thread(target=pump, args=(source, sink), daemon=True).start()
    finally:
        os._exit(0)


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Hand on what ``source`` gives until it ends; then ``sink`` is told."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def enter_empty_network() -> bool:
    """``leave_network`` without a port."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNET) != 0:
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
            return False
        try:
            # Keep our own numbers, or files that we make would belong to nobody.
            for name, text in (
                ("setgroups", "deny"),
                ("uid_map", f"{user} {user} 1"),
                ("gid_map", f"{group} {group} 1"),
            ):
                with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123
                    file.write(text)
        except OSError:
            return True  # the network is gone all the same
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            loopback = b"lo".ljust(16, b"\0")
            request = struct.pack(IFREQ, loopback, 0, bytes(14))
            flags = struct.unpack(IFREQ, fcntl.ioctl(sock, SIOCGIFFLAGS, request))[1]
            fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack(IFREQ, loopback, flags | IFF_UP, bytes(14)))
    except OSError:
        return True  # without a loopback, which a DAG hardly misses while it is parsed
    return True


if __name__ == "__main__":
    main(sys.argv[1:])
