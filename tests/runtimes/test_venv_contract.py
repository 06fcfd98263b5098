"""The contract of runtimes, and the cache, with the real Airflows."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from runtime_contract import DAEMON, SECONDS, LiveRuntimeContract, daemons, story_request

import harness
from harness.model import Config, Observation, Side
from harness.runtimes import VenvRuntime
from harness.runtimes.replay import load, record, recording_path

pytestmark = pytest.mark.slow

RECORDINGS = Path(__file__).parents[2] / "fixtures" / "observations" / "contract"

# Set it to write the recordings anew.
RECORD = "MWAA_HARNESS_RECORD"


@pytest.fixture(scope="module")
def runtime() -> VenvRuntime:
    return VenvRuntime()


class TestVenv(LiveRuntimeContract):
    def test_the_recording_is_still_true(
        self, seen: Observation, side: Side, tmp_path: Path
    ) -> None:
        path = recording_path(RECORDINGS, side, seen.airflow)
        if os.environ.get(RECORD):
            record(seen, path)
        fresh = recording_path(tmp_path, side, seen.airflow)
        record(seen, fresh)
        assert _comparable(load(fresh)) == _comparable(load(path))

    @pytest.mark.usefixtures("seen")
    def test_a_second_start_is_quick(
        self, side: Side, runtime: VenvRuntime, tmp_path: Path
    ) -> None:
        """Not a benchmark: a loaded machine may be slow, a new environment takes far longer."""
        request = story_request(side, runtime, tmp_path)
        again = runtime.observe(request, lambda _: None)
        assert again.timings["provide"] < 1.0


def _comparable(seen: Observation) -> Observation:
    """Without what depends on the machine's Python, its kernel, and where constraints came from."""
    return replace(
        seen,
        packages={},
        python="",
        constraints_origin="",
        constraints_location="",
        isolation="",
    )


HARNESS = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, {tests!r})
from runtime_contract import story_request
from harness.model import Side
from harness.runtimes import VenvRuntime
runtime = VenvRuntime()
request = story_request(Side.BRIDGE, runtime, Path({workspace!r}))
dags = request.repo.root / "dags"
(dags / "healthy.py").write_text(
    "import subprocess, time\\nfrom airflow import DAG\\n"
    "subprocess.Popen(['/bin/sleep', {seconds!r}])\\n"
    "open({marker!r}, 'w').close()\\n"
    "time.sleep(60)\\n"
)
repo = replace(request.repo, dag_files=("dags/healthy.py",))
runtime.observe(replace(request, repo=repo), lambda _: None)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_outlives_the_harness(tmp_path: Path, number: signal.Signals) -> None:
    marker = tmp_path / "marker"
    script = HARNESS.format(
        tests=str(Path(__file__).parent),
        workspace=str(tmp_path / "work"),
        marker=str(marker),
        seconds=SECONDS,
    )
    if number == signal.SIGTERM:
        script = "import signal; signal.signal(15, signal.default_int_handler)\n" + script
    (tmp_path / "work").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": str(Path(harness.__file__).parent.parent)},
        stderr=subprocess.DEVNULL,
    ) as process:
        _wait(marker.exists, 120)
        assert daemons()
        process.send_signal(number)
    _wait(lambda: not _below(tmp_path), 5)
    assert _below(tmp_path) == []


def _below(folder: Path) -> list[str]:
    """Processes that are daemons of ours or work in ``folder``."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
            environ = (path / "environ").read_bytes()
        except OSError:
            continue
        if command == DAEMON or (str(folder).encode() in environ and int(path.name) != os.getpid()):
            found.append(command.decode(errors="replace"))
    return found


def _wait(there: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not there() and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.fixture(scope="module", autouse=True)
def _no_daemon_is_left() -> Iterator[None]:
    yield
    for pid in daemons():
        os.kill(pid, signal.SIGKILL)


def test_the_backport_that_cannot_be_installed_is_named(tmp_path: Path) -> None:
    """A requirement that contradicts the bridge's constraints costs that requirement only."""
    runtime = VenvRuntime()
    request = story_request(
        Side.BRIDGE,
        runtime,
        tmp_path,
        requirements="apache-airflow-backport-providers-amazon==2020.10.29\ncowsay==4.0\n",
        config=Config(timeout=20.0),
    )
    repo = replace(request.repo, dag_files=("dags/no_dag.py",))
    (repo.root / "dags" / "no_dag.py").write_text("import cowsay\nfrom airflow import DAG\n")
    seen = runtime.observe(replace(request, repo=repo), lambda _: None)
    assert list(seen.not_installed) == ["apache-airflow-backport-providers-amazon==2020.10.29"]
    assert "boto3" in next(iter(seen.not_installed.values()))
    assert [file.outcome for file in seen.files] == ["ok"], seen
