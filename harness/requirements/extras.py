"""What the extras of ``apache-airflow`` 1.10 and the distributions of its time became in 2.x.

An extra that is named like a provider (``amazon``, ``cncf.kubernetes``) needs no row.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Extra:
    """An extra of 1.10 and the provider that carries it in 2.x ("" = none): ``note`` says what is
    to be thought of then; without one there is nothing to do, MWAA's image has it."""

    name: str
    provider: str = ""
    note: str = ""


# Names: the extras of the wheel apache_airflow-1.10.15. Successors: EXTRAS_DEPRECATED_ALIASES in
# setup.py of Airflow 2.0.2; azure_* and emr by the contents of their packages in 1.10.15.
EXTRAS: tuple[Extra, ...] = (
    Extra(name="apache-presto", provider="presto"),
    Extra(name="aws", provider="amazon"),
    Extra(name="azure", provider="microsoft-azure"),
    Extra(name="azure-blob-storage", provider="microsoft-azure"),
    Extra(name="azure-container-instances", provider="microsoft-azure"),
    Extra(name="azure-cosmos", provider="microsoft-azure"),
    Extra(name="azure-data-lake", provider="microsoft-azure"),
    Extra(name="azure-secrets", provider="microsoft-azure"),
    Extra(name="cassandra", provider="apache-cassandra"),
    Extra(name="druid", provider="apache-druid"),
    Extra(name="emr", provider="amazon"),
    Extra(name="gcp", provider="google"),
    Extra(name="gcp-api", provider="google"),
    Extra(name="hdfs", provider="apache-hdfs"),
    Extra(name="hive", provider="apache-hive"),
    Extra(name="jira", provider="atlassian-jira"),
    Extra(name="kubernetes", provider="cncf-kubernetes"),
    Extra(name="mssql", provider="microsoft-mssql"),
    Extra(name="pinot", provider="apache-pinot"),
    Extra(name="qds", provider="qubole"),
    Extra(name="s3", provider="amazon"),
    Extra(name="spark", provider="apache-spark"),
    Extra(name="webhdfs", provider="apache-hdfs"),
    Extra(name="apache-webhdfs", provider="apache-hdfs"),
    Extra(name="winrm", provider="microsoft-winrm"),
    Extra(name="async"),
    Extra(name="crypto"),
    Extra(name="celery"),
    Extra(name="password"),
    Extra(name="statsd"),
    Extra(name="all", note="List the providers your DAGs use; those they import are added here."),
    Extra(name="all-dbs", note="List the database providers your DAGs use."),
    Extra(name="devel", note="Development tools do not belong into an MWAA environment."),
    Extra(name="devel-all", note="Development tools do not belong into an MWAA environment."),
    Extra(name="devel-azure", note="Development tools do not belong into an MWAA environment."),
    Extra(name="devel-ci", note="Development tools do not belong into an MWAA environment."),
    Extra(name="devel-hadoop", note="Development tools do not belong into an MWAA environment."),
    Extra(name="doc", note="Documentation tools do not belong into an MWAA environment."),
    Extra(name="rabbitmq", note="MWAA brings its own queue; a broker cannot be chosen."),
    Extra(name="dask", note="MWAA brings its own executor; DaskExecutor cannot be chosen."),
    Extra(name="cgroups", note="MWAA runs tasks without control groups of yours."),
    Extra(name="kerberos", note="MWAA has no Kerberos ticket renewer."),
    Extra(name="ldap", note="MWAA signs users in through IAM, not LDAP."),
    Extra(name="google-auth", note="MWAA signs users in through IAM, not Google."),
    Extra(name="github-enterprise", note="MWAA signs users in through IAM, not GitHub."),
    Extra(name="sentry", note="Add sentry-sdk if your code imports it."),
    Extra(name="virtualenv", note="Add virtualenv if you use PythonVirtualenvOperator."),
    Extra(name="atlas", note="Add atlasclient if you use the Atlas lineage backend."),
    Extra(name="apache-atlas", note="Add atlasclient if you use the Atlas lineage backend."),
)


@dataclass(frozen=True, kw_only=True)
class Obsolete:
    """A distribution that has no place in an Airflow 2.x environment, and why."""

    name: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Renamed:
    """A distribution that has another name now, and why the old one does not do."""

    name: str
    now: str
    why: str


# Standard modules: the "since" of each module's page in the Python 3.12 documentation. Installed
# on a newer Python they shadow the real module or refuse to install.
OBSOLETE: tuple[Obsolete, ...] = (
    Obsolete(name="apache-airflow-upgrade-check", why="it runs on Airflow 1.10 only"),
    Obsolete(name="asyncio", why="asyncio is a standard module since Python 3.4"),
    Obsolete(name="contextvars", why="contextvars is a standard module since Python 3.7"),
    Obsolete(name="dataclasses", why="dataclasses is a standard module since Python 3.7"),
    Obsolete(name="enum34", why="enum is a standard module since Python 3.4"),
    Obsolete(name="functools32", why="it is for Python 2 only"),
    Obsolete(name="hashlib", why="hashlib is a standard module since Python 2.5"),
    Obsolete(name="importlib", why="importlib is a standard module since Python 3.1"),
    Obsolete(name="multiprocessing", why="multiprocessing is a standard module since Python 2.6"),
    Obsolete(name="ssl", why="ssl is a standard module since Python 2.6"),
    Obsolete(name="futures", why="concurrent.futures is a standard module since Python 3.2"),
    Obsolete(name="pathlib", why="pathlib is a standard module since Python 3.4"),
    Obsolete(name="subprocess32", why="it is for Python 2 only"),
    Obsolete(name="typing", why="typing is a standard module since Python 3.5"),
    Obsolete(name="uuid", why="uuid is a standard module since Python 2.5"),
    Obsolete(name="wsgiref", why="wsgiref is a standard module since Python 2.5"),
)

# Distributions that another one took the place of, with the same modules. Source: what the project
# page of each on the package index says, and the modules that the wheels of both hold.
RENAMED: tuple[Renamed, ...] = (
    Renamed(name="mysql-python", now="mysqlclient", why="it is for Python 2 only"),
    Renamed(name="pycrypto", now="pycryptodome", why="it ended in 2013 and builds no more"),
    Renamed(name="sklearn", now="scikit-learn", why="under that name nothing installs any more"),
)

# Providers that were renamed after 2.0. Source: the Airflow provider packages' own changelogs.
RENAMED_PROVIDERS = {
    "apache-airflow-providers-jira": "apache-airflow-providers-atlassian-jira",
    "apache-airflow-providers-dask": "apache-airflow-providers-daskexecutor",
}
