"""Ctrl-C and SIGTERM in the middle of a run: no process stays, no report is half-written."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.repo import tree_hash

# A length that no test of another worker sleeps for: whose process it is shows in its command line.
NAP = f"611.{os.getpid()}"
HANGS = f"""
import subprocess, time
from airflow import DAG
subprocess.Popen(["sleep", "{NAP}"], start_new_session=True)
time.sleep(600)
"""


def processes_with(text: bytes) -> list[int]:
    """Pids of all live processes whose command line or environment holds ``text``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                seen = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if text in seen:
                found.append(int(entry.name))
    return found


def start(repo: Path, report: Path, temporary: Path, **variables: str) -> subprocess.Popen[bytes]:
    """A check of ``repo``, with its temporary files in ``temporary``."""
    temporary.mkdir()
    argv = [sys.executable, "-m", "harness", "check", repo, "--timeout", "500"]
    return subprocess.Popen(
        [*argv, "--format", "json", "--output", report],
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary), **variables},
    )


def wait_for(there: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    """Until ``there`` is true, while the process runs."""
    deadline = time.monotonic() + 300
    while not there():
        assert process.poll() is None, process.stderr.read() if process.stderr else b""
        assert time.monotonic() < deadline, "the run never came so far"
        time.sleep(0.2)


def ends_clean(
    process: subprocess.Popen[bytes], number: signal.Signals, report: Path, temporary: Path
) -> None:
    """Send the signal; no process, no report and no traceback stays of the run."""
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)

    deadline = time.monotonic() + 10
    while (left := processes_with(str(temporary).encode())) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left
    assert list(report.parent.glob("*report*")) == []
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert errors.decode().endswith(
            "interrupted: nothing was written, every process was ended\n"
        )
        assert b"Traceback" not in errors
        assert list(temporary.glob("mwaa-harness-*")) == []


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_nothing_is_left_behind(number: signal.Signals, tmp_path: Path) -> None:
    repo, report, temporary = tmp_path / "repo", tmp_path / "report.json", tmp_path / "tmp"
    (repo / "dags").mkdir(parents=True)
    (repo / "dags" / "hangs.py").write_text(HANGS)
    process = start(repo, report, temporary)
    wait_for(lambda: processes_with(f"sleep\0{NAP}".encode()), process)
    ends_clean(process, number, report, temporary)


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_no_environment_is_left_half_made(number: signal.Signals, tmp_path: Path) -> None:
    repo, report, temporary = tmp_path / "repo", tmp_path / "report.json", tmp_path / "tmp"
    cache = tmp_path / "cache"
    (repo / "dags").mkdir(parents=True)
    (repo / "dags" / "dag.py").write_text("from airflow import DAG\n")
    # An index that takes every question and never answers.
    with socket.create_server(("127.0.0.1", 0)) as index:
        process = start(
            *(repo, report, temporary),
            MWAA_HARNESS_CACHE=str(cache),
            UV_CACHE_DIR=str(tmp_path / "uv"),
            UV_DEFAULT_INDEX=f"http://127.0.0.1:{index.getsockname()[1]}/simple",
        )
        wait_for(lambda: len(list(cache.glob("environments/*/constraints.txt"))) == 2, process)
        ends_clean(process, number, report, temporary)
    left = {path.suffix for path in (cache / "environments").iterdir()}
    assert not list(cache.glob("environments/*/READY"))
    if number != signal.SIGKILL:
        assert left == {".lock"}


@pytest.mark.slow
def test_ctrl_c_while_files_are_rewritten_is_said_once(tmp_path: Path) -> None:
    """A terminal sends it to every process of the command, its workers included."""
    dags, temporary = tmp_path / "repo" / "dags", tmp_path / "tmp"
    dags.mkdir(parents=True)
    temporary.mkdir()
    line = "BashOperator(task_id='t', bash_command='true', provide_context=True)\n"
    head = "from airflow import DAG\nfrom airflow.operators.bash_operator import BashOperator\n"
    for number in range(400):
        (dags / f"d{number}.py").write_text(head + f"# {number}\n" + line * 300)
    before = tree_hash(tmp_path / "repo")
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "migrate", tmp_path / "repo", "--write", "--allow-dirty"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary), "MWAA_HARNESS_CACHE": str(tmp_path / "cache")},
        start_new_session=True,
    )
    wait_for(lambda: len(processes_with(str(temporary).encode())) > 2, process)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.decode().strip() == "interrupted: nothing was written, every process was ended"
    assert tree_hash(tmp_path / "repo") == before
    assert not processes_with(str(temporary).encode())
    assert list(temporary.glob("mwaa-harness-*")) == []
