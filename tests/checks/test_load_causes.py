"""Each cause by a message in the words of Python or Airflow, and a look-alike beside it.

``test_recorded_errors`` holds failures as they really happened.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pairs import PATH, broken, dag, pair, seen, side

from harness.checks.causes import CAUSES
from harness.checks.diagnosis import FALLBACK, diagnose, rules_for
from harness.checks.modules import distribution_for, provider_for, repository_folders
from harness.checks.scene import Diagnosis, Kind, Scene
from harness.model import (
    AwsConfig,
    Config,
    ErrorObservation,
    FileObservation,
    Frame,
    LookupObservation,
    Need,
    PluginObservation,
    Rewrite,
    RewriteNote,
    Side,
)

BRIDGE, TARGET = Side.BRIDGE, Side.TARGET


def why(where: Side, file: FileObservation, text: str = "", **fields: Any) -> Diagnosis:
    """The diagnosis of one file; ``text`` is what stands in it."""
    sides: tuple[Any, Any] = ([file], [seen(dag())])
    if where is TARGET:
        sides = ([seen(dag())], [file])
    for name in ("plugins", "plugin_errors", "packages"):
        if name in fields:
            value = fields.pop(name)
            which = TARGET if name == "packages" else BRIDGE
            place = 0 if which is BRIDGE else 1
            rebuilt = side(which, sides[place], **{name: value})
            sides = (rebuilt, sides[1]) if place == 0 else (sides[0], rebuilt)
    about = pair(*sides, texts={PATH: text}, rewritten_texts={PATH: text}, **fields)
    return diagnose(Scene(pair=about, side=where, seen=file))


# side, exception, message, source line at line 3, rule, words of the message
ERRORS: tuple[tuple[Side, str, str, str, str, str], ...] = (
    (BRIDGE, "KeyError", "'Variable lake does not exist'", "", "missing-variable", "lake"),
    (TARGET, "KeyError", "'Variable a b does not exist'", "", "missing-variable", "a b"),
    (BRIDGE, "KeyError", "'lake'", "", "broken-on-bridge", "KeyError: 'lake'"),
    (
        BRIDGE,
        "airflow.exceptions.AirflowException",
        "The conn_id `warehouse` isn't defined",
        "",
        "missing-connection",
        "warehouse",
    ),
    (
        TARGET,
        "airflow.exceptions.AirflowNotFoundException",
        "The conn_id `warehouse` isn't defined",
        "",
        "missing-connection",
        "warehouse",
    ),
    (
        BRIDGE,
        "airflow.exceptions.AirflowConfigException",
        "section/key [mine/bucket] not found in config",
        "",
        "missing-environment-variable",
        "The setting bucket of [mine] has no value",
    ),
    (
        TARGET,
        "airflow.exceptions.AirflowConfigException",
        "section/key [core/sql_engine_encoding] not found in config",
        "",
        "broken-on-target",
        "section/key [core/sql_engine_encoding]",
    ),
    (
        TARGET,
        "airflow.exceptions.AirflowNotFoundException",
        "The conn_id `aws_default` isn't defined",
        "",
        "missing-connection",
        "Airflow 1.10 puts it into a new database, Airflow 2.11.0 and MWAA do not",
    ),
    (
        BRIDGE,
        "airflow.exceptions.AirflowException",
        "The conn_id `mine_default` isn't defined",
        "",
        "missing-connection",
        "The Connection mine_default has no value, and the file stops there",
    ),
    (
        BRIDGE,
        "SyntaxError",
        "Missing parentheses in call to 'print'. Did you mean print(\"x\")? (load.py, line 3)",
        'print "x"',
        "python2-syntax",
        "`print`",
    ),
    (BRIDGE, "SyntaxError", "invalid syntax", "except ValueError, error:", "python2-syntax", ""),
    (BRIDGE, "SyntaxError", "invalid syntax", "raise ValueError, 'no'", "python2-syntax", ""),
    (BRIDGE, "SyntaxError", "invalid syntax", "print >>sys.stderr, 'no'", "python2-syntax", ""),
    (BRIDGE, "SyntaxError", "invalid token", "os.chmod(path, 0755)", "python2-syntax", ""),
    (BRIDGE, "SyntaxError", "invalid syntax", "size = 10L", "python2-syntax", ""),
    (BRIDGE, "SyntaxError", "invalid syntax", "if a <> b:", "python2-syntax", ""),
    (BRIDGE, "SyntaxError", "invalid syntax", "name = `value`", "python2-syntax", ""),
    (BRIDGE, "SyntaxError", "invalid syntax", "key = lambda (a, b): a", "python2-syntax", ""),
    (
        BRIDGE,
        "TabError",
        "inconsistent use of tabs and spaces in indentation",
        "",
        "python2-syntax",
        "tabs",
    ),
    (BRIDGE, "SyntaxError", "invalid syntax", "run(job, async=True)", "async-name", "keyword"),
    (BRIDGE, "SyntaxError", "invalid syntax", "from a.async import b", "async-name", "keyword"),
    (BRIDGE, "SyntaxError", "invalid syntax", "async def load(:", "syntax-error", "Python 3.7"),
    (BRIDGE, "SyntaxError", "invalid syntax", "def load(:", "syntax-error", "Python 3.7"),
    (BRIDGE, "SyntaxError", "invalid syntax", "print('a' 'b', c=)", "syntax-error", ""),
    (BRIDGE, "IndentationError", "unexpected indent", "  x = 1", "syntax-error", ""),
    (
        BRIDGE,
        "SyntaxError",
        "(unicode error) 'utf-8' codec can't decode byte 0xf6 in position 1",
        "",
        "unreadable-file",
        "encoding",
    ),
    (
        BRIDGE,
        "ValueError",
        "source code string cannot contain null bytes",
        "",
        "unreadable-file",
        "",
    ),
    (BRIDGE, "zipfile.BadZipFile", "File is not a zip file", "", "unreadable-file", "zip"),
    (BRIDGE, "ValueError", "no such table", "", "broken-on-bridge", "ValueError"),
    (BRIDGE, "ModuleNotFoundError", "No module named 'urlparse'", "", "python2-name", "urlparse"),
    (BRIDGE, "NameError", "name 'unicode' is not defined", "", "python2-name", "unicode"),
    (BRIDGE, "NameError", "name 'tabel' is not defined", "", "broken-on-bridge", "tabel"),
    (
        BRIDGE,
        "AttributeError",
        "'dict' object has no attribute 'iteritems'",
        "",
        "python2-name",
        "iteritems",
    ),
    (
        BRIDGE,
        "AttributeError",
        "'dict' object has no attribute 'itmes'",
        "",
        "broken-on-bridge",
        "itmes",
    ),
    (
        BRIDGE,
        "ModuleNotFoundError",
        "No module named 'airflow.operators.python'",
        "",
        "unknown-to-bridge",
        "airflow.operators.python",
    ),
    (
        BRIDGE,
        "ModuleNotFoundError",
        "No module named 'airflow.providers'",
        "from airflow.providers.amazon.aws.hooks.s3 import S3Hook",
        "missing-package",
        "airflow.providers.amazon.aws.hooks.s3",
    ),
    (
        TARGET,
        "ImportError",
        "cannot import name 'HttpSensor' from 'airflow.operators' "
        "(/env/lib/python3.12/site-packages/airflow/operators/__init__.py)",
        "",
        "import-gone",
        "airflow.operators of Airflow 2.11.0 has no HttpSensor",
    ),
    (
        TARGET,
        "ModuleNotFoundError",
        "No module named 'airflow.contrib.sensors.qubole_sensor'",
        "",
        "import-gone",
        "airflow.contrib.sensors.qubole_sensor",
    ),
    (
        TARGET,
        "AttributeError",
        "module 'airflow.settings' has no attribute 'CONTEXT_MANAGER_DAG'",
        "",
        "import-gone",
        "CONTEXT_MANAGER_DAG",
    ),
    (
        TARGET,
        "ImportError",
        "Could not import `airflow.providers.amazon.aws.x.Y` while trying to import "
        "`airflow.contrib.operators.x.Y`.",
        "",
        "import-gone",
        "airflow.contrib.operators.x.Y points at airflow.providers.amazon.aws.x.Y",
    ),
    (
        TARGET,
        "ModuleNotFoundError",
        "No module named 'airflow.providers.microsoft'",
        "from airflow.providers.microsoft.azure.hooks.wasb import WasbHook",
        "provider-missing",
        "airflow.providers.microsoft.azure.hooks.wasb",
    ),
    (
        TARGET,
        "ImportError",
        "Could not import `airflow.providers.oracle.hooks.oracle.OracleHook` while trying to "
        "import `airflow.hooks.oracle_hook.OracleHook`.",
        "",
        "provider-missing",
        "airflow.providers.oracle.hooks.oracle.OracleHook",
    ),
    (
        TARGET,
        "ImportError",
        "cannot import name 'Mapping' from 'collections' (/usr/lib/python3.12/collections.py)",
        "",
        "standard-library-changed",
        "collections of Python 3.12 has no Mapping",
    ),
    (
        TARGET,
        "ModuleNotFoundError",
        "No module named 'distutils'",
        "",
        "standard-library-changed",
        "distutils",
    ),
    (
        TARGET,
        "AttributeError",
        "module 'time' has no attribute 'clock'",
        "",
        "standard-library-changed",
        "time of Python 3.12 has no clock",
    ),
    (
        TARGET,
        "ImportError",
        "cannot import name 'secure_filename' from 'werkzeug' (/env/werkzeug/__init__.py)",
        "",
        "package-changed",
        "werkzeug has no secure_filename",
    ),
    (
        TARGET,
        "ModuleNotFoundError",
        "No module named 'holidays'",
        "",
        "missing-package",
        "holidays",
    ),
    (
        BRIDGE,
        "FileNotFoundError",
        "[Errno 2] No such file or directory: '/home/etl/tables.yaml'",
        "",
        "missing-file",
        "/home/etl/tables.yaml",
    ),
    (
        BRIDGE,
        "sqlalchemy.exc.OperationalError",
        "(sqlite3.OperationalError) no such table: company",
        "",
        "database-at-parse",
        "database",
    ),
    (
        BRIDGE,
        "botocore.exceptions.NoCredentialsError",
        "Unable to locate credentials",
        "",
        "network-at-parse",
        "AWS",
    ),
    (
        TARGET,
        "airflow.exceptions.AirflowException",
        "Use keyword arguments when initializing operators",
        "",
        "positional-arguments",
        "",
    ),
    (
        TARGET,
        "airflow.exceptions.AirflowException",
        "Invalid arguments were passed to TriggerDagRunOperator (task_id: go). "
        "Invalid arguments were:\n**kwargs: {'python_callable': <function f at 0x7fc0784523e0>, "
        "'params': {'inner': 1}}",
        "",
        "unknown-argument",
        "TriggerDagRunOperator (task go) takes no argument python_callable, params",
    ),
    (
        TARGET,
        "TypeError",
        "DockerOperator.__init__() got an unexpected keyword argument 'volumes'",
        "",
        "unknown-argument",
        "DockerOperator takes no argument volumes",
    ),
    (
        BRIDGE,
        "TypeError",
        "__init__() got an unexpected keyword argument 'volumes'",
        "",
        "broken-on-bridge",
        "volumes",
    ),
    (
        TARGET,
        "airflow.exceptions.AirflowException",
        "missing keyword argument 'bucket'",
        "",
        "missing-argument",
        "'bucket'",
    ),
    (
        TARGET,
        "TypeError",
        "__init__() missing 1 required keyword-only argument: 'bucket'",
        "",
        "missing-argument",
        "'bucket'",
    ),
    (
        TARGET,
        "airflow.exceptions.DuplicateTaskIdFound",
        "Task id 'end' has already been added to the DAG",
        "",
        "duplicate-task-id",
        "end",
    ),
    (
        TARGET,
        "airflow.exceptions.AirflowException",
        "The trigger_rule must be one of {'all_done'},'load.end'; received 'al_done'.",
        "",
        "value-refused",
        "al_done",
    ),
    (TARGET, "ZeroDivisionError", "division by zero", "", "broken-on-target", "division by zero"),
)


@pytest.mark.parametrize(
    ("where", "kind", "message", "source", "rule", "words"),
    ERRORS,
    ids=[f"{row[0].value}-{row[4]}-{place}" for place, row in enumerate(ERRORS)],
)
def test_a_message_is_understood(
    where: Side, kind: str, message: str, source: str, rule: str, words: str
) -> None:
    found = why(where, broken(kind, message), f"1\n2\n{source}\n")
    assert found.rule.id == rule
    assert words in found.message
    assert found.fix
    assert " at 0x" not in found.message


@pytest.mark.parametrize(
    ("outcome", "rule"),
    [
        ("timeout", "parse-timeout"),
        ("memory", "parse-memory"),
        ("exit", "exits-at-import"),
        ("killed", "killed-at-import"),
        ("lost", "killed-at-import"),
    ],
)
def test_an_outcome_is_a_cause(outcome: str, rule: str) -> None:
    for where in Side:
        found = why(where, seen(outcome=outcome), config=Config(timeout=5.0, memory=256))
        assert (found.rule.id, found.kind) == (rule, Kind.OWN)
    assert "5 seconds" in why(BRIDGE, seen(outcome="timeout"), config=Config(timeout=5.0)).message


def test_an_environment_variable_that_nobody_set() -> None:
    stage = Need(kind="env", name="STAGE", path=PATH, line=3, sample="text")
    missing = broken("KeyError", "'STAGE'")
    found = why(BRIDGE, missing, needs=(stage,))
    assert (found.rule.id, found.input) == ("missing-environment-variable", ("env", "STAGE"))
    assert "[env]" in found.fix
    assert "STAGE=text" in found.fix
    given = why(BRIDGE, missing, needs=(stage,), config=Config(env={"STAGE": "x"}))
    assert given.rule.id == "broken-on-bridge"


def test_a_setting_of_ones_own_is_an_environment_variable() -> None:
    need = Need(kind="env", name="AIRFLOW__MINE__BUCKET", path=PATH, line=3, sample="bucket")
    error = broken("AirflowConfigException", "section/key [mine/bucket] not found in config")
    found = why(BRIDGE, error, needs=(need,))
    assert found.input == ("env", "AIRFLOW__MINE__BUCKET")
    assert "AIRFLOW__MINE__BUCKET=bucket. An airflow.cfg in the repository counts" in found.fix


def test_an_environment_variable_whose_name_no_source_shows() -> None:
    look = LookupObservation(kind="env", name="STAGE_EU", path=PATH, line=3, answer="missing")
    found = why(BRIDGE, broken("KeyError", "'STAGE_EU'", lookups=(look,)))
    assert found.input == ("env", "STAGE_EU")
    assert why(BRIDGE, broken("KeyError", "'other'", lookups=(look,))).input is None


def test_an_environment_variable_that_is_none() -> None:
    stage = Need(kind="env", name="STAGE", path=PATH, line=2)
    error = broken("TypeError", 'can only concatenate str (not "NoneType") to str')
    found = why(BRIDGE, error, needs=(stage,))
    assert found.rule.id == "missing-environment-variable"
    assert "STAGE" in found.message
    assert why(BRIDGE, error).rule.id == "broken-on-bridge"
    elsewhere = replace(stage, path="dags/other.py")
    assert why(BRIDGE, error, needs=(elsewhere,)).rule.id == "broken-on-bridge"


def test_a_placeholder_of_no_use() -> None:
    look = LookupObservation(
        kind="variable", name="tables", path=PATH, line=2, answer="assumed", value="{}"
    )
    found = why(BRIDGE, broken("KeyError", "'sales'", lookups=(look,)))
    assert (found.rule.id, found.kind) == ("misleading-assumption", Kind.SURROUNDINGS)
    assert "tables" in found.message
    given = LookupObservation(kind="variable", name="tables", path=PATH, line=2, answer="given")
    own = why(BRIDGE, broken("KeyError", "'sales'", lookups=(given,)))
    assert own.rule.id == "broken-on-bridge"


def test_the_network_was_refused() -> None:
    error = broken("OSError", "refused", egress=("catalog.example:443",))
    found = why(BRIDGE, error)
    assert found.rule.id == "network-at-parse"
    assert 'allowed-hosts = ["catalog.example:443"]' in found.fix
    assert why(BRIDGE, broken("OSError", "refused")).rule.id == "broken-on-bridge"


def test_aws_was_refused() -> None:
    error = broken("OSError", "refused", egress=("sts.eu-west-1.amazonaws.com:443",))
    assert 'aws = "moto"' in why(BRIDGE, error).fix
    assert 'aws = "moto"' in why(BRIDGE, broken("EndpointConnectionError", "no")).fix


def test_the_emulated_aws_lacks_what_the_file_asks_for() -> None:
    config = Config(aws=AwsConfig(emulator="moto"))
    found = why(BRIDGE, broken("ClientError", "NoSuchBucket"), config=config)
    assert "give moto what the file asks for" in found.fix
    told = "An error occurred (NoSuchBucket) when calling the ListObjects operation: not there"
    found = why(BRIDGE, broken("NoSuchBucket", told), config=config)
    assert found.rule.id == "network-at-parse"
    assert "(NoSuchBucket)" in found.message
    assert "give moto what the file asks for" in found.fix


@pytest.mark.parametrize(
    ("emulator", "told", "other"),
    [
        (
            "moto",
            "(NotEmulated) when calling the ListBuilds operation: moto does not",
            "localstack",
        ),
        (
            "localstack",
            "(InternalFailure) when calling the ListWorkGroups operation: The API for service"
            " athena is either not included in your current license plan or has not yet been"
            " emulated by LocalStack.",
            "moto",
        ),
        (
            "localstack",
            "(InternalFailure) when calling the GetConsoleScreenshot operation: The"
            " get_console_screenshot action has not been implemented",
            "moto",
        ),
    ],
)
def test_the_emulated_aws_lacks_the_service(emulator: str, told: str, other: str) -> None:
    error = broken("ClientError", f"An error occurred {told}")
    fix = why(BRIDGE, error, config=Config(aws=AwsConfig(emulator=emulator))).fix
    assert f"{emulator} does not have what it needs" in fix
    assert f"--aws {other}" in fix


def test_the_missing_module_is_not_what_an_import_only_ends_like() -> None:
    error = broken("ModuleNotFoundError", "No module named 'kubernetes'")
    found = why(BRIDGE, error, "1\n2\nfrom airflow.contrib.kubernetes.pod import Resources\n")
    assert found.message.endswith("has the module kubernetes")
    found = why(BRIDGE, error, "1\n2\nfrom kubernetes.client import models\n")
    assert found.message.endswith("has the module kubernetes.client")


def test_a_module_of_the_repository_is_no_package() -> None:
    error = broken("ModuleNotFoundError", "No module named 'common'")
    found = why(BRIDGE, error, files=["src/common/dates.py"])
    assert found.rule.id == "missing-module"
    assert 'paths = ["src"]' in found.fix
    assert why(BRIDGE, error, files=["src/uncommon.py"]).rule.id == "missing-package"
    error = broken("ModuleNotFoundError", "No module named 'dags'")
    by_folder = why(BRIDGE, error, files=["dags/team/dates.py"])
    assert by_folder.rule.id == "missing-module"
    assert 'paths = ["."]' in by_folder.fix


def test_a_module_below_a_package_that_is_there() -> None:
    error = broken("ModuleNotFoundError", "No module named 'common.dates'", line=3)
    found = why(BRIDGE, error, files=["lib/common/dates.py"])
    assert found.rule.id == "missing-module"


def test_the_distribution_comes_from_the_constraints() -> None:
    found = why(TARGET, broken("ModuleNotFoundError", "No module named 'yaml'"))
    assert "Add pyyaml==6.0.2 to requirements.txt" in found.fix
    unknown = why(TARGET, broken("ModuleNotFoundError", "No module named 'company_etl'"))
    assert "company package" in unknown.fix


def test_a_plugin_that_did_not_load() -> None:
    gone = broken("ModuleNotFoundError", "No module named 'airflow.operators.company'")
    error = ErrorObservation(type="KeyError", message="'x'", path="plugins/company.py", line=1)
    assert why(BRIDGE, gone, plugin_errors=(error,)).rule.id == "plugin-not-loaded"
    assert why(BRIDGE, gone).rule.id == "unknown-to-bridge"


def test_operators_of_a_plugin_on_the_target() -> None:
    gone = broken("ModuleNotFoundError", "No module named 'airflow.operators.company'")
    plugin = PluginObservation(name="company", path="plugins/company.py")
    assert why(TARGET, gone, plugins=(plugin,)).rule.id == "plugin-import-gone"
    other = PluginObservation(name="firm", path="plugins/company.py")
    assert why(TARGET, gone, plugins=(other,)).rule.id == "import-gone"


def test_a_provider_that_is_installed_has_lost_the_module() -> None:
    gone = broken("ModuleNotFoundError", "No module named 'airflow.providers.oracle.old'")
    packages = {"apache-airflow-providers-oracle": "4.1.0"}
    assert why(TARGET, gone).rule.id == "provider-missing"
    assert why(TARGET, gone, packages=packages).rule.id == "import-gone"


def test_the_cause_may_stand_behind_another_error() -> None:
    error = broken("ValueError", "cannot start", chain=("The conn_id `lake` isn't defined",))
    assert why(BRIDGE, error).rule.id == "missing-connection"


def test_what_the_rewrite_left_to_do_is_the_fix() -> None:
    note = RewriteNote(rule="x", line=3, column=0, message="gone", fix="Write conf={...}.")
    error = broken("ImportError", "cannot import name 'A' from 'airflow.x' (x.py)")
    told = why(TARGET, error, rewrites=(Rewrite(path=PATH, notes=(note,)),))
    assert told.fix == "Write conf={...}."
    elsewhere = Rewrite(path="dags/other.py", notes=(note,))
    assert why(TARGET, error, rewrites=(elsewhere,)).fix == told.rule.fix
    lost = broken("ModuleNotFoundError", "No module named 'holidays'")
    here = (Rewrite(path=PATH, notes=(note,)),)
    assert "holidays" in why(BRIDGE, lost, rewrites=here).fix


def test_a_variable_is_added_with_a_value_of_its_shape() -> None:
    lake = Need(
        kind="variable", name="lake", path=PATH, line=3, shape="json", sample='{"bucket": "x"}'
    )
    other = replace(lake, name="sea", sample="[1]")
    found = why(BRIDGE, broken("KeyError", "'Variable lake does not exist'"), needs=(other, lake))
    assert found.fix.endswith('"lake": {"bucket": "x"}')
    assert "[variables]" in found.fix


@pytest.mark.parametrize(
    ("module", "wanted"),
    [
        (
            "airflow.providers.microsoft.azure.hooks.wasb",
            "apache-airflow-providers-microsoft-azure",
        ),
        ("airflow.providers.amazon", "apache-airflow-providers-amazon"),
        ("airflow.providers.microsoft", ""),
        ("airflow.contrib.hooks", ""),
        ("company.airflow.providers.amazon", ""),
    ],
)
def test_providers_by_module(module: str, wanted: str) -> None:
    pins = {
        "apache-airflow-providers-amazon": "1",
        "apache-airflow-providers-microsoft-azure": "1",
    }
    assert provider_for(module, pins) == wanted


@pytest.mark.parametrize(
    ("module", "wanted"),
    [
        ("yaml", "pyyaml"),
        ("google.cloud.bigquery", "google-cloud-bigquery"),
        ("psycopg2.extras", "psycopg2-binary"),
        ("werkzeug", "werkzeug"),
        ("sklearn", ""),
        ("past.builtins", "future"),
        ("nacl.signing", "pynacl"),
        ("dateutil.parser", "python-dateutil"),
        # A distribution of its own, which the pins do not know, is not another one's.
        ("arrow", ""),
        ("mysql.connector", ""),
    ],
)
def test_distributions_by_module(module: str, wanted: str) -> None:
    names = ("pyyaml", "google-cloud-bigquery", "psycopg2-binary", "werkzeug", "future")
    names += ("pynacl", "python-dateutil", "pyarrow", "pymysql")
    pins = dict.fromkeys(names, "1")
    assert distribution_for(module, pins) == wanted


def test_folders_that_would_have_to_be_on_the_path() -> None:
    files = ("lib/common/dates.py", "common.txt", "src/deep/common.py")
    assert repository_folders("common", files) == ("lib", "src/deep")
    assert repository_folders("dates", files) == ("lib/common",)
    assert repository_folders("lib", files) == ("",)
    assert repository_folders("txt", files) == ()


def test_every_rule_of_the_table_was_met() -> None:
    met = {row[4] for row in ERRORS} | {
        "parse-timeout",
        "parse-memory",
        "exits-at-import",
        "killed-at-import",
        "missing-environment-variable",
        "misleading-assumption",
        "missing-module",
        "plugin-not-loaded",
        "plugin-import-gone",
        "relative-import",
    }
    assert {rule.id for where in Side for rule in rules_for(where)} == met


def test_a_row_is_not_hidden_by_one_before_it() -> None:
    seen_rows = [
        (row.rule.id, row.outcome, row.types, row.message, row.side, row.when) for row in CAUSES
    ]
    assert len(seen_rows) == len(set(seen_rows))
    assert all(rule.id not in {row.rule.id for row in CAUSES} for rule, _ in FALLBACK.values())


def inside_airflow(message: str) -> FileObservation:
    """A module of Airflow's own did not find what it imports."""
    lost = broken("ModuleNotFoundError", message)
    assert lost.error is not None
    frames = (
        *lost.error.frames,
        Frame(
            path="airflow/contrib/hooks/gcp_api_base_hook.py",
            line=9,
            function="<module>",
            own=False,
        ),
    )
    return replace(lost, error=replace(lost.error, frames=frames))


