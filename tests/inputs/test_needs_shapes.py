"""The placeholder works: each snippet is found to need something, and then runs with it.

The snippets run against a stand-in of ``Variable`` that does what Airflow's does with a value in
the environment (look up in capitals, decode on request); ``test_needs_against_airflow`` runs such
files on the real one.
"""

import json
import os
import sys
import textwrap
import types
from pathlib import Path
from typing import Any

import pytest

from harness import repo as repos
from harness.model import Config, Need
from harness.needs.find import find_needs


def needs_of(root: Path, **sources: str) -> list[Need]:
    """The needs of a repository with these files; names without a folder go to ``dags/``."""
    sources.setdefault("zz_dag.py", "from airflow import DAG")
    for name, source in sources.items():
        path = root / (name if "/" in name else f"dags/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), "utf-8")
    return list(find_needs(repos.load(root, config=Config())))


@pytest.fixture
def variable(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    class Variable:
        @classmethod
        def get(cls, key: str, default_var: Any = ..., deserialize_json: bool = False) -> Any:
            value = os.environ.get(f"AIRFLOW_VAR_{key.upper()}")
            if value is None:
                if default_var is ...:
                    raise KeyError(f"Variable {key} does not exist")
                return default_var
            return json.loads(value) if deserialize_json else value

    airflow, models = types.ModuleType("airflow"), types.ModuleType("airflow.models")
    models.Variable = Variable  # type: ignore[attr-defined]
    airflow.models = models  # type: ignore[attr-defined]
    airflow.DAG = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "airflow", airflow)
    monkeypatch.setitem(sys.modules, "airflow.models", models)
    return models


HEAD = """\
import ast, datetime, json, os
from datetime import timedelta
from airflow.models import Variable
"""

RUNS = {
    "text": ("v = Variable.get('my-key') + '/x'", "text", "my-key"),
    "space in the name": ("v = Variable.get('my key').upper()", "text", "my_key"),
    "number": ("v = int(Variable.get('n')) + 1", "number", 1),
    "number later": ("n = Variable.get('n')\nfor i in range(int(n)): pass", "number", 1),
    "timedelta": ("v = timedelta(minutes=float(Variable.get('n')))", "number", 1),
    "json": ("v = Variable.get('c', deserialize_json=True)", "json", {}),
    "json by position": ("v = Variable.get('c', None, True)['a']", "json", {"a": "a"}),
    "nested": (
        "c = Variable.get('c', deserialize_json=True)\nx = c['a']['b']; y = c['a']['n'] * 2",
        "json",
        {"a": {"b": "b", "n": 1}},
    ),
    "loads": ("c = json.loads(Variable.get('c'))\nx = c['a'] + 'x'", "json", {"a": "a"}),
    "loads later": (
        "raw = Variable.get('c')\nc = json.loads(raw)\nx = c.get('a').get('b')",
        "json",
        {"a": {"b": "b"}},
    ),
    "literal": ("c = ast.literal_eval(Variable.get('c'))\nx = c['a']", "json", {"a": "a"}),
    "get with a default": (
        "c = Variable.get('c', deserialize_json=True)\nx = c.get('n', 7) + int(c['m'])",
        "json",
        {"n": 7, "m": 1},
    ),
    "get with a list as default": (
        "c = Variable.get('c', deserialize_json=True)\nx = ','.join(c.get('who', ['me'])) + c['x']",
        "json",
        {"who": ["who"], "x": "x"},
    ),
    "path": (
        "from pathlib import Path\nc = Variable.get('c', deserialize_json=True)\n"
        "for k in c: c[k] = Path(c[k])\nx = c['out'] / 'sub'",
        "json",
        {"out": "out"},
    ),
    "keys in a name": (
        "K = 'deep'\nc = Variable.get('c', deserialize_json=True)\nx = c[K]",
        "json",
        {"deep": "deep"},
    ),
    "keys in a loop": (
        "c = Variable.get('c', deserialize_json=True)\nfor k in ['a', 'b']:\n    int(c[k])",
        "json",
        {"a": 1, "b": 1},
    ),
    "parts of a path": (
        "import os.path as osp\nd = Variable.get('d')\nx = osp.join(d, 'log') + osp.join('a', d)",
        "text",
        "d",
    ),
    "a place in a text": (
        "b = Variable.get('b')\nx = b[b.rindex('/') + 1:] + b[:b.index('/')]",
        "list",
        "b/b_2",
    ),
    "a place in a list": (
        "b = Variable.get('b', deserialize_json=True)\nx = b[b.index('b'):]",
        "json",
        ["b"],
    ),
    "list": (
        "for t in Variable.get('ts', deserialize_json=True):\n    x = t['name'].lower()",
        "json",
        [{"name": "name"}],
    ),
    "list by index": (
        "c = Variable.get('ts', deserialize_json=True)\nx = c[1]",
        "json",
        ["ts", "ts_2"],
    ),
    "list in a comprehension": (
        "c = json.loads(Variable.get('ts'))\nx = [int(i) for i in c['ids']]",
        "json",
        {"ids": [1]},
    ),
    "items": (
        "for k, v in Variable.get('c', deserialize_json=True).items():\n    x = v['schema']",
        "json",
        {"c": {"schema": "schema"}},
    ),
    "own keys": (
        "c = Variable.get('c', deserialize_json=True)\nfor k in c:\n    x = c[k]['n'] - 1",
        "json",
        {"c": {"n": 1}},
    ),
    "unpacked": ("a, b, d = json.loads(Variable.get('c'))", "json", ["c", "c_2", "c_3"]),
    "keyword arguments": (
        "def f(**kw): pass\nf(**Variable.get('c', deserialize_json=True))",
        "json",
        {},
    ),
    "split": ("for t in Variable.get('ts').split(','):\n    x = t.strip()", "list", "ts"),
    "split to numbers": ("x = [int(i) for i in Variable.get('p').split(';')]", "list", "1"),
    "split by index": ("x = Variable.get('p').split(':')[1]", "list", "p:p_2"),
    "split and unpacked": ("a, b = Variable.get('p').split('=')", "list", "p=p_2"),
    "stripped and split": ("a, b = Variable.get('p').strip().split()", "list", "p p_2"),
    "split, mapped and unpacked": (
        "a, b = map(int, Variable.get('p').split('-'))",
        "list",
        "1-1",
    ),
    "split, converted and unpacked": (
        "a, b = [int(i) for i in Variable.get('p').split('-')]",
        "list",
        "1-1",
    ),
    "map": ("x = list(map(int, Variable.get('p').split(',')))", "list", "1"),
    "strptime": (
        "d = Variable.get('d')\nx = datetime.datetime.strptime(d, '%d/%m/%y %H:%M')",
        "text",
        "01/01/20 00:00",
    ),
    "strptime of a leaf": (
        "c = Variable.get('c', deserialize_json=True)\n"
        "x = datetime.datetime.strptime(c['from'], '%Y-%m-%d')",
        "json",
        {"from": "2020-01-01"},
    ),
    "date by numbers": (
        "y = Variable.get('y')\nx = datetime.datetime(int(y), 1, 1) - timedelta(days=5)",
        "number",
        2020,
    ),
    "date from iso": (
        "x = datetime.datetime.fromisoformat(Variable.get('q'))",
        "text",
        "2020-01-01",
    ),
    "choice": (
        "T = {'dev': 1, 'prod': 2}\nx = T[Variable.get('stage')]",
        "text",
        "dev",
    ),
    "member": (
        "s = Variable.get('stage')\nassert s in ('blue', 'green')",
        "text",
        "blue",
    ),
    "compared": ("x = Variable.get('on').lower() == 'true'", "text", "true"),
    "function argument": (
        "def f(cfg, n): return cfg['a'][n:]\nx = f(Variable.get('c', deserialize_json=True), 1)",
        "json",
        {"a": "a"},
    ),
    "returned": (
        "def conf(): return Variable.get('c', deserialize_json=True)\nx = conf()['a'] / 2",
        "json",
        {"a": 1},
    ),
    "wrapped": (
        "def v(k): return json.loads(Variable.get(k))\nx = v('c')['a']\n",
        "json",
        {"a": "a"},
    ),
    "class body": (
        "class C:\n    c = Variable.get('c', deserialize_json=True)\nx = C.c['a']",
        "json",
        {"a": "a"},
    ),
    "constructor": (
        "class C:\n"
        "    def __init__(self):\n"
        "        self.c = Variable.get('c', deserialize_json=True)\n"
        "        self.n = int(self.c['n'])\n"
        "C()",
        "json",
        {"n": 1},
    ),
    "literal table": (
        "CFG = {'n': Variable.get('x'), 'retries': 2}\ny = int(CFG['n'])",
        "number",
        1,
    ),
    "walrus": ("if (c := Variable.get('n')):\n    x = int(c)", "number", 1),
    "either": ("x = (Variable.get('p') or 'a,b').split(',')[0]", "list", "p"),
    "default of none": (
        "x = json.loads(Variable.get('c', default_var=None))['a']",
        "json",
        {"a": "a"},
    ),
    "environment": ("x = int(os.environ['N_OF'])", "number", 1),
    "environment, combined": ("x = 's3://' + os.environ.get('BUCKET')", "text", "BUCKET"),
    "environment, split": ("x = os.getenv('HOSTS').split(',')", "list", "HOSTS"),
}


@pytest.mark.parametrize("case", RUNS)
def test_the_code_runs_with_its_own_placeholder(
    case: str, tmp_path: Path, variable: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, shape, expected = RUNS[case]
    program = compile(HEAD + source, case, "exec")
    with pytest.raises((KeyError, TypeError, AttributeError)):
        exec(program, {"__name__": "dag"})  # noqa: S102
    (need,) = needs_of(tmp_path, **{"a.py": HEAD + source})
    assert need.shape == shape
    assert (json.loads(need.sample) if shape == "json" else need.sample) == (
        expected if shape == "json" else str(expected)
    )
    assert not need.optional
    prefix = "AIRFLOW_VAR_" if need.kind == "variable" else ""
    monkeypatch.setenv(prefix + (need.name.upper() if prefix else need.name), need.sample)
    exec(program, {"__name__": "dag"})  # noqa: S102


@pytest.mark.parametrize(
    ("use", "sample"),
    [
        ("DAG('x', schedule_interval=Variable.get('x'))", "0 0 * * *"),
        ("DAG('x', default_args={'start_date': Variable.get('x')})", "2020-01-01T00:00:00"),
        ("pendulum.timezone(Variable.get('x'))", "UTC"),
        ("DAG('x', max_active_runs=Variable.get('x'))", "1"),
        ("default_args = {'retries': Variable.get('x')}", "1"),
        ("x = Variable.get('etl_schedule')", "0 0 * * *"),
        ("x = Variable.get('alert-email')", "nobody@example.com"),
        ("Op(trigger_rule=Variable.get('x'))", "all_success"),
    ],
)
def test_values_that_airflow_checks(tmp_path: Path, use: str, sample: str) -> None:
    (need,) = needs_of(tmp_path, **{"a.py": f"from airflow.models import Variable\n{use}"})
    assert need.sample == sample


def test_uses_in_other_files_count(tmp_path: Path) -> None:
    found = needs_of(
        tmp_path,
        **{
            "common/conf.py": "from airflow.models import Variable\n"
            "CFG = Variable.get('c', deserialize_json=True)",
            "dags/common/__init__.py": "",
            "dags/common/conf.py": "from airflow.models import Variable\n"
            "CFG = Variable.get('c', deserialize_json=True)",
            "a.py": "from common.conf import CFG\nx = CFG['a']",
            "b.py": "from common import conf\nx = conf.CFG['b'] + 1",
            "d.py": "from common.conf import CFG as settings\nx = settings['c']['d']",
            "e.py": "from common.conf import *\nx = CFG['e']",
        },
    )
    (need,) = found
    assert need.path == "dags/common/conf.py"
    assert json.loads(need.sample) == {"a": "a", "b": 1, "c": {"d": "d"}, "e": "e"}


def test_reads_of_one_name_share_a_sample(tmp_path: Path) -> None:
    found = needs_of(
        tmp_path,
        **{
            "a.py": f"{HEAD}x = Variable.get('c', deserialize_json=True)['a']",
            "b.py": f"{HEAD}x = json.loads(Variable.get('c'))['b']",
        },
    )
    assert [need.path for need in found] == ["dags/a.py", "dags/b.py"]
    assert {need.sample for need in found} == {'{"a": "a", "b": "b"}'}
