"""Without an engine the tests that need one are skipped and counted, or fail when demanded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("demanded", "code", "closing"), [("", 0, "skipped"), ("1", 1, "error")])
def test_the_closing_line_says_so(tmp_path: Path, demanded: str, code: int, closing: str) -> None:
    env = {name: value for name, value in os.environ.items() if "_DOCKER_" not in name}
    env |= {"DOCKER_HOST": f"unix://{tmp_path}/none", "MWAA_HARNESS_DOCKER_REQUIRED": demanded}
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
