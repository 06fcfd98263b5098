"""What the probe tells of DAGs, look-ups, warnings, plugins and connections, on both sides."""

import json
from pathlib import Path

import pytest
from conftest import SIDES, by_name, observe_on

from harness.model import DagObservation, FileObservation, Observation, Side

pytestmark = pytest.mark.slow

HEAD = """\
from datetime import datetime, timedelta
from airflow import DAG
from airflow.models import BaseOperator
start = datetime(2020, 1, 1)
"""

SCHEDULES = {
    "None": None,
    "'@once'": "@once",
    "'@daily'": "0 0 * * *",
    "'@hourly'": "0 * * * *",
    "'@weekly'": "0 0 * * 0",
    "'@monthly'": "0 0 1 * *",
    "'@yearly'": "0 0 1 1 *",
    "'@quarterly'": "0 0 1 */3 *",
    "'5 4 * * 1-5'": "5 4 * * 1-5",
    "timedelta(hours=3)": {"seconds": 10800},
    "timedelta(days=1)": {"seconds": 86400},
    "relativedelta(hours=+2)": {"seconds": 7200},
}

STRUCTURE = (
    HEAD
    + """\
from airflow.operators.bash_operator import BashOperator
from airflow.operators.python_operator import PythonOperator
from airflow.operators.subdag_operator import SubDagOperator
from airflow.utils.trigger_rule import TriggerRule
from helpers.own import Own, alert
import os

def work(**context):
    pass

dag = DAG(
    'full', schedule_interval='@daily', start_date=start, end_date=datetime(2030, 1, 1),
    catchup=False, concurrency=7, max_active_runs=3, dagrun_timeout=timedelta(hours=1),
    tags=['b', 'a'], params={'p': 1}, description='d', doc_md='m', default_view='tree',
    template_searchpath=[os.path.dirname(__file__) + '/sql'], on_failure_callback=alert,
    sla_miss_callback=work, user_defined_macros={'m2': 1, 'm1': len}, orientation='TB',
    access_control={'ops': {'can_dag_read', 'can_dag_edit'}},
    default_args={
        'owner': 'me', 'retries': 2, 'retry_delay': timedelta(minutes=5), 'sla': timedelta(hours=2),
    },
)
a = BashOperator(
    task_id='a', bash_command='echo {{ ds }}', env={'B': '2'}, dag=dag, pool='p', pool_slots=2,
    priority_weight=4, weight_rule='upstream', queue='q', execution_timeout=timedelta(seconds=9),
    trigger_rule=TriggerRule.ALL_DONE, email_on_failure=False, task_concurrency=2,
)
b = PythonOperator(
    task_id='b', python_callable=work, op_kwargs={'f': work, 'when': datetime(2020, 1, 1)}, dag=dag,
)
c = Own(task_id='c', query='q.sql', dag=dag)
child = DAG('full.sub', schedule_interval='@daily', start_date=start, default_args=dag.default_args)
BaseOperator(task_id='inner', dag=child)
sub = SubDagOperator(task_id='sub', subdag=child, dag=dag)
a >> [b, c] >> sub
"""
)

OWN = """\
from airflow.models import BaseOperator
class Base(BaseOperator):
    pass
class Own(Base):
    template_fields = ('query', 'gone')
    template_ext = ('.sql',)
    def __init__(self, query=None, **kwargs):
        super(Own, self).__init__(**kwargs)
        self.query = query
def alert(context):
    pass
"""

LOOKUPS = """\
from airflow import DAG
from airflow.models import Variable
{}
"""

