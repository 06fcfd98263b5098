"""The targets' pins, out of the locks that the repository carries."""

from __future__ import annotations

from pathlib import Path

import pytest

LOCKS = Path(__file__).resolve().parents[2] / "harness" / "data" / "locks"


def read_lock(version: str) -> dict[str, str]:
    """Distribution → version of one target."""
    (path,) = LOCKS.glob(f"{version}-py*.txt")
    rows = (line.split(";")[0].strip() for line in path.read_text("utf-8").splitlines())
    pins = dict(row.split("==") for row in rows if "==" in row and not row.startswith("#"))
    return {**pins, "apache-airflow": version}


@pytest.fixture(scope="session")
def targets() -> dict[str, dict[str, str]]:
    """The pins of every 2.x target that has a lock."""
    versions = sorted({p.name.split("-py")[0] for p in LOCKS.glob("2.*.txt")})
    return {version: read_lock(version) for version in versions}


@pytest.fixture(scope="session")
def newest(targets: dict[str, dict[str, str]]) -> dict[str, str]:
    """The pins of 2.11.0."""
    return targets["2.11.0"]
