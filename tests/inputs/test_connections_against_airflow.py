"""What both Airflows read from the URIs we give them."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.config import load_config

pytestmark = pytest.mark.slow

READ = """
import json, sys
from airflow.models import Connection
try:
    from airflow.hooks.base_hook import BaseHook
except ImportError:
    from airflow.hooks.base import BaseHook
fields = ("conn_type", "host", "login", "password", "schema", "port", "extra")
print("\\n" + json.dumps({
    name: {field: getattr(BaseHook.get_connection(name), field) for field in fields}
    for name in sys.argv[1:]
}))
"""

AWKWARD = "a b/c:d@e?f#g%h&i=j+k;l[m]n'o\"p\\q{r}ü你\n"
CONNECTIONS: Mapping[str, Any] = {
    "plain": {"conn_type": "postgres", "host": "h", "login": "u", "password": "p", "port": 5432},
    "awkward": {
        "conn_type": "google_cloud_platform",
        "host": "Example.COM",
        "login": AWKWARD,
        "password": AWKWARD,
        "schema": AWKWARD,
        "port": 1,
        "extra": {AWKWARD: AWKWARD, "empty": ""},
    },
    "awkward_host": {"conn_type": "http", "host": "https://Example.com/a?b=c", "port": 80},
    "only_host": {"conn_type": "fs", "host": "/Data/In"},
    "only_password": {"conn_type": "wasb", "password": "p"},
    "only_login": {"conn_type": "wasb", "login": "u"},
    "only_port": {"conn_type": "wasb", "port": 8080},
    "only_schema": {"conn_type": "wasb", "schema": "s"},
    "only_extra": {"conn_type": "aws", "extra": {"region_name": "eu-west-1"}},
    "ipv6": {"conn_type": "http", "host": "::1", "port": 80},
    "no_type": {"host": "h", "schema": "s"},
    "digits": {"conn_type": "s3", "login": "123", "password": "456"},
    "upper_type": {"conn_type": "Custom", "host": "h"},
}
"""Every field of these comes through, on both sides."""

LOSSY: Mapping[str, tuple[Any, dict[str, Any]]] = {
    "numbers": (
        {"conn_type": "x", "extra": {"n": 1, "list": [1], "deep": {"a": None}}},
        {"n": "1", "list": "[1]", "deep": '{"a": null}'},
    ),
    "own_extra": ("aws://?__extra__=%7B%22n%22%3A+%5B1%5D%7D", {"n": "[1]"}),
}
"""An ``extra`` that arrives as text, alike on both sides."""


@pytest.fixture(scope="module")
def seen(
    tmp_path_factory: pytest.TempPathFactory, airflow_python: Callable[[str], Path]
) -> dict[str, dict[str, Any]]:
    root = tmp_path_factory.mktemp("connections")
    given = {**CONNECTIONS, **{name: entry for name, (entry, _) in LOSSY.items()}}
    given |= {
        "protocol": "http://https://u:p@example.com:8/s?a=b",
        "typed_with_underscore": "google_cloud_platform://?extra__x__y=z",
        "no_object": {"conn_type": "x", "host": "h", "extra": "not json"},
    }
    (root / "c.json").write_text(json.dumps(given))
    (root / "mwaa-harness.toml").write_text('connections = "c.json"')
    env = {
        **{f"AIRFLOW_CONN_{k.upper()}": v for k, v in load_config(root).connections.items()},
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        "AIRFLOW_HOME": str(root),
        "PYTHONIOENCODING": "utf-8",
    }
    answers = {}
    for version in ("1.10.15", "2.11.0"):
        command = [airflow_python(version), "-c", READ, *given]
        answer = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stderr
        answers[version] = json.loads(answer.stdout.splitlines()[-1])
    return answers


@pytest.mark.parametrize("name", CONNECTIONS)
@pytest.mark.parametrize("version", ["1.10.15", "2.11.0"])
def test_every_field_comes_through(
    version: str, name: str, seen: dict[str, dict[str, Any]]
) -> None:
    given = dict(CONNECTIONS[name])
    theirs = dict(seen[version][name])
    assert json.loads(theirs.pop("extra") or "{}") == given.pop("extra", {})
    if name == "upper_type":
        given["conn_type"] = "custom"
    assert {field: value for field, value in theirs.items() if value} == given


def test_both_generations_read_the_same(seen: dict[str, dict[str, Any]]) -> None:
    first, second = seen["1.10.15"], seen["2.11.0"]
    assert [name for name in first if first[name] != second[name]] == ["no_object"]


@pytest.mark.parametrize("name", LOSSY)
def test_an_extra_that_is_no_text_arrives_as_json_text(
    name: str, seen: dict[str, dict[str, Any]]
) -> None:
    assert json.loads(seen["2.11.0"][name]["extra"]) == LOSSY[name][1]


def test_an_extra_that_is_no_object_is_whole_on_the_target_only(
    seen: dict[str, dict[str, Any]],
) -> None:
    assert seen["2.11.0"]["no_object"]["extra"] == "not json"
    assert json.loads(seen["1.10.15"]["no_object"]["extra"]) == {"__extra__": "not json"}


def test_a_protocol_in_the_host_survives(seen: dict[str, dict[str, Any]]) -> None:
    theirs = seen["1.10.15"]["protocol"]
    assert (theirs["host"], theirs["login"], theirs["port"], theirs["schema"]) == (
        "https://example.com",
        "u",
        8,
        "s",
    )
    assert seen["1.10.15"]["typed_with_underscore"]["conn_type"] == "google_cloud_platform"
