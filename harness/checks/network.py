"""What to do about a file that reaches for the network while it is imported."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.model import Config

AWS_HOST = re.compile(
    r"(?:^|\.)amazonaws\.(?:com|com\.cn|eu)(?::\d+)?$|\.(?:api|on)\.aws(?::\d+)?$"
)

# Of an operation that an emulator does not have: moto server's error as it is started here, and
# what LocalStack says. Source: the answers of localstack-core 4.14.0.
NOT_EMULATED = re.compile(
    r"\(NotEmulated\)|not yet (?:been )?(?:implemented|emulated)|has not been implemented"
)


def network_fix(hosts: Sequence[str], config: Config) -> str:
    """The sentences for these hosts (``host`` or ``host:port``)."""
    quoted = ", ".join(f'"{host}"' for host in hosts)
    allow = f"add allowed-hosts = [{quoted}] to the configuration"
    if hosts and all(AWS_HOST.search(host) for host in hosts) and config.aws.emulator == "none":
        return f"Move the call into a task. {EMULATE}"
    return f"Move the call into a task. To let it through during a run, {allow}."


def aws_fix(config: Config, message: str) -> str:
    """The sentences for a call of AWS' that ended with ``message``."""
    if config.aws.emulator == "none":
        return f"Move the call into a task. {EMULATE}"
    if NOT_EMULATED.search(message):
        other = "localstack" if config.aws.emulator == "moto" else "moto"
        return (
            f"Move the call into a task: {config.aws.emulator} does not have what it needs. It may "
            f"be that {other} has: --aws {other}."
        )
    return (
        f"Move the call into a task, or give {config.aws.emulator} what the file asks for, under "
        "[aws] of the configuration: s3, secrets, parameters (docs/aws.md)."
    )


EMULATE = (
    'To let it reach an emulated AWS during a run, add aws = "moto" to the configuration '
    "(docs/aws.md says how to fill it)."
)
