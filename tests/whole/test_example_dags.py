"""The gate over Airflow 1.10.15's own example DAGs, out of the installed wheel."""

import shutil

import pytest

from harness.model import Config, Report, Severity, Side
from harness.pipeline import Options, check
from harness.runtimes.venv import VenvRuntime
from harness.targets import default_bridge

TARGETS = ("2.5.1", "2.10.3", "2.11.0")

# What cannot survive by search and replace, whatever the target: each file with why.
BY_HAND = {
    # It imports a helper out of airflow.contrib.example_dags.
    "dags/example_kubernetes_executor_config.py": {"import-gone"},
    # Its sub-DAGs come from Airflow's own installed examples, which differ between the versions.
    "dags/example_subdag_operator.py": {"dates-changed", "schedule-changed"},
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    runtime = VenvRuntime()
    row = default_bridge()
    made = runtime.environment(row, Side.BRIDGE, runtime.constraints(row, Config()))
    examples = next(made.folder.rglob("site-packages/airflow/example_dags"))
    repo = tmp_path_factory.mktemp("examples")
    shutil.copytree(examples, repo / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    return check(Options(path=repo, targets=TARGETS), runtime)


@pytest.mark.slow
def test_every_example_loads_on_the_bridge(report: Report) -> None:
    assert len({row.path for row in report.files}) >= 25
    assert {row.bridge for row in report.files} == {"ok"}


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_only_what_is_known_to_need_a_hand_fails(report: Report, target: str) -> None:
    found: dict[str, set[str]] = {}
    for finding in report.findings:
        if finding.target == target and finding.severity is Severity.ERROR:
            found.setdefault(finding.path, set()).add(finding.rule)
    assert found == BY_HAND
