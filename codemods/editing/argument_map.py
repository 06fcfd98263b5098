"""What becomes of the arguments of a call: how the target's class takes each of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from codemods.reading.source import Source
from codemods.reading.values import SHAPES, WRAPPERS, known, sketch, text_of
from codemods.tables.constructors import DROP, Addition, Constructors, HandRow, Signature, baseline
from codemods.tables.core_classes import TASK
from codemods.tables.hops import Resolution
from codemods.tables.target import Target

# What other rules see to: (where the class lives on the target, arguments and methods).
_ELSEWHERE = (
    ("airflow.providers.slack.operators.slack.", {"token", "slack_conn_id"}),
    ("airflow.providers.slack.hooks.slack.", {"token", "slack_conn_id"}),
    (
        "airflow.providers.slack.operators.slack_webhook.",
        {"webhook_token", "slack_webhook_conn_id"},
    ),
    ("airflow.providers.slack.hooks.slack_webhook.", {"webhook_token", "slack_webhook_conn_id"}),
    ("airflow.operators.trigger_dagrun.TriggerDagRunOperator", {"python_callable"}),
    ("airflow.providers.google.cloud.transfers.gcs_to_gcs.GCSToGCSOperator", {"source_object"}),
    ("airflow.providers.docker.operators.", {"volumes", "auto_remove"}),
    (
        "airflow.providers.amazon.aws.hooks.lambda_function.LambdaHook",
        {"function_name", "invocation_type", "invoke_lambda", "log_type", "qualifier"},
    ),
    ("airflow.providers.common.sql.sensors.sql.SqlSensor", {"allow_null"}),
    ("airflow.sensors.sql.SqlSensor", {"allow_null"}),
    ("airflow.providers.cncf.kubernetes.operators.", {"resources", "is_delete_operator_pod"}),
    (
        "airflow.providers.google.cloud.operators.kubernetes_engine.GKEStartPodOperator",
        {"resources", "is_delete_operator_pod"},
    ),
)
_CONNECTION = "_conn_id"
_DONE_ANYWAY = "None is what the target does anyway"
# In the code of an addition: the code of that argument, in a shape of values.py.
GIVEN = re.compile(r"\{(\w+)(?::(\w+))?\}")


@dataclass(kw_only=True)
class Mapped:
    """What becomes of the arguments of one construction."""

    rename: dict[str, str] = field(default_factory=dict)
    drop: dict[str, str] = field(default_factory=dict)  # argument → why that is safe
    into: dict[str, HandRow] = field(default_factory=dict)  # argument → its place in another one
    shape: dict[str, str] = field(default_factory=dict)  # argument → how its value is written
    merged: dict[str, str] = field(default_factory=dict)  # dropped → what is given as well
    add: list[Addition] = field(default_factory=list)
    lacking: list[Addition] = field(default_factory=list)  # what the call does not give
    positional: dict[int, str] = field(default_factory=dict)
    unsure: dict[str, str] = field(default_factory=dict)  # argument → advice
    warned: dict[str, str] = field(default_factory=dict)  # argument → advice
    drop_positional: set[int] = field(default_factory=set)
    unsure_positional: dict[int, str] = field(default_factory=dict)  # place → argument
    by_default: dict[str, HandRow] = field(default_factory=dict)  # what default_args gave to 1.10

    @property
    def added(self) -> set[str]:
        """The arguments that the call gains."""
        return {a.name for a in self.add} | {row.new for row in self.into.values()}


def _instead(new: Signature, name: str) -> str:
    """Which connections a class takes, where it was given one that it does not."""
    taken = sorted(n for n in new.accepts if n.endswith(_CONNECTION)) if _CONNECTION in name else ()
    return f"; its connections are {', '.join(taken)}" if taken else ""


def _names_connection(new: Signature, name: str) -> bool:
    """Whether a database's hook takes its connection by this: ``conn_name_attr`` says the name, and
    no constructor does (DbApiHook.__init__ of hooks/dbapi.py of 2.0.2 and of common-sql 1.27)."""
    return name.endswith(_CONNECTION) and any(p.endswith(".DbApiHook") for p in new.lineage)


def is_elsewhere(path: str, name: str) -> bool:
    """Whether another rule sees to an argument of the target's class at ``path``."""
    return any(path.startswith(home) and name in names for home, names in _ELSEWHERE)


