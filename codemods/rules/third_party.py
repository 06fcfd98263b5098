"""Modules and names that a distribution lost between 1.10's pins and the target's.

What the import table knows of Airflow is none of it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from codemods.base import Example, Note, Rule
from codemods.editing.changes import AddImport, Change, EditCall, NewImport, Operation, Rebind, Step
from codemods.reading.scopes import Binding
from codemods.reading.source import Source
from codemods.rules._text import block, lines
from codemods.tables.target import Target

ID = "third-party"
# What to write instead, by the start of the path; the longest one counts.
# Sources: each project's own upgrade notes.
_ADVICE = {
    "azure.cosmos": "Use azure.cosmos.CosmosClient and its database and container clients",
    "azure.storage": "Use azure.storage.blob.BlobServiceClient and its container and blob clients",
    "elasticsearch": "Use the methods of elasticsearch.Elasticsearch",
    "flask_admin": "Airflow 2's web page is Flask-AppBuilder's: subclass flask_appbuilder.BaseView "
    "and register it under appbuilder_views",
    "google.cloud": "Since release 2 of Google's clients everything is a name of the package "
    "itself (vision.Feature.Type, not vision.enums.Feature.Type), and methods take request=",
    "kubernetes.client": "Use the class of the stable API (V1CronJob, not V1beta1CronJob)",
    "pandas_gbq.gbq._check_google_client_version": "Take the import and its call away: pip sees to "
    "the client's version",
    "pandas.Panel": "Use a DataFrame with a MultiIndex",
    "slackclient": "Use slack_sdk.WebClient: sc.api_call('chat.postMessage', channel=…) is "
    "client.chat_postMessage(channel=…)",
    "smbclient.SambaClient": "The target's smbclient is smbprotocol's: use smbclient.open_file, "
    "listdir, rename and the like, or the samba provider's SambaHook",
    "werkzeug": "Look for the module of the same purpose in werkzeug 2; werkzeug.contrib is the "
    "distribution cachelib and others",
}
# What moto mocked one by one before release 5. Source: its changelog and its 1.3.14.
_MOCKED = (
    *("athena", "autoscaling", "batch", "cloudformation", "cloudwatch", "codecommit", "datasync"),
    *(
        "dynamodb",
        "dynamodb2",
        "ec2",
        "ecr",
        "ecs",
        "emr",
        "glue",
        "iam",
        "kinesis",
        "kms",
        "lambda",
        "logs",
    ),
    *("rds", "redshift", "route53", "s3", "secretsmanager", "ses", "sns", "sqs", "ssm", "sts"),
    *("stepfunctions", "swf"),
)
# What has the same meaning and another path today. Sources: the release notes of azure-cosmos 4.0,
# pandas 1.0, Jinja2 3.0 and 3.1, and Werkzeug 1.0.
_MOVED = {
    **{f"moto.mock_{service}": "moto.mock_aws" for service in _MOCKED},
    "azure.cosmos.errors.HTTPFailure": "azure.cosmos.exceptions.CosmosHttpResponseError",
    "jinja2.Markup": "markupsafe.Markup",
    "jinja2.contextfilter": "jinja2.pass_context",
    "jinja2.contextfunction": "jinja2.pass_context",
    "jinja2.environmentfilter": "jinja2.pass_environment",
    "jinja2.escape": "markupsafe.escape",
    "jinja2.evalcontextfilter": "jinja2.pass_eval_context",
    "pandas.datetime": "datetime.datetime",
    "pandas.io.json.json_normalize": "pandas.json_normalize",
    "pandas.np": "numpy",
    "werkzeug.check_password_hash": "werkzeug.security.check_password_hash",
    "werkzeug.generate_password_hash": "werkzeug.security.generate_password_hash",
    "werkzeug.secure_filename": "werkzeug.utils.secure_filename",
}
# Those that mining does not see: the module only handed them on, or they are private, as what
# copies of 1.10's BigQueryHook import, or their module is another distribution's. Source: what
# 1.10.15's own modules import, tried in the environments of the locks.
_HANDED_ON = {
    **{f"moto.mock_{service}": Requirement("moto>=5.0") for service in _MOCKED},
    "azure.cosmos.errors.HTTPFailure": Requirement("azure-cosmos>=4.0"),
    "pandas_gbq.gbq._check_google_client_version": Requirement("pandas-gbq>=0.17.9"),
    "smbclient.SambaClient": Requirement("smbprotocol>=1.0"),
    "jinja2.Markup": Requirement("jinja2>=3.1"),
    "jinja2.escape": Requirement("jinja2>=3.1"),
    "werkzeug.check_password_hash": Requirement("werkzeug>=1.0"),
    "werkzeug.generate_password_hash": Requirement("werkzeug>=1.0"),
    "werkzeug.secure_filename": Requirement("werkzeug>=1.0"),
}
# Modules whose distribution the target's constraints lack, and that no later release has or needs:
# module → distribution. Sources: slackclient's migration guide; Airflow 2.0's
# UPDATING.md for the web page without RBAC.
SUCCEEDED = {
    "flask_admin": "flask-admin",
    "slackclient": "slackclient",
}
# What numpy had under names of its own until 1.24. Source: its release notes of 1.20 and 1.24.
_BUILTINS = {
    "bool": "bool",
    "complex": "complex",
    "float": "float",
    "int": "int",
    "long": "int",
    "object": "object",
    "str": "str",
    "unicode": "str",
}
# Since release 2 of Google's clients what these modules held is held by the package itself.
_OF_THE_PACKAGE = re.compile(
    r"(google\.cloud\.\w+)\.(?:enums|types|proto(?:\.\w+_pb2)?)(?:\.(\w+))?"
)


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Requirement]:
    """Path → the distribution and its releases that lack it."""
    text = (files("codemods") / "data" / "third_party.txt").read_text("utf-8")
    found = dict(_HANDED_ON)
    lacking = Requirement("none")
    for line in text.splitlines():
        if line.startswith("["):
            lacking = Requirement(line.strip("[]"))
        elif line and not line.startswith("#"):
            found[line] = lacking
    return found


@lru_cache(maxsize=1)
def _roots() -> frozenset[str]:
    paths = {*_table(), *SUCCEEDED}
    return frozenset(path.partition(".")[0] for path in paths)


def _loaders(source: Source, target: Target) -> Iterator[Step]:
    """``yaml.load(text)``: PyYAML 6 takes no default for the loader, which was FullLoader."""
    if not target.has("pyyaml>=6"):
        return
    for call in source.calls:
        node, func = call.node, call.node.func
        given = [*node.args, *node.keywords]
        if call.path not in {"yaml.load", "yaml.load_all"} or len(given) != 1:
            continue
        if isinstance(given[0], ast.Starred) or getattr(given[0], "arg", "") is None:
            continue
        loader, operations = "FullLoader", list[Operation]()
        if isinstance(func, ast.Attribute):
            loader = f"{source.segment(func.value)}.{loader}"
        else:
            new = NewImport(module="yaml", name=loader)
            operations.append(AddImport(near=call.use.bindings[0], new=new))
        operations.append(EditCall(node=node, add={"Loader": loader}))
        yield Step(
            rule=ID,
            line=node.lineno,
            message=f"{call.path} needs a Loader since PyYAML 6; it took FullLoader before",
            operations=tuple(operations),
        )


def _builtins(source: Source, target: Target) -> Iterator[Step]:
    """``numpy.float`` and its like, which were the builtins."""
    if not target.has("numpy>=1.24"):
        return
    uses = {id(u): u for b in source.bindings if b.path == "numpy" for u in b.uses if u.sure}
    for use in uses.values():
        parts = use.path.split(".")
        name = _BUILTINS.get(parts[1], "") if parts[0] == "numpy" and len(parts) > 1 else ""
        if name and name not in source.module.others and name not in source.module.imports:
            message = f"numpy.{parts[1]} was {name} and is gone since numpy 1.24"
            node = use.nodes[len(use.nodes) - len(parts) + 1]
            yield Step.replace(node, name, rule=ID, message=message)


def _find(source: Source, target: Target) -> Iterator[Change]:
    yield from _loaders(source, target)
    yield from _builtins(source, target)
    for binding in source.bindings:
        if binding.tower is not None or binding.path.startswith("."):
            continue
        start = binding.alias.name if binding.dotted else binding.path
        if start.partition(".")[0] not in _roots():
            continue
        home = _home(binding, target)
        if home is not None:
            yield Step(
                rule=ID,
                line=binding.alias.lineno,
                message=f"{start} is {_said(home)} in the target's release",
                operations=(Rebind(binding=binding, imports=(home,)),),
            )
            continue
        if source.unused(binding) and _lost(binding.path, target) is not None:
            yield Step(
                rule=ID,
                line=binding.alias.lineno,
                message=f"{start} does not exist on the target, and nothing here uses it",
                operations=(Rebind(binding=binding, imports=()),),
            )
            continue
        said = set()
        for line, column, path in _paths(binding, start):
            lost = _lost(path, target)
            if lost is not None and lost[0] not in said:
                said.add(lost[0])
                yield Note(rule=ID, line=line, column=column, message=lost[1], fix=_advice(lost[0]))


def _home(binding: Binding, target: Target) -> NewImport | None:
    """What to import instead, where the name alone says it."""
    if binding.dotted or binding.name == "*" or _lost(binding.path, target) is None:
        return None
    path = _MOVED.get(binding.path, "")
    if not path and (found := _OF_THE_PACKAGE.fullmatch(binding.path)) is not None:
        path = "" if _lost(found[1], target) else ".".join(filter(None, found.groups()))
    module, _, name = path.rpartition(".")
    new = NewImport(module=module or name, name=name if module else "")
    return replace(new, asname="" if new.local == binding.name else binding.name) if path else None


def _said(home: NewImport) -> str:
    return ".".join(filter(None, (home.module, home.name)))


def _paths(binding: Binding, start: str) -> Iterator[tuple[int, int, str]]:
    """The path that an import names, and those that its uses add to it."""
    yield binding.alias.lineno, binding.alias.col_offset, start.removesuffix(".*")
    for use in binding.uses:
        yield use.node.lineno, use.node.col_offset, use.path


def _lost(path: str, target: Target) -> tuple[str, str] | None:
    """What of the path is not there, and in words; None for a path that is, for all we know."""
    parts = path.split(".")
    for length in range(1, len(parts) + 1):
        part = ".".join(parts[:length])
        lacking = _table().get(part)
        if lacking is not None and target.hops.has(lacking):
            version = target.hops.pins[canonicalize_name(lacking.name)]
            return part, f"{part} is not in {lacking.name} {version}, which the target has"
    root = next((m for m in SUCCEEDED if path == m or path.startswith(f"{m}.")), "")
    if root and canonicalize_name(SUCCEEDED[root]) not in target.hops.pins:
        return root, f"{root} of 1.10's constraint set is not among the target's distributions"
    return None


def _advice(path: str) -> str:
    parts = path.split(".")
    starts = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    general = "Look for its successor in the release notes of the distribution"
    told = _ADVICE | {old: f"Use {new}" for old, new in _MOVED.items()}
    return next((told[start] for start in starts if start in told), general)


_CLIENT = block("""
    from airflow import DAG
    from google.cloud.vision_v1.gapic import image_annotator_client

    image_annotator_client.ImageAnnotatorClient()
