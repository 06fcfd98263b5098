"""Reconstruct Airflow's constraint files from the package index. Run by hand.

    python tools/make_lock.py 2.11.0 [2.10.3 …] [--python PATH]
    python tools/make_lock.py --compare FOLDER

The first form resolves ``apache-airflow`` with every extra its wheel offers (so with every provider
and its dependencies, and with the development tools that the official files list as well) on the
row's Python, from the index as it was when the official file was made. The pins of MWAA's image and
the rows of ``harness/data/lock_overrides.toml`` bound the resolution. It writes
``harness/data/locks/<airflow>-py<python>.txt``. Source distributions are built for their metadata,
so the row's Python must be there: by default uv finds or downloads it.

The second form compares all locks with the official files in FOLDER
(``constraints-<airflow>-py<python>.txt``) and writes ``docs/locks.md``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from uv import find_uv_bin

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from harness.model import Target  # noqa: E402
from harness.targets import (  # noqa: E402
    DATA,
    get_target,
    load_targets,
    lock_path,
    lock_pins,
    parse_pins,
)


@dataclass(frozen=True, kw_only=True)
class Question:
    """One resolution: what is asked of the index, within which bounds, and as of when."""

    requirements: tuple[str, ...]
    bounds: tuple[str, ...]
    replaced: tuple[str, ...]
    as_of: str
    unlisted: tuple[str, ...]


def ask(target: Target, python: str) -> Question:
    """Put the question for one row together from the wheel's extras and the data."""
    rules = tomllib.loads((DATA / "lock_overrides.toml").read_text(encoding="utf-8"))
    times = [row["time"] for row in holding(rules["as_of"], target)]
    image = target.preinstalled if holding(rules["image_pins"], target) else {}
    metadata = wheel_metadata(target, python)
    only = {row["extra"] for row in holding(rules["only_extra"], target)}
    without = {row["extra"] for row in holding(rules["without_extra"], target)}
    extras = sorted((only or set(metadata.get_all("Provides-Extra", []))) - without)
    return Question(
        requirements=(
            *(
                declared(metadata, extras, target)
                if holding(rules["unreadable"], target)
                else [f"apache-airflow[{','.join(extras)}]=={target.airflow}"]
            ),
            *(row["requirement"] for row in holding(rules["also"], target)),
        ),
        bounds=(
            *(f"{name}=={version}" for name, version in {**image, **target.essential}.items()),
            *(row["requirement"] for row in holding(rules["override"], target)),
        ),
        replaced=tuple(row["requirement"] for row in holding(rules["replaced"], target)),
        as_of=times[0] if times else f"{target.released}T23:59:59Z",
        unlisted=tuple(
            name for row in holding(rules["unlisted"], target) for name in row["distributions"]
        ),
    )


def holding(rows: list[dict[str, Any]], target: Target) -> list[dict[str, Any]]:
    """The rows that hold for this Airflow version."""
    return [row for row in rows if target.airflow in SpecifierSet(row["airflow"])]


def wheel_metadata(target: Target, python: str) -> Message:
    """What the wheel of this Airflow version says of itself."""
    with tempfile.TemporaryDirectory() as folder:
        uv("pip", "install", "--no-deps", "--python", python, "--target", folder,
           f"apache-airflow=={target.airflow}")  # fmt: skip
        (path,) = Path(folder).glob("apache_airflow-*.dist-info/METADATA")
        return message_from_bytes(path.read_bytes())


def declared(metadata: Message, extras: Iterable[str], target: Target) -> Iterator[str]:
    """The readable requirements of a wheel and these extras, each as a line of its own."""
    for line in metadata.get_all("Requires-Dist", []):
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        wanted = (
            {"python_version": target.python, "extra": canonicalize_name(extra)}
            for extra in ("", *extras)
        )
        if requirement.marker is None or any(map(requirement.marker.evaluate, wanted)):
            requirement.marker = None
            yield str(requirement)


def resolve(question: Question, python: str) -> dict[str, str]:
    """Let uv answer: canonical name → version of everything that Airflow could pull in."""
    # An exact pin stays reachable whenever it was uploaded: the image's additions and the
    # replacements of the override rows are younger than the moment of the rest.
    exact = [
        requirement.name
        for requirement in map(
            Requirement, (*question.requirements, *question.bounds, *question.replaced)
        )
        if any(specifier.operator == "==" for specifier in requirement.specifier)
    ]
    with tempfile.TemporaryDirectory() as folder:
        wanted, bounds, replaced, answer = map(Path(folder).joinpath, "wbra")
        wanted.write_text("\n".join(question.requirements))
        bounds.write_text("\n".join(question.bounds))
        replaced.write_text("\n".join(question.replaced))
        uv("pip", "compile", "--python", python, "--no-annotate", "--no-header",
           "--exclude-newer", question.as_of,
           *(f"--exclude-newer-package={name}=false" for name in exact),
           "--constraints", str(bounds), "--overrides", str(replaced),
           "--output-file", str(answer), str(wanted))  # fmt: skip
        pins = parse_pins(answer.read_text())
    return {name: pins[name] for name in sorted(pins) if name not in question.unlisted}


