"""DockerOperator's ``auto_remove`` and ``volumes`` take the values of the target."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from codemods.base import Example, Note, Rule
from codemods.editing.changes import AddImport, Change, EditCall, EditDict, NewImport, Replace, Step
from codemods.editing.stand_ins import StandIn, class_code, stand_in
from codemods.reading.calls import Construction, constructions, items_of
from codemods.reading.source import Source
from codemods.reading.unpacking import filled_in, only_theirs, unpacked
from codemods.reading.values import joined, known, pieces_of, split_pieces, text_of
from codemods.rules._text import block, lines
from codemods.tables.target import Target

ID = "docker-arguments"
_PROVIDER = "airflow.providers.docker.operators."
# Source: operators/docker.py of apache-airflow-providers-docker 3.2.0 (auto_remove takes "never",
# "success" or "force") and 2.0.0 (volumes became mounts).
_REMOVE = {True: '"success"', False: '"never"'}


_NO_VOLUMES = "DockerOperator takes no volumes on the target"
_TAKES_MOUNTS = "apache-airflow-providers-docker>=2.0"
_PATH = f"{_PROVIDER}docker.DockerOperator"


def _find(source: Source, target: Target) -> Iterator[Change]:
    made = [c for c in constructions(source) if _docker(target, c)]
    if not made:
        return
    changes = list(_changes(source, target, made))
    left = [c for c in changes if isinstance(c, Note) and c.message == _NO_VOLUMES]
    step = _own_class(source, target, made, left) if left else None
    if step is not None:
        yield step
    yield from (c for c in changes if step is None or c not in left)


def _changes(source: Source, target: Target, made: list[Construction]) -> Iterator[Change]:
    remove = target.has("apache-airflow-providers-docker>=3.2")
    volumes = target.has(_TAKES_MOUNTS)
    for construction in made:
        for keyword in construction.reaching:
            if keyword.arg == "auto_remove" and remove:
                yield from _auto_remove(source, keyword.value)
            elif keyword.arg == "volumes" and volumes:
                yield from _volumes(source, construction, keyword)
    near = next((c for c in made if c.use is not None), None)
    for node, calls, way in unpacked(source):
        if not all(_docker(target, c) for c in calls):
            continue
        ours = only_theirs(source, node, way)
        for place, name, value in items_of(node):
            if name == "auto_remove" and remove:
                yield from _auto_remove(source, value)
            elif name == "volumes" and volumes and near and ours and isinstance(node, ast.Dict):
                yield from _default_volumes(source, near, node, value)
            elif name == "volumes" and volumes:
                yield _note(place.lineno, place.col_offset)
    for calls, (place, name, value) in filled_in(source):
        if not all(_docker(target, c) for c in calls):
            continue
        if name == "auto_remove" and remove:
            yield from _auto_remove(source, value)
        elif name == "volumes" and volumes:
            yield _note(place.lineno, place.col_offset)
    for key in source.default_keys:
        if key.name == "auto_remove" and remove:
            yield from _auto_remove(source, key.value)
        elif key.name == "volumes" and volumes and near and isinstance(key.holder, ast.Dict):
            yield from _default_volumes(source, near, key.holder, key.value)


def _own_class(
    source: Source, target: Target, made: list[Construction], notes: list[Note]
) -> Step | None:
    """A class of the file's that takes the volumes which no edit can make mounts of."""
    if {target.resolve(one.path).path for one in made} != {_PATH}:
        return None
    bindings = [
        b for b in source.bindings if b.name != "*" and target.resolve(b.path).path == _PATH
    ]
    own = StandIn(
        path=_PATH, code=class_code("docker_volumes"), needs={"mount": ("docker.types", "Mount")}
    )
    operations = stand_in(source, bindings, own, made)
    if not operations:
        return None
    return Step(
        rule=ID,
        line=notes[0].line,
        message="DockerOperator is a class of the file's, which takes volumes as on 1.10",
        operations=operations,
    )


def _docker(target: Target, made: Construction) -> bool:
    return target.resolve(made.path).path.startswith(_PROVIDER)


def _auto_remove(source: Source, value: ast.expr) -> Iterator[Change]:
    meant = known(value, source)
    if isinstance(meant, ast.Constant) and isinstance(meant.value, bool):
        code = _REMOVE[meant.value]
        yield Step.replace(value, code, rule=ID, message=f"auto_remove={meant.value} is {code}")
    elif isinstance(meant, ast.Compare | ast.BoolOp) or (
        isinstance(meant, ast.UnaryOp) and isinstance(meant.op, ast.Not)
    ):
        yield Step.replace(
            value,
            f'"success" if {source.segment(value)} else "never"',
            rule=ID,
            message='auto_remove takes "success" or "never"',
        )
    elif isinstance(meant, ast.Name | ast.Attribute):
        code = source.segment(value)
        yield Step.replace(
            value,
            f'{{True: "success", False: "never"}}.get({code}, {code})',
            rule=ID,
            message='auto_remove takes "success" or "never" for True or False',
        )
    elif text_of(meant) is None and not _by_name(meant):
        yield Note.at(
            value,
            rule=ID,
            message='auto_remove takes "never", "success" or "force"; True and False are refused',
            fix=f'If it is a bool: auto_remove="success" if {source.segment(value)} else "never"',
        )


