"""The emulated AWS that a configuration asks for, from start to end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from harness.aws.emulator import REGION, Emulator
from harness.model import AwsConfig

EMULATORS = ("moto", "localstack")


@contextlib.contextmanager
def emulated(config: AwsConfig, env: Mapping[str, str]) -> Iterator[Emulator | None]:
    """The emulator of the configuration, filled; None when it asks for none.

    ``env`` are the user's own variables: a Region among them is the emulator's, since what is kept
    in one is not found in another. Raises EmulatorError.
    """
    if config.emulator not in EMULATORS:
        yield None
        return
    # Only here, as most runs ask for none: an HTTP client is not small.
    from harness.aws.seeds import fill

    region = env.get("AWS_DEFAULT_REGION") or env.get("AWS_REGION") or REGION
    with _started(config, region) as emulator:
        fill(emulator, config)
        yield emulator


def _started(config: AwsConfig, region: str) -> contextlib.AbstractContextManager[Emulator]:
    if config.emulator == "localstack":
        from harness.aws.localstack import localstack

        return localstack(image=config.image, region=region)
    from harness.aws.moto import moto

    return moto(region=region)
