"""On every fixture repository both runtimes come to the same report."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.containers.engine import Engine
from harness.model import Report
from harness.pipeline import Options, check
from harness.runtimes import make_runtime
from harness.runtimes.docker import DockerRuntime

STORIES = Path(__file__).parents[2] / "fixtures" / "repos"

# What a side has besides Airflow and its requirements depends on how it was made.
INSTALLERS = {"pip", "setuptools", "wheel"}


# They call AWS while they are parsed.
NEED_AWS = {"lists_s3_at_import"}

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.xdist_group("docker")]


@pytest.mark.parametrize("story", sorted({path.name for path in STORIES.iterdir()} - NEED_AWS))
def test_both_runtimes_say_the_same(engine: Engine, story: str) -> None:
    repo = STORIES / story / "before"
    expect = tomllib.loads((STORIES / story / "story.toml").read_text())["expect"]
    seen = check(Options(path=repo), DockerRuntime(engine=engine))
    assert seen.verdict == expect.get("2.11.0", {}).get("verdict", expect["verdict"])
    assert comparable(seen) == comparable(check(Options(path=repo), make_runtime("venv")))


@pytest.mark.parametrize("story", sorted(NEED_AWS))
def test_what_needs_the_emulated_aws_is_never_green(engine: Engine, story: str) -> None:
    seen = check(Options(path=STORIES / story / "before"), DockerRuntime(engine=engine))
    assert seen.verdict == "unknown"
    assert all("--runtime venv" in environment.failure for environment in seen.environments)


def comparable(report: Report) -> Any:
    """A report without times, and without what names its runtime."""
    environments = tuple(
        replace(
            environment,
            runtime="",
            image="",
            image_digest="",
            packages={n: v for n, v in environment.packages.items() if n not in INSTALLERS},
        )
        for environment in report.environments
    )
    # Rewritten by several workers before anything runs: their order is no runtime's doing.
    rewrites = tuple(sorted(report.rewrites, key=lambda rewrite: (rewrite.target, rewrite.path)))
    plain = replace(report, timings={}, environments=environments, sources={}, rewrites=rewrites)
    return msgspec.to_builtins(plain)
