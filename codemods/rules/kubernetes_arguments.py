"""KubernetesPodOperator's ``is_delete_operator_pod`` becomes ``on_finish_action``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Rule
from codemods.calls import Construction, constructions
from codemods.changes import Change, EditCall, Step
from codemods.rules._text import lines
from codemods.source import Source
from codemods.target import Target
from codemods.values import known

ID = "kubernetes-arguments"
# It warns where the action is not said (operators/kubernetes_engine.py of the google provider).
_GKE = "airflow.providers.google.cloud.operators.kubernetes_engine.GKEStartPodOperator"
_OLD, _NEW = "is_delete_operator_pod", "on_finish_action"
# Source: operators/pod.py of apache-airflow-providers-cncf-kubernetes 7.4.0 (OnFinishAction).
_ACTIONS = {True: '"delete_pod"', False: '"keep_pod"'}


def _find(source: Source, target: Target) -> Iterator[Change]:
    for made in constructions(source):
        resolution = target.resolve(made.path)
        signature = target.constructors.signature(resolution.path)
        if signature is None or not {_OLD, _NEW} & signature.accepts:
            continue
        said = _NEW in signature.accepts
        names = {k.arg for k in made.node.keywords}
        given = next((k for k in made.reaching if k.arg == _OLD), None)
        if said and given is not None and _NEW not in names:
            yield _said(source, made, given.value)
        elif (
            given is None
            and resolution.path == _GKE
            and made.use is not None
            and not names & {_NEW, None}
            and not {_OLD, _NEW} & source.default_arguments[0]
        ):
            yield Step(
                rule=ID,
                line=made.node.lineno,
                message="1.10 kept the pod; the target wants that said",
                operations=(
                    EditCall(
                        node=made.node, add={_NEW: _ACTIONS[False]} if said else {_OLD: "False"}
                    ),
                ),
            )


def _said(source: Source, made: Construction, value: ast.expr) -> Change:
    meant = known(value, source)
    if isinstance(meant, ast.Constant) and isinstance(meant.value, bool):
        code = _ACTIONS[meant.value]
    elif isinstance(value, ast.Constant):
        code = _ACTIONS[bool(value.value)]
    else:
        code = f'"delete_pod" if {source.segment(value)} else "keep_pod"'
    return Step(
        rule=ID,
        line=value.lineno,
        message=f"{_OLD}={source.segment(value)} is {_NEW}={code}",
        operations=(EditCall(node=made.node, rename={_OLD: _NEW}, values={_OLD: code}),),
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
        Example(
            before=lines(
                "from airflow.contrib.operators.kubernetes_pod_operator import "
                "KubernetesPodOperator",
                "",
                "KubernetesPodOperator(task_id='t', image='i', is_delete_operator_pod=not DEBUG)",
            ),
            after=lines(
                "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator",
                "",
                "KubernetesPodOperator(task_id='t', image='i', "
                'on_finish_action="delete_pod" if not DEBUG else "keep_pod")',
            ),
        ),
    ),
    keeps=(
        lines(
            "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator",
            "",
            "KubernetesPodOperator(task_id='t', image='i')",
        ),
        lines(
            "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator",
            "",
            "KubernetesPodOperator(task_id='t', image='i', on_finish_action='keep_pod')",
        ),
        lines("# airflow", "from mylib import Pod", "", "Pod(is_delete_operator_pod=True)"),
    ),
    find=_find,
)
