"""moto server as a process that serves until it is killed.

    moto_process.py LISTEN READY
    moto_process.py PORT            all addresses: in a container, which has its own

LISTEN is the descriptor of a socket that listens already: it was made in a network that this
process need not have. A line is written to the descriptor READY when all is loaded. What moto does
not emulate it answers with a page of HTML that boto3 tries three times; here that is an error of
AWS' own form that says so.
"""

import json
import os
import re
import socket
import sys
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

from moto import __version__
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

SIGNED_FOR = re.compile(r"Credential=[^/]+/\d+/[^/]*/([^/]+)/")
# Services that speak XML although their requests do not show it.
SPEAK_XML = {"s3", "route53", "cloudfront"}


def main(listen: int, ready: int | None = None) -> None:
    """Serve what arrives at the descriptor ``listen``; at that port, without ``ready``."""
    if ready is None:
        listen = socket.create_server(("", listen)).detach()
    server = make_server(
        "127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler, fd=listen
    )
    os.environ["MOTO_PORT"] = str(server.server_address[1])  # for the URLs that moto hands out
    if ready is not None:
        os.write(ready, b"\n")
        os.close(ready)
    server.serve_forever()


def backend(service: Any) -> Any:
    """moto's own application of a service, which lets its exceptions out."""
    if service is None:  # moto found none for the request
        raise NotImplementedError("there is no such service in it")
    app = create_backend_app(service)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    return app


emulated = DomainDispatcherApplication(backend)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """moto, and an answer where it has none."""
    try:
        return emulated(environ, start_response)  # type: ignore[no-any-return]
    except NotImplementedError as error:
        code, said = "NotEmulated", f"does not emulate it: {error}"
    except Exception as error:
        # Whatever moto stumbles over, its caller gets an answer that can be read.
        code, said = "EmulatorFailed", f"failed: {type(error).__name__}: {error}"
    match = SIGNED_FOR.search(environ.get("HTTP_AUTHORIZATION", ""))
    service = match[1] if match else "unsigned"
    return refuse(environ, start_response, service, code, f"moto {__version__} {said}"[:1000])


def refuse(
    environ: dict[str, Any],
    start_response: Callable[..., Any],
    service: str,
    code: str,
    message: str,
) -> Iterable[bytes]:
    """An error in the form that the service's callers read."""
    message = f"The emulated AWS cannot do this ({service}): {message}"
    kind = environ.get("CONTENT_TYPE", "")
    if service in SPEAK_XML or "x-www-form-urlencoded" in kind:
        inner = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
        body = f"<Error>{inner}</Error>"
        if service not in SPEAK_XML:
            body = f"<ErrorResponse>{body}</ErrorResponse>"
        kind = "application/xml"
    else:
        body, kind = json.dumps({"__type": code, "message": message}), "application/x-amz-json-1.1"
    # 501: boto3 does not try it again.
    data = body.encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(data)))]
    start_response("501 Not Implemented", [*headers, ("x-amzn-ErrorType", code)])
    return [data]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
