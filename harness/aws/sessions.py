"""localstack-client's session, for either emulator. Needs the extra ``aws``."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from localstack_client.session import Session


class EmulatedSession(Session):  # type: ignore[misc]
    """A session whose every client and resource talks to one emulator.

    As it comes, the package lets our own AWS_ENDPOINT_URL and USE_SSL win over the host it is
    given, knows only the services that LocalStack has, and leaves the words that botocore puts
    before some services' hosts ("api.", "sync-"), which no address can have.
    """

    def __init__(self, *, endpoint: str, region: str, access_key: str, secret_key: str) -> None:
        super().__init__(
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            region_name=region,
            localstack_host=endpoint.partition("://")[2],
        )
        self._service_endpoint_mapping = dict.fromkeys(_services(), endpoint)

    def client(self, service_name: str, **kwargs: Any) -> Any:
        return super().client(service_name, **_plain_host(kwargs))

    def resource(self, service_name: str, **kwargs: Any) -> Any:
        return super().resource(service_name, **_plain_host(kwargs))


def _plain_host(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    ours = Config(inject_host_prefix=False)
    given = kwargs.get("config")
    return {**kwargs, "config": given.merge(ours) if given else ours}


@functools.cache
def _services() -> tuple[str, ...]:
    """Every service that boto3 knows; it looks into hundreds of folders for them."""
    return tuple(boto3.session.Session().get_available_services())
