"""A DAG of the tests: what a few months of Airflow 1.10 leave in a database, in one run."""

import datetime
import os

from airflow import DAG
from airflow.operators.bash_operator import BashOperator
from airflow.operators.python_operator import PythonOperator
from airflow.sensors.base_sensor_operator import BaseSensorOperator

MARKS = os.path.join(os.environ["AIRFLOW_HOME"], "marks")


class SecondTime(BaseSensorOperator):
    """True when it is asked for the second time."""

    def poke(self, context):
        mark = os.path.join(MARKS, context["ds"])
        if os.path.exists(mark):
            return True
        os.makedirs(mark)
        return False


def several(ti, execution_date, **_):
    """XComs of a task as tasks push them; the returned one holds pendulum's own datetime."""
    ti.xcom_push(key="rows", value={"count": 3, "names": ["a", "b"]})
    ti.xcom_push(key="text", value="line one\r\nline two\ttabbed \\ backslash")
    return {"at": execution_date, "took": datetime.timedelta(seconds=90)}


def fail(**_):
    raise ValueError("This task fails\nwith a message of two lines")


default_args = {
    "owner": "o'hara",
    "start_date": datetime.datetime(2021, 1, 1),
    "retries": 0,
    "retry_delay": datetime.timedelta(seconds=0),
}

with DAG("carried", default_args=default_args, schedule_interval="@daily") as dag:
    push = PythonOperator(
        task_id="push",
        python_callable=several,
        provide_context=True,
        executor_config={"KubernetesExecutor": {"image": "python:3.7", "labels": {"a": "b"}}},
    )
    wait = SecondTime(task_id="wait", mode="reschedule", poke_interval=1, timeout=600)
    failing = PythonOperator(task_id="failing", python_callable=fail, provide_context=True)
    never = BashOperator(task_id="never", bash_command="true")
    push >> wait
    push >> failing >> never
