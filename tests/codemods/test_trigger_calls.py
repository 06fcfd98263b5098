"""What a callable made of a trigger on 1.10.15 it makes of it on each target: seen by running both
versions of one file, every task against a database of its own."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from codemods import migrate_source
from harness.runtimes.environments import init_command
from harness.targets import get_target

DAGS = """
from functools import partial
import datetime

import airflow.operators.dagrun_operator
from airflow import DAG
from airflow.operators.dagrun_operator import DagRunOrder, TriggerDagRunOperator

try:
    from airflow.operators import dagrun_operator as triggers
except ImportError:
    triggers = None

START = datetime.datetime(2020, 1, 1)


class Chooser(object):
    def __init__(self, word):
        self.word = word

    def choose(self, context, order):
        order.payload = {"word": self.word, "run": context["dag_run"].run_id}
        return order


class Nightly(TriggerDagRunOperator):
    def __init__(self, **kwargs):
        super(Nightly, self).__init__(python_callable=Chooser("nightly").choose, **kwargs)


def conditional(context, dro):
    if context["params"]["go"]:
        dro.payload = {"message": context["params"]["message"]}
        return dro


def early(context, dro):
    if context["dag_run"].conf["stop"]:
        return None
    return dro


def stepwise(context, dro):
    payload = dict(context["dag_run"].conf)
    payload["task"] = context["task"].task_id
    dro.payload = {}
    dro.payload = payload
    dro.payload["braces"] = "{{ ds }}"
    dro.run_id = "mine"
    return dro


def made(context, _):
    return DagRunOrder(run_id="made", payload={"day": context["ds"]})


def kept_id(context, dro):
    dro.payload = {"id": dro.run_id}
    return dro


def by_word(word, context, dro):
    dro.payload = {"word": word}
    return dro


def plain(context, dro):
    dro.payload = {"a": [1, 2]}
    return dro


def broken(context, dro):
    raise ValueError(dro.run_id)


CALLABLES = {
    "go": conditional,
    "no_go": conditional,
    "early": early,
    "stepwise": stepwise,
    "made": made,
    "kept_id": kept_id,
    "lambda": lambda context, dro: dro if context["ds"] else None,
    "never": lambda context, dro: False,
    "partial": partial(by_word, "hello"),
    "method": Chooser("bound").choose,
    "broken": broken,
}
dag = DAG("asks", schedule_interval=None, start_date=START)
options = {"go": True, "message": "hello"}
for name, function in CALLABLES.items():
    TriggerDagRunOperator(
        task_id=name,
        trigger_dag_id="told_" + name,
        python_callable=function,
        params=dict(options, go=name == "go"),
        dag=dag,
    )
TriggerDagRunOperator(task_id="plain", trigger_dag_id="told_plain", python_callable=plain, dag=dag)
TriggerDagRunOperator(task_id="bare", trigger_dag_id="told_bare", dag=dag)
airflow.operators.dagrun_operator.TriggerDagRunOperator(
    task_id="dotted", trigger_dag_id="told_dotted", python_callable=stepwise, dag=dag
)
triggers.TriggerDagRunOperator(
    task_id="module", trigger_dag_id="told_module", python_callable=kept_id, dag=dag
)
Nightly(task_id="nightly", trigger_dag_id="told_nightly", dag=dag)
TriggerDagRunOperator(
    task_id="dated",
    trigger_dag_id="told_dated",
    python_callable=kept_id,
    execution_date=datetime.datetime(2021, 5, 1, tzinfo=datetime.timezone.utc),
    dag=dag,
)
for task in list(dag.tasks):
    told = DAG("told_" + task.task_id, schedule_interval=None, start_date=START)
    globals()[told.dag_id] = told
"""
RUN = """
import datetime, json, sys
from airflow.models import DagBag, DagRun, TaskInstance
from airflow.utils import timezone
from airflow.utils.state import State

bag = DagBag(sys.argv[1], include_examples=False)
assert not bag.import_errors, bag.import_errors
for one in [bag] if hasattr(bag, "sync_to_db") else bag.dags.values():
    one.sync_to_db()
date = timezone.datetime(2020, 2, 1)
dag = bag.dags["asks"]
more = {"data_interval": (date, date)} if hasattr(dag, "infer_automated_data_interval") else {}
run = dag.create_dagrun(
    run_id="first", execution_date=date, state=State.RUNNING, conf={"stop": True}, **more
)
seen = {}
for task in dag.tasks:
    instance = TaskInstance(task, date)
    try:
        instance.run(ignore_all_deps=True)
    except Exception as error:
        print(repr(error), file=sys.stderr)
    instance.refresh_from_db()
    runs = [[r.run_id, r.conf or None] for r in DagRun.find(dag_id="told_" + task.task_id)]
    seen[task.task_id] = [instance.operator, instance.state, runs]
print("\\n" + json.dumps(seen))
"""
# The two whose arguments say it all go without the callable and get 2.x's name for a run.
_RENAMED = {"plain", "bare"}
_NOW = re.compile(r"trig__(?!2021-05-01T00)[\d-]+T[\d:.]+\+00:00")


def _seen(version: str, python: Path, text: str, folder: Path) -> dict[str, object]:
    """What each task made: its class, its state, the runs with their conf."""
    (folder / "dags").mkdir(parents=True)
    (folder / "dags" / "asks.py").write_text(text)
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "LC_ALL": "C.UTF-8",
    }
    initialise = [python, python.parent / "airflow", *init_command(get_target(version))]
    subprocess.run(initialise, env=env, capture_output=True, check=True)
    answer = subprocess.run(
        [python, "-c", RUN, folder / "dags"], env=env, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert "TriggerDagRunOperator.execute cannot" not in answer.stdout + answer.stderr
    found = json.loads(answer.stdout.splitlines()[-1])
    for name in _RENAMED:
        found[name] = json.loads(json.dumps(found[name]).replace("manual__", "trig__"))
    return dict(json.loads(_NOW.sub("trig__now", json.dumps(found))))


@pytest.fixture(scope="module")
def bridge(
    tmp_path_factory: pytest.TempPathFactory, airflow_python: Callable[[str], Path]
) -> dict[str, object]:
    python = airflow_python("1.10.15")
    return _seen("1.10.15", python, DAGS, tmp_path_factory.mktemp("bridge") / "home")


@pytest.mark.slow
def test_the_bridge_triggers_some_and_not_all(bridge: dict[str, object]) -> None:
    operator = "TriggerDagRunOperator"
    assert bridge["go"] == [operator, "success", [["trig__now", {"message": "hello"}]]]
    assert bridge["no_go"] == bridge["never"] == [operator, "success", []]
    assert bridge["broken"] == [operator, "failed", []]
    dated = "trig__2021-05-01T00:00:00+00:00"
    assert bridge["dated"] == [operator, "success", [[dated, {"id": dated}]]]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.5.1", "2.10.3", "2.11.0"])
def test_each_target_triggers_the_same(
    version: str,
    bridge: dict[str, object],
    targets: dict[str, dict[str, str]],
    tmp_path: Path,
    airflow_python: Callable[[str], Path],
) -> None:
    migration = migrate_source(DAGS, pins=targets[version])
    assert migration.text is not None
    assert migration.notes == ()
    seen = _seen(version, airflow_python(version), migration.text, tmp_path / "home")
    assert seen == bridge
