"""Tests of Airflow's version: the branch that no Airflow 2 takes is not read."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from packaging.version import InvalidVersion, Version

# What every target lies between: a test that says the same of both says it of all.
_ENDS = ("2.0.0", "2.99.99")
_VERSIONS = {"airflow.__version__", "airflow.version.version"}
_PARSERS = {
    "packaging.version.Version",
    "packaging.version.parse",
    "pkg_resources.parse_version",
    "distutils.version.LooseVersion",
    "distutils.version.StrictVersion",
    "semver.VersionInfo.parse",
}
_BUILTINS: Mapping[str, Callable[..., Any]] = {
    "bool": bool,
    "float": float,
    "int": int,
    "str": str,
    "tuple": tuple,
    "list": list,
}
_METHODS = {"startswith", "split", "partition", "strip", "replace"}
_PARTS = {"base_version", "major", "micro", "minor", "public", "release"}
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


class _UnknownError(Exception):
    """What an expression gives is not in sight."""


def asks_version(text: str) -> bool:
    """Whether a text may ask for Airflow's version: cheap, and may be wrong."""
    told = ("__version__", "airflow.version", "import version", "airflow import (")
    return "airflow" in text and any(name in text for name in told)


def live(tree: ast.Module) -> ast.Module:
    """The tree without the branches that no Airflow 2 takes; it is changed."""
    return _Pruner(_Known(tree)).visit(tree)  # type: ignore[no-any-return]


class _Known:
    """What the names of a module mean that tests of the version ask for."""

    def __init__(self, tree: ast.Module) -> None:
        self.paths: dict[str, set[str]] = {}
        self.values: dict[str, list[ast.expr]] = {}
        for node in ast.walk(tree):
            for name, path in _imported(node):
                self.paths.setdefault(name, set()).add(path)
            for target in getattr(node, "targets", [getattr(node, "target", None)]):
                if isinstance(target, ast.Name):
                    value = node.value if isinstance(node, ast.Assign) else None
                    self.values.setdefault(target.id, []).append(value or target)

    def verdict(self, test: ast.expr) -> bool | None:
        """What a test says of every Airflow 2; None where that is not one thing."""
        try:
            first, last = (_Reading(self, version) for version in _ENDS)
            said = {bool(one.value(test)) for one in (first, last)}
        except (_UnknownError, ArithmeticError, LookupError, TypeError, ValueError):
            return None
        return said.pop() if len(said) == 1 and first.asked else None

    def path(self, node: ast.expr) -> str:
        """The path that a name means; nothing where it may mean something else."""
        if isinstance(node, ast.Attribute):
            owner = self.path(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        name = node.id if isinstance(node, ast.Name) else ""
        paths = self.paths.get(name, set())
        return next(iter(paths)) if len(paths) == 1 and name not in self.values else ""


class _Reading:
    """What expressions give where Airflow is of one version."""

    def __init__(self, known: _Known, version: str) -> None:
        self.known = known
        self.version = version
        self.asked = False  # whether the version was asked for
        self.depth = 0

    def value(self, node: ast.expr) -> Any:
        """What an expression gives. Raises _UnknownError, and what it would raise itself."""
        self.depth += 1
        if self.depth > 60 or not isinstance(node, tuple(_FORMS)):
            raise _UnknownError
        return _FORMS[type(node)](self, node)

    def _name(self, node: ast.Name | ast.Attribute) -> Any:
        if self.known.path(node) in _VERSIONS:
            self.asked = True
            return self.version
        if isinstance(node, ast.Attribute) and node.attr in _PARTS:
            return getattr(self.value(node.value), node.attr)
        values = self.known.values.get(node.id, []) if isinstance(node, ast.Name) else []
        if len(values) != 1 or values[0] is node or isinstance(node, ast.Attribute):
            raise _UnknownError
        return self.value(values[0])

    def _call(self, node: ast.Call) -> Any:
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            raise _UnknownError
        func = node.func
        if self.known.path(func) in _PARSERS and len(node.args) == 1:
            try:
                return Version(str(self.value(node.args[0])))
            except InvalidVersion as error:
                raise _UnknownError from error
        if isinstance(func, ast.Name) and func.id == "map" and len(node.args) == 2:
            made = node.args[0].id if isinstance(node.args[0], ast.Name) else ""
            return [_builtin(made)(item) for item in self.value(node.args[1])]
        values = [self.value(argument) for argument in node.args]
        if isinstance(func, ast.Attribute) and func.attr in _METHODS:
            owner = self.value(func.value)
            if isinstance(owner, str):
                return getattr(owner, func.attr)(*values)
        if isinstance(func, ast.Name):
            return _builtin(func.id)(*values)
        raise _UnknownError

    def _compare(self, node: ast.Compare) -> bool:
        left = self.value(node.left)
        for operator, right in zip(node.ops, node.comparators, strict=True):
            compare = _COMPARE.get(type(operator))
            if compare is None:
                raise _UnknownError
            value = self.value(right)
            if isinstance(left, Version) and isinstance(value, str):
                value = Version(value)  # LooseVersion takes a text as well
            if not compare(left, value):
                return False
            left = value
        return True

    def _boolean(self, node: ast.BoolOp) -> Any:
        values = [self.value(value) for value in node.values]
        return all(values) if isinstance(node.op, ast.And) else any(values)

    def _not(self, node: ast.UnaryOp) -> bool:
        if not isinstance(node.op, ast.Not):
            raise _UnknownError
        return not self.value(node.operand)

    def _item(self, node: ast.Subscript) -> Any:
        owner, at = self.value(node.value), node.slice
        if isinstance(at, ast.Slice):
            ends = (self.value(e) if e is not None else None for e in (at.lower, at.upper))
            return owner[slice(*ends)]
        return owner[self.value(at)]

    def _several(self, node: ast.Tuple | ast.List | ast.Set) -> Any:
        values = [self.value(item) for item in node.elts]
        return tuple(values) if isinstance(node, ast.Tuple) else values

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp) -> Any:
        match node:
            case (
                ast.ListComp(
                    elt=ast.Call(func=ast.Name(id=made), args=[ast.Name(id=item)], keywords=[]),
                    generators=[ast.comprehension(target=ast.Name(id=name), iter=held, ifs=[])],
                )
                | ast.GeneratorExp(
                    elt=ast.Call(func=ast.Name(id=made), args=[ast.Name(id=item)], keywords=[]),
                    generators=[ast.comprehension(target=ast.Name(id=name), iter=held, ifs=[])],
                )
            ) if item == name:
                return [_builtin(made)(one) for one in self.value(held)]
        raise _UnknownError


