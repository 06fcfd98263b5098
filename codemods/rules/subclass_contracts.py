"""What subclasses override has the shape that the target calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.calls import init_of
from codemods.changes import Change, Compose, Insert, RenameArgument, Replace, Step
from codemods.constructors import baseline
from codemods.core_classes import TASK
from codemods.heritage import bases, heritage, kin, set_on_self
from codemods.rules._text import lines
from codemods.source import Source
from codemods.target import Target

ID = "subclass-contracts"
_LINK = "BaseOperatorLink"
_DATE = "operator.dag.get_dagrun(run_id=ti_key.run_id).execution_date"
_AWS = "airflow.contrib.hooks.aws_hook.AwsHook"
_EMR = "airflow.contrib.sensors.emr_base_sensor.EmrBaseSensor"
# Class → properties that cannot be set and that 1.10 did not have, and since when.
# Source: models/taskmixin.py and models/baseoperator.py of 2.0.0 and 2.9.0, base_aws.py of
# apache-airflow-providers-amazon 4.0.0.
_READ_ONLY = {
    TASK: {
        "label": "apache-airflow>=2.0",
        "leaves": "apache-airflow>=2.0",
        "node_id": "apache-airflow>=2.1",
        "operator_name": "apache-airflow>=2.4",
        "output": "apache-airflow>=2.0",
        "roots": "apache-airflow>=2.0",
        "task_display_name": "apache-airflow>=2.9",
    },
    _AWS: {
        "region_name": "apache-airflow-providers-amazon>=4.0",
        "verify": "apache-airflow-providers-amazon>=4.0",
    },
}
# Class → method of 1.10 → the argument that the target's own code gives it besides, with its
# default, and since when. Source: sensors/emr.py of apache-airflow-providers-amazon 6.0.0 and
# 7.1.0, base_aws.py of 8.2.0, hooks/http.py of apache-airflow-providers-http 4.13.2 and 5.3.0,
# hooks/sql.py of apache-airflow-providers-common-sql 1.2.0 and 1.3.0.
_GIVEN = {
    _EMR: {"get_emr_response": ("context=None", "apache-airflow-providers-amazon>=7.0")},
    _AWS: {"get_session": ("deferrable=False", "apache-airflow-providers-amazon>=8.2")},
    "airflow.hooks.http_hook.HttpHook": {
        "get_conn": ("extra_options=None", "apache-airflow-providers-http>=5.0"),
    },
    "airflow.hooks.dbapi_hook.DbApiHook": {
        "run": ("handler=None", "apache-airflow-providers-common-sql>=1.3"),
    },
}
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
        lineage = _lineage(source, cls)
        if TASK in lineage:
            yield from _fields(source, cls)
            yield from _params(source, target, cls)
        for path, names in _READ_ONLY.items():
            if path in lineage:
                wanted = {name for name, since in names.items() if target.has(since)}
                yield from _assigned(cls, wanted)
        for path in sorted(lineage & _GIVEN.keys()):
            for name, (argument, since) in _GIVEN[path].items():
                if target.has(since):
                    yield from _given(source, cls, name, argument)
        yield from _passed_over(source, target, cls)
        if _EMR in lineage and target.has("apache-airflow>=2.0"):
            yield from _states(cls, lineage)


def _given(source: Source, cls: ast.ClassDef, name: str, argument: str) -> Iterator[Change]:
    """A method that the target's own code calls with one argument more."""
    for method in cls.body:
        if not isinstance(method, ast.FunctionDef) or method.name != name:
            continue
        a = method.args
        plain = [*a.posonlyargs, *a.args]
        word = argument.partition("=")[0]
        if a.kwarg or any(x.arg == word for x in [*plain, *a.kwonlyargs]):
            continue
        message = f"{cls.name}.{name} is called with {word} by the target's own code"
        calls = [
            n
            for n in ast.walk(method)
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == name
        ]
        inside = [source.text[: source.span(x)[0]].rstrip()[-1:] for x in a.defaults[-1:]] == ["("]
        starred = not plain or a.vararg or a.kwonlyargs
        if name in _USE or starred or inside or (calls and word == "context"):
            fix = _USE.get(name, f"Take {argument} and hand it on where the method calls super()")
            yield Note.at(method, rule=ID, message=message, fix=fix)
            continue
        last = a.defaults[-1] if a.defaults else plain[-1]
        at = source.offset(last.end_lineno or 0, last.end_col_offset or 0)
        yield Step(
            rule=ID,
            line=method.lineno,
            message=message,
            operations=(Insert(at=at, code=f", {argument}"),),
        )


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


def _states(cls: ast.ClassDef, lineage: set[str]) -> Iterator[Note]:
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


