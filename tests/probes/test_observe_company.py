"""Files that share a process are seen exactly as each is seen in a process of its own."""

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from conftest import SIDES, by_name, observe_on

from harness.checks.clock import clock_of, same
from harness.model import Config, FileObservation, Side
from harness.runtimes.venv import VenvRuntime
from harness.targets import default_bridge, default_target

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parents[2] / "fixtures" / "repos"

HEAD = "from datetime import datetime\nfrom airflow import DAG\n"
DAG = "dag = DAG('{}', start_date=datetime(2020, 1, 1))\n"

# Each leaves something behind, the way a DAG file might; what it is, the witness below sees.
LEAVERS = {
    "attribute": "import json\njson.LEAK = 1\n",
    "alias": "import json\nj = json\nj.LEAK = 1\n",
    "loop": "import json, os\nfor m in (os, json): m.LEAK = 1\n",
    "argument": "import json\ndef mark(m): m.LEAK = 1\nmark(json)\n",
    "callback": "import json\ndef mark(m): m.LEAK = 1\nlist(map(mark, [json]))\n",
    "setattr": "import json\nsetattr(json, 'LEAK', 1)\n",
    "dict": "import json\njson.__dict__['LEAK'] = 1\n",
    "vars": "import json\nvars(json)['LEAK'] = 1\n",
    "exec": "exec('import json; json.LEAK = 1')\n",
    "imported": "import importlib\nimportlib.import_module('json').LEAK = 1\n",
    "modules": "import sys\nsys.modules['json'].LEAK = 1\n",
    "class": "from airflow.models import BaseOperator\nBaseOperator.LEAK = 1\n",
    "type": "type(dag).LEAK = 1\n",
    "dunder": "dag.__class__.LEAK = 1\n",
    "base": "class Mine(DAG): pass\nMine.__bases__[0].LEAK = 1\n",
    "method": "import json\nclass A:\n    def go(self): json.LEAK = 1\nA().go()\n",
    "init": "import json\nclass A:\n    def __init__(self): json.LEAK = 1\nA()\n",
    "property": "import json\nclass A:\n    @property\n    def p(self): json.LEAK = 1\nA().p\n",
    "decorator": "import json\ndef d(f): json.LEAK = 1\n@d\ndef f(): pass\n",
    "table_of_functions": "import json\ndef f(): json.LEAK = 1\nT = {'f': f}\nT['f']()\n",
    "list_of_functions": "import json\ndef f(): json.LEAK = 1\nfor g in [f]: g()\n",
    "closure": "import json\ndef f():\n    def g(): json.LEAK = 1\n    return g\nf()()\n",
    "operator": "import json\nclass A:\n    def __add__(self, o): json.LEAK = 1\nA() + 1\n",
    "lambda": "import json\n(lambda: json.__setattr__('LEAK', 1))()\n",
    "getattr": "import os\ngetattr(os, 'json', __import__('json')).LEAK = 1\n",
    "star": "from json import *\ndecoder.LEAK = 1\n",
    "builtin": "import builtins\nbuiltins.LEAK = 1\n",
    "environment": "import os\nos.environ['LEAK'] = '1'\n",
    "path": "import sys\nsys.path.insert(0, '/leak')\n",
    "folder": "import os\nos.chdir('/')\n",
    "signal": "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n",
    "precision": "import decimal\ndecimal.getcontext().prec = 3\n",
    "timeout": "import socket\nsocket.setdefaulttimeout(3)\n",
    "mask": "import os\nold = os.umask(0o077)\n",
    "recursion": "import sys\nsys.setrecursionlimit(5000)\n",
    "level": "import logging\nlogging.getLogger('airflow.models').setLevel(33)\n",
    "root": "import logging\nlogging.getLogger().setLevel(33)\n",
    "entered": "DAG('open', start_date=datetime(2020, 1, 1)).__enter__()\n",
    "option": "from airflow.configuration import conf\nconf.set('core', 'leak', '1')\n",
    "thread": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n",
    "process": "import subprocess\nchild = subprocess.Popen(['sleep', '60'])\n",
    "helper": "import shared\nshared.LIST.append(1)\n",
    "helper_patches": "import shared_patch\n",
    "helper_function": "from shared import mark\nmark()\n",
    "helper_unused": "import shared\n",
    "deleted": "def f():\n    import json\n    class A:\n        def __del__(self): json.LEAK = 1\n"
    "    a = A(); a.me = a\nf()\n",
    "closes": "import os\nos.close(0)\n",
    "fails": "import json\njson.LEAK = 1\n1 / 0\n",
    "table": "from sqlalchemy import Column, Integer\nfrom airflow.models.base import Base\n"
    "class T(Base):\n    __tablename__ = 'leak'\n    id = Column(Integer, primary_key=True)\n",
}

