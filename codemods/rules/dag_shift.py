"""``dag >> task`` gave the task its DAG, ``a > b`` compared tasks; 2.x refuses both."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, Compose, DropStatement, Step
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.target import Target

ID = "dag-shift"
_MESSAGE = "2.x does not give a task its DAG by >> or <<"
_SHIFTS = (ast.RShift, ast.LShift)


def _dag_names(source: Source) -> set[str]:
    """Names that a DAG is given to, by ``=`` or by ``with``."""

    def is_dag(value: ast.expr) -> bool:
        path = source.path_of(value.func) if isinstance(value, ast.Call) else None
        return path is not None and path.startswith("airflow.") and path.endswith(".DAG")

    found = {name for name, values in source.assigned.items() if any(map(is_dag, values))}
    found |= {
        item.optional_vars.id
        for node in source.every(ast.With)
        for item in node.items
        if isinstance(item.optional_vars, ast.Name) and is_dag(item.context_expr)
    }
    return found


def _within(source: Source, dags: set[str]) -> dict[int, str]:
    """The DAG whose ``with`` a call stands under, and a statement right under: by their ``id``."""
    found: dict[int, str] = {}
    for node in source.every(ast.With):  # outer ones first: the inner one counts
        for item in node.items:
            name = item.optional_vars or item.context_expr
            if isinstance(name, ast.Name) and name.id in dags:
                below = (part for statement in node.body for part in ast.walk(statement))
                found |= {id(part): name.id for part in below if isinstance(part, ast.Call)}
                found |= {id(statement): name.id for statement in node.body}
    return found


def _chain(node: ast.expr) -> tuple[list[ast.expr], list[str]]:
    """The operands of ``a >> b << c`` and the operators between them."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, _SHIFTS):
        operands, operators = _chain(node.left)
        sign = " >> " if isinstance(node.op, ast.RShift) else " << "
        return [*operands, node.right], [*operators, sign]
    return [node], []


def _find(source: Source, _: Target) -> Iterator[Change]:
    if " >" in source.text or " <" in source.text:
        yield from _comparisons(source)
    if ">>" not in source.text and "<<" not in source.text:
        return
    dags = _dag_names(source)
    within = _within(source, dags)
    statements = set()
    for node in source.nodes if dags else ():
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.BinOp):
            statements |= {id(n) for n in ast.walk(node.value)}
            operands, operators = _chain(node.value)
            if any(_is_dag(o, dags) for o in operands):
                yield _change(source, node, operands, operators, dags, within)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, _SHIFTS):
            passed_on = id(node) not in statements
            if passed_on and any(_is_dag(side, dags) for side in (node.left, node.right)):
                yield _note(node)


def _comparisons(source: Source) -> Iterator[Note]:
    """``a > b`` as a statement: 1.10 compared the tasks' names, 2.x takes it for lineage."""
    for node in source.every(ast.Expr):
        if (
            isinstance(node.value, ast.Compare)
            and all(isinstance(op, ast.Gt | ast.Lt) for op in node.value.ops)
            and any(_is_task(source, o) for o in (node.value.left, *node.value.comparators))
        ):
            yield Note.at(
                node,
                rule=ID,
                message="2.x takes > and < between tasks for lineage and fails: "
                "'is not an outlet'. 1.10 set no dependency by them either",
                fix="Write >> or << for a dependency, or take the line away",
            )


def _is_task(source: Source, node: ast.expr) -> bool:
    call = source.value_of(node, ast.Call)
    return isinstance(call, ast.Call) and any(k.arg == "task_id" for k in call.keywords)


