"""harness.init: what is written, what is left alone, and that the result works."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from harness import repo as repos
from harness.config import load_config
from harness.errors import HarnessError, UsageError
from harness.init import Action, init, write
from harness.needs.find import find_needs
from harness.seeds import seed_environment

DAG = """\
import os
from airflow import DAG
from airflow.models import Variable
from airflow.hooks.base_hook import BaseHook
cfg = Variable.get("cfg", deserialize_json=True)["bucket"]
stage = Variable.get("stage", "dev")
region = BaseHook.get_connection("aws").extra_dejson["region"]
token = os.environ["TOKEN"] + os.getenv("DEBUG", "0")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags/a.py").write_text(DAG)
    return tmp_path


def run(root: Path, *, force: bool = False) -> list[str]:
    return list(write(init(root, ["2.10.3"]), force=force))


def actions(root: Path) -> dict[str, Action]:
    return {file.path: file.action for file in init(root)}


def test_a_plan_writes_nothing(root: Path) -> None:
    before = repos.tree_hash(root)
    init(root)
    assert repos.tree_hash(root) == before


def test_everything_is_written_and_configures_every_need(root: Path) -> None:
    assert set(actions(root).values()) == {Action.CREATE}
    run(root)
    config = load_config(root)
    assert config.targets == ("2.10.3",)
    assert config.variables == {"cfg": '{"bucket": "bucket"}'}
    assert config.connections == {
        "aws": "generic://login:password@localhost:1/schema?region=region"
    }
    assert config.env == {"TOKEN": "TOKEN"}
    needs = find_needs(repos.load(root, config=config))
    environment = seed_environment(config, needs).env
    assert set(environment) == {"AIRFLOW_VAR_CFG", "AIRFLOW_CONN_AWS", "TOKEN"}


def test_what_is_not_missed_is_named_in_comments(root: Path) -> None:
    run(root)
    text = (root / "mwaa-harness.toml").read_text()
    assert "# variables: stage" in text
    assert "# env: DEBUG" in text


def test_names_that_no_file_can_hold_break_none(root: Path) -> None:
    code = """
from airflow.models import Variable
Variable.get("cfg"); Variable.get("CFG"); Variable.get("a=b"); Variable.get("\\x01 odd\\nname")
Variable.get("its\\nown = 1\\x1b", "x")
os.environ["TWO\\nLINES"]; os.environ["WITH SPACE"]
"""
    (root / "dags/a.py").write_text(DAG + code)
    run(root)
    config = load_config(root)
    assert set(config.variables) == {"cfg", "\x01 odd\nname"}
    assert set(config.env) == {"TOKEN"}
    assert set(actions(root).values()) == {Action.KEEP}


def test_the_default_target_is_the_newest(root: Path) -> None:
    list(write(init(root)))
    assert load_config(root).targets == ("2.11.0",)


def test_twice_is_once(root: Path) -> None:
    run(root)
    before = repos.tree_hash(root)
    lines = run(root)
    assert repos.tree_hash(root) == before
    assert set(actions(root).values()) == {Action.KEEP}
    assert all("left as it is" in line for line in lines)


