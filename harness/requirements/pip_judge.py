"""Runs inside a small environment that has pip-tools and nothing else: one file in, JSON out.

    python pip_judge.py requirements.in requirements.out answer.json

Standard library and pip-tools only, Python 3.7 syntax. pip prints why a resolution is impossible
only in prose that changed between its versions; the causes themselves hang on the exception, so
they are read from there. The versions this holds for are the rows of ``judges.PIP_TOOLS``.

The answer: ``status`` "resolved", "impossible" or "error"; ``causes`` of an impossible resolution,
each with the requirement, who asked for it, and the line of the file that this goes back to;
``message`` the exception's own text. What pip logs stays on stderr.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pip._internal.exceptions import DistributionNotFound, PipError
from piptools.scripts.compile import cli

OPTIONS = [
    "--resolver=backtracking",
    "--allow-unsafe",
    "--no-annotate",
    "--no-emit-find-links",
    "--no-emit-index-url",
    "--no-emit-trusted-host",
    "--no-header",
    "--quiet",
    "--strip-extras",
]


def origin(requirement: Any) -> str:
    """The line of a file that an InstallRequirement goes back to, in pip's words, or ""."""
    while requirement is not None and not isinstance(requirement, str):
        requirement = requirement.comes_from
    return requirement or ""


def describe(cause: Any) -> dict[str, str]:
    """One (requirement, parent) of ResolutionImpossible as plain JSON values."""
    requirement, parent = cause
    if parent is None:
        candidate, source = requirement.get_candidate_lookup()
        source = candidate.get_install_requirement() if candidate else source
    else:
        source = parent.get_install_requirement()
    return {
        "requirement": str(requirement),
        "name": requirement.project_name,
        "parent": parent.project_name if parent else "",
        "parent_version": str(parent.version) if parent else "",
        "origin": origin(source),
    }


def main(source: str, output: str, answer: str) -> None:
    result: dict[str, Any] = {"status": "resolved", "causes": [], "message": ""}
    try:
        cli.main([*OPTIONS, "--output-file", output, source], standalone_mode=False)
    except DistributionNotFound as error:
        causes = getattr(error.__cause__, "causes", ())
        result["status"] = "impossible" if causes else "error"
        result["causes"] = [describe(cause) for cause in causes]
        result["message"] = str(error)
    except PipError as error:
        result["status"] = "error"
        result["message"] = str(error)
    Path(answer).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
