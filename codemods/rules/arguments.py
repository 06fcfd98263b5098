"""Arguments that the target's constructors name differently, or do not take."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from codemods.base import Example, Note, Rule
from codemods.calls import Construction, constructions
from codemods.changes import AddImport, Change, EditCall, NewImport, Step, edit_call
from codemods.constructors import DROP, Addition, HandRow, Signature, baseline
from codemods.hops import Resolution
from codemods.instances import TASK
from codemods.rules._text import lines, sentence
from codemods.source import Source
from codemods.target import Target
from codemods.values import SHAPES, WRAPPERS, known, sketch, text_of

ID = "arguments"
REPLACED = "replaced-class"
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
_GIVEN = re.compile(r"\{(\w+)(?::(\w+))?\}")
_SUBDAG = "airflow.operators.subdag.SubDagOperator"  # a rule of its own speaks of it


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
    read = {name: _read(source, at, name, shape) for name, shape in _GIVEN.findall(addition.code)}
    if None in read.values():
        if (addition.name, addition.keys[:-1]) in {(name, keys[:-1]) for name, keys in places}:
            mapped.lacking.append(addition)
        return
    gathered = not addition.keys and any(new == addition.name for new, _ in places)
    if (addition.name, addition.keys) not in places and not gathered:
        mapped.add.append(addition)
        for name in read.keys() & mapped.unsure.keys():
            mapped.drop[name] = f"it goes into {addition.name}"
            del mapped.unsure[name]


def _read(source: Source, at: dict[str, ast.keyword], name: str, shape: str) -> str | None:
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
                mapped.unsure[name] = _place(row, value, source)
            return
        if row.keys and row.new in given:
            mapped.unsure[name] = _place(row, value, source)
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
        mapped.unsure[name] = _takes(new)


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _said(row: HandRow | None, name: str) -> bool:
    """Whether the table knows that the warning is about some values only."""
    return row is not None and row.new == name


def _warned(new: Signature | None) -> frozenset[str]:
    return new.warned | frozenset(new.renamed) if new is not None else frozenset()


def _place(row: HandRow, value: ast.expr | None = None, source: Source | None = None) -> str:
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


def _takes(new: Signature) -> str:
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
                advice = row.advice or _place(row) if row is not None and row.new != DROP else ""
                mapped.unsure_positional[first + place] = name
                mapped.unsure[name] = advice or _takes(new)
            return
        elif keywords or dropped or new.positional[place : place + 1] != (to,):
            keywords[first + place] = to
    mapped.positional |= keywords
    mapped.drop_positional |= dropped


def mechanical(target: Target, source: Source, resolution: Resolution, node: ast.Call) -> bool:
    """Whether a call can be mapped to the end of its hops without a person."""
    mapped = map_arguments(target, source, resolution, node)
    new = target.constructors.signature(resolution.path)
    if (
        mapped.unsure
        or mapped.warned
        or new is None
        or any(row.keys for row in mapped.by_default.values())
    ):
        return False
    given = {mapped.rename.get(k.arg or "", k.arg) for k in node.keywords} - set(mapped.drop)
    if any(k.arg is None for k in node.keywords):
        return True
    have = given | mapped.added | {"task_id"} | set(mapped.positional.values())
    have |= source.default_arguments[0] | {row.new for row in mapped.by_default.values()}
    return new.required <= have | set(new.positional[: len(node.args)])


def _subclasses(source: Source, path: str) -> list[ast.ClassDef]:
    """The classes of the text that inherit from the one at ``path``."""
    return [
        node for node, _ in source.classes if any(source.path_of(b) == path for b in node.bases)
    ]


def settle(target: Target, source: Source, path: str, calls: list[ast.Call]) -> Resolution:
    """Where ``path`` goes for these calls.

    A class that another one replaced is left for its successor only where every call can be
    mapped, or where the target has the old class no more.
    """
    resolution = target.resolve(path)
    if resolution.removed is not None or not resolution.replaced:
        return resolution
    inherited = _subclasses(source, path) or any(
        own.base == path and own.inherits for found in source.own.values() for own in found
    )
    if (
        calls
        and not inherited
        and all(mechanical(target, source, resolution, node) for node in calls)
    ):
        return resolution
    for index, hop in enumerate(resolution.hops):
        if hop.replaced:
            before = resolution.hops[:index]
            at = before[-1].new if before else path
            if target.constructors.signature(at) is not None:
                return Resolution(start=path, path=at, hops=before)
    return resolution


def missing(
    target: Target, source: Source, resolution: Resolution, node: ast.Call, mapped: Mapped
) -> list[str]:
    """What the target's constructor requires and neither the call nor default_args gives."""
    new = target.constructors.signature(resolution.path)
    given, complete = source.default_arguments
    if new is None or not complete or any(k.arg is None for k in node.keywords):
        return []
    if any(isinstance(a, ast.Starred) for a in node.args):
        return []
    have = {mapped.rename.get(k.arg or "", k.arg or "") for k in node.keywords} - set(mapped.drop)
    have |= mapped.added | set(mapped.positional.values()) | given
    have |= set(new.positional[: len(node.args)])
    lacking = {n for n in new.required - have if not is_elsewhere(resolution.path, n)}
    if lacking and given:
        lacking -= {renamed_key(target, source, resolution, key) for key in given}
    return sorted(lacking)


