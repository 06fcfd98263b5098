"""Virtual environments as cached values: what goes in decides the name of the folder.

Two layers, as on MWAA. The *image* holds Airflow and what MWAA preinstalls; its metadata database
is initialised once and kept as a template. A repository's requirements make a second environment,
which starts as a hard-linked copy of the image's and therefore costs only what is new in it.

    <cache>/environments/<key>/{venv/, template.db, READY, USED}

READY is written last and holds the environment's description. Whoever fails or is interrupted
before that takes the folder away; a run that is killed cannot, so whoever holds the key's lock
removes a folder without READY and starts anew.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout
from packaging.version import Version

from harness.errors import HarnessError
from harness.files import write_atomically
from harness.launch import launched
from harness.model import Constraints, Target
from harness.processes import check_running, run
from harness.runtimes.interpreters import Interpreter
from harness.runtimes.surroundings import Place, airflow_environment
from harness.runtimes.uv import UvFailed, in_short, last_lines, uv
from harness.targets import image_overrides, image_requirements

# Raise it when the way environments are made changes; older ones are then not used any more.
FORMAT = 1

# What could not be installed may be installable tomorrow.
RETRY_SECONDS = 24 * 3600.0

INIT_SECONDS = 600.0

# Python before 3.12 comes with setuptools (ensurepip bundles it), and distributions of that time
# import its pkg_resources at run time, which setuptools 82 dropped (its history, v82.0.0).
SEED = "setuptools<82"
SEEDED_BEFORE = Version("3.12")

# The options of a requirements file that say where packages come from. uv has no other that
# matters here: those that it does not know (``--pre``, ``--trusted-host``) would be errors.
SOURCES = re.compile(
    r"(?:-i|--index-url|--extra-index-url|-f|--find-links|--no-index|--no-binary|--only-binary)\b"
)
REQUIREMENT = re.compile(r"[^-]|(?:-e|--editable)\b")

OnStep = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A virtual environment that is ready for use.

    ``folder`` is its place in the cache, ``version`` its Python's version, ``packages`` what is
    installed (canonical name → version), ``refused`` the requirement lines that could not be
    installed, and why.
    """

    folder: Path
    version: str
    packages: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The hash of everything that it was made from."""
        return self.folder.name

    @property
    def path(self) -> Path:
        """The virtual environment itself."""
        return self.folder / "venv"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.path / "bin" / "python"

    @property
    def template_db(self) -> Path:
        """An initialised metadata database, to be copied."""
        return self.folder / "template.db"


class _Ready(msgspec.Struct, frozen=True):
    """What READY holds: an Environment but for the folder, which may have been moved."""

    version: str
    packages: dict[str, str]
    refused: dict[str, str]


class EnvironmentFailed(HarnessError):
    """An environment was made, but Airflow does not work in it; or the disk would not have it."""


def provide(
    target: Target,
    *,
    interpreter: Interpreter,
    constraints: Constraints,
    requirements: Sequence[str] = (),
    under: Constraints | None = None,
    cache: Path,
    on_step: OnStep,
) -> Environment:
    """The environment of one side; made when it is not there yet, else ready at once.

    ``requirements`` are logical lines of a requirements file, without ``-c`` and ``-r``; ``under``
    is what they are installed under when that is not what the image was made under. Lines
    that cannot be installed beside the image are left out and come back in ``refused``; nothing
    else is lost. Raises ``UvFailed`` or ``EnvironmentFailed``.
    """
    root = cache / "environments"
    image_key = environment_key(target, interpreter, constraints)

    def make_image(folder: Path) -> Environment:
        return _make_image(folder, target, interpreter, constraints, on_step)

    image = ready_or_made(root / image_key, make_image, on_step)
    if not requirements:
        return image

    def make_own(folder: Path) -> Environment:
        return _make_own(folder, image, target, under or constraints, requirements, on_step)

    own_key = environment_key(target, interpreter, constraints, requirements, under)
    return ready_or_made(root / own_key, make_own, on_step)


def environment_key(
    target: Target,
    interpreter: Interpreter,
    constraints: Constraints,
    requirements: Sequence[str] = (),
    under: Constraints | None = None,
) -> str:
    """The name of an environment's folder: a hash of all that decides what is in it."""
    others = (under,) if under and under != constraints else ()
    parts = (
        (str(FORMAT), target.airflow, interpreter.version, str(interpreter.path)),
        image_lines(target, constraints),
        _rows(constraints),
        tuple(requirements),
        *(_rows(other) for other in others),
    )
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:24]


def _rows(constraints: Constraints) -> tuple[str, ...]:
    lines = (line.partition("#")[0].strip() for line in constraints.text.splitlines())
    return tuple(line for line in lines if line)


