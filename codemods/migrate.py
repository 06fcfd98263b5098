"""The one door: a text and the target's pins in, a ``Migration`` out."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import libcst as cst

from codemods import python2 as old
from codemods.base import (
    Edit,
    Migration,
    Note,
    OwnClasses,
    OwnDicts,
    OwnFunctions,
    OwnSubDags,
    PluginModules,
    roles_here,
)
from codemods.editing.changes import AddImport, Operation, Rebind, Step
from codemods.editing.folding import Folded
from codemods.editing.query_class import NEEDS as QUERY_NEEDS
from codemods.editing.query_class import with_query_class, without_heirs
from codemods.editing.writing import written
from codemods.plugins.web_interface import folded
from codemods.python_gone import concerns, may_be_gone
from codemods.reading.class_paths import MOVED, REMOVED, rewrite_class_paths
from codemods.reading.escapes import plain_escapes
from codemods.reading.newlines import restored, unified
from codemods.reading.source import Source
from codemods.reading.stars import named_stars
from codemods.repository.templates import rewrite_template
from codemods.rules import (
    RULES,
    python_arguments,
    python_names,
    template_variables,
    third_party,
)
from codemods.subdags.groups import SINCE, with_task_groups
from codemods.subdags.own import left, without_factories
from codemods.tables.hops import CORE, distribution_of, members
from codemods.tables.symbols import key_of
from codemods.tables.target import Target, target_for

__all__ = [
    "RULES",
    "migrate_bytes",
    "migrate_configuration",
    "migrate_source",
    "migrate_template",
]


def migrate_source(
    text: str,
    *,
    pins: Mapping[str, str],
    path: str = "<string>",
    plugins: PluginModules | None = None,
    unsafe: bool = False,
    python2: bool = False,
    shared: Collection[str] = (),
    own: OwnClasses | None = None,
    dicts: OwnDicts | None = None,
    functions: OwnFunctions | None = None,
    queries: Mapping[str, bool | None] | None = None,
    subdags: OwnSubDags | None = None,
) -> Migration:
    """Rewrite one module for the target that ``pins`` describe.

    ``pins`` maps distributions to versions and must hold ``apache-airflow``. ``plugins`` maps the
    1.10 paths of plugin operators to their new modules. Unsafe edits are made only with
    ``unsafe``; without it they come as notes. A text that is not Python 3 gives ``error``, unless
    ``python2`` asks for its translation. Without it a text that does not name Airflow stays.
    ``shared`` are names that other files import from modules like this one: they stay bound.
    The rest is what other files define, as ``codemods.repository`` finds it, by name: ``own`` the
    classes, ``dicts`` the dicts, ``functions`` those that Airflow calls; ``queries`` are the files
    of SQL, with what is said of each; ``subdags`` the functions that make sub-DAGs, as
    ``codemods.subdags.own`` finds them in all files, without which
    only this text is looked at.
    """
    target = target_for(key_of(pins), _key_of(plugins))
    grouping = unsafe and not python2 and target.has(SINCE)  # files change together or not at all
    asked = _Asked(
        target=target,
        path=path,
        unsafe=unsafe,
        grouping=grouping,
        shared=frozenset(shared),
        own=without_heirs(without_factories(own or {}, subdags if grouping else None), target),
        dicts=dicts or {},
        functions=functions or {},
        queries=queries or {},
        subdags=subdags,
    )
    plain, ends = unified(text)
    if python2:
        done = _from_python2(plain, asked)
    elif "airflow" not in plain:
        done = _without_airflow(plain, asked)
    else:
        said, escaped = plain_escapes(plain)
        done = _after(said, escaped, _migrate(said, asked))
    if done.text is None or not ends:
        return done
    return replace(done, text=restored(done.text, plain, ends))


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What ``migrate_source`` was asked, but for the text."""

    target: Target
    path: str
    unsafe: bool
    grouping: bool  # sub-DAGs become task groups
    shared: frozenset[str]
    own: OwnClasses
    dicts: OwnDicts
    functions: OwnFunctions
    queries: Mapping[str, bool | None]
    subdags: OwnSubDags | None


