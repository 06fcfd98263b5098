"""Calls of SubDagOperator, the DAG that each stands in, and what its tasks would take from it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from codemods.reading.calls import fillings, items_of
from codemods.reading.source import Source
from codemods.reading.values import known
from codemods.subdags.factories import Factory, Stays, is_dag, is_subdag_operator

# Arguments of the operator's own that say nothing of what the tasks in the sub-DAG do.
_FREE = {"task_id", "subdag", "dag", "executor", "default_args", "owner", "provide_context"}
# Arguments of a sub-DAG that its tasks do not feel: 1.10 never schedules it.
# Source: airflow/models/dag.py (get_run_dates), airflow/operators/subdag_operator.py of 1.10.15.
_IDLE = {
    *("dag_id", "default_args", "schedule_interval", "description", "catchup", "tags", "doc_md"),
    *("orientation", "default_view", "dagrun_timeout", "is_paused_upon_creation"),
    *("access_control",),
}
# Keys of default_args with which a task tells somebody, as the operator did.
_TELLING = {"owner", "email", "on_failure_callback"}
_MAILING = {"email_on_failure", "email_on_retry"}  # they matter to who has an address
_RETRYING = {"retry_delay", "retry_exponential_backoff", "max_retry_delay"}
# Keys that are arguments of a DAG, or of nothing on the target.
_NOTHING = {
    *("start_date", "provide_context", "catchup", "catchup_by_default", "schedule_interval"),
    *("backfill", "max_active_runs", "concurrency", "dag_id", "description", "tags"),
}
# Source: airflow/models/baseoperator.py of 1.10.15 and 2.11.0.
_DEFAULTS: Mapping[str, object] = {
    "depends_on_past": False,
    "wait_for_downstream": False,
    "retries": 0,
    "priority_weight": 1,
    "weight_rule": "downstream",
    "queue": "default",
    "pool": "default_pool",
    "trigger_rule": "all_success",
    "email_on_failure": True,
    "email_on_retry": True,
}
_GROUP_ID = re.compile(r"[\w-]{1,200}")
_SIMPLE = ast.Assign | ast.AnnAssign | ast.Expr | ast.Return
_EDGES = {"chain", "cross_downstream", "append", "insert", "extend", "set_upstream"}
_EDGES |= {"set_downstream"}
# What a DAG says of its tasks.
_HELD = {"tasks", "task_dict", "task_ids", "roots", "leaves", "get_task", "has_task", "subdags"}
# With several last tasks, or several first, these say something else.
_RULES = re.compile(r"one_success|all_failed|one_failed|none_failed|none_skipped|all_skipped", re.I)


@dataclass(frozen=True, eq=False, kw_only=True)
class Made:
    """A SubDagOperator that is made of what a function returns."""

    node: ast.Call
    factory: ast.Call
    statement: ast.stmt
    parent: str  # the name of the DAG
    dag: ast.Call  # which is made here
    within: bool  # whether the statement stands in its context
    given: Mapping[str, ast.expr] = field(default_factory=dict)  # to the parent, by keyword


class Parents:
    """What each node of a text stands in."""

    def __init__(self, source: Source) -> None:
        self._of = {id(c): n for n in source.nodes for c in ast.iter_child_nodes(n)}

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """From the nearest to the module."""
        at = self._of.get(id(node))
        while at is not None:
            yield at
            at = self._of.get(id(at))


def operators_of(source: Source) -> list[ast.Call]:
    """The calls of SubDagOperator."""
    return [node for node in source.plain_calls if is_subdag_operator(source, node)]


def factory_call(node: ast.Call) -> ast.Call | None:
    """The call whose DAG the operator runs."""
    values = (k.value for k in node.keywords if k.arg == "subdag")
    return next((v for v in values if isinstance(v, ast.Call)), None)


def made_of(source: Source, node: ast.Call, parents: Parents) -> Made:
    """What is known of one. Raises ``Stays``."""
    called = factory_call(node)
    if called is None or node.args:
        said = (source.segment(k.value) for k in node.keywords if k.arg == "subdag")
        name = next(said, "which is given by place")
        raise Stays(f"its subdag, {name}, is not what a function is called for at this place")
    given = _given(node)
    above = list(parents.above(node))
    statement = next(a for a in above if isinstance(a, ast.stmt))
    alone = isinstance(statement, _SIMPLE) and statement not in source.unsplittable
    if not alone or any(isinstance(a, ast.Lambda) for a in above[: above.index(statement)]):
        raise Stays("its statement is not one that a `with` block can take")
    parent, within = _parent(source, given.get("dag"), above)
    dag = _dag(source, parent, above)
    if len(dag.args) > 3 or any(k.arg is None for k in dag.keywords):
        raise Stays(f"what the DAG {parent} is given is not in sight")
    _check_name(source, statement, node, parents)
    _check_dag(source, parent)
    _check_id(source, given.get("task_id"), parents)
    if _RULES.search(source.text):
        raise Stays(f"{source.path} has a trigger rule that counts tasks, and a group is several")
    return Made(
        node=node,
        factory=called,
        statement=statement,
        parent=parent,
        dag=dag,
        within=within,
        given={k.arg: k.value for k in dag.keywords if k.arg},
    )


def _given(node: ast.Call) -> Mapping[str | None, ast.expr]:
    """What the operator is given. Raises ``Stays`` for what a group cannot be."""
    given = {k.arg: k.value for k in node.keywords}
    more = sorted(str(name or "**") for name in given if name not in _FREE)
    if more:
        raise Stays(f"{', '.join(more)} of the operator: a group takes none")
    task_id = given.get("task_id")
    if isinstance(task_id, ast.Constant) and not _GROUP_ID.fullmatch(str(task_id.value)):
        raise Stays(f"{task_id.value!r} can be no group's id")
    return given


def _parent(source: Source, dag: ast.expr | None, above: list[ast.AST]) -> tuple[str, bool]:
    """The name of the DAG that takes the operator, and whether it is the context."""
    context = ""
    for node in above:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            break
        for item in node.items if isinstance(node, ast.With) else ():
            name = item.optional_vars if is_dag(source, item.context_expr) else item.context_expr
            context = context or (name.id if isinstance(name, ast.Name) else "")
    if dag is None and not context:
        raise Stays("which DAG it stands in is not in sight")
    if dag is not None and not isinstance(dag, ast.Name):
        raise Stays(f"its DAG is {source.segment(dag)}: give that a name")
    parent = dag.id if isinstance(dag, ast.Name) else context
    return parent, parent == context


def _dag(source: Source, name: str, above: list[ast.AST]) -> ast.Call:
    """The one DAG that a name is bound to where an operator stands."""
    for node in above:
        if isinstance(node, ast.FunctionDef | ast.Module):
            bound = list(_bindings(node, name))
            if isinstance(node, ast.Module) or bound:
                one = bound[0] if len(bound) == 1 else None
                if isinstance(one, ast.Call) and is_dag(source, one):
                    return one
                break
    raise Stays(f"the DAG {name} is not made, once, in the scope that the operator stands in")


def _bindings(scope: ast.AST, name: str) -> Iterator[ast.expr | None]:
    """What a name is bound to in a scope; None for what is no plain value."""
    if isinstance(scope, ast.FunctionDef):
        arguments = (n for n in ast.walk(scope.args) if isinstance(n, ast.arg))
        yield from (None for a in arguments if a.arg == name)
    values: dict[int, ast.expr] = {}
    for node in _own(scope):
        if isinstance(node, ast.Assign):
            values |= {id(t): node.value for t in node.targets}
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            values[id(node.optional_vars)] = node.context_expr
        elif isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
            yield values.get(id(node))


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope, outer ones first, without those of functions and classes in it."""
    for node in ast.iter_child_nodes(scope):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield node
            yield from _own(node)


