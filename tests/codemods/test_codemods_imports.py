"""Every spelling of an import that 1.10 code uses."""

from __future__ import annotations

import pytest

from codemods import Removed, migrate_source, resolve_symbol
from codemods.tables.hops import all_hops

PYTHON = "airflow.operators.python"


def text(*rows: str) -> str:
    return "\n".join(rows) + "\n"


CASES = {
    "several names, several homes": (
        text("from airflow.operators import BashOperator, HiveOperator, PythonOperator"),
        text(
            "from airflow.operators.bash import BashOperator",
            "from airflow.providers.apache.hive.operators.hive import HiveOperator",
            "from airflow.operators.python import PythonOperator",
        ),
    ),
    "some names stay": (
        text(
            "from airflow.utils.helpers import chain, prune_dict  # noqa: F401",
            "",
            "chain(prune_dict)",
        ),
        text(
            "from airflow.utils.helpers import prune_dict  # noqa: F401",
            "from airflow.models.baseoperator import chain  # noqa: F401",
            "",
            "chain(prune_dict)",
        ),
    ),
    "parentheses and comments stay": (
        text(
            "from airflow.operators.python_operator import (",
            "    BranchPythonOperator,  # first",
            "    PythonOperator,",
            ")",
        ),
        text(
            "from airflow.operators.python import (",
            "    BranchPythonOperator,  # first",
            "    PythonOperator,",
            ")",
        ),
    ),
    "comments go with their names": (
        text(
            "from airflow.operators import (",
            "    BashOperator,  # shell",
            "    PythonOperator,",
            "    HttpSensor,  # web",
            ")",
        ),
        text(
            "from airflow.operators.bash import BashOperator  # shell",
            "from airflow.operators.python import PythonOperator",
            "from airflow.providers.http.sensors.http import HttpSensor  # web",
        ),
    ),
    "an alias stays": (
        text(
            "from airflow.operators.dummy_operator import DummyOperator as D", "", "D(task_id='a')"
        ),
        text("from airflow.operators.empty import EmptyOperator as D", "", "D(task_id='a')"),
    ),
    "a renamed class is renamed at every use": (
        text(
            "from airflow.operators.dummy_operator import DummyOperator",
            "",
            "",
            "class Mine(DummyOperator):",
            '    """Like DummyOperator."""',
            "",
            "",
            "def make(kind: type[DummyOperator]) -> DummyOperator:",
            "    return DummyOperator(task_id='x') if kind else DummyOperator",
            "",
            "",
            "isinstance(make(DummyOperator), DummyOperator)",
        ),
        text(
            "from airflow.operators.empty import EmptyOperator",
            "",
            "",
            "class Mine(EmptyOperator):",
            '    """Like DummyOperator."""',
            "",
            "",
            "def make(kind: type[EmptyOperator]) -> EmptyOperator:",
            "    return EmptyOperator(task_id='x') if kind else EmptyOperator",
            "",
            "",
            "isinstance(make(EmptyOperator), EmptyOperator)",
        ),
    ),
    "a name that is taken gets an alias": (
        text(
            "from airflow.operators.dummy_operator import DummyOperator",
            "",
            "EmptyOperator = DummyOperator(task_id='a')",
        ),
        text(
            "from airflow.operators.empty import EmptyOperator as DummyOperator",
            "",
            "EmptyOperator = DummyOperator(task_id='a')",
        ),
    ),
    "a re-exported name keeps its name": (
        text(
            "from airflow.operators.dummy_operator import DummyOperator",
            "",
            "__all__ = ['DummyOperator']",
        ),
        text(
            "from airflow.operators.empty import EmptyOperator as DummyOperator",
            "",
            "__all__ = ['DummyOperator']",
        ),
    ),
    "both names of one class": (
        text(
            "from airflow.operators.dummy_operator import DummyOperator",
            "from airflow.operators.empty import EmptyOperator",
            "",
            "DummyOperator(task_id='a') >> EmptyOperator(task_id='b')",
        ),
        text(
            "from airflow.operators.empty import EmptyOperator",
            "",
            "EmptyOperator(task_id='a') >> EmptyOperator(task_id='b')",
        ),
    ),
    "a module and its attributes": (
        text(
            "from airflow.operators import bash_operator, python_operator as po",
            "",
            "bash_operator.BashOperator(task_id='a', bash_command='true')",
            "po.PythonOperator(task_id='b', python_callable=print)",
        ),
        text(
            "from airflow.operators import bash as bash_operator, python as po",
            "",
            "bash_operator.BashOperator(task_id='a', bash_command='true')",
            "po.PythonOperator(task_id='b', python_callable=print)",
        ),
    ),
    "a module whose names went to several": (
        text(
            "from airflow.operators import sensors",
            "",
            "sensors.HttpSensor(task_id='a', endpoint='/')",
            "sensors.S3KeySensor(task_id='b', bucket_key='s3://b/k')",
        ),
        text(
            "from airflow.providers.http.sensors.http import HttpSensor",
            "from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor",
            "",
            "HttpSensor(task_id='a', endpoint='/')",
            "S3KeySensor(task_id='b', bucket_key='s3://b/k')",
        ),
    ),
    "dotted use of import a.b.c": (
        text(
            "import airflow.operators.bash_operator",
            "import airflow.contrib.hooks.ssh_hook",
            "",
            "airflow.contrib.hooks.ssh_hook.SSHHook(ssh_conn_id='s')",
            "airflow.operators.bash_operator.BashOperator(task_id='a', bash_command='true')",
        ),
        text(
            "import airflow.operators.bash",
            "import airflow.providers.ssh.hooks.ssh",
            "",
            "airflow.providers.ssh.hooks.ssh.SSHHook(ssh_conn_id='s')",
            "airflow.operators.bash.BashOperator(task_id='a', bash_command='true')",
        ),
    ),
    "1.10's import airflow brought its operators": (
        text(
            "import airflow",
            "",
            "airflow.operators.BashOperator(task_id='a', bash_command='true')",
        ),
        text(
            "import airflow",
            "import airflow.operators.bash",
            "",
            "airflow.operators.bash.BashOperator(task_id='a', bash_command='true')",
        ),
    ),
    "import a.b.c as m": (
        text(
            "import airflow.operators.dummy_operator as m",
            "",
            "m.DummyOperator(task_id='a')",
        ),
        text("import airflow.operators.empty as m", "", "m.EmptyOperator(task_id='a')"),
    ),
    "a star": (
        text(
            "from airflow.operators.python_operator import *",
            "",
            "PythonOperator(task_id='a', python_callable=print)",
        ),
        text(
            "from airflow.operators.python import *",
            "",
            "PythonOperator(task_id='a', python_callable=print)",
        ),
    ),
    "a star over several homes": (
        text(
            "from airflow.operators.sensors import *",
            "",
            "HttpSensor(task_id='a', endpoint='/')",
            "S3KeySensor(task_id='b', bucket_key='s3://b/k')",
        ),
        text(
            "from airflow.providers.http.sensors.http import HttpSensor",
            "from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor",
            "",
            "HttpSensor(task_id='a', endpoint='/')",
            "S3KeySensor(task_id='b', bucket_key='s3://b/k')",
        ),
    ),
    "in every block that a statement has": (
        text(
            "try:",
            "    from airflow.hooks.base_hook import BaseHook",
            "except KeyError:",
            "    from airflow.hooks.base_hook import BaseHook",
            "else:",
            "    from airflow.hooks.base_hook import BaseHook",
            "finally:",
            "    from airflow.hooks.base_hook import BaseHook",
            "match BaseHook:",
            "    case _:",
            "        from airflow.hooks.base_hook import BaseHook",
        ),
        text(
            "try:",
            "    from airflow.hooks.base import BaseHook",
            "except KeyError:",
            "    from airflow.hooks.base import BaseHook",
            "else:",
            "    from airflow.hooks.base import BaseHook",
            "finally:",
            "    from airflow.hooks.base import BaseHook",
            "match BaseHook:",
            "    case _:",
            "        from airflow.hooks.base import BaseHook",
        ),
    ),
    "inside a function, after __future__, beside a relative import": (
        text(
            "from __future__ import annotations",
            "from . import helpers",
            "",
            "",
            "def f():",
            "    from airflow.operators.dummy_operator import DummyOperator",
            "",
            "    return DummyOperator(task_id=helpers.name)",
        ),
        text(
            "from __future__ import annotations",
            "from . import helpers",
            "",
            "",
            "def f():",
            "    from airflow.operators.empty import EmptyOperator",
            "",
            "    return EmptyOperator(task_id=helpers.name)",
        ),
    ),
    "TYPE_CHECKING": (
        text(
            "from typing import TYPE_CHECKING",
            "",
            "if TYPE_CHECKING:",
            "    from airflow.hooks.base_hook import BaseHook",
        ),
        text(
            "from typing import TYPE_CHECKING",
            "",
            "if TYPE_CHECKING:",
            "    from airflow.hooks.base import BaseHook",
        ),
    ),
    "the branch that fails on the target is left": (
        text(
            "try:",
            "    from airflow.operators import SimpleHttpOperator, DagRunOrder",
            "    from airflow.operators.dagrun_operator import DagRunOrder",
            "except ImportError:",
            "    from airflow.operators.bash_operator import BashOperator",
        ),
        text(
            "try:",
            "    from airflow.operators import SimpleHttpOperator, DagRunOrder",
            "    from airflow.operators.dagrun_operator import DagRunOrder",
            "except ImportError:",
            "    from airflow.operators.bash import BashOperator",
        ),
    ),
    "dotted paths in strings": (
        text(
            "import importlib",
            "from unittest import mock",
            "",
            "mock.patch('airflow.contrib.hooks.ssh_hook.SSHHook.get_conn')",
            'importlib.import_module("airflow.operators.python_operator")',
            "HOOK = 'airflow.hooks.base_hook.BaseHook'",
        ),
        text(
            "import importlib",
            "from unittest import mock",
            "",
            "mock.patch('airflow.providers.ssh.hooks.ssh.SSHHook.get_conn')",
            'importlib.import_module("airflow.operators.python")',
            "HOOK = 'airflow.hooks.base.BaseHook'",
        ),
    ),
    "two statements on a line": (
        text("import os; from airflow.operators.bash_operator import BashOperator"),
        text("import os; from airflow.operators.bash import BashOperator"),
    ),
    "the only statement of a block": (
        text(
            "from airflow.models import BaseOperator",
            "",
            "if True:",
            "    from airflow.operators.bash_operator import apply_defaults",
            "",
            "",
            "class Mine(BaseOperator):",
            "    @apply_defaults",
            "    def __init__(self):",
            "        pass",
        ),
        text(
            "from airflow.models import BaseOperator",
            "",
            "if True:",
            "    pass",
            "",
            "",
            "class Mine(BaseOperator):",
            "    def __init__(self):",
            "        pass",
        ),
    ),
    "every comment of an import that is taken apart stays": (
        text(
            "from airflow.operators import (  # noqa: F401",
            "    # shells",
            "    BashOperator,  # bash",
            "    # the web",
            "    HttpSensor,",
            "    # last",
            ")",
        ),
        text(
            "# shells",
            "from airflow.operators.bash import BashOperator  # bash  # noqa: F401",
            "# the web",
            "from airflow.providers.http.sensors.http import HttpSensor  # noqa: F401",
            "# last",
        ),
    ),
    "a star of a module that stays": (
        text("from airflow.utils.helpers import *", "", "chain(prune_dict)"),
        text(
            "from airflow.utils.helpers import *",
            "from airflow.models.baseoperator import chain",
            "",
            "chain(prune_dict)",
        ),
    ),
    "a star that brought one renamed class": (
        text("from airflow.contrib.hooks.gcp_container_hook import *", "", "GKEClusterHook"),
        text(
            "from airflow.providers.google.cloud.hooks.kubernetes_engine import GKEHook as"
            " GKEClusterHook",
            "",
            "GKEClusterHook",
        ),
    ),
    "a dict of arguments that is Docker's alone": (
        text(
            "from airflow.operators.docker_operator import DockerOperator",
            "",
            "common = {'volumes': ['/a:/b']}",
            "DockerOperator(task_id='t', image='i', **common)",
        ),
        text(
            "from airflow.providers.docker.operators.docker import DockerOperator",
            "from docker.types import Mount",
            "",
            'common = {\'mounts\': [Mount(source="/a", target="/b", type="bind")]}',
            "DockerOperator(task_id='t', image='i', **common)",
        ),
    ),
    "an argument by place that ** takes": (
        text(
            "from airflow.hooks.slack_hook import SlackHook",
            "",
            "slack = SlackHook(slack_conn_id='s')",
            "slack.call('chat.postMessage', {'text': 'done'})",
        ),
        text(
            "from airflow.providers.slack.hooks.slack import SlackHook",
            "",
            "slack = SlackHook(slack_conn_id='s')",
            "slack.call('chat.postMessage', json={'text': 'done'})",
        ),
    ),
    "a module of which only some names moved": (
        text("from airflow.utils import helpers", "", "helpers.chain(helpers.prune_dict)"),
        text(
            "from airflow.utils import helpers",
            "from airflow.models.baseoperator import chain",
            "",
            "chain(helpers.prune_dict)",
        ),
    ),
    "branches that bind one name in two ways": (
        text(
            "if old:",
            "    from airflow.operators.dummy_operator import DummyOperator",
            "else:",
            "    from airflow.operators.empty import EmptyOperator as DummyOperator",
            "DummyOperator(task_id='a')",
        ),
        text(
            "if old:",
            "    from airflow.operators.empty import EmptyOperator as DummyOperator",
            "else:",
            "    from airflow.operators.empty import EmptyOperator as DummyOperator",
            "DummyOperator(task_id='a')",
        ),
    ),
    "a class body that sees the name outside": (
        text(
            "from airflow.operators.dummy_operator import DummyOperator",
            "",
            "",
            "class Kinds:",
            "    DummyOperator = DummyOperator",
        ),
        text(
            "from airflow.operators.empty import EmptyOperator as DummyOperator",
            "",
            "",
            "class Kinds:",
            "    DummyOperator = DummyOperator",
        ),
    ),
    "a tower over another's package": (
        text(
            "try:",
            "    from ours import PythonOperator",
            "except ImportError:",
            "    from airflow.operators.python_operator import PythonOperator",
        ),
        text(
            "try:",
            "    from ours import PythonOperator",
            "except ImportError:",
            "    from airflow.operators.python import PythonOperator",
        ),
    ),
    "a long import that shares its line": (
        text(
            "import os; from airflow.contrib.hooks.gcp_container_hook import AirflowException,"
            " GKEClusterHook, OPERATIONAL_POLL_INTERVAL",
        ),
        text(
            "import os; from airflow.exceptions import AirflowException; from"
            " airflow.providers.google.cloud.hooks.kubernetes_engine import (",
            "    GKEHook,",
            "    OPERATIONAL_POLL_INTERVAL,",
            ")",
        ),
    ),
    "no newline at the end": (
        "from airflow.operators import BashOperator, PythonOperator",
        "from airflow.operators.bash import BashOperator\n"
        "from airflow.operators.python import PythonOperator",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_spelling(case: str, newest: dict[str, str]) -> None:
    before, after = CASES[case]
    migration = migrate_source(before, pins=newest)
    assert migration.error is None
    assert migration.text == after
    assert migrate_source(after, pins=newest).text is None


@pytest.mark.parametrize(
    ("path", "version", "home"),
    [
        # The same class in three homes, by the provider that the target pins.
        ("airflow.operators.S3KeySensor", "2.0.2", "amazon.aws.sensors.s3_key.S3KeySensor"),
        ("airflow.operators.S3KeySensor", "2.5.1", "amazon.aws.sensors.s3.S3KeySensor"),
        (
            "airflow.contrib.operators.ecs_operator.ECSOperator",
            "2.11.0",
            "amazon.aws.operators.ecs.EcsRunTaskOperator",
        ),
        (
            "airflow.providers.amazon.aws.operators.athena.AWSAthenaOperator",
            "2.10.3",
            "amazon.aws.operators.athena.AthenaOperator",
        ),
        (
            "airflow.operators.PostgresOperator",
            "2.11.0",
            "common.sql.operators.sql.SQLExecuteQueryOperator",
        ),
        (
            "airflow.operators.PostgresOperator",
            "2.2.2",
            "postgres.operators.postgres.PostgresOperator",
        ),
    ],
)
def test_homes_depend_on_the_pins(
    path: str, version: str, home: str, targets: dict[str, dict[str, str]]
) -> None:
    assert resolve_symbol(path, pins=targets[version]) == f"airflow.providers.{home}"


def test_what_stays_and_what_is_unknown_is_none(newest: dict[str, str]) -> None:
    assert resolve_symbol("airflow.models.Variable", pins=newest) is None
    assert resolve_symbol("mylib.operators.Mine", pins=newest) is None


def test_removed_says_what_to_do(newest: dict[str, str]) -> None:
    gone = resolve_symbol("airflow.providers.plexus.hooks.plexus.PlexusHook", pins=newest)
    assert isinstance(gone, Removed)
    assert "apache-airflow-providers-plexus" in gone.advice


def _paths() -> list[str]:
    return sorted(p for p in all_hops() if not p.startswith("airflow.providers."))


# All of a thousand symbols take a while; a quick run looks at every fifth.
STEPS = [
    *(pytest.param(v, 1, marks=pytest.mark.slow) for v in ("2.5.1", "2.10.3", "2.11.0")),
    ("2.11.0", 5),
]


@pytest.mark.parametrize(("version", "step"), STEPS)
def test_one_file_per_symbol(version: str, step: int, targets: dict[str, dict[str, str]]) -> None:
    """Each row of the table, imported alone: rewritten to a live path, or reported, not both."""
    pins = targets[version]
    silent, unsettled = [], []
    for path in _paths()[::step]:
        module, _, name = path.rpartition(".")
        source = f"from {module} import {name}\n\n__all__ = ['{name}']\n"
        migration = migrate_source(source, pins=pins)
        assert migration.error is None, path
        end = resolve_symbol(path, pins=pins)
        if end is not None and migration.text is None and not migration.notes:
            silent.append(path)
        if migration.text is not None:
            assert not isinstance(end, Removed), path
            if migrate_source(migration.text, pins=pins).text is not None:
                unsettled.append(path)
    assert (silent, unsettled) == ([], [])


@pytest.mark.parametrize(("version", "step"), STEPS)
def test_one_file_per_symbol_by_module(
    version: str, step: int, targets: dict[str, dict[str, str]]
) -> None:
    """The same symbols, used through their module in both spellings."""
    pins = targets[version]
    wrong = []
    for path in _paths()[:: 5 * step]:
        module, _, name = path.rpartition(".")
        package, _, short = module.rpartition(".")
        if not package:
            continue
        for source in (
            f"import {module}\n\nx = {path}\n",
            f"from {package} import {short}\n\nx = {short}.{name}\n",
        ):
            end = resolve_symbol(path, pins=pins)
            migration = migrate_source(source, pins=pins)
            if migration.error is not None:
                wrong.append((source, migration.error))
            elif end is not None and migration.text is None and not migration.notes:
                wrong.append((source, "silent"))
            elif migration.text is not None and migrate_source(migration.text, pins=pins).text:
                wrong.append((source, "unsettled"))
    assert wrong == []


def test_pins_may_be_spelt_anyhow(newest: dict[str, str]) -> None:
    loud = {name.upper().replace("-", "_"): version for name, version in newest.items()}
    path = "airflow.operators.bash_operator.BashOperator"
    assert resolve_symbol(path, pins=loud) == resolve_symbol(path, pins=newest)


def test_needs_are_the_distributions_of_new_imports(newest: dict[str, str]) -> None:
    source = text("from airflow.operators import BashOperator, HttpSensor, S3KeySensor")
    assert migrate_source(source, pins=newest).needs == (
        "apache-airflow-providers-amazon",
        "apache-airflow-providers-http",
    )
    # SQLExecuteQueryOperator looks for the hook of its connection's type.
    source = text("from airflow.operators.mysql_operator import MySqlOperator as M", "M(sql='q')")
    assert migrate_source(source, pins=newest).needs == (
        "apache-airflow-providers-common-sql",
        "apache-airflow-providers-mysql",
    )


def test_names_below_each_other_stay_so(newest: dict[str, str]) -> None:
    source = text(
        "if NEW:",
        "    from airflow.operators.python_operator import (PythonOperator,  # one",
        "                                                   ShortCircuitOperator)",
        "from airflow.operators.python_operator import (",
        "    PythonOperator,",
        ")",
    )
    assert migrate_source(source, pins=newest).text == text(
        "if NEW:",
        "    from airflow.operators.python import (PythonOperator,  # one",
        "                                          ShortCircuitOperator)",
        "from airflow.operators.python import (",
        "    PythonOperator,",
        ")",
    )


PLUGINS = {"airflow.operators.my_plugin.MyOperator": "my_operators.MyOperator"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "from airflow.operators.my_plugin import MyOperator\n",
            "from my_operators import MyOperator\n",
        ),
        ("from airflow.operators import MyOperator\n", "from my_operators import MyOperator\n"),
        (
            "from airflow.operators import my_plugin\n\nmy_plugin.MyOperator(task_id='a')\n",
            "import my_operators as my_plugin\n\nmy_plugin.MyOperator(task_id='a')\n",
        ),
        (
            "from airflow.operators.my_plugin import *\n\nMyOperator(task_id='a')\n",
            "from my_operators import MyOperator\n\nMyOperator(task_id='a')\n",
        ),
    ],
)
def test_importers_follow_plugin_operators(before: str, after: str, newest: dict[str, str]) -> None:
    assert migrate_source(before, pins=newest, plugins=PLUGINS).text == after
    unknown = migrate_source(before, pins=newest)
    assert unknown.text is None
    assert "module that defines it" in unknown.notes[0].fix


