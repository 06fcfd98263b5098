"""What is pushed to XCom is what the target can write as JSON; 1.10 pickled whatever it was."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from codemods.base import Example, Note, Rule
from codemods.reading.age import of_2
from codemods.reading.calls import Construction, constructions
from codemods.reading.heritage import heritage, signature_of
from codemods.reading.instances import instances
from codemods.reading.source import Source
from codemods.rules._text import block
from codemods.tables.constructors import baseline
from codemods.tables.core_classes import DATE, TASK
from codemods.tables.target import Target

ID = "xcom-values"
_ASKED = re.compile(r"xcom_push|python_callable|def execute\b")
# The latter pushes its condition since 2.0; 1.10 kept it to itself.
_PYTHON = {"PythonOperator", "ShortCircuitOperator"}
_DATES, _FRAME, _SET = "a date or duration", "a DataFrame", "a set"
_BYTES, _LAZY, _ODD = "bytes", "an iterator", "a UUID or time of day"
# What a call of a path, or a part of one, gives.
_PATHS = (
    (re.compile(r"datetime\.(datetime|date|timedelta)(\.\w+)?|pendulum\.\w+"), _DATES),
    (re.compile(r"decimal\.Decimal"), "a Decimal"),
    (re.compile(r"pandas\.(DataFrame|concat|merge|read_\w+)"), _FRAME),
    (re.compile(r"uuid\.uuid\d|datetime\.time"), _ODD),
)
_TEXTS = re.compile(r"\.(isoformat|strftime|weekday|isoweekday|toordinal|timestamp)$")
_BUILTIN = {
    **dict.fromkeys(("set", "frozenset"), _SET),
    **dict.fromkeys(("filter", "iter", "map", "range", "zip"), _LAZY),
    "bytes": _BYTES,
}
_METHODS = {"encode": _BYTES, "get_pandas_df": _FRAME, "keys": _LAZY}
# Fails on every target; the rest only before airflow/serialization/serializers of 2.6 knew it.
# Source: XCom.serialize_value of 2.5.1, 2.10.3 and 2.11.0, run with one value of each kind.
_NEVER = {_BYTES, _LAZY, _ODD}
# Source: the operators of 1.10.15, whose default is to pickle, and of the providers that the locks
# pin.
_OUTPUT = (".SSHOperator", ".WinRMOperator")
_DOCKER = ".DockerOperator"
_ASKS = ("do_xcom_push", "xcom_push")
_INSTEAD = {
    _BYTES: "Push text, such as value.decode()",
    _DATES: "Push text, such as value.isoformat()",
    _FRAME: "Write it to a bucket and push its key",
    _LAZY: "Push list(...)",
    _SET: "Push sorted(...)",
}


def _find(source: Source, target: Target) -> Iterator[Note]:
    if not target.has("apache-airflow>=2.0") or not _ASKED.search(source.text):
        return
    if not of_2(source):
        yield from _encoded(source)
    for value, names in _pushed(source):
        what = _kind(source, value, names)
        if what and (what in _NEVER or not target.has("apache-airflow>=2.6")):
            yield Note.at(
                value,
                rule=ID,
                message=f"XCom keeps JSON on the target and cannot keep {what}: the task fails",
                fix=f"{_INSTEAD.get(what, 'Push text, such as str(value)')}, or set "
                "core.enable_xcom_pickling to True in the environment's configuration",
            )


def _encoded(source: Source) -> Iterator[Note]:
    """What these push of their output is not the bytes that 1.10 pushed."""
    for made in constructions(source):
        if made.path.endswith(_DOCKER) and _gives(made, "xcom_all") and _gives(made, "xcom_push"):
            yield Note.at(
                made.node,
                rule=ID,
                message="DockerOperator with xcom_all pushes a list of lines on the target, where "
                "1.10 pushed all of the output as bytes",
                fix='Write "\\n".join(value) where it is pulled',
            )
        home = baseline().home(made.path) if made.path.endswith(_OUTPUT) else ""
        if home.endswith(_OUTPUT) and _gives(made, *_ASKS):
            cls = home.rpartition(".")[2]
            yield Note.at(
                made.node,
                rule=ID,
                message=f"{cls} pushes its output as base64 text on the target, where 1.10 pushed "
                "the bytes",
                fix="Write base64.b64decode(value) where it is pulled",
            )


def _gives(made: Construction, *names: str) -> bool:
    """Whether a construction says True for one of these."""
    return any(k.arg in names and ast.unparse(k.value) == "True" for k in made.reaching)


def _pushed(source: Source) -> Iterator[tuple[ast.expr, Mapping[str, ast.expr]]]:
    """Values that are pushed, and what the names around them stand for."""
    for function in source.every(ast.FunctionDef):
        names = _named(function)
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "xcom_push":
                value = _value(call)
                if value is not None:
                    yield value, names
    given = [call for call in source.plain_calls if _pushes(source, call)]
    callables = [k.value for call in given for k in call.keywords if k.arg == "python_callable"]
    yield from ((one.body, {}) for one in callables if isinstance(one, ast.Lambda))
    wanted = {one.id for one in callables if isinstance(one, ast.Name)}
    run = [f for f in source.tree.body if isinstance(f, ast.FunctionDef) and f.name in wanted]
    for cls, _ in source.classes:
        signature = signature_of(heritage(source, cls).path)
        if signature is not None and TASK in signature.lineage:
            run += [f for f in cls.body if isinstance(f, ast.FunctionDef) and f.name == "execute"]
    for function in run:
        names = _named(function)
        yield from ((value, names) for value in _returned(function))


def _pushes(source: Source, call: ast.Call) -> bool:
    """Whether a call makes a task that pushes what its callable returns."""
    path = source.path_of(call.func) or ""
    silent = {"do_xcom_push", "xcom_push"} & {k.arg for k in call.keywords}
    return path.startswith("airflow.") and path.rpartition(".")[2] in _PYTHON and not silent


def _value(call: ast.Call) -> ast.expr | None:
    """What ``ti.xcom_push(key, value)`` or ``self.xcom_push(context, key, value)`` pushes."""
    place = 2 if isinstance(call.func, ast.Attribute) and _is_self(call.func.value) else 1
    named = (k.value for k in call.keywords if k.arg == "value")
    return next(named, call.args[place] if len(call.args) > place else None)


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _own(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions in it."""
    left: list[ast.AST] = list(function.body)
    while left:
        node = left.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            left += ast.iter_child_nodes(node)


