"""How long a warm ``check`` takes beside a plain DagBag load of the same folder.

    python benchmarks/check.py [--files 100 1000] [--target 2.11.0] [--rounds 3]

Needs the environments of both sides in the cache: the first round makes them and is not counted.
Prints a Markdown table (medians) for docs/benchmarks.md.
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
from pathlib import Path

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


def plain_load(python: Path, dags: Path, template: Path) -> float:
    """Wall seconds of one process that does nothing but load the folder."""
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
        started = time.perf_counter()
        subprocess.run(
            [python, "-W", "ignore", "-c", PLAIN, dags], env=env, check=True, capture_output=True
        )
        return time.perf_counter() - started


def check(repo: Path, target: str) -> tuple[float, dict[str, float]]:
    """Wall seconds of one whole ``check``, and the timings out of its report."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "harness", "check", repo, "--target", target, "--format", "json"],
        capture_output=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    report = json.loads(done.stdout)
    assert report["verdict"] == "pass", report["findings"][:3] or report["checks"]
    return seconds, report["timings"]


def help_cpu() -> float:
    """CPU seconds of ``mwaa-harness --help``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "harness", "--help"], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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
    print("| files | plain bridge s | plain target s | check s | ratio | ms a file | timings |")
    print("|---|---|---|---|---|---|---|")
    for count in options.files:
        with tempfile.TemporaryDirectory() as folder:
            repo = generate(Path(folder) / "repo", count)
            check(repo, options.target)
            plain = {
                side: statistics.median(
                    plain_load(made.python, repo / "dags", made.template_db)
                    for _ in range(options.rounds)
                )
                for side, made in sides.items()
            }
            runs = [check(repo, options.target) for _ in range(options.rounds)]
            wall = statistics.median(seconds for seconds, _ in runs)
            slower = max(plain.values())
            timings = {name: round(value, 2) for name, value in runs[-1][1].items()}
            print(
                f"| {count} | {plain[Side.BRIDGE]:.2f} | {plain[Side.TARGET]:.2f} | {wall:.2f} "
                f"| {wall / slower:.2f} | {1000 * wall / count:.1f} | {timings} |"
            )


if __name__ == "__main__":
    main()
