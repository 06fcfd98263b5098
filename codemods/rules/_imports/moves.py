"""What the modules of this package share: where a path ends, and how that is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from codemods.base import Note, Place
from codemods.editing.changes import Change, Rebind, Replace, Step
from codemods.editing.settling import settle
from codemods.reading.class_paths import MOVED, REMOVED
from codemods.reading.scopes import Binding, Use
from codemods.reading.source import Source
from codemods.rules._text import sentence
from codemods.tables.hops import (
    CORE,
    Resolution,
    core_modules,
    distribution_of,
    family_advice,
    members,
)
from codemods.tables.target import Target

# Its operators find the hook by the connection's type, among what is installed.
_COMMON_SQL = "airflow.providers.common.sql."
_OLDER = (
    "mind its spelling, import what it only imports from its own home, or look for what an older "
    "release had there in the target's providers"
)


def split(path: str) -> tuple[str, str]:
    """The module of a path, and the name in it."""
    head, _, tail = path.rpartition(".")
    return head, tail


def is_now(old: str, new: str) -> str:
    return f"{old} is {new} on the target"


def note(node: Place, message: str, advice: str, rule: str = REMOVED) -> Note:
    return Note.at(node, rule=rule, message=message, fix=sentence(advice))


def absent(node: Place, path: str, advice: str) -> Note:
    return note(node, f"{path} does not exist on the target", advice)


def note_at(use: Use, resolution: Resolution, path: str | None = None) -> Note:
    advice = resolution.removed.advice if resolution.removed is not None else ""
    return absent(use.node, path or resolution.start, advice)


class Moves:
    """Where the imports of one text lead, and how a rule says so."""

    def __init__(self, source: Source, target: Target) -> None:
        self.source = source
        self.target = target
        self.hooks: set[str] = set()  # of the binding at hand: whose connections it uses

    def end(self, path: str) -> Resolution:
        """Where a path goes for the calls of the text."""
        end = settle(self.target, self.source, path)
        if end.replaced and end.path.startswith(_COMMON_SQL):
            self.hooks |= {distribution_of(hop.new) for hop in end.hops} - {CORE}
        return end

    def found(self, use: Use, base: str) -> tuple[int, Resolution] | None:
        """The longest part of a use below ``base`` that the table knows: its depth and its end."""
        parts = use.path.split(".")
        fixed = base.count(".") + 1
        root = len(parts) - len(use.nodes)
        for length in range(len(parts), fixed, -1):
            resolution = self.end(".".join(parts[:length]))
            if resolution.hops or resolution.moved:
                return length - root - 1, resolution
        return None

    def known_below(self, binding: Binding) -> bool:
        """Whether the table knows something that the text reads of what is bound."""
        return any(self.found(use, binding.path) for use in binding.uses)

    def settled_here(self, use: Use) -> bool:
        """Whether a use names a replaced class that stays, because a call cannot be mapped."""
        resolution = self.target.resolve(use.path)
        return resolution.replaced and self.end(use.path).path == use.path

    def unknown(self, path: str) -> str:
        """What to do about a path that no row knows, where its package is gone; else empty."""
        parts = path.split(".")
        inside = split(path)[0]
        if parts[:2] == ["airflow", "contrib"] and not members().keys() & {path, inside}:
            return f"Airflow 1.10.15 has no module {inside} either: {_OLDER}"
        if parts[:2] == ["airflow", "contrib"] or self.target.resolve(inside).hops:
            home = self.target.resolve(inside).path
            if self.target.constructors.signature(f"{home}.{parts[-1]}") is not None:
                return f"It is younger than Airflow 1.10.15: import it from {home}"
            never = "It was never public: look for what it did in its module's successor"
            if inside.count(".") == 2:  # a package: what it served it served by the table
                never = f"Airflow 1.10.15 defines none in {inside} either: {_OLDER}"
            return family_advice(path) or never
        if len(parts) < 3 or parts[1] not in {"operators", "sensors", "hooks"}:
            return ""
        module = ".".join(parts[:3])
        if module in core_modules() or module in members():
            return ""
        return (
            f"Airflow 2 serves no {parts[1]} of plugins here: import the class from the module "
            "that defines it (plugins/ is on the path)"
        )

    def not_known(self, use: Use, module: str) -> Iterator[Note]:
        """A name that no row has, of a module that is elsewhere."""
        path = ".".join(use.path.split(".")[: module.count(".") + 2])
        if path != module:
            message = f"{path} is not known, and its module is elsewhere on the target"
            advice = self.unknown(path) or "See that the module has it there"
            yield note(use.node, message, advice)

    def unserved(self, use: Use, base: str) -> Iterator[Note]:
        """A name that plugins put right below ``airflow.operators`` and the like."""
        path = ".".join(use.path.split(".")[:3])
        if base.count(".") < 2 and (advice := self.unknown(path)):
            yield note(use.node, f"{path} does not exist on the target", advice)

    def lost(self, binding: Binding, path: str, advice: str) -> Change:
        """An import that fails on the target: it goes where nothing needs it, else it is said."""
        if not self.source.unused(binding):
            return absent(binding.alias, path, advice)
        return Step(
            rule=REMOVED,
            line=binding.alias.lineno,
            message=f"{path} does not exist on the target, and nothing here uses it",
            operations=(Rebind(binding=binding, imports=()),),
        )

    def step(
        self, line: int, old: str, new: str, first: Rebind | Replace, *others: Replace
    ) -> Step:
        """The change that makes ``new`` of ``old``."""
        if isinstance(first, Rebind):
            first = replace(first, needs=frozenset(self.hooks))
        return Step(rule=MOVED, line=line, message=is_now(old, new), operations=(first, *others))
