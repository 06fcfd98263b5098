"""The Airflow versions of Amazon MWAA as rows: ``data/targets.toml`` → :class:`Target`.

The long columns are files beside the table: ``data/images/<airflow>.txt`` (what the image has
preinstalled), ``data/essential/<airflow>.txt`` (pins that MWAA always enforces) and
``data/locks/<airflow>-py<python>.txt`` (our reconstruction of the official constraint file, made
by ``tools/make_lock.py`` and used when the official one cannot be reached).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import VERSION_PATTERN, InvalidVersion, Version

from harness.errors import UsageError
from harness.model import Constraints, Target

DATA = Path(__file__).parent / "data"


class UnknownTarget(UsageError):
    """No row of the table has this Airflow version."""


_VERSION = re.compile(rf"\s*{VERSION_PATTERN}\s*", re.VERBOSE | re.IGNORECASE)


def parse_pins(text: str) -> dict[str, str]:
    """Read the ``name==version`` lines of a constraint file: canonical name → version.

    Comments, blank lines, options and requirements that are not an exact pin are passed over; a
    line's extras and environment marker are dropped.
    """
    pins: dict[str, str] = {}
    for line in text.splitlines():
        name, exact, version = line.partition("#")[0].partition(";")[0].partition("==")
        if exact and _VERSION.fullmatch(version):
            pins[canonicalize_name(name.partition("[")[0].strip())] = version.strip()
    return pins


@cache
def load_targets() -> tuple[Target, ...]:
    """All rows, oldest Airflow first."""
    table = _table()
    rows = (_target(row, table["constraints_url"]) for row in table["target"])
    return tuple(sorted(rows, key=lambda target: Version(target.airflow)))


def get_target(version: str) -> Target:
    """The row of one Airflow version; ``UnknownTarget`` says which exist and which is nearest."""
    targets = load_targets()
    for target in targets:
        if target.airflow == version:
            return target
    nearest = _nearest(version, targets)
    raise UnknownTarget(
        f"Airflow {version!r} is not a version that MWAA has or had.",
        hint=f"Known versions: {', '.join(target.airflow for target in targets)}."
        + (f" The nearest is {nearest.airflow}." if nearest else ""),
    )


def default_target() -> Target:
    """The newest 2.x version that MWAA creates today."""
    return [t for t in load_targets() if t.role == "target" and t.mwaa == "creatable"][-1]


def default_bridge() -> Target:
    """The newest 1.10 version: the bridge release."""
    return [t for t in load_targets() if t.role == "bridge"][-1]


def lock_path(target: Target) -> Path:
    """Where the reconstructed constraint file of a row lies."""
    return DATA / "locks" / f"{target.airflow}-py{target.python}.txt"


def lock_pins(target: Target) -> Mapping[str, str]:
    """The pins of a row's reconstructed constraint file: canonical name → version."""
    return MappingProxyType(parse_pins(lock_path(target).read_text(encoding="utf-8")))


def outside_pins(target: Target) -> Mapping[str, str]:
    """Providers that the row's constraints lack and that can be installed all the same."""
    return {
        row["distribution"]: row["version"]
        for row in _table().get("outside", ())
        if target.airflow in SpecifierSet(row["airflow"])
    }


def target_pins(target: Target, constraints: Constraints) -> Mapping[str, str]:
    """Canonical name → version of what the target has or would get. The image's own pins win over
    Airflow's constraints, and those of a constraint file of the user's over the image's."""
    known = {**outside_pins(target), **lock_pins(target)}
    user = constraints.origin == "user"
    image = (
        (target.preinstalled, constraints.pins) if user else (constraints.pins, target.preinstalled)
    )
    return {**known, **image[0], **image[1], "apache-airflow": target.airflow}


def image_requirements(target: Target, constraints: Mapping[str, str]) -> tuple[str, ...]:
    """Requirement lines that give an environment what the row's image has, Airflow included.

    ``constraints`` are the pins the environment is made under. Where they and the image disagree
    the constraints win, since MWAA installs the user's requirements under them: the lines can
    always be installed together with that file. Distributions that need a system library's
    headers are replaced or left out, as the table says.
    """
    wanted = {"apache-airflow": target.airflow, **target.preinstalled}
    for name, instead in _needing_headers(target).items():
        if wanted.pop(name, "") or _is_asked_for(name, instead, constraints):
            wanted.setdefault(instead, constraints.get(name, ""))
    wanted.pop("", None)
    pins = {name: constraints.get(name, version) for name, version in wanted.items()}
    return tuple(f"{name}=={pins[name]}" if pins[name] else name for name in sorted(pins))


def image_overrides(target: Target, constraints: Mapping[str, str]) -> tuple[str, ...]:
    """uv's overrides for installing those lines: what needs a system library's headers is not
    installed either where a provider asks for it."""
    return tuple(
        f"{name} ; python_version < '0'"
        for name, instead in _needing_headers(target).items()
        if _is_asked_for(name, instead, constraints)
    )


def _is_asked_for(name: str, instead: str, constraints: Mapping[str, str]) -> bool:
    """Whether a provider asks for it: the pins have it, and not what most ask for in its place."""
    return name in constraints and instead not in constraints


def _needing_headers(target: Target) -> Mapping[str, str]:
    """What the row cannot install without a system library's headers → what is instead."""
    return {
        row["distribution"]: row["instead"]
        for row in _table()["needs_headers"]
        if target.airflow in SpecifierSet(row["airflow"])
    }


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((DATA / "targets.toml").read_text(encoding="utf-8"))


def _target(row: Mapping[str, Any], constraints_url: str) -> Target:
    return Target(
        airflow=row["airflow"],
        python=row["python"],
        role=row["role"],
        mwaa=row["mwaa"],
        released=row["released"].isoformat(),
        constraints_url=constraints_url.format(**row),
        preinstalled=_pins_file(DATA / "images" / f"{row['airflow']}.txt"),
        essential=_pins_file(DATA / "essential" / f"{row['airflow']}.txt"),
        source=row["source"],
    )


def _pins_file(path: Path) -> Mapping[str, str]:
    # No file means no such pins: MWAA enforces none before 2.9.2.
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return MappingProxyType(parse_pins(text))


def _nearest(version: str, targets: Sequence[Target]) -> Target | None:
    """The row to offer instead: of the same series if there is one, the next newer if there is."""
    try:
        wanted = Version(version)
    except InvalidVersion:
        return None
    series = [t for t in targets if Version(t.airflow).release[:2] == wanted.release[:2]]
    candidates = series or targets
    newer = [t for t in candidates if Version(t.airflow) > wanted]
    return newer[0] if newer else candidates[-1]
