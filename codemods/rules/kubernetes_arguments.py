"""KubernetesPodOperator's ``is_delete_operator_pod`` becomes ``on_finish_action``; its affinity is
what the client's models can be made of."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Rule
from codemods.editing.changes import Change, EditCall, Operation, Replace, Step
from codemods.reading.calls import Construction, constructions, items_of, leaves_out
from codemods.reading.source import Source
from codemods.reading.unpacking import unpacked
from codemods.reading.values import known, quoted, text_of
from codemods.rules._text import block, lines
from codemods.tables.constructors import baseline
from codemods.tables.target import Target

ID = "kubernetes-arguments"
# It warns where the action is not said (operators/kubernetes_engine.py of the google provider).
_GKE = "airflow.providers.google.cloud.operators.kubernetes_engine.GKEStartPodOperator"
_OLD, _NEW = "is_delete_operator_pod", "on_finish_action"
# Source: operators/pod.py of apache-airflow-providers-cncf-kubernetes 7.4.0 (OnFinishAction).
_ACTIONS = {True: '"delete_pod"', False: '"keep_pod"'}
# Lists in Kubernetes' API. 1.10's own documentation showed a dict, which only the cluster refused;
# the target makes models of it when the file is loaded.
_LISTS = {"matchExpressions", "matchFields"}


def _find(source: Source, target: Target) -> Iterator[Change]:
    yield from _in_dicts(source, target)
    single: dict[int, ast.Dict] = {}
    for made in constructions(source):
        resolution = target.resolve(made.path)
        signature = target.constructors.signature(resolution.path)
        if signature is None or not {_OLD, _NEW} & signature.accepts:
            continue
        single |= {id(node): node for node in _single(source, made)}
        said = _NEW in signature.accepts
        names = {k.arg for k in made.node.keywords}
        given = next((k for k in made.reaching if k.arg == _OLD), None)
        if said and given is not None and _NEW not in names:
            yield _said(source, made, given.value)
        elif (
            given is None
            and (resolution.path == _GKE or _kept_pods(made.path))
            and leaves_out(source, made, _OLD, _NEW)
        ):
            yield Step(
                rule=ID,
                line=made.node.lineno,
                message="1.10 kept the pod unless told to delete it",
                operations=(
                    EditCall(
                        node=made.node, add={_NEW: _ACTIONS[False]} if said else {_OLD: "False"}
                    ),
                ),
            )
    for node in single.values():
        yield Step.replace(
            node, f"[{source.segment(node)}]", rule=ID, message="the affinity's rules are a list"
        )


def _kept_pods(path: str) -> bool:
    """Whether a class by its 1.10 path leaves its pod; the providers' delete it since 3.0."""
    old = baseline().signature(path)
    return old is not None and _OLD in old.accepts and not path.startswith("airflow.providers.")


def _single(source: Source, made: Construction) -> Iterator[ast.Dict]:
    """The rules of an affinity that stand alone where a list of them belongs."""
    for given in (k.value for k in made.reaching if k.arg == "affinity"):
        for node in ast.walk(known(given, source)):
            for key, value in (
                zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ()
            ):
                if key is not None and text_of(key) in _LISTS and isinstance(value, ast.Dict):
                    yield value


def _in_dicts(source: Source, target: Target) -> Iterator[Change]:
    """The flag as a key of ``default_args``, or of a dict that a call unpacks."""
    reached = {
        id(made.node)
        for made in constructions(source)
        if (signature := target.constructors.signature(target.resolve(made.path).path)) is not None
        and {_OLD, _NEW} <= signature.accepts
    }
    items = [
        (node, *item)
        for node, calls, _ in unpacked(source)
        if any(id(made.node) in reached for made in calls)
        for item in items_of(node)
    ]
    if reached:
        holders = {id(k.holder): k.holder for k in source.default_keys}
        items += [
            (holder, *item)
            for holder in holders.values()
            if isinstance(holder, ast.Dict | ast.Call)
            for item in items_of(holder)
        ]
    for node, place, name, value in items:
        if name != _OLD:
            continue
        code = _action(source, value)
        operations: tuple[Operation, ...] = ()
        if isinstance(node, ast.Call):
            operations = (EditCall(node=node, rename={_OLD: _NEW}, values={_OLD: code}),)
        elif isinstance(place, ast.expr):
            operations = (Replace(node=place, code=quoted(_NEW)), Replace(node=value, code=code))
        yield Step(rule=ID, line=value.lineno, message=f"{_OLD} is {_NEW}", operations=operations)


