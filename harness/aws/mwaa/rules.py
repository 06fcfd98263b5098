"""What the service checks beyond its interface's model: versions, sizes, ways to upgrade."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from packaging.version import InvalidVersion, Version

from harness.aws.mwaa.interface import ServiceError, invalid
from harness.targets import load_targets


@functools.cache
def limits() -> Mapping[str, Any]:
    """The table ``mwaa`` of harness/data/aws.toml."""
    table: Mapping[str, Any] = tomllib.loads(
        (files("harness.data") / "aws.toml").read_text("utf-8")
    )
    return table["mwaa"]  # type: ignore[no-any-return]


@functools.cache
def creatable() -> tuple[str, ...]:
    """The Airflow versions that an environment can have today, oldest first."""
    ours = [row.airflow for row in load_targets() if row.mwaa == "creatable"]
    return tuple(sorted({*ours, *limits()["also_creatable"]}, key=Version))


def check_version(version: str) -> None:
    """Raise unless an environment can be created with ``version``."""
    if version not in creatable():
        raise invalid(
            f"Airflow version {version} is not supported. Valid values: {', '.join(creatable())}"
        )


def check_upgrade(old: str, new: str) -> None:
    """Raise unless an environment can go from ``old`` to ``new`` in place."""
    check_version(new)
    before, after = Version(old), Version(new)
    minor = f"{before.major}.{before.minor}"
    if before.major < 2 or (before.major, after.major) not in {(2, 2), (2, 3), (3, 3)}:
        raise invalid(
            f"An environment cannot go from {old} to {new} in place. Create a new environment."
        )
    if (before.major, after.major) == (2, 3) and minor not in limits()["upgrade_to_3_from"]:
        wanted = " or ".join(limits()["upgrade_to_3_from"])
        raise invalid(f"An upgrade to {new} in place starts from {wanted}, not from {old}.")


def with_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an environment with what the service fills in. Raises for values that do
    not go together."""
    version = settings.get("AirflowVersion") or creatable()[-1]
    size = settings.get("EnvironmentClass") or "mw1.small"
    sizes = limits()["classes"]
    if size not in sizes:
        raise invalid(f"EnvironmentClass {size} is not one of {', '.join(sizes)}")
    first, last, web_first, web_last, workers = sizes[size]
    if _major(version) < 2:
        first = last = 1
    filled = {
        "MaxWorkers": min(10, workers),
        "MinWorkers": 1,
        "Schedulers": first,
        "MinWebservers": web_first,
        "MaxWebservers": web_first,
        "WebserverAccessMode": "PRIVATE_ONLY",
        "EndpointManagement": "SERVICE",
        "WeeklyMaintenanceWindowStart": "SUN:03:30",
        **{key: value for key, value in settings.items() if value is not None},
        "AirflowVersion": version,
        "EnvironmentClass": size,
    }
    _between("Schedulers", filled["Schedulers"], first, last, size)
    _between("MaxWorkers", filled["MaxWorkers"], 1, workers, size)
    _between("MinWorkers", filled["MinWorkers"], 1, filled["MaxWorkers"], size)
    _between("MaxWebservers", filled["MaxWebservers"], web_first, web_last, size)
    _between("MinWebservers", filled["MinWebservers"], web_first, filled["MaxWebservers"], size)
    if filled["WebserverAccessMode"] == "PUBLIC_AND_PRIVATE" and Version(version) < Version("3.2"):
        raise invalid(f"WebserverAccessMode PUBLIC_AND_PRIVATE is not available for {version}")
    return filled


def check_rest(version: str) -> None:
    """Raise unless the service calls Airflow's REST interface for an environment of ``version``."""
    if Version(version) < Version(limits()["rest_since"]):
        raise ServiceError(
            "ValidationException",
            f"InvokeRestApi needs Airflow {limits()['rest_since']} or later, and this is {version}",
        )


def _between(name: str, value: int, least: int, most: int, size: str) -> None:
    if not least <= value <= most:
        allowed = str(least) if least == most else f"from {least} to {most}"
        raise invalid(f"{name} is {value}; for {size} it must be {allowed}")


def _major(version: str) -> int:
    try:
        return Version(version).major
    except InvalidVersion:
        return 0
