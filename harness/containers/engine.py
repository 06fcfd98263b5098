"""The Docker engine: reach it, explain what it says, and leave nothing of ours in it.

Everything that is made carries the label of its run and of the process that made it. What a run
leaves when it is killed is swept when the next one starts: whatever belongs to a process that is
gone, and never what belongs to a neighbour.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.version import Version

from harness.errors import HarnessError

# Every container, network and volume of one run.
RUN_LABEL = "io.mwaa-harness.run"
# The process that made it, ``host boot pid start``, where it is to go with that process.
OWNER_LABEL = "io.mwaa-harness.owner"
# Whose it is where several share an engine: the variable's value, set by tests and the like. ``down
# --all`` keeps to its own; "" is everybody who has set none.
SCOPE_LABEL = "io.mwaa-harness.scope"
SCOPE_VARIABLE = "MWAA_HARNESS_SCOPE"
# A pair that ``up`` has left running on purpose; only ``down`` removes it.
PAIR_LABEL = "io.mwaa-harness.pair"

# 1.40 is Docker 19.03, the oldest that knows all that is asked of it here (init, exec, archives).
OLDEST_API = "1.40"

DEFAULT_SOCKET = "/var/run/docker.sock"

ANSWER_SECONDS = 15.0
# Between two words of the engine. An install in a build may be silent for long.
SILENCE_SECONDS = 1800.0
# Between two looks at whether a run is to be stopped, while the engine is silent.
GLANCE_SECONDS = 0.2


class EngineError(HarnessError):
    """The engine could not do it."""


class NoEngine(EngineError):
    """No Docker engine answers, or not to us."""


class EngineTooOld(EngineError):
    """The engine's programming interface is older than what is needed."""


class ImageMissing(EngineError):
    """An image is neither here nor can it be pulled."""


class WrongArchitecture(EngineError):
    """An image is for another kind of processor."""


class PortTaken(EngineError):
    """Somebody else listens on a port that is to be published."""


class DiskFull(EngineError):
    """The engine's disk is full."""


START_HINT = (
    "Start Docker (`sudo systemctl start docker`, or Docker Desktop) and try `docker info`;"
    " DOCKER_HOST names an engine elsewhere. `mwaa-harness check --runtime venv` needs none."
)
PERMISSION_HINT = (
    "Add yourself to the group that owns the socket (`sudo usermod -aG docker $USER`, then log in"
    " again), or use rootless Docker. `mwaa-harness check --runtime venv` needs no engine."
)