@pytest.mark.parametrize(
    "before",
    [
        "import airflow.operators.company\n\nairflow.operators.company.Own()\n",
        "import airflow.hooks.company as own\n\nown.Own()\n",
        "from airflow.sensors import company\n\ncompany.Own()\n",
        "from airflow.hooks.company import *\n\nOwn()\n",
    ],
)
def test_a_plugin_that_nobody_knows_is_told(before: str, newest: dict[str, str]) -> None:
    """2.x makes modules for the macros and executors of plugins alone (plugins_manager.py)."""
    (note,) = migrate_source(before, pins=newest).notes
    assert (note.line, note.rule) == (1, "removed-import")
    assert "of plugins here: import the class from the module that defines it" in note.fix


def test_a_class_that_is_younger_than_1_10_is_told_of_by_its_home(newest: dict[str, str]) -> None:
    """Old paths of 2.x served what 1.10.15 never had (airflow/contrib/operators/__init__.py)."""
    module = "airflow.contrib.operators.bigquery_operator"
    text = f"from {module} import BigQueryGetDatasetTablesOperator\n"
    (note,) = migrate_source(text, pins=newest).notes
    assert note.fix.endswith("import it from airflow.providers.google.cloud.operators.bigquery")


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("airflow.contrib.operators.gcs_copy_operator", "Airflow 1.10.15 has no module"),
        ("airflow.contrib.operators.bigquery_operatr", "Airflow 1.10.15 has no module"),
        ("airflow.contrib.operators", "Airflow 1.10.15 defines none in airflow.contrib.operators"),
        ("airflow.contrib.operators.bigquery_operator", "It was never public"),
    ],
)
def test_a_module_that_1_10_never_had(module: str, told: str, newest: dict[str, str]) -> None:
    (note,) = migrate_source(f"from {module} import Mystery\n", pins=newest).notes
    assert (note.rule, told in note.fix) == ("removed-import", True)
    assert note.fix.endswith(("in the target's providers", "in its module's successor"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            text("import airflow.www_rbac.app", "", "airflow.www_rbac.app.mystery(x)"),
            text("import airflow.www.app", "", "airflow.www.app.mystery(x)"),
        ),
        (
            text("from airflow.www_rbac import app", "", "app.mystery(x)"),
            text("from airflow.www import app", "", "app.mystery(x)"),
        ),
    ],
)
def test_an_unknown_name_of_a_module_that_moved_is_told(
    before: str, after: str, newest: dict[str, str]
) -> None:
    migration = migrate_source(before, pins=newest)
    assert migration.text == after
    assert [
        (n.line, "www_rbac.app.mystery is not known" in n.message) for n in migration.notes
    ] == [(3, True)]


