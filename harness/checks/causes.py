"""Why a file did not load: one row a cause, the first that fits wins."""

from __future__ import annotations

from harness.checks.conditions import (
    has_assumption,
    has_egress,
    is_airflow,
    is_async_name,
    is_foreign,
    is_new_to_bridge,
    is_of_old_databases,
    is_of_repository,
    is_plugin,
    is_provider,
    is_python_2,
    is_python_2_name,
    is_standard,
    lost_its_plugin,
    met_no_value,
    names_missing_environment,
    was_refused,
)
from harness.checks.fixes import (
    fix_aws,
    fix_egress,
    fix_module,
    fix_package,
    fix_provider,
    fix_python_2,
    fix_refused,
    fix_setting,
    fix_standard,
)
from harness.checks.load_rules import (
    ASYNC_NAME,
    DATABASE_AT_PARSE,
    DUPLICATE_TASK_ID,
    EXITS_AT_IMPORT,
    IMPORT_GONE,
    KILLED_AT_IMPORT,
    MISLEADING_ASSUMPTION,
    MISSING_ARGUMENT,
    MISSING_CONNECTION,
    MISSING_ENVIRONMENT_VARIABLE,
    MISSING_FILE,
    MISSING_MODULE,
    MISSING_PACKAGE,
    MISSING_VARIABLE,
    NETWORK_AT_PARSE,
    PACKAGE_CHANGED,
    PARSE_MEMORY,
    PARSE_TIMEOUT,
    PLUGIN_IMPORT_GONE,
    PLUGIN_NOT_LOADED,
    POSITIONAL_ARGUMENTS,
    PROVIDER_MISSING,
    PYTHON2_NAME,
    PYTHON2_SYNTAX,
    RELATIVE_IMPORT,
    STANDARD_LIBRARY_CHANGED,
    SYNTAX_ERROR,
    UNKNOWN_ARGUMENT,
    UNKNOWN_TO_BRIDGE,
    UNREADABLE_FILE,
    VALUE_REFUSED,
)
from harness.checks.scene import Cause, Kind
from harness.model import Side

NO_MODULE = r"No module named '?(?P<module>[\w.]+)'?"

NO_NAME = r"cannot import name '?(?P<name>\w+)'?(?: from (?:\S+ \S+ module )?'(?P<module>[\w.]+)')?"

NO_ATTRIBUTE = r"module '(?P<module>[\w.]+)' has no attribute '(?P<name>\w+)'"

SHIM = r"Could not import `(?P<module>[\w.]+)` while trying to import `(?P<name>[\w.]+)`"

CONN_ID = r"The conn_id `(?P<name>[^`]+)` isn't defined"

IMPORT_ERRORS = ("ImportError", "ModuleNotFoundError")

BROKEN_ENCODING = (
    r"codec can't decode|Non-UTF-8|unknown encoding|encoding problem|null bytes"
    r"|encoding declaration"
)

