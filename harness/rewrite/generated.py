"""What something else makes Python of: templates of whole files, and notebooks. Nobody edits them
here; the imports of Airflow in them that have moved are named, with what to write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from harness.model import Repo, RewriteNote

LARGEST = 4 << 20
_KINDS = re.compile(r"\.(?:ipynb|py[-_.]?(?:j2|jinja2?|tmpl|tpl|template|mako|tt|in))$", re.I)
_IMPORT = re.compile(
    r"""^[ \t]*"?[ \t]*(?P<said>from airflow\.[\w.]+ import \w[\w, ]*|import airflow\.[\w.]+)"""
    r"""[ \t]*(?:\#[^\n]*|\\n",?|",?)?$""",
    re.MULTILINE,
)


def generated(repo: Repo, pins: Mapping[str, str]) -> Iterator[tuple[str, RewriteNote]]:
    """(path, note) of each line in such a file that imports what has moved or is gone."""
    for path in repo.files:
        place = repo.root / path
        if not _KINDS.search(PurePosixPath(path).name) or place.stat().st_size > LARGEST:
            continue
        text = place.read_text("utf-8", errors="replace")
        for match in _IMPORT.finditer(text):
            line = text.count("\n", 0, match.start("said")) + 1
            for note in _notes(match["said"].strip(), line, pins):
                yield path, note


def _notes(said: str, line: int, pins: Mapping[str, str]) -> Iterator[RewriteNote]:
    from codemods import migrate_source  # LibCST takes long to import

    done = migrate_source(f"{said}\n", pins=pins)
    for note in done.notes:
        yield RewriteNote(rule=note.rule, line=line, column=0, message=note.message, fix=note.fix)
    if done.edits:
        new = (done.text or "").strip()
        yield RewriteNote(
            rule=done.edits[0].rule,
            line=line,
            column=0,
            message=f"`{said}` is not rewritten: something else makes Python of this file",
            fix=f"{f'Write `{new}`' if new else 'Drop it'}, and migrate what comes of the file",
        )
