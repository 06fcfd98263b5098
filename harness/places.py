"""Which folders and files of a repository are its DAGs, plugins and requirements.

The names that Airflow gives them come first. A repository may call them otherwise: then
airflow.cfg, the environment of an image or the place where a file is mounted says so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import SeveralFolders, UsageError
from harness.files import content
from harness.model import Config
from harness.plugins_zip import problem_of

COMPANIONS: Mapping[str, tuple[str, ...]] = {
    "requirements": (
        "requirements.txt",
        "dags/requirements.txt",
        "requirements/requirements.txt",
    ),
    "startup": ("startup.sh", "startup/startup.sh", "startup_script/startup.sh"),
    "airflow_cfg": ("airflow.cfg",),
}
"""What may stand beside the DAG folder, in order of preference."""

_REQUIREMENTS = re.compile(
    r"(?:^|/)(?:[\w.-]*[-_.])?requirements(?:[-_.][\w.-]*)?\.(?:txt|pip)$"
    r"|(?:^|/)requirements/[\w.-]+\.(?:txt|pip)$",
    re.IGNORECASE,
)
_DEVELOPMENT = {
    *("build", "ci", "dev", "develop", "development", "doc", "docs", "lint", "local", "test"),
    *("testing", "tests"),
}
_ASKS = re.compile(rb"^\s*apache-airflow\b(?!-)", re.IGNORECASE | re.MULTILINE)

# Where an image or a compose file puts a folder of the repository, and what it says of Airflow's.
_SAYS = re.compile(
    r"^(?:airflow\.cfg|[\w.-]*\.env|(?:[\w-]+\.)?Dockerfile[\w.-]*|entrypoint\.sh"
    r"|(?:docker-)?compose[\w.-]*\.ya?ml)$"
)
_SETTING = re.compile(
    r"(?:^[ \t]*|AIRFLOW__CORE__)(?P<key>dags|plugins)_folder"
    r"[\"']?\s*[=: ]\s*[\"']?(?P<place>[^\s\"',]+)",
    re.IGNORECASE | re.MULTILINE,
)
_MOUNT = re.compile(
    r"""(?:^\s*(?:COPY|ADD)\s+(?:--\S+\s+)*|^\s*-\s*["']?)(?P<place>[\w./-]+)(?:\s+|:)"""
    r"""\S*(?:airflow|AIRFLOW_(?:USER_)?HOME\}?)/(?P<key>dags|plugins)/?(?::\w+)?["']?\s*$""",
    re.MULTILINE,
)
_DEEP = 3  # folders; files that say where things are stand near the top
_PLUGIN = re.compile(rb"^\s*class\s+\w+\(.*AirflowPlugin\b", re.MULTILINE)

HoldsDag = Callable[[str], bool]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What is looked at: the files below ``root`` that are its own (all in ``top``, a project of
    several), what is known to be wrong with some, the configuration, and whether a file may hold
    a DAG."""

    root: Path
    files: Sequence[str]
    config: Config
    problems: dict[str, str]
    holds_dag: HoldsDag
    top: str = "."

    def is_dir(self, name: str) -> bool:
        """Whether a folder holds files of this ground."""
        return any(f.startswith(f"{name}/") for f in self.files)


def parent(path: str) -> str:
    """The folder of a file or folder; "." is the repository."""
    return str(PurePosixPath(path).parent)


def below(path: str, folder: str) -> bool:
    """Whether a path lies in a folder."""
    return folder == "." or path.startswith(folder + "/")


def dags_folder(ground: Ground) -> str:
    """The folder of the DAGs; "." where the repository is one itself.

    Raises UsageError for one that is configured and not there, SeveralFolders for several.
    """
    root, config = ground.root, ground.config
    if config.dags:
        return _configured_folder(root, config.dags, "dags", config)
    if "dags" in ground.problems:
        why = ground.problems["dags"]
        raise UsageError(f"{root / 'dags'} {why}.", hint="Make it a plain folder.")
    for said in (_said(ground, "dags", _SETTING), ["dags"], _said(ground, "dags", _MOUNT)):
        held = [name for name in said if name == "dags" or _holds_dags(ground, name)]
        if len(held) == 1 and (root / held[0]).is_dir():
            return held[0]
    return _nested_dags_folder(ground) or "."


def _holds_dags(ground: Ground, folder: str) -> bool:
    """Whether a folder is one of DAGs, and not what holds such a one."""
    if any(below(inner, folder) and inner != folder for inner in dags_folders(ground)):
        return False
    return any(f.endswith(".py") and below(f, folder) and ground.holds_dag(f) for f in ground.files)


def _said(ground: Ground, key: str, pattern: re.Pattern[str]) -> list[str]:
    """The folders of the repository that files near its top name as Airflow's, each once."""
    found: dict[str, None] = {}
    for path in ground.files:
        name = PurePosixPath(path).name
        if path.count("/") >= _DEEP or not _SAYS.match(name):
            continue
        for match in pattern.finditer(content(ground.root / path).decode("utf-8", "replace")):
            if match["key"].lower() == key:
                ends = _ends(match["place"]) if pattern is _SETTING else [match["place"]]
                bases = dict.fromkeys((parent(path), "."))
                near = (os.path.normpath(f"{base}/{end}") for end in ends for base in bases)
                place = next((p for p in near if p != "." and ground.is_dir(p)), None)
                if place is not None:
                    found[place] = None
    return list(found)


def _ends(place: str) -> Iterator[str]:
    """What a place on a server may be in the repository, the longest first."""
    parts = [part for part in place.split("/") if part]
    return ("/".join(parts[start:]) for start in range(len(parts)))


def _makes_dag(path: Path) -> bool:
    return re.search(rb"\bDAG\(|@dag\b", content(path)) is not None


def dags_folders(ground: Ground) -> list[str]:
    """The folders named dags that hold DAG files; what stands below a folder named tests is none,
    nor what stands below one named plugins."""
    found = set()
    for name in ground.files:
        folders = PurePosixPath(name).parts[:-1]
        if not name.endswith(".py") or "dags" not in folders or {"test", "tests"} & set(folders):
            continue
        above = folders[: folders.index("dags") + 1]
        folder = "/".join(above)
        if "plugins" not in above and folder not in found and ground.holds_dag(name):
            found.add(folder)
    return sorted(found)


def _nested_dags_folder(ground: Ground) -> str | None:
    """The one folder named dags that holds DAG files, when no DAG is made outside of such."""
    for name in ground.files:
        inside = {*PurePosixPath(name).parts[:-1]} & {"test", "tests", "dags", "plugins"}
        if name.endswith(".py") and not inside and _makes_dag(ground.root / name):
            return None
    nested = dags_folders(ground)
    if len(nested) > 1:
        raise SeveralFolders(
            f"{ground.root} holds several DAG folders: {', '.join(nested)}.",
            hint='Give one of their parent folders, or set dags = "…" in mwaa-harness.toml.',
        )
    return next(iter(nested), None)


def plugins_folder(ground: Ground, base: str) -> str | None:
    """The folder of the plugins of the DAGs whose folder lies in ``base``; None without one."""
    root, config = ground.root, ground.config
    if config.plugins:
        return _configured_folder(root, config.plugins, "plugins", config)
    folders = dict.fromkeys((base, ground.top))
    usual = [str(PurePosixPath(folder) / "plugins") for folder in folders]
    said = _said(ground, "plugins", _SETTING)
    for name in (*said, *usual) if len(said) == 1 else usual:
        if (root / name).is_dir() and name not in ground.problems:
            return name
        archive = f"{name}.zip"
        if archive in ground.files:
            if why := problem_of(root / archive):
                note(
                    ground.problems,
                    archive,
                    f"is not looked into, it {why}: unpack it into plugins/",
                )
            return None
    for others in (_said(ground, "plugins", _MOUNT), list(_plugin_folders(ground, base))):
        if len(others) == 1:
            return others[0]
    return None


def _plugin_folders(ground: Ground, base: str) -> Iterator[str]:
    """Folders beside the DAGs that have a name like plugins and define some."""
    start = "" if base == "." else f"{base}/"
    names = {f.removeprefix(start).partition("/")[0] for f in ground.files if f.startswith(start)}
    for name in sorted(n for n in names if "plugin" in n.lower()):
        inside = [f for f in ground.files if f.startswith(f"{start}{name}/") and f.endswith(".py")]
        if any(_PLUGIN.search(content(ground.root / f)) for f in inside):
            yield f"{start}{name}"


def companions(ground: Ground, base: str, dags: str) -> dict[str, str | None]:
    """The files beside a DAG folder, by the field of Repo that names them."""
    found = {field: _first_file(ground, base, dags, names) for field, names in COMPANIONS.items()}
    found["requirements"] = found["requirements"] or _other_requirements(ground, base)
    return found


def note(problems: dict[str, str], path: str, why: str) -> None:
    """Add to what is wrong with a file."""
    known = problems.get(path)
    if known is None:
        problems[path] = why
    elif why not in known:
        problems[path] = f"{known}; {why}"


def _configured_folder(root: Path, folder: str, key: str, config: Config) -> str:
    where = config.source or "the command line"
    end = Path(os.path.realpath(root / folder))
    if not end.is_relative_to(root):
        raise UsageError(
            f"{where}: {key} = {folder!r} lies outside of {root}.",
            hint=f"Give {key} relative to the repository, or check the folder that holds both.",
        )
    if not end.is_dir():
        raise UsageError(
            f"{where}: {key} = {folder!r}: there is no such folder in {root}.",
            hint=f"Correct {key}, or leave it out to have it found.",
        )
    return PurePosixPath(os.path.relpath(root / folder, root)).as_posix()


def _first_file(ground: Ground, base: str, dags: str, names: Sequence[str]) -> str | None:
    known = set(ground.files)
    for folder in dict.fromkeys((base, ".")):
        for name in names:
            place = (
                PurePosixPath(dags, name.removeprefix("dags/"))
                if name.startswith("dags/")
                else PurePosixPath(folder, name)
            )
            if str(place) in known:
                return str(place)
    return None


def _other_requirements(ground: Ground, base: str) -> str | None:
    """The one requirements file of another name or place that asks for Airflow; without such, the
    one beside the DAG folder that is not for development alone."""
    named = [
        f
        for f in ground.files
        if _REQUIREMENTS.search(f) and not _DEVELOPMENT & set(re.split(r"[^a-z]+", f.lower()))
    ]
    asking = [f for f in named if _ASKS.search(content(ground.root / f))]
    beside = [f for f in named if {base, "."} & {parent(f), parent(parent(f))}]
    found = asking or beside
    return found[0] if len(found) == 1 else None
