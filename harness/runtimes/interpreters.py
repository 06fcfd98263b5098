"""Find a Python of a wanted minor version on this machine.

Every candidate is *run* before it is believed: a pyenv shim exists for each version that was ever
installed and exits 127 when that version is not the active one, and hand-built Pythons may lack
modules that Airflow cannot do without.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.cache import cache_folder
from harness.errors import HarnessError
from harness.files import write_atomically
from harness.model import Side, Target
from harness.processes import run
from harness.runtimes.uv import UvFailed, last_lines, uv, uv_environment

PROBE_SECONDS = 5.0

# Airflow needs these of the standard library; a Python built without their headers lacks them.
NEEDED_MODULES = ("ctypes", "sqlite3", "ssl", "zlib")

# Python 2.7 syntax: whatever is found under the name "python" has to understand it.
PROBE = """\
import json, platform, sys
missing = []
for name in sys.argv[1:]:
    try:
        __import__(name)
    except ImportError:
        missing.append(name)
print(json.dumps({
    "version": platform.python_version(),
    "implementation": platform.python_implementation(),
    "executable": getattr(sys, "_base_executable", None) or sys.executable,
    "missing": missing,
}))
"""

# A bridge may run on 3.8 where 3.7 is missing: Airflow 1.10.15 supports both (its setup.py).
ALSO: Mapping[str, tuple[str, ...]] = {"3.7": ("3.8",)}


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python that works: its real executable, full version, and where it was found."""

    path: Path
    version: str
    origin: str


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A file that might be a wanted Python. ``found`` is set when it is, else ``problem``."""

    path: Path
    origin: str
    found: Interpreter | None = None
    problem: str = ""


class NoInterpreter(HarnessError):
    """There is no usable Python of the wanted version."""


class _Answer(msgspec.Struct, frozen=True):
    """What PROBE prints, or why it printed nothing (``problem``)."""

    version: str = ""
    implementation: str = ""
    executable: str = ""
    missing: tuple[str, ...] = ()
    problem: str = ""


def wanted_minors(target: Target) -> tuple[str, ...]:
    """The minor versions that a row's Airflow may run on here, the best first."""
    also = ALSO.get(target.python, ()) if target.role == "bridge" else ()
    return (target.python, *also)


def find(
    minors: Sequence[str],
    *,
    side: Side,
    explicit: str = "",
    cache: Path | None = None,
    download: bool = True,
) -> Interpreter:
    """The first Python that works, of the first of ``minors`` that this machine has.

    ``explicit`` (an option or the configuration) is the path of one, which is taken or refused,
    never passed over, or the only version that will do. What is not here is downloaded by uv
    unless ``download`` is false. ``NoInterpreter`` says what was looked at and how to get one;
    ``side`` names the option that it speaks of.
    """
    answers = _Answers(cache or cache_folder())
    if explicit in minors:
        minors, explicit = (explicit,), ""
    if explicit:
        path = Path(explicit).expanduser()
        candidate = answers.judge(path, f"--python-{side}", minors)
        if candidate.found is None:
            raise NoInterpreter(
                f"{explicit} cannot be the {side}'s Python: {candidate.problem}.",
                hint=f"Name a Python {' or '.join(minors)} with --python-{side}, or leave the"
                f" option (and python-{side} of the configuration) out to have one looked for.",
            )
        return candidate.found
    looked: list[Candidate] = []
    for minor in minors:
        for candidate in candidates(minor, cache=answers.cache):
            if candidate.found is not None:
                return candidate.found
            looked.append(candidate)
    problems = [f"{candidate.path} – {candidate.problem}" for candidate in looked]
    if download:
        for minor in minors:
            try:
                return _download(minor, answers)
            except UvFailed as error:
                problems.append(f"uv python install {minor} – {error.output.splitlines()[-1]}")
    seen = (
        "".join(f"\n  {problem}" for problem in dict.fromkeys(problems))
        or " nothing that bears the name"
    )
    raise NoInterpreter(
        f"The {side} needs Python {' or '.join(minors)}, and this machine has none that works."
        f" Looked at:{seen}",
        hint=f"Three ways to get it: {ways(minors, f'--python-{side} PATH')}."
        " `mwaa-harness doctor` shows what is found.",
    )


def ways(minors: Sequence[str], option: str) -> str:
    """Three ways to a Python of one of ``minors``; uv is one as long as it offers it."""
    offered = [minor for minor in minors if uv_offers(minor)]
    first = (
        f"`uv python install {offered[0]}`, "
        if offered
        else "`--runtime docker`, whose images bring theirs (uv offers none for this machine), "
    )
    return f"{first}`pyenv install {minors[0]}`, or install it by other means and name it: {option}"


def uv_offers(minor: str) -> bool:
    """Whether uv's list of downloads has that Python: the older ones leave it in the end."""
    try:
        done = uv("python", "list", "--only-downloads", minor, task="Asking uv what it offers")
    except UvFailed:
        return False
    return f"cpython-{minor}." in done.stdout


