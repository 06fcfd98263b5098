"""Attributes of DAGs, tasks and runs bear the names that they have on the target."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from codemods.base import Example, Note, Rule
from codemods.calls import constructions
from codemods.changes import Change, Step
from codemods.constructors import baseline
from codemods.rules._dag import DAG
from codemods.rules._text import lines
from codemods.rules.arguments import TASK
from codemods.source import Source
from codemods.target import Target

ID = "model-attributes"
_HOOK = "airflow.hooks.base_hook.BaseHook"
_RUN = "airflow.models.dagrun.DagRun"
_INSTANCE = "airflow.models.taskinstance.TaskInstance"
_CONNECTION = "airflow.models.connection.Connection"
_POOL = "airflow.models.pool.Pool"
_MODEL = "airflow.models.dag.DagModel"
_JOB = "airflow.jobs.base_job.BaseJob"
_LOGGED = "airflow.utils.log.logging_mixin.LoggingMixin"
_STATE = "airflow.utils.state.State"
_SETS = {"finished", "unfinished"}
# What 1.10 gives to callables, templates and execute().
_CONTEXT = {
    "dag": DAG,
    "task": TASK,
    "ti": _INSTANCE,
    "task_instance": _INSTANCE,
    "dag_run": _RUN,
}


@dataclass(frozen=True, kw_only=True)
class _Row:
    """What became of an attribute: ``new`` is the code behind the dot, or ``advice`` is given."""

    since: str
    new: str = ""
    advice: str = ""

    @property
    def called(self) -> bool:
        return self.new.endswith(")")


_RUNS = "Ask the timetable: dag.next_dagrun_info(...) or dag.iter_dagrun_infos_between(...)"
# Source: airflow/models/{dag,baseoperator,taskinstance,dagrun,connection,pool}.py and
# airflow/utils/log/logging_mixin.py of 1.10.15, 2.5.1, 2.10.3 and 2.11.0.
# tests/codemods/test_model_attributes.py proves that it is complete.
ROWS: Mapping[str, Mapping[str, _Row]] = {
    DAG: {
        "concurrency": _Row(since="2.2", new="max_active_tasks"),
        "full_filepath": _Row(since="2.0", new="fileloc"),
        "latest_execution_date": _Row(since="2.0", new="get_latest_execution_date()"),
        "is_paused": _Row(since="2.0", new="get_is_paused()"),
        "concurrency_reached": _Row(since="2.0", new="get_concurrency_reached()"),
        "sub_dag": _Row(since="2.0", new="partial_subset"),
        "description_unicode": _Row(since="2.0", new="description"),
        "filepath": _Row(since="2.2", advice="Write str(dag.relative_fileloc)"),
        "following_schedule": _Row(since="2.2", advice=_RUNS),
        "previous_schedule": _Row(since="2.2", advice=_RUNS),
        "date_range": _Row(since="2.2", advice=_RUNS),
        "get_run_dates": _Row(since="2.2", advice=_RUNS),
        "normalize_schedule": _Row(since="2.2", advice=_RUNS),
        "is_fixed_time_schedule": _Row(since="2.2", advice=_RUNS),
        "normalized_schedule_interval": _Row(since="2.2", advice="Use dag.timetable"),
        "set_dag_runs_state": _Row(since="2.3", advice="Call dag.clear(...), which sets it"),
        "tree_view": _Row(since="2.8", advice="There is no successor: log what you need yourself"),
        "get_dagtags": _Row(since="2.0", advice="Use dag.tags"),
        "test_cycle": _Row(
            since="2.0", advice="Call airflow.utils.dag_cycle_tester.check_cycle(dag)"
        ),
    },
    TASK: {
        "task_concurrency": _Row(since="2.2", new="max_active_tis_per_dag"),
        "schedule_interval": _Row(since="2.0", advice="Tasks have none: use self.dag's"),
        "lineage_data": _Row(since="2.0", advice="Use inlets and outlets"),
        "add_only_new": _Row(since="2.0", advice="Use set_upstream or set_downstream"),
    },
    _INSTANCE: {
        "previous_ti": _Row(since="2.0", new="get_previous_ti()"),
        "previous_ti_success": _Row(since="2.0", new='get_previous_ti(state="success")'),
        "previous_start_date_success": _Row(
            since="2.0", new='get_previous_start_date(state="success")'
        ),
        "previous_execution_date_success": _Row(
            since="2.0", new='get_previous_execution_date(state="success")'
        ),
        "prev_attempted_tries": _Row(since="2.10", new="try_number"),
        "pool_full": _Row(since="2.0", advice="Ask Pool.get_pool(ti.pool).open_slots()"),
        "log_filepath": _Row(since="2.0", advice="Use ti.log_url"),
        "command": _Row(since="2.0", new="command_as_list"),
    },
    _RUN: {
        "id_for_date": _Row(
            since="2.0",
            advice="Write DagRun.generate_run_id(DagRunType.MANUAL, date), with DagRunType of "
            "airflow.utils.types",
        ),
        "ID_PREFIX": _Row(since="2.0", advice='Write "scheduled__" or use DagRunType'),
        "ID_FORMAT_PREFIX": _Row(since="2.0", advice='Write "scheduled__{0}" or use DagRunType'),
        "get_run": _Row(since="2.3", advice="Use DagRun.find(dag_id=..., execution_date=...)"),
    },
    _CONNECTION: {
        "parse_from_uri": _Row(since="2.0", advice="Make it by Connection(uri=...)"),
        "log_info": _Row(since="2.0", advice="Log what you need of it, never the password"),
        "debug_info": _Row(since="2.0", advice="Log what you need of it, never the password"),
    },
    _POOL: {"used_slots": _Row(since="2.0", new="running_slots")},
    _MODEL: {
        "last_scheduler_run": _Row(since="2.0.2", new="last_parsed_time"),
        "get_dag": _Row(
            since="2.0", advice="Ask DagBag(read_dags_from_db=True).get_dag(model.dag_id)"
        ),
        "create_dagrun": _Row(
            since="2.0",
            advice="Ask DagBag(read_dags_from_db=True).get_dag(model.dag_id), and it for the run",
        ),
    },
    "airflow.models.taskfail.TaskFail": {
        "execution_date": _Row(since="2.3", advice="Use TaskFail.run_id, or its dag_run's date"),
    },
    _JOB: {
        "reset_state_for_orphaned_tasks": _Row(since="2.0", advice="The scheduler's job does it"),
        "run": _Row(since="2.6", advice="Use run_job(job=..., execute_callable=...)"),
        "heartbeat_callback": _Row(since="2.6", advice="It is the job runner's"),
    },
    _LOGGED: {"logger": _Row(since="2.0", new="log")},
}
_NAMES = frozenset(name for rows in ROWS.values() for name in rows)


class _Reader:
    """Says what class of 1.10 an expression is an instance of."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.made = {id(c.node): c.path for c in constructions(source) if c.use and not c.first}
        self.within: dict[int, ast.ClassDef] = {}  # id of ``self`` → the class around it
        self.contexts = {"context", "kwargs"}
        self.given: set[str] = set()  # parameters of functions that take a context
        self.others: set[str] = set()  # parameters of other functions, loop variables
        self.opened: dict[str, set[str]] = {}  # with DAG(...) as name
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                a = node.args
                names = {x.arg for x in [*a.posonlyargs, *a.args, *a.kwonlyargs]}
                if a.kwarg is not None:
                    self.contexts.add(a.kwarg.arg)
                    self.given |= names
                else:
                    self.others |= names
            elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
                path = self.path(node.context_expr)
                self.opened.setdefault(node.optional_vars.id, set()).add(path)
            elif isinstance(node, ast.For | ast.comprehension):
                self.others |= {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
        for cls, _ in source.classes:
            for node in ast.walk(cls):
                if isinstance(node, ast.Name) and node.id == "self":
                    self.within[id(node)] = cls

    def lineage(self, path: str) -> tuple[str, ...]:
        if not path:
            return ()
        signature = baseline().signature(path)
        return signature.lineage if signature is not None else (baseline().home(path),)

    def inherits(self, cls: ast.ClassDef) -> str:
        """The 1.10 path of the class of Airflow's that a class of the text comes from."""
        named = {c.name: c for c, _ in self.source.classes}
        seen: set[str] = set()
        while cls.name not in seen and cls.bases:
            seen.add(cls.name)
            base = cls.bases[0]
            path = self.source.path_of(base)
            if path is not None:
                own = self.source.own.get(path.rpartition(".")[2])
                theirs = own is not None and own.may_be(path) and not path.startswith("airflow.")
                return own.base if own is not None and theirs else path
            if not isinstance(base, ast.Name) or base.id not in named:
                return ""
            cls = named[base.id]
        return ""

    def path(self, node: ast.expr, depth: int = 0) -> str:
        """The 1.10 path of the class of a value, or ""."""
        if depth > 5:
            return ""
        if isinstance(node, ast.Call):
            return self._called(node, depth)
        if isinstance(node, ast.Subscript):
            key = node.slice.value if isinstance(node.slice, ast.Constant) else None
            known = isinstance(node.value, ast.Name) and node.value.id in self.contexts
            return _CONTEXT.get(str(key), "") if known else ""
        if isinstance(node, ast.Attribute):
            owner = self.path(node.value, depth + 1)
            if node.attr == "dag" and (owner == _RUN or TASK in self.lineage(owner)):
                return DAG
            return TASK if node.attr == "task" and owner == _INSTANCE else ""
        return self._named(node, depth) if isinstance(node, ast.Name) else ""

    def _called(self, node: ast.Call, depth: int) -> str:
        if id(node) in self.made:
            return self.made[id(node)]
        func = node.func
        if not isinstance(func, ast.Attribute):
            return ""
        if func.attr == "get_dagrun" and self.path(func.value, depth + 1) == _INSTANCE:
            return _RUN
        context = isinstance(func.value, ast.Name) and func.value.id in self.contexts
        if context and func.attr in {"get", "pop"} and node.args:
            key = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
            return _CONTEXT.get(str(key), "")
        return ""

    def _named(self, node: ast.Name, depth: int) -> str:
        if id(node) in self.within:
            return self.inherits(self.within[id(node)])
        values = self.source.assigned.get(node.id, [])
        opened = self.opened.get(node.id, set())
        if node.id in self.others or self.source.path_of(node) is not None:
            return ""
        if not values and not opened:
            return _CONTEXT.get(node.id, "") if node.id in self.given else ""
        paths = {self.path(v, depth + 1) for v in values} | opened
        if node.id in self.given:
            paths.add(_CONTEXT.get(node.id, ""))
        return next(iter(paths)) if len(paths) == 1 else ""

    def own(self, node: ast.Attribute) -> bool:
        """Whether ``self.name`` is the class's own."""
        cls = self.within.get(id(node.value))
        if cls is None:
            return False
        for part in ast.walk(cls):
            if isinstance(part, ast.FunctionDef) and part.name == node.attr:
                return True
            stored = isinstance(part, ast.Attribute | ast.Name) and isinstance(part.ctx, ast.Store)
            if stored and (getattr(part, "attr", "") or getattr(part, "id", "")) == node.attr:
                return True
        return False


def _find(source: Source, target: Target) -> Iterator[Change]:
    yield from _states(source, target)
    if not any(f".{name}" in source.text for name in _NAMES):
        return
    reader: _Reader | None = None
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Attribute) or node.attr not in _NAMES:
            continue
        reader = reader or _Reader(source)
        # DagRun.id_for_date
        static = (source.path_of(node) or "").rpartition(".")[0]
        lineage = reader.lineage(reader.path(node.value) or static)
        row = next((ROWS[p][node.attr] for p in lineage if node.attr in ROWS.get(p, {})), None)
        if row is None or reader.own(node) or not target.has(f"apache-airflow>={row.since}"):
            continue
        yield _change(source, node, row, lineage)


