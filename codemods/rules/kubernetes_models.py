"""Airflow's own Volume, VolumeMount, Port, Resources and PodRuntimeInfoEnv become client models."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from codemods.base import Example, Note, Rule
from codemods.editing.changes import AddImport, Change, EditCall, NewImport, Step
from codemods.reading.calls import Construction, constructions
from codemods.reading.source import Source
from codemods.reading.values import known
from codemods.rules._text import block, lines
from codemods.tables.target import Target

ID = "kubernetes-models"
_CLIENT = "kubernetes.client"
# What 1.10's classes take, in order; each only built the model behind it.
# Source: airflow/kubernetes/{volume,volume_mount,pod,pod_runtime_info_env}.py of 1.10.15.
_OLD: Mapping[str, tuple[str, ...]] = {
    "volume.Volume": ("name", "configs"),
    "volume_mount.VolumeMount": ("name", "mount_path", "sub_path", "read_only"),
    "pod.Port": ("name", "container_port"),
    "pod.Resources": (
        "request_memory",
        "request_cpu",
        "request_ephemeral_storage",
        "limit_memory",
        "limit_cpu",
        "limit_gpu",
        "limit_ephemeral_storage",
    ),
    "pod_runtime_info_env.PodRuntimeInfoEnv": ("name", "field_path"),
}
_QUANTITIES = {
    "request_memory": ("requests", "memory"),
    "request_cpu": ("requests", "cpu"),
    "request_ephemeral_storage": ("requests", "ephemeral-storage"),
    "limit_memory": ("limits", "memory"),
    "limit_cpu": ("limits", "cpu"),
    "limit_gpu": ("limits", "nvidia.com/gpu"),
    "limit_ephemeral_storage": ("limits", "ephemeral-storage"),
}
# The model of each kind of volume. Source: kubernetes/client/models/v1_volume.py.
_SOURCES = {
    "persistentVolumeClaim": "V1PersistentVolumeClaimVolumeSource",
    "hostPath": "V1HostPathVolumeSource",
    "emptyDir": "V1EmptyDirVolumeSource",
    "configMap": "V1ConfigMapVolumeSource",
    "secret": "V1SecretVolumeSource",
    "nfs": "V1NFSVolumeSource",
    "awsElasticBlockStore": "V1AWSElasticBlockStoreVolumeSource",
    "gcePersistentDisk": "V1GCEPersistentDiskVolumeSource",
    "csi": "V1CSIVolumeSource",
}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", lambda m: "_" + m[1].lower(), name)


def _constant_keys(node: ast.Dict) -> dict[str, ast.expr] | None:
    found: dict[str, ast.expr] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            return None
        found[key.value] = value
    return found


def _none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


class _Models:
    """The models that one call needs, and how the text writes each."""

    def __init__(self, source: Source, made: Construction) -> None:
        self.source = source
        self.made = made
        self.imports: dict[str, AddImport] = {}

    def name(self, model: str) -> str:
        for binding in self.source.bindings:
            if binding.path in {f"{_CLIENT}.{model}", f"{_CLIENT}.models.{model}"}:
                return binding.name
        local = self.source.free_name(model)
        if self.made.use is not None:
            new = NewImport(module=_CLIENT, name=model, asname=local if local != model else "")
            self.imports[model] = AddImport(near=self.made.use.bindings[0], new=new)
        return local

    def volume(self, configs: ast.expr) -> dict[str, str] | None:
        """The keywords of V1Volume; a kind that is not known keeps its dict, as in 1.10."""
        node = known(configs, self.source)
        parts = _constant_keys(node) if isinstance(node, ast.Dict) else None
        if parts is None:
            return None
        found: dict[str, str] = {}
        for kind, value in parts.items():
            inner = _constant_keys(value) if isinstance(value, ast.Dict) else None
            flat = inner is not None and not any(
                isinstance(v, ast.List | ast.Dict | ast.ListComp) for v in inner.values()
            )
            if inner is not None and flat and kind in _SOURCES:
                given = [f"{_snake(k)}={self.source.segment(v)}" for k, v in inner.items()]
                found[_snake(kind)] = f"{self.name(_SOURCES[kind])}({', '.join(given)})"
            else:
                found[_snake(kind)] = self.source.segment(value)
        return found

    def resources(self, given: Mapping[str, ast.expr]) -> dict[str, str] | None:
        """The keywords of V1ResourceRequirements."""
        found: dict[str, dict[str, str]] = {}
        for name, value in given.items():
            if name not in _QUANTITIES:
                return None
            side, key = _QUANTITIES[name]
            if not _none(value):
                found.setdefault(side, {})[key] = self.source.segment(value)
        return {
            side: "{" + ", ".join(f'"{k}": {v}' for k, v in parts.items()) + "}"
            for side, parts in found.items()
        }


def _find(source: Source, target: Target) -> Iterator[Change]:
    if not target.has("apache-airflow>=2.0"):
        return
    for made in constructions(source):
        path = re.sub(r"^airflow\.(?:contrib\.)?kubernetes\.", "", made.path)
        if path in _OLD and path != made.path:
            yield from _model(source, made, path)
        elif path.endswith("PodOperator") and "kubernetes" in target.resolve(made.path).path:
            yield from _resources(source, target, made)


def _model(source: Source, made: Construction, path: str) -> Iterator[Change]:
    names = _OLD[path]
    node = made.node
    starred = any(isinstance(a, ast.Starred) for a in node.args)
    starred = starred or any(k.arg is None for k in node.keywords)
    if made.use is None or made.first or starred or len(node.args) > len(names):
        yield _note(made, path)
        return
    given = dict(zip(names, node.args, strict=False))
    given |= {k.arg: k.value for k in node.keywords if k.arg}
    models = _Models(source, made)
    positional = {i: names[i] for i in range(len(node.args))}
    drop: set[str] = set()
    add: dict[str, str] | None = {}
    if path == "volume.Volume" and "configs" in given:
        drop = {"configs"}
        add = models.volume(given["configs"])
    elif path == "pod.Resources":
        drop = set(given)
        add = models.resources(given)
    elif path.endswith("PodRuntimeInfoEnv") and "field_path" in given:
        drop = {"field_path"}
        field = f"{models.name('V1ObjectFieldSelector')}(field_path="
        field += f"{source.segment(given['field_path'])})"
        add = {"value_from": f"{models.name('V1EnvVarSource')}(field_ref={field})"}
    if add is None:
        yield _note(made, path)
        return
    dropped = {i for i, name in positional.items() if name in drop}
    kept = {i: name for i, name in positional.items() if name not in drop}
    if not (add or kept or drop):
        return
    edit = EditCall(
        node=node,
        drop=frozenset(drop),
        add=add,
        positional=kept,
        drop_positional=frozenset(dropped),
    )
    yield Step(
        rule=ID,
        line=node.lineno,
        message=f"{path.rpartition('.')[2]} is a model of kubernetes.client",
        operations=(edit, *models.imports.values()),
    )


def _note(made: Construction, path: str) -> Note:
    what = {
        "volume.Volume": "V1Volume(name=..., persistent_volume_claim="
        "V1PersistentVolumeClaimVolumeSource(claim_name=...)): the key of configs is a keyword",
        "pod.Resources": 'V1ResourceRequirements(requests={"memory": ..., "cpu": ...}, '
        'limits={"memory": ..., "cpu": ..., "nvidia.com/gpu": ...})',
    }.get(path, "the model of kubernetes.client with the same keywords")
    return Note.at(
        made.node,
        rule=ID,
        message=f"{path.rpartition('.')[2]} is a model of kubernetes.client on the target",
        fix=f"Write {what}",
    )


def _resources(source: Source, target: Target, made: Construction) -> Iterator[Change]:
    """``resources=`` of a pod operator is BaseOperator's on the target, and means another thing."""
    given = next((k for k in made.reaching if k.arg == "resources"), None)
    signature = target.constructors.signature(target.resolve(made.path).path)
    if given is None or signature is None or "container_resources" not in signature.accepts:
        return
    value = known(given.value, source)
    models = _Models(source, made)
    code: str | None = None
    if isinstance(value, ast.Dict) and made.use is not None:
        parts = _constant_keys(value)
        keywords = models.resources(parts) if parts is not None else None
        if keywords is not None:
            inside = ", ".join(f"{side}={code}" for side, code in keywords.items())
            code = f"{models.name('V1ResourceRequirements')}({inside})"
    elif isinstance(value, ast.Call) and (source.path_of(value.func) or "").endswith(
        ("pod.Resources", ".V1ResourceRequirements")
    ):
        code = source.segment(given.value)
        models.imports.clear()
    if code is None:
        yield Note.at(
            given,
            rule=ID,
            message="resources is an argument of every task on the target, not the pod's",
            fix='Pass container_resources=V1ResourceRequirements(requests={"memory": ..., "cpu": '
            "...}, limits={...}) (from kubernetes.client)",
        )
        return
    edit = EditCall(
        node=made.node,
        rename={"resources": "container_resources"},
        values={"resources": code} if code != source.segment(given.value) else {},
    )
    yield Step(
        rule=ID,
        line=given.lineno,
        message="resources of the pod are container_resources",
        operations=(edit, *models.imports.values()),
    )