def _by_name(value: ast.expr) -> bool:
    """Whether a value is looked up in a display, or one of two texts."""
    if isinstance(value, ast.IfExp):
        return all(text_of(one) is not None for one in (value.body, value.orelse))
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and isinstance(value.func.value, ast.Dict)
    )


# -- volumes ---------------------------------------------------------------------------------


def _mount(source: Source, volume: ast.expr, name: str) -> str | None:
    """``source:target[:mode]`` as a call; None when the text does not show the three, or whether
    the source is a folder or a named volume."""
    pieces = pieces_of(volume, source)
    if pieces is None or any("{{" in text for text, _ in pieces):
        return None
    parts = [[p for p in group if p[0]] for group in split_pieces(pieces, ":")]
    if len(parts) not in (2, 3) or not all(parts):
        return None
    mode = "".join(text for text, _ in parts[2]) if len(parts) == 3 else ""
    if mode not in {"", "ro", "rw"} or (mode and not parts[2][0][1]):
        return None
    first, literal = parts[0][0]
    if not literal:
        meant = source.assigned.get(first, [])
        first = (text_of(meant[0]) if len(meant) == 1 else None) or ""
    if not first:
        return None
    kind = "bind" if first.startswith(("/", "~", ".")) else "volume"
    read_only = ", read_only=True" if mode == "ro" else ""
    places = f"source={joined(parts[0])}, target={joined(parts[1])}"
    return f'{name}({places}, type="{kind}"{read_only})'


def _mounts(source: Source, listed: ast.expr, name: str) -> str | None:
    if not isinstance(listed, ast.List):
        return None
    found = [_mount(source, element, name) for element in listed.elts]
    return f"[{', '.join(m for m in found if m is not None)}]" if None not in found else None


def _only_here(source: Source, name: str) -> bool:
    """Whether a variable is given once and nothing but ``volumes`` arguments reads it."""
    said = len(re.findall(rf"\b{re.escape(name)}\b", source.text))
    given = len(re.findall(rf"\bvolumes\s*=\s*{re.escape(name)}\b", source.text))
    return said == given + 1


def _import(source: Source, made: Construction) -> tuple[str, AddImport | None]:
    local = source.free_name("Mount")
    for binding in source.bindings:
        if binding.path == "docker.types.Mount" and binding.scope is source.module:
            return binding.name, None
    new = NewImport(module="docker.types", name="Mount", asname=local if local != "Mount" else "")
    return local, AddImport(near=made.use.bindings[0], new=new) if made.use is not None else None


def _step(
    line: int, operations: tuple[Replace | EditCall | EditDict, ...], new: AddImport | None
) -> Step:
    added = (new,) if new is not None else ()
    message = "volumes are mounts"
    return Step(rule=ID, line=line, message=message, operations=(*operations, *added))


def _volumes(source: Source, made: Construction, keyword: ast.keyword) -> Iterator[Change]:
    value = keyword.value
    name, new = _import(source, made)
    operations: tuple[Replace | EditCall, ...] = ()
    mounts: str | None = None
    if made.use is not None and isinstance(value, ast.Name) and _only_here(source, value.id):
        listed = known(value, source)
        mounts = _mounts(source, listed, name)
        if mounts is not None:
            operations = (
                Replace(node=listed, code=mounts),
                EditCall(node=made.node, rename={"volumes": "mounts"}),
            )
    elif made.use is not None:
        mounts = _mounts(source, value, name)
        if mounts is not None:
            code = {"volumes": mounts}
            operations = (EditCall(node=made.node, rename={"volumes": "mounts"}, values=code),)
    if mounts is None:
        yield _note(keyword.lineno, keyword.col_offset)
    else:
        yield _step(keyword.lineno, operations, new)


def _default_volumes(
    source: Source, near: Construction, node: ast.Dict, value: ast.expr
) -> Iterator[Change]:
    name, new = _import(source, near)
    mounts = _mounts(source, value, name)
    if mounts is None:
        yield _note(value.lineno, value.col_offset)
        return
    operations = (
        EditDict(node=node, rename={"volumes": "mounts"}),
        Replace(node=value, code=mounts),
    )
    yield _step(value.lineno, operations, new)


