"""Jinja templates as Airflow renders them: variables that are gone or warn, by the target.

Only names in real Jinja expressions count, and only those that the template does not bind itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from jinja2 import Environment, TemplateError, meta

from codemods.base import Edit, Migration, Note
from codemods.tables.core_classes import DATE, GIVEN
from codemods.tables.model_names import ROWS
from codemods.tables.target import Target

ID = "template-variables"


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One variable of 1.10's context. ``new`` gives the same value in a template, and ``python`` in
    a callable that has the ``context``; ``unsafe`` marks one that does so in scheduled runs only.
    Without ``new`` it depends on the schedule what does, for instance ``earlier``."""

    name: str
    since: str  # the requirement on Airflow from which it is gone or warns
    new: str = ""
    closed: bool = True  # ``new`` is one operand, whatever stands around it
    unsafe: bool = False
    earlier: str = ""
    python: str = ""
    advice: str = ""  # where none of that says it
    said: str = ""  # what became of it, where it is neither gone nor warns

    def written(self, context: str) -> str:
        """The code in a callable whose context bears this name."""
        code = self.python or f'context["{self.new}"]'
        return code.replace("context[", f"{context}[")


# Gone: get_template_context of airflow/models/taskinstance.py, 1.10.15 against 2.0.2. Warns:
# _DEPRECATION_REPLACEMENTS of airflow/utils/context.py, the same from 2.2.2 to 2.10.3; 2.11.0 has
# conf as well.
_GONE, _WARNS = "apache-airflow>=2.0", "apache-airflow>=2.2"
VARIABLES = {
    v.name: v
    for v in (
        Variable(name="END_DATE", since=_GONE, new="ds"),
        Variable(name="end_date", since=_GONE, new="ds"),
        Variable(name="latest_date", since=_GONE, new="ds"),
        Variable(
            name="tables",
            since=_GONE,
            new="params.tables",
            python='context["params"].get("tables")',
        ),
        Variable(name="execution_date", since=_WARNS, new="logical_date"),
        Variable(
            name="tomorrow_ds",
            since=_WARNS,
            new="macros.ds_add(ds, 1)",
            python='context["macros"].ds_add(context["ds"], 1)',
        ),
        Variable(
            name="yesterday_ds",
            since=_WARNS,
            new="macros.ds_add(ds, -1)",
            python='context["macros"].ds_add(context["ds"], -1)',
        ),
        Variable(
            name="tomorrow_ds_nodash",
            since=_WARNS,
            new="(logical_date + macros.timedelta(days=1)) | ds_nodash",
            closed=False,
            python='context["macros"].ds_add(context["ds"], 1).replace("-", "")',
        ),
        Variable(
            name="yesterday_ds_nodash",
            since=_WARNS,
            new="(logical_date - macros.timedelta(days=1)) | ds_nodash",
            closed=False,
            python='context["macros"].ds_add(context["ds"], -1).replace("-", "")',
        ),
        Variable(name="next_execution_date", since=_WARNS, new="data_interval_end", unsafe=True),
        Variable(
            name="next_ds",
            since=_WARNS,
            new="data_interval_end | ds",
            closed=False,
            unsafe=True,
            python='context["data_interval_end"].strftime("%Y-%m-%d")',
        ),
        Variable(
            name="next_ds_nodash",
            since=_WARNS,
            new="data_interval_end | ds_nodash",
            closed=False,
            unsafe=True,
            python='context["data_interval_end"].strftime("%Y%m%d")',
        ),
        Variable(
            name="prev_execution_date_success",
            since=_WARNS,
            new="prev_data_interval_start_success",
            unsafe=True,
        ),
        *(
            Variable(
                name=name,
                since=_WARNS,
                earlier=f"(data_interval_start - macros.timedelta(days=1)){filters}",
                python=f'(context["data_interval_start"] - timedelta(days=1)){method}',
            )
            for name, filters, method in (
                ("prev_execution_date", "", ""),
                ("prev_ds", " | ds", '.strftime("%Y-%m-%d")'),
                ("prev_ds_nodash", " | ds_nodash", '.strftime("%Y%m%d")'),
            )
        ),
        Variable(
            name="conf",
            since="apache-airflow>=2.11",
            advice="Take conf from airflow.configuration; give templates what they need of it "
            "under another name, in user_defined_macros",
        ),
    )
}
# A DAG of 2.x has StrictUndefined as its template_undefined, one of 1.10 jinja2.Undefined. Source:
# airflow/models/dag.py of 1.10.15 and 2.0.2.
_CONF = Variable(
    name="dag_run.conf",
    since=_GONE,
    new="dag_run.conf... | default",
    said="what dag_run.conf lacks fails since Airflow 2.0, where 1.10 rendered nothing",
)
# Between these nothing at all and an empty text are the same.
_BEFORE = {"{{", "{{-", "~", "and", "elif", "else", "if", "not", "or"}
_BEHIND = {"~", "and", "else", "if", "or"}
# What Pendulum 3 writes with a space where 1 and 2 wrote a T, as ``isoformat`` does in all.
_SPACED = "apache-airflow>=2.8"
_WRITTEN = {
    "execution_date": "ts",
    "next_execution_date": "data_interval_end.isoformat()",
}
# Filters that take a text of what they are given.
_OF_TEXT = {"e", "escape", "lower", "regex_replace", "replace", "string", "trim", "truncate"}
_HELD = GIVEN | {"logical_date": DATE}

