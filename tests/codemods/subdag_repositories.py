"""Small repositories whose DAGs have sub-DAGs, in the forms that people give these."""

from __future__ import annotations

from itertools import product

PLAIN = '''\
from datetime import datetime, timedelta

from airflow import DAG
from airflow.executors.local_executor import LocalExecutor
from airflow.operators.bash_operator import BashOperator
from airflow.operators.dummy_operator import DummyOperator
from airflow.operators.subdag_operator import SubDagOperator

default_args = {
    "owner": "ann",
    "depends_on_past": False,
    "retries": 2,
    "retry_delay": timedelta(minutes=7),
}
START = datetime(2020, 1, 1)
dag = DAG("plain", start_date=START, default_args=default_args, schedule_interval="@daily")


def load(parent, child, start_date, schedule, word="one"):
    # what a table needs
    subdag = DAG(
        dag_id=f"{parent}.{child}",  # as 1.10 wants it
        schedule_interval=schedule,
        start_date=start_date,
    )

    first = BashOperator(
        task_id="first",
        bash_command="""
echo first \\
    {{ ds }}
        """,
        dag=subdag,
    )
    second = BashOperator(task_id="second", bash_command=f"""
    echo {word}
""", dag=subdag)
    other = DummyOperator(task_id="other", pool="small", dag=subdag)
    first >> second
    # that is all
    return subdag


begin = DummyOperator(task_id="begin", dag=dag)
one = SubDagOperator(
    task_id="one",
    # the first of two
    subdag=load("plain", "one", dag.start_date, dag.schedule_interval),
    executor=LocalExecutor(),
    dag=dag,
)
two = SubDagOperator(
    task_id="two",
    subdag=load(
        dag.dag_id,
        "two",
        start_date=START,
        schedule="@hourly",
        word="""two
lines""",
    ),
    default_args=default_args,
    dag=dag,
)
end = DummyOperator(task_id="end", trigger_rule="all_done", dag=dag)
begin >> one >> two >> end
begin >> end
'''

CONTEXT = """\
from airflow.models import DAG
from airflow.operators.bash_operator import BashOperator
from airflow.operators.dummy_operator import DummyOperator
from airflow.operators.subdag_operator import SubDagOperator
from airflow.utils.dates import days_ago

args = {"owner": "bob", "start_date": days_ago(2), "retries": 3, "email": "a@b.c"}


def checks(parent_name, child_name, args):
    with DAG("%s.%s" % (parent_name, child_name), default_args=args, schedule_interval=None) as dag:
        last = None
        for number in range(3):
            task_id = "%s_%s" % (child_name, number)
            task = BashOperator(task_id=task_id, bash_command="true", dag=dag)
            if last:
                last >> task
            last = task
        return dag


def loads(parent_name, child_name, args):
    dag_id = "{}.{}".format(parent_name, child_name)
    dag = DAG(dag_id, default_args=args)
    names = ["a", "b"]
    with dag:
        for name in names:
            BashOperator(task_id=f"load_{name}", bash_command="true")

    return dag


with DAG("context", default_args=args, schedule_interval="0 3 * * *") as dag:
    begin = DummyOperator(task_id="begin")
    load = SubDagOperator(task_id="load", subdag=loads("context", "load", args))
    check = SubDagOperator(
        task_id="check", subdag=checks(dag.dag_id, "check", args), provide_context=True, dag=dag
    )
    middle = [DummyOperator(task_id="x"), DummyOperator(task_id="y")]
    begin.set_downstream(load)
    load >> check
    check.set_downstream(middle)
"""

MAKERS = '''\
from airflow import DAG
from airflow.operators.bash_operator import BashOperator


def copying(dag, table, **kwargs) -> DAG:
    """The copies of a table."""
    subdag = DAG(dag.dag_id + "." + table + "_copy", default_args=dag.default_args, **kwargs)
    there = BashOperator(task_id="there", bash_command="echo " + table, dag=subdag)
    back = BashOperator(task_id="back", bash_command="echo " + table, dag=subdag)
    there >> back
    return subdag


def counting(parent, table, default_args):
    dag = DAG(f"{parent}.count-{table}", default_args=default_args)
    BashOperator(task_id="count", bash_command="true", dag=dag)
    return dag
'''

