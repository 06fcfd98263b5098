"""Which reads are found, under which name, and which of them a file does not load without."""

import textwrap
import zipfile
from pathlib import Path

import pytest

from harness import archives
from harness import repo as repos
from harness.model import Config
from harness.needs.find import find_needs

HEAD = (
    "import os\nfrom airflow.models import Variable\nfrom airflow.hooks.base_hook import BaseHook\n"
)


def found(root: Path, source: str = "", **files: str) -> dict[tuple[str, str], bool]:
    """(kind, name) → whether all of its places are optional."""
    files = {"dags/zz.py": "from airflow import DAG", "dags/a.py": HEAD + source, **files}
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")
    needs = find_needs(repos.load(root, config=Config()))
    optional: dict[tuple[str, str], bool] = {}
    for need in needs:
        key = need.kind, need.name
        optional[key] = need.optional and optional.get(key, True)
    return optional


@pytest.mark.parametrize(
    "source",
    [
        "Variable.get('x')",
        "Variable.get(key='x')",
        "import airflow.models\nairflow.models.Variable.get('x')",
        "from airflow import models\nmodels.Variable.get('x')",
        "from airflow.models import Variable as V\nV.get('x')",
        "from airflow.models.variable import Variable as V\nV.get('x')",
        "import airflow.models as am\nam.Variable.get('x')",
        "from airflow.models import *\nVariable.get('x')",
        "K = 'x'\nVariable.get(K)",
        "P = 'x'\nVariable.get(f'{P}')",
        "P = ''\nVariable.get(P + 'x')",
        "Variable.get('%s' % 'x')",
        "Variable.get('{}'.format('x'))",
        "E = os.environ.get('E', '')\nVariable.get(f'{E}x')",
        "for k in ['x']:\n    Variable.get(k)",
        "KS = ('x',)\nv = {k: Variable.get(k) for k in KS}",
        "KS = {'x': 1}\nv = [Variable.get(k) for k in KS]",
        "class K:\n    X = 'x'\nVariable.get(K.X)",
        "from enum import Enum\nclass K(Enum):\n    X = 'x'\nVariable.get(K.X.value)",
        "from keys import X\nVariable.get(X)",
        "Variable.get(__file__.replace('dags/a.py', 'x'))",
        "Variable.get('x' + os.path.basename(__file__).replace('a.py', ''))",
        "from pathlib import Path\nN = Path(__file__).stem\nVariable.get(N.replace('a', 'x'))",
        "N = os.path.splitext(os.path.basename(__file__))[0]\nVariable.get(N.replace('a', 'x'))",
        "N = os.path.basename(__file__).rsplit('.', 1)[0]\nVariable.get(N.replace('a', 'x'))",
        "import keys\nVariable.get(keys.X)",
        "from keys import *\nVariable.get(X)",
        "def v(k): return Variable.get(k)\nv('x')",
        "def v(prefix, k='x'): return Variable.get(k)\nv('p')",
        "def v(k): return Variable.get(k)\nfor k in ['x']: v(k)",
        "from lib import v\nv('x')",
        "import lib\nlib.v(k='x')",
        "if True:\n    with open('f') as f:\n        Variable.get('x')",
        "class C:\n    v = Variable.get('x')",
        "def f(a=Variable.get('x')): pass",
        "def make(): return Variable.get('x')\nmake()",
        "def inner(): return Variable.get('x')\ndef make(): return inner()\nmake()",
        "class C:\n    def __init__(self): self.load()\n    def load(self): Variable.get('x')\nC()",
        "class B:\n    def __init__(self): Variable.get('x')\nclass C(B): pass\nC()",
        "from lib import read\nread()",
        "try:\n    import boto3\n    v = Variable.get('x')\nexcept ImportError:\n    pass",
        "@dag()\ndef d():\n    Variable.get('x')\nd()",
    ],
)
def test_variables_read_on_import(tmp_path: Path, source: str) -> None:
    lib = f"{HEAD}def v(k): return Variable.get(k)\ndef read(): return Variable.get('x')"
    needs = found(tmp_path, source, **{"dags/keys.py": "X = 'x'\n", "dags/lib.py": lib})
    assert needs.pop(("variable", "x")) is False
    assert all(kind == "env" for kind, _ in needs)


