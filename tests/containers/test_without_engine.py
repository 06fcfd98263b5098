"""Without an engine the tests that need one are skipped and counted, or fail when demanded."""

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def variables_of(environment: str) -> dict[str, str]:
    """What tox sets in an environment of its own."""
    ini = configparser.ConfigParser()
    ini.read(Path(__file__).parents[2] / "tox.ini", encoding="utf-8")
    lines = ini[environment].get("set_env", "").splitlines()
    pairs = (line.partition("=") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


@pytest.mark.parametrize(
    ("environment", "code", "closing"),
    [("testenv:tests", 0, "skipped"), ("testenv:docker", 1, "error")],
)
def test_the_closing_line_says_so(
    tmp_path: Path, environment: str, code: int, closing: str
) -> None:
    env = {name: value for name, value in os.environ.items() if "_DOCKER_" not in name}
    env |= {"DOCKER_HOST": f"unix://{tmp_path}/none", **variables_of(environment)}
    module = Path(__file__).with_name("test_left_behind.py")
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "sweep", str(module)]
    done = subprocess.run(
        [*argv, f"--basetemp={tmp_path / 'inner'}"],
        env=env,
        cwd=module.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout
    assert f"1 {closing}" in done.stdout.splitlines()[-1]
    assert "No Docker engine answers" in done.stdout