def test_a_module_that_moved_is_renamed_where_it_is_a_value(newest: dict[str, str]) -> None:
    before = text(
        "import airflow.operators.bash_operator", "", "print(airflow.operators.bash_operator)"
    )
    migration = migrate_source(before, pins=newest)
    assert migration.text == before.replace("bash_operator", "bash")
    assert migration.notes == ()


GONE = "from airflow.contrib.executors.mesos_executor import MesosExecutor"


def test_a_comment_stays_when_another_import_brings_the_name(newest: dict[str, str]) -> None:
    vision = "airflow.contrib.hooks.gcp_vision_hook"
    before = text(
        f"import {vision}  # one",
        "import airflow.api.common.experimental.delete_dag  # two",
        f"print({vision}.AirflowException)",
        "print(airflow.api.common.experimental.delete_dag.DagNotFound)",
    )
    after = text(
        "import airflow.exceptions  # one",
        "# two",
        "print(airflow.exceptions.AirflowException)",
        "print(airflow.exceptions.DagNotFound)",
    )
    assert migrate_source(before, pins=newest).text == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (text(GONE, "", "x = 1"), text("", "x = 1")),
        (text("def f():", f"    {GONE}"), text("def f():", "    pass")),
        (text("import airflow.contrib.executors.mesos_executor as s", "x = 1"), text("x = 1")),
        (text(f"{GONE} as Hook  # MesosExecutor", "x = 1"), text("x = 1")),
        (text(f"x = 1; {GONE}; y = 2"), text("x = 1; pass; y = 2")),
    ],
)
def test_an_import_that_fails_and_is_not_used_goes(
    before: str, after: str, newest: dict[str, str]
) -> None:
    migration = migrate_source(before, pins=newest)
    assert (migration.text, migration.notes) == (after, ())
    assert {e.rule for e in migration.edits} == {"removed-import"}


