"""What the classes of a text come from, however their bases are given."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from codemods.base import OwnClass, best_fit
from codemods.reading.source import Source
from codemods.tables.constructors import Signature, baseline
from codemods.tables.hops import all_hops, earlier


@dataclass(frozen=True, eq=False, kw_only=True)
class Heritage:
    """How a class of the text reaches one of Airflow's; ``path`` is empty where it does not."""

    line: tuple[ast.ClassDef, ...]  # itself first, then those of the text on the way
    path: str = ""  # of Airflow's class, as 1.10 has it
    base: ast.expr | None = None  # its own base that leads there
    own: OwnClass | None = None  # the class of another file on the way


def is_airflows(path: str) -> bool:
    """Whether a path is Airflow's own, and no plugin's."""
    return path.startswith("airflow.") and (
        path.startswith(("airflow.contrib.", "airflow.providers."))
        or path in all_hops()
        or baseline().signature(path) is not None
    )


def signature_of(path: str) -> Signature | None:
    """What a class took on 1.10, by whichever path it has had since."""
    return next((s for p in earlier(path) if (s := baseline().signature(p)) is not None), None)


def set_on_self(cls: ast.ClassDef) -> Iterator[ast.Attribute]:
    """``self.name``, wherever a class gives it a value."""
    for node in ast.walk(cls):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        ):
            yield node


def own_at(source: Source, path: str) -> OwnClass | None:
    """The class or function of another file of the repository that a path means."""
    found = source.own.get(path.rpartition(".")[2], ())
    return best_fit(found, path) if found and not is_airflows(path) else None


def bases(source: Source, cls: ast.ClassDef) -> Iterator[ast.expr]:
    """The bases of a class; for a variable and ``A if x else B`` all that it may be."""
    for base in cls.bases:
        yield from meant(source, base)


def meant(source: Source, node: ast.expr, depth: int = 0) -> Iterator[ast.expr]:
    """All that a name or ``A if x else B`` may be, the name itself last."""
    if isinstance(node, ast.IfExp):
        yield from meant(source, node.body, depth)
        yield from meant(source, node.orelse, depth)
    elif isinstance(node, ast.Name) and node.id in source.assigned and depth < 4:
        yield from (n for v in source.assigned[node.id] for n in meant(source, v, depth + 1))
    if not isinstance(node, ast.IfExp):
        yield node


def parents(source: Source, cls: ast.ClassDef) -> Iterator[tuple[ast.expr, ast.ClassDef]]:
    """The bases of a class that are classes of the text."""
    for base in bases(source, cls):
        if isinstance(base, ast.Name) and source.path_of(base) is None:
            yield from ((base, c) for c, _ in source.classes if c.name == base.id and c is not cls)


def kin(source: Source, cls: ast.ClassDef | None) -> tuple[ast.ClassDef, ...]:
    """A class and all those of the text that it inherits from."""
    found: list[ast.ClassDef] = []
    left = [cls] if cls is not None else []
    while left:
        at = left.pop(0)
        if at not in found:
            found.append(at)
            left += [parent for _, parent in parents(source, at)]
    return tuple(found)


@lru_cache(maxsize=128)  # many rules ask in turn about one text
def heritage(source: Source, cls: ast.ClassDef) -> Heritage:
    """The first of a class's bases that leads to a class of Airflow's."""
    return _heritage(source, cls, ()) or Heritage(line=(cls,))


def _heritage(
    source: Source, cls: ast.ClassDef, before: tuple[ast.ClassDef, ...]
) -> Heritage | None:
    line = (*before, cls)
    for base in bases(source, cls):
        path = source.path_of(base)
        if path is None:
            continue
        own = own_at(source, path)
        if own is not None and own.inherits:
            return Heritage(line=line, path=own.base, base=base, own=own)
        if path.startswith("airflow."):
            return Heritage(line=line, path=path, base=base)
    for base, parent in parents(source, cls):
        found = _heritage(source, parent, line) if parent not in line else None
        if found is not None:
            return replace(found, base=base)
    return None
