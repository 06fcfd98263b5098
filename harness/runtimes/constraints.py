"""The constraint file of one side: the user's own, else Airflow's official one, else our lock."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from harness.cache import cache_folder
from harness.errors import HarnessError
from harness.files import write_atomically
from harness.model import Constraints, Target
from harness.targets import lock_path, parse_pins

FETCH_SECONDS = 4.0

# A host that could not be reached is asked again after an hour, so that machines that reach only a
# package index don't pay the wait on every run.
RETRY_SECONDS = 3600.0

OFFLINE_VARIABLE = "MWAA_HARNESS_OFFLINE"


class NoConstraints(HarnessError):
    """The constraint file that the user asked for cannot be had, or is none."""


class Unreachable(HarnessError):
    """A URL could not be fetched."""


def is_offline(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether ``MWAA_HARNESS_OFFLINE`` forbids every host but the package index."""
    return environ.get(OFFLINE_VARIABLE, "").lower() not in ("", "0", "false", "no")


def find_constraints(
    target: Target, location: str = "", *, cache: Path | None = None, offline: bool = False
) -> Constraints:
    """The constraints of ``target``; ``location`` is the user's own file or URL, "" = none named.

    Failing to reach the official file is normal on a closed network and silent: ``origin`` then
    says "reconstructed". ``NoConstraints`` when the user's own cannot be had, or when there is no
    official file and no lock either.
    """
    folder = (cache or cache_folder()) / "constraints"
    if location:
        return _user(location, folder)
    try:
        text = _official(target.constraints_url, folder, offline=offline or is_offline())
        return _constraints("official", target.constraints_url, text)
    except Unreachable as error:
        lock = lock_path(target)
        if lock.is_file():
            text = lock.read_text(encoding="utf-8")
            return _constraints("reconstructed", f"{lock.parent.name}/{lock.name}", text)
        raise NoConstraints(
            f"There is no constraint file for Airflow {target.airflow}: {error.message}",
            hint=f"Name one of your own: --constraints {target.airflow}=FILE-OR-URL.",
        ) from error


def fetch(url: str) -> str:
    """The text behind an http(s) URL; ``Unreachable`` says why there is none."""
    # Here: most runs have the file in their cache, and this takes longer to import than to read it.
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    try:
        with urllib.request.urlopen(url, timeout=FETCH_SECONDS) as response:  # noqa: S310 – http(s)
            body: bytes = response.read()
        return body.decode("utf-8")
    except (OSError, HTTPException, UnicodeDecodeError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is a response as well, and holds the connection
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise Unreachable(f"{url} cannot be fetched: {reason}") from error


def _user(location: str, folder: Path) -> Constraints:
    try:
        if urlsplit(location).scheme in ("http", "https"):
            text = fetch(location)
        else:
            text = Path(location).expanduser().read_text(encoding="utf-8")
    except Unreachable as error:
        kept = _kept(location, folder)
        if not kept.is_file():
            raise NoConstraints(error.message, hint="Is it the right address?") from error
        text = kept.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NoConstraints(
            f"The constraint file {location} cannot be read: {error}.",
            hint="It is named with --constraints or in the configuration's [constraints].",
        ) from error
    constraints = _constraints("user", location, text)
    if not constraints.pins:
        raise NoConstraints(
            f"{location} is not a constraint file: it has no line of the form name==version.",
            hint="It is named with --constraints or in the configuration's [constraints].",
        )
    if urlsplit(location).scheme:
        _keep(_kept(location, folder), text)
    return constraints


def _official(url: str, folder: Path, *, offline: bool) -> str:
    kept = _kept(url, folder)
    if kept.is_file():
        return kept.read_text(encoding="utf-8")
    failed = folder / f"{urlsplit(url).hostname}.unreachable"
    if offline:
        raise Unreachable(f"{url} is not fetched offline.")
    if failed.is_file() and 0 <= time.time() - failed.stat().st_mtime < RETRY_SECONDS:
        raise Unreachable(failed.read_text(encoding="utf-8"))
    try:
        text = fetch(url)
        if not parse_pins(text):
            # A proxy's log-in page comes with code 200.
            raise Unreachable(f"{url} answered with something that is no constraint file.")
    except Unreachable as error:
        _keep(failed, error.message)
        raise
    _keep(kept, text)
    return text


def _kept(url: str, folder: Path) -> Path:
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    return folder / f"{digest}.txt"


def _keep(path: Path, text: str) -> None:
    # A cache that cannot be written costs time here; whoever needs it says so.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode("utf-8"))


def _constraints(origin: str, location: str, text: str) -> Constraints:
    return Constraints(origin=origin, location=location, text=text, pins=parse_pins(text))
