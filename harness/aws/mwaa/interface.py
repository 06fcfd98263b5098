"""The service's interface as botocore's model has it: HTTP requests in, HTTP answers out."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from harness.aws.emulator import INSTALL, EmulatorError

SERVICE = "mwaa"


class ServiceError(Exception):
    """An error of the service's; ``code`` is an exception's name in its model, or one that AWS
    knows everywhere. ``fields`` are its other members."""

    def __init__(self, code: str, message: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.fields = code, message, fields


def invalid(message: str) -> ServiceError:
    """What the service says to a value that it does not take."""
    return ServiceError("ValidationException", message)


@dataclass(frozen=True, kw_only=True)
class Request:
    """An operation that was asked for, with its checked arguments under the model's names."""

    operation: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Response:
    """What goes back over HTTP."""

    status: int
    body: bytes
    error: str = ""


@functools.cache
def model() -> Any:
    """botocore's ServiceModel. Raises EmulatorError when botocore is not installed."""
    try:
        from botocore.loaders import Loader
        from botocore.model import ServiceModel
    except ImportError as error:
        raise EmulatorError(f"{error.name} is not installed.", hint=INSTALL) from None
    return ServiceModel(Loader().load_service_model(SERVICE, "service-2"), SERVICE)


# ------------------------------------------------------------------------------------- requests


def read(method: str, target: str, body: bytes) -> Request:
    """The operation that an HTTP request asks for.

    Raises ServiceError: no such operation, a body that is no JSON object, a missing argument, one
    of the wrong type, or one that the model's limits do not allow.
    """
    url = urlsplit(target)
    for operation, pattern in _routes():
        match = pattern.fullmatch(url.path)
        if match and operation.http["method"] == method:
            break
    else:
        raise ServiceError("UnknownOperationException", f"{method} {url.path}")
    given = _json_object(body)
    query = parse_qs(url.query, keep_blank_values=True)
    arguments = {}
    for name, shape in operation.input_shape.members.items():
        place = shape.serialization
        key = place.get("name", name)
        if place.get("location") == "uri":
            arguments[name] = unquote(match[key])
        elif place.get("location") == "querystring":
            if key in query:
                arguments[name] = _from_query(shape, query[key])
        elif given.get(key) is not None:
            arguments[name] = given[key]
    problems = list(_problems(operation.input_shape, arguments, ""))
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
        raise invalid(count + "; ".join(problems))
    return Request(operation=operation.name, arguments=arguments)


@functools.cache
def _routes() -> tuple[tuple[Any, re.Pattern[str]], ...]:
    routes = []
    for name in model().operation_names:
        operation = model().operation_model(name)
        form = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation.http["requestUri"])
        routes.append((operation, re.compile(form)))
    return tuple(routes)


def _json_object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        given = json.loads(body)
    except ValueError as error:
        raise ServiceError("SerializationException", f"not JSON: {error}") from None
    if not isinstance(given, dict):
        raise ServiceError("SerializationException", "not a JSON object")
    return given


def _from_query(shape: Any, values: list[str]) -> Any:
    if shape.type_name == "list":
        return values
    if shape.type_name == "integer":
        try:
            return int(values[0])
        except ValueError:
            raise ServiceError("SerializationException", "a number was expected") from None
    return values[0]


# -------------------------------------------------------------------------- the model's own limits

KINDS: Mapping[str, type | tuple[type, ...]] = {
    "structure": dict,
    "map": dict,
    "list": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "double": (int, float),
    "timestamp": (int, float, datetime),
}


def _problems(shape: Any, value: Any, place: str) -> Iterator[str]:
    """What the model forbids about a value, a sentence each."""
    if getattr(shape, "is_document_type", False):
        return
    if not _is_a(shape.type_name, value):
        where = place or "the input"
        raise ServiceError("SerializationException", f"{where} is not a {shape.type_name}")
    match shape.type_name:
        case "structure":
            yield from _structure_problems(shape, value, place)
        case "list":
            yield from _size(shape, len(value), value, place, "length")
            for number, entry in enumerate(value, 1):
                yield from _problems(shape.member, entry, f"{place}.{number}.member")
        case "map":
            yield from _size(shape, len(value), value, place, "length")
            for key, entry in value.items():
                yield from _problems(shape.key, key, f"{place}.key")
                yield from _problems(shape.value, entry, f"{place}.{key}")
        case "string":
            yield from _size(shape, len(value), value, place, "length")
            yield from _text_problems(shape, value, place)
        case "integer":
            yield from _size(shape, value, value, place, "value")


def _is_a(name: str, value: object) -> bool:
    kind = KINDS[name]
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _structure_problems(shape: Any, value: Mapping[str, Any], place: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _failed(None, _below(place, name), "Member must not be null")
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from _problems(member, value[name], _below(place, name))


def _text_problems(shape: Any, value: str, place: str) -> Iterator[str]:
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        names = ", ".join(allowed)
        yield _failed(value, place, f"Member must satisfy enum value set: [{names}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not _compiled(pattern).fullmatch(value):
        yield _failed(value, place, f"Member must satisfy regular expression pattern: {pattern}")


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of the model's, which may use Java's names for kinds of letters."""
    return re.compile(
        pattern.replace(r"\p{L}", r"\w").replace(r"\p{N}", "").replace(r"\p{Z}", r"\s")
    )


def _size(shape: Any, size: int, value: Any, place: str, what: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield _failed(value, place, f"Member must have {what} greater than or equal to {least}")
    if most is not None and size > most:
        yield _failed(value, place, f"Member must have {what} less than or equal to {most}")


def _failed(value: Any, place: str, constraint: str) -> str:
    shown = "" if value is None else f" '{str(value)[:100]}'"
    return f"Value{shown} at '{place}' failed to satisfy constraint: {constraint}"


def _below(place: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{place}.{name}" if place else name


# ------------------------------------------------------------------------------------- responses


def answer(operation: str, result: Mapping[str, Any]) -> Response:
    """The HTTP answer of an operation that succeeded.

    A result that the model would not have is a mistake of the stand-in's, and told as the
    service's own InternalServerException.
    """
    shape = model().operation_model(operation).output_shape
    unknown = sorted(set(result) - set(shape.members))
    problems = [*(f"no member {name}" for name in unknown), *_problems(shape, result, "")]
    if problems:
        raise ServiceError("InternalServerException", f"{operation}: {'; '.join(problems)}")
    return Response(status=200, body=json.dumps(_plain(result)).encode())


def refusal(error: ServiceError) -> Response:
    """The HTTP answer of an error."""
    shapes = {shape.name: shape for shape in model().error_shapes}
    shape = shapes.get(error.code)
    status, body = STATUSES.get(error.code, 400), {"message": error.message}
    if shape is not None:
        status = shape.metadata["error"]["httpStatusCode"]
        # One of them spells it with a capital, two have no message at all.
        body = {name: error.message for name in shape.members if name.lower() == "message"}
        body |= error.fields
    return Response(status=status, body=json.dumps(_plain(body)).encode(), error=error.code)


# Errors that every service of AWS has and no model names.
STATUSES = {
    "UnknownOperationException": 404,
    "MissingAuthenticationTokenException": 403,
    "SerializationException": 400,
}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value
