"""One walk over a tree: the scopes, and what stands where."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from codemods.reading.scopes import Binding, Scope, Tower

_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_DOTTED = re.compile(r"airflow(?:\.[A-Za-z_]\w*)+(?::[A-Za-z_]\w*)?\Z")
# A line of Python in a text that becomes a file of its own.
_IMPORT_LINE = re.compile(r"^[ \t]*(?:from|import)[ \t]+airflow\b", re.MULTILINE)
_WORD = re.compile(r"[^\W\d]\w*")
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(eq=False, kw_only=True)
class Facts:
    """What one walk over a tree finds."""

    module: Scope = field(default_factory=lambda: Scope(parent=None))
    bindings: list[Binding] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)  # strings that are identifiers
    strings: list[ast.Constant] = field(default_factory=list)  # dotted paths of Airflow's
    texts: list[ast.Constant] = field(default_factory=list)  # those that import Airflow
    dicts: list[ast.Dict] = field(default_factory=list)
    classes: list[tuple[ast.ClassDef, Scope]] = field(default_factory=list)
    plain_calls: list[ast.Call] = field(default_factory=list)  # every call, in source order
    assigned: dict[str, list[ast.expr]] = field(default_factory=dict)  # plain name → its values
    items_set: list[tuple[ast.Subscript, ast.expr]] = field(default_factory=list)  # ``d[k] = v``
    unsplittable: set[ast.stmt] = field(default_factory=set)  # imports that share their line
    blocks: dict[ast.stmt, int] = field(default_factory=dict)  # imports → their block of statements
    loads: list[tuple[tuple[ast.expr, ...], str, Scope]] = field(default_factory=list)
    earlier: set[int] = field(default_factory=set)  # names that stand before what binds them anew


def read(tree: ast.Module, facts: Facts) -> None:
    """Fill ``facts`` with what the tree holds."""
    _Reader(facts, tree.body)._body(tree.body)


class _Reader:
    def __init__(self, facts: Facts, top: Sequence[ast.stmt]) -> None:
        self.facts = facts
        self.top = top  # the module's own statements
        self.begun = 0  # how many loads stand before the one of these that is read
        self.scope = facts.module
        self.tower: Tower | None = None
        self.in_handler = False
        self.block_count = 0

    def _body(self, statements: Iterable[ast.stmt]) -> None:
        last: ast.stmt | None = None
        self.block_count += 1
        block = self.block_count
        for statement in statements:
            if statements is self.top:
                self.begun = len(self.facts.loads)
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self.facts.blocks[statement] = block
            if last is not None and last.end_lineno == statement.lineno:
                self.facts.unsplittable |= {last, statement}
            last = statement
            self._visit(statement)

    def _inside(self, scope: Scope, action: Callable[[], None]) -> None:
        outer, self.scope = self.scope, scope
        action()
        self.scope = outer

    def _visit(self, node: ast.AST) -> None:
        method = _VISITORS.get(type(node))
        if method is not None:
            method(self, node)
        else:
            self._children(node)

    def _children(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self._visit(child)

    def _visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self._visit(node)

    def _bind(self, name: str) -> None:
        scope = self.facts.module if name in self.scope.to_module else self.scope
        while name in scope.to_outer and scope.parent is not None:
            scope = scope.parent
        new = name not in scope.others and not self.in_handler
        if new and scope is self.facts.module and name in scope.imports:
            for node, load, at in self.facts.loads[: self.begun]:
                if load == name and at is scope:
                    self.facts.earlier.add(id(node[0]))
        scope.others.add(name)
        self.facts.names.add(name)

    # -- statements --------------------------------------------------------------------------

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        base = node.module if isinstance(node, ast.ImportFrom) else None
        for alias in node.names:
            dotted = isinstance(node, ast.Import) and alias.asname is None
            name = alias.asname or (alias.name.partition(".")[0] if dotted else alias.name)
            if isinstance(node, ast.Import):
                path = alias.name.partition(".")[0] if dotted else alias.name
            else:
                path = f"{'.' * node.level}{base or ''}.{alias.name}"
            binding = Binding(
                name=name,
                path=path,
                statement=node,
                alias=alias,
                scope=self.scope,
                tower=self.tower,
                in_handler=self.in_handler,
            )
            self.facts.bindings.append(binding)
            if self.tower is not None:
                side = self.tower.handlers if self.in_handler else self.tower.body
                side.append(binding)
            if name != "*":
                self.scope.imports.setdefault(name, []).append(binding)
                self.facts.names.add(name)

    def _try(self, node: ast.Try) -> None:
        caught = {
            name
            for h in node.handlers
            for name in (_handler_names(h.type) if h.type else {"BaseException"})
        }
        if not caught & _IMPORT_ERRORS:
            self._body(node.body)
            self._visit_all(node.handlers)
            self._body(node.orelse)
            return self._body(node.finalbody)
        outer = self.tower, self.in_handler
        tower = Tower(parent=self.tower, in_handler=self.in_handler)
        self.tower, self.in_handler = tower, False
        self._body(node.body)
        self.in_handler = True
        for handler in node.handlers:
            others, self.scope.others = self.scope.others, set()
            if handler.type is not None:
                self._visit(handler.type)
            self._body(handler.body)
            tower.settled |= bool(self.scope.others)
            # ``except ImportError: Name = None`` does not make the imported name doubtful.
            self.scope.others = others | (self.scope.others - {b.name for b in tower.body})
            if handler.name:
                self._bind(handler.name)
        self.tower, self.in_handler = outer
        self._body(node.orelse)
        self._body(node.finalbody)
        return None

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        a = node.args
        self._visit_all([*a.defaults, *a.kw_defaults])
        arguments = [*a.posonlyargs, *a.args, *a.kwonlyargs]
        arguments += [x for x in (a.vararg, a.kwarg) if x is not None]
        scope = Scope(parent=self.scope)
        if not isinstance(node, ast.Lambda):
            self._visit_all([*node.decorator_list, node.returns])
            self._visit_all(x.annotation for x in arguments)
            for annotation in [node.returns, *(x.annotation for x in arguments)]:
                self._annotation(annotation)
            self._bind(node.name)

        def inside() -> None:
            for argument in arguments:
                self._bind(argument.arg)
            if isinstance(node, ast.Lambda):
                self._visit(node.body)
            else:
                for child in _declarations(node.body):
                    kept = scope.to_module if isinstance(child, ast.Global) else scope.to_outer
                    kept |= set(child.names)
                self._body(node.body)

        self._inside(scope, inside)

    def _annotation(self, node: ast.expr | None) -> None:
        """The names inside a quoted annotation: what it says must stay bound."""
        for part in ast.walk(node) if node is not None else ():
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                self.facts.words |= set(_WORD.findall(part.value))

    def _class(self, node: ast.ClassDef) -> None:
        if node.name not in self.scope.others:  # class Name(Name): the base is the import's
            bases = [n for base in node.bases for n in ast.walk(base)]
            self.facts.earlier |= {
                id(n) for n in bases if isinstance(n, ast.Name) and n.id == node.name
            }
        self._visit_all([*node.decorator_list, *node.bases, *node.keywords])
        self._bind(node.name)
        self.facts.classes.append((node, self.scope))
        self._inside(Scope(parent=self.scope, is_class=True), lambda: self._body(node.body))

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> None:
        scope = Scope(parent=self.scope, is_comprehension=True)
        self._inside(scope, lambda: self._children(node))

    def _assign(self, node: ast.Assign | ast.AnnAssign) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and node.value is not None:
                self.facts.assigned.setdefault(target.id, []).append(node.value)
                made = _made_by_type(target.id, node.value)
                if made is not None:
                    self.facts.classes.append((made, self.scope))
            elif isinstance(target, ast.Subscript) and node.value is not None:
                self.facts.items_set.append((target, node.value))
        if isinstance(node, ast.AnnAssign):
            self._annotation(node.annotation)
        self._children(node)

    def _expression(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a string alone is a docstring
            self._visit(node.value)

    def _handler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._bind(node.name)
        self._visit_all([node.type])
        self._body(node.body)

    def _block(self, node: ast.If | ast.For | ast.While | ast.With) -> None:
        for name, value in ast.iter_fields(node):
            if name in {"body", "orelse"}:
                self._body(value)
            elif isinstance(value, ast.AST):
                self._visit(value)
            elif isinstance(value, list):
                self._visit_all(value)

    # -- expressions -------------------------------------------------------------------------

    def _name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.facts.names.add(node.id)
            self.facts.loads.append(((node,), node.id, self.scope))
        else:
            self._bind(node.id)

    def _attribute(self, node: ast.Attribute) -> None:
        chain: list[ast.expr] = [node]
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            inner = inner.value
            chain.append(inner)
        if isinstance(inner, ast.Name):
            self.facts.names.add(inner.id)
            self.facts.loads.append((tuple(reversed(chain)), inner.id, self.scope))
        else:
            self._visit(inner)

    def _call(self, node: ast.Call) -> None:
        self.facts.plain_calls.append(node)
        self._children(node)

    def _constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            if node.value.isidentifier():
                self.facts.words.add(node.value)
            elif _DOTTED.match(node.value):
                self.facts.strings.append(node)
            elif _IMPORT_LINE.search(node.value):
                self.facts.texts.append(node)

    def _dict(self, node: ast.Dict) -> None:
        self.facts.dicts.append(node)
        self._children(node)

    def _walrus(self, node: ast.NamedExpr) -> None:
        """It binds in the function around a comprehension."""
        self._visit(node.value)
        inner = self.scope
        while self.scope.is_comprehension and self.scope.parent is not None:
            self.scope = self.scope.parent
        self._visit(node.target)
        self.scope = inner

    def _capture(self, node: ast.MatchAs | ast.MatchStar) -> None:
        if node.name:
            self._bind(node.name)
        self._children(node)


def _made_by_type(name: str, value: ast.expr) -> ast.ClassDef | None:
    """``Name = type("Name", (Base,), {"a": b})`` as the class that it makes."""
    match value:
        case ast.Call(
            func=ast.Name(id="type"),
            args=[_, ast.Tuple(elts=bases), ast.Dict(keys=keys, values=values)],
        ):
            body: list[ast.stmt] = [
                ast.copy_location(ast.Assign([ast.Name(str(key.value), ast.Store())], given), key)
                for key, given in zip(keys, values, strict=True)
                if isinstance(key, ast.Constant)
            ]
            made = ast.ClassDef(name=name, bases=bases, keywords=[], body=body, decorator_list=[])
            return ast.copy_location(made, value)
    return None


def _declarations(body: Iterable[ast.AST]) -> Iterator[ast.Global | ast.Nonlocal]:
    """``global`` and ``nonlocal`` of one function, without those of the functions in it."""
    for node in body:
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
            yield from _declarations(ast.iter_child_nodes(node))


def _handler_names(node: ast.expr) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr


_VISITORS: dict[type[ast.AST], Callable[[_Reader, ast.AST], None]] = {
    ast.Import: _Reader._import,  # type: ignore[dict-item]
    ast.ImportFrom: _Reader._import,  # type: ignore[dict-item]
    ast.Try: _Reader._try,  # type: ignore[dict-item]
    ast.FunctionDef: _Reader._function,  # type: ignore[dict-item]
    ast.AsyncFunctionDef: _Reader._function,  # type: ignore[dict-item]
    ast.Lambda: _Reader._function,  # type: ignore[dict-item]
    ast.ClassDef: _Reader._class,  # type: ignore[dict-item]
    ast.Assign: _Reader._assign,  # type: ignore[dict-item]
    ast.AnnAssign: _Reader._assign,  # type: ignore[dict-item]
    ast.Expr: _Reader._expression,  # type: ignore[dict-item]
    ast.ExceptHandler: _Reader._handler,  # type: ignore[dict-item]
    ast.If: _Reader._block,  # type: ignore[dict-item]
    ast.For: _Reader._block,  # type: ignore[dict-item]
    ast.AsyncFor: _Reader._block,  # type: ignore[dict-item]
    ast.While: _Reader._block,  # type: ignore[dict-item]
    ast.With: _Reader._block,  # type: ignore[dict-item]
    ast.AsyncWith: _Reader._block,  # type: ignore[dict-item]
    ast.match_case: _Reader._block,  # type: ignore[dict-item]
    ast.Name: _Reader._name,  # type: ignore[dict-item]
    ast.Attribute: _Reader._attribute,  # type: ignore[dict-item]
    ast.Call: _Reader._call,  # type: ignore[dict-item]
    ast.Constant: _Reader._constant,  # type: ignore[dict-item]
    ast.Dict: _Reader._dict,  # type: ignore[dict-item]
    ast.NamedExpr: _Reader._walrus,  # type: ignore[dict-item]
    ast.MatchAs: _Reader._capture,  # type: ignore[dict-item]
    ast.MatchStar: _Reader._capture,  # type: ignore[dict-item]
    **dict.fromkeys(_COMPREHENSIONS, _Reader._comprehension),  # type: ignore[arg-type]
}
