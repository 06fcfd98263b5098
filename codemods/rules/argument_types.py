"""Arguments of DAGs and tasks are of the type that the target insists on."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, Step
from codemods.reading.calls import constructions
from codemods.reading.loops import looped
from codemods.reading.source import Source
from codemods.reading.values import known, quoted
from codemods.rules._text import block, lines
from codemods.tables.constructors import baseline
from codemods.tables.core_classes import DAG, TASK
from codemods.tables.target import Target

ID = "argument-types"
# Argument → its type and since when another one raises.
# Source: DAG_ARGS_EXPECTED_TYPES and BASEOPERATOR_ARGS_EXPECTED_TYPES of 2.10.1 and 2.11.0, and
# BaseOperator.__init__ of 2.2.2 and 2.4.3 (priority_weight, execution_timeout); airflow/lineage of
# 1.10.15 and 2.0.2 (a dict of inlets says nothing to 2.x: "lineage" is a list in its place);
# airflow/models/param.py of 2.2.2 ("json" is a dict of what JSON can hold; it warns).
_DAG = {
    "catchup": ("bool", "2.10"),
    "concurrency": ("int", "2.10"),
    "dagrun_timeout": ("timedelta", "2.10"),
    "is_paused_upon_creation": ("bool", "2.10"),
    "max_active_runs": ("int", "2.10"),
    "max_active_tasks": ("int", "2.10"),
    "params": ("json", "2.2"),
    "tags": ("list", "2.10"),
}
_TASK = {
    "depends_on_past": ("bool", "2.10"),
    "do_xcom_push": ("bool", "2.10"),
    "email_on_failure": ("bool", "2.10"),
    "email_on_retry": ("bool", "2.10"),
    "execution_timeout": ("timedelta", "2.4"),
    "inlets": ("lineage", "2.0"),
    "max_active_tis_per_dag": ("int", "2.10"),
    "outlets": ("lineage", "2.0"),
    "params": ("json", "2.2"),
    "pool": ("str", "2.10"),
    "priority_weight": ("int", "2.2"),
    "queue": ("str", "2.10"),
    "retry_exponential_backoff": ("bool", "2.10"),
    "run_as_user": ("str", "2.10"),
    "task_concurrency": ("int", "2.10"),
    "wait_for_downstream": ("bool", "2.10"),
    "xcom_push": ("bool", "2.10"),
}
# A dict with one of these is meant for tasks, whatever it is called and wherever it is used.
_MARKS = {"depends_on_past", "email_on_failure", "email_on_retry", "wait_for_downstream"}
_TEXTS = {"airflow.models.Variable.get", "os.environ.get", "os.getenv"}
_NOT_JSON = {
    "datetime.date",
    "datetime.date.today",
    "datetime.datetime",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "datetime.timedelta",
    "decimal.Decimal",
    "pendulum.datetime",
}
_LINEAGE = {"auto", "datasets", "task_ids"}
_FALSE = {"", "0", "f", "false", "n", "no", "none", "off"}


def _given(
    source: Source, target: Target
) -> Iterator[tuple[str, ast.expr, Mapping[str, tuple[str, str]]]]:
    """Every argument, its value, and the table that it is looked up in."""
    for made in constructions(source):
        path = made.path
        signature = baseline().signature(path) or target.constructors.signature(path)
        for base, table in ((DAG, _DAG), (TASK, _TASK)):
            if signature is not None and base in signature.lineage:
                yield from ((k.arg, k.value, table) for k in made.reaching if k.arg)
    yield from ((key.name, key.value, _TASK) for key in source.default_keys)
    defaults = {id(key.holder) for key in source.default_keys}
    for node in source.dicts:
        items = [
            (str(k.value), v)
            for k, v in zip(node.keys, node.values, strict=True)
            if isinstance(k, ast.Constant)
        ]
        if id(node) not in defaults and any(key in _MARKS for key, _ in items):
            yield from ((key, value, _TASK) for key, value in items)
    for call in source.plain_calls:
        names = {k.arg for k in call.keywords} if id(call) not in defaults else set()
        if isinstance(call.func, ast.Name) and call.func.id == "dict" and names & _MARKS:
            yield from ((k.arg, k.value, _TASK) for k in call.keywords if k.arg)


def _find(source: Source, target: Target) -> Iterator[Change]:
    for name, node, table in _given(source, target):
        kind, since = table.get(name, ("", ""))
        if not kind or not target.has(f"apache-airflow>={since}"):
            continue
        value = known(node, source)
        if kind == "json":
            for meant in _each(source, value):
                yield from _not_json(source, meant)
        elif isinstance(value, ast.Constant | ast.Tuple | ast.Set | ast.List | ast.Dict):
            yield from _other(source, name, kind, node, value)
        elif kind not in {"str", "list", "lineage"} and _is_text(source, value):
            yield _note(name, kind, node, "a text", f"Put {_wanted(kind)} around it")


def _parts(value: ast.expr) -> list[ast.expr]:
    """The values of a dict in sight."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "dict":
        return [keyword.value for keyword in value.keywords]
    return value.values if isinstance(value, ast.Dict) else []