@pytest.mark.parametrize(
    "source",
    [
        text(GONE, "", "__all__ = ['MesosExecutor']"),
        text(f"{GONE}  # noqa: F401"),
        text(GONE, "", "def f(hook: 'MesosExecutor'):", "    pass"),
        text(GONE, "", "hook = find()  # type: MesosExecutor"),
        text("class Hooks:", f"    {GONE}"),
        text(GONE, "", "MesosExecutor()"),
    ],
)
def test_an_import_that_something_may_need_is_reported(source: str, newest: dict[str, str]) -> None:
    migration = migrate_source(source, pins=newest)
    assert (migration.text, [n.rule for n in migration.notes]) == (None, ["removed-import"])


def test_the_imports_of_a_package_are_for_others(newest: dict[str, str]) -> None:
    migration = migrate_source(text(GONE), pins=newest, path="hooks/__init__.py")
    assert (migration.text, len(migration.notes)) == (None, 1)


def _both_branches(test: str) -> str:
    return (
        f"from airflow import version\n\nif {test}:\n"
        "    from airflow.hooks.base_hook import BaseHook\n"
        "    from airflow.operators.python_operator import PythonOperator\n"
        "else:\n"
        "    from airflow.hooks.base import BaseHook\n"
        "    from airflow.operators.python import PythonOperator\n"
    )


