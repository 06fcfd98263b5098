"""Plugins of every layout: what they registered is importable, once, and the rest still loads."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from harness.migrate import lines, migrate

HEAD = "from airflow.models import BaseOperator\n"
BASE = "from airflow.plugins_manager import AirflowPlugin\n"
OPERATOR = HEAD + "\n\nclass Load(BaseOperator):\n    pass\n"
DAG = (
    "from airflow import DAG\n"
    "from airflow.operators.own import Load\n\n"
    "dag = DAG('d', schedule_interval=None)\nload = Load(task_id='l', dag=dag)\n"
)


def plugin(listed: str = "[Load]", more: str = "") -> str:
    return f"\n\nclass Own(AirflowPlugin):\n    name = 'own'\n    operators = {listed}\n{more}"


def made(folder: Path, files: dict[str, str]) -> Path:
    for name, text in {"dags/dag.py": DAG, **files}.items():
        path = folder / "repo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "repo"


def after(folder: Path, files: dict[str, str], target: str = "2.11.0") -> dict[str, str]:
    """Every file of the migrated copy; running it again must change nothing."""
    repo = made(folder, files)
    out = folder / "out"
    migrate(repo, target=target, output=out, offline=True)
    again = migrate(out, target=target, offline=True)
    assert [e for e in again.rewrites if e.diff or e.moved_to or e.deleted] == []
    return {p.relative_to(out).as_posix(): p.read_text() for p in out.rglob("*") if p.is_file()}


def test_one_file_with_class_and_plugin_moves(tmp_path: Path) -> None:
    found = after(tmp_path, {"plugins/own_plugin.py": BASE + OPERATOR + plugin()})
    assert found["dags/own_plugin.py"] == OPERATOR
    assert "plugins/own_plugin.py" not in found
    assert "from own_plugin import Load\n" in found["dags/dag.py"]
    assert "^own_plugin\\.py$\n" in found["dags/.airflowignore"]


def test_a_folder_of_modules_moves_and_the_empty_plugin_goes(tmp_path: Path) -> None:
    found = after(
        tmp_path,
        {
            "plugins/own.py": BASE + "from operators.load import Load\n" + plugin(),
            "plugins/operators/__init__.py": "",
            "plugins/operators/load.py": OPERATOR,
            "plugins/operators/query.sql": "select 1\n",
            "plugins/README.md": "about\n",
        },
    )
    assert set(found) == {
        "dags/dag.py",
        "dags/.airflowignore",
        "dags/operators/__init__.py",
        "dags/operators/load.py",
        "dags/operators/query.sql",
        "plugins/README.md",
    }
    assert "from operators.load import Load\n" in found["dags/dag.py"]
    assert "^operators/\n" in found["dags/.airflowignore"]


def test_folders_without_init_move_too(tmp_path: Path) -> None:
    text = BASE + "from company.etl.load import Load\n" + plugin()
    found = after(
        tmp_path, {"plugins/company/plugin.py": text, "plugins/company/etl/load.py": OPERATOR}
    )
    assert found["dags/company/etl/load.py"] == OPERATOR
    assert "plugins/company/plugin.py" not in found
    assert "from company.etl.load import Load" in found["dags/dag.py"]


def test_a_package_that_holds_the_plugin_itself(tmp_path: Path) -> None:
    """Nothing is left of the plugin: the package is an ordinary one."""
    found = after(
        tmp_path,
        {
            "plugins/pack/__init__.py": BASE + "from .ops import Load\n" + plugin(),
            "plugins/pack/ops.py": OPERATOR,
        },
    )
    assert found["dags/pack/__init__.py"] == "from .ops import Load\n"
    assert "from pack.ops import Load" in found["dags/dag.py"]


def test_a_package_whose_plugin_keeps_a_part_is_split(tmp_path: Path) -> None:
    """Airflow 2 runs __init__.py as "__init__": its relative imports fail there."""
    found = after(
        tmp_path,
        {
            "plugins/pack/__init__.py": BASE
            + "from .ops import Load\nfrom .macros import week\nimport os\n"
            + plugin(more="    macros = [week]\n"),
            "plugins/pack/ops.py": OPERATOR,
            "plugins/pack/macros.py": "def week(ds):\n    return ds\n",
        },
    )
    assert found["plugins/pack/__init__.py"] == (
        "from .ops import Load\nfrom .macros import week\nimport os\n"
    )
    assert found["plugins/pack_plugin.py"].endswith(
        "from airflow.plugins_manager import AirflowPlugin\n"
        "from pack.macros import week\n\n\n"
        "class Own(AirflowPlugin):\n    name = 'own'\n    macros = [week]\n"
    )
    assert "^pack/\n" in found["plugins/.airflowignore"]
    assert "from pack.ops import Load" in found["dags/dag.py"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_ends_no_line_does_not_shift_the_plugin(tmp_path: Path, end: str) -> None:
    """A form feed between classes, and what else ``str.splitlines`` takes for the end of a line."""
    code = '\x0c\nX = "a\x0cb\u2028c"\n\n\ndef week(ds):\n    return ds\n'
    text = BASE + OPERATOR + code + plugin(more="    macros = [week]\n") + "\x0c\nLAST = 1\n"
    repo = made(tmp_path, {"plugins/ours.py": ""})
    (repo / "plugins" / "ours.py").write_bytes(text.replace("\n", end).encode())
    migrate(repo, target="2.11.0", output=tmp_path / "out", offline=True)
    plugins = tmp_path / "out" / "plugins"
    rest, taken = ((plugins / n).read_bytes().decode() for n in ("ours.py", "ours_plugin.py"))
    assert rest == (OPERATOR + code + "\x0c\nLAST = 1\n").replace("\n", end)
    assert taken.endswith(
        "from ours import week\n\n\nclass Own(AirflowPlugin):\n    name = 'own'\n"
        "    macros = [week]\n".replace("\n", end)
    )


def test_a_module_that_dags_import_is_not_run_again_as_a_plugin(tmp_path: Path) -> None:
    """The plugin takes along what its body reads, a name that it binds itself too, and remarks."""
    rest = OPERATOR + "\n\ndef week(ds):\n    return ds\n\n\nexecutors = []\n"
    kept = (
        "    macros = [week]\n"
        "    executors = executors + [*macros]\n"
        "    hooks = [w for w in macros]\n\n"
        "    def on_load(cls, *args):\n        print(cls, args)\n"
        "    # menu_links = []\n"
    )
    found = after(tmp_path, {"plugins/own.py": BASE + rest + plugin(more=kept)})
    assert found["plugins/own.py"] == rest
    assert "\nfrom own import executors, week\n" in found["plugins/own_plugin.py"]
    assert found["plugins/own_plugin.py"].endswith("    name = 'own'\n" + kept)
    assert found["plugins/.airflowignore"].endswith("^own\\.py$\n")
    assert "from own import Load" in found["dags/dag.py"]


@pytest.mark.parametrize(
    ("path", "home"),
    [
        ("plugins/json.py", "json_plugin"),
        ("plugins/airflow/load.py", "airflow_plugin.load"),
        ("plugins/redis/load.py", "redis_plugin.load"),
        ("plugins/slack.py", "slack_plugin"),
        ("plugins/yaml/load.py", "yaml_plugin.load"),
        ("plugins/my-plugin.py", "my_plugin"),
        ("plugins/my-plugin/1load.py", "my_plugin.plugin_1load"),
        ("plugins/__init__.py", "own_plugin"),
        ("plugins/dag.py", "dag_plugin"),
    ],
)
def test_names_that_no_import_reaches_change(tmp_path: Path, path: str, home: str) -> None:
    found = after(tmp_path, {path: BASE + OPERATOR + plugin()})
    assert f"from {home} import Load\n" in found["dags/dag.py"]
    assert found[f"dags/{home.replace('.', '/')}.py"] == OPERATOR


@pytest.mark.parametrize(
    ("importer", "now"),
    [
        ("from airflow.operators import Load", "from own_plugin import Load"),
        ("from airflow.operators.own import Load as L", "from own_plugin import Load as L"),
        (
            "import airflow.operators.own as p\np.Load(task_id='a')",
            "import own_plugin as p\np.Load(task_id='a')",
        ),
        (
            "from airflow.operators import own\nown.Load(task_id='a')",
            "import own_plugin as own\nown.Load(task_id='a')",
        ),
        (
            "import airflow.operators.own\nairflow.operators.own.Load(task_id='a')",
            "import own_plugin\nown_plugin.Load(task_id='a')",
        ),
        ("from airflow.sensors.own import Wait", "from own_plugin import Wait"),
        ("from airflow.operators.own import Wait", "from own_plugin import Wait"),
        ("from airflow.hooks.own import Hook", "from own_plugin import Hook"),
        ("from airflow.hooks import Hook", "from own_plugin import Hook"),
        ("from airflow.macros.own import week", "from own_plugin import week"),
        ("from airflow.executors.own import Run", "from own_plugin import Run"),
    ],
)
def test_every_spelling_of_an_importer_follows(tmp_path: Path, importer: str, now: str) -> None:
    body = "".join(f"\n\nclass {n}(object):\n    pass\n" for n in ("Load", "Wait", "Hook", "Run"))
    listed = (
        "    sensors = [Wait]\n    hooks = [Hook]\n    macros = [week]\n    executors = [Run]\n"
    )
    found = after(
        tmp_path,
        {
            "dags/dag.py": f"# DAG airflow\n{importer}\n",
            "plugins/own_plugin.py": BASE
            + body
            + "\n\ndef week(ds):\n    return ds\n"
            + plugin(more=listed),
        },
    )
    assert found["dags/dag.py"] == f"# DAG airflow\n{now}\n"
    registration = found["plugins/own_plugin_registration.py"]
    assert "operators" not in registration
    assert "sensors" not in registration
    assert "hooks = [Hook]\n    macros = [week]\n    executors = [Run]\n" in registration


@pytest.mark.parametrize(
    ("imports", "listed"),
    [
        ("from ops.load import Load\nALL = [Load]\n", "ALL"),
        ("from ops.load import Load\n", "[] + [Load]"),
        ("from ops.load import Load\n", "list([Load])"),
        ("from ops import *\n", "[Load]"),
        ("from ops import Load\n", "(Load,)"),
        ("import ops.load\n", "[ops.load.Load]"),
        ("from ops import ALL\n", "ALL"),
    ],
)
def test_lists_and_re_exports_lead_to_the_class(tmp_path: Path, imports: str, listed: str) -> None:
    found = after(
        tmp_path,
        {
            "plugins/own.py": BASE + imports + plugin(listed),
            "plugins/ops/__init__.py": "from ops.load import Load\nALL = [Load]\n",
            "plugins/ops/load.py": OPERATOR,
        },
    )
    assert "from ops.load import Load\n" in found["dags/dag.py"]


def test_what_stands_in_both_folders_is_there_once(tmp_path: Path) -> None:
    found = after(
        tmp_path,
        {
            "plugins/own.py": BASE + "from ops.load import Load\n" + plugin(),
            "plugins/ops/load.py": OPERATOR,
            "dags/ops/load.py": OPERATOR,
        },
    )
    assert {p for p in found if p.endswith("load.py")} == {"dags/ops/load.py"}


def test_what_would_meet_another_file_stays_in_the_plugins_folder(tmp_path: Path) -> None:
    """A package must not become one with a folder of the DAGs' that is called the same."""
    found = after(
        tmp_path,
        {
            "plugins/own.py": BASE + "from pack.load import Load\n" + plugin(),
            "plugins/pack/__init__.py": "",
            "plugins/pack/load.py": OPERATOR,
            "dags/pack/load.py": "X = 1\n",
        },
    )
    assert found["dags/pack/load.py"] == "X = 1\n"
    assert [n for n in found if n.endswith("/load.py") and found[n] == OPERATOR] == [
        "plugins/pack/load.py"
    ]


