"""A folder on disk → Repo. Nothing here runs the repository's code or writes into its folder.

DAG files are found by Airflow's own rules, which differ between the generations, so both are
applied and a file that either would parse is listed: a file must not vanish from the comparison
because one side passes over it. The rules were read off ``list_py_file_paths`` in
``airflow/utils/dag_processing.py`` (1.10.15) and ``airflow/utils/file.py`` (2.11.0), and a test
runs those functions beside ours.
"""

from __future__ import annotations

import configparser
import errno
import hashlib
import os
import re
import shutil
import signal
import stat
import threading
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import HarnessError, SeveralFolders, UsageError
from harness.files import content, plain
from harness.model import Config, Repo
from harness.places import (
    Ground,
    below,
    companions,
    dags_folder,
    dags_folders,
    note,
    parent,
    plugins_folder,
)

SKIPPED_FOLDERS = frozenset(
    {
        ".git",
        ".hg",
        ".svn",
        ".tox",
        ".nox",
        ".venv",
        ".eggs",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        "__pycache__",
        "node_modules",
    }
)
"""Never copied into a runtime. Virtual environments are known by their ``pyvenv.cfg`` instead, and
those that have none, as old ones do, by where they put packages."""

_INSTALLED = re.compile(r"(?:^|/)(?:lib(?:64)?/python\d[\d.]*|Lib)/site-packages$")

MAX_FILES = 100_000
"""Links that point at each other can unfold without end; more files than this is a mistake."""

IGNORE_FILE = ".airflowignore"

MATCH_SECONDS = 1.0
"""Of CPU for one pattern and one path: a regular expression that backtracks has no end."""

MWAA_DAGS_FOLDER = "/usr/local/airflow/dags"
"""Where MWAA mounts the DAG folder (its user guide, "Adding or updating DAGs")."""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """How one generation of Airflow looks for DAG files.

    ``whole_path``: patterns are searched for in the absolute path, not below the DAG folder.
    ``ignore_case``: safe mode's two words match in any case. ``unsupported``: the regular
    expressions its engine refuses (the line then counts for nothing).
    """

    name: str
    whole_path: bool
    ignore_case: bool
    unsupported: re.Pattern[str] | None = None


# RE2 knows neither look-around, back-references, conditionals, atomic groups nor possessive
# repeats (https://github.com/google/re2/wiki/Syntax); Airflow uses it since 2.7.
_NOT_RE2 = re.compile(r"\(\?(?:[=!>(]|<[=!]|P=)|\\[1-9]|[*+?}]\+")

_LOST = (
    f"Airflow 1.10 reads this file, Airflow 2 passes over it because of {IGNORE_FILE}: "
    "there, patterns are matched below the DAG folder only"
)

FIRST = Generation(name="Airflow 1.10", whole_path=True, ignore_case=False)
SECOND = Generation(name="Airflow 2", whole_path=False, ignore_case=True, unsupported=_NOT_RE2)


def load(path: Path, *, config: Config, needs_dags: bool = True) -> Repo:
    """The repository at ``path``.

    What cannot be read is left out and named in ``Repo.problems``. Raises UsageError when there
    is no such folder, when it cannot be read, or when Airflow would find no DAG file in it; with
    ``needs_dags`` false any Python file that names Airflow will do.
    """
    ground = _ground(path, config)
    repo = _repo(ground)
    if not repo.dag_files and (
        needs_dags or not any(_names_airflow(repo.root, f) for f in repo.files)
    ):
        raise _no_dags(path, repo)
    return repo


def load_projects(path: Path, *, config: Config) -> tuple[Repo, ...]:
    """The projects of a repository, each with the files that are its own; mostly one.

    A folder that holds ``dags/`` and, beside it, plugins, requirements or an ``airflow.cfg`` is a
    project. The first of several is what lies around them: it may have no DAGs, and where it has
    several folders of them, all of it is taken for one. Raises UsageError as :func:`load` does.
    """
    ground = _ground(path, config)
    whole = _repo(_as_one(ground))
    if not whole.dag_files and not any(_names_airflow(whole.root, f) for f in whole.files):
        raise _no_dags(path, whole)
    bases = [] if config.dags else list(_bases(ground, whole.dags))
    if not bases:
        return (whole,)
    shares: dict[str, list[str]] = {base: [] for base in (*bases, ".")}
    for name in ground.files:
        around = [base for base in bases if below(name, base)]
        shares[max(around, key=len, default=".")].append(name)
    grounds = {b: replace(ground, top=b, files=tuple(share)) for b, share in shares.items()}
    rest = _repo(_as_one(grounds.pop(".")))
    if not rest.dag_files:  # nothing in it runs by itself
        rest = replace(rest, dags="dags")
    repos = []
    for base, one in grounds.items():
        own = replace(config, dags=f"{base}/dags", plugins="")
        repo = _repo(replace(one, config=own))
        repos.append(replace(repo, requirements=repo.requirements or rest.requirements))
    return (rest, *repos)