def image_lines(target: Target, constraints: Constraints) -> tuple[str, ...]:
    """The requirement lines of a row's image: Airflow, what MWAA preinstalls, setuptools."""
    lines = image_requirements(target, constraints.pins)
    return (*lines, SEED) if Version(target.python) < SEEDED_BEFORE else lines


# ---------------------------------------------------------------------------- the cache's protocol


def ready_or_made(
    folder: Path, make: Callable[[Path], Environment], on_step: OnStep
) -> Environment:
    """What READY describes; under the key's lock ``make`` fills the folder when there is none."""
    ready = _read_ready(folder)
    if ready is not None:
        mark_used(folder)
        return ready
    with _writing_explained(folder), locked(folder.with_suffix(".lock"), on_step):
        ready = _read_ready(folder)
        if ready is not None:
            return ready
        remove(folder)
        folder.mkdir()
        with ExitStack() as half_made:
            half_made.callback(shutil.rmtree, folder, ignore_errors=True)
            made = make(folder)
            ready_file = _Ready(made.version, dict(made.packages), dict(made.refused))
            write_atomically(folder / "READY", msgspec.json.encode(ready_file))
            half_made.pop_all()
        return made


def mark_used(folder: Path) -> None:
    """Note that an environment is used now; see ``prune``."""
    with suppress(OSError):  # the cache may be somebody else's
        (folder / "USED").touch()


def last_use(folder: Path) -> float:
    """When an environment was used last, or made, in seconds since the epoch."""
    for name in ("USED", "READY", ""):
        with suppress(OSError):
            return (folder / name).stat().st_mtime
    return 0.0


def _read_ready(folder: Path) -> Environment | None:
    path = folder / "READY"
    try:
        ready = msgspec.json.decode(path.read_bytes(), type=_Ready)
        age = time.time() - path.stat().st_mtime
    except (OSError, msgspec.MsgspecError):
        return None
    environment = Environment(
        folder=folder, version=ready.version, packages=ready.packages, refused=ready.refused
    )
    # The interpreter that it was made from may be gone.
    usable = environment.python.exists() and not (ready.refused and age > RETRY_SECONDS)
    return environment if usable else None


@contextmanager
def locked(path: Path, on_step: OnStep) -> Iterator[None]:
    """Hold a lock between processes; waiting for it is told, and ends when the run is stopped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_step("waiting for another run that makes the same environment")
        while not lock.is_locked:
            check_running()
            with suppress(Timeout):
                lock.acquire(timeout=1)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _writing_explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnvironmentFailed(
            f"The environment {folder} cannot be made: {error.strerror or error}.",
            hint="Free some space, or set MWAA_HARNESS_CACHE to a folder that you may write to.",
        ) from error


def remove(folder: Path) -> None:
    """Remove an environment; whoever does so holds the key's lock."""
    if folder.exists():
        # READY first: a removal that is cut short must not leave a folder that looks whole.
        (folder / "READY").unlink(missing_ok=True)
        shutil.rmtree(folder)


# ------------------------------------------------------------------------------ making the layers


def _make_image(
    folder: Path,
    target: Target,
    interpreter: Interpreter,
    constraints: Constraints,
    on_step: OnStep,
) -> Environment:
    lines = image_lines(target, constraints)
    name = f"Airflow {target.airflow}"
    environment = Environment(folder=folder, version=interpreter.version)
    on_step(f"installing {name} and what its image holds ({len(lines)} packages)")
    # Relocatable: the requirements' environment starts as a copy of this one.
    uv(
        *("venv", "--no-project", "--relocatable", "--python", str(interpreter.path)),
        str(environment.path),
        task=f"Making an environment with Python {interpreter.version}",
        cwd=folder,
    )
    overrides = folder / "overrides.txt"
    overrides.write_text(overrides_text(target, constraints), encoding="utf-8")
    under = ("-c", str(folder / "constraints.txt"), "--overrides", str(overrides))
    try:
        _install(environment, target, constraints, lines, *under, task=f"Installing {name}")
    except UvFailed as error:
        # An image is a fact, even where its pins contradict each other on paper.
        if error.kind != "unsolvable":
            raise
        _install(environment, target, constraints, lines, "--no-deps", task=f"Installing {name}")
    on_step(f"initialising the metadata database of {name}")
    _initialise(environment, target)
    return replace(environment, packages=_packages(environment))


