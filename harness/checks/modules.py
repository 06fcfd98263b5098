"""Whose module is it: Python's, Python 2's, a provider's, a package's, or the repository's own."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

# Modules that Python 2 has and Python 3 has under another name.
# Source: the 2to3 documentation of Python 3.7, fixer "imports" and "urllib".
PYTHON_2_MODULES: Mapping[str, str] = {
    "BaseHTTPServer": "http.server",
    "ConfigParser": "configparser",
    "Cookie": "http.cookies",
    "HTMLParser": "html.parser",
    "Queue": "queue",
    "SimpleHTTPServer": "http.server",
    "SocketServer": "socketserver",
    "StringIO": "io.StringIO",
    "UserDict": "collections.UserDict",
    "__builtin__": "builtins",
    "cPickle": "pickle",
    "cStringIO": "io.StringIO",
    "commands": "subprocess",
    "cookielib": "http.cookiejar",
    "copy_reg": "copyreg",
    "exceptions": "builtins",
    "httplib": "http.client",
    "md5": "hashlib",
    "robotparser": "urllib.robotparser",
    "sets": "set",
    "sha": "hashlib",
    "thread": "threading",
    "urllib2": "urllib.request",
    "urlparse": "urllib.parse",
    "xmlrpclib": "xmlrpc.client",
}

# Builtins and attributes that only Python 2 has. Source: as above, one fixer each.
PYTHON_2_NAMES: Mapping[str, str] = {
    "basestring": "str",
    "execfile": "exec(open(path).read())",
    "has_key": "the `in` operator",
    "ifilter": "filter",
    "imap": "map",
    "iteritems": "items()",
    "iterkeys": "keys()",
    "itervalues": "values()",
    "izip": "zip",
    "letters": "string.ascii_letters",
    "long": "int",
    "maketrans": "str.maketrans",
    "quote_plus": "urllib.parse.quote_plus",
    "raw_input": "input",
    "reduce": "functools.reduce",
    "unichr": "chr",
    "unicode": "str",
    "urlencode": "urllib.parse.urlencode",
    "urlopen": "urllib.request.urlopen",
    "urlretrieve": "urllib.request.urlretrieve",
    "xrange": "range",
}

# Modules and names that Python 3 dropped after 3.7, and what replaced them.
# Source: "Removed" of What's New in Python 3.8 to 3.13, docs.python.org.
SUCCESSORS: Mapping[str, str] = {
    "asynchat": "asyncio",
    "asyncio.coroutine": "async def",
    "asyncore": "asyncio",
    "base64.decodestring": "base64.decodebytes",
    "base64.encodestring": "base64.encodebytes",
    "binhex": "binascii",
    "cgi": "the email package (parse_multipart) and urllib.parse",
    "cgi.escape": "html.escape",
    "crypt": "the passlib distribution",
    "distutils": "setuptools, packaging.version, shutil and sysconfig",
    "dummy_threading": "threading",
    "formatter": "textwrap",
    "fractions.gcd": "math.gcd",
    "imp": "importlib",
    "imp.load_source": "importlib.util.spec_from_file_location",
    "inspect.getargspec": "inspect.getfullargspec",
    "lib2to3": "the fissix or libcst distribution",
    "macpath": "posixpath",
    "parser": "ast",
    "pipes": "subprocess and shlex.quote",
    "platform.dist": "the distro distribution",
    "platform.linux_distribution": "the distro distribution",
    "smtpd": "the aiosmtpd distribution",
    "symbol": "ast",
    "telnetlib": "the telnetlib3 distribution",
    "time.clock": "time.perf_counter or time.process_time",
    "typing.io": "typing",
    "unittest.makeSuite": "unittest.defaultTestLoader.loadTestsFromTestCase",
} | {
    f"collections.{name}": f"collections.abc.{name}"
    for name in (
        "Callable",
        "Container",
        "Coroutine",
        "Generator",
        "Hashable",
        "ItemsView",
        "Iterable",
        "Iterator",
        "KeysView",
        "Mapping",
        "MappingView",
        "MutableMapping",
        "MutableSequence",
        "MutableSet",
        "Sequence",
        "Set",
        "Sized",
        "ValuesView",
    )
}

STANDARD_LIBRARY = frozenset(sys.stdlib_module_names) | {
    name.partition(".")[0] for name in SUCCESSORS
}

# Distributions whose module has another name; used only where the constraints know them.
# Source: the top-level names in the wheels that Airflow's constraint files pin.
DISTRIBUTIONS: Mapping[str, str] = {
    "Crypto": "pycryptodome",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyopenssl",
    "PIL": "pillow",
    "airbyte": "apache-airflow-providers-airbyte",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "bson": "pymongo",
    "cassandra": "cassandra-driver",
    "cx_Oracle": "cx-oracle",
    "dateutil": "python-dateutil",
    "dns": "dnspython",
    "dotenv": "python-dotenv",
    "git": "gitpython",
    "github": "pygithub",
    "googleapiclient": "google-api-python-client",
    "gridfs": "pymongo",
    "hdfs": "hdfs",
    "jose": "python-jose",
    "jwt": "pyjwt",
    "kafka": "kafka-python",
    "kerberos": "pykerberos",
    "kubernetes": "kubernetes",
    "ldap": "python-ldap",
    "ldap3": "ldap3",
    "markdown": "markdown",
    "nacl": "pynacl",
    "past": "future",
    "psycopg2": "psycopg2-binary",
    "pymssql": "pymssql",
    "requests_oauthlib": "requests-oauthlib",
    "simple_salesforce": "simple-salesforce",
    "slack": "slackclient",
    "slack_sdk": "slack-sdk",
    "sklearn": "scikit-learn",
    "smbclient": "pysmbclient",
    "snowflake": "snowflake-connector-python",
    "spnego": "pyspnego",
    "telegram": "python-telegram-bot",
    "vertica_python": "vertica-python",
    "winrm": "pywinrm",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}

# The extra of apache-airflow that brings a module which Airflow 1.10's own modules import.
# Source: Requires-Dist of the wheel apache_airflow-1.10.15, the shortest extra of each.
EXTRA_OF: Mapping[str, str] = {
    "MySQLdb": "mysql",
    "analytics": "segment",
    "azure": "azure",
    "bson": "mongo",
    "cassandra": "cassandra",
    "cloudant": "cloudant",
    "cx_Oracle": "oracle",
    "datadog": "datadog",
    "docker": "docker",
    "elasticsearch": "elasticsearch",
    "google": "gcp",
    "google_auth_httplib2": "gcp",
    "googleapiclient": "gcp",
    "grpc": "grpc",
    "hdfs": "webhdfs",
    "hmsclient": "hive",
    "httplib2": "gcp",
    "hvac": "hashicorp",
    "jaydebeapi": "jdbc",
    "jenkins": "jenkins",
    "jira": "jira",
    "kubernetes": "kubernetes",
    "msrestazure": "azure",
    "pandas_gbq": "gcp",
    "papermill": "papermill",
    "paramiko": "ssh",
    "pinotdb": "pinot",
    "prestodb": "presto",
    "psycopg2": "postgres",
    "pydruid": "druid",
    "pyhive": "hive",
    "pymongo": "mongo",
    "pymssql": "mssql",
    "pysftp": "ssh",
    "qds_sdk": "qds",
    "redis": "redis",
    "sendgrid": "sendgrid",
    "simple_salesforce": "salesforce",
    "slackclient": "slack",
    "smbclient": "samba",
    "snakebite": "hdfs",
    "snowflake": "snowflake",
    "sshtunnel": "ssh",
    "vertica_python": "vertica",
    "winrm": "winrm",
    "zdesk": "zendesk",
}


def distribution_for(module: str, pins: Mapping[str, str]) -> str:
    """The distribution among ``pins`` that has ``module`` ("" when none is known to)."""
    root = module.partition(".")[0]
    dashed = [
        "-".join(module.split(".")[:length]) for length in range(module.count(".") + 1, 0, -1)
    ]
    candidates = [DISTRIBUTIONS.get(root, ""), *dashed, f"python-{root}"]
    canonical = (re.sub(r"[-_.]+", "-", name).lower() for name in candidates)
    return next((name for name in canonical if name in pins), "")


def provider_for(module: str, pins: Mapping[str, str]) -> str:
    """The provider distribution among ``pins`` that has ``module``: the longest name that fits
    below ``airflow.providers`` ("" when none does)."""
    head, _, rest = module.partition("airflow.providers.")
    if head or not rest:
        return ""
    parts = rest.replace("_", "-").split(".")
    candidates = (
        "apache-airflow-providers-" + "-".join(parts[:length])
        for length in range(len(parts), 0, -1)
    )
    return next((name for name in candidates if name in pins), "")


def repository_folders(root: str, files: Iterable[str]) -> tuple[str, ...]:
    """The folders of the repository that would have to be on sys.path to import ``root``, nearest
    to the top first; "" is the repository's own root."""
    found = set()
    for file in files:
        path = PurePosixPath(file)
        if path.suffix != ".py":
            continue
        names = (*path.parts[:-1], path.stem)
        if root in names:
            found.add("/".join(names[: names.index(root)]))
    return tuple(sorted(found, key=lambda folder: (folder.count("/"), folder)))
