"""What the tests with an engine share."""

import pytest

from harness.containers.engine import Engine
from harness.containers.images import base_image, need_image
from harness.targets import default_target


@pytest.fixture(scope="session")
def base(engine: Engine) -> str:
    """A small image with a Python: what the Airflow images are made from."""
    return need_image(engine, base_image(default_target().python), lambda _: None).name
