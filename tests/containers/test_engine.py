"""What is said when the engine is not there, not ours to use, too old, or cannot do it."""

import http.server
import os
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest

from harness.containers.engine import (
    DiskFull,
    EngineError,
    EngineTooOld,
    ImageMissing,
    NoEngine,
    PortTaken,
    WrongArchitecture,
    connect,
    explained,
    is_gone,
    owner,
)
from harness.containers.images import split_name
from harness.containers.once import FRAME, Frames


@contextmanager
def serving(path: Path, answer: bytes) -> Iterator[str]:
    """Something that speaks HTTP on a socket and answers everything with ``answer``."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            """Not into the tests' output."""

        def address_string(self) -> str:
            return "a socket"

    with socketserver.UnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            thread.join()


def test_no_engine(tmp_path: Path) -> None:
    with pytest.raises(NoEngine, match="there is no such socket") as caught:
        connect({"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"})
    assert str(tmp_path) in caught.value.message
    assert "--runtime venv" in caught.value.hint


def test_an_engine_that_is_not_running(tmp_path: Path) -> None:
    """The socket is there, and nobody listens."""
    path = tmp_path / "docker.sock"
    with serving(path, b"{}"):
        pass
    with pytest.raises(NoEngine, match="Connection refused"):
        connect({"DOCKER_HOST": f"unix://{path}"})


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with serving(path, b"{}") as address:
        path.chmod(0o600)
        for folder in (tmp_path, *list(tmp_path.parents)[:2]):
            folder.chmod(0o755)
        os.seteuid(65534)
        try:
            with pytest.raises(NoEngine, match="You may not use") as caught:
                connect({"DOCKER_HOST": address})
        finally:
            os.seteuid(0)
    assert "usermod -aG docker" in caught.value.hint


def test_an_engine_too_old(tmp_path: Path) -> None:
    answer = b'{"Version": "17.03.2", "ApiVersion": "1.27", "MinAPIVersion": "1.12"}'
    with (
        serving(tmp_path / "docker.sock", answer) as address,
        pytest.raises(EngineTooOld, match=r"17\.03\.2 is too old: its interface is 1\.27"),
    ):
        connect({"DOCKER_HOST": address})


def test_something_else_at_that_address(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "docker.sock", b"<html>It works!</html>") as address,
        pytest.raises(NoEngine, match="No Docker engine answers"),
    ):
        connect({"DOCKER_HOST": address})


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1:1", "http+unix://", "ftp://x"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(NoEngine, match="No Docker engine answers"):
        connect({"DOCKER_HOST": address})


@pytest.mark.parametrize(
    ("said", "kind", "hint"),
    [
        ("write /var/lib/docker/tmp/x: no space left on device", DiskFull, "docker system df"),
        (
            "driver failed programming external connectivity on endpoint x: Bind for"
            " 127.0.0.1:8080 failed: port is already allocated",
            PortTaken,
            "--target-port",
        ),
        (
            "failed to listen on TCP socket: listen tcp4 127.0.0.1:8080: bind: address already in"
            " use",
            PortTaken,
            "--target-port",
        ),
        (
            "standard_init_linux.go:228: exec user process caused: exec format error",
            WrongArchitecture,
            "processor",
        ),
        (
            "image with reference x was found but does not match the specified platform",
            WrongArchitecture,
            "processor",
        ),
        ("No such image: amazon/mwaa-local:2_5", ImageMissing, "--target-image"),
        (
            'Get "https://registry.invalid/v2/": dial tcp: lookup registry.invalid: no such host',
            ImageMissing,
            "MWAA_HARNESS_BASE_IMAGE",
        ),
        ("pull access denied for x, repository does not exist", ImageMissing, "--bridge-image"),
        ("something that nobody has foreseen", EngineError, ""),
    ],
)
def test_what_the_engine_says(said: str, kind: type[EngineError], hint: str) -> None:
    error = explained(docker.errors.APIError("500 Server Error", explanation=said), "Starting it")
    assert type(error) is kind
    assert said.rstrip(".") in error.message
    assert hint in error.hint


def test_a_process_that_lives_is_not_gone() -> None:
    assert not is_gone(owner())


def test_a_process_that_has_ended_is_gone() -> None:
    host, boot, *_ = owner().split()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert is_gone(f"{host} {boot} {pid} 1")


@pytest.mark.parametrize("field", [1, 3])
def test_a_number_that_was_given_again_is_gone(field: int) -> None:
    """After a reboot, or when another process has got the number."""
    parts = owner().split()
    parts[field] = "1"
    assert is_gone(" ".join(parts))


@pytest.mark.parametrize("whose", ["", "another-machine boot 1 1", "broken", "a b c d e"])
def test_what_is_not_known_to_be_gone_stays(whose: str) -> None:
    assert not is_gone(whose)


def test_frames_arrive_in_pieces() -> None:
    whole = FRAME.pack(1, 3) + b"abc" + FRAME.pack(2, 0) + FRAME.pack(2, 2) + b"de"
    for size in range(1, len(whole) + 1):
        frames = Frames()
        pieces = [whole[i : i + size] for i in range(0, len(whole), size)]
        seen = [frame for piece in pieces for frame in frames.feed(piece)]
        assert seen == [(1, b"abc"), (2, b""), (2, b"de")]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("amazon/mwaa-local:2_5", ("amazon/mwaa-local", "2_5")),
        ("postgres", ("postgres", "latest")),
        ("localhost:5000/x", ("localhost:5000/x", "latest")),
        ("localhost:5000/x:1", ("localhost:5000/x", "1")),
        ("x@sha256:ab", ("x@sha256:ab", "")),
    ],
)
def test_names_of_images(name: str, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts
