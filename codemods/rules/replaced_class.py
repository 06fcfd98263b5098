"""Classes that another one replaced, where a call cannot be mapped without a person."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.argument_code import gathered, shaped
from codemods.editing.argument_map import Mapped, map_arguments, takes
from codemods.editing.changes import Change, EditCall, Step
from codemods.editing.expressions import edit_call
from codemods.editing.replaced_bases import kept_base, kept_for
from codemods.editing.settling import settle
from codemods.reading.calls import Construction, constructions
from codemods.reading.source import Source
from codemods.reading.values import WRAPPERS
from codemods.rules._text import block, lines
from codemods.tables.constructors import Signature
from codemods.tables.hops import Resolution
from codemods.tables.target import Target

ID = "replaced-class"
_SUBDAG = "airflow.operators.subdag.SubDagOperator"  # a rule of its own speaks of it


def _find(source: Source, target: Target) -> Iterator[Change]:
    kept = dict[str, Step | None]()  # bases that a class of the file's takes the place of
    for cls, _ in source.classes:
        for base in cls.bases:
            path = source.path_of(base)
            if path is None or not path.startswith("airflow."):
                continue
            if path not in kept:
                kept[path] = _kept(source, target, path, cls)
            if kept[path] is None:
                yield from _inherits(source, target, path, cls)
    yield from (step for step in kept.values() if step is not None)
    yield from _patched(source, target)
    for made in constructions(source):
        wanted = target.resolve(made.path)
        if not made.path.startswith("airflow") or wanted.removed is not None:
            continue
        stays = settle(target, source, made.path)
        if wanted.path != stays.path:
            own = made.use is None and kept_for(target, made.path, stays) is not None
            if not (made.of_base or own or kept.get(made.path)):  # the class's own note tells
                yield _replaced_note(target, source, made, wanted)
        elif made.use is not None:
            yield from _deprecated(target, made, stays)


def _kept(source: Source, target: Target, path: str, cls: ast.ClassDef) -> Step | None:
    """A base of the file's own for classes whose base another one replaced."""
    operations = kept_base(source, target, path)
    if not operations:
        return None
    old, new = path.rpartition(".")[2], target.resolve(path).path.rpartition(".")[2]
    message = f"{old}, which {cls.name} inherits from, is a {new} of the file's"
    return Step(rule=ID, line=cls.lineno, message=message, operations=operations)


def _inherits(source: Source, target: Target, path: str, cls: ast.ClassDef) -> Iterator[Note]:
    """A class whose base another one replaced: who makes it may be in other files."""
    wanted = target.resolve(path)
    if wanted.removed is not None or not wanted.replaced:
        return
    stays = settle(target, source, path).path != wanted.path
    old, new = path.rpartition(".")[2], wanted.path.rpartition(".")[2]
    steps = [path, *(hop.new for hop in wanted.hops[:-1] if hop.new)]
    added = [a for step in steps for a in target.constructors.additions(step)]
    given = ", ".join(f"{a.name}={a.code}" for a in added if not a.keys and "{" not in a.code)
    yield Note.at(
        cls,
        rule=ID,
        message=f"{cls.name} inherits from {old}, which {'warns' if stays else 'is gone'} on the "
        f"target; {new} took its place",
        fix=f"Inherit from {new} ({wanted.path.rpartition('.')[0]}) and rename the arguments in "
        "every call of the class, and the attributes that it reads, to that one's"
        + (f"; where none is given, {old} took {given}" if given else ""),
    )


def _patched(source: Source, target: Target) -> Iterator[Note]:
    """An attribute set on a class that another one, perhaps of many more tasks, replaced."""
    for node in source.every(ast.Attribute):
        if isinstance(node.ctx, ast.Store):
            path = (source.path_of(node) or "").rpartition(".")[0]
            wanted = target.resolve(path) if path.startswith("airflow.") else None
            if wanted is None or wanted.removed is not None or not wanted.replaced:
                continue
            if settle(target, source, path).path == wanted.path:
                old, new = path.rpartition(".")[2], wanted.path.rpartition(".")[2]
                yield Note.at(
                    node,
                    rule=ID,
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
            rule=ID,
            message=f"{resolution.path.rpartition('.')[2]} is deprecated: it warns when it is made",
            fix="It works until the provider drops it; its warning names what to use instead",
        )


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
        plain = takes(new) if new is not None else ""
        unsure = (
            n if advice == plain else f"{n} ({advice})"
            for n, advice in sorted(mapped.unsure.items())
        )
        parts.append("look after " + ", ".join(unsure))
    return Note.at(
        made.node,
        rule=ID,
        message=f"{old_name} is deprecated on the target; another class took its place",
        fix="; ".join(parts),
    )


def _written(
    source: Source, made: Construction, mapped: Mapped, name: str, new: Signature | None
) -> str:
    """The call as the target takes it, as far as it is known, on one line."""
    at = {k.arg: k for k in made.node.keywords if k.arg}
    add, _ = gathered(source, mapped, at, made.own)
    values = {o: shaped(source, at[o].value, shape) for o, shape in mapped.shape.items()}
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


_CALL = "BigQueryExecuteQueryOperator(task_id='t', sql='s', destination_dataset_table='d.t')"
_MODULE = "airflow.providers.google.cloud.operators.bigquery"
_SQL = "airflow.providers.vertica.operators.vertica"
_OWN = ("", "", "class Mine(VerticaOperator):", "    ui_color = '#fff'")

RULE = Rule(
    id=ID,
    title="Move to the class that took its place",
    why="The class warns on the target and another one, with other arguments, is its successor. "
    "It still works until Airflow or the provider drops it.",
    examples=(
        Example(
            before=lines(f"from {_MODULE} import BigQueryExecuteQueryOperator", "", _CALL),
            target="2.10.3",
            notes=("BigQueryInsertJobOperator",),
        ),
        Example(
            before=lines(
                f"from {_MODULE} import BigQueryExecuteQueryOperator",
                "",
                "",
                "class Mine(BigQueryExecuteQueryOperator):",
                "    def __init__(self, **kwargs):",
                "        super().__init__(**kwargs)",
                "",
                "",
                "Mine(task_id='t', sql='s')",
            ),
            target="2.10.3",
            notes=("Mine inherits from", "Let Mine come from BigQueryInsertJobOperator"),
        ),
        Example(
            before=lines(f"from {_SQL} import VerticaOperator", *_OWN),
            after=block('''
                from airflow.providers.common.sql.operators import sql


                class VerticaOperator(sql.SQLExecuteQueryOperator):
                    """Takes vertica_conn_id."""

                    def __init__(self, *, vertica_conn_id="vertica_default", **kwargs):
                        super().__init__(conn_id=vertica_conn_id, **kwargs)
                        self.vertica_conn_id = vertica_conn_id


                class Mine(VerticaOperator):
                    ui_color = '#fff'
            '''),
            target="2.10.3",
        ),
    ),
    keeps=(
        lines(
            f"from {_MODULE} import BigQueryInsertJobOperator",
            "",
            "BigQueryInsertJobOperator(task_id='t', configuration={})",
        ),
    ),
    find=_find,
)
