"""How big the images are, how long the pair takes to be healthy, and what a check costs there.

    python -m benchmarks.docker [--target 2.11.0] [--rounds 3] [--repo REPO]

Makes images and environments that are not there first; they are not counted. Prints Markdown for
docs/benchmarks.md. Needs a Docker engine.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from pathlib import Path

from harness.cache import cache_folder
from harness.containers.engine import Engine, connect
from harness.containers.images import Image, provide_aws_image, provide_image
from harness.containers.once import Command, created, streamed
from harness.containers.pair import running
from harness.containers.plan import Asked
from harness.pipeline import Options, check
from harness.runtimes import make_runtime
from harness.runtimes.constraints import find_constraints
from harness.targets import default_bridge, get_target

MEGABYTE = 1_000_000


def provided(engine: Engine, target: str) -> dict[str, Image]:
    """The images that are made here."""
    cache = cache_folder()
    images = {
        row.airflow: provide_image(engine, row, find_constraints(row), cache=cache, on_step=say)
        for row in (default_bridge(), get_target(target))
    }
    return {**images, "aws": provide_aws_image(engine, cache=cache, on_step=say)}


def size(engine: Engine, image: Image) -> float:
    """Megabytes, as the engine counts them."""
    return float(engine.client.images.get(image.id).attrs["Size"]) / MEGABYTE


def start_up(engine: Engine, image: Image) -> float:
    """Seconds of a container that does nothing: made, started, watched to its end and removed."""
    began = time.perf_counter()
    with created(engine, Command(image=image.id, argv=("true",))) as container:
        assert streamed(container, lambda *_: None, lambda: "") == ("", 0)
    return time.perf_counter() - began


def until_healthy(engine: Engine, target: str) -> float:
    """Seconds from nothing to both sides healthy; the images are there."""
    began = time.perf_counter()
    with running(engine, Asked(target=target, name="benchmark"), say):
        return time.perf_counter() - began


def checked(repo: Path, target: str, runtime: str) -> float:
    """Seconds of one whole check in this process."""
    began = time.perf_counter()
    report = check(Options(path=repo, targets=(target,)), make_runtime(runtime))
    assert report.environments
    assert not any(environment.failure for environment in report.environments)
    return time.perf_counter() - began


def say(step: str) -> None:
    print(step, file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="2.11.0")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repo", type=Path, default=Path("fixtures/repos/movie_list/before"))
    options = parser.parse_args()
    engine = connect()

    print(f"{platform.platform()}, {os.cpu_count()} cores, engine {engine.version}\n")
    print("| image | MB (aim: ≤ 600) |\n|---|---|")
    images = provided(engine, options.target)
    for name, image in images.items():
        print(f"| {name} | {size(engine, image):.0f} |")
    rounds = range(options.rounds)
    seconds = statistics.median(until_healthy(engine, options.target) for _ in rounds)
    print(f"\nFrom nothing to both healthy: {seconds:.0f} s (aim: ≤ 90)\n")
    print("| runtime | warm check s |\n|---|---|")
    medians = {}
    for runtime in ("venv", "docker"):
        checked(options.repo, options.target, runtime)
        medians[runtime] = statistics.median(
            checked(options.repo, options.target, runtime) for _ in rounds
        )
        print(f"| {runtime} | {medians[runtime]:.2f} |")
    start = statistics.median(start_up(engine, images[options.target]) for _ in rounds)
    aim = 1.5 * medians["venv"] + start
    print(f"\nStart-up of a container: {start:.2f} s; aim: ≤ {aim:.2f} s (1.5 × venv and start-up)")


if __name__ == "__main__":
    main()
