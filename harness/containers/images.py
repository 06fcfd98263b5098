"""The images of the pair: one Dockerfile, and everything that a version's row decides.

An image's tag is a hash of what goes in, so that it is made once and made again when anything
changes. Three layers of knowledge about one: it is *built* (or named by the user), a repository's
requirements are *installed* on top of it, and what is inside is *learnt* by running it once.
"""

from __future__ import annotations

import hashlib
import io
import os
import queue
import shutil
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from packaging.version import Version

from harness.aws.moto import SCRIPT as MOTO_SCRIPT
from harness.containers.engine import (
    GLANCE_SECONDS,
    Engine,
    EngineError,
    ImageMissing,
    WrongArchitecture,
    explaining,
    kind_of,
    tail,
)
from harness.containers.once import END, pack_files
from harness.model import Constraints, Target
from harness.processes import check_running
from harness.runtimes.environments import constraints_text, image_lines, locked, overrides_text
from harness.runtimes.uv import UvFailed, uv
from harness.targets import DATA

# Raise it when the way images are made changes in what is not hashed.
FORMAT = 1

BASE_VARIABLE = "MWAA_HARNESS_BASE_IMAGE"
REPOSITORY = "mwaa-harness/airflow"
AWS_REPOSITORY = "mwaa-harness/aws"
IMAGE_LABEL = "io.mwaa-harness.image"

# The engine's word for a processor → uv's for its wheels.
WHEELS: Mapping[str, str] = {
    "amd64": "x86_64-manylinux_2_28",
    "arm64": "aarch64-manylinux_2_28",
}

OnStep = Callable[[str], None]


class BuildFailed(EngineError):
    """An image could not be built."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image that the engine has. ``digest`` names its content: the registry's digest where it
    has one, else the engine's own id. ``environment`` is what it sets itself."""

    name: str
    id: str
    digest: str
    environment: Mapping[str, str] = field(default_factory=dict)


# ---------------------------------------------------------------------------------- what goes in


def compose_folder() -> Path:
    """Where the Dockerfiles are: in the installed package, or beside it in a checkout."""
    installed = Path(__file__).parent.parent / "compose"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "compose"


def docker_data() -> Mapping[str, Any]:
    """The table of images that are not made here."""
    return tomllib.loads((DATA / "docker.toml").read_text(encoding="utf-8"))


def base_image(python: str, environ: Mapping[str, str] = os.environ) -> str:
    """The base of an image: the public slim one of that Python, or what the variable names."""
    pattern: str = environ.get(BASE_VARIABLE) or docker_data()["base_image"]
    return pattern.replace("{python}", python)


def start_rules(target: Target) -> dict[str, Any]:
    """MWAA's rules for starting an environment of this row, for the entrypoint in its image."""
    rules = tomllib.loads((DATA / "mwaa_rules.toml").read_text(encoding="utf-8"))
    return {
        "airflow": target.airflow,
        "constraints_url": target.constraints_url,
        "forces_constraints": Version(target.airflow) >= Version(rules["forces_constraints_since"]),
        "install_seconds": rules["install_seconds"],
        "startup_seconds": rules["startup_seconds"],
        "database_seconds": 120,
        "reserved_variables": rules["reserved_variables"],
    }


def build_context(target: Target, constraints: Constraints) -> dict[str, bytes]:
    """The files that a row's image is built from, but for uv: name → content."""
    folder = compose_folder()
    pins = "".join(f"{name}=={version}\n" for name, version in target.essential.items())
    lines = image_lines(target, constraints)
    return {
        "Dockerfile": (folder / "airflow.Dockerfile").read_bytes(),
        "entrypoint.py": (folder / "entrypoint.py").read_bytes(),
        "health.py": (folder / "health.py").read_bytes(),
        "requirements.txt": "".join(f"{line}\n" for line in lines).encode(),
        "constraints.txt": constraints_text(target, constraints).encode(),
        "overrides.txt": overrides_text(target, constraints).encode(),
        "essential.txt": pins.encode(),
        "rules.json": msgspec.json.encode(start_rules(target)),
    }


