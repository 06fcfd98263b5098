"""What all rooms' tests share: the repository's own fixtures."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.aws.emulator import Emulator
from harness.aws.moto import moto, reset

ROOT = Path(__file__).parent.parent
# For what stands in tools/. At the end: the packages under test are the installed ones.
sys.path.append(str(ROOT))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def stories() -> Path:
    """The fixture repositories, a folder each; the DAG repository is ``before`` in it."""
    return ROOT / "fixtures" / "repos"


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
