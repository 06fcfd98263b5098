"""Functions that one file gives to Airflow and another one defines."""

from __future__ import annotations

import pytest

from codemods.base import OwnFunction
from codemods.migrate import migrate_bytes, migrate_source
from codemods.repository.own_functions import own_functions

HEAD = """\
from airflow import DAG
from airflow.operators.python_operator import PythonOperator
from lib import more, tell
from lib.tell import load

DAG('d', schedule=None)
"""
TELL = """\
def page(event):
    send(event['execution_date'])


def load(table, ds, size=1):
    print(table, ds, size)


def run(**kw):
    deeper(kw)
    return kw['execution_date']


def deeper(held):
    return held['END_DATE']


def post(conf=None, **kw):
    send(**kw)


def send(*args, **kw):
    print(args, kw)
"""
MORE = """\
def helper(info, date):
    return info['execution_date'], date['execution_date']
"""


def told(
    dag: str, path: str, text: str, pins: dict[str, str], names: str = "page load run post helper"
) -> list[tuple[str, int, str]]:
    """What is said of one file of those that lie beside a DAG: (rule, line, fix)."""
    files = {"dags/lib/tell.py": TELL, "dags/lib/more.py": MORE, "dags/a.py": HEAD + dag}
    functions = own_functions(files | {"dags/broken.py": "def ("}, names.split())
    done = migrate_source(text, pins=pins, path=path, functions=functions)
    made = [(edit.rule, edit.line, edit.message) for edit in done.edits]
    return made + [(note.rule, note.line, f"{note.message} {note.fix}") for note in done.notes]


@pytest.mark.parametrize(
    ("dag", "lines"),
    [
        ("args = {}\nDAG('e', default_args={'on_failure_callback': tell.page})", [2]),
        ("PythonOperator(python_callable=tell.run)", [11, 15]),
        # It is given under that name by the call itself, or nobody knows what is.
        ("PythonOperator(python_callable=tell.run, op_kwargs={'execution_date': 1})", [15]),
        ("PythonOperator(python_callable=tell.run, op_kwargs=ASKED)", []),
        ("PythonOperator(python_callable=tell.post)", []),
        ("", []),
    ],
)
def test_keys_of_the_context_are_told_in_files_without_airflow(
    dag: str, lines: list[int], newest: dict[str, str]
) -> None:
    said = told(dag, "dags/lib/tell.py", TELL, newest)
    assert [line for _, line, _ in said] == lines
    assert {rule for rule, _, _ in said} <= {"template-variables"}


def test_what_callables_hand_on_is_told_for_the_parameter_that_gets_it(
    newest: dict[str, str],
) -> None:
    dag = "def go(**context):\n    more.helper(context, {'execution_date': 1})\n"
    dag += "PythonOperator(python_callable=go)\n"
    ((rule, line, said),) = told(dag, "dags/lib/more.py", MORE, newest)
    assert (rule, line) == ("template-variables", 2)
    assert 'info["logical_date"]' in said


def test_files_that_name_airflow_are_rewritten(newest: dict[str, str]) -> None:
    files = {"lib/tell.py": f"# airflow\n{TELL}", "a.py": f"{HEAD}x = dict(on_retry_callback=1)\n"}
    files["a.py"] += "PythonOperator(on_retry_callback=tell.page)"
    functions = own_functions(files, ["page"])
    done = migrate_source(
        files["lib/tell.py"], pins=newest, path="lib/tell.py", functions=functions
    )
    assert "send(event['logical_date'])" in (done.text or "")


def test_bytes_of_a_file_without_airflow_are_read_where_it_is_called(
    newest: dict[str, str],
) -> None:
    own = OwnFunction(within=("lib", "more"), code=MORE, roles=("0",))
    data, done = migrate_bytes(
        MORE.encode(), pins=newest, path="lib/more.py", functions={"helper": (own,)}
    )
    assert data is None
    assert [note.line for note in done.notes] == [2]
    assert not migrate_bytes(MORE.encode(), pins=newest, path="lib/more.py")[1].notes


@pytest.mark.parametrize(
    ("call", "new"),
    [
        ("python_callable=load, op_args=['t', 'x']", "op_kwargs={\"table\": 't', \"ds\": 'x'}"),
        ("python_callable=tell.post, op_args=[]", 'op_kwargs={"conf": None}'),
    ],
)
def test_what_a_callable_of_another_file_takes_is_known(
    call: str, new: str, newest: dict[str, str]
) -> None:
    files = {"dags/lib/tell.py": TELL, "dags/a.py": f"{HEAD}PythonOperator(task_id='a', {call})"}
    functions = own_functions(files, ["load", "post"])
    done = migrate_source(files["dags/a.py"], pins=newest, path="dags/a.py", functions=functions)
    assert new in (done.text or "")


def test_what_goes_on_whole_is_followed_into_other_files(newest: dict[str, str]) -> None:
    dag = f"{HEAD}PythonOperator(task_id='a', python_callable=tell.post, op_kwargs={{'conf': 1}})"
    functions = own_functions({"dags/lib/tell.py": TELL, "dags/a.py": dag}, ["post"])
    notes = migrate_source(dag, pins=newest, path="dags/a.py", functions=functions).notes
    assert [note.rule for note in notes] == ["unasked-context"]
    assert "python_callable=lambda conf: post(conf=conf)" in notes[0].fix


@pytest.mark.parametrize(
    "dag",
    [
        "DAG('e', **MORE)\nPythonOperator(python_callable=run)",
        "DAG('e', default_args=ARGS)\nPythonOperator(python_callable=run)",
        "DAG('e', default_args={'provide_context': True})\nPythonOperator(python_callable=run)",
        "PythonOperator(python_callable=run, provide_context=asked)",
        "PythonOperator(python_callable=run, **MORE)",
        "PythonOperator(python_callable=run, op_kwargs=MORE)",
        "PythonOperator(python_callable=run, op_args=MORE)",
        "PythonOperator(python_callable=run, op_kwargs=dict(ds=1))",
        "PythonOperator(python_callable=partial(run))",
    ],
)
def test_a_callable_that_may_ask_for_the_context_is_left_alone(
    dag: str, newest: dict[str, str]
) -> None:
    text = f"{HEAD}def run(x=1, ds=None, **more):\n    print(ds, more['x'])\n{dag}\n"
    done = migrate_source(text, pins=newest)
    told = {edit.rule for edit in done.edits} | {note.rule for note in done.notes}
    assert "unasked-context" not in told


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("print(kw)", False),
        ("return kw['a'], kw.get('b')", False),
        ("return '{a}'.format(**kw)", False),
        ("inner(**kw)", False),
        ("outer(**kw)", True),
        ("return {**kw}", True),
        ("return dict(kw)", True),
        ("return kw.items()", True),
        ("return [x for x in kw]", True),
        ("for x in kw: print(x)", True),
    ],
)
def test_whatever_holds_all_that_a_callable_is_given_is_told(
    body: str, told: bool, newest: dict[str, str]
) -> None:
    text = f"{HEAD}def inner(a, **more):\n    print(a, more)\n\n\ndef run(**kw):\n    {body}\n"
    text += "PythonOperator(task_id='a', python_callable=run, op_kwargs={'a': 1})\n"
    notes = migrate_source(text, pins=newest).notes
    assert ("unasked-context" in {note.rule for note in notes}) is told