""")
_SLACK = block("""
    from airflow import DAG
    from slackclient import SlackClient

    SlackClient
""")

RULE = Rule(
    id=ID,
    title="Use what other distributions have today",
    why="The target's constraints pin later releases than those of 1.10 did: some of their modules "
    "and names are gone, and an import of them fails.",
    examples=(
        Example(
            before=block("""
                # airflow
                from flask_admin.base import MenuLink
                import os
            """),
            after=lines("# airflow", "import os"),
        ),
        Example(
            before=block("""
                from airflow import DAG
                from google.cloud.language_v1.proto.language_service_pb2 import Document
                from google.cloud.vision import enums

                Document(content=enums.Feature.Type.TEXT_DETECTION.name)
            """),
            after=block("""
                from airflow import DAG
                from google.cloud.language_v1 import Document
                from google.cloud import vision as enums

                Document(content=enums.Feature.Type.TEXT_DETECTION.name)
            """),
        ),
        Example(
            before=block("""
                import yaml
                from airflow import DAG
                from yaml import load_all as every

                with open('dags.yaml') as rows:
                    for row in yaml.load(rows):
                        DAG(**row, tags=every(row))
            """),
            after=block("""
                import yaml
                from airflow import DAG
                from yaml import load_all as every, FullLoader

                with open('dags.yaml') as rows:
                    for row in yaml.load(rows, Loader=yaml.FullLoader):
                        DAG(**row, tags=every(row, Loader=FullLoader))
            """),
        ),
        Example(
            before=block("""
                import numpy as np
                from airflow import DAG

                TYPES = {'a': np.float, 'b': np.int64, 'c': np.object}
            """),
            after=block("""
                import numpy as np
                from airflow import DAG

                TYPES = {'a': float, 'b': np.int64, 'c': object}
            """),
        ),
        Example(
            before=block("""
                import pandas as pd
                from airflow import DAG
                from jinja2 import Markup, Template
                from pandas import np
                from pandas.io.json import json_normalize

                Template(Markup('a'))
                np.array(json_normalize({'a': 1}))
                pd.io.json.json_normalize({})
            """),
            after=block("""
                import pandas as pd
                from airflow import DAG
                from jinja2 import Template
                from markupsafe import Markup
                import numpy as np
                from pandas import json_normalize

                Template(Markup('a'))
                np.array(json_normalize({'a': 1}))
                pd.io.json.json_normalize({})
            """),
            notes=("pandas.json_normalize",),
        ),
        Example(before=_CLIENT, notes=("methods take request=",)),
        Example(before=_SLACK, notes=("slack_sdk.WebClient",)),
        Example(
            before=block("""
                from azure.cosmos.errors import HTTPFailure
                from pandas_gbq.gbq import _check_google_client_version as check

                check()  # of airflow
                print(HTTPFailure)
            """),
            after=block("""
                from azure.cosmos.exceptions import CosmosHttpResponseError as HTTPFailure
                from pandas_gbq.gbq import _check_google_client_version as check

                check()  # of airflow
                print(HTTPFailure)
            """),
            notes=("Take the import and its call away",),
        ),
        Example(
            before=block("""
                from moto import mock_s3

                mock_s3().start()  # for airflow
            """),
            after=block("""
                from moto import mock_aws as mock_s3

                mock_s3().start()  # for airflow
            """),
        ),
    ),
    keeps=(
        block("""
            # airflow
            import numpy as np

            np.float64, np.random.int, np.str_
        """),
        block("""
            # airflow
            import yaml

            yaml.load(f, yaml.Loader), yaml.load(*f)
        """),
        block("""
            from airflow import DAG
            from google.cloud import vision

            vision.Feature
        """),
        block("""
            from airflow import DAG
            try:
                from google.cloud.vision import enums
            except ImportError:
                from google.cloud import vision as enums
        """),
    ),
    find=_find,
)