def _named(function: ast.FunctionDef) -> Mapping[str, ast.expr]:
    """The names that a function gives one value, and that value."""
    found: dict[str, list[ast.expr | None]] = {}
    for node in _own(function):
        plain = isinstance(node, ast.Assign) and len(node.targets) == 1
        for name in ast.walk(node) if isinstance(node, ast.stmt) else ():
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                whole = plain and isinstance(node, ast.Assign) and node.targets[0] is name
                values = found.setdefault(name.id, [])
                values.append(node.value if whole and isinstance(node, ast.Assign) else None)
    return {name: v[0] for name, v in found.items() if len(v) == 1 and v[0] is not None}


def _returned(function: ast.FunctionDef) -> Iterator[ast.expr]:
    inside = list(_own(function))
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in inside):
        return
    yield from (n.value for n in inside if isinstance(n, ast.Return) and n.value is not None)


def _kind(source: Source, value: ast.expr, names: Mapping[str, ast.expr], depth: int = 0) -> str:
    """What a value plainly is that JSON does not have, or holds; empty where nothing is seen."""
    if isinstance(value, ast.Name) and value.id in names and depth < 4:
        return _kind(source, names[value.id], names, depth + 1)
    if isinstance(value, ast.List | ast.Tuple):
        return next((k for v in value.elts if (k := _kind(source, v, names, depth))), "")
    if isinstance(value, ast.Dict):
        return next((k for v in value.values if (k := _kind(source, v, names, depth))), "")
    if isinstance(value, ast.Set | ast.SetComp):
        return _SET
    if isinstance(value, ast.GeneratorExp):
        return _LAZY
    if isinstance(value, ast.Constant) and isinstance(value.value, bytes):
        return _BYTES
    if isinstance(value, ast.Call):
        return _called(source, value)
    return _DATES if instances(source).path(value) == DATE else ""


def _called(source: Source, call: ast.Call) -> str:
    func = call.func
    path = source.path_of(func) or ""
    if isinstance(func, ast.Name) and not path and source.module.lookup(func.id) is None:
        return _BUILTIN.get(func.id, "")
    if path:
        kinds = (kind for shape, kind in _PATHS if shape.fullmatch(path))
        return "" if _TEXTS.search(path) else next(kinds, "")
    return _METHODS.get(func.attr, "") if isinstance(func, ast.Attribute) else ""


RULE = Rule(
    id=ID,
    title="Push to XCom what JSON can hold",
    why="1.10 pickled what was pushed; since 2.0 core.enable_xcom_pickling is off. A task that "
    "pushes or returns anything else fails: before 2.6 a date, a set or a DataFrame too.",
    examples=(
        Example(
            before=block("""
                from datetime import datetime
                from airflow.operators.python import PythonOperator


                def run(ti, **kwargs):
                    ti.xcom_push(key='at', value=datetime.now())
                    ti.xcom_push('seen', {'ids': {1, 2}})
                    names = set(kwargs)
                    return names


                PythonOperator(task_id='p', python_callable=run)
            """),
            target="2.5.1",
            notes=("value.isoformat()", "Push sorted(...)", "Push sorted(...)"),
        ),
        Example(
            before=block("""
                from airflow.operators.python import PythonOperator


                def run():
                    return 'text'.encode()


                PythonOperator(task_id='p', python_callable=run)
            """),
            notes=("value.decode()",),
        ),
    ),
    keeps=(
        block("""
            from datetime import datetime
            from airflow.operators.python import PythonOperator


            def run(ti, **kwargs):
                ti.xcom_push(key='at', value=datetime.now().isoformat())
                return sorted({1, 2}), datetime.now().strftime('%Y')


            PythonOperator(task_id='p', python_callable=run)
        """),
        block("""
            from airflow.operators.python import PythonOperator


            def other():
                return b'x'


            PythonOperator(task_id='p', python_callable=other, do_xcom_push=False)
        """),
    ),
    find=_find,
)