def uv(*arguments: str) -> None:
    """Run uv without the machine's own configuration; its message is the error."""
    run = subprocess.run([find_uv_bin(), "--no-config", "--quiet", *arguments], check=False)
    if run.returncode:
        sys.exit(run.returncode)


def lock_text(target: Target, question: Question, pins: dict[str, str]) -> Iterator[str]:
    """The lines of a lock."""
    yield f"# Reconstructed constraints of Apache Airflow {target.airflow}, Python {target.python}:"
    yield "# resolved from the package index, not the official constraint file."
    yield f"# Made by: python tools/make_lock.py {target.airflow}"
    yield f"# Package index as of: {question.as_of}"
    yield from (f"{name}=={version}" for name, version in pins.items())


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A lock beside the official file; ``differ`` is name → (ours, official)."""

    equal: int
    differ: dict[str, tuple[str, str]]
    missing: dict[str, str]
    extra: dict[str, str]


def compare(ours: Mapping[str, str], official: Mapping[str, str]) -> Comparison:
    """Set two collections of pins side by side."""
    both = [name for name in sorted(ours) if name in official]
    return Comparison(
        equal=sum(ours[name] == official[name] for name in both),
        differ={n: (ours[n], official[n]) for n in both if ours[n] != official[n]},
        missing={n: official[n] for n in sorted(official) if n not in ours},
        extra={n: ours[n] for n in sorted(ours) if n not in official},
    )


def official_pins(folder: Path, target: Target) -> dict[str, str]:
    """The official pins of a row out of a folder of constraint files."""
    name = f"constraints-{target.airflow}-py{target.python}.txt"
    return parse_pins((folder / name).read_text(encoding="utf-8"))


def core(targets: Iterable[Target]) -> frozenset[str]:
    """What runs DAGs: the distributions that any of MWAA's images has preinstalled."""
    return frozenset(name for target in targets for name in target.preinstalled)


def comparison_page(folder: Path) -> Iterator[str]:
    """The lines of docs/locks.md."""
    yield from PAGE_HEAD.splitlines()
    rows = [
        (target, compare(lock_pins(target), official_pins(folder, target)))
        for target in load_targets()
    ]
    ours = core(load_targets())
    yield ""
    yield "| Airflow | Python | equal | differ | of these core | only official | only ours |"
    yield "|---|---|---|---|---|---|---|"
    for target, it in rows:
        in_core = sum(name in ours for name in it.differ)
        yield (
            f"| {target.airflow} | {target.python} | {it.equal} | {len(it.differ)} | {in_core} "
            f"| {len(it.missing)} | {len(it.extra)} |"
        )
    for target, it in rows:
        yield ""
        yield f"## {target.airflow}"
        yield ""
        yield "| distribution | ours | official |"
        yield "|---|---|---|"
        for name, (mine, theirs) in it.differ.items():
            yield f"| {f'**{name}**' if name in ours else name} | {mine} | {theirs} |"
        yield from (f"| {name} | | {version} |" for name, version in it.missing.items())
        yield from (f"| {name} | {version} | |" for name, version in it.extra.items())


PAGE_HEAD = """\
# The reconstructed locks beside the official constraint files

<!-- Written by: python tools/make_lock.py --compare FOLDER -->

When neither the user's nor the official constraint file can be reached, an environment is made
under `harness/data/locks/<airflow>-py<python>.txt`. Each lock is resolved by `tools/make_lock.py`
from the package index as it was when the official file was made, with every extra of the wheel and
the rows of `harness/data/lock_overrides.toml`; the report then calls the constraints
*reconstructed*. A test installs the image's distributions under the lock, asks `airflow version`
and initialises a database.

Below is where they part. *Core* (**bold** in the lists) are the distributions that MWAA's images
have preinstalled, so those that run a DAG before its own requirements come in; the rest are
dependencies of providers and Airflow's own development tools."""


def main() -> None:
    """Make the locks named on the command line, or compare them all."""
    parser = argparse.ArgumentParser(description="Reconstruct Airflow's constraint files.")
    parser.add_argument("airflow", nargs="*", help="Airflow versions of harness/data/targets.toml")
    parser.add_argument("--python", help="the interpreter (default: uv finds the row's Python)")
    parser.add_argument("--compare", type=Path, metavar="FOLDER", help="official files to compare")
    options = parser.parse_args()
    for target in map(get_target, options.airflow):
        python = options.python or target.python
        question = ask(target, python)
        pins = resolve(question, python)
        lock_path(target).write_text("\n".join([*lock_text(target, question, pins), ""]))
        print(f"{lock_path(target).relative_to(ROOT)}: {len(pins)} pins as of {question.as_of}")
    if options.compare:
        page = ROOT / "docs" / "locks.md"
        page.write_text("\n".join([*comparison_page(options.compare), ""]))
        print(page.relative_to(ROOT))


if __name__ == "__main__":
    main()
