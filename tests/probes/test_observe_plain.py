"""Values: the same plain JSON on every machine and in both generations, whatever they are."""

import datetime
import enum
import functools
import json
import math
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.probes.observe.values import plain

pytestmark = pytest.mark.usefixtures("named")

UTC = datetime.UTC
Point = namedtuple("Point", "x y")


class Color(enum.Enum):
    RED = "red"


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise ValueError


class Numbers(dict[str, int]):
    def items(self) -> None:  # type: ignore[override]
        raise ValueError


class Hostile:
    """Fails, or worse, wherever it is touched."""

    def __getattribute__(self, name: str) -> object:
        raise SystemExit(name)

    def __repr__(self) -> str:
        raise SystemExit

    __str__ = __repr__
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise SystemExit


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (2.5, 2.5),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (2**70, str(2**70)),
        (Color.RED, "red"),
        (Text("a"), "a"),
        ("\udcff", "\\udcff"),
        (b"caf\xe9", "caf\\xe9"),
        ((1, [2, {3}]), [1, [2, [3]]]),
        ({3, 1, 2}, [1, 2, 3]),
        ({"b", 1, None}, ["b", 1, None]),
        (Point(1, 2), [1, 2]),
        (OrderedDict(a=1), {"a": 1}),
        (Numbers(a=1), {"a": 1}),
        ({1: "a", (2, 3): "b", None: "c"}, {"1": "a", "[2,3]": "b", "null": "c"}),
        (datetime.timedelta(minutes=5), {"seconds": 300}),
        (datetime.timedelta(milliseconds=1500), {"seconds": 1.5}),
        (datetime.datetime(2020, 1, 2, 3), "2020-01-02T03:00:00"),
        (datetime.datetime(2020, 1, 2, 3, tzinfo=UTC), "2020-01-02T03:00:00+00:00"),
        (
            datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
            "2020-01-01T22:00:00+00:00",
        ),
        (datetime.date(2020, 1, 2), "2020-01-02"),
        (len, "builtins:len"),
        (json.dumps, "json:dumps"),
        (functools.partial(json.dumps, indent=2), "json:dumps"),
        (functools.lru_cache(json.dumps), "json:dumps"),
        (dict, "dict"),
        (object(), "<object>"),
        (Path("/a/b"), "/a/b"),
    ],
)
def test_values(value: object, shown: object) -> None:
    found = plain(value)
    if isinstance(value, set):
        assert sorted(map(str, found)) == sorted(map(str, shown))  # type: ignore[call-overload]
    else:
        assert found == shown


def test_sets_have_one_order() -> None:
    assert plain({"b", "a", 2, 1}) == plain({1, "a", 2, "b"})


def test_hostile_objects_are_named_not_touched() -> None:
    name = f"<{Hostile.__module__}.Hostile>"
    shown = plain([Hostile(), {"k": Hostile()}])
    assert shown == [name, {"k": name}]


def test_cycles_end() -> None:
    loop: dict[str, object] = {"a": 1}
    loop["self"] = [loop]
    assert plain(loop) == {"a": 1, "self": ["<cycle>"]}


def test_the_same_value_twice_is_no_cycle() -> None:
    shared = [1]
    assert plain([shared, shared]) == [[1], [1]]


def test_depth_and_size_are_bounded() -> None:
    deep: list[object] = []
    for _ in range(500):
        deep = [deep]
    assert len(json.dumps(plain(deep))) < 200
    assert len(json.dumps(plain(list(range(10**5))))) < 50_000
    assert len(json.dumps(plain({str(n): n for n in range(10**5)}))) < 100_000


def test_long_texts_are_cut_and_still_differ() -> None:
    one, two = plain("x" * 10**6 + "1"), plain("x" * 10**6 + "2")
    assert len(one) < 5000
    assert one != two


def test_folders_of_the_run_are_replaced(tmp_path: Path) -> None:
    assert plain(f"cat {tmp_path}/repo/sql/a.sql") == "cat $REPO/sql/a.sql"
    assert plain(f"{tmp_path}/repo") == "$REPO"
    assert plain(f"{tmp_path}/repository/x") == f"{tmp_path}/repository/x"
    assert plain(f"{tmp_path}/home/.aws") == "$HOME/.aws"


def test_own_callables_and_classes_are_named_by_file(tmp_path: Path) -> None:
    space: dict[str, Callable[[], None]] = {"__name__": "unusual_prefix_0_etl"}
    source = (
        "import functools\n"
        "def alert(): pass\n"
        "@functools.wraps(alert)\n"
        "def wrapped(): pass\n"
        "class Load:\n"
        "    def execute(self): pass\n"
    )
    exec(compile(source, str(tmp_path / "repo/dags/etl.py"), "exec"), space)  # noqa: S102
    assert plain(space["alert"]) == "dags/etl.py:alert"
    assert plain(functools.partial(space["alert"])) == "dags/etl.py:alert"
    assert plain(space["wrapped"]) == "dags/etl.py:alert"
    assert plain(space["Load"]) == "dags/etl.py:Load"
    assert plain(space["Load"]()) == "<dags/etl.py:Load>"
    assert plain(space["Load"]().execute) == "dags/etl.py:Load.execute"  # type: ignore[attr-defined]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    | st.datetimes() | st.timedeltas(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner)
    | st.tuples(inner, inner),
    max_leaves=30,
)  # fmt: skip


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50
)
@given(value=ANYTHING)
def test_plain_is_json_and_plain_again(value: object) -> None:
    shown = plain(value)
    json.dumps(shown, allow_nan=False).encode("utf-8")
    assert plain(shown) == shown
