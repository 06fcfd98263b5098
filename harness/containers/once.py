"""One container for one command: files in, two streams out, and nothing of it left.

Nothing of this machine is mounted: files are copied in before the start, so that the same works
with an engine elsewhere, and so that no path of the host exists inside. The command's standard
output is a channel of its own; whatever else prints goes to the other one.
"""

from __future__ import annotations

import contextlib
import io
import stat
import struct
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from harness.containers.engine import GLANCE_SECONDS, Engine, explaining
from harness.processes import check_running

MEBIBYTE = 1 << 20
CHUNK_BYTES = 1 << 16

# More than any parse of DAGs needs, and far less than would trouble the machine.
PIDS = 2048

STDOUT, STDERR = 1, 2

# The engine's frames of a stream: which of the two, three empty bytes, the length.
FRAME = struct.Struct(">BxxxL")

# Standard output becomes descriptor 3, the channel; what prints to it goes to standard error. The
# environment is what is given and nothing of the image's.
_WITH_CHANNEL = 'exec 3>&1 1>&2; exec env -i "$@"'

ROOT = "0:0"


@dataclass(frozen=True, kw_only=True)
class Command:
    """What runs in a container. ``user`` "" = the image's own; ``files`` are entries of ``pack_…``,
    to be unpacked below "/" before it starts; ``network`` is the engine's word, "none" = nothing
    but a loopback of its own; ``memory`` in MiB for all its processes together, 0 = no limit."""

    image: str
    argv: Sequence[str]
    user: str = ""
    cwd: str = ""
    files: Sequence[bytes] = ()
    network: str = "none"
    memory: int = 0


def with_channel(argv: Sequence[str], env: Mapping[str, str]) -> tuple[str, ...]:
    """A command line that runs ``argv`` with descriptor 3 as the channel, and ``env`` as all that
    it has of an environment."""
    pairs = (f"{name}={value}" for name, value in env.items())
    return ("/bin/sh", "-c", _WITH_CHANNEL, "sh", *pairs, *argv)


@contextlib.contextmanager
def created(engine: Engine, command: Command) -> Iterator[Any]:
    """A container that is made and not started; it is removed with its volumes in any case."""
    from docker.types import LogConfig, Ulimit

    memory = f"{command.memory}m" if command.memory else None
    with explaining("Making a container"):
        container = engine.client.containers.create(
            command.image,
            entrypoint=list(command.argv[:1]),
            command=list(command.argv[1:]),
            user=command.user or None,
            working_dir=command.cwd or None,
            labels=engine.labels(),
            # A first process that reaps, so that the command can be killed like any other.
            init=True,
            network_mode=command.network,
            cap_drop=["ALL"] if command.user != ROOT else [],
            security_opt=["no-new-privileges"],
            pids_limit=PIDS,
            mem_limit=memory,
            memswap_limit=memory,
            ulimits=[Ulimit(name="core", soft=0, hard=0)],
            healthcheck={"test": ["NONE"]},
            # What it prints is read as it comes; the engine need not keep it on its disk.
            log_config=LogConfig(type=LogConfig.types.NONE),
        )
    try:
        with explaining("Copying files into a container"):
            put(container, *command.files)
        yield container
    finally:
        remove(engine, container.id)


def put(container: Any, *files: bytes) -> None:
    """Unpack entries below "/", all at once: each call costs the engine a process."""
    if files:
        container.put_archive("/", b"".join(files) + END)


def remove(engine: Engine, name: str) -> None:
    """Remove a container and its anonymous volumes; it may be gone."""
    import docker

    with explaining("Removing a container"), contextlib.suppress(docker.errors.NotFound):
        engine.client.api.remove_container(name, v=True, force=True)


