"""When a service of the pair is ready, as objects; and what is said when it never is.

Each is a wait strategy of Testcontainers: ``missing`` says what is still to come, in words, and
``wait_until_ready`` asks it until nothing is, the container ends, or time is up.
"""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

from testcontainers.core.waiting_utils import WaitStrategy, WaitStrategyTarget

from harness.aws.emulator import answers
from harness.containers.engine import DiskFull, EngineError, kind_of, tail
from harness.errors import HarnessError
from harness.processes import check_running

GLANCE_SECONDS = 0.5
ANSWER_SECONDS = 10.0
LAST_LINES = 30
# Where an Airflow's web server listens, and the parts of its /health that have to be healthy.
WEB_PORT = 8080
AIRFLOW_PARTS = ("metadatabase", "scheduler")


class ContainerDied(EngineError):
    """A container ended while it should have come up."""


class NeverHealthy(EngineError):
    """A container runs, and did not become ready in time."""


class Ready(WaitStrategy):
    """Ready when ``missing`` has nothing to say. ``hint`` says what to do when it never is,
    ``end_hint`` when its container has ended."""

    hint = ""
    end_hint = ""

    def __init__(self, *, service: str, seconds: float) -> None:
        super().__init__()
        self.service = service
        self.seconds = seconds

    def missing(self, container: Any) -> str:
        """What is still to come, "" = nothing. ``container`` is docker-py's, looked at afresh."""
        raise NotImplementedError

    def wait_until_ready(self, container: WaitStrategyTarget) -> None:
        """Raises ContainerDied and NeverHealthy: both show the last lines of the log."""
        wrapped: Any = container.get_wrapped_container()
        deadline = time.monotonic() + self.seconds
        while True:
            check_running()
            wrapped.reload()
            state = wrapped.attrs["State"]
            if state["Status"] in ("exited", "dead"):
                raise self.died(wrapped)
            what = self.missing(wrapped)
            if not what:
                return
            if time.monotonic() > deadline:
                log = last_lines(wrapped)
                raise NeverHealthy(
                    f"The {self.service} is {state['Status']} and was not ready after"
                    f" {self.seconds:.0f} s: {what}. The end of its log:\n{log}",
                    hint=advice(log, self.hint),
                )
            time.sleep(GLANCE_SECONDS)

    def died(self, container: Any) -> HarnessError:
        """What is said of a container that has ended."""
        state = container.attrs["State"]
        memory = ", out of memory" if state.get("OOMKilled") else ""
        log = last_lines(container)
        return ContainerDied(
            f"The {self.service} ended while it was starting (exit code"
            f" {state['ExitCode']}{memory}). The end of its log:\n{log}",
            hint=advice(log, self.end_hint),
        )


class PageAnswers(Ready):
    """A page of it answers, through the port that is published."""

    hint = "If the machine is only slow, try again."

    def __init__(self, *, service: str, seconds: float, port: int, page: str) -> None:
        super().__init__(service=service, seconds=seconds)
        self.port = port
        self.page = page

    def missing(self, container: Any) -> str:
        """Which page does not answer."""
        port = published(container, self.port)
        return "" if port and answers(port, self.page) else f"{self.page} does not answer yet"


class AirflowHealthy(Ready):
    """Airflow's own /health, through the port that is published: database and scheduler."""

    hint = (
        "A slow machine needs more time (--wait); requirements may take MWAA's nine minutes. While"
        " it starts, `mwaa-harness logs` shows all that it says."
    )
    end_hint = (
        "Correct what its log names – requirements and startup script are the usual reasons – and"
        " start again. A ready-made image has to start Airflow when it is told `local-runner`."
    )

    def missing(self, container: Any) -> str:
        """The parts that are not healthy."""
        port = published(container, WEB_PORT)
        return unhealthy(port) if port else "no port is published"


class EngineHealthy(Ready):
    """The engine's own health check of the image."""

    hint = "While it starts, `mwaa-harness logs` shows all that it says."

    def missing(self, container: Any) -> str:
        """The engine's word, and what the check printed last."""
        health = container.attrs["State"].get("Health")
        if health is None or health["Status"] == "healthy":
            return ""
        said = [entry["Output"].strip() for entry in health.get("Log") or () if entry["Output"]]
        return f"its health is {health['Status']}" + (f" ({said[-1][-200:]})" if said else "")


def unhealthy(port: int) -> str:
    """What of the Airflow behind a port of our loopback is not healthy, "" = all is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/health")
        answer = json.loads(connection.getresponse().read())
        said = {part: (answer.get(part) or {}).get("status") for part in AIRFLOW_PARTS}
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        return "its web server does not answer yet"
    finally:
        connection.close()
    return ", ".join(
        f"the {part} is {status or 'unknown'}"
        for part, status in said.items()
        if status != "healthy"
    )


def advice(log: str, usual: str) -> str:
    """What to do: of all that an engine would have said, a container's log can tell one."""
    kind, hint = kind_of(log)
    return hint if kind is DiskFull else usual


def published(container: Any, port: int) -> int:
    """The port of our loopback behind which a container's port is, 0 = none."""
    ports = container.attrs["NetworkSettings"]["Ports"] or {}
    bindings = ports.get(f"{port}/tcp") or []
    return int(bindings[0]["HostPort"]) if bindings else 0


def last_lines(container: Any, count: int = LAST_LINES) -> str:
    """The end of a container's log."""
    logs = container.logs(tail=count).decode("utf-8", errors="replace")
    return tail(logs, count) or "  (nothing)"