def _each(source: Source, value: ast.expr) -> Iterator[ast.expr]:
    """The value, and those that its name stands for in loops."""
    yield value
    if isinstance(value, ast.Name):
        yield from looped(source, value.id)


def _not_json(source: Source, value: ast.expr) -> Iterator[Note]:
    """What of params JSON cannot hold, as far as the text shows it."""
    for part in _parts(value):
        shown = known(part, source)
        if isinstance(shown, ast.Dict):
            yield from _not_json(source, shown)
        made = source.path_of(shown.func) if isinstance(shown, ast.Call) else None
        theirs = (source.path_of(shown) or "").startswith("airflow.models.")  # a class or column
        if isinstance(shown, ast.Set | ast.Lambda) or made in _NOT_JSON or theirs:
            given = source.segment(shown)
            yield Note.at(
                part,
                rule=ID,
                message=f"params must be what JSON can hold on the target and have {given}",
                fix="Give it by op_kwargs, which may hold anything"
                if theirs
                else f"Give a text, str({given}), which templates render alike",
            )


def _other(
    source: Source, name: str, kind: str, node: ast.expr, value: ast.expr
) -> Iterator[Change]:
    """A value in sight that is of another type."""
    given = value.value if isinstance(value, ast.Constant) else ()
    if given is None or type(given).__name__ == kind or (kind == "int" and given is True):
        return
    if kind == "list" and isinstance(value, ast.List):
        return
    if kind == "lineage":
        if not isinstance(value, ast.Dict):
            return
        kind = "list"
    code = _code(source, kind, value, given)
    if not code:
        wanted = "True or False" if kind == "bool" else _wanted(kind)
        yield _note(name, kind, node, source.segment(value), f"Write {wanted}")
        return
    if value is node:
        yield Step.replace(node, code, rule=ID, message=f"{name} is of type {kind} on the target")
    else:
        yield _note(name, kind, node, source.segment(value), f"Write {code}")
    if kind == "bool" and str(given).lower() in _FALSE and given:
        yield _note(
            name,
            kind,
            node,
            source.segment(value),
            "1.10 took this text for True, and so it is: write False if that is what you meant",
        )


def _code(source: Source, kind: str, value: ast.expr, given: object) -> str:
    """The same value in the right type, as 1.10 understood it; nothing where that is not clear."""
    match kind:
        case "bool" if isinstance(value, ast.Constant):
            return str(bool(given))
        case "bool" if not any(map(_unpacked, _items(value))):
            return str(bool(_items(value)))
        case "int" if isinstance(given, str) and given.strip().isdecimal():
            return given.strip()
        case "int" if isinstance(given, float) and given.is_integer():
            return str(int(given))
        case "str" if isinstance(given, int) and not isinstance(given, bool):
            return quoted(str(given))
        case "list" if isinstance(given, str):
            return f"[{source.segment(value)}]"
        case "list" if isinstance(value, ast.Tuple | ast.Set):
            return f"[{', '.join(source.segment(part) for part in value.elts)}]"
        case "list" if isinstance(value, ast.Dict):
            return _lineage(source, value)
    return ""


def _items(value: ast.expr) -> Sequence[ast.expr | None]:
    """What a literal of several values holds; None for what a dict unpacks."""
    if isinstance(value, ast.Dict):
        return value.keys
    return value.elts if isinstance(value, ast.List | ast.Tuple | ast.Set) else ()


def _unpacked(item: ast.expr | None) -> bool:
    """Whether an item stands for any number of them."""
    return item is None or isinstance(item, ast.Starred)


def _lineage(source: Source, value: ast.Dict) -> str:
    """The inlets or outlets of a dict in one list; nothing where one of them is not in sight."""
    found = []
    for key, part in zip(value.keys, value.values, strict=True):
        name = key.value if isinstance(key, ast.Constant) else None
        if name not in _LINEAGE or (name == "auto") != (type(getattr(part, "value", None)) is bool):
            return ""
        if isinstance(part, ast.List):
            found += [source.segment(one) for one in part.elts]
        elif isinstance(part, ast.Constant):
            found += ['"auto"'] if part.value else []
        else:
            found.append(f"*{source.segment(part)}")
    return f"[{', '.join(found)}]"


def _wanted(kind: str) -> str:
    return {"timedelta": "timedelta(seconds=...)", "bool": "a comparison", "list": "[...]"}.get(
        kind, f"{kind}(...)"
    )


def _is_text(source: Source, value: ast.expr) -> bool:
    """Whether a call or an item gives a text, whatever is behind it."""
    if isinstance(value, ast.Subscript):
        return source.path_of(value.value) == "os.environ"
    if not isinstance(value, ast.Call):
        return False
    path = (source.path_of(value.func) or "").replace(".variable.", ".")
    plain = all(isinstance(a, ast.Constant) and isinstance(a.value, str) for a in value.args)
    return path in _TEXTS and plain and not value.keywords


