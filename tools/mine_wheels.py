"""Read wheels without installing them: what each module defines, re-exports and deprecates.

The miners (``mine_imports.py``, ``mine_arguments.py``) and the proof tests share this reader.
Everything is read by ``ast`` out of the zip; no code of a wheel ever runs.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from email.parser import HeaderParser
from functools import cache, cached_property
from pathlib import Path

import platformdirs
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

CORE = "apache-airflow"
PROVIDER = "apache-airflow-providers-"
BASELINE = "1.10.15"
# Folders of a wheel that nobody imports from.
_SKIPPED = re.compile(
    r"airflow/(?:_vendor|example_dags|migrations|contrib/example_dags)/"
    r"|/example_dags/|/tests?/|airflow/settings_schema"
)
# Airflow's own inside: what moves there came from there.
INSIDE = re.compile(
    r"airflow\.(?:api_connexion|api_internal|auth|bin|cli|contrib\.auth|default_login"
    r"|providers\.(?:\w+\.)+cli|ti_deps|www|www_rbac)\b"
)
_DOTTED = re.compile(r"airflow(?:\.\w+)+")
# The tables by which the provider common.compat serves what Airflow 2 and 3 have in other places.
_EITHER = {"_IMPORT_MAP", "_RENAME_MAP", "_MODULE_MAP"}
# Decorators that give an argument where the caller leaves it out, and those that refuse whatever is
# given by place. Source: airflow/utils/session.py and db.py, providers/google/common/hooks.
_FILLS = {"provide_session": "session", "fallback_to_default_project_id": "project_id"}
_BY_NAME = {"fallback_to_default_project_id"}


# What makes a constructor of the fields of a class.
_MAKERS = {
    *("attr.s", "attr.attrs", "attr.define", "attr.frozen", "attrs.define", "attrs.frozen"),
    *("define", "frozen", "dataclass", "dataclasses.dataclass"),
}


@dataclass(frozen=True, kw_only=True)
class Param:
    """One constructor parameter: ``positional`` ones may be given without a keyword."""

    name: str
    required: bool
    positional: bool
    default: str = ""  # the code of what it is when it is not given


@dataclass(frozen=True, kw_only=True)
class Signature:
    """The parameters that an ``__init__`` itself names."""

    params: tuple[Param, ...]
    args: bool  # takes *args
    kwargs: bool  # takes **kwargs
    kept: bool  # and puts them away as a whole
    renamed: tuple[tuple[str, str], ...]  # old → new, where the body warns and copies the value
    warned: tuple[str, ...]  # parameters whose use only warns
    popped: tuple[str, ...]  # names taken out of **kwargs, or put there when they are not given
    handed: tuple[str, ...]  # names that the body gives to its base beside **kwargs


@dataclass(frozen=True, kw_only=True)
class SelfCall:
    """``self.name(…)``: how much it gives by place, and what by name."""

    name: str
    positional: int
    keywords: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Def:
    """A class, function or plain value that a module defines itself."""

    kind: str  # class, function, value
    bases: tuple[str, ...] = ()
    deprecated: bool = False
    advice: str = ""  # text of the deprecation message
    passthrough: bool = False  # a class that only warns and hands everything to its base
    init: Signature | None = None  # of a function: its own
    methods: tuple[tuple[str, Signature | None], ...] = ()  # None for a property
    attributes: frozenset[str] = frozenset()  # all that it gives itself; name() by its body
    read_only: frozenset[str] = frozenset()  # properties that no setter belongs to
    calls: frozenset[SelfCall] = frozenset()  # of its own methods


@dataclass(kw_only=True)
class Module:
    """One module: its own definitions and the names it takes from elsewhere."""

    name: str
    dist: str
    defs: dict[str, Def] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    lazy: dict[str, str] = field(default_factory=dict)  # deprecated names served by __getattr__
    stars: list[str] = field(default_factory=list)
    warns: bool = False
    package: bool = False
    asked: frozenset[str] = frozenset()  # the attributes and texts that its code names


def _text(node: ast.AST | None) -> str:
    """The constant text inside an expression, f-string parts included."""
    if node is None:
        return ""
    return " ".join(
        n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)
    )


def _dotted(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = _dotted(node.value)
        return f"{left}.{node.attr}" if left else None
    if isinstance(node, ast.Subscript):
        return _dotted(node.value)
    return None


def _warning(node: ast.stmt) -> ast.Call | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        name = _dotted(node.value.func) or ""
        if name in {"warnings.warn", "warn"} or name.endswith("zope_deprecation"):
            return node.value
    return None


def _deprecation(call: ast.Call) -> bool:
    names = [_dotted(a) or "" for a in [*call.args, *(k.value for k in call.keywords)]]
    return any("Deprecat" in n or "RemovedIn" in n for n in names)


def _outside_calls(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a test that ask whether something was given, not what it is."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return  # it asks whether something was left out
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Is):
        return
    yield node
    if not isinstance(node, ast.Call):
        for child in ast.iter_child_nodes(node):
            yield from _outside_calls(child)


def _copies(body: list[ast.stmt], tested: set[str]) -> Iterator[tuple[str, str]]:
    """(old, new) for each ``new = old`` among the statements that follow a warning."""
    for s in body:
        if isinstance(s, ast.Assign) and len(s.targets) == 1:
            target = (_dotted(s.targets[0]) or "").removeprefix("self.")
            read = {n.id for n in ast.walk(s.value) if isinstance(n, ast.Name)}
            read |= {str(n.value) for n in ast.walk(s.value) if isinstance(n, ast.Constant)}
            olds = (tested & read) - {target}
            if target and len(olds) == 1:
                yield olds.pop(), target


def _signature(init: ast.FunctionDef | ast.AsyncFunctionDef, skip: int = 1) -> Signature:
    a = init.args
    positional = [*a.posonlyargs, *a.args][skip:]
    free = len(positional) - len(a.defaults)
    codes = {
        p.arg: ast.unparse(d)
        for p, d in [
            *zip(positional[max(free, 0) :], a.defaults[-len(positional) :], strict=False),
            *zip(a.kwonlyargs, a.kw_defaults, strict=True),
        ]
        if d is not None
    }
    params = [
        Param(name=p.arg, required=i < free, positional=True, default=codes.get(p.arg, ""))
        for i, p in enumerate(positional)
    ]
    params += [
        Param(name=p.arg, required=d is None, positional=False, default=codes.get(p.arg, ""))
        for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True)
    ]
    names = {p.name for p in params}
    renamed: dict[str, str] = {}
    warned: set[str] = set()
    popped: set[str] = set()
    for node in ast.walk(init):
        if isinstance(node, ast.If):
            parts = list(_outside_calls(node.test))
            tested = {n.id for n in parts if isinstance(n, ast.Name)} & names
            tested |= {
                n.value
                for n in parts
                if isinstance(n, ast.Constant) and isinstance(n.value, str) and a.kwarg
            }
            warnings_ = [c for s in node.body if (c := _warning(s)) is not None]
            if any(map(_deprecation, warnings_)):
                told = " ".join(_text(c) for c in warnings_)
                copies = {o: n for o, n in _copies(node.body, tested) if o in told}
                renamed |= copies
                if len(tested) == 1 or copies:
                    warned |= set(copies) or tested
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"pop", "get", "setdefault"}
            and a.kwarg
            and _dotted(node.func.value) == a.kwarg.arg
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            popped.add(str(node.args[0].value))
    return Signature(
        params=tuple(params),
        args=a.vararg is not None,
        kwargs=a.kwarg is not None,
        kept=a.kwarg is not None and _kept(init, a.kwarg.arg),
        renamed=tuple(sorted(renamed.items())),
        warned=tuple(sorted(warned)),
        popped=tuple(sorted(popped)),
        handed=tuple(sorted(_handed(init) - names - popped)),
    )


def _kept(init: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> bool:
    """Whether a constructor puts its **kwargs away as a whole, and so may take anything."""
    return any(
        isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id == name
        for node in ast.walk(init)
    )


def _handed(init: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The keywords that every ``….__init__(…, **kwargs)`` of a constructor gives by itself."""
    kwarg = init.args.kwarg
    calls = [
        {k.arg for k in node.keywords if k.arg is not None}
        for node in ast.walk(init)
        if kwarg is not None
        and isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "__init__"
        and any(k.arg is None and _dotted(k.value) == kwarg.arg for k in node.keywords)
    ]
    return set.intersection(*calls) if calls else set()


