"""The emulated AWS that a configuration asks for, from start to end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

from harness.aws.emulator import REGION, Emulator
from harness.model import AwsConfig

EMULATORS = ("moto", "localstack")

Started = contextlib.AbstractContextManager[Emulator]


def on_loopback(config: AwsConfig, region: str) -> Started:
    """The emulator of the configuration on our loopback, empty."""
    if config.emulator == "localstack":
        from harness.aws.localstack import localstack

        return localstack(image=config.image, region=region)
    from harness.aws.moto import moto

    return moto(region=region)


@contextlib.contextmanager
def emulated(
    config: AwsConfig,
    env: Mapping[str, str],
    start: Callable[[AwsConfig, str], Started] = on_loopback,
) -> Iterator[Emulator | None]:
    """The emulator of the configuration, filled; None when it asks for none.

    ``env`` are the user's own variables: a Region among them is the emulator's, since what is kept
    in one is not found in another. Raises EmulatorError, and what ``start`` raises.
    """
    if config.emulator not in EMULATORS:
        yield None
        return
    # Only here, as most runs ask for none: an HTTP client is not small.
    from harness.aws.seeds import fill

    region = env.get("AWS_DEFAULT_REGION") or env.get("AWS_REGION") or REGION
    with start(config, region) as emulator:
        fill(emulator, config)
        yield emulator
