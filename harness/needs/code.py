"""A repository's Python files, indexed so that they can be asked: what is bound to this name, who
uses it, who calls this function, and does this line run when the file is imported? Nothing is run.

The answers are good guesses, as static answers about Python are: attributes of objects are
followed by name within a file, and a call through a data structure is not followed at all.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from codemods.reading.parsing import parsed

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
Scope = Function | Comprehension | ast.ClassDef | ast.Module
Owner = Function | ast.If | None
"""Whose running makes a line run: a function, an ``if __name__ == "__main__"``, or the import."""


@dataclass(kw_only=True, eq=False)
class Module:
    """One parsed file. Expressions are listed with their owner; names with all their places."""

    path: str
    tree: ast.Module
    package: tuple[str, ...]
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)
    loads: dict[str, list[ast.Name]] = field(default_factory=lambda: defaultdict(list))
    stores: dict[str, list[ast.Name]] = field(default_factory=lambda: defaultdict(list))
    attributes: dict[str, list[ast.Attribute]] = field(default_factory=lambda: defaultdict(list))
    functions: dict[str, list[Function]] = field(default_factory=lambda: defaultdict(list))
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    calls: dict[ast.Call, Owner] = field(default_factory=dict)
    subscripts: dict[ast.Subscript, Owner] = field(default_factory=dict)
    texts: list[ast.Constant] = field(default_factory=list)
    bound: dict[str, list[tuple[Scope, ast.Name]]] = field(default_factory=dict)

    def dotted(self, node: ast.AST) -> str | None:
        """``np.a.b`` → ``numpy.a.b``: a chain of names with its import resolved."""
        names: list[str] = []
        while isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        names.append(self.imports.get(node.id, node.id))
        return ".".join(reversed(names))

    def scopes(self, node: ast.AST) -> Iterator[Scope]:
        """The scopes around ``node``, innermost first. A class counts only for its own body."""
        direct = True
        while (parent := self.parents.get(node)) is not None:
            if isinstance(parent, Scope) and _is_inside(node, parent):
                if direct or not isinstance(parent, ast.ClassDef):
                    yield parent
                direct = direct and not isinstance(parent, Function)
            node = parent

    def binding(self, name: ast.Name) -> tuple[Scope, list[ast.Name]] | None:
        """The scope that binds this name, and the places in it that do (none = a parameter)."""
        if name.id not in self.bound:
            places = self.stores.get(name.id, ())
            self.bound[name.id] = [(next(self.scopes(place)), place) for place in places]
        for scope in self.scopes(name):
            here = [place for owner, place in self.bound[name.id] if owner is scope]
            if here or (isinstance(scope, Function) and name.id in parameters(scope)):
                return scope, here
        return None


@dataclass(kw_only=True, eq=False)
class Code:
    """All the files that matter, by path, and how they reach each other."""

    modules: Mapping[str, Module]
    names: Mapping[str, str]
    callers: dict[Function, list[tuple[Module, ast.Call]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    running: set[Function] = field(default_factory=set)
    homes: dict[Function, Module] = field(default_factory=dict)
    importers: dict[str, list[Module]] = field(default_factory=lambda: defaultdict(list))

    def runs_on_import(self, owner: Owner) -> bool:
        return owner is None or owner in self.running

    def is_own(self, dotted: str) -> bool:
        """Is this, or the start of it, a module of the repository?"""
        return dotted in self.names or dotted.partition(".")[0] in self.names

    def find(self, dotted: str) -> tuple[Module, str] | None:
        """``package.module.NAME`` → the repository's module and what remains of the name."""
        head, remains = dotted, ""
        while head:
            path = self.names.get(head)
            if path is not None and path in self.modules and remains:
                return self.modules[path], remains
            head, _, last = head.rpartition(".")
            remains = f"{last}.{remains}" if remains else last
        return None

    def origin(self, module: Module, name: str) -> tuple[Module, str] | None:
        """Where an imported name was made."""
        if name in module.imports:
            return self.find(module.imports[name])
        for star in module.stars:
            found = self.find(f"{star}.{name}")
            if found and (name in found[0].stores or name in found[0].functions):
                return found
        return None

    def uses(self, module: Module, place: ast.Name) -> Iterator[tuple[Module, ast.expr]]:
        """Every place that reads the name bound at ``place``, in all files."""
        scope = next(module.scopes(place))
        for load in module.loads.get(place.id, ()):
            found = module.binding(load)
            if found and found[0] is scope:
                yield module, load
        if isinstance(scope, ast.ClassDef):
            for attribute in module.attributes.get(place.id, ()):
                yield module, attribute
        if isinstance(scope, ast.Module):
            yield from self._uses_elsewhere(module, place.id)

    def parameter_uses(self, function: Function, name: str) -> Iterator[tuple[Module, ast.expr]]:
        """Every place that reads a parameter of ``function``."""
        module = self.homes[function]
        for load in module.loads.get(name, ()):
            found = module.binding(load)
            if found and found[0] is function:
                yield module, load

    def texts(self, module: Module, node: ast.expr, depth: int = 0) -> list[str]:
        """The texts that an expression can be, as far as constants decide it (else none)."""
        if depth > _DEEP:
            return []
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=parts):
                return self._joined(module, parts, depth)
            case ast.FormattedValue(value=inner) | ast.NamedExpr(value=inner):
                return self.texts(module, inner, depth + 1)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._joined(module, [left, right], depth)
            case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod(), right=right):
                values = right.elts if isinstance(right, ast.Tuple) else [right]
                return self._filled(module, re.split(r"%[sd]", text), values, depth)
            case ast.Call(
                func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format"), args=args
            ):
                return self._filled(module, re.split(r"\{\d?\}", text), args, depth)
            case ast.Call(args=[_, default]) if _last_name(node.func) in _READERS:
                return self.texts(module, default, depth + 1)
            case ast.Call(args=[key]) if _last_name(node.func) in _READERS:
                return [placeholder(name) for name in self.texts(module, key, depth + 1)]
            case ast.Call(func=ast.Attribute(value=inner, attr="lower" | "upper" as attr), args=[]):
                return [getattr(t, attr)() for t in self.texts(module, inner, depth + 1)]
            case ast.Subscript(value=table, slice=key) if _last_name(table) == "environ":
                return [placeholder(name) for name in self.texts(module, key, depth + 1)]
            case ast.Name(id="__file__"):
                return [module.path]
            case ast.Attribute(value=ast.Call(args=[path]), attr="stem" | "name" as attr):
                return [
                    getattr(PurePosixPath(t), attr) for t in self.texts(module, path, depth + 1)
                ]
            case ast.Call(args=[path]) if _last_name(node.func) == "basename":
                return [PurePosixPath(text).name for text in self.texts(module, path, depth + 1)]
            case ast.Call(func=ast.Attribute(value=inner, attr="replace"), args=[old, new]):
                return [
                    text.replace(*pair)
                    for text in self.texts(module, inner, depth + 1)
                    for pair in itertools.product(
                        self.texts(module, old, depth + 1), self.texts(module, new, depth + 1)
                    )
                ]
            case ast.Subscript(
                value=ast.Call(func=ast.Attribute(attr="splitext"), args=[path]),
                slice=ast.Constant(value=0),
            ):
                return [text.rpartition(".")[0] for text in self.texts(module, path, depth + 1)]
            case ast.Subscript(
                value=ast.Call(
                    func=ast.Attribute(value=inner, attr="split" | "rsplit"),
                    args=[ast.Constant(value=str(separator)), *_],
                ),
                slice=ast.Constant(value=0),
            ):
                return [
                    text.partition(separator)[0] for text in self.texts(module, inner, depth + 1)
                ]
            case ast.IfExp(body=one, orelse=other) | ast.BoolOp(values=[one, other]):
                return self.texts(module, one, depth + 1) + self.texts(module, other, depth + 1)
            case ast.Name() | ast.Attribute():
                found: list[str] = []
                for where, value, is_item in self._values(module, node):
                    wanted = _elements(self, where, value) if is_item else [value]
                    for part in wanted:
                        if len(found) < _MANY:
                            found += self.texts(where, part, depth + 1)
                return list(dict.fromkeys(found))[:_MANY]
        return []

    def keys(self, module: Module, node: ast.expr) -> list[str]:
        """The texts in a literal list, or the keys of a literal table, that ``node`` stands for."""
        found = [self.texts(module, element) for element in _elements(self, module, node)]
        return [text for texts in found for text in texts]

    def lookups(
        self, module: Module, table: ast.Dict, name: str
    ) -> Iterator[tuple[Module, ast.expr]]:
        """The places that look up the entry ``name`` of a literal table that has a name."""
        match module.parents.get(table):
            case ast.Assign(targets=[ast.Name() as target]):
                for where, use in self.uses(module, target):
                    found = where.parents.get(use)
                    if isinstance(found, ast.Subscript) and found.value is use:
                        if name in self.texts(where, found.slice):
                            yield where, found
                    elif isinstance(found, ast.Attribute) and found.attr == "get":
                        call = where.parents.get(found)
                        if isinstance(call, ast.Call) and any(
                            name in self.texts(where, key) for key in call.args[:1]
                        ):
                            yield where, call

    def _joined(self, module: Module, parts: Sequence[ast.expr], depth: int) -> list[str]:
        choices = [self.texts(module, part, depth + 1) for part in parts]
        return ["".join(texts) for texts in itertools.islice(itertools.product(*choices), _MANY)]

    def _filled(
        self, module: Module, fixed: Sequence[str], values: Sequence[ast.expr], depth: int
    ) -> list[str]:
        if len(fixed) != len(values) + 1:
            return []
        parts: list[ast.expr] = [ast.Constant(value=fixed[0])]
        for value, text in zip(values, fixed[1:], strict=True):
            parts += [value, ast.Constant(value=text)]
        return self._joined(module, parts, depth)

    def _values(
        self, module: Module, node: ast.Name | ast.Attribute
    ) -> Iterator[tuple[Module, ast.expr, bool]]:
        """The expressions that a name stands for; with True, one of an expression's elements."""
        if isinstance(node, ast.Attribute):
            dotted = module.dotted(node.value if node.attr == "value" else node) or ""
            found = self.find(dotted)
            where, name = found or (module, dotted)
            places = where.stores.get(name.rpartition(".")[2], ())
            yield from (made for place in places if (made := _made(where, place)))
            return
        bound = module.binding(node)
        if bound is None:
            origin = self.origin(module, node.id)
            if origin is not None:
                where, name = origin
                places = where.stores.get(name, ())
                yield from (made for place in places if (made := _made(where, place)))
            return
        scope, places = bound
        yield from (made for place in places if (made := _made(module, place)))
        if isinstance(scope, Function) and node.id in parameters(scope):
            for where, call in self.callers.get(scope, ()):
                given = argument(call, scope, node.id)
                if given is not None:
                    yield where, given, False

    def _uses_elsewhere(self, module: Module, name: str) -> Iterator[tuple[Module, ast.expr]]:
        for other in self.importers.get(module.path, ()):
            for attribute in other.attributes.get(name, ()):
                dotted = other.dotted(attribute)
                if dotted and self.find(dotted) == (module, name):
                    yield other, attribute
            starred = [name] if other.stars and name not in other.stores else []
            for alias in (*other.imports, *starred):
                if self.origin(other, alias) == (module, name):
                    for load in other.loads.get(alias, ()):
                        yield other, load

    def targets(self, module: Module, call: ast.Call) -> list[Function]:
        """The functions of the repository that this call may run."""
        function = call.func
        if isinstance(function, ast.Name):
            return self._named(module, function.id)
        if not isinstance(function, ast.Attribute):
            return []
        dotted = module.dotted(function)
        found = self.find(dotted) if dotted else None
        if found:
            return self._named(*found)
        return [f for f in module.functions[function.attr] if _is_method(module, f)]

    def _named(self, module: Module, name: str, depth: int = 0) -> list[Function]:
        owner, _, method = name.rpartition(".")
        if owner:
            return [f for f in module.functions[method] if _is_method(module, f)]
        if name in module.classes:
            return self._constructors(module, module.classes[name], depth)
        own = [f for f in module.functions[name] if not _is_method(module, f)]
        if own:
            return [f for f in own if not _is_task(f)]
        origin = self.origin(module, name)
        return self._named(*origin, depth + 1) if origin and depth < _DEEP else []

    def _constructors(self, module: Module, made: ast.ClassDef, depth: int) -> list[Function]:
        names = ("__init__", "__new__", "__post_init__")
        own = [f for f in made.body if isinstance(f, ast.FunctionDef) and f.name in names]
        if own or depth >= _DEEP:
            return list(own)
        bases = [base.id for base in made.bases if isinstance(base, ast.Name)]
        return [f for base in bases for f in self._named(module, base, depth + 1)]


