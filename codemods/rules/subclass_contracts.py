"""What subclasses override has the shape that the target calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, Compose, Insert, RenameArgument, Replace, Step
from codemods.reading.calls import init_of
from codemods.reading.heritage import bases, heritage, kin, set_on_self
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.constructors import baseline
from codemods.tables.contracts import Contract
from codemods.tables.core_classes import TASK
from codemods.tables.target import Target

ID = "subclass-contracts"
_LINK = "BaseOperatorLink"
_PLUGIN = "AirflowPlugin"
_DATE = "operator.dag.get_dagrun(run_id=ti_key.run_id).execution_date"
_EMR = "airflow.contrib.sensors.emr_base_sensor.EmrBaseSensor"
# What such a method has to do with it: not only to take it.
_USE = {
    "run": "get_records and get_first of the target read what handler(cursor) gives: take "
    "handler=None, split_statements=False and return_last=True, hand them on to super().run and "
    "return what it returns",
}


def _find(source: Source, target: Target) -> Iterator[Change]:
    for cls, _ in source.classes:
        paths = [p for b in cls.bases if (p := source.path_of(b)) is not None]
        if any(p.startswith("airflow.") and p.endswith(f".{_LINK}") for p in paths):
            yield from _link(source, target, cls)
        if any(p.startswith("airflow.") and p.endswith(f".{_PLUGIN}") for p in paths):
            yield from _statistics(cls)
        lineage = _lineage(source, cls)
        if TASK in lineage:
            yield from _fields(source, cls)
            yield from _params(source, target, cls)
        told = target.contracts.of(p for p in lineage if target.resolve(p).removed is None)
        yield from _assigned(cls, {name for name, contract in told.items() if contract.fixed})
        for method in cls.body:
            contract = told.get(method.name) if isinstance(method, ast.FunctionDef) else None
            if isinstance(method, ast.FunctionDef) and contract is not None:
                yield from _overridden(source, cls, method, contract)
        yield from _passed_over(source, target, cls)
        if _EMR in lineage and target.has("apache-airflow>=2.0"):
            yield from _states(cls, lineage)


def _statistics(cls: ast.ClassDef) -> Iterator[Note]:
    """A plugin's function that names statistics: 2.0 reads the configuration alone."""
    for statement in cls.body:
        if _defines(statement, "stat_name_handler"):
            yield Note.at(
                statement,
                rule=ID,
                message=f"{cls.name}.stat_name_handler is not read on the target",
                fix="Set metrics.stat_name_handler of the configuration to the function's path",
            )


def _overridden(
    source: Source, cls: ast.ClassDef, method: ast.FunctionDef, contract: Contract
) -> Iterator[Change]:
    """A method that the target's own code does not call as 1.10's did."""
    a, name = method.args, method.name
    plain = [*a.posonlyargs, *a.args]
    own = contract.path.rpartition(".")[2]
    calls = [
        n
        for n in ast.walk(method)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == name
    ]
    if contract.uncalled:
        if source.text.count(f".{name}(") == len(calls):
            yield Note.at(
                method,
                rule=ID,
                message=f"{cls.name}.{name} overrides what 1.10's {own} called, and the target's "
                "own code calls no more",
                fix="Look up in its source what it calls in its place, and override that",
            )
        return
    if a.kwarg:
        return
    more = [g for g in contract.given if g.partition("=")[0] not in _names_of(a)]
    needed = {x.arg for x in plain[: len(plain) - len(a.defaults)]}
    without = [n for n in contract.without if n in needed]
    words = ", ".join([g.partition("=")[0] for g in more])
    message = f"{cls.name}.{name} is called with {words} by the target's own code"
    if without:
        said = f" with {words} and" if words else ""
        lacks = ", ".join(without)
        yield Note.at(
            method,
            rule=ID,
            message=f"{cls.name}.{name} is called{said} without {lacks} by the target's own code",
            fix=f"Take what {own}.{name} takes on the target, or give a default",
        )
        return
    if not more:
        return
    inside = [source.text[: source.span(x)[0]].rstrip()[-1:] for x in a.defaults[-1:]] == ["("]
    starred = not plain or a.vararg or a.kwonlyargs
    taken = ", ".join(more)
    if name in _USE or starred or inside or (calls and words == "context"):
        fix = _USE.get(name, f"Take {taken} and hand it on where the method calls super()")
        yield Note.at(method, rule=ID, message=message, fix=fix)
        return
    last = a.defaults[-1] if a.defaults else plain[-1]
    at = source.offset(last.end_lineno or 0, last.end_col_offset or 0)
    made = (Insert(at=at, code=f", {taken}"),)
    yield Step(rule=ID, line=method.lineno, message=message, operations=made)


