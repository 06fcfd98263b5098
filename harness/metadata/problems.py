"""What goes wrong while metadata is carried, said for people.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import errno
import re
from contextlib import contextmanager
from typing import Any, Iterator

from harness.errors import HarnessError


class MetadataError(HarnessError):
    """Metadata could not be carried. Nothing was written, unless the message says otherwise."""


class KeyProblem(MetadataError):
    """A Fernet key or a passphrase does not fit."""


class BundleProblem(MetadataError):
    """A bundle is incomplete, damaged, of another version, or not there."""


class TargetProblem(MetadataError):
    """The target database is not what it has to be."""


# SQLSTATE classes and what they mean to whoever moves metadata.
_STATES = (
    ("53100", "the database server's disk is full", "Free some space there, then start again."),
    ("53", "the database server has run out of resources", "Start again when it is less busy."),
    ("57P", "the database server ended the connection", "Start again: it goes on where it was."),
    ("08", "the connection to the database was lost", "Start again: it goes on where it was."),
    ("28", "the database server does not let this user in", "Check user and password."),
    ("42501", "the database user may not do this", "Use the user that owns Airflow's tables."),
    ("25006", "the database is read-only", "Use the writer's address, not a reader's."),
)


@contextmanager
def database_errors(what: str) -> Iterator[None]:
    """Turn a driver's error into a MetadataError that says what was being done (``what``)."""
    try:
        yield
    except (HarnessError, KeyboardInterrupt, GeneratorExit):
        raise
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise MetadataError(
                f"{what}: no space left on {error.filename or 'the disk'}.",
                hint="Free some space and start again.",
            ) from error
        raise
    except Exception as error:
        if not _of_a_driver(error):
            raise
        raise _explained(what, error) from error


def _of_a_driver(error: Any) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__}
    return "DatabaseError" in names or "InterfaceError" in names


def refusal(error: Any) -> str:
    """Why the target does not take a row, when that is what a driver's error says; else "".

    The row is not quoted, since a secret may be in it.
    """
    state = getattr(error, "pgcode", None) or ""
    if state[:2] not in ("22", "23"):
        return str(error) if type(error).__name__ == "IntegrityError" and not state else ""
    said = error.diag
    text = said.message_primary
    if state[:2] == "22":
        text = re.sub('"[^"]*"', "it", text)
    where = [name for name in (said.column_name, said.constraint_name) if name]
    column = (said.context or "").partition(", column ")[2].partition(":")[0]
    return " – ".join([text, *where, *([column] if column else [])])


def _explained(what: str, error: Any) -> MetadataError:
    state = getattr(error, "pgcode", None) or ""
    text = " ".join((refusal(error) or str(error)).split()) or type(error).__name__
    for prefix, meaning, hint in _STATES:
        if state.startswith(prefix):
            return MetadataError(f"{what}: {meaning} ({text}).", hint=hint)
    lowered = text.lower()
    if "disk is full" in lowered:
        return MetadataError(f"{what}: the disk is full ({text}).", hint="Free some space.")
    if "locked" in lowered:
        return MetadataError(
            f"{what}: something else uses the database ({text}).", hint="Stop Airflow, start again."
        )
    if type(error).__name__ in ("OperationalError", "InterfaceError") and not state:
        return MetadataError(
            f"{what}: the connection to the database failed ({text}).",
            hint="Check that the server runs and can be reached; then start again: what was "
            "committed is not done twice.",
        )
    return MetadataError(f"{what}: {text}.", hint="Nothing of this step was committed.")
