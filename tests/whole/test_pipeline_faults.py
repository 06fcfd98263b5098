"""What goes wrong around a run ends in a clear error, and never in a green report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def check(repo: Path, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "harness", "check", str(repo), "--offline", *options]
    return subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **env}
    )


@pytest.mark.slow
def test_no_interpreter_says_which_and_how_to_get_it(stories: Path, tmp_path: Path) -> None:
    done = check(
        stories / "yaml_factory" / "before",
        *("--target", "2.0.2"),
        HOME=str(tmp_path),
        PATH="/usr/bin:/bin",
        MWAA_HARNESS_CACHE=str(tmp_path / "cache"),
        **dict.fromkeys(("PYENV_ROOT", "ASDF_DATA_DIR", "MISE_DATA_DIR"), ""),
        **dict.fromkeys(("UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME"), ""),
    )
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    said = " ".join(done.stdout.split())
    for lacking, *ways in (
        ("Python 3.7 or 3.8", "uv python install 3.8", "pyenv install 3.7", "--python-bridge PATH"),
        # uv offers no 3.7 any more, and the target runs on nothing else.
        ("The target needs Python 3.7,", "--runtime docker", "pyenv install", "--python-target"),
    ):
        assert lacking in said
        assert [way for way in ways if way not in said.partition(lacking)[2]] == []


def test_a_disk_that_takes_nothing_is_an_error(stories: Path, tmp_path: Path) -> None:
    # A limit on the size of files stands in for a full disk: writing fails in the same places.
    argv = [sys.executable, "-B", "-m", "harness", "check", str(stories / "movie_list" / "before")]
    done = subprocess.run(
        ["prlimit", "--fsize=64", *argv],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "TMPDIR": str(tmp_path), "MWAA_HARNESS_CACHE": str(tmp_path / "c")},
    )
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "too large" in done.stderr
    assert list(tmp_path.glob("mwaa-harness-*")) == []


@pytest.mark.slow
def test_index_out_of_reach_is_unknown_and_says_so(stories: Path, tmp_path: Path) -> None:
    done = check(
        stories / "yaml_factory" / "before",
        MWAA_HARNESS_CACHE=str(tmp_path / "cache"),
        UV_CACHE_DIR=str(tmp_path / "uv"),
        UV_DEFAULT_INDEX="http://127.0.0.1:9/simple",
        UV_INDEX_URL="http://127.0.0.1:9/simple",
        UV_HTTP_RETRIES="0",
    )
    assert done.returncode == 3
    assert "unknown" in done.stdout.lower()
    assert "index" in done.stdout.lower()
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_report_that_cannot_be_written_is_an_error(stories: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = check(
        stories / "yaml_factory" / "before",
        "--output",
        str(tmp_path / "file" / "report.json"),
        "--python-bridge",
        str(tmp_path / "no-python"),
        "--python-target",
        str(tmp_path / "no-python"),
        MWAA_HARNESS_CACHE=str(tmp_path / "cache"),
    )
    assert done.returncode == 3
    assert "report.json" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.glob("**/*report*")) == []


@pytest.mark.slow
def test_a_missing_variable_is_supplied_on_the_command_line(stories: Path, tmp_path: Path) -> None:
    repo = stories / "missing_variable" / "before"
    supplied = tmp_path / "variables.json"
    supplied.write_text('{"lake": {"bucket": "b", "prefixes": ["x", "y"], "retries": 2}}')

    given = json.loads(check(repo, "--format", "json", "--variables", str(supplied)).stdout)
    assert given["verdict"] == "pass"
    assert given["findings"] == []

    assumed = json.loads(check(repo, "--format", "json", "--assume-missing").stdout)
    assert assumed["verdict"] == "pass"
    assert {(f["rule"], f["path"], f["line"]) for f in assumed["findings"]} == {
        ("assumed-input", "dags/lake.py", 7)
    }