def _made(node: ast.ClassDef) -> Signature | None:
    """The constructor that attrs or dataclasses make of the fields of a class; those of its bases
    come before its own, so that these are told as if they had to be named."""
    makers = [d for d in node.decorator_list if _maker(d) in _MAKERS]
    if not makers:
        return None
    named = any(
        k.arg == "kw_only" and _text_of(k.value) == "True"
        for d in makers
        if isinstance(d, ast.Call)
        for k in d.keywords
    )
    params = tuple(
        Param(
            name=name.lstrip("_"),
            required=_is_required(value),
            positional=not named and not node.bases,
            default=_text_of(value),
        )
        for name, value in _fields(node)
    )
    return Signature(
        params=params,
        args=False,
        kwargs=bool(node.bases),
        kept=False,
        renamed=(),
        warned=(),
        popped=(),
        handed=(),
    )


def _maker(decorator: ast.expr) -> str | None:
    return _dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)


def _text_of(node: ast.expr | None) -> str:
    return ast.unparse(node) if node is not None else ""


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr | None]]:
    """Name and value of each field that the constructor takes."""
    for statement in node.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind, value=value):
                if "ClassVar" not in ast.unparse(kind) and _option(value, "init") != "False":
                    yield name, value
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as value):
                if _dotted(value.func) in {"attr.ib", "attr.attrib"}:
                    yield name, value