def _note(name: str, kind: str, node: ast.expr, given: str, fix: str) -> Note:
    return Note.at(
        node,
        rule=ID,
        message=f"{name} must be of type {kind} on the target and is {given}",
        fix=fix,
    )


_CLEANUP = block("""
    from airflow.models import DagRun
    from airflow.operators.bash import BashOperator

    for item in [{'model': DagRun}]:
        BashOperator(task_id='t', bash_command='true', params=item)
""")

RULE = Rule(
    id=ID,
    title="Give arguments in the type that the target insists on",
    why="1.10 took any value for most arguments; the target raises when a DAG or a task is made "
    "with a number for a timedelta, or a text for a bool or a number.",
    examples=(
        Example(
            before=_CLEANUP,
            notes=("op_kwargs",),
        ),
        Example(
            before=block("""
                from airflow import DAG
                from airflow.operators.bash import BashOperator

                args = {'depends_on_past': 0, 'email_on_retry': 'True', 'priority_weight': '2'}
                with DAG('d', schedule=None, default_args=args, tags=('a', 'b')):
                    BashOperator(task_id='t', bash_command='true', run_as_user=1000)
            """),
            after=block("""
                from airflow import DAG
                from airflow.operators.bash import BashOperator

                args = {'depends_on_past': False, 'email_on_retry': True, 'priority_weight': 2}
                with DAG('d', schedule=None, default_args=args, tags=['a', 'b']):
                    BashOperator(task_id='t', bash_command='true', run_as_user="1000")
            """),
        ),
        Example(
            before=lines(
                "# for airflow",
                "SHARED = dict(owner='me', depends_on_past='False', retries='3')",
            ),
            after=lines(
                "# for airflow",
                "SHARED = dict(owner='me', depends_on_past=True, retries='3')",
            ),
            notes=("1.10 took this text for True",),
        ),
        Example(
            before=block("""
                import os

                from airflow import DAG

                DAG('d', schedule=None, dagrun_timeout=900, max_active_runs=os.getenv('RUNS'))
                args = {'email_on_failure': ['me@example.com'], 'email_on_retry': {**WHO}}
            """),
            after=block("""
                import os

                from airflow import DAG

                DAG('d', schedule=None, dagrun_timeout=900, max_active_runs=os.getenv('RUNS'))
                args = {'email_on_failure': True, 'email_on_retry': {**WHO}}
            """),
            notes=("Write timedelta(seconds=...)", "Put int(...) around it", "True or False"),
        ),
        Example(
            before=block("""
                from airflow.operators.bash import BashOperator

                BashOperator(task_id='t', bash_command='true', priority_weight='1', pool=1)
            """),
            after=block("""
                from airflow.operators.bash import BashOperator

                BashOperator(task_id='t', bash_command='true', priority_weight=1, pool=1)
            """),
            target="2.5.1",
        ),
        Example(
            before=block("""
                from datetime import date
                from airflow import DAG

                DAG('d', schedule=None, params={'day': date(2020, 1, 1), 'table': 't'})
            """),
            notes=("str(date(2020, 1, 1))",),
        ),
        Example(
            before=block("""
                from airflow.operators.bash import BashOperator

                ins = {'auto': True, 'task_ids': ['a'], 'datasets': FILES}
                BashOperator(task_id='t', inlets={'auto': True, 'task_ids': ['a']})
                BashOperator(task_id='u', bash_command='x', outlets={'datasets': [f, *FILES]})
                BashOperator(task_id='v', bash_command='x', inlets=ins)
            """),
            after=block("""
                from airflow.operators.bash import BashOperator

                ins = {'auto': True, 'task_ids': ['a'], 'datasets': FILES}
                BashOperator(task_id='t', inlets=["auto", 'a'])
                BashOperator(task_id='u', bash_command='x', outlets=[f, *FILES])
                BashOperator(task_id='v', bash_command='x', inlets=ins)
            """),
            notes=("Write [\"auto\", 'a', *FILES]",),
        ),
    ),
    keeps=(
        block("""
            from datetime import timedelta
            from airflow import DAG

            args = {'depends_on_past': False, 'pool': None, 'execution_timeout': timedelta(1)}
            DAG('d', schedule=None, default_args=args, catchup=False, params={'a': [1, None]})
        """),
        block("""
            from airflow.models import Variable
            from airflow.operators.bash import BashOperator

            WEIGHT = Variable.get('w', deserialize_json=True)
            BashOperator(task_id='t', bash_command='x', priority_weight=WEIGHT, queue=NAME)
        """),
        block("""
            from airflow.lineage import AUTO
            from airflow.operators.bash import BashOperator

            BashOperator(task_id='t', bash_command='x', inlets=AUTO, outlets=[DATASET])
            BashOperator(task_id='u', bash_command='x', inlets='auto', outlets=DATASET)
        """),
        lines("# airflow", "settings = {'pool': 1, 'tags': 'a', 'catchup': 'False'}"),
        block("""
            from airflow import DAG

            row = dict(pool=1, queue=2)
        """),
    ),
    find=_find,
)