def map_arguments(
    target: Target, source: Source, resolution: Resolution, node: ast.Call, first: int = 0
) -> Mapped:
    """Map the arguments of a call of ``resolution.start`` to the class at its end."""
    table = target.constructors
    new, old = table.signature(resolution.path), baseline().signature(resolution.start)
    chain = [resolution.start, *(hop.new for hop in resolution.hops if hop.new)]
    lineage = [path for start in reversed(chain) for path in table.lineage(start)]
    mapping = _Mapping(
        table=table,
        source=source,
        new=new,
        old=old,
        lineage=tuple(dict.fromkeys([*lineage, *(old.lineage if old is not None else ())])),
        at={k.arg: k for k in node.keywords if k.arg},
    )
    for name, keyword in mapping.at.items():
        mapping.keyword(name, keyword.value)
    if new is not None:
        mapping.defaults()
        if all(k.arg for k in node.keywords):
            mapping.additions(chain[:-1])
        mapping.positional(node.args, first)
    return mapping.mapped


@dataclass(kw_only=True)
class _Mapping:
    """One call of the class that ``old`` describes, on its way to what ``new`` takes."""

    table: Constructors
    source: Source
    new: Signature | None
    old: Signature | None
    lineage: tuple[str, ...]  # of the target's class, then what was on the way
    at: dict[str, ast.keyword]
    mapped: Mapped = field(default_factory=Mapped)

    @cached_property
    def accepts(self) -> frozenset[str]:
        return self.new.accepts if self.new is not None else frozenset()

    @cached_property
    def warned(self) -> frozenset[str]:
        """What the target's class takes with a warning."""
        new = self.new
        return new.warned | frozenset(new.renamed) if new is not None else frozenset()

    @cached_property
    def renames(self) -> dict[str, str]:
        """Every other name that an argument has got, by any release."""
        return {o: n for p in reversed(self.lineage) for o, n in self.table.renames(p).items()}

    def row(self, name: str) -> HandRow | None:
        return self.table.by_hand(self.lineage, name, self.accepts)

    def keyword(self, name: str, value: ast.expr) -> None:
        """An argument that is given by its name."""
        if is_elsewhere(self.lineage[0], name):
            return
        row = self.row(name)
        if row is None or not self._by_row(name, value, row):
            self._by_signature(name, value, row)

    def _by_row(self, name: str, value: ast.expr, row: HandRow) -> bool:
        """Whether the table by hand settles what becomes of an argument."""
        mapped, none = self.mapped, _is_none(value)
        taken, warned = name in self.accepts, name in self.warned
        if row.new == name and not row.shape:
            return True  # taken, though the constructor does not name it
        if row.of == TASK and taken and not warned:
            return True  # what is said of all tasks does not hold for a class that takes it
        if row.only and not row.new and taken:
            written = self.source.segment(known(value, self.source))
            if (row.always or warned) and row.only in written:
                mapped.warned[name] = row.advice
            return True
        if row.always and not none:
            mapped.unsure[name] = row.advice
            return True
        if row.new == DROP:
            if row.only and not taken and text_of(value) != row.only:
                mapped.unsure[name] = row.advice
            elif not (row.only and taken):
                mapped.drop[name] = (not row.only and row.advice) or "it has no effect"
            return True
        if row.new not in self.accepts:
            return False
        if row.keys and none:
            mapped.drop[name] = _DONE_ANYWAY
            return True
        code = SHAPES[row.shape][0](value, self.source) if row.shape and not none else None
        if row.shape and not none and code is None:
            if not taken or warned:
                mapped.unsure[name] = place_of(row, value, self.source)
            return True
        if row.keys:
            if row.new in self.at:
                mapped.unsure[name] = place_of(row, value, self.source)
            elif not taken or row.of not in self.table.lineage(self.lineage[0]):
                mapped.into[name] = row
            return True
        if not taken or row.shape or row.new != name:
            if code is not None and code != self.source.segment(value):
                mapped.shape[name] = row.shape
            self._rename(name, row.new)
        return row.new != name

    def _by_signature(self, name: str, value: ast.expr, row: HandRow | None) -> None:
        """What becomes of an argument by what the constructors say."""
        new, old, mapped, none = self.new, self.old, self.mapped, _is_none(value)
        if new is None:
            return
        taken = name in new.accepts
        some_values = row is not None and row.new == name  # the table knows which of them warn
        to = self.renames.get(name)
        while to is not None and to not in new.accepts and self.renames.get(to) not in (None, name):
            to = self.renames[to]
        if to is not None and to in new.accepts and (not taken or name in new.renamed):
            self._rename(name, to)
        elif name in new.warned and not none and not some_values:
            mapped.warned[name] = (row.advice if row is not None else "") or (
                "look the argument up in the provider's documentation: another one took its place"
            )
        elif taken or new.anything or _names_connection(new, name):
            return
        elif row is not None and row.advice and not none:
            mapped.unsure[name] = row.advice
        elif none:
            mapped.drop[name] = _DONE_ANYWAY
        elif old is not None and name not in old.accepts and not old.anything:
            if TASK in old.lineage:
                mapped.drop[name] = "1.10 ignored it as well, with a warning" + _instead(new, name)
        else:
            mapped.unsure[name] = takes(new)

    def _rename(self, name: str, to: str) -> None:
        mapped = self.mapped
        if to == name:
            return
        if to in self.at or to in mapped.rename.values():
            mapped.drop[name] = f"{to} is given as well"
            mapped.merged[name] = to
        else:
            mapped.rename[name] = to

    def defaults(self) -> None:
        """What 1.10's class took out of ``default_args``, and the target's calls otherwise."""
        if self.old is None:
            return
        lost = self.source.default_arguments[0] & self.old.accepts - self.accepts
        for name in sorted(lost - self.at.keys()):
            row = self.row(name)
            if row is not None and row.new in self.accepts:
                self.mapped.by_default[name] = row

    def additions(self, chain: Iterable[str]) -> None:
        """What a call lacks that was the default of a class on the way."""
        have = {*self.at, *self.mapped.rename.values(), *self.source.default_arguments[0]}
        for path in chain:
            for addition in self.table.additions(path):
                if addition.name in self.accepts - have:
                    self._add(addition)

    def _add(self, addition: Addition) -> None:
        mapped = self.mapped
        rows = [*mapped.into.values(), *mapped.by_default.values()]
        places = {(row.new, row.keys) for row in rows}
        asked = GIVEN.findall(addition.code)
        read = {name: read_argument(self.source, self.at, name, shape) for name, shape in asked}
        if None in read.values():
            if (addition.name, addition.keys[:-1]) in {(name, keys[:-1]) for name, keys in places}:
                mapped.lacking.append(addition)
            return
        gathered = not addition.keys and any(new == addition.name for new, _ in places)
        if (addition.name, addition.keys) not in places and not gathered:
            mapped.add.append(addition)
            for name in [name for name in read if name in mapped.unsure]:
                mapped.drop[name] = f"it goes into {addition.name}"
                del mapped.unsure[name]

    def positional(self, args: Sequence[ast.expr], first: int) -> None:
        """What is given by its place, from ``first`` on."""
        old, new, mapped, given = self.old, self.new, self.mapped, args[first:]
        if old is None or new is None or any(isinstance(a, ast.Starred) for a in args):
            return
        if len(given) > len(old.positional):
            return
        keywords: dict[int, str] = {}
        dropped: set[int] = set()
        for place, name in enumerate(old.positional[: len(given)]):
            row = self.row(name)
            plain = row is not None and row.new in new.accepts and not row.keys and not row.shape
            if is_elsewhere(self.lineage[0], name):
                return
            if row is not None and row.new == name and name not in new.accepts:
                continue  # taken, though the constructor does not name it
            if row is not None and row.always and not (row.only or _is_none(given[place])):
                mapped.unsure_positional[first + place] = name
                mapped.unsure[name] = row.advice
                continue
            kept = name in new.accepts and name not in new.renamed
            to = name if kept else self.renames.get(name, name)
            if row is not None and plain:
                to = row.new
            if row is not None and row.new == DROP and name not in new.accepts:
                dropped.add(first + place)
            elif to not in new.accepts:
                if _is_none(given[place]):
                    dropped.add(first + place)
                    continue
                if not new.anything:
                    told = row is not None and row.new != DROP
                    advice = row.advice or place_of(row) if row is not None and told else ""
                    mapped.unsure_positional[first + place] = name
                    mapped.unsure[name] = advice or takes(new)
                return
            elif keywords or dropped or new.positional[place : place + 1] != (to,):
                keywords[first + place] = to
        mapped.positional |= keywords
        mapped.drop_positional |= dropped


