"""Classes of one's own, however they say what they inherit from."""

from __future__ import annotations

import pytest

from codemods.migrate import migrate_source
from codemods.repository.own_classes import own_classes
from codemods.repository.own_dicts import own_dicts

HEAD = (
    "from airflow.operators import bash, python\n"
    "from airflow.operators.bash import BashOperator\n"
    "from airflow.operators.bash import BashOperator as Theirs\n\n\n"
)
BODY = "    def __init__(self, **kwargs):\n        super().__init__(xcom_push=True, **kwargs)\n\n\n"
CALL = "BashOperator(task_id='t', bash_command='b', task_concurrency=2)\n"
MIXIN = "class Mixin:\n    pass\n\n\n"


@pytest.mark.parametrize(
    "start",
    [
        "class BashOperator(Theirs):\n",
        "class BashOperator(bash.BashOperator):\n",
        "class BashOperator(BashOperator):\n",
        f"{MIXIN}class BashOperator(Mixin, Theirs):\n",
        "class BashOperator(Theirs if late else python.PythonOperator):\n",
        "Base = Theirs if late else python.PythonOperator\n\n\nclass BashOperator(Base):\n",
        "try:\n    from old import Base\nexcept ImportError:\n    Base = Theirs\n\n\n"
        "class BashOperator(Base):\n",
    ],
)
def test_every_spelling_of_a_base_is_followed(start: str, newest: dict[str, str]) -> None:
    before = HEAD + start + BODY + CALL
    after = before.replace("xcom_push", "do_xcom_push")
    new = migrate_source(before, pins=newest).text
    assert new == after.replace("task_concurrency", "max_active_tis_per_dag")
    own = own_classes({"lib/ops.py": before}, ["BashOperator"])
    away = f"# airflow\nfrom lib import ops\n\nops.{CALL}"
    new = migrate_source(away, pins=newest, own=own).text
    assert new == away.replace("task_concurrency", "max_active_tis_per_dag")


def test_a_class_that_type_makes(newest: dict[str, str]) -> None:
    before = (
        "from airflow.models import BaseOperator\n\n"
        "Mine = type('Mine', (BaseOperator,), {'template_fields': 'env'})\n"
        "Mine(task_id='t', task_concurrency=2)\n"
    )
    after = before.replace("'env'", "('env',)")
    after = after.replace("task_concurrency", "max_active_tis_per_dag")
    assert migrate_source(before, pins=newest).text == after


FILES = {
    "lib/one.py": "from airflow.operators.bash_operator import BashOperator as Base\n\n\n"
    "class BashOperator(Base):\n    def told(self):\n        self.xcom_push = 1\n",
    "lib/two.py": "from airflow.operators.python_operator import PythonOperator\n\n\n"
    "class BashOperator(PythonOperator):\n    pass\n",
    "lib/three.py": "from lib.one import BashOperator\n\n\nclass Third(BashOperator):\n"
    "    def __init__(self, task_concurrency, **kwargs):\n        super().__init__(**kwargs)\n",
}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("lib.one.BashOperator(xcom_push=True)", "lib.one.BashOperator(do_xcom_push=True)"),
        ("lib.two.BashOperator(provide_context=True)", "lib.two.BashOperator()"),
        ("lib.one.BashOperator(provide_context=True)", "lib.one.BashOperator()"),
        ("lib.three.Third(task_concurrency=2)", None),
        (
            "class Mine(lib.three.Third):\n    def __init__(self, **kwargs):\n"
            "        super().__init__(xcom_push=True, **kwargs)",
            "class Mine(lib.three.Third):\n    def __init__(self, **kwargs):\n"
            "        super().__init__(do_xcom_push=True, **kwargs)",
        ),
        ("class Mine(lib.three.Third):\n    def f(self):\n        return self.xcom_push", None),
    ],
)
def test_classes_of_one_name_are_told_apart_by_their_file(
    before: str, after: str | None, newest: dict[str, str]
) -> None:
    own = own_classes(FILES, ["BashOperator", "Third"])
    head = "# airflow\nimport lib.one, lib.three, lib.two\n\n\n"
    new = migrate_source(f"{head}{before}\n", pins=newest, own=own).text
    assert new == (f"{head}{after}\n" if after else None)


LOST = (
    "from airflow.contrib.hooks.bigquery_hook import BigQueryHook\n"
    "from airflow.contrib.hooks.gcp_api_base_hook import GoogleCloudBaseHook as Cloud\n"
    "from airflow.hooks.base_hook import BaseHook\n"
    "from airflow.operators.postgres_operator import PostgresOperator\n\n\n"
)