def _check_name(source: Source, statement: ast.stmt, node: ast.Call, parents: Parents) -> None:
    """What the operator is bound to is used for edges alone."""
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    name = getattr(target, "id", getattr(getattr(target, "value", None), "id", ""))
    for use in source.every(ast.Name) if name else ():
        if use.id == name and isinstance(use.ctx, ast.Load) and use is not node.func:
            for above in parents.above(use):
                if isinstance(above, ast.Attribute) and above.attr not in _EDGES:
                    raise Stays(f"line {use.lineno} asks for {ast.unparse(above)}")
                if not isinstance(above, ast.Subscript | ast.Attribute):
                    break


def _check_dag(source: Source, parent: str) -> None:
    """Nobody asks the DAG for its tasks."""
    for node in source.every(ast.Attribute):
        if isinstance(node.value, ast.Name) and node.value.id == parent and node.attr in _HELD:
            raise Stays(f"line {node.lineno} asks for {parent}.{node.attr}")


def _check_id(source: Source, task_id: ast.expr | None, parents: Parents) -> None:
    """Nothing names the operator but what makes it, as a branch might that chooses it."""
    value = known(task_id, source) if task_id is not None else None
    if "Branch" not in source.text:
        return
    if not isinstance(value, ast.Constant):
        raise Stays("a branch may choose it by an id that code makes")
    named = {n for n, values in source.assigned.items() if value in values}
    nodes: list[ast.expr] = [n for n in source.every(ast.Constant) if n.value == value.value]
    nodes += [n for n in source.every(ast.Name) if n.id in named and isinstance(n.ctx, ast.Load)]
    for node in nodes:
        made = any(is_subdag_operator(source, above) for above in parents.above(node))
        if not made and not (node is value and named):
            raise Stays(f"line {node.lineno} says {value.value!r}, the id of the operator")


