"""The probe told where the repository is, and at work in real environments of both generations."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.model import Config, FileObservation, Observation, Side
from harness.probes.observe.names import PATHS
from harness.repo import copy_tree, load
from harness.runtimes.base import Request, no_progress
from harness.runtimes.venv import VenvRuntime
from harness.targets import default_bridge, default_target

Observe = Callable[..., Observation]
SIDES = (Side.BRIDGE, Side.TARGET)


@pytest.fixture
def named(tmp_path: Path) -> Iterator[None]:
    """The probe is told that ``tmp_path / "repo"`` is the repository."""
    PATHS.are(str(tmp_path / "repo"), [(str(tmp_path / "home"), "$HOME")])
    yield
    PATHS.are("/nonexistent")


def observe_on(
    side: Side,
    folder: Path,
    files: Mapping[str, str | bytes],
    *,
    env: Mapping[str, str] | None = None,
    samples: Mapping[str, Mapping[str, str]] | None = None,
    files_a_process: int = 0,
    workers: int = 2,
    **config: object,
) -> Observation:
    """What the real Airflow of ``side`` makes of a repository with these files."""
    root = folder / "repo"
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        (root / path).write_bytes(data)
    settings = replace(Config(), **config)  # type: ignore[arg-type]
    runtime = VenvRuntime(files_a_process=files_a_process)
    target = default_bridge() if side is Side.BRIDGE else default_target()
    workspace = folder / "workspace"
    workspace.mkdir()
    request = Request(
        side=side,
        target=target,
        repo=copy_tree(load(root, config=settings), workspace / "repo"),
        constraints=runtime.constraints(target, settings),
        workspace=workspace,
        config=settings,
        env=env or {},
        samples=samples or {},
        workers=workers,
    )
    observation = runtime.observe(request, no_progress)
    assert not observation.failure
    return observation


def by_name(observation: Observation) -> dict[str, FileObservation]:
    """The files' observations by path."""
    return {file.path: file for file in observation.files}
