"""Commands that tell about the harness and this machine: explain, targets, doctor, cache."""

from __future__ import annotations

import click


@click.command()
@click.argument("rule", required=False)
def explain(rule: str | None) -> None:
    """Say what a check or RULE means, why it matters and what to do; without RULE, list them."""
    from harness.explain import explain as page
    from harness.explain import index

    click.echo(page(rule) if rule else index())


@click.command()
def targets() -> None:
    """List the Airflow versions that can be a bridge or a target."""
    from harness.listing import target_lines

    for line in target_lines():
        click.echo(line)


@click.command()
@click.option("--offline", is_flag=True, help="Don't try the package index or any other host.")
def doctor(offline: bool) -> int:
    """Show what was found on this machine: interpreters, tools, cache, package index."""
    from harness.doctor import diagnose
    from harness.listing import diagnosis_lines

    diagnoses = tuple(diagnose(offline=offline))
    for line in diagnosis_lines(diagnoses):
        click.echo(line)
    return 0 if all(entry.ok for entry in diagnoses) else 1


@click.command()
@click.option(
    "--prune",
    "days",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="Remove the environments that were not used for so long.",
)
def cache(days: float | None) -> None:
    """List the environments in the cache, and when each was used last."""
    from harness.prune import entries, entry_lines, prune

    if days is not None:
        for entry in prune(days):
            click.echo(f"removed {entry.folder.name} ({entry.about})")
    for line in entry_lines(entries()):
        click.echo(line)
