"""The import table: dated hops, and how a path follows them to its home on a target.

A row says where a path went and from when. Its header names the distribution and versions that
made the move (``when``) and, where the new path lives in another one, what that needs::

    [apache-airflow>=2.0 -> apache-airflow-providers-amazon>=1.0]
    airflow.contrib.hooks.aws_hook.AwsHook airflow.providers.amazon.aws.hooks.base_aws.AwsBaseHook

``~new`` is another class in its place, ``! advice`` no successor at all, ``? advice`` a path that
stays and warns, ``=`` (by hand) a path that stays. A path follows rows while the target's pins
satisfy ``when``; the last one counts. ``package.* ! advice`` is what to say of every path below a
package that is gone without a word of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from codemods.base import Removed

CORE = "apache-airflow"
STAYS = "="
_FEW = 3  # homes that an advice names
_NOTHING = "the target has nothing in its place: write what you need of it yourself"


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One row: ``new`` is empty when nothing follows."""

    when: Requirement
    needs: Requirement | None
    old: str
    new: str
    replaced: bool = False  # another class: its arguments must be mapped
    warns: bool = False  # it stays, and says on use that it will go
    advice: str = ""


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """Where a path ends on a target."""

    start: str
    path: str
    hops: tuple[Hop, ...] = ()
    removed: Removed | None = None
    warns: str = ""  # it is there, and its use warns: what to do instead

    @property
    def moved(self) -> bool:
        """Whether the target has it under another path."""
        return self.removed is None and self.path != self.start

    @property
    def replaced(self) -> bool:
        """Whether another class stands in its place."""
        return any(hop.replaced for hop in self.hops)


def _rows(text: str, source: str) -> list[Hop]:
    hops: list[Hop] = []
    when: Requirement | None = None
    needs: Requirement | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("["):
            left, _, right = line.strip("[] ").partition(" -> ")
            when, needs = Requirement(left), Requirement(right) if right else None
        elif line and not line.startswith("#"):
            if when is None:
                raise ValueError(f"{source}:{number}: a row before the first header")
            old, _, new = line.partition(" ")
            if new.startswith(("!", "?")):
                said = new[1:].strip()
                warns = new[0] == "?"
                hops.append(Hop(when=when, needs=None, old=old, new="", warns=warns, advice=said))
            else:
                hops.append(
                    Hop(
                        when=when,
                        needs=needs,
                        old=old,
                        new=new.removeprefix("~"),
                        replaced=new.startswith("~"),
                    )
                )
    return hops


@lru_cache(maxsize=1)
def all_hops() -> Mapping[str, tuple[Hop, ...]]:
    """Every row by its old path; rows by hand hide the mined ones of the same path."""
    data = files("codemods") / "data"
    table: dict[str, list[Hop]] = {}
    for name in ("hops.txt", "hops_by_hand.txt"):
        fresh: set[str] = set()
        for hop in _rows((data / name).read_text("utf-8"), name):
            if hop.old not in fresh:
                fresh.add(hop.old)
                table[hop.old] = []
            if hop.new != STAYS:
                table[hop.old].append(hop)
    return {old: tuple(hops) for old, hops in table.items() if hops and not old.endswith(".*")}


@lru_cache(maxsize=1)
def members() -> Mapping[str, frozenset[str]]:
    """Module → the names in it that the table knows."""
    found: dict[str, set[str]] = {}
    for path in all_hops():
        module, _, name = path.rpartition(".")
        found.setdefault(module, set()).add(name)
    return {module: frozenset(names) for module, names in found.items()}


@lru_cache(maxsize=1)
def _moves() -> Mapping[str, tuple[str, ...]]:
    """New path → the paths that it had before, of what only moved."""
    found: dict[str, tuple[str, ...]] = {}
    for hop in (hop for hops in all_hops().values() for hop in hops):
        if hop.new and not hop.replaced:
            found[hop.new] = (*found.get(hop.new, ()), hop.old)
    return found


@lru_cache(maxsize=4096)
def earlier(path: str) -> tuple[str, ...]:
    """A path and those that what it means had before, the nearest first."""
    found = {path: None}
    left = [path]
    while left:
        more = [old for old in _moves().get(left.pop(0), ()) if old not in found]
        found |= dict.fromkeys(more)
        left += more
    return tuple(found)


@lru_cache(maxsize=1)
def rows_by_hand() -> Mapping[str, tuple[Hop, ...]]:
    """The rows that people wrote, by their old path, ``=`` and ``package.*`` included."""
    name = "hops_by_hand.txt"
    found: dict[str, tuple[Hop, ...]] = {}
    for hop in _rows((files("codemods") / "data" / name).read_text("utf-8"), name):
        found[hop.old] = (*found.get(hop.old, ()), hop)
    return found