def candidates(
    minor: str, *, cache: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Iterator[Candidate]:
    """Every file here that might be Python ``minor``, each run and judged, best first."""
    answers = _Answers(cache or cache_folder())
    seen: set[Path] = set()
    for path, origin in _places(minor, environ):
        real = path.resolve()
        # Shims are one script under many names, so a script is not known by where it leads.
        identity = real if real.name.startswith("python") else path
        if identity not in seen and path.is_file():
            seen.add(identity)
            yield answers.judge(path, origin, (minor,))


def _places(minor: str, environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    home = Path(environ.get("HOME") or Path.home())
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")

    def folder(variable: str, default: Path) -> Path:
        return Path(environ.get(variable) or default)

    trees = (
        (folder("PYENV_ROOT", home / ".pyenv") / "versions", "pyenv"),
        (folder("ASDF_DATA_DIR", home / ".asdf") / "installs" / "python", "asdf"),
        (folder("MISE_DATA_DIR", data / "mise") / "installs" / "python", "mise"),
        (folder("UV_PYTHON_INSTALL_DIR", data / "uv" / "python"), "uv"),
    )
    for tree, origin in trees:
        for path in sorted(tree.glob(f"*/bin/python{minor}"), key=_newest_first):
            yield path, origin
    yield Path(sys.executable), "this Python"
    for entry in environ.get("PATH", "").split(os.pathsep):
        for name in (f"python{minor}", "python3", "python"):
            if entry:
                yield Path(entry) / name, "PATH"


def _newest_first(path: Path) -> tuple[list[int], str]:
    numbers = re.findall(r"\d+", path.parent.parent.name)
    return [-int(number) for number in numbers], str(path)


def _download(minor: str, answers: _Answers) -> Interpreter:
    uv("python", "install", "--no-bin", minor, task=f"Downloading Python {minor}")
    folder = uv("python", "dir", task="Asking uv where its Pythons are").stdout.strip()
    for path in sorted(Path(folder).glob(f"*/bin/python{minor}"), key=_newest_first):
        candidate = answers.judge(path, "uv", (minor,))
        if candidate.found is not None:
            return candidate.found
    raise UvFailed(f"Downloading Python {minor}", f"it is not in {folder} afterwards")


class _Answers:
    """What candidates said when they were run, remembered by path, time and size of the file.

    Failures are not remembered, except those that took long: a shim's depends on pyenv's state.
    """

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._file = cache / "interpreters.json"
        try:
            self._known = msgspec.json.decode(self._file.read_bytes(), type=dict[str, _Answer])
        except (OSError, msgspec.MsgspecError):
            self._known = {}

    def judge(self, path: Path, origin: str, minors: Sequence[str]) -> Candidate:
        """Run ``path``, unless it is known, and say whether it is one of ``minors``."""
        answer = self._ask(path)
        problem = answer.problem
        if not problem and answer.implementation != "CPython":
            problem = f"it is {answer.implementation}, not CPython"
        if not problem and not any(answer.version.startswith(f"{minor}.") for minor in minors):
            problem = f"it is Python {answer.version}"
        if not problem and answer.missing:
            problem = f"it was built without {', '.join(answer.missing)}"
        if problem:
            return Candidate(path=path, origin=origin, problem=problem)
        found = Interpreter(path=Path(answer.executable), version=answer.version, origin=origin)
        return Candidate(path=path, origin=origin, found=found)

    def _ask(self, path: Path) -> _Answer:
        try:
            status = path.stat()
        except OSError as error:
            return _Answer(problem=error.strerror or "it cannot be read")
        key = f"{path} {status.st_mtime_ns} {status.st_size}"
        known = self._known.get(key)
        if known is not None and (known.problem or Path(known.executable).is_file()):
            return known
        answer, worth_keeping = _run_probe(path)
        if worth_keeping:
            self._known[key] = answer
            # A cache that cannot be written costs time here; whoever needs it says so.
            with contextlib.suppress(OSError):
                self.cache.mkdir(parents=True, exist_ok=True)
                write_atomically(self._file, msgspec.json.encode(self._known))
        return answer


def _run_probe(path: Path) -> tuple[_Answer, bool]:
    """The answer of one executable, and whether it would say the same the next time."""
    argv = (str(path), "-E", "-s", "-c", PROBE, *NEEDED_MODULES)
    try:
        # PATH is needed: a shim is a script. Its own folder's version file must not be ours.
        done = run(argv, env=uv_environment(), cwd=Path("/"), timeout=PROBE_SECONDS)
    except OSError as error:
        return _Answer(problem=f"it cannot be run: {error.strerror}"), False
    if done.timed_out:
        return _Answer(problem=f"it did not answer within {PROBE_SECONDS:.0f} s"), True
    if done.returncode != 0:
        said = last_lines(done.stderr, 1) if done.returncode < 0 else _first_line(done.stderr)
        return _Answer(problem=f"it exits with code {done.returncode} ({said})"), False
    try:
        return msgspec.json.decode(done.stdout, type=_Answer), True
    except msgspec.MsgspecError:
        return _Answer(problem="it is not a Python"), False


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "it printed nothing")
