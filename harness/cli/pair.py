"""The pair in Docker: up, status, logs, down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

PORT = click.IntRange(0, 65535)


@click.command()
@click.argument("repo", required=False, type=click.Path(path_type=Path))
@click.option("--bridge", metavar="V", default="", help="The 1.10 side [default: 1.10.15].")
@click.option("--target", metavar="V", default="", help="The MWAA version [default: 2.11.0].")
@click.option("--bridge-image", metavar="IMAGE", default="", help="A ready-made bridge.")
@click.option(
    "--target-image", metavar="IMAGE", default="", help="A ready-made target (amazon/mwaa-local:…)."
)
@click.option("--bridge-port", type=PORT, default=8081, show_default=True, help="0: a free one.")
@click.option("--target-port", type=PORT, default=8080, show_default=True, help="0: a free one.")
@click.option(
    "--wait", type=float, default=900, show_default=True, help="Seconds to be healthy in."
)
@click.option("--offline", is_flag=True, help="Reach for nothing but the package index.")
@click.option("--build-only", is_flag=True, help="Make the images; print compose/.env.")
def up(repo: Path | None, build_only: bool, **asked: Any) -> None:
    """Bring the pair up in Docker: both Airflows, PostgreSQL, an emulated AWS.

    The bridge runs REPO as it is, the target a rewritten copy; without REPO both are empty. An
    earlier pair is replaced, its databases are kept.
    """
    from harness.containers.engine import connect
    from harness.containers.pair import compose_variables
    from harness.containers.pair import up as run
    from harness.containers.plan import Asked
    from harness.listing import member_lines

    def tell(step: str) -> None:
        click.echo(step, err=True)

    wanted = Asked(repo=repo, **asked)
    engine = connect()
    if build_only:
        lines = compose_variables(engine, wanted, tell)
    else:
        lines = member_lines(run(engine, wanted, tell))
    for line in lines:
        click.echo(line)


@click.command()
def status() -> int:
    """Say how the pair in Docker does, where its web pages are and how to log in.

    Exit code: 0 all healthy, 1 not, or no pair is up.
    """
    from harness.containers.engine import connect
    from harness.containers.pair import members
    from harness.listing import member_lines

    found = members(connect())
    for line in member_lines(found):
        click.echo(line)
    return 0 if found and all(member.healthy for member in found) else 1


@click.command()
@click.argument("service", required=False, default="")
@click.option("-n", "--lines", type=int, default=200, show_default=True, help="Lines a service.")
def logs(service: str, lines: int) -> None:
    """Print the end of the pair's logs, or of one SERVICE (bridge, target, aws, …-db)."""
    from harness.containers.engine import connect
    from harness.containers.pair import logs as read

    for line in read(connect(), service, lines=lines):
        click.echo(line)


@click.command()
@click.option("--wipe", is_flag=True, help="Remove its databases, too.")
@click.option(
    "--all", "everything", is_flag=True, help="Remove all that any run of ours has left in Docker."
)
def down(wipe: bool, everything: bool) -> None:
    """Stop and remove the pair in Docker; its databases are kept unless --wipe."""
    from harness.containers.engine import connect
    from harness.containers.pair import down as remove
    from harness.containers.pair import down_all

    engine = connect()
    removed = down_all(engine) if everything else remove(engine, wipe=wipe)
    for name in removed:
        click.echo(f"removed {name}")
    if not removed:
        click.echo("nothing was there")
