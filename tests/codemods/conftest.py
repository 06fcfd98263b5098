"""The targets' pins, as fixtures."""

from __future__ import annotations

import pytest
from locks import LOCKS, read_lock


@pytest.fixture(scope="session")
def targets() -> dict[str, dict[str, str]]:
    """The pins of every 2.x target that has a lock."""
    versions = sorted({p.name.split("-py")[0] for p in LOCKS.glob("2.*.txt")})
    return {version: read_lock(version) for version in versions}


@pytest.fixture(scope="session")
def newest(targets: dict[str, dict[str, str]]) -> dict[str, str]:
    """The pins of 2.11.0."""
    return targets["2.11.0"]
