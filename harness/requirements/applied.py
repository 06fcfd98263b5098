"""Which constraint files MWAA really applies to a requirements file, as one small function."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from packaging.version import Version

from harness.model import Constraints, Target
from harness.requirements.parse import Line
from harness.requirements.sources import SourceFile, Tree, is_remote, official_version
from harness.targets import parse_pins

# MWAA's own test for "the user brings a constraint file": any line, comments included, so that
# "# -c " switches its own file off; "--constraint=FILE" and "-cFILE" do not count.
# Source: amazon-mwaa-docker-images @ 9d2bebb, mwaa/utils/user_requirements.py.
MENTIONS_CONSTRAINTS = re.compile(r"-c |--constraint ")

# From here on MWAA brings its own file when the user names none.
# Source: Amazon MWAA User Guide, "Installing Python dependencies"; seen in the images from 2.9.2.
FORCED_SINCE = Version("2.7.2")


@dataclass(frozen=True, kw_only=True)
class Applied:
    """One constraint file that takes part. ``origin``: "user" (a line of the requirements file
    or one that it includes names it), "official" (Airflow's own), "essential" (MWAA's list).
    ``text`` is None when only its URL is known; ``line`` is the naming line of the requirements
    file, 0 when that has none; ``label`` reads well after "pinned by"."""

    origin: str
    location: str
    label: str
    line: int = 0
    text: str | None = None

    @cached_property
    def pins(self) -> dict[str, str]:
        """Canonical name → version."""
        return parse_pins(self.text or "")


def constraint_lines(files: Iterable[SourceFile]) -> Iterator[tuple[str, Line]]:
    """Each line that names a constraint file, with the path of the file that it stands in."""
    return ((file.path, line) for file in files for line in file.lines if line.kind == "constraint")


def mentions_constraints(lines: Iterable[Line]) -> bool:
    """Whether MWAA takes the file to bring its own constraints, rightly or not."""
    return any(MENTIONS_CONSTRAINTS.search(row) for line in lines for row in line.raw.splitlines())


def forces_constraints(target: Target) -> bool:
    """Whether MWAA brings its own constraint file to this version when the user names none."""
    return target.role == "target" and Version(target.airflow) >= FORCED_SINCE


def applied_constraints(
    files: Sequence[SourceFile], *, target: Target, constraints: Constraints, tree: Tree
) -> tuple[Applied, ...]:
    """The constraint files under which MWAA installs a requirements file.

    ``files`` are that file and those it reaches: pip reads a ``-c`` in any of them, MWAA looks for
    one in the first alone. ``constraints`` is Airflow's file for ``target`` (it stands in wherever
    a line names that file by its URL); ``tree`` leads to the repository's files. Order: the
    user's, Airflow's, MWAA's.

    The bridge is no MWAA version: it is always made under Airflow's constraints, so a file that
    names none is judged under them as well, and the URL of any official file means them.
    """
    official = Applied(
        origin="official",
        location=constraints.location,
        label=_label(target, constraints),
        text=constraints.text,
    )
    applied = [
        _users(line, path, target=target, official=official, tree=tree)
        for path, line in constraint_lines(files)
    ]
    bridge = target.role == "bridge"
    if bridge and not any(one.text is not None for one in applied):
        applied.append(official)
    if forces_constraints(target) and not mentions_constraints(files[0].lines):
        applied.append(official)
    if target.essential:
        applied.append(
            Applied(
                origin="essential",
                location=target.source,
                label=f"MWAA's essential constraints for {target.airflow}",
                text="".join(f"{name}=={pin}\n" for name, pin in target.essential.items()),
            )
        )
    return tuple(one for one in applied if one.text is not None or is_remote(one.location))


def _label(target: Target, constraints: Constraints) -> str:
    if constraints.origin == "reconstructed":
        return f"the reconstructed constraints of Airflow {target.airflow}"
    if constraints.origin == "user":
        return f"your constraints for Airflow {target.airflow} ({constraints.location})"
    return f"the constraints of Airflow {target.airflow}"


def _users(line: Line, path: str, *, target: Target, official: Applied, tree: Tree) -> Applied:
    number = line.number if path == tree.path else 0
    version = official_version(line.value, airflow=target.airflow)
    same = version and (target.role == "bridge" or version[0] == target.airflow)
    if same and is_remote(line.value):
        return Applied(
            origin="user",
            location=line.value,
            label=official.label,
            line=number,
            text=official.text,
        )
    place = tree.locate(line.value, base=path)
    return Applied(
        origin="user",
        location=place or line.value,
        label=place or line.value,
        line=number,
        text=tree.read(place) if place else None,
    )