_DEEP = 8
"""Names of names of names … are followed this far."""
_MANY = 64
"""A name that can be more texts than this is cut short."""
_READERS = frozenset({"get", "getenv", "pop", "setdefault"})


def placeholder(name: str) -> str:
    """The text that stands for a value nobody knows: legal as a DAG id, a path, a bucket."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name) or "placeholder"


def parse(path: str, text: bytes) -> Module | None:
    """One file, indexed; None for one that is not Python (of ours)."""
    tree = parsed(text)
    if tree is None:
        return None
    module = Module(path=path, tree=tree, package=PurePosixPath(path).parts[:-1])
    pending: list[tuple[ast.AST, Owner]] = [(tree, None)]
    for node, owner in pending:  # it grows on the way: breadth first keeps the order of the source
        _record(module, node, owner)
        if isinstance(node, ast.Name | ast.Constant):
            continue
        inner = node if isinstance(node, Function | ast.If) and _runs_later(node) else None
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.expr_context):
                module.parents[child] = node
                runs = inner if inner is not None and _is_inside(child, inner) else owner
                pending.append((child, runs))
    return module


def link(modules: Mapping[str, Module], names: Mapping[str, str]) -> Code:
    """Indexed files → Code. ``names`` maps dotted module names to paths."""
    code = Code(modules=modules, names=names)
    calls: dict[Owner, list[Function]] = defaultdict(list)
    for module in modules.values():
        for functions in module.functions.values():
            code.homes.update(dict.fromkeys(functions, module))
        for path in {names[source] for source in module.sources if source in names}:
            if path != module.path:
                code.importers[path].append(module)
    for module in modules.values():
        for call, owner in module.calls.items():
            for function in code.targets(module, call):
                code.callers[function].append((module, call))
                calls[owner].append(function)
    pending = list(calls[None])
    while pending:
        function = pending.pop()
        if function not in code.running:
            code.running.add(function)
            pending.extend(calls[function])
    return code


def module_names(path: str, roots: Iterable[str]) -> Iterator[str]:
    """The dotted names by which ``path`` can be imported from any of the folders ``roots``."""
    for root in roots:
        pure = PurePosixPath(path)
        if root == "." or pure.is_relative_to(root):
            parts = pure.relative_to(root).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            if parts:
                yield ".".join(parts)


def parameters(function: Function) -> list[str]:
    """The names of all parameters, those that can be given by position first."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    rest = [arguments.vararg, arguments.kwarg]
    return [argument.arg for argument in (*named, *rest) if argument is not None]


