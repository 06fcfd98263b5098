"""The emulator with a proxy before it."""

from collections.abc import Iterator

import pytest

from harness.aws.emulator import Emulator
from tools.aws_proxy import Proxy, proxy


@pytest.fixture
def watched(aws: Emulator) -> Iterator[Proxy]:
    """A proxy before the emptied moto server."""
    with proxy(aws.address) as before:
        yield before