def renamed_key(target: Target, source: Source, resolution: Resolution, key: str) -> str:
    """What the class at the end of the hops calls an argument that default_args give."""
    probe = ast.parse(f"f({key}=x)", mode="eval").body
    if not isinstance(probe, ast.Call):
        return key
    return map_arguments(target, source, resolution, probe).rename.get(key, key)


def calls_by_path(source: Source) -> dict[str, list[ast.Call]]:
    """1.10 path → the calls that construct it."""
    found: dict[str, list[ast.Call]] = {}
    for made in constructions(source):
        found.setdefault(made.path, []).append(made.node)
    return found


def argument_changes(source: Source, target: Target) -> tuple[Change, ...]:
    """All that constructions need, found once for the rules that share it."""
    if "arguments" not in source.found:
        source.found["arguments"] = tuple(_all(source, target))
    return source.found["arguments"]


def _find(source: Source, target: Target) -> Iterator[Change]:
    return (c for c in argument_changes(source, target) if c.rule == ID)


def _all(source: Source, target: Target) -> Iterator[Change]:
    calls = calls_by_path(source)
    for cls, _ in source.classes:
        for base in cls.bases:
            path = source.path_of(base)
            if path is not None and path.startswith("airflow."):
                yield from _inherits(source, target, path, cls, calls.get(path, []))
    yield from _patched(source, target, calls)
    for made in constructions(source):
        if not made.path.startswith("airflow"):
            continue
        wanted = target.resolve(made.path)
        if wanted.removed is not None:
            continue
        resolution = settle(target, source, made.path, calls[made.path])
        if wanted.path != resolution.path:
            if not made.of_base:  # of that the class's own note tells
                yield _replaced_note(target, source, made, wanted)
        elif made.use is not None:
            yield from _deprecated(target, made, resolution)
        yield from _construction(target, source, made, resolution)


def _inherits(
    source: Source, target: Target, path: str, cls: ast.ClassDef, calls: list[ast.Call]
) -> Iterator[Note]:
    """A class whose base another one replaced: who makes it may be in other files."""
    wanted = target.resolve(path)
    if wanted.removed is not None or not wanted.replaced:
        return
    stays = settle(target, source, path, calls).path != wanted.path
    old, new = path.rpartition(".")[2], wanted.path.rpartition(".")[2]
    steps = [path, *(hop.new for hop in wanted.hops[:-1] if hop.new)]
    added = [a for step in steps for a in target.constructors.additions(step)]
    given = ", ".join(f"{a.name}={a.code}" for a in added if not a.keys and "{" not in a.code)
    yield Note.at(
        cls,
        rule=REPLACED,
        message=f"{cls.name} inherits from {old}, which {'warns' if stays else 'is gone'} on the "
        f"target; {new} took its place",
        fix=f"Inherit from {new} ({wanted.path.rpartition('.')[0]}) and rename the arguments in "
        "every call of the class, and the attributes that it reads, to that one's"
        + (f"; where none is given, {old} took {given}" if given else ""),
    )


def _patched(source: Source, target: Target, calls: dict[str, list[ast.Call]]) -> Iterator[Note]:
    """An attribute set on a class that another one, perhaps of many more tasks, replaced."""
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            path = (source.path_of(node) or "").rpartition(".")[0]
            wanted = target.resolve(path) if path.startswith("airflow.") else None
            if wanted is None or wanted.removed is not None or not wanted.replaced:
                continue
            if settle(target, source, path, calls.get(path, [])).path == wanted.path:
                old, new = path.rpartition(".")[2], wanted.path.rpartition(".")[2]
                yield Note.at(
                    node,
                    rule=REPLACED,
                    message=f"{node.attr} is set on {old}, and {new} took its place: it counts "
                    f"for all tasks of {new}",
                    fix=f"Set it on a class of your own that inherits from {new}",
                )


