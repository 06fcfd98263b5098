"""Rewriting a copy: what is touched, what is said about it, and where lines come from."""

import dataclasses
import io
import json
import os
import re
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.diffs import Matcher, file_diff, line_origins, unified_diff
from harness.errors import Interrupted, UsageError
from harness.files import write_atomically
from harness.migrate import lines
from harness.migrate import migrate as migrate_repository
from harness.model import Config, Constraints
from harness.needs.find import find_needs
from harness.repo import copy_tree, load
from harness.rewrite.repository import rewrite
from harness.rewrite.templates import named_files
from harness.rewrite.worker import Job, Settings, migrate, migrate_all
from harness.targets import get_target, lock_pins

TARGET = get_target("2.11.0")
CONSTRAINTS = Constraints(origin="reconstructed", location="lock", text="", pins=lock_pins(TARGET))
SETTINGS = Settings(
    pins={**CONSTRAINTS.pins, "apache-airflow": TARGET.airflow}, plugins={}, unsafe=False
)
OLD = b"from airflow.operators.bash_operator import BashOperator\n"


def copied(repo: Path, tmp_path: Path):
    config = Config()
    return copy_tree(load(repo, config=config), tmp_path / "copy"), config


def test_zip_members_are_rewritten_in_place(stories: Path, tmp_path: Path) -> None:
    copy, config = copied(stories / "zipped_dags" / "before", tmp_path)
    archive = copy.root / "dags" / "etl.zip"
    before = {info.filename: info for info in zipfile.ZipFile(archive).infolist()}

    rewritten = rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)

    with zipfile.ZipFile(archive) as packed:
        assert packed.testzip() is None
        assert [info.filename for info in packed.infolist()] == list(before)
        assert b"airflow.operators.python_operator" not in packed.read("etl.py")
        assert packed.getinfo("etl.py").external_attr == before["etl.py"].external_attr
    assert {entry.path for entry in rewritten.rewrites} == {"dags/etl.zip/etl.py"}


def test_importers_of_plugin_operators_follow_them(stories: Path, tmp_path: Path) -> None:
    copy, config = copied(stories / "plugin_operators" / "before", tmp_path)
    rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)
    text = (copy.root / "dags" / "publish.py").read_text()
    assert "from company_plugin import PublishOperator" in text
    assert "airflow.operators.company" not in text


def test_classes_that_configuration_names_move(stories: Path, tmp_path: Path) -> None:
    copy, config = copied(stories / "yaml_factory" / "before", tmp_path)
    (copy.root / "dags" / "pipelines.json").write_text(
        '{"a": "airflow.contrib.operators.ssh_operator.SSHOperator",'
        ' "b": "/opt/airflow.operators.bash_operator"}'
    )
    copy = load(copy.root, config=config)
    rewritten = rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)
    text = (copy.root / "dags" / "pipelines.yaml").read_text()
    assert text.count("operator: airflow.operators.bash.BashOperator\n") == 3
    assert json.loads((copy.root / "dags" / "pipelines.json").read_text()) == {
        "a": "airflow.providers.ssh.operators.ssh.SSHOperator",
        "b": "/opt/airflow.operators.bash_operator",
    }
    assert "apache-airflow-providers-ssh" in rewritten.needs


def test_variables_that_the_user_gives_to_templates_stay(stories: Path, tmp_path: Path) -> None:
    copy, config = copied(stories / "old_templates" / "before", tmp_path)
    sql = copy.root / "dags" / "sql" / "orders.sql"
    sql.write_text("select '{{ end_date }}', '{{ tables }}', '{{ latest_date }}'")
    with (copy.root / "dags" / "orders.py").open("a") as file:
        file.write("\nMACROS = dict(user_defined_macros={'end_date': 1})\n")
    (copy.root / "dags" / "own.py").write_text(
        "import jinja2  # airflow\n\njinja2.Template(SQL).render(tables=['a'])\n"
    )
    copy = load(copy.root, config=config)
    rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)
    assert sql.read_text() == "select '{{ end_date }}', '{{ tables }}', '{{ ds }}'"


def test_second_run_answers_from_the_cache_alike(stories: Path, tmp_path: Path) -> None:
    answers = []
    for name in ("first", "second"):
        copy, config = copied(stories / "movie_list" / "before", tmp_path / name)
        rewritten = rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)
        dag = (copy.root / "dags" / "movie_list_dag.py").read_text()
        answers.append((rewritten.rewrites, rewritten.needs, dag))
    assert answers[0] == answers[1]


def test_what_the_cache_answers_stands_in_its_place(tmp_path: Path) -> None:
    dags = tmp_path / "repo" / "dags"
    dags.mkdir(parents=True)
    texts = {"a.py": OLD + b"# airflow DAG\n", "b.py": OLD + b"# another DAG\n"}

    def paths(where: str) -> list[str]:
        copy, config = copied(tmp_path / "repo", tmp_path / where)
        done = rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)
        return [entry.path for entry in done.rewrites]

    (dags / "b.py").write_bytes(texts["b.py"])
    assert paths("first") == ["dags/b.py"]
    (dags / "a.py").write_bytes(texts["a.py"])
    assert paths("second") == ["dags/a.py", "dags/b.py"]


