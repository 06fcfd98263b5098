"""What tasks and hooks have no more on the target is neither read, called nor overridden."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from codemods.argument_map import is_elsewhere
from codemods.attributes import Lost, names_by_class
from codemods.base import Example, Note, Rule
from codemods.changes import Change, Compose, Step
from codemods.constructors import baseline
from codemods.heritage import heritage
from codemods.instances import TASK, instances
from codemods.methods import baseline_methods
from codemods.rules._text import lines
from codemods.rules.kept_arguments import tells
from codemods.rules.model_attributes import ROWS
from codemods.settling import calls_by_path, settle
from codemods.source import Source
from codemods.target import Target

ID = "lost-attributes"
_WORD = re.compile(r"\w+")


def _find(source: Source, target: Target) -> Iterator[Change]:
    wanted = _wanted(source)
    if not wanted:
        return
    for cls, _ in source.classes:
        for statement in cls.body:
            yield from _overridden(source, target, cls, statement)
    calls: dict[ast.AST, ast.Call] = {call.func: call for call in source.plain_calls}
    known = instances(source)
    for node in source.nodes:
        if (
            not isinstance(node, ast.Attribute)
            or node.attr not in wanted
            or not isinstance(node.ctx, ast.Load)
        ):
            continue
        path = known.path(node.value)
        lost = _lost(source, target, path, node.attr)
        call = calls.get(node)
        if (
            lost is None
            or known.overrides(node.value, node.attr)
            or tells(source, target, path, node.attr)
            or (call and baseline_methods().find(known.lineage(path), node.attr) is not None)
        ):
            continue
        yield _read(path, node, call, lost)


def _wanted(source: Source) -> set[str]:
    """The lost names of the classes that the text has to do with, as far as it says them."""
    paths = {*calls_by_path(source), *(b.path for b in source.bindings)}
    paths |= {heritage(source, cls).path for cls, _ in source.classes}
    signatures = (baseline().signature(path) for path in paths if path.startswith("airflow."))
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
    stays = wanted.removed is not None or there.path != wanted.path
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
        lost = _lost(source, target, heritage(source, cls).path, name)
        if lost is not None and lost.in_body:
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
    "calls of them fails when the task runs, and what it overrides is called by nobody.",
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
    ),
    keeps=(
        lines("from airflow.operators.bash import BashOperator")
        + _BASH.replace("kill()", "kill")
        .replace("on_kill(self)", "__init__(self, sub_process)")
        .replace("self.sub_process.kill", "self.sub_process = sub_process"),
        lines("import mylib", "", "# airflow", "class Mine(mylib.PigOperator):", "    hook = 1"),
    ),
    find=_find,
)
