"""The words of the codemods: what went in, what came out, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from codemods.editing.changes import Change
    from codemods.reading.source import Source
    from codemods.tables.target import Target

# airflow.operators.<plugin>.<Name> (the 1.10 path) → the module path that holds the class now.
PluginModules = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class OwnClass:
    """A class of the repository's own, or a function, and where its ``**kwargs`` end."""

    base: str  # the 1.10 path of the class of Airflow's that it inherits from or makes
    takes: tuple[str, ...]  # what those on the way take for themselves
    within: tuple[str, ...]  # the folders and the module that define it
    positional: tuple[str, ...] = ()  # what its constructor takes by place
    inherits: bool = True  # it is a class; a function makes one
    defines: tuple[str, ...] = ()  # the attributes that those on the way give it


OwnClasses = Mapping[str, tuple[OwnClass, ...]]  # by name


@dataclass(frozen=True, kw_only=True)
class OwnDict:
    """A dict that a module of the repository's own binds, for others to unpack."""

    within: tuple[str, ...]  # the folders and the module that bind it
    items: tuple[tuple[str, str], ...]  # key and, where it is a literal, the code of its value


OwnDicts = Mapping[str, tuple[OwnDict, ...]]  # by name

# What a function gets of the context: all that it asks for by name, or the context itself as the
# parameter of this place or name; marked where others may call it with something else.
BY_NAME, UNSURE = "**", "?"


@dataclass(frozen=True, kw_only=True)
class OwnFunction:
    """A function of the repository's own that another file gives to Airflow, or calls."""

    within: tuple[str, ...]  # the folders and the module that define it
    code: str
    roles: tuple[str, ...] = ()  # what other files let it get of the context
    filled: tuple[str, ...] = ()  # what ``op_kwargs`` and the like give it beside that


OwnFunctions = Mapping[str, tuple[OwnFunction, ...]]  # by name


def roles_here(path: str, functions: OwnFunctions) -> dict[str, OwnFunction]:
    """The functions of a file that other files give to Airflow, or hand the context."""
    within = within_of(path) if functions else ()
    return {
        name: own
        for name, found in functions.items()
        for own in found
        if own.roles and own.within == within
    }


def within_of(path: str) -> tuple[str, ...]:
    """The folders and the module of a file."""
    parts = tuple(part for part in path.removesuffix(".py").split("/") if part)
    return parts[:-1] if parts[-1:] == ("__init__",) else parts


@dataclass(frozen=True, kw_only=True)
class OwnSubDag:
    """A function of the repository's own that is called for the sub-DAG of a SubDagOperator."""

    within: tuple[str, ...]  # the folders and the module that define it
    place: str  # its file and line
    stays: str = ""  # why it makes no task group; nothing where it can
    retries: bool = False  # its tasks must not have those that the DAG gives its own


OwnSubDags = Mapping[str, tuple[OwnSubDag, ...]]  # by name


class Placed(Protocol):
    """Something that a file of the repository defines."""

    @property
    def within(self) -> tuple[str, ...]:
        """The folders and the module."""


_Placed = TypeVar("_Placed", bound=Placed)


def best_fit(found: Iterable[_Placed], path: str) -> _Placed | None:
    """The one of these that an import of ``path`` means, where that is plain."""
    ranked = [(rank, one) for one in found if (rank := _fit(one.within, path))]
    best = max((rank for rank, _ in ranked), default=0)
    fitting = [one for rank, one in ranked if rank == best]
    return fitting[0] if len(fitting) == 1 else None


def _fit(within: tuple[str, ...], path: str) -> int:
    """How well an import of ``path`` fits to what a module defines: 0 is not at all.

    The repository itself may be a package, which stands before its folders then.
    """
    module = tuple(part for part in path.split(".")[:-1] if part)
    inside = module == within[-len(module) :] or (len(within) > 1 and module[1:] == within)
    head = path.partition(".")[0]
    return 2 if module and inside else int(head in {"", "airflow", *within})


class Place(Protocol):
    """A node of a reading that has a place in the text."""

    lineno: int
    col_offset: int


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One change that was made."""

    rule: str
    line: int  # 1-based, in the original text
    message: str
    safe: bool = True


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something that must be done by hand: what and why, and what to do instead."""

    rule: str
    line: int
    column: int
    message: str
    fix: str

    @classmethod
    def at(cls, node: Place, *, rule: str, message: str, fix: str) -> Note:
        """A note on the place of a node."""
        line, column = node.lineno, node.col_offset
        return cls(rule=rule, line=line, column=column, message=message, fix=fix)


@dataclass(frozen=True, kw_only=True)
class Migration:
    """What became of one text."""

    text: str | None = None  # the new text; None when there is nothing to change
    edits: tuple[Edit, ...] = ()
    notes: tuple[Note, ...] = ()
    needs: tuple[str, ...] = ()  # distributions that the new imports need, canonical names
    error: str | None = None  # why the text could not be read; then nothing else is set


@dataclass(frozen=True, kw_only=True)
class Removed:
    """The end of a path that the target does not have."""

    advice: str


@dataclass(frozen=True, kw_only=True)
class Example:
    """A text before and after on one Airflow version, and what its notes say."""

    before: str
    after: str | None = None  # None where it stays, with notes
    target: str = "2.11.0"
    notes: tuple[str, ...] = ()  # a part of each note of the rule, in order
    unsafe: bool = False
    python2: bool = False


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One kind of change. The file that defines it is its registration."""

    id: str
    title: str
    why: str
    examples: tuple[Example, ...]
    keeps: tuple[str, ...]  # texts that the rule must leave alone
    find: Callable[[Source, Target], Iterator[Change]]
