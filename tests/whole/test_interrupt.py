"""Ctrl-C and SIGTERM in the middle of a run: no process stays, no report is half-written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(number: signal.Signals, tmp_path: Path) -> None:
    repo, report, temporary = tmp_path / "repo", tmp_path / "report.json", tmp_path / "tmp"
    (repo / "dags").mkdir(parents=True)
    temporary.mkdir()
    (repo / "dags" / "hangs.py").write_text(HANGS)
    argv = [sys.executable, "-m", "harness", "check", repo, "--timeout", "500"]
    process = subprocess.Popen(
        [*argv, "--format", "json", "--output", report],
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    deadline = time.monotonic() + 300
    while not processes_with(f"sleep\0{NAP}".encode()):
        assert process.poll() is None, process.stderr.read() if process.stderr else b""
        assert time.monotonic() < deadline, "the DAG file was never loaded"
        time.sleep(0.2)

    process.send_signal(number)
    _, errors = process.communicate(timeout=60)

    deadline = time.monotonic() + 10
    while (left := processes_with(str(temporary).encode())) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left
    assert not report.exists()
    assert list(tmp_path.glob("*report*")) == []
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert b"Traceback" not in errors
        assert list(temporary.glob("mwaa-harness-*")) == []