def _from_python2(text: str, asked: _Asked) -> Migration:
    """Translate what is Python 2, then rewrite; a file without Airflow too."""
    try:
        new, translated = old.convert(text)
    except SyntaxError as error:
        return Migration(error=old.what_is_wrong(text, error))
    return _after(new, translated, _migrate(new, asked))


def _after(text: str, made: tuple[Edit, ...], done: Migration) -> Migration:
    """What became of a text that these edits led to, of the one before them."""
    if not made or done.error:
        return done
    return replace(done, text=text if done.text is None else done.text, edits=(*made, *done.edits))


_TRANSLATED = "Change it, for instance with `mwaa-harness migrate --python2`"
_UNTOUCHED = {template_variables.RULE.id: "Write so: a file that names no Airflow is left alone"}


def _without_airflow(text: str, asked: _Asked) -> Migration:
    """Such a file is never changed unasked; what fails on the target is said."""
    handed = roles_here(asked.path, asked.functions)
    if not (handed or old.may_be_old(text) or may_be_gone(text)):
        return Migration()
    try:
        source = Source(text, asked.path)
    except SyntaxError as error:
        line, _, wrong = old.what_is_wrong(text, error).partition(": ")
        fix = "Translate it, for instance with `mwaa-harness migrate --python2`"
        note = Note(rule=old.ID, line=int(line.split()[1]), column=0, message=wrong, fix=fix)
        return Migration(notes=(note,))
    except (ValueError, RecursionError, MemoryError):
        return Migration()
    source.own_functions = asked.functions
    rules = [python_names.RULE, python_arguments.RULE, third_party.RULE]
    rules += [template_variables.RULE] if handed else []
    found = [change for rule in rules for change in rule.find(source, asked.target)]
    notes = [
        change
        if isinstance(change, Note)
        else _told(change, _UNTOUCHED.get(change.rule, _TRANSLATED))
        for change in found
    ]
    return Migration(notes=tuple(sorted(notes, key=lambda n: (n.line, n.message))))


def _migrate(text: str, asked: _Asked) -> Migration:
    try:
        grouped = _grouped(text, asked)
        if grouped is not None:
            rest = replace(asked, subdags=left(asked.subdags))
            return _with_branches(grouped, _migrate(grouped.text, rest))
        stood = with_query_class(text, asked.path, asked.target)
        if stood is not None:
            done = _with_branches(stood, _migrate(stood.text, asked))
            return replace(done, needs=tuple(sorted({*done.needs, QUERY_NEEDS})))
        less = folded(text, asked.path)
        source = Source(less.text if less else text, asked.path)
    except SyntaxError as error:
        wrong = old.what_is_wrong(text, error)
        if old.translates(text):
            wrong += "; `mwaa-harness migrate --python2` translates it"
        return Migration(error=wrong)
    except (RecursionError, MemoryError):
        return Migration(error="line 1: it is nested more deeply than Python's parser goes")
    except ValueError as error:  # null bytes
        return Migration(error=f"line 1: {error}")
    source.words |= asked.shared
    source.own, source.own_dicts, source.queries = asked.own, asked.dicts, asked.queries
    source.own_functions = asked.functions
    source.subdags = asked.subdags
    if less is None:
        return _with_stars(source, asked)
    source.orphans = less.orphans
    return _with_branches(less, _with_stars(source, asked))


def _grouped(text: str, asked: _Asked) -> Folded | None:
    """The text with its sub-DAGs as task groups, where that is asked for and there are any."""
    if not asked.grouping:
        return None
    if "SubDagOperator" not in text and not any(name in text for name in asked.subdags or ()):
        return None
    return with_task_groups(text, asked.path, asked.subdags)


