"""A Slack token is its connection's password."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from codemods.base import Example, Note, Place, Rule
from codemods.editing.changes import Change, EditCall, Step
from codemods.editing.stand_ins import StandIn, class_code, stand_in
from codemods.reading.calls import Construction, constructions, items_of
from codemods.reading.source import Source
from codemods.reading.unpacking import unpacked
from codemods.reading.values import returned
from codemods.rules._text import block, lines
from codemods.tables.constructors import baseline
from codemods.tables.target import Target

ID = "slack-token"
_HOMES = ("airflow.providers.slack.hooks.", "airflow.providers.slack.operators.")
_CONNECTIONS = {"token": "slack_conn_id", "webhook_token": "slack_webhook_conn_id"}
_OLD = "http_conn_id"
# Source: CHANGELOG of apache-airflow-providers-slack (6.0.0: the webhook's own connection; 8.0.0:
# the deprecated tokens are gone).
_TAKES_CONNECTION = {
    "token": "apache-airflow-providers-slack>=1.0",
    "webhook_token": "apache-airflow-providers-slack>=6.0",
}
_WITHOUT = "apache-airflow-providers-slack>=8.0"
_PLAIN = (ast.Constant, ast.Name, ast.Attribute, ast.JoinedStr, ast.FormattedValue, ast.BinOp)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Asked:
    """A construction that is given a token, or may be by default_args."""

    made: Construction
    argument: str
    value: ast.expr | None  # None where default_args give it
    at: int | None = None  # its place, where it is given by that
    in_dict: bool = False

    @property
    def place(self) -> Place:
        return self.value if self.value is not None else self.made.node

    @property
    def name(self) -> str:
        return self.made.path.rpartition(".")[2]


def _argument(target: Target, made: Construction) -> str:
    """What the class calls the token that it takes for itself; empty where it takes none."""
    path = target.resolve(made.path).path
    if not path.startswith(_HOMES):
        return ""
    argument = "webhook_token" if "slack_webhook." in path else "token"
    taken = argument in made.own or not target.has(_TAKES_CONNECTION[argument])
    return "" if taken else argument


def _asked(source: Source, target: Target) -> Iterator[_Asked]:
    for made in constructions(source):
        argument = _argument(target, made)
        if not argument:
            continue
        given = {k.arg: k.value for k in made.reaching if k.arg}
        args = made.node.args
        signature = baseline().signature(made.path)
        places = signature.positional if signature is not None else ()
        at = places.index(argument) + made.first if argument in places else len(args)
        connections = given.keys() & {_OLD, *_CONNECTIONS.values()}
        if argument in given:
            yield _Asked(made=made, argument=argument, value=given[argument])
        elif at < len(args) and not any(isinstance(arg, ast.Starred) for arg in args):
            yield _Asked(made=made, argument=argument, value=args[at], at=at)
        elif argument in source.default_arguments[0] and not (_is_hook(made.path) or connections):
            yield _Asked(made=made, argument=argument, value=None)
    for holder, calls, _ in unpacked(source):
        given = {name: value for _, name, value in items_of(holder)}
        for made in calls:
            if (argument := _argument(target, made)) in given:
                value = given[argument]
                yield _Asked(made=made, argument=argument, value=value, in_dict=True)


def _is_hook(path: str) -> bool:
    return path.endswith("Hook")


def _find(source: Source, target: Target) -> Iterator[Change]:
    if "slack" not in source.text.lower():
        return
    left: dict[str, dict[int, _Asked]] = {}
    for one in _asked(source, target):
        step = _by_connection(source, one) if not one.in_dict else None
        if step is not None:
            yield step
        else:
            found = left.setdefault(target.resolve(one.made.path).path, {})
            found[id(one.made)] = one  # a dict says more than default_args
    last = True
    for path, asked in left.items():
        all_of_it = list(asked.values())
        step = _own_class(source, target, path, all_of_it, last=last)
        if step is not None:
            last = False
            yield step
        for one in all_of_it:
            connection = _CONNECTIONS[one.argument]
            no = "takes no" if target.has(_WITHOUT) else "warns about"
            but = ": a class of the file's gives it to the hook" if step is not None else ""
            yield Note.at(
                one.place,
                rule=ID,
                message=f"{one.name} {no} {one.argument} on the target{but}",
                fix="Put the token into a Slack connection (password) and pass "
                f'{connection}="<connection>" instead',
            )


def _by_connection(source: Source, one: _Asked) -> Step | None:
    """The call with the connection whose password the token is, or without a token that is none."""
    node, value, connection = one.made.node, one.value, _CONNECTIONS[one.argument]
    given = {k.arg: k.value for k in node.keywords if k.arg}
    other = given.get(connection, given.get(_OLD))
    why = ""
    if isinstance(value, ast.Constant) and value.value is None and one.at is None:
        why = "it is None"
    whose = _password_of(value, source) if value is not None and not why else None
    if whose is not None and other is not None and _same(other, whose, source):
        why = "it is the password of the same connection"
    edit: EditCall | None = None
    if why and one.at is None:
        edit = EditCall(node=node, drop=frozenset({one.argument}))
        said = f"{one.argument} is dropped: {why}"
    elif whose is not None and other is None and _movable(whose, node, source):
        code = source.segment(whose)
        said = f"{one.argument} is the password of {connection}={code}"
        if one.at is None:
            values, rename = {one.argument: code}, {one.argument: connection}
            edit = EditCall(node=node, values=values, rename=rename)
        elif len(node.args) == one.at + 1:
            places = frozenset({one.at})
            edit = EditCall(node=node, drop_positional=places, add={connection: code})
    if edit is None:
        return None
    return Step(rule=ID, line=one.place.lineno, message=said, operations=(edit,))


def _own_class(
    source: Source, target: Target, path: str, asked: list[_Asked], *, last: bool
) -> Step | None:
    """A class of the file's that takes a token for its hook."""
    if not target.has(_WITHOUT) or any(len(one.made.node.args) > 2 for one in asked):
        return None  # the third that 1.10 takes by place is no more
    argument, kind = asked[0].argument, "hook" if _is_hook(path) else "operator"
    bindings = [b for b in source.bindings if b.name != "*" and target.resolve(b.path).path == path]
    made = StandIn(
        path=path,
        code=class_code(f"slack_{kind}_{argument}"),
        needs=_NEEDS,
        home=f"{path.split('.')[-2]}_hooks" if kind == "hook" else "",
    )
    calls = [one.made for one in asked]
    operations = stand_in(source, bindings, made, calls, last=last)
    if not operations:
        return None
    named = tuple(_named(one.made) for one in asked if argument == "webhook_token" and one.at)
    return Step(
        rule=ID,
        line=asked[0].place.lineno,
        message=f"{asked[0].name} is a class of the file's, which takes {argument} as on 1.10",
        operations=(*operations, *named),
    )


