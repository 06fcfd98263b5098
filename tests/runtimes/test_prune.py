"""The cache forgets environments that were not used for long, and nothing else."""

import os
import time
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from filelock import FileLock

from harness.cli import cli
from harness.prune import DAY, entries, entry_lines, prune
from harness.runtimes.environments import last_use, mark_used


def environment(cache: Path, name: str, *, days: float, airflow: str = "2.11.0") -> Path:
    folder = cache / "environments" / name
    (folder / "venv").mkdir(parents=True)
    (folder / "venv" / "own").write_bytes(b"x" * 10_000)
    packages = {"apache-airflow": airflow}
    ready = {"version": "3.12.1", "packages": packages, "refused": {}}
    (folder / "READY").write_bytes(msgspec.json.encode(ready))
    mark_used(folder)
    used = time.time() - days * DAY
    os.utime(folder / "USED", (used, used))
    return folder


def test_entries_are_listed_by_last_use(tmp_path: Path) -> None:
    environment(tmp_path, "old", days=40, airflow="1.10.15")
    environment(tmp_path, "new", days=1)
    (tmp_path / "environments" / "half").mkdir()
    found = entries(tmp_path)
    assert [entry.folder.name for entry in found] == ["half", "new", "old"]
    lines = list(entry_lines(found))
    assert "unfinished" in lines[0]
    assert "Airflow 1.10.15" in lines[2]
    assert "used  40.0 days ago" in lines[2]
    assert lines[3].startswith("3 environments, ")


def test_what_is_shared_does_not_count(tmp_path: Path) -> None:
    folder = environment(tmp_path, "one", days=1)
    before = entries(tmp_path)[0].size
    os.link(folder / "venv" / "own", tmp_path / "elsewhere")
    assert before - entries(tmp_path)[0].size >= 10_000


def test_only_what_is_old_goes(tmp_path: Path) -> None:
    old, new = environment(tmp_path, "old", days=31), environment(tmp_path, "new", days=29)
    (tmp_path / "environments" / "old.lock").touch()
    assert [entry.folder for entry in prune(30, tmp_path)] == [old]
    assert not old.exists()
    assert (new / "READY").exists()


def test_what_another_run_makes_is_left_alone(tmp_path: Path) -> None:
    old = environment(tmp_path, "old", days=31)
    with FileLock(old.with_suffix(".lock")):
        assert list(prune(30, tmp_path)) == []
    assert (old / "READY").exists()


def test_a_folder_of_before_this_was_noted_was_used_when_it_was_made(tmp_path: Path) -> None:
    folder = environment(tmp_path, "one", days=40)
    (folder / "USED").unlink()
    assert time.time() - last_use(folder) < 60


def test_an_empty_cache_is_no_error(tmp_path: Path) -> None:
    assert entries(tmp_path / "nowhere") == ()
    assert list(prune(0, tmp_path / "nowhere")) == []


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MWAA_HARNESS_CACHE", str(tmp_path))
    old = environment(tmp_path, "old", days=31)
    listed = CliRunner().invoke(cli, ["cache"])
    assert "old" in listed.output
    assert old.exists()
    pruned = CliRunner().invoke(cli, ["cache", "--prune", "30"])
    assert pruned.exit_code == 0
    assert "removed old" in pruned.output
    assert not old.exists()
