"""How many files of a folder of repositories load on a target after ``mwaa-harness migrate``.

    python tools/corpus.py REPOSITORIES --bridge BRIDGE/bin/python --target 2.11.0=TARGET/bin/python

Every folder in REPOSITORIES is one repository of 1.10. What counts are its files that mention
Airflow and import on the bridge; each repository is migrated with its requirements, and the same
files, but for those that the migration deletes, are imported on the target. The environments must
hold whatever the files import; what neither MWAA's image nor the migrated requirements bring does
not count as there. A failure or a warning is *named* when a finding stands on that file (or on the
one where it arose, or on the requirements) on the line in question or with a name that the error
has. Repositories run their code in these environments: give it none that you would not run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness.config import load_config
from harness.errors import HarnessError
from harness.migrate import Migration, migrate
from harness.model import RewriteNote
from harness.repo import load
from harness.requirements.parse import parse
from harness.runtimes.environments import SEEDED_BEFORE
from harness.targets import get_target

OUTCOMES = (
    "without a warning",
    "warning, named",
    "warning, silent",
    "failing, named",
    "failing, silent",
)
_WORD = re.compile(r"[A-Za-z_]\w{3,}")
# What error texts have in common, whatever they are about.
_COMMON = frozenset(
    re.findall(
        r"\w+",
        """airflow apache error attributeerror importerror typeerror valueerror airflowexception
        import from module modulenotfounderror name missing required positional argument
        arguments keyword object type cannot invalid attribute task_id notrequired which nothing
        asks been unexpected deprecated please class with this that __init__ operator value
        instead have removed future version will given were passed used provider google amazon
        providers operators deprecation removedinairflow3warning
        airflowproviderdeprecationwarning deprecationwarning""",
    )
)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """How one file loaded in one environment; ``file`` and ``line`` say where an error arose."""

    error: str
    file: str
    line: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one file on a target, and the findings that stand on it."""

    path: str
    outcome: str
    why: str = ""
    notes: tuple[str, ...] = ()


def repositories(folder: Path) -> Iterator[Path]:
    """The repositories of a corpus, by name."""
    yield from sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def files_of(repository: Path) -> Iterator[str]:
    """The Python files that mention Airflow, relative to the repository."""
    for path in sorted(repository.rglob("*.py")):
        if path.is_file() and b"airflow" in path.read_bytes():
            yield path.relative_to(repository).as_posix()


