"""However `.ci/run` ends, nothing lives of what it started: tests, preparations and the engine.

The script itself with a real Docker engine of its own, apart from the one that is here: without
networks and mounts of its own it would take that one's bridge away. What the script would build and
test is replaced by programs that go on for long.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.containers.engine import Engine

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]

PROGRAMS = {
    "bin/apt-get": "exit 1",
    "bin/dockerd": 'exec unshare --net --mount "$DOCKERD" --host "$DOCKER_HOST" --bridge none'
    ' --iptables=false --data-root "$HOME/data" --exec-root "$HOME/exec" --pidfile "$HOME/pid"',
    # `sleep` is a child of each: it has to be ended as well.
    "bin/python": """case "$*" in
  "-m venv"*) cp -r "$HOME/own" "$3" ;;
  "-m pip download"*) exit 1 ;;
  "-m tox") until [ -e "$HOME/code" ]; do sleep 0.1; done; exit "$(cat "$HOME/code")" ;;
esac""",
    "own/bin/mwaa-harness": "sleep 611; exit 0",
    "own/bin/python": "exit 0",
    "repo/.ci/base-images": "sleep 612; exit 0",
}
STARTED = ("-m tox", "mwaa-harness check", "sleep 611", "sleep 612", "dockerd --host")


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder near the root: the path of an engine's socket has 107 bytes at most."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def running(engine: Engine, root: Path, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The script, when all that it starts is there."""
    dockerd = shutil.which("dockerd")
    if os.getuid() != 0 or not dockerd:
        pytest.skip("an engine of its own needs root and dockerd")
    shutil.copytree(root / ".ci", home / "repo" / ".ci")
    (home / "scratch").mkdir()
    for name, text in PROGRAMS.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)
    env = {
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "HOME": str(home),
        "TMPDIR": str(home / "scratch"),
        "DOCKER_HOST": f"unix://{home}/sock",
        "DOCKERD": dockerd,
    }
    process = subprocess.Popen([home / "repo" / ".ci" / "run"], env=env)
    try:
        deadline = time.monotonic() + 120
        while missing := [each for each in STARTED if each not in str(alive(home))]:
            assert process.poll() is None
            assert time.monotonic() < deadline, missing
            time.sleep(0.2)
        yield process
    finally:
        process.kill()
        process.wait()
        for pid in alive(home):
            os.kill(pid, signal.SIGKILL)


def alive(home: Path) -> dict[int, str]:
    """The command lines of all processes that have the test's environment, by number."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"HOME={home}\0".encode() in (folder / "environ").read_bytes():
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(folder.name)] = line.decode()
        except OSError:
            continue  # it has ended meanwhile
    return found


@pytest.mark.parametrize(
    ("ending", "code"),
    [("0", 0), ("3", 3), (signal.SIGINT, 130), (signal.SIGTERM, 143)],
    ids=["tests that pass", "tests that fail", "SIGINT", "SIGTERM"],
)
def test_nothing_of_it_lives(
    running: subprocess.Popen[bytes], home: Path, ending: str | signal.Signals, code: int
) -> None:
    if isinstance(ending, str):
        (home / "code").write_text(ending)
    else:
        running.send_signal(ending)
    assert running.wait(timeout=60) == code
    # Who was sent a signal may need a moment to be gone, when its parent was not waited for.
    deadline = time.monotonic() + 10
    while (left := alive(home)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == {}
    assert list((home / "scratch").iterdir()) == []