def without_retries(use: Made, factory: Factory, caller: Source, home: Source) -> bool:
    """Whether the group has to take away the retries that the DAG gives its tasks. Raises ``Stays``
    where its tasks would take more, or would miss what the sub-DAG gave them."""
    given = _Given(use, factory, caller, home)
    for name, value in {**factory.arguments, **given.more}.items():
        if name == "start_date" and given.text(value) in _dates(use, caller):
            continue
        above = use.given.get(name)
        if name not in _IDLE and (above is None or ast.unparse(above) != given.text(value)):
            what = "is not the DAG's" if name == "start_date" else "is nothing that a group takes"
            raise Stays(f"the sub-DAG's {name} {what}")
    return _inherits_retries(use, factory, given, (caller, home))


class _Given:
    """What the expressions of a factory mean at one of its calls."""

    def __init__(self, use: Made, factory: Factory, caller: Source, home: Source) -> None:
        a = factory.function.args
        names = [x.arg for x in [*a.posonlyargs, *a.args]]
        call, here = use.factory, caller.path == home.path
        if any(isinstance(x, ast.Starred) for x in call.args) or any(
            k.arg is None for k in call.keywords
        ):
            raise Stays("its factory is called with * or **")
        filled = dict(zip(names, call.args, strict=False))
        filled |= {k.arg: k.value for k in call.keywords if k.arg}
        known = {*names, *(x.arg for x in a.kwonlyargs)}
        defaults = dict(zip(names[len(names) - len(a.defaults) :], a.defaults, strict=True))
        kept = {k.arg: d for k, d in zip(a.kwonlyargs, a.kw_defaults, strict=True) if d is not None}
        local = (n for n in ast.walk(factory.function) if isinstance(n, ast.Name))
        stored = {n.id for n in local if isinstance(n.ctx, ast.Store)}
        self._kept = frozenset() if not here else stored - known
        self._here = here
        self._params = known
        self._filled: dict[str, ast.expr] = {**defaults, **kept, **filled}
        passed = factory.passed
        own = a.kwarg.arg if a.kwarg is not None else ""
        if passed and passed != own:
            raise Stays(f"its DAG takes **{passed}")
        extra = {name: value for name, value in filled.items() if name not in known}
        self.more: Mapping[str, ast.expr] = extra if passed else {}

    def value(self, value: ast.expr) -> ast.expr:
        """The argument, where it is a parameter."""
        name = value.id if isinstance(value, ast.Name) else ""
        return self._filled.get(name, value) if name in self._params else value

    def text(self, value: ast.expr) -> str:
        """The code that would mean the same where the factory is called; a name that only its own
        file has bears a mark."""
        if any(value is v for v in self.more.values()):
            return ast.unparse(value)
        copy = ast.parse(ast.unparse(value), mode="eval").body
        return ast.unparse(_Filling(self._filled, self._params, self._means).visit(copy))

    def _means(self, name: str) -> bool:
        """Whether a name that is no parameter is one of the caller's file."""
        return self._here and name not in self._kept


