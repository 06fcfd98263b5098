"""Dotted paths where no import statement stands: strings of code, and files of configuration."""

from __future__ import annotations

import pytest

from codemods import migrate_configuration, migrate_source

BASH = "airflow.operators.bash_operator.BashOperator"
PLEXUS = "airflow.providers.plexus.hooks.plexus.PlexusHook"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"operator: {BASH}", "operator: airflow.operators.bash.BashOperator"),
        (f'  - {{"class": "{BASH}"}}', '  - {"class": "airflow.operators.bash.BashOperator"}'),
        (f"export X={BASH}\r", "export X=airflow.operators.bash.BashOperator\r"),
        (f"x = '{BASH}.ui_color', '{BASH}'", None),
        (f"{BASH}: [{BASH}]", None),
        (
            "hook = airflow.contrib.hooks.ssh_hook:SSHHook",
            "hook = airflow.providers.ssh.hooks.ssh:SSHHook",
        ),
        (
            "c: airflow.operators.dummy_operator:DummyOperator",
            "c: airflow.operators.empty:EmptyOperator",
        ),
        ("module: airflow.operators.python_operator", "module: airflow.operators.python"),
        ("t: airflow.operators.ours.Mine", "t: operators.ours.Mine"),
    ],
)
def test_a_path_in_configuration_follows(
    before: str, after: str | None, newest: dict[str, str]
) -> None:
    done = migrate_configuration(
        before, pins=newest, plugins={"airflow.operators.ours.Mine": "operators.ours.Mine"}
    )
    after = before.replace(BASH, "airflow.operators.bash.BashOperator") if after is None else after
    assert (done.text, done.notes) == (after, ())
    assert {e.rule for e in done.edits} == {"moved-import"}
    assert migrate_configuration(after, pins=newest).text is None


@pytest.mark.parametrize(
    "text",
    [
        f"# {BASH}",
        f"; {BASH}",
        f"// {BASH}",
        "url: https://example.com/airflow.operators.bash_operator.BashOperator",
        f"my{BASH}",
        f"{BASH}-x",
        "logger: airflow.task",
        "operator: airflow.operators.bash.BashOperator",
        "file: airflow.operators.bash_operator.py/x",
    ],
)
def test_what_is_no_path_or_right_stays(text: str, newest: dict[str, str]) -> None:
    done = migrate_configuration(text, pins=newest)
    assert (done.text, done.edits, done.notes) == (None, (), ())


def test_a_path_without_a_home_is_reported(newest: dict[str, str]) -> None:
    path, advice = PLEXUS, "apache-airflow-providers-plexus"
    for done in (
        migrate_configuration(f"a: 1\nb: {path}\n", pins=newest),
        migrate_source(f"\nkind = '{path}'\n", pins=newest),
    ):
        (note,) = done.notes
        assert (done.text, note.rule, note.line) == (None, "removed-import", 2)
        assert note.message.startswith(path)
        assert advice in note.fix


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "import_module('airflow.contrib.operators.ssh_operator').SSHOperator",
            "import_module('airflow.providers.ssh.operators.ssh').SSHOperator",
        ),
        (
            "p = 'airflow.operators' '.bash_operator.BashOperator'",
            "p = 'airflow.operators.bash.BashOperator'",
        ),
        (
            'p = r"airflow.operators.bash_operator.BashOperator"',
            'p = r"airflow.operators.bash.BashOperator"',
        ),
    ],
)
def test_a_path_in_a_string_follows(before: str, after: str, newest: dict[str, str]) -> None:
    assert migrate_source(before, pins=newest).text == after


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "m = import_module('airflow.operators.dummy_operator')\nm.DummyOperator(task_id='a')",
            "EmptyOperator instead of DummyOperator",
        ),
        (
            "getattr(import_module('airflow.operators.dummy_operator'), 'DummyOperator')",
            "EmptyOperator instead of DummyOperator",
        ),
        ("import_module(f'airflow.operators.bash_operator.{name}')", "Make it lead"),
        ("import_module('airflow.operators.' + name)", "Make it lead"),
        ("mock.patch('airflow.contrib.hooks.%s' % name)", "Make it lead"),
    ],
)
def test_a_string_that_cannot_follow_is_reported(
    text: str, said: str, newest: dict[str, str]
) -> None:
    done = migrate_source(text, pins=newest)
    (note,) = done.notes
    assert done.text is None
    assert said in note.fix


def test_another_class_in_its_place_is_said(newest: dict[str, str]) -> None:
    path = "airflow.operators.postgres_operator.PostgresOperator"
    (note,) = migrate_source(f"kind = '{path}'\n", pins=newest).notes
    assert "SQLExecuteQueryOperator, which takes other arguments" in note.fix
    done = migrate_configuration(f"kind: {path}\n", pins=newest)
    assert done.text == "kind: airflow.providers.common.sql.operators.sql.SQLExecuteQueryOperator\n"
    assert "does not take" in done.notes[0].message
    assert done.needs == ("apache-airflow-providers-common-sql",)
