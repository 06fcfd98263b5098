"""Modules that an import binds: ``from a import b``, ``import a.b as m``, ``import a.b.c``."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from codemods.editing.changes import Change, NewImport, Rebind, Replace
from codemods.reading.scopes import Binding, Use
from codemods.rules._imports.moves import Moves, note_at, split
from codemods.rules.internal_names import has_successor
from codemods.tables.hops import Resolution


def module_changes(moves: Moves, binding: Binding, own: Resolution) -> Iterator[Change]:
    """``from airflow.operators import python_operator`` and ``import a.b.c as m``."""
    ends: list[tuple[Use, int, str]] = []
    gone: list[Use] = []
    loose = False
    for use in binding.uses:
        found = moves.found(use, binding.path)
        if has_successor(use):
            loose = True
        elif found is None and own.removed is not None:
            gone.append(use)
        elif found is None:
            loose = True
            if own.moved and not moves.settled_here(use):
                yield from moves.not_known(use, binding.path)
            elif not own.hops:
                yield from moves.unserved(use, binding.path)
        elif found[1].removed is not None:
            yield note_at(use, found[1])
            loose = True
        else:
            ends.append((use, found[0], found[1].path))
    homes = Counter(split(path)[0] for _, _, path in ends)
    line, old = binding.alias.lineno, binding.path
    if not ends:
        if own.removed is not None:
            if not loose:
                yield moves.lost(binding, old, own.removed.advice)
        elif own.moved and not any(map(moves.settled_here, binding.uses)):
            new = _as_module(binding, own.path)
            yield moves.step(line, old, own.path, Rebind(binding=binding, imports=(new,)))
        return
    yield from (note_at(use, own, use.path) for use in gone)
    depth = {d for _, d, _ in ends}
    stays = loose and not own.hops
    if len(homes) == 1 and depth == {1} and not stays:
        (home,) = homes
        new = _as_module(binding, home)
        renames = tuple(
            Replace(node=use.nodes[1], code=f"{new.local}.{split(path)[1]}")
            for use, _, path in ends
            if use.path.split(".")[-len(use.nodes) + 1] != split(path)[1]
        )
        yield moves.step(line, old, home, Rebind(binding=binding, imports=(new,)), *renames)
        return
    imports: dict[str, NewImport] = {}
    renames_: list[Replace] = []
    for use, at, path in ends:
        if path not in imports:
            module, name = split(path)
            local = _free(moves, name)
            imports[path] = NewImport(
                module=module, name=name, asname=local if local != name else ""
            )
        renames_.append(Replace(node=use.nodes[at], code=imports[path].local))
    news = tuple(imports.values())
    if stays:
        news = (_as_it_is(binding), *news)
    ends_text = ", ".join(imports)
    yield moves.step(line, old, ends_text, Rebind(binding=binding, imports=news), *renames_)


def dotted_changes(moves: Moves, binding: Binding) -> Iterator[Change]:
    """``import a.b.c``, which binds only ``a``: the text says the whole path at each use."""
    full = binding.alias.name
    own = moves.target.resolve(full)
    homes: dict[str, None] = {}
    renames: list[Replace] = []
    gone: list[Use] = []
    stays = False
    for use in binding.uses:
        if not (use.path + ".").startswith(full + ".") or _nearer(binding, use):
            continue
        found = moves.found(use, full)
        if has_successor(use):
            stays = True
        elif found is None and own.moved and not moves.settled_here(use):
            homes[own.path] = None
            renames.append(Replace(node=use.nodes[full.count(".")], code=own.path))
            yield from moves.not_known(use, full)
        elif found is None and own.removed is not None:
            gone.append(use)
        elif found is None:
            stays = True
            yield from moves.unserved(use, full)
        elif found[1].removed is not None:
            yield note_at(use, found[1])
            stays = True
        elif found[1].moved:
            homes[split(found[1].path)[0]] = None
            renames.append(Replace(node=use.nodes[found[0]], code=found[1].path))
        else:
            stays = True
    if not homes and own.moved and not any(map(moves.settled_here, binding.uses)):
        homes[own.path] = None
        stays = False
    if not homes:
        advice = "" if own.hops else moves.unknown(f"{full}.*")
        if own.removed is not None and not stays:
            yield moves.lost(binding, full, own.removed.advice)
        elif advice:
            yield moves.lost(binding, full, advice)
        return
    yield from (note_at(use, own, use.path) for use in gone)
    stays = stays or full == "airflow"
    kept = (NewImport(module=full),) if stays and not own.hops else ()
    news = kept + tuple(NewImport(module=home) for home in homes)
    yield moves.step(
        binding.alias.lineno,
        full,
        ", ".join(homes),
        Rebind(binding=binding, imports=news),
        *renames,
    )


def _as_module(binding: Binding, path: str) -> NewImport:
    module, name = split(path)
    if isinstance(binding.statement, ast.Import) or not module:
        return NewImport(module=path, asname=binding.name)
    return NewImport(module=module, name=name, asname=binding.name if binding.name != name else "")


def _as_it_is(binding: Binding) -> NewImport:
    module, name = split(binding.path)
    if isinstance(binding.statement, ast.Import):
        return NewImport(module=binding.path, asname=binding.name)
    return NewImport(module=module, name=name, asname=binding.alias.asname or "")


def _free(moves: Moves, name: str) -> str:
    """The name, or another where the text has given it to something else."""
    if name in moves.source.names:
        same = moves.source.module.imports.get(name, ())
        ends = {moves.target.resolve(b.path).path for b in same}
        if not any(split(e)[1] == name for e in ends):
            return moves.source.free_name(name)
    return name


def _nearer(binding: Binding, use: Use) -> bool:
    """Whether another ``import a.b.c`` brings in more of what the use names."""
    return any(
        b.dotted
        and len(b.alias.name) > len(binding.alias.name)
        and (use.path + ".").startswith(b.alias.name + ".")
        for b in use.bindings
    )
