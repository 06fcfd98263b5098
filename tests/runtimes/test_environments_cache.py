"""Environments as cached values: made once, never half, shared by runs, made anew when broken."""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from stand_in_index import AIRFLOW, Index

import harness
from harness.errors import HarnessError
from harness.model import Constraints, Target
from harness.processes import allow_start, stop_all
from harness.runtimes.environments import (
    Environment,
    EnvironmentFailed,
    environment_key,
    init_command,
    provide,
    ready_or_made,
)
from harness.runtimes.interpreters import Interpreter
from harness.runtimes.uv import UvFailed, in_short
from harness.targets import load_targets

Provide = Callable[..., Environment]


@pytest.fixture
def steps() -> list[str]:
    return []


@pytest.fixture
def make(
    index: Index,
    target: Target,
    interpreter: Interpreter,
    constraints: Constraints,
    tmp_path: Path,
    steps: list[str],
) -> Provide:
    """``provide`` for the stand-in of Airflow."""

    def make(*requirements: str, **changes: object) -> Environment:
        arguments: dict[str, object] = {
            "interpreter": interpreter,
            "constraints": constraints,
            "cache": tmp_path / "cache",
            "on_step": steps.append,
            **changes,
        }
        row = arguments.pop("target", target)
        return provide(row, requirements=requirements, **arguments)  # type: ignore[arg-type]

    return make


def imports(environment: Environment, module: str) -> bool:
    argv = [environment.python, "-c", f"import {module}"]
    return subprocess.run(argv, capture_output=True).returncode == 0


@pytest.fixture
def image_there(imaged_cache: Path, tmp_path: Path) -> None:
    """The image is in the test's cache already; its own index is asked for requirements only."""
    shutil.copytree(imaged_cache, tmp_path / "cache", copy_function=os.link, symlinks=True)


# ------------------------------------------------------------------------------------ what is made


def test_an_image_is_made_once(make: Provide, steps: list[str]) -> None:
    image = make()
    assert image.packages["apache-airflow"] == "2.11.0"
    assert image.template_db.read_text() == "migrated"
    assert imports(image, "apache_airflow")
    assert list(image.path.rglob("apache_airflow.*.pyc")), "bytecode is compiled at once"
    assert [step.split()[0] for step in steps] == ["installing", "initialising"]
    steps.clear()
    assert make() == image
    assert steps == []


@pytest.mark.usefixtures("image_there")
def test_requirements_go_on_top_of_a_copy(make: Provide, index: Index, steps: list[str]) -> None:
    index.add("good", "1.0")
    index.add("good", "2.0")
    image, own = make(), make("good")
    assert own.packages == {**image.packages, "good": "1.0"}, "the constraints hold"
    assert own.refused == {}
    assert imports(own, "good")
    assert imports(own, "apache_airflow")
    assert not imports(image, "good"), "the image stays as it was"
    assert own.template_db.read_text() == "migrated"
    script = own.path / "bin" / "airflow"
    done = subprocess.run([script, "version"], capture_output=True, text=True, check=True)
    assert done.stdout == "2.11.0\n"
    steps.clear()
    assert make("good") == own
    assert steps == []


@pytest.mark.usefixtures("image_there")
def test_requirements_may_be_installed_under_a_file_of_their_own(
    make: Provide, index: Index, constraints: Constraints
) -> None:
    index.add("good", "1.0")
    index.add("good", "2.0")
    assert make("good", under=constraints) == make("good")
    own = make("good", under=replace(constraints, text="good==2.0\n"))
    assert own.packages["good"] == "2.0"
    assert own.key != make("good").key


def test_a_requirement_that_changes_a_shared_file_leaves_the_image_alone(
    make: Provide, index: Index
) -> None:
    index.add("shared", "1.0", source="value = 1")
    index.add("shared", "2.0", source="value = 2")
    index.add("apache-airflow", "2.11.0", requires=["shared<2"], script=AIRFLOW)
    index.add("apache-airflow", "2.11.1")
    image = make()
    own = make("shared>=2", "apache-airflow")
    assert image.packages["shared"] == "1.0"
    text = (image.path / "lib").rglob("shared.py")
    assert [path.read_text() for path in text] == ["value = 1"]
    assert own.packages["apache-airflow"] == "2.11.0", "never another Airflow"


@pytest.mark.usefixtures("image_there")
def test_what_cannot_be_installed_is_left_out_and_said(make: Provide, index: Index) -> None:
    for name in ("good", "fine", "nice"):
        index.add(name)
    index.add("bad", requires=["nowhere"])
    index.add("odd", requires=["good (>=0.45fine>=1)"])
    lines = ("good", "--find-links .", "fine", "bad", "good==7", "absent>1", "odd", "nice", "--pre")
    own = make(*lines)
    assert {"good", "fine", "nice"} <= own.packages.keys()
    assert set(own.refused) == {"bad", "good==7", "absent>1", "odd"}
    assert "nowhere" in own.refused["bad"]
    assert UvFailed("Installing", own.refused["odd"]).kind == "metadata"
    assert make(*lines).refused == own.refused