def test_forced_twice_is_once(root: Path) -> None:
    run(root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    run(root, force=True)
    assert before == {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_need_that_comes_later_is_a_step_to_do_or_an_addition(root: Path) -> None:
    run(root)
    (root / "dags/b.py").write_text(DAG.replace("cfg", "more").replace("TOKEN", "OTHER"))
    found = actions(root)
    assert found["variables.json"] is Action.MANUAL
    assert found["mwaa-harness.env"] is Action.APPEND
    lines = "\n".join(run(root))
    assert '"more": {' in lines
    assert load_config(root).env == {"TOKEN": "TOKEN", "OTHER": "OTHER"}
    assert "more" not in load_config(root).variables
    run(root, force=True)
    assert load_config(root).variables["more"] == '{"bucket": "bucket"}'


@pytest.mark.parametrize("name", ["variables.json", ".github"])
def test_nothing_is_written_where_a_link_leads_out(
    root: Path, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    target = elsewhere if name == ".github" else elsewhere / "variables.json"
    if target != elsewhere:
        target.write_text("{}")
    (root / name).symlink_to(target)
    before = repos.tree_hash(elsewhere), repos.tree_hash(root)
    with pytest.raises(HarnessError, match=f"{name}.* leads out of the repository"):
        run(root, force=True)
    assert (repos.tree_hash(elsewhere), repos.tree_hash(root)) == before


def test_a_link_within_the_repository_stays_one(root: Path) -> None:
    (root / "seeds.json").write_text("{}")
    (root / "variables.json").symlink_to("seeds.json")
    run(root, force=True)
    assert (root / "variables.json").is_symlink()
    assert json.loads((root / "seeds.json").read_text()) == {"cfg": {"bucket": "bucket"}}


def test_values_that_are_there_survive_force(root: Path) -> None:
    (root / "variables.json").write_text('{"mine": {"a": [1]}}')
    run(root, force=True)
    assert json.loads((root / "variables.json").read_text()) == {
        "mine": {"a": [1]},
        "cfg": {"bucket": "bucket"},
    }


def test_a_configuration_in_pyproject_is_never_replaced(root: Path) -> None:
    text = '[tool.mwaa-harness]\ntargets = ["2.10.3"]\n'
    (root / "pyproject.toml").write_text(text)
    lines = "\n".join(run(root, force=True))
    assert (root / "pyproject.toml").read_text() == text
    assert not (root / "mwaa-harness.toml").exists()
    assert 'variables = "variables.json"' in lines


# -------------------------------------------------------------------------- tox, pre-commit, CI


def tox_sees(root: Path) -> str:
    command = [sys.executable, "-m", "tox", "config", "-e", "mwaa", "-k", "commands"]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.mark.slow
@pytest.mark.parametrize("text", [None, "[tox]\nenv_list = py311", "[testenv]\ndeps = x\n"])
def test_tox_finds_the_environment(root: Path, text: str | None) -> None:
    if text:
        (root / "tox.ini").write_text(text)
    run(root)
    assert "commands = mwaa-harness check" in tox_sees(root)
    assert (root / "tox.ini").read_text().startswith(text or "[tox]")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "[tool.tox]\nenv_list = ['py']\n"),
        ("setup.cfg", "[tox:tox]\nenvlist = py\n"),
        ("tox.toml", "env_list = ['py']\n"),
    ],
)
def test_a_new_tox_ini_never_hides_another(root: Path, name: str, text: str) -> None:
    (root / name).write_text(text)
    assert actions(root)[name] is Action.MANUAL
    assert any("[testenv:mwaa]" in line for line in run(root))
    assert not (root / "tox.ini").exists()
    assert (root / name).read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        "repos:\n- repo: https://example.com/x\n  rev: v1\n  hooks:\n  - id: x\n",
        "ci:\n  skip: [x]\nrepos:  # ours\n  # first\n\n  - repo: local\n    hooks: []",
        "---\nrepos:\n    -   repo: local\n        hooks: []\n\n# the end\n",
    ],
)
def test_a_hook_is_appended(root: Path, text: str) -> None:
    path = root / ".pre-commit-config.yaml"
    path.write_text(text)
    run(root)
    before, after = yaml.safe_load(text), yaml.safe_load(path.read_text())
    assert after["repos"][:-1] == before["repos"]
    assert after["repos"][-1]["hooks"][0]["id"] == "mwaa-harness"
    assert {k: v for k, v in after.items() if k != "repos"} == {
        k: v for k, v in before.items() if k != "repos"
    }


@pytest.mark.parametrize(
    "text", ["repos: []\n", "repos:\n- repo: local\n  hooks: []\nfail_fast: true\n", "", "repos:\n"]
)
def test_a_hook_that_cannot_be_appended_is_a_step_to_do(root: Path, text: str) -> None:
    path = root / ".pre-commit-config.yaml"
    path.write_text(text)
    assert any("id: mwaa-harness" in line for line in run(root, force=True))
    assert path.read_text() == text


def test_the_written_files_are_valid(root: Path) -> None:
    run(root)
    tomllib.loads((root / "mwaa-harness.toml").read_text())
    hooks = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())
    workflow = yaml.safe_load((root / ".github/workflows/mwaa-harness.yml").read_text())
    assert hooks["repos"][0]["hooks"][0]["entry"] == "mwaa-harness check ."
    steps = workflow["jobs"]["check"]["steps"]
    assert steps[-1] == {"run": "mwaa-harness check . --format github"}


# ------------------------------------------------------------------------------------- errors


def test_an_unknown_target(root: Path) -> None:
    with pytest.raises(HarnessError, match=r"9\.9\.9"):
        init(root, ["9.9.9"])


def test_no_dags(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no DAG"):
        init(tmp_path)


def test_a_file_in_the_way(root: Path) -> None:
    (root / ".github").write_text("")
    with pytest.raises(HarnessError, match="Cannot write"):
        run(root)


def test_a_file_that_came_after_the_plan_is_not_overwritten(root: Path) -> None:
    plan = init(root)
    (root / "tox.ini").write_text("mine")
    with pytest.raises(HarnessError, match="Cannot write"):
        list(write(plan))
    assert (root / "tox.ini").read_text() == "mine"