def test_files_without_airflow_and_broken_ones_stay_as_they_are(tmp_path: Path) -> None:
    dags = tmp_path / "repo" / "dags"
    dags.mkdir(parents=True)
    (dags / "dag.py").write_bytes(OLD + b"# dag\n")
    (dags / "plain.py").write_bytes(b"print('no flow of air')\r\n")
    (dags / "old.py").write_bytes(b"import airflow\nprint 'python 2'\n")
    (dags / "broken.zip").write_bytes(b"PK\x03\x04 not really")
    copy, config = copied(tmp_path / "repo", tmp_path)

    rewritten = rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)

    for name in ("plain.py", "old.py", "broken.zip"):
        assert (copy.root / "dags" / name).read_bytes() == (dags / name).read_bytes()
    errors = {entry.path: entry.error for entry in rewritten.rewrites if entry.error}
    assert set(errors) == {"dags/old.py"}
    assert "line 2" in errors["dags/old.py"]


def test_sources_that_no_parser_takes_have_an_error_each(tmp_path: Path) -> None:
    """What ends Python's own parser in other ways than with a SyntaxError."""
    broken = {
        "deep": b"x = " + b"-" * 60_000 + b"1\n",
        "long": b"x = 1" + b" + 1" * 60_000 + b"\n",
        "many-digits": b"x = " + b"1" * 5000 + b"\n",
        "nul": b"x = 1\0\n",
        "no-text": b"# coding: rot13\n",
        "no-errors": b"# coding: idna\n# \xff\n",
        "no-codec": b"# coding: none\n",
    }
    dags = tmp_path / "repo" / "dags"
    dags.mkdir(parents=True)
    for name, text in {"dag": b"", **broken}.items():
        (dags / f"{name}.py").write_bytes(text + OLD + b"# dag\n")
    copy, config = copied(tmp_path / "repo", tmp_path)
    assert find_needs(copy) == ()
    rewritten = rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)
    errors = {Path(entry.path).stem: entry.error for entry in rewritten.rewrites if entry.error}
    assert set(errors) == set(broken)
    assert not [error for error in errors.values() if "ended over" in error]


def test_workers_give_the_same_answers_as_this_process() -> None:
    jobs = [Job(path=f"dags/{n}.py", member="", data=OLD + b"# %d\n" % n) for n in range(40)] + [
        Job(path="dags/bad.py", member="", data=b"import airflow\n(")
    ]
    alone = {job.name: migrate(job, SETTINGS) for job in jobs}
    together = {job.name: answer for job, answer in migrate_all(jobs, SETTINGS, workers=2)}
    assert together == alone
    assert together["dags/bad.py"].error


def test_a_source_that_kills_the_codemods_costs_only_itself() -> None:
    # Nesting beyond what a C stack takes: the worker may die, the others must not notice.
    deep = b"import airflow\nx = " + b"-" * 200_000 + b"1\n"
    jobs = [Job(path="deep.py", member="", data=deep), Job(path="good.py", member="", data=OLD)]
    answers = {job.name: answer for job, answer in migrate_all(jobs, SETTINGS, workers=1)}
    assert answers["deep.py"].error
    assert answers["good.py"].data is not None


def test_a_fault_of_the_codemods_is_said_without_a_traceback(capfd) -> None:
    jobs = [Job(path=f"{n}.py", member="", data=OLD) for n in "ab"]
    broken = dataclasses.replace(SETTINGS, pins={})
    answers = [answer for _, answer in migrate_all(jobs, broken, workers=1)]
    assert [answer.error.partition(",")[0] for answer in answers] == [
        "line 1: the codemods failed over this file"
    ] * 2
    assert "KeyError" in answers[0].error
    assert capfd.readouterr().err == ""


TEXT = st.lists(st.sampled_from(["a", "b", "c", "d", ""]), max_size=12).map(
    lambda lines: "".join(f"{line}\n" for line in lines)
)


@given(before=TEXT, after=TEXT)
def test_every_new_line_has_an_origin_inside_the_old_text(before: str, after: str) -> None:
    origins = line_origins(before, after)
    assert len(origins) == after.count("\n") + 1
    assert all(1 <= line <= max(1, before.count("\n")) for line in origins[1:])
    assert list(origins) == sorted(origins)


@given(text=TEXT)
def test_an_unchanged_text_keeps_its_line_numbers(text: str) -> None:
    assert line_origins(text, text) == tuple(range(text.count("\n") + 1))
    assert unified_diff("a.py", text, text) == ""


LINES = st.lists(st.sampled_from([*"abcdefgh", "", "dag=dag,"]), max_size=30)


@given(before=LINES, after=LINES)
def test_what_is_matched_is_equal_and_in_order(before: list[str], after: list[str]) -> None:
    rebuilt: list[str] = []
    for tag, start, stop, first, last in Matcher(before, after).get_opcodes():
        rebuilt += before[start:stop] if tag == "equal" else after[first:last]
        assert (tag == "equal") == (before[start:stop] == after[first:last])
    assert rebuilt == after


def test_a_line_that_stands_thousands_of_times_costs_nothing() -> None:
    before = "".join(f"t = Old(\n    task_id='t{n}',\n    dag=dag,\n)\n" for n in range(5000))
    after = before.replace("Old", "New").replace(
        "    task_id='t3000'", "    # here\n    task_id='t3000'"
    )
    origins = line_origins(before, after)
    assert origins[12001:12005] == (12001, 12001, 12002, 12003)
    assert unified_diff("a.py", before, after).count("\n+") == 5001 + 1