CAUSES: tuple[Cause, ...] = (
    Cause(
        rule=PARSE_TIMEOUT,
        kind=Kind.OWN,
        outcome="timeout",
        says="The file was still being imported after {timeout:g} seconds",
    ),
    Cause(
        rule=PARSE_MEMORY,
        kind=Kind.OWN,
        outcome="memory",
        says="The file wanted more than {memory} MiB while it was imported",
    ),
    Cause(
        rule=EXITS_AT_IMPORT,
        kind=Kind.OWN,
        outcome="exit",
        says="The file ends the process that imports it",
    ),
    Cause(
        rule=KILLED_AT_IMPORT,
        kind=Kind.OWN,
        outcome="killed",
        says="The process that imported the file was killed by a signal",
    ),
    Cause(
        rule=KILLED_AT_IMPORT,
        kind=Kind.OWN,
        outcome="lost",
        says="The file took down the process that watched over its import",
    ),
    Cause(
        rule=UNREADABLE_FILE,
        kind=Kind.OWN,
        types=("SyntaxError", "UnicodeDecodeError", "ValueError", "LookupError"),
        message=BROKEN_ENCODING,
        says="The file is not text in the encoding it claims",
    ),
    Cause(
        rule=UNREADABLE_FILE,
        kind=Kind.OWN,
        types=("BadZipFile", "BadZipfile", "ZipImportError", "LargeZipFile"),
        says="The file is not a zip archive that can be read",
    ),
    Cause(
        rule=PYTHON2_SYNTAX,
        kind=Kind.OWN,
        types=("SyntaxError",),
        message=r"Missing parentheses in call to '(?P<name>print|exec)'",
        says="The file is Python 2: `{name}` as a statement",
    ),
    Cause(
        rule=PYTHON2_SYNTAX,
        kind=Kind.OWN,
        types=("TabError",),
        says="The file is Python 2: it mixes tabs and spaces in its indentation",
    ),
    Cause(
        rule=ASYNC_NAME,
        kind=Kind.OWN,
        types=("SyntaxError",),
        when=is_async_name,
        says="The file uses a keyword of Python 3.7 as a name",
    ),
    Cause(
        rule=PYTHON2_SYNTAX,
        kind=Kind.OWN,
        types=("SyntaxError",),
        when=is_python_2,
        says="The file is Python 2",
    ),
    Cause(
        rule=SYNTAX_ERROR,
        kind=Kind.OWN,
        types=("SyntaxError", "IndentationError"),
        says="The file is not valid Python {python}",
    ),
    Cause(
        rule=MISSING_VARIABLE,
        kind=Kind.SURROUNDINGS,
        types=("KeyError",),
        message=r"Variable (?P<name>.+?) does not exist",
        says="The Variable {name} has no value, and the file stops there",
        input="variable",
    ),
    Cause(
        rule=MISSING_CONNECTION,
        kind=Kind.SURROUNDINGS,
        side=Side.TARGET,
        message=CONN_ID,
        when=is_of_old_databases,
        says="The Connection {name} has no value, and the file stops there: Airflow 1.10 puts it"
        " into a new database, Airflow {airflow} and MWAA do not",
        input="connection",
    ),
    Cause(
        rule=MISSING_CONNECTION,
        kind=Kind.SURROUNDINGS,
        message=CONN_ID,
        says="The Connection {name} has no value, and the file stops there",
        input="connection",
    ),
    Cause(
        rule=MISSING_ENVIRONMENT_VARIABLE,
        kind=Kind.SURROUNDINGS,
        types=("AirflowConfigException",),
        message=r"section/key \[(?P<section>[^/\]]+)/(?P<key>[^\]]+)\] not found in config",
        when=is_new_to_bridge,
        says="The setting {key} of [{section}] has no value, and the file stops there",
        fix=fix_setting,
        input="env",
    ),
    Cause(
        rule=MISSING_ENVIRONMENT_VARIABLE,
        kind=Kind.SURROUNDINGS,
        types=("KeyError",),
        message=r"^['\"]?(?P<name>[A-Za-z_]\w*)['\"]?$",
        when=names_missing_environment,
        says="The environment variable {name} has no value, and the file stops there",
        input="env",
    ),
    Cause(
        rule=PYTHON2_NAME,
        kind=Kind.OWN,
        types=IMPORT_ERRORS,
        message=NO_MODULE,
        when=is_python_2_name,
        says="The module {module} exists in Python 2 only",
        fix=fix_python_2,
    ),
    Cause(
        rule=PYTHON2_NAME,
        kind=Kind.OWN,
        types=("NameError",),
        message=r"name '(?P<name>\w+)' is not defined",
        when=is_python_2_name,
        says="The name {name} exists in Python 2 only",
        fix=fix_python_2,
    ),
    Cause(
        rule=PYTHON2_NAME,
        kind=Kind.OWN,
        types=("AttributeError", "ImportError"),
        message=r"has no attribute '(?P<name>\w+)'|cannot import name '(?P<other>\w+)'",
        when=is_python_2_name,
        says="The name {name} exists in Python 2 only",
        fix=fix_python_2,
    ),
    *(
        Cause(
            rule=STANDARD_LIBRARY_CHANGED,
            kind=Kind.MOVE,
            side=Side.TARGET,
            types=types,
            message=message,
            when=is_standard,
            says=says,
            fix=fix_standard,
        )
        for types, message, says in (
            (IMPORT_ERRORS, NO_MODULE, "Python {python} has no module {module}"),
            (IMPORT_ERRORS, NO_NAME, "{module} of Python {python} has no {name}"),
            (("AttributeError",), NO_ATTRIBUTE, "{module} of Python {python} has no {name}"),
        )
    ),
    Cause(
        rule=PLUGIN_NOT_LOADED,
        kind=Kind.SURROUNDINGS,
        side=Side.BRIDGE,
        types=IMPORT_ERRORS,
        message=f"{NO_MODULE}|cannot import name '(?P<name>\\w+)' from 'airflow",
        when=lambda hit: (
            lost_its_plugin(hit) or bool(hit.name and hit.scene.pair.bridge.plugin_errors)
        ),
        says="The file imports from a plugin, and a plugin did not load",
    ),
    *(
        Cause(
            rule=MISSING_PACKAGE,
            kind=Kind.SURROUNDINGS,
            types=IMPORT_ERRORS,
            message=message,
            when=was_refused,
            says="{module} comes with a requirement that could not be installed here",
            fix=fix_refused,
            machine=True,
        )
        for message in (SHIM, NO_MODULE)
    ),
    Cause(
        rule=MISSING_PACKAGE,
        kind=Kind.SURROUNDINGS,
        side=Side.BRIDGE,
        types=IMPORT_ERRORS,
        message=r"No module named '?(?P<module>airflow\.providers[\w.]*)'?",
        says="{module} comes with a backport package, and none is installed",
        fix=lambda hit: (
            "Add the backport package (apache-airflow-backport-providers-…) that has "
            f"{hit.module} to requirements.txt."
        ),
    ),
    *(
        Cause(
            rule=UNKNOWN_TO_BRIDGE,
            kind=Kind.OWN,
            side=Side.BRIDGE,
            types=types,
            message=message,
            when=is_airflow,
            says=says,
        )
        for types, message, says in (
            (IMPORT_ERRORS, NO_MODULE, "Airflow {airflow} has no module {module}"),
            (IMPORT_ERRORS, NO_NAME, "{module} of Airflow {airflow} has no {name}"),
            (("AttributeError",), NO_ATTRIBUTE, "{module} of Airflow {airflow} has no {name}"),
        )
    ),
    Cause(
        rule=PLUGIN_IMPORT_GONE,
        kind=Kind.MOVE,
        side=Side.TARGET,
        types=IMPORT_ERRORS,
        message=NO_MODULE,
        when=lambda hit: is_airflow(hit) and is_plugin(hit),
        says="{module} came from a plugin; Airflow {airflow} registers no operators that way",
    ),
    *(
        Cause(
            rule=PROVIDER_MISSING,
            kind=Kind.MOVE,
            side=Side.TARGET,
            types=IMPORT_ERRORS,
            message=message,
            when=is_provider,
            says="{module} comes with a provider that is not installed",
            fix=fix_provider,
        )
        for message in (SHIM, NO_MODULE)
    ),
    *(
        Cause(
            rule=IMPORT_GONE,
            kind=Kind.MOVE,
            side=Side.TARGET,
            types=types,
            message=message,
            when=is_airflow,
            says=says,
        )
        for types, message, says in (
            (IMPORT_ERRORS, SHIM, "{name} points at {module}, which is gone"),
            (IMPORT_ERRORS, NO_MODULE, "Airflow {airflow} has no module {module}"),
            (IMPORT_ERRORS, NO_NAME, "{module} of Airflow {airflow} has no {name}"),
            (("AttributeError",), NO_ATTRIBUTE, "{module} of Airflow {airflow} has no {name}"),
        )
    ),
    *(
        Cause(
            rule=RELATIVE_IMPORT,
            kind=kind,
            side=side,
            types=("ImportError", "ValueError"),
            message="attempted relative import",
            says="Airflow {airflow} loads the file as a module of its own: an import with a "
            "leading dot has no package to start from",
        )
        for kind, side in ((Kind.OWN, Side.BRIDGE), (Kind.MOVE, Side.TARGET))
    ),
    Cause(
        rule=MISSING_MODULE,
        kind=Kind.SURROUNDINGS,
        types=IMPORT_ERRORS,
        message=NO_MODULE,
        when=is_of_repository,
        says="{module} is a module of the repository, but its folder is not on sys.path",
        fix=fix_module,
    ),
    Cause(
        rule=MISSING_PACKAGE,
        kind=Kind.SURROUNDINGS,
        types=IMPORT_ERRORS,
        message=NO_MODULE,
        when=is_foreign,
        says="No installed package has the module {module}",
        fix=fix_package,
    ),
    *(
        Cause(
            rule=PACKAGE_CHANGED,
            kind=Kind.MOVE,
            side=Side.TARGET,
            types=types,
            message=message,
            when=lambda hit: bool(hit.module) and is_foreign(hit),
            says="{module} has no {name} in the release that the target holds",
        )
        for types, message in ((IMPORT_ERRORS, NO_NAME), (("AttributeError",), NO_ATTRIBUTE))
    ),
    Cause(
        rule=NETWORK_AT_PARSE,
        kind=Kind.SURROUNDINGS,
        types=(
            "NoCredentialsError",
            "PartialCredentialsError",
            "EndpointConnectionError",
            "ConnectTimeoutError",
            "ClientError",
        ),
        says="The file calls AWS while it is imported, and stops without an answer",
        fix=fix_aws,
    ),
    # A service's own exceptions (NoSuchBucket, ParameterNotFound) have names without number.
    Cause(
        rule=NETWORK_AT_PARSE,
        kind=Kind.SURROUNDINGS,
        message=r"An error occurred \((?P<name>[^)]+)\) when calling the \w+ operation",
        says="The file calls AWS while it is imported, and stops at its answer ({name})",
        fix=fix_aws,
    ),
    Cause(
        rule=NETWORK_AT_PARSE,
        kind=Kind.SURROUNDINGS,
        when=has_egress,
        says="The file reaches for {egress} while it is imported, and stops without an answer",
        fix=fix_egress,
    ),
    Cause(
        rule=DATABASE_AT_PARSE,
        kind=Kind.SURROUNDINGS,
        types=("OperationalError", "ProgrammingError", "NoResultFound", "DagNotFound"),
        says="The file queries a database while it is imported, and stops there",
    ),
    Cause(
        rule=MISSING_FILE,
        kind=Kind.SURROUNDINGS,
        types=("FileNotFoundError", "NotADirectoryError"),
        message=r"(?:No such file or directory|Not a directory): '?(?P<name>[^']+)'?",
        says="The file reads {name} while it is imported, and that is not there",
    ),
    Cause(
        rule=POSITIONAL_ARGUMENTS,
        kind=Kind.MOVE,
        side=Side.TARGET,
        message=r"Use keyword arguments when initializing operators"
        r"|__init__\(\) takes 1 positional argument but \d+ were given",
        says="An operator is made with positional arguments, and 2.x takes only named ones",
    ),
    Cause(
        rule=UNKNOWN_ARGUMENT,
        kind=Kind.MOVE,
        side=Side.TARGET,
        message=r"Invalid arguments were passed to (?P<owner>\w+) \(task_id: (?P<task>[^)]*)\)"
        r"[\s\S]*?\*\*kwargs: (?P<arguments>\{[\s\S]*\})",
        says="{owner} (task {task}) takes no argument {name}",
    ),
    Cause(
        rule=UNKNOWN_ARGUMENT,
        kind=Kind.MOVE,
        side=Side.TARGET,
        types=("TypeError", "AirflowException"),
        message=r"(?P<owner>[\w.]+?)(?:\.__init__)?\(\) got an unexpected keyword argument "
        r"'(?P<name>\w+)'|unexpected argument: (?P<other>\w+)",
        says="{owner} takes no argument {name}",
    ),
    Cause(
        rule=MISSING_ARGUMENT,
        kind=Kind.MOVE,
        side=Side.TARGET,
        message=r"missing (?:keyword arguments?|\d+ required (?:positional|keyword-only) "
        r"arguments?:?) (?P<name>'.*)",
        says="{called} wants an argument that is not given: {name}",
    ),
    Cause(
        rule=DUPLICATE_TASK_ID,
        kind=Kind.MOVE,
        side=Side.TARGET,
        types=("DuplicateTaskIdFound",),
        message=r"id '(?P<name>[^']+)' has already been added",
        says="Two tasks of one DAG have the id {name}",
    ),
    Cause(
        rule=VALUE_REFUSED,
        kind=Kind.MOVE,
        side=Side.TARGET,
        message=r"(?P<name>The (?:trigger_rule|weight_rule) must be one of [\s\S]*"
        r"|Invalid values of dag\.[\s\S]*|'retries' type must be int[\s\S]*"
        r"|execution_timeout must be timedelta[\s\S]*|`priority_weight` for task[\s\S]*"
        r"|tag cannot be longer than[\s\S]*|[\s\S]*only accepts integers[\s\S]*)",
        says="{name}",
    ),
    Cause(
        rule=MISSING_ENVIRONMENT_VARIABLE,
        kind=Kind.SURROUNDINGS,
        types=("TypeError", "AttributeError", "ValueError"),
        message="None(?:Type)?",
        when=met_no_value,
        says="The file works with an environment variable that has no value: {unset}",
    ),
    Cause(
        rule=MISLEADING_ASSUMPTION,
        kind=Kind.SURROUNDINGS,
        when=has_assumption,
        says="The file stops on a placeholder; assumed were {assumed}",
    ),
)
