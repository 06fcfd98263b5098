"""A class that a file defines for one of Airflow's, which the target's no longer is."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template

from codemods.editing.changes import AddImport, EditCall, Insert, NewImport, Operation, Rebind
from codemods.reading.calls import Construction
from codemods.reading.scopes import Binding, Use
from codemods.reading.source import Source


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """A subclass of the class at ``path`` on the target: ``code`` has places for its ``name``,
    its ``base`` and what ``needs`` imports, as (module, name)."""

    path: str
    code: Template
    needs: Mapping[str, tuple[str, str]]
    home: str = ""  # the name of its base's module here, unless that of the module


@cache
def class_code(name: str) -> Template:
    """The code of a class, out of ``data/classes``."""
    return Template((files("codemods") / "data" / "classes" / f"{name}.txt").read_text("utf-8"))


def stand_in(
    source: Source,
    bindings: Sequence[Binding],
    made: StandIn,
    calls: Iterable[Construction],
    *,
    last: bool = True,
) -> tuple[Operation, ...]:
    """What puts the class into a file: in the place of those ``bindings`` whose name it can have,
    else under a name of its own; it is called by ``calls`` that come from other bindings.

    Empty where neither can be, for instance for a class that inherits from another binding's.
    """
    package, module, name = made.path.rsplit(".", 2)
    groups = ([b for b in bindings if b.name == one.name and not b.dotted] for one in bindings)
    named = next((g for g in groups if g and replaceable(source, g)), [])
    others = [call for call in calls if call.use is None or not _within(call.use, named)]
    bases = [source.use_of(base) for cls, _ in source.classes for base in cls.bases]
    inherited = any(
        use is not None and not _within(use, named) and set(use.bindings) & set(bindings)
        for use in bases
    )
    near = named[-1] if named else _last_of_first_imports(source)
    called = [call for call in others if call.use is not None and not call.first]
    if near is None or inherited or not (named or (called and len(called) == len(others))):
        return ()
    own = near.name if named else source.free_name(name)
    operations: list[Operation] = [Rebind(binding=binding, imports=()) for binding in named]
    operations += [EditCall(node=call.node, func=own) for call in called]
    home, imports = imported(source, near, package, module, as_=made.home)
    names: dict[str, str] = {}
    operations.append(imports)
    for key in [key for key in made.needs if key in made.code.get_identifiers()]:
        names[key], imports = imported(source, near, *made.needs[key])
        operations.append(imports)
    code = made.code.substitute(name=own, base=f"{home}.{name}", **names)
    return (*operations, below_imports(source, near.statement, code, last=last))


def _within(use: Use, bindings: Sequence[Binding]) -> bool:
    return all(binding in bindings for binding in use.bindings)


def _last_of_first_imports(source: Source) -> Binding | None:
    """What the last of the statements binds that a file's imports begin with."""
    found: Binding | None = None
    for statement in source.tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            found = next((b for b in source.bindings if b.statement is statement), found)
        elif found is not None:
            break
    return found


def imported(
    source: Source, near: Binding, module: str, name: str, *, as_: str = ""
) -> tuple[str, AddImport]:
    """The name under which a file has what it imports, and the import of it."""
    path = f"{module}.{name}"
    has = (
        b.name
        for b in source.bindings
        if b.path == path and b.scope is source.module and b.tower is None
    )
    local = next((n for n in has if n not in source.module.others), None)
    wanted = as_ or name
    local = local or (source.free_name(wanted) if wanted in source.names else wanted)
    new = NewImport(module=module, name=name, asname="" if local == name else local)
    return local, AddImport(near=near, new=new)


def below_imports(source: Source, statement: ast.stmt, code: str, *, last: bool = True) -> Insert:
    """A definition behind the imports that follow ``statement``; the one that is told first
    stands last."""
    body = source.tree.body
    at = body.index(statement)
    while at + 1 < len(body) and isinstance(body[at + 1], ast.Import | ast.ImportFrom):
        at += 1
    end = source.line_end(source.span(body[at])[1])
    rest = source.text[end:]
    blank = 2 if not rest.strip() else len(rest) - len(rest.lstrip("\n"))
    ended = "" if source.text[:end].endswith("\n") else "\n"
    return Insert(at=end, code=f"{ended}\n\n{code}" + "\n" * max(0, 2 - blank) * last)


def replaceable(source: Source, bindings: Sequence[Binding]) -> bool:
    """Whether a definition can stand for the one name that imports of the module bind."""
    first, *_ = bindings
    return (
        source.module.imports.get(first.name) == bindings
        and first.name not in source.module.others
        and all(b.statement in source.tree.body for b in bindings)
        and not any(b.statement in source.unsplittable for b in bindings)
        and not first.dotted
    )
