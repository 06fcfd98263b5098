"""Write ``harness/data/requires.txt``: which modules a distribution has and what it brings along.

    python tools/mine_requires.py ENVIRONMENT…

Each environment holds a target's providers with all that they need. Only their metadata is read.
Of several releases of a distribution the table has what any of them has.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TABLE = Path(__file__).resolve().parent.parent / "harness" / "data" / "requires.txt"
HEAD = """\
# distribution, its modules where one is called otherwise, and behind ":" what it brings along.
# Made by: python tools/mine_requires.py
# Source: the metadata of the distributions that the locks of the targets pin.

"""
_MODULE = re.compile(r"(\w+)(?:/__init__\.py|\.py|\.cpython[^/]*|\.abi3\.so)")


def modules(dist: Distribution) -> set[str]:
    """The names at the top of a distribution that can be imported."""
    lines = (line.rsplit(",", 2)[0] for line in (dist.read_text("RECORD") or "").splitlines())
    found = {match[1] for line in lines if (match := _MODULE.fullmatch(line))}
    if not found:  # a namespace: its packages lie deeper
        files = (dist.read_text("RECORD") or "").splitlines()
        found = {line.partition("/")[0] for line in files if "/__init__.py," in line}
    return {name for name in found if name.isidentifier() and not name.startswith("test")}


def main() -> None:
    has: dict[str, set[str]] = defaultdict(set)
    brings: dict[str, set[str]] = defaultdict(set)
    for environment in sys.argv[1:]:
        (packages,) = Path(environment).glob("lib/python3*/site-packages")
        needs = {}
        # Those that others ask for; what providers want of Airflow is none that MWAA has.
        extras: dict[str, set[str]] = defaultdict(lambda: {""})
        for dist in distributions(path=[str(packages)]):
            name = canonicalize_name(dist.metadata["Name"])
            has[name] |= modules(dist)
            needs[name] = [Requirement(line) for line in dist.requires or ()]
            for need in needs[name]:
                extras[canonicalize_name(need.name)] |= need.extras
        extras.pop("apache-airflow", None)
        for name, found in needs.items():
            brings[name] |= {
                canonicalize_name(need.name)
                for need in found
                if need.marker is None
                or any(need.marker.evaluate({"extra": extra}) for extra in extras[name])
            }
    rows = [HEAD]
    for name in sorted(has):
        other = "" if has[name] == {name.replace("-", "_")} else " " + " ".join(sorted(has[name]))
        rows.append(f"{name}{other.rstrip()}: {' '.join(sorted(brings[name]))}".rstrip() + "\n")
    TABLE.write_text("".join(rows), "utf-8")
    print(len(has), "distributions")


if __name__ == "__main__":
    main()