def _as_one(ground: Ground) -> Ground:
    try:
        dags_folder(ground)
    except SeveralFolders:
        return replace(ground, config=replace(ground.config, dags="."))
    return ground


def _bases(ground: Ground, dags: str) -> Iterator[str]:
    """The folders that are projects beside the one whose DAG folder is ``dags``."""
    for folder in dags_folders(ground):
        base = parent(folder)
        if base in {".", parent(dags)} or (dags != "." and below(base, dags)):
            continue
        start = f"{base}/"
        beside = {f.removeprefix(start).partition("/")[0] for f in ground.files if below(f, base)}
        if beside & {"plugins", "plugins.zip", "requirements.txt", "airflow.cfg"}:
            yield base


def _ground(path: Path, config: Config) -> Ground:
    root = _root(path)
    problems: dict[str, str] = {}
    files = tuple(sorted(_walk(root, problems)))
    if not files and "." in problems:
        raise UsageError(f"{path}: {problems['.']}", hint="Give a folder you may read.")
    return Ground(
        root=root,
        files=files,
        config=config,
        problems=problems,
        holds_dag=lambda name: _might_hold_dag(root / name, SECOND),
    )


def _repo(ground: Ground) -> Repo:
    """What a ground holds, placed; it may have no DAG file."""
    root, files, problems = ground.root, ground.files, ground.problems
    dags = dags_folder(ground)
    base = parent(dags)
    plugins = plugins_folder(ground, base)
    beside = companions(ground, base, dags)
    glob, safe_mode = _core_settings(root, beside["airflow_cfg"], ground.config, problems)
    candidates = _candidates(files, dags, plugins)
    listings = {
        generation: list_dag_files(
            root,
            dags,
            candidates,
            generation=generation,
            glob=glob,
            safe_mode=safe_mode,
            problems=problems,
        )
        for generation in (FIRST, SECOND)
    }
    for lost in set(listings[FIRST]) - set(listings[SECOND]):
        note(problems, lost, _LOST)
    _note_broken_zips(root, candidates, problems)
    return Repo(
        root=root,
        dags=dags,
        plugins=plugins,
        **beside,
        files=tuple(files),
        dag_files=tuple(sorted({f for listing in listings.values() for f in listing})),
        problems=problems,
    )


def requirements_text(repo: Repo) -> str:
    """The requirements file, or "" when there is none."""
    if not repo.requirements:
        return ""
    return plain((repo.root / repo.requirements).read_bytes()).decode("utf-8", errors="replace")


def _names_airflow(root: Path, name: str) -> bool:
    return name.endswith(".py") and b"airflow" in content(root / name)


def list_dag_files(
    root: Path,
    dags: str,
    files: Iterable[str],
    *,
    generation: Generation,
    mounted: str = MWAA_DAGS_FOLDER,
    glob: bool = False,
    safe_mode: bool = True,
    problems: dict[str, str] | None = None,
) -> tuple[str, ...]:
    """Those of ``files`` that this generation of Airflow would parse, sorted.

    ``files`` lie below the DAG folder ``dags``, both relative to ``root``. ``mounted`` is where
    the DAG folder stands when Airflow runs: 1.10 searches patterns in the whole path. ``glob``
    reads ``.airflowignore`` as globs. What cannot be read is added to ``problems``.
    """
    problems = {} if problems is None else problems
    found = [
        name
        for name in _not_ignored(root, dags, files, generation, mounted, glob, problems)
        if _might_hold_dag(root / name, generation if safe_mode else None)
    ]
    return tuple(sorted(found))


