"""Arguments and options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness.errors import UsageError

FORMATS = ("text", "json", "junit", "sarif", "github", "html")
REPO = click.argument("repo", type=click.Path(path_type=Path))


def inputs(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what the repository needs around it; they override its configuration."""
    for option in (
        click.option("--dags", metavar="DIR", help="Where the DAGs are, below REPO."),
        click.option("--plugins", metavar="DIR", help="Where the plugins are, below REPO."),
        click.option("--variables", metavar="FILE", help="Airflow Variables, as JSON."),
        click.option("--connections", metavar="FILE", help="Airflow Connections, as JSON."),
        click.option("--env-file", "env", metavar="FILE", help="Environment variables."),
        click.option(
            "--assume-missing/--no-assume-missing",
            default=None,
            help="Let placeholders stand in for what the DAGs read and nobody supplied, and give "
            "the bridge the extras of Airflow that they need.",
        ),
        click.option(
            "--constraints",
            multiple=True,
            metavar="V=FILE",
            help="A constraint file or URL of your own for Airflow V (repeatable).",
        ),
        click.option(
            "--python-bridge", metavar="PATH", help="The bridge's Python: a path, 3.7 or 3.8."
        ),
        click.option("--python-target", metavar="PATH", help="The target's Python."),
        click.option(
            "--aws",
            type=click.Choice(["moto", "localstack", "none"]),
            help="The emulated AWS that DAGs may reach while they are parsed [default: none].",
        ),
        click.option("--timeout", type=float, metavar="S", help="Seconds a DAG file may take."),
        click.option("--memory", type=int, metavar="MiB", help="Memory a DAG file may take."),
        click.option("--offline", is_flag=True, help="Reach for nothing but the package index."),
    ):
        command = option(command)
    return command


def overrides(options: dict[str, Any]) -> dict[str, Any]:
    """The options of ``inputs`` that were given, under the configuration's own keys."""
    overrides = {
        key.replace("_", "-"): value
        for key, value in options.items()
        if value is not None and value != ()
    }
    if "constraints" in overrides:
        pairs = [entry.partition("=") for entry in overrides["constraints"]]
        for version, equals, location in pairs:
            if not (equals and location):
                raise UsageError(
                    f"--constraints {version}: this is not VERSION=FILE.",
                    hint="For example: --constraints 2.11.0=constraints.txt",
                )
        overrides["constraints"] = {version: location for version, _, location in pairs}
    return overrides
