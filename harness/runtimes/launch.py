"""Start a command that dies with us and, if wanted, has no network.

Run as a script by our own Python: it ties its life to its parent's, enters a network namespace of
its own where the kernel permits that, and becomes the command. It must be a process of its own:
doing the same between fork and exec is not safe in a program with threads.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
from collections.abc import Sequence

# <linux/prctl.h>, <linux/sched.h>, <linux/sockios.h>, <linux/if.h>
PR_SET_PDEATHSIG = 1
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
    argv: Sequence[str], *, no_network: bool = False, report: int | None = None
) -> tuple[str, ...]:
    """The command line that starts ``argv`` through this script.

    With ``no_network`` the command gets a network namespace of its own if that is permitted;
    whether it was is written to the file descriptor ``report``.
    """
    options = (str(os.getpid()), "-" if not no_network else "no-network", str(report or ""))
    return (sys.executable, "-I", "-S", "-B", __file__, *options, *argv)


def main(arguments: list[str]) -> None:
    """``PARENT no-network|- REPORT ARGV…``: never comes back."""
    parent, network, report, *argv = arguments
    if network == "no-network":
        isolated = sys.platform == "linux" and leave_network()
        if report:
            os.write(int(report), (NO_NETWORK if isolated else "").encode())
    if report:
        os.close(int(report))
    if sys.platform == "linux":
        die_with_parent(int(parent))
    os.execv(argv[0], argv)  # noqa: S606


def die_with_parent(parent: int) -> None:
    """Ask the kernel for SIGKILL when the parent ends, however it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it ended before we could ask


def leave_network() -> bool:
    """Move into an empty network namespace with its loopback up; False = not permitted here."""
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
                with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 – pathlib costs 10 ms
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
