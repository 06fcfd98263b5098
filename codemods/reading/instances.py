"""What class of 1.10 an expression is an instance of, where the text shows it plainly."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from codemods.reading.calls import constructions
from codemods.reading.heritage import heritage, kin, signature_of
from codemods.reading.source import Source
from codemods.tables.constructors import baseline
from codemods.tables.core_classes import GIVEN, gives

_CONTEXT = "context"
_CALLBACKS = {"on_failure_callback", "on_success_callback", "on_retry_callback"}
_WITH_CONTEXT = {"execute", "poke", "pre_execute", "post_execute"}
_ONE = {"first", "get", "one", "one_or_none", "scalar", "pop"}  # of what a query or list holds
_SAME = {
    *("all", "copy", "distinct", "filter", "filter_by", "join", "limit", "offset", "options"),
    *("order_by", "values", "with_for_update"),
}
_DEEP = 12  # nobody's code goes by so many names


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a value is: an instance of the class at ``path``, the context, or several such."""

    path: str  # empty where it is of the text's own class, which comes from none of Airflow's
    own: ast.ClassDef | None = None  # the text's own class that it is of
    many: bool = False


@dataclass(frozen=True, kw_only=True)
class _Given:
    """One thing that a name is bound to: a value, an item of one, or a kind known at once."""

    value: ast.expr | None = None
    item: bool = False
    annotation: bool = False
    kind: Kind | None = None
    parameter_of: ast.FunctionDef | ast.AsyncFunctionDef | None = None  # what its calls hand on


@dataclass(eq=False, kw_only=True)
class _Frame:
    """A module, function or comprehension and what its names are bound to."""

    parent: _Frame | None
    bound: dict[str, list[_Given]] = field(default_factory=dict)
    functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = field(default_factory=dict)
    declared: dict[str, _Frame] = field(default_factory=dict)  # global and nonlocal

    def bind(self, name: str, given: _Given) -> None:
        self.declared.get(name, self).bound.setdefault(name, []).append(given)


def _kind(path: str) -> Kind | None:
    return Kind(path=path.lstrip("*"), many=path.startswith("*")) if path else None


@lru_cache(maxsize=1)  # several rules ask in turn about one text
def instances(source: Source) -> Instances:
    """The instances of a text."""
    return Instances(source)


