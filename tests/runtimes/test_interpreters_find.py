"""Which Python is found, in trees of executables that are run for real."""

import contextlib
import functools
import json
import os
import platform
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.model import Side
from harness.runtimes import interpreters
from harness.runtimes.interpreters import NoInterpreter, candidates, find, wanted_minors
from harness.targets import default_bridge, default_target, get_target

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without any Python, on a machine without any other place for one."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("PYENV_ROOT", "ASDF_DATA_DIR", "MISE_DATA_DIR", "UV_PYTHON_INSTALL_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return home


def script(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(0o755)
    return path


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a server on this machine that gives away what is in ``folder``."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def speaks(path: Path, version: str, **answer: object) -> Path:
    """An executable that answers as a CPython of that version would."""
    fields = {"implementation": "CPython", "executable": str(path), "missing": [], **answer}
    text = str({"version": version, **fields}).replace("'", '"')
    return script(path, f"echo '{text}'")


@pytest.mark.parametrize(
    "place",
    [
        ".pyenv/versions/3.7.16/bin/python3.7",
        ".asdf/installs/python/3.7.9/bin/python3.7",
        ".local/share/mise/installs/python/3.7/bin/python3.7",
        ".local/share/uv/python/cpython-3.7.9-linux-x86_64-gnu/bin/python3.7",
    ],
)
def test_each_place_is_looked_into(machine: Path, tmp_path: Path, place: str) -> None:
    there = speaks(machine / place, "3.7.9")
    found = find(("3.7",), side=Side.BRIDGE, cache=tmp_path, download=False)
    assert (found.path, found.version) == (there, "3.7.9")


def test_environment_variables_move_the_places(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = speaks(tmp_path / "pyenv" / "versions" / "3.7.1" / "bin" / "python3.7", "3.7.1")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert find(("3.7",), side=Side.BRIDGE, cache=tmp_path, download=False).path == there


def test_the_newest_patch_release_is_taken(machine: Path, tmp_path: Path) -> None:
    for version in ("3.7.9", "3.7.16", "3.7.2"):
        speaks(machine / ".pyenv" / "versions" / version / "bin" / "python3.7", version)
    assert find(("3.7",), side=Side.BRIDGE, cache=tmp_path, download=False).version == "3.7.16"


def test_a_broken_shim_is_passed_over_with_its_reason(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = script(
        machine / "shims" / "python3.7",
        "echo 'pyenv: python3.7: command not found' >&2",
        "exit 127",
    )
    good = speaks(machine / "elsewhere" / "python3.7", "3.7.16")
    monkeypatch.setenv("PATH", f"{shim.parent}:{good.parent}:/usr/bin:/bin")
    seen = {each.path: each for each in candidates("3.7", cache=tmp_path)}
    assert "exits with code 127 (pyenv: python3.7: command not found)" in seen[shim].problem
    assert seen[good].found is not None
    assert find(("3.7",), side=Side.BRIDGE, cache=tmp_path, download=False).path == good


def test_a_hanging_candidate_costs_its_time_once(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreters, "PROBE_SECONDS", 0.5)
    asked = tmp_path / "asked"
    hanging = script(machine / "bin" / "python3.7", f"echo >>{asked}; sleep 60")
    monkeypatch.setenv("PATH", f"{hanging.parent}:/usr/bin:/bin")
    first = {each.path: each.problem for each in candidates("3.7", cache=tmp_path)}
    assert "did not answer" in first[hanging]
    again = {each.path: each.problem for each in candidates("3.7", cache=tmp_path)}
    assert again[hanging] == first[hanging]
    assert asked.read_text() == "\n"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"version": "3.6.15"}, "it is Python 3.6.15"),
        ({"version": "3.77.1"}, "it is Python 3.77.1"),
        ({"version": "3.7.9", "implementation": "PyPy"}, "it is PyPy, not CPython"),
        ({"version": "3.7.9", "missing": ["sqlite3"]}, "it was built without sqlite3"),
    ],
)
def test_what_cannot_be_used_is_named(
    machine: Path, tmp_path: Path, answer: dict[str, object], problem: str
) -> None:
    speaks(machine / ".pyenv/versions/3.7.9/bin/python3.7", **answer)  # type: ignore[arg-type]
    (candidate, *_) = candidates("3.7", cache=tmp_path)
    assert candidate.problem == problem
    with pytest.raises(NoInterpreter) as caught:
        find(("3.7",), side=Side.BRIDGE, cache=tmp_path, download=False)
    assert problem in caught.value.message


def test_something_else_under_the_name(machine: Path, tmp_path: Path) -> None:
    script(machine / ".pyenv/versions/a/bin/python3.7", "echo hello")
    folder = machine / ".pyenv/versions/b/bin/python3.7"
    folder.mkdir(parents=True)
    text = machine / ".pyenv/versions/c/bin/python3.7"
    text.parent.mkdir(parents=True)
    text.write_text("not executable")
    problems = {each.path.parts[-3]: each.problem for each in candidates("3.7", cache=tmp_path)}
    assert problems["a"] == "it is not a Python"
    assert problems["c"] == "it cannot be run: Permission denied"
    assert "b" not in problems


def test_the_real_python_is_found_and_remembered(machine: Path, tmp_path: Path) -> None:
    found = find((HERE,), side=Side.TARGET, cache=tmp_path, download=False)
    assert found.path.is_file()
    assert found.version.startswith(f"{HERE}.")
    assert (tmp_path / "interpreters.json").is_file()
    (tmp_path / "interpreters.json").write_text("{half")
    assert find((HERE,), side=Side.TARGET, cache=tmp_path, download=False) == found


