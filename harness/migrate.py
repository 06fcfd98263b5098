"""``migrate``: the mechanical part of the move, as a diff, in place, or as a copy."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

import msgspec

from harness.config import load_config
from harness.diffs import decoded, file_diff, line_origins, named
from harness.errors import Interrupted, UsageError
from harness.files import drop_emptied, write_atomically
from harness.model import Config, Repo, Rewrite, RewriteNote, Rewritten, Side, Target
from harness.plugins_zip import pack, unpack
from harness.processes import run
from harness.repo import copy_tree, load_projects, requirements_text
from harness.report.base import for_people, plural
from harness.requirements.rewrite import PIN
from harness.rewrite.repository import rewrite
from harness.runtimes.base import OnProgress, Progress, no_progress
from harness.runtimes.constraints import find_constraints
from harness.scratch import scratch
from harness.targets import default_target, get_target

SCHEMA = "mwaa-harness/migrate/1"
MANY = 8  # notes of one kind about one file


@dataclass(frozen=True, kw_only=True)
class Written:
    """A file whose rewritten text was to take its place; with an ``error`` it did not."""

    path: str
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Migration:
    """A whole repository, rewritten: per file the diff, the edits and what is left to do.

    ``projects`` are the DAG folders of those that it holds, where they are several, ``problems``
    the files that could not be taken along, with why."""

    schema: str
    repo: str
    target: str
    rewrites: tuple[Rewrite, ...]
    written: tuple[Written, ...] = ()
    projects: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)


def migrate(
    path: Path,
    *,
    target: str = "",
    unsafe: bool = False,
    python2: bool = False,
    write: bool = False,
    allow_dirty: bool = False,
    output: Path | None = None,
    offline: bool = False,
    on_progress: OnProgress = no_progress,
) -> Migration:
    """Rewrite a copy of ``path``; with ``write`` put the changed files back, with ``output`` keep
    the whole copy there.

    Raises UsageError: ``output`` exists and is not empty; ``write`` on a folder whose changes git
    does not hold, unless ``allow_dirty``.
    """
    config = load_config(path, overrides={})
    projects = load_projects(path, config=config)
    repo = _whole(projects)
    row = get_target(target or next(iter(config.targets), "") or default_target().airflow)
    if write and not allow_dirty:
        _refuse_dirty(repo)
    if output and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(
            f"{output} is there already and is not an empty folder.",
            hint="Name another one; nothing was written.",
        )
    with scratch("migrate") as folder:
        rewritten = _rewritten(
            *(projects, config, row, folder / "repo", unsafe, python2, offline, on_progress)
        )
        if write and not allow_dirty:
            _refuse_unheld(repo, rewritten)
        written = _written(repo, rewritten) if write else ()
        if output:
            _copy(rewritten.repo.root, output)
    return Migration(
        schema=SCHEMA,
        repo=str(path),
        target=row.airflow,
        rewrites=rewritten.rewrites,
        written=written,
        projects=tuple(one.dags for one in projects if one.dag_files) if projects[1:] else (),
        problems=repo.problems,
    )


def _whole(projects: Sequence[Repo]) -> Repo:
    """The repository that holds the projects."""
    return replace(projects[0], files=tuple(sorted(f for one in projects for f in one.files)))


def migrated_requirements(path: Path, *, target: str = "", offline: bool = False) -> str:
    """The requirements file of ``path`` as ``target`` wants it; ``path`` stays as it is.

    Raises UsageError for a repository of several projects.
    """
    config = load_config(path, overrides={})
    projects = load_projects(path, config=config)
    if projects[1:]:
        several = ", ".join(one.dags for one in projects if one.dag_files)
        raise UsageError(
            f"{path} holds several projects, each with its requirements: {several}.",
            hint="Give the folder that holds one of them.",
        )
    row = get_target(target or next(iter(config.targets), "") or default_target().airflow)
    with scratch("migrate") as folder:
        done = _rewritten(projects, config, row, folder / "repo", False, False, offline)
        return requirements_text(done.repo)


def lines(migration: Migration, format_: str, *, diff: bool) -> Iterator[str | bytes]:
    """The protocol: as JSON, as a diff that ``git apply`` takes, or as a list of edits. The diff
    of a file in another encoding than UTF-8 comes as its bytes."""
    if format_ == "json":
        yield msgspec.json.format(msgspec.json.encode(_summary(migration)), indent=2).decode()
    elif diff:
        yield from _diffs(migration)
    else:
        yield from _edits(migration)


def _diffs(migration: Migration) -> Iterator[str | bytes]:
    """One of each file: a link inside the repository stays, and what it points to changes.

    That of a file in an archive is shown as a remark, which ``git apply`` passes over.
    """
    root = Path(migration.repo).resolve()
    prefix = _prefix(root)
    shown = set()
    for entry in migration.rewrites:
        place = (root / entry.path).resolve()
        path = place.relative_to(root).as_posix() if place.is_relative_to(root) else entry.path
        if entry.diff and path not in shown:
            shown.add(path)
            archive = _file(root, entry.path)
            text = _shown(entry, path, "" if archive in {"", entry.path} else archive)
            text = _from_top(text, path, entry.moved_to or path, prefix) if prefix else text
            yield text if entry.encoding == "utf-8" else text.encode(entry.encoding, "replace")


def _prefix(root: Path) -> str:
    """Where a folder lies in its git tree, when we run in it: "" at the top and without git. From
    elsewhere ``git apply --directory`` says where a diff belongs."""
    if not Path.cwd().is_relative_to(root):
        return ""
    try:
        done = run([*GIT, "-C", str(root), "rev-parse", "--show-prefix"], timeout=60)
    except OSError:
        return ""
    return "" if done.returncode else done.stdout.rstrip("\n")


def _from_top(text: str, old: str, new: str, prefix: str) -> str:
    """A diff with its paths counted from the top of the git tree. ``git apply`` counts them so
    wherever a head names both files in git's own form, as moves and new files need it, and skips
    what it then does not find; without such a head it counts from where it is run."""
    if text.startswith("#"):
        return text
    head, at, hunks = text.partition("\n@@")
    new_names = {
        f"{start}{named(side + path)}": f"{start}{named(side + prefix + path)}"
        for start, side, path in (
            *(("--- ", "a/", old), ("+++ ", "b/", new)),
            *(("rename from ", "", old), ("rename to ", "", new)),
        )
    }
    rows = [new_names.get(row, row) for row in head.split("\n") if not row.startswith("diff ")]
    names = f"{named('a/' + prefix + old)} {named('b/' + prefix + new)}"
    return "\n".join([f"diff --git {names}", *rows]) + at + hunks


def _shown(entry: Rewrite, path: str, archive: str) -> str:
    names = {named(f"{side}/{entry.path}"): named(f"{side}/{path}") for side in "ab"}
    heads = rf"^(--- |\+\+\+ )({'|'.join(map(re.escape, names))})$"
    text = re.sub(heads, lambda m: m[1] + names[m[2]], entry.diff, count=2, flags=re.M)
    text = text.removesuffix("\n")
    if archive:
        text = f"{archive}: --write and --output make it anew, a diff cannot\n{text}"
        text = "\n".join(f"# {line}" for line in text.split("\n"))
    return text


def remarks(migration: Migration) -> Iterator[str]:
    """What is left to do by hand, a line each; for stderr, beside a diff."""
    return map(for_people, _remarks(migration))


def _remarks(migration: Migration) -> Iterator[str]:
    if migration.projects:
        several = ", ".join(migration.projects)
        yield f"several projects, each migrated as if it stood alone: {several}"
    for entry in migration.rewrites:
        for fix, notes in groupby(entry.notes, key=lambda note: note.fix):
            yield from _said(entry.path, list(notes))
            yield f"    {fix}"
        if entry.error:
            yield f"{entry.path}: left as it is: {entry.error}"
    for path, why in sorted(migration.problems.items()):
        yield f"{path}: {why}"
    for written in migration.written:
        if written.error:
            yield f"{written.path}: could not be written: {written.error}"


def _said(path: str, notes: Sequence[RewriteNote]) -> Iterator[str]:
    """A line for each note; many about pins are one, as a whole ``pip freeze`` gives them."""
    pins = [note for note in notes if note.rule == PIN.id]
    if len(pins) > MANY:
        rows = ", ".join(f"{n.message.partition(':')[0]} (line {n.line})" for n in pins)
        what = f"{len(pins)} pins contradict the constraints: {rows}"
        yield f"{path}:{pins[0].line}: {PIN.id}: {what}"
        notes = [note for note in notes if note.rule != PIN.id]
    for note in notes:
        yield f"{path}:{note.line}: {note.rule}: {note.message}"


def _rewritten(
    projects: Sequence[Repo],
    config: Config,
    row: Target,
    folder: Path,
    unsafe: bool,
    python2: bool,
    offline: bool,
    on_progress: OnProgress = no_progress,
) -> Rewritten:
    """All projects in one copy, each as if it stood alone beside what they share."""

    def on_file(done: int, total: int) -> None:
        on_progress(Progress(side=Side.TARGET, step="rewriting", done=done, total=total))

    copy = copy_tree(_whole(projects), folder)
    constraints = find_constraints(row, config.constraints.get(row.airflow, ""), offline=offline)
    results: list[Rewritten] = []
    for one in projects:
        # What they share is done by then: its new imports are what the others need.
        others = frozenset(results[0].repo.files if results else ())
        part = tuple(sorted({*one.files} & {*copy.files} | others))
        done = rewrite(
            unpack(replace(one, root=copy.root, files=part, problems=copy.problems)),
            target=row,
            constraints=constraints,
            config=config if one is projects[0] else replace(config, paths=()),
            unsafe=unsafe,
            python2=python2,
            beside=True,
            shared=others,
            on_file=on_file,
        )
        results.append(pack(one, done))
    rewrites = _joined(projects[0].root, copy.root, [e for r in results for e in r.rewrites])
    files = sorted({f for r in results for f in r.repo.files})
    return Rewritten(repo=replace(results[0].repo, files=tuple(files)), rewrites=rewrites)


def _joined(before: Path, after: Path, entries: Sequence[Rewrite]) -> tuple[Rewrite, ...]:
    """One entry a file, also where several projects had something to do with it or say of it."""
    found: dict[str, Rewrite] = {}
    for entry in entries:
        known = found.setdefault(entry.path, entry)
        if known is entry:
            continue
        before_that = dict(enumerate(known.lines))
        more = [replace(n, line=before_that.get(n.line, n.line)) for n in entry.notes]
        notes = {(n.line, n.rule, n.message): n for n in (*more, *known.notes)}
        found[entry.path] = known = replace(
            known if known.diff else replace(entry, error=entry.error or known.error),
            edits=(*known.edits, *entry.edits),
            notes=tuple(sorted(notes.values(), key=lambda note: note.line)),
        )
        if known.diff and entry.diff and not known.moved_to:
            texts = [(side / entry.path) for side in (before, after)]
            old, new = (t.read_bytes() if t.is_file() else b"" for t in texts)
            was = entry.path if texts[0].is_file() else ""
            found[entry.path] = replace(
                known,
                diff=file_diff(was, entry.path, old, new),
                lines=line_origins(decoded(old), decoded(new)),
            )
    return tuple(sorted(found.values(), key=lambda entry: entry.path))


# The folder may hold what looks like a git repository of its own, with a configuration that names
# commands to run; and to look at the tree is no reason to write an index, which runs a hook.
GIT = (
    *("git", "-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false"),
    "--no-optional-locks",
)


def _git(repo: Repo, *arguments: str) -> str:
    try:
        done = run([*GIT, "-C", str(repo.root), *arguments], timeout=60)
    except OSError as error:
        raise UsageError(
            f"git could not be run ({error.strerror}), so --write could not be undone.",
            hint="Install git, use --output DIR, or say --allow-dirty.",
        ) from error
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
        raise UsageError(
            f"{repo.root}: {why}. Without git, --write could not be undone.",
            hint="Commit it to git first, use --output DIR, or say --allow-dirty.",
        )
    return done.stdout


def _refuse_dirty(repo: Repo) -> None:
    changes = _git(repo, "status", "--porcelain", "--", ".").rstrip()
    if changes:
        raise UsageError(
            f"{repo.root} has changes that are not committed:\n{changes}",
            hint="Commit or stash them first, use --output DIR, or say --allow-dirty.",
        )


def _refuse_unheld(repo: Repo, rewritten: Rewritten) -> None:
    """What git ignores is clean to it, and could not be brought back all the same."""
    listed = _git(repo, "ls-files", "-z", "--cached", "--recurse-submodules", "--", ".")
    held, root = set(listed.split("\0")), repo.root.resolve()
    files = {
        _file(repo.root, entry.path) for entry in rewritten.rewrites if entry.diff or entry.moved_to
    }
    places = {name: os.path.relpath((root / name).resolve(), root) for name in files if name}
    unheld = sorted(name for name, place in places.items() if _as_git_says(place) not in held)
    if unheld:
        raise UsageError(
            f"{repo.root} has files that git does not hold (ignored?): {', '.join(unheld)}",
            hint="Add them to git first, use --output DIR, or say --allow-dirty.",
        )


def _as_git_says(path: str) -> str:
    return path.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")


def _written(repo: Repo, rewritten: Rewritten) -> tuple[Written, ...]:
    done: list[Written] = []
    try:
        for written in _put_back(repo, rewritten):
            done.append(written)
    except KeyboardInterrupt as stop:
        raise Interrupted(
            f"interrupted while {repo.root} was written: {len(done)} files are rewritten, each as "
            "a whole; the others are as they were.",
            hint="Run it again with --allow-dirty to finish, or undo it with git.",
        ) from stop
    return tuple(done)


def _copy(tree: Path, output: Path) -> None:
    """``tree`` as ``output``, or nothing there."""
    try:
        shutil.copytree(tree, output, dirs_exist_ok=True)
    except BaseException:
        shutil.rmtree(output, ignore_errors=True)
        raise


def _put_back(repo: Repo, rewritten: Rewritten) -> Iterator[Written]:
    """Replace the files that changed, each in one step; one that fails does not stop the others.

    A file that moves is written at its new place before it goes from the old one.
    """
    entries = {entry.path: entry for entry in rewritten.rewrites}
    gone = {e.path for e in rewritten.rewrites if e.moved_to or e.deleted}
    kept = {_file(rewritten.repo.root, path) for path in entries if path not in gone}
    for path in sorted(kept):
        yield from _put(repo, path, path, rewritten)
    for path in sorted(gone):
        entry = entries[path]
        failed = False
        for written in _put(repo, path, entry.moved_to, rewritten) if entry.moved_to else ():
            failed = failed or bool(written.error)
            yield written
        if not failed:
            try:
                (repo.root / path).unlink()
                drop_emptied((repo.root / path).parent, repo.root)
                yield Written(path=path)
            except OSError as error:
                yield Written(path=path, error=error.strerror or str(error))


def _put(repo: Repo, old: str, path: str, rewritten: Rewritten) -> Iterator[Written]:
    """Put one file of the copy at ``path``; its mode is that of the file it was (``old``)."""
    new = (rewritten.repo.root / path).read_bytes()
    # A link inside the repository stays a link: what it points to is replaced.
    place = (repo.root / path).resolve()
    if not place.is_relative_to(repo.root.resolve()):
        yield Written(path=path, error="a link on the way there leads out of the repository")
        return
    try:
        if place.exists() and place.read_bytes() == new:
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, new)
        if old != path:
            place.chmod((repo.root / old).stat().st_mode & 0o7777)
        yield Written(path=path)
    except OSError as error:
        yield Written(path=path, error=error.strerror or str(error))


def _file(root: Path, name: str) -> str:
    """The file that an entry stands for: itself, or the archive it is a member of."""
    while name and not (root / name).is_file():
        name = name.rpartition("/")[0]
    return name


def _summary(migration: Migration) -> Mapping[str, object]:
    # ``lines`` is for mapping places back; a reader of the summary has the diff.
    plain: dict[str, object] = msgspec.to_builtins(migration)
    rewrites = msgspec.to_builtins(migration.rewrites)
    plain["rewrites"] = [{k: v for k, v in entry.items() if k != "lines"} for entry in rewrites]
    return plain


def _edits(migration: Migration) -> Iterator[str]:
    edits = 0
    for entry in migration.rewrites:
        for edit in entry.edits:
            edits += 1
            yield for_people(f"{entry.path}:{edit.line}: {edit.rule}: {edit.message}")
    changed = sum(bool(entry.diff) for entry in migration.rewrites)
    notes = sum(len(entry.notes) for entry in migration.rewrites)
    made = f"{plural(edits, 'edit')} in {plural(changed, 'file')}"
    yield f"{made} for Airflow {migration.target}; {notes} left to do"
