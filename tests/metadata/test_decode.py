"""Foreign pickles: read where they were written, and none of them takes another one down."""

import base64
import collections
import datetime
import decimal
import json
import os
import pickle
import sys
import uuid
import zoneinfo
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airflows import BRIDGE, Airflow, must

import harness.probes
from harness.launch import launched
from harness.metadata import values
from harness.metadata.problems import MetadataError
from harness.metadata.values import Decoder, plain

HERE = Path(__file__).parent
PROBE = Path(harness.probes.__file__).parent / "decode.py"


@dataclass(frozen=True)
class Decoded:
    """What came of one value."""

    value: Any
    error: str


def decoder(python: Path, *sys_path: str) -> Decoder:
    """The probe, started as an export starts it."""
    return Decoder(
        str(python),
        str(PROBE),
        sys_path,
        lambda command: launched(tuple(command), no_network=True),
    )


@pytest.fixture
def where() -> Iterator[Decoder]:
    """The Python that runs the tests; what is decoded needs no Airflow."""
    started = decoder(Path(sys.executable))
    yield started
    started.close()


def decoded(where: Decoder, *pickles: bytes) -> list[Decoded]:
    found = [Decoded(*one) for one in where.decode(pickles)]
    assert len(found) == len(pickles)
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
def test_plain_values_come_back_as_they_were(where: Decoder, protocol: int) -> None:
    found = decoded(where, *(pickle.dumps(value, protocol) for value in PLAIN))
    for value, one in zip(PLAIN, found, strict=True):
        assert not one.error, (value, one)
        if protocol < 4 and getattr(value, "fold", 0):
            value = value.replace(fold=0)  # what old protocols make of it
        again = plain(one.value)
        assert type(again) is type(value)
        if isinstance(value, datetime.datetime):  # zones come back as their offsets
            assert again.isoformat() == value.isoformat()
        else:
            assert again == value
            assert repr(again) == repr(value)


def test_what_is_json_is_read_as_json(where: Decoder) -> None:
    texts = [b'{"a": [1, 2.5, null]}', b'"text."', b"17", b"null", b""]
    found = decoded(where, *texts)
    assert [one.value for one in found[:4]] == [{"a": [1, 2.5, None]}, "text.", 17, None]
    assert found[4].error.startswith("neither a pickle nor JSON")


def test_a_hostile_pickle_loses_only_itself(
    where: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "VALUE_SECONDS", 2)
    monkeypatch.setattr(values, "VALUE_MEBIBYTES", 256)
    mark = tmp_path / "mark"
    hostile = {
        "status 3": Calls(os._exit, 3),
        "SystemExit": Calls(sys.exit, 4),
        "SIGKILL": Calls(exec, "import os; os.kill(os.getpid(), 9)"),
        "within 2 seconds": Calls(exec, "while True: pass"),
        "more memory": Calls(bytearray, 10**10),
        "names nothing": Forks(mark),
    }
    pickles = []
    for value in hostile.values():
        pickles += [pickle.dumps(value), pickle.dumps("still here")]
    found = decoded(where, *pickles)
    assert {one.value for one in found[1::2]} == {"still here"}
    for expected, one in list(zip(hostile, found[::2], strict=True))[:-1]:
        assert expected in one.error
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_a_pickle_that_prints_says_nothing(
    where: Decoder, capfd: pytest.CaptureFixture[str]
) -> None:
    (found,) = decoded(where, pickle.dumps(Calls(os.system, "echo out; echo err >&2; exit 5")))
    assert found.value == 5 << 8
    assert capfd.readouterr() == ("", "")


def test_a_pickle_cannot_speak_for_the_others(where: Decoder) -> None:
    forging = (
        "import os\n"
        "for fd in range(3, 256):\n"
        '    try: os.write(fd, b\'{"kind":"value","id":0,"value":"forged"}\\n\' * 3)\n'
        "    except OSError: pass"
    )
    pickles = [pickle.dumps("a"), pickle.dumps(Calls(exec, forging)), pickle.dumps("b")]
    first, forged, last = decoded(where, *pickles)
    assert (first.value, last.value) == ("a", "b")
    assert forged.error


def test_a_pickle_that_kills_its_reader_loses_only_itself(where: Decoder) -> None:
    kill = pickle.dumps(Calls(exec, "import os; os.kill(os.getppid(), 9)"))
    found = decoded(where, pickle.dumps(1), kill, pickle.dumps(2), kill, pickle.dumps(3))
    assert [one.value for one in found] == [1, None, 2, None, 3]
    assert "ended the process that reads all values" in found[1].error


def test_no_pickle_changes_what_the_next_one_means(where: Decoder) -> None:
    # BUILD sets attributes on whatever lies below it, even on a class.
    changing = b"\x80\x02cuuid\nUUID\nN}X\x03\x00\x00\x00intK\x07s\x86b."
    number = uuid.UUID(int=1)
    found = decoded(where, pickle.dumps(number), changing, pickle.dumps(number))
    assert plain(found[0].value) == plain(found[2].value) == number


def test_values_that_grow_when_they_are_written_out_are_refused(
    where: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "VALUE_NODES", 10_000)
    layer: list[Any] = []
    for _ in range(64):
        layer = [layer, layer]
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]
    wide, nested = decoded(where, pickle.dumps(layer), pickle.dumps(deep))
    assert "holds more than" in wide.error
    assert "nested more than" in nested.error


def test_a_python_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    missing = decoder(tmp_path / "none")
    with pytest.raises(MetadataError, match="does not run"):
        decoded(missing, pickle.dumps(1))


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
    pickles = dict(json.loads(line) for line in lines if line.startswith('["'))
    reader = decoder(bridge.python, str(HERE / "populate"))
    answers = decoded(reader, *map(base64.b64decode, pickles.values()))
    reader.close()
    found = dict(zip(pickles, answers, strict=True))
    assert len(found) > 50
    errors = {name for name, one in found.items() if one.error}
    assert errors == {
        "cut_short", "empty", "exits", "function", "labelled", "module_gone", "money", "recursive",
    }  # fmt: skip
    assert found["pendulum_zone"].value == {
        "$": "datetime", "v": "2021-10-31T02:30:00+01:00", "zone": "Europe/Paris",
    }  # fmt: skip
    assert found["pendulum_in_zone"].value == {
        "$": "datetime", "v": "2021-05-01T20:30:15.123456-04:00", "zone": "America/New_York",
    }  # fmt: skip
    assert plain(found["airflow_utc"].value).utcoffset() == datetime.timedelta(0)
    assert plain(found["protocol_0"].value) == {"a": "ü"}