REPOSITORY: dict[str, str | bytes] = {
    "dags/structure.py": STRUCTURE,
    "dags/helpers/own.py": OWN,
    "dags/helpers/__init__.py": "",
    "dags/sql/q.sql": "select 1",
    "dags/schedules.py": HEAD
    + "from dateutil.relativedelta import relativedelta\n"
    + "".join(
        f"d{n} = DAG('s{n}', start_date=start, schedule_interval={text})\n"
        for n, text in enumerate(SCHEDULES)
    )
    + "default = DAG('default', start_date=start)\n",
    **{
        f"dags/shim{n}.py": HEAD + "import airflow.operators.bash_operator\n"
        "from airflow.utils.dates import days_ago\ndays_ago(1)\n"
        for n in range(6)
    },
    "dags/reads.py": LOOKUPS.format(
        "given = Variable.get('given')\n"
        "assert Variable.get('none', default_var=None) is None\n"
        "assert Variable.get('default', 'd') == 'd'\n"
        "assert Variable.setdefault('made', 'm') == 'm' and Variable.get('made') == 'm'\n"
        "Variable.set('written', 'w')\n"
    ),
    "dags/misses.py": LOOKUPS.format("def f():\n    return Variable.get('miss')\nf()\n"),
    "dags/misses_json.py": LOOKUPS.format("x = Variable.get('j', deserialize_json=True)\n"),
    "dags/misses_connection.py": LOOKUPS.format(
        "from airflow.hooks.base_hook import BaseHook\n"
        "assert BaseHook.get_connection('known').host == 'h'\n"
        "c = BaseHook.get_connection('unknown')\n"
    ),
    "dags/reaches.py": LOOKUPS.format(
        "import boto3\n"
        "boto3.client('s3', region_name='eu-west-1', aws_access_key_id='a',\n"
        "             aws_secret_access_key='b').list_buckets()\n"
    ),
    "plugins/good.py": """\
from airflow.plugins_manager import AirflowPlugin
from airflow.models import BaseOperator, Variable
FROM = Variable.get('of_plugin', default_var='x')
class Op(BaseOperator):
    pass
def shout(text):
    return text.upper()
class Good(AirflowPlugin):
    name = 'good'
    operators = [Op]
    macros = [shout]
    appbuilder_menu_items = [{'name': 'Docs', 'href': '/'}]
""",
    "plugins/leaves.py": "import sys\nsys.exit('not here')\n",
    "plugins/raises.py": "def f():\n    raise ValueError('broken')\nf()\n",
    "plugins/zlast.py": "from airflow.plugins_manager import AirflowPlugin\n"
    "class Last(AirflowPlugin):\n    name = 'last'\n",
}

ENV = {"AIRFLOW_VAR_GIVEN": "g", "AIRFLOW_CONN_KNOWN": "postgres://u:p@h/d"}


@pytest.fixture(scope="module")
def observations(tmp_path_factory: pytest.TempPathFactory) -> dict[Side, Observation]:
    return {
        side: observe_on(side, tmp_path_factory.mktemp(side), REPOSITORY, env=ENV) for side in SIDES
    }


@pytest.fixture(scope="module", params=SIDES)
def seen(request: pytest.FixtureRequest, observations: dict[Side, Observation]) -> Observation:
    return observations[request.param]


def file(observation: Observation, name: str) -> FileObservation:
    return by_name(observation)[f"dags/{name}.py"]


def dags(observation: Observation, name: str) -> dict[str, DagObservation]:
    observed = file(observation, name)
    assert observed.outcome == "ok", observed.error
    return {dag.dag_id: dag for dag in observed.dags}


def test_environment(observations: dict[Side, Observation]) -> None:
    for observation in observations.values():
        assert observation.packages["apache-airflow"] == observation.airflow
        assert len(observation.packages) > 80
        assert "jinja2" in observation.packages


@pytest.mark.parametrize("number", range(len(SCHEDULES)))
def test_schedule(number: int, seen: Observation) -> None:
    expected = list(SCHEDULES.values())[number]
    assert dags(seen, "schedules")[f"s{number}"].schedule == expected


def test_schedule_that_is_not_given(seen: Observation) -> None:
    assert dags(seen, "schedules")["default"].schedule == {"seconds": 86400}


def test_dag(seen: Observation) -> None:
    dag = dags(seen, "structure")["full"]
    assert (dag.start_date, dag.end_date) == (
        "2020-01-01T00:00:00+00:00", "2030-01-01T00:00:00+00:00")  # fmt: skip
    assert (dag.catchup, dag.max_active_tasks, dag.max_active_runs) == (False, 7, 3)
    assert dag.dagrun_timeout == {"seconds": 3600}
    assert (dag.tags, dag.params) == (("a", "b"), {"p": 1})
    assert (dag.description, dag.doc_md, dag.default_view, dag.orientation) == (
        "d",
        "m",
        "grid",
        "TB",
    )
    assert dag.template_searchpath == ["$REPO/dags/sql"]
    assert dag.user_defined_macros == ("m1", "m2")
    assert set(dag.callbacks) == {
        "on_failure_callback=dags/helpers/own.py:alert",
        "sla_miss_callback=dags/structure.py:work",
    }
    assert dag.access_control == {"ops": ["can_edit", "can_read"]}
    assert dag.parent == ""
    assert dags(seen, "structure")["full.sub"].parent == "full"


