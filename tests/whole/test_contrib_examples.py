"""All of 1.10.15's own examples, contrib's too, really loaded on each target after migrate.

The rewrite itself says which providers they need; each target's environment gets those.
"""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from bigquery_jobs import CALLS, JOBS, RUN, without_airflows_labels

from codemods import migrate_source
from codemods.rules.third_party import _table
from harness.model import Config, Constraints, FileObservation, Repo, RewriteNote, Side
from harness.repo import copy_tree, load, requirements_text
from harness.requirements.install import requirements_for_side
from harness.rewrite.repository import rewrite
from harness.runtimes.base import Request, no_progress
from harness.runtimes.venv import VenvRuntime
from harness.targets import get_target
from tools.mine_wheels import BASELINE, CORE, default_cache, fetch, local_wheels

TARGETS = ("2.5.1", "2.10.3", "2.11.0")
# What may not install where the test runs, for it is compiled against headers (sasl's, MySQL's)
# that a system may lack, and the examples that need it.
_CONTRIB = "dags/contrib/example_dags"
COMPILED = {
    "apache-airflow-providers-apache-hive": {f"{_CONTRIB}/example_twitter_dag.py"},
    "apache-airflow-providers-mysql": {
        f"{_CONTRIB}/example_gcp_sql.py",
        f"{_CONTRIB}/example_gcp_sql_query.py",
    },
}
_EXAMPLE = re.compile(r"airflow/(?:contrib/)?example_dags/.*")
_DEPRECATED = re.compile(r"Deprecat|RemovedIn|PendingDeprecation")


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """The examples as one target gets them, and what a person is told about each."""

    version: str
    runtime: VenvRuntime
    repo: Repo
    constraints: Constraints
    notes: dict[str, tuple[RewriteNote, ...]]
    folder: Path

    def observed(self) -> tuple[tuple[FileObservation, ...], frozenset[str]]:
        """What came of each file, and the providers that could not be installed here."""
        observation = self.runtime.observe(
            Request(
                side=Side.TARGET,
                target=get_target(self.version),
                repo=self.repo,
                constraints=self.constraints,
                workspace=self.folder,
                config=Config(),
                requirements=requirements_text(self.repo),
                workers=2,
            ),
            no_progress,
        )
        assert observation.failure == ""
        lacking = frozenset(line.partition("==")[0] for line in observation.not_installed)
        return observation.files, lacking

    def python(self) -> Path:
        """The interpreter of the environment that has all that the examples need."""
        row = get_target(self.version)
        lines = requirements_for_side(requirements_text(self.repo), target=row, repo=self.repo)
        made = self.runtime.environment(row, Side.TARGET, self.constraints, lines)
        return made.python


@pytest.fixture(scope="module", params=TARGETS)
def migrated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Migrated:
    folder = tmp_path_factory.mktemp("examples")
    fetch({CORE: BASELINE}, default_cache())
    with zipfile.ZipFile(local_wheels(default_cache())[CORE, BASELINE]) as wheel:
        for name in filter(_EXAMPLE.fullmatch, wheel.namelist()):
            path = folder / "repo" / "dags" / name.removeprefix("airflow/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(wheel.read(name))
    runtime = VenvRuntime()
    row = get_target(request.param)
    constraints = runtime.constraints(row, Config())
    copy = copy_tree(load(folder / "repo", config=Config()), folder / "run" / "airflow")
    done = rewrite(copy, target=row, constraints=constraints, config=Config())
    assert [r.path for r in done.rewrites if r.error] == []
    return Migrated(
        version=request.param,
        runtime=runtime,
        repo=done.repo,
        constraints=constraints,
        notes={r.path: r.notes for r in done.rewrites if r.notes},
        folder=folder / "run",
    )


@pytest.mark.slow
def test_every_example_loads_without_a_warning_or_is_named(migrated: Migrated) -> None:
    files, lacking = migrated.observed()
    assert lacking <= COMPILED.keys()
    assert len(files) > 55
    bad = {
        file.path: file.error.message if file.error else [w.message for w in file.warnings]
        for file in files
        if file.outcome != "ok" or any(_DEPRECATED.search(w.category) for w in file.warnings)
    }
    accounted = migrated.notes.keys() | {path for dist in lacking for path in COMPILED[dist]}
    assert {path: why for path, why in bad.items() if path not in accounted} == {}
    assert len(files) - len(bad) > 0.8 * len(files)


# Runs in an environment: of the paths in the standard input, those that can be had there.
_THERE = """
import importlib, json, sys, warnings
warnings.simplefilter("ignore")
def there(path):
    parts = path.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:n]))
            for part in parts[n:]:
                found = getattr(found, part)
            return True
        except (ImportError, AttributeError):
            continue
        except BaseException:
            return False
    return False
print(json.dumps([path for path in json.load(sys.stdin) if there(path)]))
"""


@pytest.mark.slow
def test_what_third_parties_lost_is_not_there(migrated: Migrated) -> None:
    """Each row of the table that speaks of the target's releases, in its environment."""
    pins = migrated.constraints.pins
    rows = [
        path
        for path, lacking in _table().items()
        if lacking.name in pins and lacking.specifier.contains(pins[lacking.name], prereleases=True)
    ]
    assert len(rows) > 500
    done = subprocess.run(
        [str(migrated.python()), "-I", "-c", _THERE],
        input=json.dumps(rows),
        capture_output=True,
        text=True,
        check=True,
        env={"AIRFLOW_HOME": str(migrated.folder), "HOME": str(migrated.folder)},
    )
    found = set(json.loads(done.stdout.splitlines()[-1]))
    assert found <= {"urllib3.request"}  # a function has the name of the module that is gone


@pytest.mark.slow
def test_queries_come_to_the_jobs_of_1_10(migrated: Migrated, tmp_path: Path) -> None:
    made = migrate_source(CALLS, pins={**migrated.constraints.pins, CORE: migrated.version})
    assert made.text is not None
    assert made.notes == ()
    (tmp_path / "calls.py").write_text(made.text)
    home = {"AIRFLOW_HOME": str(migrated.folder), "HOME": str(migrated.folder)}
    done = subprocess.run(
        [str(migrated.python()), "-W", "error::DeprecationWarning:calls", "-c", RUN],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**home, "AIRFLOW_CONN_BIGQUERY_DEFAULT": "google-cloud-platform://"},
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert {
        task: [without_airflows_labels(jobs), pushed] for task, (jobs, pushed) in seen.items()
    } == JOBS
