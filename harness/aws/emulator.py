"""What an emulated AWS gives to whoever uses it: an endpoint, an environment, sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError

REGION = "us-east-1"
ACCOUNT = "123456789012"
"""The account that moto answers for; LocalStack's is 000000000000."""

# Nobody's: what they open is an emulator that lets everybody in.
ACCESS_KEY = "testing"
SECRET_KEY = "testing"  # noqa: S105

SHIM = Path(__file__).with_name("shim")
"""A folder for PYTHONPATH: what is in it leads boto3 of any age to the emulator."""

INSTALL = "Install it with: pip install 'mwaa-harness[aws]'"


class EmulatorError(HarnessError):
    """An emulator that is not installed, did not come up or cannot do what it was asked."""


@dataclass(frozen=True, kw_only=True)
class Emulator:
    """A running emulator. ``name`` is "moto" or "localstack", ``endpoint`` the URL at which it
    answers for every service: on our loopback, or on that of ``container`` (an engine's id)."""

    name: str
    endpoint: str
    region: str = REGION
    container: str = ""

    @property
    def address(self) -> str:
        """``host:port``, as ``allowed_hosts`` takes it."""
        return self.endpoint.partition("://")[2]

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def environment(self) -> dict[str, str]:
        """The environment that leads a process to the emulator, with credentials of nobody.

        boto3 before 1.28 does not read ``AWS_ENDPOINT_URL``, and no boto3 heeds it where code
        names an endpoint of AWS': with SHIM on PYTHONPATH all of them come here.
        """
        return {
            "MWAA_HARNESS_AWS": self.endpoint,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            # An instance's own credentials are never asked for.
            "AWS_EC2_METADATA_DISABLED": "true",
            # "api." and "env." before an address are no host: botocore sets them for MWAA.
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            # A configured profile may name another endpoint or an assumed role.
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def connection_extra(self, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The extra of an Airflow connection that reaches the emulator: Airflow 1.10 reads
        ``host``, the amazon provider ``endpoint_url``."""
        return {
            **(extra or {}),
            "host": self.endpoint,
            "endpoint_url": self.endpoint,
            "region_name": self.region,
        }

    def session(self) -> Any:
        """A session of localstack-client's: ``session().client("s3")``, ``.resource("s3")``.

        Raises EmulatorError when the package is not installed.
        """
        try:
            from harness.aws.sessions import EmulatedSession
        except ImportError as error:
            raise EmulatorError(f"{error.name} is not installed.", hint=INSTALL) from None
        return EmulatedSession(
            endpoint=self.endpoint,
            region=self.region,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
        )

    def client(self, service: str, **options: Any) -> Any:
        """``session().client(service)``."""
        return self.session().client(service, **options)


def answers(port: int, page: str) -> bool:
    """Whether a page of something on our loopback is there."""
    import http.client  # not small, and most runs have no emulator

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", page)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
