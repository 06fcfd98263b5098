"""Config and needs → the environment in which Airflow is started.

Airflow reads Variables and Connections from ``AIRFLOW_VAR_<KEY>`` and ``AIRFLOW_CONN_<ID>``
before it asks its database, and plugins read them while Airflow is being imported; so all of
them are set before that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model import Config, Need

VARIABLE_PREFIX = "AIRFLOW_VAR_"
CONNECTION_PREFIX = "AIRFLOW_CONN_"
"""As in ``airflow/secrets/environment_variables.py`` of 1.10.15 and 2.11.0."""


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """``env``: what to set before Airflow is imported. ``samples``: placeholders for what is read
    and not configured, "variable" or "connection" → name → text; they are handed to the probe, so
    that it can say which were used. ``assumed``: the needs that a placeholder is known to stand in
    for, one for each name; an environment variable among them is already in ``env``."""

    env: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    assumed: tuple[Need, ...] = ()


def seed_environment(config: Config, needs: tuple[Need, ...]) -> Seeds:
    """What to set for a repository with these needs; placeholders only with ``assume_missing``."""
    env = {
        **{VARIABLE_PREFIX + key.upper(): text for key, text in config.variables.items()},
        **{CONNECTION_PREFIX + name.upper(): uri for name, uri in config.connections.items()},
        **config.env,
    }
    if not config.assume_missing:
        return Seeds(env=env)
    missing = [need for need in needs if _environment_name(need) not in env]
    assumed: dict[tuple[str, str], Need] = {}
    for need in missing:
        if not need.optional:
            assumed.setdefault((need.kind, need.name), need)
    placeholders = {n.name: n.sample for n in assumed.values() if n.kind == "env"}
    return Seeds(
        env={**placeholders, **env},
        samples={
            kind: {need.name: need.sample for need in missing if need.kind == kind}
            for kind in ("variable", "connection")
        },
        assumed=tuple(assumed.values()),
    )


def _environment_name(need: Need) -> str:
    prefix = {"variable": VARIABLE_PREFIX, "connection": CONNECTION_PREFIX}.get(need.kind, "")
    return prefix + need.name.upper() if prefix else need.name