def test_a_form_feed_ends_no_line() -> None:
    """Nor does anything else that ``str.splitlines`` takes for an end: Python and git do not."""
    assert line_origins("a\x0cb\u2028c\nd\n", "a\x0cb\u2028c\ne\n") == (0, 1, 2)


def test_origins_point_at_the_line_that_was_replaced() -> None:
    before = "import a\nimport b\nwork()\n"
    after = "import a\nimport c\nimport d\nwork()\n"
    assert line_origins(before, after) == (0, 1, 2, 2, 3)


@pytest.mark.parametrize("after", ["one\nzwei\nthree", "one\ntwo\nthree\n", "x", "a\x0cb\nc\n"])
@pytest.mark.parametrize("before", ["one\ntwo\nthree", "one\r\ntwo\r\n", "", "\x0c\n"])
def test_git_takes_the_diff(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "file.py"
    path.write_text(before, newline="")
    subprocess.run(
        ["git", "apply", "-"],
        input=unified_diff("file.py", before, after).encode(),
        check=True,
        cwd=tmp_path,
    )
    assert path.read_bytes() == after.encode()


@pytest.mark.parametrize("name", ["new\n+++ line.py", "tab\there.py", 'quo"te\\.py', "sp é.py"])
def test_git_takes_the_diff_whatever_the_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "dags").mkdir()
    for path in ("dags/changes", "dags/moves", "dags/goes"):
        (tmp_path / f"{path} {name}").write_text("one\n")
    diff = (
        unified_diff(f"dags/changes {name}", "one\n", "two\n")
        + file_diff(f"dags/moves {name}", f"dags/moved {name}", b"one\n", b"two\n")
        + file_diff(f"dags/goes {name}", "", b"one\n", b"")
        + file_diff("", f"dags/comes {name}", b"", b"two\n")
    )
    subprocess.run(["git", "apply", "-"], input=diff.encode(), check=True, cwd=tmp_path)
    there = {path.name: path.read_text() for path in (tmp_path / "dags").rglob("*")}
    assert there == {f"{kind} {name}": "two\n" for kind in ("changes", "moved", "comes")}


def test_new_requirements_are_written_where_there_were_none(tmp_path: Path) -> None:
    dags = tmp_path / "repo" / "dags"
    dags.mkdir(parents=True)
    (dags / "dag.py").write_text(
        "from airflow.contrib.operators.slack_webhook_operator import SlackWebhookOperator\n"
        "from airflow import DAG\n"
    )
    copy, config = copied(tmp_path / "repo", tmp_path)
    rewritten = rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)
    assert rewritten.repo.requirements == "requirements.txt"
    written = io.StringIO((copy.root / "requirements.txt").read_text())
    assert any(line.startswith("apache-airflow-providers-slack") for line in written)
    entry = next(e for e in rewritten.rewrites if e.path == "requirements.txt")
    assert "\nnew file mode 100644\n--- /dev/null\n+++ b/requirements.txt\n" in entry.diff


def test_requirements_that_the_file_includes_are_rewritten_with_it(tmp_path: Path) -> None:
    """As they are found on MWAA, without a constraint line of their own; what they ask for is not
    added once more."""
    dags = tmp_path / "repo" / "dags"
    dags.mkdir(parents=True)
    (dags / "dag.py").write_text(
        "from airflow import DAG\nfrom airflow.hooks.slack_hook import SlackHook\n"
        "from airflow.hooks.samba_hook import SambaHook\n"
    )
    (dags / "more.txt").write_bytes(b"# caf\xe9\r\napache-airflow[slack]==1.10.12\r\n")
    (tmp_path / "repo" / "local.txt").write_text("pandas==0.25\n")
    (tmp_path / "repo" / "requirements.txt").write_text(
        "-r /usr/local/airflow/dags/more.txt\n-c local.txt\n-r gone.txt\nsix\n"
    )
    copy, config = copied(tmp_path / "repo", tmp_path)
    rewritten = rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)
    more = (copy.root / "dags" / "more.txt").read_bytes()
    assert re.fullmatch(rb"# caf\xe9\r\napache-airflow-providers-slack==[\d.]+\r\n", more)
    requirements = (copy.root / "requirements.txt").read_text()
    assert "slack" not in requirements
    assert requirements.count("apache-airflow-providers-samba==") == 1
    assert (copy.root / "local.txt").read_text() == "pandas==0.25\n"
    changed = {e.path for e in rewritten.rewrites}
    assert changed == {"dags/dag.py", "dags/more.txt", "requirements.txt"}


