"""The pair in Docker: bridge and target side by side, a database each, and an emulated AWS.

A pair is a plan first – services as values – and then containers. ``up`` leaves it running until
``down``; ``running`` is the same for as long as a block lasts.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.aws.emulator import SHIM, Emulator
from harness.aws.localstack import LocalStackReady, advised, default_image
from harness.aws.seeds import fill
from harness.cache import cache_folder
from harness.config import load_config
from harness.containers.emulated import AWS_PORT
from harness.containers.engine import (
    PAIR_LABEL,
    Engine,
    EngineError,
    PortTaken,
    explaining,
    no_reaper,
    sweep_all,
    sweep_gone,
    sweep_run,
)
from harness.containers.images import (
    IMAGE_LABEL,
    Image,
    OnStep,
    compose_folder,
    docker_data,
    need_image,
    provide_aws_image,
    provide_image,
)
from harness.containers.once import PIDS
from harness.containers.plan import Asked, Secrets, Service, pair_name, parts_of, plan
from harness.containers.readiness import (
    WEB_PORT,
    AirflowHealthy,
    EngineHealthy,
    Ready,
    published,
    unhealthy,
)
from harness.containers.reaper import begin
from harness.model import AwsConfig, Config, Repo, Side, Target
from harness.repo import copy_tree, load
from harness.rewrite.repository import rewrite
from harness.runtimes.constraints import find_constraints
from harness.targets import default_bridge, default_target, get_target

POSTGRES_VARIABLE = "MWAA_HARNESS_POSTGRES_IMAGE"
SERVICE_LABEL = "io.mwaa-harness.service"
SECRET_LABEL = "io.mwaa-harness.secret"  # noqa: S105
ABOUT_LABEL = "io.mwaa-harness.about"

STOP_SECONDS = 15


@dataclass(frozen=True, kw_only=True)
class Member:
    """One container of a pair that is there: what it is and how it does ("healthy", or why not).
    ``login`` is user and password of its web page, "" = it needs none or they are not ours."""

    service: str
    about: str
    state: str
    url: str = ""
    login: str = ""
    image: str = ""

    @property
    def healthy(self) -> bool:
        return self.state == "healthy"


# ----------------------------------------------------------------------------------- up and down


def up(engine: Engine, asked: Asked, on_step: OnStep) -> tuple[Member, ...]:
    """Bring the pair up and leave it running; what an earlier ``up`` left running is replaced, its
    databases are kept. What fails or is interrupted leaves nothing new behind.

    Raises EngineError: see the classes of engine and readiness.
    """
    return _start(engine, asked, on_step, kept=True)


def compose_variables(engine: Engine, asked: Asked, on_step: OnStep) -> Iterator[str]:
    """Build the images and give what ``compose/compose.yml`` reads from its ``.env``."""
    rows = _rows(asked)
    images = _images(engine, asked, rows, AwsConfig(), on_step)
    made = Secrets(seed=secrets.token_hex(16))
    yield f"# docker compose --env-file THIS -f {compose_folder() / 'compose.yml'} up"
    yield "COMPOSE_PROJECT_NAME=mwaa-harness"
    yield f"SHIM='{SHIM}'"
    for name in ("bridge", "target", "aws", "postgres"):
        yield f"{name.upper()}_IMAGE={images[name].name}"
    for side, repo in _repositories(asked, rows, _config(asked)).items():
        yield from (
            f"{side}_{part}".upper() + f"='{host}'" for part, host in parts_of(repo).items()
        )
    yield f"BRIDGE_PORT={asked.bridge_port}"
    yield f"TARGET_PORT={asked.target_port}"
    yield f"FERNET_KEY={made.fernet_key}"
    yield f"WEB_SECRET={made.word('web')}"
    yield f"DB_PASSWORD={made.word('db')}"
    yield f"ADMIN_PASSWORD={made.admin}"


def _rows(asked: Asked) -> Mapping[Side, Target]:
    return {
        Side.BRIDGE: get_target(asked.bridge or default_bridge().airflow),
        Side.TARGET: get_target(asked.target or default_target().airflow),
    }


@contextlib.contextmanager
def running(engine: Engine, asked: Asked, on_step: OnStep) -> Iterator[tuple[Member, ...]]:
    """A pair for as long as the block lasts; containers, networks and volumes go with it."""
    try:
        yield _start(engine, asked, on_step, kept=False)
    finally:
        sweep_run(engine)


def down(engine: Engine, *, name: str = "", wipe: bool = False) -> tuple[str, ...]:
    """Stop and remove the pair ("" = our scope's); with ``wipe`` its databases too.

    Gives what was removed, by name.
    """
    removed: list[str] = []
    client = engine.client
    filters = _of_pair(name)
    with explaining("Taking the pair down"), ThreadPoolExecutor() as pool:
        found = client.containers.list(all=True, filters=filters)
        # Airflow writes its end into its database, which is stopped after it.
        for airflows in (True, False):
            removed += pool.map(_stop, (each for each in found if _is_airflow(each) is airflows))
        for network in client.networks.list(filters=filters):
            network.remove()
            removed.append(network.name)
        for volume in client.volumes.list(filters=filters) if wipe else ():
            volume.remove(force=True)
            removed.append(volume.name)
    if wipe:
        shutil.rmtree(_folder(name or pair_name()), ignore_errors=True)
    return tuple(removed)


def _stop(container: Any) -> str:
    """Stop and remove one container; its name."""
    container.stop(timeout=STOP_SECONDS)
    container.remove(v=True, force=True)
    return str(container.name)


def down_all(engine: Engine) -> tuple[str, ...]:
    """Remove everything of ours that any run has left, pairs and their databases included."""
    return sweep_all(engine).names


def members(engine: Engine, *, name: str = "") -> tuple[Member, ...]:
    """The containers of the pair, in the order in which they were started; empty = none is up."""
    with explaining("Looking for the pair"):
        found = engine.client.containers.list(all=True, filters=_of_pair(name))
        return tuple(_member(each) for each in sorted(found, key=lambda c: c.attrs["Created"]))


def logs(engine: Engine, service: str, *, name: str = "", lines: int = 200) -> Iterator[str]:
    """The end of the log of one service, or of all ("")."""
    filters = _of_pair(name)
    with explaining("Reading the logs"):
        found = engine.client.containers.list(all=True, filters=filters)
    chosen = [each for each in found if service in ("", each.labels[SERVICE_LABEL])]
    if not chosen:
        there = ", ".join(sorted(each.labels[SERVICE_LABEL] for each in found))
        raise EngineError(
            f"There is no service {service!r} in the pair." if there else "The pair is not up.",
            hint=f"There are: {there}." if there else "`mwaa-harness up` starts it.",
        )
    for container in sorted(chosen, key=lambda each: each.attrs["Created"]):
        prefix = "" if service else f"{container.labels[SERVICE_LABEL]:<10} "
        text = container.logs(tail=lines).decode("utf-8", errors="replace")
        yield from (f"{prefix}{line}" for line in text.splitlines())


def _of_pair(name: str) -> dict[str, str]:
    """The engine's filter for what belongs to a pair."""
    return {"label": f"{PAIR_LABEL}={name or pair_name()}"}


def _start(engine: Engine, asked: Asked, on_step: OnStep, *, kept: bool) -> tuple[Member, ...]:
    # Ryuk would take down a pair that is to outlive us.
    (sweep_gone if kept else begin)(engine)
    rows = _rows(asked)
    config = _config(asked)
    images = _images(engine, asked, rows, config.aws, on_step)
    # Before anything is taken down: there may be something wrong with what is asked for.
    repos = _repositories(asked, rows, config)
    if kept:
        down(engine, name=asked.name)
    labels = engine.pair_labels(asked.name) if kept else engine.labels()
    with contextlib.ExitStack() as undo:
        # A pair that lasts as long as a block is swept with its run.
        made: list[str] = []
        if kept:
            undo.callback(_undo, engine, asked, made)
        volumes, seed = _volumes(engine, asked, rows, labels, made)
        services = list(plan(asked, rows, images, Secrets(seed=seed), volumes, repos, config.aws))
        network = _network(engine, asked, labels)
        on_step("starting " + ", ".join(service.name for service in services))
        started = [start_service(engine, service, asked, network, labels) for service in services]
        for container, service in zip(started, services, strict=True):
            on_step(f"waiting for the {service.name}")
            _ready(service, asked, config.aws).wait_until_ready(container)
            if service.port == AWS_PORT:
                _fill(container, config.aws)
        undo.pop_all()
    return tuple(_member(each.get_wrapped_container()) for each in started)


def _images(
    engine: Engine, asked: Asked, rows: Mapping[Side, Target], aws: AwsConfig, on_step: OnStep
) -> Mapping[str, Image]:
    named: dict[str, str] = {
        Side.BRIDGE: asked.bridge_image,
        Side.TARGET: asked.target_image,
        "postgres": os.environ.get(POSTGRES_VARIABLE) or docker_data()["postgres_image"],
    }
    cache = cache_folder()
    # What was named first: it costs nothing to find out that it is not there.
    images = {name: need_image(engine, image, on_step) for name, image in named.items() if image}
    if aws.emulator == "localstack":
        with advised():
            images["aws"] = need_image(engine, aws.image or default_image(), on_step)
    else:
        images["aws"] = provide_aws_image(engine, cache=cache, on_step=on_step)
    for side, row in rows.items():
        if side not in images:
            constraints = find_constraints(row, offline=asked.offline)
            images[side] = provide_image(engine, row, constraints, cache=cache, on_step=on_step)
    return images


def _config(asked: Asked) -> Config:
    return load_config(asked.repo, overrides={}) if asked.repo else Config()


def _repositories(asked: Asked, rows: Mapping[Side, Target], config: Config) -> Mapping[Side, Repo]:
    """The bridge reads the repository itself, the target a rewritten copy of it."""
    if asked.repo is None:
        return {}
    repo = load(asked.repo, config=config)
    row = rows[Side.TARGET]
    folder = _folder(asked.name) / row.airflow
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    copy = copy_tree(repo, folder)
    constraints = find_constraints(row, offline=asked.offline)
    rewritten = rewrite(copy, target=row, constraints=constraints, config=config).repo
    for path in folder.rglob("*"):
        # The container's user is another one than we are.
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    return {Side.BRIDGE: repo, Side.TARGET: rewritten}


def _folder(name: str) -> Path:
    return cache_folder("pairs") / name


def _volumes(
    engine: Engine,
    asked: Asked,
    rows: Mapping[Side, Target],
    labels: Mapping[str, str],
    made: list[str],
) -> tuple[Mapping[Side, str], str]:
    """A database volume a side and version, and the secret that all of them carry."""
    import docker

    names = {side: f"{asked.name}-{side}-{row.airflow}" for side, row in rows.items()}
    if PAIR_LABEL not in labels:
        names = {side: f"{name}-{engine.run}" for side, name in names.items()}
    with explaining("Making the databases' volumes"):
        ours = engine.client.volumes.list(filters={"label": f"{PAIR_LABEL}={asked.name}"})
        if PAIR_LABEL not in labels:
            ours = []
        known = [(v.attrs["Labels"] or {}).get(SECRET_LABEL, "") for v in ours]
        seed = next(filter(None, known), "") or secrets.token_hex(16)
        for name in names.values():
            try:
                engine.client.volumes.get(name)
            except docker.errors.NotFound:
                engine.client.volumes.create(name, labels={**labels, SECRET_LABEL: seed})
                made.append(name)
    return names, seed


def _network(engine: Engine, asked: Asked, labels: Mapping[str, str]) -> str:
    name = f"{asked.name}-{engine.run}"
    with explaining("Making the pair's network"):
        engine.client.networks.create(name, driver="bridge", labels=dict(labels))
    return name


def start_service(
    engine: Engine, service: Service, asked: Asked, network: str, labels: Mapping[str, str]
) -> Any:
    """Start one service as a container of Testcontainers'."""
    from docker.types import EndpointConfig, Mount
    from testcontainers.core.container import DockerContainer

    no_reaper()
    name = f"{asked.name}-{service.name}" if PAIR_LABEL in labels else None
    mounts = [
        *(
            Mount(inside, host, type="bind", read_only=True)
            for host, inside in service.mounts.items()
        ),
        *(Mount(inside, volume, type="volume") for volume, inside in service.volumes.items()),
    ]
    container = DockerContainer(service.image).with_envs(**service.env)
    if name:
        container.with_name(name)
    if service.command:
        container.with_command(list(service.command))
    if service.port:
        # A host and no port takes a free one of that host.
        container.ports[str(service.port)] = ("127.0.0.1", service.host_port or None)  # type: ignore[assignment]
    container.with_kwargs(
        network=network,
        networking_config={network: EndpointConfig(engine.api_version, aliases=[service.name])},
        labels={**labels, SERVICE_LABEL: service.name, ABOUT_LABEL: service.about},
        mounts=mounts,
        init=True,
        cap_drop=["ALL"],
        cap_add=list(service.capabilities),
        healthcheck=_health(service),
        security_opt=["no-new-privileges"],
        mem_limit=service.memory,
        pids_limit=PIDS,
    )
    try:
        with explaining(f"Starting the {service.name}"):
            container.start()
    except PortTaken as error:
        raise PortTaken(
            f"The port {service.host_port} for the {service.name} is taken: somebody else listens"
            " on it.",
            hint=f"Name another one with --{service.name}-port, or 0 for a free one.",
        ) from error
    return container


def _health(service: Service) -> dict[str, Any] | None:
    if not service.health:
        return None
    second = 1_000_000_000
    return {
        "test": ["CMD", *service.health],
        "interval": 2 * second,
        "timeout": 5 * second,
        "retries": 30,
    }


def _ready(service: Service, asked: Asked, aws: AwsConfig) -> Ready:
    if service.port == AWS_PORT and aws.emulator == "localstack":
        return LocalStackReady(service.image, asked.wait, AWS_PORT)
    kind = AirflowHealthy if service.port == WEB_PORT else EngineHealthy
    return kind(service=service.name, seconds=asked.wait)


def _fill(container: Any, aws: AwsConfig) -> None:
    """Give the emulated AWS what the configuration says it holds, through the published port."""
    found = container.get_wrapped_container()
    found.reload()
    endpoint = f"http://127.0.0.1:{published(found, AWS_PORT)}"
    fill(Emulator(name=aws.emulator, endpoint=endpoint), aws)


def _is_airflow(container: Any) -> bool:
    return container.labels.get(SERVICE_LABEL) in list(Side)


def _member(container: Any) -> Member:
    container.reload()
    labels, state = container.labels, container.attrs["State"]
    service = labels[SERVICE_LABEL]
    pairs = (entry.partition("=") for entry in container.attrs["Config"]["Env"] or ())
    env = {key: value for key, _, value in pairs}
    airflow = _is_airflow(container)
    web = published(container, WEB_PORT if airflow else AWS_PORT)
    if state["Status"] != "running":
        how = f"{state['Status']} (exit code {state['ExitCode']})"
    elif airflow:
        how = (unhealthy(web) if web else "not published") or "healthy"
    else:
        how = (state.get("Health") or {}).get("Status", "healthy")
    login = ""
    # A ready-made image makes an administrator of its own, whom we do not know.
    if airflow and IMAGE_LABEL in labels and env.get("MWAA_HARNESS_PASSWORD"):
        login = f"{env['MWAA_HARNESS_USER']} / {env['MWAA_HARNESS_PASSWORD']}"
    return Member(
        service=service,
        about=labels[ABOUT_LABEL],
        state=how,
        url=f"http://127.0.0.1:{web}" if web else "",
        login=login,
        image=container.attrs["Config"]["Image"],
    )


def _undo(engine: Engine, asked: Asked, made: Sequence[str]) -> None:
    """Remove what a failed ``up`` has made, and no database that was there before."""
    down(engine, name=asked.name)
    with contextlib.suppress(EngineError), explaining("Removing volumes"):
        for name in made:
            engine.client.volumes.get(name).remove(force=True)