class Instances:
    """Knows what the names of one text hold; asks no other file but for ``source.own``."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.made = {id(c.node): c.path for c in constructions(source) if c.use and not c.first}
        self.classes = {cls.name: cls for cls, _ in source.classes}
        self.frames: dict[int, _Frame] = {}  # id of a loaded name → where it stands
        self.attributes: dict[tuple[ast.ClassDef, str], list[ast.expr]] = {}
        self.methods: dict[tuple[ast.ClassDef, str], ast.FunctionDef | ast.AsyncFunctionDef] = {}
        self.callbacks: set[str] = set()
        self.returns: dict[ast.AST, list[ast.expr]] = {}
        self.calls: dict[str, list[ast.Call]] = {}  # name of a function or method → its calls
        self.around: dict[int, ast.ClassDef] = {}  # id of ``self`` or ``super()`` → its class
        self.known: dict[tuple[ast.expr, int], Kind | None] = {}  # what was asked for, and how deep
        self._read_callbacks()
        self.module = _Frame(parent=None)
        self._body(source.tree.body, self.module, None, None)

    # -- reading ---------------------------------------------------------------------------------

    def _read_callbacks(self) -> None:
        for call in self.source.plain_calls:
            named = [(k.arg, k.value) for k in call.keywords]
            self.callbacks |= {
                v.id for n, v in named if n in _CALLBACKS and isinstance(v, ast.Name)
            }
        for node in self.source.dicts:
            for key, value in zip(node.keys, node.values, strict=True):
                named_so = isinstance(key, ast.Constant) and key.value in _CALLBACKS
                if named_so and isinstance(value, ast.Name):
                    self.callbacks.add(value.id)

    def _body(
        self,
        nodes: Iterable[ast.AST],
        frame: _Frame,
        cls: ast.ClassDef | None,
        function: ast.AST | None,
    ) -> None:
        for node in nodes:
            self._visit(node, frame, cls, function)

    def _visit(
        self, node: ast.AST, frame: _Frame, cls: ast.ClassDef | None, function: ast.AST | None
    ) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            self._function(node, frame, cls, inside=function is not None)
            return
        if isinstance(node, ast.ClassDef):
            frame.bind(node.name, _Given())
            self._body(node.body, _Frame(parent=frame), node, None)
            return
        if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            frame = _Frame(parent=frame)
        elif isinstance(node, ast.Name):
            self.frames[id(node)] = frame
            if node.id == "self" and cls is not None:
                self.around[id(node)] = cls
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            self.calls.setdefault(called, []).append(node)
            if cls is not None and isinstance(node.func, ast.Name) and called == "super":
                self.around[id(node)] = cls
        elif isinstance(node, ast.Return) and node.value is not None and function is not None:
            self.returns.setdefault(function, []).append(node.value)
        elif isinstance(node, ast.Global):
            frame.declared |= dict.fromkeys(node.names, self.module)
        for target, given in _bindings(node):
            if isinstance(target, ast.Name):
                frame.bind(target.id, given)
                if cls is not None and function is None and given.value is not None:
                    self.attributes.setdefault((cls, target.id), []).append(given.value)
            elif isinstance(target, ast.Attribute) and cls is not None and given.value is not None:
                if isinstance(target.value, ast.Name) and target.value.id == "self":
                    self.attributes.setdefault((cls, target.attr), []).append(given.value)
            else:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                        frame.bind(name.id, _Given())
        self._body(ast.iter_child_nodes(node), frame, cls, function)

    def _function(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        frame: _Frame,
        cls: ast.ClassDef | None,
        *,
        inside: bool,
    ) -> None:
        name = "" if isinstance(node, ast.Lambda) else node.name
        inner = _Frame(parent=frame)
        a = node.args
        arguments = [*a.posonlyargs, *a.args, *a.kwonlyargs]
        method = cls is not None and not inside and bool(name)
        if not isinstance(node, ast.Lambda):
            if method and cls is not None:
                self.methods[cls, name] = node
            else:
                frame.functions[name] = node
            frame.bind(name, _Given())
            self._body(node.decorator_list, frame, cls, None)
        first = arguments[1:2] if method else arguments[:1]
        told = (method and name in _WITH_CONTEXT) or (not method and name in self.callbacks)
        for argument in arguments:
            path = GIVEN.get(argument.arg, "") if a.kwarg is not None else ""
            if argument.arg in {_CONTEXT, "kwargs"} or (told and argument in first):
                path = _CONTEXT
            given = _Given(kind=_kind(path))
            if not (path or isinstance(node, ast.Lambda)):
                given = _Given(parameter_of=node)
            if argument.annotation is not None and path != _CONTEXT:
                given = _Given(value=argument.annotation, annotation=True)
            inner.bind(argument.arg, given)
        if a.kwarg is not None:
            inner.bind(a.kwarg.arg, _Given(kind=Kind(path=_CONTEXT)))
        if a.vararg is not None:
            inner.bind(a.vararg.arg, _Given())
        self._body([*a.defaults, *(d for d in a.kw_defaults if d is not None)], frame, cls, None)
        if isinstance(node, ast.Lambda):
            self._visit(node.body, inner, cls, node)
        else:
            for part in ast.walk(node):
                if isinstance(part, ast.Global):
                    inner.declared |= dict.fromkeys(part.names, self.module)
            self._body(node.body, inner, cls, node)

    # -- asking ----------------------------------------------------------------------------------

    def lineage(self, path: str) -> tuple[str, ...]:
        """The classes of 1.10 that the one at ``path`` is, itself first."""
        if not path or path == _CONTEXT:
            return ()
        signature = signature_of(path)
        return signature.lineage if signature is not None else (baseline().home(path),)

    def kind(self, node: ast.expr, depth: int = 0) -> Kind | None:
        """What an expression is, or None when the text does not show it."""
        if depth > _DEEP:
            return None
        # A name that is given anew from itself several times would be asked for without end.
        if (node, depth) not in self.known:
            self.known[node, depth] = self._kind(node, depth)
        return self.known[node, depth]

    def _kind(self, node: ast.expr, depth: int) -> Kind | None:
        if id(node) in self.around:
            own = self.around[id(node)]
            if not isinstance(node, ast.Call):
                return Kind(path=self.base(own), own=own)
            return Kind(path=self.base(own)) if self.base(own) else None  # super()
        if isinstance(node, ast.Call):
            return self._called(node, depth + 1)
        if isinstance(node, ast.Subscript):
            whole = self.kind(node.value, depth + 1)
            if (
                whole is not None
                and whole.path == _CONTEXT
                and isinstance(node.slice, ast.Constant)
            ):
                return _kind(GIVEN.get(str(node.slice.value), ""))
            several = whole is not None and whole.many
            return whole if isinstance(node.slice, ast.Slice) and several else _item(whole)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, depth + 1, called=False)
        if isinstance(node, ast.IfExp):
            return self._agreed([node.body, node.orelse], depth)
        if isinstance(node, ast.BoolOp):
            return self._agreed(node.values, depth)
        if isinstance(node, ast.NamedExpr):
            return self.kind(node.value, depth + 1)
        return self._named(node, depth + 1) if isinstance(node, ast.Name) else None

    def path(self, node: ast.expr) -> str:
        """The path of the class that an expression is one instance of, or ""."""
        kind = self.kind(node)
        return kind.path if kind is not None and not kind.many and kind.path != _CONTEXT else ""

    def overrides(self, node: ast.expr, name: str) -> bool:
        """Whether the text's own class of a value has an attribute of that name."""
        kind = self.kind(node)
        return kind is not None and self.defines(kind.own, name)

    def defines(self, cls: ast.ClassDef | None, name: str) -> bool:
        """Whether a class of the text, or one of the repository that it comes from, has the
        attribute."""
        own = heritage(self.source, cls).own if cls is not None else None
        return (own is not None and name in own.defines) or any(
            (one, name) in self.methods or (one, name) in self.attributes
            for one in kin(self.source, cls)
        )

    def base(self, cls: ast.ClassDef) -> str:
        """The 1.10 path of the class of Airflow's that a class of the text comes from."""
        return heritage(self.source, cls).path

    def _agreed(self, values: Iterable[ast.expr], depth: int) -> Kind | None:
        """What several values are, when it is the same; None says nothing of it."""
        some = [v for v in values if not (isinstance(v, ast.Constant) and v.value is None)]
        kinds = {self.kind(value, depth + 1) for value in some}
        return kinds.pop() if len(kinds) == 1 else None

    def _annotated(self, node: ast.expr) -> Kind | None:
        if isinstance(node, ast.BinOp):
            sides = [n for n in (node.left, node.right) if not isinstance(n, ast.Constant)]
            return self._annotated(sides[0]) if len(sides) == 1 else None
        if isinstance(node, ast.Subscript):
            inner = self._annotated(node.slice)
            name = node.value.attr if isinstance(node.value, ast.Attribute) else ""
            name = node.value.id if isinstance(node.value, ast.Name) else name
            if name in {"List", "Sequence", "Iterable", "list"} and inner is not None:
                return replace(inner, many=True)
            return inner if name == "Optional" else None
        path = self.source.path_of(node) or ""
        if path.startswith("airflow."):
            return Kind(path=path)
        own = self.classes.get(node.id) if isinstance(node, ast.Name) else None
        return Kind(path=self.base(own), own=own) if own is not None else None

    def _named(self, node: ast.Name, depth: int) -> Kind | None:
        frame = self.frames.get(id(node))
        if self.source.path_of(node) is not None:
            return None
        while frame is not None and node.id not in frame.bound:
            frame = frame.declared.get(node.id, frame.parent)
        kinds = set()
        for given in frame.bound[node.id] if frame is not None else ():
            if given.parameter_of is not None:
                kinds.add(self._handed(given.parameter_of, node.id, depth))
            elif given.value is None:
                kinds.add(given.kind)
            elif given.annotation:
                kinds.add(self._annotated(given.value))
            elif not (isinstance(given.value, ast.Constant) and given.value.value is None):
                kind = self.kind(given.value, depth)
                kinds.add(_item(kind) if given.item else kind)
        return kinds.pop() if len(kinds) == 1 else None

    def _handed(
        self, function: ast.FunctionDef | ast.AsyncFunctionDef, name: str, depth: int
    ) -> Kind | None:
        """What every call of a function in the text hands it for the parameter ``name``."""
        values = []
        for call in self.calls.get(function.name, ()):
            method = isinstance(call.func, ast.Attribute)
            if self._function_of(call.func) is not function:
                if method:
                    return None  # of another object, perhaps one of this class
                continue
            if any(isinstance(v, ast.Starred) for v in call.args):
                return None
            names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)][method:]
            given = dict(zip(names, call.args, strict=False))
            given |= {k.arg: k.value for k in call.keywords if k.arg}
            if name not in given:
                return None
            values.append(given[name])
        return self._agreed(values, depth)

    def _function_of(self, func: ast.expr) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The text's own function, or method of ``self``, that is called."""
        if isinstance(func, ast.Attribute):
            line = kin(self.source, self.around.get(id(func.value)))
            return next((m for c in line if (m := self.methods.get((c, func.attr)))), None)
        frame = self.frames.get(id(func))
        if not isinstance(func, ast.Name):
            return None
        while frame is not None and func.id not in frame.bound:
            frame = frame.parent
        once = frame is not None and len(frame.bound[func.id]) == 1
        return frame.functions.get(func.id) if once and frame is not None else None

    def _attribute(self, node: ast.Attribute, depth: int, *, called: bool) -> Kind | None:
        owner = self.kind(node.value, depth)
        path = ""
        if owner is None:  # DagRun.find
            path = (self.source.path_of(node) or "").rpartition(".")[0]
        elif not owner.many:
            for own in kin(self.source, owner.own):
                method = self.methods.get((own, node.attr))
                if method is not None and (called or method.decorator_list):
                    return self._returned(method, depth)
                if method is None and (own, node.attr) in self.attributes:
                    return self._agreed(self.attributes[own, node.attr], depth)
            path = owner.path
        given = (gives().get(f"{p}.{node.attr}") for p in self.lineage(path))
        return _kind(next(filter(None, given), ""))

    def _returned(
        self, function: ast.FunctionDef | ast.AsyncFunctionDef, depth: int
    ) -> Kind | None:
        told = self._annotated(function.returns) if function.returns is not None else None
        return told or self._agreed(self.returns.get(function, ()), depth)

    def _called(self, node: ast.Call, depth: int) -> Kind | None:
        func = node.func
        if id(node) in self.made and self.lineage(self.made[id(node)]):
            signature = baseline().signature(self.made[id(node)])
            if signature is not None:
                return Kind(path=self.made[id(node)])
        if isinstance(func, ast.Name):
            return self._function_called(func, depth)
        if not isinstance(func, ast.Attribute):
            return None
        owner = self.kind(func.value, depth)
        if owner is not None and owner.path == _CONTEXT and func.attr in {"get", "pop"}:
            key = node.args[0] if node.args else None
            return _kind(GIVEN.get(str(key.value), "")) if isinstance(key, ast.Constant) else None
        if owner is not None and owner.many:
            return _item(owner) if func.attr in _ONE else owner if func.attr in _SAME else None
        if func.attr == "query" and len(node.args) == 1:
            path = self.source.path_of(node.args[0]) or ""
            return Kind(path=path, many=True) if path.startswith("airflow.") else None
        return self._attribute(func, depth, called=True)

    def _function_called(self, func: ast.Name, depth: int) -> Kind | None:
        function = self._function_of(func)
        if function is not None:
            return self._returned(function, depth)
        own = self.classes.get(func.id)
        return Kind(path=self.base(own), own=own) if own is not None else None


def _item(kind: Kind | None) -> Kind | None:
    return replace(kind, many=False) if kind is not None and kind.many else None


def _bindings(node: ast.AST) -> Iterator[tuple[ast.expr, _Given]]:
    """What a statement or expression binds, and to what."""
    if isinstance(node, ast.Assign):
        yield from ((target, _Given(value=node.value)) for target in node.targets)
    elif isinstance(node, ast.AnnAssign):
        if node.value is not None:
            yield node.target, _Given(value=node.value)
    elif isinstance(node, ast.NamedExpr):
        yield node.target, _Given(value=node.value)
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        yield node.target, _Given(value=node.iter, item=True)
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield node.optional_vars, _Given(value=node.context_expr)
    elif isinstance(node, ast.AugAssign):
        yield node.target, _Given()
