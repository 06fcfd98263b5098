"""Resolution with the real uv over wheels on disk: no network, no Airflow."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest
from requirement_sets import constraints, repo_on_disk, target

from harness.model import Repo, Resolution, Side
from harness.requirements import resolve as room
from harness.requirements.resolve import resolve

WHEELS = "/usr/local/airflow/plugins/wheels"
INDEX = f"--no-index\n--find-links {WHEELS}\n"
IMAGE = {"apache-airflow": "2.5.1", "lib": "1.0"}


def wheel(folder: Path, name: str, version: str, *needs: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            f"{info}/METADATA", metadata + "".join(f"Requires-Dist: {n}\n" for n in needs)
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        archive.writestr(f"{info}/RECORD", "")
    return file.name


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    wheels = tmp_path / "repo" / "plugins" / "wheels"
    for version in ("1.0", "1.5", "2.0", "3.0rc1"):
        wheel(wheels, "lib", version)
    wheel(wheels, "app", "1.0", "lib<2")
    wheel(wheels, "newer", "1.0", "lib>=2")
    wheel(wheels, "early", "1.0rc1")
    files = {"requirements.txt": "", "dags/constraints.txt": "lib==2.0\n"}
    return repo_on_disk(tmp_path / "repo", files)


@pytest.fixture
def ask(repo: Repo, tmp_path: Path):
    def ask(text: str, *, pins: str = "", airflow: str = "2.5.1", **options: object) -> Resolution:
        row = target(airflow, preinstalled=IMAGE, essential=options.pop("essential", {}))
        return resolve(
            INDEX + text,
            **{
                "side": Side.BRIDGE if row.role == "bridge" else Side.TARGET,
                "target": row,
                "constraints": constraints(pins),
                "python": Path(sys.executable),
                "cache": tmp_path / "cache",
                "judge": "uv",
                "repo": repo,
                **options,
            },
        )

    return ask


def test_what_is_installed_stays_when_it_fits(ask) -> None:
    answer = ask("lib\n")
    assert (answer.ok, dict(answer.pins), dict(answer.changed)) == (True, {"lib": "1.0"}, {})


def test_what_the_file_would_change(ask) -> None:
    answer = ask("newer\n")
    assert answer.ok
    assert answer.changed == {"lib": ("1.0", "2.0")}


def test_a_pre_release_is_never_taken_for_want_of_better(ask) -> None:
    answer = ask("lib>2\n")
    assert answer.ok is False
    assert answer.conflicts[0].line == 3


def test_a_pre_release_that_is_asked_for(ask) -> None:
    assert ask("lib==3.0rc1\n").pins == {"lib": "3.0rc1"}


def test_a_conflict_with_the_constraint_file_of_the_repository(ask) -> None:
    answer = ask("-c /usr/local/airflow/dags/constraints.txt\n# app:\napp\n")
    assert answer.ok is False
    (conflict,) = answer.conflicts
    assert (conflict.requirement, conflict.line, conflict.against) == ("app", 5, "lib==2.0")
    assert "dags/constraints.txt" in conflict.message


@pytest.mark.parametrize(
    ("airflow", "text", "ok"),
    [
        ("2.5.1", "app\n", True),  # no constraint line: none are applied
        ("2.7.2", "app\n", False),  # MWAA forces its own
        ("2.7.2", "# -c \napp\n", True),  # ... unless a comment mentions one
        ("1.10.15", "app\n", False),  # the bridge always has its constraints
    ],
)
def test_constraints_as_mwaa_applies_them(ask, airflow: str, text: str, ok: bool) -> None:
    assert ask(text, airflow=airflow, pins="lib==2.0\n").ok is ok


@pytest.mark.parametrize(
    ("line", "ok"),
    [("apache-airflow[gcp]==1.10.9", True), ("apache-airflow", True), ("apache-airflow>=2", False)],
)
def test_the_bridge_stands_for_every_1_10(ask, repo: Repo, line: str, ok: bool) -> None:
    wheel(repo.root / "plugins" / "wheels", "apache_airflow", "1.10.15", "lib")
    assert ask(f"{line}\n", airflow="1.10.15").ok is ok


def test_essential_pins_hold_whatever_the_file_says(ask, repo: Repo) -> None:
    wheel(repo.root / "plugins" / "wheels", "apache_airflow", "2.10.3", "lib")
    answer = ask("# -c \napp\n", airflow="2.10.3", essential={"lib": "2.0"})
    assert answer.ok is False
    assert answer.conflicts[0].against == "lib==2.0"
    assert "essential" in answer.conflicts[0].message


def test_a_constraint_file_of_the_users_own_is_blamed_for_what_it_pins(ask, repo: Repo) -> None:
    """And not the image, whose Airflow the resolver names: it asks for the distribution first."""
    wheel(repo.root / "plugins" / "wheels", "apache_airflow", "2.10.3", "lib")
    named = "-c /usr/local/airflow/dags/constraints.txt\n"
    answer = ask(f"{named}early==1.0rc1\n", airflow="2.10.3", essential={"lib": "1.5"})
    (conflict,) = answer.conflicts
    assert (conflict.requirement, conflict.line, conflict.against) == (
        "lib==2.0 (dags/constraints.txt)",
        3,
        "lib==1.5",
    )
    assert "essential" in conflict.message


def test_included_lines_are_named_by_their_file(ask, repo: Repo) -> None:
    (repo.root / "dags" / "more.txt").write_text("\napp\n")
    answer = ask(
        "-r /usr/local/airflow/dags/more.txt\n-c /usr/local/airflow/dags/constraints.txt\n"
    )
    assert answer.conflicts[0].requirement == "app (dags/more.txt:2)"
    assert answer.conflicts[0].line == 0


def test_a_constraint_line_of_an_included_file_holds_and_is_named(ask, repo: Repo) -> None:
    (repo.root / "dags" / "more.txt").write_text("-c constraints.txt\napp\n")
    (conflict,) = ask("-r /usr/local/airflow/dags/more.txt\n").conflicts
    assert (conflict.against, conflict.line) == ("lib==2.0", 0)
    assert "dags/constraints.txt" in conflict.message


def test_extra_lines_of_the_configuration(ask) -> None:
    assert set(ask("app\n", extra=("early==1.0rc1",)).pins) == {"app", "early", "lib"}


def test_a_missing_file_makes_the_answer_unknown(ask) -> None:
    answer = ask("app\n/usr/local/airflow/plugins/gone-1.0-py3-none-any.whl\n")
    assert answer.ok is None
    assert "gone-1.0" in answer.message
    assert "app" in answer.pins


def test_a_line_that_is_no_requirement(ask) -> None:
    answer = ask("app\nbad bad\n")
    assert answer.ok is False
    assert answer.conflicts[0].line == 4


def test_answers_are_remembered_by_content_for_a_day(ask, monkeypatch) -> None:
    assert not ask("app\n").cached
    assert ask("app\n").cached
    assert not ask("app \n# other\n").cached
    monkeypatch.setattr(room, "FRESH_SECONDS", 0.0)
    assert not ask("app\n").cached
    assert ask("app\n", offline=True).cached


def test_an_unknown_answer_is_not_remembered(ask, repo: Repo) -> None:
    assert ask("-r later.txt\n").ok is None
    (repo.root / "later.txt").write_text("app\n")
    assert ask("-r later.txt\n").ok


def test_no_answer_in_time_is_unknown(ask) -> None:
    answer = ask("app\n", timeout=0.001)
    assert answer.ok is None
    assert "within" in answer.message


@pytest.mark.slow
def test_an_unreachable_index_is_unknown(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret@127.0.0.1:9/simple")
    answer = resolve(
        "six\n",
        side=Side.TARGET,
        target=target("2.5.1", preinstalled=IMAGE, essential={}),
        constraints=constraints(""),
        python=Path(sys.executable),
        cache=tmp_path,
        judge="uv",
    )
    assert answer.ok is None
    assert "could not be reached" in answer.message
    assert "secret" not in answer.message


def test_a_python_that_does_not_run_is_unknown(ask, tmp_path: Path) -> None:
    shim = tmp_path / "python"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    answer = ask("app\n", python=shim)
    assert answer.ok is None
    assert str(shim) in answer.message


def test_foreign_code_sees_no_credentials(ask, repo: Repo, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    seen = tmp_path / "seen"
    source = repo.root / "plugins" / "spy"
    source.mkdir()
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "spy"\nbackend-path = ["."]\n'
    )
    (source / "spy.py").write_text(
        "import os, pathlib\n"
        f"pathlib.Path({str(seen)!r}).write_text(os.environ['HOME'] + repr(sorted(os.environ)))\n"
        "def get_requires_for_build_wheel(s=None): return []\n"
        "def prepare_metadata_for_build_wheel(d, s=None):\n"
        "    info = pathlib.Path(d, 'spy-1.dist-info'); info.mkdir()\n"
        "    (info / 'METADATA').write_text('Metadata-Version: 2.1\\nName: spy\\nVersion: 1\\n')\n"
        "    (info / 'WHEEL').write_text('Wheel-Version: 1.0\\n')\n"
        "    return 'spy-1.dist-info'\n"
    )
    assert ask("spy @ file:///usr/local/airflow/plugins/spy\n").ok
    told = seen.read_text()
    assert "AWS" not in told
    assert told.startswith(str(tmp_path / "cache" / "work"))