def _names_of(a: ast.arguments) -> set[str]:
    return {x.arg for x in [*a.posonlyargs, *a.args, *a.kwonlyargs]}


def _passed_over(source: Source, target: Target, cls: ast.ClassDef) -> Iterator[Note]:
    """``super(PythonOperator, self).__init__``: what PythonOperator's own constructor sets on the
    target as well, nobody sets."""
    init = init_of(cls)
    direct = {p for b in cls.bases if (p := source.path_of(b)) is not None}
    for node in ast.walk(init) if init is not None else ():
        match node:
            case ast.Attribute(
                attr="__init__",
                value=ast.Call(func=ast.Name(id="super"), args=[over, ast.Name(id="self")]),
            ):
                path = source.path_of(over)
            case _:
                continue
        if path not in direct:
            continue
        new = target.constructors.signature(target.resolve(path).path)
        old = baseline().signature(path)
        if new is None or old is None or old.lineage[0] == TASK:
            continue
        above = target.constructors.signature(new.lineage[1]) if new.lineage[1:] else None
        names = new.accepts - old.accepts - (above.accepts if above else frozenset())
        names -= {*new.renamed, *(n.attr for n in ast.walk(cls) if isinstance(n, ast.Attribute))}
        if names:
            said = ", ".join(sorted(names))
            base = source.segment(over)
            yield Note.at(
                node,
                rule=ID,
                message=f"{cls.name} passes over the constructor of {base}, whose methods read "
                f"what it sets on the target ({said})",
                fix="Call super().__init__, or set them as the target's constructor does",
            )


def _states(cls: ast.ClassDef, lineage: tuple[str, ...]) -> Iterator[Note]:
    """The states that 1.10 asked of a subclass of its own base sensor; those of its other sensors
    are lost attributes."""
    if any(path.endswith((".EmrJobFlowSensor", ".EmrStepSensor")) for path in lineage):
        return
    for statement in cls.body:
        if _defines(statement, "NON_TERMINAL_STATES"):
            yield Note.at(
                statement,
                rule=ID,
                message=f"{cls.name}.NON_TERMINAL_STATES and FAILED_STATE are not read by the "
                "target's class, which waits for self.target_states",
                fix="Set self.target_states (the states in which it ends) and self.failed_states "
                "in __init__, after super().__init__",
            )


def _lineage(source: Source, cls: ast.ClassDef) -> tuple[str, ...]:
    """The classes of 1.10 that a class inherits from, nearest first, by others of the repository
    as well."""
    paths = [heritage(source, cls).path]
    paths += [p for one in kin(source, cls) for b in bases(source, one) if (p := source.path_of(b))]
    signatures = (baseline().signature(path) for path in paths)
    found = (path for signature in signatures if signature for path in signature.lineage)
    return tuple(dict.fromkeys(found))


