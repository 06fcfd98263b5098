"""Variables and connections into AWS Secrets Manager instead of the database: MWAA's way.

``PREFIX/variables/KEY`` holds a variable's text, ``PREFIX/connections/CONN_ID`` a connection as
JSON, which Airflow 2.3 and later read; the environment's ``secrets.backend_kwargs`` names the two
prefixes. A secret that says the same already is left; another one is in the way, unless the policy
is ``replace``. What is there is compared before anything is written.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from harness.metadata.bundle import Manifest, TableEntry, blocks
from harness.metadata.copytext import fields, unescape
from harness.metadata.outgoing import place_of
from harness.metadata.problems import MetadataError, TargetProblem
from harness.metadata.schema import version_key
from harness.metadata.sealing import Seal, one_of
from harness.metadata.stores import Store, error_code
from harness.metadata.tables import TABLES

HANDED = ("variable", "connection")
FIELDS = ("conn_type", "description", "host", "schema", "login", "password", "port", "extra")
ALLOWED = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}\Z")


@dataclass(frozen=True)
class Handed:
    """What became of one table: ``rows`` = ``written`` + ``same`` + the names in ``refused``."""

    name: str
    rows: int
    written: int
    same: int
    refused: Tuple[str, ...] = ()


def hand_over(
    store: Store,
    manifest: Manifest,
    seal: Optional[Seal],
    prefix: str,
    target: str,
    policy: str,
    client: Any,
    dry_run: bool = False,
) -> Tuple[Handed, ...]:
    """Write the bundle's variables and connections as secrets; see the module.

    Raises TargetProblem, before anything is written, when secrets are in the way or the target
    could not read them.
    """
    if version_key(target) < version_key("2.3.0"):
        raise TargetProblem(
            f"Airflow {target} does not read connections as JSON from Secrets Manager (2.3 does).",
            hint="Import them into the database: leave --secrets-manager out.",
        )
    found = []
    in_the_way: List[str] = []
    for entry in manifest.tables:
        if entry.name not in HANDED:
            continue
        new: List[Tuple[str, str, bool]] = []
        refused: List[str] = []
        same = 0
        for key, text in _texts(store, entry, seal):
            name = f"{prefix.strip('/')}/{entry.name}s/{key}"
            # An empty secret does not exist in Secrets Manager.
            if not ALLOWED.match(name) or not text:
                refused.append(key)
                continue
            there = _secret(client, name)
            if there == text:
                same += 1
            elif there is not None and policy != "replace":
                in_the_way.append(name)
            else:
                new.append((name, text, there is not None))
        found.append((entry.name, new, same, refused))
    if in_the_way:
        raise TargetProblem(
            f"Secrets Manager has other secrets already under {one_of(in_the_way)}.",
            hint="Nothing was written. --on-conflict replace puts the bundle's in their place.",
        )
    if not dry_run:
        for _, new, _, _ in found:
            for name, text, replaces in new:
                _put(client, name, text, replaces)
    return tuple(
        Handed(table, len(new) + same + len(refused), len(new), same, tuple(refused))
        for table, new, same, refused in found
    )


def _texts(store: Store, entry: TableEntry, seal: Optional[Seal]) -> Iterator[Tuple[str, str]]:
    """Each row's key and the text of its secret."""
    (table,) = (table for table in TABLES if table.name == entry.name)
    columns = {column.name: column for column in table.columns}
    names = [name for name, _ in entry.columns]
    for chunk in entry.chunks:
        for block in blocks(store, entry.file.name if entry.file else "", chunk):
            for line in block.splitlines():
                raw = dict(zip(names, fields(line)))
                row: Dict[str, Optional[str]] = {}
                for name, value in raw.items():
                    plain = unescape(value)
                    if plain is not None and columns[name].transform and seal is not None:
                        plain = seal.open(plain, *place_of(table, raw, columns[name]))
                    row[name] = None if plain is None else plain.decode("utf-8")
                yield str(row[table.key[0]]), _text_of(entry.name, row)


def _text_of(table: str, row: Mapping[str, Optional[str]]) -> str:
    if table == "variable":
        return row["val"] or ""
    content: Dict[str, Any] = {
        name: row[name] for name in FIELDS if row.get(name) not in (None, "")
    }
    if "port" in content:
        content["port"] = int(content["port"])
    return json.dumps(content, sort_keys=True)


def _secret(client: Any, name: str) -> Optional[str]:
    try:
        return str(client.get_secret_value(SecretId=name).get("SecretString", ""))
    except Exception as error:
        if error_code(error) == "ResourceNotFoundException":
            return None
        raise _refused(name, error) from None


def _put(client: Any, name: str, text: str, replaces: bool) -> None:
    try:
        if replaces:
            client.put_secret_value(SecretId=name, SecretString=text)
        else:
            client.create_secret(Name=name, SecretString=text)
    except Exception as error:
        raise _refused(name, error) from None


def _refused(name: str, error: Any) -> MetadataError:
    # The message of an error of AWS names the secret, never what is in it.
    return MetadataError(
        f"Secrets Manager, {name}: {error_code(error) or type(error).__name__}.",
        hint="The role needs secretsmanager:GetSecretValue, CreateSecret and PutSecretValue there.",
    )
