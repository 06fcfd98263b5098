"""Plugins load on both sides, and what they register still has an effect."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from harness.checks.diagnosis import diagnose, rules_for
from harness.checks.loads import failed_side
from harness.checks.places import error_evidence, listed
from harness.checks.scene import Kind, plugin_scene
from harness.model import (
    Check,
    ErrorObservation,
    Finding,
    Judged,
    Judgement,
    Observation,
    Pair,
    PluginObservation,
    Rule,
    Severity,
    Side,
    Unjudged,
)

PLUGIN_LOST = Rule(
    id="plugin-lost",
    title="A plugin is loaded on the bridge only",
    why="Its file raises nothing on the target and registers nothing either.",
    fix="See under what condition the file defines the plugin.",
    example="if airflow.__version__.startswith('1.'):\n    class Company(AirflowPlugin): ...",
    keeps="class Company(AirflowPlugin): ...",
)
PLUGIN_PART_LOST = Rule(
    id="plugin-part-lost",
    title="A plugin registers less on the target",
    why="Macros, hooks, executors, views or links that the bridge has are gone.",
    fix="Register the part on both sides.",
    example="macros = [as_local] if OLD else []",
    keeps="macros = [as_local]",
)
OPERATORS_IGNORED = Rule(
    id="plugin-operators-ignored",
    title="A DAG needs operators that Airflow 2 does not take from plugins",
    why="Airflow 2 ignores the operators and sensors of a plugin: airflow.operators.<plugin> and "
    "airflow.sensors.<plugin> do not exist.",
    fix="Move the classes into a module of the DAG folder, import them from there, and name that "
    "module in .airflowignore.",
    example="class Company(AirflowPlugin):\n    operators = [LoadOperator]  # and a DAG imports it "
    "from airflow.operators.company",
    keeps="class Company(AirflowPlugin):\n    operators = [LoadOperator]  # and every DAG imports "
    "it from its module",
)
VIEWS_IGNORED = Rule(
    id="plugin-views-ignored",
    title="A plugin's views or links do not appear in Airflow 2",
    why="Airflow 2 has no Flask-Admin: admin_views and menu_links are ignored without a word.",
    fix="Port them to appbuilder_views and appbuilder_menu_items.",
    severity=Severity.WARNING,
    example="admin_views = [QuotaView()]",
    keeps="appbuilder_views = [{'name': 'Quota', 'view': QuotaView()}]",
)

# What a plugin may register and 2.x still takes.
# Source: airflow/plugins_manager.py, AirflowPlugin, apache-airflow 1.10.15 and 2.11.0.
KEPT = (
    "hooks",
    "executors",
    "macros",
    "flask_blueprints",
    "appbuilder_views",
    "appbuilder_menu_items",
    "global_operator_extra_links",
    "operator_extra_links",
)

# What 2.x lists on the class and ignores, and what stands in for it. Source: as above.
REPLACED: Mapping[str, str] = {
    "admin_views": "appbuilder_views",
    "menu_links": "appbuilder_menu_items",
}

OPERATOR_KINDS = ("operators", "sensors")


def judge(pair: Pair) -> Iterator[Judgement]:
    """Judge each plugin of the repository by what both sides loaded."""
    for observation in (pair.bridge, pair.observed):
        if observation.failure:
            yield Unjudged(path=pair.repo.plugins or "", reason=failed_side(observation))
            return
    broken_before = {error.path: error for error in pair.bridge.plugin_errors}
    broken_now = {error.path: error for error in pair.observed.plugin_errors}
    for path in sorted({*broken_before, *broken_now}):
        yield Judged(path=path)
        if path in broken_before:
            yield from _broken_before(pair, broken_before[path], lost=path in broken_now)
        else:
            yield from _broken_now(pair, broken_now[path])
    now = {plugin.name: plugin for plugin in pair.observed.plugins}
    for plugin in pair.bridge.plugins:
        if plugin.path in pair.repo.files and plugin.path not in broken_now:
            yield Judged(path=plugin.path)
            yield from _compare(pair, plugin, now.get(plugin.name))


def _broken_before(pair: Pair, error: ErrorObservation, *, lost: bool) -> Iterator[Judgement]:
    cause = diagnose(plugin_scene(pair, Side.BRIDGE, error))
    stopped = cause.kind is Kind.SURROUNDINGS
    begin = "The plugin cannot be judged" if stopped else "The plugin is already broken"
    yield cause.rule.finding(
        error.path,
        f"{begin} on the bridge. {cause.message}",
        severity=Severity.ERROR if lost else Severity.WARNING,
        line=error.line,
        evidence=error_evidence(pair, Side.BRIDGE, error),
        fix=cause.fix,
        side=Side.BRIDGE.value,
    )
    if stopped:
        yield Unjudged(path=error.path, reason=cause.message)


def _broken_now(pair: Pair, error: ErrorObservation) -> Iterator[Finding]:
    scene = plugin_scene(pair, Side.TARGET, error)
    cause = diagnose(scene)
    yield cause.rule.finding(
        error.path,
        f"The plugin does not load. {cause.message}",
        line=scene.line,
        evidence=error_evidence(pair, Side.TARGET, error),
        fix=cause.fix,
        side=Side.TARGET.value,
    )


def _compare(
    pair: Pair, old: PluginObservation, new: PluginObservation | None
) -> Iterator[Finding]:
    users = _users(old.name, pair.observed)
    if users:
        operators = (name for kind in OPERATOR_KINDS for name in old.registers.get(kind, ()))
        yield OPERATORS_IGNORED.finding(
            old.path,
            f"Plugin {old.name} registers {listed(operators)}; {listed(users)} cannot import them",
            side=Side.TARGET.value,
        )
    if new is None:
        if any(old.registers.get(kind) for kind in (*KEPT, *REPLACED)):
            yield PLUGIN_LOST.finding(
                old.path, f"Plugin {old.name} is not loaded on the target", side=Side.TARGET.value
            )
        return
    for kind in KEPT:
        lost = [
            name for name in old.registers.get(kind, ()) if name not in new.registers.get(kind, ())
        ]
        if lost:
            yield PLUGIN_PART_LOST.finding(
                old.path,
                f"Plugin {old.name} no longer registers {kind}: {listed(lost)}",
                side=Side.TARGET.value,
            )
    for kind, successor in REPLACED.items():
        names = old.registers.get(kind, ())
        gained = len(new.registers.get(successor, ())) - len(old.registers.get(successor, ()))
        if len(names) > gained:
            yield VIEWS_IGNORED.finding(
                old.path,
                f"Plugin {old.name} registers {kind} ({listed(names)}), which 2.x ignores",
                fix=f"Port them to {successor}.",
                side=Side.TARGET.value,
            )


def _users(plugin: str, observation: Observation) -> tuple[str, ...]:
    """The files that do not load because they import operators of ``plugin`` from Airflow."""
    module = re.compile(rf"airflow\.(?:operators|sensors)\.{re.escape(plugin)}\b")
    return tuple(
        seen.path
        for seen in observation.files
        if seen.error
        and any(module.search(said) for said in (seen.error.message, *seen.error.chain))
    )


CHECK = Check(
    id="plugins-load",
    title="Plugins load, and what they register has an effect",
    why="Airflow 2 ignores part of what a plugin of 1.10 registers, without a word.",
    rules=tuple(
        {
            rule.id: rule
            for rule in (
                PLUGIN_LOST,
                PLUGIN_PART_LOST,
                OPERATORS_IGNORED,
                VIEWS_IGNORED,
                *rules_for(Side.BRIDGE),
                *rules_for(Side.TARGET),
            )
        }.values()
    ),
    judge=judge,
)