@pytest.mark.parametrize("named", [True, False])
def test_a_constraint_line_of_an_included_file_is_enough(named: bool, tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    (repo / "dags").mkdir(parents=True)
    (repo / "dags" / "dag.py").write_text("from airflow import DAG\n")
    (repo / "dags" / "more.txt").write_text("-c own.txt\nsix\n" if named else "six\n")
    (repo / "dags" / "own.txt").write_text("six==1.15.0\n")
    (repo / "requirements.txt").write_text("-r /usr/local/airflow/dags/more.txt\n")
    copy, config = copied(repo, tmp_path)
    rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)
    after = (copy.root / "requirements.txt").read_text()
    assert after.endswith("-r /usr/local/airflow/dags/more.txt\n")
    assert ("--constraint" in after) is not named


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        # The image's own HTTP provider is replaced, and the rewrite goes by what replaces it.
        ("-c own.txt\napache-airflow-providers-http\n", "SimpleHttpOperator"),
        ("-c own.txt\napache-airflow-backport-providers-http\n", "SimpleHttpOperator"),
        ("-c own.txt\nsix\n", "HttpOperator"),
        ("apache-airflow-providers-http\n", "HttpOperator"),
    ],
)
def test_the_constraint_file_of_the_repository_decides(
    requirements: str, expected: str, tmp_path: Path
) -> None:
    repo = tmp_path / "repo"
    (repo / "dags").mkdir(parents=True)
    old = (
        "from airflow import DAG\nfrom airflow.operators.http_operator import SimpleHttpOperator\n"
    )
    (repo / "dags" / "dag.py").write_text(f"{old}SimpleHttpOperator(task_id='t')\n")
    (repo / "own.txt").write_text("apache-airflow-providers-http==4.4.1\nsix==1.15.0\n")
    (repo / "requirements.txt").write_text(requirements)
    copy, config = copied(repo, tmp_path)
    rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)
    after = (copy.root / "dags" / "dag.py").read_text()
    assert f"from airflow.providers.http.operators.http import {expected}\n" in after


def test_two_constraint_files_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    """pip takes both; what they have in common must agree."""
    repo = tmp_path / "repo"
    (repo / "dags").mkdir(parents=True)
    (repo / "dags" / "dag.py").write_text("from airflow import DAG\n")
    (repo / "own.txt").write_text("# ours\nsix==1.15.0\nrequests>=2\nour-lib==1\n")
    url = "https://raw.githubusercontent.com/apache/airflow/constraints-{}.txt"
    (repo / "requirements.txt").write_text(
        f'-c own.txt\n--constraint "{url.format("1.10.15/constraints-3.7")}"\nsix\n'
    )
    copy, config = copied(repo, tmp_path)
    constraints = replace(CONSTRAINTS, text="six==1.17.0\nrequests==2.32.3\n")
    done = rewrite(copy, target=TARGET, constraints=constraints, config=config)
    notes = [n for entry in done.rewrites if entry.path == "own.txt" for n in entry.notes]
    assert [(n.rule, n.line) for n in notes] == [("requirements-pin", 2)]
    assert "six==1.15.0: six is pinned to 1.17.0 by the reconst" in notes[0].message


def test_template_files_that_sources_name_are_rewritten(tmp_path: Path) -> None:
    """By path, or by extension alone where the name is made at run time; nothing else."""
    dags = tmp_path / "repo" / "dags"
    (dags / "sql").mkdir(parents=True)
    (dags / "dag.py").write_text(
        "from airflow import DAG\n"
        "from airflow.operators.postgres_operator import PostgresOperator\n"
        "name = f'sql/{x}_all.hql'\nPostgresOperator(task_id='t', sql='sql/day.sql')\n"
    )
    template = "-- END_DATE\r\nselect '{{ END_DATE }}', '{{ prev_ds }}'\r\n"
    for name in ("sql/day.sql", "sql/x_all.hql", "sql/other.sql", "notes.md"):
        (dags / name).write_text(template, newline="")
    copy, config = copied(tmp_path / "repo", tmp_path)

    rewritten = rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)

    new = template.replace("{{ END_DATE }}", "{{ ds }}")
    texts = {n: (copy.root / "dags" / n).read_bytes().decode() for n in ("sql/day.sql", "notes.md")}
    assert texts == {"sql/day.sql": new, "notes.md": template}
    entries = {entry.path: entry for entry in rewritten.rewrites}
    assert set(entries) == {"dags/dag.py", "dags/sql/day.sql", "dags/sql/x_all.hql"}
    assert "do_xcom_push=False" in (copy.root / "dags" / "dag.py").read_text()
    day = entries["dags/sql/day.sql"]
    assert [(e.rule, e.line) for e in day.edits] == [("template-variables", 2)]
    assert [(n.rule, n.line) for n in day.notes] == [("template-variables", 2)]


@pytest.mark.parametrize(
    ("source", "new"),
    [
        ("from airflow.operators.bash_operator import BashOperator\n", " | default"),
        ("from airflow.operators.bash import BashOperator\n", ""),
        ("from airflow.operators.bash_operator import BashOperator\ntemplate_undefined = 1\n", ""),
    ],
)
def test_what_a_template_of_1_10_may_lack_has_a_default(
    source: str, new: str, tmp_path: Path
) -> None:
    dags = tmp_path / "repo" / "dags"
    dags.mkdir(parents=True)
    (dags / "dag.py").write_text(f"from airflow import DAG\n{source}x = 'run.sh'\n")
    (dags / "run.sh").write_text("echo {{ dag_run.conf['day'] }}\n")
    copy, config = copied(tmp_path / "repo", tmp_path)
    rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)
    text = (copy.root / "dags" / "run.sh").read_text("utf-8")
    assert text == f"echo {{{{ dag_run.conf['day']{new} }}}}\n"


def test_an_ending_alone_names_all_such_files_and_data_is_none(tmp_path: Path) -> None:
    dags = tmp_path / "repo" / "dags"
    dags.mkdir(parents=True)
    (dags / "dag.py").write_text("from airflow import DAG\nname = table + '.hql'\n")
    (dags / "a.hql").write_text("{{ END_DATE }}")
    (dags / "b.sql").write_text("{{ END_DATE }}")
    (dags / "large.hql").write_text("{{ END_DATE }}" + " " * (1 << 20))
    copy, config = copied(tmp_path / "repo", tmp_path)
    rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)
    after = {n: (copy.root / "dags" / n).read_text()[:14] for n in ("a.hql", "b.sql", "large.hql")}
    assert after == {"a.hql": "{{ ds }}", "b.sql": "{{ END_DATE }}", "large.hql": "{{ END_DATE }}"}