# What the engine says → which error it is and what to do; the first that matches counts.
# Read off engines 20.10 to 28.
TROUBLES: tuple[tuple[type[EngineError], str, str], ...] = (
    (
        DiskFull,
        r"no space left on device|disk quota exceeded",
        "Free some: `docker system df` shows what takes it, `mwaa-harness down --all` removes what"
        " is left of ours, `docker system prune` what nobody uses.",
    ),
    (
        PortTaken,
        r"port is already allocated|address already in use|ports are not available",
        "Name other ports with --bridge-port and --target-port; 0 takes a free one.",
    ),
    (
        WrongArchitecture,
        r"exec format error|no matching manifest|does not match the (?:specified|detected)",
        "Build or pull the image for this machine's processor, or name another one with"
        " --bridge-image or --target-image.",
    ),
    (
        ImageMissing,
        r"no such image|pull access denied|manifest unknown|not found: manifest|repository .* not"
        r" found|error response from daemon: get |dial tcp|lookup .* (?:no such host|on )"
        r"|unauthorized|failed to resolve reference|client\.timeout exceeded",
        "Correct its name, or build or load it first: no registry has amazon/mwaa-local, for one,"
        " which aws-mwaa-local-runner builds. Where no registry can be reached, name images that"
        " are here: MWAA_HARNESS_BASE_IMAGE for what is built, MWAA_HARNESS_POSTGRES_IMAGE for the"
        " databases, --bridge-image and --target-image for ready-made ones.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A Docker engine that answers. ``client`` is docker-py's; ``run`` names this run of ours."""

    client: Any
    version: str
    api_version: str
    architecture: str
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def labels(self) -> dict[str, str]:
        """The labels of everything that lasts no longer than this run."""
        return {RUN_LABEL: self.run, OWNER_LABEL: owner(), SCOPE_LABEL: scope()}

    def pair_labels(self, pair: str) -> dict[str, str]:
        """The labels of a pair that is left running: no process owns it, so that no end of one
        has it swept."""
        return {RUN_LABEL: self.run, SCOPE_LABEL: scope(), PAIR_LABEL: pair}

    def close(self) -> None:
        """Let go of the connection."""
        self.client.close()


def address(environ: Mapping[str, str] = os.environ) -> str:
    """Where the engine is said to be: DOCKER_HOST, else the client's current context, else the
    platform's own socket ("")."""
    if named := environ.get("DOCKER_HOST"):
        return named
    try:
        from docker.context import ContextAPI

        context = ContextAPI.get_current_context()
    except Exception:  # a broken configuration file of the client's: docker-py raises anything
        return ""
    host = context.Host if context is not None else ""
    return str(host or "")


def connect(environ: Mapping[str, str] = os.environ) -> Engine:
    """The engine of this machine, or of DOCKER_HOST.

    Raises NoEngine (none, not running, not permitted) and EngineTooOld.
    """
    import docker

    where = address(environ)
    shown = where or DEFAULT_SOCKET
    try:
        _knock(where)
        client = docker.DockerClient(
            base_url=where or None, timeout=int(SILENCE_SECONDS), version=_negotiated(where)
        )
        said = client.version()
    except docker.errors.DockerException as error:
        raise _unreachable(error, shown) from error
    except (OSError, ValueError) as error:
        raise _unreachable(error, shown) from error
    return Engine(
        client=client,
        version=said["Version"],
        api_version=said["ApiVersion"],
        architecture=said.get("Arch", ""),
    )


def _knock(where: str) -> None:
    """Raise what the system says of a socket on this machine: docker-py's own error hides it."""
    scheme, _, path = where.partition("://")
    if not where and sys.platform != "win32":
        scheme, path = "unix", DEFAULT_SOCKET
    if scheme in ("unix", "http+unix") and hasattr(socket, "AF_UNIX"):
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.settimeout(ANSWER_SECONDS)
            knocking.connect(f"/{path.lstrip('/')}")


def _negotiated(where: str) -> str:
    """The interface version that both sides know. Asked with a time limit of its own, since a
    socket that nobody serves would keep us waiting."""
    import docker

    # The oldest that docker-py speaks, so that it is us who judge what is too old.
    probe = docker.APIClient(base_url=where or None, timeout=int(ANSWER_SECONDS), version="1.24")
    try:
        said = probe.version(api_version=False)
    finally:
        probe.close()
    theirs = said.get("ApiVersion", "0")
    if Version(theirs) < Version(OLDEST_API):
        raise EngineTooOld(
            f"The Docker engine {said.get('Version', '')} is too old: its interface is {theirs},"
            f" needed is {OLDEST_API} (Docker 19.03).",
            hint="Install a newer Docker; `mwaa-harness check --runtime venv` needs none.",
        )
    ours = docker.constants.DEFAULT_DOCKER_API_VERSION
    return str(min(theirs, ours, key=Version))


def _unreachable(error: BaseException, shown: str) -> NoEngine:
    permission = next((e for e in _chain(error) if isinstance(e, PermissionError)), None)
    if permission is not None or "ermission denied" in str(error):
        return NoEngine(f"You may not use the Docker engine at {shown}.", hint=PERMISSION_HINT)
    missing = any(
        isinstance(each, FileNotFoundError) or getattr(each, "errno", 0) == errno.ENOENT
        for each in _chain(error)
    )
    reason = "there is no such socket" if missing else _last_words(error)
    return NoEngine(f"No Docker engine answers at {shown}: {reason}.", hint=START_HINT)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it wraps and what caused it, each once."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__, *each.args, getattr(each, "reason", None)]


def _last_words(error: BaseException) -> str:
    innermost = [each for each in _chain(error) if isinstance(each, OSError) and each.strerror]
    return str(innermost[-1].strerror if innermost else error).rstrip(".")


def explained(error: BaseException, doing: str) -> EngineError:
    """What the engine said, as an error for people. ``doing`` continues "… failed"."""
    text = str(getattr(error, "explanation", None) or error).strip()
    kind, hint = kind_of(text)
    return kind(f"{doing} failed: {text.rstrip('.')}.", hint=hint)


def kind_of(text: str) -> tuple[type[EngineError], str]:
    """Which error a text of the engine's is, and what to do about it."""
    for kind, pattern, hint in TROUBLES:
        if re.search(pattern, text, re.IGNORECASE):
            return kind, hint
    return EngineError, ""


@contextlib.contextmanager
def explaining(doing: str) -> Iterator[None]:
    """Turn docker-py's errors into ours."""
    import docker
    import requests

    try:
        yield
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise explained(error, doing) from error


# ---------------------------------------------------------------------------- whose, and sweeping


def owner() -> str:
    """This process, so that no other that gets its number later is taken for it."""
    return f"{socket.gethostname()} {_boot()} {os.getpid()} {_started(os.getpid())}"


def is_gone(whose: str) -> bool:
    """Whether the process of an owner label is known to be gone; never true of another machine."""
    host, _, rest = whose.partition(" ")
    parts = rest.split()
    if host != socket.gethostname() or len(parts) != 3:
        return False
    boot, pid, started = parts
    return boot != _boot() or _started(int(pid)) != started


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "-"


def _started(pid: int) -> str:
    """When a process started, in the kernel's own words; "-" where it does not say, "" = gone."""
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return ""
        except PermissionError:
            return "-"
        return "-"
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    return stat.rpartition(b")")[2].split()[19].decode()


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What was removed, by name."""

    containers: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.containers, *self.networks, *self.volumes)


def sweep_run(engine: Engine) -> Swept:
    """Remove all that this run has made."""
    return _sweep(engine, lambda labels: labels.get(RUN_LABEL) == engine.run)


def sweep_gone(engine: Engine) -> Swept:
    """Remove what runs have left whose process is gone. A pair is left on purpose."""
    return _sweep(engine, lambda labels: is_gone(labels.get(OWNER_LABEL, "")))


def sweep_all(engine: Engine) -> Swept:
    """Remove everything of our scope, whoever made it, pairs included; without a scope also the
    pairs of other scopes and what they have left whose process is gone. Images stay."""
    ours = scope()
    return _sweep(
        engine,
        lambda labels: (
            labels.get(SCOPE_LABEL, "") == ours
            or (not ours and (PAIR_LABEL in labels or is_gone(labels.get(OWNER_LABEL, ""))))
        ),
    )


def scope() -> str:
    """The scope of this process."""
    return os.environ.get(SCOPE_VARIABLE, "")


_sweeping = threading.Lock()


def _sweep(engine: Engine, is_meant: Any) -> Swept:
    """Containers first, with the anonymous volumes that carry no label; then what they used."""
    client = engine.client
    ours = {"label": RUN_LABEL}
    removed: dict[str, list[str]] = {"containers": [], "networks": [], "volumes": []}
    with _sweeping, explaining("Removing what is left of earlier runs"):
        for found in client.api.containers(all=True, filters=ours):
            if is_meant(found["Labels"] or {}):
                with _gone_already():
                    client.api.remove_container(found["Id"], v=True, force=True)
                    removed["containers"].append(found["Names"][0].lstrip("/"))
        for found in client.api.networks(filters=ours):
            if is_meant(found["Labels"] or {}):
                with _gone_already():
                    client.api.remove_network(found["Id"])
                    removed["networks"].append(found["Name"])
        for found in client.api.volumes(filters=ours)["Volumes"] or []:
            if is_meant(found["Labels"] or {}):
                with _gone_already():
                    client.api.remove_volume(found["Name"], force=True)
                    removed["volumes"].append(found["Name"])
    return Swept(**{kind: tuple(names) for kind, names in removed.items()})


@contextlib.contextmanager
def _gone_already() -> Iterator[None]:
    """Somebody else may be removing it as well; what is in use by others stays."""
    import docker

    try:
        yield
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if error.status_code != 409:
            raise


def no_reaper() -> None:
    """Testcontainers would start its reaper with a port beyond the loopback, and for a pair, too,
    that is to outlive us. Where one is wanted, ``reaper`` starts it."""
    from testcontainers.core.config import testcontainers_config

    testcontainers_config.ryuk_disabled = True


COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def tail(text: str, count: int = 25) -> str:
    """The last lines of a log, indented and without colours."""
    text = COLOURS.sub("", text)
    return "\n".join(f"  {line.rstrip()}" for line in text.strip().splitlines()[-count:])
