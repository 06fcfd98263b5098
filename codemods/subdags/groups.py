"""Sub-DAGs as task groups, in a text of which ``codemods.subdags.own`` says that this is exact.

The function opens a TaskGroup where it made a DAG, and is called where the SubDagOperator was made,
in the context of that one's DAG. This comes before the rules, which then see tasks of one DAG.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Sequence
from itertools import groupby

from codemods.base import Edit, OwnSubDag, OwnSubDags
from codemods.editing.changes import (
    AddImport,
    DropStatement,
    EditCall,
    NewImport,
    Operation,
    Replace,
)
from codemods.editing.expressions import edit_call
from codemods.editing.folding import Folded
from codemods.editing.imports import Plan
from codemods.editing.splices import expression_splices
from codemods.reading.source import Source
from codemods.subdags.calls import Made, Parents, factory_call, made_of, operators_of
from codemods.subdags.factories import Factory, factory_of, is_dag, merges
from codemods.subdags.own import own_subdags, row_of, within_of

ID = "subdag"
SINCE = "apache-airflow>=2.2"  # SubDagOperator warns, and a group takes default_args
GROUP = "airflow.utils.task_group.TaskGroup"
_STEP = "    "
Splice = tuple[int, int, str]
Factories = Sequence[tuple[Factory, OwnSubDag]]
Calls = Sequence[tuple[Made, OwnSubDag]]


def rows_for(source: Source, rows: OwnSubDags | None) -> OwnSubDags:
    """What is known of the repository's functions; of a text alone, of its own."""
    return own_subdags({source.path: source.text}) if rows is None else rows


def message(row: OwnSubDag, called: str) -> str:
    """What becomes of an operator."""
    return (
        f"SubDagOperator warns when it is made: the sub-DAG of {called} ({row.place}) becomes a "
        "TaskGroup. Its tasks are the DAG's own, with the group's id before theirs, have no runs "
        "and no executor of their own, and run side by side where nothing orders them"
    )


def with_task_groups(text: str, path: str, rows: OwnSubDags | None) -> Folded | None:
    """The text with its sub-DAGs as task groups; None where there is none that can be."""
    source = Source(text, path)
    known = rows_for(source, rows)
    factories = list(_factories(source, known))
    calls = list(_calls(source, known))
    if not factories and not calls:
        return None
    local, imports = _group_class(source, factories)
    operations: list[Operation] = [*imports]
    gone: list[Replace] = []
    for factory, row in factories:
        operations += _fillings(source, factory, local)
        gone.append(Replace(node=factory.made, code=_group(source, factory, row, local)))
    splices = [(*source.span(op.node), op.code) for op in gone]
    gone += [Replace(node=m.node, code=source.segment(m.factory)) for m, _ in calls]
    splices += _statements(source, [made for made, _ in calls])
    splices += expression_splices(source, operations)
    splices += Plan(source, [*operations, *gone]).splices()
    for start, end, new in sorted(splices, key=lambda s: (s[0], s[1]), reverse=True):
        text = text[:start] + new + text[end:]
    for factory, _ in factories:
        text = _opened(text, factory, local)
    return Folded.between(source.text, text, tuple(_edits(source, factories, calls)))


def _edits(source: Source, factories: Factories, calls: Calls) -> Iterator[Edit]:
    for factory, _ in factories:
        said = f"{factory.function.name} makes a task group"
        yield Edit(rule=ID, line=factory.function.lineno, message=said, safe=False)
    for made, row in calls:
        said = message(row, source.segment(made.factory.func))
        yield Edit(rule=ID, line=made.node.lineno, message=said, safe=False)


def _factories(source: Source, known: OwnSubDags) -> Iterator[tuple[Factory, OwnSubDag]]:
    here = within_of(source.path)
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef):
            for row in known.get(node.name, ()):
                if row.within == here and not row.stays:
                    yield factory_of(source, node), row


def _calls(source: Source, known: OwnSubDags) -> Iterator[tuple[Made, OwnSubDag]]:
    parents = Parents(source) if known else None
    for node in operators_of(source) if parents else ():
        called = factory_call(node)
        row = row_of(source, called, known) if called is not None else None
        if row is not None and not row.stays and parents is not None:
            yield made_of(source, node, parents), row


def _group_class(source: Source, factories: Factories) -> tuple[str, list[AddImport]]:
    """The local name of the class, and what imports it."""
    there = (b.name for b in source.bindings if b.path == GROUP and b.scope is source.module)
    name = next(there, "")
    if name or not factories:
        return name, []
    module, _, wanted = GROUP.rpartition(".")
    local = source.free_name(wanted)
    new = NewImport(module=module, name=wanted, asname=local if local != wanted else "")
    use = source.use_of(factories[0][0].made.func)
    return local, [AddImport(near=use.bindings[0], new=new)] if use is not None else []


def _group(source: Source, factory: Factory, row: OwnSubDag, local: str) -> str:
    """The code that makes the group where the DAG was made."""
    made, arguments = factory.made, factory.arguments
    start, end = source.span(made)
    first, last = source.span(factory.id)
    code = source.text[start:first] + factory.group + source.text[last:end]
    given = sorted([*made.args, *(k.value for k in made.keywords)], key=source.span)
    passed = [k.value for k in made.keywords if k.arg is None]
    values, add = {}, {}
    own = arguments.get("default_args")
    if row.retries and own is None:
        add = {"default_args": '{"retries": 0}'}
    elif row.retries and own is not None:
        values = {"default_args": f'{{"retries": 0, **{source.segment(own)}}}'}
    change = EditCall(
        node=made,
        func=local,
        rename={"dag_id": "group_id"},
        drop=frozenset(arguments) - {"dag_id", "default_args"},
        values=values,
        add=add,
        drop_positional=frozenset(given.index(value) for value in passed),
    )
    return edit_call(code, change)