def test_what_cannot_be_read_stays_with_all_beside_it(tmp_path: Path) -> None:
    """Nobody knows what it imports."""
    found = after(
        tmp_path,
        {
            "plugins/own.py": BASE + "from pack.load import Load\n" + plugin(),
            "plugins/pack/__init__.py": "",
            "plugins/pack/load.py": OPERATOR,
            "plugins/pack/old.py": "print 'airflow'\n",
        },
    )
    assert {n for n in found if "/pack/" in n} == {
        "plugins/pack/__init__.py",
        "plugins/pack/load.py",
        "plugins/pack/old.py",
    }


def test_a_name_that_the_repository_imports_is_reachable(tmp_path: Path) -> None:
    """As ``redis`` here, which the target's packages have: its DAGs load it today."""
    dag = DAG + "import redis.load\n"
    found = after(
        tmp_path, {"plugins/redis/load.py": BASE + OPERATOR + plugin(), "dags/dag.py": dag}
    )
    assert "dags/redis/load.py" in found


def test_an_ignore_file_keeps_how_its_lines_end(tmp_path: Path) -> None:
    repo = made(tmp_path, {"plugins/own_plugin.py": BASE + OPERATOR + plugin()})
    (repo / "dags" / ".airflowignore").write_bytes(b"^old/\r\n")
    migrate(repo, target="2.11.0", output=tmp_path / "out", offline=True)
    ignored = (tmp_path / "out" / "dags" / ".airflowignore").read_bytes()
    assert ignored.startswith(b"^old/\r\n")
    assert ignored.endswith(b"^own_plugin\\.py$\r\n")
    assert ignored.count(b"\n") == ignored.count(b"\r\n")