def image_tag(context: Mapping[str, bytes], target: Target, base: str) -> str:
    """The name under which the image of that context is kept."""
    return f"{REPOSITORY}:{target.airflow}-{_hash(context, base)}"


def _hash(context: Mapping[str, bytes], base: str) -> str:
    digest = hashlib.sha256(msgspec.json.encode((FORMAT, base)))
    for name in sorted(context):
        digest.update(msgspec.json.encode((name, hashlib.sha256(context[name]).hexdigest())))
    return digest.hexdigest()[:12]


def linux_uv(engine: Engine, cache: Path) -> Path:
    """A uv for the engine's containers, whatever this machine is."""
    wheels = WHEELS.get(engine.architecture)
    if wheels is None:
        raise WrongArchitecture(
            f"The engine's containers run on {engine.architecture}, for which no image is made.",
            hint=f"Images can be built for {' and '.join(WHEELS)}; others can be named with"
            " --bridge-image and --target-image.",
        )
    from importlib.metadata import version

    folder = cache / "docker" / f"uv-{version('uv')}-{wheels}"
    binary = folder / "bin" / "uv"
    with locked(folder.with_suffix(".lock"), lambda _: None):
        if not binary.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            making = folder.with_name(f"{folder.name}.{os.getpid()}")
            uv(
                *("pip", "install", "--target", str(making), "--python-platform", wheels),
                *("--python-version", "3.11", "--no-deps", "--link-mode", "copy"),
                f"uv=={version('uv')}",
                task="Fetching uv for the image",
                cwd=cache / "docker",
            )
            making.rename(folder)
    return binary


# ------------------------------------------------------------------------------------- the engine


def find_image(engine: Engine, name: str) -> Image | None:
    """An image that the engine has, None when it has none of that name."""
    import docker

    with explaining(f"Looking for the image {name}"):
        try:
            found = engine.client.images.get(name)
        except docker.errors.ImageNotFound:
            return None
    return _image(name, found)


def _image(name: str, found: Any) -> Image:
    pairs = (entry.partition("=") for entry in found.attrs["Config"].get("Env") or ())
    digests = found.attrs.get("RepoDigests") or ()
    return Image(
        name=name,
        id=found.id,
        digest=digests[0] if digests else found.id,
        environment={key: value for key, _, value in pairs},
    )


def need_image(engine: Engine, name: str, on_step: OnStep) -> Image:
    """An image by name, pulled when it is not here.

    Raises ImageMissing and WrongArchitecture: an image for another processor would start and die
    with "exec format error".
    """
    image = find_image(engine, name)
    if image is None:
        on_step(f"pulling {name}")
        repository, tag = split_name(name)
        try:
            with explaining(f"Pulling the image {name}"):
                engine.client.images.pull(repository, tag=tag)
        except EngineError as error:
            kind = type(error) if type(error) is not EngineError else ImageMissing
            raise kind(
                f"The image {name} is not on this machine and cannot be pulled:"
                f" {error.message.partition(' failed: ')[2]}",
                hint=error.hint or kind_of("no such image")[1],
            ) from error
        image = find_image(engine, name)
        if image is None:
            raise ImageMissing(f"The image {name} was pulled and is not there.")
    check_architecture(engine, name)
    return image


def split_name(name: str) -> tuple[str, str]:
    """``repository:tag`` apart; a port in the registry's name is no tag. "latest" by default."""
    repository, colon, tag = name.rpartition(":")
    if "@" in name or not colon or "/" in tag:
        return name, "" if "@" in name else "latest"
    return repository, tag


def check_architecture(engine: Engine, name: str) -> None:
    """Raise WrongArchitecture when an image is for another processor than the engine's."""
    with explaining(f"Looking at the image {name}"):
        theirs = engine.client.images.get(name).attrs.get("Architecture", "")
    if theirs and engine.architecture and theirs != engine.architecture:
        raise WrongArchitecture(
            f"The image {name} is for {theirs}, the engine runs {engine.architecture}.",
            hint=kind_of("exec format error")[1],
        )


