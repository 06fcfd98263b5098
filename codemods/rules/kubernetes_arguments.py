"""KubernetesPodOperator's ``is_delete_operator_pod`` becomes ``on_finish_action``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.calls import constructions
from codemods.changes import Change, EditCall, Step
from codemods.rules._text import lines
from codemods.source import Source
from codemods.target import Target

ID = "kubernetes-arguments"
_OLD, _NEW = "is_delete_operator_pod", "on_finish_action"
# Source: operators/pod.py of apache-airflow-providers-cncf-kubernetes 7.4.0 (OnFinishAction).
_ACTIONS = {True: '"delete_pod"', False: '"keep_pod"'}


def _find(source: Source, target: Target) -> Iterator[Change]:
    for made in constructions(source):
        given = next((k for k in made.node.keywords if k.arg == _OLD), None)
        if given is None:
            continue
        signature = target.constructors.signature(target.resolve(made.path).path)
        if signature is None or _NEW not in signature.accepts:
            continue
        value = given.value
        if isinstance(value, ast.Constant) and isinstance(value.value, bool):
            code = _ACTIONS[value.value]
            yield Step(
                rule=ID,
                line=given.lineno,
                message=f"{_OLD}={value.value} is {_NEW}={code}",
                operations=(EditCall(node=made.node, rename={_OLD: _NEW}, values={_OLD: code}),),
            )
        else:
            yield Note(
                rule=ID,
                line=given.lineno,
                column=given.col_offset,
                message=f"{_OLD} warns on the target",
                fix=f'Pass {_NEW}="delete_pod" or "keep_pod"',
            )


RULE = Rule(
    id=ID,
    title="Say what happens to a finished pod",
    why="Version 7 of the Kubernetes provider replaced the flag by on_finish_action; the flag "
    "warns.",
    examples=(
        Example(
            before=lines(
                "from airflow.contrib.operators.kubernetes_pod_operator import "
                "KubernetesPodOperator",
                "",
                "KubernetesPodOperator(task_id='t', image='i', is_delete_operator_pod=True)",
            ),
            after=lines(
                "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator",
                "",
                "KubernetesPodOperator(task_id='t', image='i', on_finish_action=\"delete_pod\")",
            ),
        ),
    ),
    keeps=(
        lines(
            "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator",
            "",
            "KubernetesPodOperator(task_id='t', image='i', on_finish_action='keep_pod')",
        ),
        lines("# airflow", "from mylib import Pod", "", "Pod(is_delete_operator_pod=True)"),
    ),
    find=_find,
)
