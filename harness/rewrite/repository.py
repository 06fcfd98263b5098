"""Repo × codemods → Rewritten: rewrite a copy in place, and say what was changed where.

The copy already holds the files (see ``repo.copy_tree``); only Python sources below the DAG,
plugin and extra source folders are touched, inside zip archives too. Answers are cached by
content, because the same file under the same pins is always rewritten the same way.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path, PurePosixPath

import msgspec

import codemods
from codemods.base import roles_here
from codemods.repository.queries import gives_rows
from harness.archives import python_members
from harness.cache import cache_folder
from harness.diffs import decoded, encoding_of, file_diff, line_origins, unified_diff
from harness.files import plain, write_atomically
from harness.model import (
    Config,
    Constraints,
    Repo,
    Rewrite,
    RewriteEdit,
    RewriteNote,
    Rewritten,
    Target,
)
from harness.repo import requirements_text
from harness.requirements.applied import constraint_lines
from harness.requirements.parse import parse
from harness.requirements.rewrite import (
    LINE,
    RequirementsRewrite,
    constraints_after,
    contradictions,
    rewrite_requirements,
)
from harness.requirements.sources import disk_tree, gather
from harness.rewrite.generated import generated
from harness.rewrite.own import (
    classes_of,
    dicts_of,
    functions_of,
    shared_names,
    shared_plugins,
    subdags_of,
)
from harness.rewrite.plugins import lay_out, read_plugins
from harness.rewrite.projects import projects
from harness.rewrite.providers import imports, needed
from harness.rewrite.templates import LARGEST, rewrite_templates
from harness.rewrite.unasked import unasked
from harness.rewrite.worker import Job, Migrated, Settings, migrate_all
from harness.targets import default_bridge, lock_pins, target_pins

# For fewer files the start of one more worker costs more than it saves.
FILES_A_WORKER = 16
NEW_REQUIREMENTS = "requirements.txt"  # beside the DAG folder

# Counts the forms that a cached answer has had.
CACHE_FORMAT = 2


def rewrite(
    copy: Repo,
    *,
    target: Target,
    constraints: Constraints,
    config: Config,
    unsafe: bool = False,
    python2: bool = False,
    beside: bool = False,
    shared: Collection[str] = (),
    on_file: Callable[[int, int], None] | None = None,
) -> Rewritten:
    """Rewrite the sources and the requirements of ``copy`` for ``target``, in place.

    ``unsafe`` makes the edits as well that may change what a DAG does, ``python2`` translates what
    is Python 2 first, ``beside`` takes the Python files along that are no part of the DAGs: tests
    and scripts; ``shared`` are files of ``copy`` that other projects have too: they are read, and
    somebody else rewrites them. ``on_file`` hears (done, total). A file the codemods cannot read
    stays as it is and comes back with ``error``. The ``repo`` of the answer has a requirements
    file where the rewrite had to make one.
    """
    pins, bridge = _pins(copy, target, constraints), default_bridge()
    sources = rewrite_sources(
        copy,
        pins=pins,
        config=config,
        unsafe=unsafe,
        python2=python2,
        beside=beside,
        shared=shared,
        on_file=on_file,
    )
    reasons = needed(
        sources.repo,
        {job.name: job.data for job in (_imported if beside else _sources)(sources.repo, config)},
        target=target,
        pins=pins,
        brought={**lock_pins(bridge), **bridge.preinstalled},
    )
    needs = tuple(sorted({*sources.needs, *reasons}))
    done = _rewrite_requirements(replace(sources, needs=needs), target, constraints, reasons)
    # A check loads the files, which tells more.
    return _with_unasked(done, config, target, constraints) if beside else done


def _pins(repo: Repo, target: Target, constraints: Constraints) -> Mapping[str, str]:
    """What the target will have: the image, and beside it or in its place what is asked for, in
    the version of the constraint files that the requirements name."""
    tree = disk_tree(repo, path=_requirements_of(repo))
    files, _ = gather(requirements_text(repo), tree)
    lines = (line for file in files if not file.constraints for line in file.lines)
    stays = target.preinstalled.keys() - {line.name.replace("-backport-", "-") for line in lines}
    applied = constraints_after(files, target=target, constraints=constraints, tree=tree)
    own = {name: pin for one in applied if one.origin == "user" for name, pin in one.pins.items()}
    new = {name: pin for name, pin in own.items() if name not in stays}
    return {**target_pins(target, constraints), **new}


def _requirements_of(repo: Repo) -> str:
    """The requirements file, or where a new one belongs."""
    return repo.requirements or (PurePosixPath(repo.dags).parent / NEW_REQUIREMENTS).as_posix()


def _rewrite_requirements(
    rewritten: Rewritten, target: Target, constraints: Constraints, reasons: Mapping[str, str]
) -> Rewritten:
    """The requirements file, and those of the repository that it names by ``-r``."""
    repo = rewritten.repo
    path = _requirements_of(repo)
    tree = disk_tree(repo, path=path)
    files, _ = gather(requirements_text(repo), tree)
    included = [file.path for file in files[1:] if not file.constraints]
    applied = constraints_after(files, target=target, constraints=constraints, tree=tree)
    found = []
    beside: list[str] = []  # what the files that are done ask for
    for name in (*included, path):
        # Whatever its encoding, the lines that nobody touches keep their bytes.
        file = repo.root / name
        there = bool(repo.requirements)
        before = file.read_bytes() if there else b""
        changed = rewrite_requirements(
            plain(before).decode("utf-8", errors="surrogateescape"),
            target=target,
            constraints=constraints,
            applied=applied,
            needs=rewritten.needs if name == path else (),
            reasons=reasons,
            constrained=name != path or any(constraint_lines(files[1:])),
            beside=beside,
        )
        beside += [line.name for line in parse(changed.text)]
        after = changed.text.encode("utf-8", errors="surrogateescape")
        if plain(before) != before:
            edit = RewriteEdit(rule=LINE.id, line=1, message="The file is in UTF-8 now")
            changed = replace(changed, edits=(edit, *changed.edits))
        if after != before:
            write_atomically(file, after)
            files_now = tuple(sorted({*repo.files, name}))
            repo = replace(repo, requirements=path, files=files_now)
        if after != before or changed.notes:
            entry = _requirements_entry(name, before, after, changed)
            if not there:
                entry = replace(entry, diff=file_diff("", name, before, after))
            found.append(entry)
    against: dict[str, list[RewriteNote]] = {}
    for name, note in contradictions(applied):
        against.setdefault(name, []).append(note)
    found += [Rewrite(path=name, notes=tuple(notes)) for name, notes in against.items()]
    return replace(rewritten, repo=repo, rewrites=(*rewritten.rewrites, *found))


def _with_unasked(
    rewritten: Rewritten, config: Config, target: Target, constraints: Constraints
) -> Rewritten:
    """With a note on each module that the code imports and nothing brings, on the files that ask
    for Airflow 1.10, and on those that something else makes Python of."""
    repo = rewritten.repo
    path = _requirements_of(repo)
    files, _ = gather(requirements_text(repo), disk_tree(repo, path=path))
    required = {line.name for f in files if not f.constraints for line in f.lines} - {""}
    sources = {job.name: job.data for job in _imported(repo, config)}
    found: dict[str, list[RewriteNote]] = {}
    told = (
        *unasked(repo, sources, required, target),
        *projects(repo, target, constraints.pins),
        *generated(repo, target_pins(target, constraints)),
    )
    for name, note in told:
        found.setdefault(name, []).append(note)
    entries = []
    for entry in rewritten.rewrites:
        more = () if entry.deleted else found.pop(entry.moved_to or entry.path, ())
        before = dict(enumerate(entry.lines))
        notes = [*entry.notes, *(replace(n, line=before.get(n.line, n.line)) for n in more)]
        entries.append(replace(entry, notes=tuple(sorted(notes, key=lambda n: n.line))))
    entries += [Rewrite(path=name, notes=tuple(notes)) for name, notes in sorted(found.items())]
    return replace(rewritten, rewrites=tuple(entries))


def _requirements_entry(
    path: str, before: bytes, after: bytes, changed: RequirementsRewrite
) -> Rewrite:
    try:
        before.decode("utf-8")
        shown = "utf-8"
    except UnicodeDecodeError:
        shown = "latin-1"
    return Rewrite(
        path=path,
        diff=unified_diff(path, before.decode(shown), after.decode(shown)),
        encoding=shown,
        edits=changed.edits,
        notes=changed.notes,
        lines=line_origins(before.decode(shown), after.decode(shown)),
    )


def rewrite_sources(
    copy: Repo,
    *,
    pins: Mapping[str, str],
    config: Config,
    unsafe: bool = False,
    python2: bool = False,
    beside: bool = False,
    shared: Collection[str] = (),
    on_file: Callable[[int, int], None] | None = None,
) -> Rewritten:
    """Rewrite the Python sources of ``copy`` for an environment with ``pins``, in place.

    What files ``beside`` the DAGs import is nothing that their image must have.
    """
    sources = tuple(_sources(copy, config))
    known = (*sources, *_beside(copy, sources)) if beside else sources
    jobs = tuple(job for job in known if job.path not in shared)
    originals = {job.path: job.data for job in sources if not job.member}
    others = {
        job.path: job.data
        for job in known
        if job.path.endswith(".py") and job.path not in originals
    }
    plugins = read_plugins(copy, originals, pins=pins, beside=others)
    names = (*shared_names(job.data for job in known), *shared_plugins(known, _projects(copy)))
    settings = Settings(
        pins=pins,
        plugins=plugins.modules,
        unsafe=unsafe,
        python2=python2,
        shared=names,
        own=classes_of(known),
        dicts=dicts_of(known),
        functions=functions_of(known),
        queries=_queries(copy, known),
        subdags=subdags_of(known, shared),
    )
    folder = cache_folder("rewrites") / _salt(settings)
    done: dict[str, list[tuple[Job, Migrated]]] = {}
    for count, (job, migrated) in enumerate(_migrate_all(jobs, settings, folder), 1):
        done.setdefault(job.path, []).append((job, migrated))
        if on_file:
            on_file(count, len(jobs))
    rewrites = []
    # In an order of its own: what comes out of the cache is done before what is fresh.
    for path in sorted(done):
        _store(copy.root / path, done[path])
        rewrites += sorted(
            (_describe(job, migrated) for job, migrated in done[path]), key=lambda one: one.path
        )
    needs = {need for job in sources for _, migrated in done[job.path] for need in migrated.needs}
    own = replace(copy, files=tuple(f for f in copy.files if f not in shared))
    for entry, more in rewrite_templates(
        own, originals, pins=pins, plugins=plugins.modules, unsafe=unsafe
    ):
        rewrites.append(entry)
        needs.update(more)
    said = tuple(entry for entry in rewrites if entry.edits or entry.notes or entry.error)
    repo, said = lay_out(copy, said, plugins, originals, config)
    return Rewritten(
        repo=repo,
        rewrites=said,
        needs=tuple(sorted(needs)),
    )


def _projects(copy: Repo) -> Iterator[bytes]:
    """The files that may name what a distribution gives to Airflow, beside setup.py."""
    for path in copy.files:
        if PurePosixPath(path).name in {"setup.cfg", "pyproject.toml"}:
            yield (copy.root / path).read_bytes()


def _sources(copy: Repo, config: Config) -> Iterator[Job]:
    """Every Python source that runs as part of the DAGs, archives opened."""
    folders = [copy.dags, copy.plugins or copy.dags, *config.paths]
    for path in copy.files:
        if not any(folder in ("", ".") or path.startswith(f"{folder}/") for folder in folders):
            continue
        if path.endswith(".py"):
            yield Job(path=path, member="", data=(copy.root / path).read_bytes())
        elif path.endswith(".zip"):
            for name, data in python_members(copy.root / path):
                yield Job(path=path, member=name, data=data)


def _beside(copy: Repo, sources: Iterable[Job]) -> Iterator[Job]:
    """Every other Python file of the repository."""
    known = {job.path for job in sources}
    for path in copy.files:
        if path.endswith(".py") and path not in known:
            yield Job(path=path, member="", data=(copy.root / path).read_bytes())


def _imported(copy: Repo, config: Config) -> Iterator[Job]:
    """The sources, and those beside them that these import by name, or one of these does."""
    found = list(_sources(copy, config))
    beside = list(_beside(copy, found))
    near = found
    while near:
        names = {n for job in near for _, n in imports(job.data)}
        base = PurePosixPath(copy.dags).parent
        near = [job for job in beside if any(_is_meant(job.path, name, base) for name in names)]
        beside = [job for job in beside if job not in near]
        found += near
    return iter(found)


def _is_meant(path: str, name: str, base: PurePosixPath) -> bool:
    """Whether a dotted name is a module at the repository's top, or beside the DAG folder, or what
    such a module holds."""
    place = PurePosixPath(path).with_suffix("")
    places = [place, *([place.relative_to(base)] if place.is_relative_to(base) else [])]
    modules = (".".join(p.parts).removesuffix(".__init__") for p in places)
    return any(f"{name}.".startswith(f"{module}.") for module in modules)


def _migrate_all(
    jobs: tuple[Job, ...],
    settings: Settings,
    folder: Path,
) -> Iterator[tuple[Job, Migrated]]:
    """Each job with its answer: out of the cache, passed over, or through the codemods."""
    fresh = []
    for job in jobs:
        if not (
            settings.python2
            or codemods.concerns(job.data)
            or roles_here(job.name, settings.functions)
        ):
            yield job, Migrated()
        elif (cached := _recall(folder, job)) is not None:
            yield job, cached
        else:
            fresh.append(job)
    workers = min(os.cpu_count() or 1, -(-len(fresh) // FILES_A_WORKER))
    for job, migrated in migrate_all(fresh, settings, workers=workers):
        _remember(folder, job, migrated)
        yield job, migrated


def _store(path: Path, results: Iterable[tuple[Job, Migrated]]) -> None:
    """Put the new sources where the old ones were, in the file or in the archive."""
    changed = {job.member: migrated.data for job, migrated in results if migrated.data is not None}
    if not changed:
        return
    whole = changed.get("")
    # Nobody reads a copy before it is done.
    path.write_bytes(whole if whole is not None else _repacked(path, changed))


def _repacked(archive: Path, changed: Mapping[str, bytes | None]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(packed, "w") as new:
        for info in old.infolist():
            data = changed.get(info.filename)
            new.writestr(info, old.read(info) if data is None else data, info.compress_type)
    return packed.getvalue()


def _describe(job: Job, migrated: Migrated) -> Rewrite:
    return Rewrite(
        path=job.name,
        edits=migrated.edits,
        notes=migrated.notes,
        error=migrated.error,
        diff=migrated.diff,
        lines=migrated.lines,
        encoding=encoding_of(job.data) if migrated.diff else "utf-8",
    )


def _queries(copy: Repo, sources: Collection[Job]) -> dict[str, bool | None]:
    """The files of SQL, with whether what they end in gives rows, where a source names any."""
    if not any(b".sql" in job.data for job in sources):
        return {}
    places = {path: copy.root / path for path in copy.files if path.endswith(".sql")}
    return {
        path: gives_rows(decoded(place.read_bytes()))
        for path, place in places.items()
        if place.stat().st_size <= LARGEST
    }


# ------------------------------------------------------------------------------------ the cache


@cache
def _codemods_version() -> str:
    """Changes whenever a codemod or its table does."""
    folder = Path(codemods.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if "__pycache__" not in path.parts:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _salt(settings: Settings) -> str:
    parts = (CACHE_FORMAT, _codemods_version(), settings)
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:32]


def _entry(folder: Path, job: Job) -> Path:
    return folder / hashlib.sha256(job.name.encode() + b"\0" + job.data).hexdigest()[:40]


def _recall(folder: Path, job: Job) -> Migrated | None:
    try:
        return msgspec.msgpack.decode(_entry(folder, job).read_bytes(), type=Migrated)
    except (OSError, msgspec.DecodeError):
        return None


def _remember(folder: Path, job: Job, migrated: Migrated) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(_entry(folder, job), msgspec.msgpack.encode(migrated))