@pytest.mark.parametrize("test", ["version.version < '2.5'", "True"])
def test_each_branch_keeps_its_own_import(newest: dict[str, str], test: str) -> None:
    """What another branch imports is not there when this one runs."""
    new = migrate_source(_both_branches(test), pins=newest).text
    assert new is not None
    old = _both_branches(test).replace("base_hook", "base").replace("python_operator", "python")
    assert new == old


def test_a_tower_in_a_branch_that_is_not_taken_stays(newest: dict[str, str]) -> None:
    inner = (
        "    try:\n"
        "        from airflow.operators.dummy import DummyOperator\n"
        "    except ImportError:\n"
        "        from airflow.operators.empty import EmptyOperator as DummyOperator\n"
    )
    before = (
        "try:\n    from airflow.operators.dummy_operator import DummyOperator\n"
        f"except ImportError:\n{inner}\nDummyOperator(task_id='a')\n"
    )
    after = before.replace(
        "try:\n    from airflow.operators.dummy_operator import DummyOperator\n",
        "try:\n    from airflow.operators.empty import EmptyOperator as DummyOperator\n",
    )
    assert migrate_source(before, pins=newest).text == after


def test_a_name_inside_a_quoted_annotation_stays_bound(newest: dict[str, str]) -> None:
    before = (
        "from typing import List\n\n"
        "from airflow.operators.dummy_operator import DummyOperator\n\n\n"
        "def last(tasks: 'List[DummyOperator]') -> int:\n"
        "    return isinstance(tasks[-1], DummyOperator)\n"
    )
    after = before.replace(
        "airflow.operators.dummy_operator import DummyOperator",
        "airflow.operators.empty import EmptyOperator as DummyOperator",
    )
    assert migrate_source(before, pins=newest).text == after


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("airflow.contrib.auth.backends.ldap_auth.LdapUser", "webserver_config.py"),
        ("airflow.bin.cli.pool", "airflow.models.Pool"),
        ("airflow.bin.cli.kubernetes_generate_dag_yaml", "airflow command"),
        ("airflow.www_rbac.views.Airflow2", "appbuilder_views"),
        ("airflow.contrib.operators.hipchat_operator.HipChatAPIOperator", "HipChat"),
    ],
)
def test_what_is_gone_is_told_with_what_to_do(newest: dict[str, str], path: str, part: str) -> None:
    module, _, name = path.rpartition(".")
    migration = migrate_source(f"from {module} import {name}\n\n{name}()\n", pins=newest)
    assert migration.text is None
    assert [part in note.fix for note in migration.notes] == [True]


