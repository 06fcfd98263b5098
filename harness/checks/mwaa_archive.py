"""What MWAA would make of ``plugins.zip``, judged by its table of contents alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from harness.model import ArchiveMember, Finding, Rule, Severity

# Amazon MWAA user guide, "Installing custom plugins": more than this is advised against.
SIZE_LIMIT = 1024**3

WRAPPED = Rule(
    id="mwaa-plugins-zip-wrapped",
    title="plugins.zip has a wrapping folder",
    why="MWAA unpacks the archive in /usr/local/airflow/plugins. With a folder around everything "
    "the modules lie one level too deep and are not found.",
    fix="Zip the contents of the folder, as `cd plugins && zip -r ../plugins.zip .` does.",
    severity=Severity.WARNING,
    example="plugins/company.py as the archive's only kind of name",
    keeps="company.py",
)
OUTSIDE = Rule(
    id="mwaa-plugins-zip-outside",
    title="plugins.zip names a place outside the plugins folder",
    why="A name that is absolute or climbs with .. would be written elsewhere, or not at all.",
    fix="Make the archive anew from inside the plugins folder.",
    example="../dags/etl.py",
    keeps="company/etl.py",
)
TOO_LARGE = Rule(
    id="mwaa-plugins-zip-large",
    title="plugins.zip holds more than 1 GB",
    why="Every container of the environment fetches and unpacks it when it starts; MWAA's guide "
    "advises to stay below 1 GB.",
    fix="Leave out what DAGs do not need, or install it through requirements.txt.",
    severity=Severity.WARNING,
    example="wheels for several platforms",
    keeps="the wheels of the environment's Python",
)
RULES = (WRAPPED, OUTSIDE, TOO_LARGE)


def judge_archive(path: str, members: tuple[ArchiveMember, ...]) -> Iterator[Finding]:
    """Findings about one archive; ``members`` is its table of contents."""
    outside = [member.name for member in members if _outside(member.name)]
    for name in outside:
        yield OUTSIDE.finding(path, f"The archive holds {name!r}.", evidence=name)
    tops = {PurePosixPath(member.name).parts[0] for member in members if member.name.strip("/")}
    if tops == {"plugins"} and any("/" in member.name.strip("/") for member in members):
        message = "Everything lies in plugins/, which becomes /usr/local/airflow/plugins/plugins/."
        yield WRAPPED.finding(path, message)
    size = sum(member.size for member in members)
    if size > SIZE_LIMIT:
        yield TOO_LARGE.finding(path, f"Unpacked it has {size / 1024**3:.1f} GB.")


def _outside(name: str) -> bool:
    # Archives made on Windows may hold backslashes, which some tools take for separators.
    place = PurePosixPath(name.replace("\\", "/"))
    return place.is_absolute() or ".." in place.parts or name[1:2] == ":"