def test_endings_of_own_operators_and_what_templates_include(tmp_path: Path) -> None:
    """What an operator of one's own loads is a template, whatever its ending, and so is a part that
    only another template names."""
    dags = tmp_path / "repo" / "dags"
    dags.mkdir(parents=True)
    (dags / "dag.py").write_text(
        "from airflow.models import DAG, BaseOperator\n"
        "class Mail(BaseOperator):\n    template_ext = ('.mail', '.x.template')\n"
        "Mail(task_id='t', body='a.mail', more='b.x.template')\n"
    )
    (dags / "a.mail").write_text("{% include 'part.inc.sql' %} {{ END_DATE }}")
    (dags / "b.x.template").write_text('{%- extends "base.tmpl" -%} {{ END_DATE }}')
    parts = ("part.inc.sql", "base.tmpl", "other.tmpl", "c.mailing")
    for name in parts:
        (dags / name).write_text("{{ END_DATE }}")
    copy, config = copied(tmp_path / "repo", tmp_path)

    rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)

    assert (copy.root / "dags" / "a.mail").read_text() == "{% include 'part.inc.sql' %} {{ ds }}"
    assert (copy.root / "dags" / "b.x.template").read_text().endswith("{{ ds }}")
    changed = [n for n in parts if (copy.root / "dags" / n).read_text() == "{{ ds }}"]
    assert changed == ["part.inc.sql", "base.tmpl"]


def test_commands_of_airflow_in_shell_scripts_are_rewritten(tmp_path: Path) -> None:
    dags = tmp_path / "repo" / "dags"
    dags.mkdir(parents=True)
    (dags / "dag.py").write_text(
        "from airflow import DAG\nfrom airflow.operators.bash_operator import BashOperator\n"
        "BashOperator(task_id='t', bash_command='run.sh ')\n"
    )
    (dags / "run.sh").write_text("airflow initdb\nairflow clear -c --end_date {{ END_DATE }} x\n")
    copy, config = copied(tmp_path / "repo", tmp_path)

    rewritten = rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)

    after = "airflow initdb\nairflow tasks clear -y --end-date {{ ds }} x\n"
    assert (copy.root / "dags" / "run.sh").read_text() == after
    entry = next(e for e in rewritten.rewrites if e.path == "dags/run.sh")
    assert {(e.rule, e.line) for e in entry.edits} == {
        ("command-line", 2),
        ("template-variables", 2),
    }
    assert [(n.rule, n.line) for n in entry.notes] == [("command-line", 1)]


ODD = [
    b"# coding: latin-1\nfrom airflow.operators.bash_operator import BashOperator  # caf\xe9\n",
    b"\xef\xbb\xbffrom airflow.operators.bash_operator import BashOperator\n",
    b"from airflow.operators.bash_operator import BashOperator\r\nx = 1\r\n",
    b"from airflow.operators.bash_operator import BashOperator\r\nx = 1\ny = 2\r\n",
    b"x = 1\n\x0c\nfrom airflow.operators.bash_operator import BashOperator",
    b"'''a\rb'''\nfrom airflow.operators.bash_operator import BashOperator\n",
]


