"""The Docker runtime: a container a side, from an image shaped like MWAA's own.

The same probe is asked the same things as in a virtual environment, so that both runtimes give the
same Observation. The repository lies where MWAA has it: ``/usr/local/airflow/dags`` and beside.
A container has no network, no capability, no mount and nothing of the host's environment; every
start of the probe gets a fresh one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from harness.aws.emulator import SHIM, Emulator
from harness.cache import cache_folder
from harness.containers.emulated import SHIM_INSIDE, emulated_inside
from harness.containers.engine import Engine, connect
from harness.containers.images import Image, need_image, provide_image
from harness.containers.installed import Installed, install_requirements
from harness.containers.learn import RUN_FOLDER, Inside, environment_inside, learn
from harness.containers.once import (
    STDOUT,
    Command,
    created,
    pack_files,
    pack_folders,
    pack_link,
    pack_tree,
    streamed,
    with_channel,
)
from harness.containers.reaper import begin
from harness.errors import HarnessError
from harness.launch import NO_NETWORK
from harness.model import Config, Constraints, Observation, Side, Target
from harness.processes import Stopped
from harness.requirements.install import constraints_for_side, requirements_for_side
from harness.runtimes.base import OnProgress, Progress, Request
from harness.runtimes.observing import (
    PROBE,
    SLACK_SECONDS,
    START_SECONDS,
    Seen,
    look,
    observation,
    payload_of,
)
from harness.runtimes.supervise import Ended, Limits, OnRecord, Watch, exit_text
from harness.runtimes.surroundings import (
    Place,
    repository_options,
    user_environment,
    with_pythonpath,
)
from harness.runtimes.venv import VenvRuntime

# Where MWAA has the repository.
AIRFLOW_HOME = Path("/usr/local/airflow")

# What Airflow itself needs beside the DAG files, in MiB.
AIRFLOW_MEMORY = 2048


class DockerRuntime:
    """Brings a side up in a container and looks at it with the probe.

    ``images`` names ready-made images by side; otherwise the row's image is built. ``offline``
    reaches for nothing but the package index; ``start_seconds`` is the limit for Airflow and its
    plugins to come up. Raises NoEngine or EngineTooOld when it is made.
    """

    name = "docker"

    def __init__(
        self,
        *,
        engine: Engine | None = None,
        cache: Path | None = None,
        images: Mapping[Side, str] | None = None,
        offline: bool = False,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self.engine = engine or connect()
        self.cache = cache or cache_folder()
        self.images = images or {}
        self.start_seconds = start_seconds
        # Requirements are resolved on this machine, whatever the sides run in.
        self._here = VenvRuntime(cache=self.cache, offline=offline)
        self._sweeping = threading.Lock()
        self._swept = False

    def emulated(
        self, config: Config, on_progress: OnProgress
    ) -> AbstractContextManager[Emulator | None]:
        """The emulated AWS of the configuration, in a container of its own."""

        def step(text: str) -> None:
            on_progress(Progress(side=Side.BRIDGE, step=text))

        return emulated_inside(self.engine, config, cache=self.cache, on_step=step)

    def python(self, target: Target, side: Side, config: Config) -> Path:
        """A Python of the side's version on this machine, to resolve requirements with."""
        return self._here.python(target, side, config)

    def constraints(self, target: Target, config: Config) -> Constraints:
        """The constraint file of one row; ``NoConstraints`` when there is none."""
        return self._here.constraints(target, config)

    def image(self, request: Request, on_progress: OnProgress) -> Image:
        """The image of one side: the one that was named, else the row's own."""

        def step(text: str) -> None:
            on_progress(Progress(side=request.side, step=text))

        named = self.images.get(request.side, "")
        if named:
            return need_image(self.engine, named, step)
        return provide_image(
            self.engine, request.target, request.constraints, cache=self.cache, on_step=step
        )

    def observe(self, request: Request, on_progress: OnProgress) -> Observation:
        """Observe one side. What cannot be brought up comes back as ``Observation.failure``."""
        began = time.perf_counter()
        seen = Seen()
        image: Image | None = None
        inside: Inside | None = None
        made: Installed | None = None
        timings = {}
        try:
            self._sweep_once()
            image = self.image(request, on_progress)
            inside, made = self._provide(request, image, on_progress)
            timings["provide"] = time.perf_counter() - began
            seen = self._look(request, image, inside, made, on_progress)
        except Stopped:
            raise
        except HarnessError as error:
            seen.failure = str(error)
        timings["total"] = time.perf_counter() - began
        return observation(
            request,
            seen,
            runtime=self.name,
            python=inside.version if inside else "",
            packages=made.packages if made else {},
            refused=made.refused if made else {},
            image=image.name if image else "",
            image_digest=image.digest if image else "",
            timings=timings,
        )

    def _sweep_once(self) -> None:
        """What was left by runs that were killed goes before anything new is made."""
        with self._sweeping:
            if not self._swept:
                begin(self.engine)
                self._swept = True

    def _provide(
        self, request: Request, image: Image, on_progress: OnProgress
    ) -> tuple[Inside, Installed]:
        def step(text: str) -> None:
            on_progress(Progress(side=request.side, step=text))

        inside = learn(self.engine, image, request.target, cache=self.cache, on_step=step)
        lines = requirements_for_side(
            request.requirements,
            target=request.target,
            repo=request.repo,
            extra=request.extra_requirements,
        )
        made = install_requirements(
            self.engine,
            image,
            inside,
            request.target,
            constraints_for_side(
                request.requirements,
                target=request.target,
                constraints=request.constraints,
                repo=request.repo,
            ),
            lines,
            root=request.repo.root,
            inside_root=AIRFLOW_HOME,
            cache=self.cache,
            on_step=step,
        )
        return inside, made

    def _look(
        self,
        request: Request,
        image: Image,
        inside: Inside,
        made: Installed,
        on_progress: OnProgress,
    ) -> Seen:
        config = request.config
        place = _place(request)
        environment = _environment_variables(request, image, inside, place)
        whose = {"uid": inside.uid, "gid": inside.gid}
        probe = RUN_FOLDER.parent / PROBE.name
        payload_path = RUN_FOLDER.parent / "payload.json"
        repository = pack_tree(request.repo.root, AIRFLOW_HOME, **whose)
        files = [
            pack_folders(place.folders, **whose),
            repository,
            pack_files({str(place.database): inside.database}, **whose),
            pack_tree(PROBE, probe, uid=0, gid=0),
        ]
        if place.airflow_home.is_relative_to(RUN_FOLDER):
            files.append(pack_link(place.airflow_home / "dags", AIRFLOW_HOME / request.repo.dags))
        network = "bridge" if config.allowed_hosts else "none"
        if request.emulator:
            network = f"container:{request.emulator.container}"
            files.append(pack_tree(SHIM, Path(SHIM_INSIDE), uid=0, gid=0))
            environment = with_pythonpath(environment, SHIM_INSIDE)
        isolation = "" if config.allowed_hosts else NO_NETWORK
        # Outer bounds: each file has its own limit from the probe.
        memory = AIRFLOW_MEMORY + max(1, request.workers or 1) * config.memory
        silence = 2 * config.timeout + SLACK_SECONDS

        def run(paths: Sequence[str], killers: Mapping[str, str], on_record: OnRecord) -> Ended:
            asked = payload_of(request, paths, killers, root=AIRFLOW_HOME, place=place)
            payload = pack_files({str(payload_path): msgspec.json.encode(asked)}, uid=0, gid=0)
            argv = (inside.python, "-B", str(probe), str(payload_path), "/dev/fd/3")
            command = Command(
                image=made.image,
                argv=with_channel(argv, environment),
                cwd=str(place.airflow_home),
                user=f"{inside.uid}:{inside.gid}",
                files=[*files, payload],
                network=network,
                memory=memory,
            )
            limits = Limits(start=self.start_seconds, silence=silence)
            return _supervised(self.engine, command, limits, isolation, on_record)

        return look(request, run, on_progress)


