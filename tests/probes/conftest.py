"""The probe as a module, and the probe at work in real environments of both generations."""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from harness.model import Config, FileObservation, Observation, Side
from harness.repo import copy_tree, load
from harness.runtimes.base import Request, no_progress
from harness.runtimes.observing import PROBE
from harness.runtimes.venv import VenvRuntime
from harness.targets import default_bridge, default_target

Observe = Callable[..., Observation]
SIDES = (Side.BRIDGE, Side.TARGET)


def load_probe() -> ModuleType:
    """The script, imported by its path; this changes nothing in our process."""
    spec = importlib.util.spec_from_file_location("observe_probe", PROBE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def probe(tmp_path: Path) -> ModuleType:
    """The probe's functions, told that ``tmp_path / "repo"`` is the repository."""
    module = load_probe()
    module.PATHS = module.Paths(str(tmp_path / "repo"), [(str(tmp_path / "home"), "$HOME")])
    return module


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
