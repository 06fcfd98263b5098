"""What a side finds around it: private folders, and an environment built from nothing.

No variable of the host is passed on: no credential, no Airflow setting, no proxy.
"""

from __future__ import annotations

import base64
import configparser
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from harness.model import Target

RUN_VARIABLE = "MWAA_HARNESS_RUN"
"""Marks every process of one run, so that none of them is overlooked when it ends."""

# The database is thrown away after the run; the template's own rows are encrypted with this key.
FERNET_KEY = base64.urlsafe_b64encode(b"mwaa-harness throw-away database").decode()

REGION = "us-east-1"

# Options that moved to another section: option, section before, since, section after.
# Source: deprecated_options in airflow/configuration.py of 2.0.0 and 2.3.0.
MOVED = {
    "sql_alchemy_conn": ("core", "2.3.0", "database"),
    "base_log_folder": ("core", "2.0.0", "logging"),
    "colored_console_log": ("core", "2.0.0", "logging"),
    "dag_processor_manager_log_location": ("core", "2.0.0", "logging"),
}

# Options that MWAA sets itself, whatever a user asks for.
# Source: images/airflow/2.11.0/python/mwaa/config/airflow.py of amazon-mwaa-docker-images @9d2bebb
MWAA_OVERWRITES = frozenset(
    {
        ("api", "auth_backends"),
        ("celery", "broker_url"),
        ("celery", "celery_config_options"),
        ("celery", "result_backend"),
        ("celery", "worker_enable_remote_control"),
        ("celery_broker_transport_options", "visibility_timeout"),
        ("core", "executor"),
        ("core", "fernet_key"),
        ("core", "load_examples"),
        ("database", "sql_alchemy_conn"),
        ("logging", "logging_config_class"),
        ("metrics", "metrics_allow_list"),
        ("metrics", "metrics_block_list"),
        ("metrics", "statsd_host"),
        ("metrics", "statsd_on"),
        ("metrics", "statsd_port"),
        ("metrics", "statsd_prefix"),
        ("operators", "default_queue"),
        ("scheduler", "standalone_dag_processor"),
        ("webserver", "config_file"),
        ("webserver", "cookie_secure"),
        ("webserver", "secret_key"),
    }
)

# Options that reach for something outside of the run, or that would break its isolation: secrets,
# commands, databases, folders, executors, logging, services to report to. Keys are only looked at
# in Airflow's own sections; a section of the user's own is data that DAGs read.
# Written against the option lists of Airflow 1.10.15 and 2.11.0 (airflow/config_templates).
REACHES_OUT = re.compile(
    r"\w+__\w+_(?:cmd|secret)"
    r"|(?:secrets|sentry|metrics|traces|lineage|atlas|elasticsearch|elasticsearch_configs|smtp"
    r"|kerberos|ldap|mesos|github_enterprise|usage_data_collection|database|logging"
    r"|(?:celery|dask|kubernetes|local_kubernetes)\w*)__\w+"
    r"|(?:core|scheduler|webserver|api|cli|aws|triggerer|dag_processor)__"
    r"(?:sql_\w+|executor|\w+_(?:folder|directory|location|path|home)|\w*log(?:ging)?_\w+"
    r"|remote_\w+|statsd_\w+|colored_\w+|unit_test_mode|fernet_key|secure_mode|security|load_examples"
    r"|load_default_connections|lazy_load_plugins|execute_tasks_new_python_interpreter)"
)

AIRFLOW_OPTION = re.compile(r"AIRFLOW__([A-Z0-9_]+?)__([A-Z0-9_]+)")

