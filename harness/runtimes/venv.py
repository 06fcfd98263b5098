"""The embedded runtime: a virtual environment a side, made by uv, with the real Airflow in it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from harness.aws.emulation import emulated
from harness.aws.emulator import SHIM, Emulator
from harness.cache import cache_folder
from harness.errors import HarnessError
from harness.model import (
    Config,
    Constraints,
    Observation,
    Side,
    Target,
)
from harness.processes import Stopped
from harness.requirements.install import constraints_for_side, requirements_for_side
from harness.runtimes.base import OnProgress, Progress, Request, no_progress
from harness.runtimes.constraints import find_constraints, is_offline
from harness.runtimes.environments import Environment, provide
from harness.runtimes.interpreters import Interpreter, find, wanted_minors
from harness.runtimes.observing import (
    PROBE,
    SLACK_SECONDS,
    START_SECONDS,
    Seen,
    look,
    observation,
    payload_of,
)
from harness.runtimes.supervise import Ended, Limits, OnRecord, supervise
from harness.runtimes.surroundings import (
    Place,
    airflow_environment,
    repository_options,
    user_environment,
    with_pythonpath,
)


class VenvRuntime:
    """Brings a side up in a cached virtual environment and looks at it with the probe.

    ``python_bridge`` and ``python_target`` override the configuration's; ``offline`` reaches for
    nothing but the package index; ``start_seconds`` is the limit for Airflow and its plugins to
    come up; ``files_a_process`` is how many DAG files may be loaded by one process while each of
    them leaves it as it was (0: as the probe likes it).
    """

    name = "venv"

    def __init__(
        self,
        *,
        cache: Path | None = None,
        python_bridge: str = "",
        python_target: str = "",
        offline: bool = False,
        probe: Path = PROBE,
        start_seconds: float = START_SECONDS,
        files_a_process: int = 0,
    ) -> None:
        self.cache = cache or cache_folder()
        self.offline = offline or is_offline()
        self.probe = probe
        self.start_seconds = start_seconds
        self.files_a_process = files_a_process
        # One answer for a whole run: both sides and their resolvers must speak of the same file.
        self._constraints: dict[tuple[str, str], Constraints] = {}
        self._finding = threading.Lock()
        self._pythons = {Side.BRIDGE: python_bridge, Side.TARGET: python_target}

    def emulated(
        self,
        config: Config,
        on_progress: OnProgress,  # noqa: ARG002
    ) -> AbstractContextManager[Emulator | None]:
        """The emulated AWS of the configuration, on our loopback. Raises EmulatorError."""
        return emulated(config.aws, config.env)

    def interpreter(self, target: Target, side: Side, config: Config) -> Interpreter:
        """The Python of one side; ``NoInterpreter`` when there is none."""
        configured = {Side.BRIDGE: config.python_bridge, Side.TARGET: config.python_target}
        return find(
            wanted_minors(target),
            side=side,
            explicit=self._pythons[side] or configured[side],
            cache=self.cache,
            download=not self.offline,
        )

    def python(self, target: Target, side: Side, config: Config) -> Path:
        """The path of that Python, for whoever resolves requirements with it."""
        return self.interpreter(target, side, config).path

    def constraints(self, target: Target, config: Config) -> Constraints:
        """The constraint file of one row; ``NoConstraints`` when there is none."""
        location = config.constraints.get(target.airflow, "")
        key = (target.airflow, location)
        with self._finding:
            if key not in self._constraints:
                self._constraints[key] = find_constraints(
                    target, location, cache=self.cache, offline=self.offline
                )
            return self._constraints[key]

    def environment(
        self,
        target: Target,
        side: Side,
        constraints: Constraints,
        requirements: Sequence[str] = (),
        *,
        under: Constraints | None = None,
        config: Config | None = None,
        on_progress: OnProgress = no_progress,
    ) -> Environment:
        """The environment of one side, made when it is not in the cache; see ``provide``.

        Raises HarnessError: no interpreter, package index unreachable, disk full, Airflow does
        not start in it.
        """
        return provide(
            target,
            interpreter=self.interpreter(target, side, config or Config()),
            constraints=constraints,
            requirements=requirements,
            under=under,
            cache=self.cache,
            on_step=lambda step: on_progress(Progress(side=side, step=step)),
        )

    def observe(self, request: Request, on_progress: OnProgress) -> Observation:
        """Observe one side. What cannot be brought up comes back as ``Observation.failure``."""
        began = time.perf_counter()
        seen = Seen()
        environment = None
        timings = {}
        try:
            environment = self.environment(
                request.target,
                request.side,
                request.constraints,
                requirements_for_side(
                    request.requirements,
                    target=request.target,
                    repo=request.repo,
                    extra=request.extra_requirements,
                ),
                under=constraints_for_side(
                    request.requirements,
                    target=request.target,
                    constraints=request.constraints,
                    repo=request.repo,
                ),
                config=request.config,
                on_progress=on_progress,
            )
            timings["provide"] = time.perf_counter() - began
            seen = self._look(request, environment, on_progress)
        except Stopped:
            raise
        except HarnessError as error:
            seen.failure = str(error)
        except OSError as error:
            seen.failure = (
                f"The {request.side} cannot be run in {request.workspace}: {error}.\n"
                "Free some space, or choose another folder for temporary files (TMPDIR)."
            )
        timings["total"] = time.perf_counter() - began
        return observation(
            request,
            seen,
            runtime=self.name,
            python=environment.version if environment else "",
            packages=environment.packages if environment else {},
            refused=environment.refused if environment else {},
            timings=timings,
        )

    def _look(self, request: Request, environment: Environment, on_progress: OnProgress) -> Seen:
        place = _place(request)
        place.make()
        shutil.copyfile(environment.template_db, place.database)
        variables = _environment_variables(request, environment, place)
        config, repo = request.config, request.repo

        def run(files: Sequence[str], killers: Mapping[str, str], on_record: OnRecord) -> Ended:
            payload = place.root / "payload.json"
            asked = payload_of(request, files, killers, root=repo.root, place=place)
            if self.files_a_process:
                asked["files_a_process"] = self.files_a_process
            payload.write_bytes(msgspec.json.encode(asked))
            return supervise(
                (str(environment.python), "-B", "-s", str(self.probe), str(payload)),
                env=variables,
                cwd=place.airflow_home,
                limits=Limits(start=self.start_seconds, silence=2 * config.timeout + SLACK_SECONDS),
                no_network=not config.allowed_hosts,
                port=request.emulator.port if request.emulator else None,
                on_record=on_record,
            )

        return look(request, run, on_progress)


def _place(request: Request) -> Place:
    """The run's folders. AIRFLOW_HOME is the folder above the DAGs when they lie in ``dags``, so
    that ``$AIRFLOW_HOME/dags`` is the DAG folder, as on MWAA; else it is private and links there.
    """
    repo = request.repo
    dags = repo.root / repo.dags
    root = request.workspace / "run"
    home = dags.parent
    if dags.name != "dags" or not dags.is_relative_to(request.workspace):
        home = root / "airflow"
        home.mkdir(parents=True)
        (home / "dags").symlink_to(dags)
    return Place.below(
        root,
        airflow_home=home,
        dags=dags,
        plugins=repo.root / repo.plugins if repo.plugins else None,
    )


def _environment_variables(
    request: Request, environment: Environment, place: Place
) -> dict[str, str]:
    repo = request.repo
    text = ""
    if repo.airflow_cfg:
        text = (repo.root / repo.airflow_cfg).read_text(encoding="utf-8", errors="replace")
    variables = {
        **repository_options(text),
        **airflow_environment(request.target, place, environment.path),
        **user_environment(request.env),
    }
    return with_pythonpath(variables, str(SHIM)) if request.emulator else variables
