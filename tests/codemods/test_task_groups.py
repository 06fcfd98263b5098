"""The tasks of a sub-DAG are what they were when they are a task group's: seen by loading both."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from subdag_repositories import MAKERS, PLAIN, REPOSITORIES

from codemods.migrate import migrate_source
from codemods.repository.own_classes import own_classes
from codemods.subdags.own import own_subdags
from harness.runtimes.environments import init_command
from harness.targets import get_target

RUN = """
import json, sys, warnings
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as said:
    from airflow.models import DagBag
    bag = DagBag(sys.argv[1], include_examples=False)
assert not bag.import_errors, bag.import_errors
heard = [str(w.message) for w in said if "Airflow" in w.category.__name__]
TOLD = ("owner", "email", "email_on_failure", "email_on_retry")
KEPT = ("retries", "pool", "trigger_rule", "queue", "depends_on_past", "bash_command")
KEPT += ("priority_weight", "wait_for_downstream", "execution_timeout", "sla")


def inner(task):
    return getattr(task, "subdag", None) if task.task_type == "SubDagOperator" else None


def edges(dag, prefix=""):
    ends = {}
    for task in dag.tasks:
        sub = inner(task)
        if sub is None:
            one = prefix + task.task_id
            ends[task.task_id] = ([one], [one])
        else:
            name = prefix + task.task_id + "."
            first = [name + t.task_id for t in sub.tasks if not t.upstream_task_ids]
            last = [name + t.task_id for t in sub.tasks if not t.downstream_task_ids]
            ends[task.task_id] = (first, last)
            for edge in edges(sub, name):
                yield edge
    for task in dag.tasks:
        for below in task.downstream_task_ids:
            for a in ends[task.task_id][1]:
                for b in ends[below][0]:
                    yield (a, b)


def tasks(dag, prefix="", around=None):
    for task in dag.tasks:
        sub = inner(task)
        if sub is not None:
            for pair in tasks(sub, prefix + task.task_id + ".", task):
                yield pair
            continue
        found = {name: getattr(task, name, None) for name in KEPT}
        found.update({name: getattr(task, name) for name in TOLD})
        if around is not None:
            # What told of the operator tells of the tasks that stand for it.
            told = {name: getattr(around, name) for name in TOLD}
            if found["email"] is None:
                found.update({n: told[n] for n in TOLD if n != "owner"})
            if found["owner"] == "airflow":
                found["owner"] = told["owner"]
        found["type"] = task.task_type.replace("Dummy", "Empty")
        found["start"] = task.start_date.isoformat()
        found["delay"] = str(task.retry_delay) if task.retries else ""
        yield prefix + task.task_id, found


seen = {}
for name, dag in sorted(bag.dags.items()):
    if getattr(dag, "is_subdag", False):
        continue
    seen[name] = {"edges": sorted(set(edges(dag))), "tasks": dict(tasks(dag))}
