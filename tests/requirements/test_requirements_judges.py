"""The resolvers' surroundings: which pip-tools, limits, and how trouble is told from a verdict."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.requirements import judges, limited
from harness.requirements.judges import PIP_TOOLS, ToolUnavailable, environment, pip_tools_for
from harness.runtimes.uv import uv_environment


@pytest.mark.parametrize(
    ("python", "major"), [("3.7.16", "6."), ("3.8.18", "7."), ("3.9.18", "7."), ("3.12.1", "7.")]
)
def test_a_pip_tools_for_every_python_of_the_table(python: str, major: str) -> None:
    assert pip_tools_for(python).pip_tools.startswith(major)


def test_a_python_too_old_is_said_so() -> None:
    with pytest.raises(ToolUnavailable, match=r"3\.6\.15"):
        pip_tools_for("3.6.15")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("WARNING: Retrying (Retry(total=0, connect=None)) after connection broken", "reached"),
        ("error: Request failed after 3 retries in 7.8s", "reached"),
        ("hint: Packages were unavailable because the network was disabled.", "reached"),
        ("error: metadata-generation-failed", "built"),
        ("error: Failed to build `mysqlclient==1.4`", "built here: mysqlclient==1.4."),
        (
            "error: subprocess-exited-with-error\nFailed to build 'sasl' when getting requirements",
            "built here: sasl.",
        ),
    ],
)
def test_trouble_is_not_a_verdict(text: str, reason: str) -> None:
    assert reason in judges._trouble(f"first line\n{text}\n")


def test_a_conflict_is_no_trouble() -> None:
    recorded = Path(__file__).parent / "recorded"
    for path in recorded.glob("*.json"):
        said = json.loads(path.read_text(encoding="utf-8"))
        assert judges._trouble(said["log"]) == judges._trouble(said["uv"]) == ""


def test_credentials_of_an_index_are_not_shown() -> None:
    told = judges._trouble("Failed to fetch: `https://me:hunter2@pypi.example.com/simple/x/`")
    assert "hunter2" not in told
    assert "pypi.example.com" in told


def test_a_command_runs_under_limits() -> None:
    code = (
        "import resource as r; print(r.getrlimit(r.RLIMIT_CPU)[0], r.getrlimit(r.RLIMIT_CORE)[0])"
    )
    command = [sys.executable, "-I", limited.__file__, "5", sys.executable, "-c", code]
    assert subprocess.check_output(command, text=True).split() == ["6", "0"]


def test_the_rows_go_up() -> None:
    versions = [tuple(map(int, row.python.split("."))) for row in PIP_TOOLS]
    assert versions == sorted(versions)


PIP_ALONE = {
    "PIP_INDEX_URL": "https://index.example/simple",
    "PIP_TRUSTED_HOST": "index.example",
    "PIP_CERT": "/etc/company.pem",
}
IN_WORDS_OF_UV = {
    "UV_DEFAULT_INDEX": "https://index.example/simple",
    "UV_INSECURE_HOST": "index.example",
    "SSL_CERT_FILE": "/etc/company.pem",
}


@pytest.mark.parametrize(
    "made",
    [lambda given: environment(given, home=Path("h"), cache=Path("c")), uv_environment],
    ids=["resolvers", "environments"],
)
def test_an_index_that_is_set_up_for_pip_alone_is_reached_by_uv(made) -> None:
    assert IN_WORDS_OF_UV.items() <= made(PIP_ALONE).items()
    own = {"UV_INDEX_URL": "https://other.example", "SSL_CERT_FILE": "/etc/other.pem"}
    told = made({**PIP_ALONE, **own})
    assert told.items() >= own.items()
    assert "UV_DEFAULT_INDEX" not in told
