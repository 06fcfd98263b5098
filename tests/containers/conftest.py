"""What the tests with an engine share."""

from collections.abc import Callable

import pytest

from harness.containers.engine import PAIR_LABEL, Engine
from harness.containers.images import base_image, need_image
from harness.containers.plan import pair_name
from harness.targets import default_target


@pytest.fixture(scope="session")
def base(engine: Engine) -> str:
    """A small image with a Python: what the Airflow images are made from."""
    return need_image(engine, base_image(default_target().python), lambda _: None).name


@pytest.fixture(scope="session")
def of_the_pair(engine: Engine) -> Callable[[], list[str]]:
    """The names of the containers, networks and volumes that `mwaa-harness up` has made."""

    def names() -> list[str]:
        client, filters = engine.client, {"label": f"{PAIR_LABEL}={pair_name()}"}
        found = [*client.containers.list(all=True, filters=filters)]
        found += client.networks.list(filters=filters)
        return [each.name for each in (*found, *client.volumes.list(filters=filters))]

    return names