def test_a_repository_that_2_runs_as_it_is_stays(tmp_path: Path) -> None:
    files = {
        "dags/dag.py": "# DAG airflow\nfrom own import week\n",
        "plugins/own.py": BASE
        + "\n\ndef week(ds):\n    return ds\n"
        + "\n\nclass Own(AirflowPlugin):\n    name = 'own'\n    macros = [week]\n",
    }
    assert after(tmp_path, files) == files


def test_an_existing_ignore_file_gains_a_line(tmp_path: Path) -> None:
    found = after(
        tmp_path,
        {
            "plugins/own_plugin.py": BASE + OPERATOR + plugin(),
            "dags/.airflowignore": "helpers\r\n",
            "airflow.cfg": "[core]\ndag_ignore_file_syntax = glob\n",
        },
    )
    rows = found["dags/.airflowignore"].splitlines()
    assert rows[0] == "helpers"
    assert rows[-1] == "/own_plugin.py"


@pytest.mark.parametrize("write", [False, True])
def test_git_takes_the_moves(tmp_path: Path, write: bool) -> None:
    """The diff, or --write, makes of the tree what --output holds."""
    repo = made(
        tmp_path,
        {
            "plugins/own.py": BASE + "from ops.load import Load\n" + plugin(),
            "plugins/ops/__init__.py": "",
            "plugins/ops/load.py": OPERATOR,
            "plugins/pack/__init__.py": BASE
            + "from .macros import week\n\n\nclass Pack(AirflowPlugin):\n"
            + "    name = 'pack'\n    macros = [week]\n",
            "plugins/pack/macros.py": "def week(ds):\n    return ds\n",
        },
    )
    (repo / "plugins/ops/load.py").chmod(0o755)
    git = shutil.which("git") or "git"
    out = tmp_path / "out"
    done = migrate(repo, target="2.11.0", output=out, offline=True)
    if write:
        migrate(repo, target="2.11.0", write=True, allow_dirty=True, offline=True)
    else:
        diff = "\n".join(lines(done, "text", diff=True)) + "\n"
        subprocess.run([git, "apply", "-"], input=diff.encode(), cwd=repo, check=True)
    trees = [
        {p.relative_to(t).as_posix(): p.read_bytes() if p.is_file() else b"" for p in t.rglob("*")}
        for t in (repo, out)
    ]
    assert trees[0] == trees[1]
    assert "plugins/pack_plugin.py" in trees[0]
    assert "plugins/ops" not in trees[0], "no empty folder is left"
    modes = [(t / "dags/ops/load.py").stat().st_mode & 0o777 for t in (repo, out)]
    assert modes == [0o755, 0o755]


