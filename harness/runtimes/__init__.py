"""Runtimes: bring one side up and observe it."""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import UsageError
from harness.model import Side
from harness.runtimes.base import Runtime
from harness.runtimes.venv import VenvRuntime

RUNTIMES = ("venv", "docker")


def make_runtime(
    name: str, *, offline: bool = False, images: Mapping[Side, str] | None = None
) -> Runtime:
    """The runtime of that name. ``offline``: reach for nothing but the package index; ``images``:
    ready-made images by side, for the docker runtime alone.

    Raises UsageError, and NoEngine when there is no Docker engine for the docker runtime.
    """
    if name == VenvRuntime.name:
        if images:
            raise UsageError(
                "An image was named, and the venv runtime has none.",
                hint="Add --runtime docker, or leave --bridge-image and --target-image out.",
            )
        return VenvRuntime(offline=offline)
    if name == "docker":
        # Here and not above: whoever needs no engine pays for no client.
        from harness.runtimes.docker import DockerRuntime

        return DockerRuntime(offline=offline, images=images)
    raise UsageError(f"There is no runtime {name!r}.", hint=f"There are: {', '.join(RUNTIMES)}.")
