"""``from a.b import *``: the star goes on to one home, or its names are named."""

from __future__ import annotations

from collections.abc import Iterator

from codemods.editing.changes import Change, NewImport, Rebind
from codemods.reading.scopes import Binding
from codemods.rules._imports.moves import Moves, note, note_at, split
from codemods.tables.hops import members

# Source: airflow/models/__init__.py of 2.5.1, whose ``__all__`` has a name that is not there, and
# of 1.10.15.
_NO_STAR = ("airflow.models", "apache-airflow==2.5.*")
_MODELS = frozenset(
    (
        "BaseOperator",
        "BaseOperatorLink",
        "Connection",
        "DAG",
        "DagBag",
        "DagModel",
        "DagPickle",
        "DagRun",
        "DagTag",
        "ID_LEN",
        "Log",
        "Pool",
        "RenderedTaskInstanceFields",
        "SkipMixin",
        "SlaMiss",
        "TaskFail",
        "TaskInstance",
        "TaskReschedule",
        "Variable",
        "XCOM_RETURN_KEY",
        "XCom",
        "clear_task_instances",
    )
)


def star_changes(moves: Moves, binding: Binding) -> Iterator[Change]:
    """What is unbound in the text, and the table says the star brings, decides."""
    module = split(binding.path)[0]
    broken = module == _NO_STAR[0] and moves.target.has(_NO_STAR[1])
    known = members().get(module, frozenset()) | (_MODELS if broken else frozenset())
    known |= {name for home, name in map(split, moves.target.plugins) if home == module}
    ends: dict[str, str] = {}
    said = False
    for name in moves.source.unbound:
        if name not in known:
            continue
        resolution = moves.end(f"{module}.{name}")
        if resolution.removed is not None:
            use = moves.source.unbound[name][0]
            yield note_at(use, resolution, f"{module}.{name}")
            said = True
        else:
            ends[name] = resolution.path
    own = moves.target.resolve(module)
    gone = "" if broken or own.hops else moves.unknown(f"{module}.*")
    stays = not own.hops and not broken and not gone
    if stays and all(path == f"{module}.{name}" for name, path in ends.items()):
        return
    line = binding.alias.lineno
    homes = {split(path)[0] for path in ends.values()}
    same = all(split(path)[1] == name for name, path in ends.items())
    if not ends:
        if broken:
            yield note(
                binding.alias,
                f"the star import of {module} fails on the target: its __all__ is broken",
                "name what other files take from here",
            )
        elif (own.removed is not None and not said) or gone:
            advice = own.removed.advice if own.removed is not None else gone
            yield moves.lost(binding, f"{module}.*", advice)
        elif own.moved:
            star = NewImport(module=own.path, name="*")
            yield moves.step(line, module, own.path, Rebind(binding=binding, imports=(star,)))
        return
    if len(homes) == 1 and same and own.hops:
        (home,) = homes
        star = NewImport(module=home, name="*")
        yield moves.step(line, module, home, Rebind(binding=binding, imports=(star,)))
        return
    news = tuple(
        NewImport(module=home, name=at_home, asname=name if at_home != name else "")
        for name, (home, at_home) in sorted((name, split(path)) for name, path in ends.items())
        if not (stays and (home, at_home) == (module, name))  # the star brings it
    )
    if stays:
        news = (NewImport(module=module, name="*"), *news)
    yield moves.step(line, module, ", ".join(sorted(homes)), Rebind(binding=binding, imports=news))