@pytest.mark.parametrize(
    "source",
    [
        "Variable.get('x', 'd')",
        "Variable.get('x', default_var=None)",
        "Variable.get('x', default={})",
        "Variable.setdefault('x', 'd')",
        "def f(): return Variable.get('x')",
        "def f(): return Variable.get('x')\nPythonOperator(python_callable=f)",
        "f = lambda: Variable.get('x')",
        "class Op:\n    def execute(self, context): Variable.get('x')\nOp()",
        "@task\ndef t(): return Variable.get('x')\nt()",
        "@dag.task(retries=1)\ndef t(): return Variable.get('x')\nt()",
        "try:\n    v = Variable.get('x')\nexcept KeyError:\n    v = 1",
        "try:\n    v = Variable.get('x')\nexcept:\n    v = 1",
        "if __name__ == '__main__':\n    Variable.get('x')",
        "def v(k, d=None): return Variable.get(k, default_var=d)\nv('x', 'd')",
        "BashOperator(bash_command='echo {{ var.value.x }}')",
        "BashOperator(bash_command=\"{{ var.value.get('x', 'd') }}\")",
        "BashOperator(bash_command='{% if var.json.x.y %}1{% endif %}')",
        "BashOperator(bash_command=f'{{{{ var.value.x }}}}')",
    ],
)
def test_variables_a_file_loads_without(tmp_path: Path, source: str) -> None:
    assert found(tmp_path, source) == {("variable", "x"): True}


@pytest.mark.parametrize(
    "source",
    [
        "{}.get('x')",
        "Variable.set('x', 1)",
        "from sympy import Variable\nVariable.get('x')",
        "def f(k): return Variable.get(k)",
        "Variable.get(os.path.join('a', 'b'))",
        "'var.value.x'",
        "pool.get_connection('x')",
        "os.environ['HOME']",
        "os.environ['X'] = '1'",
        "os.environ.update(x=1)",
        "print 'python 2'; Variable.get('x')",
        "\0Variable.get('x')",
    ],
)
def test_what_is_no_need(tmp_path: Path, source: str) -> None:
    assert found(tmp_path, source) == {}


@pytest.mark.parametrize(
    ("source", "optional"),
    [
        ("BaseHook.get_connection('x')", False),
        ("BaseHook.get_connection(conn_id='x').host", False),
        ("BaseHook().get_connection('x')", False),
        ("C = 'x'\nclass H(BaseHook):\n    def __init__(self): self.get_connection(C)\nH()", False),
        ("PostgresHook.get_connection('x')", False),
        ("BaseHook.get_hook('x')", False),
        ("Connection.get_connection_from_secrets('x')", False),
        ("def f(): BaseHook.get_connection('x')", True),
        ("'{{ conn.x.host }}'", True),
        ("'{{ conn.get(\"x\").password }}'", True),
    ],
)
def test_connections(tmp_path: Path, source: str, optional: bool) -> None:
    assert found(tmp_path, source) == {("connection", "x"): optional}


@pytest.mark.parametrize(
    ("source", "optional"),
    [
        ("os.environ['X']", False),
        ("from os import environ\nenviron['X']", False),
        ("from os import environ as e\ne['X'].lower()", False),
        ("os.environ.pop('X')", False),
        ("a = 's3://' + os.environ.get('X')", False),
        ("int(os.getenv('X'))", False),
        ("os.environ.get('X')", True),
        ("print(os.getenv('X'))", True),
        ("os.getenv('X', 'd').lower()", True),
        ("from os import getenv\nint(getenv('X', '1'))", True),
        ("int(os.environ.get('X') or 1)", True),
        ("if 'X' in os.environ:\n    v = os.environ['X']", True),
        ("v = os.environ['X'] if os.getenv('X') else 1", True),
        ("def f(): return os.environ['X']", True),
    ],
)
def test_environment(tmp_path: Path, source: str, optional: bool) -> None:
    assert found(tmp_path, source) == {("env", "X"): optional}


@pytest.mark.parametrize(
    ("source", "name", "optional"),
    [
        ("from airflow.configuration import conf\nconf.get('team', 'bucket')", "BUCKET", False),
        ("from airflow import configuration as c\nc.get('Team', 'bucket')", "BUCKET", False),
        ("import airflow.configuration\nairflow.configuration.conf.get('team', 'k')", "K", False),
        ("from airflow import conf\nconf.get(section='team', key='k')", "K", False),
        ("from airflow.configuration import conf\nS = 'team'\nconf.getint(S, 'k')", "K", False),
        ("from airflow.configuration import conf\nconf.get('team', 'k', fallback='d')", "K", True),
        ("from airflow.configuration import conf\ndef f(): conf.get('team', 'k')", "K", True),
        (
            "from airflow.configuration import conf\n"
            "if conf.has_option('team', 'k'):\n    v = conf.get('team', 'k')",
            "K",
            True,
        ),
    ],
)
def test_settings_of_ones_own(tmp_path: Path, source: str, name: str, optional: bool) -> None:
    assert found(tmp_path, source) == {("env", f"AIRFLOW__TEAM__{name}"): optional}