print("\\n" + json.dumps([seen, heard], default=str))
"""


def migrated(files: Mapping[str, str], pins: Mapping[str, str]) -> dict[str, str]:
    """The files after, as the whole repository."""
    rows = own_subdags(files)
    own = own_classes(files, ["copying", "counting"])
    done = {
        path: migrate_source(text, pins=pins, path=path, unsafe=True, subdags=rows, own=own)
        for path, text in files.items()
    }
    assert [d.notes for d in done.values() if d.notes or d.error] == []
    return {path: done[path].text or text for path, text in files.items()}


def seen(version: str, python: Path, files: Mapping[str, str], folder: Path) -> Any:
    """The DAGs by id, and what Airflow warned of."""
    for path, text in files.items():
        (folder / "dags" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "dags" / path).write_text(text)
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(folder / "dags"),
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "LC_ALL": "C.UTF-8",
    }
    initialise = [python, python.parent / "airflow", *init_command(get_target(version))]
    subprocess.run(initialise, env=env, capture_output=True, check=True)
    answer = subprocess.run(
        [python, "-c", RUN, folder / "dags"], env=env, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.5.1", "2.10.3", "2.11.0"])
@pytest.mark.parametrize("name", REPOSITORIES)
def test_the_tasks_are_what_they_were(
    name: str,
    version: str,
    targets: dict[str, dict[str, str]],
    tmp_path: Path,
    airflow_python: Callable[[str], Path],
) -> None:
    files = REPOSITORIES[name]
    before, _ = seen("1.10.15", airflow_python("1.10.15"), files, tmp_path / "before")
    now = migrated(files, targets[version])
    after, heard = seen(version, airflow_python(version), now, tmp_path / "after")
    assert after == before
    assert heard == []


@pytest.mark.parametrize("name", REPOSITORIES)
def test_all_files_change_together_and_once(name: str, newest: dict[str, str]) -> None:
    now = migrated(REPOSITORIES[name], newest)
    assert not any("SubDagOperator" in text for text in now.values())
    assert migrated(now, newest) == now
    rows = own_subdags(REPOSITORIES[name])
    for path, text in REPOSITORIES[name].items():
        told = migrate_source(text, pins=newest, path=path, subdags=rows).notes
        assert len([n for n in told if n.rule == "subdag"]) == text.count("SubDagOperator(")
        assert all("apply it with --unsafe" in n.fix for n in told)


def test_the_statements_stay_as_they_are_written(newest: dict[str, str]) -> None:
    new = migrate_source(PLAIN, pins=newest, path="plain.py", unsafe=True).text
    assert new is not None
    assert 'default_args={"retries": 0}' in new
    assert 'bash_command="""\necho first \\\n    {{ ds }}\n        """' in new
    assert 'f"""\n    echo {word}\n"""' in new
    assert 'word="""two\nlines"""' in new
    for comment in ("# what a table needs", "# as 1.10 wants it", "# the first of two", "# that"):
        assert comment in new


HEAD = """\
from datetime import datetime

from airflow import DAG
from airflow.operators.bash_operator import BashOperator
from airflow.operators.python_operator import BranchPythonOperator
from airflow.operators.subdag_operator import SubDagOperator

START = datetime(2020, 1, 1)
ARGS = {"owner": "me", "start_date": START}
"""
MAKE = """

def make(parent, child, args):
    dag = DAG(f"{parent}.{child}", default_args=args)
    first = BashOperator(task_id="first", bash_command="true", dag=dag)
    return dag