def _with_stars(source: Source, asked: _Asked) -> Migration:
    """What becomes of a text; its stars are named where they hide more than where things live."""
    done = _rewritten(source, asked)
    named = named_stars(source, members()) if "*" in source.text else None
    if named is None or done.error:
        return done
    again = Source(named.text, asked.path)
    again.words, again.orphans = source.words, source.orphans
    again.own, again.own_dicts, again.queries = source.own, source.own_dicts, source.queries
    again.own_functions = source.own_functions
    again.subdags = source.subdags
    full = _rewritten(again, asked)
    if not _calls_changed(full) - _calls_changed(done):
        return done
    if full.error or not named.sure:
        note = Note(
            rule=MOVED,
            line=named.lines[0],
            column=0,
            message="calls of what this star import brings are left as they are, and the target "
            "does not take them so",
            fix="Name in the import what the file uses, then run migrate again",
        )
        return replace(done, notes=tuple(_told_once((*done.notes, note))))
    if full.text is None:  # there is something to say, and nothing to change
        return replace(done, notes=full.notes)
    edits = [
        Edit(rule=MOVED, line=line, message="the names that are used stand for the *")
        for line in named.lines
    ]
    edits = sorted((*edits, *full.edits), key=lambda e: (e.line, e.rule, e.message))
    return replace(full, edits=tuple(edits))


def _calls_changed(done: Migration) -> set[tuple[str, int]]:
    """What is changed or said of more than an import, as (rule, line)."""
    told = [(edit.rule, edit.line) for edit in done.edits]
    told += [(note.rule, note.line) for note in done.notes]
    return {one for one in told if one[0] not in {MOVED, REMOVED}}


def _with_branches(less: Folded, done: Migration) -> Migration:
    """What became of a text without its branches, told of the text that has them."""
    if done.error:
        return done
    moved = [replace(edit, line=less.lines[edit.line - 1]) for edit in done.edits]
    notes = tuple(replace(note, line=less.lines[note.line - 1]) for note in done.notes)
    edits = sorted((*less.edits, *moved), key=lambda e: (e.line, e.rule, e.message))
    text = less.text if done.text is None else done.text
    return replace(done, text=text, edits=tuple(edits), notes=notes)


def _rewritten(source: Source, asked: _Asked) -> Migration:
    """The text of a reading after all rules."""
    steps: list[Step] = []
    notes: list[Note] = []
    for rule in RULES:
        for change in rule.find(source, asked.target):
            if isinstance(change, Note):
                notes.append(change)
            elif change.operations and (change.safe or asked.unsafe):
                steps.append(change)
            else:
                fix = "Check that nothing relies on it, then apply it with --unsafe"
                notes.append(_told(change, fix))
    steps.sort(key=lambda step: step.rule)  # what two rules put at one place has an order
    new, why = _written(source, steps)
    if why:
        stuck = [step for step in steps if _written(source, [step])[1]]
        notes += [_by_hand(step, why) for step in stuck]
        steps = [step for step in steps if step not in stuck]
        new, why = _written(source, steps)
    if why:
        line = min(step.line for step in steps)
        return Migration(error=f"line {line}: the change could not be written ({why})")
    notes = _told_once(notes)
    operations = [op for step in steps for op in step.operations]
    edits = tuple(
        Edit(rule=s.rule, line=s.line, message=s.message, safe=s.safe)
        for s in sorted(steps, key=lambda s: (s.line, s.rule, s.message))
    )
    if new == source.text:
        return Migration(notes=tuple(notes))
    left = tuple(_still_true(notes, new, asked))
    return Migration(text=new, edits=edits, notes=left, needs=_needs(operations))


def _written(source: Source, steps: Sequence[Step]) -> tuple[str, str]:
    """The text after all steps; if they make no Python, that of before and what is wrong."""
    if not steps:
        return source.text, ""
    try:
        new = written(source, [op for step in steps for op in step.operations])
        ast.parse(new)
    except cst.ParserSyntaxError as error:
        return source.text, error.message
    except SyntaxError as error:
        return source.text, error.msg
    return new, ""


