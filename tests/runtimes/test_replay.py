"""Recordings: the contract over those that are committed, and what a recording holds."""

import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from runtime_contract import RuntimeContract, story_request

from harness.cache import cache_folder
from harness.model import Config, FileObservation, Observation, Resolution, Side
from harness.runtimes.interpreters import NoInterpreter
from harness.runtimes.replay import NoRecording, ReplayRuntime, load, record, recording_path
from harness.targets import default_target

RECORDINGS = Path(__file__).parent.parent.parent / "fixtures" / "observations" / "contract"


@pytest.fixture(scope="module")
def runtime() -> ReplayRuntime:
    return ReplayRuntime(RECORDINGS)


class TestReplay(RuntimeContract):
    def test_recordings_name_no_folder_of_a_machine(self, side: Side, seen: Observation) -> None:
        text = recording_path(RECORDINGS, side, seen.airflow).read_text()
        assert "/home/" not in text
        assert "/tmp/" not in text
        assert str(Path.home()) not in text


def observation(**fields: object) -> Observation:
    seen = Observation(side=Side.BRIDGE, runtime="venv", airflow="1.10.15", python="3.7.16")
    return replace(seen, **fields)  # type: ignore[arg-type]


def test_what_differs_between_two_runs_is_left_out(tmp_path: Path) -> None:
    first = observation(
        files=(FileObservation(path="a.py", outcome="ok", seconds=1.5, memory=7.0, at=123.0),),
        resolution=Resolution(judge="uv", ok=True, seconds=3.0, cached=True),
        timings={"total": 4.0},
    )
    second = replace(
        first,
        files=(replace(first.files[0], seconds=9.0, at=456.0),),
        resolution=Resolution(judge="uv", ok=True),
        timings={"total": 1.0},
    )
    record(first, tmp_path / "1.json")
    record(second, tmp_path / "2.json")
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()
    seen = load(tmp_path / "1.json")
    assert seen.files == (FileObservation(path="a.py", outcome="ok"),)
    assert seen.resolution == Resolution(judge="uv", ok=True)
    record(seen, tmp_path / "3.json")
    assert (tmp_path / "3.json").read_bytes() == (tmp_path / "1.json").read_bytes()


def test_keys_are_sorted_and_folders_replaced(tmp_path: Path) -> None:
    output = (
        f"{cache_folder()}/x {tempfile.gettempdir()}/y {Path.home()}/z"
        " [2021-03-17 02:18:37,969] [2025-05-20T02:19:05.753+0000]"
    )
    record(observation(packages={"b": "1", "a": "2"}, failure=output), tmp_path / "x" / "1.json")
    text = (tmp_path / "x" / "1.json").read_text()
    assert text.index('"a"') < text.index('"b"')
    keys = list(msgspec.json.decode(text))
    assert keys == sorted(keys)
    assert load(tmp_path / "x" / "1.json").failure == "$CACHE/x $TMP/y $HOME/z [time] [time]"


def test_no_recording_is_a_failure(tmp_path: Path) -> None:
    runtime = ReplayRuntime(tmp_path)
    request = story_request(Side.TARGET, runtime, tmp_path / "work")
    assert "There is no recording" in runtime.observe(request, lambda _: None).failure
    recording_path(tmp_path, Side.TARGET, default_target().airflow).write_text('{"side": "moon"}')
    assert "not a recorded observation" in runtime.observe(request, lambda _: None).failure
    with pytest.raises(NoRecording):
        load(tmp_path / "nothing.json")


def test_a_recording_has_no_python(tmp_path: Path) -> None:
    with pytest.raises(NoInterpreter):
        ReplayRuntime(tmp_path).python(default_target(), Side.TARGET, Config())