@lru_cache(maxsize=1)
def _families() -> Mapping[str, str]:
    """Package → what to say of a path below it that is gone without a word of its own."""
    return {
        old.removesuffix(".*"): hops[-1].advice
        for old, hops in rows_by_hand().items()
        if old.endswith(".*")
    }


def family_advice(path: str) -> str:
    """What the table says of the nearest package above ``path`` (or of it); empty if nothing."""
    parts = path.split(".")
    return next(
        (a for i in range(len(parts), 0, -1) if (a := _families().get(".".join(parts[:i])))), ""
    )


@lru_cache(maxsize=1)
def _provider_packages() -> Mapping[str, str]:
    text = (files("codemods") / "data" / "providers.txt").read_text("utf-8")
    return dict(line.split() for line in text.splitlines() if line and not line.startswith("#"))


@lru_cache(maxsize=1)
def core_modules() -> frozenset[str]:
    """The modules below ``airflow.operators`` and ``airflow.sensors`` that 2.x itself has."""
    text = (files("codemods") / "data" / "core_modules.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def distribution_of(path: str) -> str:
    """The distribution that a dotted path belongs to: Airflow itself, a provider, or ``""``."""
    parts = path.split(".")
    if parts[0] != "airflow":
        return ""
    if parts[1:2] != ["providers"]:
        return CORE
    packages = _provider_packages()
    return next(
        (d for i in range(len(parts), 2, -1) if (d := packages.get(".".join(parts[:i])))), ""
    )


def _without(dist: str) -> str:
    return f"it lives in {dist}, which the target's constraints do not have"


class Hops:
    """The table folded for one target's pins."""

    def __init__(self, pins: Mapping[str, str]) -> None:
        self.pins = {canonicalize_name(k): v for k, v in pins.items()}
        self._known: dict[str, Resolution] = {}

    def has(self, requirement: Requirement) -> bool:
        """Whether the pins hold a version that satisfies the requirement."""
        version = self.pins.get(canonicalize_name(requirement.name))
        if version is None:
            return False
        try:
            return requirement.specifier.contains(Version(version), prereleases=True)
        except InvalidVersion:
            return False

    def resolve(self, path: str) -> Resolution:
        """Follow the hops of ``path``."""
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._follow(path)
        return known

    def _follow(self, path: str) -> Resolution:
        at = path
        hops: list[Hop] = []
        while True:  # the table has no cycle: a test proves it
            rows = [h for h in all_hops().get(at, ()) if self.has(h.when)]
            if not rows:
                lacking = distribution_of(at)
                removed = (
                    Removed(advice=_without(lacking))
                    if lacking not in ("", CORE) and lacking not in self.pins
                    else None
                )
                return Resolution(start=path, path=at, hops=tuple(hops), removed=removed)
            # Of several homes the newest that the target can have; else say what the newest lacks.
            able = [h for h in rows if h.needs is None or self.has(h.needs)]
            row = (able or rows)[-1]
            if row.warns:
                warns = row.advice or family_advice(at)
                warns = warns or "it goes with one of the next releases; nothing has its form"
                return Resolution(start=path, path=at, hops=tuple(hops), warns=warns)
            hops.append(row)
            if not row.new:
                advice = row.advice or family_advice(at) or family_advice(path)
                advice = advice or self._of_members(at) or _NOTHING
                return Resolution(
                    start=path, path=at, hops=tuple(hops), removed=Removed(advice=advice)
                )
            if row.needs is not None and not self.has(row.needs):
                name = canonicalize_name(row.needs.name)
                pin = self.pins.get(name)
                reason = (
                    _without(name)
                    if pin is None
                    else f"it needs {row.needs}, the target's constraints have {pin}"
                )
                return Resolution(
                    start=path, path=row.new, hops=tuple(hops), removed=Removed(advice=reason)
                )
            at = row.new

    def _of_members(self, module: str) -> str:
        """What to say of a module that is gone: what is said of its names, or where they are."""
        ends = [self.resolve(f"{module}.{name}") for name in sorted(members().get(module, ()))]
        said = {end.removed.advice for end in ends if end.removed is not None} - {_NOTHING}
        if len(said) == 1:
            return said.pop()
        kept = {end.path.rpartition(".")[0] for end in ends if end.removed is None}
        homes = sorted(home for home in kept if home.startswith("airflow."))
        # What became a provider has its own names there; the others it only imported.
        homes = [home for home in homes if distribution_of(home) != CORE] or homes
        if len(homes) > _FEW:
            return "import each of the names that you use from where it is now"
        return f"import its names from {', '.join(homes)}" if homes else ""


@lru_cache(maxsize=64)
def hops_for(pins: tuple[tuple[str, str], ...]) -> Hops:
    """The table for these (distribution, version) pins, built once per target."""
    return Hops(dict(pins))
