"""The whole-repository step of the rewrite: what plugins registered, and where its files go.

Reading and judging is ``codemods.plugins.modules`` and ``codemods.plugins.layout``, texts in and
texts out; here the files of the copy are read, moved and written.
"""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

from codemods.plugins.layout import IGNORE_FILE, Folders, Layout, arrange
from codemods.plugins.modules import SERVED, find_plugin_modules, registered, renames
from codemods.reading.parsing import parsed, source_encoding
from harness import diffs
from harness.files import drop_emptied, write_atomically
from harness.model import Config, Repo, Rewrite, RewriteEdit
from harness.rewrite.unasked import modules_of

RULE = "plugin-registration"
_SERVED = re.compile(rb"airflow(?:\.|\s+import\b)")


@dataclass(frozen=True, kw_only=True)
class Plugins:
    """What is known before the codemods run. ``modules`` is for them, the rest for the layout."""

    modules: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    homes: frozenset[str] = frozenset()
    sources: Mapping[str, str] = field(default_factory=dict)  # below the plugins folder
    needed: bool = False  # somebody imports what a plugin registers, or it cannot load as it is


def read_plugins(
    copy: Repo,
    sources: Mapping[str, bytes],
    *,
    pins: Mapping[str, str],
    beside: Mapping[str, bytes],
) -> Plugins:
    """Find what the plugins of ``copy`` register; ``sources`` are its Python files by path, and
    ``beside`` those that are no part of the DAGs, among them packages with plugins."""
    installed = _installed(beside)
    if not copy.plugins:
        return Plugins(modules=installed)
    prefix = f"{copy.plugins}/"
    texts = {
        path.removeprefix(prefix): decoded(data)
        for path, data in sources.items()
        if path.startswith(prefix)
    }
    entries = registered(texts)
    homes = {entry.file: entry.plugin for entry in entries if entry.file}
    inside = [f.removeprefix(prefix) for f in copy.files if f.startswith(prefix)]
    renamed = renames(inside, homes, taken=_taken(copy, pins), imported=_imported(sources.values()))
    modules = {**installed, **find_plugin_modules(texts, renamed)}
    return Plugins(
        modules=modules,
        renamed=renamed,
        homes=frozenset(homes),
        sources=texts,
        needed=any(entry.kind in ("operators", "sensors") for entry in entries)
        or _used(modules, sources.values())
        or any(_loads_not(path, text) for path, text in texts.items()),
    )


def _installed(sources: Mapping[str, bytes]) -> dict[str, str]:
    """What plugins register that are installed as a part of a package: each file goes by the name
    that it has from the folder on, in which the outermost package stands."""
    if not any(b"AirflowPlugin" in data for data in sources.values()):
        return {}
    packages = {p.parent for p in map(PurePosixPath, sources) if p.name == "__init__.py"}
    texts: dict[PurePosixPath, dict[str, str]] = {}
    for path, data in sources.items():
        folder = PurePosixPath(path).parent
        while folder in packages:
            folder = folder.parent
        name = PurePosixPath(path).relative_to(folder).as_posix()
        texts.setdefault(folder, {})[name] = decoded(data)
    found: dict[str, str] = {}
    for one in texts.values():
        if any("AirflowPlugin" in text for text in one.values()):
            found |= find_plugin_modules(one)
    return found


def lay_out(
    copy: Repo,
    rewrites: tuple[Rewrite, ...],
    plugins: Plugins,
    originals: Mapping[str, bytes],
    config: Config,
) -> tuple[Repo, tuple[Rewrite, ...]]:
    """Move, split and delete files of ``copy`` as the target needs it; say so in ``rewrites``.

    ``originals`` are all Python sources by path as they were before the codemods.
    """
    if not copy.plugins or not plugins.needed:
        return copy, rewrites
    prefix = f"{copy.plugins}/"
    now = {path: (copy.root / path).read_bytes() for path in originals}
    several = copy.dags == "." and any("dags" in f.split("/")[:-1] for f in copy.dag_files)
    folders = Folders(
        dags=copy.dags, plugins=copy.plugins, several=several, glob=_globs(copy, config)
    )
    ignores = {
        path: decoded((copy.root / path).read_bytes())
        for folder in (copy.dags, copy.plugins)
        if (path := IGNORE_FILE if folder == "." else f"{folder}/{IGNORE_FILE}") in copy.files
    }
    layout = arrange(
        {p.removeprefix(prefix): decoded(d) for p, d in now.items() if p.startswith(prefix)},
        {p: decoded(d) for p, d in now.items() if not p.startswith(prefix)},
        before=plugins.sources,
        files=copy.files,
        homes=plugins.homes,
        renamed=plugins.renamed,
        folders=folders,
        ignores=ignores,
        same=_twins(copy, plugins.renamed),
    )
    return _apply(copy, rewrites, layout, {**originals, **_raw(copy, layout, originals)})


def decoded(data: bytes) -> str:
    """The text of a Python source, by its own encoding line; what does not decode is replaced."""
    return data.decode(source_encoding(data), errors="replace")


def _encoded(text: str, like: bytes) -> bytes:
    try:
        return text.encode(source_encoding(like))
    except UnicodeEncodeError:
        return text.encode()


def _raw(copy: Repo, layout: Layout, known: Mapping[str, bytes]) -> dict[str, bytes]:
    """The bytes of what moves or changes and is no Python source."""
    paths = {*layout.moves, *layout.texts, *layout.deleted} - set(known)
    return {path: (copy.root / path).read_bytes() for path in paths if path in copy.files}


