"""Sources that Python 3 refuses: what is said about them, and what --python2 makes of them."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codemods import concerns, migrate_bytes, migrate_source
from codemods.python2 import convert

REFUSED = [
    ("print 'x'", "print is a function"),
    ("if a: print x", "print is a function"),
    ("exec 'x = 1'", "exec is a function"),
    ("try:\n    pass\nexcept ValueError, e:\n    pass", "except X as e"),
    ("raise ValueError, 'no'", "raise X('text')"),
    ("x = `1`", "backticks"),
    ("x = 1 <> 2", "!="),
    ("mode = 0755", "octal"),
    ("big = 10L", "long numbers"),
    ("p = ur'x'", "ur''"),
    ("def f(a, (b, c)):\n    pass", "tuple"),
    ("if 1:\n        x = 1\n\ty = 2", "tabs and spaces are mixed"),
    ("submit(async=True)", "async and await"),
    ("def f(self, async=False):\n    pass", "async and await"),
    ("from x import async", "async and await"),
    ("x.async(1)", "async and await"),
]


@pytest.mark.parametrize(("code", "says"), REFUSED)
def test_what_is_wrong_is_said_with_its_line(code: str, says: str, newest: dict[str, str]) -> None:
    text = f"import airflow\n\n{code}\n"
    migration = migrate_source(text, pins=newest)
    assert migration.text is None
    line, _, said = (migration.error or "").partition(": ")
    assert says in said
    assert said.endswith("; `mwaa-harness migrate --python2` translates it")
    assert line in {f"line {3 + n}" for n in range(code.count("\n") + 1)}


@pytest.mark.parametrize(("code", "says"), REFUSED)
def test_python2_makes_it_python_3(code: str, says: str, newest: dict[str, str]) -> None:
    text = f"import airflow\n\n{code}\n"
    migration = migrate_source(text, pins=newest, python2=True)
    assert migration.error is None
    assert migration.text
    ast.parse(migration.text)
    assert {e.rule for e in migration.edits} >= {"python2-source"}
    assert migrate_source(migration.text, pins=newest, python2=True).text is None


def test_tabs_stay_where_they_are_all_there_is(newest: dict[str, str]) -> None:
    text = "import airflow\nif 1:\n\tprint 'x'\n\tif 2:\n\t\tx = 1\n"
    done = migrate_source(text, pins=newest, python2=True)
    assert done.text == text.replace("print 'x'", "print('x')")
    assert [edit.line for edit in done.edits] == [3]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Tabs that stand for spaces are spaces then, but not where a string goes on.
        (
            "if 1:\n        x = '''a\n\tb'''\n\tprint x\n",
            "if 1:\n        x = '''a\n\tb'''\n        print(x)\n",
        ),
        # What print is depends on the file's own first lines, whichever came before it.
        (
            "from __future__ import print_function\nprint(1, file=f)\nx = `1`\n",
            "print(1, file=f)\nx = repr(1)\n",
        ),
        ("print (1, 2)\nprint\nx = `1`\n", "print((1, 2))\nprint()\nx = repr(1)\n"),
    ],
)
def test_what_python_2_read_otherwise(before: str, after: str) -> None:
    assert convert(before)[0].lstrip("\n") == after


def test_what_is_no_python_at_all_gets_no_advice(newest: dict[str, str]) -> None:
    error = migrate_source("import airflow\nx = = 1\n", pins=newest).error or ""
    assert error.startswith("line 2: ")
    assert "--python2" not in error


def test_a_template_of_python_is_said_to_be_one(newest: dict[str, str]) -> None:
    text = "import airflow\n\n{% for name in names %}\n{{ name }} = 1\n{% endfor %}\n"
    migration = migrate_source(text, pins=newest)
    assert migration.text is None
    assert "line 3" in (migration.error or "")
    assert "Jinja template" in (migration.error or "")


LOST = [
    ("import yaml\nyaml.load(open('dags.yaml'))", "needs a Loader since PyYAML 6"),
    ("import numpy as np\nnp.zeros(1, dtype=np.float)", "numpy.float was float"),
    ("from slackclient import SlackClient\nSlackClient('t')", "slackclient of 1.10"),
]


@pytest.mark.parametrize(("code", "says"), [*REFUSED, *LOST])
def test_a_file_without_airflow_is_named_and_left_alone(
    code: str, says: str, newest: dict[str, str]
) -> None:
    text = f"import os\n\n{code}\n"
    migration = migrate_source(text, pins=newest)
    assert (migration.text, migration.error) == (None, None)
    assert [says in note.message for note in migration.notes] == [True]
    assert concerns(text.encode())


@pytest.mark.parametrize(
    "code",
    [
        "print('x')",
        "print",
        "x = '''\nprint 'x'\n'''",
        "log('print this, `that` <> 0755')",
        "async def f(g):\n    async with g:\n        await g",
        "try:\n    pass\nexcept (ValueError, KeyError):\n    pass",
    ],
)
def test_python_3_is_no_python_2(code: str, newest: dict[str, str]) -> None:
    text = f"import airflow\n{code}\n"
    assert convert(text) == (text, ())
    for python2 in (False, True):
        migration = migrate_source(text, pins=newest, python2=python2)
        assert (migration.text, migration.notes, migration.error) == (None, (), None)


def test_neither_python_says_where(newest: dict[str, str]) -> None:
    migration = migrate_source("import airflow\nx = = 1\n", pins=newest, python2=True)
    assert (migration.error or "").startswith("line 2: ")


def test_translation_comes_before_the_other_rules(newest: dict[str, str]) -> None:
    data = (
        b"# -*- coding: latin-1 -*-\r\nfrom airflow.operators.bash_operator import BashOperator\r\n"
        b"import urllib2\r\nprint 'caf\xe9', {'a': 1}.has_key('a')\r\n"
        b"print urllib2.urlopen('http://x')"
    )
    new, migration = migrate_bytes(data, pins=newest, python2=True)
    assert migration.error is None
    assert new == (
        b"# -*- coding: latin-1 -*-\r\nfrom airflow.operators.bash import BashOperator\r\n"
        b"import urllib.request, urllib.error, urllib.parse\r\n"
        b"print('caf\xe9', 'a' in {'a': 1})\r\n"
        b"print(urllib.request.urlopen('http://x'))"
    )


OLD_NAMES = [
    ("from fractions import gcd", "from math import gcd"),
    ("import base64\nbase64.encodestring(b'')", "import base64\nbase64.encodebytes(b'')"),
    ("from itertools import izip\nizip([], [])", "zip([], [])"),
    ("import itertools\nitertools.imap(f, [])", "map(f, [])"),
    ("import string\nstring.letters", "import string\nstring.ascii_letters"),
    ("from cgi import escape", "from html import escape"),
    ("import json\njson.loads('1', encoding='utf-8')", "import json\njson.loads('1')"),
    (
        "import inspect\ninspect.getargspec(f).args",
        "import inspect\ninspect.getfullargspec(f).args",
    ),
    ("open('x', mode='U')", "open('x', mode=\"r\")"),
    ("import os\nreduce(f, [1])", "from functools import reduce\nimport os\nreduce(f, [1])"),
    (
        "import urllib\nurllib.urlencode({})",
        "import urllib\nimport urllib.parse\nurllib.parse.urlencode({})",
    ),
    ("from urlparse import urlparse as u\nu('')", "from urllib.parse import urlparse as u\nu('')"),
    ("import imp\nimp.reload(f)", "import importlib\nimportlib.reload(f)"),
    ("import os\nos.errno.ENOENT, os.sep", "import os\nimport errno\nerrno.ENOENT, os.sep"),
    ("from os import errno\nerrno.EPERM", "import errno\nerrno.EPERM"),
    ("from email.MIMEText import MIMEText as M\nM", "from email.mime.text import MIMEText as M\nM"),
    ("from email import Encoders\nEncoders", "from email import encoders as Encoders\nEncoders"),
    ("import UserDict\nUserDict.UserDict", "import collections\ncollections.UserDict"),
    ("import string\nstring.atoi('1')", "int('1')"),
    ("from types import StringTypes\nisinstance(f, StringTypes)", "isinstance(f, str)"),
    ("import asyncio\nasyncio.Task.all_tasks()", "import asyncio\nasyncio.all_tasks()"),
    ("import sys\nreload(sys)", "from importlib import reload\nimport sys\nreload(sys)"),
    ("import uuid\nuuid.uuid4().get_hex()", "import uuid\nuuid.uuid4().hex"),
    ("import xml.dom\nf.getchildren()[0]", "import xml.dom\nlist(f)[0]"),
    ("import cPickle as pickle\npickle.dumps(1)", "import pickle\npickle.dumps(1)"),
    (
        "from distutils.spawn import find_executable\nfind_executable('x')",
        "from shutil import which as find_executable\nfind_executable('x')",
    ),
]


@pytest.mark.parametrize(("before", "after"), OLD_NAMES)
def test_names_that_python_lost(before: str, after: str, newest: dict[str, str]) -> None:
    text = f"from airflow import DAG as f\n{before}\n"
    assert migrate_source(text, pins=newest).text == f"from airflow import DAG as f\n{after}\n"


def test_a_module_that_is_imported_too_late_is_imported_before(newest: dict[str, str]) -> None:
    text = "from airflow import DAG\nimport fractions\nx = fractions.gcd(4, 2)\nimport math\n"
    names: dict[str, object] = {}
    new = migrate_source(text, pins=newest).text or ""
    exec(new.replace("from airflow import DAG\n", ""), names)  # noqa: S102
    assert names["x"] == 2


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("from distutils.util import strtobool\nstrtobool('y')", "'true'"),
        ("import imp\nimp.load_source('a', 'b')", "importlib"),
        ("x = cmp(1, 2)", "(a > b) - (a < b)"),
        ("import sys\nsys.setdefaultencoding('utf8')", "Take the line away"),
        ("import string\nstring.split('a b')", "text.split"),
        ("import sys\nprint >>sys.stderr, f", "file=file"),
        ("from asyncio import coroutine\ncoroutine(1)", "async def"),
        ("import inspect\na, b, c, d = inspect.getargspec(f)", "--unsafe"),
        ("from datetime import datetime\ndatetime.utcnow()", "timezone.utc"),
    ],
)
def test_what_only_a_person_can_change(code: str, part: str, newest: dict[str, str]) -> None:
    migration = migrate_source(f"from airflow import DAG as f\n{code}\n", pins=newest)
    assert migration.text is None
    assert [part in f"{n.message} {n.fix}" for n in migration.notes] == [True]


def test_the_table_holds_for_each_python(targets: dict[str, dict[str, str]]) -> None:
    text = "import airflow\nimport inspect\ninspect.getargspec(f)[0]\n"
    assert migrate_source(text, pins=targets["2.5.1"]).text is None
    assert "getfullargspec" in (migrate_source(text, pins=targets["2.10.3"]).text or "")


def _pyenv() -> Path:
    return Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12"])
def test_every_row_is_true_of_the_interpreter(version: str) -> None:
    """What the table says is gone is gone, and what stands for it is there."""
    python = next(
        (str(c) for c in (_pyenv() / "versions").glob(f"{version}.*/bin/python")),
        shutil.which(f"python{version}") or "",
    )
    assert python, f"Python {version} is needed"
    table = Path(sys.modules["codemods"].__file__ or "").parent / "data" / "python_names.txt"
    script = (
        "import builtins, importlib, sys, warnings\nwarnings.simplefilter('ignore')\n"
        "def there(path):\n"
        "    parts = path.split('.')\n"
        "    if len(parts) == 1 and hasattr(builtins, path): return True\n"
        "    for n in range(len(parts), 0, -1):\n"
        "        try: found = importlib.import_module('.'.join(parts[:n]))\n"
        "        except ImportError: continue\n"
        "        try:\n"
        "            for p in parts[n:]: found = getattr(found, p)\n"
        "            return True\n"
        "        except AttributeError: return False\n"
        "    return hasattr(getattr(builtins, parts[0], None), parts[-1])\n"
        "since = (3, 0)\n"
        "for line in open(sys.argv[1]):\n"
        "    line = line.strip()\n"
        "    if line.startswith('['): since = tuple(map(int, line.strip('[]').split('.')))\n"
        "    elif line and not line.startswith('#') and sys.version_info[:2] >= since:\n"
        "        old, _, new = line.partition(' ')\n"
        "        if there(old): print('still there:', old)\n"
        "        new = new.lstrip('~')\n"
        "        if new[0] != '!' and new.partition('.')[0] != 'packaging' and not there(new):\n"
        "            print('not there:', new)\n"
    )
    done = subprocess.run(
        [python, "-I", "-c", script, str(table)], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
