"""The venv runtime around a stand-in for the probe: what it is given, and what becomes of it."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from stand_in_index import Index

from harness.errors import UsageError
from harness.model import Config, Constraints, Observation, Repo, Side, Target
from harness.runtimes import make_runtime
from harness.runtimes.base import Progress, Request, no_progress
from harness.runtimes.venv import VenvRuntime
from harness.targets import get_target

# Speaks the probe's protocol. A DAG file is a line of commands for it.
PROBE = """\
import json, os, signal, sys, time
payload = json.load(open(sys.argv[1]))
sink = open(sys.argv[2], "w", buffering=1)
def say(kind, **fields):
    sink.write(json.dumps(dict(kind=kind, **fields)) + "\\n")
root = payload["repo_root"]
with open(os.path.join(root, "starts"), "a") as log:
    log.write(json.dumps(payload["files"]) + "\\n")
with open(os.path.join(root, "seen.json"), "w") as file:
    json.dump({"payload": payload, "env": dict(os.environ), "cwd": os.getcwd()}, file)
if payload["plugins_folder"]:
    exec(open(os.path.join(payload["plugins_folder"], "plugin.py")).read())
say("start", airflow="2.11.0", python="3.99.1", packages={"apache-airflow": "2.11.0"}, seconds=1)
say("plugins", plugins=[{"name": "p", "path": "plugins/p.py"}], errors=[], warnings=[], lookups=[])
queue = list(payload["files"])
while queue:
    batch, queue = queue[:payload["workers"]], queue[payload["workers"]:]
    for path in batch:
        say("begin", path=path)
    for path in batch:
        command = open(os.path.join(root, path)).read().strip()
        if command == "kill":
            print("killed by", path, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if command == "hang":
            time.sleep(100)
        if command == "nonsense":
            sink.write('{"kind": "file", "path": 3}\\n')
        else:
            say("file", path=path, outcome="ok", extra_field_of_tomorrow=1)
say("end", seconds=1)
"""

Observe = Callable[..., Observation]


@pytest.fixture
def request_for(tmp_path: Path, target: Target, constraints: Constraints) -> Callable[..., Request]:
    """A request over DAG files given by name and content."""

    def request_for(files: dict[str, str], **changes: object) -> Request:
        root = tmp_path / "run" / "airflow"
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        dags = tuple(name for name in files if name.startswith("dags/"))
        repo = Repo(
            root=root,
            dags="dags",
            plugins="plugins" if "plugins/plugin.py" in files else None,
            requirements=None,
            startup=None,
            airflow_cfg="airflow.cfg" if "airflow.cfg" in files else None,
            files=tuple(files),
            dag_files=dags,
        )
        request = Request(
            side=Side.TARGET,
            target=target,
            repo=repo,
            constraints=constraints,
            workspace=root.parent,
            config=Config(timeout=0.1, python_target=sys.executable),
        )
        return replace(request, **changes)  # type: ignore[arg-type]

    return request_for


@pytest.fixture
def runtime(index: Index, imaged_cache: Path, tmp_path: Path) -> VenvRuntime:
    probe = tmp_path / "probe"
    probe.mkdir()
    (probe / "__main__.py").write_text(PROBE)
    return VenvRuntime(cache=imaged_cache, probe=probe, start_seconds=20, offline=True)


def starts(request: Request) -> list[list[str]]:
    return [json.loads(line) for line in (request.repo.root / "starts").read_text().splitlines()]


def test_all_is_well(runtime: VenvRuntime, request_for: Callable[..., Request]) -> None:
    files = {f"dags/{name}.py": "" for name in "cab"}
    request = request_for({**files, "plugins/plugin.py": ""})
    steps: list[Progress] = []
    seen = runtime.observe(request, steps.append)
    assert seen.failure == ""
    assert (seen.runtime, seen.side, seen.airflow, seen.python) == (
        "venv",
        Side.TARGET,
        "2.11.0",
        "3.99.1",
    )
    assert [file.path for file in seen.files] == list(request.repo.dag_files), "the repo's order"
    assert [plugin.name for plugin in seen.plugins] == ["p"]
    assert seen.constraints_origin == "user"
    assert "socket guard" in seen.isolation
    assert starts(request) == [list(files)]
    assert (steps[-1].done, steps[-1].total) == (3, 3)
    assert steps[-1].side is Side.TARGET


def test_what_the_probe_is_given(
    runtime: VenvRuntime, request_for: Callable[..., Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "AIRFLOW__CORE__PARALLELISM", "GITHUB_TOKEN", "HTTP_PROXY"):
        monkeypatch.setenv(name, "of the host")
    request = request_for(
        {
            "dags/a.py": "",
            "plugins/plugin.py": "",
            "airflow.cfg": "[core]\ndefault_timezone = Europe/Berlin\nexecutor = X\n"
            "parallelism = 3",
        },
        env={"AIRFLOW_VAR_X": "1", "HOME": "/home/me", "AIRFLOW__CORE__PARALLELISM": "7"},
        samples={"variable": {"y": "2"}, "connection": {}},
        workers=3,
    )
    request = replace(
        request,
        config=replace(
            request.config, variables={"x": "1"}, paths=("lib",), allowed_hosts=("h",), memory=77
        ),
    )
    seen = runtime.observe(request, no_progress)
    given = json.loads((request.repo.root / "seen.json").read_text())
    env, payload, root = given["env"], given["payload"], str(request.repo.root)
    assert "of the host" not in env.values()
    assert env["AIRFLOW_VAR_X"] == "1"
    assert env["AIRFLOW__CORE__DEFAULT_TIMEZONE"] == "Europe/Berlin"
    assert env["AIRFLOW__CORE__PARALLELISM"] == "7", "the user's environment has the last word"
    assert env["AIRFLOW__CORE__EXECUTOR"] == "SequentialExecutor"
    assert env["HOME"].startswith(str(request.workspace))
    assert env["AIRFLOW_HOME"] == given["cwd"] == root
    database = env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].removeprefix("sqlite:///")
    assert Path(database).read_text() == "migrated"
    assert Path(database).is_relative_to(request.workspace)
    assert payload == {
        "side": "target",
        "repo_root": root,
        "airflow_home": root,
        "dags_folder": f"{root}/dags",
        "plugins_folder": f"{root}/plugins",
        "killers": {},
        "files": ["dags/a.py"],
        "sys_path": [f"{root}/lib"],
        "workers": 3,
        "timeout": 0.1,
        "memory": 77,
        "allowed_hosts": ["h"],
        "assume_missing": False,
        "samples": {"variable": {"y": "2"}, "connection": {}},
        "given": {"variable": ["x"], "connection": []},
    }
    assert seen.isolation == "socket guard (h)"


def test_a_repository_that_is_a_dag_folder_has_a_home_above_it(
    runtime: VenvRuntime, request_for: Callable[..., Request]
) -> None:
    request = request_for({"dags/a.py": ""})
    repo = replace(request.repo, root=request.repo.root / "dags", dags=".", dag_files=("a.py",))
    seen = runtime.observe(replace(request, repo=repo), no_progress)
    assert [file.outcome for file in seen.files] == ["ok"]
    given = json.loads((repo.root / "seen.json").read_text())
    home = Path(given["env"]["AIRFLOW_HOME"])
    assert (home / "dags").resolve() == repo.root
    assert given["payload"]["dags_folder"] == str(repo.root)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_file_that_kills_the_probe_is_the_only_one_lost(
    runtime: VenvRuntime, request_for: Callable[..., Request], workers: int
) -> None:
    files = {f"dags/{name}.py": "" for name in "abcdefgh"}
    request = request_for({**files, "dags/d.py": "kill", "dags/g.py": "kill"}, workers=workers)
    seen = runtime.observe(request, no_progress)
    outcomes = {file.path: file.outcome for file in seen.files}
    assert outcomes == {
        path: "lost" if path in ("dags/d.py", "dags/g.py") else "ok" for path in files
    }
    lost = {file.path: file.output for file in seen.files if file.outcome == "lost"}
    assert "killed by dags/d.py" in lost["dags/d.py"]
    assert "SIGKILL" in lost["dags/d.py"]
    assert seen.failure == ""


def test_a_repository_full_of_killers_is_given_up(
    runtime: VenvRuntime, request_for: Callable[..., Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.runtimes.observing.MAX_STARTS", 5)
    request = request_for({f"dags/{number}.py": "kill" for number in range(20)})
    seen = runtime.observe(request, no_progress)
    assert {file.outcome for file in seen.files} == {"lost"}
    assert len(seen.files) == 20
    assert len(starts(request)) < 20


def test_a_file_without_a_valid_record_is_lost(
    runtime: VenvRuntime, request_for: Callable[..., Request]
) -> None:
    request = request_for({"dags/a.py": "", "dags/b.py": "nonsense"})
    seen = runtime.observe(request, no_progress)
    assert [file.outcome for file in seen.files] == ["ok", "lost"]


def test_a_probe_that_hangs_over_a_file(
    runtime: VenvRuntime, request_for: Callable[..., Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.runtimes.venv.SLACK_SECONDS", 0.5)
    request = request_for({"dags/a.py": "hang", "dags/b.py": ""})
    seen = runtime.observe(request, no_progress)
    assert [file.outcome for file in seen.files] == ["lost", "ok"]
    assert "it hung" in seen.files[0].output


@pytest.mark.parametrize(
    ("plugin", "why"),
    [
        ("print('bye', flush=True); os._exit(7)", "exited with code 7"),
        ("print('bye', flush=True); os.kill(os.getpid(), 9)", "killed by SIGKILL"),
        ("print('bye', flush=True); time.sleep(100)", "it hung"),
    ],
)
def test_a_side_that_does_not_come_up(
    runtime: VenvRuntime, request_for: Callable[..., Request], plugin: str, why: str
) -> None:
    runtime.start_seconds = 1
    seen = runtime.observe(request_for({"dags/a.py": "", "plugins/plugin.py": plugin}), no_progress)
    assert "did not come up" in seen.failure
    assert why in seen.failure
    assert "bye" in seen.failure
    assert seen.files == ()


def test_no_dag_file_is_no_failure(
    runtime: VenvRuntime, request_for: Callable[..., Request]
) -> None:
    request = request_for({"dags/a.py": ""})
    request = replace(request, repo=replace(request.repo, dag_files=()))
    seen = runtime.observe(request, no_progress)
    assert (seen.failure, seen.files) == ("", ())


def test_an_environment_that_cannot_be_made_is_a_failure(
    runtime: VenvRuntime, request_for: Callable[..., Request], index: Index, tmp_path: Path
) -> None:
    runtime.cache = tmp_path / "cache"
    for wheel in index.folder.iterdir():
        wheel.unlink()
    seen = runtime.observe(request_for({"dags/a.py": ""}), no_progress)
    assert "Installing Airflow 2.11.0 failed" in seen.failure
    assert seen.files == ()
    assert seen.airflow == "2.11.0"


def test_requirements_that_cannot_be_installed_are_named(
    runtime: VenvRuntime, request_for: Callable[..., Request], index: Index
) -> None:
    index.add("good")
    request = request_for(
        {"dags/a.py": ""},
        requirements='--constraint "/usr/local/airflow/dags/c.txt"\ngood  # mine\nabsent==1\n',
        extra_requirements=("also-absent",),
    )
    seen = runtime.observe(request, no_progress)
    assert set(seen.not_installed) == {"absent==1", "also-absent"}
    assert [file.outcome for file in seen.files] == ["ok"]


def test_a_missing_interpreter_is_a_failure(
    runtime: VenvRuntime, request_for: Callable[..., Request]
) -> None:
    request = request_for({"dags/a.py": ""}, config=Config(python_target="/nowhere/python"))
    assert (
        "/nowhere/python cannot be the target's Python"
        in runtime.observe(request, no_progress).failure
    )


def test_a_workspace_that_cannot_be_written_is_a_failure(
    runtime: VenvRuntime, request_for: Callable[..., Request]
) -> None:
    request = request_for({"dags/a.py": ""})
    (request.workspace / "run").write_text("in the way")
    seen = runtime.observe(request, no_progress)
    assert "cannot be run in" in seen.failure
    assert "TMPDIR" in seen.failure


def test_constraints_are_found_once_a_run(runtime: VenvRuntime, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("flask==1.0\n")
    row, config = get_target("2.11.0"), Config(constraints={"2.11.0": str(mine)})
    first = runtime.constraints(row, config)
    mine.write_text("flask==2.0\n")
    assert runtime.constraints(row, config) is first
    assert runtime.constraints(row, Config()).origin == "reconstructed"


def test_runtimes_are_made_by_name() -> None:
    assert make_runtime("venv").name == "venv"
    with pytest.raises(UsageError, match="no runtime 'vm'"):
        make_runtime("vm")
