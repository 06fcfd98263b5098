"""Runtimes: bring one side up and observe it."""

from __future__ import annotations

from harness.errors import UsageError
from harness.runtimes.base import Runtime
from harness.runtimes.venv import VenvRuntime


def make_runtime(name: str, *, offline: bool = False) -> Runtime:
    """The runtime of that name. ``offline``: reach for nothing but the package index."""
    if name == VenvRuntime.name:
        return VenvRuntime(offline=offline)
    raise UsageError(f"There is no runtime {name!r}.", hint=f"There is: {VenvRuntime.name}.")