def test_a_replaced_executable_is_asked_again(machine: Path, tmp_path: Path) -> None:
    path = speaks(machine / ".pyenv/versions/3.7.9/bin/python3.7", "3.7.9")
    assert find(("3.7",), side=Side.BRIDGE, cache=tmp_path, download=False).version == "3.7.9"
    speaks(path, "3.7.10")
    os.utime(path, ns=(1, 1))
    assert find(("3.7",), side=Side.BRIDGE, cache=tmp_path, download=False).version == "3.7.10"


def test_the_second_choice_is_taken_where_the_first_is_missing(
    machine: Path, tmp_path: Path
) -> None:
    assert wanted_minors(default_bridge()) == ("3.7", "3.8")
    assert wanted_minors(default_target()) == (default_target().python,)
    assert wanted_minors(get_target("2.0.2")) == ("3.7",)
    speaks(machine / ".pyenv/versions/3.8.18/bin/python3.8", "3.8.18")
    minors = wanted_minors(default_bridge())
    assert find(minors, side=Side.BRIDGE, cache=tmp_path, download=False).version == "3.8.18"


def test_an_explicit_python_is_taken_or_refused(machine: Path, tmp_path: Path) -> None:
    speaks(machine / ".pyenv/versions/3.7.16/bin/python3.7", "3.7.16")
    mine = speaks(tmp_path / "mine", "3.7.1")
    where = {"side": Side.BRIDGE, "cache": tmp_path, "download": False}
    assert find(("3.7",), explicit=str(mine), **where).path == mine  # type: ignore[arg-type]
    for wrong in (str(speaks(tmp_path / "wrong", "3.6.1")), str(tmp_path / "nothing")):
        with pytest.raises(NoInterpreter, match="cannot be the bridge's Python") as caught:
            find(("3.7",), explicit=wrong, **where)  # type: ignore[arg-type]
        assert "--python-bridge" in caught.value.hint
        assert "python-bridge of the configuration" in caught.value.hint


def test_an_explicit_version_is_the_only_one_that_will_do(machine: Path, tmp_path: Path) -> None:
    speaks(machine / ".pyenv/versions/3.7.16/bin/python3.7", "3.7.16")
    where = {"side": Side.BRIDGE, "cache": tmp_path, "download": False}
    with pytest.raises(NoInterpreter, match=r"needs Python 3\.8,"):
        find(("3.7", "3.8"), explicit="3.8", **where)  # type: ignore[arg-type]
    speaks(machine / ".pyenv/versions/3.8.1/bin/python3.8", "3.8.1")
    found = find(("3.7", "3.8"), explicit="3.8", **where)  # type: ignore[arg-type]
    assert found.version == "3.8.1"


def test_the_error_names_the_version_and_three_ways(machine: Path, tmp_path: Path) -> None:
    with pytest.raises(NoInterpreter) as caught:
        find(("3.7", "3.8"), side=Side.BRIDGE, cache=tmp_path, download=False)
    error = caught.value
    assert "Python 3.7 or 3.8" in error.message
    for way in ("uv python install 3.8", "pyenv install 3.7", "--python-bridge PATH"):
        assert way in error.hint


def test_no_way_is_named_that_leads_nowhere(machine: Path, tmp_path: Path) -> None:
    """uv's list of downloads has no Python 3.5 for any machine."""
    with pytest.raises(NoInterpreter, match=r"uv python install 3\.5 – .*No download") as caught:
        find(("3.5",), side=Side.TARGET, cache=tmp_path)
    assert "`uv python install" not in caught.value.hint
    for way in ("--runtime docker", "pyenv install 3.5", "--python-target PATH"):
        assert way in caught.value.hint


def test_uv_downloads_what_this_machine_lacks(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of a mirror on this machine that offers a 3.7, as a company's may."""
    served = tmp_path / "served"
    speaks(served / "python" / "bin" / "python3.7", "3.7.9", executable="/bin/sh")
    known = served / "python" / "lib" / "python3.7" / "_sysconfigdata_of_a_build.py"
    known.parent.mkdir(parents=True)
    header = "# system configuration generated and used by the sysconfig module"
    known.write_text(f"{header}\nbuild_time_vars = {{}}\n")
    with tarfile.open(served / "python.tar.gz", "w:gz") as archive:
        archive.add(served / "python", "python")
    with serving(served) as address:
        arch = {"family": platform.machine(), "variant": None}
        offer: dict[str, object] = {"name": "cpython", "major": 3, "minor": 7, "patch": 9}
        offer |= {"arch": arch, "os": "linux", "libc": "gnu", "url": f"{address}/python.tar.gz"}
        offer |= {"prerelease": "", "variant": None, "build": "1", "sha256": None}
        (served / "offers.json").write_text(json.dumps({"cpython-3.7.9": offer}))
        monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", f"{address}/offers.json")
        found = find(("3.7",), side=Side.BRIDGE, cache=tmp_path)
    assert (found.origin, found.version) == ("uv", "3.7.9")
    assert list((machine / ".local/share/uv/python").glob("cpython-3.7.9-*/bin/python3.7"))


def test_a_failed_download_is_part_of_the_error(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    with pytest.raises(NoInterpreter, match=r"uv python install 3\.7 – "):
        find(("3.7",), side=Side.BRIDGE, cache=tmp_path)