def _is_required(value: ast.expr | None) -> bool:
    """Whether a field has to be given: it has neither a value nor an option that makes one."""
    if isinstance(value, ast.Call) and (_dotted(value.func) or "").endswith(("ib", "field")):
        return not any(_option(value, name) for name in ("default", "factory", "default_factory"))
    return value is None


def _option(value: ast.expr | None, name: str) -> str:
    """The code of an option that a field is described with; empty where it is not."""
    keywords = value.keywords if isinstance(value, ast.Call) else []
    return next((ast.unparse(k.value) for k in keywords if k.arg == name), "")


def _class(node: ast.ClassDef) -> Def:
    init = next(
        (n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None
    )
    deprecated, advice = False, ""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and (_dotted(decorator.func) or "").endswith(
            "deprecated"
        ):
            deprecated = True
            instead = [k.value for k in decorator.keywords if k.arg in {"use_instead", "reason"}]
            advice = " ".join(_text(v) for v in [*decorator.args, *instead])
    passthrough = False
    for method in node.body:
        if not isinstance(method, ast.FunctionDef) or method.name not in {"__init__", "__new__"}:
            continue
        for statement in method.body:
            call = _warning(statement)
            if call is not None and _deprecation(call):
                deprecated, advice = True, advice or _text(call)
        passthrough = (
            deprecated
            and method.args.kwarg is not None
            and len(method.args.args) == 1
            and not method.args.kwonlyargs
        )
    if deprecated and init is None and not any(isinstance(n, ast.FunctionDef) for n in node.body):
        passthrough = True
    return Def(
        kind="class",
        bases=tuple(b for n in node.bases if (b := _dotted(n))),
        deprecated=deprecated,
        advice=advice or (ast.get_docstring(node) or "" if deprecated else ""),
        passthrough=passthrough,
        init=_signature(init) if init else _made(node),
        methods=tuple(_methods(node)),
        attributes=frozenset(_attributes(node)),
        read_only=frozenset(_read_only(node)),
        calls=frozenset(_self_calls(node)),
    )


def _read_only(node: ast.ClassDef) -> set[str]:
    """Properties that cannot be set: those of the body, unless a setter stands there as well."""
    marks = [
        (statement.name, _dotted(decorator) or "")
        for statement in node.body
        if isinstance(statement, ast.FunctionDef)
        for decorator in statement.decorator_list
    ]
    settable = {name for name, mark in marks if mark.endswith(".setter")}
    return {name for name, mark in marks if mark == "property"} - settable


def _self_calls(node: ast.ClassDef) -> Iterator[SelfCall]:
    """The calls of its own methods in a class, those left out that unpack something, and those by
    which the web interface tries a connection."""
    bodies = [n for n in node.body if getattr(n, "name", "") != "test_connection"]
    for call in (part for body in bodies for part in ast.walk(body)):
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name)):
                keywords = tuple(k.arg or "" for k in call.keywords)
                if "" not in keywords and not any(isinstance(a, ast.Starred) for a in call.args):
                    yield SelfCall(name=name, positional=len(call.args), keywords=keywords)