_FORMS: Mapping[type[ast.expr], Callable[[_Reading, Any], Any]] = {
    ast.Constant: lambda _, node: node.value,
    ast.Name: _Reading._name,
    ast.Attribute: _Reading._name,
    ast.Call: _Reading._call,
    ast.Compare: _Reading._compare,
    ast.BoolOp: _Reading._boolean,
    ast.UnaryOp: _Reading._not,
    ast.Subscript: _Reading._item,
    ast.Tuple: _Reading._several,
    ast.List: _Reading._several,
    ast.ListComp: _Reading._comprehension,
    ast.GeneratorExp: _Reading._comprehension,
}


def _builtin(name: str) -> Callable[..., Any]:
    if name not in _BUILTINS:
        raise _UnknownError
    return _BUILTINS[name]


def _imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The names that an import binds, and what they mean."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.partition(".")[0]
            yield (alias.asname, alias.name) if alias.asname else (top, top)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name, f"{node.module or ''}.{alias.name}"


class _Pruner(ast.NodeTransformer):
    def __init__(self, known: _Known) -> None:
        self.known = known

    def visit_If(self, node: ast.If) -> ast.If:
        verdict = self.known.verdict(node.test)
        if verdict is False:
            node.body = [ast.copy_location(ast.Pass(), node.body[0])]
        elif verdict is True:
            node.orelse = []
        self.generic_visit(node)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        verdict = self.known.verdict(node.test)
        if verdict is not None:
            return self.visit(node.body if verdict else node.orelse)  # type: ignore[no-any-return]
        return self.generic_visit(node)
