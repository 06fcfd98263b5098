"""What a rule may ask for: operations on the nodes of a reading, and the step they belong to.

Nodes may nest, as a renamed class inside a call whose arguments change.
``codemods.editing.splices`` says what becomes of the text.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from codemods.base import Note
from codemods.reading.scopes import Binding


@dataclass(frozen=True, eq=False, kw_only=True)
class Replace:
    """Put other code in the place of an expression."""

    node: ast.expr
    code: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Respell:
    """Put other text from one index to another, within a string; several rules may change one."""

    start: int
    end: int
    code: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Compose:
    """Put code in the place of an expression that holds parts of it, with what changes in them.

    An expression that is a statement may become several.
    """

    node: ast.expr | ast.Expr
    parts: tuple[str | ast.expr, ...]

    @classmethod
    def attribute(cls, node: ast.Attribute, name: str) -> Compose:
        """Another attribute of the same object."""
        return cls(node=node, parts=(node.value, f".{name}"))


@dataclass(frozen=True, eq=False, kw_only=True)
class EditCall:
    """Change the arguments of a call."""

    node: ast.Call
    rename: Mapping[str, str] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()
    values: Mapping[str, str] = field(default_factory=dict)  # new code for a value
    add: Mapping[str, str] = field(default_factory=dict)
    positional: Mapping[int, str] = field(default_factory=dict)  # becomes a keyword
    drop_positional: frozenset[int] = frozenset()
    func: str = ""  # what is called instead


@dataclass(frozen=True, eq=False, kw_only=True)
class EditDict:
    """Change the keys of a dict display, as for ``default_args``."""

    node: ast.Dict
    rename: Mapping[str, str] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False, kw_only=True)
class DropDecorator:
    """Take a decorator away with its line."""

    node: ast.expr


@dataclass(frozen=True, eq=False, kw_only=True)
class DropStatement:
    """Take a statement away with its lines, and the comment right above it."""

    node: ast.stmt
    keeps_imports: bool = False  # what it alone used stays imported


@dataclass(frozen=True, eq=False, kw_only=True)
class Recode:
    """Put other code in the place of a statement that has a line of its own."""

    node: ast.stmt
    code: str


@dataclass(frozen=True, eq=False, kw_only=True)
class RenameArgument:
    """Give a parameter of a ``def`` another name; its uses are the caller's."""

    node: ast.arg
    name: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Insert:
    """Put code at an index of the text; what another operation writes around it has it as well."""

    at: int
    code: str


@dataclass(frozen=True, kw_only=True)
class NewImport:
    """``from module import name [as asname]``, or ``import module`` when there is no name."""

    module: str
    name: str = ""
    asname: str = ""

    @property
    def local(self) -> str:
        """The name it binds."""
        return self.asname or self.name or self.module.partition(".")[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class Rebind:
    """Import these in the place of what an import statement binds; nothing drops it."""

    binding: Binding
    imports: tuple[NewImport, ...]
    needs: frozenset[str] = frozenset()  # distributions that no import of these shows


@dataclass(frozen=True, eq=False, kw_only=True)
class AddImport:
    """Import this as well, beside the import of ``near``."""

    near: Binding
    new: NewImport


Operation = (
    Replace
    | Respell
    | Compose
    | EditCall
    | EditDict
    | DropDecorator
    | DropStatement
    | Recode
    | RenameArgument
    | Insert
    | Rebind
    | AddImport
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """One change: what to tell people and what to do."""

    rule: str
    line: int
    message: str
    operations: tuple[Operation, ...]
    safe: bool = True

    @classmethod
    def replace(
        cls, node: ast.expr, code: str, *, rule: str, message: str, safe: bool = True
    ) -> Step:
        """Put other code in the place of an expression, and tell that on its line."""
        made = (Replace(node=node, code=code),)
        return cls(rule=rule, line=node.lineno, message=message, operations=made, safe=safe)

    @classmethod
    def attribute(cls, node: ast.Attribute, name: str, *, rule: str, message: str) -> Step:
        """Ask the same object for another attribute, and tell that on its line."""
        made = (Compose.attribute(node, name),)
        return cls(rule=rule, line=node.lineno, message=message, operations=made)


Change = Step | Note