"""
CALL = 'part = SubDagOperator(task_id="part", subdag=make("main", "part", ARGS), dag=dag)\n'
MAIN = 'dag = DAG("main", default_args=ARGS)\n'


def kept(old: str, new: str, newest: dict[str, str], more: str = "") -> str:
    """Why the sub-DAG of a text stays, in which one thing is another one."""
    text = HEAD + MAKE + MAIN + CALL + more
    assert old in text
    done = migrate_source(text.replace(old, new, 1), pins=newest, unsafe=True)
    assert done.error is None
    assert "SubDagOperator(" in (done.text or text)
    (note,) = [note for note in done.notes if note.rule == "subdag"]
    return note.message


def test_the_plain_one_is_a_group(newest: dict[str, str]) -> None:
    new = migrate_source(HEAD + MAKE + MAIN + CALL, pins=newest, unsafe=True).text or ""
    assert new.endswith('with dag:\n    part = make("main", "part", ARGS)\n')


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('f"{parent}.{child}"', "child", "does not show the group's"),
        ('f"{parent}.{child}"', 'f"{parent}.{child}.x"', "does not show the group's"),
        ("default_args=args", "start_date=datetime(2021, 1, 1)", "start_date is not the DAG's"),
        ("default_args=args", "default_args=args, params={'a': 1}", "params is nothing"),
        ("default_args=args", "default_args=args, concurrency=1", "concurrency is nothing"),
        ("default_args=args", "default_args=args, **OPTIONS", "takes **OPTIONS"),
        ("dag = DAG(f", "made = dag = DAG(f", "not bound to a name at once"),
        ("    return dag", "    dag.doc_md = 'x'\n    return dag", "more than dag=dag"),
        ("    return dag", "    if args:\n        return dag", "does not end in"),
        ("    return dag", "    return DAG('x')", "several DAGs"),
        ("def make", "@cache\ndef make", "decorator"),
        ("BashOperator(t", "BranchPythonOperator(t", "skipped or chose"),
        ("BashOperator(t", "make_one(t", "is no class"),
        (", dag=dag)\n    return", ")\n    return", "is not given dag=dag"),
        ('"true", dag', '"true", trigger_rule="all_done", dag', "trigger_rule in line"),
        ('"true"', '"{{ dag.dag_id }}"', "says dag."),
        ('"true"', "\"{{ ti.xcom_pull('a') }}\"", "says ti."),
        ('"true"', '"first"', "says 'first', a task's id"),
        ('subdag=make("main", "part", ARGS), dag', "subdag=SUB, dag", "not what a function"),
        ("ARGS), dag=dag", "ARGS), dag=dag, pool='small'", "pool of the operator"),
        ("ARGS), dag=dag", "ARGS), dag=DAGS[0]", "give that a name"),
        ("ARGS), dag=dag", "ARGS)", "which DAG it stands in"),
        ("ARGS), dag=dag", "ARGS), dag=other", "is not made, once"),
        ('"main", "part", ARGS', "*NAMES", "with * or **"),
        ('dag = DAG("main", default_args=ARGS)', 'dag = DAG("main", **ARGS)', "not in sight"),
    ],
)
def test_what_is_not_exact_stays(old: str, new: str, why: str, newest: dict[str, str]) -> None:
    assert why in kept(old, new, newest)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("print(part.task_id)\n", "asks for part.task_id"),
        ("print(dag.tasks)\n", "asks for dag.tasks"),
        ("also = make('main', 'x', ARGS)\n", "uses make for something else"),
        (
            "choose = BranchPythonOperator(task_id='c', python_callable=lambda: 'part', dag=dag)\n",
            "says 'part', the id of the operator",
        ),
        ("def f(ti):\n    return ti.xcom_pull(task_ids=NAME)\n", "pulls from what may be"),
        (
            "x = BashOperator(task_id='x', trigger_rule='one_success', dag=dag)\n",
            "a trigger rule that counts",
        ),
        ("raise AirflowSkipException()\n", "skipped"),
    ],
)
def test_what_a_file_says_besides_keeps_it(more: str, why: str, newest: dict[str, str]) -> None:
    assert why in kept("START", "START", newest, more)


def test_another_file_keeps_a_function(newest: dict[str, str]) -> None:
    files = dict(REPOSITORIES["tables"])
    assert all(not row.stays for rows in own_subdags(files).values() for row in rows)
    for text, why in (
        ("from lib.makers import copying\n\nx = copying(dag, 'a')\n", "for something else"),
        ("from lib import makers\n\nx = makers.copying\n", "for something else"),
        ("from lib.makers import *\n\nx = copying\n", "for something else"),
        ("print copying\n", "migrate leaves"),
        ("wait(external_dag_id='tables.a_copy')\n", "asks for tables.a_copy"),
    ):
        (row,) = own_subdags({**files, "more.py": text})["copying"]
        assert why in row.stays
        done = migrate_source(
            MAKERS,
            pins=newest,
            path="lib/makers.py",
            unsafe=True,
            subdags=own_subdags({**files, "more.py": text}),
        ).text
        assert done is not None
        assert "subdag = DAG(" in done


def test_what_the_dag_gives_its_tasks_is_taken_away_or_told(newest: dict[str, str]) -> None:
    text = HEAD + MAKE + 'OTHER = {"retries": 2}\ndag = DAG("main", default_args=OTHER)\n' + CALL
    new = migrate_source(text, pins=newest, unsafe=True).text or ""
    assert 'default_args={"retries": 0, **args}' in new
    text = text.replace('"retries": 2', '"email_on_failure": False, "email": ADDRESS')
    assert "TaskGroup(child, default_args=args)" in (
        migrate_source(text, pins=newest, unsafe=True).text or ""
    )
    mailed = text.replace('"owner": "me"', '"email": "a@b.c"')
    (note,) = [
        n for n in migrate_source(mailed, pins=newest, unsafe=True).notes if n.rule == "subdag"
    ]
    assert "would take email_on_failure of" in note.message
    for key in ("pool", "execution_timeout", "sla"):
        why = kept(
            'dag = DAG("main", default_args=ARGS)',
            f'dag = DAG("main", default_args={{"{key}": 1}})',
            newest,
        )
        assert f"its tasks would take {key} of" in why