# Ours, whatever the user's environment file says: it may be a copy of a production server's.
OURS = re.compile(
    r"(?:AIRFLOW_(?:HOME|CONFIG)|HOME|PATH|TMPDIR|LD_\w+|PYTHON(?:HOME|STARTUP|USERBASE)"
    rf"|{RUN_VARIABLE})"
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """The private folders of one run, and the copy of the repository that it looks at."""

    root: Path
    airflow_home: Path
    dags: Path
    plugins: Path
    database: Path

    @classmethod
    def below(
        cls,
        root: Path,
        *,
        database: Path | None = None,
        airflow_home: Path | None = None,
        dags: Path | None = None,
        plugins: Path | None = None,
    ) -> Place:
        """A place whose folders are ``root``'s own unless they are given."""
        return cls(
            root=root,
            airflow_home=airflow_home or root / "airflow",
            dags=dags or root / "airflow" / "dags",
            plugins=plugins or root / "plugins",
            database=database or root / "airflow.db",
        )

    def make(self) -> None:
        """Make the folders that are not there."""
        for folder in self.folders:
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def folders(self) -> tuple[Path, ...]:
        """All of them, the outer ones first."""
        private = (self.root, self.home, self.temp, self.logs)
        return (*private, self.airflow_home, self.dags, self.plugins)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def temp(self) -> Path:
        return self.root / "tmp"

    @property
    def logs(self) -> Path:
        return self.root / "logs"


def airflow_environment(target: Target, place: Place, venv: Path) -> dict[str, str]:
    """All environment variables of a side whose user has set none."""
    options = {
        ("core", "dags_folder"): place.dags,
        ("core", "plugins_folder"): place.plugins,
        ("core", "executor"): "SequentialExecutor",  # the only one that SQLite allows everywhere
        ("core", "fernet_key"): FERNET_KEY,
        ("core", "load_examples"): False,
        ("core", "unit_test_mode"): False,
        ("scheduler", "child_process_log_directory"): place.logs / "scheduler",
        _option(target, "sql_alchemy_conn"): f"sqlite:///{place.database}",
        _option(target, "base_log_folder"): place.logs,
        _option(target, "colored_console_log"): False,
        _option(target, "dag_processor_manager_log_location"): place.logs / "manager.log",
    }
    if target.role != "bridge":
        # MWAA's documentation asks for it, so that plugins load when Airflow starts.
        options["core", "lazy_load_plugins"] = False
        options["usage_data_collection", "enabled"] = False
    return {
        "PATH": f"{venv / 'bin'}:/usr/bin:/bin",
        "HOME": str(place.home),
        "TMPDIR": str(place.temp),
        "LANG": "C.UTF-8",
        "USER": "airflow",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "AIRFLOW_HOME": str(place.airflow_home),
        # Airflow writes a default configuration; the repository's own airflow.cfg is not read as
        # it stands, but through ``repository_options``.
        "AIRFLOW_CONFIG": str(place.root / "airflow.cfg"),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SCARF_ANALYTICS": "false",
        **{option_variable(*option): str(value) for option, value in options.items()},
    }


def user_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The user's own variables, but for those that would lead out of the run."""
    return {
        name: value
        for name, value in env.items()
        if not OURS.fullmatch(name)
        and not ((match := AIRFLOW_OPTION.fullmatch(name)) and reaches_out(*match.groups()))
    }


def with_pythonpath(variables: Mapping[str, str], folder: str) -> dict[str, str]:
    """The variables with a folder before all that Python is to look in for modules."""
    folders = [folder, *filter(None, [variables.get("PYTHONPATH")])]
    return {**variables, "PYTHONPATH": ":".join(folders)}


def repository_options(text: str) -> dict[str, str]:
    """The options of a repository's ``airflow.cfg`` as environment variables.

    Left out is what MWAA sets itself and what would lead out of the run. A file that cannot be
    read as one has no options.
    """
    parser = configparser.ConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    return {
        option_variable(section, key): value
        for section in parser.sections()
        for key, value in _items(parser, section)
        if not reaches_out(section, key)
    }


def reaches_out(section: str, key: str) -> bool:
    """Whether an option of Airflow's is none that a repository may set for a run of ours."""
    section, key = section.lower(), key.lower()
    return (section, key) in MWAA_OVERWRITES or bool(REACHES_OUT.fullmatch(f"{section}__{key}"))


def option_variable(section: str, key: str) -> str:
    """The environment variable of one option, e.g. ``AIRFLOW__CORE__DAGS_FOLDER``."""
    return f"AIRFLOW__{section}__{key}".upper().replace(".", "_")


def _option(target: Target, key: str) -> tuple[str, str]:
    before, since, after = MOVED[key]
    return (after if Version(target.airflow) >= Version(since) else before), key


def _items(parser: configparser.ConfigParser, section: str) -> Iterator[tuple[str, str]]:
    defaults = parser.defaults()
    for key in parser.options(section):
        try:
            value = parser.get(section, key)
        except configparser.InterpolationError:
            value = parser.get(section, key, raw=True)
        if key not in defaults and value is not None and "\0" not in value:
            yield key, value
