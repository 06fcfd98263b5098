"""What AwsLambdaHook was made with is said when the function is invoked."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import Change, EditCall, Step
from codemods.reading.calls import Construction, constructions
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.constructors import baseline
from codemods.tables.target import Target

ID = "lambda-hook"
_OLD = "airflow.contrib.hooks.aws_lambda_hook.AwsLambdaHook"
_INVOKE = "invoke_lambda"
# Source: hooks/lambda_function.py of apache-airflow-providers-amazon 7.1.0 and 9.1.0.
_MOVED = ("function_name", "log_type", "qualifier", "invocation_type")
_STILL = (ast.Constant, ast.Name, ast.Attribute, ast.JoinedStr, ast.FormattedValue, ast.Load)


def _find(source: Source, target: Target) -> Iterator[Change]:
    for made in constructions(source):
        new = target.constructors.signature(target.resolve(made.path).path)
        if baseline().home(made.path) != _OLD or new is None or "function_name" in new.accepts:
            continue
        positional = dict(zip(_positional(), made.node.args, strict=False))
        given = positional | {k.arg: k.value for k in made.node.keywords if k.arg is not None}
        moved = {name: given[name] for name in _MOVED if name in given}
        calls = _invocations(source, made)
        still = all(isinstance(n, _STILL) for value in moved.values() for n in ast.walk(value))
        known = len(positional) == len(made.node.args) and len(given) == len(
            made.node.args + made.node.keywords
        )
        if not (calls and moved and still and known):
            yield Note.at(
                made.node,
                rule=ID,
                message="LambdaHook knows no function: it is named when it is invoked",
                fix=f"hook.{_INVOKE}(function_name=..., invocation_type=..., payload=...), and "
                f"take {', '.join(_MOVED)} out of what makes the hook",
            )
            continue
        codes = {name: source.segment(value) for name, value in moved.items()}
        names = list(positional)
        made_so = EditCall(
            node=made.node,
            drop=frozenset(_MOVED),
            positional={i: name for i, name in enumerate(names) if name not in _MOVED},
            drop_positional=frozenset(i for i, name in enumerate(names) if name in _MOVED),
        )
        invoked = (EditCall(node=call, positional={0: "payload"}, add=codes) for call in calls)
        yield Step(
            rule=ID,
            line=made.node.lineno,
            message=f"{', '.join(moved)} are said when the function is invoked",
            operations=(made_so, *invoked),
        )


def _positional() -> tuple[str, ...]:
    signature = baseline().signature(_OLD)
    return signature.positional if signature is not None else ()


def _invocations(source: Source, made: Construction) -> list[ast.Call]:
    """The calls of the hook's one method, where nothing else is done with the hook."""
    invocations = {
        id(call.func.value): call
        for call in source.plain_calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == _INVOKE
    }
    if id(made.node) in invocations:
        return [invocations[id(made.node)]]
    around = [
        node
        for node in source.nodes
        if isinstance(node, ast.Module | ast.FunctionDef)
        and any(n is made.node for n in ast.walk(node))
    ]
    within = list(ast.walk(around[-1])) if made.use is not None else []
    bound = [
        n.targets[0].id
        for n in within
        if isinstance(n, ast.Assign) and n.value is made.node and isinstance(n.targets[0], ast.Name)
    ]
    uses = [n for n in within if isinstance(n, ast.Name) and n.id in bound]
    loads = [n for n in uses if isinstance(n.ctx, ast.Load)]
    if len(uses) != len(loads) + 1 or not all(id(n) in invocations for n in loads):
        return []
    return [invocations[id(n)] for n in loads]


_NEW = "from airflow.providers.amazon.aws.hooks.lambda_function import LambdaHook"

RULE = Rule(
    id=ID,
    title="Name the Lambda function when you invoke it",
    why="The hook was made for one function; the provider's is made for a connection, and its "
    "first argument would be taken for that.",
    examples=(
        Example(
            before=block("""
                from airflow.contrib.hooks.aws_lambda_hook import AwsLambdaHook


                def call(ds):
                    hook = AwsLambdaHook('report', 'eu-west-1', invocation_type='Event')
                    return hook.invoke_lambda(ds)
            """),
            after=lines(
                _NEW,
                "",
                "",
                "def call(ds):",
                "    hook = LambdaHook(region_name='eu-west-1')",
                "    return hook.invoke_lambda(payload=ds, function_name='report', "
                "invocation_type='Event')",
            ),
        ),
        Example(
            before=block("""
                from airflow.contrib.hooks.aws_lambda_hook import AwsLambdaHook

                AwsLambdaHook(function_name=NAME).invoke_lambda(payload=DATA)
                HOOKS = [AwsLambdaHook(name) for name in NAMES]
            """),
            after=block("""
                from airflow.providers.amazon.aws.hooks.lambda_function import LambdaHook

                LambdaHook().invoke_lambda(payload=DATA, function_name=NAME)
                HOOKS = [LambdaHook(name) for name in NAMES]
            """),
            notes=("invoke_lambda(function_name=...",),
        ),
    ),
    keeps=(
        block("""
            from airflow.providers.amazon.aws.hooks.lambda_function import LambdaHook

            LambdaHook().invoke_lambda(function_name='report', payload='{}')
        """),
        block("""
            # airflow
            from mine import AwsLambdaHook

            AwsLambdaHook('report')
        """),
    ),
    find=_find,
)
