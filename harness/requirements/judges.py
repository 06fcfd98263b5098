"""Ask uv and pip-tools. Both take the same folder of rendered files and give the same answer value.

What is guarded: requirements of a repository are foreign, and building a source distribution's
metadata runs its code. That code gets an environment without the caller's variables (only the
ones in ``PASSED`` go through: no cloud credentials, no tokens), a home and a temporary folder of
its own, no core dumps, bounded CPU time and file sizes, a time limit, and a process group that is
ended with it. What is not guarded: it runs as the caller, so it can read the caller's files and
reach the network, and a process that makes a session of its own outlives the group. Judge
repositories that you would not install from in a container.

Source distributions are not refused (``--only-binary :all:``), because MWAA does not refuse them
either: distributions of the 1.10 era often have nothing else, and the answer has to be MWAA's. One
whose metadata does not build here makes the answer unknown, not impossible: this machine may lack
what the image has.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import uv
from filelock import FileLock
from packaging.version import Version

from harness.errors import HarnessError
from harness.launch import launched
from harness.model import Conflict
from harness.package_index import for_uv
from harness.processes import Completed, run
from harness.requirements.conflicts import Setting, from_pip, from_uv
from harness.targets import parse_pins

SOURCE = "requirements.in"
OUTPUT = "requirements.out"
ALLOWED = "prereleases.txt"

# What a resolver may know of the caller's environment: how to reach the package index.
PASSED = (
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LC_ALL",
    "NO_PROXY",
    "PATH",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_INSECURE_HOST",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)

_UNREACHABLE = re.compile(
    r"Retrying \(Retry\(|Could not fetch URL|Failed to fetch|error sending request|"
    r"Request failed after|network was disabled|NewConnectionError|Read timed out|"
    r"Temporary failure in name resolution|HTTP error (?:401|403|5\d\d)"
)
_NOT_BUILT = re.compile(
    r"metadata-generation-failed|Failed to build|Failed building|subprocess-exited-with-error|"
    r"Getting requirements to build|build backend returned an error"
)
# The one line of pip's (from 25.1 on) and of uv's report that says what would not build.
_NAMES_IT = re.compile(r"Failed to build [`'\"](?P<name>[\w.+!=-]+)[`'\"]")
_SECRET = re.compile(r"(?<=://)[^/@\s:]*(?::[^/@\s]*)?@")


class ToolUnavailable(HarnessError):
    """A resolver could not be set up on this machine."""


@dataclass(frozen=True, kw_only=True)
class PipTools:
    """The newest pip-tools for a Python version (from ``python`` on), and the pip it works with.

    Pinned, so that a verdict does not change because a tool did; ``pip_judge.py`` reads pip's
    internals and is tested with exactly these pairs.
    """

    python: str
    pip_tools: str
    pip: str


# Versions on the package index on 2026-11-23; requires-python decides which fits where.
PIP_TOOLS: tuple[PipTools, ...] = (
    PipTools(python="3.7", pip_tools="6.14.0", pip="24.0"),
    PipTools(python="3.8", pip_tools="7.5.2", pip="25.0.1"),
    PipTools(python="3.10", pip_tools="7.6.2", pip="26.3"),
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one resolver says; as in :class:`~harness.model.Resolution`."""

    ok: bool | None
    pins: Mapping[str, str] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A folder with the rendered files (``SOURCE`` first), and under which conditions to ask."""

    folder: Path
    python: Path
    setting: Setting
    cache: Path
    timeout: float
    offline: bool = False


def ask_uv(question: Question) -> Answer:
    """uv's answer: fast, and the image's versions are kept where they fit (pins that ``OUTPUT``
    holds beforehand are preferences, as installed distributions are to pip).

    ``--prerelease explicit`` is the closest to pip's policy: a pre-release is taken where the file
    asks for one, never because no final version fits (uv's default does that). It differs for a
    distribution that has nothing but pre-releases: pip takes it, uv then says impossible. Those
    that the image holds are named in ``ALLOWED``, which uv takes for asking.
    """
    allowed = question.folder / ALLOWED
    command = [
        uv.find_uv_bin(),
        *("--no-config", "--color", "never", "--cache-dir", str(question.cache / "uv")),
        *("pip", "compile", SOURCE, "--output-file", OUTPUT, "--python", str(question.python)),
        *("--prerelease", "explicit", "--index-strategy", "unsafe-best-match"),
        *("--no-header", "--no-annotate", "--no-python-downloads", "--quiet"),
        *(["--constraints", ALLOWED] if allowed.exists() else []),
        *(["--offline"] if question.offline else []),
    ]
    done = _run(command, question)
    if done.timed_out:
        return Answer(ok=None, message=f"uv gave no answer within {question.timeout:.0f} s.")
    if done.returncode == 0:
        return Answer(ok=True, pins=_output(question))
    if trouble := _trouble(done.stderr):
        return Answer(ok=None, message=trouble)
    if conflicts := from_uv(done.stderr, setting=question.setting):
        return Answer(ok=False, conflicts=conflicts)
    return Answer(ok=None, message=f"uv: {_tail(done.stderr)}")


def ask_pip_tools(question: Question) -> Answer:
    """pip-tools' answer, in the side's own Python: pip's resolver itself decides.

    ``ToolUnavailable`` when pip-tools cannot be installed for that Python.
    """
    if question.offline:
        return Answer(ok=None, message="pip-tools needs the package index, and this is offline.")
    interpreter = pip_tools_environment(question)
    judge = Path(__file__).with_name("pip_judge.py")
    for old in (OUTPUT, "answer.json"):
        (question.folder / old).unlink(missing_ok=True)
    done = _run([str(interpreter), str(judge), SOURCE, OUTPUT, "answer.json"], question)
    if done.timed_out:
        return Answer(ok=None, message=f"pip-tools gave no answer within {question.timeout:.0f} s.")
    answer = question.folder / "answer.json"
    told: dict[str, Any] = json.loads(answer.read_text("utf-8")) if answer.exists() else {}
    if told.get("status") == "resolved":
        return Answer(ok=True, pins=_output(question))
    # An index that answers now and then looks to pip like one that lacks the distribution.
    if trouble := _trouble(f"{done.stderr}\n{told.get('message', '')}"):
        return Answer(ok=None, message=trouble)
    if not told:
        return Answer(ok=None, message=f"pip-tools: {_tail(done.stderr)}")
    if told["status"] == "impossible":
        conflicts = from_pip(told["causes"], log=done.stderr, setting=question.setting)
        return Answer(ok=False, conflicts=conflicts)
    return Answer(ok=None, message=f"pip: {_clean(told['message'])}")


def pip_tools_environment(question: Question) -> Path:
    """The interpreter of an environment with pip-tools for the side's Python, made once.

    Made beside its place and renamed into it under a lock, so a half-made one is never used.
    """
    version = python_version(question.python)
    row = pip_tools_for(version)
    key = json.dumps([str(question.python), version, row.pip_tools, row.pip])
    name = f"pip-tools-{row.pip_tools}-py{version}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    home = question.cache / "tools" / name
    home.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(home.with_suffix(".lock")):
        if not home.exists():
            _make_environment(home, row, question)
    return home / "bin" / "python"


def pip_tools_for(python: str) -> PipTools:
    """The row for a Python version; ``ToolUnavailable`` when it is older than every row."""
    fitting = [row for row in PIP_TOOLS if Version(row.python) <= Version(python)]
    if not fitting:
        raise ToolUnavailable(
            f"There is no pip-tools for Python {python}: requirements cannot be judged there.",
            hint=f"Use Python {PIP_TOOLS[0].python} or newer for this side.",
        )
    return fitting[-1]


@cache
def python_version(python: Path) -> str:
    """The full version of an interpreter. ``ToolUnavailable`` when it does not run."""
    done = run([str(python), "-c", "import platform; print(platform.python_version())"], timeout=30)
    if done.returncode != 0:
        raise ToolUnavailable(f"{python} does not run: {_tail(done.stderr)}")
    return done.stdout.strip()


def _make_environment(home: Path, row: PipTools, question: Question) -> None:
    making = Path(tempfile.mkdtemp(prefix=f"{home.name}-", dir=home.parent))
    command = [uv.find_uv_bin(), "--no-config", "--quiet", "--color", "never"]
    command += ["--cache-dir", str(question.cache / "uv")]
    try:
        for step in (
            ["venv", "--python", str(question.python), "--clear", str(making)],
            [
                *("pip", "install", "--python", str(making / "bin" / "python")),
                *(f"pip-tools=={row.pip_tools}", f"pip=={row.pip}"),
            ],
        ):
            done = _run([*command, *step], question)
            if done.returncode != 0:
                raise ToolUnavailable(
                    f"pip-tools {row.pip_tools} could not be installed for {question.python}: "
                    f"{_tail(done.stderr)}",
                    hint="The package index must be reachable the first time (PIP_INDEX_URL).",
                )
        making.rename(home)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _run(command: list[str], question: Question) -> Completed:
    limited = Path(__file__).with_name("limited.py")
    home = question.folder / "home"
    home.mkdir(exist_ok=True)
    return run(
        launched([sys.executable, "-I", str(limited), str(question.timeout), *command]),
        env=environment(os.environ, home=home, cache=question.cache),
        cwd=question.folder,
        timeout=question.timeout,
    )


def environment(environ: Mapping[str, str], *, home: Path, cache: Path) -> dict[str, str]:
    """The environment variables that a resolver runs with: the caller's ones of ``PASSED``, in
    uv's names too, and folders of its own."""
    passed = {name: environ[name] for name in PASSED if name in environ}
    return {
        **passed,
        **for_uv(passed),
        "HOME": str(home),
        "TMPDIR": str(home),
        "XDG_CONFIG_HOME": str(home),
        "PIP_CACHE_DIR": str(cache / "pip"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_COLOR": "1",
        "PIP_NO_INPUT": "1",
        "PIP_RETRIES": "2",
        "PIP_TOOLS_CACHE_DIR": str(home / "pip-tools"),
        "UV_HTTP_TIMEOUT": "30",
    }


def _output(question: Question) -> dict[str, str]:
    return parse_pins((question.folder / OUTPUT).read_text(encoding="utf-8"))


def _trouble(text: str) -> str:
    """Why a resolver could not know, when what it printed shows that it could not; else ""."""
    for sign, reason in (
        (_UNREACHABLE, "The package index could not be reached"),
        (_NOT_BUILT, "The metadata of a source distribution could not be built here"),
    ):
        if match := sign.search(text):
            if sign is _NOT_BUILT and (named := _NAMES_IT.search(text)):
                return (
                    f"{reason}: {named['name']}. A compiler or a library's headers may be missing"
                )
            line = text[text.rfind("\n", 0, match.start()) + 1 :].partition("\n")[0]
            return f"{reason}: {_clean(line)}"
    return ""


def _tail(text: str) -> str:
    return _clean(" ".join(text.strip().splitlines()[-3:])) or "it ended without a word"


def _clean(text: str) -> str:
    """One line without credentials, short enough for a report."""
    line = _SECRET.sub("…@", " ".join(text.split()))
    return line if len(line) <= 400 else f"{line[:400]}…"
