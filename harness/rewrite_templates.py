"""Template files that operators load: which they are, and their rewriting in the copy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from harness.diffs import line_origins, unified_diff
from harness.files import write_atomically
from harness.model import Repo, Rewrite, RewriteEdit, RewriteNote

# The template_ext of the operators of 1.10.15 and of the providers, read off their classes.
EXTENSIONS = frozenset(
    {
        ".bash",
        ".cql",
        ".ddl",
        ".hql",
        ".htm",
        ".html",
        ".ini",
        ".j2",
        ".jinja",
        ".jinja2",
        ".json",
        ".ksh",
        ".md",
        ".pig",
        ".sh",
        ".sql",
        ".tmpl",
        ".txt",
        ".xml",
        ".yaml",
        ".yml",
    }
)
LARGEST = 1 << 20  # beyond this it is data

# A name with such an ending in a string of a source, whatever is put in its front at run time.
_NAMED = re.compile(r"[\w./{}%()-]*\.[A-Za-z0-9]{2,6}\b")


def rewrite_templates(
    copy: Repo, sources: Mapping[str, bytes], *, pins: Mapping[str, str], unsafe: bool
) -> Iterator[Rewrite]:
    """Rewrite the template files of ``copy`` that its Python ``sources`` name."""
    names: set[str] | None = None
    for path in copy.files:
        place = copy.root / path
        if PurePosixPath(path).suffix.lower() not in EXTENSIONS or place.stat().st_size > LARGEST:
            continue
        data = place.read_bytes()
        if b"{" not in data:
            continue
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            continue  # not what Airflow could load either
        # Jinja and LibCST take long to import, and many repositories have no template files.
        from codemods.templates import mentions

        if not mentions(text):
            continue
        names = _names(sources) if names is None else names
        if not _is_named(path, names):
            continue
        from codemods import migrate_template

        migration = migrate_template(text, pins=pins, unsafe=unsafe)
        entry = Rewrite(
            path=path,
            edits=tuple(
                RewriteEdit(rule=e.rule, line=e.line, message=e.message, safe=e.safe)
                for e in migration.edits
            ),
            notes=tuple(
                RewriteNote(rule=n.rule, line=n.line, column=n.column, message=n.message, fix=n.fix)
                for n in migration.notes
            ),
        )
        if migration.text is not None:
            write_atomically(place, migration.text.encode())
            entry = replace(
                entry,
                diff=unified_diff(path, text, migration.text),
                lines=line_origins(text, migration.text),
            )
        if entry.edits or entry.notes:
            yield entry


def _names(sources: Mapping[str, bytes]) -> set[str]:
    """What the sources say that looks like the name of a file."""
    found: set[str] = set()
    for data in sources.values():
        found |= set(_NAMED.findall(data.decode("utf-8", errors="replace")))
    return found


def _is_named(path: str, names: set[str]) -> bool:
    """Whether a source names the file: by the end of its path, or by its extension alone where
    the rest is put together at run time."""
    parts = PurePosixPath(path).parts
    suffix = PurePosixPath(path).suffix
    ends = {"/".join(parts[i:]) for i in range(len(parts))}
    for name in names:
        plain = name.lstrip("./")
        if plain in ends:
            return True
        tail = re.split(r"[{}%()]+s?", name)[-1].lstrip("/")
        if tail != name and (tail == suffix or (tail.endswith(suffix) and path.endswith(tail))):
            return True
        if name == suffix:
            return True
    return False