@pytest.mark.usefixtures("image_there")
def test_the_refused_are_tried_again_after_a_day(make: Provide, index: Index) -> None:
    own = make("late")
    assert set(own.refused) == {"late"}
    index.add("late")
    assert set(make("late").refused) == {"late"}
    old = time.time() - 25 * 3600
    os.utime(own.folder / "READY", (old, old))
    assert make("late").packages["late"] == "1.0"


@pytest.mark.usefixtures("image_there")
def test_another_airflow_is_never_installed(make: Provide, index: Index) -> None:
    index.add("apache-airflow", "2.12.0")
    own = make("apache-airflow==2.12.0")
    assert own.packages["apache-airflow"] == "2.11.0"
    assert set(own.refused) == {"apache-airflow==2.12.0"}


def test_an_image_that_contradicts_itself_is_installed_as_it_is(
    make: Provide, index: Index, target: Target
) -> None:
    index.add("apache-airflow", "2.11.0", requires=["flask<1"], script=AIRFLOW)
    index.add("flask", "2.0")
    image = make(target=replace(target, preinstalled={"flask": "2.0"}))
    assert image.packages["flask"] == "2.0"


def test_what_goes_in_decides_the_key(
    target: Target, interpreter: Interpreter, constraints: Constraints
) -> None:
    inputs = (target, interpreter, constraints)
    different = [
        (replace(target, airflow="2.10.3"), interpreter, constraints),
        (replace(target, preinstalled={"flask": "2.0"}), interpreter, constraints),
        (target, replace(interpreter, version="3.99.0"), constraints),
        (target, replace(interpreter, path=Path("/elsewhere")), constraints),
        (target, interpreter, replace(constraints, text="good==1.0\nmore==1\n")),
        (*inputs, ("good",)),
        (*inputs, ("good", "fine")),
        (*inputs, ("fine", "good")),
    ]
    assert len({environment_key(*each) for each in (inputs, *different)}) == len(different) + 1
    for text in ("# new\ngood==1.0  # why\n\n", "good==1.0"):
        other = replace(constraints, text=text, origin="official", location="elsewhere")
        assert environment_key(target, interpreter, other) == environment_key(*inputs)


def test_the_database_command_of_each_row() -> None:
    commands = {target.airflow: init_command(target) for target in load_targets()}
    assert commands["1.10.15"] == ("initdb",)
    assert commands["2.0.2"] == commands["2.6.3"] == ("db", "init")
    assert commands["2.7.2"] == commands["2.11.0"] == ("db", "migrate")


# --------------------------------------------------------------------------------------- failures


def test_an_airflow_that_does_not_start_is_said_with_its_last_words(
    make: Provide, index: Index
) -> None:
    index.add("apache-airflow", "2.11.0", script="raise ImportError('no pkg_resources')")
    with pytest.raises(EnvironmentFailed, match="no pkg_resources") as caught:
        make()
    assert "airflow version" in caught.value.message
    assert "--constraints 2.11.0=" in caught.value.hint


