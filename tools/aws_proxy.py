"""A proxy before an emulator: notes every call, and makes some of them fail as AWS and networks do.

A fault is a function that gets the call and answers None (let it pass) or one of FAULTS.
"""

import contextlib
import http.client
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOW_DOWN = "503 SlowDown"
RESET = "reset before an answer"
LATE_RESET = "reset after it was done"
TRUNCATED = "half an answer"
FAULTS = (SLOW_DOWN, RESET, LATE_RESET, TRUNCATED)

SLOW_DOWN_BODY = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)
SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]*/([^/]+)/aws4_request")


@dataclass(frozen=True)
class Call:
    """``service`` is what the signature names, "" = unsigned; ``host`` what the caller believes
    it talks to; ``fault`` what became of it, "" = it passed."""

    method: str
    path: str
    service: str
    host: str
    fault: str = ""


@dataclass
class Proxy:
    endpoint: str
    calls: list[Call] = field(default_factory=list)
    fault: Callable[[Call], str | None] = lambda _: None

    @property
    def services(self) -> set[str]:
        return {call.service for call in self.calls}


@contextlib.contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """A proxy on a free port of the loopback before ``host:port``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                body = self.chunks()
                del self.headers["Transfer-Encoding"]
            match = SERVICE.search(self.headers.get("Authorization", ""))
            call = Call(
                self.command, self.path, match[1] if match else "", self.headers.get("Host", "")
            )
            fault = ours.fault(call) or ""
            ours.calls.append(Call(call.method, call.path, call.service, call.host, fault))
            if fault == RESET:
                return self.reset()
            if fault == SLOW_DOWN:
                return self.give(
                    503, "Slow Down", [("Content-Type", "application/xml")], SLOW_DOWN_BODY
                )
            connection = http.client.HTTPConnection(upstream, timeout=60)
            with contextlib.closing(connection):
                headers = {**self.headers, "Content-Length": str(len(body))}
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                said = answer.read()
            if fault == LATE_RESET:
                return self.reset()
            dropped = {"content-length", "transfer-encoding", "connection", "date", "server"}
            kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in dropped]
            length = len(said)
            if self.command == "HEAD":
                length = int(answer.getheader("Content-Length") or 0)
            if fault == TRUNCATED:
                said = said[: len(said) // 2]
            return self.give(answer.status, answer.reason, kept, said, length)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = relay

        def chunks(self) -> bytes:
            parts = []
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass  # trailers
            return b"".join(parts)

        def give(
            self,
            status: int,
            reason: str,
            headers: list[tuple[str, str]],
            body: bytes,
            length: int | None = None,
        ) -> None:
            self.send_response(status, reason)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)
            if length is not None and len(body) < length and self.command != "HEAD":
                self.reset()

        def reset(self) -> None:
            """Close with RST instead of FIN."""
            linger = struct.pack("ii", 1, 0)
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def shutdown_request(self, request: object) -> None:
            with contextlib.suppress(OSError):
                super().shutdown_request(request)  # type: ignore[arg-type]

        def handle_error(self, *_: object) -> None:
            pass  # callers hang up; that is their right

    with Server(("127.0.0.1", 0), Handler) as server:
        ours = Proxy(endpoint=f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield ours
        finally:
            server.shutdown()
            thread.join()
