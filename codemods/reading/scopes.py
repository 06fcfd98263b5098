"""What a reading is made of: scopes, the imports that bind names in them, and the uses of these."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import cast


@dataclass(eq=False, kw_only=True)
class Scope:
    """A module, class, function or comprehension and the names it binds."""

    parent: Scope | None
    is_class: bool = False
    is_comprehension: bool = False
    imports: dict[str, list[Binding]] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)  # bound by anything else
    to_module: set[str] = field(default_factory=set)  # declared global
    to_outer: set[str] = field(default_factory=set)  # declared nonlocal

    def lookup(self, name: str) -> Scope | None:
        """The scope whose ``name`` an expression here sees."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.to_module:
                while scope.parent is not None:
                    scope = scope.parent
            if (name in scope.imports or name in scope.others) and (
                scope is self or not scope.is_class
            ):
                return scope
            scope = scope.parent
        return None


@dataclass(eq=False, kw_only=True)
class Tower:
    """A ``try`` that catches ImportError."""

    parent: Tower | None = None  # the one that it stands in
    in_handler: bool = False  # on which side of the parent
    body: list[Binding] = field(default_factory=list)
    handlers: list[Binding] = field(default_factory=list)
    settled: bool = False  # a handler assigns something: the code knows how to go on


@dataclass(eq=False, kw_only=True)
class Binding:
    """One name that an import statement binds."""

    name: str  # the local name; "*" for a star import
    path: str  # what it stands for
    statement: ast.Import | ast.ImportFrom
    alias: ast.alias
    scope: Scope
    tower: Tower | None = None
    in_handler: bool = False
    uses: list[Use] = field(default_factory=list)

    @property
    def dotted(self) -> bool:
        """Whether this is ``import a.b.c``, which binds only ``a``."""
        return isinstance(self.statement, ast.Import) and self.alias.asname is None

    @property
    def airflow(self) -> bool:
        """Whether it is Airflow's; ``airflow_pipelines`` is somebody else's."""
        return self.path.partition(".")[0] == "airflow"


@dataclass(eq=False, kw_only=True)
class Use:
    """A name, with the attributes that follow it, that an import gave its meaning."""

    nodes: tuple[ast.expr, ...]  # the name, then each longer attribute chain
    path: str
    bindings: tuple[Binding, ...]
    scope: Scope
    sure: bool  # nothing but imports binds the name

    @property
    def node(self) -> ast.expr:
        """The whole chain."""
        return self.nodes[-1]

    @property
    def root(self) -> ast.Name:
        """The name that it starts with."""
        return cast(ast.Name, self.nodes[0])


@dataclass(frozen=True, eq=False, kw_only=True)
class Call:
    """A call of something that Airflow or a plugin provides."""

    node: ast.Call
    path: str
    use: Use

    def keyword(self, name: str) -> ast.keyword | None:
        """The keyword argument of that name."""
        return next((k for k in self.node.keywords if k.arg == name), None)