def test_an_index_that_cannot_be_reached(
    make: Provide, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wheel in index.folder.iterdir():
        wheel.unlink()
    monkeypatch.delenv("UV_OFFLINE")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(UvFailed) as caught:
        make()
    assert caught.value.kind == "network"
    assert "UV_DEFAULT_INDEX" in caught.value.hint
    assert not list(index.folder.parent.glob("cache/environments/*/READY"))


def test_a_build_that_failed_is_said_in_one_line() -> None:
    said = """  cause: The build backend returned an error
  cause: Call to `setuptools.build_meta:__legacy__.get_requires_for_build_wheel` failed
    Traceback (most recent call last):
      File "setup_posix.py", line 28, in mysql_config
        raise EnvironmentError("%s not found" % (mysql_config.path,))
    OSError: mysql_config not found
    hint: `mysqlclient` (v1.3.14) was included because `apache-airflow[mysql]` depends on it"""
    failed = UvFailed("Installing", said)
    assert in_short(failed) == "mysqlclient 1.3.14 does not build (OSError: mysql_config not found)"
    other = UvFailed("Installing", "No solution found when resolving dependencies")
    assert in_short(other) == other.output


@pytest.mark.usefixtures("image_there")
def test_an_index_lost_between_image_and_requirements_refuses_nothing(
    make: Provide, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    monkeypatch.delenv("UV_OFFLINE")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(UvFailed) as caught:
        make("good", "fine")
    assert caught.value.kind == "network"


@pytest.mark.usefixtures("image_there")
def test_a_full_disk_is_said_and_leaves_nothing_that_looks_whole(
    make: Provide, index: Index, tmp_path: Path
) -> None:
    index.add("big", source="x = '" + "x" * 3_000_000 + "'")
    make()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python ignores SIGXFSZ and so do its children: a write beyond the limit fails, as on a full
    # disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(UvFailed) as caught:
            make("big")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.kind == "space", caught.value
    assert "MWAA_HARNESS_CACHE" in caught.value.hint
    assert make("big").packages["big"] == "1.0", "the next run makes it anew"


def test_our_own_write_to_a_full_disk(tmp_path: Path) -> None:
    def make(folder: Path) -> Environment:
        raise OSError(28, "No space left on device")

    with pytest.raises(EnvironmentFailed, match="No space left") as caught:
        ready_or_made(tmp_path / "key", make, print)
    assert "MWAA_HARNESS_CACHE" in caught.value.hint


def test_a_cache_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFailed, match="Not a directory"):
        ready_or_made(tmp_path / "file" / "environments" / "key", print, print)


# ------------------------------------------------------------------------------- several processes

RUN = """\
import json, os, sys, time
from pathlib import Path
from harness.runtimes.environments import Environment, ready_or_made
folder = Path(sys.argv[1])
def make(folder):
    (folder / "venv" / "bin").mkdir(parents=True)
    (folder / "venv" / "bin" / "python").symlink_to(sys.executable)
    with (folder.parent / "made").open("a") as log:
        log.write(f"{os.getpid()}\\n")
    while (folder.parent / "hold").exists():
        time.sleep(0.005)
    (folder / "payload").write_text("whole")
    return Environment(folder=folder, version="3", packages={"maker": str(os.getpid())})
steps = []
def on_step(step):
    steps.append(step)
    (folder.parent / f"waits-{os.getpid()}").touch()
made = ready_or_made(folder, make, on_step)
print(json.dumps([made.packages["maker"], (folder / "payload").read_text(), steps]))
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[[], subprocess.Popen[str]]:
    """Another run that wants the same environment. It is not done while a file "hold" is there."""

    def run() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", RUN, str(tmp_path / "key")],
            env={**os.environ, "PYTHONPATH": str(Path(harness.__file__).parent.parent)},
            stdout=subprocess.PIPE,
            text=True,
        )

    return run


def wait_for(there: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_runs_at_once_make_it_once(
    tmp_path: Path, run: Callable[[], subprocess.Popen[str]]
) -> None:
    (tmp_path / "hold").touch()
    runs = [run() for _ in range(3)]
    wait_for(lambda: len(list(tmp_path.glob("waits-*"))) == 2)
    (tmp_path / "hold").unlink()
    answers = [json.loads(each.communicate(timeout=30)[0]) for each in runs]
    assert len((tmp_path / "made").read_text().split()) == 1
    assert {maker for maker, _, _ in answers} == {(tmp_path / "made").read_text().strip()}
    assert {payload for _, payload, _ in answers} == {"whole"}
    waited = ["waiting for another run that makes the same environment"]
    assert sorted(steps for _, _, steps in answers) == [[], waited, waited]


def test_a_run_killed_in_the_middle_holds_nobody_up(
    tmp_path: Path, run: Callable[[], subprocess.Popen[str]]
) -> None:
    (tmp_path / "hold").touch()
    first = run()
    wait_for((tmp_path / "made").exists)
    first.kill()
    first.communicate(timeout=30)
    assert (tmp_path / "key" / "venv").is_dir()
    assert not (tmp_path / "key" / "READY").exists()
    (tmp_path / "key" / "left over").touch()
    (tmp_path / "hold").unlink()
    second = run()
    maker, payload, steps = json.loads(second.communicate(timeout=30)[0])
    assert (maker, payload, steps) == (str(second.pid), "whole", [])
    assert not (tmp_path / "key" / "left over").exists()


def test_a_run_stopped_in_the_middle_leaves_nothing_half_made(
    make: Provide, index: Index, steps: list[str], tmp_path: Path
) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    held = f"import os, time\nwhile os.path.exists({str(hold)!r}): time.sleep(0.01)\n"
    index.add("apache-airflow", "2.11.0", script=held + AIRFLOW)
    with ThreadPoolExecutor(1) as beside:
        made = beside.submit(make)
        wait_for(lambda: "initialising" in " ".join(steps))
        stop_all()
    try:
        assert isinstance(made.exception(), HarnessError)
    finally:
        allow_start()
    assert [path.suffix for path in (tmp_path / "cache" / "environments").iterdir()] == [".lock"]
    hold.unlink()
    assert make().template_db.read_text() == "migrated"


@pytest.mark.parametrize("ruin", ["READY gone", "READY cut short", "READY of old", "no Python"])
def test_a_broken_folder_is_made_anew(tmp_path: Path, ruin: str) -> None:
    made: list[Path] = []

    def make(folder: Path) -> Environment:
        environment = Environment(folder=folder, version="3")
        environment.python.parent.mkdir(parents=True)
        environment.python.symlink_to(sys.executable)
        made.append(folder)
        return environment

    first = ready_or_made(tmp_path / "key", make, lambda _: None)
    assert ready_or_made(tmp_path / "key", make, lambda _: None) == first
    assert len(made) == 1
    ready = first.folder / "READY"
    if ruin == "READY gone":
        ready.unlink()
    elif ruin == "READY cut short":
        ready.write_bytes(ready.read_bytes()[:10])
    elif ruin == "READY of old":
        ready.write_text("{}")
    else:
        first.python.unlink()
    (first.folder / "left over").touch()
    assert ready_or_made(tmp_path / "key", make, lambda _: None) == first
    assert len(made) == 2
    assert not (first.folder / "left over").exists()