def test_nothing_is_written_through_a_link_that_leads_out(tmp_path: Path) -> None:
    texts = {"plugins/own.py": BASE + "from ops.load import Load\n" + plugin()}
    repo = made(tmp_path, texts | {"plugins/ops/load.py": OPERATOR})
    outside = tmp_path / "outside"
    outside.mkdir()
    (repo / "dags/ops").symlink_to(outside)
    done = migrate(repo, target="2.11.0", write=True, allow_dirty=True, offline=True)
    assert {w.path: w.error for w in done.written if w.error} == {
        "dags/ops/load.py": "a link on the way there leads out of the repository"
    }
    assert not list(outside.iterdir())
    assert (repo / "plugins/ops/load.py").read_text() == OPERATOR


def zipped(folder: Path, members: dict[str, str]) -> Path:
    repo = made(folder, {})
    with zipfile.ZipFile(repo / "plugins.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return repo


def test_plugins_zip_is_made_anew(tmp_path: Path) -> None:
    """What DAGs import moves out of it, what the plugin keeps stays in it; nothing is unpacked."""
    repo = zipped(
        tmp_path,
        {
            "own.py": BASE
            + "from ops.load import Load\nfrom macro import week\n"
            + plugin(more="    macros = [week]\n"),
            "macro.py": "def week(ds):\n    return ds\n",
            "ops/load.py": OPERATOR,
        },
    )
    before = (repo / "plugins.zip").read_bytes()
    done = migrate(repo, target="2.11.0", offline=True)
    assert (repo / "plugins.zip").read_bytes() == before
    assert {e.path for e in done.rewrites if e.diff} == {
        "dags/dag.py",
        "dags/ops/load.py",
        "dags/.airflowignore",
    }
    assert "plugins.zip" in {e.path for e in done.rewrites}

    written = migrate(repo, target="2.11.0", write=True, allow_dirty=True, offline=True).written

    assert [w for w in written if w.error] == []
    with zipfile.ZipFile(repo / "plugins.zip") as archive:
        assert set(archive.namelist()) == {"own.py", "macro.py", ".airflowignore"}
        assert b"operators" not in archive.read("own.py")
    assert (repo / "dags/ops/load.py").read_text() == OPERATOR
    assert "from ops.load import Load" in (repo / "dags/dag.py").read_text()
    assert not (repo / "plugins").exists()


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "..\\evil.py"])
def test_an_archive_that_leads_out_is_not_unpacked(tmp_path: Path, name: str) -> None:
    repo = zipped(tmp_path, {name: "x = 1\n"})
    out = tmp_path / "out"
    done = migrate(repo, target="2.11.0", output=out, offline=True)
    assert "plugins.zip" not in {e.path for e in done.rewrites}
    assert not list(tmp_path.rglob("evil.py"))
    assert (out / "plugins.zip").read_bytes() == (repo / "plugins.zip").read_bytes()


