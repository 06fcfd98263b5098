"""Hostile stand-ins for the probe, as real processes: nothing of them may be left."""

import contextlib
import os
import signal
import socket
import socketserver
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness import processes
from harness.launch import NO_NETWORK
from harness.runtimes.supervise import TAIL_BYTES, Ended, Limits, supervise

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and prctl")

HEAD = """\
import ctypes, json, os, signal, subprocess, sys, time
sink = open(sys.argv[1], "w", buffering=1)
def say(kind, **fields):
    sink.write(json.dumps(dict(kind=kind, **fields)) + "\\n")
def note(pid):
    open("pids", "a").write(str(pid) + "\\n")
note(os.getpid())
"""

PATIENT = Limits(start=10, silence=10)

Start = Callable[..., tuple[Ended, list[Mapping[str, Any]]]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Supervise a script; how it ended, and its records."""

    def start(
        text: str,
        *,
        limits: Limits = PATIENT,
        no_network: bool = False,
        port: int | None = None,
        on_record: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> tuple[Ended, list[Mapping[str, Any]]]:
        script = tmp_path / "probe.py"
        script.write_text(HEAD + textwrap.dedent(text))
        records: list[Mapping[str, Any]] = []
        ended = supervise(
            (sys.executable, "-S", str(script)),
            env={"PATH": "/usr/bin:/bin"},
            cwd=tmp_path,
            limits=limits,
            no_network=no_network,
            port=port,
            on_record=on_record or records.append,
        )
        return ended, records

    return start


def alive(folder: Path) -> list[int]:
    """The processes that the script has noted and that still run."""
    found = []
    for pid in map(int, (folder / "pids").read_text().split()):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            found.append(pid)
    return found


def left(folder: Path) -> list[int]:
    """Those that still run ten seconds from now; one that was killed may take a moment to go."""
    deadline = time.monotonic() + 10
    while alive(folder) and time.monotonic() < deadline:
        time.sleep(0.005)
    return alive(folder)


def test_records_arrive_in_order_and_output_apart(start: Start) -> None:
    ended, records = start(
        """
        print("hello"); sys.stderr.write("world\\n")
        say("plugins"); say("begin", path="ä.py"); say("end")
        """
    )
    assert [record["kind"] for record in records] == ["plugins", "begin", "end"]
    assert records[1]["path"] == "ä.py"
    assert ended.complete
    assert "hello" in ended.output
    assert "world" in ended.output


def test_a_record_larger_than_a_pipe(start: Start) -> None:
    _, records = start('say("file", text="x" * 5_000_000); say("end")')
    assert len(records[0]["text"]) == 5_000_000


def test_what_is_no_record_is_passed_over(start: Start) -> None:
    ended, records = start(r"""
        sink.write("garbage\n[1]\n\xff\n{}{}\n")
        say("end")
    """)
    assert [record["kind"] for record in records] == ["end"]
    assert ended.complete


def test_a_record_cut_short_is_not_seen(start: Start) -> None:
    ended, records = start("""sink.write('{"kind": "en'); sink.flush(); os._exit(3)""")
    assert records == []
    assert not ended.complete
    assert ended.why == "it exited with code 3"


def test_a_flood_of_output_is_read_and_forgotten(start: Start) -> None:
    ended, _ = start('for _ in range(400): os.write(1, b"x" * 100_000)\nprint("last"); say("end")')
    assert ended.complete
    assert len(ended.output) <= TAIL_BYTES
    assert ended.output.rstrip().endswith("last")


def test_death_by_signal_is_named(start: Start) -> None:
    ended, _ = start('say("plugins"); os.kill(os.getpid(), signal.SIGKILL)')
    assert ended.why == "it was killed by SIGKILL"


def test_a_hang_at_start_is_ended(start: Start, tmp_path: Path) -> None:
    began = time.monotonic()
    ended, _ = start("time.sleep(100)", limits=Limits(start=1, silence=100))
    assert ended.why == "it hung: nothing was heard of it for 1 s"
    assert time.monotonic() - began < 10
    assert left(tmp_path) == []


def test_a_hang_later_is_ended_although_it_prints(start: Start, tmp_path: Path) -> None:
    ended, records = start(
        'say("plugins"); say("begin", path="a")\nwhile True: print("."); time.sleep(0.05)',
        limits=Limits(start=100, silence=0.3),
    )
    assert [record["kind"] for record in records] == ["plugins", "begin"]
    assert not ended.complete
    assert "it hung" in ended.why
    assert left(tmp_path) == []


ESCAPES = {
    "child": "",
    "session": "os.setsid()",
    "ignores": "for each in (1, 2, 15): signal.signal(each, signal.SIG_IGN)",
    "orphan": "os.setsid()\nif os.fork(): os._exit(0)",
}


@linux_only
@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("escape", ESCAPES)
def test_nothing_is_left(start: Start, tmp_path: Path, escape: str, complete: bool) -> None:
    child = f"{ESCAPES[escape]}\nnote(os.getpid())\ntime.sleep(100)\nos._exit(0)"
    ended, _ = start(
        f"""
if os.fork() == 0:
{textwrap.indent(child, "    ")}
while open("pids").read().count("\\n") < 2:
    time.sleep(0.01)
say("plugins")
{'say("end")' if complete else "time.sleep(100)"}
""",
        limits=Limits(start=10, silence=0.3),
    )
    assert ended.complete is complete
    assert len((tmp_path / "pids").read_text().split()) == 2
    assert left(tmp_path) == []


@linux_only
def test_a_child_that_shed_its_mark_is_found_by_descent(start: Start, tmp_path: Path) -> None:
    start(
        """
        sleep = subprocess.Popen(["/bin/sleep", "100"], env={}, start_new_session=True)
        note(sleep.pid)
        say("plugins")
        time.sleep(100)
        """,
        limits=Limits(start=10, silence=0.3),
    )
    assert len((tmp_path / "pids").read_text().split()) == 2
    assert left(tmp_path) == []


# A daemon that has shed mark, session and parent, and its parent waiting for it to be there.
DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve("/bin/sh", ["sh", "-c", "echo $$ >> pids; exec sleep 100"], {})
    os._exit(0)
while open("pids").read().count("\\n") < 2:
    time.sleep(0.01)
say("plugins")
"""


@linux_only
@pytest.mark.parametrize("end", ['say("end")', "os._exit(1)", "os.kill(os.getpid(), 9)", "hang"])
def test_a_daemon_that_shed_everything_is_found(start: Start, tmp_path: Path, end: str) -> None:
    start(
        DAEMON + ("time.sleep(100)" if end == "hang" else end),
        limits=Limits(start=10, silence=0.3),
    )
    assert len((tmp_path / "pids").read_text().split()) == 2
    assert left(tmp_path) == []


@linux_only
def test_a_killed_guardian_takes_the_probe_along(start: Start, tmp_path: Path) -> None:
    ended, _ = start('say("plugins"); os.kill(os.getppid(), signal.SIGKILL); time.sleep(100)')
    assert not ended.complete
    assert left(tmp_path) == []


def test_an_exception_of_ours_leaves_nothing(start: Start, tmp_path: Path) -> None:
    def interrupt(record: Mapping[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start('say("plugins"); time.sleep(100)', on_record=interrupt)
    assert left(tmp_path) == []


def test_stop_all_ends_a_probe_from_another_thread(start: Start, tmp_path: Path) -> None:
    try:
        ended, _ = start(DAEMON + "time.sleep(100)", on_record=lambda _: processes.stop_all())
        assert not ended.complete
        with pytest.raises(processes.Stopped):
            start('say("end")')
    finally:
        processes.allow_start()
    assert left(tmp_path) == []


def test_no_descriptor_is_left_open(start: Start) -> None:
    start('say("end")')
    before = len(list(Path("/dev/fd").iterdir()))
    start('say("end")')
    start("sys.exit(1)")
    assert len(list(Path("/dev/fd").iterdir())) == before


@linux_only
def test_a_probe_dies_with_us(tmp_path: Path) -> None:
    """The harness itself is killed outright; the probe must not outlive it."""
    (tmp_path / "probe.py").write_text(HEAD + DAEMON + "time.sleep(100)")
    (tmp_path / "outer.py").write_text(
        textwrap.dedent(
            f"""
            import sys
            from pathlib import Path
            from harness.runtimes.supervise import Limits, supervise
            supervise((sys.executable, {str(tmp_path / "probe.py")!r}), cwd=Path({str(tmp_path)!r}),
                env={{"PATH": "/usr/bin:/bin"}},
                limits=Limits(start=60, silence=60), no_network=False,
                on_record=lambda record: print("up", flush=True))
            """
        )
    )
    root = Path(processes.__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "outer.py")],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
    ) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == b"up\n"
        assert len(alive(tmp_path)) == 2
        harness.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while alive(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left(tmp_path) == []


CONNECT = """
import socket
with socket.socket() as server:
    server.bind(("127.0.0.1", 0)); server.listen()
    with socket.create_connection(server.getsockname(), 2):
        say("loopback")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    try:
        sock.connect(("192.0.2.1", 9))
        say("route")
    except OSError as error:
        say("none", errno=error.errno)
say("end")
"""


@linux_only
def test_the_network_is_gone_where_the_kernel_permits(start: Start) -> None:
    ended, records = start(CONNECT, no_network=True)
    assert ended.complete, ended
    kinds = [record["kind"] for record in records]
    assert kinds[0] == "loopback"
    if ended.isolation == NO_NETWORK:
        assert kinds[1] == "none"
    else:
        assert ended.isolation == ""
        assert os.geteuid() != 0, "root may always make a network namespace"


def test_without_the_wish_there_is_no_namespace(start: Start) -> None:
    ended, _ = start('say("end")')
    assert ended.isolation == ""


FETCH = """
import socket, time
def fetch(port):
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.sendall(b"x" * 300000)
        sock.shutdown(socket.SHUT_WR)
        said = b""
        while True:
            chunk = sock.recv(65536)
            if not chunk:
                return said
            said += chunk
for port in {ports}:
    try:
        say("answer", text=str(len(fetch(port))))
    except OSError as error:
        say("answer", text=type(error).__name__)
say("end")
"""


@pytest.fixture
def echo() -> Iterator[Callable[[], int]]:
    """Start a server on our loopback that gives back what it got; its port."""

    class Echo(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.rfile.read())

    servers = []

    def start() -> int:
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@linux_only
def test_one_port_may_be_left_within_reach(start: Start, echo: Callable[[], int]) -> None:
    ours, other = echo(), echo()
    ended, records = start(
        FETCH.replace("{ports}", str([ours, other, ours])), no_network=True, port=ours
    )
    answers = [record["text"] for record in records if record["kind"] == "answer"]
    assert answers[0] == answers[2] == "300000", ended
    if ended.isolation == NO_NETWORK:
        assert answers[1] == "ConnectionRefusedError"


@linux_only
def test_a_relay_to_nobody_refuses_and_ends(start: Start, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        ended, records = start(FETCH.replace("{ports}", str([port])), no_network=True, port=port)
    assert ended.complete, ended
    assert records[0]["text"] in (
        "0",
        "ConnectionResetError",
        "ConnectionRefusedError",
        "BrokenPipeError",
        "OSError",  # to shut down what is connected no more
    )
    assert left_relays(port) == []


def left_relays(port: int) -> list[str]:
    """The launchers that still serve the port when the kernel has had time to end them."""
    deadline = time.monotonic() + 30
    while (found := relays(port)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def relays(port: int) -> list[str]:
    """The launchers that serve the port."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
                if (
                    f"no-network={port}" in line
                    and "State:\tZ" not in (entry / "status").read_text()
                ):
                    found.append(line)
    return found
