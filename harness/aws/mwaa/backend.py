"""What runs behind an environment: whoever executes its CLI commands and answers its REST calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a CLI command printed, and its exit code."""

    stdout: str = ""
    stderr: str = ""
    returncode: int = 0


class Backend(Protocol):
    """An Airflow that belongs to an environment."""

    def cli(self, environment: str, command: str) -> Answer:
        """Run ``airflow COMMAND``; ``command`` is the line as it was posted, e.g. ``dags list``.
        It is foreign text: no shell may see it."""
        ...

    def rest(
        self, environment: str, method: str, path: str, query: Mapping[str, Any], body: Any
    ) -> tuple[int, Any]:
        """Call Airflow's REST interface; ``path`` as in ``/dags``, below ``/api/v1``. Gives the
        status code and the JSON that came back."""
        ...


class NoBackend:
    """For who needs the control plane alone."""

    def cli(self, environment: str, command: str) -> Answer:  # noqa: ARG002
        return Answer(stderr=f"No Airflow runs behind {environment}.\n", returncode=1)

    def rest(
        self,
        environment: str,
        method: str,  # noqa: ARG002
        path: str,  # noqa: ARG002
        query: Mapping[str, Any],  # noqa: ARG002
        body: Any,  # noqa: ARG002
    ) -> tuple[int, Any]:
        return 503, {"title": f"No Airflow runs behind {environment}", "status": 503}