def test_what_a_module_only_happened_to_have_comes_from_its_home(newest: dict[str, str]) -> None:
    before = "from airflow.operators.python_operator import AirflowException, timedelta\n"
    before += "\nraise AirflowException(timedelta(1))\n"
    new = migrate_source(before, pins=newest).text
    assert new is not None
    assert "from airflow.exceptions import AirflowException" in new


def test_a_name_that_other_files_import_from_here_stays_bound(newest: dict[str, str]) -> None:
    before = (
        "from airflow.operators.dummy_operator import DummyOperator\n\nDummyOperator(task_id='a')\n"
    )
    after = before.replace(
        "airflow.operators.dummy_operator import DummyOperator",
        "airflow.operators.empty import EmptyOperator as DummyOperator",
    )
    assert migrate_source(before, pins=newest, shared={"DummyOperator"}).text == after


def test_the_star_of_airflow_models_fails_on_2_5(targets: dict[str, dict[str, str]]) -> None:
    used = text("from airflow.models import *", "", "DAG('d', schedule=None)", "Variable.get('v')")
    named = used.replace("*", "DAG, Variable")
    assert migrate_source(used, pins=targets["2.5.1"]).text == named
    assert migrate_source(used, pins=targets["2.10.3"]).text is None
    (note,) = migrate_source("from airflow.models import *\n", pins=targets["2.5.1"]).notes
    assert note.message.startswith("the star import of airflow.models fails")


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        (
            "from datetime import datetime\nfrom airflow import DAG\n",
            "datetime import datetime, timedelta\nfrom a",
        ),
        (
            "from airflow import DAG\nfrom datetime import datetime\n",
            "datetime import datetime, timedelta\n",
        ),
        (
            "from airflow import DAG\nx = 1\nfrom datetime import datetime\n",
            "DAG\nfrom datetime import timedelta\nx",
        ),
        (
            "from datetime import (\n    date,\n    datetime,\n)\nfrom airflow import DAG\n",
            "import (\n    date,\n    datetime,\n    timedelta,\n)\n",
        ),
        (
            "from datetime import (datetime,\n)\nfrom airflow import DAG\n",
            "import (datetime,\n)\nfrom datetime import timedelta\nfrom airflow import DAG\n",
        ),
        (
            "from datetime import *\nfrom airflow import DAG\n",
            "import *\nfrom datetime import timedelta\nfrom airflow",
        ),
        (
            "import os\nimport re, sys\nfrom airflow import DAG\nfrom datetime import *\n",
            "import re, sys\nfrom datetime import timedelta\nfrom airflow",
        ),
        (
            "from datetime import datetime  # noqa\nfrom airflow import DAG\n",
            "datetime import datetime, timedelta  # noqa\n",
        ),
        (
            "import datetime; from datetime import date as day\nfrom airflow import DAG\n",
            "import datetime; from datetime import date as day\nfrom airflow import DAG\n\n",
        ),
    ],
)
def test_a_new_import_joins_one_from_the_same_module_or_stands_with_pythons_own(
    imports: str, expected: str, newest: dict[str, str]
) -> None:
    before = imports + "\ndag = DAG('d', start_date=datetime(2020, 1, 1))\n"
    after = migrate_source(before, pins=newest).text or before
    assert expected in after
    assert not migrate_source(after, pins=newest).text


