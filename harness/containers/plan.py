"""What the pair in Docker is made of, as values: a service is a container that is to be."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.version import Version

from harness.aws.emulator import SHIM, Emulator
from harness.aws.localstack import environment as localstack_environment
from harness.containers.emulated import AWS_PORT, SHIM_INSIDE
from harness.containers.engine import scope
from harness.containers.images import Image
from harness.containers.readiness import WEB_PORT
from harness.model import AwsConfig, Repo, Side, Target
from harness.runtimes.surroundings import option_variable

HOME = "/usr/local/airflow"
ADMIN = "admin"

# From the engine's start of a container to a healthy Airflow: the database's migration and two
# imports of Airflow, on a slow machine. Requirements may take MWAA's nine minutes on top.
WAIT_SECONDS = 900.0

# An idle Airflow takes some 500 MiB; a runaway task must not take the machine.
AIRFLOW_MEMORY = "4g"
SMALL_MEMORY = "1g"
LOCALSTACK_MEMORY = "2g"

# For an official image, which starts as root, gives its folder to its user and becomes that user.
BECOMES_ITS_USER = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user asks for. Ports 0 = a free one; images "" = the row's own, built; ``repo`` None
    = no DAGs."""

    bridge: str = ""
    target: str = ""
    repo: Path | None = None
    bridge_image: str = ""
    target_image: str = ""
    bridge_port: int = 0
    target_port: int = 0
    wait: float = WAIT_SECONDS
    name: str = field(default_factory=lambda: pair_name())
    offline: bool = False


def pair_name() -> str:
    """The name of the pair of this scope."""
    return f"mwaa-harness-{scope()}" if scope() else "mwaa-harness"


@dataclass(frozen=True, kw_only=True)
class Service:
    """One container of the pair. ``mounts`` are folders of this machine, read-only; ``volumes``
    named ones that outlive it; ``port`` is published on the loopback as ``host_port``; ``health``
    is a command that ends with 0 when it is healthy, where its image has none."""

    name: str
    image: str
    env: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = ()
    mounts: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    host_port: int = 0
    health: Sequence[str] = ()
    capabilities: Sequence[str] = ()
    memory: str = SMALL_MEMORY
    about: str = ""


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """All secrets of a pair, out of one that its databases' volumes keep with them."""

    seed: str

    def _derived(self, what: str) -> bytes:
        return hashlib.sha256(f"{self.seed} {what}".encode()).digest()

    @property
    def fernet_key(self) -> str:
        return base64.urlsafe_b64encode(self._derived("fernet")).decode()

    @property
    def admin(self) -> str:
        return base64.b32encode(self._derived("admin")).decode()[:16].lower()

    def word(self, what: str) -> str:
        """A secret that nobody has to type."""
        return self._derived(what).hex()[:32]


def airflow_service(
    side: Side, target: Target, image: str, secrets_: Secrets, *, host_port: int = 0
) -> Service:
    """The Airflow of one side; what it needs of a repository is added by ``with_repository``."""
    database = f"{side}-db"
    word = secrets_.word(database)
    conn = f"postgresql+psycopg2://airflow:{word}@{database}:5432/airflow"
    section = "database" if Version(target.airflow) >= Version("2.3.0") else "core"
    options = {
        ("core", "executor"): "LocalExecutor",
        ("core", "load_examples"): "False",
        ("core", "fernet_key"): secrets_.fernet_key,
        (section, "sql_alchemy_conn"): conn,
        ("webserver", "secret_key"): secrets_.word("web"),
        ("webserver", "workers"): "2",
        # Airflow itself would give up after two minutes, whatever ``wait`` is.
        ("webserver", "web_server_master_timeout"): f"{WAIT_SECONDS:.0f}",
        ("webserver", "web_server_worker_timeout"): f"{WAIT_SECONDS:.0f}",
        ("scheduler", "dag_dir_list_interval"): "10",
    }
    if side is Side.BRIDGE:
        options["webserver", "rbac"] = "True"
    else:
        options["core", "lazy_load_plugins"] = "False"
    emulator = Emulator(name="moto", endpoint=f"http://aws:{AWS_PORT}")
    return Service(
        name=str(side),
        image=image,
        command=("local-runner",),
        env={
            **{option_variable(*option): value for option, value in options.items()},
            **emulator.environment(),
            "PYTHONPATH": SHIM_INSIDE,
            "MWAA_HARNESS_USER": ADMIN,
            "MWAA_HARNESS_PASSWORD": secrets_.admin,
            # For ready-made images: what the entrypoint of aws-mwaa-local-runner reads.
            "POSTGRES_HOST": database,
            "POSTGRES_PORT": "5432",
            "POSTGRES_USER": "airflow",
            "POSTGRES_PASSWORD": word,
            "POSTGRES_DB": "airflow",
            "LOAD_EX": "n",
            "EXECUTOR": "Local",
        },
        mounts={str(SHIM): SHIM_INSIDE},
        port=WEB_PORT,
        host_port=host_port,
        memory=AIRFLOW_MEMORY,
        about=f"Airflow {target.airflow}",
    )


