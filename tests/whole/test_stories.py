"""Every fixture repository gets the verdict it should get, for the reasons it should get it."""

import tomllib
from pathlib import Path

import pytest

from harness.model import Report, Severity
from harness.pipeline import Options, check
from harness.repo import tree_hash
from harness.runtimes import make_runtime

STORIES = Path(__file__).parents[2] / "fixtures" / "repos"
TARGETS = ("2.5.1", "2.10.3", "2.11.0")


def places(report: Report, target: str, severity: Severity) -> set[str]:
    """``rule path:line`` of every finding of one severity for one target."""
    return {
        f"{finding.rule} {finding.path}:{finding.line}"
        for finding in report.findings
        if finding.severity is severity and finding.target == target and not finding.ignored
    }


def matches(expected: str, found: str) -> bool:
    """An expectation names a line or leaves it open; its rule and path are exact."""
    return found == expected or found.rpartition(":")[0] == expected


@pytest.mark.slow
@pytest.mark.parametrize("story", sorted(path.name for path in STORIES.iterdir()))
def test_story(story: str) -> None:
    repo = STORIES / story / "before"
    expect = tomllib.loads((STORIES / story / "story.toml").read_text())["expect"]
    before = tree_hash(repo)

    report = check(Options(path=repo, targets=TARGETS), make_runtime("venv"))

    for target in TARGETS:
        wanted = {**expect, **expect.get(target, {})}
        statuses = {r.check: r.status.value for r in report.checks if r.target == target}
        unjudged = [entry for r in report.checks for entry in r.unjudged]
        for severity, key in ((Severity.ERROR, "rules"), (Severity.WARNING, "warnings")):
            found, named = places(report, target, severity), wanted.get(key, [])
            unexpected = {f for f in found if not any(matches(e, f) for e in named)}
            missed = {e for e in named if not any(matches(e, f) for f in found)}
            assert not unexpected, (target, unexpected, statuses)
            assert not missed, (target, missed, statuses)
        assert report.verdict == expect["verdict"], (statuses, unjudged)
    assert tree_hash(repo) == before, "the user's tree was written to"