def _states(source: Source, target: Target) -> Iterator[Step]:
    """``State.finished()`` gave a list; it is a set without a call."""
    if "finished()" not in source.text or not target.has("apache-airflow>=2.0"):
        return
    for node in source.plain_calls:
        owner, _, name = (source.path_of(node.func) or "").rpartition(".")
        if name in _SETS and not node.args and target.resolve(owner).path == _STATE:
            code = f"list({source.segment(node.func)})"
            yield Step.replace(node, code, rule=ID, message=f"State.{name} is a set on the target")


def _change(source: Source, node: ast.Attribute, row: _Row, lineage: tuple[str, ...]) -> Change:
    name = lineage[0].rpartition(".")[2]
    code = f"{source.segment(node.value)}.{row.new}"
    if not row.new or (row.called and not isinstance(node.ctx, ast.Load)):
        return Note.at(
            node,
            rule=ID,
            message=f"{name}.{node.attr} is gone or warns on the target",
            fix=row.advice or f"Use {code}",
        )
    message = f"{name}.{node.attr} is {row.new} on the target"
    return Step.replace(node, code, rule=ID, message=message)


RULE = Rule(
    id=ID,
    title="Ask DAGs, tasks and runs by the target's names",
    why="Attributes of DAG, BaseOperator, TaskInstance and DagRun were renamed or became methods; "
    "what is gone fails when the task runs, long after the DAG parsed.",
    examples=(
        Example(
            before=lines("from airflow.utils.state import State", "", "State.finished() + x"),
            after=lines("from airflow.utils.state import State", "", "list(State.finished) + x"),
        ),
        Example(
            before=lines(
                "from airflow import DAG",
                "from airflow.models import BaseOperator",
                "",
                "dag = DAG('d', schedule=None)",
                "print(dag.concurrency, dag.full_filepath, dag.latest_execution_date)",
                "",
                "",
                "class Mine(BaseOperator):",
                "    def execute(self, context):",
                "        self.logger.info(self.dag.concurrency)",
                "        return context['ti'].previous_ti",
            ),
            after=lines(
                "from airflow import DAG",
                "from airflow.models import BaseOperator",
                "",
                "dag = DAG('d', schedule=None)",
                "print(dag.max_active_tasks, dag.fileloc, dag.get_latest_execution_date())",
                "",
                "",
                "class Mine(BaseOperator):",
                "    def execute(self, context):",
                "        self.log.info(self.dag.max_active_tasks)",
                "        return context['ti'].get_previous_ti()",
            ),
        ),
        Example(
            before=lines(
                "from airflow.models import DagModel, DagRun",
                "",
                "columns = [DagRun.execution_date, DagModel.last_scheduler_run]",
            ),
            after=lines(
                "from airflow.models import DagModel, DagRun",
                "",
                "columns = [DagRun.execution_date, DagModel.last_parsed_time]",
            ),
        ),
        Example(
            before=lines(
                "from airflow import DAG",
                "",
                "",
                "def f(ti, **kwargs):",
                "    return kwargs['dag'].following_schedule(ti.previous_execution_date_success)",
            ),
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
    ),
    keeps=(
        lines("from airflow.utils.state import State", "", "print(State.finished)"),
        lines(
            "from airflow.models import BaseOperator",
            "",
            "",
            "class Mine(BaseOperator):",
            "    def __init__(self, concurrency, **kwargs):",
            "        super().__init__(**kwargs)",
            "        self.concurrency = self.logger = concurrency",
            "",
            "    def execute(self, context):",
            "        self.logger(self.concurrency)",
        ),
        lines("from airflow import DAG", "", "POOL.concurrency", "dag.is_paused"),
        lines(
            "from airflow import DAG",
            "",
            "",
            "def f(dag):",
            "    return dag.concurrency",
        ),
        lines("import mylib", "", "# airflow", "dag = mylib.DAG()", "dag.full_filepath"),
    ),
    find=_find,
)
