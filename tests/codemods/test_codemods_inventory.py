"""Every public name of 1.10.15, in every spelling, against the targets' wheels."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from codemods.rules.changed_defaults import VALUES
from codemods.tables.attributes import Attributes
from codemods.tables.dated import Pins, mined_rows
from codemods.tables.hops import Hops
from harness.model import Config, Side
from harness.runtimes.venv import VenvRuntime
from harness.targets import default_bridge
from tools import mine_attributes
from tools.inventory import FURTHER, NUMBERS, Home, World, defined, inventory, judge, target
from tools.mine_wheels import BASELINE, CORE, default_cache, fetch, local_wheels

CACHE = Path(os.environ.get("MWAA_HARNESS_WHEELS", default_cache()))


TARGETS = ("2.5.1", "2.10.3", "2.11.0")
_OPERATORS = re.compile(r"\.(operators|sensors)\.\w+\.\w+$")


@pytest.fixture(scope="module")
def old() -> World:
    fetch({CORE: BASELINE}, CACHE)
    return World({CORE: BASELINE}, local_wheels(CACHE))


@pytest.fixture(scope="module")
def names(old: World) -> dict[str, Home]:
    return inventory(old)


@pytest.mark.slow
@pytest.mark.parametrize("version", TARGETS)
def test_every_name_is_there_or_reported(names: dict[str, Home], version: str) -> None:
    """Rewritten to something that the wheels have and that does not warn, or reported with what to
    do instead. The rarer spellings take turns; tools/inventory.py tries all of them."""
    pins, world = target(version, CACHE)
    verdicts = [
        verdict
        for number, (path, home) in enumerate(names.items())
        for verdict in judge(path, home, pins, world, FURTHER[number % 4 :: 4])
    ]
    assert [v for v in verdicts if v.outcome == "wrong"] == []
    symbols = [path for path, home in names.items() if defined(path, home)]
    counted = [
        sum(v.outcome == o for v in verdicts if v.spelling == "from" and v.path in {*symbols})
        for o in ("same", "moved", "reported")
    ]
    row = next(r for r in NUMBERS.read_text("utf-8").splitlines() if r.startswith(version))
    assert row == " ".join(map(str, [version, len(symbols), *counted]))


def _methods(world: World, home: Home) -> dict[str, str]:
    """Method of an operator → the class that it comes from, Airflow's own inside left out."""
    found: dict[str, str] = {}
    for expression in home.definition.bases:
        base = world.base(home, expression)
        if base is not None and base.module.startswith("airflow."):
            found |= _methods(world, base)
    if not home.module.startswith(("airflow.lineage.", "airflow.models.", "airflow.utils.")):
        found |= {name: home.path for name, takes in home.definition.methods if takes is not None}
    return found


def _table(pins: dict[str, str], paths: Iterable[str]) -> dict[str, set[str]]:
    """What the mined table says that the targets of these classes lack."""
    of_pins, rows = Pins(pins), mined_rows("attributes.txt")
    told: dict[str, set[str]] = {path: set() for path in paths}
    for line in (of_pins.line(rows, name) for name in rows):
        path, _, name = line.removesuffix(" lost").rpartition(".")
        if line.endswith(" lost") and path in told:
            told[path].add(name)
    return told


@pytest.mark.slow
@pytest.mark.parametrize("version", TARGETS)
def test_each_method_that_operators_lost_is_told_of(
    old: World, names: dict[str, Home], version: str
) -> None:
    pins, new = target(version, CACHE)
    hops, attributes = Hops(pins), Attributes(pins)
    lost, told = set(), set()
    for path, home in names.items():
        end = hops.resolve(path)
        there = None if end.removed else new.find(*end.path.rpartition(".")[::2])
        if there is None or end.replaced or not _OPERATORS.search(path) or home.path != path:
            continue
        ours, theirs = _methods(old, home), _methods(new, there)
        lost |= {(ours[name], name) for name in ours.keys() - theirs.keys()}
        told |= {(o, n) for n, o in ours.items() if attributes.lost((path, o), n)}
        assert [n for o, n in told if o == path and n in theirs] == []
    assert lost - told == set()
    mined, _ = mine_attributes.lost(old, new, mine_attributes.inherited(old))
    assert _table(pins, mined) == mined, "tools/mine_attributes.py was forgotten"