def _asked(tree: ast.Module) -> Iterator[str]:
    """The attributes that a module reads of anything but ``super()``, and its short texts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            if not (isinstance(node.value, ast.Call) and _dotted(node.value.func) == "super"):
                yield node.attr
        elif isinstance(node, ast.Constant) and str(node.value).isidentifier():
            yield str(node.value)


def _attributes(node: ast.ClassDef) -> Iterator[str]:
    """Every name that a class binds: ``name()`` in its body, else as an attribute of ``self``."""
    for statement in _statements(node.body):
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            # What only says that it must be written is asked for by nobody.
            yield statement.name + "()" * (not _unwritten(statement))
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            yield from (f"{name}()" for name in _stored(ast.walk(statement)))
    for part in ast.walk(node):
        stored = isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store)
        if isinstance(part, ast.Attribute) and stored and _dotted(part.value) == "self":
            yield part.attr


def _unwritten(node: ast.stmt) -> bool:
    """Whether a method does nothing but raise NotImplementedError."""
    last = node.body[-1] if isinstance(node, ast.FunctionDef) and len(node.body) < 3 else None
    return isinstance(last, ast.Raise) and "NotImplementedError" in ast.unparse(last)


def _methods(node: ast.ClassDef) -> Iterator[tuple[str, Signature | None]]:
    """The public methods of a class, and its properties."""
    for method in node.body:
        if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
            if isinstance(method, ast.Assign):  # an old name for a method
                yield from ((t.id, None) for t in method.targets if isinstance(t, ast.Name))
            continue
        if method.name.startswith("_"):
            continue
        marks = {(_dotted(d) or "").rpartition(".")[2] for d in method.decorator_list}
        if marks & {"property", "cached_property", "setter"}:
            yield method.name, None
        elif isinstance(method, ast.FunctionDef):
            signature = _signature(method, 0 if "staticmethod" in marks else 1)
            yield method.name, _filled(signature, marks)


def _filled(signature: Signature, marks: Set[str]) -> Signature:
    """A signature as callers see it who leave out what these decorators give."""
    given = {_FILLS[mark] for mark in marks & _FILLS.keys()}
    return replace(
        signature,
        params=tuple(
            replace(
                param,
                required=param.required and param.name not in given,
                positional=param.positional and not marks & _BY_NAME,
            )
            for param in signature.params
        ),
    )


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Def:
    deprecated, advice = False, ""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and (_dotted(decorator.func) or "").endswith(
            "deprecated"
        ):
            deprecated, advice = True, _text(decorator)
    for statement in node.body:
        call = _warning(statement)
        if call is not None and _deprecation(call):
            deprecated, advice = True, advice or _text(call)
    marks = {(_dotted(d) or "").rpartition(".")[2] for d in node.decorator_list}
    return Def(
        kind="function",
        deprecated=deprecated,
        advice=advice,
        init=_filled(_signature(node, 0), marks),
    )


def _literal_table(node: ast.expr) -> dict[str, object]:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _absolute(module: Module, level: int, name: str | None) -> str:
    if not level:
        return name or ""
    parts = module.name.split(".")
    keep = len(parts) - level + (1 if module.package else 0)
    return ".".join([*parts[:keep], *([name] if name else [])])


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Top-level statements, those inside ``try``/``if`` included, type-checking ones not."""
    for node in body:
        if isinstance(node, ast.If):
            if "TYPE_CHECKING" in (_dotted(node.test) or ""):
                yield from _statements(node.orelse)
                continue
            yield from _statements(node.body)
            yield from _statements(node.orelse)
        elif isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _statements(handler.body)
            yield from _statements(node.orelse)
            yield from _statements(node.finalbody)
            yield from _statements(node.body)
        else:
            yield node


