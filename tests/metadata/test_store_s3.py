"""A bundle in S3 when S3 says "later", the network breaks, and answers get lost on their way."""

import functools
import itertools
import random
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.aws.emulator import Emulator
from harness.metadata import stores
from harness.metadata.problems import BundleProblem, MetadataError
from harness.metadata.stores import PART, S3Store, store_of
from tools.aws_proxy import FAULTS, LATE_RESET, RESET, SLOW_DOWN, TRUNCATED, Call, Proxy, proxy

pytestmark = pytest.mark.xdist_group("moto")

BUCKET = "bundles"
DATA = random.Random(1).randbytes(2 * PART + 12345)  # noqa: S311


@pytest.fixture
def faulty(aws: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The way to S3 that the store's own client takes. Nobody really waits between attempts."""
    aws.client("s3").create_bucket(Bucket=BUCKET)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    monkeypatch.setattr(stores, "PAUSE", 0)
    with proxy(aws.address) as before:
        for name, text in {**aws.environment(), "AWS_ENDPOINT_URL": before.endpoint}.items():
            monkeypatch.setenv(name, text)
        yield before


def store(kms_key: str = "") -> S3Store:
    found: S3Store = store_of(f"s3://{BUCKET}/run-1", kms_key)
    return found


def write(where: S3Store, name: str, data: bytes, size: int = 1 << 20) -> None:
    writer = where.writer(name)
    for start in range(0, len(data), size):
        writer.write(data[start : start + size])
    writer.finish()


def read(where: S3Store, name: str, offset: int = 0, length: int | None = None) -> bytes:
    return b"".join(where.read(name, offset, length))


def every(number: int, kinds: tuple[str, ...] = FAULTS) -> Callable[[Call], str | None]:
    """Every so-many-th call has a fault, one kind after the other."""
    calls, turn = itertools.count(1), itertools.cycle(kinds)
    return lambda _: next(turn) if next(calls) % number == 0 else None


def unfinished(aws: Emulator) -> list[Any]:
    return list(aws.client("s3").list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))


@pytest.mark.parametrize("number", [2, 3])
def test_what_was_written_is_read_whatever_fails_in_between(
    faulty: Proxy, aws: Emulator, number: int
) -> None:
    where = store()
    faulty.fault = every(number)
    for name, data in {"dag.jsonl": b"", "log.jsonl": DATA[:5000], "task_instance": DATA}.items():
        write(where, name, data)
        assert read(where, name) == data
    assert {call.fault for call in faulty.calls} >= set(FAULTS)
    assert where.names() == {"dag.jsonl", "log.jsonl", "task_instance"}
    where.remove("log.jsonl")
    assert "log.jsonl" not in where.names()


@pytest.mark.parametrize("fault", FAULTS)
def test_the_last_word_of_an_upload_may_get_lost(faulty: Proxy, aws: Emulator, fault: str) -> None:
    """An upload is complete once; who asks again, because no answer came, hears that it is gone."""
    where = store()
    left = itertools.repeat(fault, 2)
    faulty.fault = lambda call: (
        next(left, None) if call.method == "POST" and "uploadId=" in call.path else None
    )
    write(where, "task_instance", DATA)
    assert [call.fault for call in faulty.calls].count(fault) == 2
    assert read(where, "task_instance") == DATA
    assert unfinished(aws) == []


def test_a_body_that_breaks_is_taken_up_where_it_broke(faulty: Proxy) -> None:
    where = store()
    write(where, "xcom", DATA)
    gets = itertools.count()
    faulty.fault = lambda call: TRUNCATED if call.method == "GET" and next(gets) < 3 else None
    assert read(where, "xcom") == DATA
    faulty.fault = every(2, (TRUNCATED,))
    assert read(where, "xcom", 1000, 2_000_000) == DATA[1000:2_001_000]
    assert read(where, "xcom", len(DATA) - 7) == DATA[-7:]
    assert read(where, "xcom", 5, 0) == b""


@pytest.mark.parametrize(("key", "algorithm"), [("", "AES256"), ("alias/ours", "aws:kms")])
@pytest.mark.parametrize("data", [b"small", DATA], ids=["small", "in parts"])
def test_objects_are_encrypted_however_they_were_uploaded(
    faulty: Proxy, aws: Emulator, key: str, algorithm: str, data: bytes
) -> None:
    write(store(key), "connection", data)
    found = aws.client("s3").head_object(Bucket=BUCKET, Key="run-1/connection")
    assert found["ServerSideEncryption"] == algorithm
    if key:
        assert key in found["SSEKMSKeyId"]


@pytest.mark.parametrize("fault", [SLOW_DOWN, RESET, LATE_RESET])
def test_what_never_gets_better_is_told(faulty: Proxy, fault: str) -> None:
    where = store()
    faulty.fault = lambda _: fault
    with pytest.raises(MetadataError) as caught:
        write(where, "variable", b"x")
    assert "s3://bundles/run-1/variable" in caught.value.message
    assert len(faulty.calls) >= stores.ATTEMPTS


def test_an_object_appears_when_it_is_complete_or_not_at_all(faulty: Proxy, aws: Emulator) -> None:
    where = store()
    writer = where.writer("task_instance")
    writer.write(DATA)
    assert where.names() == set()
    assert len(unfinished(aws)) == 1
    writer.abort()
    assert unfinished(aws) == []
    assert where.names() == set()


def test_what_is_not_there(faulty: Proxy) -> None:
    with pytest.raises(FileNotFoundError):
        read(store(), "nothing")
    nowhere: S3Store = store_of("s3://no-such-bucket/run-1")
    with pytest.raises(BundleProblem, match="there is no such bucket"):
        nowhere.names()


def test_more_names_than_a_page(faulty: Proxy, aws: Emulator) -> None:
    where = store()
    names = {f"part-{number}" for number in range(7)}
    for name in names:
        aws.client("s3").put_object(Bucket=BUCKET, Key=f"run-1/{name}", Body=b"")
    pages = functools.partial(where.client.list_objects_v2, MaxKeys=2)
    where.client = types.SimpleNamespace(list_objects_v2=pages)
    faulty.fault = every(2)
    assert where.names() == names
    assert len([call for call in faulty.calls if not call.fault]) == 4
