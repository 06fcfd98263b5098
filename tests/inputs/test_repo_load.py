"""harness.repo on small trees: what is found, what is named as a problem, what is an error."""

import os
import socket
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import repo as repos
from harness.errors import HarnessError, UsageError
from harness.model import Config, Repo

DAG = "from airflow import DAG\n"


def make(root: Path, *names: str, **texts: str) -> Path:
    """Files with a DAG's two words in them, or with the text given."""
    for name, text in {**dict.fromkeys(names, DAG), **texts}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


def load(root: Path, **settings: object) -> Repo:
    return repos.load(root, config=Config(**settings))  # type: ignore[arg-type]


# ------------------------------------------------------------------------------ what is where


def test_a_repository_with_everything(tmp_path: Path) -> None:
    names = ["requirements.txt", "startup.sh", "airflow.cfg", "plugins/p.py", "README.md"]
    make(tmp_path, "dags/a.py", "dags/sub/b.py", **dict.fromkeys(names, ""))
    repo = load(tmp_path)
    assert repo.root == tmp_path.resolve()
    assert (repo.dags, repo.plugins, repo.requirements, repo.startup, repo.airflow_cfg) == (
        "dags",
        "plugins",
        "requirements.txt",
        "startup.sh",
        "airflow.cfg",
    )
    assert repo.dag_files == ("dags/a.py", "dags/sub/b.py")
    assert repo.files == tuple(sorted(["dags/a.py", "dags/sub/b.py", *names]))
    assert not repo.problems


@pytest.mark.parametrize(
    ("field", "place"),
    [
        ("requirements", "dags/requirements.txt"),
        ("requirements", "requirements/requirements.txt"),
        ("startup", "startup/startup.sh"),
        ("startup", "startup_script/startup.sh"),
    ],
)
def test_companions_in_other_places(tmp_path: Path, field: str, place: str) -> None:
    make(tmp_path, "dags/a.py", **{place: ""})
    assert getattr(load(tmp_path), field) == place


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"requirements-airflow.txt": "six\n"}, "requirements-airflow.txt"),
        ({"requirements/base.txt": "", "requirements/dev.txt": ""}, "requirements/base.txt"),
        ({"a_requirements.txt": "", "docker/requirements.txt": "Apache-Airflow[s3]==1.10.9\n"},
         "docker/requirements.txt"),
        ({"a_requirements.txt": "", "requirements_b.txt": ""}, None),
        ({"lambdas/x/requirements.txt": "apache-airflow-providers-http\n"}, None),
        ({"requirements-test.txt": "apache-airflow==1.10.9\n", "notes.txt": ""}, None),
    ],
)  # fmt: skip
def test_requirements_of_another_name(
    tmp_path: Path, files: dict[str, str], found: str | None
) -> None:
    """The one that asks for Airflow, else the only one beside the DAG folder."""
    make(tmp_path, "dags/a.py", **files)
    assert load(tmp_path).requirements == found


def test_the_root_comes_before_other_places(tmp_path: Path) -> None:
    make(tmp_path, "dags/a.py", **{"dags/requirements.txt": "", "requirements.txt": ""})
    assert load(tmp_path).requirements == "requirements.txt"


def test_a_folder_that_is_the_dags_folder(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "plugins/p.py", **{"requirements.txt": ""})
    repo = load(tmp_path)
    assert (repo.dags, repo.plugins, repo.dag_files) == (".", "plugins", ("a.py",))
    assert repo.requirements == "requirements.txt"


def test_the_one_nested_dags_folder_is_found_with_its_neighbours(tmp_path: Path) -> None:
    make(
        tmp_path,
        "airflow/dags/a.py",
        "tests/dags/t.py",
        "setup.py",
        **{"airflow/plugins/p.py": DAG + "DAG('p')\n", "requirements.txt": ""},
    )
    repo = load(tmp_path)
    assert (repo.dags, repo.plugins) == ("airflow/dags", "airflow/plugins")
    assert repo.requirements == "requirements.txt"
    assert repo.dag_files == ("airflow/dags/a.py",)


def test_two_nested_dags_folders_must_be_chosen_from(tmp_path: Path) -> None:
    make(tmp_path, "a/dags/x.py", "b/dags/y.py")
    with pytest.raises(UsageError, match=r"several DAG folders: a/dags, b/dags"):
        load(tmp_path)
    assert load(tmp_path, dags="b/dags").dag_files == ("b/dags/y.py",)


def test_a_nested_dags_folder_does_not_hide_dags_outside_of_it(tmp_path: Path) -> None:
    make(tmp_path, "team/dags/x.py", **{"top.py": DAG + "DAG('x')\n"})
    assert load(tmp_path).dag_files == ("team/dags/x.py", "top.py")