def test_settings_that_airflow_has_or_the_repository_gives_are_no_needs(tmp_path: Path) -> None:
    source = (
        "from airflow.configuration import conf\n"
        "conf.get('core', 'dags_folder')\nconf.get('team', 'given')\nconf.getint('team', 'size')\n"
        "{}.get('conf', 'x')\n"
    )
    (tmp_path / "airflow.cfg").write_text("[team]\ngiven = 1\n")
    found(tmp_path, source)
    (need,) = find_needs(repos.load(tmp_path, config=Config()))
    assert (need.name, need.shape, need.sample.isdigit()) == ("AIRFLOW__TEAM__SIZE", "number", True)


def test_an_or_does_not_help_what_raises(tmp_path: Path) -> None:
    assert found(tmp_path, "v = Variable.get('x') or 1") == {("variable", "x"): False}


def test_plugins_are_read_and_places_are_named(tmp_path: Path) -> None:
    plugin = f"{HEAD}class Op:\n    v = Variable.get('x')\n    w = '''\n{{{{ var.json.y.z }}}}'''\n"
    repo_files = {"plugins/p.py": plugin, "dags/zz.py": "from airflow import DAG"}
    found(tmp_path, **repo_files)
    needs = find_needs(repos.load(tmp_path, config=Config()))
    assert [(n.path, n.line, n.name, n.sample) for n in needs] == [
        ("plugins/p.py", 5, "x", "x"),
        ("plugins/p.py", 7, "y", '{"z": "z"}'),
    ]


def test_other_folders_are_not_read(tmp_path: Path) -> None:
    assert found(tmp_path, **{"tests/t.py": f"{HEAD}Variable.get('x')"}) == {}


def test_a_wrapper_keeps_the_shapes_of_its_callers_apart(tmp_path: Path) -> None:
    source = """
    import json
    def v(k):
        return json.loads(Variable.get(k))
    a = v('x')['a']
    b = int(v('y')['b'])
    """
    found(tmp_path, textwrap.dedent(source))
    needs = find_needs(repos.load(tmp_path, config=Config()))
    assert {n.name: n.sample for n in needs} == {"x": '{"a": "a"}', "y": '{"b": 1}'}


def test_a_connection_placeholder_has_the_extras_that_are_read(tmp_path: Path) -> None:
    source = """
    import json
    c = BaseHook.get_connection('x')
    a = c.extra_dejson['region'] + json.loads(c.extra).get('role') + c.extra_dejson['n'] * 2
    """
    found(tmp_path, textwrap.dedent(source))
    (need,) = find_needs(repos.load(tmp_path, config=Config()))
    assert need.sample == (
        "generic://login:password@localhost:1/schema?region=region&n=1&role=role"
    )


def test_a_file_that_has_gone_is_passed_over(tmp_path: Path) -> None:
    found(tmp_path, "Variable.get('x')", **{"dags/b.py": f"{HEAD}Variable.get('y')"})
    repo = repos.load(tmp_path, config=Config())
    (tmp_path / "dags/a.py").unlink()
    assert [need.name for need in find_needs(repo)] == ["y"]


def test_code_that_refers_to_itself_ends(tmp_path: Path) -> None:
    source = """
    x = Variable.get('x')
    x = x.strip() + x
    def f(a): return g(a)
    def g(a): return f(a)['k']
    y = f(f(x))
    K = K + 'a'
    Variable.get(K)
    class A(B): pass
    class B(A): pass
    A(); f(y)
    """
    assert found(tmp_path, textwrap.dedent(source)) == {("variable", "x"): False}


def test_what_archives_read_is_found_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "SOURCE_BYTES", 1000)
    (tmp_path / "dags").mkdir()
    with zipfile.ZipFile(tmp_path / "dags" / "etl.zip", "w") as packed:
        packed.writestr("etl.py", HEAD + "from keys import LAKE\nVariable.get(LAKE)\n")
        packed.writestr("keys.py", "LAKE = 'lake'\n")
        packed.writestr("tasks/late.py", HEAD + "def f(): return BaseHook.get_connection('dwh')\n")
        packed.writestr("bomb.py", HEAD + "Variable.get('bomb')\n" + "\n" * 1000)
    (tmp_path / "dags" / "broken.zip").write_bytes(b"PK\x03\x04 not really")
    needs = find_needs(repos.load(tmp_path, config=Config()))
    assert [(need.path, need.kind, need.name, need.optional) for need in needs] == [
        ("dags/etl.zip/etl.py", "variable", "lake", False),
        ("dags/etl.zip/tasks/late.py", "connection", "dwh", True),
    ]
