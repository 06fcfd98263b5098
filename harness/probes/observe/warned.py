"""Hear every warning where it is issued, and tell whose affair it is."""

import functools
import re
import sys
import warnings

from . import notes
from .names import PATHS, class_name, is_ours, own_place
from .safely import text_of
from .values import cut

# Libraries that issue deprecations in the name of the module that uses them.
SPOKESMEN = re.compile(r"/(?:deprecated|wrapt|zope/deprecation|typing_extensions)(?:/|\.py)")
AIRFLOW_FILE = re.compile(r"/site-packages/airflow/")
# Airflow 2.11's modules say this of airflow.cfg, to whoever imports them first.
ABOUT_CONFIGURATION = re.compile(r"\btimer_unit_consistency\b")
DEPRECATIONS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)


def watch_warnings():
    """Record every warning where it is issued, with the stack still there.

    ``warnings._showwarnmsg`` is where both the C and the Python half of ``warnings`` end, below
    ``catch_warnings(record=True)``, which newer DagBags wrap around each file. Filters that the
    repository's own code sets to silence warnings are not applied: what is silenced is still there.
    """
    show, print_out = warnings._showwarnmsg, warnings._showwarnmsg_impl

    def note(message):
        if notes.SEEN is not None:
            frame = sys._getframe(1)
            while frame and frame.f_code.co_filename == warnings.__file__:
                frame = frame.f_back
            note_warning(message, frame)
        if warnings._showwarnmsg_impl is not print_out:  # someone is collecting them
            show(message)

    def unless_own(function):
        @functools.wraps(function)
        def filter_warnings(action, *args, **kwargs):
            if action == "ignore" and PATHS.own(sys._getframe(1).f_code.co_filename):
                return
            function(action, *args, **kwargs)

        return filter_warnings

    warnings._showwarnmsg = note
    warnings.simplefilter = unless_own(warnings.simplefilter)
    warnings.filterwarnings = unless_own(warnings.filterwarnings)
    hear_all_warnings()


def hear_all_warnings():
    """Let every warning through, also one that was shown before."""
    warnings.resetwarnings()
    warnings.simplefilter("always")


def note_warning(message, issuer):
    """Record one ``warnings.WarningMessage``; ``issuer`` is the frame that issued it."""
    if issuer.f_code.co_name == "capture_with_reraise":
        return  # DagBag repeats, without a stack, what was recorded as it happened
    if ABOUT_CONFIGURATION.search(text_of(message.message)):
        return
    if issuer.f_code.co_name == "<module>":
        notes.SEEN.loud.add(issuer.f_globals.get("__name__"))
    path, line = own_place(issuer)
    if not path and not notes.SEEN.path:
        return
    if not path:
        path, line = PATHS.show(message.filename), message.lineno
    category = message.category
    airflow = is_airflows(category, text_of(message.message), issuer)
    issued_by_own = PATHS.own(issuer.f_code.co_filename)
    if not issued_by_own and not AIRFLOW_FILE.search(speaker(issuer).f_code.co_filename):
        notes.SEEN.warned = True
    if not airflow and not issued_by_own and is_brought_by_import(issuer.f_back):
        return
    notes.SEEN.note(
        "warnings",
        {
            "category": class_name(category),
            "message": cut(text_of(message.message)),
            "path": path,
            "line": line,
            "airflow": airflow,
        },
    )


def speaker(frame):
    """The frame in whose name ``frame`` issues a warning, or the last there is."""
    while frame.f_back and SPOKESMEN.search(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def is_airflows(category, message, issuer):
    """Whether Airflow or a provider issued this as a deprecation of what own code does."""
    if not issubclass(category, DEPRECATIONS):
        return False
    helper, issuer = issuer, speaker(issuer)
    named = issuer is not helper and "airflow." in message
    issued = AIRFLOW_FILE.search(issuer.f_code.co_filename)
    if not (issued or named or category.__module__.partition(".")[0] == "airflow"):
        return False
    return not is_brought_by_import(issuer.f_back if issued else issuer)


def is_brought_by_import(frame):
    """Whether a library is being imported somewhere between ``frame`` and the repository's code:
    what it brings on itself then is its own affair, not the repository's."""
    while frame and not PATHS.own(frame.f_code.co_filename):
        if frame.f_code.co_name == "<module>" and not is_ours(frame.f_code.co_filename):
            return True
        frame = frame.f_back
    return False
