"""What a constructor reads out of its ``**kwargs`` does not go on to Airflow's class."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeGuard

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, Step
from codemods.reading.calls import handing, init_of, key_of, takes
from codemods.reading.heritage import own_at
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.constructors import baseline
from codemods.tables.core_classes import TASK
from codemods.tables.target import Target

ID = "left-keywords"


@dataclass(eq=False, kw_only=True)
class _Key:
    """Where a constructor reads one name of its kwargs, and where it asks whether it is there."""

    reads: list[ast.Subscript | ast.Call] = field(default_factory=list)
    asks: list[ast.Compare] = field(default_factory=list)


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not target.has("apache-airflow>=2.0"):
        return
    named = {cls.name: cls for cls, scope in source.classes if scope is source.module}
    for cls, _ in source.classes:
        init = init_of(cls)
        hand = handing(init) if init is not None else None
        if init is None or hand is None or takes(init) is None:
            continue
        known = _known(source, target, cls, named)
        for name, key in _left(init).items() if known is not None else ():
            if name not in (known or ()):
                yield _change(source, cls, init, hand, name, key)


def _known(
    source: Source, target: Target, cls: ast.ClassDef, named: dict[str, ast.ClassDef]
) -> set[str] | None:
    """What the classes that a task's class inherits from take; None where one is out of sight."""
    found: set[str] = set()
    left, seen, task = list(cls.bases), {cls.name}, False
    while left:
        base = left.pop()
        path = source.path_of(base)
        if path is None:
            parent = named.get(base.id) if isinstance(base, ast.Name) else None
            if parent is None or parent.name in seen:
                return None
            seen.add(parent.name)
            init = init_of(parent)
            taken = takes(init) if init is not None else frozenset()
            if taken is None:
                return None
            found |= taken
            left += parent.bases
            continue
        own = own_at(source, path)
        if own is not None:
            found |= set(own.takes)
            path = own.base
        old = baseline().signature(path)
        new = target.constructors.signature(target.resolve(path).path)
        if old is None or new is None or old.anything or new.anything:
            return None
        task = task or TASK in old.lineage
        found |= old.accepts | new.accepts
    return found if task else None


def _left(init: ast.FunctionDef) -> dict[str, _Key]:
    """The names that a constructor looks for in its kwargs, and leaves or puts there."""
    kwargs = init.args.kwarg.arg if init.args.kwarg is not None else ""
    nodes = list(_own_nodes(init, kwargs))
    if any(_changes(node, kwargs) for node in nodes):
        return {}
    found: dict[str, _Key] = {}
    settled = {refused[1] for node in nodes if (refused := key_of(_refused(node), kwargs))}
    for node in nodes:
        key = key_of(node, kwargs)
        if key is None:
            continue
        if isinstance(node, ast.Compare):
            found.setdefault(key[1], _Key()).asks.append(node)
        elif _reads(node):
            found.setdefault(key[1], _Key()).reads.append(node)
        else:
            settled.add(key[1])
    return {name: key for name, key in found.items() if name not in settled}


def _own_nodes(init: ast.AST, kwargs: str) -> Iterator[ast.AST]:
    """What stands in a constructor, without functions in it that have such kwargs themselves."""
    for node in ast.iter_child_nodes(init):
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            a = node.args.kwarg
            if a is not None and a.arg == kwargs:
                continue
        yield node
        yield from _own_nodes(node, kwargs)


def _changes(node: ast.AST, kwargs: str) -> bool:
    """Whether names that are not in sight are taken out of kwargs, or kwargs are given anew."""
    taken: list[tuple[ast.expr, ast.expr]] = []
    match node:
        case ast.Name(ctx=ast.Store()):
            return node.id == kwargs
        case ast.Subscript(ctx=ast.Del()):
            taken = [(node.value, node.slice)]
        case ast.Call(func=ast.Attribute(value=owner, attr="pop"), args=[key, *_]):
            taken = [(owner, key)]
    return any(
        isinstance(owner, ast.Name) and owner.id == kwargs and not isinstance(key, ast.Constant)
        for owner, key in taken
    )


def _refused(node: ast.AST) -> ast.AST:
    """What a statement that raises when it is there says is not."""
    match node:
        case ast.If() if any(isinstance(part, ast.Raise) for part in node.body):
            return _given(node.test)
        case ast.Assert(test=ast.Compare(ops=[ast.NotIn()]) as test):
            return test
        case ast.Assert(test=ast.UnaryOp(op=ast.Not(), operand=test)):
            return test
        case ast.Assert(
            test=ast.Compare(left=left, ops=[ast.Is()], comparators=[ast.Constant(value=None)])
        ):
            return left
    return ast.Pass()


def _given(test: ast.expr) -> ast.AST:
    """What a test that holds says is there."""
    match test:
        case ast.Compare(left=left, ops=[ast.IsNot()], comparators=[ast.Constant(value=None)]):
            return left
        case ast.Compare(ops=[ast.NotIn()]):
            return ast.Pass()
    return test


