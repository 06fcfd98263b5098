"""The sitecustomize that leads every AWS client to the emulator, in our own Python.

The real Airflows use it in test_aws_real_airflow.py.
"""

import ast
import json
import os
import subprocess
import sys
import textwrap
from importlib.resources import files
from pathlib import Path

import pytest

from harness.aws.emulator import SHIM
from harness.aws.shim import sitecustomize as shim

SOURCE = SHIM / "sitecustomize.py"
ENDPOINT = "http://127.0.0.1:4566"


def python(code: str, *path: Path, endpoint: str = ENDPOINT) -> subprocess.CompletedProcess[str]:
    """Run code with the shim first on PYTHONPATH, and ``path`` after it."""
    return subprocess.run(
        [sys.executable, "-B", "-c", textwrap.dedent(code)],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(map(str, (SHIM, *path))),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            **({"MWAA_HARNESS_AWS": endpoint} if endpoint else {}),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_is_python_3_6() -> None:
    ast.parse(SOURCE.read_text("utf-8"), feature_version=(3, 6))


def test_every_partition_of_aws_is_known_as_aws() -> None:
    partitions = json.loads((files("botocore") / "data/partitions.json").read_text())["partitions"]
    suffixes = {
        partition["outputs"][name]
        for partition in partitions
        for name in ("dnsSuffix", "dualStackDnsSuffix")
    }
    assert len(suffixes) > 8
    missed = [suffix for suffix in suffixes if not shim.is_aws(f"s3.region-1.{suffix}")]
    assert not missed


@pytest.mark.parametrize(
    ("host", "aws"),
    [
        ("s3.amazonaws.com", True),
        ("S3.AMAZONAWS.COM.", True),
        (b"bucket.s3.eu-west-1.amazonaws.com", True),
        ("vpce-1.s3.us-east-1.vpce.amazonaws.com", True),
        ("abc.lambda-url.us-east-1.on.aws", True),
        ("169.254.169.254", True),
        ("fd00:ec2::254", True),
        ("127.0.0.1", False),
        ("amazonaws.com.example.org", False),
        ("notamazonaws.com", False),
        ("localhost", False),
        ("", False),
        (None, False),
    ],
)
def test_hosts(host: object, aws: bool) -> None:
    assert shim.is_aws(host) is aws


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://s3.amazonaws.com/x", "s3.amazonaws.com"),
        ("http://user:word@minio:9000", "minio"),
        ("//s3.amazonaws.com", "s3.amazonaws.com"),
        ("https://[fd00:ec2::254]:80/", "fd00:ec2::254"),
        ("https://s3.amazonaws.com?x=http://localhost", "s3.amazonaws.com"),
    ],
)
def test_hosts_in_urls(url: str, host: str) -> None:
    assert shim.host_in(url) == host


def test_clients_of_every_kind_get_the_endpoint() -> None:
    done = python(
        """
        import os, sys
        assert "botocore" not in sys.modules, "a start of Python pays for it"
        os.environ.clear()  # as a DAG might
        os.environ["AWS_DEFAULT_REGION"] = "eu-west-1"
        import boto3
        from botocore.config import Config
        from botocore.session import Session
        for client in (
            boto3.client("s3"),
            boto3.resource("s3").meta.client,
            boto3.session.Session(region_name="cn-north-1").client("sqs"),
            Session().create_client("mwaa", "us-east-1", None, True, None),
            boto3.client("s3", endpoint_url="https://s3.us-gov-west-1.amazonaws.com"),
            boto3.client("sts", config=Config(use_fips_endpoint=True, use_dualstack_endpoint=True)),
        ):
            print(client.meta.endpoint_url, client.meta.config.inject_host_prefix)
        print(boto3.client("s3", endpoint_url="http://minio:9000").meta.endpoint_url)
        """
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [f"{ENDPOINT} False"] * 6 + ["http://minio:9000"]


def test_without_an_emulator_it_changes_nothing() -> None:
    code = 'import boto3; print(boto3.client("sqs").meta.endpoint_url)'
    assert python(code, endpoint="").stdout == "https://sqs.us-east-1.amazonaws.com\n"


@pytest.mark.parametrize("endpoint", [ENDPOINT, ""])
def test_another_sitecustomize_works_as_if_it_were_alone(tmp_path: Path, endpoint: str) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.theirs = __file__\nOWN = 1\n")
    code = "import sys, sitecustomize; print(sys.theirs, sitecustomize.OWN)"
    done = python(code, tmp_path, endpoint=endpoint)
    assert (done.stdout, done.stderr) == (f"{tmp_path}/sitecustomize.py 1\n", "")


def test_another_sitecustomize_that_fails_does_not_open_the_way_to_aws(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("raise RuntimeError('broken')\n")
    code = 'import boto3; print(boto3.client("sqs").meta.endpoint_url)'
    done = python(code, tmp_path)
    assert done.stdout == f"{ENDPOINT}\n"
    assert "RuntimeError: broken" in done.stderr


def test_refused_hosts_are_named_and_noted(tmp_path: Path) -> None:
    noted = tmp_path / "attempts"
    done = python(
        f"""
        import os, sitecustomize, sys
        sitecustomize.ATTEMPTS = {str(noted)!r}
        import socket
        for call in (
            lambda: socket.create_connection(("s3.amazonaws.com", 443), 1),
            lambda: socket.socket().connect(("169.254.170.2", 80)),
            lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"", ("169.254.169.254", 80)),
        ):
            try:
                call()
            except OSError as error:
                print(error.strerror)
        """
    )
    assert done.stderr == ""
    assert done.stdout.count("lets nothing reach the real AWS") == 3
    assert noted.read_text().split() == ["s3.amazonaws.com", "169.254.170.2", "169.254.169.254"]