def _named(made: Construction) -> EditCall:
    """A webhook hook's call with connection and token by name."""
    first, *_ = made.node.args
    none = isinstance(first, ast.Constant) and first.value is None
    places = {made.first: _CONNECTIONS["webhook_token"], made.first + 1: "webhook_token"}
    if none:
        del places[made.first]
    gone = frozenset({made.first} if none else ())
    return EditCall(node=made.node, positional=places, drop_positional=gone)


def _password_of(value: ast.expr, source: Source) -> ast.expr | None:
    """The connection id in ``BaseHook.get_connection(id).password``."""
    meant = _meant(value, source)
    if isinstance(meant, ast.Call) and isinstance(meant.func, ast.Name):
        return _returned(meant, meant.func.id, source)
    if isinstance(meant, ast.Call) and not (meant.args or meant.keywords):
        meant = meant.func  # conn.get_password()
    if not isinstance(meant, ast.Attribute) or meant.attr not in {"password", "get_password"}:
        return None
    call = _meant(meant.value, source)
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return None
    given = [*call.args, *(k.value for k in call.keywords if k.arg == "conn_id")]
    return given[0] if call.func.attr == "get_connection" and len(given) == 1 else None


def _returned(call: ast.Call, name: str, source: Source) -> ast.expr | None:
    """The connection id in what a function of the text returns."""
    value = returned(source, name)
    whose = _password_of(value, source) if value is not None else None
    function = _function_of(value, source) if value is not None else None
    if function is None or not isinstance(whose, ast.Name) or whose.id not in _parameters(function):
        return whose
    given = dict(zip((a.arg for a in function.args.args), call.args, strict=False))
    given |= {k.arg: k.value for k in call.keywords if k.arg}
    return given.get(whose.id)


def _function_of(node: ast.expr, source: Source) -> ast.FunctionDef | ast.Lambda | None:
    """The innermost function around an expression."""
    around = [
        f
        for f in source.nodes
        if isinstance(f, ast.FunctionDef | ast.Lambda)
        and (f.lineno, f.col_offset) <= (node.lineno, node.col_offset)
        and (node.end_lineno or 0, node.end_col_offset or 0)
        <= (f.end_lineno or 0, f.end_col_offset or 0)
    ]
    return max(around, key=lambda f: (f.lineno, f.col_offset), default=None)


