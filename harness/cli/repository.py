"""Commands that a repository is given to: check, migrate, requirements, init."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from harness.cli.options import FORMATS, REPO, inputs, overrides


@click.command()
@REPO
@click.option("--bridge", metavar="V", default="", help="The 1.10 side [default: 1.10.15].")
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="V",
    help="The MWAA version to move to (repeatable) [default: 2.11.0].",
)
@click.option(
    "--runtime",
    type=click.Choice(["venv", "docker"]),
    default="venv",
    show_default=True,
    help="Where both sides run: virtual environments, or containers.",
)
@click.option("--bridge-image", metavar="IMAGE", default="", help="A ready-made bridge (docker).")
@click.option("--target-image", metavar="IMAGE", default="", help="A ready-made target (docker).")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="Write the report to this file.")
@click.option(
    "--fail-on", type=click.Choice(["error", "warning"]), default="error", show_default=True
)
@click.option("--only", multiple=True, metavar="CHECK", help="Judge this check only (repeatable).")
@click.option(
    "-j", "--jobs", type=click.IntRange(min=1), help="Workers a side [default: one a core]."
)
@click.option(
    "--metadata/--no-metadata",
    default=None,
    help="Also carry a history of the DAGs to the target's database, and read it there.",
)
@inputs
def check(
    repo: Path,
    bridge: str,
    targets: tuple[str, ...],
    runtime: str,
    bridge_image: str,
    target_image: str,
    format_: str,
    output: Path | None,
    fail_on: str,
    only: tuple[str, ...],
    jobs: int | None,
    offline: bool,
    **inputs: Any,
) -> int:
    """Bring up both Airflows, load REPO on each, and judge whether it survives the move.

    Exit code: 0 pass, 1 fail, 2 wrong usage, 3 unknown.
    """
    from harness.model import EXIT_CODES, Side
    from harness.pipeline import Options
    from harness.pipeline import check as run
    from harness.progress import bars
    from harness.report import write
    from harness.runtimes import make_runtime

    options = Options(
        path=repo,
        bridge=bridge,
        targets=targets,
        only=only,
        fail_on=fail_on,
        jobs=jobs or 0,
        overrides=overrides(inputs),
        offline=offline,
    )
    named = {Side.BRIDGE: bridge_image, Side.TARGET: target_image}
    images = {side: image for side, image in named.items() if image}
    with bars() as on_progress:
        made = make_runtime(runtime, offline=offline, images=images)
        report = run(options, made, on_progress)
    write(report, format_, output, sys.stdout)
    return EXIT_CODES[report.verdict]


@click.command()
@REPO
@click.option("--target", metavar="V", default="", help="The MWAA version to move to.")
@click.option("--diff", "mode", flag_value="diff", default=True, help="Print a diff [default].")
@click.option("--write", "mode", flag_value="write", help="Change the files of REPO in place.")
@click.option("--output", type=click.Path(path_type=Path), help="Write a rewritten copy there.")
@click.option("--unsafe", is_flag=True, help="Make edits too that may change what a DAG does.")
@click.option("--python2", is_flag=True, help="Translate files of Python 2 first.")
@click.option("--allow-dirty", is_flag=True, help="--write although git has changes pending.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.option("--offline", is_flag=True, help="Reach for nothing but the package index.")
def migrate(
    repo: Path,
    target: str,
    mode: str,
    output: Path | None,
    unsafe: bool,
    python2: bool,
    allow_dirty: bool,
    format_: str,
    offline: bool,
) -> int:
    """Rewrite REPO's imports, arguments and requirements for the target.

    DAGs, plugins, templates, and the tests and scripts beside them. Prints a diff that `git apply`
    takes; what is left to do by hand goes to stderr.
    """
    from harness.migrate import lines, remarks
    from harness.migrate import migrate as run
    from harness.progress import bars

    with bars() as on_progress:
        migration = run(
            repo,
            target=target,
            unsafe=unsafe,
            python2=python2,
            write=mode == "write",
            allow_dirty=allow_dirty,
            output=output,
            offline=offline,
            on_progress=on_progress,
        )
    for line in lines(migration, format_, diff=mode == "diff" and output is None):
        click.echo(line)
    if format_ == "text":
        for line in remarks(migration):
            click.echo(line, err=True)
    return 1 if any(entry.error for entry in migration.written) else 0


@click.group()
def requirements() -> None:
    """Resolve or rewrite requirement files."""


@requirements.command("resolve")
@REPO
@click.option("--target", metavar="V", default="", help="The Airflow version to resolve for.")
@click.option("--judge", type=click.Choice(["pip-tools", "uv"]), default="pip-tools")
@click.option("--offline", is_flag=True, help="Reach for nothing but the package index.")
def requirements_resolve(repo: Path, target: str, judge: str, offline: bool) -> int:
    """Say whether REPO's requirements can be installed beside the target's own pins."""
    from harness.listing import resolution_lines
    from harness.pipeline import resolve_requirements
    from harness.progress import bars
    from harness.runtimes import make_runtime

    runtime = make_runtime("venv", offline=offline)
    with bars() as on_progress:
        resolution = resolve_requirements(
            repo, runtime, target=target, judge=judge, on_progress=on_progress
        )
    for line in resolution_lines(resolution):
        click.echo(line)
    return {True: 0, False: 1, None: 3}[resolution.ok]


@requirements.command("rewrite")
@REPO
@click.option("--target", metavar="V", default="", help="The MWAA version to move to.")
def requirements_rewrite(repo: Path, target: str) -> None:
    """Print REPO's requirements as the target wants them."""
    from harness.migrate import migrated_requirements

    click.echo(migrated_requirements(repo, target=target), nl=False)


@click.command()
@REPO
@click.option("--target", "targets", multiple=True, metavar="V", help="Targets to configure.")
@click.option("--force", is_flag=True, help="Replace files that are there already.")
def init(repo: Path, targets: tuple[str, ...], force: bool) -> None:
    """Write a configuration skeleton, a tox environment, a pre-commit hook and a CI workflow.

    The skeleton lists every Variable, Connection and environment variable that REPO reads.
    """
    from harness.init import init as plan
    from harness.init import write

    for line in write(plan(repo, targets), force=force):
        click.echo(line)
