"""Progress bars on stderr, and only when it is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from harness.runtimes.base import OnProgress, Progress, no_progress


@contextmanager
def bars() -> Iterator[OnProgress]:
    """A callback that draws one bar per side and step; it draws nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    # Here and not above: without a terminal nobody pays for Rich.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bars

    tasks: dict[str, TaskID] = {}
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as drawn:

        def draw(progress: Progress) -> None:
            # One line a side: the step it is at replaces the one before.
            side = progress.side.value
            total = progress.total or None
            if side not in tasks:
                tasks[side] = drawn.add_task("", total=None)
            drawn.update(
                tasks[side],
                description=f"{side}: {progress.step}",
                completed=progress.done,
                total=total,
            )

        yield draw
