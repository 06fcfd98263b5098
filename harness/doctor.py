"""What this machine has of the things that a check needs."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.aws.emulator import INSTALL
from harness.aws.localstack import default_image
from harness.aws.moto import moto_version
from harness.cache import VARIABLE, cache_folder
from harness.containers.engine import connect
from harness.containers.images import IMAGE_LABEL
from harness.errors import HarnessError
from harness.model import Target
from harness.processes import run
from harness.runtimes.constraints import fetch, is_offline
from harness.runtimes.interpreters import candidates, uv_offers, wanted_minors, ways
from harness.runtimes.uv import uv, uv_binary
from harness.scratch import scratch
from harness.targets import default_bridge, default_target, load_targets

MEBIBYTE = 1 << 20
GIBIBYTE = 1 << 30

# A pair of environments takes 1.3 GiB on disk with uv's own cache (1.10.15 and 2.11.0, measured).
NEEDED_BYTES = 2 * GIBIBYTE

DOCKER_SECONDS = 10.0
OUR_IMAGES = {"label": IMAGE_LABEL}


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One thing that was looked at. ``ok`` is false only when a check cannot work without it;
    ``hint`` says what to do then."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


def diagnose(*, cache: Path | None = None, offline: bool = False) -> tuple[Diagnosis, ...]:
    """Look at everything, in the order in which a check would need it. ``offline`` asks no host."""
    return tuple(_diagnoses(cache or cache_folder(), offline=offline or is_offline()))


def _diagnoses(cache: Path, *, offline: bool) -> Iterator[Diagnosis]:
    yield Diagnosis(
        name="mwaa-harness' Python",
        ok=True,
        detail=f"{platform.python_version()} ({sys.executable})",
    )
    yield _uv()
    yield _pip_tools()
    yield _pip_configuration()
    yield _cache(cache)
    for minor in sorted({row.python for row in load_targets()}, key=_minor_number):
        yield _interpreter(minor, cache, offline=offline)
    if offline:
        yield Diagnosis(name="package index", ok=True, detail="not asked (offline)")
        yield Diagnosis(name="official constraints", ok=True, detail="not asked (offline)")
    else:
        yield package_index()
        yield _official_constraints(default_target())
    yield _docker()
    yield _moto()
    yield _localstack()


def _uv() -> Diagnosis:
    try:
        detail = f"{uv('--version', task='Asking uv for its version').stdout.strip()}"
    except (HarnessError, FileNotFoundError) as error:
        return Diagnosis(
            name="uv", ok=False, detail=str(error), hint="Install mwaa-harness again: uv is part."
        )
    return Diagnosis(name="uv", ok=True, detail=f"{detail} ({uv_binary()})")


def _pip_tools() -> Diagnosis:
    try:
        return Diagnosis(name="pip-tools", ok=True, detail=version("pip-tools"))
    except PackageNotFoundError:
        return Diagnosis(
            name="pip-tools",
            ok=False,
            detail="not installed",
            hint="Install mwaa-harness again: pip-tools is part of it.",
        )


def _pip_configuration() -> Diagnosis:
    """Information only: neither uv nor the judging resolver reads pip's configuration files."""
    name = "pip's configuration"
    files = [str(path) for path in pip_files(os.environ) if path.is_file()]
    if not files:
        return Diagnosis(name=name, ok=True, detail="no file; the environment's variables count")
    detail = f"{', '.join(files)}: not read; for an index of your own set PIP_INDEX_URL, which both"
    detail += " the environments and the judge of the requirements follow"
    return Diagnosis(name=name, ok=True, detail=detail)


def pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where pip looks for its configuration: https://pip.pypa.io/en/stable/topics/configuration"""
    if named := environ.get("PIP_CONFIG_FILE"):
        yield Path(named)
    home = Path(environ.get("HOME") or Path.home())
    yield Path("/etc/pip.conf")
    yield home / ".pip" / "pip.conf"
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"


def _cache(cache: Path) -> Diagnosis:
    name = "cache folder"
    hint = f"Set {VARIABLE} to a folder that you may write to, on a disk with room."
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            free = shutil.disk_usage(cache).free
    except OSError as error:
        return Diagnosis(name=name, ok=False, detail=f"{cache}: {error.strerror}", hint=hint)
    detail = (
        f"{cache} holds {_size(cache) / MEBIBYTE:,.0f} MiB, {free / GIBIBYTE:,.1f} GiB are free"
    )
    return Diagnosis(name=name, ok=free >= NEEDED_BYTES, detail=detail, hint=hint)


