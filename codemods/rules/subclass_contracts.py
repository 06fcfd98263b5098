"""What subclasses override has the shape that the target calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from codemods.base import Example, Note, Rule
from codemods.calls import init_of
from codemods.changes import Change, Compose, Insert, RenameArgument, Replace, Step
from codemods.constructors import baseline
from codemods.heritage import bases, heritage, kin
from codemods.instances import TASK, instances
from codemods.rules._text import lines
from codemods.source import Source
from codemods.target import Target

ID = "subclass-contracts"
_LINK = "BaseOperatorLink"
_DATE = "operator.dag.get_dagrun(run_id=ti_key.run_id).execution_date"
_AWS = "airflow.contrib.hooks.aws_hook.AwsHook"
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
_AMAZON = "apache-airflow-providers-amazon"
_KUBERNETES = "apache-airflow-providers-cncf-kubernetes>=3.0"
_GOOGLE = "apache-airflow-providers-google>=1.0"
_HOOK = "Use the property hook"
_STEP = "Override execute, which does it all"
# Class of 1.10 → what the target's lacks of its methods and constants: since when, what to do.
# Source: the classes of 1.10.15 and of the providers that the locks pin, side by side.
# tests/codemods/test_codemods_inventory.py proves that it is complete.
GONE: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "airflow.contrib.operators.aws_athena_operator.AWSAthenaOperator": {
        "get_hook": (f"{_AMAZON}>=1.0", _HOOK),
    },
    "airflow.contrib.operators.awsbatch_operator.AWSBatchOperator": {
        "get_hook": (f"{_AMAZON}>=1.0", _HOOK),
        "client": (f"{_AMAZON}>=1.0", "Use self.hook.client"),
    },
    "airflow.contrib.operators.databricks_operator.DatabricksRunNowOperator": {
        "get_hook": ("apache-airflow-providers-databricks>=1.0", "Use self._get_hook(...)"),
    },
    "airflow.contrib.operators.databricks_operator.DatabricksSubmitRunOperator": {
        "get_hook": ("apache-airflow-providers-databricks>=1.0", "Use self._get_hook(...)"),
    },
    **{
        f"airflow.contrib.operators.dataproc_operator.{name}": {"start": (_GOOGLE, _STEP)}
        for name in (
            "DataprocClusterCreateOperator",
            "DataprocClusterDeleteOperator",
            "DataprocClusterScaleOperator",
            "DataprocWorkflowTemplateInstantiateInlineOperator",
            "DataprocWorkflowTemplateInstantiateOperator",
        )
    },
    "airflow.contrib.operators.ecs_operator.ECSOperator": {
        "get_hook": (f"{_AMAZON}>=6.0", _HOOK),
        "get_logs_hook": (f"{_AMAZON}>=2.0", "Use self.task_log_fetcher, or AwsLogsHook"),
    },
    "airflow.contrib.operators.jenkins_job_trigger_operator.JenkinsJobTriggerOperator": {
        "get_hook": ("apache-airflow-providers-jenkins>=4.0", _HOOK),
    },
    "airflow.contrib.operators.kubernetes_pod_operator.KubernetesPodOperator": {
        "create_labels_for_pod": (_KUBERNETES, "Pass labels, or override build_pod_request_obj"),
        "create_new_pod_for_operator": (_KUBERNETES, "It is get_or_create_pod"),
        "create_pod_request_obj": (_KUBERNETES, "It is build_pod_request_obj(context)"),
        "handle_pod_overlap": (_KUBERNETES, "It is find_pod, with reattach_on_restart=True"),
        "monitor_launched_pod": (_KUBERNETES, "Use self.pod_manager.await_pod_completion(pod)"),
    },
    "airflow.contrib.operators.sagemaker_endpoint_operator.SageMakerEndpointOperator": {
        "create_integer_fields": (f"{_AMAZON}>=6.0", "It is _create_integer_fields"),
    },
    "airflow.contrib.operators.sagemaker_transform_operator.SageMakerTransformOperator": {
        "create_integer_fields": (f"{_AMAZON}>=6.0", "It is _create_integer_fields"),
    },
    "airflow.contrib.operators.snowflake_operator.SnowflakeOperator": {
        "get_hook": ("apache-airflow-providers-snowflake>=4.0", "Use get_db_hook()"),
    },
    "airflow.contrib.sensors.aws_athena_sensor.AthenaSensor": {
        "get_hook": (f"{_AMAZON}>=1.0", _HOOK),
    },
    "airflow.contrib.sensors.aws_glue_catalog_partition_sensor.AwsGlueCatalogPartitionSensor": {
        "get_hook": (f"{_AMAZON}>=9.0", _HOOK),
    },
    **{
        path: {
            "NON_TERMINAL_STATES": (f"{_AMAZON}>=1.0", "Pass target_states to the constructor"),
            "FAILED_STATE": (f"{_AMAZON}>=1.0", "Pass failed_states to the constructor"),
        }
        for path in (
            "airflow.contrib.sensors.emr_job_flow_sensor.EmrJobFlowSensor",
            "airflow.contrib.sensors.emr_step_sensor.EmrStepSensor",
        )
    },
    "airflow.operators.docker_operator.DockerOperator": {
        "get_command": ("apache-airflow-providers-docker>=2.0", "It is format_command(command)"),
        "get_hook": ("apache-airflow-providers-docker>=4.0", _HOOK),
    },
    "airflow.operators.druid_check_operator.DruidCheckOperator": {
        "get_first": ("apache-airflow>=2.0", "Use get_db_hook().get_first(sql)"),
    },
    "airflow.operators.hive_operator.HiveOperator": {
        "get_hook": ("apache-airflow-providers-apache-hive>=7.0", _HOOK),
    },
    "airflow.operators.pig_operator.PigOperator": {
        "get_hook": ("apache-airflow-providers-apache-pig>=1.0", _HOOK),
    },
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
        gone = {
            name: advice
            for path in lineage
            for name, (since, advice) in GONE.get(path, {}).items()
            if target.has(since)
        }
        if gone:
            yield from _gone(cls, gone)
        for path, names in _READ_ONLY.items():
            if path in lineage:
                wanted = {name for name, since in names.items() if target.has(since)}
                yield from _assigned(cls, wanted)
    yield from _of_others(source, target)


def _of_others(source: Source, target: Target) -> Iterator[Change]:
    """What is asked of a task that lacks it on the target."""
    names = {name for rows in GONE.values() for name in rows}
    if not any(f".{name}" in source.text for name in names):
        return
    for node in source.nodes:
        if not isinstance(node, ast.Attribute) or node.attr not in names:
            continue
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            continue  # told with its class
        known = instances(source)
        path = known.path(node.value)
        rows = [r for p in known.lineage(path) if (r := GONE.get(p, {}).get(node.attr))]
        if rows and target.has(rows[0][0]) and not known.overrides(node.value, node.attr):
            message = f"{path.rpartition('.')[2]} has no {node.attr} on the target"
            yield Note.at(node, rule=ID, message=message, fix=rows[0][1])


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
    for node in ast.walk(cls):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
            and node.attr in names
            and not any(_defines(statement, node.attr) for statement in cls.body)
        ):
            yield Note.at(
                node,
                rule=ID,
                message=f"{cls.name}.{node.attr} cannot be set: the target's base class has a "
                "property of that name",
                fix=f"Call the attribute otherwise (self.{node.attr}_), in template_fields and "
                "wherever it is read as well",
            )


def _gone(cls: ast.ClassDef, names: Mapping[str, str]) -> Iterator[Change]:
    """What a class overrides that nobody calls on the target, or takes of a base that lacks it."""
    own = {name: s for name in names for s in cls.body if _defines(s, name)}
    for name, statement in own.items():
        yield Note.at(
            statement,
            rule=ID,
            message=f"{cls.name}.{name} overrides what the target's base class does not have",
            fix=names[name],
        )
    nodes = list(ast.walk(cls))
    calls: dict[ast.AST, ast.Call] = {
        n.func: n for n in nodes if isinstance(n, ast.Call) and not (n.args or n.keywords)
    }
    for node in nodes:
        if not isinstance(node, ast.Attribute) or node.attr not in names.keys() - own.keys():
            continue
        if not isinstance(node.value, ast.Name) or node.value.id != "self":
            continue
        message = f"{cls.name} has no {node.attr} on the target"
        if names[node.attr] == _HOOK and node in calls:
            yield Step.replace(calls[node], "self.hook", rule=ID, message=message)
        else:
            yield Note.at(node, rule=ID, message=message, fix=names[node.attr])


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
_DOCKER = lines(
    "",
    "",
    "class Mine(DockerOperator):",
    "    def get_command(self):",
    "        return self.get_hook().name",
)

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
                "from airflow.operators.pig_operator import PigOperator",
                "",
                "",
                "class Mine(PigOperator):",
                "    def execute(self, context):",
                "        self.get_hook().run_cli('c')",
                "",
                "",
                "task = PigOperator(task_id='a', pig='b')",
                "task.get_hook().run_cli('c')",
            ),
            after=lines(
                "from airflow.providers.apache.pig.operators.pig import PigOperator",
                "",
                "",
                "class Mine(PigOperator):",
                "    def execute(self, context):",
                "        self.hook.run_cli('c')",
                "",
                "",
                "task = PigOperator(task_id='a', pig='b')",
                "task.get_hook().run_cli('c')",
            ),
            notes=("Use the property hook",),
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
            before=lines("from airflow.operators.docker_operator import DockerOperator") + _DOCKER,
            after=lines("from airflow.providers.docker.operators.docker import DockerOperator")
            + _DOCKER.replace("get_hook()", "hook"),
            notes=("format_command",),
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
    ),
    keeps=(
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