WITNESS = (
    HEAD
    + """\
import builtins, decimal, json, logging, os, signal, socket, sys, threading
import shared
from airflow.models import BaseOperator
from airflow.configuration import conf
os.umask(os.umask(0o022))
from airflow.models import Variable
Variable.get("given", default_var=None), os.environ.get("ASKED")
state = [
    hasattr(json, "LEAK"), hasattr(builtins, "LEAK"), hasattr(BaseOperator, "LEAK"),
    hasattr(DAG, "LEAK"), os.environ.get("LEAK"), "/leak" in sys.path, os.getcwd() == "/",
    str(signal.getsignal(signal.SIGTERM)), decimal.getcontext().prec, socket.getdefaulttimeout(),
    os.umask(0o022), sys.getrecursionlimit(), logging.getLogger().level,
    logging.getLogger("airflow.models").level, conf.has_option("core", "leak"),
    threading.active_count(), os.path.exists("/proc/self/fd/0"), shared.LIST,
    os.listdir("/proc/self/task/%d" % os.getpid()).count("x"),
]
dag = DAG("{}", start_date=datetime(2020, 1, 1), description=str(state))
task = BaseOperator(task_id="task", start_date=datetime(2020, 1, 1))
try:
    task.dag
    raise ValueError("a DAG was left open")
except AttributeError:
    pass
except Exception as error:
    if "has not been assigned" not in str(error): raise
"""
)

# Old places that warn when they are imported, or asked for what they had: each file must hear it.
OLD = """\
from airflow.{} import {}
"""
SHIMS = {
    Side.BRIDGE: ("operators", "BashOperator"),
    Side.TARGET: ("operators.bash_operator", "BashOperator"),
}

PLAIN = (
    HEAD
    + """\
import os
from airflow.models import BaseOperator
from helpers.common import ARGS, name_of
print(os.getpid())
with DAG(name_of({n}), default_args=ARGS) as dag:
    BaseOperator(task_id="a") >> [BaseOperator(task_id="b%d" % i) for i in range({n} % 3)]
globals()["again_{n}"] = DAG("again_{n}", default_args=ARGS)
"""
)


def repository() -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {
        "dags/shared.py": "import json\nLIST = []\ndef mark(): json.LEAK = 1\n",
        "dags/shared_patch.py": "import json\nfrom json import dumps\njson.LEAK = dumps\n",
        "dags/helpers/__init__.py": "",
        "dags/helpers/common.py": "from datetime import datetime\n"
        "ARGS = {'start_date': datetime(2020, 1, 1)}\n"
        "def name_of(n): return 'plain_%d' % n\n",
        "dags/.airflowignore": "shared\nhelpers\n",
    }
    for number, (name, source) in enumerate(LEAVERS.items()):
        files[f"dags/{number:02}_a_{name}.py"] = HEAD + DAG.format(name) + source
        files[f"dags/{number:02}_b_witness.py"] = WITNESS.replace("{}", f"witness_{number}")
    for number in range(20):
        files[f"dags/plain_{number}.py"] = PLAIN.replace("{n}", str(number))
    return files


