"""What is noted while foreign code runs, and for whom."""

import contextlib

from .safely import to_json

NOTES = ("warnings", "lookups", "egress")


class Seen:
    """Warnings, look-ups and refused connections of one file, without doubles; or, with no path,
    those of the plugins, for whom only what the repository's own code causes counts. ``loud`` are
    the library modules that something was noted for as they were imported: a file that imports
    one has to run it, to be told the same. ``tell(kind, json)`` is called with each new note.
    """

    LIMIT = 1000

    def __init__(self, path="", tell=None):
        self.path, self.tell = path, tell
        self.notes = {kind: {} for kind in NOTES}
        self.loud = set()
        self.warned = False  # by a library that may do so only once; Airflow always does

    def note(self, kind, record):
        notes, text = self.notes[kind], to_json(record)
        if text not in notes and len(notes) < self.LIMIT:
            notes[text] = record
            if self.tell:
                self.tell(kind, text)

    def all(self, kind):
        return list(self.notes[kind].values())


SEEN = None  # the Seen of the code that runs now; None: nobody is interested


@contextlib.contextmanager
def recording(seen):
    """Record what the code inside does into ``seen``."""
    global SEEN
    SEEN = seen
    try:
        yield seen
    finally:
        SEEN = None
