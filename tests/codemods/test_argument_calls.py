"""Every argument of every class of 1.10.15: the target takes what becomes of it, or it is said."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from locks import read_lock

from codemods import Migration, migrate_source
from codemods.reading.source import Source
from codemods.tables.hops import Hops
from codemods.tables.methods import _lines, baseline_methods
from codemods.tables.target import Target
from tools.argument_calls import ArgumentCall, argument_calls, migrated
from tools.mine_wheels import BASELINE, CORE, World, default_cache, fetch, local_wheels

TARGETS = ("2.5.1", "2.10.3", "2.11.0")
# What reading cannot tell, with the reason.
KNOWN = {
    # It warns about the names of files that hold a wildcard, not about the argument.
    "source_object": "airflow.contrib.operators.gcs_to_gcs.",
    # Taken by way of conn_name_attr.
    "hiveserver2_conn_id": "airflow.hooks.hive_hooks.",
    # These warn about some values, or when they are not given.
    "python_version": "airflow.operators.python_operator.",
    "default_view": "airflow.models.dag.",
    "method": "airflow.operators.slack_operator.",
    "is_delete_operator_pod": "airflow.contrib.operators.gcp_container_operator.",
}


def _faults(
    call: ArgumentCall, migration: Migration, target: Target, world: World
) -> Iterator[str]:
    source = Source(migration.text or call.text)
    node = source.tree.body[-1]
    assert isinstance(node, ast.Expr)
    assert isinstance(node.value, ast.Call)
    path = source.path_of(node.value.func)
    if path is None:  # it is the file's own now
        assert [cls.name for cls, _ in source.classes] == [ast.unparse(node.value.func)]
        return
    if not path.startswith("airflow."):
        return
    home = world.find(*path.rpartition(".")[::2])
    signature = target.constructors.signature(home.path) if home is not None else None
    if home is None:
        yield f"{call.id}: {path} does not exist"
        return
    if signature is None:
        return  # a class without a constructor that can be read (attr.s)
    given = {k.arg for k in node.value.keywords if k.arg}
    if not signature.anything:
        given = {n for n in given if not call.path.startswith(KNOWN.get(n, "-"))}
        yield from (f"{call.id}: takes no {name}" for name in given - signature.accepts)
        for name in given & ({*signature.renamed} | signature.warned):
            yield f"{call.id}: warns about {name}"
    missing = signature.required - {k.arg for k in node.value.keywords}
    yield from (f"{call.id}: needs {name}" for name in missing)
    if home.definition.deprecated:
        yield f"{call.id}: {home.path} is deprecated"


@pytest.mark.slow
@pytest.mark.parametrize("version", TARGETS)
def test_no_argument_fails_silently(version: str) -> None:
    """Read from the wheels: taken without a warning, or an edit or a note speaks of it."""
    pins = read_lock(version)
    ours = {k: v for k, v in pins.items() if k.startswith(CORE)}
    fetch({CORE: BASELINE}, default_cache())
    fetch(ours, default_cache())
    wheels = local_wheels(default_cache())
    old, world, target = World({CORE: BASELINE}, wheels), World(ours, wheels), Target(pins)
    silent = []
    count = 0
    for call, migration in migrated(argument_calls(old, wheels[CORE, BASELINE]), pins):
        count += 1
        assert migration.error is None
        if not any(note.rule != "changed-defaults" for note in migration.notes):
            silent += list(_faults(call, migration, target, world))
    assert count > 3000
    assert silent == []


def _inherited(world: World, path: str) -> set[str]:
    """Every method that the class at ``path`` has, by its whole ancestry inside Airflow."""
    found: set[str] = set()
    home = world.find(*path.rpartition(".")[::2])
    queue = [home] if home is not None else []
    while queue:
        home = queue.pop()
        found |= {name for name, _ in home.definition.methods}
        queue += [b for e in home.definition.bases if (b := world.base(home, e)) is not None]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("version", TARGETS)
def test_no_method_that_the_target_has_is_said_to_be_gone(version: str) -> None:
    pins = read_lock(version)
    ours = {k: v for k, v in pins.items() if k.startswith(CORE)}
    fetch(ours, default_cache())
    world, hops = World(ours, local_wheels(default_cache())), Hops(pins)
    count = 0
    for row in _lines():
        path, _, method = row.rpartition(".")
        if not baseline_methods().knows(path) or hops.resolve(path).removed is not None:
            continue
        module, _, name = path.rpartition(".")
        text = f"from {module} import {name}\n\nmade = {name}()\nmade.{method}()\n"
        said = [
            n for n in migrate_source(text, pins=pins).notes if f"has no {method} " in n.message
        ]
        count += 1
        assert not said or method not in _inherited(world, hops.resolve(path).path), row
    assert count > 500