def _size(folder: Path) -> int:
    """Bytes on disk; environments share files by hard links, which are counted once."""
    sizes: dict[int, int] = {}
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(os.path.join(root, name))  # noqa: PTH118 – 10⁵ files
            except FileNotFoundError:
                continue  # another run is at work
            sizes[status.st_ino] = status.st_blocks * 512
    return sum(sizes.values())


def _interpreter(minor: str, cache: Path, *, offline: bool) -> Diagnosis:
    rows = [row for row in load_targets() if row.python == minor]
    minors = wanted_minors(next((row for row in rows if row.role == "bridge"), rows[0]))
    looked = [(wanted, each) for wanted in minors for each in candidates(wanted, cache=cache)]
    found = next((each.found for _, each in looked if each.found is not None), None)
    # A "python3" of another version was never meant to be this one; that is no news.
    skipped = [
        f"{each.path} – {each.problem}"
        for wanted, each in looked
        if each.found is None and each.path.name == f"python{wanted}"
    ]
    download = False
    if found is not None:
        detail = f"{found.version} at {found.path} ({found.origin})"
    else:
        download = not offline and any(map(uv_offers, minors))
        detail = "not found; uv would download it" if download else "not found"
    detail += f", for {', '.join(row.airflow for row in rows)}"
    detail += f"; skipped: {'; '.join(skipped)}" if skipped else ""
    needed = {default_bridge().python, default_target().python}
    return Diagnosis(
        name=f"Python {minor}",
        ok=found is not None or download or minor not in needed,
        detail=detail,
        hint=f"{ways(minors, '--python-bridge or --python-target')}.",
    )


def package_index() -> Diagnosis:
    """Whether uv can look a package up in the index that it would install from."""
    name = "package index"
    with scratch("doctor") as folder:
        wanted = folder / "requirements.in"
        wanted.write_text("pip\n", encoding="utf-8")
        try:
            uv(
                *("pip", "compile", "--no-deps", "--no-cache", "--quiet", str(wanted)),
                task="Asking the package index",
                cwd=folder,
            )
        except HarnessError as error:
            return Diagnosis(name=name, ok=False, detail=error.message, hint=error.hint)
    return Diagnosis(name=name, ok=True, detail="answers")


def _official_constraints(target: Target) -> Diagnosis:
    try:
        fetch(target.constraints_url)
        detail = "can be fetched"
    except HarnessError as error:
        detail = f"{error.message}; the reconstructed locks are used instead"
    return Diagnosis(name="official constraints", ok=True, detail=detail)


def _docker() -> Diagnosis:
    """Information only: nothing but ``--runtime docker`` and ``up`` need it."""
    name = "docker engine"
    try:
        engine = connect()
    except HarnessError as error:
        return Diagnosis(
            name=name, ok=True, detail=f"{error.message} (the venv runtime needs none)"
        )
    try:
        size = sum(entry["Size"] for entry in engine.client.api.images(filters=OUR_IMAGES))
    finally:
        engine.close()
    detail = f"{engine.version}, interface {engine.api_version}, {engine.architecture}"
    return Diagnosis(
        name=name, ok=True, detail=f"{detail}; images of ours {size / MEBIBYTE:,.0f} MiB"
    )


def _moto() -> Diagnosis:
    """Information only: nothing but an emulated AWS needs it."""
    found = moto_version()
    return Diagnosis(
        name="moto server",
        ok=True,
        detail=found or f"not installed (only --aws moto needs it). {INSTALL}",
    )


def _localstack() -> Diagnosis:
    """Information only, like ``_moto``."""
    name, image = "LocalStack", default_image()
    binary = shutil.which("docker")
    if binary is None:
        return Diagnosis(name=name, ok=True, detail=f"{image} needs a Docker engine")
    try:
        done = run(
            (binary, "image", "inspect", "--format", "{{.Id}}", image), timeout=DOCKER_SECONDS
        )
    except OSError as error:
        return Diagnosis(name=name, ok=True, detail=f"{binary} cannot be run: {error.strerror}")
    if done.returncode != 0:
        detail = f"{image} is not here; --aws localstack pulls it, or names another one"
        return Diagnosis(name=name, ok=True, detail=detail)
    return Diagnosis(name=name, ok=True, detail=f"{image} ({done.stdout.strip()})")


def _minor_number(minor: str) -> int:
    return int(minor.partition(".")[2])