def copy_tree(repo: Repo, destination: Path) -> Repo:
    """Copy everything in ``repo.files`` to ``destination``; the copy, rooted there.

    Links become files, as they do on the way through S3. Permission bits stay, except that the
    copy can always be read and written by its owner. What can no longer be read is left out and
    named in ``problems``. Raises UsageError for a destination within the repository, HarnessError
    when the destination cannot be written.
    """
    destination = Path(os.path.realpath(destination))
    if destination.is_relative_to(repo.root):
        raise UsageError(
            f"{destination} lies within the repository {repo.root}, which is never written to.",
            hint="Copy to a folder outside of it.",
        )
    problems = dict(repo.problems)
    copied: list[str] = []
    made: set[str] = set()
    for name in repo.files:
        target = destination / name
        folder = os.path.dirname(target)  # noqa: PTH120 – a Path a file doubles the time
        try:
            if folder not in made:
                os.makedirs(folder, exist_ok=True)  # noqa: PTH103
                made.add(folder)
            mode = _copy_file(repo.root / name, target)
        except _SourceError as error:
            note(problems, name, f"could not be copied: {error}")
        except OSError as error:
            raise HarnessError(
                f"Cannot write {target}: {error.strerror or error}.",
                hint="Free some space or choose another folder for temporary files (TMPDIR).",
            ) from error
        else:
            target.chmod(mode)
            copied.append(name)
    kept = set(copied)
    return replace(
        repo,
        root=destination,
        files=tuple(copied),
        dag_files=tuple(f for f in repo.dag_files if f in kept),
        problems=problems,
    )


def tree_hash(path: Path) -> str:
    """A digest of everything below ``path``: names, kinds, permissions, modification times,
    link targets and contents. Equal before and after = nothing was written in between."""
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in (".", *sorted(files), *folders):
            entry = os.path.join(folder, name)  # noqa: PTH118
            status = os.lstat(entry)
            kind = stat.S_IFMT(status.st_mode)
            row = (os.path.relpath(entry, path), status.st_mode, status.st_mtime_ns)
            digest.update(repr(row).encode("utf-8", "surrogateescape"))
            if kind == stat.S_IFLNK:
                digest.update(os.fsencode(os.readlink(entry)))  # noqa: PTH115
            elif kind == stat.S_IFREG:
                with open(entry, "rb") as stream:  # noqa: PTH123
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


# ---------------------------------------------------------------------------- walking the folder


def _root(path: Path) -> Path:
    try:
        root = path.resolve(strict=True)
        is_folder = root.is_dir()
    except FileNotFoundError:
        raise UsageError(
            f"{path}: no such folder.", hint="Give the folder that holds dags/, or is one."
        ) from None
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: {reason}.", hint="Give a folder you may read.") from error
    if not is_folder:
        raise UsageError(
            f"{path} is not a folder.", hint="Give the folder that holds dags/, or is one."
        )
    return root


def _walk(root: Path, problems: dict[str, str]) -> Iterator[str]:
    """Every file below ``root``, links followed where they stay inside."""
    status = root.stat()
    top = os.fspath(root)
    pending = [(top, "", frozenset({(status.st_dev, status.st_ino)}))]
    seen = 0
    while pending:
        folder, prefix, above = pending.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            note(problems, prefix.rstrip("/") or ".", f"cannot be read: {error.strerror}")
            continue
        if prefix and any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        for entry in entries:
            name = prefix + entry.name
            if entry.name in SKIPPED_FOLDERS or entry.name.endswith((".pyc", ".pyo")):
                continue
            if _INSTALLED.search(name):
                continue
            seen += 1
            if seen > MAX_FILES:
                raise UsageError(
                    f"{root} holds more than {MAX_FILES:,} files.",
                    hint="Give the folder that holds dags/ itself, or move data out of it.",
                )
            try:
                name.encode()
                inside = _stays_inside(entry, top)
                kind = entry.stat()
            except UnicodeEncodeError:
                shown = name.encode("utf-8", "backslashreplace").decode()
                note(problems, shown, "its name is not UTF-8, which S3 and MWAA cannot store")
                continue
            except OSError as error:
                why = "links to itself" if error.errno == errno.ELOOP else error.strerror
                link = " (symbolic link)" if entry.is_symlink() else ""
                note(problems, name, f"cannot be read{link}: {why}")
                continue
            if not inside:
                note(problems, name, "links to a place outside of the repository; not copied")
            elif stat.S_ISDIR(kind.st_mode):
                identity = (kind.st_dev, kind.st_ino)
                if identity in above:
                    note(problems, name, "links to a folder that holds it; not followed")
                else:
                    pending.append((entry.path, name + "/", above | {identity}))
            elif not stat.S_ISREG(kind.st_mode):
                note(problems, name, "is neither a file nor a folder; never opened")
            elif not os.access(entry.path, os.R_OK):
                note(problems, name, "cannot be read: Permission denied")
            else:
                yield name


def _stays_inside(entry: os.DirEntry[str], top: str) -> bool:
    if not entry.is_symlink():
        return True
    end = os.path.realpath(entry.path, strict=True)
    return end == top or end.startswith(top.rstrip(os.sep) + os.sep)


# ---------------------------------------------------------------------------- settings and errors


