"""What a rewritten program means is what it meant: seen by running it, on names alone."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from locks import read_lock
from programs import World, programs

from codemods import migrate_source
from codemods.tables.hops import Hops, all_hops

VERSIONS = ("2.5.1", "2.10.3", "2.11.0")
_COMMENT = re.compile(r"# comment \d+")


@cache
def _hops(version: str) -> Hops:
    return Hops(read_lock(version))


def _usable(path: str) -> bool:
    """Whether a path is 1.10's, with a home on every target that is not another class."""
    if path.startswith("airflow.providers.") or path.count(".") < 2 or "__" in path:
        return False
    ends = [_hops(version).resolve(path) for version in VERSIONS]
    return all(e.removed is None and not e.replaced and e.path.startswith("airflow.") for e in ends)


@cache
def _old_world() -> World:
    kept = {f"airflow.utils.helpers.{n}" for n in ("prune_dict", "as_flattened_list")}
    return World({*filter(_usable, all_hops()), *kept, "airflow.models.Variable"}, loads_all=True)


@cache
def _new_world(version: str) -> World:
    old, hops = _old_world(), _hops(version)
    stay = {module for module in old.modules if not hops.resolve(module).hops}
    return World({hops.resolve(path).path for path in old.symbols}, modules=stay)


def _modules() -> dict[str, list[str]]:
    """Module → its names that are classes and functions before and after."""
    worlds = [(_hops(version), _new_world(version)) for version in VERSIONS]
    return {
        module: good
        for module, names in _old_world().members.items()
        if (
            good := [
                name
                for name in names
                if all(hops.resolve(f"{module}.{name}").path in w.symbols for hops, w in worlds)
            ]
        )
    }


def _end(path: str) -> str:
    return _hops("2.11.0").resolve(path).path.rpartition(".")[2]


LEAN: dict[str, Any] = {
    "deadline": None,
    "report_multiple_bugs": False,
    "suppress_health_check": list(HealthCheck),
}
PROGRAMS = programs(_modules(), _end)


def check(text: str, version: str) -> None:
    """Each use means after the rewrite what the table makes of what it meant before; nothing is
    left to rewrite, and every comment is there."""
    try:
        before = _old_world().run(text)
    except (AttributeError, TypeError):  # two of its imports bind one name
        assume(False)
    pins = read_lock(version)
    migration = migrate_source(text, pins=pins)
    assert migration.error is None
    new = migration.text or text
    story = f"{text}\n---- became\n{new}"
    try:
        after = _new_world(version).run(new)
    except Exception as error:
        raise AssertionError(f"{error!r}\n{story}") from error
    assert after == {n: _hops(version).resolve(path).path for n, path in before.items()}, story
    assert migrate_source(new, pins=pins).text is None, story
    assert set(_COMMENT.findall(new)) == set(_COMMENT.findall(text)), story


@given(PROGRAMS, st.sampled_from(VERSIONS))
@settings(max_examples=40, derandomize=True, **LEAN)
def test_a_program_means_the_same(text: str, version: str) -> None:
    check(text, version)


@pytest.mark.slow
@given(PROGRAMS, st.sampled_from(VERSIONS))
@settings(max_examples=600, **LEAN)
def test_many_programs_mean_the_same(text: str, version: str) -> None:
    check(text, version)
