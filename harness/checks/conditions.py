"""What must hold for a cause besides its exception and message: ``when`` of a row."""

from __future__ import annotations

import re

from packaging.utils import canonicalize_name

from harness.checks.modules import (
    PYTHON_2_MODULES,
    PYTHON_2_NAMES,
    STANDARD_LIBRARY,
    distribution_for,
    provider_for,
    repository_folders,
)
from harness.checks.scene import Hit, Scene


def names_missing_environment(hit: Hit) -> bool:
    return hit.name in unset(hit.scene)


def _loads_on_bridge(scene: Scene) -> bool:
    files = scene.pair.bridge.files
    return any(seen.path == scene.seen.path and seen.outcome == "ok" for seen in files)


def is_new_to_bridge(hit: Hit) -> bool:
    """Whether a setting is nobody's; one that the bridge has is Airflow's, and the move took it."""
    return not _loads_on_bridge(hit.scene)


def is_of_old_databases(hit: Hit) -> bool:
    """Whether the bridge had a Connection that nobody has given it: one that Airflow makes itself.
    Such ones are named alike but for two."""
    own = hit.name.endswith("_default") or hit.name in ("airflow_db", "local_mysql")
    return own and _loads_on_bridge(hit.scene)


def met_no_value(hit: Hit) -> bool:
    return bool(unset(hit.scene))


def unset(scene: Scene) -> tuple[str, ...]:
    """Environment variables that the code on the way to the error reads and nobody supplied."""
    paths = {scene.seen.path, *(frame.path for frame in scene.error.frames if frame.own)}
    asked = [
        look.name for look in scene.seen.lookups if (look.kind, look.answer) == ("env", "missing")
    ]
    needed = (need for need in scene.pair.needs if need.kind == "env" and need.path in paths)
    names = dict.fromkeys([*asked, *(need.name for need in needed if not need.optional)])
    return tuple(name for name in names if name not in scene.pair.config.env)


def has_egress(hit: Hit) -> bool:
    return bool(hit.scene.seen.egress)


def has_assumption(hit: Hit) -> bool:
    return any(look.answer == "assumed" for look in hit.scene.seen.lookups)


def is_python_2(hit: Hit) -> bool:
    return any(form.search(hit.scene.source) for form in PYTHON_2_LINES)


def is_async_name(hit: Hit) -> bool:
    return bool(re.search(r"\b(async|await)\b(?!\s+(def|with|for)\b)", hit.scene.source)) and not (
        is_python_2(hit)
    )


def is_python_2_name(hit: Hit) -> bool:
    return hit.name in PYTHON_2_NAMES or hit.root in PYTHON_2_MODULES


def is_standard(hit: Hit) -> bool:
    return hit.root in STANDARD_LIBRARY


def is_airflow(hit: Hit) -> bool:
    return hit.root == "airflow"


def was_refused(hit: Hit) -> bool:
    return bool(refused(hit))


def refused(hit: Hit) -> str:
    """The line of the requirements that brings the module and could not be installed here."""
    lines = {
        canonicalize_name(found[0]).replace("-backport-", "-"): line
        for line in hit.scene.observation.not_installed
        if (found := re.match(r"[\w.-]+", line))
    }
    name = provider_for(hit.module, lines) or distribution_for(hit.module, lines)
    return lines.get(name, "")


def is_provider(hit: Hit) -> bool:
    provider = provider_for(hit.module, hit.scene.pair.target_pins)
    return bool(provider) and provider not in hit.scene.observation.packages


def is_plugin(hit: Hit) -> bool:
    return any(plugin.name in hit.module.split(".")[2:] for plugin in hit.scene.pair.bridge.plugins)


def lost_its_plugin(hit: Hit) -> bool:
    return is_airflow(hit) and bool(hit.scene.pair.bridge.plugin_errors)


def is_of_repository(hit: Hit) -> bool:
    return bool(repository_folders(hit.root, hit.scene.pair.repo.files))


def is_foreign(hit: Hit) -> bool:
    return hit.root not in STANDARD_LIBRARY | {"airflow"}


def is_inside_airflow(hit: Hit) -> bool:
    frames = hit.scene.error.frames
    return bool(frames) and not frames[-1].own and "airflow/" in frames[-1].path


# What a line of Python 2 looks like to somebody who has only Python 3.
PYTHON_2_LINES = tuple(
    re.compile(form)
    for form in (
        r"^\s*print\b\s*(?![\s=(.,)\]:])",
        r"^\s*print\s*>>",
        r"^\s*exec\s+[^=(\s]",
        r"^\s*except\s+[^:]+,\s*\w+\s*:",
        r"^\s*raise\s+[\w.]+\s*,",
        r"<>",
        r"`[^`]+`",
        r"(?<![\w.])0[0-7]+(?![\w.])",
        r"(?<![\w.])\d+[lL]\b",
        r"\b[uU][rR]['\"]",
        r"\bdef\s+\w+\(.*\([\w, ]+\).*\)\s*:",
        r"\blambda\s*\(",
    )
)
