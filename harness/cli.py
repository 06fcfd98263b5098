"""The command line: a thin door onto the pipeline.

Everything heavy is imported inside the command that needs it, so that ``--help`` stays quick.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from harness import __version__
from harness.errors import HarnessError, UsageError

FORMATS = ("text", "json", "junit", "sarif", "github", "html")
REPO = click.argument("repo", type=click.Path(path_type=Path))
INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="mwaa-harness")
def cli() -> None:
    """Prove that an Airflow 1.10 DAG repository survives the move to Amazon MWAA 2.x."""


def _inputs(command: Callable[..., Any]) -> Callable[..., Any]:
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
        click.option("--python-bridge", metavar="PATH", help="The bridge's Python (3.7 or 3.8)."),
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


def _overrides(options: dict[str, Any]) -> dict[str, Any]:
    """The options of ``_inputs`` that were given, under the configuration's own keys."""
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


@cli.command()
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
@_inputs
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
        overrides=_overrides(inputs),
        offline=offline,
    )
    named = {Side.BRIDGE: bridge_image, Side.TARGET: target_image}
    images = {side: image for side, image in named.items() if image}
    with bars() as on_progress:
        made = make_runtime(runtime, offline=offline, images=images)
        report = run(options, made, on_progress)
    write(report, format_, output, sys.stdout)
    return EXIT_CODES[report.verdict]


@cli.command()
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

    Prints a diff that `git apply` takes; what is left to do by hand goes to stderr.
    """
    from harness.migrate import lines, remarks
    from harness.migrate import migrate as run

    migration = run(
        repo,
        target=target,
        unsafe=unsafe,
        python2=python2,
        write=mode == "write",
        allow_dirty=allow_dirty,
        output=output,
        offline=offline,
    )
    for line in lines(migration, format_, diff=mode == "diff" and output is None):
        click.echo(line)
    if format_ == "text":
        for line in remarks(migration):
            click.echo(line, err=True)
    return 1 if any(entry.error for entry in migration.written) else 0


@cli.command()
@click.argument("rule", required=False)
def explain(rule: str | None) -> None:
    """Say what a check or RULE means, why it matters and what to do; without RULE, list them."""
    from harness.explain import explain as page
    from harness.explain import index

    click.echo(page(rule) if rule else index())


@cli.command()
def targets() -> None:
    """List the Airflow versions that can be a bridge or a target."""
    from harness.listing import target_lines

    for line in target_lines():
        click.echo(line)


@cli.command()
@click.option("--offline", is_flag=True, help="Don't try the package index or any other host.")
def doctor(offline: bool) -> int:
    """Show what was found on this machine: interpreters, tools, cache, package index."""
    from harness.doctor import diagnose
    from harness.listing import diagnosis_lines

    diagnoses = tuple(diagnose(offline=offline))
    for line in diagnosis_lines(diagnoses):
        click.echo(line)
    return 0 if all(entry.ok for entry in diagnoses) else 1


@cli.command()
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


@cli.group()
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


def main() -> NoReturn:
    """Run the command; every error of ours is two sentences on stderr, never a traceback."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(_run())


def _terminate(_number: int, _frame: object) -> NoReturn:
    # The same way out as Ctrl-C, so that children are ended and nothing is left half-written.
    raise KeyboardInterrupt


def _run() -> int:
    try:
        return cli.main(standalone_mode=False) or 0
    except HarnessError as error:
        click.secho("error: ", fg="red", err=True, nl=False)
        click.echo(error.message, err=True)
        if error.hint:
            click.echo(error.hint, err=True)
        return error.exit_code
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            # Whoever read us has seen enough (``| head``); keep Python from complaining at exit.
            sys.stderr.close()
            return 0
        place = f"{error.filename}: " if error.filename else ""
        click.secho("error: ", fg="red", err=True, nl=False)
        click.echo(f"{place}{error.strerror or error}", err=True)
        click.echo("Free some space, or set TMPDIR and MWAA_HARNESS_CACHE elsewhere.", err=True)
        return HarnessError.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted: nothing was written, every process was ended", err=True)
        return INTERRUPTED


if __name__ == "__main__":
    main()