def _lineage(source: Source, cls: ast.ClassDef) -> set[str]:
    """The classes of 1.10 that a class inherits from, by others of the repository as well."""
    paths = [heritage(source, cls).path]
    paths += [p for one in kin(source, cls) for b in bases(source, one) if (p := source.path_of(b))]
    signatures = (baseline().signature(path) for path in paths)
    return {path for signature in signatures if signature for path in signature.lineage}


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
            before=lines(
                "from airflow.contrib.operators.emr_add_steps_operator import EmrAddStepsOperator",
                "",
                "",
                "class Mine(EmrAddStepsOperator):",
                "    template_fields = EmrAddStepsOperator.template_fields + ['region']",
            ),
            after=lines(
                "from airflow.providers.amazon.aws.operators.emr import EmrAddStepsOperator",
                "",
                "",
                "class Mine(EmrAddStepsOperator):",
                "    template_fields = [*EmrAddStepsOperator.template_fields, *['region']]",
            ),
        ),
        Example(
            before=lines(
                _BASE,
                "",
                "",
                "class Link(BaseOperatorLink):",
                "    name = 'log'",
                "",
                "    def get_link(self, operator, dttm):",
                "        return f'https://log/{dttm:%Y%m%d}'",
                "",
                "",
                "class Mine(BaseOperator):",
                "    template_fields = ('sql')",
            ),
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
            before=lines(
                "from airflow.models import BaseOperator",
                "",
                "",
                "class Ask(BaseOperator):",
                "    def __init__(self, url, params, **kwargs):",
                "        super().__init__(**kwargs)",
                "        self.url = url.format(**params)",
                "        self.output = url",
            ),
            after=lines(
                "from airflow.models import BaseOperator",
                "",
                "",
                "class Ask(BaseOperator):",
                "    def __init__(self, url, params=None, **kwargs):",
                "        super().__init__(**kwargs)",
                "        self.url = url.format(**params)",
                "        self.output = url",
            ),
            notes=("Ask.output cannot be set",),
        ),
        Example(
            before=lines(
                "from airflow.contrib.sensors.emr_base_sensor import EmrBaseSensor",
                "from airflow.hooks.http_hook import HttpHook",
                "from airflow.hooks.postgres_hook import PostgresHook",
                "from airflow.operators.python_operator import PythonOperator",
                "",
                "",
                "class Idle(EmrBaseSensor):",
                "    NON_TERMINAL_STATES = ['RUNNING']",
                "",
                "    def get_emr_response(self):",
                "        return ask()",
                "",
                "",
                "class Signed(HttpHook):",
                "    def get_conn(self, headers=None):",
                "        return super().get_conn(sign(headers))",
                "",
                "",
                "class Told(PostgresHook):",
                "    def run(self, sql, autocommit=False, parameters=None):",
                "        self.log.info('%s', sql)",
                "        super().run(sql, autocommit, parameters)",
                "",
                "",
                "class Mine(PythonOperator):",
                "    def __init__(self, python_callable, **kwargs):",
                "        super(PythonOperator, self).__init__(**kwargs)",
                "        self.python_callable = python_callable",
            ),
            after=lines(
                "from airflow.providers.amazon.aws.sensors.emr import EmrBaseSensor",
                "from airflow.providers.http.hooks.http import HttpHook",
                "from airflow.providers.postgres.hooks.postgres import PostgresHook",
                "from airflow.operators.python import PythonOperator",
                "",
                "",
                "class Idle(EmrBaseSensor):",
                "    NON_TERMINAL_STATES = ['RUNNING']",
                "",
                "    def get_emr_response(self, context=None):",
                "        return ask()",
                "",
                "",
                "class Signed(HttpHook):",
                "    def get_conn(self, headers=None, extra_options=None):",
                "        return super().get_conn(sign(headers))",
                "",
                "",
                "class Told(PostgresHook):",
                "    def run(self, sql, autocommit=False, parameters=None):",
                "        self.log.info('%s', sql)",
                "        super().run(sql, autocommit, parameters)",
                "",
                "",
                "class Mine(PythonOperator):",
                "    def __init__(self, python_callable, **kwargs):",
                "        super(PythonOperator, self).__init__(**kwargs)",
                "        self.python_callable = python_callable",
            ),
            notes=(
                "Idle.NON_TERMINAL_STATES and FAILED_STATE are not read",
                "Told.run is called with handler",
                "Mine passes over the constructor of PythonOperator",
            ),
        ),
    ),
    keeps=(
        lines(
            "from airflow.models import BaseOperator",
            "from airflow.operators.python import PythonOperator",
            "",
            "",
            "class Mine(PythonOperator):",
            "    def __init__(self, **kwargs):",
            "        super(Mine, self).__init__(**kwargs)",
            "",
            "",
            "class Other(BaseOperator):",
            "    def __init__(self, **kwargs):",
            "        super(BaseOperator, self).__init__(**kwargs)",
        ),
        lines(
            "from airflow.providers.http.hooks.http import HttpHook",
            "",
            "",
            "class Signed(HttpHook):",
            "    def get_conn(self, headers=None, **kwargs):",
            "        return super().get_conn(headers, **kwargs)",
        ),
        lines(
            "from airflow.models import BaseOperator",
            "",
            "",
            "class Mine(BaseOperator):",
            "    output = None",
            "",
            "    def __init__(self, params=None, **kwargs):",
            "        super().__init__(**kwargs)",
            "        self.output = params",
        ),
        lines(
            _BASE,
            "",
            "",
            "class Link(BaseOperatorLink):",
            "    def get_link(self, operator, *, ti_key):",
            "        return ''",
            "",
            "",
            "class Mine(BaseOperator):",
            "    template_fields = ['sql']",
        ),
        lines(
            "from airflow import DAG",
            "from mylib import Base",
            "",
            "",
            "class Link(Base):",
            "    template_fields = 'sql'",
            "",
            "    def get_link(self, operator, dttm):",
            "        return ''",
        ),
    ),
    find=_find,
)