def _reads(node: ast.AST) -> TypeGuard[ast.Subscript | ast.Call]:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr == "get"
    return isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load)


def _change(
    source: Source, cls: ast.ClassDef, init: ast.FunctionDef, hand: ast.Call, name: str, key: _Key
) -> Change:
    message = f"{cls.name} leaves {name} in what it hands on, which the target's class rejects"
    last = max(key.reads, key=_place, default=None)
    if last is None or not _ends(init, hand, last, key):
        return Note.at(
            last or key.asks[0],
            rule=ID,
            message=message,
            fix=f"Take it out before the base's __init__ is called: kwargs.pop({name!r}, None)",
        )
    if isinstance(last, ast.Subscript):
        given = [last.value, last.slice]
        code = f"{source.segment(given[0])}.pop({source.segment(given[1])})"
    else:
        parts = [source.segment(a) for a in last.args]
        default = parts[1] if len(parts) > 1 else "None"
        code = f"{source.segment(last.func).rpartition('.')[0]}.pop({parts[0]}, {default})"
    return Step.replace(last, code, rule=ID, message=message)


def _place(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _ends(init: ast.FunctionDef, hand: ast.Call, last: ast.expr, key: _Key) -> bool:
    """Whether a name that is given has been read when the last read of it is over: that read comes
    before the base's constructor, and always, or wherever the name is there."""
    statement = next(s for s in init.body if last in ast.walk(s))
    within = list(ast.walk(statement))
    later = [a for a in key.asks if _place(a) > _place(last) and a not in within]
    if _place(last) > _place(hand) or hand in within or later:
        return False
    if isinstance(statement, ast.If):
        asked = statement.test in key.asks and any(last in ast.walk(s) for s in statement.body)
        return asked and any(
            last in ast.walk(s) for s in statement.body if isinstance(s, ast.Assign | ast.Expr)
        )
    return isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr) and not any(
        isinstance(n, ast.Lambda | ast.comprehension | ast.BoolOp) for n in within
    )


_CLASS = (
    "from airflow.models import BaseOperator",
    "",
    "",
    "class Load(BaseOperator):",
    "    def __init__(self, *args, **kwargs):",
)

RULE = Rule(
    id=ID,
    title="Take one's own arguments out of kwargs",
    why="1.10 warned of an argument that BaseOperator does not know; 2.x raises.",
    examples=(
        Example(
            before=lines(
                *_CLASS,
                "        self.table = kwargs['table']",
                "        self.mode = kwargs.get('mode')",
                "        self.size = kwargs.get('size', 1)",
                "        self.task = kwargs.get('task_id')",
                "        self.key = kwargs['key'] if 'key' in kwargs else None",
                "        super().__init__(*args, **kwargs)",
            ),
            after=lines(
                *_CLASS,
                "        self.table = kwargs.pop('table')",
                "        self.mode = kwargs.pop('mode', None)",
                "        self.size = kwargs.pop('size', 1)",
                "        self.task = kwargs.get('task_id')",
                "        self.key = kwargs.pop('key') if 'key' in kwargs else None",
                "        super().__init__(*args, **kwargs)",
            ),
        ),
        Example(
            before=lines(
                *_CLASS,
                "        super().__init__(*args, **kwargs)",
                "        self.table = kwargs.get('table')",
            ),
            notes=("kwargs.pop('table', None)",),
        ),
    ),
    keeps=(
        lines(
            *_CLASS,
            "        assert 'table' not in kwargs, 'name it'",
            "        assert not kwargs.get('mode')",
            "        assert kwargs.get('size') is None",
            "        if kwargs.get('xcom_push') is not None:",
            "            told = 'use do_xcom_push'",
            "            raise ValueError(told)",
            "        super().__init__(*args, **kwargs)",
        ),
        lines(
            *_CLASS,
            "        self.table = kwargs['table']",
            "        for name in OWN:",
            "            kwargs.pop(name, None)",
            "        super().__init__(*args, **kwargs)",
        ),
        lines(
            *_CLASS,
            "        self.table = kwargs['table']",
            "        kwargs = {k: v for k, v in kwargs.items() if k not in OWN}",
            "        super().__init__(*args, **kwargs)",
        ),
        lines(
            *_CLASS,
            "        self.get = lambda **kwargs: kwargs['table']",
            "        super().__init__(*args, **kwargs)",
        ),
        lines(
            *_CLASS,
            "        self.table = kwargs.pop('table')",
            "        self.pool_name = kwargs['pool']",
            "        super().__init__(*args, **kwargs)",
        ),
        lines(
            *_CLASS,
            "        self.table = kwargs['table']",
            "        super().__init__(task_id='t')",
        ),
        block("""
            # airflow
            from mylib import Base


            class Load(Base):
                def __init__(self, **kwargs):
                    self.table = kwargs['table']
                    super().__init__(**kwargs)
        """),
    ),
    find=_find,
)