def _params(source: Source, target: Target, cls: ast.ClassDef) -> Iterator[Change]:
    """``params`` are taken out of the call before what is missing is counted."""
    init = init_of(cls)
    if init is None or not target.has("apache-airflow>=2.0"):
        return
    a = init.args
    plain = [*a.posonlyargs, *a.args]
    required = plain[: len(plain) - len(a.defaults)]
    alone = [x for x, default in zip(a.kwonlyargs, a.kw_defaults, strict=True) if default is None]
    for argument in [*required, *alone]:
        if argument.arg != "params":
            continue
        message = f"{cls.name} asks for params: the target hands them on only where there are some"
        if argument in alone or argument is required[-1]:
            yield Step(
                rule=ID,
                line=argument.lineno,
                message=message,
                operations=(
                    Insert(
                        at=source.offset(argument.end_lineno or 0, argument.end_col_offset or 0),
                        code=" = None" if argument.annotation else "=None",
                    ),
                ),
            )
        else:
            yield Note.at(
                argument,
                rule=ID,
                message=f"{message} and says that the argument is missing",
                fix="Write params=None, behind the arguments that have no default",
            )


def _assigned(cls: ast.ClassDef, names: set[str]) -> Iterator[Note]:
    """``self.output = ...``, where the target's base class has a property of that name."""
    for node in set_on_self(cls):
        if node.attr in names and not any(_defines(row, node.attr) for row in cls.body):
            yield Note.at(
                node,
                rule=ID,
                message=f"{cls.name}.{node.attr} cannot be set: the target's base class has a "
                "property of that name",
                fix=f"Call the attribute otherwise (self.{node.attr}_), in template_fields and "
                "wherever it is read as well",
            )


def _defines(statement: ast.stmt, name: str) -> bool:
    """Whether a statement of a class body gives the class an attribute of that name."""
    if isinstance(statement, ast.Assign):
        return any(isinstance(t, ast.Name) and t.id == name for t in statement.targets)
    if isinstance(statement, ast.AnnAssign):
        return getattr(statement.target, "id", "") == name and statement.value is not None
    return getattr(statement, "name", "") == name


def _link(source: Source, target: Target, cls: ast.ClassDef) -> Iterator[Change]:
    """``get_link(self, operator, dttm)`` takes the key of the task instance; 2.11 warns."""
    for method in cls.body:
        if not isinstance(method, ast.FunctionDef) or method.name != "get_link":
            continue
        a = method.args
        names = [x.arg for x in [*a.args, *a.kwonlyargs]]
        if "ti_key" in names or not target.has("apache-airflow>=2.11"):
            continue
        if len(a.args) != 3 or a.kwonlyargs or a.defaults or a.args[2].annotation:
            yield Note.at(
                method,
                rule=ID,
                message=f"{cls.name}.get_link takes an execution date: the target warns",
                fix="Write get_link(self, operator, *, ti_key); the date is "
                f"{_DATE.replace('operator', names[1] if len(names) > 1 else 'operator')}",
            )
            continue
        old = a.args[2]
        used = any(isinstance(n, ast.Name) and n.id == old.arg for n in ast.walk(method))
        first = next((s for s in method.body if not _docstring(s)), None)
        own_line = first is not None and first.lineno > old.lineno
        if used and (first is None or not own_line):
            continue
        operations: list[RenameArgument | Insert] = [RenameArgument(node=old, name="*, ti_key")]
        if used and first is not None:
            at = source.span(first)[0]
            date = _DATE.replace("operator", a.args[1].arg)
            indent = " " * first.col_offset
            operations.append(Insert(at=at, code=f"{old.arg} = {date}\n{indent}"))
        yield Step(
            rule=ID,
            line=method.lineno,
            message="get_link takes the key of the task instance on the target",
            operations=tuple(operations),
        )


def _docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _fields(source: Source, cls: ast.ClassDef) -> Iterator[Change]:
    """``template_fields = ("sql")`` is a text: the target warns and puts it into a list. What was
    a list of Airflow's is mostly a tuple there, to which no list can be added."""
    for statement in cls.body:
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            continue
        name, value = statement.targets[0], statement.value
        text = isinstance(value, ast.Constant) and isinstance(value.value, str)
        if isinstance(name, ast.Name) and name.id == "template_fields" and text:
            start, _ = source.span(value)
            inside = source.text[:start].rstrip().endswith("(")
            code = f"{source.segment(value)},"
            yield Step(
                rule=ID,
                line=statement.lineno,
                message="template_fields are a list or a tuple of names",
                operations=(Replace(node=value, code=code if inside else f"({code})"),),
            )
        sides = [value.left, value.right] if isinstance(value, ast.BinOp) else []
        theirs = [p for side in sides if (p := source.path_of(side)) and p.startswith("airflow.")]
        if any(p.endswith(".template_fields") for p in theirs) and any(
            isinstance(side, ast.List) for side in sides
        ):
            yield Step(
                rule=ID,
                line=statement.lineno,
                message="template_fields are a tuple on the target, to which no list can be added",
                operations=(Compose(node=value, parts=("[*", sides[0], ", *", sides[1], "]")),),
            )