def observe(
    python: str,
    files: Mapping[str, tuple[Path, str]],
    *,
    image: Sequence[str] | None = None,
    asked: Mapping[Path, Sequence[str]] | None = None,
    env: Mapping[str, str],
) -> dict[str, Seen]:
    """Import each file ({id: (folder for sys.path, path below it)}) in an environment."""
    question = {
        "files": [[key, str(root), str(root / path)] for key, (root, path) in files.items()],
        "image": image,
        "asked": {str(root): list(rows) for root, rows in (asked or {}).items()},
    }
    probe = Path(__file__).with_name("corpus_probe.py")
    done = subprocess.run(
        [python, str(probe)],
        input=json.dumps(question),
        stdout=subprocess.PIPE,
        text=True,
        env=env,
        cwd=env["AIRFLOW_HOME"],
        check=True,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {
        row["id"]: Seen(
            error=row["error"], file=row["file"], line=row["line"], warnings=(*row["warnings"],)
        )
        for row in rows
    }


def environment(python: str, home: str) -> dict[str, str]:
    """What Airflow is told, and a database in ``home`` that a DAG file may ask for a Variable."""
    env = {
        **os.environ,
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": f"{home}/none",
        "AIRFLOW__METRICS__TIMER_UNIT_CONSISTENCY": "True",  # else 2.11 warns whatever it loads
        "PYTHONWARNINGS": "ignore",
    }
    airflow = Path(python).parent / "airflow"
    for words in (["db", "migrate"], ["db", "init"], ["initdb"]):
        done = subprocess.run(
            [python, str(airflow), *words], env=env, capture_output=True, check=False
        )
        if done.returncode == 0:
            return env
    raise SystemExit(f"{airflow} could not make its database: {done.stderr.decode()[-500:]}")


def by_plugins(folder: Path) -> dict[str, list[Path]]:
    """Plugins folder → the repositories that have it; "" for those without one."""
    found: dict[str, list[Path]] = {}
    for repository in repositories(folder):
        try:
            repo = load(repository, config=load_config(repository, overrides={}), needs_dags=False)
        except HarnessError:
            found.setdefault("", []).append(repository)
            continue
        place = str(repository / repo.plugins) if repo.plugins else ""
        found.setdefault(place, []).append(repository)
    return found


def see(
    python: str,
    folder: Path,
    wanted: Mapping[str, tuple[str, str]],
    *,
    image: Sequence[str] | None = None,
    asked: Mapping[Path, Sequence[str]] | None = None,
) -> dict[str, Seen]:
    """Observe ``wanted`` ({id: (repository, path)}) with each repository's own plugins."""
    found: dict[str, Seen] = {}
    with tempfile.TemporaryDirectory() as home:
        env = environment(python, home)
        for plugins, group in by_plugins(folder).items():
            names = {p.name: p for p in group}
            files = {
                key: (names[repository], path)
                for key, (repository, path) in wanted.items()
                if repository in names
            }
            if files:
                mine = {**env, "AIRFLOW__CORE__PLUGINS_FOLDER": plugins} if plugins else env
                found |= observe(python, files, image=image, asked=asked, env=mine)
    return found


def migrate_all(folder: Path, output: Path, version: str) -> dict[str, Migration]:
    """Migrate every repository into ``output``; one that is refused stays out, and is said."""
    done = {}
    for repository in repositories(folder):
        try:
            done[repository.name] = migrate(
                repository, target=version, output=output / repository.name
            )
        except HarnessError as error:
            print(f"{repository.name}: {error}", file=sys.stderr)
    return done


def requirements_of(repository: Path) -> list[str]:
    """The distributions that the requirements of a migrated repository name."""
    repo = load(repository, config=load_config(repository, overrides={}), needs_dags=False)
    if not repo.requirements:
        return []
    text = (repository / repo.requirements).read_text("utf-8", errors="replace")
    return sorted({line.name for line in parse(text) if line.name})


def new_places(migration: Migration) -> dict[str, str]:
    """Old path → new one, of the files that the migration moved."""
    return {entry.path: entry.moved_to for entry in migration.rewrites if entry.moved_to}


def gone(migration: Migration) -> set[str]:
    """The files that the migration deleted: they only registered what now is imported."""
    return {entry.path for entry in migration.rewrites if entry.deleted}


def judge(key: str, migration: Migration, root: Path, seen: Seen) -> Row:
    """The outcome of one file."""
    if not seen.error and not seen.warnings:
        return Row(path=key, outcome=OUTCOMES[0])
    why = seen.error or seen.warnings[0]
    places = {key.partition("/")[2], os.path.relpath(seen.file, root) if seen.file else ""}
    entries = [
        e
        for e in migration.rewrites
        if {e.path, e.moved_to} & places or e.path.endswith("requirements.txt")
    ]
    notes = [(e, note) for e in entries for note in e.notes]
    named = any(e.error and e.path in places for e in entries) or any(
        speaks_of(note, why) or (e.path in places and on_line(e.lines, note, seen))
        for e, note in notes
    )
    what = "failing" if seen.error else "warning"
    said = [f"{e.path}:{n.line}: {n.rule}: {n.message}" for e, n in notes if e.path in places]
    return Row(
        path=key,
        outcome=f"{what}, {'named' if named else 'silent'}",
        why=f"{why} (line {seen.line})",
        notes=tuple(said),
    )


def speaks_of(note: RewriteNote, why: str) -> bool:
    """Whether a finding and an error have a name in common."""
    words = _words(why) - _COMMON
    return bool(words & _words(f"{note.message} {note.fix}"))


def _words(text: str) -> set[str]:
    both = f"{text} {text.replace('-', '_')}"  # a distribution's name, and the words in it
    return {word.lower() for word in _WORD.findall(both)}


def on_line(lines: Sequence[int], note: RewriteNote, seen: Seen) -> bool:
    """Whether a finding stands where the error arose, which counts in the migrated text."""
    line = lines[seen.line] if seen.line < len(lines) else seen.line
    return bool(seen.error) and note.line == line


def measure(
    folder: Path, output: Path, version: str, python: str, good: Iterable[str]
) -> Iterator[Row]:
    """What became of the files that are good on the bridge, on one target."""
    done = migrate_all(folder, output, version)
    wanted = {}
    for key in good:
        name, _, path = key.partition("/")
        if name in done and path not in gone(done[name]):
            wanted[key] = (name, new_places(done[name]).get(path, path))
    asked = {output / name: requirements_of(output / name) for name in done}
    row = get_target(version)
    image = [*row.preinstalled, "apache-airflow"]
    if Version(row.python) < SEEDED_BEFORE:
        image.append("setuptools")  # Python brings it, and so pkg_resources
    seen = see(python, output, wanted, image=image, asked=asked)
    for key, one in seen.items():
        name = key.partition("/")[0]
        yield judge(key, done[name], output / name, one)


def table(rows: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """The figures, a line a target."""
    yield f"| target | good on the bridge | {' | '.join(OUTCOMES)} |"
    yield "|---" * (len(OUTCOMES) + 2) + "|"
    for version, found in rows.items():
        counts = Counter(row.outcome for row in found)
        cells = [f"{counts[o]} ({counts[o] / max(len(found), 1):.1%})" for o in OUTCOMES]
        yield f"| {version} | {len(found)} | {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repositories", type=Path)
    parser.add_argument("--bridge", required=True, help="the interpreter that has 1.10.15")
    parser.add_argument("--target", action="append", required=True, metavar="VERSION=PYTHON")
    parser.add_argument("--good", type=Path, help="keep here which files are good on the bridge")
    parser.add_argument("--output", type=Path, help="keep the migrated repositories here")
    options = parser.parse_args()
    folder = options.repositories.resolve()
    if options.good and options.good.exists():
        good = json.loads(options.good.read_text())
    else:
        files = {f"{r.name}/{f}": (r.name, f) for r in repositories(folder) for f in files_of(r)}
        seen = see(options.bridge, folder, files)
        good = sorted(key for key, one in seen.items() if not one.error)
        print(f"{len(files)} files mention Airflow, {len(good)} import on the bridge")
        if options.good:
            options.good.write_text(json.dumps(good, indent=0))
    rows = {}
    with tempfile.TemporaryDirectory() as made:
        keep = options.output or Path(made)
        for wanted in options.target:
            version, _, python = wanted.partition("=")
            rows[version] = list(measure(folder, keep / version, version, python, good))
    print("\n".join(table(rows)))
    for version, found in rows.items():
        for row in sorted(found, key=lambda row: (row.outcome, row.why)):
            if row.outcome != OUTCOMES[0]:
                print(f"\n{version} {row.outcome}: {row.path}\n    {row.why}")
                print("".join(f"    {note}\n" for note in row.notes), end="")
    silent = any(row.outcome.endswith("silent") for found in rows.values() for row in found)
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
