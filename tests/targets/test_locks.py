"""The reconstructed locks: their form, and that they keep what MWAA has and enforces."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from harness.model import Target
from harness.targets import DATA, load_targets, lock_path, lock_pins, parse_pins

TARGETS = load_targets()
each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.airflow)

ROOT = Path(__file__).resolve().parents[2]
OFFICIAL = Path(os.environ.get("MWAA_HARNESS_SHARED", ROOT.parent / "shared")) / "constraints"
needs_official = pytest.mark.skipif(
    not OFFICIAL.is_dir(), reason="the official constraint files are not part of the repository"
)

RULES = tomllib.loads((DATA / "lock_overrides.toml").read_text(encoding="utf-8"))

# The distributions of MWAA's images whose pin in our lock is not the official file's, all measured
# by ``tools/make_lock.py --compare`` (docs/locks.md has the versions). Where a reason is not in
# lock_overrides.toml it is this: the official files until 2.8 were made by an installer that let
# bounds be broken, while a lock is a resolution in which all of them hold. A name that is not
# listed here and differs fails the test, and so does a listed one that has come to agree.
KNOWN_CORE_DIFFERENCES = {
    "1.10.12": {
        "cffi",
        "cryptography",
        "docutils",
        "flask-openid",
        "idna",
        "lazy-object-proxy",
        "protobuf",
        "psutil",
        "python-daemon",
        "requests",
    },
    "1.10.15": {"psutil"},
    "2.0.2": {
        "dill",
        "flask-openid",
        "lazy-object-proxy",
        "numpy",
        "sqlalchemy-utils",
        "urllib3",
        "virtualenv",
    },
    "2.2.2": {"certifi", "lazy-object-proxy", "packaging", "protobuf"},
    "2.4.3": {"docutils", "jsonschema"},
    "2.5.1": {"docutils"},
    "2.6.3": {"click", "docutils", "openapi-schema-validator", "openapi-spec-validator", "redis"},
    "2.7.2": {"docutils"},
    "2.8.1": {"apache-airflow-providers-smtp"},
    "2.9.2": {"xmlsec"},
}

# Share of the official pins that ours repeats exactly. Measured: 91 % (1.10.12) to 99.7 % (2.10.1);
# 2.8.1 has 99.6 % of the pins it shares, but its wheel names no development tools at all.
SMALLEST_SHARE = 0.90
SMALLEST_SHARE_OF_2_8_1 = 0.80


def image_pins_hold(target: Target) -> bool:
    return any(target.airflow in SpecifierSet(row["airflow"]) for row in RULES["image_pins"])


@each_target
def test_lock_says_what_it_is_and_how_it_was_made(target: Target) -> None:
    lines = lock_path(target).read_text(encoding="utf-8").splitlines()
    head = [line for line in lines if line.startswith("#")]
    assert "Reconstructed" in head[0]
    assert f"# Made by: python tools/make_lock.py {target.airflow}" in head
    body = lines[len(head) :]
    assert body == sorted(body, key=lambda line: line.partition("==")[0])
    assert all(Requirement(line).specifier for line in body)
    assert len(body) == len(lock_pins(target)) > 300


@each_target
def test_lock_keeps_the_essential_pins(target: Target) -> None:
    pins = lock_pins(target)
    # fluent-logger is MWAA's own addition: no requirement of Airflow, so in no constraint file.
    wanted = set(target.essential) - {"apache-airflow", "fluent-logger"}
    assert {name: pins.get(name) for name in wanted} == {n: target.essential[n] for n in wanted}


@each_target
def test_lock_never_contradicts_the_image(target: Target) -> None:
    if not image_pins_hold(target):
        # These images contradict the official file too; the two are compared in the test below.
        assert target.airflow in {"1.10.12", "1.10.15", "2.0.2"}
        return
    pins = lock_pins(target)
    shared = target.preinstalled.keys() & pins.keys()
    assert {name: pins[name] for name in shared} == {n: target.preinstalled[n] for n in shared}
    assert len(shared) >= 0.9 * len(target.preinstalled)


@each_target
def test_lock_has_the_overrides(target: Target) -> None:
    pins = lock_pins(target)
    for row in RULES["override"] + RULES["replaced"]:
        requirement = Requirement(row["requirement"])
        if target.airflow in SpecifierSet(row["airflow"]) and requirement.name in pins:
            assert pins[requirement.name] in requirement.specifier
        assert row["reason"]


@each_target
def test_every_provider_of_the_image_is_pinned(target: Target) -> None:
    providers = {n for n in target.preinstalled if n.startswith("apache-airflow-providers-")}
    assert providers <= lock_pins(target).keys()


@needs_official
@each_target
def test_lock_agrees_with_the_official_file(target: Target) -> None:
    name = f"constraints-{target.airflow}-py{target.python}.txt"
    official = parse_pins((OFFICIAL / name).read_text(encoding="utf-8"))
    ours = lock_pins(target)

    core = {name for each in TARGETS for name in each.preinstalled}
    differ = {name for name in core & ours.keys() & official.keys() if ours[name] != official[name]}
    assert differ == KNOWN_CORE_DIFFERENCES.get(target.airflow, set())

    checked = (target.essential.keys() | target.preinstalled.keys()) & ours.keys() & official.keys()
    if image_pins_hold(target):
        assert {n: ours[n] for n in checked} == {n: official[n] for n in checked}

    providers = {n for n in official if n.startswith("apache-airflow-providers-")}
    assert providers <= ours.keys()

    equal = sum(ours.get(name) == version for name, version in official.items())
    smallest = SMALLEST_SHARE_OF_2_8_1 if target.airflow == "2.8.1" else SMALLEST_SHARE
    assert equal >= smallest * len(official)
