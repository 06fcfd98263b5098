"""Queries as 1.10.15 takes them, and the jobs that it makes of them."""

from __future__ import annotations

from typing import Any

CALLS = """\
from datetime import datetime

from airflow import DAG
from airflow.contrib.operators.bigquery_operator import BigQueryOperator

TABLE = "".join(["d", ".", "t"])


class Heir(BigQueryOperator):
    def __init__(self, into, *args, **kwargs):
        super(Heir, self).__init__(destination_dataset_table=into, *args, **kwargs)

    def execute(self, context):
        assert self.destination_dataset_table == "p:d.t$20200101"
        super(Heir, self).execute(context)


default_args = {"start_date": datetime(2020, 1, 1), "use_legacy_sql": False}
with DAG("queries", default_args=default_args, schedule_interval=None):
    TASKS = [
        BigQueryOperator(task_id="plain", sql="select 1", use_legacy_sql=True),
        BigQueryOperator(task_id="alias", bql="select 1", destination_dataset_table=TABLE),
        BigQueryOperator(
            task_id="several",
            sql=["select 1", "select 2"],
            destination_dataset_table="q.d.t",
            write_disposition="WRITE_TRUNCATE",
            allow_large_results=True,
            flatten_results=True,
        ),
        Heir(
            "p:d.t$20200101",
            task_id="heir",
            sql="select 1",
            write_disposition="WRITE_APPEND",
            schema_update_options=("ALLOW_FIELD_ADDITION",),
            time_partitioning={"type": "DAY", "field": "x"},
            cluster_fields=["x"],
            labels={"team": "a"},
            query_params=[{"name": "x"}],
            udf_config=[{"inlineCode": "y"}],
            maximum_bytes_billed=10.0,
            priority="BATCH",
            encryption_configuration={"kmsKeyName": "k"},
            api_resource_configs={"query": {"useQueryCache": False}},
        ),
    ]
"""
# Runs in a target's environment beside the calls: the jobs that they come to, and what they push.
RUN = """
import datetime, json
from unittest import mock
from airflow.providers.google.cloud.hooks.bigquery import BigQueryHook
import calls

seen, said = {}, []


def insert_job(self, *, configuration, **kwargs):
    said.append(json.loads(json.dumps(configuration)))
    job = mock.MagicMock(job_id="job", error_result=None, state="DONE", running=lambda: False)
    job.to_api_repr.return_value = {"configuration": configuration}
    return job


class Instance:
    dag_id, run_id, map_index = "queries", "r", -1
    pushed = None

    def __init__(self, task_id):
        self.task_id = task_id

    def xcom_push(self, key=None, value=None, **kwargs):
        if key == "job_id":
            self.pushed = value


BigQueryHook.insert_job = insert_job
BigQueryHook.project_id = "home"
for task in calls.TASKS:
    ti = Instance(task.task_id)
    date = datetime.datetime(2020, 1, 1)
    task.execute({"ti": ti, "task_instance": ti, "logical_date": date, "run_id": "r"})
    seen[task.task_id] = [said[:], ti.pushed]
    said.clear()
print("\\n" + json.dumps(seen))
"""


def _to(project: str, table: str, **more: object) -> dict[str, object]:
    return {
        "destinationTable": {"projectId": project, "datasetId": "d", "tableId": table},
        "allowLargeResults": False,
        "createDisposition": "CREATE_IF_NEEDED",
        "writeDisposition": "WRITE_EMPTY",
        **more,
    }


def _query(sql: str = "select 1", **more: object) -> dict[str, object]:
    return {"query": sql, "priority": "INTERACTIVE", "useLegacySql": False, **more}


_OVER = _to(
    "q", "t", allowLargeResults=True, flattenResults=True, writeDisposition="WRITE_TRUNCATE"
)
# Source: seen in Airflow 1.10.15, at BigQueryCursor.run_with_configuration; without what is empty.
JOBS: dict[str, list[Any]] = {
    "plain": [[{"query": _query(useLegacySql=True)}], "job"],
    "alias": [[{"query": _query(**_to("home", "t"))}], "job"],
    "several": [
        [{"query": _query(**_OVER)}, {"query": _query("select 2", **_OVER)}],
        ["job", "job"],
    ],
    "heir": [
        [
            {
                "labels": {"team": "a"},
                "query": _query(
                    **_to("p", "t$20200101", writeDisposition="WRITE_APPEND"),
                    schemaUpdateOptions=["ALLOW_FIELD_ADDITION"],
                    timePartitioning={"type": "DAY", "field": "x"},
                    clustering={"fields": ["x"]},
                    queryParameters=[{"name": "x"}],
                    userDefinedFunctionResources=[{"inlineCode": "y"}],
                    maximumBytesBilled=10.0,
                    destinationEncryptionConfiguration={"kmsKeyName": "k"},
                    useQueryCache=False,
                )
                | {"priority": "BATCH"},
            }
        ],
        "job",
    ],
}


def without_airflows_labels(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The jobs as they would be without the labels that later providers add by themselves."""
    kept = [
        {k: v for k, v in job.get("labels", {}).items() if not k.startswith("airflow-")}
        for job in jobs
    ]
    return [
        {**{k: v for k, v in job.items() if k != "labels"}, **({"labels": own} if own else {})}
        for job, own in zip(jobs, kept, strict=True)
    ]
