"""Placeholders in the real Airflows: files that fail in a clean environment load with them.

The files are written the way real repositories of that age read their settings.
"""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness import repo as repos
from harness.model import Config
from harness.needs.find import find_needs
from harness.seeds import CONNECTION_PREFIX, VARIABLE_PREFIX, seed_environment

pytestmark = pytest.mark.slow

LOAD = """
import json, sys
from airflow.models import DagBag
bag = DagBag(sys.argv[1], include_examples=False)
print("\\n" + json.dumps({"dags": sorted(bag.dags), "errors": bag.import_errors}))
"""

FILES = {
    "dags/settings.py": """
        import json
        from airflow.models import Variable

        CONFIG = Variable.get("etl_config", deserialize_json=True)

        def read(name, default=None):
            return json.loads(Variable.get(name, default_var=default) or "{}")
    """,
    "dags/factory.py": """
        from datetime import datetime, timedelta
        from airflow import DAG
        from airflow.models import Variable
        from airflow.operators.python_operator import PythonOperator
        from settings import CONFIG

        def make(team):
            schedule = Variable.get("schedule_of_" + team)
            dag = DAG(
                team,
                schedule_interval=schedule,
                start_date=datetime.strptime(CONFIG["start"], "%d.%m.%Y"),
                default_args={"retries": CONFIG["retries"], "email": CONFIG["alerts"]["email"]},
                dagrun_timeout=timedelta(hours=CONFIG["hours"]),
            )
            for table in CONFIG["tables"]:
                PythonOperator(task_id=table["name"], python_callable=print, dag=dag)
            return dag

        for team in ("sales", "stock"):
            globals()[team] = make(team)
    """,
    "dags/lists.py": """
        import ast
        import os
        from datetime import datetime, timedelta
        import pendulum
        from airflow import DAG
        from airflow.configuration import conf
        from airflow.hooks.base_hook import BaseHook
        from airflow.models import Variable
        from airflow.operators.dummy_operator import DummyOperator

        year, month = [int(part) for part in Variable.get("begin").split("-")]
        zone = pendulum.timezone(Variable.get("zone"))
        pairs = ast.literal_eval(Variable.get("pairs"))
        region = BaseHook.get_connection("storage").extra_dejson["region"]
        suffix = os.environ["STAGE"].lower()
        minutes = {"dev": 1, "prod": 60}[Variable.get("stage")]
        owner = conf.get("team", "owner") if conf.getboolean("team", "strict") else "nobody"

        default_args = {
            "owner": owner,
            "retries": conf.getint("team", "retries"),
            "start_date": datetime(2020 + month, month, 1, tzinfo=zone),
        }
        with DAG("lists_" + suffix, default_args=default_args, schedule_interval=None) as dag:
            for source, target in pairs:
                DummyOperator(
                    task_id="{}_{}_{}".format(source, target, region),
                    execution_timeout=timedelta(minutes=minutes),
                )
    """,
    "plugins/settings_plugin.py": """
        from airflow.models import Variable
        from airflow.plugins_manager import AirflowPlugin

        class Settings:
            limits = Variable.get("limits", deserialize_json=True)
            rate = int(limits["rate"]["per_minute"]) / 60

        class SettingsPlugin(AirflowPlugin):
            name = "settings_plugin"
    """,
    "dags/from_plugin.py": """
        from datetime import datetime
        from airflow import DAG
        from settings_plugin import Settings

        dag = DAG("limited", start_date=datetime(2020, 1, 1), params={"rate": Settings.rate})
    """,
}
DAGS = ["limited", "lists_stage", "sales", "stock"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "repo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.strip("\n").split("\n")
        path.write_text("\n".join(line[8:] for line in lines) + "\n")
    return tmp_path / "repo"


@pytest.mark.parametrize("version", ["1.10.15", "2.11.0"])
def test_files_load_with_placeholders_and_not_without(
    version: str,
    root: Path,
    airflow_python: Callable[[str], Path],
    airflow_env: Callable[..., dict[str, str]],
) -> None:
    needs = find_needs(repos.load(root, config=Config()))
    seeds = seed_environment(Config(assume_missing=True), needs)
    placeholders = dict(seeds.env)
    for kind, prefix in (("variable", VARIABLE_PREFIX), ("connection", CONNECTION_PREFIX)):
        for name, text in seeds.samples[kind].items():
            placeholders[prefix + name.upper()] = text

    def load(environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
        env = {
            **airflow_env(
                AIRFLOW__CORE__PLUGINS_FOLDER=str(root / "plugins"),
                PYTHONPATH=os.pathsep.join([str(root / "plugins"), str(root / "dags")]),
                PYTHONDONTWRITEBYTECODE="1",
            ),
            **environment,
        }
        python = airflow_python(version)
        initialise = ["initdb"] if version.startswith("1.") else ["db", "migrate"]
        airflow = [python, "-m", "airflow", *initialise]
        if version.startswith("1."):
            airflow = [python, python.parent / "airflow", *initialise]
        subprocess.run(airflow, env={**env, **placeholders}, capture_output=True, check=True)
        answer = subprocess.run(
            [python, "-c", LOAD, root / "dags"],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        seen = json.loads(answer.stdout.splitlines()[-1])
        return seen["dags"], seen["errors"]

    dags, errors = load({})
    assert dags == []
    assert len(errors) >= 3
    dags, errors = load(placeholders)
    assert errors == {}
    assert dags == DAGS
