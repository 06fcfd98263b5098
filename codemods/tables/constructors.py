"""The argument table: what each class's constructor takes, release by release.

``constructors.txt`` is mined; ``arguments_by_hand.txt`` says what mining cannot know::

    [apache-airflow>=2.4]
    airflow.models.dag.DAG schedule_interval schedule     renamed
    airflow.models.dag.DAG full_filepath - why            dropped, it had no effect
    airflow.models.x.Y argument hook_params[key]          moved into a dict argument
    airflow.models.x.Y argument name:shape                its value takes a shape of values.py;
                                                          as well behind a dict's keys
    airflow.models.x.Y argument config[@Maker][key]       moved into a call; see values.WRAPPERS
    airflow.models.x.Y argument -=value advice            dropped where it is that text, else advice
    airflow.models.x.Y argument ! advice                  a person must decide; with !! also where
                                                          the constructor takes it
    airflow.models.x.Y argument !=text advice             it warns where that stands in its value;
                                                          with !!= though mining saw no warning
    airflow.models.x.Y + conn_id="x_default"              added when it is not given; {name} is
                                                          the code of an argument that is

A row holds for the class and everything that inherits from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from packaging.requirements import Requirement

from codemods.tables.dated import Pins, Rows, mined_rows, sections

DROP = "-"
# Its constructor takes a context that no call of what mixes it in ever means.
_LOGGING = "airflow.utils.log.logging_mixin.LoggingMixin"
_SAME = " = "


@dataclass(frozen=True, kw_only=True)
class Constructor:
    """One line of the table."""

    bases: tuple[str, ...]
    inherited: bool  # the class has no constructor of its own
    positional: tuple[str, ...]
    accepts: frozenset[str]
    required: frozenset[str]
    renamed: Mapping[str, str]
    warned: frozenset[str]
    handed: frozenset[str]  # what the class gives to its bases itself
    passes_on: bool
    anything: bool
    deprecated: bool  # warns whenever it is made
    defaults: Mapping[str, str] = field(default_factory=dict)  # of connection ids


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a call of a class may hold, bases included."""

    lineage: tuple[str, ...]  # the class and what it inherits from, nearest first
    positional: tuple[str, ...] = ()
    accepts: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    warned: frozenset[str] = frozenset()
    anything: bool = False
    deprecated: bool = False
    defaults: Mapping[str, str] = field(default_factory=dict)  # connection ids, when not given


@dataclass(frozen=True, kw_only=True)
class HandRow:
    """One row by hand: ``new`` is a name, ``-`` or empty when ``advice`` says what to do."""

    when: Requirement
    new: str
    advice: str
    of: str = ""  # the class that the row is about
    keys: tuple[str, ...] = ()  # inside the argument ``new``
    shape: str = ""
    only: str = ""  # dropped where this text is its value; or it warns where that holds this
    always: bool = False  # the advice holds although the constructor takes the argument


@dataclass(frozen=True, kw_only=True)
class Addition:
    """What a call gains when it lacks it."""

    name: str
    keys: tuple[str, ...]
    code: str


def _parse(line: str) -> tuple[str, Constructor]:
    path, _, rest = line.partition("(")
    bases, _, tokens = rest.partition(")")
    positional: list[str] = []
    accepts: set[str] = set()
    required: set[str] = set()
    renamed: dict[str, str] = {}
    warned: set[str] = set()
    handed: set[str] = set()
    defaults: dict[str, str] = {}
    keyword_only = inherited = passes_on = anything = deprecated = False
    for word in tokens.split():
        if word == "*":
            keyword_only = True
        elif word in {"**", "***"}:
            passes_on, anything = True, word == "***"
        elif word == "=":
            inherited = True
        elif word == "^":
            deprecated = True
        elif word.endswith("="):
            handed.add(word[:-1])
        elif ">" in word:
            old, _, new = word.partition(">")
            renamed[old] = new
        elif word.endswith("?"):
            warned.add(word[:-1])
        else:
            name, _, default = word.rstrip("!").partition("=")
            if default:
                defaults[name] = default
            accepts.add(name)
            if word.endswith("!"):
                required.add(name)
            if not keyword_only:
                positional.append(name)
    return path, Constructor(
        bases=tuple(b for b in bases.split(",") if b),
        inherited=inherited,
        positional=tuple(positional),
        accepts=frozenset(accepts),
        required=frozenset(required),
        renamed=renamed,
        warned=frozenset(warned),
        handed=frozenset(handed),
        passes_on=passes_on,
        anything=anything,
        deprecated=deprecated,
        defaults=defaults,
    )


def _lines() -> Rows:
    return mined_rows("constructors.txt")


@lru_cache(maxsize=4096)
def parse_line(line: str) -> Constructor:
    return _parse(line)[1]


def _hand_row(when: Requirement, argument: str, rest: str) -> HandRow:
    if rest.startswith("!"):
        always, advice, only = rest.startswith("!!"), rest.lstrip("!"), ""
        if advice.startswith("="):
            only, _, advice = advice[1:].partition(" ")
        return HandRow(when=when, new="", advice=advice.strip(), only=only, always=always)
    if argument == "+":
        return HandRow(when=when, new=rest.strip(), advice="")
    if rest.startswith(f"{DROP}="):
        only, _, advice = rest[2:].partition(" ")
        return HandRow(when=when, new=DROP, advice=advice.strip(), only=only)
    if rest.startswith(DROP):
        return HandRow(when=when, new=DROP, advice=rest[1:].strip())
    place, _, shape = rest.strip().partition(":")
    name, *keys = place.replace("]", "").split("[")
    return HandRow(when=when, new=name, advice="", keys=tuple(keys), shape=shape)