def _fillings(source: Source, factory: Factory, local: str) -> Iterator[Operation]:
    """The tasks are the group's by its context; what was called a DAG is called a group."""
    function = factory.function
    dropped: set[int] = set()
    for task in factory.tasks:
        for keyword in task.keywords:
            if keyword.arg == "dag":
                dropped.add(id(keyword.value))
                yield EditCall(node=task, drop=frozenset({"dag"}))
    spelt = [n for n in function.body if _spells(n, factory, function)]
    yield from (DropStatement(node=n) for n in spelt)
    if function.returns is not None and is_dag(source, ast.Call(function.returns, [], [])):
        yield Replace(node=function.returns, code=local)
    free = source.free_name("group")
    name = free if free == "group" and "dag" in factory.name.lower() else factory.name
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id == factory.name and id(node) not in dropped:
            yield Replace(node=node, code=name)


def _spells(node: ast.stmt, factory: Factory, function: ast.FunctionDef) -> bool:
    """Whether a statement does nothing but give the sub-DAG's id a name."""
    name = factory.id.id if isinstance(factory.id, ast.Name) else ""
    uses = [n for n in ast.walk(function) if isinstance(n, ast.Name) and n.id == name]
    return isinstance(node, ast.Assign) and len(uses) == 2 and node.targets == uses[:1]


def _statements(source: Source, calls: Sequence[Made]) -> Iterator[Splice]:
    """The statements that made operators: each calls the function, in the context of the DAG."""
    frozen = _frozen(source.text)
    for _, group in groupby(calls, key=lambda made: id(made.statement)):
        ones = list(group)
        statement = ones[0].statement
        start, end = source.span(statement)
        code = source.text[start:end]
        for made in sorted(ones, key=lambda m: source.span(m.node), reverse=True):
            first, last = source.span(made.node)
            called = _moved(source, made.factory, statement, frozen)
            code = code[: first - start] + called + code[last - start :]
        indent = source.indent_of(statement)
        above = [f"{said}\n{indent}" for made in ones for said in _remarks(source, made)]
        if not ones[0].within:
            head, *more = _indented(code.split("\n"), _frozen(code))
            code = "\n".join([f"with {ones[0].parent}:", indent + head, *more])
        yield start, end, "".join([*above, code])


def _remarks(source: Source, made: Made) -> Iterator[str]:
    """The comments in a call that goes."""
    start, end = source.span(made.node)
    first, last = source.span(made.factory)
    code = source.text[start:first] + ast.unparse(made.factory) + source.text[last:end]
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def _moved(source: Source, node: ast.Call, statement: ast.stmt, frozen: frozenset[int]) -> str:
    """The code of a call that stood deeper, as deep as its statement."""
    first, *rows = source.segment(node).split("\n")
    line = source.text.split("\n")[node.lineno - 1]
    deeper = len(line) - len(line.lstrip()) - statement.col_offset
    moved = [first]
    for number, row in enumerate(rows, node.lineno + 1):
        blank = len(row) - len(row.lstrip(" "))
        moved.append(row if number in frozen else row[min(max(deeper, 0), blank) :])
    return "\n".join(moved)


def _opened(text: str, factory: Factory, local: str) -> str:
    """``group = TaskGroup(...)`` as the block that holds what follows, but for the return."""
    functions = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)]
    body = next(n.body for n in functions if n.name == factory.function.name)
    assigned = (n for n in body if isinstance(n, ast.Assign))
    statement = next((n for n in assigned if _called(n.value) == local), None)
    if statement is None:
        return text
    rows = text.split("\n")
    target, call = ast.unparse(statement.targets[0]), ast.get_source_segment(text, statement.value)
    first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
    remark = rows[last - 1].encode()[statement.end_col_offset :].decode()
    indent = " " * statement.col_offset
    head = f"{indent}with {call} as {target}:"
    if merges(factory):
        block = body[-2].lineno - 1
        rows[block] = head + rows[block].partition(":")[2]
        del rows[first:last]
        return "\n".join(rows)
    stop = body[-2].end_lineno or 0
    while not rows[last].strip():
        del rows[last]
        stop -= 1
    inner = _indented(rows, _frozen("\n".join(rows)))[last:stop]
    return "\n".join([*rows[:first], head + remark, *inner, *rows[stop:]])


def _called(value: ast.expr) -> str:
    return ast.unparse(value.func) if isinstance(value, ast.Call) else ""


def _indented(rows: Sequence[str], frozen: frozenset[int]) -> list[str]:
    return [
        row if number in frozen or not row.strip() else _STEP + row
        for number, row in enumerate(rows, 1)
    ]


def _frozen(text: str) -> frozenset[int]:
    """The lines that begin within a string."""
    found: set[int] = set()
    opened: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        if kind == "STRING":
            found.update(range(token.start[0] + 1, token.end[0] + 1))
        elif kind == "FSTRING_START":
            opened.append(token.start[0])
        elif kind == "FSTRING_END":
            found.update(range(opened.pop() + 1, token.end[0] + 1))
    return frozenset(found)