_ATTRIBUTES = sorted({name for path in _HELD.values() for name in ROWS[path]})
_MENTIONED = re.compile(
    rf"\b(?:{'|'.join(VARIABLES)}|logical_date"
    rf"|(?:{'|'.join(_HELD)})\.(?:{'|'.join(_ATTRIBUTES)}))\b"
)
_BLOCK = re.compile(r"\{\{|\{%")


@dataclass(frozen=True, kw_only=True)
class Found:
    """One place in a template: the span of the text, and what stands there now."""

    start: int
    end: int
    variable: Variable
    code: str  # "" = only a note


def mentions(text: str) -> bool:
    """Whether a text may be a template with such a variable: cheap, and may be wrong."""
    return _BLOCK.search(text) is not None and _MENTIONED.search(text) is not None


def gone(name: str, target: Target) -> Variable | None:
    """The variable of that name, when the target has it no more or warns about it."""
    variable = VARIABLES.get(name)
    return variable if variable is not None and target.has(variable.since) else None


def message(variable: Variable) -> str:
    """What there is to say about a variable."""
    if variable.said:
        return variable.said
    release = variable.since.rpartition("=")[2]
    if variable.since == _GONE:
        return f"{variable.name} is gone in Airflow 2"
    verb = "warns" if variable.name in VARIABLES else "is something else"
    return f"{variable.name} {verb} since Airflow {release}"


def own_macros(tree: ast.Module) -> set[str]:
    """Names that ``user_defined_macros`` give to templates and the target's context does not have:
    what it has comes before them, on 1.10 as well (``render`` before ``globals`` in Jinja)."""
    values: dict[str, list[ast.expr]] = {}
    given: list[ast.expr] = []
    keys: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                name = ast.unparse(target)
                values.setdefault(name, []).append(node.value)
                given += [node.value] if "user_defined_macros" in name else []
        elif isinstance(node, ast.Call):
            given += [k.value for k in node.keywords if k.arg == "user_defined_macros"]
            keys |= {k.arg for k in node.keywords if k.arg and ast.unparse(node.func) == "dict"}
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    keys.add(key.value)
                    given += [value] if key.value == "user_defined_macros" else []
    found: set[str] = set()
    for one in given:
        known = [one, *values.get(one.id, [])] if isinstance(one, ast.Name) else [one]
        dicts = [value for value in known if isinstance(value, ast.Dict)]
        # Where they are put together in another way, any key of the file may be one of them.
        found |= {str(k.value) for d in dicts for k in d.keys if isinstance(k, ast.Constant)}
        found |= keys if not dicts or any(None in d.keys for d in dicts) else set()
    return {name for name in found if name in VARIABLES and VARIABLES[name].since == _GONE}