def _make_own(
    folder: Path,
    image: Environment,
    target: Target,
    constraints: Constraints,
    requirements: Sequence[str],
    on_step: OnStep,
) -> Environment:
    on_step(f"installing the requirements ({len(requirements)})")
    environment = Environment(folder=folder, version=image.version)
    shutil.copytree(image.path, environment.path, symlinks=True, copy_function=_link)
    _link(str(image.template_db), str(environment.template_db))

    def install(wanted: Sequence[str]) -> None:
        _install(environment, target, constraints, wanted, task="Installing the requirements")

    refused = install_what_can(requirements, install)
    return replace(environment, packages=_packages(environment), refused=refused)


def install_what_can(
    requirements: Sequence[str], install: Callable[[Sequence[str]], None]
) -> dict[str, str]:
    """Install all lines that can be installed together; those that cannot → the reason.

    ``install`` raises UvFailed. Halves are tried until the lines at fault stand alone.
    """
    refused: dict[str, str] = {}
    options = [line for line in requirements if SOURCES.match(line)]
    lines = [line for line in requirements if REQUIREMENT.match(line)]

    def installed(group: Sequence[str], with_: Sequence[str]) -> list[str]:
        """The lines of ``group`` that could be installed together with ``with_``."""
        try:
            install((*options, *with_, *group))
        except UvFailed as error:
            if error.kind not in ("unsolvable", "metadata", "build", ""):
                raise
            if len(group) == 1:
                refused[group[0]] = in_short(error)
                return []
            middle = len(group) // 2
            left = installed(group[:middle], with_)
            return [*left, *installed(group[middle:], [*with_, *left])]
        return list(group)

    if lines:
        installed(lines, ())
    return refused


def _link(source: str, destination: str) -> str:
    try:
        os.link(source, destination)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EMLINK, errno.EXDEV, errno.ENOTSUP):
            raise
        shutil.copy2(source, destination)
    return destination


def _install(
    environment: Environment,
    target: Target,
    constraints: Constraints,
    lines: Sequence[str],
    *options: str,
    task: str,
) -> None:
    """Install ``lines`` under the constraints; Airflow itself stays what the row says."""
    wanted, under = (environment.folder / f"{name}.txt" for name in ("requirements", "constraints"))
    wanted.write_text("\n".join(lines) + "\n", encoding="utf-8")
    under.write_text(constraints_text(target, constraints), encoding="utf-8")
    uv(
        *("pip", "install", "--python", str(environment.python), "--compile-bytecode"),
        *("-r", str(wanted), *(options or ("-c", str(under)))),
        task=task,
        cwd=environment.folder,
    )


def overrides_text(target: Target, constraints: Constraints) -> str:
    """What an image is installed without, whichever provider asks for it."""
    return "".join(f"{line}\n" for line in image_overrides(target, constraints.pins))


def constraints_text(target: Target, constraints: Constraints) -> str:
    """What a side is installed under: the constraint file, and Airflow itself as the row says."""
    return f"{constraints.text}\napache-airflow=={target.airflow}\n"


def _packages(environment: Environment) -> dict[str, str]:
    listing = uv(
        *("pip", "list", "--python", str(environment.python), "--format=json"),
        task="Listing what was installed",
        cwd=environment.folder,
    )
    rows = msgspec.json.decode(listing.stdout, type=list[dict[str, str]])
    return {row["name"]: row["version"] for row in rows}


def _initialise(environment: Environment, target: Target) -> None:
    """Prove that Airflow runs, and leave the migrated database as the template."""
    place = Place.below(environment.folder / "init", database=environment.template_db)
    place.make()
    variables = airflow_environment(target, place, environment.path)
    for arguments in (("version",), init_command(target)):
        argv = (str(environment.python), str(environment.path / "bin" / "airflow"), *arguments)
        done = run(launched(argv, no_network=True), env=variables, timeout=INIT_SECONDS)
        if done.returncode != 0:
            said = last_lines(done.stderr or done.stdout)
            raise EnvironmentFailed(
                f"`airflow {' '.join(arguments)}` fails in the new environment of Airflow"
                f" {target.airflow} (exit code {done.returncode}):\n{said}",
                hint="The constraints may not fit this Python: try the official file with"
                f" --constraints {target.airflow}=FILE-OR-URL.",
            )
    if not environment.template_db.is_file():
        raise EnvironmentFailed(
            f"`airflow {' '.join(init_command(target))}` made no database in {place.root}."
        )
    shutil.rmtree(place.root)


def init_command(target: Target) -> tuple[str, ...]:
    """The arguments of ``airflow`` that make a new metadata database.

    From Airflow's own command line: ``initdb`` in 1.10, ``db init`` from 2.0 on, ``db migrate``
    from 2.7 on (airflow/cli/cli_parser.py of 1.10.15, 2.0.2 and 2.7.2).
    """
    version = Version(target.airflow)
    if version < Version("2.0"):
        return ("initdb",)
    return ("db", "init") if version < Version("2.7") else ("db", "migrate")
