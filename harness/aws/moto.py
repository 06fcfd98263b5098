"""moto server, started as a process of its own and ended with everything that it started.

It needs Python ≥ 3.10 and 60 MB of packages, so it runs on our Python beside the environments of
both Airflows, which reach it by its URL. moto delivers what is subscribed to a topic and runs
functions in containers when it is asked to; DAG code that may talk to it must not get out that way.
So it is given its listening socket, but no network, and no Docker engine.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO

from harness.aws.emulator import INSTALL, REGION, Emulator, EmulatorError, answers
from harness.launch import launched
from harness.processes import check_running, finish, start
from harness.scratch import scratch

# Importing moto takes two seconds on an idle machine.
START_SECONDS = 60.0
GLANCE_SECONDS = 0.05
END_SECONDS = 10.0
TAIL_LINES = 15

NO_DOCKER = "unix:///dev/null"

HEALTH_PAGE = "/moto-api/data.json"

SCRIPT = Path(__file__).with_name("moto_process.py")


def moto_version() -> str:
    """The version of the installed moto server, "" when there is none."""
    try:
        version("flask")  # moto without its server has none
        return version("moto")
    except PackageNotFoundError:
        return ""


@contextlib.contextmanager
def moto(*, region: str = REGION, seconds: float = START_SECONDS) -> Iterator[Emulator]:
    """A moto server on a free port of the loopback, ready to answer and empty.

    Raises EmulatorError when moto is not installed, ends before it is ready, or is not ready after
    so many seconds; the error shows the end of what it printed.
    """
    if not moto_version():
        raise EmulatorError("moto server is not installed.", hint=INSTALL)
    with (
        scratch("moto") as folder,
        contextlib.ExitStack() as stack,
    ):
        log = stack.enter_context((folder / "log").open("w+b"))
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        alive, alive_in = os.pipe()
        stack.callback(os.close, alive)
        ready, ready_in = os.pipe()
        stack.callback(os.close, ready)
        listen = listening.fileno()
        argv = (sys.executable, "-P", "-B", str(SCRIPT), str(listen), str(ready_in))
        try:
            process = start(
                launched(argv, no_network=True, report=alive_in),
                env=_environment(folder),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(listen, ready_in, alive_in),
            )
        finally:
            os.close(alive_in)
            os.close(ready_in)
        stack.callback(_end, process, alive)
        port = listening.getsockname()[1]
        listening.close()  # from now on it is the server's alone, and closes with it
        Readiness(process=process, port=port, ready=ready, log=log, seconds=seconds).wait()
        yield Emulator(name="moto", endpoint=f"http://127.0.0.1:{port}", region=region)


def reset(emulator: Emulator) -> None:
    """Empty a moto server: every bucket, secret and whatever else it holds."""
    host, _, port = emulator.address.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    try:
        connection.request("POST", "/moto-api/reset")
        connection.getresponse().read()
    finally:
        connection.close()


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """When moto server is ready: it has said so through ``ready``, and answers at its port."""

    process: subprocess.Popen[bytes]
    port: int
    ready: int
    log: IO[bytes]
    seconds: float

    def wait(self) -> None:
        """Return when it is; raises EmulatorError, or Stopped when the run is being ended."""
        deadline = time.monotonic() + self.seconds
        loaded = False
        with selectors.DefaultSelector() as selector:
            selector.register(self.ready, selectors.EVENT_READ)
            while time.monotonic() < deadline:
                check_running()
                if self.process.poll() is not None:
                    raise self._error(f"ended with code {self.process.returncode}")
                if not loaded:
                    loaded = bool(selector.select(GLANCE_SECONDS)) and bool(os.read(self.ready, 1))
                elif answers(self.port, HEALTH_PAGE):
                    return
                else:
                    time.sleep(GLANCE_SECONDS)
        raise self._error(f"was not ready after {self.seconds:g} s")

    def _error(self, what: str) -> EmulatorError:
        self.log.flush()
        self.log.seek(0)
        lines = self.log.read().decode("utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        printed = "\n".join(lines) or "(nothing)"
        return EmulatorError(
            f"moto server {moto_version()} {what}. The end of what it printed:\n{printed}",
            hint="If the machine is only slow, try again; else: pip install -U 'mwaa-harness[aws]'",
        )


def _inherited() -> dict[str, str]:
    """What moto may see of our environment: no credential, no endpoint, no proxy."""
    return {
        name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ
    }


def _environment(folder: Path) -> dict[str, str]:
    return {**_inherited(), "HOME": str(folder), "TMPDIR": str(folder), "DOCKER_HOST": NO_DOCKER}


def _end(process: subprocess.Popen[bytes], alive: int) -> None:
    """End it, and wait until nothing of it is left: then the guardian's end of the pipe closes."""
    finish(process)
    deadline = time.monotonic() + END_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(alive, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if selector.select(deadline - time.monotonic()) and os.read(alive, 64) == b"":
                return