def argument(call: ast.Call, function: Function, name: str) -> ast.expr | None:
    """What ``call`` gives for the parameter ``name`` of ``function``, or its default."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    positional = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    if name in positional:
        position = positional.index(name)
        given = position - (positional[0] in ("self", "cls"))
        if 0 <= given < len(call.args) and not any(
            isinstance(a, ast.Starred) for a in call.args[: given + 1]
        ):
            return call.args[given]
        back = position - len(positional)
        defaults = function.args.defaults
        return defaults[back] if -back <= len(defaults) else None
    for keyword_only, default in zip(
        function.args.kwonlyargs, function.args.kw_defaults, strict=True
    ):
        if keyword_only.arg == name:
            return default
    return None


def parameter(call: ast.Call, function: Function, given: ast.expr) -> str | None:
    """The parameter of ``function`` that receives the argument ``given`` of ``call``."""
    for name in parameters(function):
        if argument(call, function, name) is given:
            return name
    return None


def _made(module: Module, place: ast.Name) -> tuple[Module, ast.expr, bool] | None:
    """What a name is bound to at ``place``: an expression, or an element of one."""
    match module.parents.get(place):
        case (
            ast.Assign(value=value)
            | ast.AnnAssign(value=ast.expr() as value)
            | ast.NamedExpr(value=value)
        ):
            return module, value, False
        case ast.For(iter=values) | ast.comprehension(iter=values):
            return module, values, True
        case ast.Tuple(elts=names) as target:
            position = next(i for i, name in enumerate(names) if name is place)
            match module.parents.get(target):
                case ast.Assign(value=ast.Tuple() as given) if len(given.elts) == len(names):
                    return module, given.elts[position], False
    return None


def _elements(code: Code, module: Module, node: ast.expr) -> list[ast.expr]:
    """The elements of a literal list, or the keys of a literal table."""
    match node:
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            return elements
        case ast.Dict(keys=keys):
            return [key for key in keys if key is not None]
        case ast.Call(func=ast.Attribute(value=inner, attr="keys")):
            return _elements(code, module, inner)
        case ast.Call(func=ast.Name(id="sorted" | "list" | "set" | "tuple"), args=[inner]):
            return _elements(code, module, inner)
        case ast.Name():
            values = list(code._values(module, node))
            return [e for where, v, item in values if not item for e in _elements(code, where, v)]
    return []


def _last_name(node: ast.expr) -> str:
    return getattr(node, "attr", "") or getattr(node, "id", "")


def _record(module: Module, node: ast.AST, owner: Owner) -> None:
    match node:
        case ast.Name(id=name, ctx=ast.Load()):
            module.loads[name].append(node)
        case ast.Name(id=name):
            module.stores[name].append(node)
        case ast.Attribute(attr=name, ctx=ast.Load()):
            module.attributes[name].append(node)
        case ast.Call():
            module.calls[node] = owner
        case ast.Subscript(ctx=ast.Load()):
            module.subscripts[node] = owner
        case ast.Constant(value=str(text)) if "{{" in text or "{%" in text:
            module.texts.append(node)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            module.functions[name].append(node)
        case ast.ClassDef(name=name):
            module.classes[name] = node
        case ast.Import(names=aliases):
            for alias in aliases:
                top = alias.name.partition(".")[0]
                module.imports[alias.asname or top] = alias.name if alias.asname else top
                module.sources.add(alias.name)
        case ast.ImportFrom(names=aliases):
            source = _absolute(module, node)
            module.sources.add(source)
            for alias in aliases:
                module.sources.add(f"{source}.{alias.name}")
                if alias.name == "*":
                    module.stars.append(source)
                else:
                    module.imports[alias.asname or alias.name] = f"{source}.{alias.name}"


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    """The module an import names; a relative one counts from the repository's root."""
    if not node.level:
        return node.module or ""
    package = module.package[: len(module.package) - node.level + 1]
    return ".".join([*package, *([node.module] if node.module else [])])


def _is_inside(child: ast.AST, scope: ast.AST) -> bool:
    """Decorators, defaults and base classes stand outside of the scope they belong to."""
    body = getattr(scope, "body", None)
    if isinstance(scope, Function) and isinstance(child, ast.arguments):
        return False
    if isinstance(body, list):
        return any(child is statement for statement in body)
    return body is None or child is body


def _runs_later(node: Function | ast.If) -> bool:
    return not isinstance(node, ast.If) or (
        isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Name)
        and node.test.left.id == "__name__"
    )


def _is_method(module: Module, function: Function) -> bool:
    return isinstance(module.parents.get(function), ast.ClassDef)


def _is_task(function: Function) -> bool:
    """A function under ``@task``: calling it makes a task and does not run it."""
    for decorator in getattr(function, "decorator_list", ()):
        node = decorator.func if isinstance(decorator, ast.Call) else decorator
        names = {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
        names |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        if "task" in names:
            return True
    return False