def _told_once(notes: Iterable[Note]) -> list[Note]:
    """In the order of the text; what is the same of several names of a line, of the first."""
    first: dict[tuple[object, ...], Note] = {}
    for note in sorted(notes, key=lambda n: (n.line, n.column, n.rule, n.message)):
        first.setdefault((note.line, note.rule, note.message, note.fix), note)
    return list(first.values())


def _told(step: Step, fix: str, but: str = "") -> Note:
    """What is said of a change that is not made."""
    return Note(rule=step.rule, line=step.line, column=0, message=step.message + but, fix=fix)


def _by_hand(step: Step, why: str) -> Note:
    but = f"; the new code could not be written here ({why})"
    return _told(step, "Make the change by hand, then run migrate again", but)


def _still_true(notes: Sequence[Note], new: str, asked: _Asked) -> Iterator[Note]:
    """Without those about what a distribution lost when the edits took the import away."""
    lost = any(note.rule == third_party.ID for note in notes)
    found = third_party.RULE.find(Source(new, asked.path), asked.target) if lost else ()
    said = {change.message for change in found}
    yield from (note for note in notes if note.rule != third_party.ID or note.message in said)


def migrate_template(
    text: str,
    *,
    pins: Mapping[str, str],
    unsafe: bool = False,
    own: Collection[str] = (),
    lenient: bool = False,
) -> Migration:
    """Rewrite a Jinja template, as an operator loads it from a file or a field.

    ``own`` are variables that the user gives to templates, whatever Airflow means by their names;
    a ``lenient`` template is of a DAG of 1.10, which renders nothing for what is undefined.
    """
    target = target_for(key_of(pins))
    return rewrite_template(text, target, unsafe=unsafe, own=own, lenient=lenient)


def migrate_configuration(
    text: str, *, pins: Mapping[str, str], plugins: PluginModules | None = None
) -> Migration:
    """Rewrite the paths of Airflow's classes in a text of whatever form."""
    return rewrite_class_paths(text, target_for(key_of(pins), _key_of(plugins)))


def _key_of(plugins: PluginModules | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((plugins or {}).items()))


def migrate_bytes(
    data: bytes,
    *,
    pins: Mapping[str, str],
    path: str = "<string>",
    plugins: PluginModules | None = None,
    unsafe: bool = False,
    python2: bool = False,
    shared: Collection[str] = (),
    own: OwnClasses | None = None,
    dicts: OwnDicts | None = None,
    functions: OwnFunctions | None = None,
    queries: Mapping[str, bool | None] | None = None,
    subdags: OwnSubDags | None = None,
) -> tuple[bytes | None, Migration]:
    """Like ``migrate_source`` for a file's bytes: keeps encoding, BOM and newline style."""
    if not (python2 or concerns(data) or roles_here(path, functions or {})):
        return None, Migration()
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (SyntaxError, LookupError) as error:  # LookupError: a codec that is not for text
        return None, Migration(error=f"line 1: {getattr(error, 'msg', '') or error}")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return None, Migration(
            error=f"line {line}: byte 0x{data[error.start]:02x} is not {error.encoding}; add an "
            "encoding line (# -*- coding: latin-1 -*-) or save the file as UTF-8"
        )
    migration = migrate_source(
        text,
        pins=pins,
        path=path,
        plugins=plugins,
        unsafe=unsafe,
        python2=python2,
        shared=shared,
        own=own,
        dicts=dicts,
        functions=functions,
        queries=queries,
        subdags=subdags,
    )
    if migration.text is None:
        return None, migration
    if text.encode(encoding) != data:
        return None, Migration(
            error=f"line 1: {encoding} loses bytes of lines that stay; use UTF-8"
        )
    return migration.text.encode(encoding), migration


def _needs(operations: list[Operation]) -> tuple[str, ...]:
    imports = [
        new
        for op in operations
        if isinstance(op, Rebind | AddImport)
        for new in (op.imports if isinstance(op, Rebind) else (op.new,))
    ]
    found = {distribution_of(new.module) for new in imports}
    found |= {name for op in operations if isinstance(op, Rebind) for name in op.needs}
    return tuple(sorted(found - {"", CORE}))