def provide_image(
    engine: Engine,
    target: Target,
    constraints: Constraints,
    *,
    cache: Path,
    on_step: OnStep,
    environ: Mapping[str, str] = os.environ,
) -> Image:
    """The image of a row, built when the engine does not have it.

    Raises EngineError: no base image, a build that fails, a full disk.
    """
    base = base_image(target.python, environ)
    context = build_context(target, constraints)
    name = image_tag(context, target, base)
    arguments = {"AIRFLOW_VERSION": target.airflow}
    what = f"Airflow {target.airflow}"
    return _built(engine, context, name, base, arguments, what, cache, on_step)


def provide_aws_image(
    engine: Engine, *, cache: Path, on_step: OnStep, environ: Mapping[str, str] = os.environ
) -> Image:
    """The image of the emulated AWS, built when the engine does not have it."""
    data = docker_data()
    base = base_image(data["aws_python"], environ)
    context = {
        "Dockerfile": (compose_folder() / "aws.Dockerfile").read_bytes(),
        "moto_process.py": MOTO_SCRIPT.read_bytes(),
        "requirements.txt": "".join(f"{line}\n" for line in data["aws_requirements"]).encode(),
    }
    name = f"{AWS_REPOSITORY}:{_hash(context, base)}"
    return _built(engine, context, name, base, {}, "the emulated AWS", cache, on_step)


def _built(
    engine: Engine,
    context: Mapping[str, bytes],
    name: str,
    base: str,
    arguments: Mapping[str, str],
    what: str,
    cache: Path,
    on_step: OnStep,
) -> Image:
    """The image of that name; one process builds it while the others wait for it."""
    image = find_image(engine, name)
    if image is not None:
        return image
    with locked(cache / "docker" / f"{name.rpartition(':')[2]}.lock", on_step):
        image = find_image(engine, name)
        if image is None:
            need_image(engine, base, on_step)
            on_step(f"building the image of {what}")
            packed = pack_context(context, linux_uv(engine, cache))
            build(engine, packed, name, {"BASE_IMAGE": base, **arguments}, what=what)
            image = find_image(engine, name)
    if image is None:
        raise BuildFailed(f"The image {name} was built and is not there.")
    return image


def pack_context(context: Mapping[str, bytes], binary: Path | None = None) -> io.BytesIO:
    """A build context as the engine takes it; ``binary`` goes in as ``uv``."""
    packed = pack_files(dict(sorted(context.items())), uid=0, gid=0)
    if binary is not None:
        packed += pack_files({"uv": binary.read_bytes()}, uid=0, gid=0, mode=0o755)
    return io.BytesIO(packed + END)


def build(
    engine: Engine, context: io.BytesIO, name: str, arguments: Mapping[str, str], *, what: str
) -> None:
    """Build an image from a packed context; BuildFailed shows the end of what was printed."""
    said: list[str] = []
    with explaining(f"Building the image of {what}"):
        stream = engine.client.api.build(
            fileobj=context,
            custom_context=True,
            tag=name,
            buildargs=dict(arguments),
            labels={IMAGE_LABEL: what},
            rm=True,
            forcerm=True,
            decode=True,
        )
        for message in _interruptible(stream):
            said += [message["stream"]] if "stream" in message else []
            if "error" in message:
                end = tail("".join(said))
                kind, hint = kind_of(f"{message['error']} {end}")
                raise (kind if kind is not EngineError else BuildFailed)(
                    f"Building the image of {what} failed: {message['error'].strip()}\n{end}",
                    hint=hint
                    or UvFailed("", end).hint
                    or "The lines above are the build's; `docker build` of the same file in"
                    " compose/ shows all.",
                )


def _interruptible(stream: Iterator[Any]) -> Iterator[Any]:
    """The messages of a stream that may be silent for minutes; ends at once when the run is
    stopped, which ends the build as well."""
    messages: queue.Queue[tuple[str, Any]] = queue.Queue()

    def read() -> None:
        try:
            for message in stream:
                messages.put(("message", message))
            messages.put(("end", None))
        except Exception as error:  # whatever it is, it is raised where somebody can catch it
            messages.put(("error", error))

    threading.Thread(target=read, daemon=True).start()
    while True:
        check_running()
        try:
            kind, value = messages.get(timeout=GLANCE_SECONDS)
        except queue.Empty:
            continue
        if kind == "error":
            raise value
        if kind == "end":
            return
        yield value
