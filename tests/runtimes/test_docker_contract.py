"""The contract of runtimes in containers, and that they see what virtual environments see."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from runtime_contract import LiveRuntimeContract

from harness.containers.engine import RUN_LABEL, Engine
from harness.model import Observation, Side
from harness.runtimes.docker import DockerRuntime
from harness.runtimes.replay import load, record, recording_path

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]

RECORDINGS = Path(__file__).parents[2] / "fixtures" / "observations" / "contract"


@pytest.fixture(scope="module")
def runtime(engine: Engine) -> DockerRuntime:
    return DockerRuntime(engine=engine)


@pytest.fixture(autouse=True)
def _nothing_is_left(engine: Engine) -> Iterator[None]:
    yield
    left = engine.client.api.containers(all=True, filters={"label": f"{RUN_LABEL}={engine.run}"})
    assert left == []


class TestDocker(LiveRuntimeContract):
    def test_it_is_what_a_virtual_environment_shows(
        self, seen: Observation, side: Side, tmp_path: Path
    ) -> None:
        """The recording is the venv runtime's; a test of its own keeps it true."""
        fresh = recording_path(tmp_path, side, seen.airflow)
        record(seen, fresh)
        recorded = load(recording_path(RECORDINGS, side, seen.airflow))
        assert without_the_machine(load(fresh)) == without_the_machine(recorded)

    def test_the_image_is_named(self, seen: Observation) -> None:
        assert seen.runtime == "docker"
        assert seen.image.startswith("mwaa-harness/airflow:")
        assert "sha256:" in seen.image_digest
        assert seen.isolation == "network namespace, socket guard"


def without_the_machine(seen: Observation) -> Observation:
    """Without what differs between two runtimes or machines by nature."""
    return replace(
        seen,
        runtime="",
        packages={},
        python="",
        constraints_origin="",
        constraints_location="",
        isolation="",
        image="",
        image_digest="",
    )