def _apply(
    copy: Repo, rewrites: tuple[Rewrite, ...], layout: Layout, originals: Mapping[str, bytes]
) -> tuple[Repo, tuple[Rewrite, ...]]:
    entries = {entry.path: entry for entry in rewrites}
    files = set(copy.files)
    back = {new: old for old, new in layout.moves.items()}
    for old, new in layout.moves.items():
        _make_room(copy.root, new)
        (copy.root / old).replace(copy.root / new)
        files = files - {old} | {new}
    for new, text in layout.texts.items():
        place = copy.root / new
        _make_room(copy.root, new)
        before = place.read_bytes() if place.exists() else b""
        write_atomically(place, _encoded(text, before))
        files.add(new)
    for path in layout.deleted:
        (copy.root / path).unlink()
        files.discard(path)
    for path in (*layout.moves, *layout.deleted):
        drop_emptied((copy.root / path).parent, copy.root)
    for path in sorted({*layout.moves, *layout.deleted, *(back.get(n, n) for n in layout.texts)}):
        new = "" if path in layout.deleted else layout.moves.get(path, path)
        data = (copy.root / new).read_bytes() if new else b""
        entries[path] = _entry(
            entries.get(path, Rewrite(path=path)),
            new,
            originals.get(path),
            data,
            layout.reasons.get(path, ""),
        )
    repo = replace(copy, files=tuple(sorted(files)))
    return repo, tuple(entries[path] for path in sorted(entries))


def _entry(entry: Rewrite, new: str, old_data: bytes | None, data: bytes, why: str) -> Rewrite:
    """The protocol of one file that moved, came or went: edits before it stay."""
    edits = entry.edits
    if why:
        edits = (*edits, RewriteEdit(rule=RULE, line=1, message=why))
    old = entry.path if old_data is not None else ""
    before, after = old_data or b"", data
    texts = [diffs.decoded(value) for value in (before, after)]
    return replace(
        entry,
        diff=diffs.file_diff(old, new, before, after),
        edits=edits,
        moved_to=new if new and new != entry.path else "",
        deleted=not new,
        lines=diffs.line_origins(*texts) if new else (),
        encoding=diffs.encoding_of(before or after),
    )


def _make_room(root: Path, path: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)


# -- what holds before ---------------------------------------------------------------------------


def _taken(copy: Repo, pins: Mapping[str, str]) -> set[str]:
    """Top-level names that come before the plugins folder on ``sys.path``."""
    names = {module for name in pins for module in modules_of(_canonical(name))}
    start = "" if copy.dags == "." else f"{copy.dags}/"
    own = f"{copy.plugins}/"
    twins = _twins(copy, {})
    dags = set()
    for path in copy.files:
        if path.startswith(start) and not path.startswith(own):
            first, _, rest = path.removeprefix(start).partition("/")
            inside = f"{copy.plugins}/{path.removeprefix(start)}"
            if inside in copy.files and inside.removeprefix(own) not in twins:
                dags.add(first.removesuffix(".py") if not rest else first)
    return names | dags | {"google"}


def _canonical(name: str) -> str:
    return str(canonicalize_name(name))


def _imported(sources: Iterable[bytes]) -> set[str]:
    """Top-level names that the repository imports."""
    found: set[str] = set()
    for data in sources:
        tree = parsed(data)
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found.add(node.module.partition(".")[0])
    return found


def _twins(copy: Repo, renamed: Mapping[str, str]) -> set[str]:
    """Plugin files that stand in the DAG folder with the same content."""
    found = set()
    known = set(copy.files)
    for path in copy.files:
        if copy.plugins and path.startswith(f"{copy.plugins}/"):
            inside = path.removeprefix(f"{copy.plugins}/")
            inside = renamed.get(inside, inside)
            twin = inside if copy.dags == "." else f"{copy.dags}/{inside}"
            if twin in known and twin.endswith(".py"):
                one, other = ((copy.root / p).read_bytes() for p in (path, twin))
                if one == other:
                    found.add(path.removeprefix(f"{copy.plugins}/"))
    return found


def _used(modules: Mapping[str, str], sources: Iterable[bytes]) -> bool:
    """Whether a source imports from below the plugin's 1.10 names."""
    names = {path.rpartition(".")[0] for path in modules}
    short = {f"airflow.{package}" for packages, _ in SERVED.values() for package in packages}
    words = [name.encode() for name in names - short]
    last = {path.rpartition(".")[2].encode() for path in modules}
    for data in sources:
        if any(word in data for word in words):
            return True
        for package in short:
            for match in re.finditer(
                rb"from\s+" + package.encode() + rb"\s+import\s([^\n]*)", data
            ):
                if any(re.search(rb"\b" + re.escape(word) + rb"\b", match[1]) for word in last):
                    return True
    return False


def _loads_not(path: str, text: str) -> bool:
    """Whether Airflow 2 cannot load this plugin: it has no package to import relatively from."""
    if not path.endswith("__init__.py") or "AirflowPlugin" not in text:
        return False
    return re.search(r"^\s*from\s+\.", text, re.MULTILINE) is not None


def _globs(copy: Repo, config: Config) -> bool:
    """Whether ``.airflowignore`` holds globs here (airflow.cfg, environment)."""
    parser = configparser.RawConfigParser(strict=False)
    if copy.airflow_cfg:
        try:
            parser.read_string((copy.root / copy.airflow_cfg).read_text("utf-8"))
        except (OSError, UnicodeDecodeError, configparser.Error):
            return False  # load() has said so
    value = parser.get("core", "dag_ignore_file_syntax", fallback="regexp")
    return config.env.get("AIRFLOW__CORE__DAG_IGNORE_FILE_SYNTAX", value).strip().lower() == "glob"