def _note(line: int, column: int) -> Note:
    return Note(
        rule=ID,
        line=line,
        column=column,
        message=_NO_VOLUMES,
        fix="Pass mounts=[docker.types.Mount(source=..., target=..., type='bind')] for each "
        "'source:target'; type='volume' where the source is the name of a volume",
    )


_NEW = "from airflow.providers.docker.operators.docker import DockerOperator"

RULE = Rule(
    id=ID,
    title="Give DockerOperator the values that it takes",
    why="auto_remove=True is refused since version 4 of the Docker provider and volumes since 2.",
    examples=(
        Example(
            before=block("""
                from airflow.operators.docker_operator import DockerOperator

                DockerOperator(task_id='t', image='i', auto_remove=True, volumes=['/a:/b:ro'])
            """),
            after=lines(
                _NEW,
                "from docker.types import Mount",
                "",
                "DockerOperator(task_id='t', image='i', auto_remove=\"success\", "
                'mounts=[Mount(source="/a", target="/b", type="bind", read_only=True)])',
            ),
        ),
        Example(
            before=block("""
                from airflow.operators.docker_operator import DockerOperator

                DATA = '/srv/data'
                VOLUMES = ['cache:/cache', f'{DATA}:/data']
                DockerOperator(task_id='t', image='i', volumes=VOLUMES)
                DockerOperator(task_id='u', image='i', volumes=VOLUMES)
            """),
            after=block("""
                from airflow.providers.docker.operators.docker import DockerOperator
                from docker.types import Mount

                DATA = '/srv/data'
                VOLUMES = [
                    Mount(source="cache", target="/cache", type="volume"),
                    Mount(source=DATA, target="/data", type="bind"),
                ]
                DockerOperator(task_id='t', image='i', mounts=VOLUMES)
                DockerOperator(task_id='u', image='i', mounts=VOLUMES)
            """),
        ),
        Example(
            before=block("""
                from airflow.operators.docker_operator import DockerOperator

                DockerOperator(task_id='t', image='i', volumes=[f'{DATA}:/data'])
                DockerOperator(task_id='u', image='i', volumes=read('D'))
            """),
            after=lines(
                "from airflow.providers.docker.operators import docker",
                "from docker.types import Mount",
                "",
                "",
                *class_code("docker_volumes")
                .substitute(name="DockerOperator", base="docker.DockerOperator", mount="Mount")
                .splitlines(),
                "",
                "",
                "DockerOperator(task_id='t', image='i', volumes=[f'{DATA}:/data'])",
                "DockerOperator(task_id='u', image='i', volumes=read('D'))",
            ),
        ),
        Example(
            before=lines(
                "def make(**options):",
                f"    {_NEW}",
                "",
                "    return DockerOperator(task_id='t', image='i', volumes=[read('D')])",
            ),
            notes=("mounts=[docker.types.Mount(",),
        ),
        Example(
            before=block("""
                from airflow.operators.docker_operator import DockerOperator

                default_args = {'auto_remove': False, 'docker_url': 'tcp://d:2375'}
                DockerOperator(task_id='t', image='i', default_args=default_args)
                DockerOperator(task_id='u', image='i', auto_remove=config.remove)
                DockerOperator(task_id='v', image='i', auto_remove=removes('v'))
            """),
            after=lines(
                _NEW,
                "",
                "default_args = {'auto_remove': \"never\", 'docker_url': 'tcp://d:2375'}",
                "DockerOperator(task_id='t', image='i', default_args=default_args)",
                "DockerOperator(task_id='u', image='i', "
                'auto_remove={True: "success", False: "never"}.get(',
                "    config.remove,",
                "    config.remove,",
                "))",
                "DockerOperator(task_id='v', image='i', auto_remove=removes('v'))",
            ),
            notes=('auto_remove="success" if removes(\'v\') else "never"',),
        ),
    ),
    keeps=(
        block("""
            from airflow.providers.docker.operators.docker import DockerOperator

            DockerOperator(task_id='t', image='i', auto_remove='success', mounts=[])
        """),
        block("""
            # airflow
            from mylib import DockerOperator

            DockerOperator(volumes=['a'])
        """),
        block("""
            # airflow
            from mylib import Docker

            Docker(auto_remove=True)
        """),
        block("""
            from airflow import DAG

            args = {'auto_remove': True, 'volumes': ['/a:/b']}
            dag = DAG('d', schedule=None, default_args=args)
        """),
        block("""
            from airflow.providers.docker.operators.docker import DockerOperator

            REMOVE = 'force'
            DockerOperator(task_id='t', image='i', auto_remove=REMOVE)
        """),
    ),
    find=_find,
)
