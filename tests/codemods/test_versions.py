"""Branches that no Airflow 2 takes are neither changed nor told of."""

from __future__ import annotations

import pytest

from codemods.migrate import migrate_source

HEAD = """\
import airflow
from airflow import __version__, version
from airflow.version import version as number
from distutils.version import LooseVersion
from packaging.version import Version, parse

V2 = __version__.startswith("2")
PARTS = [int(part) for part in number.split(".")]

"""
OLD = "from airflow.operators.bash_operator import BashOperator"


def said(text: str, pins: dict[str, str]) -> tuple[str, list[str]]:
    done = migrate_source(text, pins=pins)
    rules = [edit.rule for edit in done.edits] + [note.rule for note in done.notes]
    return done.text or text, [rule for rule in rules if rule != "python-names"]


@pytest.mark.parametrize(
    "test",
    [
        "airflow.__version__ < '2'",
        "not V2",
        "not (V2 and True)",
        "False or not V2",
        "LooseVersion(__version__) < LooseVersion('2.0')",
        "LooseVersion(__version__) < '2.0'",
        "parse(number) < parse('2.0.0')",
        "Version(Version(number).base_version) < Version('2')",
        "Version(version.version).major == 1",
        "int(number.split('.')[0]) < 2",
        "number[0] == '1'",
        "tuple(map(int, number.split('.')[:2])) < (2, 0)",
        "PARTS[0] == 1",
        "tuple(int(part) for part in number.split('.')) < (2,)",
        "'1.10' < number < '2'",
        "number in ('1.10.12', '1.10.15')",
    ],
)
def test_what_airflow_2_does_not_run_stays(test: str, newest: dict[str, str]) -> None:
    text = f"{HEAD}if {test}:\n    {OLD}\n    from airflow.contrib.gone import Lost\n"
    assert said(text, newest) == (text, [])
    other = f"{HEAD}if not ({test}):\n    pass\nelse:\n    {OLD}\n"
    assert said(other, newest) == (other, [])


@pytest.mark.parametrize(
    "test",
    [
        "number >= '2'",
        "Version(number) >= Version('2.4')",
        "Version(other) < Version('2')",
        "unknown(number) < 2",
        "number.split('.')[7] == '1'",
        "Version('x' + number) < Version('2')",
        "Version('no version') > Version(number)",
        "__version__ is None",
        "-PARTS[0] < 0",
        "LOOP",
        "number.join([])",
        "[part for part in number] == []",
        "parse(*number)",
        "Version(number).local is None",
        "list(map(other, number)) == []",
    ],
)
def test_a_branch_that_some_target_may_run_is_rewritten(test: str, newest: dict[str, str]) -> None:
    text = f"{HEAD}LOOP = LOOP2 = [LOOP2]\nif {test}:\n    {OLD}\nelse:\n    pass\n"
    assert said(text, newest)[1] == ["moved-import"]


def test_a_value_that_the_version_decides_is_that_of_the_target(newest: dict[str, str]) -> None:
    text = f"{HEAD}from airflow.operators.python import PythonOperator\n"
    text += "MORE = {} if V2 else {'provide_context': True}\n"
    text += "PythonOperator(task_id='a', python_callable=f, **MORE)\n"
    assert said(text, newest) == (text, [])
