"""Files that loop, exit, kill, eat, print, fork and lie: each is told apart, none harms another."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SIDES, by_name, observe_on

from harness.model import FileObservation, Side

pytestmark = pytest.mark.slow

HEAD = "from datetime import datetime\nfrom airflow import DAG\n"
DAG = "dag = DAG('{}', start_date=datetime(2020, 1, 1), schedule_interval='@daily')\n"
FIRST = 4  # the line that a hostile file's own first line is on

# name → outcome, line of the error (None: there is none), what the file does after making a DAG.
# Every hostile file is between healthy ones: it is loaded beside them and before them.
FILES: dict[str, tuple[str, int | None, str]] = {
    "loops": ("timeout", FIRST, "while True: pass\n"),
    "sleeps": ("timeout", FIRST + 1, "def f():\n    import time; time.sleep(1000)\nf()\n"),
    "stops": ("timeout", 0, "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)\n"),
    "exits": ("exit", FIRST, "import sys; sys.exit(3)\n"),
    "exits_hard": ("exit", FIRST, "import os; os._exit(0)\n"),
    "becomes_another": ("exit", 0, "import os; os.execv('/bin/true', ['true'])\n"),
    "kills_itself": ("killed", 0, "import os; os.kill(os.getpid(), 9)\n"),
    "crashes": ("killed", 0, "import ctypes; ctypes.string_at(0)\n"),
    "kills_parent": ("error", FIRST, "import os; os.kill(os.getppid(), 9)\n"),
    "kills_all": ("error", FIRST, "import os; os.kill(-1, 9)\n"),
    "kills_group_of_parent": (
        "error",
        FIRST,
        "import os; os.killpg(os.getpgid(os.getppid()), 9)\n",
    ),
    "eats": ("memory", FIRST, "x = [bytearray(10**7) for n in range(10**6)]\n"),
    "prints": ("ok", None, "for n in range(10**5): print('x' * 99)\nprint('the end')\n"),
    "prints_raw": ("ok", None, "import os\nfor n in range(800): os.write(2, b'y' * 65536)\n"),
    "forks": ("ok", None, "import os; os.fork()\n"),
    "forks_away": (
        "ok",
        None,
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        while True: os.write(1, b'noise'); time.sleep(0.01)\n    os._exit(0)\n",
    ),
    "multiprocesses": (
        "ok",
        None,
        "import multiprocessing\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    assert pool.map(abs, [-1, 2]) == [1, 2]\n",
    ),
    "leaves": (
        "ok",
        None,
        "import json, os, sys, time\nos.chdir('/')\nos.environ['LEAK'] = '1'\n"
        "sys.path.insert(0, '/leak')\njson.dumps = time.time = os.getpid = os.write = None\n"
        "json.LEAK = 1\n",
    ),
    "patches_airflow": (
        "ok",
        None,
        "from airflow.models import DagBag\nDagBag.process_file = DagBag.__init__ = None\n",
    ),
    "clears_modules": ("error", 0, "import sys; sys.modules.clear()\n"),
    "closes": ("ok", None, "import os; os.closerange(0, 4096)\n"),
    "python2": ("error", FIRST, "print 'x'\n"),
    "recurses": ("error", FIRST, "def f(): f()\nf()\n"),
    "shallow": ("ok", None, "import sys; sys.setrecursionlimit(80)\n"),
    "interrupts": ("error", FIRST, "raise KeyboardInterrupt\n"),
    "quiet": ("error", FIRST + 1, "import logging; logging.disable(logging.CRITICAL)\n1 / 0\n"),
    "lies": ("error", FIRST + 2, "class E(Exception):\n    def __str__(self): return 1\nraise E\n"),
    "threads": (
        "ok",
        None,
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()\n",
    ),
    "at_exit": ("ok", None, "import atexit, time\natexit.register(time.sleep, 1000)\n"),
    "cycle": (
        "error",
        0,
        "from airflow.models import BaseOperator as B\n"
        "a = B(task_id='a', dag=dag); b = B(task_id='b', dag=dag)\na >> b >> a\n",
    ),
    "healthy": (
        "ok",
        None,
        "import json, os, sys\nassert 'LEAK' not in os.environ and '/leak' not in sys.path\n"
        "assert not hasattr(json, 'LEAK') and json.dumps(1) == '1' and os.getcwd() != '/'\n",
    ),
}


def zipped(**files: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, source in files.items():
            archive.writestr(f"{name}.py", source)
    return data.getvalue()


def damaged(data: bytes) -> bytes:
    """The same archive with some bytes of its first member changed."""
    return data[:100] + bytes(byte ^ 0xFF for byte in data[100:120]) + data[120:]


REPOSITORY: dict[str, str | bytes] = {
    **{f"dags/{name}.py": HEAD + DAG.format(name) + row[2] for name, row in FILES.items()},
    "dags/latin1.py": (HEAD + DAG.format("latin1") + "x = 'é'\n").encode("latin-1"),
    "dags/nul.py": HEAD + DAG.format("nul") + "x = '\0'\n",
    "dags/nothing.py": HEAD,
    "dags/grüße und so/ünï côde.py": HEAD + DAG.format("unicode") + "1 / 0  # é\n",
    "dags/two.zip": zipped(a=HEAD + DAG.format("zip_a"), b=HEAD + DAG.format("zip_b")),
    "dags/half.zip": zipped(a=HEAD + DAG.format("zip_c"), b=HEAD + "1 / 0\n"),
    "dags/damaged.zip": damaged(zipped(a=HEAD + DAG.format("zip_d") + "#" * 500)),
}


def processes_below(folder: Path) -> list[str]:
    """Command lines of the processes whose environment names ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.fsencode(folder) in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_text("utf-8", "replace"))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module", params=SIDES)
