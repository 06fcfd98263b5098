"""Progress is drawn where somebody looks, on stderr, and nowhere else."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import cli
from harness.model import Side
from harness.progress import bars
from harness.runtimes.base import Progress

INSTALLING = Progress(side=Side.BRIDGE, step="installing", done=1, total=3)
PARSING = Progress(side=Side.TARGET, step="parsing the DAG files", done=2, total=5)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with bars() as draw:
        draw(INSTALLING)
        draw(PARSING)
    return stream.getvalue()


def test_a_terminal_gets_a_bar_a_side(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    text = drawn(Terminal(), monkeypatch)
    for words in ("bridge: installing", "1/3", "target: parsing the DAG files", "2/5"):
        assert words in text
    assert capsys.readouterr().out == ""


def test_a_file_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(io.StringIO(), monkeypatch) == ""


def test_a_rewrite_shows_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dags").mkdir()
    for name in "abc":
        (tmp_path / "dags" / f"{name}.py").write_text("from airflow import DAG\n")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    cli.main(["migrate", str(tmp_path), "--offline"], standalone_mode=False)
    assert "target: rewriting" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()


@pytest.mark.slow
def test_a_check_in_a_terminal_shows_what_each_side_does(stories: Path) -> None:
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "harness", "check", stories / "yaml_factory" / "before"]
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=theirs, env=environ)
    os.close(theirs)
    drawn = b""
    try:
        while chunk := os.read(ours, 4096):
            drawn += chunk
    except OSError:  # how Linux says that the other end is gone
        pass
    report, _ = process.communicate()
    os.close(ours)
    # Which steps are seen is a matter of time: a quick one is over before the bar is drawn again.
    assert b"bridge: " in drawn
    assert b"target: " in drawn
    assert b"\x1b" not in report