_POD = "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator"

RULE = Rule(
    id=ID,
    title="Build Kubernetes objects with the models of its client",
    why="Airflow 2 has no Volume, VolumeMount, Port, Resources and PodRuntimeInfoEnv of its own; "
    "each only built the client's model of the same meaning.",
    examples=(
        Example(
            before=block("""
                from airflow.contrib.kubernetes.volume import Volume
                from airflow.contrib.kubernetes.volume_mount import VolumeMount

                volume = Volume(name='v', configs={'persistentVolumeClaim': {'claimName': 'c'}})
                mount = VolumeMount('v', mount_path='/data', sub_path=None, read_only=True)
                scratch = Volume('s', {'emptyDir': {}})
            """),
            after=lines(
                "from kubernetes.client import V1Volume, V1EmptyDirVolumeSource, "
                "V1PersistentVolumeClaimVolumeSource",
                "from kubernetes.client import V1VolumeMount",
                "",
                "volume = V1Volume(name='v', "
                "persistent_volume_claim=V1PersistentVolumeClaimVolumeSource(claim_name='c'))",
                "mount = V1VolumeMount(name='v', mount_path='/data', sub_path=None, "
                "read_only=True)",
                "scratch = V1Volume(name='s', empty_dir=V1EmptyDirVolumeSource())",
            ),
        ),
        Example(
            before=block("""
                from airflow.kubernetes.pod import Port, Resources
                from airflow.kubernetes.pod_runtime_info_env import PodRuntimeInfoEnv

                port = Port('http', 80)
                resources = Resources(request_memory='1Gi', limit_gpu=None, limit_cpu=2)
                env = PodRuntimeInfoEnv('IP', 'status.podIP')
            """),
            after=block("""
                from kubernetes.client import V1ContainerPort, V1ResourceRequirements
                from kubernetes.client import V1EnvVar, V1EnvVarSource, V1ObjectFieldSelector

                port = V1ContainerPort(name='http', container_port=80)
                resources = V1ResourceRequirements(requests={"memory": '1Gi'}, limits={"cpu": 2})
                env = V1EnvVar(name='IP', value_from=V1EnvVarSource(
                    field_ref=V1ObjectFieldSelector(field_path='status.podIP'),
                ))
            """),
        ),
        Example(
            before=block("""
                from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

                KubernetesPodOperator(
                    task_id='t',
                    resources={'request_cpu': '1', 'limit_memory': LIMIT},
                )
                KubernetesPodOperator(task_id='u', resources=load())
            """),
            after=lines(
                _POD,
                "from kubernetes.client import V1ResourceRequirements",
                "",
                "KubernetesPodOperator(",
                "    task_id='t',",
                "    container_resources=V1ResourceRequirements(requests={\"cpu\": '1'}, "
                'limits={"memory": LIMIT}),',
                ")",
                "KubernetesPodOperator(task_id='u', resources=load())",
            ),
            notes=("container_resources=V1ResourceRequirements(",),
        ),
        Example(
            before=block("""
                from airflow.kubernetes.volume import Volume

                volume = Volume(name='v', configs=load())
                other = Volume('w', {'nfs': NFS})
            """),
            after=block("""
                from kubernetes.client import V1Volume

                volume = V1Volume(name='v', configs=load())
                other = V1Volume(name='w', nfs=NFS)
            """),
            notes=("the key of configs is a keyword",),
        ),
    ),
    keeps=(
        block("""
            from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
            from kubernetes.client import V1Volume

            KubernetesPodOperator(task_id='t', volumes=[V1Volume(name='v')])
        """),
        block("""
            # airflow
            from mylib.volume import Volume

            Volume('a', configs={})
        """),
        block("""
            from airflow.operators.bash import BashOperator

            BashOperator(task_id='t', bash_command='true', resources={'cpus': 1})
        """),
        block("""
            from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

            KubernetesPodOperator(task_id='t', container_resources=RESOURCES)
        """),
    ),
    find=_find,
)
