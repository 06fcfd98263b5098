"""Jinja variables in strings, template files and callables: what is found, and what is not."""

from __future__ import annotations

import pytest
from jinja2 import Environment

from codemods import migrate_source
from codemods.repository.templates import VARIABLES, places, rewrite_template
from codemods.tables.target import Target

HEAD = "from airflow.operators.bash import BashOperator\n\n"


@pytest.fixture(scope="module")
def target(newest: dict[str, str]) -> Target:
    return Target(newest)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{{ END_DATE }}", "{{ ds }}"),
        ("{{end_date}}", "{{ds}}"),
        ("{{- latest_date -}}", "{{- ds -}}"),
        (
            "{% if execution_date.day == 1 %}x{% endif %}",
            "{% if logical_date.day == 1 %}x{% endif %}",
        ),
        (
            "{{ f(execution_date, end_date=execution_date) }}",
            "{{ f(logical_date, end_date=logical_date) }}",
        ),
        (
            "a\n  {%- if x -%}\n {{ END_DATE }}\n {%- endif %}",
            "a\n  {%- if x -%}\n {{ ds }}\n {%- endif %}",
        ),
        (
            "a \r\n{#- x -#} {{- END_DATE -}} \n{%- raw -%} b {%- endraw -%} c",
            "a \r\n{#- x -#} {{- ds -}} \n{%- raw -%} b {%- endraw -%} c",
        ),
        ("{{ execution_date }} {% raw %}{{{% endraw %}", "{{ ts }} {% raw %}{{{% endraw %}"),
        ("{{ execution_date }} {# x #}", "{{ ts }} {# x #}"),
        ("{{ f(end_date=end_date) }}", "{{ f(end_date=ds) }}"),
        ("{% set end_date = end_date %}", "{% set end_date = ds %}"),
        ("{{ tables.orders }}", "{{ params.tables.orders }}"),
        (
            "{{ yesterday_ds_nodash }}",
            "{{ (logical_date - macros.timedelta(days=1)) | ds_nodash }}",
        ),
        ("{{ yesterday_ds[:4] }}", "{{ macros.ds_add(ds, -1)[:4] }}"),
        ("{{ execution_date.format('%Y') }}", "{{ logical_date.strftime('%Y') }}"),
        ("a\r\n{{ END_DATE }}\r\n", "a\r\n{{ ds }}\r\n"),
        ("{{ macros.ds_add(latest_date, 7) }}", "{{ macros.ds_add(ds, 7) }}"),
        ("{{ execution_date }}", "{{ ts }}"),
        ("{{ execution_date | replace(':', '') }}", "{{ ts | replace(':', '') }}"),
        ("{{ execution_date | my_own }}", "{{ logical_date | my_own }}"),
        ("{{ 'at-' ~ execution_date }}", "{{ 'at-' ~ ts }}"),
        ("{{ dag.concurrency + 1 }}", "{{ dag.max_active_tasks + 1 }}"),
        ("{{ ti.previous_ti.start_date }}", "{{ ti.get_previous_ti().start_date }}"),
    ],
)
def test_a_variable_gets_the_name_of_its_value(before: str, after: str, target: Target) -> None:
    migration = rewrite_template(before, target)
    assert migration.text == after
    assert migration.edits
    assert rewrite_template(after, target).text is None