@pytest.mark.parametrize("data", ODD, ids=["latin-1", "bom", "crlf", "mixed", "form-feed", "cr"])
def test_odd_bytes_survive_and_git_takes_their_diff(tmp_path: Path, data: bytes) -> None:
    """Whatever a file is made of, only the import changes; the printed diff does just that."""
    repo = tmp_path / "repo"
    (repo / "dags").mkdir(parents=True)
    (repo / "dags" / "dag.py").write_bytes(data + b"# DAG")
    (repo / "requirements.txt").write_bytes(b"# caf\xe9\r\nboto3\r\n")

    done = migrate_repository(repo, target="2.11.0", output=tmp_path / "out", offline=True)
    diff = b"".join(
        (line if isinstance(line, bytes) else line.encode()) + b"\n"
        for line in lines(done, "text", diff=True)
    )
    subprocess.run(["git", "apply", "-"], input=diff, cwd=repo, check=True)

    new = (tmp_path / "out" / "dags" / "dag.py").read_bytes()
    assert new == (data + b"# DAG").replace(b"bash_operator", b"bash")
    for name in ("dags/dag.py", "requirements.txt"):
        assert (repo / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    assert (repo / "requirements.txt").read_bytes().endswith(b"# caf\xe9\r\nboto3\r\n")
    (text,) = lines(done, "json", diff=False)
    (entry,) = (e for e in json.loads(text)["rewrites"] if e["path"] == "dags/dag.py")
    at = len(data[: data.index(b"airflow")].splitlines())
    assert [(edit["rule"], edit["line"]) for edit in entry["edits"]] == [("moved-import", at)]


def test_write_goes_on_after_a_file_that_fails(tmp_path: Path) -> None:
    """Links, modes and read-only files are kept; what cannot be written costs only itself."""
    repo = tmp_path / "repo"
    for name in ("dags/a.py", "dags/sub/b.py", "shared/c.py"):
        path = repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(OLD + b"# DAG\n")
    (repo / "dags" / "a.py").chmod(0o444)
    (repo / "dags" / "c.py").symlink_to("../shared/c.py")
    real, broken = write_atomically, repo / "dags" / "sub" / "b.py"

    def failing(path: Path, data: bytes) -> None:
        if path == broken.resolve():
            raise OSError(28, "No space left on device")
        real(path, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.migrate.write_atomically", failing)
        done = migrate_repository(repo, target="2.11.0", write=True, allow_dirty=True, offline=True)

    assert {w.path: w.error for w in done.written if w.error} == {
        "dags/sub/b.py": "No space left on device"
    }
    assert broken.read_bytes() == OLD + b"# DAG\n"
    assert (repo / "dags" / "a.py").stat().st_mode & 0o777 == 0o444
    assert (repo / "dags" / "c.py").is_symlink()
    for name in ("dags/a.py", "shared/c.py"):
        assert b"airflow.operators.bash import" in (repo / name).read_bytes()


GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "core.quotepath=off"]


def test_git_takes_the_diff_of_what_links_point_to(tmp_path: Path) -> None:
    """A link is no file to git: the diff is that of the file behind it, once; that of a file in an
    archive is a remark."""
    repo = tmp_path / "repo"
    (repo / "dags").mkdir(parents=True)
    (repo / "shared").mkdir()
    (repo / "shared" / "c.py").write_bytes(OLD + b"# DAG\n")
    (repo / "dags" / "one.py").symlink_to("../shared/c.py")
    (repo / "dags" / "more").symlink_to("../shared")
    with zipfile.ZipFile(repo / "dags" / "packed.zip", "w") as packed:
        packed.writestr("inside.py", OLD + b"# DAG\n")
    subprocess.run([*GIT, "init", "-q"], cwd=repo, check=True)
    done = migrate_repository(repo, target="2.11.0", offline=True)
    text = "".join(f"{diff!s}\n" for diff in lines(done, "text", diff=True))
    assert [row for row in text.split("\n") if row.startswith("+++ ")] == ["+++ b/shared/c.py"]
    assert "\n# +++ b/dags/packed.zip/inside.py\n" in text
    subprocess.run([*GIT, "apply"], cwd=repo, input=text.encode(), check=True)
    assert b"airflow.operators.bash import" in (repo / "shared" / "c.py").read_bytes()


def committed(repo: Path, *names: str, ignored: str = "") -> Path:
    """A git repository whose files import BashOperator."""
    for name in names:
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_bytes(OLD + b"# DAG\n")
    (repo / ".gitignore").write_text(ignored)
    for step in (["init", "-q"], ["add", "."], ["commit", "-qm", "before"]):
        subprocess.run([*GIT, *step], cwd=repo, check=True)
    return repo


def rewritten_in(repo: Path, name: str) -> bool:
    return b"bash_operator" not in (repo / name).read_bytes()


def test_write_changes_only_what_git_can_bring_back(tmp_path: Path) -> None:
    """A linked worktree, a submodule, a folder below the root, odd names: fine. Ignored files,
    whose loss git would not see: refused."""
    names = ("air flow/dags/größe é.py", "air flow/dags/b.py")
    whole = committed(tmp_path / "whole", *names)
    subprocess.run([*GIT, "worktree", "add", "-q", "../linked"], cwd=whole, check=True)
    allowed = ["-c", "protocol.file.allow=always"]
    above = committed(tmp_path / "above", "x.py")
    subprocess.run([*GIT, *allowed, "submodule", "add", "-q", "../whole"], cwd=above, check=True)
    subprocess.run([*GIT, "commit", "-qm", "with"], cwd=above, check=True)
    (whole / "elsewhere").write_text("not committed")
    for repo in (whole, tmp_path / "linked", above / "whole"):
        migrate_repository(repo / "air flow", target="2.11.0", write=True, offline=True)
        assert all(rewritten_in(repo, name) for name in names)
    with pytest.raises(UsageError, match="changes that are not committed"):
        migrate_repository(whole / "air flow", target="2.11.0", write=True, offline=True)

    repo = committed(tmp_path / "repo", "dags/a.py", "dags/b.py", ignored="dags/b.py")
    with pytest.raises(UsageError, match=r"git does not hold .*: dags/b\.py"):
        migrate_repository(repo, target="2.11.0", write=True, offline=True)
    assert not rewritten_in(repo, "dags/a.py")
    migrate_repository(repo, target="2.11.0", write=True, allow_dirty=True, offline=True)
    assert rewritten_in(repo, "dags/b.py")


def test_git_runs_no_command_that_the_folder_configures(tmp_path: Path) -> None:
    """A folder out of a pull request may be laid out like a git repository."""
    inner = committed(tmp_path / "outer", "dags/a.py") / "inner"
    subprocess.run(["git", "init", "-q", "--bare", inner], check=True)
    (inner / "dags").mkdir()
    (inner / "dags/a.py").write_bytes(OLD)
    for key, value in {
        "bare": "false",
        "worktree": inner,
        "fsmonitor": f"touch {tmp_path / 'ran'}; false",
    }.items():
        subprocess.run(["git", "config", "-f", inner / "config", f"core.{key}", value], check=True)
    with pytest.raises(UsageError, match="Without git"):
        migrate_repository(inner, target="2.11.0", write=True, offline=True)
    assert not (tmp_path / "ran").exists()
    assert not rewritten_in(inner, "dags/a.py")


def test_without_git_write_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "repo" / "dags").mkdir(parents=True)
    (tmp_path / "repo" / "dags" / "a.py").write_bytes(OLD + b"# DAG\n")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for path, said in ((os.environ["PATH"], "not a git repository"), ("/nowhere", "could not be")):
        monkeypatch.setenv("PATH", path)
        with pytest.raises(UsageError, match=said):
            migrate_repository(tmp_path / "repo", target="2.11.0", write=True, offline=True)


