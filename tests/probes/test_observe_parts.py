"""The probe's other parts, as far as they can be tried without Airflow."""

import ast
import faulthandler
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from harness.model import (
    DagObservation,
    ErrorObservation,
    FileObservation,
    Frame,
    TaskObservation,
)
from harness.probes.observe.dags import DAG_FIELDS, TASK_FIELDS
from harness.probes.observe.errors import describe_error, describe_frame, plain_error, read_stack
from harness.probes.observe.loading import observation
from harness.probes.observe.names import PATHS, Paths
from harness.probes.observe.network import Network
from harness.probes.observe.notes import NOTES
from harness.runtimes.observing import PROBE

pytestmark = pytest.mark.usefixtures("named")


def fields(kind: type[msgspec.Struct] | type) -> set[str]:
    return {field.encode_name for field in msgspec.inspect.type_info(kind).fields}  # type: ignore[union-attr]


def trees() -> Iterator[ast.Module]:
    for path in PROBE.glob("*.py"):
        yield ast.parse(path.read_text("utf-8"), feature_version=(3, 6))


def test_the_probe_imports_nothing_but_the_standard_library_and_itself() -> None:
    nodes = [node for tree in trees() for node in ast.walk(tree)]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    assert names
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
    assert {node.level for node in nodes if isinstance(node, ast.ImportFrom)} == {1}


def test_fields_are_those_of_the_model() -> None:
    assert set(DAG_FIELDS) <= fields(DagObservation)
    assert set(TASK_FIELDS) <= fields(TaskObservation)
    assert set(observation("a.py", "ok", None)) <= fields(FileObservation)
    assert set(NOTES) <= fields(FileObservation)
    assert set(plain_error("E", "why", "a.py")) == fields(ErrorObservation)
    assert set(describe_frame("a.py", 1, "f")) == fields(Frame)


# ------------------------------------------------------------------------------------ paths


