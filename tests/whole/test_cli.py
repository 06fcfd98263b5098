"""The command line without any Airflow: help, listings, errors and exit codes."""

import contextlib
import io
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cli, report
from harness.targets import load_targets


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command, in this process: starting another takes longer than most of what it does."""
    argv = ["mwaa-harness", *map(str, arguments)]
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    with (
        pytest.MonkeyPatch.context() as patched,
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
    ):
        patched.setattr(sys, "argv", argv)
        code = cli._run()
    for stream in streams:
        stream.seek(0)
    return subprocess.CompletedProcess(argv, code, streams[0].read(), streams[1].read())


def test_help_is_quick_and_names_every_command() -> None:
    argv = [sys.executable, "-W", "error", "-m", "harness", "--help"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    for command in ("check", "migrate", "explain", "targets", "doctor", "requirements", "init"):
        assert f"\n  {command} " in done.stdout
    # The promise is 0.3 s; a loaded machine gets three times as much before this test complains.
    assert after.ru_utime - before.ru_utime < 0.9


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, harness.cli; heavy = ('libcst', 'rich', 'jinja2', 'msgspec', 'codemods');"
        "print([module for module in heavy if module in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_targets_lists_every_row() -> None:
    done = run("targets")
    assert done.returncode == 0
    for row in load_targets():
        assert f"\n{row.airflow} " in f"\n{done.stdout}"
    assert "default target" in done.stdout


def test_unknown_target_says_which_exist(stories: Path) -> None:
    done = run("check", stories / "movie_list" / "before", "--target", "2.12.0")
    assert done.returncode == 2
    assert "2.12.0" in done.stderr
    assert "2.11.0" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["not-there", "file.txt", "empty"])
def test_not_a_repository(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").write_text("no folder")
    (tmp_path / "empty").mkdir()
    done = run("check", tmp_path / name)
    assert done.returncode == 2
    assert str(tmp_path / name) in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_check_is_wrong_usage(stories: Path) -> None:
    done = run("check", stories / "movie_list" / "before", "--only", "structure-survive")
    assert done.returncode == 2
    assert "structure-survives" in done.stderr


@pytest.mark.parametrize(("option", "version"), [("--target", "1.10.15"), ("--bridge", "2.5.1")])
def test_versions_on_the_wrong_side(stories: Path, option: str, version: str) -> None:
    done = run("check", stories / "movie_list" / "before", option, version)
    assert done.returncode == 2
    assert f"Airflow {version} cannot be the {option.removeprefix('--')}" in done.stderr


def test_an_ignored_rule_must_exist(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "d.py").write_text("from airflow import DAG\n")
    ignored = 'ignore = [{ rule = "python2-syntx", reason = "old" }]'
    (tmp_path / "mwaa-harness.toml").write_text(ignored)
    done = run("check", tmp_path)
    assert done.returncode == 2
    assert "python2-syntax" in done.stderr


def test_unknown_rule_names_the_nearest() -> None:
    done = run("explain", "python2-syntx")
    assert done.returncode == 2
    assert "python2-syntax" in done.stderr


def test_explain_lists_and_explains() -> None:
    assert "structure-survives" in run("explain").stdout
    assert "python2-syntax" in run("explain", "python2-syntax").stdout


def test_what_an_error_quotes_is_only_text(tmp_path: Path) -> None:
    done = run("migrate", tmp_path / "\x1b[2J\n::stop-commands::x\n")
    assert done.returncode == 2
    assert "\\x1b[2J\n: :stop-commands::x" in done.stderr


def test_the_option_offers_every_format_that_there_is() -> None:
    assert tuple(report.FORMATS) == cli.options.FORMATS


def test_malformed_constraints_option(stories: Path) -> None:
    done = run("check", stories / "movie_list" / "before", "--constraints", "2.11.0")
    assert done.returncode == 2
    assert "VERSION=FILE" in done.stderr


def test_migrate_prints_a_diff_that_git_takes(stories: Path, tmp_path: Path) -> None:
    repo = stories / "movie_list" / "before"
    done = run("migrate", repo, "--target", "2.11.0", "--offline")
    assert done.returncode == 0, done.stderr
    copy = tmp_path / "copy"
    applied = run("migrate", repo, "--target", "2.11.0", "--offline", "--output", copy)
    assert applied.returncode == 0, applied.stderr
    subprocess.run(["cp", "-r", repo, tmp_path / "by-git"], check=True)
    subprocess.run(
        ["git", "apply", "--unsafe-paths", "-"],
        input=done.stdout,
        text=True,
        check=True,
        cwd=tmp_path / "by-git",
    )
    for path in copy.rglob("*"):
        if path.is_file():
            twin = tmp_path / "by-git" / path.relative_to(copy)
            assert path.read_bytes() == twin.read_bytes(), path


def test_migrate_write_wants_a_clean_git_tree(stories: Path, tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    subprocess.run(["cp", "-r", stories / "yaml_factory" / "before", repo], check=True)
    source = repo / "dags" / "factory.py"
    before = source.read_bytes()

    refused = run("migrate", repo, "--write", "--offline")
    assert refused.returncode == 2
    assert "--allow-dirty" in refused.stderr
    assert source.read_bytes() == before

    git = ["git", "-C", repo, "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for step in (["init", "-q"], ["add", "."], ["commit", "-qm", "before"]):
        subprocess.run([*git, *step], check=True)
    written = run("migrate", repo, "--write", "--offline")
    assert written.returncode == 0, written.stderr
    assert b"airflow.operators.bash_operator" not in source.read_bytes()

    again = run("migrate", repo, "--allow-dirty", "--offline")
    assert again.stdout.strip() == "", "a second rewrite found something left to do"


def test_readme_and_ci_say_the_same_command(root: Path) -> None:
    commands = [
        line.strip() for line in (root / "README.md").read_text().splitlines() if "tox &&" in line
    ]
    assert len(commands) == 1
    assert commands[0] in (root / ".ci" / "run").read_text()


def test_migrate_says_a_piece_of_advice_once(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "dag.py").write_text("from airflow import DAG\n")
    (tmp_path / "requirements.txt").write_text("boto3==1.10.0\nrequests==2.23.0\n")
    done = run("migrate", str(tmp_path), "--target", "2.11.0", "--diff")
    lines = done.stderr.splitlines()
    pins = [i for i, line in enumerate(lines) if "requirements-pin" in line]
    assert pins == [pins[0], pins[0] + 1]
    assert [line for line in lines if "Ask for the version of the constraints" in line] == [
        lines[pins[1] + 1]
    ]
