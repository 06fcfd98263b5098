"""The terminal report: nothing runs off the edge, nothing hostile reaches the terminal, and
repetition does not hide the rest."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from report_builder import HOSTILE, STORIES, fails, hostile, large, passes, unknown
from rich.cells import cell_len

from harness.model import Finding, Report, Severity, Verdict
from harness.report import FORMATS, View
from harness.report.base import REPEATED
from harness.report.text import lines


def text(report: Report, **view: object) -> str:
    return "\n".join(lines(report, View(**view)))


def finding(**changes: object) -> Finding:
    given = {"rule": "a-rule", "path": "dags/a.py", "message": "it is broken", "line": 3}
    return Finding(**given | changes)


def only(*findings: Finding, **changes: object) -> Report:
    return replace(fails(), findings=findings, checks=(), **changes)


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("story", STORIES)
def test_lines_fit(story: str, width: int) -> None:
    """Only a path, a URL and the verdict may be longer than the terminal is wide."""
    *body, verdict = text(STORIES[story](), width=width).split("\n")
    long = [line for line in body if cell_len(line) > width]
    sides = ("bridge", "target") if width < 80 else ()
    assert all("://" in line or line.lstrip().startswith(("dags/", *sides)) for line in long)
    assert verdict.split()[1] == STORIES[story]().verdict.upper()


def test_color_is_only_color() -> None:
    plain, colored = (text(fails(), color=color) for color in (False, True))
    assert "\x1b" not in plain
    assert "\x1b[" in colored
    without = re.sub(r"\x1b\[[0-9;]*m", "", colored)
    assert [line.rstrip() for line in without.split("\n")] == plain.split("\n")


@pytest.mark.parametrize("hostility", HOSTILE)
def test_hostile_text_is_only_text(hostility: str) -> None:
    output = text(hostile(hostility), width=100)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2066\ud800-\udfff]", output)
    assert not re.search(r"^\s*::|##\w*\[", output, re.M), "a CI service would obey it"
    if "[bold]" in hostility:
        assert "[bold]x[/bold]" in output


def test_targets_of_one_finding_are_listed_once() -> None:
    output = text(only(*(finding(target=target) for target in fails().targets)))
    assert output.count("it is broken") == 1
    assert "a-rule · 2.5.1, 2.11.0" in output
    assert "1 error ·" in output


def test_a_finding_of_the_only_target_does_not_name_it() -> None:
    output = text(only(finding(target="2.11.0"), targets=("2.11.0",), environments=()))
    assert "a-rule\n" in output


def test_the_source_line_is_shown_with_its_column() -> None:
    source = "import x\r\n\x0cif y:\r\n\tcall(a, b)\r\n"
    report = only(finding(column=7), sources={"dags/a.py": source})
    shown = text(report).split("\n")
    at = next(index for index, line in enumerate(shown) if "3 │" in line)
    assert shown[at].strip() == "3 │ call(a, b)"
    assert shown[at + 1][shown[at].index("a, b")] == "^"


def test_a_very_long_line_is_shown_around_its_column() -> None:
    source = "x = [" + "1, " * 5000 + "needle, " + "2, " * 5000 + "]"
    column = source.index("needle") + 1
    report = only(finding(line=1, column=column), sources={"dags/a.py": source})
    shown = text(report).split("\n")
    at = next(index for index, line in enumerate(shown) if "needle" in line)
    assert len(shown[at]) <= 80
    assert shown[at + 1].index("^") == shown[at].index("needle")


def test_a_line_of_a_configuration_file_is_not_quoted() -> None:
    """It may hold a secret: the check says what may be shown of it."""
    secret = only(
        finding(path="airflow.cfg", line=1, evidence="core.fernet_key"),
        sources={"airflow.cfg": "fernet_key = hunter2"},
    )
    for format_ in FORMATS.values():
        output = "\n".join(format_(secret, View()))
        assert "a-rule" in output
        assert "hunter2" not in output


def test_a_line_beyond_the_file_is_not_shown() -> None:
    assert "│" not in text(only(finding(line=99), sources={"dags/a.py": "x\n"}))


def test_the_same_in_many_places_is_said_once() -> None:
    """77 identical findings, each with evidence of its own, do not push the others away."""
    same = [
        finding(path=f"dags/f{number:02}.py", evidence=f"line {number}") for number in range(77)
    ]
    output = text(only(*same, finding(rule="other", message="something else")))
    assert output.count("it is broken") == 1
    assert "in 77 places" in output
    assert "something else" in output
    assert "and 65 more" in output
    assert "78 errors" in output


def test_a_few_places_are_shown_where_they_are() -> None:
    few = [finding(path=f"dags/f{number}.py") for number in range(REPEATED - 1)]
    output = text(only(*few))
    assert output.count("it is broken") == REPEATED - 1
    assert "places" not in output


def test_findings_that_differ_are_not_merged() -> None:
    for change in (
        {"message": "another"},
        {"severity": Severity.WARNING},
        {"side": "bridge"},
        {"fix": "do this"},
    ):
        many = [finding(line=line) for line in range(1, REPEATED)]
        assert "places" not in text(only(*many, finding(line=50, **change)))


def test_a_fix_is_said_once_for_findings_in_a_row() -> None:
    alike = [finding(message=f"finding {number}", fix="do this") for number in range(3)]
    output = text(only(*alike, finding(message="finding 3", fix="do that")))
    assert re.findall(r"finding \d|do th..", output) == [
        *("finding 0", "finding 1", "finding 2", "do this", "finding 3", "do that")
    ]


def test_many_findings_are_counted_by_rule() -> None:
    many = [finding(message=f"finding {number}", rule="often") for number in range(11)]
    output = text(only(*many, finding(rule="once", severity=Severity.WARNING)))
    overview = output.split("By rule\n")[1].split("\n")
    assert overview[0].split() == ["✗", "error", "11", "often"]
    assert overview[1].split() == ["!", "warning", "1", "once"]
    assert "By rule" not in text(only(*many[:10]))


def test_a_check_with_nothing_to_judge_says_so() -> None:
    report = replace(passes(), checks=(replace(passes().checks[0], judged=0),))
    assert "nothing to judge" in text(report)


def test_ignored_findings_are_counted_with_their_reason() -> None:
    output = text(only(finding(ignored="known; ticket 12"), finding(line=9)))
    assert "1 × a-rule – known; ticket 12" in output
    assert "1 error, 1 ignored" in output
    assert output.count("it is broken") == 1


def test_long_evidence_keeps_both_ends() -> None:
    evidence = "\n".join(f"frame {number}" for number in range(100))
    output = text(only(finding(evidence=evidence)))
    assert "frame 0\n" in output
    assert "frame 99\n" in output
    assert "frame 50\n" not in output
    assert "80 lines left out" in output


def test_reconstructed_constraints_are_called_so() -> None:
    assert "reconstructed constraints, not the official file" in text(passes(), width=120)


def test_what_could_not_be_judged_has_its_reason() -> None:
    output = text(unknown())
    assert "no Python 3.12 was found" in output.split("Not judged")[1]
    assert output.split("\n")[-1].startswith("? UNKNOWN")


@pytest.mark.parametrize(
    ("report", "command"),
    [
        (fails(), "mwaa-harness explain missing-variable"),
        (unknown(), "mwaa-harness doctor"),
        # The machine is well: what cannot be judged lies in the repository.
        (
            replace(unknown(), environments=passes().environments),
            "mwaa-harness explain parses-on-target",
        ),
        (passes(), "mwaa-harness migrate movie-list --target 2.11.0 --diff"),
        (replace(passes(), rewrites=()), "mwaa-harness check movie-list --format html"),
        (
            replace(passes(), repo="a b;c"),
            "mwaa-harness migrate 'a b;c' --target 2.11.0 --diff",
        ),
    ],
)
def test_the_next_step_is_named(report: Report, command: str) -> None:
    assert command in text(report, width=120)


def test_an_empty_report_can_be_written() -> None:
    empty = Report(schema="", version="", verdict=Verdict.UNKNOWN, repo="", bridge="", targets=())
    assert text(empty).split("\n")[-1] == "? UNKNOWN  nothing found · 0 files"


def test_a_large_report_stays_readable() -> None:
    assert len(text(large(files=1000, findings=300)).split("\n")) < 6 * 400