def _parameters(function: ast.FunctionDef | ast.Lambda | None) -> set[str]:
    a = function.args if function is not None else None
    return {x.arg for x in [*a.posonlyargs, *a.args, *a.kwonlyargs]} if a is not None else set()


def _meant(value: ast.expr, source: Source) -> ast.expr:
    """The expression that a name always stands for where it is used, or itself."""
    values = source.assigned.get(value.id, []) if isinstance(value, ast.Name) else []
    here = _function_of(value, source)
    if not isinstance(value, ast.Name) or not values or value.id in _parameters(here):
        return value
    of = [(v, _function_of(v, source)) for v in values]
    near = [v for v, function in of if function is here] or [v for v, f in of if f is None]
    return near[0] if len(near) == 1 else value


def _movable(value: ast.expr, to: ast.expr, source: Source) -> bool:
    """Whether an expression means the same at another place."""
    there, names = _function_of(to, source), set[str]()
    for node in ast.walk(value):
        if isinstance(node, ast.expr) and not isinstance(node, _PLAIN):
            return False
        names |= {node.id} if isinstance(node, ast.Name) else set()
    if _function_of(value, source) is there:
        return True
    plain = set(source.module.imports) | set(source.module.others)
    return names <= plain - _parameters(there)


def _same(one: ast.expr, other: ast.expr, source: Source) -> bool:
    return ast.dump(_meant(one, source)) == ast.dump(_meant(other, source))


_NEEDS = {
    "connection": ("airflow.models", "Connection"),
    "cached": ("functools", "cached_property"),
}

RULE = Rule(
    id=ID,
    title="Let Slack's classes read their token out of a connection",
    why="The Slack provider takes the token out of the connection's password; an argument that "
    "holds it warns, then raises. Where no connection can be named, a subclass in the file gives "
    "the token to the hook.",
    examples=(
        Example(
            before=block("""
                from airflow.hooks.base import BaseHook
                from airflow.contrib.operators.slack_webhook_operator import SlackWebhookOperator


                def alert(context):
                    token = BaseHook.get_connection('slack').password
                    return SlackWebhookOperator(
                        task_id='t', http_conn_id='slack', webhook_token=token, message='failed'
                    ).execute(context=context)
            """),
            after=block("""
                from airflow.hooks.base import BaseHook
                from airflow.providers.slack.operators.slack_webhook import SlackWebhookOperator


                def alert(context):
                    token = BaseHook.get_connection('slack').password
                    return SlackWebhookOperator(
                        task_id='t', slack_webhook_conn_id='slack', message='failed'
                    ).execute(context=context)
            """),
        ),
        Example(
            before=block("""
                from airflow.hooks.base import BaseHook
                from airflow.operators.slack_operator import SlackAPIPostOperator


                def token_of(conn_id):
                    return BaseHook.get_connection(conn_id).password


                SlackAPIPostOperator(task_id='t', token=token_of('slack'), text='done')
            """),
            after=block("""
                from airflow.hooks.base import BaseHook
                from airflow.providers.slack.operators.slack import SlackAPIPostOperator


                def token_of(conn_id):
                    return BaseHook.get_connection(conn_id).password


                SlackAPIPostOperator(task_id='t', slack_conn_id='slack', text='done')
            """),
        ),
        Example(
            before=block("""
                from airflow.operators.slack_operator import SlackAPIPostOperator

                SlackAPIPostOperator(task_id='t', token=TOKEN, text='done')
            """),
            after=lines(
                "from airflow.models import Connection",
                "from airflow.providers.slack.operators import slack",
                "from functools import cached_property",
                "",
                "",
                *class_code("slack_operator_token")
                .substitute(
                    name="SlackAPIPostOperator",
                    base="slack.SlackAPIPostOperator",
                    cached="cached_property",
                    connection="Connection",
                )
                .splitlines(),
                "",
                "",
                "SlackAPIPostOperator(task_id='t', token=TOKEN, text='done')",
            ),
            notes=("slack_conn_id",),
        ),
        Example(
            before=block("""
                from airflow.providers.slack.operators.slack_webhook import SlackWebhookOperator

                SlackWebhookOperator(task_id='t', webhook_token=TOKEN)
            """),
            target="2.5.1",
            notes=("slack_webhook_conn_id",),
        ),
    ),
    keeps=(
        block("""
            from airflow.providers.slack.operators.slack_webhook import SlackWebhookOperator

            SlackWebhookOperator(task_id='t', slack_webhook_conn_id='s')
        """),
        block("""
            # airflow
            from mylib import Slack

            Slack(webhook_token=TOKEN)
        """),
    ),
    find=_find,
)
