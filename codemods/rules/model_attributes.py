"""Attributes of DAGs, tasks and runs bear the names that they have on the target."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, Step
from codemods.reading.instances import instances
from codemods.reading.source import Source
from codemods.reading.values import text_of
from codemods.rules._text import block, lines
from codemods.tables.model_names import ROWS, Row
from codemods.tables.target import Target

ID = "model-attributes"
_STATE = "airflow.utils.state.State"
_SETS = {"finished", "unfinished"}
_NAMES = frozenset(name for rows in ROWS.values() for name in rows)


def _find(source: Source, target: Target) -> Iterator[Change]:
    yield from _states(source, target)
    if not any(f".{name}" in source.text for name in _NAMES):
        return
    calls = {id(call.func): call for call in source.plain_calls}
    for node in source.every(ast.Attribute):
        if node.attr not in _NAMES:
            continue
        known = instances(source)
        # DagRun.id_for_date
        static = (source.path_of(node) or "").rpartition(".")[0]
        lineage = known.lineage(known.path(node.value) or static)
        row = next((ROWS[p][node.attr] for p in lineage if node.attr in ROWS.get(p, {})), None)
        if (
            row is None
            or known.overrides(node.value, node.attr)
            or not target.has(f"apache-airflow>={row.since}")
            or not row.holds(_first(calls.get(id(node))))
            or (row.uncalled and id(node) in calls)
        ):
            continue
        yield _change(source, node, row, lineage)


def _first(call: ast.Call | None) -> str:
    """The text that a call is given first."""
    return (text_of(call.args[0]) if call is not None and call.args else None) or ""


def _states(source: Source, target: Target) -> Iterator[Step]:
    """``State.finished()`` gave a list; it is a set without a call."""
    if "finished()" not in source.text or not target.has("apache-airflow>=2.0"):
        return
    for node in source.plain_calls:
        owner, _, name = (source.path_of(node.func) or "").rpartition(".")
        if name in _SETS and not node.args and target.resolve(owner).path == _STATE:
            code = f"list({source.segment(node.func)})"
            yield Step.replace(node, code, rule=ID, message=f"State.{name} is a set on the target")


def _change(source: Source, node: ast.Attribute, row: Row, lineage: tuple[str, ...]) -> Change:
    name = lineage[0].rpartition(".")[2]
    if not row.new or (row.called and not isinstance(node.ctx, ast.Load)):
        return Note.at(
            node,
            rule=ID,
            message=f"{name}.{node.attr} is gone or warns on the target",
            fix=row.said(source.segment(node.value)),
        )
    message = f"{name}.{node.attr} is {row.new} on the target"
    return Step.attribute(node, row.new, rule=ID, message=message)


RULE = Rule(
    id=ID,
    title="Ask DAGs, tasks and runs by the target's names",
    why="Attributes of DAG, BaseOperator, TaskInstance and DagRun were renamed or became methods; "
    "what is gone fails when the task runs, long after the DAG parsed.",
    examples=(
        Example(
            before=block("""
                from airflow.utils.state import State

                State.finished() + x
            """),
            after=block("""
                from airflow.utils.state import State

                list(State.finished) + x
            """),
        ),
        Example(
            before=block("""
                from airflow import DAG
                from airflow.models import BaseOperator

                dag = DAG('d', schedule=None)
                print(dag.concurrency, dag.full_filepath, dag.latest_execution_date)


                class Mine(BaseOperator):
                    def execute(self, context):
                        self.logger.info(self.dag.concurrency)
                        return context['ti'].previous_ti
            """),
            after=block("""
                from airflow import DAG
                from airflow.models import BaseOperator

                dag = DAG('d', schedule=None)
                print(dag.max_active_tasks, dag.fileloc, dag.get_latest_execution_date())


                class Mine(BaseOperator):
                    def execute(self, context):
                        self.log.info(self.dag.max_active_tasks)
                        return context['ti'].get_previous_ti()
            """),
        ),
        Example(
            before=block("""
                from airflow.models import DagModel, DagRun

                columns = [DagRun.execution_date, DagModel.last_scheduler_run]
            """),
            after=block("""
                from airflow.models import DagModel, DagRun

                columns = [DagRun.execution_date, DagModel.last_parsed_time]
            """),
        ),
        Example(
            before=block("""
                from airflow import DAG


                def f(ti, **kwargs):
                    return kwargs['dag'].following_schedule(ti.previous_execution_date_success)
            """),
            after=lines(
                "from airflow import DAG",
                "",
                "",
                "def f(ti, **kwargs):",
                "    return kwargs['dag'].following_schedule("
                'ti.get_previous_execution_date(state="success"))',
            ),
            notes=("dag.next_dagrun_info(...)",),
        ),
        Example(
            before=block("""
                from airflow.models import DagBag, DagModel, DagRun

                bag = DagBag()
                bag.kill_zombies([])


                def told(ctx, session=None):
                    model = session.query(DagModel).first()
                    print(model.get_dag(), ctx['dag_run'].dag.full_filepath)
                    for run in DagRun.find(dag_id='d'):
                        print(run.dag.concurrency, run.get_dag().sub_dag)


                arguments = {'on_failure_callback': told}
            """),
            after=block("""
                from airflow.models import DagBag, DagModel, DagRun

                bag = DagBag()
                bag.kill_zombies([])


                def told(ctx, session=None):
                    model = session.query(DagModel).first()
                    print(model.get_dag(), ctx['dag_run'].dag.fileloc)
                    for run in DagRun.find(dag_id='d'):
                        print(run.dag.max_active_tasks, run.get_dag().partial_subset)


                arguments = {'on_failure_callback': told}
            """),
            notes=("the scheduler fails zombies", "read_dags_from_db=True"),
        ),
    ),
    keeps=(
        block("""
            from airflow.utils.state import State

            print(State.finished)
        """),
        block("""
            from airflow.models import BaseOperator


            class Mine(BaseOperator):
                def __init__(self, concurrency, **kwargs):
                    super().__init__(**kwargs)
                    self.concurrency = self.logger = concurrency

                def execute(self, context):
                    self.logger(self.concurrency)
        """),
        block("""
            from airflow import DAG

            POOL.concurrency
            dag.is_paused
        """),
        block("""
            from airflow.models import BaseOperator


            class Mine(BaseOperator):
                def execute(self, context):
                    self.logger().info('a method of the target')
        """),
        block("""
            from airflow import DAG


            def f(dag):
                return dag.concurrency
        """),
        block("""
            import mylib

            # airflow
            dag = mylib.DAG()
            dag.full_filepath
        """),
    ),
    find=_find,
)
