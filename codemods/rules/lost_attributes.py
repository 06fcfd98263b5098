"""What tasks and hooks have no more on the target is neither read, called nor overridden."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.argument_map import is_elsewhere
from codemods.editing.changes import Change, Compose, Step
from codemods.editing.settling import calls_by_path, settle
from codemods.reading.heritage import bases, heritage, kin, own_at, signature_of
from codemods.reading.instances import instances
from codemods.reading.source import Source
from codemods.rules._changed_attributes import changed
from codemods.rules._text import block, lines
from codemods.rules.kept_arguments import tells
from codemods.tables.attributes import Lost, names_by_class
from codemods.tables.constructors import baseline
from codemods.tables.core_classes import TASK
from codemods.tables.methods import baseline_methods
from codemods.tables.model_names import ROWS
from codemods.tables.target import Target

ID = "lost-attributes"
_WORD = re.compile(r"\w+")
_PLAIN = {"object", "ABC", "LoggingMixin", "SkipMixin"}  # bases that have nothing to do with it


def _find(source: Source, target: Target) -> Iterator[Change]:
    yield from changed(source, target, rule=ID)
    wanted = _wanted(source)
    if not wanted:
        return
    for cls, _ in source.classes:
        for statement in cls.body:
            yield from _overridden(source, target, cls, statement)
    calls: dict[ast.AST, ast.Call] = {call.func: call for call in source.plain_calls}
    known, of_class = instances(source), _of_class(source)
    for node in source.every(ast.Attribute):
        if node.attr not in wanted or not isinstance(node.ctx, ast.Load):
            continue
        path = known.path(node.value) or of_class.get(id(node), "")
        lost = _lost(source, target, path, node.attr)
        call = calls.get(node)
        if (
            lost is None
            or known.overrides(node.value, node.attr)
            or _of_another_base(source, known.around.get(id(node.value)), path, node.attr)
            or tells(source, target, path, node.attr)
            or (call and _is_method(path, node.attr))
        ):
            continue
        yield _read(path, node, call, lost)


def _of_class(source: Source) -> dict[int, str]:
    """The path that an attribute is asked of, where it is a class's or a module's."""
    return {
        id(node): use.path.rsplit(".", back)[0]
        for binding in source.bindings
        for use in binding.uses
        for back, node in enumerate(reversed(use.nodes[1:]), 1)
    }


def _of_another_base(source: Source, cls: ast.ClassDef | None, path: str, name: str) -> bool:
    """Whether a class may have an attribute by another base than the one at ``path``."""
    known = {one.name for one, _ in source.classes} | _PLAIN
    for base in (base for one in kin(source, cls) for base in bases(source, one)):
        other = source.path_of(base) or ast.unparse(base)
        if other == path or other.rpartition(".")[2] in known or own_at(source, other):
            continue
        signature = signature_of(other)
        if signature is None or baseline_methods().find(signature.lineage, name) is not None:
            return True
    return False


def _is_method(path: str, name: str) -> bool:
    """Whether the rule on methods sees to it: it knows the paths of 1.10."""
    old = baseline().signature(path)
    return old is not None and baseline_methods().find(old.lineage, name) is not None


def _wanted(source: Source) -> set[str]:
    """The lost names of the classes that the text has to do with, as far as it says them."""
    paths = {*calls_by_path(source), *(b.path for b in source.bindings)}
    paths |= {heritage(source, cls).path for cls, _ in source.classes}
    signatures = (signature_of(path) for path in paths if path.startswith("airflow."))
    lineage = {path for signature in signatures if signature for path in signature.lineage}
    lineage.add(TASK)  # every DAG gives its tasks
    named = {name for path in lineage for name in names_by_class().get(path, ())}
    return named & set(_WORD.findall(source.text))


def _lost(source: Source, target: Target, path: str, name: str) -> Lost | None:
    """What became of an attribute of the class at ``path``, where the target's has taken over."""
    lineage = instances(source).lineage(path)
    lost = target.attributes.lost(lineage, name)
    if lost is None or any(name in ROWS.get(one, {}) for one in lineage):
        return None
    wanted = target.resolve(path)
    there = settle(target, source, path)
    table = target.constructors
    stays = wanted.removed is not None or wanted.path not in (
        there.path,
        *table.lineage(there.path),
    )
    return None if stays or is_elsewhere(there.path, name) else lost