@pytest.mark.parametrize(
    "text",
    [
        "end_date and END_DATE",
        "{ end_date }",
        "{{ params.end_date }}",
        "{{ ti.execution_date }}",
        "{{ 'end_date' }}",
        "{# end_date #} {{ ds }}",
        "{% raw %}{{ end_date }}{% endraw %}",
        "{% set end_date = ds %}{{ end_date }}",
        "{% for end_date in x %}{{ end_date }}{% endfor %}",
        "{% macro f(end_date) %}{{ end_date }}{% endmacro %}",
        "{{ f(end_date=1) }}",
        "{{ end_date",
        "{{ logical_date.format('YYYY') }}",
        "{{ data_interval_end | ds }}",
        "{{ dag.fileloc }} {{ my.dag.concurrency }}",
        "{% set dag = x %}{{ dag.concurrency }}",
    ],
)
def test_other_names_stay(text: str, target: Target) -> None:
    assert rewrite_template(text, target) == rewrite_template("", target)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("{{ execution_date.day_of_week }}", "Write (execution_date.isoweekday() % 7)"),
        ("{{ next_execution_date }}", "Use `data_interval_end.isoformat()`"),
        ("{{ ti.log_filepath }}", "Use ti.log_url"),
        ("{{ conf.get('webserver', 'base_url') }}", "Take conf from airflow.configuration"),
        ("{{ ti.previous_execution_date_success }}", 'Use ti.get_previous_execution_date(state="'),
    ],
)
def test_what_a_person_must_see_to(text: str, fix: str, target: Target) -> None:
    notes = rewrite_template(text, target).notes
    assert any(note.fix.startswith(fix) for note in notes)


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_every_variable_is_told_in_every_place(name: str, target: Target) -> None:
    """Rewritten code has the place of the old one: it parses, and nothing is left to find."""
    for form in ("{{ %s }}", "{%% if %s %%}{%% endif %%}", "{{ %s[:4] }}", "{{ f(%s) ~ 'x' }}"):
        text = form % name
        assert [f.variable.name for f in places(text, target)] == [name]
        migration = rewrite_template(text, target, unsafe=True)
        if VARIABLES[name].new:
            assert migration.text is not None
            Environment(extensions=["jinja2.ext.do"]).parse(migration.text)  # noqa: S701
            assert places(migration.text, target) == []
        else:
            assert VARIABLES[name].earlier in migration.notes[0].fix


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("cmd = 'a {{ END_DATE }}'", "cmd = 'a {{ ds }}'"),
        ("cmd = f'{{{{ END_DATE }}}} {x} END_DATE'", "cmd = f'{{{{ ds }}}} {x} END_DATE'"),
        ("cmd = '{{{{ END_DATE }}}} {}'.format(x)", "cmd = '{{{{ ds }}}} {}'.format(x)"),
        ("cmd = '{{ END_DATE }} {}'.format(x)", None),
        ("cmd = '{{ END_DATE }} %s' % x", "cmd = '{{ ds }} %s' % x"),
        (
            "cmd = ['{{ END_DATE }}', {'k': '{{ END_DATE }}'}]",
            "cmd = ['{{ ds }}', {'k': '{{ ds }}'}]",
        ),
        ("cmd = '{{ f(\\'x\\', END_DATE) }}'", "cmd = '{{ f(\\'x\\', ds) }}'"),
        ('cmd = """\nselect {{ END_DATE }}\n"""', 'cmd = """\nselect {{ ds }}\n"""'),
        ("'''about {{ END_DATE }}'''", None),
        (
            "cmd = 'a {{ END_DATE }} ' f'{x} {{{{ END_DATE }}}} ' 'b {{ END_DATE }}'",
            "cmd = 'a {{ ds }} ' f'{x} {{{{ ds }}}} ' 'b {{ ds }}'",
        ),
        ("cmd = ('{{ END_DATE }}'  # why\n  f'{x}')", "cmd = ('{{ ds }}'  # why\n  f'{x}')"),
        (
            "cmd = '{{% if END_DATE %}}{}{{% endif %}}'.format(x)",
            "cmd = '{{% if ds %}}{}{{% endif %}}'.format(x)",
        ),
        (
            "cmd = f'{{%- if END_DATE %}}{x:{y}}}}{{%- endif %}}'",
            "cmd = f'{{%- if ds %}}{x:{y}}}}{{%- endif %}}'",
        ),
        ("cmd = f'{{% if {x} {{{{ END_DATE }}}}'", "cmd = f'{{% if {x} {{{{ ds }}}}'"),
        (
            "cmd = '{%% if END_DATE %%}%s{%% endif %%}' % x",
            "cmd = '{%% if ds %%}%s{%% endif %%}' % x",
        ),
        ("cmd = '{%% if END_DATE %%}%s{%% endif %%}'", None),
        (
            "cmd = f'{{{{ f(\\'{x}\\', {y}, END_DATE) }}}}'",
            "cmd = f'{{{{ f(\\'{x}\\', {y}, ds) }}}}'",
        ),
    ],
)
def test_strings_of_a_source(before: str, after: str | None, newest: dict[str, str]) -> None:
    new = migrate_source(f"{HEAD}{before}\n", pins=newest).text
    assert new == (None if after is None else f"{HEAD}{after}\n")


