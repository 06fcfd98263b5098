"""The command line: a thin door onto the pipeline.

Everything heavy is imported inside the command that needs it, so that ``--help`` stays quick.
"""

from __future__ import annotations

import gc
import signal
import sys
from typing import NoReturn

import click

from harness import __version__
from harness.cli.about import cache, doctor, explain, targets
from harness.cli.carry import metadata
from harness.cli.pair import down, logs, status, up
from harness.cli.repository import check, init, migrate, requirements
from harness.errors import HarnessError, Interrupted


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="mwaa-harness")
def cli() -> None:
    """Prove that an Airflow 1.10 DAG repository survives the move to Amazon MWAA 2.x."""


for _command in (
    check,
    migrate,
    requirements,
    init,
    metadata,
    *(up, status, logs, down),
    *(explain, targets, doctor, cache),
):
    cli.add_command(_command)


def main() -> NoReturn:
    """Run the command; every error of ours is two sentences on stderr, never a traceback."""
    signal.signal(signal.SIGTERM, _terminate)
    status = _run()
    gc.freeze()  # all that is left goes with the process: no use in looking for garbage in it
    sys.exit(status)


def _terminate(_number: int, _frame: object) -> NoReturn:
    # The same way out as Ctrl-C, so that children are ended and nothing is left half-written.
    raise KeyboardInterrupt


def _run() -> int:
    try:
        return cli.main(standalone_mode=False) or 0
    except HarnessError as error:
        _tell(error.message, error.hint)
        return error.exit_code
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            # Whoever read us has seen enough (``| head``); keep Python from complaining at exit.
            sys.stderr.close()
            return 0
        place = f"{error.filename}: " if error.filename else ""
        hint = "Free some space, or set TMPDIR and MWAA_HARNESS_CACHE elsewhere."
        _tell(f"{place}{error.strerror or error}", hint)
        return HarnessError.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, click.Abort):
        from harness.processes import stop_all

        stop_all()
        click.echo("interrupted: nothing was written, every process was ended", err=True)
        return Interrupted.exit_code


def _tell(message: str, hint: str) -> None:
    """An error on stderr; it may quote a repository's files, and what its code printed."""
    from harness.report.base import for_people

    click.secho("error: ", fg="red", err=True, nl=False)
    for text in filter(None, (message, hint)):
        click.echo(for_people(text), err=True)
