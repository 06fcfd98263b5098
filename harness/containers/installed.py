"""A repository's requirements on top of an image, kept as an image of its own.

As in a virtual environment: what can be installed together is, the rest is named with the
installer's reason. The installer is uv, the image's own or one that is copied in for the while.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.containers.engine import Engine, explaining
from harness.containers.images import FORMAT, IMAGE_LABEL, Image, OnStep, find_image, linux_uv
from harness.containers.learn import Inside
from harness.containers.once import ROOT, Command, created, pack_files, pack_tree, put
from harness.model import Constraints, Target
from harness.repo import tree_hash
from harness.runtimes.environments import constraints_text, install_what_can, locked
from harness.runtimes.uv import UvFailed, last_lines

REPOSITORY = "mwaa-harness/requirements"
REFUSED_LABEL = "io.mwaa-harness.refused"
PACKAGES_LABEL = "io.mwaa-harness.packages"

FOLDER = Path("/opt/mwaa-harness/install")


@dataclass(frozen=True, kw_only=True)
class Installed:
    """An image with requirements in it: its id or name, what is installed, what could not be."""

    image: str
    packages: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


def install_requirements(
    engine: Engine,
    image: Image,
    inside: Inside,
    target: Target,
    constraints: Constraints,
    requirements: Sequence[str],
    *,
    root: Path,
    inside_root: Path,
    cache: Path,
    on_step: OnStep,
) -> Installed:
    """The image with ``requirements`` installed; made when the engine does not have it.

    Lines that name something below ``root`` find it below ``inside_root``. Raises UvFailed when
    the package index cannot be reached, and EngineError.
    """
    if not requirements:
        return Installed(image=image.id, packages=inside.packages)
    local = any(str(root) in line for line in requirements)
    lines = tuple(line.replace(str(root), str(inside_root)) for line in requirements)
    under = constraints_text(target, constraints)
    parts = (FORMAT, image.id, lines, under, tree_hash(root) if local else "")
    key = hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:24]
    name = f"{REPOSITORY}:{key}"
    with locked(cache / "docker" / f"{key}.lock", on_step):
        if find_image(engine, name) is None:
            on_step(f"installing the requirements ({len(lines)})")
            files = [pack_tree(root, inside_root, uid=inside.uid, gid=inside.gid)] if local else []
            _make(engine, image, inside, lines, under, name, files, cache)
    with explaining(f"Looking at the image {name}"):
        labels = engine.client.images.get(name).labels
    return Installed(
        image=name,
        packages=msgspec.json.decode(labels[PACKAGES_LABEL]),
        refused=msgspec.json.decode(labels[REFUSED_LABEL]),
    )


def _make(
    engine: Engine,
    image: Image,
    inside: Inside,
    lines: Sequence[str],
    under: str,
    name: str,
    files: Sequence[bytes],
    cache: Path,
) -> None:
    texts = {str(FOLDER / "constraints.txt"): under.encode()}
    command = Command(
        image=image.id,
        argv=("sleep", "infinity"),
        user=ROOT,
        files=[*files, pack_files(texts, uid=0, gid=0)],
        network="bridge",
    )
    with created(engine, command) as container:
        binary = "uv"
        if not inside.uv:
            binary = str(FOLDER / "uv")
            content = linux_uv(engine, cache).read_bytes()
            put(container, pack_files({binary: content}, uid=0, gid=0, mode=0o755))
        with explaining("Starting a container"):
            container.start()
        base = (binary, "--no-progress", "--color=never", "--no-cache", "pip")
        python = ("--python", inside.python, "--break-system-packages")

        def install(wanted: Sequence[str]) -> None:
            content = ("\n".join(wanted) + "\n").encode()
            put(container, pack_files({str(FOLDER / "requirements.txt"): content}, uid=0, gid=0))
            argv = (
                *base,
                *("install", *python, "--compile-bytecode", "-r", str(FOLDER / "requirements.txt")),
                *("-c", str(FOLDER / "constraints.txt")),
            )
            code, printed = _execute(container, argv)
            if code != 0:
                raise UvFailed("Installing the requirements", last_lines(printed))

        refused = install_what_can(lines, install)
        code, printed = _execute(container, (*base, "list", *python[:2], "--format=json", "-q"))
        if code != 0:
            raise UvFailed("Listing what was installed", last_lines(printed))
        rows = msgspec.json.decode(printed, type=list[dict[str, str]])
        packages = {row["name"]: row["version"] for row in rows}
        _execute(container, ("rm", "-rf", str(FOLDER)))
        labels = {
            IMAGE_LABEL: "requirements",
            PACKAGES_LABEL: msgspec.json.encode(packages).decode(),
            REFUSED_LABEL: msgspec.json.encode(refused).decode(),
        }
        repository, _, tag = name.partition(":")
        with explaining("Keeping the image with the requirements"):
            container.stop(timeout=0)
            # Not as LABEL lines: those would have their dollar signs replaced.
            engine.client.api.commit(
                container.id, repository=repository, tag=tag, conf={"Labels": labels}
            )


def _execute(container: Any, argv: Sequence[str]) -> tuple[int, str]:
    with explaining(f"Running {argv[0]} in a container"):
        code, output = container.exec_run(list(argv), user=ROOT)
    return int(code), output.decode("utf-8", errors="replace")