class _Any(dict[str, Any]):
    """Filters, or tests, of whatever name: Airflow has more, and so may have the user."""

    def get(self, key: str, default: object = None) -> Any:
        return super().get(key, default or str)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(extensions=["jinja2.ext.do"], keep_trailing_newline=True)  # noqa: S701 – never rendered
    made.filters, made.tests = _Any(made.filters), _Any(made.tests)
    return made


def places(
    text: str,
    target: Target,
    own: Collection[str] = (),
    *,
    lenient: bool = False,
    known: Collection[str] = (),
) -> list[Found]:
    """Every place of a variable that is gone or warns; ``own`` are names that the user defines.
    ``lenient`` ones were written for 1.10, which rendered nothing for what is undefined; where
    all ``known`` variables are given, others are.

    A text that is no Jinja template has none.
    """
    if not (mentions(text) or (known and _BLOCK.search(text))):
        return []
    text = text.replace("\r", " ")  # Jinja would make one newline of two characters
    try:
        free = meta.find_undeclared_variables(_environment().parse(text)) - set(own)
        tokens = list(_environment().lex(text))
    except TemplateError:
        return []
    found: list[Found] = []
    at, inside = 0, False
    spans: list[tuple[int, str, str]] = []
    for _, kind, value in tokens:
        while not text.startswith(value, at):  # a minus at a bracket takes the space beside it away
            if not text[at : at + 1].isspace():
                return []
            at += 1
        inside = (inside or kind.endswith("_begin")) and not kind.endswith("_end")
        if inside and kind != "whitespace":
            spans.append((at, kind, value))
        at += len(value)
    for index, (start, kind, name) in enumerate(spans):
        if lenient and kind == "name" and name in free:
            if name == "dag_run":
                found += _defaulted(spans, index)
            elif known and name not in known:
                found += _undefined(spans, index)
        variable = gone(name, target) if kind == "name" and name in free else None
        before = spans[index - 1][2] if index else ""
        after = [value for _, _, value in spans[index + 1 : index + 5]]
        if kind != "name" or before in {".", "set", "for"} or after[:1] == ["="]:
            continue
        if name in free and name in _HELD and after[:1] == ["."]:
            of = _attribute(name, after[1:], target)
            if of is not None:
                dot = spans[index + 2][0]
                found.append(Found(start=dot, end=dot + len(after[1]), variable=of, code=of.new))
        if variable is None:
            continue
        alone = before in {"{{", "{{-"} and (index + 1 == len(spans) or _ends(spans, index + 1))
        if name in _WRITTEN and target.has(_SPACED) and _text(before, after, alone):
            variable = replace(variable, new=_WRITTEN[name])
        code = variable.new
        if code and not variable.closed and not alone:
            code = f"({code})"
        found.append(Found(start=start, end=start + len(name), variable=variable, code=code))
    return sorted(found, key=lambda f: f.start)


def _defaulted(spans: list[tuple[int, str, str]], index: int) -> Iterator[Found]:
    """``dag_run.conf["x"]`` and ``dag_run.conf.x``, whose end a filter follows."""
    values = [value for _, _, value in spans[index : index + 7]]
    last = index + (5 if values[3:4] == ["["] else 4)
    known = values[1:3] == [".", "conf"] and values[3:4] in (["."], ["["])
    if not known or len(spans) <= last or (values[3] == "[" and values[5:6] != ["]"]):
        return
    if _stands_alone(spans, index, last):
        start, _, end = spans[last]
        yield Found(start=start, end=start + len(end), variable=_CONF, code=f"{end} | default")


