"""Jinja variables that the target has no more, or warns about, get the name of the same value."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import cast

import libcst as cst

from codemods.base import Example, Rule
from codemods.editing.changes import Change, Operation, RenameArgument, Replace, Respell, Step
from codemods.reading.age import of_2, scheduled
from codemods.reading.callables import defaults_of, unasking
from codemods.reading.calls import by_place
from codemods.reading.contexts import Taker, takers
from codemods.reading.source import Source
from codemods.repository.templates import (
    ID,
    VARIABLES,
    Found,
    Variable,
    gone,
    mentions,
    message,
    note,
    own_macros,
    places,
)
from codemods.rules._text import block, lines
from codemods.rules.reserved_names import reserved
from codemods.tables.target import Target

# How Python reads a literal before Jinja does: in an f-string and before .format() every brace of
# Jinja's stands twice, left of % every percent sign.
_PLAIN, _FORMATTED, _BRACES, _PERCENT = "plain", "formatted", "braces", "percent"
_EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
# Arguments of Airflow's operators that are rendered always.
_TEMPLATES = {"bash_command", "sql", "hql"}
# What templates know beside the context of 1.10: Jinja's own, and what 2.x has added.
_ELSEWHERE = {
    *("caller", "cycler", "dict", "joiner", "kwargs", "lipsum", "loop", "namespace", "range"),
    *("self", "super", "varargs", "conn", "exception", "expanded_ti_count", "inlet_events"),
    *("outlet_events", "prev_end_date_success", "reason", "task_reschedule_count"),
    *("templates_dict", "triggering_dataset_events", "map_index_template"),
}
_NAMES = re.compile(rf"\b(?:{'|'.join(VARIABLES)})\b")


class _Templates:
    """The strings and the callables of one source."""

    def __init__(self, source: Source, target: Target) -> None:
        self.source = source
        self.target = target

    def find(self) -> Iterator[Change]:
        text = self.source.text
        if (mentions(text) or self._templated) and not self._renders_itself():
            own = own_macros(self.source.tree) if "user_defined_macros" in text else set()
            for node, how in self._strings():
                yield from self._string(node, how, own)
        for taker in takers(self.source) if _NAMES.search(text) else ():
            yield from self._function(taker)

    @cached_property
    def _lenient(self) -> bool:
        """Whether the DAGs are of 1.10 and say nothing of what is undefined."""
        strict = "template_undefined" in self.source.text or scheduled(self.source)
        return self.target.has("apache-airflow>=2.0") and not (strict or of_2(self.source))

    @cached_property
    def _templated(self) -> set[int]:
        """``id`` of the texts that are surely templates, where nothing gives them more variables
        than Airflow does."""
        dags = [call for call in self.source.calls if call.path.endswith(".DAG")]
        given = any(k.arg in {"user_defined_macros", None} for c in dags for k in c.node.keywords)
        if not dags or given or not self._lenient or "user_defined" in self.source.text:
            return set()
        return {
            id(keyword.value)
            for call in self.source.calls
            for keyword in call.node.keywords
            if keyword.arg in _TEMPLATES
            and call.path.startswith("airflow.")
            and isinstance(keyword.value, ast.Constant)
            and "{" in str(keyword.value.value)
        }

    @cached_property
    def _known(self) -> set[str]:
        return reserved(self.target) | VARIABLES.keys() | _ELSEWHERE

    # -- strings -----------------------------------------------------------------------------

    def _renders_itself(self) -> bool:
        """Whether the file uses Jinja on its own: its templates have variables of their own."""
        return any(
            "jinja2" in (b.path.partition(".")[0], b.alias.name.partition(".")[0])
            for b in self.source.bindings
        )

    def _strings(self) -> Iterator[tuple[ast.expr, str]]:
        """String literals that may be templates, and how Python reads them before Jinja does."""
        inside: set[int] = set()
        filled: set[int] = set()
        for node in self.source.nodes:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                inside.add(id(node.value))  # a docstring
            elif isinstance(node, ast.JoinedStr):
                inside |= {id(n) for n in ast.walk(node) if n is not node}
                yield node, _FORMATTED
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "format"
                and isinstance(node.func.value, ast.Constant)
            ):
                inside.add(id(node.func.value))
                yield node.func.value, _BRACES
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
                filled.add(id(node.left))
        for node in self.source.nodes:
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and id(node) not in inside:
                if id(node) in filled and "{%%" in text:
                    yield cast(ast.Constant, node), _PERCENT
                elif mentions(text) or id(node) in self._templated:
                    yield cast(ast.Constant, node), _PLAIN

    def _string(self, node: ast.expr, how: str, own: set[str]) -> Iterator[Change]:
        raw = self.source.segment(node)
        known = self._known if id(node) in self._templated else set()
        if not (mentions(raw) or known):
            return
        begin = self.source.span(node)[0]
        found: list[Found] = []
        for plain, at in _readings(raw, how):
            found = [
                replace(place, start=begin + at[place.start], end=begin + at[place.end])
                for place in places(plain, self.target, own, lenient=self._lenient, known=known)
            ]
            if found:
                break
        for place in found:
            if not place.code:
                yield note(place.variable, self.source.line_of(place.start), 0)
        parts = [
            (place.variable, Respell(start=place.start, end=place.end, code=place.code))
            for place in found
            if place.code
        ]
        safe = [(variable, part) for variable, part in parts if not variable.unsafe]
        left = [variable for variable, _ in parts if variable.unsafe]
        if safe:
            yield self._step(node.lineno, [v for v, _ in safe], *(part for _, part in safe))
        if left:
            yield self._step(node.lineno, left, *(part for _, part in parts))

    def _step(
        self, line: int, variables: list[Variable], *operations: Operation, code: str = ""
    ) -> Step:
        told = {f"{message(v)} (now {code or v.new})": None for v in variables if v.new}
        said = ", ".join(told)
        safe = not any(v.unsafe for v in variables)
        return Step(rule=ID, line=line, message=said, operations=operations, safe=safe)

    # -- callables ---------------------------------------------------------------------------

    def _function(self, taker: Taker) -> Iterator[Change]:
        node, holders = taker.node, taker.holders
        given = self._given_otherwise.union(taker.own.filled if taker.own is not None else ())
        for inner in ast.walk(node):
            holder, key = self._key(inner, holders) or ("", None)
            if key is None or not isinstance(key.value, str):
                continue
            variable = gone(key.value, self.target)
            if variable is None or key.value in given:
                continue
            written = self.source.segment(key)
            if not holders[holder]:
                yield note(variable, key.lineno, key.col_offset, python=holder)
            elif variable.new.isidentifier():
                code = written.replace(key.value, variable.new)
                yield self._step(key.lineno, [variable], Replace(node=key, code=code))
            elif variable.new and isinstance(inner, ast.Subscript):
                code = variable.written(holder)
                code = code.replace('"', "'") if written.endswith("'") else code
                made = Replace(node=inner, code=code)
                yield self._step(key.lineno, [variable], made, code=code)
            else:
                yield note(variable, key.lineno, key.col_offset, python=holder)
        for argument in [*node.args.args, *node.args.kwonlyargs] if taker.named else ():
            found = gone(argument.arg, self.target)
            if found is not None and argument.arg not in given:
                yield from self._argument(taker, argument, found)

    @cached_property
    def _given_otherwise(self) -> set[str]:
        """Names that ``op_kwargs`` and the like give, and parameters that ``op_args`` fill or whose
        defaults 1.10 leaves."""
        found = {n for _, f in unasking(self.source) for n in defaults_of(f.args)}
        functions = {f.name: f for f in self.source.every(ast.FunctionDef)}
        for call in self.source.plain_calls:
            keywords = {k.arg: k.value for k in call.keywords}
            called = keywords.get("python_callable")
            function = functions.get(called.id) if isinstance(called, ast.Name) else called
            if "op_args" in keywords and isinstance(function, ast.FunctionDef | ast.Lambda):
                names, count = by_place(self.source, function, keywords["op_args"])
                found.update(names[:count])
            for keyword in call.keywords:
                if keyword.arg in ("op_kwargs", "templates_dict", "params"):
                    value = self.source.value_of(keyword.value, ast.Dict)
                    keys = value.keys if isinstance(value, ast.Dict) else []
                    found |= {str(k.value) for k in keys if isinstance(k, ast.Constant)}
                    if isinstance(keyword.value, ast.Call):
                        found |= {k.arg for k in keyword.value.keywords if k.arg}
        return found

    def _key(self, node: ast.AST, holders: Mapping[str, bool]) -> tuple[str, ast.Constant] | None:
        """The holder and the key of ``context["key"]`` and ``context.get("key")``."""
        key: ast.expr | None = None
        owner: ast.expr | None = None
        if isinstance(node, ast.Subscript):
            owner, key = node.value, node.slice
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("get", "pop")
            and node.args
        ):
            owner, key = node.func.value, node.args[0]
        if isinstance(owner, ast.Name) and owner.id in holders and isinstance(key, ast.Constant):
            return owner.id, key
        return None

    def _argument(self, taker: Taker, argument: ast.arg, variable: Variable) -> Iterator[Change]:
        """``def f(execution_date, **kwargs)``: renamed when nobody but Airflow calls it, and the
        file shows what else it is given."""
        node = taker.node
        names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
        taken = {n.id for n in names} | {a.arg for a in ast.walk(node) if isinstance(a, ast.arg)}
        called = any(
            isinstance(call.func, ast.Name | ast.Attribute)
            and ast.unparse(call.func).rpartition(".")[2] == getattr(node, "name", None)
            for call in self.source.plain_calls
        )
        nested = any(
            isinstance(n, ast.FunctionDef | ast.Lambda) and n is not node for n in ast.walk(node)
        )
        elsewhere = not taker.handed or taker.own is not None
        new = variable.new
        if not new.isidentifier() or new in taken or called or nested or elsewhere:
            context = node.args.kwarg.arg if node.args.kwarg else "context"
            yield note(variable, argument.lineno, argument.col_offset, python=context)
            return
        uses = (Replace(node=n, code=new) for n in names if n.id == argument.arg)
        yield self._step(
            argument.lineno, [variable], RenameArgument(node=argument, name=new), *uses
        )


def _readings(raw: str, how: str) -> Iterator[tuple[str, list[int]]]:
    """A literal as Jinja reads it, with where each character of it stands in the literal: all of
    it, and should that be no template, what its pairs of brackets hold."""
    pieces = _pieces(raw) if how == _FORMATTED else [(0, len(raw), how)]
    plain = [pair for piece in pieces for pair in _characters(raw, *piece)]
    text = "".join(character for character, _ in plain)
    at = [*(place for _, place in plain), len(raw)]
    yield text, at
    if how in (_FORMATTED, _BRACES):
        kept = [" "] * len(text)
        for match in _EXPRESSION.finditer(text):
            kept[match.start() : match.end()] = match[0]
        yield "".join(kept), at


def _pieces(raw: str) -> list[tuple[int, int, str]]:
    """The literals that stand side by side, one of them an f-string: (start, end, how)."""
    try:
        left = [cst.parse_expression(f"({raw})")]
    except cst.ParserSyntaxError:  # newer Python than LibCST knows
        return [(0, len(raw), _BRACES)]
    found: list[tuple[int, int, str]] = []
    at = 0
    while left:
        part = left.pop(0)
        if isinstance(part, cst.ConcatenatedString):
            left[:0] = [part.left, part.right]
        else:
            code = cst.Module([]).code_for_node(part.with_changes(lpar=(), rpar=()))
            start = raw.index(code, at)
            at = start + len(code)
            found.append((start, at, _PLAIN if isinstance(part, cst.SimpleString) else _BRACES))
    return found


def _characters(raw: str, start: int, end: int, how: str) -> Iterator[tuple[str, int]]:
    """Each character that Jinja is given, and where it stands. A field that is filled in is a
    letter; what is escaped is blank, but for quotes."""
    at = start
    while at < end:
        two = raw[at : at + 2]
        if two[0] == "\\" and at + 1 < end:
            yield " ", at
            yield (two[1] if two[1] in "'\"" else " "), at + 1
            at += 2
        elif (how == _BRACES and two in ("{{", "}}")) or (how == _PERCENT and two == "%%"):
            yield two[0], at
            at += 2
        elif how == _BRACES and two[0] == "{":
            yield "x", at
            depth = 1
            while depth and at + 1 < end:
                at += 1
                depth += (raw[at] == "{") - (raw[at] == "}")
            at += 1
        else:
            yield two[0], at
            at += 1


def _find(source: Source, target: Target) -> Iterator[Change]:
    yield from _Templates(source, target).find()


_BASH = "from airflow.operators.bash import BashOperator"
_NEXT = block("""
    from airflow.operators.bash import BashOperator

    BashOperator(task_id='b', bash_command='run {{ next_ds }}')