TABLES = """\
import datetime

from airflow import DAG
from airflow.operators.dummy_operator import DummyOperator
from airflow.operators.subdag_operator import SubDagOperator
from airflow.utils.helpers import chain
from lib import makers
from lib.makers import counting

START = datetime.datetime(2021, 1, 1)
counted = {"owner": "cid", "retries": 5, "start_date": START}


def build(name):
    dag = DAG(name, start_date=START, schedule_interval="@daily", default_args=counted)
    steps = [DummyOperator(task_id="begin", dag=dag)]
    for table in ["a", "b"]:
        steps.append(SubDagOperator(
            task_id=table + "_copy",
            subdag=makers.copying(dag, table, start_date=START),
            dag=dag,
        ))
    chain(*steps)
    counts = SubDagOperator(
        task_id="count-all", subdag=counting(name, "all", counted), dag=dag)
    steps[-1] >> counts
    return dag


one = build("tables")
"""

OTHER = """\
import datetime

from airflow import DAG
from airflow.operators.subdag_operator import SubDagOperator
from lib.makers import counting

mine = {"start_date": datetime.datetime(2020, 1, 1), "retries": 1, "retry_delay": 3}
with DAG("other", schedule_interval=None, default_args=mine) as dag:
    counting = SubDagOperator(
        subdag=counting("other", "mine", mine), task_id="count-mine"
    )
"""

REPOSITORIES = {
    "other": {"lib/__init__.py": "", "lib/makers.py": MAKERS, "other.py": OTHER},
    "plain": {"plain.py": PLAIN},
    "context": {"context.py": CONTEXT},
    "tables": {"lib/__init__.py": "", "lib/makers.py": MAKERS, "tables.py": TABLES},
}

_MIXED = """\
from datetime import datetime

from airflow import DAG
from airflow.operators.bash_operator import BashOperator
from airflow.operators.dummy_operator import DummyOperator
from airflow.operators.subdag_operator import SubDagOperator

ARGS = {{"owner": "dee", "start_date": datetime(2020, 1, 1), "retries": 2, "email": "a@b.c"}}


def make(parent, child, args):
{filled}

{made}"""
_IDS = {
    "f": 'f"{parent}.{child}"',
    "percent": '"%s.%s" % (parent, child)',
    "format": '"{1}.{0}".format(child, parent)',
    "plus": 'parent + "." + child',
}
_FILLED = {
    "given": """\
    dag = DAG({id}, default_args=args)
    ends = [DummyOperator(task_id=child + name, dag=dag) for name in "xy"]
    BashOperator(task_id="a", bash_command="true", dag=dag) >> ends  # a fan
    return dag
""",
    "late": """\
    subdag = DAG({id}, start_date=args["start_date"], schedule_interval=None)
    names = ["b", "c"]
    with subdag:
        for name in names:
            BashOperator(task_id=name, bash_command="true", retries=5, pool="small")
    return subdag
""",
    "context": """\
    with DAG({id}, default_args=dict(args), catchup=False) as dag:
        BashOperator(task_id="d", bash_command="true") >> DummyOperator(task_id="e", dag=dag)
    return dag
""",
}
_MADE = {
    "inside": """\
with DAG("{name}", default_args=ARGS, schedule_interval="@daily") as dag:
    one = SubDagOperator(task_id="one", subdag=make("{name}", "one", ARGS))
    two = SubDagOperator(task_id="two", subdag=make(dag.dag_id, "two", args=ARGS), dag=dag)
    DummyOperator(task_id="begin") >> [one, two]
    one >> DummyOperator(task_id="end")
""",
    "looped": """\
main = DAG("{name}", default_args=ARGS, schedule_interval="@daily")
last = DummyOperator(task_id="begin", dag=main)
for name in ["one", "two"]:
    last = last >> SubDagOperator(
        task_id=name,
        subdag=make("{name}", name, ARGS),
        dag=main,
    )
""",
}


def _mixed() -> dict[str, str]:
    """A file for each way to say the id, to fill the sub-DAG and to make its operator."""
    found = {}
    for (of_id, code), (of_fill, filled), (of_made, made) in product(
        _IDS.items(), _FILLED.items(), _MADE.items()
    ):
        name = f"{of_id}_{of_fill}_{of_made}"
        found[f"{name}.py"] = _MIXED.format(
            filled=filled.format(id=code), made=made.format(name=name)
        )
    return found


REPOSITORIES["mixed"] = _mixed()
