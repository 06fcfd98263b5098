"""Foreign pickles: read where they were written, and none of them takes another one down."""

import base64
import collections
import datetime
import decimal
import json
import os
import pickle
import resource
import signal
import sys
import time
import uuid
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflows import BRIDGE, Airflow, must

from harness.metadata.decode import Decoded, DecodeFailed, decode, plain
from harness.metadata.inside import Inside, inside

HERE = Path(__file__).parent


@pytest.fixture
def where(tmp_path: Path) -> Inside:
    """The Python that runs the tests; what is decoded needs no Airflow."""
    return Inside(python=Path(sys.executable), folder=tmp_path, env={"PATH": "/usr/bin:/bin"})


def decoded(where: Inside, *values: bytes, **limits: Any) -> list[Decoded]:
    found = list(decode(enumerate(values), where, **limits))
    assert [one.key for one in found] == list(range(len(values)))
    return found


class Calls:
    """A pickle that calls something."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


class Forks:
    """A pickle that leaves a process behind which stops at nothing."""

    code = (
        "import os, time\n"
        "if os.fork() == 0:\n    os.setsid()\n    open({0!r}, 'w').write(str(os.getpid()))\n"
        "    time.sleep(60)\n"
        "while not os.path.exists({0!r}): pass"
    )

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return exec, (self.code.format(str(self.mark)),)


PARIS = zoneinfo.ZoneInfo("Europe/Paris")
PLAIN = [
    None,
    True,
    1,
    -(2**100),
    0.5,
    float("inf"),
    "ü\0\udc80",
    b"\0\xff",
    bytearray(b"a"),
    [1, [2]],
    (1, (2,)),
    {1, 2},
    frozenset("ab"),
    {"a": {"b": None}},
    {1: 2, "x": (3,)},
    {"$": "tuple", "v": [1]},
    collections.OrderedDict([("z", 1), ("a", 2)]),
    datetime.datetime(2021, 5, 1, 12, 30, 0, 5),
    datetime.datetime(2021, 5, 1, tzinfo=datetime.UTC),
    datetime.datetime(2021, 5, 1, tzinfo=datetime.timezone(datetime.timedelta(minutes=-90))),
    datetime.datetime(2021, 10, 31, 2, 30, tzinfo=PARIS),
    datetime.datetime(2021, 10, 31, 2, 30, fold=1, tzinfo=PARIS),
    datetime.date(2021, 5, 1),
    datetime.time(1, 2, 3, 4),
    datetime.timedelta(days=-1, microseconds=1),
    decimal.Decimal("1.20"),
    uuid.UUID(int=1),
    1 - 2j,
]


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
def test_plain_values_come_back_as_they_were(where: Inside, protocol: int) -> None:
    found = decoded(where, *(pickle.dumps(value, protocol) for value in PLAIN))
    for value, one in zip(PLAIN, found, strict=True):
        assert not one.error, (value, one)
        if protocol < 4 and getattr(value, "fold", 0):
            value = value.replace(fold=0)  # what old protocols make of it
        again = plain(one.value)
        assert again == value
        assert type(again) is type(value)
        assert repr(again) == repr(value)


def test_what_is_json_is_read_as_json(where: Inside) -> None:
    values = [b'{"a": [1, 2.5, null]}', b'"text."', b"17", b"null", b""]
    found = decoded(where, *values)
    assert [one.value for one in found[:4]] == [{"a": [1, 2.5, None]}, "text.", 17, None]
    assert found[4].error.startswith("neither a pickle nor JSON")


def test_a_hostile_pickle_loses_only_itself(where: Inside, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    hostile = {
        "status 3": Calls(os._exit, 3),
        "SystemExit": Calls(sys.exit, 4),
        "SIGKILL": Calls(exec, "import os; os.kill(os.getpid(), 9)"),
        "within 2 seconds": Calls(exec, "while True: pass"),
        "more memory": Calls(bytearray, 10**10),
        "names nothing": Forks(mark),
    }
    values = []
    for value in hostile.values():
        values += [pickle.dumps(value), pickle.dumps("still here")]
    found = decoded(where, *values, timeout=2, memory=256)
    assert {one.value for one in found[1::2]} == {"still here"}
    for expected, one in list(zip(hostile, found[::2], strict=True))[:-1]:
        assert expected in one.error
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_a_pickle_that_prints_says_nothing(
    where: Inside, capfd: pytest.CaptureFixture[str]
) -> None:
    (found,) = decoded(where, pickle.dumps(Calls(os.system, "echo out; echo err >&2; exit 5")))
    assert found.value == 5 << 8
    assert capfd.readouterr() == ("", "")


def test_a_pickle_cannot_speak_for_the_others(where: Inside) -> None:
    forging = (
        "import os\n"
        "for fd in range(3, 256):\n"
        '    try: os.write(fd, b\'{"kind":"value","id":0,"value":"forged"}\\n\' * 3)\n'
        "    except OSError: pass"
    )
    values = [pickle.dumps("a"), pickle.dumps(Calls(exec, forging)), pickle.dumps("b")]
    first, forged, last = decoded(where, *values)
    assert (first.value, last.value) == ("a", "b")
    assert forged.error


def test_a_pickle_that_kills_its_reader_loses_only_itself(where: Inside) -> None:
    kill = pickle.dumps(Calls(exec, "import os; os.kill(os.getppid(), 9)"))
    found = decoded(where, pickle.dumps(1), kill, pickle.dumps(2), kill, pickle.dumps(3))
    assert [one.value for one in found] == [1, None, 2, None, 3]
    assert "SIGKILL" in found[1].error


def test_no_pickle_changes_what_the_next_one_means(where: Inside) -> None:
    # BUILD sets attributes on whatever lies below it, even on a class.
    changing = b"\x80\x02cuuid\nUUID\nN}X\x03\x00\x00\x00intK\x07s\x86b."
    number = uuid.UUID(int=1)
    found = decoded(where, pickle.dumps(number), changing, pickle.dumps(number))
    assert plain(found[0].value) == plain(found[2].value) == number


def test_values_that_grow_when_they_are_written_out_are_refused(where: Inside) -> None:
    layer: list[Any] = []
    for _ in range(64):
        layer = [layer, layer]
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]
    wide, nested = decoded(where, pickle.dumps(layer), pickle.dumps(deep), nodes=10_000)
    assert "holds more than" in wide.error
    assert "nested more than" in nested.error


def test_values_are_read_while_they_come(where: Inside) -> None:
    sent = 0

    def coming() -> Any:
        nonlocal sent
        for number in range(3000):
            sent += 1
            yield number, pickle.dumps("x" * 1000)

    ahead = 0
    for count, one in enumerate(decode(coming(), where)):
        assert not one.error
        ahead = max(ahead, sent - count)
    # What two pipes of 64 KiB and the probe's own buffers hold, not the whole of it.
    assert ahead < 2500
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert before < 500_000


def test_nothing_is_started_for_nothing(tmp_path: Path) -> None:
    assert list(decode((), Inside(python=tmp_path / "none", folder=tmp_path))) == []


def test_a_python_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    where = Inside(python=tmp_path / "none", folder=tmp_path)
    with pytest.raises(DecodeFailed, match="cannot be decoded"):
        decoded(where, pickle.dumps(1))


def test_it_ends_with_whoever_stops_asking(where: Inside) -> None:
    endless = ((number, pickle.dumps(number)) for number in range(10**9))
    answers = decode(endless, where)
    assert next(answers).value == 0
    began = time.monotonic()
    answers.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 10
    assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN


@pytest.mark.slow
@pytest.mark.xdist_group("metadata")
def test_what_the_bridge_pickles_is_read_in_the_bridge(
    airflow: Callable[[str], Airflow], tmp_path: Path
) -> None:
    bridge = airflow(BRIDGE)
    script = tmp_path / "print_pickles.py"
    script.write_text(
        "import base64, json, sys\n"
        f"sys.path.insert(0, {str(HERE / 'populate')!r})\n"
        "import hard_rows\n"
        "for name, data in sorted(hard_rows.PICKLES.items()):\n"
        "    if data is not None: print(json.dumps([name, base64.b64encode(data).decode()]))\n"
    )
    lines = must(bridge.script(script, url="sqlite://")).splitlines()
    values = [json.loads(line) for line in lines if line.startswith('["')]
    where = inside(
        bridge.environment, bridge.target, tmp_path / "in", sys_path=(str(HERE / "populate"),)
    )
    found = {
        str(one.key): one
        for one in decode(((name, base64.b64decode(data)) for name, data in values), where)
    }
    assert len(found) == len(values) > 50
    errors = {name for name, one in found.items() if one.error}
    assert errors == {
        "cut_short", "empty", "exits", "function", "labelled", "module_gone", "money", "recursive",
    }  # fmt: skip
    assert plain(found["pendulum_zone"].value) == datetime.datetime(
        2021, 10, 31, 2, 30, fold=1, tzinfo=PARIS
    )
    assert found["pendulum_in_zone"].value == {
        "$": "datetime", "v": "2021-05-01T20:30:15.123456-04:00", "zone": "America/New_York",
    }  # fmt: skip
    assert plain(found["airflow_utc"].value).utcoffset() == datetime.timedelta(0)
    assert plain(found["protocol_0"].value) == {"a": "ü"}