""")

RULE = Rule(
    id=ID,
    title="Name in templates what the target's context has",
    why="END_DATE, end_date, latest_date and tables are gone since 2.0, and so are attributes of "
    "dag, task and ti: a template with one of them fails. Others warn since 2.2. A date is written "
    "with a space since 2.8, where ts still has the T. The same holds for template files that "
    "operators load and for callables that get the context. What a run's conf lacks rendered as "
    "nothing on 1.10; on 2.x a template that asks for it fails, unless it says | default.",
    examples=(
        Example(
            before=block("""
                from airflow.operators.bash import BashOperator

                BashOperator(task_id='b', bash_command='run {{ END_DATE }} {{ execution_date }}')
                BashOperator(task_id='c', bash_command='{{ execution_date.add(days=1) | ds }}')
                BashOperator(task_id='d', bash_command='{{ dag.latest_execution_date }}')
            """),
            after=block("""
                from airflow.operators.bash import BashOperator

                BashOperator(task_id='b', bash_command='run {{ ds }} {{ ts }}')
                BashOperator(task_id='c', bash_command='{{ logical_date.add(days=1) | ds }}')
                BashOperator(task_id='d', bash_command='{{ dag.get_latest_execution_date() }}')
            """),
        ),
        Example(
            before=block("""
                from airflow.operators.bash import BashOperator

                day = '{{ tomorrow_ds }}'
                BashOperator(task_id='b', bash_command='{{ tomorrow_ds_nodash[:4] }}')
            """),
            after=lines(
                _BASH,
                "",
                "day = '{{ macros.ds_add(ds, 1) }}'",
                "BashOperator(task_id='b', bash_command="
                "'{{ ((logical_date + macros.timedelta(days=1)) | ds_nodash)[:4] }}')",
            ),
        ),
        Example(
            before=block(r"""
                from airflow.operators.bash_operator import BashOperator

                BashOperator(task_id='b', bash_command="a {{ dag_run.conf['x'] }}")
                BashOperator(task_id='c', bash_command=f'{{{{dag_run.conf.x or 1}}}}')
                BashOperator(task_id='d', bash_command='{{ dag_run.conf.x | default(1) }}')
                BashOperator(task_id='e', bash_command='{{ dag_run.conf.x.y == 1 }}')
                BashOperator(task_id='f', bash_command='{{ dag_run.conf.x == \'a\' }}')
            """),
            after=block(r"""
                from airflow.operators.bash import BashOperator

                BashOperator(task_id='b', bash_command="a {{ dag_run.conf['x'] | default }}")
                BashOperator(task_id='c', bash_command=f'{{{{dag_run.conf.x | default or 1}}}}')
                BashOperator(task_id='d', bash_command='{{ dag_run.conf.x | default(1) }}')
                BashOperator(task_id='e', bash_command='{{ dag_run.conf.x.y == 1 }}')
                BashOperator(task_id='f', bash_command='{{ dag_run.conf.x | default == \'a\' }}')
            """),
        ),
        Example(
            before=block("""
                from airflow import DAG
                from airflow.operators.bash_operator import BashOperator

                DAG('d', schedule_interval=None)
                BashOperator(task_id='b', bash_command='a {{ dag_id }} {{ ds }} {{ b.c }}')
                BashOperator(task_id='c', bash_command='{% for n in [1] %}{{ n }}{% endfor %}')
            """),
            after=lines(
                "from airflow import DAG",
                _BASH,
                "",
                "DAG('d', schedule=None)",
                "BashOperator(task_id='b', "
                "bash_command='a {{ dag_id | default }} {{ ds }} {{ b.c }}')",
                "BashOperator(task_id='c', bash_command='{% for n in [1] %}{{ n }}{% endfor %}')",
            ),
        ),
        Example(before=_NEXT, notes=("data_interval_end | ds",)),
        Example(
            before=block("""
                from airflow.operators.bash import BashOperator


                class Mine(BashOperator):
                    def execute(self, context):
                        return context.get('prev_ds')
            """),
            notes=('(context["data_interval_start"] - timedelta(days=1)).strftime("%Y-%m-%d")',),
        ),
        Example(
            before=_NEXT,
            after=block("""
                from airflow.operators.bash import BashOperator

                BashOperator(task_id='b', bash_command='run {{ data_interval_end | ds }}')
            """),
            unsafe=True,
        ),
        Example(
            before=block("""
                from airflow.operators.python import PythonOperator


                def load(execution_date, **context):
                    return execution_date, context['END_DATE'], context['yesterday_ds']


                PythonOperator(task_id='p', python_callable=load)
            """),
            after=block("""
                from airflow.operators.python import PythonOperator


                def load(logical_date, **context):
                    return logical_date, context['ds'], context['macros'].ds_add(context['ds'], -1)


                PythonOperator(task_id='p', python_callable=load)
            """),
        ),
        Example(
            before=block("""
                from airflow import DAG


                def page(happened, **kwargs):
                    return happened['execution_date']


                DAG('d', schedule=None, default_args={'on_failure_callback': page})
            """),
            after=block("""
                from airflow import DAG


                def page(happened, **kwargs):
                    return happened['logical_date']


                DAG('d', schedule=None, default_args={'on_failure_callback': page})
            """),
        ),
        Example(
            before=block("""
                from airflow.models import Variable


                def tell(context):
                    return context['ti'].task_id, context.get('execution_date')
            """),
            after=block("""
                from airflow.models import Variable


                def tell(context):
                    return context['ti'].task_id, context.get('logical_date')
            """),
        ),
    ),
    keeps=(
        block("""
            from airflow.operators.bash import BashOperator

            BashOperator(task_id='b', bash_command='echo end_date {{ ds }}')
        """),
        block("""
            from airflow.operators.bash import BashOperator

            BashOperator(task_id='b', bash_command='{{ params.end_date }}')
        """),
        block("""
            from airflow.operators.bash import BashOperator

            BashOperator(task_id='b', bash_command='{{ dag_run.conf.x }}')
        """),
        block("""
            from airflow.operators.bash import BashOperator

            BashOperator(task_id='b', bash_command='{% set end_date = ds %}{{ end_date }}')
        """),
        block("""
            import airflow
            from jinja2 import Template

            Template('{{ end_date }}').render(end_date=1)
        """),
        block("""
            from airflow import DAG

            DAG('d', schedule=None, user_defined_macros={'end_date': 1}, doc_md='{{ end_date }}')
        """),
        block("""
            from airflow.operators.python import PythonOperator


            def load(end_date):
                return end_date


            PythonOperator(task_id='p', python_callable=load, op_kwargs={'end_date': 1})
        """),
        block("""
            from airflow.operators.python import PythonOperator


            def load(table, end_date):
                return table, end_date


            PythonOperator(task_id='p', python_callable=load, op_args=['t', '{{ ds }}'])
        """),
        block("""
            # airflow
            def plan(execution_date):
                return execution_date
        """),
        block("""
            # airflow
            def page(context):
                return context['end_date']
        """),
    ),
    find=_find,
)
