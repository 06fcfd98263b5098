"""What subclasses override has the shape that the target calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.changes import Change, Insert, RenameArgument, Replace, Step
from codemods.constructors import baseline
from codemods.rules._text import lines
from codemods.rules.arguments import TASK
from codemods.source import Source
from codemods.target import Target

ID = "subclass-contracts"
_LINK = "BaseOperatorLink"
_DATE = "operator.dag.get_dagrun(run_id=ti_key.run_id).execution_date"


def _find(source: Source, target: Target) -> Iterator[Change]:
    for cls, _ in source.classes:
        paths = [p for b in cls.bases if (p := source.path_of(b)) is not None]
        lineage = {
            path
            for p in paths
            if (signature := baseline().signature(p)) is not None
            for path in signature.lineage
        }
        if any(p.startswith("airflow.") and p.endswith(f".{_LINK}") for p in paths):
            yield from _link(source, target, cls)
        if TASK in lineage:
            yield from _fields(source, cls)


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
    """``template_fields = ("sql")`` is a text: the target warns and puts it into a list."""
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


_BASE = "from airflow.models import BaseOperator, BaseOperatorLink"

RULE = Rule(
    id=ID,
    title="Override what the target calls",
    why="Airflow calls methods and reads attributes of subclasses; where it calls them otherwise "
    "than 1.10 did, it warns or fails.",
    examples=(
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
    ),
    keeps=(
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
