"""Fixtures of the runtimes' tests: environments around a stand-in for Airflow, and the contract."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from stand_in_index import Index, make_index

from harness.model import Constraints, FileObservation, Observation, Side, Target
from harness.runtimes.base import Progress, Runtime
from harness.runtimes.environments import provide
from harness.runtimes.interpreters import Interpreter, find
from harness.targets import default_target

pytest.register_assert_rewrite("runtime_contract")

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """The test's own index; no other is asked."""
    index = make_index(tmp_path / "index")
    index.use(monkeypatch, uv_cache=tmp_path / "uv")
    return index


@pytest.fixture(scope="session")
def target() -> Target:
    """Airflow 2.11.0 in an image that holds nothing else, on the Python that runs the tests."""
    return replace(default_target(), airflow="2.11.0", python=HERE, preinstalled={}, essential={})


@pytest.fixture(scope="session")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    """The Python that runs the tests."""
    cache = tmp_path_factory.mktemp("interpreters")
    return find((HERE,), side=Side.TARGET, explicit=sys.executable, cache=cache)


@pytest.fixture(scope="session")
def constraints() -> Constraints:
    return Constraints(origin="user", location="mine.txt", text="good==1.0\n", pins={"good": "1.0"})


@pytest.fixture(scope="session")
def imaged_cache(
    tmp_path_factory: pytest.TempPathFactory,
    target: Target,
    interpreter: Interpreter,
    constraints: Constraints,
) -> Path:
    """A cache that holds the image already. Tests may add to it, not take away."""
    folder = tmp_path_factory.mktemp("imaged")
    with pytest.MonkeyPatch.context() as monkeypatch:
        make_index(folder / "index").use(monkeypatch, uv_cache=folder / "uv")
        provide(
            target,
            interpreter=interpreter,
            constraints=constraints,
            cache=folder / "cache",
            on_step=lambda _: None,
        )
    return folder / "cache"


# --------------------------------------------------------------- the contract: runtime_contract.py


@pytest.fixture(scope="module", params=list(Side))
def side(request: pytest.FixtureRequest) -> Side:
    """Both sides, one after the other."""
    side: Side = request.param
    return side


@pytest.fixture(scope="module")
def watched(
    side: Side, runtime: Runtime, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Observation, list[Progress]]:
    """What the module's own ``runtime`` saw of the story, and the progress that it told."""
    from runtime_contract import story_request

    steps: list[Progress] = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("CONTRACT_LEAK", "of the host")
        request = story_request(side, runtime, tmp_path_factory.mktemp("workspace"))
        return runtime.observe(request, steps.append), steps


@pytest.fixture(scope="module")
def seen(watched: tuple[Observation, list[Progress]]) -> Observation:
    return watched[0]


@pytest.fixture(scope="module")
def steps(watched: tuple[Observation, list[Progress]]) -> list[Progress]:
    return watched[1]


@pytest.fixture(scope="module")
def files(seen: Observation) -> Mapping[str, FileObservation]:
    return {file.path: file for file in seen.files}