_BASE = "from airflow.models import BaseOperator, BaseOperatorLink"

RULE = Rule(
    id=ID,
    title="Override what the target calls",
    why="Airflow calls methods and reads attributes of subclasses; where it calls them otherwise "
    "than 1.10 did, it warns or fails.",
    examples=(
        Example(
            before=block("""
                from airflow.plugins_manager import AirflowPlugin


                class Statistics(AirflowPlugin):
                    name = 'statistics'
                    stat_name_handler = shorten
            """),
            notes=("stat_name_handler is not read",),
        ),
        Example(
            before=block("""
                from airflow.contrib.hooks.aws_hook import AwsHook
                from airflow.contrib.operators.jenkins_job_trigger_operator import (
                    JenkinsJobTriggerOperator,
                )
                from airflow.executors.base_executor import BaseExecutor
                from airflow.hooks.zendesk_hook import ZendeskHook


                class Build(JenkinsJobTriggerOperator):
                    def build_job(self, jenkins_server):
                        return jenkins_server.build_job_url(self.job_name)


                class Mine(BaseExecutor):
                    def change_state(self, key, state):
                        self.event_buffer[key] = state


                class Asked(ZendeskHook):
                    def get_conn(self):
                        return connect()


                class Local(AwsHook):
                    def get_client_type(self, client_type, region_name=None, config=None):
                        return client(client_type)
            """),
            after=block("""
                from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
                from airflow.providers.jenkins.operators.jenkins_job_trigger import (
                    JenkinsJobTriggerOperator,
                )
                from airflow.executors.base_executor import BaseExecutor
                from airflow.providers.zendesk.hooks.zendesk import ZendeskHook


                class Build(JenkinsJobTriggerOperator):
                    def build_job(self, jenkins_server, params=None):
                        return jenkins_server.build_job_url(self.job_name)


                class Mine(BaseExecutor):
                    def change_state(self, key, state, info=None, remove_running=True):
                        self.event_buffer[key] = state


                class Asked(ZendeskHook):
                    def get_conn(self):
                        return connect()


                class Local(AwsBaseHook):
                    def get_client_type(self, client_type, region_name=None, config=None):
                        return client(client_type)
            """),
            notes=(
                "Asked.get_conn overrides what 1.10's ZendeskHook called",
                "Local.get_client_type is called with deferrable and without client_type",
            ),
        ),
        Example(
            before=block("""
                from airflow.contrib.operators.emr_add_steps_operator import EmrAddStepsOperator


                class Mine(EmrAddStepsOperator):
                    template_fields = EmrAddStepsOperator.template_fields + ['region']
            """),
            after=block("""
                from airflow.providers.amazon.aws.operators.emr import EmrAddStepsOperator


                class Mine(EmrAddStepsOperator):
                    template_fields = [*EmrAddStepsOperator.template_fields, *['region']]
            """),
        ),
        Example(
            before=block("""
                from airflow.models import BaseOperator, BaseOperatorLink


                class Link(BaseOperatorLink):
                    name = 'log'

                    def get_link(self, operator, dttm):
                        return f'https://log/{dttm:%Y%m%d}'


                class Mine(BaseOperator):
                    template_fields = ('sql')
            """),
            after=lines(
                _BASE,
                "",
                "",
                "class Link(BaseOperatorLink):",
                "    name = 'log'",
                "",
                "    def get_link(self, operator, *, ti_key):",
                f"        dttm = {_DATE}",
                "        return f'https://log/{dttm:%Y%m%d}'",
                "",
                "",
                "class Mine(BaseOperator):",
                "    template_fields = ('sql',)",
            ),
        ),
        Example(
            before=block("""
                from airflow.models import BaseOperator


                class Ask(BaseOperator):
                    def __init__(self, url, params, **kwargs):
                        super().__init__(**kwargs)
                        self.url = url.format(**params)
                        self.output = url
            """),
            after=block("""
                from airflow.models import BaseOperator


                class Ask(BaseOperator):
                    def __init__(self, url, params=None, **kwargs):
                        super().__init__(**kwargs)
                        self.url = url.format(**params)
                        self.output = url
            """),
            notes=("Ask.output cannot be set",),
        ),
        Example(
            before=block("""
                from airflow.contrib.sensors.emr_base_sensor import EmrBaseSensor
                from airflow.hooks.http_hook import HttpHook
                from airflow.hooks.postgres_hook import PostgresHook
                from airflow.operators.python_operator import PythonOperator


                class Idle(EmrBaseSensor):
                    NON_TERMINAL_STATES = ['RUNNING']

                    def get_emr_response(self):
                        return ask()


                class Signed(HttpHook):
                    def get_conn(self, headers=None):
                        return super().get_conn(sign(headers))


                class Told(PostgresHook):
                    def run(self, sql, autocommit=False, parameters=None):
                        self.log.info('%s', sql)
                        super().run(sql, autocommit, parameters)


                class Mine(PythonOperator):
                    def __init__(self, python_callable, **kwargs):
                        super(PythonOperator, self).__init__(**kwargs)
                        self.python_callable = python_callable
            """),
            after=block("""
                from airflow.providers.amazon.aws.sensors.emr import EmrBaseSensor
                from airflow.providers.http.hooks.http import HttpHook
                from airflow.providers.postgres.hooks.postgres import PostgresHook
                from airflow.operators.python import PythonOperator


                class Idle(EmrBaseSensor):
                    NON_TERMINAL_STATES = ['RUNNING']

                    def get_emr_response(self, context=None):
                        return ask()


                class Signed(HttpHook):
                    def get_conn(self, headers=None, extra_options=None):
                        return super().get_conn(sign(headers))


                class Told(PostgresHook):
                    def run(self, sql, autocommit=False, parameters=None):
                        self.log.info('%s', sql)
                        super().run(sql, autocommit, parameters)


                class Mine(PythonOperator):
                    def __init__(self, python_callable, **kwargs):
                        super(PythonOperator, self).__init__(**kwargs)
                        self.python_callable = python_callable
            """),
            notes=(
                "Idle.NON_TERMINAL_STATES and FAILED_STATE are not read",
                "Told.run is called with handler",
                "Mine passes over the constructor of PythonOperator",
            ),
        ),
    ),
    keeps=(
        block("""
            from airflow.models import BaseOperator
            from airflow.operators.python import PythonOperator


            class Mine(PythonOperator):
                def __init__(self, **kwargs):
                    super(Mine, self).__init__(**kwargs)


            class Other(BaseOperator):
                def __init__(self, **kwargs):
                    super(BaseOperator, self).__init__(**kwargs)
        """),
        block("""
            from airflow.providers.http.hooks.http import HttpHook


            class Signed(HttpHook):
                def get_conn(self, headers=None, **kwargs):
                    return super().get_conn(headers, **kwargs)
        """),
        block("""
            from airflow.models import BaseOperator


            class Mine(BaseOperator):
                output = None

                def __init__(self, params=None, **kwargs):
                    super().__init__(**kwargs)
                    self.output = params
        """),
        block("""
            from airflow.models import BaseOperator, BaseOperatorLink


            class Link(BaseOperatorLink):
                def get_link(self, operator, *, ti_key):
                    return ''


            class Mine(BaseOperator):
                template_fields = ['sql']
        """),
        block("""
            from airflow import DAG
            from mylib import Base


            class Link(Base):
                template_fields = 'sql'

                def get_link(self, operator, dttm):
                    return ''
        """),
    ),
    find=_find,
)