@pytest.mark.parametrize("key", ["dags", "plugins"])
@pytest.mark.parametrize(("value", "why"), [("nowhere", "no such folder"), ("..", "outside")])
def test_configured_folders_are_checked(tmp_path: Path, key: str, value: str, why: str) -> None:
    make(tmp_path, "dags/a.py")
    with pytest.raises(UsageError, match=f"{key} = '{value}'.*{why}"):
        load(tmp_path, **{key: value})


def test_plugins_zip_is_a_problem(tmp_path: Path) -> None:
    make(tmp_path, "dags/a.py", **{"plugins.zip": ""})
    repo = load(tmp_path)
    assert repo.plugins is None
    assert "unpack it" in repo.problems["plugins.zip"]


# ------------------------------------------------------------------------------- hard to read


def test_folders_that_are_nobodys_code_are_left_out(tmp_path: Path) -> None:
    skipped = [".git/x.py", "dags/__pycache__/a.cpython-37.pyc", "dags/.tox/x.py", "dags/b.pyc"]
    skipped += ["dags/node_modules/x.py", "env/pyvenv.cfg", "env/lib/x.py"]
    make(tmp_path, "dags/a.py", "dags/.hidden/h.py", *skipped)
    assert load(tmp_path).files == ("dags/.hidden/h.py", "dags/a.py")


def test_links_inside_are_followed_and_loops_are_named(tmp_path: Path) -> None:
    make(tmp_path, "dags/a.py", "shared/b.py")
    (tmp_path / "dags/shared").symlink_to("../shared")
    (tmp_path / "dags/c.py").symlink_to("a.py")
    (tmp_path / "dags/up").symlink_to("..")
    (tmp_path / "dags/self").symlink_to("self")
    (tmp_path / "dags/broken").symlink_to("nowhere")
    repo = load(tmp_path)
    assert repo.dag_files == ("dags/a.py", "dags/c.py", "dags/shared/b.py")
    assert "a folder that holds it" in repo.problems["dags/up"]
    assert "links to itself" in repo.problems["dags/self"]
    assert "No such file" in repo.problems["dags/broken"]


def test_links_to_the_outside_are_named_and_not_copied(tmp_path: Path) -> None:
    root = make(tmp_path / "repo", "dags/a.py")
    outside = make(tmp_path / "repo-outside", "secret.py")
    (root / "dags/out").symlink_to(outside)
    (root / "dags/out.py").symlink_to(outside / "secret.py")
    repo = load(root)
    assert repo.files == ("dags/a.py",)
    assert set(repo.problems) == {"dags/out", "dags/out.py"}


def test_a_dags_folder_that_links_outside_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    make(tmp_path / "elsewhere", "a.py")
    (tmp_path / "repo/dags").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="outside of the repository"):
        load(tmp_path / "repo")


def test_links_that_multiply_end_in_an_error_and_not_in_a_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repos, "MAX_FILES", 2_000)
    folders = [tmp_path / "dags" / str(n) for n in range(9)]
    for folder in folders:
        folder.mkdir(parents=True)
        for n in range(9):
            (folder / f"to{n}").symlink_to(folders[n])
    with pytest.raises(UsageError, match=r"more than 2,000 files"):
        load(tmp_path)


def test_what_is_no_file_is_never_opened(tmp_path: Path) -> None:
    make(tmp_path, "dags/a.py")
    os.mkfifo(tmp_path / "dags/fifo.py")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "dags/s.py"))
        repo = load(tmp_path)
    assert repo.dag_files == ("dags/a.py",)
    assert set(repo.problems) == {"dags/fifo.py", "dags/s.py"}


def test_names_that_are_no_text_are_named(tmp_path: Path) -> None:
    make(tmp_path, "dags/a.py", "dags/grüße 你好.py")
    (tmp_path / "dags" / os.fsdecode(b"\xff.py")).write_text(DAG)
    repo = load(tmp_path)
    assert repo.dag_files == ("dags/a.py", "dags/grüße 你好.py")
    assert list(repo.problems) == ["dags/\\udcff.py"]


def test_unreadable_files_and_folders_are_named(tmp_path: Path) -> None:
    root = make(tmp_path / "r", "dags/a.py", "dags/b.py", "dags/closed/c.py")
    (root / "dags/b.py").chmod(0)
    (root / "dags/closed").chmod(0)
    for folder in (root, *root.parents):
        if folder != Path("/") and folder.is_relative_to(tmp_path.parents[2]):
            folder.chmod(0o755)
    try:
        dag_files, problems = _as_nobody(root)
    finally:
        (root / "dags/closed").chmod(0o755)
    assert dag_files == "dags/a.py"
    assert problems == "dags/b.py dags/closed"


