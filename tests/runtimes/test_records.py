"""What comes through the channel of the results is somebody else's text: DAG code runs as the same
user as the probe, and may find the channel."""

import json

import pytest

from harness.runtimes.observing import Seen
from harness.runtimes.supervise import Limits, Watch


def seen(*lines: bytes) -> Seen:
    """What a side makes of these lines when it asked for ``a.py`` and ``b.py``."""
    taken = Seen(asked=frozenset({"a.py", "b.py"}))
    watch = Watch(limits=Limits(start=60, silence=60), on_record=taken.take)
    watch.take_records(b"\n".join((*lines, b"")))
    return taken


def record(kind: object, **fields: object) -> bytes:
    return json.dumps({"kind": kind, **fields}).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 200_000,
        b'{"kind":' * 200_000,
        b"\xff",
        record([]),
        record("start", airflow=1, python=2, packages=3),
        record("start", airflow="2.11.0"),
        b'{"kind": "start", "airflow": "\\ud800", "python": "3.12.1", "packages": {}}',
        record("plugins", plugins=1),
        record("begin", path=[]),
        record("file", path="c.py", outcome="ok"),
        record("file", path=["a.py"], outcome="ok"),
        record("file", path="a.py"),
    ],
)
def test_what_is_not_of_the_agreed_form_is_not_seen(line: bytes) -> None:
    assert seen(line) == seen()


def test_the_first_record_of_a_file_stands() -> None:
    outcomes = ("error", "ok")
    files = seen(*(record("file", path="a.py", outcome=outcome) for outcome in outcomes)).files
    assert {path: file.outcome for path, file in files.items()} == {"a.py": "error"}