def _core_settings(
    root: Path, airflow_cfg: str | None, config: Config, problems: dict[str, str]
) -> tuple[bool, bool]:
    """Whether ``.airflowignore`` holds globs and whether safe mode is on, as airflow.cfg and the
    configured environment set it."""
    parser = configparser.RawConfigParser(strict=False)
    if airflow_cfg:
        try:
            parser.read_string((root / airflow_cfg).read_text("utf-8"))
        except (OSError, UnicodeDecodeError, configparser.Error) as error:
            note(problems, airflow_cfg, f"cannot be read: {str(error).splitlines()[0]}")

    def setting(key: str, default: str) -> str:
        from_file = parser.get("core", key, fallback=default)
        return config.env.get(f"AIRFLOW__CORE__{key.upper()}", from_file).strip().lower()

    glob = setting("dag_ignore_file_syntax", "regexp") == "glob"
    return glob, setting("dag_discovery_safe_mode", "true") not in {"false", "f", "0"}


def _no_dags(path: Path, repo: Repo) -> UsageError:
    """The error that says what was looked for, and why each file was passed over."""
    candidates = _candidates(repo.files, repo.dags, repo.plugins)
    scripts = [f for f in candidates if f.endswith(".py")]
    wordless = [f for f in scripts if not _might_hold_dag(repo.root / f, SECOND)]
    ignored = len(scripts) - len(wordless)
    folder = path if repo.dags == "." else path / repo.dags
    reasons = [f"{len(scripts)} .py files seen"]
    if wordless:
        reasons.append(f"{len(wordless)} do not hold both words “dag” and “airflow”")
    if ignored:
        reasons.append(f"{ignored} are ruled out by {IGNORE_FILE}")
    others = (f for f in repo.files if f.endswith(".py") and f not in candidates)
    elsewhere = sorted({parent(f) for f in others})
    hint = "Give the folder that holds dags/, or is one"
    if elsewhere:
        hint += f"; Python files are also in {', '.join(elsewhere[:3])}"
    return UsageError(f"{folder}: no DAG file in it ({'; '.join(reasons)}).", hint=hint + ".")


def _candidates(files: Sequence[str], dags: str, plugins: str | None) -> tuple[str, ...]:
    """What lies in the DAG folder; a flat repository keeps plugins/ there, but never deploys it
    as DAGs."""
    own = plugins if plugins is not None and below(plugins, dags) else None
    return tuple(f for f in files if below(f, dags) and not (own and below(f, own)))


# ------------------------------------------------------------------ finding what Airflow would find

Ignores = Callable[[str, bool], bool | None]
"""(path below the DAG folder, is it a folder) → ignored, kept after all, or None = no opinion."""


def _not_ignored(
    root: Path,
    dags: str,
    files: Iterable[str],
    generation: Generation,
    mounted: str,
    glob: bool,
    problems: dict[str, str],
) -> Iterator[str]:
    """``files`` that no ``.airflowignore`` rules out. Rules hold for their folder and below; a
    folder that is ruled out is not entered, whatever its own file says."""
    start = "" if dags == "." else dags + "/"
    folders: dict[str, set[str]] = defaultdict(set)
    members: dict[str, list[str]] = defaultdict(list)
    for name in files:
        folder, _, leaf = name.removeprefix(start).rpartition("/")
        members[folder].append(leaf)
        while folder:
            parent, _, leaf = folder.rpartition("/")
            if leaf in folders[parent]:
                break
            folders[parent].add(leaf)
            folder = parent
    pending: list[tuple[str, tuple[Ignores, ...]]] = [("", ())]
    while pending:
        folder, rules = pending.pop()
        prefix = f"{folder}/" if folder else ""
        if IGNORE_FILE in members[folder]:
            place = start + prefix + IGNORE_FILE
            lines = _ignore_lines(root / place, place, problems)
            compiled = (
                _glob_rule(line, prefix, place, problems)
                if glob
                else _regexp_rule(line, place, generation, mounted, problems)
                for line in lines
            )
            rules += tuple(rule for rule in compiled if rule is not None)
        for leaf in members[folder]:
            if leaf != IGNORE_FILE and not _ignored(prefix + leaf, False, rules):
                yield start + prefix + leaf
        for leaf in folders[folder]:
            if not _ignored(prefix + leaf, True, rules):
                pending.append((prefix + leaf, rules))


def _ignored(path: str, is_folder: bool, rules: Iterable[Ignores]) -> bool:
    ignored = False
    for rule in rules:
        opinion = rule(path, is_folder)
        ignored = ignored if opinion is None else opinion
    return ignored


