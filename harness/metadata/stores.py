"""Where a bundle is kept: a folder, or a prefix of an S3 bucket.

A store has ``where`` (for people), ``writer(name)`` (``write``, ``finish``, ``abort``),
``read(name, offset, length)`` which yields bytes or raises FileNotFoundError, and ``names()``.
A file is there under its name only when it is complete.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager, suppress
from typing import Any, Dict, Iterator, List, Optional, Set, Union
from urllib.parse import urlsplit

from harness.errors import UsageError
from harness.metadata.problems import BundleProblem, MetadataError

PART = 8 << 20
READ = 1 << 20
ATTEMPTS = 8
PAUSE = 0.5


class FolderStore:
    """A bundle in a folder. Files are private to the user who writes them."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.where = folder

    def path(self, name: str) -> str:
        """Where a file is."""
        return os.path.join(self.folder, *name.split("/"))

    def writer(self, name: str) -> FolderWriter:
        """Write a file; it takes its name when it is complete."""
        path = self.path(name)
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            return FolderWriter(path)
        except (NotADirectoryError, FileExistsError, FileNotFoundError, PermissionError) as error:
            raise BundleProblem(
                f"{self.where}: no bundle can be kept there ({error.strerror}).",
                hint="Name a folder that you may write to; it is made.",
            ) from None

    def read(self, name: str, offset: int, length: Optional[int]) -> Iterator[bytes]:
        """A file's bytes from ``offset``, ``length`` of them or all."""
        with open(self.path(name), "rb") as stream:
            stream.seek(offset)
            left = length
            while left is None or left > 0:
                data = stream.read(READ if left is None else min(READ, left))
                if not data:
                    return
                if left is not None:
                    left -= len(data)
                yield data

    def names(self) -> Set[str]:
        """All files that are there, half ones too."""
        found = set()
        for folder, _, files in os.walk(self.folder):
            for file in files:
                path = os.path.relpath(os.path.join(folder, file), self.folder)
                found.add(path.replace(os.sep, "/"))
        return found

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        try:
            os.unlink(self.path(name))
        except FileNotFoundError:
            return


class FolderWriter:
    """``<name>.part`` until it is complete and on the disk."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.part = path + ".part"
        descriptor = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self.stream = os.fdopen(descriptor, "wb", 1 << 18)

    def write(self, data: bytes) -> None:
        """More of it."""
        with _naming(self.path):
            self.stream.write(data)

    def finish(self) -> None:
        """It is complete."""
        with _naming(self.path):
            self.stream.flush()
            os.fsync(self.stream.fileno())
            self.stream.close()
            os.replace(self.part, self.path)

    def abort(self) -> None:
        """Leave nothing of it."""
        with suppress(OSError):  # what stopped it stops its last bytes, too
            self.stream.close()
        if os.path.exists(self.part):
            os.unlink(self.part)


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Tell an error which file it is about; the kernel does not, once a file is open."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or path
        raise


class S3Store:
    """A bundle below a prefix of a bucket. Uploads ask for server-side encryption."""

    def __init__(self, bucket: str, prefix: str, client: Any, kms_key: str = "") -> None:
        self.bucket = bucket
        self.prefix = prefix.strip("/")
        self.client = client
        self.where = f"s3://{bucket}/{self.prefix}"
        self.encryption: Dict[str, str] = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key}
            if kms_key
            else {"ServerSideEncryption": "AES256"}
        )

    def key(self, name: str) -> str:
        """The object's key."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def writer(self, name: str) -> S3Writer:
        """Write an object in parts; it appears when it is complete."""
        return S3Writer(self, name)

    def call(self, verb: str, name: str, **arguments: Any) -> Any:
        """One request, again and again with growing pauses while S3 says "later".

        Raises FileNotFoundError for an object that is not there, MetadataError for the rest.
        """
        for attempt in range(ATTEMPTS):
            try:
                return getattr(self.client, verb)(Bucket=self.bucket, **arguments)
            except Exception as error:
                if attempt + 1 == ATTEMPTS or not _passes(error):
                    raise _explained_s3(error, f"{self.where}/{name}".rstrip("/")) from None
                time.sleep(min(20.0, PAUSE * 2**attempt))
        raise AssertionError("unreachable")

    def read(self, name: str, offset: int, length: Optional[int]) -> Iterator[bytes]:
        """An object's bytes; a connection that breaks is taken up where it broke."""
        if length == 0:
            return
        end = "" if length is None else str(offset + length - 1)
        position = offset
        failures = 0
        while True:
            extra = {} if (position, end) == (0, "") else {"Range": f"bytes={position}-{end}"}
            answer = self.call("get_object", name, Key=self.key(name), **extra)
            body = answer["Body"]
            expected = position + int(answer["ContentLength"])
            try:
                while True:
                    data = body.read(READ)
                    if not data:
                        break
                    position += len(data)
                    yield data
            except Exception as error:
                if isinstance(error, (OSError, MetadataError)) or not _passes(error):
                    raise
                failures += 1
                if failures == ATTEMPTS:
                    raise _explained_s3(error, f"{self.where}/{name}") from None
                time.sleep(min(20.0, PAUSE * 2**failures))
            if position >= expected:
                return

    def names(self) -> Set[str]:
        """All objects below the prefix."""
        found: Set[str] = set()
        more: Dict[str, str] = {}
        start = self.key("")
        while True:
            answer = self.call("list_objects_v2", "", Prefix=start, **more)
            found |= {entry["Key"][len(start) :] for entry in answer.get("Contents", ())}
            if not answer.get("IsTruncated"):
                return found
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        self.call("delete_object", name, Key=self.key(name))


