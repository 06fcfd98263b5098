"""Runs a command under resource limits: ``python limited.py SECONDS COMMAND…``.

Stand-alone on purpose: the limits are set in the process that becomes the command, and everything
that it starts inherits them. A function between fork and exec would do the same, but is not safe
in a process with threads.
"""

import os
import resource
import sys

GIGABYTE = 1024**3


def main(seconds: str, *command: str) -> None:
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: int(float(seconds)) + 1,
        resource.RLIMIT_FSIZE: 4 * GIGABYTE,
    }
    for limit, value in limits.items():
        _, hard = resource.getrlimit(limit)
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (allowed, allowed))
    os.execv(command[0], command)  # noqa: S606 – no shell is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