def _is_dag(node: ast.expr, dags: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in dags


def _note(node: ast.expr) -> Note:
    return Note.at(
        node,
        rule=ID,
        message=_MESSAGE,
        fix="Construct the task with dag=…, or below `with dag:`",
    )


def _change(
    source: Source,
    statement: ast.Expr,
    operands: list[ast.expr],
    operators: list[str],
    dags: set[str],
    within: dict[int, str],
) -> Change:
    """``dag >> a >> b`` is ``a.dag = dag`` and ``a >> b``; the latter alone below ``with dag:``."""
    given: list[tuple[str | ast.expr, ...]] = []
    had = False
    edges: list[list[str | ast.expr]] = [[]]
    for index, operand in enumerate(operands):
        if _is_dag(operand, dags):
            near = [operands[i] for i in (index - 1, index + 1) if 0 <= i < len(operands)]
            for task in near:
                if _is_dag(task, dags):
                    continue
                if isinstance(task, ast.List | ast.Tuple):
                    return _note(statement.value)  # 1.10 refused it as well
                if _has(source, task, operand, within):
                    had = True
                else:
                    given.append((task, ".dag = ", operand))
            edges.append([])
        else:
            edges[-1] += [operators[index - 1], operand] if edges[-1] else [operand]
    chains = [tuple(edge) for edge in edges if len(edge) > 1]
    made_twice = any(
        not isinstance(part, str | ast.Name | ast.Attribute | ast.Subscript)
        for row in given
        for part in row[:1]
        if any(part is other for chain in chains for other in chain)
    )
    if made_twice or not (given or had):
        return _note(statement.value)
    if not (given or chains):
        made = next((o for o in operands if isinstance(o, ast.Call)), None)
        if made is not None:
            return _step(statement, Compose(node=statement, parts=(made,)))
        # Its block must keep a statement: the one that makes the task stands in it for certain.
        if id(statement) not in within:
            return _note(statement.value)
        return _step(statement, DropStatement(node=statement))
    start = source.span(statement)[0]
    indent = source.text[source.text.rfind("\n", 0, start) + 1 : start]
    between = "; " if indent.strip() or statement in source.unsplittable else f"\n{indent}"
    parts: list[str | ast.expr] = []
    for row in [*dict.fromkeys(given), *chains]:
        parts += [between, *row] if parts else [*row]
    return _step(statement, Compose(node=statement, parts=tuple(parts)))


def _has(source: Source, task: ast.expr, dag: ast.expr, within: dict[int, str]) -> bool:
    """Whether a task was made below ``with dag:``, and so has its DAG."""
    call = source.value_of(task, ast.Call) if isinstance(task, ast.Name) else task
    return (
        isinstance(call, ast.Call)
        and isinstance(dag, ast.Name)
        and within.get(id(call)) == dag.id
        and not any(k.arg in {"dag", None} for k in call.keywords)
    )


def _step(statement: ast.Expr, operation: Compose | DropStatement) -> Step:
    return Step(
        rule=ID,
        line=statement.lineno,
        message=_MESSAGE,
        operations=(operation,),
    )


_DAG = ("from airflow import DAG", "from airflow.operators.bash import BashOperator", "")
_HEAD = (
    *_DAG,
    "dag = DAG('d', schedule=None)",
    "a = BashOperator(task_id='a', bash_command='true')",
    "b = BashOperator(task_id='b', bash_command='true')",
)
_WITH = (
    *_DAG,
    "with DAG('d', schedule=None) as dag:",
    "    a = BashOperator(task_id='a', bash_command='true')",
    "    b = BashOperator(task_id='b', bash_command='true')",
)
_MADE = "BashOperator(task_id='a', bash_command='true')"
_COMPARED = lines(*_HEAD, "a > b")
_PASSED = lines(*_HEAD, "last = dag >> a")

RULE = Rule(
    id=ID,
    title="Give a task its DAG by assignment",
    why="In 1.10 `dag >> task` assigned the DAG. 2.x takes the DAG for a task and fails while the "
    "file is loaded; so it does over `a > b`, where 1.10 compared the names of two tasks.",
    examples=(
        Example(
            before=lines(*_HEAD, "dag >> a >> b"),
            after=lines(*_HEAD, "a.dag = dag", "a >> b"),
        ),
        Example(
            before=lines(*_HEAD, "a >> dag", "b << dag"),
            after=lines(*_HEAD, "a.dag = dag", "b.dag = dag"),
        ),
        Example(
            before=lines(*_HEAD, "(", "    dag", "    >> a", "    >> [b]", ")"),
            after=lines(*_HEAD, "a.dag = dag", "a >> [b]"),
        ),
        Example(
            before=lines(*_WITH, "    dag >> a >> b", "    dag >> b", "    a >> b"),
            after=lines(*_WITH, "    a >> b", "    a >> b"),
        ),
        Example(
            before=lines(*_DAG, "with DAG('d', schedule=None) as dag:", f"    dag << {_MADE}"),
            after=lines(*_DAG, "with DAG('d', schedule=None) as dag:", f"    {_MADE}"),
        ),
        Example(before=_PASSED, notes=("with dag:",)),
        Example(before=_COMPARED, notes=(">> or <<",)),
    ),
    keeps=(
        lines(*_HEAD, "a >> b", "a << [b]", "b.dag = dag"),
        block("""
            from airflow import DAG

            dag = 1
            dag >> 2
        """),
        lines(*_HEAD, "a.retries > b.retries", "1 > 2"),
    ),
    find=_find,
)