def test_a_plugin_that_a_distribution_gives_keeps_its_class(tmp_path: Path) -> None:
    """setup.py names it; the DAGs import what it registered from the package."""
    setup = "setup(name='own', entry_points={'airflow.plugins': ['own = own_pkg.plugin:Own']})\n"
    text = BASE + "from own_pkg.load import Load\n" + plugin()
    package = {"own_pkg/__init__.py": "", "own_pkg/load.py": OPERATOR, "own_pkg/plugin.py": text}
    files = {f"libs/{name}": text for name, text in package.items()}
    found = after(tmp_path, {**files, "libs/setup.py": setup})
    assert "from own_pkg.load import Load\n" in found["dags/dag.py"]
    assert "class Own(AirflowPlugin):\n    name = 'own'\n" in found["libs/own_pkg/plugin.py"]
    assert "operators" not in found["libs/own_pkg/plugin.py"]


def test_a_plugin_that_another_file_imports_keeps_its_class(tmp_path: Path) -> None:
    test = "from own import Own\n\n\ndef test_name():\n    assert Own.name == 'own'\n"
    found = after(
        tmp_path, {"plugins/own.py": BASE + OPERATOR + plugin(), "tests/test_own.py": test}
    )
    assert any("class Own(AirflowPlugin)" in text for text in found.values())


def test_a_plugin_whose_name_another_module_has(tmp_path: Path) -> None:
    text = BASE + "import own_names\n" + OPERATOR + plugin().replace("'own'", "own_names.NAME")
    found = after(tmp_path, {"plugins/p.py": text, "plugins/own_names.py": "NAME = 'own'\n"})
    assert "from p import Load\n" in found["dags/dag.py"]