@lru_cache(maxsize=1)
def _hand_rows() -> Mapping[tuple[str, str], tuple[HandRow, ...]]:
    table: dict[tuple[str, str], list[HandRow]] = {}
    for when, line in sections("arguments_by_hand.txt"):
        path, argument, rest = line.split(" ", 2)
        row = replace(_hand_row(when, argument, rest), of=path)
        table.setdefault((path, argument), []).append(row)
    return {key: tuple(rows) for key, rows in table.items()}


class Constructors:
    """The argument table as one set of pins sees it."""

    def __init__(self, pins: Mapping[str, str]) -> None:
        self._pins = Pins(pins)
        self._signatures: dict[str, Signature | None] = {}

    def _line(self, path: str) -> str:
        return self._pins.line(_lines(), path)

    def renames(self, path: str) -> Mapping[str, str]:
        """Every rename that a release of the class up to this one has known."""
        found: dict[str, str] = {}
        for line in self._pins.past(_lines(), path):
            if "(" in line:
                found |= parse_line(line).renamed
        return found

    def signature(self, path: str) -> Signature | None:
        """What the class at ``path`` takes; None when the table does not know it."""
        if path not in self._signatures:
            self._signatures[path] = None  # a class that inherits from itself is not known
            self._signatures[path] = self._build(path)
        return self._signatures[path]

    def _build(self, path: str) -> Signature | None:
        line = self._line(path)
        if path == _LOGGING:
            return Signature(lineage=(path,))
        if _SAME in line:
            return self.signature(line.partition(_SAME)[2])
        if not line:
            return None
        own = parse_line(line)
        bases = [s for b in own.bases if (s := self.signature(b)) is not None]
        lineage = tuple(dict.fromkeys([path, *(p for b in bases for p in b.lineage)]))
        if own.inherited:
            first = next((b for b in bases if b.accepts or b.positional), None)
            first = first or (bases[0] if bases else None)
            if first is None:
                return None
            return Signature(
                positional=first.positional,
                accepts=first.accepts,
                required=first.required,
                renamed=first.renamed,
                warned=first.warned,
                lineage=lineage,
                anything=any(b.anything for b in bases),
                deprecated=own.deprecated,
                defaults=first.defaults,
            )
        accepts, required = set(own.accepts), set(own.required)
        renamed, warned = dict(own.renamed), set(own.warned)
        defaults = dict(own.defaults)
        anything = own.anything
        if own.passes_on:
            for base in bases:
                accepts |= base.accepts - own.handed
                # What the class names itself it hands on itself.
                required |= base.required - own.accepts - own.handed
                renamed = {**base.renamed, **renamed}
                warned |= base.warned
                unnamed = base.defaults.keys() - own.accepts - own.handed
                defaults |= {n: base.defaults[n] for n in unnamed - defaults.keys()}
                anything = anything or base.anything
            anything = anything or not bases
        return Signature(
            positional=own.positional,
            accepts=frozenset(accepts),
            required=frozenset(required),
            renamed=renamed,
            warned=frozenset(warned),
            lineage=lineage,
            anything=anything,
            deprecated=own.deprecated,
            defaults=defaults,
        )

    def lineage(self, path: str) -> tuple[str, ...]:
        """The class and what it inherits from; of one that is gone, as its last release had it."""
        signature = self.signature(path)
        if signature is not None:
            return signature.lineage
        past = [line for line in self._pins.past(_lines(), path) if "(" in line]
        bases = parse_line(past[-1]).bases if past else ()
        return tuple(dict.fromkeys([path, *(p for b in bases for p in self.lineage(b))]))

    def home(self, path: str) -> str:
        """Where the class that ``path`` names is defined."""
        line = self._line(path)
        return self.home(line.partition(_SAME)[2]) if _SAME in line else path

    def additions(self, path: str) -> tuple[Addition, ...]:
        """What calls of the class at ``path`` gain when they lack it."""
        found = []
        for row in _hand_rows().get((path, "+"), ()):
            if self._pins.holds(row.when):
                place, _, code = row.new.partition("=")
                name, *keys = place.replace("]", "").split("[")
                found.append(Addition(name=name, keys=tuple(keys), code=code))
        return tuple(found)

    def by_hand(
        self, paths: tuple[str, ...], argument: str, accepts: frozenset[str]
    ) -> HandRow | None:
        """The row by hand for an argument of a class with this lineage, the nearest class first.

        A row whose new name is not among ``accepts`` counts only when there is no other.
        """
        rows = [
            row
            for path in paths
            for row in reversed(_hand_rows().get((path, argument), ()))
            if self._pins.holds(row.when)
        ]
        able = (r for r in rows if not r.new or r.new == DROP or r.new in accepts)
        return next(able, rows[0] if rows else None)


@lru_cache(maxsize=1)
def baseline() -> Constructors:
    """The table of Airflow 1.10.15."""
    return Constructors({"apache-airflow": "1.10.15"})
