"""``plugins.zip``, as MWAA gets it: unpacked for a copy, packed again after the rewrite."""

from __future__ import annotations

import io
import shutil
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from harness import archives
from harness.diffs import file_diff
from harness.model import Repo, Rewrite, RewriteEdit, Rewritten

NAME = "plugins.zip"
FOLDER = "plugins"
NAME_BYTES = 255  # of one part of a path, on the file systems that we know


def find_archive(files: tuple[str, ...] | frozenset[str], dags: str) -> str:
    """The archive beside the DAG folder, or at the top; "" when there is none."""
    beside = (PurePosixPath(dags).parent / NAME).as_posix()
    return next((path for path in (beside, NAME) if path in files), "")


def problem_of(path: Path) -> str:
    """Why an archive is not unpacked; "" when it is."""
    if problem := archives.problem_of(path):
        return problem
    with zipfile.ZipFile(path) as opened:
        members = opened.infolist()
    files = {_place(info) for info in members if not info.is_dir()}
    folders = {PurePosixPath(), *(folder for place in files for folder in place.parents)}
    for info in members:
        place = _place(info)
        if _leads_out(info.filename):
            return f"names a place outside of it ({info.filename!r})"
        if stat.S_ISLNK(info.external_attr >> 16):
            return f"holds a symbolic link ({info.filename!r})"
        if place in files & folders:
            return f"holds a file and a folder of one name ({info.filename!r})"
        if any(len(part.encode()) > NAME_BYTES for part in place.parts):
            return f"holds a name of more than {NAME_BYTES} bytes"
    return ""


def _place(info: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(info.filename)


def _leads_out(name: str) -> bool:
    place = PurePosixPath(name.replace("\\", "/"))
    return place.is_absolute() or ".." in place.parts or ":" in place.parts[0:1]


def unpack(copy: Repo) -> Repo:
    """The copy with its ``plugins.zip`` unpacked into ``plugins/``, as MWAA does it.

    A repository that has the folder, or has no archive that can be unpacked, stays as it is.
    """
    archive = find_archive(copy.files, copy.dags) if copy.plugins is None else ""
    if not archive or problem_of(copy.root / archive):
        return copy
    folder = (PurePosixPath(archive).parent / FOLDER).as_posix()
    written = list(_extract(copy.root / archive, copy.root / folder))
    files = {*copy.files, *(f"{folder}/{name}" for name in written)} - {archive}
    (copy.root / archive).unlink()
    return replace(copy, plugins=folder, files=tuple(sorted(files)))


def _extract(archive: Path, folder: Path) -> Iterator[str]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if info.is_dir():
                continue
            name = _place(info).as_posix()
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(opened.read(info))
            yield name


def pack(original: Repo, rewritten: Rewritten) -> Rewritten:
    """The rewritten copy with its plugins in an archive again, where ``original`` had them so.

    The archive's own entry says that it is new; a diff cannot. What moved out of it is a new file.
    """
    repo = rewritten.repo
    archive = find_archive(original.files, original.dags)
    if original.plugins is not None or repo.plugins is None or not archive:
        return rewritten
    prefix = f"{repo.plugins}/"
    names = sorted(f.removeprefix(prefix) for f in repo.files if f.startswith(prefix))
    (repo.root / archive).write_bytes(_packed(original.root / archive, repo.root / prefix, names))
    shutil.rmtree(repo.root / prefix)
    files = {f for f in repo.files if not f.startswith(prefix)} | {archive}
    changed = [e for e in rewritten.rewrites if e.path.startswith(prefix)]
    entries = [e for e in rewritten.rewrites if not e.path.startswith(prefix)]
    entries += [_member(entry, archive, prefix) for entry in changed]
    if changed:
        message = f"{len(changed)} files of the archive change; --write and --output make it anew"
        edit = RewriteEdit(rule="plugin-registration", line=1, message=message)
        entries.append(Rewrite(path=archive, edits=(edit,)))
    entries += [_new(repo, e.moved_to) for e in changed if e.moved_to in files]
    return replace(
        rewritten,
        repo=replace(repo, plugins=None, files=tuple(sorted(files))),
        rewrites=tuple(sorted(entries, key=lambda e: e.path)),
    )


def _packed(before: Path, folder: Path, names: list[str]) -> bytes:
    """The archive of the files in ``folder``: in the old order, with the old dates and modes."""
    made = io.BytesIO()
    with zipfile.ZipFile(before) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        known = {info.filename: info for info in old.infolist()}
        order = [name for name in known if name in set(names)]
        for name in [*order, *(n for n in names if n not in known)]:
            info = known.get(name) or _fresh(name)
            kind = info.compress_type if name in known else zipfile.ZIP_DEFLATED
            new.writestr(info, (folder / name).read_bytes(), kind)
    return made.getvalue()


def _fresh(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info


def _member(entry: Rewrite, archive: str, prefix: str) -> Rewrite:
    """A file of the archive: what happens to it is told, its diff would fit no file."""
    path = f"{archive}/{entry.path.removeprefix(prefix)}"
    return replace(entry, path=path, diff="", moved_to="", deleted=False)


def _new(repo: Repo, path: str) -> Rewrite:
    data = (repo.root / path).read_bytes()
    edit = RewriteEdit(rule="plugin-registration", line=1, message=f"It was in {NAME}")
    return Rewrite(path=path, diff=file_diff("", path, b"", data), edits=(edit,))
