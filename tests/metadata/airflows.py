"""Real Airflows that work on the tests' databases, and the schemas that they make."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from postgres_server import Server, version

from harness.cache import cache_folder
from harness.launch import launched
from harness.model import Config, Side, Target
from harness.processes import Completed, run
from harness.runtimes.environments import Environment, init_command
from harness.runtimes.surroundings import Place, airflow_environment
from harness.runtimes.venv import VenvRuntime
from harness.targets import get_target

BRIDGE = "1.10.15"
TARGETS = ("2.5.1", "2.10.3", "2.11.0")
VERSIONS = (BRIDGE, *TARGETS)

# Raise it when cached databases are to be made anew.
FORMAT = 1

COMMAND_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class Airflow:
    """One Airflow of the embedded runtime, with a private AIRFLOW_HOME."""

    target: Target
    environment: Environment
    place: Place

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.environment.python

    def env(self, url: str, settings: Mapping[str, str] | None = None) -> dict[str, str]:
        """All environment variables that let it work on the database ``url``."""
        variables = airflow_environment(self.target, self.place, self.environment.path)
        (option,) = (name for name in variables if name.endswith("__SQL_ALCHEMY_CONN"))
        return {**variables, option: url, **(settings or {})}

    def run(
        self, *arguments: str, url: str, settings: Mapping[str, str] | None = None
    ) -> Completed:
        """``airflow`` with these arguments, to its end, however it ends."""
        script = self.environment.path / "bin" / "airflow"
        return self._run((str(self.python), str(script), *arguments), url, settings)

    def script(
        self, path: Path, *arguments: str, url: str, settings: Mapping[str, str] | None = None
    ) -> Completed:
        """A Python file run inside, to its end, however it ends."""
        return self._run((str(self.python), "-B", str(path), *arguments), url, settings)

    def call(self, *arguments: str, url: str, settings: Mapping[str, str] | None = None) -> str:
        """``airflow`` with these arguments; what it prints. AssertionError when it fails."""
        return must(self.run(*arguments, url=url, settings=settings))

    def _run(
        self, argv: tuple[str, ...], url: str, settings: Mapping[str, str] | None
    ) -> Completed:
        return run(
            launched(argv),
            env=self.env(url, settings),
            cwd=self.place.airflow_home,
            timeout=COMMAND_SECONDS,
        )


def must(done: Completed) -> str:
    """The standard output of a command that has to succeed."""
    assert done.returncode == 0, f"{done.argv} → {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def provided(airflow: str, folder: Path) -> Airflow:
    """The Airflow of that version, its private folders below ``folder``."""
    runtime, target = VenvRuntime(), get_target(airflow)
    side = Side.BRIDGE if target.role == "bridge" else Side.TARGET
    environment = runtime.environment(target, side, runtime.constraints(target, Config()))
    place = Place.below(folder)
    place.make()
    return Airflow(target=target, environment=environment, place=place)


def kept(name: str, parts: tuple[str, ...], make: Callable[[Path], None]) -> Path:
    """A file that ``make`` wrote once; made again when ``parts``, all that decides it, change."""
    folder = cache_folder("test-databases")
    folder.mkdir(parents=True, exist_ok=True)
    text = "\0".join((str(FORMAT), version(), *parts))
    path = folder / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.sql"
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            half = path.with_suffix(f".{os.getpid()}")
            try:
                make(half)
                half.replace(path)
            finally:
                half.unlink(missing_ok=True)
    return path


def schema(airflow: Airflow, server: Server) -> str:
    """The name of the template database that this Airflow has just initialised."""
    name = f"airflow_{airflow.target.airflow}"

    def make(path: Path) -> None:
        scratch = f"{name}_being_made"
        url = server.create(scratch)
        airflow.call(*init_command(airflow.target), url=url)
        server.dump(scratch, path)
        server.drop(scratch)

    if not server.exists(name):
        server.restore(name, kept(name, (airflow.environment.key,), make))
    return name
