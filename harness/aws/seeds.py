"""Fill an emulator with what the configuration says is there: buckets, secrets, parameters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.aws.emulator import Emulator, EmulatorError
from harness.model import AwsConfig


def fill(emulator: Emulator, config: AwsConfig) -> None:
    """Make the buckets and objects below ``config.s3``, the secrets and the parameters.

    Raises EmulatorError that names what the emulator did not take, and why.
    """
    if config.s3:
        _fill_s3(emulator.client("s3"), Path(config.s3), emulator.region)
    if config.secrets:
        secrets = emulator.client("secretsmanager")
        for name, text in config.secrets.items():
            _put(f"secret {name!r}", secrets.create_secret, Name=name, SecretString=text)
    if config.parameters:
        parameters = emulator.client("ssm")
        for name, text in config.parameters.items():
            _put(
                f"parameter {name!r}",
                parameters.put_parameter,
                Name=name,
                Value=text,
                # Read alike with and without WithDecryption.
                Type="String",
            )


def _fill_s3(s3: Any, folder: Path, region: str) -> None:
    where = {}
    if region != "us-east-1":  # the one that may not be named
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    for bucket in sorted(path for path in folder.iterdir() if path.is_dir()):
        _put(f"bucket {bucket.name!r}", s3.create_bucket, Bucket=bucket.name, **where)
        for key, file in _objects(bucket):
            what = f"object s3://{bucket.name}/{key}"
            with file.open("rb") as body:
                _put(what, s3.put_object, Bucket=bucket.name, Key=key, Body=body)


def _objects(bucket: Path) -> Iterator[tuple[str, Path]]:
    """Key and file of everything below a bucket's folder; links out of it are not followed."""
    root = bucket.resolve()
    for file in sorted(bucket.rglob("*")):
        if file.is_file() and file.resolve().is_relative_to(root):
            yield file.relative_to(bucket).as_posix(), file


def _put(what: str, call: Any, **arguments: Any) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        call(**arguments)
    except (BotoCoreError, ClientError, OSError) as error:
        raise EmulatorError(
            f"The emulated AWS did not take {what}: {error}",
            hint="Correct its name or content in the configuration's aws table (docs/aws.md).",
        ) from None
