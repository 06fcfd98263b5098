"""DockerOperator's ``auto_remove`` and ``volumes`` take the values of the target."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.calls import Construction, constructions
from codemods.changes import AddImport, Change, EditCall, NewImport, Replace, Step
from codemods.rules._text import lines
from codemods.source import Source
from codemods.target import Target

ID = "docker-arguments"
_PROVIDER = "airflow.providers.docker.operators."
# Source: operators/docker.py of apache-airflow-providers-docker 3.2.0 (auto_remove takes "never",
# "success" or "force") and 2.0.0 (volumes became mounts).
_REMOVE = {True: '"success"', False: '"never"'}


def _find(source: Source, target: Target) -> Iterator[Change]:
    for made in constructions(source):
        if not target.resolve(made.path).path.startswith(_PROVIDER):
            continue
        for keyword in made.node.keywords:
            if keyword.arg == "auto_remove" and target.has("apache-airflow-providers-docker>=3.2"):
                yield from _auto_remove(keyword)
            elif keyword.arg == "volumes" and target.has("apache-airflow-providers-docker>=2.0"):
                yield from _volumes(source, made, keyword)


def _auto_remove(keyword: ast.keyword) -> Iterator[Change]:
    value = keyword.value
    if isinstance(value, ast.Constant) and isinstance(value.value, bool):
        code = _REMOVE[value.value]
        yield Step(
            rule=ID,
            line=keyword.lineno,
            message=f"auto_remove={value.value} is {code}",
            operations=(Replace(node=value, code=code),),
        )


def _mount(volume: str, mount: str) -> str | None:
    source, _, rest = volume.partition(":")
    target, _, mode = rest.partition(":")
    if not source or not target or mode not in {"", "ro", "rw"} or "{{" in volume:
        return None
    kind = "bind" if source.startswith(("/", "~", ".")) else "volume"
    read_only = ", read_only=True" if mode == "ro" else ""
    return f'{mount}(source="{source}", target="{target}", type="{kind}"{read_only})'


def _volumes(source: Source, made: Construction, keyword: ast.keyword) -> Iterator[Change]:
    listed = keyword.value
    local = source.free_name("Mount")
    mounts: list[str | None] = [None]
    if isinstance(listed, ast.List) and made.use is not None:
        mounts = [
            _mount(e.value, local)
            if isinstance(e, ast.Constant) and isinstance(e.value, str)
            else None
            for e in listed.elts
        ]
    if made.use is None or None in mounts:
        yield Note(
            rule=ID,
            line=keyword.lineno,
            column=keyword.col_offset,
            message="DockerOperator takes no volumes on the target",
            fix="Pass mounts=[docker.types.Mount(source=..., target=..., type='bind')] for each "
            "'source:target'",
        )
        return
    new = NewImport(module="docker.types", name="Mount", asname=local if local != "Mount" else "")
    code = f"[{', '.join(m for m in mounts if m)}]"
    operations: tuple[Replace | EditCall | AddImport, ...] = (
        EditCall(node=made.node, rename={"volumes": "mounts"}, values={"volumes": code}),
        AddImport(near=made.use.bindings[0], new=new),
    )
    yield Step(rule=ID, line=keyword.lineno, message="volumes are mounts", operations=operations)


RULE = Rule(
    id=ID,
    title="Give DockerOperator the values that it takes",
    why="auto_remove=True is refused since version 4 of the Docker provider and volumes since 2.",
    examples=(
        Example(
            before=lines(
                "from airflow.operators.docker_operator import DockerOperator",
                "",
                "DockerOperator(task_id='t', image='i', auto_remove=True, volumes=['/a:/b:ro'])",
            ),
            after=lines(
                "from airflow.providers.docker.operators.docker import DockerOperator",
                "from docker.types import Mount",
                "",
                "DockerOperator(task_id='t', image='i', auto_remove=\"success\", "
                'mounts=[Mount(source="/a", target="/b", type="bind", read_only=True)])',
            ),
        ),
    ),
    keeps=(
        lines(
            "from airflow.providers.docker.operators.docker import DockerOperator",
            "",
            "DockerOperator(task_id='t', image='i', auto_remove='success', mounts=[])",
        ),
        lines("# airflow", "from mylib import DockerOperator", "", "DockerOperator(volumes=['a'])"),
    ),
    find=_find,
)