def _ignore_lines(path: Path, name: str, problems: dict[str, str]) -> Iterator[str]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        note(problems, name, f"cannot be read: {error}")
        return
    for line in text.split("\n"):
        pattern = re.sub(r"\s*#.*", "", line)
        if pattern:
            yield pattern


def _regexp_rule(
    pattern: str, place: str, generation: Generation, mounted: str, problems: dict[str, str]
) -> Ignores | None:
    if generation.unsupported and generation.unsupported.search(pattern):
        why = f"{generation.name} cannot read the pattern {pattern!r}: it counts for nothing there"
        note(problems, place, why)
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            search = re.compile(pattern).search
    except re.error as error:
        why = f"{pattern!r} is no regular expression ({error}): Airflow 1.10 stops there"
        note(problems, place, f"{why}, Airflow 2 passes over it")
        return None
    prefix = mounted.rstrip("/") + "/" if generation.whole_path else ""
    found = _patient(search, pattern, place, problems)
    return lambda path, _: True if found(prefix + path) else None


def _glob_rule(pattern: str, prefix: str, place: str, problems: dict[str, str]) -> Ignores | None:
    """As Airflow reads a glob: one without an inner slash is matched against the name alone."""
    if pattern.strip() == "/":
        return None
    # Here: few repositories have such a pattern, and all would wait for the import.
    from pathspec.patterns.gitignore import GitIgnorePatternError
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    try:
        compiled = GitIgnoreSpecPattern(pattern)
    except GitIgnorePatternError as error:
        note(problems, place, f"{pattern!r} is no glob pattern ({error}): Airflow stops there")
        return None
    if compiled.regex is None:
        return None
    match, include = _patient(compiled.regex.match, pattern, place, problems), compiled.include
    anchored = "/" in pattern.rstrip("/")
    for_folders = pattern.endswith("/")

    def rule(path: str, is_folder: bool) -> bool | None:
        subject = path.removeprefix(prefix) if anchored else path.rpartition("/")[2]
        if for_folders and is_folder:
            subject += "/"
        return include if match(subject) else None

    return rule


def _patient(
    match: Callable[[str], object], pattern: str, place: str, problems: dict[str, str]
) -> Callable[[str], object]:
    """``match`` with an end: a pattern that takes too long is named, and matches nothing more."""
    # One repetition cannot backtrack into another; and only the main thread can be interrupted.
    main = threading.current_thread() is threading.main_thread()
    if len(re.findall(r"[*+{]", pattern)) < 2 or not main:
        return match
    gone = False

    def ring(*_: object) -> None:
        raise TimeoutError

    def patient(text: str) -> object:
        nonlocal gone
        if gone:
            return None
        before = signal.signal(signal.SIGVTALRM, ring)
        signal.setitimer(signal.ITIMER_VIRTUAL, MATCH_SECONDS)
        try:
            return match(text)
        except TimeoutError:
            gone = True
            why = f"{pattern!r} backtracks without end over {text!r}: Airflow hangs there as well"
            note(problems, place, why)
            return None
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)

    return patient


def _might_hold_dag(path: Path, generation: Generation | None) -> bool:
    """Safe mode's own guess, by content; without a generation safe mode is off. A zip file always
    might: Airflow looks at its members only when it loads them."""
    if path.suffix != ".py":
        return _is_zip(path)
    if generation is None:
        return True
    data = content(path)
    if b"PK\x05\x06" in data and _is_zip(path):
        return True
    if generation.ignore_case:
        data = data.lower()
        return b"dag" in data and b"airflow" in data
    return b"DAG" in data and b"airflow" in data


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except OSError:
        return False


def _note_broken_zips(root: Path, candidates: Iterable[str], problems: dict[str, str]) -> None:
    for name in candidates:
        if name.endswith(".zip") and not _is_zip(root / name):
            note(problems, name, "is not a readable zip file: Airflow passes over it")


# ------------------------------------------------------------------------------------- copying


class _SourceError(Exception):
    """The file to copy cannot be read (as opposed to: the copy cannot be written)."""


def _copy_file(source: Path, target: Path) -> int:
    """Copy the content; the permission bits the copy should have."""
    try:
        stream = open(source, "rb", opener=_open_plainly)  # noqa: SIM115
    except OSError as error:
        raise _SourceError(error.strerror or error) from error
    with stream, target.open("wb") as copy:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise _SourceError("it is no longer a file")
        shutil.copyfileobj(stream, copy, 1 << 20)
    return stat.S_IMODE(status.st_mode) | stat.S_IRUSR | stat.S_IWUSR


def _open_plainly(path: str, flags: int) -> int:
    """Open without waiting: a FIFO put in the file's place must not hang us."""
    return os.open(path, flags | os.O_NONBLOCK)
