"""What the rewrite leaves to a person, said once."""

from __future__ import annotations

from pairs import PATH, broken, dag, findings, judged, pair, rules, seen

from harness.model import Rewrite, RewriteNote, Severity, WarningObservation

CHECK = "rewrite-complete"
TEXT = "import airflow\nwork(execution_date)\n"


def note(line: int = 2) -> RewriteNote:
    return RewriteNote(rule="context", line=line, column=5, message="It is gone.", fix="Use x.")


def test_a_note_is_a_warning_at_its_own_place() -> None:
    about = pair(
        [seen(dag())],
        [seen(dag())],
        rewrites=(Rewrite(path=PATH, notes=(note(),)),),
        texts={PATH: TEXT},
    )
    (found,) = findings(CHECK, about)
    assert (found.rule, found.line, found.column, found.severity) == (
        "context",
        2,
        5,
        Severity.WARNING,
    )
    assert (found.message, found.fix) == ("It is gone.", "Use x.")
    assert "execution_date" in found.evidence
    assert judged(CHECK, about) == [PATH]


def test_a_note_where_airflow_warns_is_left_to_that_finding() -> None:
    warned = WarningObservation(
        category="DeprecationWarning", message="Gone soon.", path=PATH, line=3, airflow=True
    )
    # One line was put in above: line 3 of the copy is line 2 of the original.
    rewrite = Rewrite(path=PATH, notes=(note(), note(line=1)), lines=(0, 1, 1, 2))
    about = pair([seen(dag())], [seen(dag(), warnings=(warned,))], rewrites=(rewrite,))
    (found,) = findings(CHECK, about)
    assert found.line == 1


def test_a_file_the_codemods_cannot_read() -> None:
    unread = Rewrite(path="plugins/helper.py", error="line 7: invalid syntax")
    about = pair([seen(dag())], [seen(dag())], rewrites=(unread,))
    (found,) = findings(CHECK, about)
    assert (found.rule, found.path, found.line) == ("not-rewritten", "plugins/helper.py", 7)
    assert "invalid syntax" in found.message


def test_a_file_broken_on_the_bridge_is_not_named_twice() -> None:
    unread = Rewrite(path=PATH, error="line 7: invalid syntax")
    about = pair(
        [broken("SyntaxError", "invalid syntax")],
        [broken("SyntaxError", "invalid syntax")],
        rewrites=(unread,),
    )
    assert rules(CHECK, about) == []


def test_edits_alone_are_nothing_to_do() -> None:
    about = pair([seen(dag())], [seen(dag())], rewrites=(Rewrite(path=PATH, diff="…"),))
    assert rules(CHECK, about) == []
    assert judged(CHECK, about) == [PATH]