def test_tasks(seen: Observation) -> None:
    tasks = {task.task_id: task for task in dags(seen, "structure")["full"].tasks}
    assert list(tasks) == ["a", "b", "c", "sub"]
    a, b, c, sub = tasks.values()
    assert (a.upstream, a.downstream, sub.upstream) == ((), ("b", "c"), ("b", "c"))
    assert a.fields["bash_command"] == "echo {{ ds }}"
    assert a.fields["env"] == {"B": "2"}
    assert (a.pool, a.pool_slots, a.priority_weight, a.weight_rule, a.queue) == (
        "p", 2, 4, "upstream", "q")  # fmt: skip
    assert (b.pool, b.weight_rule, b.queue) == ("default_pool", "downstream", "default")
    assert (a.trigger_rule, b.trigger_rule) == ("all_done", "all_success")
    assert (a.execution_timeout, a.sla) == ({"seconds": 9}, {"seconds": 7200})
    assert (a.retries, a.retry_delay, a.owner) == (2, {"seconds": 300}, "me")
    assert (a.max_active_tis_per_dag, b.max_active_tis_per_dag) == (2, None)
    assert (a.email_on_failure, b.email_on_failure) == (False, True)
    assert a.params == {"p": 1}
    assert b.fields["op_kwargs"] == {
        "f": "dags/structure.py:work", "when": "2020-01-01T00:00:00"}  # fmt: skip
    assert c.operator == "dags/helpers/own.py:Own"
    assert c.bases == ("dags/helpers/own.py:Base", "airflow.models.baseoperator.BaseOperator")
    assert (c.template_fields, c.fields) == (
        ("query", "gone"), {"query": "select 1", "gone": "<unreadable>"})  # fmt: skip


def test_operators_have_their_real_names(observations: dict[Side, Observation]) -> None:
    names = {
        side: dags(seen, "structure")["full"].tasks[0].operator
        for side, seen in observations.items()
    }
    assert names == {
        Side.BRIDGE: "airflow.operators.bash_operator.BashOperator",
        Side.TARGET: "airflow.operators.bash.BashOperator",
    }


@pytest.mark.parametrize("number", range(6))
def test_every_file_is_warned_for_itself(
    number: int, observations: dict[Side, Observation]
) -> None:
    """A module that is deprecated as a whole warns once a process; six files, six warnings."""
    observed = file(observations[Side.TARGET], f"shim{number}")
    assert [w.line for w in observed.warnings if "days_ago" in w.message] == [7]
    assert all(w.airflow and w.path == observed.path for w in observed.warnings)
    assert not [w for w in file(observations[Side.BRIDGE], f"shim{number}").warnings if w.airflow]


def test_lookups(seen: Observation) -> None:
    found = [(look.name, look.line, look.answer) for look in file(seen, "reads").lookups]
    assert found == [
        ("given", 3, "given"), ("none", 4, "default"), ("default", 5, "default"),
        ("made", 6, "default"), ("made", 6, "given"),
    ]  # fmt: skip


def test_missing(seen: Observation) -> None:
    observed = file(seen, "misses")
    assert observed.error
    assert (observed.error.type, observed.error.line) == ("KeyError", 4)
    assert [(look.kind, look.name, look.line, look.answer) for look in observed.lookups] == [
        ("variable", "miss", 4, "missing")
    ]
    observed = file(seen, "misses_connection")
    assert observed.error
    assert "isn't defined" in observed.error.message
    assert [(look.kind, look.name, look.line, look.answer) for look in observed.lookups] == [
        ("connection", "known", 4, "given"), ("connection", "unknown", 5, "missing"),
    ]  # fmt: skip


def test_egress(seen: Observation) -> None:
    observed = file(seen, "reaches")
    assert observed.outcome == "error"
    assert [host.endswith("amazonaws.com:443") for host in observed.egress] == [True]
    assert observed.error
    assert any("allowed-hosts" in cause for cause in observed.error.chain)


def test_plugins(seen: Observation) -> None:
    plugins = {plugin.name: plugin for plugin in seen.plugins if plugin.path.startswith("plugins/")}
    assert set(plugins) == {"good", "last"}
    good = plugins["good"]
    assert good.path == "plugins/good.py"
    assert good.registers["macros"] == ("shout",)
    assert good.registers["appbuilder_menu_items"] == ("Docs",)
    assert good.registers.get("operators", ()) == (("Op",) if seen.side is Side.BRIDGE else ())
    errors = {error.path: error for error in seen.plugin_errors}
    assert {path: (e.type, e.line) for path, e in errors.items()} == {
        "plugins/leaves.py": ("SystemExit", 2), "plugins/raises.py": ("ValueError", 2)}  # fmt: skip
    assert errors["plugins/leaves.py"].message == "not here"
    assert [(look.name, look.path, look.answer) for look in seen.plugin_lookups] == [
        ("of_plugin", "plugins/good.py", "default")
    ]


def test_bridge_plugin_warnings(observations: dict[Side, Observation]) -> None:
    warnings = observations[Side.BRIDGE].plugin_warnings
    assert [(w.path, w.airflow) for w in warnings if w.category == "FutureWarning"] == [
        ("plugins/good.py", True)
    ]


