"""Template files that operators load: which they are, and their rewriting in the copy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from codemods.reading.parsing import parsed
from harness.diffs import line_origins, unified_diff
from harness.files import write_atomically
from harness.model import Repo, Rewrite, RewriteEdit, RewriteNote

if TYPE_CHECKING:
    from codemods import Migration

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
# What configures Airflow or a factory of DAGs: options, environment variables, class paths.
CONFIGURATION = frozenset({".cfg", ".env", ".ini", ".json", ".sh", ".toml", ".yaml", ".yml"})
SHELL = frozenset({".bash", ".ksh", ".sh"})
LARGEST = 1 << 20  # beyond this it is data

# A name with such an ending in a string of a source, whatever is put in its front at run time.
_RUN = re.compile(r"[\w./{}%()-]+")
_NAMED = re.compile(r".*\.[A-Za-z0-9]{2,10}\b")
# What an operator of one's own, or an argument of PythonOperator, takes for files of templates.
_OWN_ENDINGS = re.compile(rb"""\btemplates?_exts?\b[^=\n]*=\s*[(\[]([^)\]]*)""")
_ENDING = re.compile(rb"""['"](?:\.\w+)*(\.\w+)['"]""")
# A template that another one has in it.
_WITHIN = re.compile(rb"""\{%[-+]?\s*(?:include|extends|import|from)\b([^%]*)%""")
# What gives variables to templates in Jinja itself: keys of a dict, names of arguments.
_GIVEN = re.compile(rb"""\b([A-Za-z_]\w*)=|['"]([A-Za-z_]\w*)['"]\s*:""")


def rewrite_templates(
    copy: Repo,
    sources: Mapping[str, bytes],
    *,
    pins: Mapping[str, str],
    plugins: Mapping[str, str],
    unsafe: bool,
) -> Iterator[tuple[Rewrite, tuple[str, ...]]]:
    """Rewrite the template files of ``copy`` that its Python ``sources`` name, and the paths of
    Airflow's classes in its configuration; with the distributions that those need.
    """
    said = _Said(copy, sources)
    for path in copy.files:
        place = copy.root / path
        template = PurePosixPath(path).suffix.lower() in said.endings
        if not (template or _configures(path)) or place.stat().st_size > LARGEST:
            continue
        data = place.read_bytes()
        classes = _configures(path) and b"airflow." in data
        shell = PurePosixPath(path).suffix.lower() in SHELL and b"airflow " in data
        template = template and b"{" in data
        if not template and not classes and not shell:
            continue
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            continue  # not what Airflow could load either
        # Jinja and LibCST take long to import, and many repositories have no template files.
        from codemods.repository.command_line import rewrite_shell
        from codemods.repository.templates import mentions

        done: list[Migration] = []
        new = text
        named = (template or shell) and _is_named(path, said.names)
        if named and template and mentions(text):
            from codemods import migrate_template

            done.append(
                migrate_template(
                    text, pins=pins, unsafe=unsafe, own=said.variables, lenient=said.lenient
                )
            )
            new = done[-1].text or new
        if named and shell:
            done.append(rewrite_shell(new))
            new = done[-1].text or new
        if classes:
            from codemods import migrate_configuration

            done.append(migrate_configuration(new, pins=pins, plugins=plugins))
            new = done[-1].text or new
        entry = Rewrite(
            path=path,
            edits=tuple(
                RewriteEdit(rule=e.rule, line=e.line, message=e.message, safe=e.safe)
                for one in done
                for e in one.edits
            ),
            notes=tuple(
                RewriteNote(rule=n.rule, line=n.line, column=n.column, message=n.message, fix=n.fix)
                for one in done
                for n in one.notes
            ),
        )
        if new != text:
            write_atomically(place, new.encode())
            entry = replace(
                entry, diff=unified_diff(path, text, new), lines=line_origins(text, new)
            )
        if entry.edits or entry.notes:
            yield entry, tuple(need for one in done for need in one.needs)


def _configures(path: str) -> bool:
    """Whether a file may name classes in values: by its ending, or one that has none (.env)."""
    name = PurePosixPath(path).name
    return PurePosixPath(name).suffix.lower() in CONFIGURATION or name.startswith(".env")


# Modules that Airflow 2 has under other names: who imports one has not moved yet.
_OLD = re.compile(
    rb"\bairflow\.(?:contrib\.|operators\.\w+_operator\b|hooks\.\w+_hook\b|sensors\.\w+_sensor\b)"
)


class _Said:
    """What the sources say of template files and their variables, read when it is asked for."""

    def __init__(self, copy: Repo, sources: Mapping[str, bytes]) -> None:
        self._copy = copy
        self._sources = sources

    @cached_property
    def endings(self) -> frozenset[str]:
        """Those of Airflow's operators, and of operators of one's own."""
        own = {
            ending.decode().lower()
            for data in self._sources.values()
            if b"template" in data
            for endings in _OWN_ENDINGS.findall(data)
            for ending in _ENDING.findall(endings)
        }
        return EXTENSIONS | own - {".py"}

    @cached_property
    def names(self) -> set[str]:
        """What looks like the name of a file, in the sources and where a template has another."""
        found: set[str] = set()
        for data in self._sources.values():
            found |= named_files(data)
        for path in self._copy.files:
            place = self._copy.root / path
            if (
                PurePosixPath(path).suffix.lower() in self.endings
                and place.stat().st_size <= LARGEST
            ):
                for named in _WITHIN.findall(place.read_bytes()):
                    found |= named_files(named)
        return found

    @cached_property
    def lenient(self) -> bool:
        """Whether the DAGs are of 1.10 and say nothing of what is undefined."""
        every = self._sources.values()
        return any(_OLD.search(data) for data in every) and not any(
            b"template_undefined" in data for data in every
        )

    @cached_property
    def variables(self) -> set[str]:
        """What a source that renders by itself, or has macros of its own, may give to templates."""
        found: set[str] = set()
        for data in self._sources.values():
            if b"jinja2" in data:
                found |= {n.decode() for names in _GIVEN.findall(data) for n in names if n}
            if b"user_defined_macros" in data and (tree := parsed(data)) is not None:
                from codemods.repository.templates import own_macros

                found |= own_macros(tree)
        return found


def named_files(data: bytes) -> set[str]:
    """What looks like the name of a file. One pattern alone would try each letter of a long line
    as the first one, which takes hours where a megabyte of data is written down."""
    runs = _RUN.findall(data.decode("utf-8", errors="replace"))
    return {match[0] for run in set(runs) if "." in run and (match := _NAMED.match(run))}


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
