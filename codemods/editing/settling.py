"""Where a class goes for the calls that a text makes of it, and what these lack there."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache

from codemods.editing.argument_map import Mapped, is_elsewhere, map_arguments
from codemods.reading.calls import constructions
from codemods.reading.source import Source
from codemods.tables.hops import Resolution
from codemods.tables.target import Target

_HOOK = "airflow.hooks.base.BaseHook"


@lru_cache(maxsize=1)  # many rules ask in turn about one text
def calls_by_path(source: Source) -> Mapping[str, list[ast.Call]]:
    """1.10 path → the calls that construct it."""
    found: dict[str, list[ast.Call]] = {}
    for made in constructions(source):
        found.setdefault(made.path, []).append(made.node)
    return found


def settle(target: Target, source: Source, path: str) -> Resolution:
    """Where ``path`` goes for the calls of the text.

    A class that another one replaced is left for its successor only where every call can be
    mapped, or where the target has the old class no more.
    """
    resolution = target.resolve(path)
    if resolution.removed is not None or not resolution.replaced:
        return resolution
    return _settle(target, source, path)


@lru_cache(maxsize=16)  # each of a text's calls asks, and the answer maps them all
def _settle(target: Target, source: Source, path: str) -> Resolution:
    wanted = target.resolve(path)
    hook = _HOOK in target.constructors.lineage(wanted.path)  # which is asked for its methods
    if not hook and not _inherited(source, path) and mapped_whole(target, source, path):
        return wanted
    for index, hop in enumerate(wanted.hops):
        if hop.replaced:
            before = wanted.hops[:index]
            at = before[-1].new if before else path
            if target.constructors.signature(at) is not None:
                return Resolution(start=path, path=at, hops=before)
    return wanted


def mapped_whole(target: Target, source: Source, path: str) -> bool:
    """Whether the text calls ``path``, and each call has a form on the target."""
    wanted, calls = target.resolve(path), calls_by_path(source).get(path, [])
    return bool(calls) and all(_mechanical(target, source, wanted, node) for node in calls)


def _inherited(source: Source, path: str) -> bool:
    """Whether a class of the text or of another file inherits from the one at ``path``."""
    bases = (source.path_of(base) for node, _ in source.classes for base in node.bases)
    return path in bases or any(
        own.base == path and own.inherits for found in source.own.values() for own in found
    )


def _mechanical(target: Target, source: Source, resolution: Resolution, node: ast.Call) -> bool:
    """Whether a call can be mapped to the end of its hops without a person."""
    mapped = map_arguments(target, source, resolution, node)
    new = target.constructors.signature(resolution.path)
    if (
        mapped.unsure
        or mapped.warned
        or new is None
        or any(row.keys for row in mapped.by_default.values())
    ):
        return False
    given = {mapped.rename.get(k.arg or "", k.arg) for k in node.keywords} - set(mapped.drop)
    if any(k.arg is None for k in node.keywords):
        return True
    have = given | mapped.added | {"task_id"} | set(mapped.positional.values())
    have |= source.default_arguments[0] | {row.new for row in mapped.by_default.values()}
    return new.required <= have | set(new.positional[: len(node.args)])


def missing(
    target: Target, source: Source, resolution: Resolution, node: ast.Call, mapped: Mapped
) -> list[str]:
    """What the target's constructor requires and neither the call nor default_args gives."""
    new = target.constructors.signature(resolution.path)
    given, complete = source.default_arguments
    if new is None or not complete or any(k.arg is None for k in node.keywords):
        return []
    if any(isinstance(a, ast.Starred) for a in node.args):
        return []
    have = {mapped.rename.get(k.arg or "", k.arg or "") for k in node.keywords} - set(mapped.drop)
    have |= mapped.added | set(mapped.positional.values()) | given
    have |= set(new.positional[: len(node.args)])
    lacking = new.required - have
    said = {k.arg for k in node.keywords if k.arg} | given
    if node.args or any(is_elsewhere(resolution.path, name) for name in said):
        # The rule that sees to what is given sees to what that stands for.
        lacking = frozenset(n for n in lacking if not is_elsewhere(resolution.path, n))
    if lacking and given:
        lacking -= {renamed_key(target, source, resolution, key) for key in given}
    return sorted(lacking)


def renamed_key(target: Target, source: Source, resolution: Resolution, key: str) -> str:
    """What the class at the end of the hops calls an argument that default_args give."""
    probe = ast.parse(f"f({key}=x)", mode="eval").body
    if not isinstance(probe, ast.Call):
        return key
    return map_arguments(target, source, resolution, probe).rename.get(key, key)
