"""The user's file, then the official one, then our own lock – from real servers and files."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from harness.model import Target
from harness.runtimes import constraints
from harness.runtimes.constraints import NoConstraints, find_constraints
from harness.targets import default_target, lock_pins

OFFICIAL = "# official\napache-airflow==2.11.0\nflask==2.2.5\n"


class Server(HTTPServer):
    asked: int = 0
    text: str = OFFICIAL
    code: int = 200


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(self.server.code)
        self.end_headers()
        self.wfile.write(self.server.text.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def target(server: Server, monkeypatch: pytest.MonkeyPatch) -> Target:
    monkeypatch.delenv("MWAA_HARNESS_OFFLINE", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    url = f"http://127.0.0.1:{server.server_port}/constraints.txt"
    return replace(default_target(), constraints_url=url)


def test_the_official_file_is_fetched_once(target: Target, server: Server, tmp_path: Path) -> None:
    first = find_constraints(target, cache=tmp_path)
    assert (first.origin, first.location) == ("official", target.constraints_url)
    assert first.pins == {"apache-airflow": "2.11.0", "flask": "2.2.5"}
    assert find_constraints(target, cache=tmp_path) == first
    assert find_constraints(target, cache=tmp_path, offline=True) == first
    assert server.asked == 1


@pytest.mark.parametrize(
    ("code", "text"), [(404, "gone"), (200, "<html>Please log in to the proxy</html>")]
)
def test_without_it_our_lock_is_used_and_the_host_left_alone(
    target: Target, server: Server, tmp_path: Path, code: int, text: str
) -> None:
    server.code, server.text = code, text
    for _ in range(3):
        found = find_constraints(target, cache=tmp_path)
        assert found.origin == "reconstructed"
        assert found.location == f"locks/{target.airflow}-py{target.python}.txt"
        assert found.pins == lock_pins(target)
    assert server.asked == 1


def test_after_a_while_the_host_is_asked_again(
    target: Target, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.code = 503
    assert find_constraints(target, cache=tmp_path).origin == "reconstructed"
    server.code = 200
    monkeypatch.setattr(constraints, "RETRY_SECONDS", 0.0)
    assert find_constraints(target, cache=tmp_path).origin == "official"


def test_a_silent_server_does_not_hold_us_up(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Accepts connections (the kernel does) and never answers.
    with HTTPServer(("127.0.0.1", 0), Handler) as silent:
        monkeypatch.setattr(constraints, "FETCH_SECONDS", 0.3)
        row = replace(target, constraints_url=f"http://127.0.0.1:{silent.server_port}/x")
        began = time.monotonic()
        assert find_constraints(row, cache=tmp_path).origin == "reconstructed"
        assert time.monotonic() - began < 10


def test_offline_asks_nobody(
    target: Target, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_constraints(target, cache=tmp_path, offline=True).origin == "reconstructed"
    monkeypatch.setenv("MWAA_HARNESS_OFFLINE", "1")
    assert find_constraints(target, cache=tmp_path).origin == "reconstructed"
    assert server.asked == 0


def test_the_users_file_comes_first(target: Target, server: Server, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("flask==9.9\n")
    found = find_constraints(target, str(mine), cache=tmp_path)
    assert (found.origin, found.location, found.pins) == ("user", str(mine), {"flask": "9.9"})
    assert server.asked == 0


def test_the_users_url_is_fetched_anew_and_kept_for_bad_days(
    target: Target, server: Server, tmp_path: Path
) -> None:
    url = target.constraints_url
    assert find_constraints(target, url, cache=tmp_path).pins["flask"] == "2.2.5"
    server.text = "flask==3.0\n"
    assert find_constraints(target, url, cache=tmp_path).pins["flask"] == "3.0"
    server.code = 500
    found = find_constraints(target, url, cache=tmp_path)
    assert (found.origin, found.pins) == ("user", {"flask": "3.0"})


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"flask\n"])
def test_a_users_file_that_is_none_is_an_error(
    target: Target, tmp_path: Path, content: bytes | None
) -> None:
    mine = tmp_path / "mine.txt"
    if content is not None:
        mine.write_bytes(content)
    with pytest.raises(NoConstraints, match=r"mine\.txt"):
        find_constraints(target, str(mine), cache=tmp_path)


def test_a_users_url_that_answers_nothing_is_an_error(
    target: Target, server: Server, tmp_path: Path
) -> None:
    server.code = 404
    with pytest.raises(NoConstraints, match="cannot be fetched: Not Found"):
        find_constraints(target, target.constraints_url, cache=tmp_path)


def test_a_row_without_a_lock_says_what_to_do(
    target: Target, server: Server, tmp_path: Path
) -> None:
    server.code = 404
    with pytest.raises(NoConstraints) as caught:
        find_constraints(replace(target, airflow="9.9.9"), cache=tmp_path)
    assert "--constraints 9.9.9=FILE-OR-URL" in caught.value.hint
