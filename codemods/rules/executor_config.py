"""``executor_config`` for the KubernetesExecutor becomes a pod."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from codemods.base import Example, Note, Rule
from codemods.editing.changes import AddImport, Change, Compose, NewImport, Operation, Replace, Step
from codemods.reading.scopes import Binding
from codemods.reading.source import Source
from codemods.reading.values import quoted, text_of
from codemods.rules._text import block, lines
from codemods.tables.target import Target

ID = "executor-config"
_OLD, _NEW = "KubernetesExecutor", "pod_override"
# Source: airflow/kubernetes/pod_generator.py of 1.10.15 (PodGenerator.__init__ and from_obj).
_METADATA = {"name": "name", "namespace": "namespace", "labels": "labels"}
_CONTAINER = {
    "image": "image",
    "image_pull_policy": "image_pull_policy",
    "cmds": "command",
    "args": "args",
    "ports": "ports",
    "volume_mounts": "volume_mounts",
}
_SPEC = {
    "volumes": "volumes",
    "node_selectors": "node_selector",
    "tolerations": "tolerations",
    "affinity": "affinity",
    "service_account_name": "service_account_name",
    "security_context": "security_context",
    "hostnetwork": "host_network",
    "dnspolicy": "dns_policy",
    "schedulername": "scheduler_name",
    "restart_policy": "restart_policy",
    "priority_class_name": "priority_class_name",
    "init_containers": "init_containers",
}
_RESOURCES = {
    "request_cpu": ("requests", "cpu"),
    "request_memory": ("requests", "memory"),
    "request_ephemeral_storage": ("requests", "ephemeral-storage"),
    "limit_cpu": ("limits", "cpu"),
    "limit_memory": ("limits", "memory"),
    "limit_ephemeral_storage": ("limits", "ephemeral-storage"),
    "limit_gpu": ("limits", "nvidia.com/gpu"),
}
_GOOGLE = "iam.cloud.google.com/service-account"

Parts = tuple[str | ast.expr, ...]


def _find(source: Source, _: Target) -> Iterator[Change]:
    near = next(
        (b for b in source.bindings if b.airflow and b.scope is source.module),
        None,
    )
    for node in source.dicts:
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None and text_of(key) == _OLD and near is not None:
                yield _pod(source, key, value, near)


def _pod(source: Source, key: ast.expr, value: ast.expr, near: Binding) -> Change:
    k8s, new = _client(source)
    given = source.value_of(value, ast.Dict)
    made = _parts(given, k8s) if isinstance(given, ast.Dict) else None
    if made is None or given is not value:
        written = "".join(p if isinstance(p, str) else source.segment(p) for p in made or ())
        return Note.at(
            key,
            rule=ID,
            message=f'executor_config takes "{_NEW}" with a pod on the target, "{_OLD}" no more',
            fix=f"from kubernetes.client import models as {k8s}; "
            f'{{"{_NEW}": {written or _sketch(k8s)}}}',
        )
    operations: list[Operation] = [
        Replace(node=key, code=quoted(_NEW)),
        Compose(node=value, parts=made),
    ]
    if new is not None:
        operations.append(AddImport(near=near, new=new))
    return Step(
        rule=ID,
        line=key.lineno,
        message=f'"{_OLD}" is "{_NEW}" with a pod on the target',
        operations=tuple(operations),
    )


def _sketch(k8s: str) -> str:
    container = f'{k8s}.V1Container(name="base", image=...)'
    return f"{k8s}.V1Pod(spec={k8s}.V1PodSpec(containers=[{container}]))"


def _client(source: Source) -> tuple[str, NewImport | None]:
    """How the text says the module of the models, and the import that it lacks for it."""
    for binding in source.bindings:
        plain = binding.scope is source.module and not binding.dotted and binding.name != "*"
        if plain and binding.path in {"kubernetes.client", "kubernetes.client.models"}:
            return binding.name, None
    name = source.free_name("k8s")
    return name, NewImport(module="kubernetes.client", name="models", asname=name)


def _call(name: str, arguments: Sequence[tuple[str, Parts]]) -> Parts:
    parts: list[str | ast.expr] = [f"{name}("]
    for index, (argument, code) in enumerate(arguments):
        parts += [f"{', ' if index else ''}{argument}=", *code]
    return (*parts, ")")


def _mapping(items: Sequence[tuple[str, ast.expr]]) -> Parts:
    parts: list[str | ast.expr] = ["{"]
    for index, (key, value) in enumerate(items):
        parts += [f"{', ' if index else ''}{quoted(key)}: ", value]
    return (*parts, "}")


def _parts(node: ast.Dict, k8s: str) -> Parts | None:
    """The code of the pod; None where a value or a key is not in sight."""
    metadata: list[tuple[str, Parts]] = []
    container: list[tuple[str, Parts]] = [("name", ('"base"',))]
    spec: list[tuple[str, Parts]] = []
    resources: dict[str, list[tuple[str, ast.expr]]] = {}
    given = {text_of(k) if k is not None else None for k in node.keys}
    for key, value in zip(node.keys, node.values, strict=True):
        name = text_of(key) if key is not None else None
        if name is None:
            return None
        made: Parts | None = (value,)
        if name in _METADATA or (name == "annotations" and "gcp_service_account_key" not in given):
            metadata.append((name, (value,)))
        elif name == "gcp_service_account_key" and "annotations" not in given:
            metadata.append(("annotations", _mapping([(_GOOGLE, value)])))
        elif name in _CONTAINER:
            container.append((_CONTAINER[name], (value,)))
        elif name in _SPEC:
            spec.append((_SPEC[name], (value,)))
        elif name in _RESOURCES:
            place, what = _RESOURCES[name]
            resources.setdefault(place, []).append((what, value))
        elif name in _MADE:
            argument, maker = _MADE[name]
            made = maker(value, k8s)
            (spec if argument == "image_pull_secrets" else container).append((argument, made or ()))
        else:
            return None
        if made is None:
            return None
    if resources:
        arguments = [(place, _mapping(items)) for place, items in resources.items()]
        container.append(("resources", _call(f"{k8s}.V1ResourceRequirements", arguments)))
    inside = ("[", *_call(f"{k8s}.V1Container", container), "]")
    pod = [("spec", _call(f"{k8s}.V1PodSpec", [("containers", inside), *spec]))]
    if metadata:
        pod.insert(0, ("metadata", _call(f"{k8s}.V1ObjectMeta", metadata)))
    return _call(f"{k8s}.V1Pod", pod)


def _resources(value: ast.expr, k8s: str) -> Parts | None:
    if not isinstance(value, ast.Dict):
        return None
    names = [text_of(k) if k is not None else None for k in value.keys]
    if not set(names) <= {"requests", "limits"}:
        return None
    arguments = [(str(n), (v,)) for n, v in zip(names, value.values, strict=True)]
    return _call(f"{k8s}.V1ResourceRequirements", arguments)


def _env(value: ast.expr, k8s: str) -> Parts | None:
    if isinstance(value, ast.List):
        return (value,)
    if not isinstance(value, ast.Dict) or None in value.keys:
        return None
    parts: list[str | ast.expr] = ["["]
    for index, (key, inner) in enumerate(zip(value.keys, value.values, strict=True)):
        if key is not None:
            pair: list[tuple[str, Parts]] = [("name", (key,)), ("value", (inner,))]
            parts += [", " if index else "", *_call(f"{k8s}.V1EnvVar", pair)]
    return (*parts, "]")


def _secrets(value: ast.expr, k8s: str) -> Parts | None:
    text = text_of(value)
    if text is None:
        return (f"[{k8s}.V1LocalObjectReference(name=n) for n in (", value, ').split(",")]')
    made = (f"{k8s}.V1LocalObjectReference(name={quoted(n)})" for n in text.split(",") if n)
    return (f"[{', '.join(made)}]",)


def _config_maps(value: ast.expr, k8s: str) -> Parts | None:
    source = f"{k8s}.V1EnvFromSource(config_map_ref={k8s}.V1ConfigMapEnvSource(name=n))"
    return (f"[{source} for n in ", value, "]")


_MADE = {
    "resources": ("resources", _resources),
    "envs": ("env", _env),
    "image_pull_secrets": ("image_pull_secrets", _secrets),
    "configmaps": ("env_from", _config_maps),
}

_BASH = "from airflow.operators.bash import BashOperator"

RULE = Rule(
    id=ID,
    title="Describe the pod of a task by pod_override",
    why="Airflow 2.0 replaced the dict of the KubernetesExecutor by a pod of the Kubernetes "
    "client; the dict warns, and newer Kubernetes providers refuse it.",
    examples=(
        Example(
            before=block("""
                from airflow.operators.bash import BashOperator

                BashOperator(
                    task_id='t',
                    bash_command='true',
                    executor_config={
                        'KubernetesExecutor': {'image': IMAGE, 'request_memory': '1Gi'}
                    },
                )
            """),
            after=lines(
                _BASH,
                "from kubernetes.client import models as k8s",
                "",
                "BashOperator(",
                "    task_id='t',",
                "    bash_command='true',",
                "    executor_config={",
                '        "pod_override": k8s.V1Pod(',
                "            spec=k8s.V1PodSpec(",
                "                containers=[",
                "                    k8s.V1Container(",
                '                        name="base",',
                "                        image=IMAGE,",
                "                        resources=k8s.V1ResourceRequirements("
                "requests={\"memory\": '1Gi'}),",
                "                    ),",
                "                ],",
                "            ),",
                "        )",
                "    },",
                ")",
            ),
        ),
        Example(
            before=block("""
                from airflow.operators.bash import BashOperator
                from kubernetes.client import models as k8s

                CONFIG = {
                    'KubernetesExecutor': {
                        'annotations': {'a': 'b'},
                        'node_selectors': {'pool': 'big'},
                        'envs': {'A': NAME},
                        'image_pull_secrets': 'one,two',
                    },
                }
            """),
            after=lines(
                _BASH,
                "from kubernetes.client import models as k8s",
                "",
                "CONFIG = {",
                '    "pod_override": k8s.V1Pod(',
                "        metadata=k8s.V1ObjectMeta(annotations={'a': 'b'}),",
                "        spec=k8s.V1PodSpec(",
                '            containers=[k8s.V1Container(name="base", '
                "env=[k8s.V1EnvVar(name='A', value=NAME)])],",
                "            node_selector={'pool': 'big'},",
                "            image_pull_secrets=[",
                '                k8s.V1LocalObjectReference(name="one"),',
                '                k8s.V1LocalObjectReference(name="two"),',
                "            ],",
                "        ),",
                "    ),",
                "}",
            ),
        ),
        Example(
            before=lines(
                _BASH,
                "",
                "BashOperator(task_id='t', bash_command='true', "
                "executor_config={'KubernetesExecutor': pod_of('small')})",
            ),
            notes=('{"pod_override": k8s.V1Pod(spec=k8s.V1PodSpec(containers=[',),
        ),
    ),
    keeps=(
        block("""
            from airflow.operators.bash import BashOperator

            BashOperator(task_id='t', bash_command='true', executor_config={'pod_override': POD})
        """),
        block("""
            from airflow.operators.bash import BashOperator

            EXECUTOR = 'KubernetesExecutor'
        """),
        block("""
            # airflow

            SETTINGS = {'KubernetesExecutor': {'image': 'i'}}
        """),
    ),
    find=_find,
)
