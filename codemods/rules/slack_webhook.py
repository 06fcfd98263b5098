"""A Slack webhook's token is its connection's password."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.calls import constructions
from codemods.changes import Change, EditCall, Step
from codemods.rules._text import lines
from codemods.source import Source
from codemods.target import Target
from codemods.values import known

ID = "slack-webhook"
_HOMES = (
    "airflow.providers.slack.operators.slack_webhook.",
    "airflow.providers.slack.hooks.slack_webhook.",
)
_OLD, _NEW = "http_conn_id", "slack_webhook_conn_id"
_ADVICE = (
    "Put the token into a Slack Incoming Webhook connection (password) and pass "
    f'{_NEW}="<connection>"'
)


def _find(source: Source, target: Target) -> Iterator[Change]:
    if "webhook_token" not in source.text:
        return
    for made in constructions(source):
        if not target.resolve(made.path).path.startswith(_HOMES) or "webhook_token" in made.own:
            continue
        given = {k.arg: k.value for k in made.node.keywords if k.arg}
        token = given.get("webhook_token")
        if token is None:
            continue
        connection = given.get(_OLD, given.get(_NEW))
        whose = _password_of(token, source)
        same = connection is not None and whose is not None and _same(connection, whose, source)
        none = isinstance(token, ast.Constant) and token.value is None
        if same or none:
            why = "it is the password of the same connection" if same else "it is None"
            yield Step(
                rule=ID,
                line=token.lineno,
                message=f"webhook_token is dropped: {why}",
                operations=(EditCall(node=made.node, drop=frozenset({"webhook_token"})),),
            )
            continue
        yield Note.at(
            token,
            rule=ID,
            message=f"{made.path.rpartition('.')[2]} does not take webhook_token on the target",
            fix=f"Pass {_NEW}={source.segment(whose)} alone: the host of that connection is used "
            "as well, https://hooks.slack.com/services where it is empty"
            if whose is not None
            else _ADVICE,
        )


def _password_of(value: ast.expr, source: Source) -> ast.expr | None:
    """The connection id in ``BaseHook.get_connection(id).password``."""
    meant = known(value, source)
    call = meant.value if isinstance(meant, ast.Attribute) and meant.attr == "password" else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return None
    asked = call.func.attr == "get_connection" and len(call.args) == 1
    return call.args[0] if asked else None


def _same(one: ast.expr, other: ast.expr, source: Source) -> bool:
    return ast.dump(known(one, source)) == ast.dump(known(other, source))


_SLACK = "airflow.contrib.operators.slack_webhook_operator import SlackWebhookOperator"
_PROVIDER = "from airflow.providers.slack.operators.slack_webhook import SlackWebhookOperator"
_HOOK = "from airflow.hooks.base import BaseHook"

RULE = Rule(
    id=ID,
    title="Let a Slack webhook read its token out of its connection",
    why="The Slack provider takes the token out of the connection's password; an argument that "
    "holds it warns, then raises.",
    examples=(
        Example(
            before=lines(
                _HOOK,
                f"from {_SLACK}",
                "",
                "",
                "def alert(context):",
                "    token = BaseHook.get_connection('slack').password",
                "    return SlackWebhookOperator(",
                "        task_id='t', http_conn_id='slack', webhook_token=token, message='failed'",
                "    ).execute(context=context)",
            ),
            after=lines(
                _HOOK,
                _PROVIDER,
                "",
                "",
                "def alert(context):",
                "    token = BaseHook.get_connection('slack').password",
                "    return SlackWebhookOperator(",
                "        task_id='t', slack_webhook_conn_id='slack', message='failed'",
                "    ).execute(context=context)",
            ),
        ),
        Example(
            before=lines(
                _PROVIDER,
                "",
                "SlackWebhookOperator(task_id='t', webhook_token=TOKEN, message='failed')",
            ),
            notes=("slack_webhook_conn_id",),
        ),
    ),
    keeps=(
        lines(_PROVIDER, "", "SlackWebhookOperator(task_id='t', slack_webhook_conn_id='s')"),
        lines("# airflow", "from mylib import Slack", "", "Slack(webhook_token=TOKEN)"),
    ),
    find=_find,
)