@pytest.mark.parametrize(
    ("homes", "after", "told"),
    [
        (("ours.A", "ours.B"), "ours", 0),
        (("one.A", "two.B"), "airflow.operators.plugin", 1),
    ],
)
def test_the_module_of_a_plugin_in_a_string(
    newest: dict[str, str], homes: tuple[str, str], after: str, told: int
) -> None:
    """Its one new module takes its place; where there are several, they are named."""
    text = 'from importlib import import_module\n\nimport_module("{}").A\n'
    plugins = {f"airflow.operators.plugin.{home.partition('.')[2]}": home for home in homes}
    done = migrate_source(text.format("airflow.operators.plugin"), pins=newest, plugins=plugins)
    assert (done.text or text.format("airflow.operators.plugin")) == text.format(after)
    assert ["one, two" in note.fix for note in done.notes] == [True] * told


def test_a_star_is_named_where_it_hides_calls(targets: dict[str, dict[str, str]]) -> None:
    star = text(
        "from airflow.operators.bash_operator import *  # all",
        "from airflow.operators.python_operator import *",
        "",
        "BashOperator(task_id='a', bash_command='true', xcom_push=True)",
        "PythonOperator(task_id='b', python_callable=len, provide_context=True)",
    )
    after = text(
        "from airflow.operators.bash import BashOperator  # all",
        "from airflow.operators.python import PythonOperator",
        "",
        "BashOperator(task_id='a', bash_command='true', do_xcom_push=True)",
        "PythonOperator(task_id='b', python_callable=len)",
    )
    for version in ("2.5.1", "2.10.3", "2.11.0"):
        assert migrate_source(star, pins=targets[version]).text == after
        assert migrate_source(after, pins=targets[version]).text is None