def fixtures() -> dict[str, str | bytes]:
    """The DAGs of the fixture repositories, one folder each; a story is told by its own test."""
    files: dict[str, str | bytes] = {}
    for dags in sorted(FIXTURES.glob("*/before/dags")):
        story = dags.parts[-3]
        if story not in ("hangs_at_import", "odd_paths"):
            files.update(
                (f"dags/{story}/{path.relative_to(dags)}", path.read_bytes())
                for path in sorted(dags.rglob("*"))
                if path.is_file() and path.name != ".airflowignore"
            )
    return files


def examples(side: Side) -> dict[str, str | bytes]:
    """The example DAGs of the Airflow of one side."""
    runtime = VenvRuntime()
    target = default_bridge() if side is Side.BRIDGE else default_target()
    made = runtime.environment(target, side, runtime.constraints(target, Config()))
    (folder,) = made.path.glob("lib/python3*/site-packages/airflow/example_dags")
    return {
        f"dags/examples/{path.relative_to(folder)}": path.read_bytes()
        for path in sorted(folder.rglob("*.py"))
    }


def shims(side: Side) -> dict[str, str | bytes]:
    module, name = SHIMS[side]
    source = f"from airflow.{module} import {name}\n" + HEAD
    return {f"dags/shim_{n}.py": source + DAG.format(f"shim_{n}") for n in "abc"}


Both = Mapping[str, tuple[FileObservation, FileObservation]]


@pytest.fixture(scope="module", params=SIDES)
def side(request: pytest.FixtureRequest) -> Side:
    return Side(request.param)


@pytest.fixture(scope="module")
def both(side: Side, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Path → what is seen of it in company, and alone."""
    files = {**repository(), **fixtures(), **examples(side), **shims(side)}

    def seen(files_a_process: int) -> dict[str, FileObservation]:
        folder = tmp_path_factory.mktemp(f"company_{files_a_process}")
        return by_name(observe_on(side, folder, files, files_a_process=files_a_process, workers=1))

    together, alone = seen(1000), seen(1)
    assert together.keys() == alone.keys()
    return {path: (together[path], alone[path]) for path in together}


def test_the_same_is_seen(both: Both) -> None:
    for path, (together, alone) in both.items():
        one, other = _comparable(together), _comparable(alone)
        # Midnight may lie between the two loads, and some examples start `days_ago(2)`.
        assert one == other or same(asdict(one), asdict(other), clock_of(together, alone)), path


def test_as_much_memory_is_seen(both: Both) -> None:
    for path, (together, alone) in both.items():
        assert together.memory == pytest.approx(alone.memory, rel=0.25, abs=8), path


def test_nothing_is_left_for_a_witness(both: Both) -> None:
    states = {
        (together.outcome, *(dag.description for dag in together.dags))
        for path, (together, _) in both.items()
        if path.endswith("_b_witness.py")
    }
    assert len(states) == 1, states
    assert states.pop()[0] == "ok"


def test_each_file_hears_its_own_warning(both: Both) -> None:
    heard = [
        [warning.message for warning in together.warnings]
        for path, (together, _) in both.items()
        if path.startswith("dags/shim_")
    ]
    assert len(heard) == 3
    assert heard[0]
    assert heard[0] == heard[1] == heard[2]


def test_harmless_files_share_processes(both: Both) -> None:
    """Else the other tests would compare nothing."""
    plain = [pair for path, pair in both.items() if path.startswith("dags/plain_")]
    assert len({alone.output for _, alone in plain}) == len(plain) == 20
    assert len({together.output for together, _ in plain}) <= 3


def _comparable(file: FileObservation) -> FileObservation:
    """Without what is never the same twice: times, process ids, addresses, sizes of processes."""
    error = file.error
    if error:
        chain = tuple(re.sub(r"0x[0-9a-f]+", "0x", cause) for cause in error.chain)
        message = re.sub(r"0x[0-9a-f]+", "0x", error.message)
        error = replace(error, chain=chain, message=message)
    output = re.sub(r"\d+", "0", file.output)
    return replace(file, error=error, at=0.0, seconds=0.0, memory=0.0, output=output)
