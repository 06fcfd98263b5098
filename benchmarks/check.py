"""How long a warm ``check`` takes beside a plain DagBag load of the same folder.

    python benchmarks/check.py [--files 100 1000] [--target 2.11.0] [--rounds 3]

Needs the environments of both sides in the cache: the first round makes them and is not counted.
Prints a Markdown table (medians) for docs/benchmarks.md. CPU seconds are those of a command and of
all that it started, user and system: on a machine where others work they tell more than the wall.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.model import Config, Side
from harness.runtimes.venv import VenvRuntime
from harness.targets import default_bridge, get_target

DAG = """
from datetime import datetime, timedelta

from airflow import DAG
from airflow.operators.bash_operator import BashOperator
from airflow.operators.python_operator import PythonOperator


def work(**context):
    return context["ds"]


dag = DAG(
    "generated_{n}",
    schedule_interval="{minute} * * * *",
    start_date=datetime(2020, 1, 1),
    default_args={{"retries": {retries}, "retry_delay": timedelta(minutes=5)}},
)
previous = None
for step in range(5):
    command = "echo {{{{ ds }}}} %d" % step
    task = BashOperator(task_id="step_%d" % step, bash_command=command, dag=dag)
    if previous is not None:
        previous >> task
    previous = task
previous >> PythonOperator(task_id="work", python_callable=work, provide_context=True, dag=dag)
"""

PLAIN = """
import sys, time, logging
logging.disable(logging.CRITICAL)
started = time.time()
from airflow.models import DagBag
bag = DagBag(sys.argv[1], include_examples=False)
print(len(bag.dags), time.time() - started)
"""


def generate(folder: Path, count: int) -> Path:
    """A repository of ``count`` DAG files in the style of 1.10."""
    dags = folder / "dags"
    dags.mkdir(parents=True)
    for n in range(count):
        text = DAG.format(n=n, minute=n % 60, retries=n % 4)
        (dags / f"generated_{n}.py").write_text(text)
    return folder


class Cost(NamedTuple):
    """Seconds of the wall clock and of the processors."""

    wall: float
    cpu: float


def run(command: Sequence[str | Path], **options: Any) -> tuple[Cost, bytes]:
    """What a command costs, and what it prints."""
    # As for any user, whose Python keeps what it has compiled.
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, **{"env": env, **options})
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu), done.stdout


def median(costs: Iterable[Cost]) -> Cost:
    return Cost(*map(statistics.median, zip(*costs, strict=True)))


def plain_load(python: Path, dags: Path, template: Path) -> Cost:
    """One process that does nothing but load the folder."""
    with tempfile.TemporaryDirectory() as home:
        database = Path(home) / "airflow.db"
        database.write_bytes(template.read_bytes())
        env = {
            "PATH": os.defpath,
            "HOME": home,
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__SQL_ALCHEMY_CONN": f"sqlite:///{database}",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        }
        command = [python, "-W", "ignore", "-c", PLAIN, dags]
        return run(command, env=env, check=True, stderr=subprocess.DEVNULL)[0]


def check(repo: Path, target: str) -> tuple[Cost, dict[str, float]]:
    """One whole ``check``, and the timings out of its report."""
    command = [sys.executable, "-m", "harness", "check", repo, "--target", target]
    cost, printed = run([*command, "--format", "json"])
    report = json.loads(printed)
    assert report["verdict"] == "pass", report["findings"][:3] or report["checks"]
    return cost, report["timings"]


def help_cpu() -> float:
    """CPU seconds of ``mwaa-harness --help``."""
    return run([sys.executable, "-m", "harness", "--help"], check=True)[0].cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--target", default="2.11.0")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(f"`mwaa-harness --help`: {statistics.median(help_cpu() for _ in range(5)):.2f} s CPU\n")
    runtime = VenvRuntime()
    rows = {Side.BRIDGE: default_bridge(), Side.TARGET: get_target(options.target)}
    sides = {
        side: runtime.environment(row, side, runtime.constraints(row, Config()))
        for side, row in rows.items()
    }
    print("Each cell: wall seconds (CPU seconds).\n")
    print("| files | plain bridge | plain target | check | ratio | ms a file | timings |")
    print("|---|---|---|---|---|---|---|")
    for count in options.files:
        with tempfile.TemporaryDirectory() as folder:
            repo = generate(Path(folder) / "repo", count)
            check(repo, options.target)
            plain = {
                side: median(
                    plain_load(made.python, repo / "dags", made.template_db)
                    for _ in range(options.rounds)
                )
                for side, made in sides.items()
            }
            runs = [check(repo, options.target) for _ in range(options.rounds)]
            whole = median(cost for cost, _ in runs)
            # The wall against the slower side, as both run side by side; the CPU against both.
            wall = whole.wall / max(cost.wall for cost in plain.values())
            cpu = whole.cpu / sum(cost.cpu for cost in plain.values())
            costs = [plain[Side.BRIDGE], plain[Side.TARGET], whole]
            timings = {name: round(value, 2) for name, value in runs[-1][1].items()}
            print(
                f"| {count} "
                + "".join(f"| {cost.wall:.2f} ({cost.cpu:.2f}) " for cost in costs)
                + f"| {wall:.2f} ({cpu:.2f}) | {1000 * whole.wall / count:.1f} "
                f"({1000 * whole.cpu / count:.1f}) | {timings} |"
            )


if __name__ == "__main__":
    main()