def _read(path: str, node: ast.Attribute, call: ast.Call | None, lost: Lost) -> Change:
    message = f"{path.rpartition('.')[2]} has no {node.attr} on the target"
    bare = call is not None and not (call.args or call.keywords)
    if lost.new and (bare or not lost.in_body):
        whole = call if call is not None and lost.in_body else node
        made = Compose(node=whole, parts=(node.value, f".{lost.new}"))
        return Step(rule=ID, line=node.lineno, message=message, operations=(made,))
    return Note.at(node, rule=ID, message=message, fix=lost.advice)


def _overridden(
    source: Source, target: Target, cls: ast.ClassDef, statement: ast.stmt
) -> Iterator[Note]:
    """What a class overrides that nobody calls on the target."""
    for name in _bound(statement):
        path = heritage(source, cls).path
        lost = _lost(source, target, path, name)
        # Below a class of 2.x it may be what the subclass has for itself.
        used = baseline().signature(path) is None and f"self.{name}" in source.segment(cls)
        if lost is not None and lost.in_body and not used:
            yield Note.at(
                statement,
                rule=ID,
                message=f"{cls.name}.{name} overrides what the target's base class does not have",
                fix=lost.advice,
            )


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement of a class body gives the class."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        yield statement.name
    elif isinstance(statement, ast.Assign):
        yield from (t.id for t in statement.targets if isinstance(t, ast.Name))
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        yield getattr(statement.target, "id", "")


_PIG = lines(
    "",
    "",
    "class Mine(PigOperator):",
    "    def execute(self, context):",
    "        self.get_hook().run_cli('c')",
    "",
    "",
    "task = PigOperator(task_id='a', pig='b')",
    "task.get_hook().run_cli('c')",
)
_BASH = lines(
    "",
    "",
    "class Mine(BashOperator):",
    "    def on_kill(self):",
    "        self.sub_process.kill()",
)
_POD = lines(
    "",
    "",
    "class Pod(KubernetesPodOperator):",
    "    def execute(self, context):",
    "        self.env_vars['DAY'] = context['ds']",
    "        return super().execute(context)",
    "",
    "",
    "class Found(S3KeySensor):",
    "    def execute(self, context):",
    "        super().execute(context)",
    "        return self.bucket_name",
)
_DOCKER = lines(
    "",
    "",
    "class Mine(DockerOperator):",
    "    def get_command(self):",
    "        return self.get_hook().name",
)

RULE = Rule(
    id=ID,
    title="Use of tasks and hooks what they have on the target",
    why="Methods and attributes of operators, sensors and hooks went. What a subclass reads or "
    "calls of them fails when the task runs, and what it overrides is called by nobody. Others "
    "have their name still and hold something else.",
    examples=(
        Example(
            before=lines("from airflow.operators.pig_operator import PigOperator") + _PIG,
            after=lines("from airflow.providers.apache.pig.operators.pig import PigOperator")
            + _PIG.replace("get_hook()", "hook"),
        ),
        Example(
            before=lines("from airflow.operators.bash_operator import BashOperator") + _BASH,
            after=lines("from airflow.operators.bash import BashOperator")
            + _BASH.replace("sub_process", "subprocess_hook.sub_process"),
        ),
        Example(
            before=lines("from airflow.operators.docker_operator import DockerOperator") + _DOCKER,
            after=lines("from airflow.providers.docker.operators.docker import DockerOperator")
            + _DOCKER.replace("get_hook()", "hook"),
            notes=("format_command",),
        ),
        Example(
            before=lines("from airflow.providers.docker.operators.docker import DockerOperator")
            + _DOCKER.replace("get_hook()", "hook"),
            notes=("format_command",),
        ),
        Example(
            before=block("""
                from airflow.contrib.operators.kubernetes_pod_operator import KubernetesPodOperator
                from airflow.operators.bash_operator import BashOperator
                from airflow.sensors.s3_key_sensor import S3KeySensor
            """)
            + _BASH
            + _POD,
            after=block("""
                from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
                from airflow.operators.bash import BashOperator
                from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor
            """)
            + _BASH.replace("sub_process", "subprocess_hook.sub_process")
            + _POD,
            notes=("is a list of V1EnvVar", "is None on the target"),
        ),
    ),
    keeps=(
        lines("from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor")
        + lines("from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator")
        + _POD,
        lines("from airflow.operators.bash import BashOperator")
        + _BASH.replace("kill()", "kill")
        .replace("on_kill(self)", "__init__(self, sub_process)")
        .replace("self.sub_process.kill", "self.sub_process = sub_process"),
        block("""
            import mylib

            # airflow
            class Mine(mylib.PigOperator):
                hook = 1
        """),
        lines("from airflow.providers.docker.operators.docker import DockerOperator")
        + _DOCKER.replace("self.get_hook().name", "[self.get_command]"),
    ),
    find=_find,
)
