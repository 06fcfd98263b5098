"""Methods of hooks take the arguments, and bear the names, that they have on the target."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.argument_map import is_elsewhere
from codemods.editing.changes import Change, EditCall, Step
from codemods.reading.instances import instances
from codemods.reading.source import Source
from codemods.rules._signatures import edited, map_call, told_of
from codemods.rules._text import block, lines, sentence
from codemods.tables.constructors import Constructor, baseline
from codemods.tables.core_classes import TASK
from codemods.tables.methods import baseline_methods, method_names
from codemods.tables.model_names import ROWS
from codemods.tables.target import Target

ID = "hook-methods"
# The class that the configuration names; it is this one or inherits from it.
_BACKENDS = {"airflow.models.XCom", "airflow.models.xcom.XCom"}
_XCOM = "airflow.models.xcom.BaseXCom"
_CONNECTIONS = "airflow.hooks.base.BaseHook"
# Methods of every task that no mixin has as well.
_OF_TASKS = {"get_extra_links", "get_flat_relative_ids"}
# Source: operators/slack.py of 1.10.15 and of apache-airflow-providers-slack 8.0.0.
_SLACK = "airflow.operators.slack_operator.SlackAPIOperator"
_ASKS = "apache-airflow-providers-slack>=8.0"


# -- whose method it is ------------------------------------------------------------------------


def _class(source: Source, func: ast.Attribute) -> str | None:
    """The class whose method is called, of an instance or, as in ``Variable.get``, of its own."""
    known = instances(source)
    path = known.path(func.value) or (source.path_of(func) or "").rpartition(".")[0]
    path = _XCOM if path in _BACKENDS else path
    if not path.startswith("airflow.") or known.overrides(func.value, func.attr):
        return None
    signature = baseline().signature(path)
    if signature is None or (TASK in signature.lineage and func.attr not in _OF_TASKS):
        return None  # what operators inherit by mixins is not in the table
    return path if any(baseline_methods().knows(p) for p in signature.lineage) else None


def _find(source: Source, target: Target) -> Iterator[Change]:
    for node in source.plain_calls:
        func = node.func
        if isinstance(func, ast.Attribute) and func.attr in method_names():
            path = _class(source, func)
            if path:
                yield from _call(source, target, path, node, func)
            elif func.attr == "execute" and not node.args and not node.keywords:
                yield from _without_context(source, target, node, func)


def _without_context(
    source: Source, target: Target, node: ast.Call, func: ast.Attribute
) -> Iterator[Step]:
    """A task of Slack's that is run by hand, which 1.10 did without a context."""
    signature = baseline().signature(instances(source).path(func.value) or "")
    if signature is not None and _SLACK in signature.lineage and target.has(_ASKS):
        yield Step(
            rule=ID,
            line=node.lineno,
            message="execute asks for the context",
            operations=(EditCall(node=node, add={"context": "{}"}),),
        )


def _call(
    source: Source, target: Target, path: str, node: ast.Call, func: ast.Attribute
) -> Iterator[Change]:
    resolution = target.resolve(path)
    before, after = baseline().signature(path), target.constructors.signature(resolution.path)
    if resolution.removed is not None or before is None or after is None:
        return
    if is_elsewhere(resolution.path, func.attr):
        return
    old = baseline_methods().find(before.lineage, func.attr)
    if any(func.attr in ROWS.get(p, {}) for p in before.lineage):
        return  # it has another name, or none: another rule tells
    if old is None or not any(target.methods.knows(p) for p in after.lineage):
        return
    lineage = tuple(dict.fromkeys([*after.lineage, *before.lineage]))
    cls = resolution.path.rpartition(".")[2]
    moved = target.methods.by_hand(lineage, func.attr, "->")
    name = moved.new if moved is not None else func.attr
    new = target.methods.find(after.lineage, name)
    told = target.methods.by_hand(lineage, func.attr, "!")
    plain = isinstance(func.value, ast.Name) and path.rpartition(".")[2] in {cls, func.value.id}
    if plain and func.attr == "get_connections" and _CONNECTIONS in after.lineage:
        arguments = source.text[source.span(func)[1] : source.span(node)[1]]
        code = f"{source.segment(func.value)}.get_connection{arguments}"
        first = _first_of(source, node)
        yield Step.replace(
            first or node,
            code if first else f"[{code}]",
            rule=ID,
            message="a connection id names one connection: get_connections is get_connection",
        )
        return
    if new is None and ".hooks." not in resolution.path:
        return  # models inherit by mixins that the table does not have
    if new is None or told is not None:
        near = difflib.get_close_matches(func.attr, sorted(target.methods.names(after.lineage)), 3)
        near = near or sorted(target.methods.names(after.lineage[:1]))[:8]
        advice = f"It has {', '.join(near)}" if near else "It has get_conn"
        yield Note.at(
            node,
            rule=ID,
            message=f"{cls} has no {func.attr} on the target"
            if new is None
            else f"{cls}.{func.attr} is another method on the target",
            fix=sentence(told.advice) if told is not None else advice,
        )
        return
    mapped = map_call(target, lineage, func.attr, node, old, new)
    method = f"{cls}.{name}"
    asked = target.methods.by_hand(lineage, func.attr, "?")
    if asked is not None and not _seen_to(source, node, asked.new, new):
        yield Note.at(
            node,
            rule=ID,
            message=f"{method} asks for {asked.new} on the target",
            fix=sentence(asked.advice),
        )
    yield from told_of(node, method, mapped, old, new, rule=ID)
    yield from edited(node, method, mapped, rule=ID, func=func)