def side(request: pytest.FixtureRequest) -> Side:
    return Side(request.param)


@pytest.fixture(scope="module")
def seen(side: Side, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], FileObservation]:
    """What became of a file of the hostile repository, by its path below ``dags``."""
    folder = tmp_path_factory.mktemp("hostile")
    observation = observe_on(side, folder, REPOSITORY, timeout=15.0, memory=300)
    files = by_name(observation)
    assert not processes_below(folder)
    return lambda name: files[f"dags/{name}"]


@pytest.mark.parametrize("name", FILES)
def test_outcome_and_place(name: str, seen: Callable[[str], FileObservation]) -> None:
    outcome, line, _ = FILES[name]
    file = seen(f"{name}.py")
    assert file.outcome == outcome, file.error
    assert (file.error.line if file.error else None) == line
    assert not file.error or file.error.path == file.path
    assert file.at > 1.6e9
    if outcome == "ok":
        assert [dag.dag_id for dag in file.dags] == [name]


def test_timeouts_end_in_time(seen: Callable[[str], FileObservation]) -> None:
    assert all(15 <= seen(f"{name}.py").seconds < 60 for name in ("loops", "sleeps", "stops"))


def test_memory_is_bounded(seen: Callable[[str], FileObservation]) -> None:
    assert seen("eats.py").memory < 300 + 2 * seen("healthy.py").memory


def test_only_the_end_of_the_output_is_kept(seen: Callable[[str], FileObservation]) -> None:
    assert seen("prints.py").output.endswith("x\nthe end\n")
    assert 0 < len(seen("prints.py").output) <= 4096
    assert seen("prints_raw.py").output == "y" * 4096


@pytest.mark.parametrize("name", ["latin1.py", "nul.py"])
def test_unreadable_source(name: str, seen: Callable[[str], FileObservation]) -> None:
    file = seen(name)
    assert file.outcome == "error"
    assert file.error
    assert file.error.type in ("SyntaxError", "ValueError")
    assert file.error.path == file.path


def test_a_file_without_dags_is_fine(seen: Callable[[str], FileObservation]) -> None:
    assert (seen("nothing.py").outcome, seen("nothing.py").dags) == ("ok", ())


def test_unicode_paths(seen: Callable[[str], FileObservation]) -> None:
    file = seen("grüße und so/ünï côde.py")
    assert file.error
    assert (file.error.type, file.error.path, file.error.line) == (
        "ZeroDivisionError",
        file.path,
        4,
    )


def test_zips(seen: Callable[[str], FileObservation]) -> None:
    assert [dag.dag_id for dag in seen("two.zip").dags] == ["zip_a", "zip_b"]
    half = seen("half.zip")
    assert half.outcome == "error"
    assert half.error
    assert (half.error.path, half.error.line) == ("dags/half.zip/b.py", 3)
    assert [dag.dag_id for dag in half.dags] == ["zip_c"]
    damaged = seen("damaged.zip")
    assert (damaged.outcome, damaged.error and damaged.error.type) == (
        "error",
        "zipfile.BadZipFile",
    )


def test_a_plugins_thread_spoils_no_dag(side: Side, tmp_path: Path) -> None:
    """It closes what it finds while a DAG file is loaded, which is done only after that."""
    begun, closed = tmp_path / "begun", tmp_path / "closed"
    wait = "while not os.path.exists({!r}): time.sleep(0.01)\n"
    plugin = (
        "import os, threading, time\n"
        "def closes():\n"
        f"    {wait.format(str(begun))}"
        "    os.closerange(0, 4096)\n"
        "    for descriptor in range(4096):\n"
        "        try: os.close(descriptor)\n"
        "        except OSError: pass\n"
        f"    os.mkdir({str(closed)!r})\n"
        "threading.Thread(target=closes, daemon=True).start()\n"
    )
    dag = f"import os, time\nos.makedirs({str(begun)!r}, exist_ok=True)\n{wait.format(str(closed))}"
    observation = observe_on(side, tmp_path, {"plugins/p.py": plugin, "dags/d.py": HEAD + dag})
    assert closed.exists()
    assert {file.outcome for file in observation.files} == {"ok"}