def streamed(
    container: Any, take: Callable[[int, bytes], None], problem: Callable[[], str]
) -> tuple[str, int]:
    """Start a container and hand over what it says until it ends or must be ended.

    ``take`` gets STDOUT or STDERR and the bytes; ``problem`` is asked now and then why it must be
    ended ("" = it need not). Gives that reason and the exit code. Raises Stopped when the run is
    being stopped.
    """
    parameters = {"stdout": 1, "stderr": 1, "stream": 1}
    with explaining("Starting a container"):
        # Attached before it starts: nothing that it says can be missed.
        attached = container.attach_socket(params=parameters)
    frames = Frames()
    connection = getattr(attached, "_sock", attached)
    try:
        with explaining("Starting a container"):
            container.start()
        connection.settimeout(GLANCE_SECONDS)
        while True:
            check_running()
            try:
                chunk = connection.recv(CHUNK_BYTES)
            except TimeoutError:
                chunk = None
            if chunk == b"":
                break
            for stream, data in frames.feed(chunk or b""):
                take(stream, data)
            if why := problem():
                return why, -9
    finally:
        _hang_up(attached)
    with explaining("Waiting for a container's end"):
        return "", int(container.wait(timeout=60)["StatusCode"])


def _hang_up(attached: Any) -> None:
    """Close a stream, the connection below it, and the answer that it came with."""
    # The answer first: it flushes what the others close.
    parts = [getattr(attached, name, None) for name in ("_response", "_sock")]
    for part in (*parts, attached):
        if part is not None:
            part.close()


class Frames:
    """The engine's multiplexed stream taken apart."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """The whole frames that are there now."""
        self._buffer += chunk
        while len(self._buffer) >= FRAME.size:
            stream, length = FRAME.unpack_from(self._buffer)
            if len(self._buffer) < FRAME.size + length:
                return
            yield stream, bytes(self._buffer[FRAME.size : FRAME.size + length])
            del self._buffer[: FRAME.size + length]


def fetch(container: Any, path: str) -> bytes:
    """One file out of a container."""
    with explaining(f"Copying {path} out of a container"):
        stream, _ = container.get_archive(path)
        packed = io.BytesIO(b"".join(stream))
    with tarfile.open(fileobj=packed) as tar:
        member = tar.next()
        opened = tar.extractfile(member) if member is not None else None
        return opened.read() if opened is not None else b""


# --------------------------------------------------------------------------------- packing files

END = bytes(2 * tarfile.BLOCKSIZE)
"""What a tar ends with. The entries below come without, so that they can be joined."""


def _entries(add: Callable[[tarfile.TarFile], None]) -> bytes:
    """The entries that ``add`` puts into a tar."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        add(tar)
        return packed.getvalue()[: tar.offset]


def pack_folders(
    folders: Iterable[PurePath], *, uid: int = 0, gid: int = 0, mode: int = 0o755
) -> bytes:
    """Folders, which belong to the user."""

    def add(tar: tarfile.TarFile) -> None:
        for folder in folders:
            entry = tarfile.TarInfo(str(folder).lstrip("/"))
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, uid, gid
            tar.addfile(entry)

    return _entries(add)


def pack_link(path: PurePath, to: PurePath) -> bytes:
    """One symbolic link."""
    entry = tarfile.TarInfo(str(path).lstrip("/"))
    entry.type, entry.linkname = tarfile.SYMTYPE, str(to)
    return _entries(lambda tar: tar.addfile(entry))


def pack_files(files: Mapping[str, bytes], *, uid: int, gid: int, mode: int = 0o644) -> bytes:
    """Single files by absolute path."""

    def add(tar: tarfile.TarFile) -> None:
        for path, content in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode, entry.uid, entry.gid = len(content), mode, uid, gid
            tar.addfile(entry, io.BytesIO(content))

    return _entries(add)


def pack_tree(root: Path, inside: PurePath, *, uid: int, gid: int) -> bytes:
    """A folder as it is, to appear as ``inside`` and to belong to the user.

    Only files, folders and links; a socket or a device has no business in a repository, and
    bytecode is that of Pythons out here.
    """

    def owned(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if not (entry.isfile() or entry.isdir() or entry.issym() or entry.islnk()):
            return None
        if PurePath(entry.name).name == "__pycache__":
            return None
        entry.uid, entry.gid, entry.uname, entry.gname = uid, gid, "", ""
        # The owner could read it here, whatever the mode; so it must be there.
        entry.mode |= stat.S_IRUSR | (stat.S_IXUSR | stat.S_IWUSR if entry.isdir() else 0)
        return entry

    return _entries(lambda tar: tar.add(root, arcname=str(inside).lstrip("/"), filter=owned))
