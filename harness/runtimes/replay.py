"""Recorded observations instead of a running Airflow.

    <folder>/<side>-<airflow>.json

A recording is the observation itself as JSON, without what differs between two runs or machines:
no times, no memory, no folder of the machine it was made on.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import msgspec

from harness.cache import cache_folder
from harness.errors import HarnessError
from harness.files import write_atomically
from harness.model import Config, Constraints, Observation, Side, Target
from harness.runtimes.base import OnProgress, Progress, Request
from harness.runtimes.constraints import find_constraints
from harness.runtimes.interpreters import NoInterpreter

# The time in a line of Airflow's log: [2021-03-17 02:18:37,969], [2025-05-20T02:19:05.753+0000].
LOG_TIME = re.compile(r"\[\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[,.]\d{3}(?:[+-]\d{4})?\]")


class NoRecording(HarnessError):
    """There is no recording of that side, or the file is none."""


class ReplayRuntime:
    """Answers every request with the recording of its side and version in ``folder``."""

    name = "replay"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def emulated(self, config: Config, on_progress: OnProgress) -> nullcontext[None]:  # noqa: ARG002
        """None: nothing runs here."""
        return nullcontext()

    def constraints(self, target: Target, config: Config) -> Constraints:
        """The constraint file of one row, without asking any host."""
        location = config.constraints.get(target.airflow, "")
        return find_constraints(target, location, offline=True)

    def python(self, target: Target, side: Side, config: Config) -> Path:  # noqa: ARG002
        """Nothing is run here: always ``NoInterpreter``."""
        raise NoInterpreter(f"A recording of Airflow {target.airflow} has no Python to run.")

    def observe(self, request: Request, on_progress: OnProgress) -> Observation:
        """The recording; a missing one comes back as ``Observation.failure``."""
        path = recording_path(self.folder, request.side, request.target.airflow)
        on_progress(Progress(side=request.side, step="replaying"))
        try:
            return load(path)
        except NoRecording as error:
            return Observation(
                side=request.side,
                runtime=self.name,
                airflow=request.target.airflow,
                python=request.target.python,
                failure=str(error),
            )


def recording_path(folder: Path, side: Side, airflow: str) -> Path:
    """Where the recording of one side lies."""
    return folder / f"{side}-{airflow}.json"


def record(observation: Observation, path: Path) -> None:
    """Write a recording: the same observation always gives the same bytes."""
    timeless = replace(
        observation,
        timings={},
        files=tuple(replace(file, seconds=0.0, memory=0.0, at=0.0) for file in observation.files),
        resolution=observation.resolution
        and replace(observation.resolution, seconds=0.0, cached=False),
    )
    text = msgspec.json.encode(timeless, order="sorted").decode("utf-8")
    for folder, word in _machine_folders().items():
        text = text.replace(folder, word)
    text = LOG_TIME.sub("[time]", text)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, msgspec.json.format(text, indent=1).encode("utf-8") + b"\n")


def load(path: Path) -> Observation:
    """Read a recording; ``NoRecording`` when it is not there or of another form."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Observation)
    except OSError as error:
        raise NoRecording(f"There is no recording {path}: {error.strerror}.") from error
    except msgspec.MsgspecError as error:
        raise NoRecording(
            f"{path} is not a recorded observation: {error}.", hint="Record it again."
        ) from error


def _machine_folders() -> Mapping[str, str]:
    folders = {
        str(cache_folder()): "$CACHE",
        os.path.realpath(tempfile.gettempdir()): "$TMP",
        tempfile.gettempdir(): "$TMP",
        str(Path.home()): "$HOME",
    }
    # The longest first: the cache lies below the home folder. "/" names no folder of a machine.
    return {name: folders[name] for name in sorted(folders, key=len, reverse=True) if name != "/"}