def test_output_is_a_new_folder_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo, out = committed(tmp_path / "repo", "dags/a.py"), tmp_path / "out"
    for full in (repo, repo / "dags" / "a.py"):
        with pytest.raises(UsageError, match="not an empty folder"):
            migrate_repository(repo, target="2.11.0", output=full, offline=True)

    def full_disk(tree: Path, place: Path, **_: object) -> None:
        (place / "dags").mkdir(parents=True)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copytree", full_disk)
    with pytest.raises(OSError, match="No space left"):
        migrate_repository(repo, target="2.11.0", output=out, offline=True)
    assert not out.exists()


def test_an_interrupted_write_leaves_whole_files_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = committed(tmp_path / "repo", "dags/a.py", "dags/b.py", "dags/c.py")

    def stopped(path: Path, data: bytes) -> None:
        if path.name == "b.py":
            raise KeyboardInterrupt
        write_atomically(path, data)

    monkeypatch.setattr("harness.migrate.write_atomically", stopped)
    with pytest.raises(Interrupted, match="1 files are rewritten") as caught:
        migrate_repository(repo, target="2.11.0", write=True, offline=True)
    assert caught.value.exit_code == 130
    assert [rewritten_in(repo, f"dags/{n}.py") for n in "abc"] == [True, False, False]


def test_class_paths_in_configuration_are_rewritten(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    old, new = "airflow.operators.bash_operator.BashOperator", "airflow.operators.bash.BashOperator"
    files = {
        "dags/factory.yaml": "tasks:\r\n  - operator: {}\r\n",
        "config/dags.json": '{{"operator": "{}"}}',
        "airflow.cfg": "[x]\n# {}\nclass = {}\n",
        "startup.sh": "export AIRFLOW__X__Y={}\n",
        ".env.prod": "X='{}'\n",
        "README.md": "see {}\n",
    }
    for name, text in files.items():
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_bytes(text.format(old, old).encode())
    (repo / "dags" / "dag.py").write_text("from airflow import DAG\n")
    done = migrate_repository(repo, target="2.11.0", output=tmp_path / "out", offline=True)
    wanted = {name: text.format(new, new) for name, text in files.items()}
    wanted["airflow.cfg"] = f"[x]\n# {old}\nclass = {new}\n"
    wanted["README.md"] = files["README.md"].format(old)
    assert {n: (tmp_path / "out" / n).read_bytes().decode() for n in files} == wanted
    subprocess.run(
        ["git", "apply", "-"],
        input=b"".join(
            (x if isinstance(x, bytes) else x.encode()) + b"\n"
            for x in lines(done, "text", diff=True)
        ),
        cwd=repo,
        check=True,
    )
    assert {n: (repo / n).read_bytes().decode() for n in files} == wanted


def test_names_that_files_import_from_each_other_stay_bound() -> None:
    """A class that a shared module renames would be missing where it is imported from there."""
    from harness.rewrite.own import shared_names

    texts = [
        b"from common import DummyOperator, dag  # AirflowHook\n",
        b"from .base import (\n    MyHook,\n    x,\n)\n",
        b"from airflow.operators.bash_operator import BashOperator\n",
        b"from helpers import *\n\nPythonSensor()\n",
    ]
    assert shared_names(texts) == ("DummyOperator", "MyHook", "PythonSensor")


def test_what_other_files_hand_to_an_own_operator_is_known(tmp_path: Path) -> None:
    """``provide_context`` reaches BaseOperator by the ``**kwargs`` of a class in another file, and
    ``xcom_push`` by a dict of one."""
    repo = tmp_path / "repo"
    for name, text in {
        "plugins/ops/base.py": "from airflow.operators.python_operator import PythonOperator\n\n\n"
        "class Base(PythonOperator):\n    pass\n",
        "plugins/ops/mine.py": "from ops.base import Base\n\n\nclass Mine(Base):\n    pass\n",
        "dags/a.py": "from airflow import DAG\nfrom ops.mine import Mine\n\n"
        "with DAG('d', schedule=None):\n    Mine(task_id='t', provide_context=True)\n",
        "dags/lib/common.py": "BASH = dict(bash_command='true', xcom_push=True)\n",
        "dags/b.py": "from airflow.operators.bash import BashOperator\n"
        "from lib.common import BASH\n\nBashOperator(task_id='t', **BASH)\n",
    }.items():
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(text, "utf-8")
    copy, config = copied(repo, tmp_path)
    done = rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)
    (told,) = [note for entry in done.rewrites for note in entry.notes]
    assert "In dags/lib/common: xcom_push: do_xcom_push" in told.fix
    assert "Mine(task_id='t')" in (copy.root / "dags/a.py").read_text("utf-8")