# Defaults that are others on a target and make no difference, or whose call another rule completes.
_ANOTHER_DEFAULT = {
    "auto_remove": "'never' is what False was",
    "autocommit": "arguments_by_hand.txt adds it",
    "compression": "None is what it was",
    "do_xcom_push": "an XCom more at most",
    "docker_url": "None is what it was, or DOCKER_HOST",
    "execution_date": "another name of the same",
    "extract_xcom": "an inside of the operator's",
    "field_delimiter": "None is what it was",
    "host": "the handler's configuration gives it",
    "icon_url": "the same picture elsewhere",
    "image_pull_policy": "the cluster's default",
    "is_delete_operator_pod": "kubernetes-arguments adds it",
    "master": "None is what the connection says",
    "mime_charset": "what was sent before is sent the same",
    "name": "SparkJDBCOperator goes by spark_app_name",
    "platform_version": "None is LATEST",
    "return_immediately": "the sensor asks again",
    "service_account_name": "None is what it was",
    "source_format": "None is what it was",
    "timeout": "None is what it was",
    "yarn_queue": "None is what the connection says",
}


def _defaults(world: World, home: Home) -> dict[str, str]:
    """Argument → the code of its default, for what a call of the class may leave out."""
    init = home.definition.init
    found: dict[str, str] = {}
    if init is None or init.kwargs:
        for expression in home.definition.bases:
            base = world.base(home, expression)
            if base is not None and base.module.startswith("airflow."):
                found = _defaults(world, base) | found
    own = {p.name: p.default for p in init.params if not p.required} if init is not None else {}
    return found | own


def _differ(before: str, now: str) -> bool:
    """Whether two codes are literals of which one is not what the other is."""
    try:
        old, new = ast.literal_eval(before), ast.literal_eval(now)
    except (SyntaxError, ValueError):
        return False
    return bool(old != new and (old or new))


@pytest.mark.slow
@pytest.mark.parametrize("version", [TARGETS[0], TARGETS[-1]])
def test_each_default_that_changed_is_kept_or_makes_no_difference(
    old: World, names: dict[str, Home], version: str
) -> None:
    pins, new = target(version, CACHE)
    hops = Hops(pins)
    changed = set()
    for path, home in names.items():
        end = hops.resolve(path)
        there = None if end.removed else new.find(*end.path.rpartition(".")[::2])
        if there is None or home.path != path or home.definition.kind != "class":
            continue
        after = _defaults(new, there)
        changed |= {
            (path, name)
            for name, code in _defaults(old, home).items()
            if _differ(code, after.get(name, code)) and not name.endswith("conn_id")
        }  # the table has the connections
    kept = {(path, name) for path, row in VALUES.items() for name in row}
    assert len(changed) > 10
    assert {(p, n) for p, n in changed - kept if n not in _ANOTHER_DEFAULT} == set()


# Runs in an environment of 1.10.15: the classes and functions of Airflow in each module that can
# be imported there, also what a module serves only when it is asked.
_NAMES = """
import importlib, json, pkgutil, sys, warnings
warnings.simplefilter("ignore")
import airflow
left_out = "airflow._vendor", "airflow.contrib.example_dags", "airflow.example_dags"
left_out += "airflow.migrations", "airflow.www.node_modules", "airflow.www_rbac.node_modules"
found, queue = [], [airflow]
while queue:
    package = queue.pop()
    for name in dir(package):
        try:
            value = getattr(package, name)
        except Exception:
            continue
        if callable(value) and str(getattr(value, "__module__", "")).startswith("airflow"):
            if hasattr(value, "__qualname__") and not name.startswith("_"):
                found.append(package.__name__ + "." + name)
    inside = getattr(package, "__path__", ())
    for _, name, _ in pkgutil.iter_modules(inside, package.__name__ + "."):
        if not name.startswith(left_out):
            try:
                queue.append(importlib.import_module(name))
            except BaseException:  # an extra is not installed, or it wants an app around it
                pass
print(json.dumps(found))
"""


@pytest.mark.slow
def test_the_inventory_has_what_a_real_installation_has(
    names: dict[str, Home], tmp_path: Path
) -> None:
    runtime, row = VenvRuntime(), default_bridge()
    made = runtime.environment(row, Side.BRIDGE, runtime.constraints(row, Config()))
    done = subprocess.run(
        [str(made.python), "-I", "-c", _NAMES],
        capture_output=True,
        text=True,
        check=True,
        env={"AIRFLOW_HOME": str(tmp_path), "HOME": str(tmp_path)},
    )
    real = json.loads(done.stdout.splitlines()[-1])
    assert len(real) > 1_000
    assert sorted(set(real) - set(names)) == []