@pytest.mark.parametrize(
    ("base", "method", "on_newest", "on_oldest"),
    [
        (
            "PostgresOperator",
            "def f(self):\n        return self.hook",
            "get_db_hook()",
            "get_db_hook()",
        ),
        ("PostgresOperator", "hook = 1", "", ""),
        ("BigQueryHook", "def get_service(self):\n        return 1", "get_client()", ""),
        ("BaseHook", "def get_records(self, sql):\n        return []", "", ""),
        ("Cloud", "@Cloud.catch_http_exception\n    def f(self):\n        pass", "Keep", "Keep"),
        ("Cloud", "@Cloud._Decorators.one\n    def f(self):\n        pass", "Keep", "Keep"),
    ],
)
def test_what_the_target_s_class_lacks_is_told_in_subclasses(
    base: str, method: str, on_newest: str, on_oldest: str, targets: dict[str, dict[str, str]]
) -> None:
    text = f"{LOST}class Mine({base}):\n    {method}\n"
    for version, advice in (("2.11.0", on_newest), ("2.5.1", on_oldest)):
        notes = migrate_source(text, pins=targets[version]).notes
        told = [note.fix for note in notes if note.rule == "lost-attributes"]
        assert len(told) == bool(advice)
        assert all(advice in fix for fix in told)


@pytest.mark.parametrize(
    ("init", "after"),
    [
        ("pass", "Mine(task_id='t', sql='s', conn_id=\"postgres_default\")"),
        ("def __init__(self, **kw):\n        super().__init__(**kw)", "Mine(task_id='t', sql='s')"),
    ],
)
def test_an_own_class_gets_the_connection_that_1_10_took(
    init: str, after: str, newest: dict[str, str]
) -> None:
    call = "Mine(task_id='t', sql='s')"
    text = f"{LOST}class Mine(PostgresOperator):\n    {init}\n\n\n{call}\n"
    migration = migrate_source(text, pins=newest)
    assert (migration.text or "").endswith(f"{after}\n")
    (fix,) = [note.fix for note in migration.notes if note.rule == "replaced-class"]
    assert 'PostgresOperator took conn_id="postgres_default"' in fix


def test_what_a_constructor_makes_itself_is_not_given_twice(newest: dict[str, str]) -> None:
    text = (
        "from airflow.contrib.operators.snowflake_operator import SnowflakeOperator as Base\n\n\n"
        "class Mine(Base):\n    def __init__(self, role, **kwargs):\n"
        "        super().__init__(role=role, **kwargs)\n\n\n"
        "Mine(role='r', sql='s', warehouse='w')\n"
    )
    migration = migrate_source(text, pins=newest)
    assert 'hook_params={"role": role}' in (migration.text or "")
    assert (migration.text or "").endswith("Mine(role='r', sql='s', warehouse='w')\n")
    (fix,) = [note.fix for note in migration.notes if note.rule == "arguments"]
    assert fix.startswith('Let the class take it, and put it into hook_params["warehouse"]')


def test_the_constructor_of_another_base_is_not_the_one_of_airflow_s(
    newest: dict[str, str],
) -> None:
    text = (
        "from airflow.operators.bash import BashOperator\n\n\n"
        "class Mixin:\n    pass\n\n\n"
        "class Mine(Mixin, BashOperator):\n    def __init__(self, **kwargs):\n"
        "        BashOperator.__init__(self, xcom_push=True, **kwargs)\n"
        "        Mixin.__init__(self, xcom_push=True)\n"
    )
    assert migrate_source(text, pins=newest).text == text.replace("xcom", "do_xcom", 1)


COMMON = {
    "dags/lib/common.py": "POD = dict(image=load(), resources={'request_cpu': 1})\n"
    "POD.update(is_delete_operator_pod=True)\nBASH = {'bash_command': 'true'}\n"
    "BASH['xcom_push'] = 1\n",
    "dags/broken.py": "POD = {",
}


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("KubernetesPodOperator(task_id='a', **POD)", ["is_delete_operator_pod", "resources"]),
        ("KubernetesPodOperator(**{**common.POD, 'name': 'a'})", ["is_delete_operator_pod"]),
        ("MINE = dict(BASH)\nBashOperator(**MINE)\nBashOperator(**MINE)", ["do_xcom_push"]),
        ("BashOperator(bash_command='true', params=BASH)", []),
    ],
)
def test_dicts_of_other_files_are_told_where_they_are_unpacked(
    call: str, told: list[str], newest: dict[str, str]
) -> None:
    head = (
        "from airflow.operators.bash import BashOperator\n"
        "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator\n"
        "from lib import common\nfrom lib.common import BASH, POD\n\n"
    )
    dicts = own_dicts(COMMON, ["BASH", "POD"])
    notes = migrate_source(head + call, pins=newest, dicts=dicts).notes
    notes = [note for note in notes if note.rule == "unpacked-arguments"]
    assert len(notes) == bool(told)
    assert all(name in note.fix for name in told for note in notes)
    assert all("dags/lib/common:" in note.fix for note in notes)