def _stored(nodes: Iterable[ast.AST]) -> set[str]:
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _bound_otherwise(tree: ast.Module) -> set[str]:
    """Names that a module has though no plain statement gives them a value.

    It only declares their type, unpacks into them, binds them by ``:=`` in a condition, leaves the
    binding to a function that declares them ``global`` (``airflow.settings.Session``), or serves
    them by ``__getattr__`` out of a table (``airflow.configuration.DEFAULT_CONFIG``).
    """
    found: set[str] = set()
    serves = any(isinstance(n, ast.FunctionDef) and n.name == "__getattr__" for n in tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = list(ast.walk(node))
            shared = {name for n in inside if isinstance(n, ast.Global) for name in n.names}
            found |= shared & _stored(inside)
    for node in _statements(tree.body):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= _stored(n for t in targets for n in ast.walk(t))
            if serves and isinstance(node.value, ast.Dict):
                rows = zip(node.value.keys, node.value.values, strict=True)
                # A text in such a table says where the name went; that is no home.
                keys = [_text(k) for k, v in rows if not isinstance(v, ast.Constant)]
                found |= {k for k in keys if k.isidentifier()}
    for node in _conditions(tree.body):
        found |= _stored(n.target for n in ast.walk(node) if isinstance(n, ast.NamedExpr))
    return found


def _conditions(body: Iterable[ast.stmt]) -> Iterator[ast.expr]:
    for node in body:
        if isinstance(node, ast.If):
            yield node.test
            yield from _conditions([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from _conditions([*node.body, *node.orelse, *node.finalbody])


def _of_the_older(kind: str, table: Mapping[object, object]) -> dict[str, str]:
    """Name → its path in Airflow 2, out of a table of the provider common.compat, which tries the
    newest home first."""
    found = {}
    for name, value in table.items():
        homes = value if isinstance(value, tuple) else (value,)
        if kind == "_RENAME_MAP":
            found[str(name)] = ".".join(map(str, homes[1:]))
        else:
            found[str(name)] = f"{homes[-1]}" + (f".{name}" if kind == "_IMPORT_MAP" else "")
    return found


def _read_module(name: str, dist: str, source: str, package: bool) -> list[Module]:
    module = Module(name=name, dist=dist, package=package)
    synthetic: list[Module] = []
    # 1.10 modules read as Python 3 throughout; the few that need 2 define nothing importable.
    tree = ast.parse(source)
    module.asked = frozenset(_asked(tree))
    for node in _statements(tree.body):
        if isinstance(node, ast.ClassDef):
            module.defs[node.name] = _class(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            module.defs[node.name] = _function(node)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node.level, node.module)
            for alias in node.names:
                if alias.name == "*":
                    module.stars.append(base)
                else:
                    module.imports[alias.asname or alias.name] = f"{base}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    module.imports[alias.asname] = alias.name
                else:
                    module.imports[alias.name.partition(".")[0]] = alias.name.partition(".")[0]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if not isinstance(target, ast.Name) or node.value is None:
                    continue
                table = _literal_table(node.value) if isinstance(node.value, ast.Dict) else {}
                if "deprecated_classes" in target.id:
                    for key, value in table.items():
                        if isinstance(value, dict):
                            synthetic.append(
                                Module(
                                    name=f"{name}.{key}",
                                    dist=dist,
                                    lazy={str(k): str(v) for k, v in value.items()},
                                    warns=True,
                                )
                            )
                        else:
                            module.lazy[str(key)] = str(value)
                elif target.id in _EITHER and table:
                    module.imports |= _of_the_older(target.id, table)
                elif target.id in {"_operators", "_sensors", "_hooks"} and table:
                    for key, names in table.items():
                        for lazy in names if isinstance(names, list) else ():
                            module.imports[lazy] = f"{name}.{key}.{lazy}"
                elif target.id == "__lazy_imports" and table:
                    for key, value in table.items():
                        if isinstance(value, tuple):
                            home, attr, old = (*value, False)[:3]
                            path = f"{name}{home}.{attr}" if attr else f"{name}{home}"
                            (module.lazy if old else module.imports)[key] = path
                        else:
                            module.imports[key] = f"{value}.{key}"
                else:
                    alias_of = _dotted(node.value)
                    module.defs[target.id] = Def(
                        kind="value", bases=(alias_of,) if alias_of else ()
                    )
    for bound in _bound_otherwise(tree) - {*module.defs, *module.imports, *module.lazy}:
        module.defs[bound] = Def(kind="value")
    # A warning under a condition is about something else than the module.
    module.warns = any((c := _warning(s)) is not None and _deprecation(c) for s in tree.body)
    return [module, *synthetic]


@cache
def read_wheel(path: Path) -> dict[str, Module]:
    """Module name → what it holds, for every importable module of a wheel."""
    name, _version, _, _ = parse_wheel_filename(path.name)
    modules: dict[str, Module] = {}
    with zipfile.ZipFile(path) as wheel:
        for entry in sorted(wheel.namelist()):
            if not entry.endswith(".py") or not entry.startswith("airflow/"):
                continue
            if _SKIPPED.search(entry):
                continue
            parts = entry.removesuffix(".py").split("/")
            package = parts[-1] == "__init__"
            dotted = ".".join(parts[:-1] if package else parts)
            try:
                found = _read_module(dotted, str(name), wheel.read(entry).decode("utf-8"), package)
            except SyntaxError:
                continue
            for module in found:
                modules.setdefault(module.name, module)
    return modules


def trees(
    wheel: zipfile.ZipFile, wanted: re.Pattern[str]
) -> Iterator[tuple[str, bool, ast.Module]]:
    """(dotted name, is it a package, tree) of each file of that name which Python 3 can read."""
    for entry in sorted(filter(wanted.fullmatch, wheel.namelist())):
        parts = entry.removesuffix(".py").split("/")
        package = parts[-1] == "__init__"
        try:
            tree = ast.parse(wheel.read(entry))
        except SyntaxError:
            continue
        yield ".".join(parts[:-1] if package else parts), package, tree


def required(wheel: zipfile.ZipFile) -> frozenset[str]:
    """The distributions that pip installs with a wheel in any case."""
    (metadata,) = (e for e in wheel.namelist() if e.endswith(".dist-info/METADATA"))
    lines = HeaderParser().parsestr(wheel.read(metadata).decode()).get_all("Requires-Dist", [])
    return frozenset(
        canonicalize_name(Requirement(line).name) for line in lines if "extra ==" not in line
    )


@dataclass(frozen=True)
class Home:
    """Where a dotted path really ends."""

    module: str
    name: str
    definition: Def
    shim: bool  # reached through a module or name that warns

    @property
    def path(self) -> str:
        return f"{self.module}.{self.name}"


class World:
    """All wheels of one environment, seen as one ``airflow`` package."""

    def __init__(self, pins: Mapping[str, str], wheels: Mapping[tuple[str, str], Path]) -> None:
        self.pins = dict(pins)
        self.missing = sorted(k for k, v in pins.items() if (k, str(Version(v))) not in wheels)
        self.modules: dict[str, Module] = {}
        for dist, version in pins.items():
            path = wheels.get((dist, str(Version(version))))
            if path is not None:
                for name, module in read_wheel(path).items():
                    self.modules.setdefault(name, module)

    @property
    def airflow(self) -> str:
        return self.pins[CORE]

    def warns(self, module: str) -> bool:
        """Whether importing a module deprecates itself, or a package on the way does."""
        parts = module.split(".")
        return any(
            (m := self.modules.get(".".join(parts[:i]))) is not None and m.warns
            for i in range(2, len(parts) + 1)
        )

    def names(self, module: str) -> Iterator[str]:
        """The names that a module defines or takes from elsewhere, star imports followed."""
        found: dict[str, None] = {}
        queue, seen = [module], {module}
        while queue:
            m = self.modules.get(queue.pop())
            if m is not None:
                found |= dict.fromkeys([*m.defs, *m.lazy, *m.imports])
                queue += [star for star in m.stars if star not in seen]
                seen.update(m.stars)
        return iter(found)

    def find(
        self, module: str, name: str, seen: frozenset[tuple[str, str]] = frozenset()
    ) -> Home | None:
        """Follow re-exports to the definition; None when the path does not exist."""
        if (module, name) in seen:
            return None
        seen |= {(module, name)}
        m = self.modules.get(module)
        if m is None:
            return None
        shim = self.warns(module)
        if name in m.defs:
            d = m.defs[name]
            if d.kind == "value" and d.bases:
                inner = self._expression(m, d.bases[0], seen)
                if inner is not None:
                    return Home(inner.module, inner.name, inner.definition, shim or inner.shim)
            return Home(module, name, d, shim)
        for table, marks in ((m.lazy, True), (m.imports, False)):
            if name in table:
                head, _, tail = table[name].rpartition(".")
                found = self.find(head, tail, seen) if head else None
                if found is None and not table[name].startswith("airflow"):
                    return Home(head, tail, Def(kind="value"), shim)
                if found is None:
                    return None
                return Home(found.module, found.name, found.definition, shim or marks or found.shim)
        for star in m.stars:
            found = self.find(star, name, seen)
            if found is not None:
                return Home(found.module, found.name, found.definition, shim or found.shim)
        return None

    def _expression(self, m: Module, dotted: str, seen: frozenset[tuple[str, str]]) -> Home | None:
        head, *rest = dotted.split(".")
        if not rest:
            return self.find(m.name, head, seen) if head in {**m.imports, **m.defs} else None
        if head in m.imports:
            path = ".".join([m.imports[head], *rest])
            module, _, name = path.rpartition(".")
            return self.find(module, name, seen)
        return None

    def base(self, home: Home, expression: str) -> Home | None:
        """The class that a base-class expression in ``home``'s module means."""
        m = self.modules.get(home.module)
        return self._expression(m, expression, frozenset()) if m else None

    @cached_property
    def by_name(self) -> dict[str, list[Home]]:
        """Every class and function outside shims, by its lower-case name."""
        index: dict[str, list[Home]] = {}
        for module in self.modules.values():
            if self.warns(module.name):
                continue
            for name, definition in module.defs.items():
                if definition.kind != "value":
                    home = Home(module.name, name, definition, False)
                    index.setdefault(name.lower(), []).append(home)
        return index


def dist_of(world: World, dotted: str) -> str:
    """The distribution that a dotted path belongs to, by its longest known package."""
    parts = dotted.split(".")
    if parts[:2] != ["airflow", "providers"]:
        return CORE
    for i in range(len(parts), 2, -1):
        module = world.modules.get(".".join(parts[:i]))
        if module is not None and module.dist != CORE:
            return module.dist
    return ""


def successors(advice: str) -> list[str]:
    """Dotted Airflow paths that a deprecation message names, and bare names in back-ticks."""
    bare = re.findall(r"`+:?(?:class:`)?~?(\w+)`*", advice)
    named = re.findall(r"\b[A-Z]\w*(?:Operator|Sensor|Hook|Backend)\b", advice)
    return [*(p.rstrip(".") for p in _DOTTED.findall(advice)), *bare, *named]


def read_pins(path: Path) -> dict[str, str]:
    """Airflow's and its providers' pins out of a constraints file; its name says the Airflow."""
    pins: dict[str, str] = {}
    for line in path.read_text("utf-8").splitlines():
        m = re.match(r"(apache[-_]airflow[\w.-]*)==([^\s;]+)", line)
        if m:
            pins[canonicalize_name(m[1])] = m[2]
    m = re.search(r"(?:^|constraints-)(\d+\.\d+\.\d+)", path.name)
    if m:
        pins.setdefault(CORE, m[1])
    return pins


def default_cache() -> Path:
    """Where downloaded wheels stay between runs."""
    return Path(platformdirs.user_cache_dir("mwaa-harness")) / "wheels"


def fetch(pins: Mapping[str, str], cache: Path) -> None:
    """Download the wheels of ``pins`` that the cache lacks (pip, no dependencies, no install)."""
    have = local_wheels(cache)
    wanted = [f"{k}=={v}" for k, v in pins.items() if (k, str(Version(v))) not in have]
    if wanted:
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--ignore-requires-python", "--dest", str(cache)]
        subprocess.run([*command, *wanted], check=True)


def local_wheels(cache: Path) -> dict[tuple[str, str], Path]:
    """(canonical distribution, version) → wheel file, for every wheel in the cache."""
    wheels: dict[tuple[str, str], Path] = {}
    for path in sorted(cache.glob("*.whl")):
        name, version, _, _ = parse_wheel_filename(path.name)
        wheels[str(name), str(version)] = path
    return wheels


def worlds(constraints: Iterable[Path], cache: Path, *, download: bool = True) -> list[World]:
    """The environments that constraint files describe, oldest Airflow first."""
    found = []
    for path in constraints:
        pins = read_pins(path)
        if download:
            fetch(pins, cache)
        found.append(World(pins, local_wheels(cache)))
    return sorted(found, key=lambda w: Version(w.airflow))