def read_argument(source: Source, at: dict[str, ast.keyword], name: str, shape: str) -> str | None:
    """The code of an argument that a call or default_args give, in its shape; None: not known."""
    if name not in at:
        return None if shape else source.default_code(name)
    value = at[name].value
    return SHAPES[shape][0](value, source) if shape else source.segment(value)


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def place_of(row: HandRow, value: ast.expr | None = None, source: Source | None = None) -> str:
    """Where a value belongs, in words and code."""
    keys = "".join(f'["{key}"]' for key in row.keys if not key.startswith("@"))
    makers = [WRAPPERS[k[1:]] for k in row.keys if k.startswith("@")]
    place = f"{row.new}{keys}"
    if makers:
        maker = makers[0]
        place = f"{row.new}={maker.path.rpartition('.')[2]}({row.keys[-1]}=...){maker.tail}"
    if not row.shape:
        return f"put it into {place}"
    shape = SHAPES[row.shape][1]
    if value is not None and source is not None:
        shape = sketch(row.shape, value, source)
    return f"put it into {place} as {shape}"


def takes(new: Signature) -> str:
    """What to give instead, where nothing tells what an argument became."""
    base = {"task_id", "owner", "retries"}
    names = sorted(n for n in new.required - base) or sorted(new.positional)
    return f"the constructor takes {', '.join(names)}" if names else "drop it or find its successor"
