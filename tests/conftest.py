"""What all rooms' tests share: the repository's own fixtures."""

import sys
from pathlib import Path

import pytest

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
