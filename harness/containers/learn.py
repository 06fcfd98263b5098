"""What is inside an image: learnt once by running it, kept by the image's id.

Any image with Airflow in it will do – ours, or one that the user names. It is asked who its user
is, where its Python is and what is installed, and has to prove that Airflow runs by making the
metadata database that every run of it starts from.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec

from harness.containers.engine import Engine, EngineError, tail
from harness.containers.images import Image, OnStep
from harness.containers.once import (
    STDERR,
    STDOUT,
    Command,
    created,
    fetch,
    pack_folders,
    streamed,
    with_channel,
)
from harness.files import write_atomically
from harness.model import Target
from harness.runtimes.environments import INIT_SECONDS, init_command, locked
from harness.runtimes.surroundings import Place, airflow_environment

# Where a run of ours keeps its own things in a container. The database's path is in there, too.
RUN_FOLDER = Path("/opt/mwaa-harness/run")

# The variables of an image that say where its programs and libraries are.
PLACES = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH")

# Python 3.6 syntax, standard library. The descriptor 3 is the channel of the answers.
QUESTIONS = """
import json, os, site, subprocess, sys
sys.dont_write_bytecode = True
try:
    from importlib.metadata import distributions
    found = [(d.metadata["Name"], d.version) for d in distributions()]
except ImportError:
    import pkg_resources
    found = [(d.project_name, d.version) for d in pkg_resources.working_set]
steps = []
for arguments in json.loads(sys.argv[1]):
    done = subprocess.run(["airflow"] + arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    steps.append([" ".join(arguments), done.returncode, done.stdout.decode("utf-8", "replace")])
    if done.returncode:
        break
answer = {
    "uid": os.getuid(), "gid": os.getgid(),
    "userbase": site.getuserbase() if os.path.isdir(site.getusersitepackages()) else "",
    "python": sys.executable, "version": ".".join(map(str, sys.version_info[:3])),
    "packages": {name: version for name, version in found if name}, "steps": steps,
    "uv": any(os.access(os.path.join(f, "uv"), os.X_OK) for f in os.get_exec_path()),
}
os.write(3, json.dumps(answer).encode())
"""


class Unusable(EngineError):
    """An image in which Airflow does not work, or not the Airflow that was asked for."""


class Inside(msgspec.Struct, frozen=True, kw_only=True):
    """The user that an image runs as and where that user has packages of its own ("" = nowhere),
    its Python (path and version), what is installed, whether uv is there, and the metadata
    database that it made."""

    uid: int
    gid: int
    userbase: str
    python: str
    version: str
    packages: dict[str, str]
    uv: bool
    database: bytes


def environment_inside(target: Target, place: Place, image: Image) -> dict[str, str]:
    """All environment variables of a side in a container whose user has set none. Of the image's
    own only those count that say where its programs are."""
    kept = {name: image.environment[name] for name in PLACES if image.environment.get(name)}
    return {**airflow_environment(target, place, Path("/usr/local")), **kept}


def learn(engine: Engine, image: Image, target: Target, *, cache: Path, on_step: OnStep) -> Inside:
    """What is inside; asked when it is not known yet. Raises Unusable."""
    name = image.id.removeprefix("sha256:")[:24]
    kept = cache / "docker" / f"inside-{name}"
    known = _read(kept)
    if known is not None:
        return known
    with locked(kept.with_suffix(".lock"), on_step):
        known = _read(kept)
        if known is None:
            on_step(f"initialising the metadata database of Airflow {target.airflow}")
            known = _ask(engine, image, target)
            write_atomically(kept, msgspec.msgpack.encode(known))
    return known


def _read(path: Path) -> Inside | None:
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Inside)
    except (OSError, msgspec.MsgspecError):
        return None


def _ask(engine: Engine, image: Image, target: Target) -> Inside:
    place = Place.below(RUN_FOLDER)
    steps = [["version"], list(init_command(target))]
    environment = {**environment_inside(target, place, image), "HOME": _home(image)}
    command = Command(
        image=image.id,
        argv=with_channel(("python3", "-c", QUESTIONS, json.dumps(steps)), environment),
        # The image's user is not known yet: whoever it is may write there.
        files=[pack_folders(place.folders, mode=0o777)],
    )
    said = {STDOUT: bytearray(), STDERR: bytearray()}
    deadline = time.monotonic() + INIT_SECONDS
    with created(engine, command) as container:
        late, code = streamed(
            container,
            lambda stream, data: said[stream].extend(data),
            lambda: "" if time.monotonic() < deadline else "it took too long",
        )
        try:
            answer: dict[str, Any] = json.loads(said[STDOUT])
        except ValueError:
            printed = said[STDERR].decode("utf-8", "replace")
            raise Unusable(
                f"The image {image.name} cannot be asked what is in it"
                f" ({late or f'exit code {code}'}):\n{tail(printed)}",
                hint="It needs python3 and airflow on its PATH.",
            ) from None
        _judge(image, target, answer["steps"])
        database = fetch(container, str(place.database))
    return msgspec.convert({**answer, "database": database}, Inside)


def _home(image: Image) -> str:
    return image.environment.get("HOME") or image.environment.get("AIRFLOW_HOME") or "/tmp"  # noqa: S108


def _judge(image: Image, target: Target, steps: list[tuple[str, int, str]]) -> None:
    for arguments, code, printed in steps:
        if code != 0:
            raise Unusable(
                f"`airflow {arguments}` fails in the image {image.name} (exit code {code}):\n"
                + tail(printed),
                hint="Is it an image of Airflow, and does it work by itself?",
            )
        if arguments == "version" and target.airflow not in printed.split():
            raise Unusable(
                f"The image {image.name} holds another Airflow than {target.airflow}:"
                f" `airflow version` says {printed.strip().splitlines()[-1:]}.",
                hint="Name an image of that version, or another --target or --bridge.",
            )