def test_warnings_count_from_where_they_begin(targets: dict[str, dict[str, str]]) -> None:
    old = Target(targets["2.0.2"])
    assert rewrite_template("{{ execution_date }}", old).text is None
    assert rewrite_template("{{ END_DATE }}", old).text == "{{ ds }}"
    pendulum2 = Target(targets["2.5.1"])
    assert rewrite_template("{{ execution_date }}", pendulum2).text == "{{ logical_date }}"


CALLABLE = (
    "from airflow.operators.python import PythonOperator\n\n\n{}\n\n\n"
    "PythonOperator(task_id='p', python_callable=run)\n"
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def run(**kw):\n    kw['END_DATE']", "def run(**kw):\n    kw['ds']"),
        (
            "def run(**kw):\n    kw.get('execution_date')",
            "def run(**kw):\n    kw.get('logical_date')",
        ),
        ("def run(END_DATE, **kw):\n    print(END_DATE)", "def run(ds, **kw):\n    print(ds)"),
        ("def run(END_DATE, ds):\n    print(END_DATE)", None),
        ("def other(END_DATE, **kw):\n    kw['END_DATE']", None),
        (
            "def other(**context):\n    context['END_DATE']",
            "def other(**context):\n    context['ds']",
        ),
    ],
)
def test_callables(before: str, after: str | None, newest: dict[str, str]) -> None:
    migration = migrate_source(CALLABLE.format(before), pins=newest)
    assert migration.text == (None if after is None else CALLABLE.format(after))


@pytest.mark.parametrize(
    ("macros", "stays"),
    [
        ("{'end_date': 1}", True),
        ("dict(end_date=1)", True),
        ("OWN", True),
        ("{**OTHER}", True),
        ("made()", True),
        ("{'f': {'end_date': 1}}", False),
        ("{'f': len}", False),
        ("{'f': len, 'ds': 1}", False),
    ],
)
def test_what_the_user_gives_counts_where_the_target_has_nothing(
    macros: str, stays: bool, newest: dict[str, str]
) -> None:
    """Airflow's own variables come before the user's, and params are not variables."""
    other = "{'end_date': 2}" if macros in ("{**OTHER}", "made()") else "{'x': 2}"
    text = (
        "from airflow import DAG\n\nOWN = {'end_date': 1, 'execution_date': 1}\n"
        f"dag = DAG('d', schedule=None, user_defined_macros={macros}, params=%s)\n"
        "cmd = '{{ end_date }} {{ execution_date }}'\n"
    ) % other
    text = text if macros == "OWN" else text.replace("OWN = {'end_date': 1, ", "OWN = {")
    new = migrate_source(text, pins=newest).text
    assert new == text.replace(
        "{{ end_date }} {{ execution_date }}",
        f"{{{{ {'end_date' if stays else 'ds'} }}}} {{{{ ts }}}}",
    )


def test_params_of_a_file_with_macros_are_no_variables(newest: dict[str, str]) -> None:
    text = (
        "from airflow import DAG\n\n"
        "dag = DAG('d', schedule=None, user_defined_macros={'f': len}, params={'end_date': 2})\n"
        "cmd = '{{ end_date }}'\n"
    )
    assert "'{{ ds }}'" in str(migrate_source(text, pins=newest).text)


def test_conf_warns_from_2_11_on(targets: dict[str, dict[str, str]]) -> None:
    older = Target(targets["2.10.3"])
    assert rewrite_template("{{ conf.get('core', 'x') }}", older).notes == ()
    assert rewrite_template("{{ dag_run.conf.x }}", Target(targets["2.11.0"])).notes == ()


@pytest.mark.parametrize(
    ("arguments", "taken", "new"),
    [
        (
            "op_args=[1, 2]",
            "table, execution_date",
            'op_kwargs={"table": 1, "execution_date": 2}',
        ),
        ("op_args=ARGS", "table, execution_date", "op_args=ARGS"),
        ("op_args=[1]", "table, execution_date", ""),
    ],
)
def test_what_is_given_by_place_is_no_context(
    arguments: str, taken: str, new: str, newest: dict[str, str]
) -> None:
    """A parameter that op_args fill, or may fill, keeps its name whatever else is rewritten."""
    text = (
        "from airflow.operators.python import PythonOperator\n\n\n"
        f"def load({taken}, **context):\n    print(execution_date)\n\n\n"
        f"PythonOperator(task_id='p', python_callable=load, {arguments})\n"
    )
    after = text.replace("execution_date", "logical_date") if not new else text
    done = migrate_source(text, pins=newest).text or text
    assert done == after.replace(arguments, new or arguments)
