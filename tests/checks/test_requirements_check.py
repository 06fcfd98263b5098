"""The two checks of the requirements file: whether it installs, and what it would change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pairs import findings, judged, pair, row, side, unjudged

from harness.model import AssumedExtra, Conflict, Pair, Resolution, Rewrite, Severity, Side
from harness.requirements.conflicts import FORMAT

PATH = "requirements.txt"
CONFLICT = Conflict(
    requirement="requests<2", line=2, against="requests==2.32.3", message="They pin it."
)
GOOD = Resolution(judge="pip-tools", ok=True, pins={"requests": "2.32.3"})
BAD = Resolution(judge="pip-tools", ok=False, conflicts=(CONFLICT,))
UNKNOWN = Resolution(judge="pip-tools", ok=None, message="The package index is away.")


def about(
    bridge: Resolution | None = GOOD,
    target: Resolution | None = GOOD,
    text: str = "six\nrequests<2\n",
    **fields: object,
) -> Pair:
    made = pair(
        side(Side.BRIDGE, (), resolution=bridge),
        side(Side.TARGET, (), resolution=target),
        texts={PATH: text},
        **{"rewritten_texts": {PATH: text}, **fields},
    )
    return replace(made, repo=replace(made.repo, requirements=PATH, files=(PATH,)))


def test_a_file_that_installs_on_both_sides() -> None:
    assert findings("requirements-resolve", about()) == ()
    assert judged("requirements-resolve", about()) == [PATH, PATH]


def test_no_file_no_question() -> None:
    assert judged("requirements-resolve", pair()) == []
    assert unjudged("requirements-resolve", pair()) == []


def test_a_conflict_on_the_target_names_both_ends_and_the_line() -> None:
    (finding,) = findings("requirements-resolve", about(target=BAD))
    assert (finding.rule, finding.severity) == ("requirements-conflict", Severity.ERROR)
    assert (finding.path, finding.line, finding.evidence) == (PATH, 2, "requests<2")
    assert "requests<2" in finding.message
    assert "requests==2.32.3" in finding.message
    assert finding.side == "target"


def test_a_conflict_on_the_bridge_is_not_blamed_on_the_move() -> None:
    (finding,) = findings("requirements-resolve", about(bridge=BAD))
    assert finding.rule == "requirements-conflict-on-bridge"
    assert finding.severity is Severity.WARNING
    first, second = findings("requirements-resolve", about(bridge=BAD, target=BAD))
    assert first.severity is second.severity is Severity.ERROR


def test_lines_count_in_the_original() -> None:
    # The rewrite put a constraint line on top and the resolver saw that file.
    rewrite = Rewrite(path=PATH, lines=(0, 1, 1, 2))
    bad = replace(BAD, conflicts=(replace(CONFLICT, line=3),))
    (finding,) = findings(
        "requirements-resolve",
        about(
            target=bad,
            rewrites=(rewrite,),
            rewritten_texts={PATH: "--constraint x\nsix\nrequests<2\n"},
        ),
    )
    assert (finding.line, finding.evidence) == (2, "requests<2")


@pytest.mark.parametrize("missing", [UNKNOWN, None])
def test_an_answer_that_is_missing_is_not_green(missing: Resolution | None) -> None:
    assert unjudged("requirements-resolve", about(target=missing)) == [PATH]
    assert unjudged("requirements-resolve", about(bridge=missing)) == [PATH]
    assert unjudged("requirements-keep-airflow", about(target=missing)) == [PATH]


def test_an_empty_file_needs_no_answer() -> None:
    empty = about(bridge=None, target=None, text="\n")
    assert unjudged("requirements-resolve", empty) == []
    assert unjudged("requirements-keep-airflow", empty) == []


def test_a_failure_without_conflicts_still_fails() -> None:
    broken = Resolution(judge="pip-tools", ok=False, message="Impossible.")
    (finding,) = findings("requirements-resolve", about(target=broken))
    assert "Impossible." in finding.message


def test_a_file_that_only_the_rewrite_made_is_the_targets() -> None:
    made = pair(
        side(Side.BRIDGE, ()),
        side(Side.TARGET, (), resolution=GOOD),
        rewritten_texts={PATH: "apache-airflow-providers-http\n"},
    )
    assert judged("requirements-resolve", made) == [PATH]
    assert unjudged("requirements-resolve", made) == []


@pytest.mark.parametrize(
    ("name", "essential", "rule", "severity"),
    [
        ("apache-airflow", {}, "requirements-change-airflow", Severity.ERROR),
        ("celery", {"celery": "5.5.2"}, "requirements-change-airflow", Severity.ERROR),
        ("boto3", {}, "requirements-change-image", Severity.WARNING),
    ],
)
def test_what_the_file_would_replace(
    name: str, essential: dict[str, str], rule: str, severity: Severity
) -> None:
    changing = replace(GOOD, changed={name: ("1.0", "2.0")})
    target = replace(row("2.11.0", "3.12"), essential=essential)
    made = replace(about(target=changing, text=f"six\n{name}==2.0\n"), target=target)
    (finding,) = findings("requirements-keep-airflow", made)
    assert (finding.rule, finding.severity, finding.line) == (rule, severity, 2)
    assert "1.0" in finding.message
    assert "2.0" in finding.message


def test_a_change_that_another_requirement_brings_has_no_line() -> None:
    changing = replace(GOOD, changed={"apache-airflow": ("2.5.1", "2.6.3")})
    (finding,) = findings("requirements-keep-airflow", about(target=changing))
    assert finding.line == 0
    assert "another requirement" in finding.message


def test_an_attempt_on_airflow_that_does_not_install_is_called_one() -> None:
    attempt = Conflict(
        requirement="apache-airflow>=3", line=2, against="apache-airflow==2.11.0", message="Pinned."
    )
    refused = Resolution(judge="pip-tools", ok=False, conflicts=(attempt,))
    (finding,) = findings("requirements-keep-airflow", about(target=refused))
    assert (finding.rule, finding.line) == ("requirements-change-airflow", 2)
    assert unjudged("requirements-keep-airflow", about(target=BAD)) == [PATH]


def test_what_resolves_and_does_not_install_here_is_not_green() -> None:
    made = about()
    refused = replace(made.observed, not_installed={"mysqlclient==2.2": "mysql_config not found"})
    assert unjudged("requirements-resolve", replace(made, observed=refused)) == [PATH]
    conflicting = about(target=BAD)
    refused = replace(conflicting.observed, not_installed={"requests<2": "They pin it."})
    assert unjudged("requirements-resolve", replace(conflicting, observed=refused)) == []


def test_an_assumed_extra_that_does_not_install_is_not_held_against_the_file() -> None:
    line = "apache-airflow[docker]==1.10.15"
    extra = AssumedExtra(requirement=line, path="dags/a.py", line=1, module="docker")
    made = about()
    refused = replace(made.bridge, not_installed={line: "no wheel"})
    assert unjudged("requirements-resolve", replace(made, bridge=refused)) == [PATH]
    assumed = replace(made, bridge=refused, assumed_extras=(extra,))
    assert unjudged("requirements-resolve", assumed) == []


def test_each_line_that_is_no_requirement_is_told_once_with_how_to_mend_it() -> None:
    odd = tuple(
        Conflict(requirement=text, line=line, against=FORMAT, message="It cannot be read.")
        for line, text in ((1, "one two"), (3, "-z"))
    )
    bad = replace(BAD, conflicts=(*odd, CONFLICT))
    text = "one two\nrequests<2\n-z\n"
    found = findings("requirements-resolve", about(bridge=bad, target=bad, text=text))
    unreadable = [one for one in found if one.rule == "requirements-unreadable-line"]
    assert [(one.line, one.evidence) for one in unreadable] == [(1, "one two"), (3, "-z")]
    assert all(one.fix.startswith("Correct the line") for one in unreadable)
