"""Bundles on S3 and secrets in Secrets Manager, against the emulated AWS."""

import contextlib
import http.client
import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflows import Airflow
from test_faults import TARGET, bundled  # noqa: F401
from transfers import exported, imported, verified

from harness.aws.emulator import Emulator
from harness.metadata import stores
from harness.metadata.databases import opened
from harness.metadata.problems import BundleProblem, MetadataError, TargetProblem
from harness.metadata.stores import S3Store, store_of

DROPPED = ("connection", "expect")
OURS = ("connection", "transfer-encoding", "content-length")

slow = pytest.mark.slow
grouped = pytest.mark.xdist_group("metadata-postgres")


class Trouble:
    """A proxy before the emulator that throttles and breaks off, as S3 does on a bad day."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint, self.throttled, self.broken = endpoint, 0, 0
        self.throttle, self.cut, self.counts = 0, 0, 0
        trouble = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: Any) -> None:
                """Nothing."""

            def answer(self) -> None:
                trouble.counts += 1
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                if trouble.throttle:
                    trouble.throttle -= 1
                    trouble.throttled += 1
                    text = b"<Error><Code>SlowDown</Code><Message>later</Message></Error>"
                    self.send_response(503)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                    return
                headers = {k: v for k, v in self.headers.items() if k.lower() not in DROPPED}
                host = trouble.endpoint.partition("://")[2]
                with contextlib.closing(http.client.HTTPConnection(host, timeout=60)) as emulator:
                    emulator.request(self.command, self.path, body, headers)
                    answer = emulator.getresponse()
                    data = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in OURS:
                        self.send_header(name, value)
                length = len(data)
                if self.command == "HEAD":
                    length = int(answer.getheader("Content-Length") or 0)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                if trouble.cut and self.command == "GET" and len(data) > 2000:
                    trouble.cut -= 1
                    trouble.broken += 1
                    self.wfile.write(data[: len(data) // 2])
                    self.close_connection = True
                    return
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def trouble(aws: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trouble]:
    """The proxy, as the endpoint of every client that the engine makes."""
    proxy = Trouble(aws.endpoint)
    thread = threading.Thread(target=proxy.server.serve_forever)
    thread.start()
    for name, value in {
        "AWS_ENDPOINT_URL": proxy.url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": aws.region,
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",  # plain bodies for the proxy
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(stores, "PAUSE", 0.01)
    yield proxy
    proxy.server.shutdown()
    thread.join()
    proxy.server.server_close()


def test_big_files_go_up_in_parts_and_come_back(aws: Emulator, trouble: Trouble) -> None:
    aws.client("s3").create_bucket(Bucket="bundles")
    store = store_of("s3://bundles/a/b")
    data = bytes(range(256)) * (9 << 12) * 2  # more than two parts
    trouble.throttle = 3
    writer = store.writer("tables/x")
    for start in range(0, len(data), 1 << 20):
        writer.write(data[start : start + (1 << 20)])
    assert store.names() == set()  # not there before it is complete
    writer.finish()
    assert trouble.throttled == 3
    head = aws.client("s3").head_object(Bucket="bundles", Key="a/b/tables/x")
    assert head["ServerSideEncryption"] == "AES256"
    assert head["ETag"].strip('"').endswith("-3")
    trouble.cut = 2
    assert b"".join(store.read("tables/x", 0, None)) == data
    assert trouble.broken == 2
    trouble.cut = 1
    assert b"".join(store.read("tables/x", 1000, 5000)) == data[1000:6000]


def test_what_is_given_up_leaves_no_parts(aws: Emulator, trouble: Trouble) -> None:
    aws.client("s3").create_bucket(Bucket="bundles")
    writer = store_of("s3://bundles").writer("x")
    writer.write(bytes(stores.PART + 1))
    writer.abort()
    assert "Uploads" not in aws.client("s3").list_multipart_uploads(Bucket="bundles")


def test_refusals_are_said(aws: Emulator, trouble: Trouble) -> None:
    with pytest.raises(BundleProblem, match="no such bucket"):
        store_of("s3://nowhere/x").names()
    aws.client("s3").create_bucket(Bucket="bundles")
    with pytest.raises(FileNotFoundError):
        b"".join(store_of("s3://bundles/x").read("manifest.json", 0, None))
    trouble.throttle = 10_000
    with pytest.raises(MetadataError, match=r"s3://bundles/x.*"):
        store_of("s3://bundles/x").names()


@slow
@grouped
def test_a_history_goes_through_a_troubled_s3(
    aws: Emulator,
    trouble: Trouble,
    airflow: Callable[[str], Airflow],
    old_database: str,
    database: Callable[[str], str],
) -> None:
    aws.client("s3").create_bucket(Bucket="bundles")
    place = "s3://bundles/data/migration/1.10.15_to_2.10.3/export"
    trouble.throttle, trouble.cut = 4, 3
    exported(old_database, place, airflow("1.10.15").python)
    url = database(TARGET)
    imported(url, place, TARGET)
    assert verified(url, place, TARGET).ok
    assert (trouble.throttled, trouble.broken) == (4, 3)
    store = S3Store("bundles", "data/migration/1.10.15_to_2.10.3/export", aws.client("s3"))
    assert "manifest.json" in store.names()


@slow
@grouped
def test_secrets_go_to_secrets_manager_instead(
    bundled: str,  # noqa: F811
    aws: Emulator,
    trouble: Trouble,
    database: Callable[[str], str],
) -> None:
    url = database(TARGET)
    report = imported(url, bundled, TARGET, secrets_prefix="carried")
    handed = {entry.name: entry for entry in report.handed}
    assert handed["variable"].written + len(handed["variable"].refused) == handed["variable"].rows
    assert handed["connection"].written > 30
    client = aws.client("secretsmanager")
    names = {
        secret["Name"]
        for page in client.get_paginator("list_secrets").paginate()
        for secret in page["SecretList"]
    }
    assert len(names) == handed["variable"].written + handed["connection"].written
    with opened(url) as there:
        assert there.value("SELECT count(*) FROM variable") == 0
    assert verified(url, bundled, TARGET, secrets_prefix="carried").ok
    # The same again is there already; another secret is in the way, until it is to be replaced.
    again = imported(database(TARGET), bundled, TARGET, secrets_prefix="carried")
    assert {entry.name: entry.same for entry in again.handed} == {
        name: entry.written for name, entry in handed.items()
    }
    name = min(names)
    client.put_secret_value(SecretId=name, SecretString="another")
    fresh = database(TARGET)
    with pytest.raises(TargetProblem, match="other secrets already"):
        imported(fresh, bundled, TARGET, secrets_prefix="carried")
    imported(fresh, bundled, TARGET, secrets_prefix="carried", policy="replace")
    assert client.get_secret_value(SecretId=name)["SecretString"] != "another"


def test_old_targets_do_not_read_json() -> None:
    from harness.metadata.handover import hand_over

    with pytest.raises(TargetProblem, match=r"2\.3 does"):
        hand_over(None, None, None, "x", "2.2.2", "fail", None)  # type: ignore[arg-type]
