"""The rules that a file breaks when it does not load; which of them, ``causes`` tells."""

from __future__ import annotations

from harness.model import Rule

MISSING_VARIABLE = Rule(
    id="missing-variable",
    title="A Variable that is read at import has no value",
    why="The file stops at the first Variable that is not there, so neither side can be judged.",
    fix="Add the Variable to the configuration, or run with --assume-missing.",
    example='lake = Variable.get("lake_bucket")',
    keeps='lake = Variable.get("lake_bucket", default_var="lake")',
)
MISSING_CONNECTION = Rule(
    id="missing-connection",
    title="A Connection that is read at import has no value",
    why="The file stops at the first Connection that is not there, so neither side can be judged. "
    "A new database of Airflow 1.10 to 2.6 holds Connections of its own (aws_default, http_default "
    "and others); since 2.7 it holds none, on MWAA too.",
    fix="Add the Connection to the configuration, or run with --assume-missing. The new "
    "environment on MWAA needs it as well.",
    example='host = BaseHook.get_connection("warehouse").host',
    keeps='S3KeySensor(task_id="wait", aws_conn_id="lake")  # read when the task runs',
)
MISSING_ENVIRONMENT_VARIABLE = Rule(
    id="missing-environment-variable",
    title="An environment variable that is read at import has no value",
    why="A run starts with an empty environment, as MWAA does; the file stops without the value.",
    fix="Add it under `env` of the configuration, and to startup.sh for MWAA itself.",
    example='stage = os.environ["STAGE"]',
    keeps='stage = os.environ.get("STAGE", "dev")',
)
MISSING_PACKAGE = Rule(
    id="missing-package",
    title="A third-party package is not installed",
    why="What the requirements file does not name is not there, unless the image brings it.",
    fix="Add the distribution to requirements.txt, or `requirements` of the configuration.",
    example="import holidays  # and no such line in requirements.txt",
    keeps="import boto3  # the image brings it",
)
MISSING_MODULE = Rule(
    id="missing-module",
    title="A module of the repository is not on sys.path",
    why="Airflow puts the DAG folder, the plugins folder and its configuration folder on sys.path, "
    "and nothing else: a module elsewhere in the repository is not found on MWAA either.",
    fix="Import it by its path below the DAG folder, or name its folder under `paths`.",
    example="import common.dates  # lies in src/common/dates.py",
    keeps="import common.dates  # lies in dags/common/dates.py",
)
MISSING_FILE = Rule(
    id="missing-file",
    title="A file that is read at import is not there",
    why="Only what lies in the repository exists on both sides, and MWAA holds the DAG folder at "
    "/usr/local/airflow/dags.",
    fix="Keep the file beside the DAG and open it relative to `__file__`.",
    example='open("/home/etl/tables.yaml")',
    keeps='open(Path(__file__).with_name("tables.yaml"))',
)
MISLEADING_ASSUMPTION = Rule(
    id="misleading-assumption",
    title="A placeholder was of no use to the file",
    why="An assumed value stood in for a missing one and the file could not work with it, so "
    "nothing is known about the file.",
    fix="Supply the real value in the configuration.",
    example='tables = json.loads(Variable.get("tables"))["sales"]["columns"]  # assumed: {}',
    keeps='tables = Variable.get("tables", deserialize_json=True, default_var={})',
)
NETWORK_AT_PARSE = Rule(
    id="network-at-parse",
    title="The file reaches for the network while it is imported",
    why="The scheduler imports every file again and again; a service that is slow or away takes "
    "all its DAGs with it. Nothing may leave the machine during a run, so the call was refused.",
    fix="Move the call into a task, or name the host under `allowed-hosts` of the configuration.",
    example='tables = requests.get("https://catalog.example/tables").json()',
    keeps="def tables(): return requests.get(URL).json()  # called by a task",
)
DATABASE_AT_PARSE = Rule(
    id="database-at-parse",
    title="The file queries a database while it is imported",
    why="The metadata database of a run is empty, and MWAA keeps its own out of reach.",
    fix="Move the query into a task.",
    example="session.query(DagModel).filter(DagModel.is_paused).one()",
    keeps="@provide_session\ndef paused(session=None): ...  # called by a task",
)
PYTHON2_SYNTAX = Rule(
    id="python2-syntax",
    title="Python 2 syntax",
    why="Every Airflow that MWAA ever ran is on Python 3: the file loads on neither side.",
    fix="Translate the file to Python 3, for instance with `mwaa-harness migrate --python2`.",
    example='print "loaded"',
    keeps='print("loaded")',
)
PYTHON2_NAME = Rule(
    id="python2-name",
    title="A module or builtin that only Python 2 has",
    why="Every Airflow that MWAA ever ran is on Python 3: the file loads on neither side.",
    fix="Use the name that Python 3 has for it.",
    example="import urlparse",
    keeps="from urllib import parse as urlparse",
)
ASYNC_NAME = Rule(
    id="async-name",
    title="`async` or `await` used as a name",
    why="Both are keywords since Python 3.7.",
    fix="Rename the argument or variable; libraries renamed theirs too.",
    example="client.submit(job, async=True)",
    keeps="client.submit(job, async_=True)",
)
SYNTAX_ERROR = Rule(
    id="syntax-error",
    title="The file is not Python",
    why="The interpreter of that side cannot compile the file.",
    fix="Correct the line that is named.",
    example="def load(:",
    keeps="def load():",
)
UNREADABLE_FILE = Rule(
    id="unreadable-file",
    title="The file cannot be read",
    why="It is not text in the encoding it claims, not a zip archive, or may not be opened.",
    fix="Put a plain file there that may be read, in UTF-8 or with its encoding named in the first "
    "line; a link has to stay inside of the repository. Or take it out.",
    example="# no coding line, saved as Latin-1\nowner = 'J\\xf6rg'",
    keeps="# -*- coding: latin-1 -*-\nowner = 'J\\xf6rg'",
)
PARSE_TIMEOUT = Rule(
    id="parse-timeout",
    title="The file takes too long to import",
    why="Airflow gives up on a file after 30 seconds (core.dagbag_import_timeout), and every DAG "
    "in it disappears.",
    fix="Move slow work into tasks; raise `timeout` of the configuration when it must be so.",
    example="time.sleep(3600)",
    keeps="PythonOperator(task_id='wait', python_callable=lambda: time.sleep(3600))",
)
PARSE_MEMORY = Rule(
    id="parse-memory",
    title="The file takes too much memory to import",
    why="The scheduler of a small environment has little memory, shared by all that it parses.",
    fix="Move the work into a task; raise `memory` of the configuration when it must be so.",
    example="table = pandas.read_parquet('everything.parquet')",
    keeps="def load(): return pandas.read_parquet('everything.parquet')  # called by a task",
)
EXITS_AT_IMPORT = Rule(
    id="exits-at-import",
    title="The file ends the process that imports it",
    why="SystemExit passes through Airflow's own handling: the DAGs of the file are lost, and "
    "with a plain DagBag all that come after it.",
    fix="Raise an exception, or guard the call with `if __name__ == '__main__':`.",
    example="sys.exit(0)",
    keeps="if __name__ == '__main__':\n    sys.exit(dag.cli())",
)
KILLED_AT_IMPORT = Rule(
    id="killed-at-import",
    title="The process that imported the file was killed",
    why="The file, or a C extension it loads, brought its process down.",
    fix="Import the file alone in a shell of that environment and see which line does it.",
    example="os.kill(os.getpid(), signal.SIGKILL)",
    keeps="raise AirflowException('not here')",
)
UNKNOWN_TO_BRIDGE = Rule(
    id="unknown-to-bridge",
    title="Airflow 1.10.15 has no such module or name",
    why="The file was written for another Airflow: older, newer, or with a backport package.",
    fix="Import it from where 1.10.15 has it, or add the backport package to requirements.txt.",
    example="from airflow.operators.python import PythonOperator  # a 2.x path",
    keeps="from airflow.operators.python_operator import PythonOperator",
)
PLUGIN_NOT_LOADED = Rule(
    id="plugin-not-loaded",
    title="The file imports from a plugin that did not load",
    why="Airflow 1.10 puts what a plugin registers below airflow.operators, airflow.sensors and "
    "so on; a plugin that fails registers nothing.",
    fix="See the findings of plugins-load first.",
    example="from airflow.operators.company import LoadOperator  # plugins/company.py fails",
    keeps="from airflow.operators.company import LoadOperator  # plugins/company.py loads",
)
IMPORT_GONE = Rule(
    id="import-gone",
    title="The target has no such module or name",
    why="Airflow 2 moved most operators, sensors and hooks into providers and removed others.",
    fix="Import it from its new place.",
    example="from airflow.contrib.operators.ecs_operator import ECSOperator",
    keeps="from airflow.providers.amazon.aws.operators.ecs import EcsRunTaskOperator",
)
PLUGIN_IMPORT_GONE = Rule(
    id="plugin-import-gone",
    title="Operators of a plugin are imported through airflow.operators",
    why="Airflow 2 registers no operators, sensors or hooks through plugins.",
    fix="Move the class into a module of the DAG folder and import it from there.",
    example="from airflow.operators.company import LoadOperator",
    keeps="from company_operators import LoadOperator",
)
RELATIVE_IMPORT = Rule(
    id="relative-import",
    title="An import with a leading dot has no package to start from",
    why="Airflow loads each file of the plugins and the DAG folder as a module of its own. 1.10 "
    "took plugins/__init__.py for a package, Airflow 2 does not.",
    fix="Name the module in full: the plugins and the DAG folder are on sys.path.",
    example="from .operators import LoadOperator  # in plugins/__init__.py",
    keeps="from operators import LoadOperator  # in plugins/__init__.py",
)
PROVIDER_MISSING = Rule(
    id="provider-missing",
    title="A provider is not installed on the target",
    why="What 1.10 had in one distribution comes in many from Airflow 2 on, and the image has only "
    "some of them.",
    fix="Add the provider to requirements.txt.",
    example="from airflow.providers.oracle.operators.oracle import OracleOperator",
    keeps="from airflow.providers.amazon.aws.hooks.s3 import S3Hook  # the image brings it",
)
STANDARD_LIBRARY_CHANGED = Rule(
    id="standard-library-changed",
    title="Python itself no longer has a module or name",
    why="The target runs a newer Python, and that removed it.",
    fix="Use what replaced it.",
    example="from collections import Mapping",
    keeps="from collections.abc import Mapping",
)
PACKAGE_CHANGED = Rule(
    id="package-changed",
    title="A package has another interface on the target",
    why="The constraints of the target hold a newer release of the package, and the name the file "
    "imports is not in it.",
    fix="Adapt the import to the release that the target's constraints hold.",
    example="from werkzeug import secure_filename",
    keeps="from werkzeug.utils import secure_filename",
)
UNKNOWN_ARGUMENT = Rule(
    id="unknown-argument",
    title="An argument that the target's class does not take",
    why="1.10 only warns of arguments it does not know, 2.x raises; and arguments were renamed.",
    fix="Rename the argument to what the class takes now, or drop it.",
    example="PythonOperator(task_id='load', python_callable=load, xcom_push=True)",
    keeps="PythonOperator(task_id='load', python_callable=load, do_xcom_push=True)",
)
MISSING_ARGUMENT = Rule(
    id="missing-argument",
    title="An argument that the target's class wants",
    why="The class takes other arguments now, or the one that was given has another name.",
    fix="Give the argument that is named.",
    example="S3ListOperator(task_id='list', prefix='in/')",
    keeps="S3ListOperator(task_id='list', bucket='lake', prefix='in/')",
)
POSITIONAL_ARGUMENTS = Rule(
    id="positional-arguments",
    title="An operator with positional arguments",
    why="Operators of 2.x take keyword arguments only.",
    fix="Name every argument.",
    example="BashOperator('list', 'ls')",
    keeps="BashOperator(task_id='list', bash_command='ls')",
)
DUPLICATE_TASK_ID = Rule(
    id="duplicate-task-id",
    title="Two tasks of a DAG have the same id",
    why="1.10 warns and keeps one of them, 2.x raises.",
    fix="Give each task an id of its own.",
    example="DummyOperator(task_id='end', dag=dag); DummyOperator(task_id='end', dag=dag)",
    keeps="DummyOperator(task_id='end', dag=dag); DummyOperator(task_id='end', dag=other)",
)
VALUE_REFUSED = Rule(
    id="value-refused",
    title="A value that the target no longer takes",
    why="2.x checks values that 1.10 let pass, and renamed some.",
    fix="Use one of the values that the message names.",
    example="DummyOperator(task_id='end', trigger_rule='none_failed_or_skiped')",
    keeps="EmptyOperator(task_id='end', trigger_rule='none_failed_min_one_success')",
)
BROKEN_ON_BRIDGE = Rule(
    id="broken-on-bridge",
    title="The file does not load on the bridge",
    why="It was broken before the move and the move is not to blame; it has no DAG to compare.",
    fix="Repair the file, or take it out with .airflowignore.",
    example="raise AirflowException('retired')",
    keeps="dag.is_paused_upon_creation = True",
)
BROKEN_ON_TARGET = Rule(
    id="broken-on-target",
    title="The file loads on the bridge and not on the target",
    why="All its DAGs disappear on the day of the move.",
    fix="Repair what the traceback names.",
    example="dag.sync_to_db()  # gone from the class on the target",
    keeps="dag.get_task('load')",
)