class _Filling(ast.NodeTransformer):
    def __init__(
        self, filled: Mapping[str, ast.expr], params: Iterable[str], means: Callable[[str], bool]
    ) -> None:
        self.filled, self.params, self.means = filled, frozenset(params), means

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self.params:
            return self.filled.get(node.id, node)
        return node if self.means(node.id) else ast.Name(f"{node.id}__of_the_factory", node.ctx)


def _dates(use: Made, caller: Source) -> set[str]:
    """The code that says when the DAG begins."""
    found = {f"{use.parent}.start_date"}
    if "start_date" in use.given:
        found.add(ast.unparse(use.given["start_date"]))
    given = use.given.get("default_args")
    held = _held(given, caller) if given is not None else None
    if given is not None and held and "start_date" in held and "start_date" not in use.given:
        places = {ast.unparse(held["start_date"]), f"{use.parent}.default_args['start_date']"}
        if isinstance(given, ast.Name):
            places |= {f"{given.id}['start_date']", f"{given.id}.get('start_date')"}
        found |= places
    return found


def _held(value: ast.expr | None, source: Source) -> dict[str, ast.expr] | None:
    """What a dict holds; None where that is not in sight."""
    name = value.id if isinstance(value, ast.Name) else ""
    if name:
        values = source.assigned.get(name, [])
        value = values[0] if len(values) == 1 else None
    if isinstance(value, ast.Call):
        plain = isinstance(value.func, ast.Name) and value.func.id == "dict" and not value.args
        whole = plain and all(k.arg for k in value.keywords)
    else:
        keys = value.keys if isinstance(value, ast.Dict) else [None]
        whole = all(isinstance(k, ast.Constant) for k in keys)
    if not whole or not isinstance(value, ast.Dict | ast.Call):
        return None
    held = {key: given for _, key, given in items_of(value)}
    for call in source.plain_calls if name else ():
        if ast.unparse(call.func) == f"{name}.update" and not all(
            isinstance(a, ast.Dict) for a in call.args
        ):
            return None
    for filling in fillings(source.nodes, name) if name else ():
        held |= {key: given for _, key, given in filling.items}
    return held


def _inherits_retries(
    use: Made, factory: Factory, given: _Given, sources: tuple[Source, Source]
) -> bool:
    """Whether the DAG gives its tasks retries that the sub-DAG's have not. Raises ``Stays``."""
    caller, home = sources
    above = use.given.get("default_args")
    own = {**factory.arguments, **given.more}.get("default_args")
    held = _held(above, caller) if above is not None else {}
    mine: dict[str, ast.expr] | None = {}
    if own is not None:
        mine = _held(given.value(own), home if given.value(own) is own else caller)
    if "trigger_rule" in {*(held or ()), *(mine or ())}:
        raise Stays("default_args give a trigger rule")
    text = given.text(own) if own is not None else ""
    if above is None or text in {ast.unparse(above), f"{use.parent}.default_args"}:
        return False
    if held is None:
        raise Stays(f"what the DAG's default_args hold, {ast.unparse(above)}, is not in sight")
    more = {name: value for name, value in held.items() if _matters(name, value, mine or {})}
    tasks = {k.arg for task in factory.tasks for k in task.keywords}
    for key, idle in (("retries", _RETRYING), ("email", _MAILING)):
        if mine is not None and key not in {*mine, *tasks}:
            more = {name: value for name, value in more.items() if name not in idle}
    others = sorted(more.keys() - {"retries"})
    if others:
        raise Stays(f"its tasks would take {', '.join(others)} of the DAG's default_args as well")
    if more and own is not None and _is_none(given.value(own)):
        raise Stays("its default_args are None")
    return bool(more)


def _matters(name: str, value: ast.expr, mine: Mapping[str, ast.expr]) -> bool:
    """Whether a task that is given this key does another thing than one that is not."""
    if name in mine or name in _TELLING | _NOTHING or _is_none(value):
        return False
    plain = isinstance(value, ast.Constant) and name in _DEFAULTS
    return not (plain and isinstance(value, ast.Constant) and value.value == _DEFAULTS[name])


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None
