"""What every runtime must do, on the repository in ``fixtures/story/``."""

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.model import Config, FileObservation, Observation, Repo, Side
from harness.processes import Stopped
from harness.repo import load
from harness.runtimes.base import Progress, Request, Runtime
from harness.targets import default_bridge, default_target

STORY = Path(__file__).parent / "fixtures" / "story"

# The daemons of dags/leaves_processes.py sleep that long; ours are told from those of other tests
# that run at the same time by the fraction.
SECONDS = f"86399.{os.getpid()}"
DAEMON = f"/bin/sleep\0{SECONDS}\0".encode()

OUTCOMES = {
    "dags/broken.py": "error",
    "dags/exits.py": "exit",
    "dags/healthy.py": "ok",
    "dags/kills_parent.py": "lost",
    "dags/leaves_processes.py": "ok",
    "dags/looks_around.py": "ok",
    "dags/no_dag.py": "ok",
    "dags/reaches_out.py": "error",
}


def daemons() -> list[int]:
    """The story's daemons that this process' tests have left on this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == DAEMON:
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def story_request(side: Side, runtime: Runtime, workspace: Path, **changes: object) -> Request:
    """The story, to be looked at on one side."""
    root = workspace / "airflow"
    shutil.copytree(STORY, root, ignore=shutil.ignore_patterns("__pycache__"))
    leaves = root / "dags" / "leaves_processes.py"
    leaves.write_text(leaves.read_text().replace("86399.25", SECONDS))
    config = Config(timeout=20.0, variables={"contract_variable": "given"})
    target = default_bridge() if side is Side.BRIDGE else default_target()
    request = Request(
        side=side,
        target=target,
        repo=load(root, config=config),
        constraints=runtime.constraints(target, config),
        workspace=workspace,
        config=config,
        env={"CONTRACT_STAGE": "given", "AIRFLOW_VAR_CONTRACT_VARIABLE": "given"},
        workers=2,
    )
    return replace(request, **changes)  # type: ignore[arg-type]


class RuntimeContract:
    """For modules that bring a fixture ``runtime`` of module scope."""

    def test_the_side_came_up(self, seen: Observation, side: Side) -> None:
        assert seen.failure == ""
        target = default_bridge() if side is Side.BRIDGE else default_target()
        assert (seen.side, seen.airflow) == (side, target.airflow)
        assert seen.python.startswith(("3.7.", "3.8.") if side is Side.BRIDGE else target.python)
        assert seen.packages["apache-airflow"] == target.airflow
        assert seen.constraints_origin in ("official", "reconstructed")
        assert "socket guard" in seen.isolation

    def test_every_file_has_its_outcome(self, files: Mapping[str, FileObservation]) -> None:
        assert {path: file.outcome for path, file in files.items()} == OUTCOMES

    def test_files_are_in_the_repositorys_order(self, seen: Observation) -> None:
        assert [file.path for file in seen.files] == sorted(OUTCOMES)

    def test_dags_are_seen(self, files: Mapping[str, FileObservation]) -> None:
        found = {path: [dag.dag_id for dag in file.dags] for path, file in files.items()}
        assert {path: dags for path, dags in found.items() if dags} == {
            "dags/healthy.py": ["healthy"],
            "dags/leaves_processes.py": ["leaves_processes"],
            "dags/looks_around.py": ["looks_around"],
        }
        (dag,) = files["dags/healthy.py"].dags
        tasks = {task.task_id: task for task in dag.tasks}
        assert tasks["first"].downstream == ("second",)
        assert tasks["second"].retries == 2

    def test_errors_name_their_place(self, files: Mapping[str, FileObservation]) -> None:
        error = files["dags/broken.py"].error
        assert error is not None
        assert "there_is_no_such_module" in error.message
        assert (error.path, error.line) == ("dags/broken.py", 3)

    def test_nothing_reaches_the_network(self, files: Mapping[str, FileObservation]) -> None:
        assert any("192.0.2.1" in host for host in files["dags/reaches_out.py"].egress)

    def test_plugins_are_seen(self, seen: Observation) -> None:
        found = {plugin.name: plugin for plugin in seen.plugins}
        assert found["contract"].path == "plugins/contract_plugin.py"
        assert found["contract"].registers["macros"] == ("shout",)
        assert seen.plugin_errors == ()

    def test_progress_is_told(self, steps: list[Progress], side: Side) -> None:
        assert steps
        assert {step.side for step in steps} == {side}


class LiveRuntimeContract(RuntimeContract):
    """Of runtimes that run something, besides."""

    def test_progress_counts_the_files(self, steps: list[Progress]) -> None:
        counted = [step.done for step in steps if step.total]
        assert counted == sorted(counted)
        assert steps[-1].total == len(OUTCOMES)

    @pytest.mark.usefixtures("seen")
    def test_no_process_is_left(self) -> None:
        deadline = time.monotonic() + 5
        while daemons() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert daemons() == []

    def test_plugins_that_end_the_start_are_named_and_the_files_are_seen(
        self, side: Side, runtime: Runtime, tmp_path: Path
    ) -> None:
        request = story_request(side, runtime, tmp_path)
        request = replace(request, config=replace(request.config, timeout=5.0))
        fatal = {
            "exit": "import os; os._exit(5)",
            "lost": "import os; os.kill(os.getpid(), 9)",
            "timeout": "import time; time.sleep(600)",
        }
        for outcome, code in fatal.items():
            path = request.repo.root / "plugins" / f"fatal_{outcome}.py"
            path.write_text(f"print('last words')\n{code}\n")
        seen = runtime.observe(request, lambda _: None)
        assert seen.failure == ""
        errors = {(error.path, error.outcome) for error in seen.plugin_errors}
        assert errors == {(f"plugins/fatal_{outcome}.py", outcome) for outcome in fatal}
        assert {file.path for file in seen.files} == set(OUTCOMES)

    def test_an_exception_in_the_middle_leaves_nothing(
        self, side: Side, runtime: Runtime, tmp_path: Path
    ) -> None:
        def stop(step: Progress) -> None:
            if step.done >= 2:
                raise Stopped("enough")

        with pytest.raises(Stopped, match="enough"):
            runtime.observe(story_request(side, runtime, tmp_path), stop)
        assert daemons() == []

    def test_the_database_is_fresh_for_each_run(
        self, side: Side, runtime: Runtime, tmp_path: Path
    ) -> None:
        writes = (
            "from airflow.models import DAG, Variable\n"
            "assert Variable.get('left_over', default_var=None) is None\n"
            "Variable.set('left_over', 'x')\n"
        )
        for number in range(2):
            request = story_request(side, runtime, tmp_path / str(number))
            (request.repo.root / "dags" / "healthy.py").write_text(writes)
            repo: Repo = replace(request.repo, dag_files=("dags/healthy.py",))
            seen = runtime.observe(replace(request, repo=repo), lambda _: None)
            assert [file.outcome for file in seen.files] == ["ok"], seen