def _supervised(
    engine: Engine, command: Command, limits: Limits, isolation: str, on_record: OnRecord
) -> Ended:
    """Run the probe in a container of its own until it ends or must be ended."""
    with created(engine, command) as container:
        watch = Watch(limits=limits, on_record=on_record)

        def take(stream: int, data: bytes) -> None:
            (watch.take_records if stream == STDOUT else watch.take_output)(data)

        why, code = streamed(container, take, watch.problem)
        if not why and not watch.complete and _out_of_memory(container):
            why = f"it was killed: its container took more than {command.memory} MiB"
    # 128 and a signal's number is how an engine says that a signal ended it.
    signal_or_code = 128 - code if code > 128 else code
    return Ended(
        complete=watch.complete,
        why=why or exit_text(signal_or_code),
        output=watch.tail.decode("utf-8", errors="replace"),
        isolation=isolation,
    )


def _out_of_memory(container: object) -> bool:
    container.reload()  # type: ignore[attr-defined]
    return bool(container.attrs["State"].get("OOMKilled"))  # type: ignore[attr-defined]


def _place(request: Request) -> Place:
    """The run's folders in the container, after the same rule as in a virtual environment:
    AIRFLOW_HOME is the folder above the DAGs when they lie in ``dags``."""
    repo = request.repo
    dags = AIRFLOW_HOME / repo.dags
    private = dags.name != "dags"
    return Place.below(
        RUN_FOLDER,
        airflow_home=RUN_FOLDER / "airflow" if private else dags.parent,
        dags=dags,
        plugins=AIRFLOW_HOME / repo.plugins if repo.plugins else None,
    )


def _environment_variables(
    request: Request, image: Image, inside: Inside, place: Place
) -> dict[str, str]:
    repo = request.repo
    text = ""
    if repo.airflow_cfg:
        text = (repo.root / repo.airflow_cfg).read_text(encoding="utf-8", errors="replace")
    base = {"PYTHONUSERBASE": inside.userbase} if inside.userbase else {"PYTHONNOUSERSITE": "1"}
    return {
        **repository_options(text),
        **environment_inside(request.target, place, image),
        **base,
        **user_environment(request.env),
    }
