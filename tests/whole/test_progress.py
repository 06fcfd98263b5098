"""Progress is drawn where somebody looks, on stderr, and nowhere else."""

import io
import sys

import pytest

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