@pytest.mark.parametrize("side", SIDES)
def test_a_plugin_that_takes_the_process_along_is_named(side: Side, tmp_path: Path) -> None:
    plugins = {
        "a": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
        "b": "import time\ntime.sleep(1000)\n",
        "c": "import os\nif os.fork() == 0:\n    os._exit(0)\nos._exit(0)\n",
        "d": "kept = b'x' * (4 << 30)\n",
        "d2": "import time\n\ntime.sleep(1000)\n",
        "e": "raise KeyboardInterrupt\n",
        "f": REPOSITORY["plugins/zlast.py"],
    }
    files = {f"plugins/{name}.py": text for name, text in plugins.items()}
    files["dags/one.py"] = HEAD + "DAG('one', start_date=start)\n"
    seen = observe_on(side, tmp_path, files, timeout=5, memory=512)
    errors = {Path(e.path).stem: (e.outcome, e.type, e.line) for e in seen.plugin_errors}
    assert errors == {
        "a": ("lost", "ChildProcessError", 0),
        "b": ("timeout", "TimeoutError", 2),
        "c": ("exit", "SystemExit", 4),
        "d": ("memory", "MemoryError", 1),
        "d2": ("timeout", "TimeoutError", 3),
        "e": ("error", "KeyboardInterrupt", 1),
    }
    assert "SIGKILL" in next(e.message for e in seen.plugin_errors if e.outcome == "lost")
    assert "last" in {plugin.name for plugin in seen.plugins}
    assert [file.outcome for file in seen.files] == ["ok"]


@pytest.mark.parametrize("side", SIDES)
def test_the_folders_of_a_run_have_one_name_on_both_sides(side: Side, tmp_path: Path) -> None:
    text = """\
import os, tempfile
from airflow.configuration import conf
section = "logging" if conf.has_option("logging", "base_log_folder") else "core"
folders = {
    "logs": conf.get(section, "base_log_folder"),
    "dags": conf.get("core", "dags_folder"),
    "temporary": tempfile.gettempdir() + "/x",
    "home": os.path.expanduser("~/.ssh"),
}
dag = DAG("folders", start_date=start, schedule_interval=None, params=folders)
BaseOperator(task_id="one", dag=dag)
"""
    observed = observe_on(side, tmp_path, {"dags/folders.py": HEAD + text})
    ((dag,),) = (file.dags for file in observed.files)
    assert dag.params == {
        "logs": "$RUN/logs",
        "dags": "$REPO/dags",
        "temporary": "$RUN/tmp/x",
        "home": "$HOME/.ssh",
    }


@pytest.mark.parametrize("side", SIDES)
def test_assumed(side: Side, tmp_path: Path) -> None:
    files = {
        name: REPOSITORY[f"dags/{name}.py"]
        for name in ("misses", "misses_json", "misses_connection")
    }
    sample = json.dumps({"bucket": "b"})
    seen = observe_on(
        side,
        tmp_path,
        {
            **{f"dags/{name}.py": text for name, text in files.items()},
            "dags/sampled.py": LOOKUPS.format(
                "assert Variable.get('cfg', deserialize_json=True)['bucket'] == 'b'\n"
                "from airflow.hooks.base_hook import BaseHook\n"
                "assert BaseHook.get_connection('db').login == 'me'\n"
            ),
        },
        env=ENV,
        samples={"variable": {"cfg": sample}, "connection": {"db": "postgres://me@there/x"}},
        assume_missing=True,
    )
    assert {file.path: file.outcome for file in seen.files} == dict.fromkeys(by_name(seen), "ok")
    answers = [(look.name, look.answer, look.value) for file in seen.files for look in file.lookups]
    assert sorted(answers) == [
        ("cfg", "assumed", sample), ("db", "assumed", "postgres://me@there/x"),
        ("j", "assumed", "{}"), ("known", "given", ""), ("miss", "assumed", "1"),
        ("unknown", "assumed", "generic://assumed"),
    ]  # fmt: skip


@pytest.mark.parametrize("side", SIDES)
def test_a_module_of_the_repository_is_not_mistaken_for_one_of_the_probe(
    side: Side, tmp_path: Path
) -> None:
    names = ("harm", "main", "names", "notes", "observe", "seed", "values")
    own = {f"dags/{name}.py": "mine = True\n" for name in names}
    asks = "".join(f"import {name}\nassert {name}.mine\n" for name in names)
    dag = "from airflow import DAG\ndag = DAG('d', start_date=None)\n"
    seen = by_name(observe_on(side, tmp_path, {**own, "dags/d.py": asks + dag}))["dags/d.py"]
    assert (seen.outcome, [dag.dag_id for dag in seen.dags]) == ("ok", ["d"]), seen.error
