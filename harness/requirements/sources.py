"""A requirements file together with the files it names, as MWAA would see them.

On MWAA the DAG folder lies at ``/usr/local/airflow/dags``, the unpacked plugins in ``plugins``
beside it, and the requirements file alone in ``requirements`` (source: amazon-mwaa-docker-images
@ 9d2bebb). A requirements file may name any of them; here those names lead to the repository's
own files.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.files import plain
from harness.model import Repo
from harness.requirements.parse import Line, parse

AIRFLOW_HOME = "/usr/local/airflow"
_OFFICIAL = re.compile(
    r"/constraints-(?P<airflow>\d[\w.]*|\$\{?AIRFLOW_VERSION\}?)"
    r"/constraints-(?:no-providers-|source-providers-)?(?P<python>[\w.${}]+)\.txt"
)
# "git+ssh://" and "git+git@host:" as well, but not "file:" and not "git+file:".
_REMOTE = re.compile(r"^(?!(?:\w+\+)?file:)[a-z][a-z0-9.-]*(?:\+|://)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A place in a requirements file that names something which is not there."""

    kind: str
    path: str
    line: int
    message: str


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file of the whole: its path in the repository and its lines. ``constraints`` is true
    for a file that is only named by ``-c``."""

    path: str
    lines: tuple[Line, ...]
    constraints: bool = False


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Where names lead. ``read`` gives a file's text by repository path, None when it is not
    there; ``has`` tells whether a file or folder is there. ``root`` is absolute where files are on
    disk."""

    path: str
    root: Path = Path()
    dags: str = "dags"
    plugins: str = "plugins"
    read: Callable[[str], str | None]
    has: Callable[[str], bool]

    def locate(self, location: str, *, base: str = "") -> str | None:
        """The repository path that ``location`` means in a file at ``base`` (default: the
        requirements file); None for a URL and for a place outside the repository."""
        location = _plain(location)
        if is_remote(location):
            return None
        rest = posixpath.normpath(location)
        for folder, inside in (("dags", self.dags), ("plugins", self.plugins)):
            if rest == f"{AIRFLOW_HOME}/{folder}" or rest.startswith(f"{AIRFLOW_HOME}/{folder}/"):
                return posixpath.normpath(
                    f"{inside}{rest.removeprefix(f'{AIRFLOW_HOME}/{folder}')}"
                )
        home = f"{AIRFLOW_HOME}/requirements/"
        if rest.startswith(home):
            rest = rest.removeprefix(home)
            return self.path if rest == "requirements.txt" else self._beside(self.path, rest)
        return None if rest.startswith("/") else self._beside(base or self.path, rest)

    @staticmethod
    def _beside(path: str, relative: str) -> str | None:
        joined = posixpath.normpath(posixpath.join(posixpath.dirname(path), relative))
        return None if joined.startswith("..") else joined


def disk_tree(repo: Repo | None, *, path: str, limit: int = 4 * 1024 * 1024) -> Tree:
    """The tree of a repository on disk; without one, nothing that a file names is there."""

    def read(name: str) -> str | None:
        if repo is None or not has(name):
            return None
        file = repo.root / name
        if not file.is_file() or file.stat().st_size > limit:
            return None
        text = plain(file.read_bytes()).decode("utf-8", errors="replace")
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def has(name: str) -> bool:
        if repo is None:
            return False
        place = (repo.root / name).resolve()
        return place.is_relative_to(repo.root.resolve()) and place.exists()

    if repo is None:
        return Tree(path=path, read=read, has=has)
    return Tree(
        path=repo.requirements or path,
        root=repo.root,
        dags=repo.dags,
        plugins=repo.plugins or "plugins",
        read=read,
        has=has,
    )


def text_tree(repo: Repo, texts: Mapping[str, str], *, path: str) -> Tree:
    """The tree of a repository that is known by its file list and the texts of its small files."""
    folders = {str(parent) for name in repo.files for parent in Path(name).parents}
    return Tree(
        path=path,
        dags=repo.dags,
        plugins=repo.plugins or "plugins",
        read=texts.get,
        has=lambda name: name in texts or name in repo.files or name in folders,
    )


def gather(text: str, tree: Tree) -> tuple[tuple[SourceFile, ...], tuple[Problem, ...]]:
    """The requirements file and every file it reaches through ``-r`` and ``-c``, each once, and
    what of all they name is missing. A file that includes itself is read once, as pip does."""
    files: dict[str, SourceFile] = {}
    problems: list[Problem] = []
    waiting = [(tree.path, text, False)]
    while waiting:
        path, content, constraints = waiting.pop(0)
        if path in files:
            continue
        files[path] = SourceFile(path=path, lines=parse(content), constraints=constraints)
        for line in files[path].lines:
            problems += _missing(line, path, tree)
            if line.kind in ("include", "constraint"):
                place = tree.locate(line.value, base=path)
                found = tree.read(place) if place is not None else None
                if place is not None and found is not None:
                    waiting.append((place, found, constraints or line.kind == "constraint"))
    return tuple(files.values()), tuple(problems)


def official_version(location: str, *, airflow: str = "") -> tuple[str, str] | None:
    """(Airflow, Python) of Airflow's own constraint file that a URL or path names; else None.
    ``airflow`` stands in for a version that is left to MWAA's ``AIRFLOW_VERSION``."""
    if match := _OFFICIAL.search(location):
        named = match["airflow"]
        return (airflow if named.startswith("$") else named), match["python"]
    return None


def is_remote(location: str) -> bool:
    """Whether a location is a URL that leaves the machine."""
    return bool(_REMOTE.match(location))


def _plain(location: str) -> str:
    for prefix in ("${AIRFLOW_HOME}", "$AIRFLOW_HOME"):
        if location.startswith(prefix):
            return f"{AIRFLOW_HOME}{location.removeprefix(prefix)}"
    return re.sub(r"^file:(//)?", "", location)


def located(line: Line, path: str, tree: Tree) -> str | None:
    """A requirement or option line of the file ``path`` with absolute paths in place of the
    repository's and the container's; None when one of them is not there."""
    row = line.text
    for location in _locations(line):
        place = tree.locate(location, base=path)
        if place is None or not tree.has(place):
            return None
        row = row.replace(location, str(tree.root / place), 1)
    return row


def _locations(line: Line) -> list[str]:
    """The local files and folders that a line names."""
    named = {
        "include": [line.value],
        "constraint": [line.value],
        "requirement": [line.url.partition("#")[0].partition("[")[0]],
        "index": [option.value for option in line.options if option.flag == "--find-links"],
    }.get(line.kind, [])
    return [location for location in named if location and not is_remote(location)]


def _missing(line: Line, path: str, tree: Tree) -> Iterator[Problem]:
    for location in _locations(line):
        place = tree.locate(location, base=path)
        if place is None or not tree.has(place):
            yield Problem(
                kind=line.kind,
                path=path,
                line=line.number,
                message=f"{line.text!r} names {location}, which is not in the repository.",
            )
