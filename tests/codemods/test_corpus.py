"""What the measuring tool calls named: a finding on the line, or with a name that the error has."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.migrate import SCHEMA, Migration
from harness.model import Rewrite, RewriteNote
from tools.corpus import Row, Seen, files_of, judge, table


def _migration(message: str, *, line: int = 9, path: str = "dags/a.py") -> Migration:
    note = RewriteNote(rule="r", line=line, column=0, message=message, fix="Do it")
    entry = Rewrite(path=path, notes=(note,))
    return Migration(schema=SCHEMA, repo="one", target="2.11.0", rewrites=(entry,))


def _seen(error: str = "", *warnings: str) -> Seen:
    return Seen(error=error, file="/corpus/one/dags/a.py", line=3, warnings=warnings)


@pytest.mark.parametrize(
    ("migration", "seen", "outcome"),
    [
        (_migration("x"), _seen(), "without a warning"),
        (_migration("x"), _seen("KeyError: 'x'"), "failing, silent"),
        (_migration("x", line=3), _seen("KeyError: 'x'"), "failing, named"),
        (_migration("qds_sdk"), _seen("ImportError: no qds_sdk"), "failing, named"),
        (_migration("qds-sdk", path="requirements.txt"), _seen("qds_sdk"), "failing, named"),
        (_migration("qds_sdk", path="dags/b.py"), _seen("no qds_sdk"), "failing, silent"),
        (_migration("the airflow module"), _seen("no module airflow"), "failing, silent"),
        (_migration("SubDagOperator"), _seen("", "SubDagOperator warns"), "warning, named"),
        (_migration("x", line=3), _seen("", "SubDagOperator warns"), "warning, silent"),
    ],
)
def test_judge(migration: Migration, seen: Seen, outcome: str) -> None:
    assert judge("one/dags/a.py", migration, Path("/corpus/one"), seen).outcome == outcome


def test_files_and_table(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import airflow\n")
    (tmp_path / "b.py").write_text("import os\n")
    assert list(files_of(tmp_path)) == ["a.py"]
    rows = [Row(path="one/a.py", outcome="without a warning")]
    assert "| 2.11.0 | 1 | 1 (100.0%) | 0 (0.0%) |" in "\n".join(table({"2.11.0": rows}))
