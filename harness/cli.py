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
from harness.errors import HarnessError, Interrupted, UsageError

FORMATS = ("text", "json", "junit", "sarif", "github", "html")
REPO = click.argument("repo", type=click.Path(path_type=Path))


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
@click.option(
    "--metadata/--no-metadata",
    default=None,
    help="Also carry a history of the DAGs to the target's database, and read it there.",
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

    DAGs, plugins, templates, and the tests and scripts beside them. Prints a diff that `git apply`
    takes; what is left to do by hand goes to stderr.
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


@cli.group()
def metadata() -> None:
    """Carry Airflow 1.10's metadata over to 2.x, and prove that it survived.

    DB is postgresql://user@host/name, sqlite:////folder/airflow.db, mysql://user@host/name (export
    only) or env:NAME, the environment variable that holds one. BUNDLE is a folder or
    s3://bucket/prefix.
    """


def _transfer(database: str, bundle: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that export, import and verify share; which end is which differs."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        file = click.Path(path_type=Path, dir_okay=False)
        for option in (
            click.option(database, "url", metavar="DB", required=True, help="The database."),
            click.option(bundle, "bundle", metavar="BUNDLE", required=True, help="The bundle."),
            click.option("--fernet-key-file", type=file, help="That Airflow's fernet_key."),
            click.option("--passphrase-file", type=file, help="What seals the bundle's secrets."),
            click.option("--tables", metavar="A,B", default="", help="These tables only."),
            click.option(
                "--format", "format_", type=click.Choice(["text", "json"]), default="text"
            ),
        ):
            command = option(command)
        return command

    return decorate


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


@metadata.command("export")
@click.option("--since", metavar="DATE", default="", help="Leave out older history.")
@click.option("--overwrite", is_flag=True, help="Replace a bundle that is there.")
@click.option(
    "--list-undecryptable", is_flag=True, help="List secrets that no key opens; don't stop."
)
@click.option("--bridge-python", type=click.Path(path_type=Path), help="The bridge's Python.")
@click.option("--dry-run", is_flag=True, help="Say what would be exported; write nothing.")
@click.option("--kms-key", default="", metavar="ID", help="Encrypt on S3 under this KMS key.")
@_transfer("--from", "--to")
def metadata_export(
    url: str,
    bundle: str,
    fernet_key_file: Path | None,
    passphrase_file: Path | None,
    tables: str,
    dry_run: bool,
    format_: str,
    since: str,
    overwrite: bool,
    list_undecryptable: bool,
    bridge_python: Path | None,
    kms_key: str,
) -> None:
    """Write the metadata of an Airflow 1.10 as a bundle."""
    from harness.carry import Place, run_export, steps
    from harness.metadata.export import ExportOptions
    from harness.metadata.report import export_document, export_lines

    place = Place(
        url=url,
        bundle=bundle,
        fernet_key_file=fernet_key_file,
        passphrase_file=passphrase_file,
        kms_key=kms_key,
    )
    options = ExportOptions(
        tables=_names(tables),
        since=since,
        dry_run=dry_run,
        overwrite=overwrite,
        list_undecryptable=list_undecryptable,
    )
    with steps() as on_step:
        manifest = run_export(place, options, bridge_python, on_step)
    if format_ == "json":
        click.echo(export_document(manifest, bundle))
    else:
        for line in export_lines(manifest, bundle, dry_run):
            click.echo(line)


@metadata.command("import")
@click.option("--target", metavar="V", required=True, help="The target's Airflow version.")
@click.option(
    "--on-conflict",
    type=click.Choice(["fail", "skip-identical", "replace"]),
    default="fail",
    show_default=True,
    help="What to do about rows that the target has already.",
)
@click.option(
    "--secrets-manager",
    "secrets_prefix",
    metavar="PREFIX",
    default="",
    help="Variables and connections go to AWS Secrets Manager under PREFIX.",
)
@click.option("--dry-run", is_flag=True, help="Check everything, write nothing.")
@_transfer("--to", "--from")
def metadata_import(
    url: str,
    bundle: str,
    fernet_key_file: Path | None,
    passphrase_file: Path | None,
    tables: str,
    dry_run: bool,
    format_: str,
    target: str,
    on_conflict: str,
    secrets_prefix: str,
) -> None:
    """Write a bundle into the database of an Airflow 2.x."""
    from harness.carry import Place, run_import, steps
    from harness.metadata.databases import hide_password
    from harness.metadata.load import LoadOptions
    from harness.metadata.report import load_document, load_lines

    place = Place(
        url=url, bundle=bundle, fernet_key_file=fernet_key_file, passphrase_file=passphrase_file
    )
    options = LoadOptions(
        target=target,
        tables=_names(tables),
        policy=on_conflict,
        secrets_prefix=secrets_prefix,
        dry_run=dry_run,
    )
    with steps() as on_step:
        report = run_import(place, options, on_step)
    if format_ == "json":
        click.echo(load_document(report, hide_password(url)))
    else:
        for line in load_lines(report, hide_password(url), dry_run):
            click.echo(line)


@metadata.command("verify")
@click.option("--target", metavar="V", required=True, help="The target's Airflow version.")
@click.option(
    "--values/--no-values",
    default=True,
    show_default=True,
    help="Read every value through the target's own Airflow, too.",
)
@click.option(
    "--secrets-manager",
    "secrets_prefix",
    metavar="PREFIX",
    default="",
    help="As the import had it: variables and connections are not in the database.",
)
@_transfer("--to", "--from")
def metadata_verify(
    url: str,
    bundle: str,
    fernet_key_file: Path | None,
    passphrase_file: Path | None,
    tables: str,
    format_: str,
    target: str,
    values: bool,
    secrets_prefix: str,
) -> int:
    """Compare the database of an Airflow 2.x with the bundle that was imported, row by row.

    Every conf, XCom, executor_config, variable and connection is then read through that Airflow
    itself, in an environment of the harness' own, and compared.

    Exit code: 0 everything survived, 1 something did not.
    """
    from harness.carry import Place, run_verify, steps
    from harness.metadata.databases import hide_password
    from harness.metadata.load import LoadOptions
    from harness.metadata.readable import read_document, read_lines
    from harness.metadata.report import verify_document, verify_lines

    place = Place(
        url=url, bundle=bundle, fernet_key_file=fernet_key_file, passphrase_file=passphrase_file
    )
    options = LoadOptions(target=target, tables=_names(tables), secrets_prefix=secrets_prefix)
    with steps() as on_step:
        report, read = run_verify(place, options, on_step, values=values)
    if format_ == "json":
        more = {"values": read_document(read)} if read else {}
        click.echo(verify_document(report, hide_password(url), **more))
    else:
        for line in verify_lines(report, hide_password(url)):
            click.echo(line)
        for line in read_lines(read, target) if read else ():
            click.echo(line)
    return 0 if report.ok and (read is None or read.ok) else 1


@metadata.command("roundtrip")
@REPO
@click.option("--bridge", metavar="V", default="", help="The 1.10 side [default: 1.10.15].")
@click.option("--target", "targets", multiple=True, metavar="V", help="The target (repeatable).")
@click.option(
    "--database", "url", metavar="DB", default="", help="A fresh database of the target to use."
)
@click.option(
    "--fernet-key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The fernet_key that --database was initialised under.",
)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
@_inputs
def metadata_roundtrip(
    repo: Path,
    bridge: str,
    targets: tuple[str, ...],
    url: str,
    fernet_key_file: Path | None,
    format_: str,
    offline: bool,
    **inputs: Any,
) -> int:
    """Carry a history of REPO's own DAGs to the target, and read it there.

    The history has the shape of the DAGs as the bridge loads them: runs on their schedule, task
    instances in every state, XComs, the configuration's variables and connections. Without
    --database an SQLite database is made, and thrown away.

    Exit code: 0 everything survived, 1 something did not, 3 it could not be carried.
    """
    from harness.carry import database_url
    from harness.metadata.sealing import read_secret
    from harness.pipeline import Options
    from harness.progress import bars
    from harness.roundtrip import document, lines, roundtrip
    from harness.runtimes import make_runtime
    from harness.survival import Destination

    if bool(url) != bool(fernet_key_file):
        raise UsageError("--database and --fernet-key-file belong together.")
    destination = None
    if fernet_key_file is not None:
        key = read_secret(str(fernet_key_file), "the Fernet key").decode("utf-8", "replace")
        destination = Destination(url=database_url(url), fernet_key=key)
    options = Options(
        path=repo, bridge=bridge, targets=targets, overrides=_overrides(inputs), offline=offline
    )
    with bars() as on_progress:
        survivals = roundtrip(
            options,
            make_runtime("venv", offline=offline),
            destination=destination,
            on_progress=on_progress,
        )
    if format_ == "json":
        click.echo(document(repo, survivals))
    else:
        for line in lines(repo, survivals):
            click.echo(line)
    if any(survival.failure for survival in survivals):
        return 3
    return 0 if all(survival.ok for survival in survivals) else 1


@metadata.command("dags")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder.")
@click.option("--bundle", metavar="BUNDLE", required=True, help="Where the bundle is to be.")
@click.option("--passphrase-secret", default="", metavar="ID", help="In AWS Secrets Manager.")
@click.option("--kms-key", default="", metavar="ID", help="Encrypt on S3 under this KMS key.")
@click.option("--tables", metavar="A,B", default="", help="These tables only.")
@click.option("--since", metavar="DATE", default="", help="Leave out older history.")
@click.option(
    "--on-conflict", type=click.Choice(["fail", "skip-identical", "replace"]), default="fail"
)
def metadata_dags(
    out: Path,
    bundle: str,
    passphrase_secret: str,
    kms_key: str,
    tables: str,
    since: str,
    on_conflict: str,
) -> None:
    """Write db_export.py and db_import.py: DAGs that do it where only tasks reach the database.

    db_export goes into the 1.10 environment, db_import into the 2.x one; start each by hand. They
    pause all other DAGs meanwhile. The passphrase is read from --passphrase-secret, or from
    MWAA_HARNESS_PASSPHRASE in the environment.
    """
    from harness.metadata.dags import DagOptions, write_dags

    options = DagOptions(
        bundle=bundle,
        passphrase_secret=passphrase_secret,
        kms_key=kms_key,
        tables=_names(tables),
        since=since,
        on_conflict=on_conflict,
    )
    for path in write_dags(out, options):
        click.echo(path)


@cli.command()
@click.argument("repo", required=False, type=click.Path(path_type=Path))
@click.option("--bridge", metavar="V", default="", help="The 1.10 side [default: 1.10.15].")
@click.option("--target", metavar="V", default="", help="The MWAA version [default: 2.11.0].")
@click.option("--bridge-image", metavar="IMAGE", default="", help="A ready-made bridge.")
@click.option(
    "--target-image", metavar="IMAGE", default="", help="A ready-made target (amazon/mwaa-local:…)."
)
@click.option("--bridge-port", type=int, default=8081, show_default=True, help="0: a free one.")
@click.option("--target-port", type=int, default=8080, show_default=True, help="0: a free one.")
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


@cli.command()
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


@cli.command()
@click.argument("service", required=False, default="")
@click.option("-n", "--lines", type=int, default=200, show_default=True, help="Lines a service.")
def logs(service: str, lines: int) -> None:
    """Print the end of the pair's logs, or of one SERVICE (bridge, target, aws, …-db)."""
    from harness.containers.engine import connect
    from harness.containers.pair import logs as read

    for line in read(connect(), service, lines=lines):
        click.echo(line)


@cli.command()
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
        return Interrupted.exit_code


if __name__ == "__main__":
    main()
