"""Ryuk, the reaper of Testcontainers: a second net below our own sweep.

It is a container that holds the engine's socket and a connection to us. When we are killed, the
connection ends, and some ten seconds later it removes what carries our process' label, which would
otherwise wait for the next sweep. It is used where the engine has its image, which is never
pulled; TESTCONTAINERS_RYUK_DISABLED=true does without. Testcontainers would start it with a port
beyond the loopback, so that it is started here. No container but this one is given the socket.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from harness.containers.engine import (
    DEFAULT_SOCKET,
    OWNER_LABEL,
    RUN_LABEL,
    SCOPE_LABEL,
    Engine,
    EngineError,
    address,
    connect,
    explaining,
    owner,
    scope,
    sweep_gone,
)
from harness.containers.once import remove
from harness.containers.readiness import published

PORT = 8080
SOCKET_INSIDE = "/var/run/docker.sock"
ANSWER_SECONDS = 20.0

# Its own label's value: no run's, or it would remove itself.
RUN = "ryuk"


@dataclass(frozen=True, kw_only=True)
class _Reaper:
    """The one of this process: its container, and the connection that it lives by."""

    container: str
    connection: socket.socket

    def dismiss(self) -> None:
        """At a normal end nothing of ours is left, and it goes as well."""
        self.connection.close()
        with contextlib.suppress(EngineError):
            engine = connect()
            remove(engine, self.container)
            engine.close()


_lock = threading.Lock()
_reapers: list[_Reaper] = []


def begin(engine: Engine) -> None:
    """Before anything new is made: what runs have left that were killed goes, and Ryuk, where it
    can be had, looks after this process."""
    sweep_gone(engine)
    guard(engine)


def guard(engine: Engine) -> str:
    """Have Ryuk look after this process; why it does not, "" = it does. Our own sweep is enough."""
    from testcontainers.core.config import TestcontainersConfiguration

    configured = TestcontainersConfiguration()
    if configured.ryuk_disabled:
        return "it is switched off"
    where = address()
    if where and not where.startswith("unix://"):
        return "the engine is on another machine"
    with _lock:
        try:
            if not _reapers:
                if not _is_here(engine, configured.ryuk_image):
                    return "its image is not here"
                _reapers.append(_started(engine, configured))
        except (EngineError, OSError) as error:
            return str(error)
    return ""


def _is_here(engine: Engine, image: str) -> bool:
    with explaining("Looking for Ryuk's image"):
        return bool(engine.client.images.list(image))


def _started(engine: Engine, configured: Any) -> _Reaper:
    """Ryuk, running and connected. Raises EngineError and OSError, and leaves nothing then."""
    with explaining("Starting Ryuk"):
        container = engine.client.containers.run(
            configured.ryuk_image,
            detach=True,
            auto_remove=True,
            environment={"RYUK_RECONNECTION_TIMEOUT": configured.ryuk_reconnection_timeout},
            labels={RUN_LABEL: RUN, SCOPE_LABEL: scope()},
            ports={f"{PORT}/tcp": ("127.0.0.1", None)},
            privileged=configured.ryuk_privileged,
            volumes={_socket_of_the_engine(): {"bind": SOCKET_INSIDE, "mode": "rw"}},
        )
    try:
        with explaining("Starting Ryuk"):
            container.reload()
        connection = _connected(published(container, PORT))
    except BaseException:
        remove(engine, container.id)
        raise
    reaper = _Reaper(container=container.id, connection=connection)
    atexit.register(reaper.dismiss)
    return reaper


def _socket_of_the_engine() -> str:
    """The engine's socket as the engine's machine has it; elsewhere than on Linux that is another
    machine than ours."""
    if named := os.environ.get("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE"):
        return named
    path = address().removeprefix("unix://")
    return path if path and sys.platform == "linux" else DEFAULT_SOCKET


def _connected(port: int) -> socket.socket:
    """A connection to Ryuk, which has been told what is ours. Raises OSError."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        connection = socket.socket()
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(("127.0.0.1", port))
            # The engine listens on the port before Ryuk does: only an answer says that it is there.
            _tell(connection)
        except OSError:
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return connection


def _tell(connection: socket.socket) -> None:
    """Have it remove what this process has made, once the connection has ended. One filter for all
    runs: of several, versions from 0.9 on heed only one."""
    connection.sendall(f"label={quote(f'{OWNER_LABEL}={owner()}')}\n".encode())
    if b"ACK" not in connection.recv(64):
        raise ConnectionError("Ryuk does not answer")
