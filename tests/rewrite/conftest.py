from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness.rewrite.worker import Job, Migrated, Settings, migrate


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MWAA_HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker takes a second to start; what workers do has tests of its own."""
    monkeypatch.setattr("harness.rewrite.repository.migrate_all", _migrate_here)


def _migrate_here(
    jobs: Sequence[Job], settings: Settings, *, workers: int
) -> Iterator[tuple[Job, Migrated]]:
    return ((job, migrate(job, settings)) for job in jobs)