def _undefined(spans: list[tuple[int, str, str]], index: int) -> Iterator[Found]:
    """A name that nothing gives a value."""
    start, _, name = spans[index]
    if _stands_alone(spans, index, index):
        new = f"{name} | default"
        said = f"{name} is undefined, which fails since Airflow 2.0, where 1.10 rendered nothing"
        variable = Variable(name=name, since=_GONE, new=new, said=said)
        yield Found(start=start, end=start + len(name), variable=variable, code=new)


def _stands_alone(spans: list[tuple[int, str, str]], first: int, last: int) -> bool:
    """Whether nothing at all and an empty text are the same for what stands around an operand."""
    before = spans[first - 1][2] if first else ""
    over = len(spans) == last + 1 or spans[last + 1][1].endswith("_begin")
    behind, other = ([value for _, _, value in spans[last + 1 :]] + ["", ""])[:2]
    over = over or (behind in {"==", "!="} and other[:1] in {"'", '"'} and len(other) > 2)
    return before in _BEFORE and (over or behind in _BEHIND)


def _ends(spans: list[tuple[int, str, str]], index: int) -> bool:
    return spans[index][1].endswith("_begin") or spans[index][2] == "|"


def _text(before: str, after: list[str], alone: bool) -> bool:
    """Whether a value is written as text where it stands."""
    if after[:1] == ["|"]:
        return after[1] in _OF_TEXT
    return alone or "~" in {before, *after[:1]}


def _attribute(owner: str, after: list[str], target: Target) -> Variable | None:
    """What became of an attribute of a variable, when the target has it no more or warns."""
    row = ROWS[_HELD[owner]].get(after[0])
    if row is None or not target.has(f"apache-airflow>={row.since}"):
        return None
    if row.given and not (after[1:2] == ["("] and row.given in "".join(after[2:3])):
        return None
    # A text inside would need the other quotes than those around the template.
    new = "" if '"' in row.new else row.new
    return Variable(
        name=f"{owner}.{after[0]}",
        since=f"apache-airflow>={row.since}",
        new=new,
        advice=row.said(owner),
    )


def rewrite_template(
    text: str,
    target: Target,
    *,
    unsafe: bool = False,
    own: Collection[str] = (),
    lenient: bool = False,
) -> Migration:
    """A whole template file, as an operator loads it."""
    edits: list[Edit] = []
    notes: list[Note] = []
    new = text
    lenient = lenient and target.has(_GONE)
    for place in reversed(places(text, target, own, lenient=lenient)):
        line = text.count("\n", 0, place.start) + 1
        variable = place.variable
        if place.code and (unsafe or not variable.unsafe):
            new = new[: place.start] + place.code + new[place.end :]
            said = f"{message(variable)}: {variable.new if variable.said else place.code}"
            said += "" if variable.said else " has its value"
            edits.append(Edit(rule=ID, line=line, message=said, safe=not variable.unsafe))
        else:
            column = place.start - text.rfind("\n", 0, place.start) - 1
            notes.append(note(variable, line, column))
    if not edits and not notes:
        return Migration()
    return Migration(
        text=new if new != text else None,
        edits=tuple(reversed(edits)),
        notes=tuple(reversed(notes)),
    )


def note(variable: Variable, line: int, column: int, *, python: str = "") -> Note:
    """What a person must decide about a variable; ``python`` names the context of a callable."""
    code = variable.written(python) if python else variable.new or variable.earlier
    if variable.advice:
        fix = variable.advice
    elif not variable.new:
        fix = f"Take it from the run, for instance `{code}` for a daily schedule"
    elif variable.unsafe:
        fix = f"Use `{code}`: it has another value in runs that are triggered by hand"
    else:
        fix = f"Use `{code}`, which has its value"
    if variable.unsafe and not python:
        fix += "; --unsafe writes it"
    return Note(rule=ID, line=line, column=column, message=message(variable), fix=fix)