def _as_nobody(root: Path) -> tuple[str, str]:
    """Load in a child without root's rights, which read everything."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        text = "failed\nfailed"
        try:
            if not os.getuid():
                os.setuid(65534)
            repo = load(root)
            text = f"{' '.join(repo.dag_files)}\n{' '.join(sorted(repo.problems))}"
        finally:
            os.write(theirs, text.encode())
            os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    with os.fdopen(ours) as stream:
        dag_files, problems = stream.read().split("\n")
    return dag_files, problems


# ----------------------------------------------------------------------------------- errors


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        load(tmp_path / "missing")


def test_not_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a folder"):
        load(make(tmp_path, "a.py") / "a.py")


def test_a_root_that_links_to_itself(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="loop"):
        load(tmp_path / "loop")


def test_no_dag_says_what_was_looked_for(tmp_path: Path) -> None:
    make(tmp_path, "dags/ignored.py", "lib/x.py", **{"dags/helper.py": "x = 1"})
    make(tmp_path, **{"dags/.airflowignore": "ignored"})
    with pytest.raises(UsageError) as caught:
        load(tmp_path)
    assert "2 .py files seen; 1 do not hold both words" in caught.value.message
    assert "1 are ruled out by .airflowignore" in caught.value.message
    assert "lib" in caught.value.hint


def test_an_empty_folder_has_no_dag(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no DAG file in it"):
        load(tmp_path)


# ------------------------------------------------------------------------------ .airflowignore


def test_rules_hold_for_their_folder_and_below(tmp_path: Path) -> None:
    make(tmp_path, "dags/one/x.py", "dags/one/deep/x.py", "dags/two/x.py", "dags/y.py")
    make(tmp_path, **{"dags/one/.airflowignore": "x\\.py  # not these\n\n# only a comment\n"})
    assert load(tmp_path).dag_files == ("dags/two/x.py", "dags/y.py")


def test_a_file_that_only_one_generation_ignores_is_kept_and_named(tmp_path: Path) -> None:
    make(tmp_path, "dags/old/a.py", "dags/b.py", **{"dags/.airflowignore": "^old/\n"})
    repo = load(tmp_path)
    assert repo.dag_files == ("dags/b.py", "dags/old/a.py")
    assert "Airflow 2 passes over it" in repo.problems["dags/old/a.py"]


def test_a_lower_case_dag_counts_for_the_second_generation(tmp_path: Path) -> None:
    make(tmp_path, **{"dags/a.py": "from airflow.decorators import dag"})
    repo = load(tmp_path)
    assert repo.dag_files == ("dags/a.py",)
    found = repos.list_dag_files(tmp_path, "dags", repo.files, generation=repos.FIRST)
    assert found == ()


@pytest.mark.parametrize("setting", ["airflow.cfg", "env"])
def test_glob_syntax(tmp_path: Path, setting: str) -> None:
    make(tmp_path, "dags/a.py", "dags/tmp/x.py", "dags/tmp/keep.py", "dags/x/y/z.py")
    make(tmp_path, **{"dags/.airflowignore": "tmp/*\n!keep.py\n**/z.py\n/\n!\n"})
    env = {}
    if setting == "env":
        env = {"AIRFLOW__CORE__DAG_IGNORE_FILE_SYNTAX": "glob"}
    else:
        make(tmp_path, **{"airflow.cfg": "[core]\ndag_ignore_file_syntax = glob\n"})
    repo = load(tmp_path, env=env)
    assert repo.dag_files == ("dags/a.py", "dags/tmp/keep.py")
    assert "no glob pattern" in repo.problems["dags/.airflowignore"]


def test_safe_mode_can_be_off(tmp_path: Path) -> None:
    make(tmp_path, **{"dags/a.py": "import factory"})
    make(tmp_path, **{"airflow.cfg": "[core]\ndag_discovery_safe_mode = False\n"})
    assert load(tmp_path).dag_files == ("dags/a.py",)


@pytest.mark.parametrize(
    ("line", "why"),
    [("*.py", "no regular expression"), ("(?!x)", "cannot read the pattern"), (r"(a)\1", "cannot")],
)
def test_patterns_that_one_generation_refuses(tmp_path: Path, line: str, why: str) -> None:
    make(tmp_path, "dags/aa.py", **{"dags/.airflowignore": line})
    repo = load(tmp_path)
    assert repo.dag_files == ("dags/aa.py",)
    assert why in repo.problems["dags/.airflowignore"]


@pytest.mark.parametrize("setting", ["regexp", "glob"])
def test_a_pattern_without_end_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setattr(repos, "MATCH_SECONDS", 0.05)
    long = "a" * 60
    line = {"regexp": "(a+)+$", "glob": "*a" * 30 + "c"}[setting]
    make(tmp_path, f"dags/{long}.py", "dags/b.py", **{"dags/.airflowignore": f"{line}\nb\\.py\n"})
    repo = load(tmp_path, env={"AIRFLOW__CORE__DAG_IGNORE_FILE_SYNTAX": setting})
    assert f"dags/{long}.py" in repo.dag_files
    assert "backtracks without end" in repo.problems["dags/.airflowignore"]


def test_an_ignore_file_or_configuration_that_is_no_text(tmp_path: Path) -> None:
    make(tmp_path, "dags/a.py")
    (tmp_path / "dags/.airflowignore").write_bytes(b"\xff")
    (tmp_path / "airflow.cfg").write_bytes(b"key without section\n\xff")
    assert set(load(tmp_path).problems) == {"dags/.airflowignore", "airflow.cfg"}


def test_zip_files_are_dag_files_by_content_and_broken_ones_are_named(tmp_path: Path) -> None:
    make(tmp_path, "dags/a.py", **{"dags/broken.zip": "PK?"})
    for name in ("packed.zip", "packed.dat", "packed.py"):
        with zipfile.ZipFile(tmp_path / "dags" / name, "w") as archive:
            archive.writestr("inner.py", DAG)
    repo = load(tmp_path)
    assert repo.dag_files == ("dags/a.py", "dags/packed.dat", "dags/packed.py", "dags/packed.zip")
    assert set(repo.problems) == {"dags/broken.zip"}


@given(st.lists(st.text("ab.*/!#\\[^(? ", max_size=6), max_size=4), st.booleans())
def test_no_ignore_file_breaks_the_listing(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], glob: bool
) -> None:
    root = make(tmp_path_factory.mktemp("repo"), "dags/ab.py", "dags/a/b.py", "dags/z.py")
    make(root, **{"dags/.airflowignore": "\n".join(lines)})
    files = ("dags/.airflowignore", "dags/a/b.py", "dags/ab.py", "dags/z.py")
    for generation in (repos.FIRST, repos.SECOND):
        found = repos.list_dag_files(root, "dags", files, generation=generation, glob=glob)
        assert set(found) <= set(files)
        if not any(lines):
            assert found == files[1:]


# ----------------------------------------------------------------------------------- copying


def test_a_copy_holds_the_same_and_the_original_is_untouched(tmp_path: Path) -> None:
    root = make(tmp_path / "repo", "dags/a.py", "dags/sub/b.py", **{"startup.sh": "echo"})
    (root / "startup.sh").chmod(0o555)
    (root / "dags/link.py").symlink_to("a.py")
    before = repos.tree_hash(root)
    copy = repos.copy_tree(load(root), tmp_path / "copy")
    assert repos.tree_hash(root) == before
    assert copy.root == (tmp_path / "copy").resolve()
    assert copy.files == ("dags/a.py", "dags/link.py", "dags/sub/b.py", "startup.sh")
    assert copy.dag_files == ("dags/a.py", "dags/link.py", "dags/sub/b.py")
    assert not (copy.root / "dags/link.py").is_symlink()
    assert stat.S_IMODE((copy.root / "startup.sh").stat().st_mode) == 0o755
    for name in copy.files:
        assert (copy.root / name).read_bytes() == (root / name).read_bytes()


def test_what_vanishes_before_the_copy_is_named(tmp_path: Path) -> None:
    root = make(tmp_path / "repo", "dags/a.py", "dags/b.py", "dags/c.py")
    repo = load(root)
    (root / "dags/b.py").unlink()
    (root / "dags/c.py").unlink()
    os.mkfifo(root / "dags/c.py")
    copy = repos.copy_tree(repo, tmp_path / "copy")
    assert copy.dag_files == copy.files == ("dags/a.py",)
    assert set(copy.problems) == {"dags/b.py", "dags/c.py"}


def test_a_copy_never_goes_into_the_repository(tmp_path: Path) -> None:
    repo = load(make(tmp_path, "dags/a.py"))
    with pytest.raises(UsageError, match="never written to"):
        repos.copy_tree(repo, tmp_path / "dags" / "copy")


def test_a_copy_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    repo = load(make(tmp_path / "repo", "dags/a.py"))
    (tmp_path / "full").write_text("")
    with pytest.raises(HarnessError, match="Cannot write"):
        repos.copy_tree(repo, tmp_path / "full")


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "dags/a.py").write_text(DAG),
        lambda root: (root / "dags/a.py").chmod(0o600),
        lambda root: (root / "dags/new").symlink_to("a.py"),
        lambda root: (root / "dags/__pycache__").mkdir(),
        lambda root: (root / "dags/a.py").rename(root / "dags/b.py"),
    ],
    ids=["same text written", "mode", "link", "folder", "renamed"],
)
def test_the_hash_sees_every_write(tmp_path: Path, change: object) -> None:
    root = make(tmp_path, "dags/a.py")
    os.utime(root / "dags/a.py", ns=(1, 1))
    before = repos.tree_hash(root)
    assert repos.tree_hash(root) == before
    change(root)  # type: ignore[operator]
    assert repos.tree_hash(root) != before
