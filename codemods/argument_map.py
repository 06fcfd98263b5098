"""What becomes of the arguments of a call: how the target's class takes each of them."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from codemods.constructors import DROP, Addition, HandRow, Signature, baseline
from codemods.hops import Resolution
from codemods.instances import TASK
from codemods.source import Source
from codemods.target import Target
from codemods.values import SHAPES, WRAPPERS, known, sketch, text_of

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


def is_elsewhere(path: str, name: str) -> bool:
    """Whether another rule sees to an argument of the target's class at ``path``."""
    return any(path.startswith(home) and name in names for home, names in _ELSEWHERE)


def map_arguments(
    target: Target, source: Source, resolution: Resolution, node: ast.Call, first: int = 0
) -> Mapped:
    """Map the arguments of a call of ``resolution.start`` to the class at its end."""
    mapped = Mapped()
    table = target.constructors
    new = table.signature(resolution.path)
    old = baseline().signature(resolution.start)
    chain = [resolution.start, *(hop.new for hop in resolution.hops if hop.new)]
    lineage = tuple(dict.fromkeys(p for c in reversed(chain) for p in table.lineage(c)))
    if old is not None:
        lineage = tuple(dict.fromkeys([*lineage, *old.lineage]))
    at = {k.arg: k for k in node.keywords if k.arg}
    given = set(at)
    renames = {o: n for p in reversed(lineage) for o, n in table.renames(p).items()}
    for keyword in node.keywords:
        if keyword.arg is not None:
            _map_one(target, source, mapped, keyword, new, old, lineage, renames, given)
    stars = any(k.arg is None for k in node.keywords)
    if new is not None and old is not None:
        for name in source.default_arguments[0] & old.accepts - given - new.accepts:
            row = target.constructors.by_hand(lineage, name, new.accepts)
            if row is not None and row.new in new.accepts:
                mapped.by_default[name] = row
    if new is not None and not stars:
        have = given | set(mapped.rename.values()) | source.default_arguments[0]
        for path in chain[:-1]:
            for addition in table.additions(path):
                _add(mapped, addition, new, at, have, source)
    _map_positional(mapped, node, first, old, new, lineage, target, renames)
    return mapped


def _add(
    mapped: Mapped,
    addition: Addition,
    new: Signature,
    at: dict[str, ast.keyword],
    have: set[str],
    source: Source,
) -> None:
    rows = [*mapped.into.values(), *mapped.by_default.values()]
    places = {(row.new, row.keys) for row in rows}
    if addition.name not in new.accepts or addition.name in have:
        return
    read = {
        name: read_argument(source, at, name, shape) for name, shape in GIVEN.findall(addition.code)
    }
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


def read_argument(source: Source, at: dict[str, ast.keyword], name: str, shape: str) -> str | None:
    """The code of an argument that a call or default_args give, in its shape; None: not known."""
    if name not in at:
        return None if shape else source.default_code(name)
    value = at[name].value
    return SHAPES[shape][0](value, source) if shape else source.segment(value)