def _action(source: Source, value: ast.expr) -> str:
    meant = known(value, source)
    if isinstance(meant, ast.Constant) and isinstance(meant.value, bool):
        return _ACTIONS[meant.value]
    if isinstance(value, ast.Constant):
        return _ACTIONS[bool(value.value)]
    return f'"delete_pod" if {source.segment(value)} else "keep_pod"'


def _said(source: Source, made: Construction, value: ast.expr) -> Change:
    code = _action(source, value)
    return Step(
        rule=ID,
        line=value.lineno,
        message=f"{_OLD}={source.segment(value)} is {_NEW}={code}",
        operations=(EditCall(node=made.node, rename={_OLD: _NEW}, values={_OLD: code}),),
    )


_OWN = (
    "",
    "",
    "class Mine(KubernetesPodOperator):",
    "    def __init__(self, **kwargs):",
    "        super().__init__(image='i', **kwargs)",
    "",
    "",
)

RULE = Rule(
    id=ID,
    title="Say what happens to a finished pod, and where it may run",
    why="Version 7 of the Kubernetes provider replaced the flag by on_finish_action; the flag "
    "warns. Pods that 1.10 kept are deleted where nothing is said. An affinity that is none stops "
    "the file, where 1.10 left it to the cluster.",
    examples=(
        Example(
            before=block("""
                from airflow.contrib.operators.kubernetes_pod_operator import KubernetesPodOperator

                ONLY = {'nodeAffinity': {'preferredDuringSchedulingIgnoredDuringExecution': [
                    {'weight': 1, 'preference': {'matchExpressions': {'key': 'disk'}}}]}}
                KubernetesPodOperator(task_id='t', image='i', affinity=ONLY)
                KubernetesPodOperator(task_id='u', image='i', affinity=ONLY)
            """),
            after=lines(
                "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator",
                "",
                "ONLY = {'nodeAffinity': {'preferredDuringSchedulingIgnoredDuringExecution': [",
                "    {'weight': 1, 'preference': {'matchExpressions': [{'key': 'disk'}]}}]}}",
                "KubernetesPodOperator(task_id='t', image='i', affinity=ONLY, "
                'on_finish_action="keep_pod")',
                "KubernetesPodOperator(task_id='u', image='i', affinity=ONLY, "
                'on_finish_action="keep_pod")',
            ),
        ),
        Example(
            before=lines(
                "from airflow.contrib.operators.kubernetes_pod_operator import "
                "KubernetesPodOperator",
                "",
                "KubernetesPodOperator(task_id='t', image='i', is_delete_operator_pod=True)",
                *_OWN,
                "Mine(task_id='u')",
                "Mine(task_id='v', is_delete_operator_pod=True)",
            ),
            after=lines(
                "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator",
                "",
                "KubernetesPodOperator(task_id='t', image='i', on_finish_action=\"delete_pod\")",
                *_OWN,
                "Mine(task_id='u', on_finish_action=\"keep_pod\")",
                "Mine(task_id='v', on_finish_action=\"delete_pod\")",
            ),
        ),
        Example(
            before=block("""
                from airflow import DAG
                from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

                common = {'is_delete_operator_pod': True}
                other = dict(is_delete_operator_pod=True)
                with DAG('d', schedule=None, default_args={'is_delete_operator_pod': False}):
                    KubernetesPodOperator(task_id='t', image='i')
                    KubernetesPodOperator(task_id='u', image='i', **common)
                    KubernetesPodOperator(task_id='v', image='i', **other)
            """),
            after=block("""
                from airflow import DAG
                from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

                common = {"on_finish_action": "delete_pod"}
                other = dict(on_finish_action="delete_pod")
                with DAG('d', schedule=None, default_args={"on_finish_action": "keep_pod"}):
                    KubernetesPodOperator(task_id='t', image='i')
                    KubernetesPodOperator(task_id='u', image='i', **common)
                    KubernetesPodOperator(task_id='v', image='i', **other)
            """),
        ),
        Example(
            before=block("""
                from airflow.contrib.operators.kubernetes_pod_operator import KubernetesPodOperator

                KubernetesPodOperator(task_id='t', image='i', is_delete_operator_pod=not DEBUG)
            """),
            after=lines(
                "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator",
                "",
                "KubernetesPodOperator(task_id='t', image='i', "
                'on_finish_action="delete_pod" if not DEBUG else "keep_pod")',
            ),
        ),
    ),
    keeps=(
        block("""
            from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

            KubernetesPodOperator(task_id='t', image='i')
        """),
        block("""
            from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

            KubernetesPodOperator(task_id='t', image='i', on_finish_action='keep_pod')
        """),
        block("""
            # airflow
            from mylib import Pod

            Pod(is_delete_operator_pod=True)
        """),
    ),
    find=_find,
)
