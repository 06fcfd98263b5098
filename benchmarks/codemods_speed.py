"""How fast the codemods are, beside LibCST's own floor, in files per CPU second.

    python benchmarks/codemods_speed.py FOLDER [--target 2.11.0] [--files 1000]

FOLDER holds DAG files (for instance ``airflow/example_dags`` of an installed Airflow); they are
repeated up to the number of files. The floor is what any LibCST tool pays on the files that
change: parse, a visit that does nothing, and code generation.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import libcst as cst

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from codemods import migrate_bytes

LOCKS = Path(__file__).resolve().parent.parent / "harness" / "data" / "locks"


class _Nothing(cst.CSTTransformer):
    pass


def read_pins(version: str) -> dict[str, str]:
    """Distribution → version out of a target's lock."""
    (path,) = LOCKS.glob(f"{version}-py*.txt")
    rows = (line.split(";")[0].strip() for line in path.read_text("utf-8").splitlines())
    return {
        **dict(row.split("==") for row in rows if "==" in row and not row.startswith("#")),
        "apache-airflow": version,
    }


def rate(files: Sequence[bytes], work: Callable[[bytes], object]) -> float:
    """Files per CPU second."""
    start = time.process_time()
    for data in files:
        work(data)
    return len(files) / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--target", default="2.11.0")
    parser.add_argument("--files", type=int, default=1000)
    options = parser.parse_args()
    pins = read_pins(options.target)
    found = [p.read_bytes() for p in sorted(options.folder.rglob("*.py"))]
    files = list(itertools.islice(itertools.cycle(found), options.files))

    def migrate(data: bytes) -> object:
        return migrate_bytes(data, pins=pins)

    def floor(data: bytes) -> object:
        return cst.parse_module(data).visit(_Nothing()).code

    migrate(files[0])  # reads the tables
    changing = [data for data in files if migrate_bytes(data, pins=pins)[0] is not None]
    foreign = [data.replace(b"airflow", b"somewhere") for data in files]
    print(f"{len(files)} files, {len(changing)} of them change")
    bottom = rate(changing, floor)
    ours = rate(changing, migrate)
    print(f"LibCST parse, visit, code   {bottom:10.0f} files per CPU second (files that change)")
    print(f"migrate                     {ours:10.0f} files per CPU second (files that change)")
    print(f"migrate                     {rate(files, migrate):10.0f} files per CPU second (all)")
    print(f"passed over                 {rate(foreign, migrate):10.0f} files per CPU second")
    print(f"migrate : floor             {ours / bottom:10.2f}")


if __name__ == "__main__":
    main()