def _deprecated(target: Target, made: Construction, resolution: Resolution) -> Iterator[Note]:
    """A class that warns whenever it is made, and that nothing takes the place of."""
    signature = target.constructors.signature(resolution.path)
    told = resolution.path == _SUBDAG or resolution.warns  # by a rule of its own
    if signature is not None and signature.deprecated and not told:
        yield Note.at(
            made.node,
            rule=REPLACED,
            message=f"{resolution.path.rpartition('.')[2]} is deprecated: it warns when it is made",
            fix="It works until the provider drops it; its warning names what to use instead",
        )


def _gathered(
    source: Source, mapped: Mapped, at: dict[str, ast.keyword], skip: frozenset[str]
) -> tuple[dict[str, str], list[str]]:
    """Argument → code of what moved into it and of what is added; the calls that it needs."""
    tree: dict[str, Any] = {}
    wrappers: list[str] = []

    def put(name: str, keys: tuple[str, ...], code: str) -> None:
        node = tree
        for key in (name, *keys)[:-1]:
            node = node.setdefault(key, {})
        node.setdefault((name, *keys)[-1], code)

    for addition in mapped.add:
        code = _GIVEN.sub(lambda m: _read(source, at, m[1], m[2] or "") or "", addition.code)
        put(addition.name, addition.keys, code)
    for argument, row in mapped.into.items():
        if argument not in skip:
            value = at[argument].value
            put(row.new, row.keys, _shaped(source, value, row.shape))

    def write(node: dict[str, Any] | str) -> str:
        if isinstance(node, str):
            return node
        made = next((key for key in node if key.startswith("@")), None)
        if made is None:
            return "{" + ", ".join(f'"{key}": {write(inner)}' for key, inner in node.items()) + "}"
        wrapper = WRAPPERS[made[1:]]
        wrappers.append(wrapper.path)
        inside = ", ".join(f"{key}={write(inner)}" for key, inner in node[made].items())
        return f"{wrapper.path.rpartition('.')[2]}({inside}){wrapper.tail}"

    return {name: write(node) for name, node in tree.items()}, wrappers


def _shaped(source: Source, value: ast.expr, shape: str) -> str:
    made = SHAPES[shape][0](value, source) if shape else None
    return made if made is not None else source.segment(value)


def _replaced_note(target: Target, source: Source, made: Construction, wanted: Resolution) -> Note:
    mapped = map_arguments(target, source, wanted, made.node, made.first)
    new = target.constructors.signature(wanted.path)
    old_name = made.path.rpartition(".")[2]
    module, _, name = wanted.path.rpartition(".")
    parts = [f"from {module} import {name}"]
    if made.use is None:
        parts = [f"Let {ast.unparse(made.node.func)} come from {name} ({module})"]
    makers = {key[1:] for row in mapped.into.values() for key in row.keys if key.startswith("@")}
    for path in sorted(WRAPPERS[maker].path for maker in makers):
        parts.append("from {0} import {2}".format(*path.rpartition(".")))
    parts.append(_written(source, made, mapped, name, new))
    if mapped.unsure:
        plain = _takes(new) if new is not None else ""
        unsure = (
            n if advice == plain else f"{n} ({advice})"
            for n, advice in sorted(mapped.unsure.items())
        )
        parts.append("look after " + ", ".join(unsure))
    return Note.at(
        made.node,
        rule=REPLACED,
        message=f"{old_name} is deprecated on the target; another class took its place",
        fix="; ".join(parts),
    )


def _written(
    source: Source, made: Construction, mapped: Mapped, name: str, new: Signature | None
) -> str:
    """The call as the target takes it, as far as it is known, on one line."""
    at = {k.arg: k for k in made.node.keywords if k.arg}
    add, _ = _gathered(source, mapped, at, made.own)
    values = {o: _shaped(source, at[o].value, shape) for o, shape in mapped.shape.items()}
    edit = EditCall(
        node=made.node,
        rename=mapped.rename,
        drop=frozenset({*mapped.drop, *mapped.into, *mapped.unsure}),
        values=values,
        add=add,
        positional=mapped.positional,
        drop_positional=frozenset({*mapped.drop_positional, *mapped.unsure_positional}),
    )
    call = ast.parse(edit_call(source.segment(made.node), edit), mode="eval").body
    if isinstance(call, ast.Call):
        if made.use is not None and not made.first:
            call.func = ast.Name(name)
        have = {k.arg for k in call.keywords}
        have |= set(new.positional[: len(call.args)] if new is not None else ())
        stars = None in have or any(isinstance(a, ast.Starred) for a in call.args)
        lacking = sorted(new.required - have - {"task_id"}) if new is not None and not stars else []
        call.keywords += [ast.keyword(n, ast.Constant(...)) for n in lacking]
    return ast.unparse(call).replace("Ellipsis", "...")


