"""One repository, several Airflow projects: each as if it stood alone, whatever they share."""

import subprocess
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.migrate import Migration, lines, migrate, migrated_requirements, remarks

OPERATOR = "from airflow.models import BaseOperator\n\n\nclass {0}(BaseOperator):\n    pass\n"
PLUGIN = (
    "from airflow.plugins_manager import AirflowPlugin\nfrom operators.load import {0}\n\n\n"
    "class Own(AirflowPlugin):\n    name = 'own'\n    operators = [{0}]\n"
)
DAG = (
    "from airflow import DAG\nfrom airflow.operators.own import {0}\n"
    "from common.tasks import shell\n\n"
    "dag = DAG('{0}', schedule_interval=None)\nload = {0}(task_id='l', dag=dag)\n"
)
COMMON = "from airflow.operators.bash_operator import BashOperator as shell\n"


def project(
    base: str, name: str, *, plugins: str = "plugins", dags: str = "dags"
) -> dict[str, str]:
    return {
        f"{base}{dags}/{name}.py": DAG.format(name),
        f"{base}{plugins}/own.py": PLUGIN.format(name),
        f"{base}{plugins}/operators/__init__.py": "",
        f"{base}{plugins}/operators/load.py": OPERATOR.format(name),
    }


def made(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def after(root: Path, files: dict[str, str]) -> tuple[dict[str, str], Migration]:
    """The files of the migrated copy; running it again must change nothing."""
    out = root / "out"
    done = migrate(made(root / "repo", files), target="2.11.0", output=out, offline=True)
    again = migrate(out, target="2.11.0", offline=True)
    assert [e for e in again.rewrites if e.diff or e.moved_to or e.deleted] == []
    found = {p.relative_to(out).as_posix(): p.read_text() for p in out.rglob("*") if p.is_file()}
    return found, done


def test_each_project_has_its_own_plugins_and_requirements(tmp_path: Path) -> None:
    found, done = after(
        tmp_path,
        {
            **project("a/", "A"),
            "a/requirements.txt": "apache-airflow[slack]==1.10.15\n",
            **project("b/airflow/", "B"),
            "b/airflow/requirements.txt": "apache-airflow==1.10.15\nfoo\n",
            "common/tasks.py": COMMON,
        },
    )
    assert done.projects == ("a/dags", "b/airflow/dags")
    assert "several projects" in next(iter(remarks(done)))
    for base, name in (("a", "A"), ("b/airflow", "B")):
        assert f"from operators.load import {name}\n" in found[f"{base}/dags/{name}.py"]
        assert found[f"{base}/dags/operators/load.py"] == OPERATOR.format(name)
        assert f"{base}/plugins/own.py" not in found
    assert "apache-airflow-providers-slack==" in found["a/requirements.txt"]
    assert "slack" not in found["b/airflow/requirements.txt"]
    assert "airflow.operators.bash import" in found["common/tasks.py"]
    assert "requirements.txt" not in found


def test_what_is_shared_counts_for_each_and_is_said_once(tmp_path: Path) -> None:
    hook = "from airflow.hooks.mssql_hook import MsSqlHook as shell\nimport nowhere_to_find\n"
    found, done = after(
        tmp_path,
        {
            **project("a/", "A"),
            **project("b/", "B"),
            "common/tasks.py": hook,
            "requirements.txt": "apache-airflow[slack]==1.10.15\n",
        },
    )
    assert found["requirements.txt"].count("apache-airflow-providers-microsoft-mssql==") == 1
    assert "a/requirements.txt" not in found
    (entry,) = (e for e in done.rewrites if e.path == "common/tasks.py")
    assert [(n.rule, n.line) for n in entry.notes] == [("requirements-unasked-module", 2)]
    (entry,) = (e for e in done.rewrites if e.path == "requirements.txt")
    assert entry.diff.count("--- a/requirements.txt") == 1
    assert "-apache-airflow[slack]==1.10.15" in entry.diff


def test_a_project_beside_the_folder_of_dags_at_the_top(tmp_path: Path) -> None:
    common = {"common/tasks.py": COMMON}
    found, done = after(tmp_path, {**project("", "A"), **project("old/", "B"), **common})
    assert done.projects == ("dags", "old/dags")
    for base, name in (("", "A"), ("old/", "B")):
        assert f"from operators.load import {name}\n" in found[f"{base}dags/{name}.py"]


def test_plugins_that_several_folders_of_dags_share_stay(tmp_path: Path) -> None:
    files = project("", "A", dags="a/dags") | {"b/dags/b.py": DAG.format("A")}
    found, done = after(tmp_path, {**files, "common/tasks.py": COMMON})
    assert done.projects == ()
    assert found["plugins/operators/load.py"] == OPERATOR.format("A")
    assert "^operators/" in found["plugins/.airflowignore"]
    assert "from operators.load import A\n" in found["b/dags/b.py"]


def test_a_new_requirements_file_stands_beside_the_dags(tmp_path: Path) -> None:
    text = "from airflow import DAG\nfrom airflow.hooks.mssql_hook import MsSqlHook\n"
    found, _ = after(tmp_path, {"docker/airflow/dags/a.py": text, "docker/Dockerfile": ""})
    assert "providers-microsoft-mssql" in found["docker/airflow/requirements.txt"]
    assert "requirements.txt" not in found


def test_modules_beside_the_dags_of_a_project_are_its_own(tmp_path: Path) -> None:
    text = "from airflow import DAG\nfrom include.hooks import MsSqlHook\n"
    hook = "from airflow.hooks.mssql_hook import MsSqlHook\n"
    found, done = after(tmp_path, {"x/dags/a.py": text, "x/include/hooks.py": hook})
    assert "providers-microsoft-mssql" in found["x/requirements.txt"]
    assert not [n for e in done.rewrites for n in e.notes]


@pytest.mark.parametrize(
    ("plugins", "where", "text"),
    [
        ("own/place", "airflow.cfg", "[core]\nplugins_folder = /usr/local/airflow/own/place\n"),
        ("mine", "Dockerfile", "FROM x\nENV AIRFLOW__CORE__PLUGINS_FOLDER=/opt/airflow/mine\n"),
        ("mine", "deploy/.env", "AIRFLOW__CORE__PLUGINS_FOLDER='/srv/mine'\n"),
        ("mine", "docker-compose.yml", "  - AIRFLOW__CORE__PLUGINS_FOLDER=/srv/mine\n"),
        ("mine", "docker-compose.yml", "  x: ['./mine:/usr/local/airflow/plugins']\n  v:\n"
         "    - ./mine:/usr/local/airflow/plugins:ro\n"),
        ("mine", "Dockerfile", "FROM x\nCOPY --chown=airflow mine ${AIRFLOW_HOME}/plugins/\n"),
        ("airflow_plugins", "README", ""),
    ],
)  # fmt: skip
def test_a_folder_of_plugins_with_another_name(
    tmp_path: Path, plugins: str, where: str, text: str
) -> None:
    files = {**project("", "A", plugins=plugins), where: text, "common/tasks.py": COMMON}
    found, _ = after(tmp_path, files)
    assert "from operators.load import A\n" in found["dags/A.py"]
    assert f"{plugins}/own.py" not in found


def test_a_folder_of_dags_with_another_name(tmp_path: Path) -> None:
    files = {
        **project("", "A", dags="flows"),
        "airflow.cfg": "[core]\ndags_folder = /usr/local/airflow/flows\n",
        "common/tasks.py": COMMON,
    }
    found, _ = after(tmp_path, files)
    assert found["flows/operators/load.py"] == OPERATOR.format("A")


def test_a_setting_that_names_what_holds_the_folder_of_dags_is_another_machines(
    tmp_path: Path,
) -> None:
    files = {**project("airflow/", "A"), ".env": "AIRFLOW__CORE__DAGS_FOLDER=/home/me/airflow\n"}
    found, _ = after(tmp_path, {**files, "common/tasks.py": COMMON})
    assert found["airflow/dags/operators/load.py"] == OPERATOR.format("A")


def test_requirements_of_several_projects_are_asked_for_one_at_a_time(tmp_path: Path) -> None:
    root = made(tmp_path, {**project("a/", "A"), **project("b/", "B")})
    with pytest.raises(UsageError, match=r"several projects.*a/dags, b/dags"):
        migrated_requirements(root, target="2.11.0", offline=True)
    assert migrated_requirements(root / "a", target="2.11.0", offline=True) == ""


def test_the_diff_of_several_projects_holds_each_file_once(tmp_path: Path) -> None:
    root = made(tmp_path, {**project("a/", "A"), **project("b/", "B"), "common/tasks.py": COMMON})
    done = migrate(root, target="2.11.0", offline=True)
    text = "\n".join(map(str, lines(done, "text", diff=True)))
    assert text.count("+++ b/common/tasks.py") == 1
    assert text.count("rename to a/dags/operators/load.py") == 1


@pytest.mark.parametrize("name", ["ü b/", 'quo"te/'])
def test_git_takes_the_diff_of_a_folder_of_its_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Made there, it is taken there and from the top: moved and new files are not passed over."""
    root = made(tmp_path / f"tree/{name}", {**project("", "A"), "common/tasks.py": COMMON})
    done = migrate(root, target="2.11.0", offline=True)
    subprocess.run(["git", "init", "-q", tmp_path / "tree"], check=True)
    monkeypatch.chdir(root)
    text = "".join(f"{line}\n" for line in map(str, lines(done, "text", diff=True)))
    for folder in (root, tmp_path / "tree"):
        apply = ["git", "-C", folder, "apply", *(["-R"] if folder != root else [])]
        subprocess.run(apply, input=text, text=True, check=True, capture_output=True)
        assert (root / "dags/operators/load.py").exists() == (folder == root)
        assert (root / "plugins/own.py").exists() == (folder != root)


def test_what_is_left_out_and_what_makes_python_is_said(tmp_path: Path) -> None:
    cell = '{"source": [\n  "from airflow.hooks.S3_hook import S3Hook\\n",\n  "x = 1"\n]}\n'
    old = "from airflow.operators.bash_operator import BashOperator  # x\n"
    texts = {
        "dags/a.py": "from airflow import DAG\n",
        "gen/dag.py.j2": "x = {{ y }}\n" + old + "from airflow.models import Variable\n",
        "notes.ipynb": cell,
        "env/lib/python3.7/site-packages/x.py": old,
        "dags/far.zip": "",
    }
    root = made(tmp_path, texts)
    (root / "dags/gone.py").symlink_to("nowhere")
    said = "\n".join(remarks(migrate(root, target="2.11.0", offline=True)))
    assert "dags/gone.py: cannot be read (symbolic link)" in said
    assert "dags/far.zip: is not a readable zip file" in said
    assert "gen/dag.py.j2:2: moved-import: `from airflow.operators.bash_operator" in said
    assert "Write `from airflow.operators.bash import BashOperator`" in said
    assert "notes.ipynb:2: moved-import" in said
    assert "site-packages" not in said
    assert "Variable" not in said


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_requirements_that_powershell_wrote(tmp_path: Path, encoding: str) -> None:
    root = made(tmp_path / "repo", {"dags/a.py": "from airflow import DAG\n"})
    text = "\ufeffapache-airflow[slack]==1.10.15\r\nfoo\r\n"
    (root / "requirements.txt").write_bytes(text.encode(encoding))
    migrate(root, target="2.11.0", offline=True, output=tmp_path / "out")
    new = (tmp_path / "out/requirements.txt").read_bytes().decode()
    assert new.endswith("\r\nfoo\r\n")
    assert "apache-airflow-providers-slack==" in new


def test_many_pins_are_one_remark_and_stay_notes_each(tmp_path: Path) -> None:
    names = [
        "alembic",
        "boto3",
        "celery",
        "flask",
        "jinja2",
        "kombu",
        "pandas",
        "numpy",
        "requests",
        "werkzeug",
    ]
    pins = "".join(f"{name}==0.1\n" for name in names)
    root = made(tmp_path, {"dags/a.py": "from airflow import DAG\n", "requirements.txt": pins})
    done = migrate(root, target="2.11.0", offline=True)
    assert sum(len(entry.notes) for entry in done.rewrites) == len(names)
    first, last = remarks(done)
    assert first.startswith("requirements.txt:1: requirements-pin: 10 pins contradict")
    assert "boto3 goes from 0.1 to" in first
    assert "(line 10)" in first
    assert last.strip().startswith("Ask for")
