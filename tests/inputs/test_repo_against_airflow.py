"""Our listing of DAG files beside Airflow's own, both generations, on a nasty tree."""

import json
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import repo as repos
from harness.model import Config

pytestmark = pytest.mark.slow

LIST = """
import json, sys
try:
    from airflow.utils.file import list_py_file_paths
    import airflow.utils.dag_processing as processing
    list_py_file_paths = getattr(processing, "list_py_file_paths", list_py_file_paths)
except ImportError:
    from airflow.utils.file import list_py_file_paths
paths = list_py_file_paths(sys.argv[1], safe_mode=sys.argv[2] == "safe", include_examples=False)
print("\\n" + json.dumps(sorted(paths)))
"""

BOTH = "from airflow import DAG\n"
LOWER = "from airflow.decorators import dag\n"
TEXTS = {
    "a.py": BOTH,
    "lower.py": LOWER,
    "upper.py": "import AIRFLOW, Dag",
    "none.py": "import os",
    "words in binary.py": "",
    "notes.txt": BOTH,
    "a.PY": BOTH,
    ".py": BOTH,
    ".hidden.py": BOTH,
    ".hidden/b.py": BOTH,
    ".ipynb_checkpoints/a-checkpoint.py": BOTH,
    "grüße/ü 你.py": BOTH,
    "folder.py/inner.py": BOTH,
    "helpers/h.py": BOTH,
    "helpers/keep_me.py": BOTH,
    "sub/helpers/h.py": BOTH,
    "sub/deep/er/x_test.py": BOTH,
    "sub/deep/er/x.py": BOTH,
    "sub/deep/.airflowignore": "x_test\n",
    "sub/deeper/x_test.py": BOTH,
    "dropped/.airflowignore": "!keep.py\nkeep\n",
    "dropped/keep.py": BOTH,
    "look/ahead.py": BOTH,
    "look/behind.py": BOTH,
    "case/Mixed.py": BOTH,
    "trailing/space.py": BOTH,
    "venv_like/x.py": BOTH,
    "a#b.py": BOTH,
}
REGEXPS = """
# a comment, and an empty line

^helpers/          # 1.10 never matches this: it searches the whole path
^helpers$
dropped
look/a(?!b)
(?i)mixed
 trailing
venv_like/.*\\.py$
(a)\\1
\t
"""
GLOBS = """
# globs
helpers/
!keep_me.py
/dropped
sub/**/er
*_test.py
!sub/deeper/x_test.py
**/space.py
look/[ab]*.py
case/mixed.py
"""


def nasty(root: Path, ignore: str) -> Path:
    for name, text in {**TEXTS, ".airflowignore": ignore}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (root / "words in binary.py").write_bytes(b"\x00\xff DAG airflow \x80")
    for name in ("z.zip", "z.egg", "zip.py", "sub/deep/x_test.zip", "helpers/z.zip"):
        with zipfile.ZipFile(root / name, "w") as archive:
            archive.writestr("inner.txt", "no DAG")
    (root / "broken.zip").write_bytes(b"PK\x05\x06 broken")
    (root / "link.py").symlink_to("a.py")
    (root / "gone.py").symlink_to("nowhere.py")
    return root


@pytest.mark.parametrize("safe", [True, False], ids=["safe", "unsafe"])
@pytest.mark.parametrize(
    ("version", "syntax"),
    [("1.10.15", "regexp"), ("2.11.0", "regexp"), ("2.11.0", "glob")],
)
def test_the_same_files_as_airflow_lists(
    version: str,
    syntax: str,
    safe: bool,
    tmp_path: Path,
    airflow_python: Callable[[str], Path],
    airflow_env: Callable[..., dict[str, str]],
) -> None:
    first = version.startswith("1.")
    root = nasty(tmp_path / "repo" / "dags", GLOBS if syntax == "glob" else REGEXPS)
    if not first and syntax == "regexp":  # 1.10 stops at a pattern that it cannot compile
        with (root / ".airflowignore").open("a") as ignore:
            ignore.write("a\\#b\n*.py\n")
    if first:  # Airflow 2 refuses a tree that shows one folder twice, and lists nothing
        (root / "linked").symlink_to("sub/deeper")
    env = airflow_env(AIRFLOW__CORE__DAG_IGNORE_FILE_SYNTAX=syntax)
    command = [airflow_python(version), "-c", LIST, root, "safe" if safe else "all"]
    answer = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    theirs = [
        Path(path).relative_to(root).as_posix()
        for path in json.loads(answer.stdout.splitlines()[-1])
    ]
    repo = repos.load(tmp_path / "repo", config=Config())
    ours = repos.list_dag_files(
        repo.root,
        "dags",
        [name for name in repo.files if name.startswith("dags/")],
        generation=repos.FIRST if first else repos.SECOND,
        mounted=str(root),
        glob=syntax == "glob",
        safe_mode=safe,
    )
    assert [name.removeprefix("dags/") for name in ours] == sorted(theirs)
    assert len(theirs) > 10
