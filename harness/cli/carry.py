"""The commands of ``mwaa-harness metadata``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness.cli.options import REPO, inputs, overrides
from harness.errors import UsageError
from harness.metadata.options import POLICIES


@click.group()
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
    from harness.metadata.options import ExportOptions
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
    type=click.Choice(POLICIES),
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
    from harness.metadata.options import LoadOptions
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
    from harness.metadata.options import LoadOptions
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
@inputs
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
        path=repo, bridge=bridge, targets=targets, overrides=overrides(inputs), offline=offline
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
@click.option("--on-conflict", type=click.Choice(POLICIES), default="fail")
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