def _construction(
    target: Target, source: Source, made: Construction, resolution: Resolution
) -> Iterator[Change]:
    mapped = map_arguments(target, source, resolution, made.node, made.first)
    if made.own and mapped.into:
        _not_twice(target, source, made, resolution, mapped)
    yield from _said_of(target, source, made, resolution, mapped)
    yield from _edited(source, made, resolution.path.rpartition(".")[2], mapped)


def _not_twice(
    target: Target, source: Source, made: Construction, resolution: Resolution, mapped: Mapped
) -> None:
    """What goes into an argument that a constructor on the way makes of what it takes itself."""
    names = [ast.keyword(name, ast.Name("_")) for name in sorted(made.own)]
    theirs = ast.Call(func=ast.Name("f"), args=[], keywords=names)
    made_there = {r.new for r in map_arguments(target, source, resolution, theirs).into.values()}
    for name, row in list(mapped.into.items()):
        if name not in made.own and row.new in made_there:
            del mapped.into[name]
            mapped.unsure[name] = f"let the class take it, and {_place(row)} where it makes that"


def _said_of(
    target: Target, source: Source, made: Construction, resolution: Resolution, mapped: Mapped
) -> Iterator[Note]:
    """What a person must see to in the arguments of a construction."""
    name = resolution.path.rpartition(".")[2]
    at = {k.arg: k for k in made.node.keywords if k.arg}
    places: dict[str, ast.keyword | ast.expr] = dict(at)
    places |= {name: made.node.args[i] for i, name in mapped.unsure_positional.items()}
    new = target.constructors.signature(resolution.path)
    for argument, advice in mapped.unsure.items():
        if argument in made.own:
            continue
        taken = new is not None and argument in new.accepts
        yield Note.at(
            places[argument],
            rule=ID,
            message=f"{name} does not take {argument} on the target as 1.10 did"
            if taken
            else f"{name} does not take {argument} on the target",
            fix=sentence(advice),
        )
    for argument, advice in mapped.warned.items():
        if argument not in made.own:
            yield Note.at(
                at[argument],
                rule=ID,
                message=f"{name} warns about {argument} on the target",
                fix=sentence(advice),
            )
    for argument, to in mapped.merged.items():
        other = next((at[o] for o, n in mapped.rename.items() if n == to), at.get(to))
        if other is not None and ast.dump(other.value) != ast.dump(at[argument].value):
            yield Note.at(
                at[argument],
                rule=ID,
                message=f"{name} has one {to} on the target, where {argument} was another",
                fix=f"See that {to}={source.segment(other.value)} may do what "
                f"{source.segment(at[argument].value)} did",
            )
    for argument, row in mapped.by_default.items():
        if row.keys:
            yield Note.at(
                made.node,
                rule=ID,
                message=f"{name} takes {argument} out of default_args no more",
                fix=sentence(_place(row)),
            )
    for addition in mapped.lacking:
        yield Note.at(
            made.node,
            rule=ID,
            message=f"{addition.keys[0].lstrip('@')} needs {addition.keys[-1]}, which default_args "
            "do not give it",
            fix=f"Pass {addition.keys[-1]}=... to {addition.keys[0].lstrip('@')}",
        )
    lacking = missing(target, source, resolution, made.node, mapped) if made.use else []
    of_old = made.path.startswith("airflow.providers.") or baseline().signature(made.path)
    if lacking and of_old:
        yield Note.at(
            made.node,
            rule=ID,
            message=f"{name} needs {', '.join(lacking)} on the target",
            fix=f"Pass {', '.join(f'{n}=...' for n in lacking)}",
        )