def _seen_to(source: Source, node: ast.Call, word: str, new: Constructor) -> bool:
    """Whether a call gives an argument or, where the method has none of that name, the file says
    the word."""
    given = {k.arg for k in node.keywords}
    return not given.isdisjoint({None, word}) or (word not in new.accepts and word in source.text)


def _first_of(source: Source, node: ast.Call) -> ast.Subscript | None:
    """``node[0]``."""
    for one in source.every(ast.Subscript):
        match one:
            case ast.Subscript(value=value, slice=ast.Constant(value=0)) if value is node:
                return one
    return None


_GCS = "from airflow.providers.google.cloud.hooks.gcs import GCSHook"

RULE = Rule(
    id=ID,
    title="Call hooks as the target has them",
    why="Providers renamed methods of hooks and their arguments; a call fails when the task runs, "
    "long after the DAG parsed.",
    examples=(
        Example(
            before=block("""
                from airflow import DAG

                dag = DAG('d', schedule=None)
                dag.create_dagrun(run_id='manual__1', execution_date=day, state='running')
            """),
            notes=("asks for data_interval",),
        ),
        Example(
            before=block("""
                from airflow.contrib.hooks.gcs_hook import GoogleCloudStorageHook


                def upload():
                    hook = GoogleCloudStorageHook()
                    hook.upload(bucket='b', object='o', filename='/tmp/f')
                    return hook.download('b', object='o')
            """),
            after=block("""
                from airflow.providers.google.cloud.hooks.gcs import GCSHook


                def upload():
                    hook = GCSHook()
                    hook.upload(bucket_name='b', object_name='o', filename='/tmp/f')
                    return hook.download('b', object_name='o')
            """),
        ),
        Example(
            before=block("""
                from airflow.contrib.hooks.aws_hook import AwsHook
                from airflow.contrib.hooks.gcp_dataproc_hook import DataProcHook
                from airflow.hooks.base_hook import BaseHook
                from airflow.hooks.mysql_hook import MySqlHook
                from airflow.hooks.slack_hook import SlackHook

                MySqlHook('m').bulk_load('t', '/tmp/t.tsv')
                hosts = [c.host for c in BaseHook.get_connections('web')]
                host = BaseHook.get_connections('web')[0].host
                slack = SlackHook(slack_conn_id='s')
                slack.call('chat.postMessage', api_params={'text': 'hello'})
                DataProcHook().submit('p', job, 'r')
                AwsHook('a').get_client_type('ecs')
            """),
            after=block("""
                from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
                from airflow.providers.google.cloud.hooks.dataproc import DataprocHook
                from airflow.hooks.base import BaseHook
                from airflow.providers.mysql.hooks.mysql import MySqlHook
                from airflow.providers.slack.hooks.slack import SlackHook

                MySqlHook('m').bulk_load('t', '/tmp/t.tsv')
                hosts = [c.host for c in [BaseHook.get_connection('web')]]
                host = BaseHook.get_connection('web').host
                slack = SlackHook(slack_conn_id='s')
                slack.call('chat.postMessage', json={'text': 'hello'})
                DataprocHook().submit('p', job, 'r')
                AwsBaseHook('a').get_client_type('ecs')
            """),
            notes=(
                "asks for local_infile",
                "hook.submit_job(",
                "get_session(region_name=...).client(",
            ),
        ),
        Example(
            before=block("""
                from airflow.contrib.hooks.gcs_hook import GoogleCloudStorageHook


                class Sweeper:
                    def run(self):
                        self.sweep(GoogleCloudStorageHook(), 'b')
                        report('b', hook=GoogleCloudStorageHook())

                    def sweep(self, hook, bucket):
                        return hook.list(bucket=bucket, maxResults=9)


                def report(bucket, hook=None):
                    hook.exists(bucket=bucket, object='o')
            """),
            after=block("""
                from airflow.providers.google.cloud.hooks.gcs import GCSHook


                class Sweeper:
                    def run(self):
                        self.sweep(GCSHook(), 'b')
                        report('b', hook=GCSHook())

                    def sweep(self, hook, bucket):
                        return hook.list(bucket_name=bucket, max_results=9)


                def report(bucket, hook=None):
                    hook.exists(bucket_name=bucket, object_name='o')
            """),
        ),
        Example(
            before=block("""
                from airflow.contrib.hooks.gcs_hook import GoogleCloudStorageHook
                from airflow.models import BaseOperator


                class Copy(BaseOperator):
                    def get_hook(self):
                        return GoogleCloudStorageHook()

                    def execute(self, context):
                        self.get_hook().delete(bucket='b', object='o')
                        hook = self.get_hook()
                        hook.delete(bucket='b', object='o')
            """),
            after=block("""
                from airflow.providers.google.cloud.hooks.gcs import GCSHook
                from airflow.models import BaseOperator


                class Copy(BaseOperator):
                    def get_hook(self):
                        return GCSHook()

                    def execute(self, context):
                        self.get_hook().delete(bucket_name='b', object_name='o')
                        hook = self.get_hook()
                        hook.delete(bucket_name='b', object_name='o')
            """),
        ),
        Example(
            before=block("""
                from airflow.hooks.presto_hook import PrestoHook
                from airflow.operators.presto_check_operator import PrestoCheckOperator


                def hook() -> PrestoHook:
                    return PrestoHook()


                def rows(one: PrestoHook, op: PrestoCheckOperator):
                    op.get_db_hook().get_records(hql='a')
                    return one.get_records(hql='b') + hook().get_first(hql='c')
            """),
            after=block("""
                from airflow.providers.presto.hooks.presto import PrestoHook
                from airflow.providers.common.sql.operators.sql import SQLCheckOperator


                def hook() -> PrestoHook:
                    return PrestoHook()


                def rows(one: PrestoHook, op: SQLCheckOperator):
                    op.get_db_hook().get_records(sql='a')
                    return one.get_records(sql='b') + hook().get_first(sql='c')
            """),
        ),
        Example(
            before=block("""
                from airflow.operators.slack_operator import SlackAPIPostOperator


                def told(context):
                    ti = context['ti']
                    ti.xcom_push('k', 'v', context['ti'].start_date)
                    SlackAPIPostOperator(task_id='t', slack_conn_id='s', text='t').execute()


                arguments = {'on_failure_callback': told}
            """),
            after=lines(
                "from airflow.providers.slack.operators.slack import SlackAPIPostOperator",
                "",
                "",
                "def told(context):",
                "    ti = context['ti']",
                "    ti.xcom_push('k', 'v')",
                "    SlackAPIPostOperator(task_id='t', slack_conn_id='s', text='t')"
                ".execute(context={})",
                "",
                "",
                "arguments = {'on_failure_callback': told}",
            ),
        ),
    ),
    keeps=(
        block("""
            from airflow import DAG
            from airflow.providers.mysql.hooks.mysql import MySqlHook

            MySqlHook('m', local_infile=True).bulk_load('t', '/tmp/t.tsv')
            with DAG('d', schedule=None) as dag:
                dag.create_dagrun(state='x', run_id='manual__1', data_interval=(day, day))
        """),
        lines(  # not every call of it hands the same on
            _GCS,
            "",
            "",
            "def show(hook, bucket):",
            "    return hook.list(bucket=bucket)",
            "",
            "",
            "show(GCSHook(), 'b')",
            "show(FolderHook(), 'b')",
        ),
        block("""
            from airflow.operators.bash import BashOperator

            one = BashOperator(task_id='a', bash_command='true')
            two = BashOperator(task_id='b', bash_command='true')
            two.set_upstream(one)
            two.xcom_pull(context, task_ids='a')
        """),
        block("""
            from airflow.providers.google.cloud.hooks.gcs import GCSHook

            GCSHook().upload(bucket_name='b', object_name='o', filename='f')
        """),
        block("""
            from airflow.providers.amazon.aws.hooks.s3 import S3Hook

            S3Hook('aws').load_file('f', key='k', bucket_name='b', replace=True)
        """),
        block("""
            from airflow.contrib.hooks.gcs_hook import GoogleCloudStorageHook  # noqa: F401


            def upload(hook):
                hook.upload(bucket='b', object='o', filename='f')
        """).replace(
            "contrib.hooks.gcs_hook import GoogleCloudStorageHook", "hooks.base import BaseHook"
        ),
        block("""
            from airflow.providers.amazon.aws.hooks.s3 import S3Hook

            hook = S3Hook()
            client.upload(bucket='b', object='o')
        """),
        block("""
            from airflow.models import Variable

            Variable.get('a', default_var=None, deserialize_json=True)
        """),
    ),
    find=_find,
)