@pytest.mark.parametrize(
    ("module", "extra"),
    [("googleapiclient", "gcp"), ("google.cloud.vision", "gcp"), ("MySQLdb", "mysql")],
)
def test_what_airflow_itself_lacks_is_an_extra(module: str, extra: str) -> None:
    message = f"No module named '{module}'"
    found = why(BRIDGE, inside_airflow(message), bridge_pins={"mysqlclient": "1.3.14"})
    assert found.rule.id == "missing-package"
    assert f"apache-airflow[{extra}]==1.10.15" in found.fix
    own = why(BRIDGE, broken("ModuleNotFoundError", message))
    assert "apache-airflow[" not in own.fix
    assert "apache-airflow[" not in why(TARGET, inside_airflow(message)).fix


@pytest.mark.parametrize(("where", "version"), [(BRIDGE, "2.8.6"), (TARGET, "2.9.10")])
def test_a_lacking_package_is_pinned_as_that_side_pins_it(where: Side, version: str) -> None:
    lost = broken("ModuleNotFoundError", "No module named 'psycopg2'")
    found = why(where, lost, bridge_pins={"psycopg2-binary": "2.8.6"})
    assert f"psycopg2-binary=={version} " in found.fix


@pytest.mark.parametrize(
    ("where", "kind", "message", "blame"),
    [
        (BRIDGE, "ValueError", "attempted relative import beyond top-level package", Kind.OWN),
        (
            TARGET,
            "ImportError",
            "attempted relative import with no known parent package",
            Kind.MOVE,
        ),
    ],
)
def test_a_relative_import_without_a_package(
    where: Side, kind: str, message: str, blame: Kind
) -> None:
    found = why(where, broken(kind, message))
    assert (found.rule.id, found.kind) == ("relative-import", blame)
    assert why(where, broken(kind, "bad value")).rule.id != "relative-import"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("wait = sensors.S3KeySensor(task_id='wait')", "S3KeySensor wants"),
        ("make(task_id='wait')", "A class of the target wants"),
    ],
)
def test_the_class_that_wants_an_argument_is_named(line: str, told: str) -> None:
    error = broken("airflow.exceptions.AirflowException", "missing keyword argument 'bucket_key'")
    assert why(TARGET, error, f"\n\n{line}").message.startswith(told)
