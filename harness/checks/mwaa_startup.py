"""What MWAA makes of ``startup.sh``: a small reader of shell text, and the rules on top of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from harness.checks.mwaa_data import moved_option, mwaa_data
from harness.model import Finding, Rule, Severity, Target
from harness.requirements.sources import AIRFLOW_HOME

RESERVED = Rule(
    id="mwaa-startup-reserved-variable",
    title="startup.sh sets a variable that MWAA reserves",
    why="MWAA sets these variables itself; what the script sets is dropped without an error, and "
    "whoever reads the variable gets MWAA's value.",
    fix="Use a name of your own, or the environment's configuration options.",
    severity=Severity.WARNING,
    example="export PYTHONPATH=/usr/local/airflow/dags/lib",
    keeps="export COMPANY_LIB=/usr/local/airflow/dags/lib",
)
OVERWRITTEN = Rule(
    id="mwaa-startup-overwritten-option",
    title="startup.sh sets an Airflow option that MWAA overwrites",
    why="MWAA decides these options itself, whatever the environment says.",
    fix="Drop the line.",
    severity=Severity.WARNING,
    example="export AIRFLOW__CORE__EXECUTOR=LocalExecutor",
    keeps="export AIRFLOW__CORE__PARALLELISM=64",
)
FOLDER = Rule(
    id="mwaa-startup-folder",
    title="startup.sh has Airflow look into another folder than the one that MWAA fills",
    why="MWAA copies the DAGs to /usr/local/airflow/dags and unpacks the plugins at "
    "/usr/local/airflow/plugins, whatever the option says: Airflow finds none of them.",
    fix="Drop the line.",
    severity=Severity.WARNING,
    example="export AIRFLOW__CORE__DAGS_FOLDER=/opt/airflow/dags",
    keeps="export AIRFLOW__CORE__DAGS_FOLDER=/usr/local/airflow/dags/team",
)
WRONG_SYSTEM = Rule(
    id="mwaa-startup-package-manager",
    title="startup.sh calls a package manager that the image does not have",
    why="MWAA's images are Amazon Linux: there is dnf or yum, no apt and no apk. The script ends "
    "with an error, and the environment does not come up.",
    fix="Use `sudo dnf install` (Airflow 2.9 and newer) or `sudo yum install`.",
    example="sudo apt-get install -y libaio1",
    keeps="sudo yum install -y libaio",
)
SLOW = Rule(
    id="mwaa-startup-time",
    title="startup.sh installs software",
    why="The script runs in every container at its start and is ended after just under five "
    "minutes; while it installs, no task runs. This tool cannot time it.",
    fix="Measure it in the local image; put Python packages into requirements.txt.",
    severity=Severity.NOTE,
    example="sudo yum install -y gcc",
    keeps="echo yum",
)
LINE_ENDS = Rule(
    id="mwaa-startup-line-ends",
    title="startup.sh has Windows line ends",
    why="The shell takes the carriage return as part of each command and name.",
    fix="Save the file with Unix line ends.",
    example="export STAGE=dev\\r",
    keeps="export STAGE=dev",
)
RULES: tuple[Rule, ...] = (RESERVED, OVERWRITTEN, FOLDER, WRONG_SYSTEM, SLOW, LINE_ENDS)

_TOKEN = re.compile(
    r"""
    (?P<comment>(?<![^\s;&|()])\#[^\n]*)
    | <<-?[ \t]*(?P<heredoc>['"\\]?[A-Za-z_]\w*['"]?)
    | (?P<end>[;&|()\n]+)
    | (?P<word>(?:'[^']*' | "(?:[^"\\]|\\.)*" | \\. | [^\s;&|()'"\\<] | <(?!<) | <<<)+)
    """,
    re.VERBOSE | re.DOTALL,
)
_SETTING = re.compile(r"(?P<name>[A-Za-z_]\w*)\+?=(?P<value>.*)", re.DOTALL)
_HOME = re.compile(r"(?:\$HOME|\$\{HOME\}|\$AIRFLOW_HOME|\$\{AIRFLOW_HOME\}|~)(?=/|$)")
_PREFIXES = {"export", "declare", "typeset", "readonly", "local"}
_WRAPPERS = {"sudo", "exec", "command", "nohup", "time", "then", "do", "else", "!", "{", "("}
_WRONG_MANAGERS = {"apt", "apt-get", "aptitude", "apk", "dpkg", "brew", "zypper", "pacman"}
_INSTALLERS = {"yum", "dnf", "microdnf", "rpm", "pip", "pip3", "conda", "npm", "make", "cargo"}
_PYTHON_PIP = {(python, "-m", "pip") for python in ("python", "python3")}


@dataclass(frozen=True, kw_only=True)
class Command:
    """A simple command of a shell script: its line, the variables it sets for good with their
    values, its words (without ``sudo`` and the like)."""

    line: int
    sets: tuple[tuple[str, str], ...]
    words: tuple[str, ...]


def commands(text: str) -> Iterator[Command]:
    """The simple commands of a shell script, in order.

    Comments, quoted text and the bodies of here-documents are not commands. This is no shell: what
    ``eval`` or a sourced file would set is not seen.
    """
    for number, words in _statements(text):
        yield _command(number, words)


def _command(number: int, words: list[str]) -> Command:
    while words and words[0] in _WRAPPERS:
        words = words[1:]
    settings = [_setting(word) for word in words]
    if words and words[0] in _PREFIXES:
        # `export NAME` without a value publishes a variable that another line sets.
        return Command(line=number, sets=tuple(filter(None, settings[1:])), words=tuple(words))
    leading = next((i for i, setting in enumerate(settings) if not setting), len(words))
    # `NAME=value command` sets NAME for that command only.
    sets = tuple(filter(None, settings)) if leading == len(words) else ()
    return Command(line=number, sets=sets, words=tuple(words[leading:]))


def _setting(word: str) -> tuple[str, str] | None:
    match = _SETTING.fullmatch(word)
    return (match["name"], match["value"]) if match else None


def judge_startup(path: str, text: str, target: Target) -> Iterator[Finding]:
    """The findings in a startup script for a target, each at its line."""
    rows = text.split("\n")
    if "\r\n" in text:
        line = next(i for i, row in enumerate(rows, 1) if row.endswith("\r"))
        yield LINE_ENDS.finding(path, "The file has Windows line ends.", line=line)
    for command in commands(text.replace("\r\n", "\n")):
        for finding in _judge_command(path, command, target):
            yield replace(finding, evidence=rows[command.line - 1].strip())


def _judge_command(path: str, command: Command, target: Target) -> Iterator[Finding]:
    data = mwaa_data()
    for name, value in command.sets:
        option = option_of(name)
        moved = moved_option(option, target.airflow)
        option = moved.new if moved else option
        folder = data.filled_folders.get(option, "")
        if any(fnmatchcase(name, pattern) for pattern in data.reserved_variables):
            yield RESERVED.finding(path, f"MWAA reserves {name}.", line=command.line)
        elif option in data.overwritten_configuration:
            message = f"{name}: MWAA always sets {option} itself."
            yield OVERWRITTEN.finding(path, message, line=command.line)
        elif folder and not f"{_HOME.sub(AIRFLOW_HOME, value)}/".startswith(f"{folder}/"):
            message = f"{name}={value}: MWAA puts the files into {folder}."
            yield FOLDER.finding(path, message, line=command.line)
    program = command.words[0].rpartition("/")[2] if command.words else ""
    if program in _WRONG_MANAGERS:
        yield WRONG_SYSTEM.finding(path, f"MWAA's image has no {program}.", line=command.line)
    elif program in _INSTALLERS or command.words[:3] in _PYTHON_PIP:
        yield SLOW.finding(path, f"{program} runs at every start.", line=command.line)


def option_of(variable: str) -> str:
    """``section.key`` that an ``AIRFLOW__SECTION__KEY`` variable sets; "" for another variable."""
    parts = variable.split("__", 2)
    if len(parts) != 3 or parts[0] != "AIRFLOW" or not all(parts):
        return ""
    return f"{parts[1]}.{parts[2]}".lower()


def _statements(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line, words) between the separators of a script; quotes removed, text in them kept."""
    words: list[str] = []
    waiting: list[str] = []  # the words that end the here-documents of this line
    position, line = 0, 1
    while match := _TOKEN.search(text, position):
        position = match.end()
        if match["word"]:
            if not words:
                line = text.count("\n", 0, match.start()) + 1
            if word := _unquoted(match["word"]):
                words.append(word)
        elif match["heredoc"]:
            waiting.append(_unquoted(match["heredoc"]))
        elif match["end"]:
            if words:
                yield line, words
            words = []
            if "\n" in match["end"]:
                for end in waiting:
                    body = re.compile(rf"^\t*{re.escape(end)}$", re.MULTILINE)
                    closing = body.search(text, position)
                    position = closing.end() if closing else len(text)
                waiting = []
    if words:
        yield line, words


def _unquoted(word: str) -> str:
    word = word.replace("\\\n", "")
    return re.sub(r"'([^']*)'|\"((?:[^\"\\]|\\.)*)\"|\\(.)", _inner, word, flags=re.DOTALL)


def _inner(match: re.Match[str]) -> str:
    return next((group for group in match.groups() if group is not None), "")
