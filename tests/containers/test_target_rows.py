"""The pair with the targets besides the default one, for real, and how big all images are."""

from pathlib import Path

import pytest

from harness.cache import cache_folder
from harness.containers.engine import Engine
from harness.containers.images import provide_image
from harness.containers.pair import running
from harness.containers.plan import Asked
from harness.runtimes.constraints import find_constraints
from harness.targets import default_bridge, default_target, get_target

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]

# One of each kind that the default target is not: as its local runner had it, and as the images
# with enforced pins have it.
TARGETS = ("2.5.1", "2.10.3")
MOST_MEGABYTES = 600


@pytest.mark.parametrize("airflow", [default_bridge().airflow, default_target().airflow, *TARGETS])
def test_images_are_small(engine: Engine, airflow: str) -> None:
    row = get_target(airflow)
    image = provide_image(
        engine, row, find_constraints(row), cache=cache_folder(), on_step=lambda _: None
    )
    assert engine.client.images.get(image.id).attrs["Size"] <= MOST_MEGABYTES * 1_000_000


@pytest.mark.parametrize("target", TARGETS)
def test_the_pair_with_it_is_healthy(engine: Engine, stories: Path, target: str) -> None:
    asked = Asked(target=target, repo=stories / "movie_list" / "before", name=f"test-{target}")
    with running(engine, asked, lambda _: None) as pair:
        assert {member.state for member in pair} == {"healthy"}
        assert [member.about for member in pair][-1] == f"Airflow {target}"