def _edited(source: Source, made: Construction, name: str, mapped: Mapped) -> Iterator[Step]:
    """The construction with the arguments of the target's class."""
    at = {k.arg: k for k in made.node.keywords if k.arg}
    rename = {o: n for o, n in mapped.rename.items() if o not in made.own}
    drop = {o: w for o, w in mapped.drop.items() if o not in made.own}
    into = {o: row for o, row in mapped.into.items() if o not in made.own}
    if made.own:  # a constructor on the way may give it
        mapped.add.clear()
    add, wrappers = _gathered(source, mapped, at, made.own)
    if wrappers and made.use is None:
        return
    values = {o: _shaped(source, at[o].value, shape) for o, shape in mapped.shape.items()}
    positional = mapped.positional
    if not (rename or drop or add or values or positional or mapped.drop_positional):
        return
    said = [f"{o} is {n}" for o, n in rename.items()]
    said += [f"{o} is dropped: {why}" for o, why in drop.items()]
    said += [f"{o} goes into {row.new}" for o, row in into.items()]
    said += [f"{n} is given by name" for n in positional.values()]
    said += [f"{a.name}={add[a.name]} was the default" for a in mapped.add if not a.keys]
    said += [f"{o} is {code}" for o, code in values.items() if o not in rename]
    operations: list[EditCall | AddImport] = [
        EditCall(
            node=made.node,
            rename=rename,
            drop=frozenset({*drop, *into}),
            values=values,
            add=add,
            positional=positional,
            drop_positional=frozenset(mapped.drop_positional),
        )
    ]
    if made.use is not None:
        near = made.use.bindings[0]
        for path in dict.fromkeys(wrappers):
            module, _, local = path.rpartition(".")
            operations.append(AddImport(near=near, new=NewImport(module=module, name=local)))
    yield Step(
        rule=ID,
        line=made.node.lineno,
        message=f"{name}: " + "; ".join(said or ["an argument without effect is dropped"]),
        operations=tuple(operations),
    )


RULE = Rule(
    id=ID,
    title="Use the arguments that the target's classes take",
    why="1.10 warned about arguments that an operator does not know, 2.x raises; others were "
    "renamed and warn.",
    examples=(
        Example(
            before=lines(
                "from airflow import DAG",
                "",
                "dag = DAG(",
                "    'd',",
                "    schedule_interval='@daily',  # at midnight",
                "    concurrency=4,",
                ")",
            ),
            after=lines(
                "from airflow import DAG",
                "",
                "dag = DAG(",
                "    'd',",
                "    schedule='@daily',  # at midnight",
                "    max_active_tasks=4,",
                ")",
            ),
        ),
        Example(
            before=lines(
                "from airflow.operators.python import PythonOperator",
                "",
                "PythonOperator(",
                "    task_id='t',",
                "    python_callable=print,",
                "    provide_context=True,",
                ")",
            ),
            after=lines(
                "from airflow.operators.python import PythonOperator",
                "",
                "PythonOperator(",
                "    task_id='t',",
                "    python_callable=print,",
                ")",
            ),
        ),
        Example(
            before=lines(
                "from airflow.operators.bash_operator import BashOperator",
                "",
                "BashOperator(task_id='t', bash_command='true', xcom_push=True, colour='red')",
            ),
            after=lines(
                "from airflow.operators.bash import BashOperator",
                "",
                "BashOperator(task_id='t', bash_command='true', do_xcom_push=True)",
            ),
        ),
        Example(
            before=lines(
                "from airflow.operators.postgres_operator import PostgresOperator",
                "",
                "PostgresOperator(task_id='t', sql='delete from a', postgres_conn_id='p')",
                "PostgresOperator(task_id='u', sql='delete from a')",
            ),
            after=lines(
                "from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator",
                "",
                "SQLExecuteQueryOperator(task_id='t', sql='delete from a', conn_id='p')",
                "SQLExecuteQueryOperator(task_id='u', sql='delete from a', "
                'conn_id="postgres_default")',
            ),
        ),
    ),
    keeps=(
        lines(
            "from airflow import DAG", "", "DAG('d', schedule='@once', max_active_tasks=4, **more)"
        ),
        lines("from airflow import DAG", "", "my_dag('d', schedule_interval='@daily')"),
        lines(
            "from airflow.models import BaseOperator",
            "",
            "",
            "class Mine(BaseOperator):",
            "    def __init__(self, provide_context=False, **kwargs):",
            "        super().__init__(**kwargs)",
            "",
            "",
            "Mine(task_id='t', provide_context=True)",
        ),
        lines(
            "from airflow.operators.python import PythonOperator",
            "",
            "options = {'provide_context': True}",
            "PythonOperator(task_id='t', python_callable=print)",
        ),
    ),
    find=_find,
)