def database_service(side: Side, image: str, secrets_: Secrets, volume: str) -> Service:
    """The PostgreSQL of one side."""
    return Service(
        name=f"{side}-db",
        image=image,
        # A new Airflow commits each of its permissions by itself; a power cut may take the last.
        command=("postgres", "-c", "synchronous_commit=off"),
        env={
            "POSTGRES_USER": "airflow",
            "POSTGRES_PASSWORD": secrets_.word(f"{side}-db"),
            "POSTGRES_DB": "airflow",
        },
        volumes={volume: "/var/lib/postgresql/data"},
        health=("pg_isready", "-h", "127.0.0.1", "-U", "airflow", "-d", "airflow"),
        capabilities=BECOMES_ITS_USER,
        about="PostgreSQL",
    )


def aws_service(aws: AwsConfig, image: str) -> Service:
    """The emulated AWS: moto server, or LocalStack at the same address."""
    moto = Service(name="aws", image=image, port=AWS_PORT, about="emulated AWS (moto server)")
    if aws.emulator != "localstack":
        return moto
    where = {"GATEWAY_LISTEN": f"0.0.0.0:{AWS_PORT}", "LOCALSTACK_HOST": f"{moto.name}:{AWS_PORT}"}
    return replace(
        moto,
        env={**localstack_environment(), **where},
        capabilities=BECOMES_ITS_USER,
        memory=LOCALSTACK_MEMORY,
        about="emulated AWS (LocalStack)",
    )


# The parts of a repository → where MWAA has them.
PARTS = {
    "dags": f"{HOME}/dags",
    "plugins": f"{HOME}/plugins",
    "requirements": f"{HOME}/requirements/requirements.txt",
    "startup": f"{HOME}/startup/startup.sh",
}


def parts_of(repo: Repo) -> dict[str, str]:
    """Which of PARTS a repository has → where on this machine."""
    paths = (repo.dags or ".", repo.plugins, repo.requirements, repo.startup)
    return {part: str(repo.root / path) for part, path in zip(PARTS, paths, strict=True) if path}


def with_repository(service: Service, repo: Repo) -> Service:
    """The service with a repository's parts where MWAA has them."""
    mounts = {host: PARTS[part] for part, host in parts_of(repo).items()}
    return replace(service, mounts={**service.mounts, **mounts})


def plan(
    asked: Asked,
    rows: Mapping[Side, Target],
    images: Mapping[str, Image],
    secrets_: Secrets,
    volumes: Mapping[Side, str],
    repos: Mapping[Side, Repo],
    aws: AwsConfig,
) -> Iterator[Service]:
    """The services in the order in which they are started."""
    for side in Side:
        yield database_service(side, images["postgres"].name, secrets_, volumes[side])
    yield aws_service(aws, images["aws"].name)
    ports = {Side.BRIDGE: asked.bridge_port, Side.TARGET: asked.target_port}
    for side, row in rows.items():
        service = airflow_service(side, row, images[side].name, secrets_, host_port=ports[side])
        yield with_repository(service, repos[side]) if side in repos else service