@pytest.mark.parametrize("unsure", ["from company import *", "print(brought_by_nobody_we_know)"])
def test_a_star_that_may_not_be_named_says_so(newest: dict[str, str], unsure: str) -> None:
    star = text(
        unsure,
        "from airflow.operators.bash_operator import *",
        "",
        "BashOperator(task_id='a', bash_command='true', xcom_push=True)",
    )
    done = migrate_source(star, pins=newest)
    assert done.text == star.replace("bash_operator", "bash")
    assert [(note.rule, note.line) for note in done.notes] == [("moved-import", 2)]


def test_a_star_that_hides_nothing_stays(newest: dict[str, str]) -> None:
    star = text(
        "from airflow.operators.bash_operator import *",
        "",
        "BashOperator(task_id='a', bash_command='')",
    )
    assert migrate_source(star, pins=newest).text == star.replace("bash_operator", "bash")


def test_a_token_that_the_hook_throws_away_is_said(
    targets: dict[str, dict[str, str]],
) -> None:
    made = "from airflow.hooks.slack_hook import SlackHook\n\nSlackHook(token='t')\n"
    (note,) = migrate_source(made, pins=targets["2.11.0"]).notes
    assert (note.line, "slack_conn_id" in note.fix) == (3, True)


def test_a_page_keeps_its_docstring(targets: dict[str, dict[str, str]]) -> None:
    page = text(
        "from airflow.plugins_manager import AirflowPlugin",
        "from flask_admin import BaseView, expose",
        "",
        "class Quota(BaseView):",
        '    """What is left."""',
        "    @expose('/')",
        "    def quota(self):",
        "        return self.render('quota.html')",
        "",
        "class QuotaPlugin(AirflowPlugin):",
        "    name = 'quota'",
        "    admin_views = [Quota(category='A', name='Quota')]",
    )
    new = migrate_source(page, pins=targets["2.11.0"]).text or ""
    assert '    """What is left."""\n    default_view = "quota"\n' in new


def test_a_page_may_stand_below_a_method_that_is_none(newest: dict[str, str]) -> None:
    page = text(
        "from airflow.plugins_manager import AirflowPlugin",
        "from flask_admin import BaseView, expose",
        "",
        "class Quota(BaseView):",
        "    def used(self):",
        "        return 1",
        "",
        "    @expose('/')",
        "    def quota(self):",
        "        return self.render('quota.html', used=self.used())",
        "",
        "class QuotaPlugin(AirflowPlugin):",
        "    name = 'quota'",
        "    admin_views = [Quota(category='A', name='Quota')]",
    )
    new = migrate_source(page, pins=newest).text or ""
    assert '(BaseView):\n    default_view = "quota"\n\n    def used(self):\n' in new


def test_a_star_brings_a_renamed_name_under_its_old_one(newest: dict[str, str]) -> None:
    before = text("from airflow.utils.email import *", "", "send_MIME_email(to)")
    assert migrate_source(before, pins=newest).text == text(
        "from airflow.utils.email import *",
        "from airflow.utils.email import send_mime_email as send_MIME_email",
        "",
        "send_MIME_email(to)",
    )


def test_dataflow_asks_for_beam_where_the_constraints_lack_it(
    targets: dict[str, dict[str, str]],
) -> None:
    before = text(
        "from airflow.contrib.hooks.gcp_dataflow_hook import DataFlowHook", "", "DataFlowHook()"
    )
    (note,) = migrate_source(before, pins=targets["2.11.0"]).notes
    assert "apache-airflow-providers-apache-beam" in note.fix
    assert migrate_source(before, pins=targets["2.10.3"]).notes == ()
