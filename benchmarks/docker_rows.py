"""Whether the image of each row of `mwaa-harness targets` is made, answers and comes up healthy.

    python -m benchmarks.docker_rows [ROW…]

For each row (all of them by default): builds its image, asks it `airflow version`, brings it up
beside the other side's default until both are healthy, and removes what was not there before.
Prints Markdown for docs/benchmarks.md; ends with 1 when a row fails. Needs a Docker engine.
"""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks.docker import say, size
from harness.cache import cache_folder
from harness.containers.engine import Engine, connect
from harness.containers.images import provide_image
from harness.containers.learn import learn
from harness.containers.pair import running
from harness.containers.plan import Asked
from harness.errors import HarnessError
from harness.model import Target
from harness.runtimes.constraints import find_constraints
from harness.targets import get_target, load_targets


def tried(engine: Engine, row: Target) -> str:
    """One row's line of the table. Raises HarnessError."""
    cache = cache_folder()
    before = {image.id for image in engine.client.images.list()}
    began = time.perf_counter()
    image = provide_image(engine, row, find_constraints(row), cache=cache, on_step=say)
    built = time.perf_counter() - began
    try:
        # It is refused when its `airflow version` says another one.
        inside = learn(engine, image, row, cache=cache, on_step=say)
        side = {"bridge" if row.role == "bridge" else "target": row.airflow}
        began = time.perf_counter()
        with running(engine, Asked(name="rows", **side), say):
            healthy = time.perf_counter() - began
        megabytes = size(engine, image)
    finally:
        if image.id not in before:
            engine.client.images.remove(image.id, force=True)
    return f"| {row.airflow} | {inside.version} | {megabytes:.0f} | {built:.0f} | {healthy:.0f} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    options = parser.parse_args()
    engine = connect()
    failed = 0
    print(
        "| Airflow | Python | MB (aim: ≤ 600) | built in s | pair healthy after s |\n|" + "---|" * 5
    )
    for name in options.rows or [row.airflow for row in load_targets()]:
        try:
            print(tried(engine, get_target(name)), flush=True)
        except HarnessError as error:
            failed = 1
            print(f"| {name} | failed: see above | | | |", flush=True)
            say(str(error))
    return failed


if __name__ == "__main__":
    sys.exit(main())