def test_own_files(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    assert PATHS.own(f"{root}/dags/a.py") == "dags/a.py"
    assert PATHS.own(f"{root}/dags/../plugins/p.py") == "plugins/p.py"
    assert PATHS.own(f"{root}/dags/x.zip/inside.py") == "dags/x.zip/inside.py"
    for other in (f"{root}-2/a.py", f"{root}/.venv/lib/python3.7/site-packages/a.py", "<string>"):
        assert PATHS.own(other) == ""


def test_own_files_below_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    paths = Paths(str(tmp_path / "link"))
    assert paths.own(f"{tmp_path}/link/a.py") == paths.own(f"{tmp_path}/real/a.py") == "a.py"


def test_libraries_are_shown_from_site_packages() -> None:
    path = "/opt/env/lib/python3.7/site-packages/airflow/models/dag.py"
    assert PATHS.show(path) == "airflow/models/dag.py"


# ----------------------------------------------------------------------------------- errors


def fail_in(root: Path, path: str, source: str) -> BaseException:
    """What is raised when ``source`` is run as the repository's file ``path``."""
    try:
        exec(compile(source, str(root / path), "exec"), {"__name__": "a"})  # noqa: S102
    except BaseException as error:
        return error
    raise AssertionError("it did not fail")


def test_error_is_placed_in_the_innermost_own_frame(tmp_path: Path) -> None:
    source = "import json\ndef read():\n    return json.loads('{')\nread()\n"
    error = fail_in(tmp_path / "repo", "dags/a.py", source)
    shown = describe_error(error, "dags/a.py")
    assert (shown["type"], shown["path"], shown["line"]) == (
        "json.decoder.JSONDecodeError", "dags/a.py", 3)  # fmt: skip
    assert [frame["function"] for frame in shown["frames"] if frame["own"]] == ["<module>", "read"]
    assert "json/decoder.py" in [frame["path"] for frame in shown["frames"]]


def test_syntax_error_is_placed_where_it_is(tmp_path: Path) -> None:
    shown = describe_error(fail_in(tmp_path / "repo", "lib/b.py", "x = 1\nprint 'a'\n"), "a")
    assert (shown["type"], shown["path"], shown["line"]) == ("SyntaxError", "lib/b.py", 2)


def test_causes_are_told(tmp_path: Path) -> None:
    source = (
        "try:\n    {}['a']\nexcept KeyError as e:\n"
        "    try:\n        raise OSError('b') from e\n    except OSError:\n        1 / 0\n"
    )
    shown = describe_error(fail_in(tmp_path / "repo", "a.py", source), "a.py")
    assert shown["chain"] == ["OSError: b", "KeyError: 'a'"]


def test_an_error_that_cannot_be_shown(tmp_path: Path) -> None:
    source = "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E\n"
    shown = describe_error(fail_in(tmp_path / "repo", "a.py", source), "a.py")
    assert shown["type"] == "a.py:E"
    assert shown["message"]


def test_stack_of_a_late_file(tmp_path: Path) -> None:
    path = tmp_path / "repo" / "dags" / "grüße \t.py"
    path.parent.mkdir(parents=True)
    source = f"def wait():\n    faulthandler.dump_traceback(open({str(tmp_path / 'out')!r}, 'w'))\n"
    with pytest.warns(ResourceWarning):
        exec(  # noqa: S102
            compile(source + "wait()\n", str(path), "exec"), {"faulthandler": faulthandler}
        )
    frames = read_stack((tmp_path / "out").read_text("ascii"))
    own = [(frame["path"], frame["line"], frame["function"]) for frame in frames if frame["own"]]
    assert own == [("dags/grüße \t.py", 3, "<module>"), ("dags/grüße \t.py", 2, "wait")]


# ---------------------------------------------------------------------------------- network


@pytest.mark.parametrize(
    ("allowed", "host", "port", "permitted"),
    [
        ([], "localhost", 80, True),
        ([], "127.8.9.1", 5432, True),
        ([], "::1", 80, True),
        ([], "fe80::1%lo", 80, False),
        ([], "0.0.0.0", 80, True),  # noqa: S104
        ([], "", None, True),
        ([], "10.0.0.1", 80, False),
        ([], "127.0.0.1.example.com", 80, False),
        ([], "169.254.169.254", 80, False),
        (["db.example.com"], "db.example.com", 5432, True),
        (["DB.example.com"], "db.example.com", None, True),
        (["db.example.com:5432"], "db.example.com", 5432, True),
        (["db.example.com:5432"], "db.example.com", None, True),
        (["db.example.com:5432"], "db.example.com", 80, False),
        (["db.example.com"], "evil-db.example.com", 80, False),
        (["10.0.0.1:80"], "10.0.0.1", 80, True),
        (["[2001:db8::1]:443"], "2001:db8::1", 443, True),
        (["[2001:db8::1]:443"], "2001:db8::1", 80, False),
        (["2001:db8::1"], "2001:db8::1", 80, True),
    ],
)
def test_permitted(allowed: list[str], host: str, port: int | None, permitted: bool) -> None:
    assert Network(allowed).permits(host, port) is permitted


def test_addresses_of_allowed_names_are_allowed() -> None:
    network = Network(["db.example.com:5432"])
    network.learn("db.example.com", ["192.0.2.1"])
    assert network.permits("192.0.2.1", 5432)
    assert not network.permits("192.0.2.1", 80)


@pytest.fixture
def server() -> Iterator[int]:
    """A port on this machine where something listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


GUARDED = """\
from harness.probes.observe import network, notes
network.guard_network(network.Network([]))
notes.SEEN = seen = notes.Seen("dags/a.py")
"""


def guarded(code: str) -> str:
    """What a process prints that runs ``code`` behind the guard."""
    command = (sys.executable, "-c", GUARDED + code)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert not done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("attempt", "place"),
    [
        ("import socket; socket.create_connection(('db.test', 5432), 1)", "db.test:5432"),
        ("import socket; socket.socket().connect(('192.0.2.1', 80))", "192.0.2.1:80"),
        ("import socket; socket.socket().connect_ex(('192.0.2.1', 80))", "192.0.2.1:80"),
        ("import _socket; _socket.socket().connect(('192.0.2.1', 80))", "192.0.2.1:80"),
        ("import socket; socket.gethostbyname('db.test')", "db.test"),
        ("import socket; socket.getaddrinfo(b'db.test', 'https')", "db.test"),
        (
            "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
            "s.sendto(b'x', ('192.0.2.1', 53))",
            "192.0.2.1:53",
        ),
        (
            "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
            "s.sendmsg([b'x'], [], 0, ('192.0.2.1', 53))",
            "192.0.2.1:53",
        ),
        (
            "import socket; s = socket.socket(socket.AF_INET6);"
            "s.connect(('2001:db8::1', 80, 0, 0))",
            "2001:db8::1:80",
        ),
        ("import urllib.request as u; u.urlopen('http://db.test/')", "db.test:80"),
        (
            "import importlib, socket; importlib.reload(socket);"
            "socket.socket().connect(('192.0.2.1', 80))",
            "192.0.2.1:80",
        ),
    ],
)
def test_refused_and_recorded(attempt: str, place: str) -> None:
    code = f"try:\n    {attempt}\nexcept OSError as e:\n    print(e)\nprint(*seen.all('egress'))"
    refusal, recorded = guarded(code).splitlines()
    assert place in refusal
    assert "allowed-hosts" in refusal
    assert recorded == place


def test_this_machine_may_be_talked_to(server: int) -> None:
    code = (
        "import socket\n"
        f"socket.create_connection(('localhost', {server}), 5).close()\n"
        f"socket.create_connection(('127.0.0.1', {server}), 5).close()\n"
        "a, b = socket.socketpair(); a.sendall(b'x'); b.sendmsg([b'y'])\n"
        "socket.getfqdn()\n"
        "print(seen.all('egress'))"
    )
    assert guarded(code) == "[]"


# ------------------------------------------------------------------- warnings, environment


WATCHED = """\
import os, warnings
from harness.probes.observe import lookups, names, notes, warned
names.PATHS.are("/repo")
warned.watch_warnings()
lookups.watch_environment()
notes.SEEN = seen = notes.Seen("dags/a.py")
def run(source, path="/repo/dags/a.py", **space):
    space.setdefault("__name__", "a")
    exec(compile(source, path, "exec"), space)
    return space
LIBRARY = "/x/lib/python3.7/site-packages/"
"""


def watched(code: str) -> list[str]:
    """The lines that a process prints that runs ``code`` with warnings watched."""
    done = subprocess.run(
        (sys.executable, "-c", WATCHED + code),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not done.stderr
    return done.stdout.splitlines()


SHOW = """
for w in seen.all("warnings"):
    print(w["path"], w["line"], w["airflow"], w["message"])
"""


def test_warning_is_placed_in_own_code() -> None:
    code = """
old = run("import warnings\\ndef old(): warnings.warn('gone', DeprecationWarning, 2)",
          LIBRARY + "airflow/utils/dates.py")["old"]
run("\\n\\nold()\\nold()\\nold()", old=old)
"""
    assert watched(code + SHOW) == [f"dags/a.py {line} True gone" for line in (3, 4, 5)]


@pytest.mark.parametrize(
    ("library", "category", "airflows"),
    [
        ("airflow/utils/dates.py", "DeprecationWarning", True),
        ("airflow/providers/amazon/hooks.py", "FutureWarning", True),
        ("airflow/utils/dates.py", "UserWarning", False),
        ("pandas/core.py", "DeprecationWarning", False),
        ("airflow_helpers/core.py", "DeprecationWarning", False),
    ],
)
def test_whose_warning_it_is(library: str, category: str, airflows: bool) -> None:
    code = f"""
old = run("import warnings\\ndef old(): warnings.warn('gone', {category})",
          LIBRARY + {library!r})["old"]
run("old()", old=old)
"""
    assert watched(code + SHOW) == [f"dags/a.py 1 {airflows} gone"]


@pytest.mark.parametrize("library", ["airflow/utils/dates.py", "flask/globals.py"])
def test_what_a_library_brings_on_itself_is_its_own_affair(library: str) -> None:
    code = f"""
old = run("import warnings\\ndef old(): warnings.warn('gone', DeprecationWarning)",
          LIBRARY + {library!r})["old"]
run("run('old()', LIBRARY + 'airflow/models.py', old=old)", run=run, old=old, LIBRARY=LIBRARY)
"""
    assert watched(code + SHOW) == []


def test_what_is_said_of_the_configuration_is_not_said_of_the_code() -> None:
    code = """
issue = "import warnings; warnings.warn('Enable {}', DeprecationWarning)"
for about in ("timer_unit_consistency", "something else"):
    module = issue.format(about)
    run("run(module, LIBRARY + 'airflow/x.py')", run=run, LIBRARY=LIBRARY, module=module)
"""
    assert watched(code + SHOW) == ["dags/a.py 1 True Enable something else"]


def test_silenced_and_collected_warnings_are_seen_and_collected() -> None:
    code = """
run('''import warnings
warnings.filterwarnings("ignore")
warnings.warn("one")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("ignore")
    warnings.warn("two")
assert [str(w.message) for w in caught] == ["two"], caught
''')
"""
    assert watched(code + SHOW) == ["dags/a.py 3 False one", "dags/a.py 6 False two"]


def test_environment_that_is_asked_for_in_vain() -> None:
    code = """
os.environ.pop("X", None)
run('''import os
os.environ.get("X")
os.getenv("X", "d")
"X" in os.environ
dict(os.environ), os.environ.copy(), os.environ["PATH"]
try:
    os.environ["X"]
except KeyError: pass
''')
for l in seen.all("lookups"):
    print(l["kind"], l["name"], l["path"], l["line"], l["answer"])
"""
    assert watched(code) == [
        *(f"env X dags/a.py {line} default" for line in (2, 3, 4)),
        "env X dags/a.py 7 missing",
    ]
