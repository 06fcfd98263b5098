"""The targets' pins, out of the locks that the repository carries."""

from __future__ import annotations

from pathlib import Path

from harness.targets import get_target, outside_pins

LOCKS = Path(__file__).resolve().parents[2] / "harness" / "data" / "locks"


def read_lock(version: str) -> dict[str, str]:
    """Distribution → version of one target, with the providers that its constraints lack."""
    (path,) = LOCKS.glob(f"{version}-py*.txt")
    rows = (line.split(";")[0].strip() for line in path.read_text("utf-8").splitlines())
    pins = dict(row.split("==") for row in rows if "==" in row and not row.startswith("#"))
    return {**outside_pins(get_target(version)), **pins, "apache-airflow": version}
