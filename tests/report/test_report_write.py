"""The sink: a report is written whole or not at all, and every stream can take it."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, TextIO

import pytest
from report_builder import HOSTILE, fails, hostile, passes

from harness.checks import rules
from harness.errors import HarnessError, UsageError
from harness.model import Report
from harness.report import FORMATS, View, write

ROOT = Path(__file__).parents[2]


def stopped(report: Report, view: View) -> Iterator[str]:
    """A writer that is interrupted after its first line."""
    yield report.schema
    raise KeyboardInterrupt


def test_dash_and_none_are_the_stream() -> None:
    for path in (None, "-"):
        stream = io.StringIO()
        write(passes(), "json", path, stream)
        assert json.loads(stream.getvalue())["verdict"] == "pass"


def test_a_file_is_written_in_folders_that_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ünï code" / "report.json"
    write(fails(), "json", path)
    assert json.loads(path.read_text(encoding="utf-8"))["verdict"] == "fail"
    assert [each.name for each in path.parent.iterdir()] == ["report.json"]


def test_an_interrupted_report_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.txt"
    path.write_text("old")
    monkeypatch.setitem(FORMATS, "text", stopped)
    with pytest.raises(KeyboardInterrupt):
        write(passes(), "text", path)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["report.txt"]


def test_mode_and_link_of_an_existing_file_are_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    write(passes(), "text", link)
    assert link.is_symlink()
    assert "PASS" in real.read_text(encoding="utf-8")
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_mode_that_the_user_wants(tmp_path: Path) -> None:
    code = (
        "import os, sys; os.umask(0o027); sys.path.insert(0, 'tests/report')\n"
        "from report_builder import passes; from harness.report import write\n"
        "write(passes(), 'text', sys.argv[1])"
    )
    path = tmp_path / "report.txt"
    subprocess.run([sys.executable, "-c", code, path], check=True, cwd=ROOT)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_a_clear_error() -> None:
    with pytest.raises(HarnessError, match="could not write the report to /dev/full: No space"):
        write(fails(), "json", "/dev/full")


def test_a_device_is_written_to_and_not_replaced() -> None:
    write(fails(), "html", os.devnull)
    assert Path(os.devnull).is_char_device()


def test_a_folder_in_the_way_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "file" / "report.txt"):
        with pytest.raises(HarnessError, match="could not write the report") as caught:
            write(passes(), "text", path)
        assert caught.value.exit_code == 3
        assert caught.value.hint
    assert {each.name for each in tmp_path.iterdir()} == {"file", "folder"}


def test_an_unknown_format_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no report format 'yaml'") as caught:
        write(passes(), "yaml")
    assert all(name in caught.value.hint for name in FORMATS)


# A folder that exists cannot be named by every text.
SPOILT = replace(hostile("".join(HOSTILE)), repo="movie-list")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize("format_", FORMATS)
def test_every_stream_can_take_every_report(format_: str, encoding: str) -> None:
    """The text report in the stream's own encoding, the formats for programs in UTF-8."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    write(SPOILT, format_, None, stream)
    written = raw.getvalue().decode(encoding if format_ == "text" else "utf-8")
    assert written.endswith("\n")
    if format_ in ("json", "sarif"):
        json.loads(written)


def test_what_is_already_in_the_stream_stays_before_the_report() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8")
    stream.write("before\n")
    write(passes(), "json", None, stream)
    assert raw.getvalue().startswith(b"before\n{")


def test_symbols_have_plain_forms() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    write(fails(), "text", None, stream)
    text = raw.getvalue().decode("ascii")
    assert "Airflow 1.10.15 -> 2.5.1" in text
    assert "x FAIL" in text
    assert "\\u2717" not in text


@pytest.mark.parametrize("format_", FORMATS)
def test_every_file_is_utf8(format_: str, tmp_path: Path) -> None:
    path = tmp_path / "report"
    write(SPOILT, format_, path)
    assert path.read_bytes().decode("utf-8").endswith("\n")


@pytest.fixture
def terminal() -> Iterator[tuple[TextIO, BinaryIO]]:
    """A terminal of 100 columns: what is written to, and where it comes out."""
    leader, follower = os.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with os.fdopen(follower, "w", encoding="utf-8") as screen, os.fdopen(leader, "rb") as reader:
        yield screen, reader


@pytest.mark.parametrize(
    ("environ", "colored", "width"),
    [
        ({"TERM": "xterm"}, True, 100),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False, 100),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, 100),
        ({"TERM": "dumb"}, False, 100),
        ({"TERM": "dumb", "FORCE_COLOR": "1", "COLUMNS": "60"}, True, 60),
    ],
)
def test_a_terminal_gets_color_and_its_width(
    terminal: tuple[TextIO, BinaryIO], environ: dict[str, str], colored: bool, width: int
) -> None:
    screen, reader = terminal
    message = "word " * 60
    report = replace(passes(), findings=(replace(fails().findings[0], message=message),))
    write(report, "text", None, screen, environ=environ)
    screen.close()
    output = b""
    with contextlib.suppress(OSError):  # Linux ends a terminal's output with an error
        while chunk := reader.read1():
            output += chunk
    text = output.decode()
    assert ("\x1b[" in text) is colored
    longest = max(len(line.rstrip()) for line in text.splitlines() if "word word" in line)
    assert width - len("word ") <= longest <= width


def test_a_pipe_and_a_file_get_no_color(tmp_path: Path) -> None:
    stream = io.StringIO()
    write(fails(), "text", None, stream, environ={})
    write(fails(), "text", tmp_path / "report", environ={"FORCE_COLOR": "1"})
    assert "\x1b" not in stream.getvalue() + (tmp_path / "report").read_text(encoding="utf-8")


def test_a_closed_pipe_stays_one() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError), os.fdopen(writer, "w", closefd=False) as stream:
        write(fails(), "html", None, stream)
    os.close(writer)


@pytest.mark.parametrize(
    ("repo", "workspace", "file"),
    [
        (".", "", "dags/a.py"),
        ("sub/repo", "", "sub/repo/dags/a.py"),
        (".", "..", "here/dags/a.py"),
        ("..", "", "{parent}/dags/a.py"),
    ],
)
def test_paths_are_as_the_ci_service_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repo: str, workspace: str, file: str
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    finding = replace(fails().findings[0], path="dags/a.py")
    report = replace(fails(), repo=repo, findings=(finding,), checks=())
    stream = io.StringIO()
    write(report, "github", None, stream, environ={"GITHUB_WORKSPACE": workspace})
    assert f"file={file.format(parent=tmp_path.as_posix())},line=" in stream.getvalue()


def test_rules_are_explained_by_the_checks() -> None:
    rule = next(iter(rules().values()))
    report = replace(fails(), findings=(replace(fails().findings[0], rule=rule.id),))
    stream = io.StringIO()
    write(report, "sarif", None, stream)
    (described,) = json.loads(stream.getvalue())["runs"][0]["tool"]["driver"]["rules"]
    assert described["fullDescription"]["text"] == rule.why


def test_naming_the_formats_imports_no_writer() -> None:
    code = (
        "import sys, harness.report; "
        "sys.exit(not {'rich', 'jinja2', 'msgspec', 'xml.etree'}.isdisjoint(sys.modules))"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT)
