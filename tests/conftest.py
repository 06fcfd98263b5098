"""What all rooms' tests share: the repository's own fixtures."""

import functools
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from harness.aws.emulator import Emulator
from harness.aws.localstack import default_image
from harness.aws.moto import moto, reset
from harness.containers.engine import (
    SCOPE_LABEL,
    SCOPE_VARIABLE,
    Engine,
    EngineError,
    NoEngine,
    connect,
    scope,
    sweep_run,
)
from harness.containers.images import need_image
from harness.model import Config, Side
from harness.runtimes.venv import VenvRuntime
from harness.targets import get_target

# How long an example takes says how busy the machine is: no deadline, and no test that counts them.
settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# In CI the same examples each time: a new find there would be somebody else's red build.
settings.register_profile("ci", parent=settings.get_profile("any"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "any")

ROOT = Path(__file__).parent.parent
# For what stands in tools/. At the end: the packages under test are the installed ones.
sys.path.append(str(ROOT))


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to run what shares an engine or a server in two workers at once: pytest-xdist 3.8
    writes its groups where pytest 9.2 does not look, and all of them fall apart in silence."""
    # Whoever runs the tests may have a pair of his own up, and `down --all` is tested.
    os.environ.setdefault(SCOPE_VARIABLE, f"tests-{os.getpid()}")
    # It would stay until the tests' process ends; its own tests start one where they need it.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    if config.getoption("dist", "no") == "loadgroup" and not hasattr(pytest.Item, "_nodeid"):
        raise pytest.UsageError(
            f"pytest {pytest.__version__} does not keep the groups of pytest-xdist 3.8 together:"
            " install a pytest below 9.2, or run without --dist loadgroup."
        )


# Fixtures that start a server or make environments: their tests are no unit tests.
HEAVY = {"aws_server", "imaged_cache", "index", "postgres"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test is slow when it needs what takes seconds to start. In parallel runs long groups come
    first, so that no worker is left with one at the end."""
    for item in items:
        if HEAVY.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    if config.getoption("loadgroup", False):
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """The engine may still be in the making when the first groups are done."""
    if item.get_closest_marker("xdist_group"):
        return 1 if item.get_closest_marker("docker") else 0
    return 2 if item.get_closest_marker("slow") else 3


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def stories() -> Path:
    """The fixture repositories, a folder each; the DAG repository is ``before`` in it."""
    return ROOT / "fixtures" / "repos"


@pytest.fixture(scope="session")
def airflow_python() -> Callable[[str], Path]:
    """Airflow version → an interpreter that has it, as the embedded runtime provides it."""

    @functools.cache
    def python(version: str) -> Path:
        runtime, target = VenvRuntime(), get_target(version)
        side = Side.BRIDGE if target.role == "bridge" else Side.TARGET
        constraints = runtime.constraints(target, Config())
        return runtime.environment(target, side, constraints).python

    return python


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Emulator]:
    """One moto server for the session; its state is whatever the tests before have left."""
    with moto() as emulator:
        yield emulator


@pytest.fixture
def aws(aws_server: Emulator) -> Emulator:
    """The session's moto server, emptied. Tests that use it share an ``xdist_group``, or each of
    pytest-xdist's workers starts one."""
    reset(aws_server)
    return aws_server


# Set it where docker tests must not be passed over: without an engine they fail.
DOCKER_REQUIRED = "MWAA_HARNESS_DOCKER_REQUIRED"

# A file that appears when somebody has done preparing the engine; its lines are variables for us.
DOCKER_READY = "MWAA_HARNESS_DOCKER_READY"
READY_SECONDS = 1800.0


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The Docker engine. Where there is none, the tests that need it are skipped and counted as
    such, or fail where they are demanded (``tox -e docker``)."""
    _wait_for_engine()
    try:
        found = connect()
    except NoEngine as error:
        if os.environ.get(DOCKER_REQUIRED):
            raise
        pytest.skip(f"no Docker engine: {error.message}")
    try:
        yield found
    finally:
        sweep_run(found)
        found.close()


@pytest.fixture(scope="module", autouse=True)
def _the_engine_is_left_as_it_was(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a module that needs an engine there is no container, network or volume more than
    before: of the tests' own, or of any kind where the engine is there for the tests alone."""
    if not request.node.get_closest_marker("docker"):
        yield
        return
    engine = request.getfixturevalue("engine")
    before = inventory(engine)
    yield
    assert inventory(engine) - before == set()


def inventory(engine: Engine) -> set[str]:
    """All containers, networks and volumes that may be ours."""
    ours = {"label": f"{SCOPE_LABEL}={scope()}"}
    filters = {} if os.environ.get(DOCKER_READY) else ours
    client = engine.client.api
    found = [each["Id"] for each in client.containers(all=True, filters=filters)]
    found += [each["Id"] for each in client.networks(filters=filters)]
    return {*found, *(each["Name"] for each in client.volumes(filters=filters)["Volumes"] or ())}


# Made by .ci/localstack-image where no image registry can be reached.
LOCALSTACK = "mwaa-harness/local-localstack:4.14.0"


@pytest.fixture(scope="session")
def localstack_image(engine: Engine) -> str:
    """An image that is here or that can be pulled; where there is none, it is like no engine."""
    named = os.environ.get("MWAA_HARNESS_LOCALSTACK_IMAGE")
    if named or engine.client.images.list(LOCALSTACK):
        return named or LOCALSTACK
    try:
        return need_image(engine, default_image(), lambda _: None).name
    except EngineError as error:
        if os.environ.get(DOCKER_REQUIRED):
            raise
        pytest.skip(error.message)


def _wait_for_engine() -> None:
    named = os.environ.get(DOCKER_READY)
    deadline = time.monotonic() + READY_SECONDS
    while named and not Path(named).exists() and time.monotonic() < deadline:
        time.sleep(0.5)
    if named and Path(named).exists():
        for line in Path(named).read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            os.environ.setdefault(name, value)