def _map_one(
    target: Target,
    source: Source,
    mapped: Mapped,
    keyword: ast.keyword,
    new: Signature | None,
    old: Signature | None,
    lineage: tuple[str, ...],
    renames: dict[str, str],
    given: set[str],
) -> None:
    name, value = str(keyword.arg), keyword.value
    if is_elsewhere(lineage[0], name):
        return
    none = _is_none(value)
    accepts = new.accepts if new is not None else frozenset()
    row = target.constructors.by_hand(lineage, name, accepts)
    if row is not None and row.new == name and not row.shape:
        return  # taken, though the constructor does not name it
    inherited = row is not None and row.of == TASK
    if inherited and name in accepts and name not in _warned(new):
        return  # what is said of all tasks does not hold for a class that takes it
    if row is not None and row.only and not row.new and name in accepts:
        warns = row.always or name in _warned(new)
        if warns and row.only in source.segment(known(value, source)):
            mapped.warned[name] = row.advice
        return
    if row is not None and row.always and not none:
        mapped.unsure[name] = row.advice
        return
    if row is not None and row.new == DROP and row.only and name in accepts:
        return
    if row is not None and row.new == DROP and row.only and text_of(value) != row.only:
        mapped.unsure[name] = row.advice
        return
    if row is not None and row.new == DROP:
        mapped.drop[name] = (not row.only and row.advice) or "it has no effect"
        return
    if row is not None and row.new in accepts:
        if row.keys and none:
            mapped.drop[name] = "None is what the target does anyway"
            return
        if row.shape and not none and SHAPES[row.shape][0](value, source) is None:
            if name not in accepts or name in _warned(new):
                mapped.unsure[name] = place_of(row, value, source)
            return
        if row.keys and row.new in given:
            mapped.unsure[name] = place_of(row, value, source)
        elif row.keys and (
            name not in accepts or row.of not in target.constructors.lineage(lineage[0])
        ):
            mapped.into[name] = row
        elif not row.keys and (name not in accepts or row.shape or row.new != name):
            code = SHAPES[row.shape][0](value, source) if row.shape and not none else None
            if code is not None and code != source.segment(value):
                mapped.shape[name] = row.shape
            _rename(mapped, name, row.new, given)
        if row.keys or row.new != name:
            return
    if new is None:
        return
    to = renames.get(name)
    while to is not None and to not in accepts and renames.get(to) not in (None, name):
        to = renames[to]
    if to is not None and to in accepts and (name not in accepts or name in new.renamed):
        _rename(mapped, name, to, given)
    elif name in new.warned and not none and not _said(row, name):
        mapped.warned[name] = (row.advice if row is not None else "") or (
            "look the argument up in the provider's documentation: another one took its place"
        )
    elif name in accepts or new.anything:
        return
    elif row is not None and row.advice and not none:
        mapped.unsure[name] = row.advice
    elif none:
        mapped.drop[name] = "None is what the target does anyway"
    elif old is not None and name not in old.accepts and not old.anything:
        if TASK in old.lineage:
            mapped.drop[name] = "1.10 ignored it as well, with a warning"
    else:
        mapped.unsure[name] = takes(new)


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _said(row: HandRow | None, name: str) -> bool:
    """Whether the table knows that the warning is about some values only."""
    return row is not None and row.new == name


def _warned(new: Signature | None) -> frozenset[str]:
    return new.warned | frozenset(new.renamed) if new is not None else frozenset()


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
    base = {"task_id", "owner", "retries"}
    names = sorted(n for n in new.required - base) or sorted(new.positional)
    return f"the constructor takes {', '.join(names)}" if names else "drop it or find its successor"


def _rename(mapped: Mapped, name: str, to: str, given: set[str]) -> None:
    if to == name:
        return
    if to in given or to in mapped.rename.values():
        mapped.drop[name] = f"{to} is given as well"
        mapped.merged[name] = to
    else:
        mapped.rename[name] = to


def _map_positional(
    mapped: Mapped,
    node: ast.Call,
    first: int,
    old: Signature | None,
    new: Signature | None,
    lineage: tuple[str, ...],
    target: Target,
    renames: dict[str, str],
) -> None:
    if old is None or new is None or any(isinstance(a, ast.Starred) for a in node.args):
        return
    given = node.args[first:]
    if len(given) > len(old.positional):
        return
    keywords: dict[int, str] = {}
    dropped: set[int] = set()
    for place, name in enumerate(old.positional[: len(given)]):
        row = target.constructors.by_hand(lineage, name, new.accepts)
        plain = row is not None and row.new in new.accepts and not row.keys and not row.shape
        if is_elsewhere(lineage[0], name):
            return
        if row is not None and row.new == name and name not in new.accepts:
            continue  # taken, though the constructor does not name it
        if row is not None and row.always and not (row.only or _is_none(given[place])):
            mapped.unsure_positional[first + place] = name
            mapped.unsure[name] = row.advice
            continue
        to = name if name in new.accepts and name not in new.renamed else renames.get(name, name)
        if row is not None and plain:
            to = row.new
        if row is not None and row.new == DROP and name not in new.accepts:
            dropped.add(first + place)
        elif to not in new.accepts:
            if _is_none(given[place]):
                dropped.add(first + place)
                continue
            if not new.anything:
                advice = row.advice or place_of(row) if row is not None and row.new != DROP else ""
                mapped.unsure_positional[first + place] = name
                mapped.unsure[name] = advice or takes(new)
            return
        elif keywords or dropped or new.positional[place : place + 1] != (to,):
            keywords[first + place] = to
    mapped.positional |= keywords
    mapped.drop_positional |= dropped
