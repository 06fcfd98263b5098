"""Plugins that fail, vanish, or register what Airflow 2 ignores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pairs import broken, dag, findings, judged, pair, rules, seen, side, unjudged

from harness.model import (
    ErrorObservation,
    LookupObservation,
    Observation,
    Pair,
    PluginObservation,
    Severity,
    Side,
)
from harness.probes.observe.network import Network

CHECK = "plugins-load"
PLUGIN = "plugins/company.py"


def plugin(**registers: tuple[str, ...]) -> PluginObservation:
    return PluginObservation(name="company", path=PLUGIN, registers=registers)


def failed(
    kind: str = "ZeroDivisionError", message: str = "division by zero", outcome: str = "error"
) -> ErrorObservation:
    return ErrorObservation(type=kind, message=message, path=PLUGIN, line=4, outcome=outcome)


def with_plugins(bridge: dict[str, Any], target: dict[str, Any], *files: Any) -> Pair:
    def observed(which: Side, fields: dict[str, Any]) -> Observation:
        return side(which, files or [seen(dag())], **fields)

    return pair(
        observed(Side.BRIDGE, bridge),
        observed(Side.TARGET, target),
        files=[PLUGIN],
        plugins="plugins",
    )


def compare(old: PluginObservation, new: PluginObservation | None, *files: Any) -> Pair:
    return with_plugins({"plugins": (old,)}, {"plugins": (new,) if new else ()}, *files)


def test_without_plugins_there_is_nothing_to_judge() -> None:
    about = with_plugins({}, {})
    assert judged(CHECK, about) == unjudged(CHECK, about) == rules(CHECK, about) == []


def test_a_plugin_that_kept_everything() -> None:
    about = compare(plugin(macros=("as_local",)), plugin(macros=("as_local",)))
    assert rules(CHECK, about) == []
    assert judged(CHECK, about) == [PLUGIN]


@pytest.mark.parametrize(
    ("before", "now", "rule", "severity"),
    [
        ((failed(),), (failed(),), ["broken-on-bridge"], Severity.ERROR),
        ((failed(),), (), ["broken-on-bridge"], Severity.WARNING),
        ((), (failed(),), ["broken-on-target"], Severity.ERROR),
        *(
            ((failed(outcome=outcome),), (), [rule], Severity.WARNING)
            for outcome, rule in {
                "exit": "exits-at-import",
                "timeout": "parse-timeout",
                "memory": "parse-memory",
                "lost": "killed-at-import",
            }.items()
        ),
        (
            (),
            (failed("ImportError", "cannot import name 'X' from 'airflow.y' (y.py)"),),
            ["import-gone"],
            Severity.ERROR,
        ),
    ],
)
def test_a_plugin_that_fails(before: Any, now: Any, rule: list[str], severity: Severity) -> None:
    about = with_plugins({"plugin_errors": before}, {"plugin_errors": now})
    found = findings(CHECK, about)
    assert [item.rule for item in found] == rule
    assert found[0].severity is severity
    assert (found[0].path, found[0].line) == (PLUGIN, 4)


def test_a_plugin_that_misses_a_variable_is_unjudged() -> None:
    error = failed("KeyError", "'Variable lake does not exist'")
    look = LookupObservation(
        kind="variable", name="lake", path=PLUGIN, line=4, answer="missing", value=""
    )
    sees = {"plugin_errors": (error,), "plugin_lookups": (look,)}
    about = with_plugins(sees, sees)
    assert rules(CHECK, about) == ["missing-variable"]
    assert unjudged(CHECK, about) == unjudged("inputs-complete", about) == [PLUGIN]
    assert rules("inputs-complete", about) == [], "it is told once"


def test_a_plugin_that_is_refused_the_network_is_unjudged() -> None:
    with pytest.raises(OSError, match=r"db\.test") as refusal:
        Network([]).check("db.test", 5432)
    error = failed("OSError", str(refusal.value))
    about = with_plugins({"plugin_errors": (error,)}, {"plugin_errors": (error,)})
    (found,) = findings(CHECK, about)
    assert found.rule == "network-at-parse"
    assert '"db.test:5432"' in found.fix
    assert unjudged(CHECK, about) == [PLUGIN]


def test_operators_matter_only_when_a_dag_wants_them() -> None:
    old, new = plugin(operators=("LoadOperator",)), plugin()
    assert rules(CHECK, compare(old, new)) == []
    assert rules(CHECK, compare(old, None)) == []
    user = broken("ModuleNotFoundError", "No module named 'airflow.operators.company'")
    (found,) = findings(CHECK, compare(old, new, user))
    assert found.rule == "plugin-operators-ignored"
    assert found.path == PLUGIN
    assert "LoadOperator" in found.message
    assert "dags/load.py" in found.message
    stranger = broken("ModuleNotFoundError", "No module named 'airflow.operators.company_two'")
    assert rules(CHECK, compare(old, new, stranger)) == []


@pytest.mark.parametrize(
    ("kind", "successor"),
    [("admin_views", "appbuilder_views"), ("menu_links", "appbuilder_menu_items")],
)
def test_views_that_2_ignores(kind: str, successor: str) -> None:
    old = plugin(**{kind: ("Quota",)})
    (found,) = findings(CHECK, compare(old, old))
    assert (found.rule, found.severity) == ("plugin-views-ignored", Severity.WARNING)
    assert successor in found.fix
    assert rules(CHECK, compare(old, plugin(**{successor: ("Quota",)}))) == []


def test_a_part_that_is_no_longer_registered() -> None:
    old = plugin(macros=("as_local", "as_utc"), hooks=("CompanyHook",))
    (found,) = findings(CHECK, compare(old, plugin(macros=("as_utc",), hooks=("CompanyHook",))))
    assert found.rule == "plugin-part-lost"
    assert found.message.endswith("macros: as_local")


def test_a_plugin_that_vanished() -> None:
    assert rules(CHECK, compare(plugin(macros=("as_local",)), None)) == ["plugin-lost"]


def test_plugins_of_packages_are_not_the_repositorys() -> None:
    old = replace(plugin(macros=("as_local",)), path="site-packages/company/plugin.py")
    assert judged(CHECK, compare(old, None)) == []


def test_a_side_that_failed_is_unjudged() -> None:
    about = with_plugins({}, {})
    about = replace(about, observed=replace(about.observed, failure="no interpreter", files=()))
    assert unjudged(CHECK, about) == ["plugins"]
