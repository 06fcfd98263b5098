"""Files beside requirements.txt that ask for Airflow 1.10: MWAA reads none of them, but whoever
tests the DAGs installs by them. They are named, with what to ask for; nobody edits them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from packaging.utils import canonicalize_name

from harness.model import Repo, RewriteNote, Target
from harness.requirements.rewrite import AIRFLOW, provider_of

_PROJECTS = {
    *("Pipfile", "environment.yaml", "environment.yml", "pyproject.toml", "setup.cfg", "setup.py")
}
_AIRFLOW = re.compile(r"(?<![\w-])apache[-_.]airflow(?![\w-])(?P<rest>[^\n]*)")
_BACKPORT = re.compile(r"apache[-_.]airflow[-_.]backport[-_.]providers[-_.](?P<name>[\w.-]+)")
_OLD = re.compile(r"1\.10\b|<\s*=?\s*2\b")
_BRACKETS = re.compile(r"\[([^\]]*)\]")


def projects(
    repo: Repo, target: Target, pins: Mapping[str, str]
) -> Iterator[tuple[str, RewriteNote]]:
    """(path, note) of each line that asks for Airflow 1.10 or a backport of its providers."""
    for path in repo.files:
        if PurePosixPath(path).name not in _PROJECTS:
            continue
        text = (repo.root / path).read_text("utf-8", errors="replace")
        for number, row in enumerate(text.splitlines(), 1):
            named, backport = _AIRFLOW.search(row), _BACKPORT.search(row)
            if backport is not None:
                yield path, _note(number, backport[0], [_provider(backport["name"], pins)])
            elif named is not None and _OLD.search(named["rest"]):
                words = " ".join(_BRACKETS.findall(named["rest"]))
                extras = [canonicalize_name(e) for e in re.findall(r"[A-Za-z][\w.-]*", words)]
                asked = [f"apache-airflow=={target.airflow}"]
                asked += [_provider(extra, pins) for extra in extras]
                yield path, _note(number, f"Airflow 1.10{_with(extras)}", asked)


def _with(extras: Sequence[str]) -> str:
    return f" with {', '.join(extras)}" if extras else ""


def _provider(extra: str, pins: Mapping[str, str]) -> str:
    """The provider that an extra is, in the version of the constraints; empty without one."""
    name, _ = provider_of(extra, pins)
    return f"{name}=={pins[name]}" if name else ""


def _note(line: int, what: str, asked: Sequence[str]) -> RewriteNote:
    wanted = ", ".join(dict.fromkeys(filter(None, asked)))
    return RewriteNote(
        rule=AIRFLOW.id,
        line=line,
        column=0,
        message=f"{what} is asked for, in a file that MWAA does not read",
        fix=f"Ask for {wanted}, under the target's constraints" if wanted else "Drop it",
    )