def test_tests_and_scripts_move_too_and_ask_nothing_of_the_image(tmp_path: Path) -> None:
    """A repository's tests name what its DAGs import; a file that none of them runs needs no
    provider, and a name that a test takes from a DAG file stays bound there."""
    repo = tmp_path / "repo"
    for name, text in {
        "dags/daily.py": (
            "from airflow import DAG\n"
            "from airflow.operators.bash_operator import BashOperator\n"
            "from airflow.operators.dummy_operator import DummyOperator\n"
            "DAG('daily', schedule_interval=None)\n"
            "BashOperator(task_id='t', bash_command='true')\n"
        ),
        "tests/test_daily.py": (
            "from unittest import mock\n"
            "from daily import DummyOperator\n"
            "from airflow.contrib.operators.ssh_operator import SSHOperator\n"
            "@mock.patch('airflow.operators.bash_operator.BashOperator.execute')\n"
            "def test_it(_): SSHOperator, DummyOperator\n"
        ),
    }.items():
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(text)
    out = tmp_path / "out"

    done = migrate_repository(repo, target="2.11.0", output=out, offline=True)

    test = (out / "tests" / "test_daily.py").read_text()
    assert "from airflow.providers.ssh.operators.ssh import SSHOperator" in test
    assert "mock.patch('airflow.operators.bash.BashOperator.execute')" in test
    assert "DummyOperator" in (out / "dags" / "daily.py").read_text()
    assert "apache-airflow-providers-ssh" not in str(done.rewrites)
    copy, config = copied(repo, tmp_path)
    rewritten = rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)
    assert {entry.path for entry in rewritten.rewrites} == {"dags/daily.py"}


def test_all_folders_of_dags_are_migrated_where_there_are_several(tmp_path: Path) -> None:
    for team in ("a", "b"):
        (tmp_path / "repo" / team / "dags").mkdir(parents=True)
        dag = f"from airflow import DAG\n\nDAG('{team}', schedule_interval=None)\n"
        (tmp_path / "repo" / team / "dags/d.py").write_text(dag)
    done = migrate_repository(tmp_path / "repo", target="2.11.0", offline=True)
    assert [e.path for e in done.rewrites if e.edits] == ["a/dags/d.py", "b/dags/d.py"]


def test_a_repository_of_operators_alone_is_migrated(tmp_path: Path) -> None:
    (tmp_path / "repo/plugins").mkdir(parents=True)
    source = "from airflow.hooks.base_hook import BaseHook\n\n\nclass Mine(BaseHook):\n    pass\n"
    (tmp_path / "repo/plugins/mine.py").write_text(source)
    done = migrate_repository(tmp_path / "repo", target="2.11.0", offline=True)
    assert [e.path for e in done.rewrites if e.edits] == ["plugins/mine.py"]
    (tmp_path / "repo/plugins/mine.py").write_text("import os\n")
    with pytest.raises(UsageError, match="no DAG file in it"):
        migrate_repository(tmp_path / "repo", target="2.11.0", offline=True)


def test_what_dags_import_from_beside_them_is_looked_at_for_modules(tmp_path: Path) -> None:
    files = {
        "dags/d.py": "from airflow import DAG\nfrom jobs.spark import run\n",
        "jobs/__init__.py": "",
        "jobs/spark.py": "import fastjobs\nfrom jobs.more import x\n",
        "jobs/more.py": "import slowjobs, kubernetes\n",
        "jobs/alone.py": "import lostjobs, pymongo\n",
        "scripts/spark.py": "import lostjobs\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = migrate_repository(tmp_path, target="2.11.0")
    said = {(e.path, n.message.partition(" ")[0]) for e in done.rewrites for n in e.notes}
    assert said == {("jobs/spark.py", "fastjobs"), ("jobs/more.py", "slowjobs")}
    (required,) = (e for e in done.rewrites if e.path == "requirements.txt")
    assert "kubernetes==" in (required.diff or "")
    assert "pymongo" not in (required.diff or "")


def test_a_long_line_of_data_is_looked_through_at_once() -> None:
    """Whose pattern tried each letter as the first of a file's name, it took hours."""
    data = b"x = '" + b"a" * 500_000 + b"'\ny = 'sql/{}_load.sql', 'b.SQL.gz'.c, '.sql' % 1.5"
    assert named_files(data) == {"sql/{}_load.sql", "b.SQL.gz", ".sql"}


def test_what_other_files_give_to_airflow_is_known(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    files = {
        "dags/lib/__init__.py": "",
        "dags/lib/tell.py": "def page(event):\n    print(event['execution_date'])\n",
        "dags/lib/work.py": "def load(table, ds):\n    print(table, ds)\n",
        **dict.fromkeys(
            ("dags/a.py", "dags/b.py"),
            "from airflow import DAG\n"
            "from airflow.operators.python_operator import PythonOperator\n"
            "from lib.tell import page\nfrom lib import work\n\n"
            "PythonOperator(task_id='a', on_failure_callback=page, python_callable=work.load,\n"
            "               op_args=['t', 'd'])\n",
        ),
    }
    for name, text in files.items():
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(text, "utf-8")
    copy, config = copied(repo, tmp_path)
    done = rewrite(copy, target=TARGET, constraints=CONSTRAINTS, config=config)
    told = {entry.path: entry for entry in done.rewrites}
    assert [note.line for note in told["dags/lib/tell.py"].notes] == [2]
    assert "op_kwargs={\"table\": 't', \"ds\": 'd'}" in (copy.root / "dags/b.py").read_text("utf-8")
