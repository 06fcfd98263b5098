"""The stand-in's HTTP server: signed calls of the service, and an environment's own CLI."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness.aws.emulator import ACCOUNT, REGION, Emulator
from harness.aws.mwaa.backend import Backend
from harness.aws.mwaa.clock import Clock
from harness.aws.mwaa.environments import Environments, OnStart, always_well
from harness.aws.mwaa.interface import Response, ServiceError, answer, model, read, refusal

CLI = "/aws_mwaa/cli"
BODY_BYTES = 1 << 20

SIGNED = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/[^/]+/airflow/aws4_request")

Allows = Callable[[str, str], bool]
"""Whether an access key may do an action ("airflow:CreateEnvironment")."""


def everybody(access_key: str, action: str) -> bool:  # noqa: ARG001
    """Nobody is refused."""
    return True


@dataclass(frozen=True, kw_only=True)
class Standin:
    """A control plane that runs. ``environments`` is what it holds, ``clock`` its time."""

    endpoint: str
    environments: Environments
    region: str

    @property
    def clock(self) -> Clock:
        return self.environments.clock

    @property
    def cli_url(self) -> str:
        """Where CLI commands are posted. The service has it at the token's WebServerHostname."""
        return self.endpoint + CLI

    def client(self, **options: Any) -> Any:
        """A real ``boto3.client("mwaa")`` that comes here."""
        emulator = Emulator(name="mwaa", endpoint=self.endpoint, region=self.region)
        return emulator.client(model().service_name, **options)


@contextlib.contextmanager
def mwaa(
    *,
    clock: Clock | None = None,
    backend: Backend | None = None,
    on_create: OnStart = always_well,
    on_update: OnStart = always_well,
    allows: Allows = everybody,
    region: str = REGION,
) -> Iterator[Standin]:
    """A control plane on a free port of the loopback, with no environment in it.

    Time is the clock's; ``on_create`` and ``on_update`` say what fails; ``allows`` refuses access
    keys. Raises EmulatorError when botocore is not installed.
    """
    model()
    environments = Environments(
        clock=clock, backend=backend, on_create=on_create, on_update=on_update, region=region
    )
    handler = type("Handler", (_Handler,), {"environments": environments, "allows": allows})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            endpoint = f"http://127.0.0.1:{server.server_address[1]}"
            yield Standin(endpoint=endpoint, environments=environments, region=region)
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    environments: Environments
    allows: Allows

    def _serve(self) -> None:
        try:
            response = self._cli() if self.path == CLI else self._operation()
        except ServiceError as error:
            response = refusal(error)
        except Exception as error:
            # A backend's or a hook's own mistake must come back as an answer, not as a hang-up.
            response = refusal(
                ServiceError("InternalServerException", f"{type(error).__name__}: {error}")
            )
        self.send_response(response.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        if response.error:
            self.send_header("x-amzn-ErrorType", response.error)
        self.end_headers()
        self.wfile.write(response.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_BYTES:
            self.close_connection = True
            raise ServiceError("ValidationException", "The request is too long")
        return self.rfile.read(length)

    def _operation(self) -> Response:
        body = self._body()
        signed = SIGNED.match(self.headers.get("Authorization", ""))
        if signed is None:
            raise ServiceError(
                "MissingAuthenticationTokenException", "Missing Authentication Token"
            )
        asked = read(self.command, self.path, body)
        action = f"airflow:{asked.operation}"
        if not type(self).allows(signed[1], action):
            raise ServiceError(
                "AccessDeniedException",
                f"User: arn:aws:iam::{ACCOUNT}:user/{signed[1]} is not authorized to perform: "
                f"{action}",
            )
        operation = getattr(self.environments, _method(asked.operation))
        return answer(asked.operation, operation(asked.arguments))

    def _cli(self) -> Response:
        """A command as the service's own users post it: ``Bearer`` token, the command as text."""
        command = self._body().decode("utf-8", errors="replace").strip()
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if self.command != "POST" or scheme != "Bearer":
            raise ServiceError("AccessDeniedException", "A command is posted with a Bearer token")
        name = self.environments.environment_of(token, "cli")
        done = self.environments.backend.cli(name, command)
        said = {
            "stdout": base64.b64encode(done.stdout.encode()).decode(),
            "stderr": base64.b64encode(done.stderr.encode()).decode(),
        }
        return Response(status=200 if done.returncode == 0 else 400, body=json.dumps(said).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Silence: whoever uses it has the answers."""


def _method(operation: str) -> str:
    """``CreateEnvironment`` → ``create_environment``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