class S3Writer:
    """A multipart upload; what fits into one part is one request."""

    def __init__(self, store: S3Store, name: str) -> None:
        self.store = store
        self.name = name
        self.buffer = bytearray()
        self.upload = ""
        self.parts: List[Dict[str, Any]] = []

    def write(self, data: bytes) -> None:
        """More of it."""
        self.buffer += data
        while len(self.buffer) >= PART:
            self._send(bytes(self.buffer[:PART]))
            del self.buffer[:PART]

    def _send(self, data: bytes) -> None:
        key = self.store.key(self.name)
        if not self.upload:
            answer = self.store.call(
                "create_multipart_upload", self.name, Key=key, **self.store.encryption
            )
            self.upload = answer["UploadId"]
        number = len(self.parts) + 1
        answer = self.store.call(
            "upload_part",
            self.name,
            Key=key,
            UploadId=self.upload,
            PartNumber=number,
            Body=data,
        )
        self.parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    def finish(self) -> None:
        """It is complete."""
        key = self.store.key(self.name)
        if not self.upload:
            self.store.call(
                "put_object", self.name, Key=key, Body=bytes(self.buffer), **self.store.encryption
            )
            return
        if self.buffer:
            self._send(bytes(self.buffer))
        self.store.call(
            "complete_multipart_upload",
            self.name,
            Key=key,
            UploadId=self.upload,
            MultipartUpload={"Parts": self.parts},
        )

    def abort(self) -> None:
        """Leave nothing of it: parts without an end are billed."""
        if self.upload:
            self.store.call(
                "abort_multipart_upload",
                self.name,
                Key=self.store.key(self.name),
                UploadId=self.upload,
            )


_LATER = {
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "InternalError",
    "ServiceUnavailable",
    "RequestTimeout",
    "500",
    "502",
    "503",
    "504",
}
_LATER_KINDS = {
    "EndpointConnectionError",
    "ConnectionClosedError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProtocolError",
    "IncompleteReadError",
    "ResponseStreamingError",
    "ConnectionError",
    "HTTPClientError",
}


def error_code(error: Any) -> str:
    """AWS's own word for what went wrong, "" for an error that is not from AWS."""
    answer = getattr(error, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""


def _passes(error: Any) -> bool:
    """Whether it may go better in a moment."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return error_code(error) in _LATER or bool(kinds & _LATER_KINDS)


def _explained_s3(error: Any, where: str) -> Exception:
    code = error_code(error)
    if code in ("NoSuchKey", "404"):
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), where)
    text = " ".join(str(error).split())
    if code == "NoSuchBucket":
        return BundleProblem(f"{where}: there is no such bucket.", hint="Make it first.")
    if code in ("AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
        return MetadataError(
            f"{where}: S3 refuses ({text}).",
            hint="The role needs s3:GetObject, s3:PutObject, s3:ListBucket and "
            "s3:AbortMultipartUpload there.",
        )
    if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
        return MetadataError(f"{where}: there are no AWS credentials.", hint="Set AWS_PROFILE.")
    return MetadataError(f"{where}: {text}.", hint="Start again when S3 answers.")


Store = Union[FolderStore, S3Store]


def store_of(place: str, kms_key: str = "") -> Store:
    """The store that a folder's path or an ``s3://bucket/prefix`` names. Raises UsageError."""
    if not place:
        raise UsageError("'': this names no place.", hint="A folder, or s3://bucket/prefix")
    if not place.startswith("s3://"):
        return FolderStore(place)
    parts = urlsplit(place)
    if not parts.netloc:
        raise UsageError(f"{place}: this names no bucket.", hint="s3://bucket/prefix")
    return S3Store(parts.netloc, parts.path, s3_client(), kms_key)


def aws_client(service: str) -> Any:
    """A boto3 client that retries, at the endpoint that the environment names."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise MetadataError(
            "boto3, the AWS library, is not installed.", hint="python -m pip install boto3"
        ) from None
    # Old boto3 (an Airflow 1.10 image has one) does not know these variables itself.
    name = "S3" if service == "s3" else service.upper().replace("SECRETSMANAGER", "SECRETS_MANAGER")
    endpoint = os.environ.get(f"AWS_ENDPOINT_URL_{name}") or os.environ.get("AWS_ENDPOINT_URL")
    return boto3.client(
        service,
        endpoint_url=endpoint or None,
        # S3's requests are tried again by the store, which knows where it was.
        config=Config(
            retries={"max_attempts": 0 if service == "s3" else 8},
            connect_timeout=15,
            read_timeout=60,
        ),
    )


def s3_client() -> Any:
    """The S3 client."""
    return aws_client("s3")
