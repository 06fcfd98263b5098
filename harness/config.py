"""The repository's configuration file → Config.

It is ``mwaa-harness.toml`` or the table ``[tool.mwaa-harness]`` of ``pyproject.toml``. Every key
is one row of KEYS. Errors name the file, the key, what is allowed and, for a misspelt key, the
nearest one; they never show a value, which may be a secret.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from harness.errors import UsageError
from harness.model import AwsConfig, Config, Ignored

OWN_FILE = "mwaa-harness.toml"
SHARED_FILE = "pyproject.toml"
TABLE = "mwaa-harness"
DOCUMENTATION = "docs/configuration.md"


def load_config(root: Path, *, overrides: Mapping[str, Any] | None = None) -> Config:
    """The configuration of the repository at ``root``; an empty Config when it has none.

    ``overrides`` are keys and values as the file could hold them, given on the command line: they
    win over the file's, their paths are relative to the working folder, and None is no override.
    Raises UsageError for a file that cannot be read, a key that does not exist, or a value of the
    wrong shape.
    """
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    fields: dict[str, Any] = {}
    if (found := _find(root)) is not None:
        place, table = found
        fields = {"source": place.file.name, **_fields(table, place)}
    overriding = _fields(given, COMMAND_LINE)
    if "aws" in fields and "aws" in overriding:
        # The command line names the emulator; what it holds stays the file's.
        overriding["aws"] = replace(fields["aws"], emulator=overriding["aws"].emulator)
    return Config(**fields | overriding)


def _fields(table: Mapping[str, Any], place: _Place) -> dict[str, Any]:
    fields = {}
    for name, value in table.items():
        key = _KEYS.get(name)
        if key is None:
            raise place.error(name, _unknown(name, _KEYS), "Correct or remove it.")
        fields[key.field] = key.read(value, replace(place, key=name))
    return fields


def parse_env(text: str, file: str = ".env") -> dict[str, str]:
    """The variables of an env file.

    ``NAME=value`` or ``export NAME=value`` a line; ``#`` starts a comment at the start of a line
    or after white space. A value in single quotes is literal, in double quotes it knows
    ``\\n \\r \\t \\" \\\\ \\$``; both may span lines. Nothing is substituted. Raises UsageError
    that names the line.
    """
    values: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _ENV_LINE.match(text, position)
        if match is None:
            line = text.count("\n", 0, position) + 1
            raise UsageError(
                f"{file}, line {line}: not a line of the form NAME=value.",
                hint="Comments start with #; a value with quotes in it must close them.",
            )
        position = match.end()
        if match["name"]:
            values[match["name"]] = _env_value(match)
    return values


def connection_uri(fields: Mapping[str, Any]) -> str:
    """Airflow's URI of a connection given by its fields (``conn_type``, ``host``, ``login``,
    ``password``, ``schema``, ``port``, ``extra``).

    Airflow 1.10.15 and 2.x read the same from it. 1.10.15 knows no ``__extra__``, so each key of
    ``extra`` is a query parameter, and whatever is not text in it becomes JSON text on both
    sides. An ``extra`` that is no JSON object has no such form: it goes into ``__extra__``, where
    2.x finds it whole and 1.10.15 as a key of that name. Raises ValueError for a ``conn_type``
    or ``port`` that no URI can hold.

    Source: ``Connection._parse_from_uri`` in airflow/models/connection.py, 1.10.15 and 2.11.0.
    """
    scheme = str(fields.get("conn_type") or "").replace("_", "-")
    if scheme and not _SCHEME.fullmatch(scheme):
        raise ValueError("conn_type may hold letters, digits, “_”, “-”, “.” and “+” only")
    login, password = (_quoted(fields.get(field)) for field in ("login", "password"))
    authority = login + (f":{password}" if password else "")
    uri = (f"{scheme}:" if scheme else "") + "//" + (f"{authority}@" if authority else "")
    host = _quoted_host(fields.get("host") or "")
    port = _port(fields.get("port"))
    if port and not (host or authority):
        uri += "@"
    uri += host + (f":{port}" if port else "")
    schema = _quoted(fields.get("schema"))
    query = urlencode(_query(fields))
    return uri + (f"/{schema}" if schema or query else "") + (f"?{query}" if query else "")


def read_table(file: Path) -> dict[str, Any]:
    """The names and values in a ``.json`` file or, whatever else it is called, an env file.
    Raises UsageError for a file that is neither."""
    text = _read(file)
    return _json_table(file, text) if file.suffix == ".json" else dict(parse_env(text, str(file)))


def configurable(kind: str, name: str) -> bool:
    """Whether the files for that kind of need can hold an entry of this name."""
    if kind == "env":
        return _ENV_NAME.fullmatch(name) is not None
    return _NAME.fullmatch(name) is not None and not _LONE_SURROGATE.search(name)


# ------------------------------------------------------------------------------- finding the file


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a value stands, for errors; paths in it are relative to the file's folder."""

    file: Path
    text: str
    key: str = ""

    def error(self, key: str, message: str, hint: str) -> UsageError:
        return UsageError(f"{self.file}{self._line(key)}: {message}", hint=hint)

    def wrong(self, expected: str) -> UsageError:
        allowed = _KEYS[self.key].allowed
        return self.error(self.key, f"{self.key} {expected}.", f"Allowed is {allowed}.")

    def path(self, name: str) -> Path:
        return self.file.parent / name

    def _line(self, key: str) -> str:
        """tomllib does not say where a key stood; a line that starts with it is good enough."""
        pattern = rf"^[ \t]*(?:\[+[^]\n]*)?[\"']?{re.escape(key)}[\"']?\s*[].=:]"
        start = max(self.text.find(f"tool.{TABLE}") - 1, 0)
        match = re.compile(pattern, re.MULTILINE).search(self.text, start)
        return f", line {self.text.count(chr(10), 0, match.start()) + 1}" if match else ""


COMMAND_LINE = _Place(file=Path("command line"), text="")


def _find(root: Path) -> tuple[_Place, Mapping[str, Any]] | None:
    own, shared = root / OWN_FILE, root / SHARED_FILE
    own_place = _parse(own) if own.is_file() else None
    shared_table = None
    if shared.is_file() and TABLE in _read(shared):
        shared_place, document = _parse(shared)
        tool = document.get("tool", {})
        shared_table = tool.get(TABLE) if isinstance(tool, dict) else None
    if own_place and shared_table is not None:
        raise UsageError(
            f"{own} and [tool.{TABLE}] in {shared} both configure {TABLE}.",
            hint=f"Keep one of them; {OWN_FILE} is the one to keep if you have no preference.",
        )
    if own_place:
        return own_place
    if shared_table is None:
        return None
    if not isinstance(shared_table, dict):
        raise shared_place.error(TABLE, f"tool.{TABLE} is not a table.", f"See {DOCUMENTATION}.")
    return shared_place, shared_table


def _parse(file: Path) -> tuple[_Place, dict[str, Any]]:
    text = _read(file)
    try:
        return _Place(file=file, text=text), tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(
            f"{file} is not valid TOML: {error}.", hint="Correct that line."
        ) from error


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise UsageError(f"{file}: no such file.", hint="Correct the path.") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text.", hint="Save it as UTF-8.") from error
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}.", hint="Give a file you may read."
        ) from error


def _unknown(name: str, known: Iterable[str], what: str = "key") -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name.replace("_", "-"), names, n=1)
    suggestion = f"did you mean {near[0]}? " if near else ""
    return f"there is no {what} {name!r}; {suggestion}Known are {', '.join(names)}."


# -------------------------------------------------------------------------------- simple values


def _text(value: object, place: _Place) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise place.wrong("is not a text")


def _texts(value: object, place: _Place) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value):
        return tuple(value)
    raise place.wrong("is not a list of texts")


def _boolean(value: object, place: _Place) -> bool:
    if isinstance(value, bool):
        return value
    raise place.wrong("is neither true nor false")


def _seconds(value: object, place: _Place) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise place.wrong("is not a positive number")


def _mebibytes(value: object, place: _Place) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise place.wrong("is not a positive whole number")


def _folders(value: object, place: _Place) -> tuple[str, ...]:
    """Folders of the repository stay relative, so that they are looked up in its copy."""
    root = place.file.parent.resolve()
    found = []
    for name in _texts(value, place):
        folder = (root / name).resolve()
        if not folder.is_dir():
            raise place.wrong(f"names {name!r}, which is no folder")
        inside = folder.is_relative_to(root)
        found.append(folder.relative_to(root).as_posix() if inside else str(folder))
    return tuple(found)


def _constraints(value: object, place: _Place) -> dict[str, str]:
    """Airflow version → URL, or the absolute path of a file."""
    found = {}
    for version, location in _table(value, place).items():
        if not isinstance(location, str):
            raise place.wrong(f"has no file or URL for {version!r}")
        if not re.match(r"https?://", location):
            file = place.path(location).resolve()
            if not file.is_file():
                raise place.wrong(f"names {location!r} for {version!r}, which is no file")
            location = str(file)
        found[version] = location
    return found


def _ignored(value: object, place: _Place) -> tuple[Ignored, ...]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise place.wrong("is not a list of tables")
    rows = []
    for number, row in enumerate(value, 1):
        for name, field in row.items():
            if name not in ("rule", "path", "reason"):
                unknown = _unknown(name, ("rule", "path", "reason"))
                raise place.wrong(f"number {number}: {unknown.rstrip('.')}")
            if not isinstance(field, str):
                raise place.wrong(f"number {number}: {name} is not a text")
        for name in ("rule", "reason"):
            if not row.get(name, "").strip():
                raise place.wrong(f"number {number} has no {name}")
        rows.append(Ignored(**row))
    return tuple(rows)


def _aws(value: object, place: _Place) -> AwsConfig:
    """An emulator's name, or a table that has it and what it holds."""
    table = {"emulator": value} if isinstance(value, str) else _table(value, place)
    readers: dict[str, Callable[[Any, _Place], Any]] = {
        "emulator": _emulator,
        "image": _text,
        "s3": _bucket_folder,
        "secrets": _entries,
        "parameters": _entries,
    }
    for name in table:
        if name not in readers:
            raise place.error(name, f"{place.key}: {_unknown(name, readers)}", "Correct it.")
    if not isinstance(value, str) and "emulator" not in table:
        raise place.wrong("has no emulator")
    return AwsConfig(**{name: readers[name](entry, place) for name, entry in table.items()})


def _entries(value: object, place: _Place) -> dict[str, str]:
    """Names as they stand, and texts; whatever else is given is JSON text."""
    table, place = _table_or_file(value, place)
    return {
        name: entry if isinstance(entry, str) else _json(name, entry, place)
        for name, entry in table.items()
    }


def _emulator(value: object, place: _Place) -> str:
    if isinstance(value, str) and value in ("none", "moto", "localstack"):
        return value
    raise place.wrong("names no emulator")


def _bucket_folder(value: object, place: _Place) -> str:
    name = _text(value, place)
    folder = place.path(name).resolve()
    if not folder.is_dir():
        raise place.wrong(f"names {name!r} for s3, which is no folder")
    return str(folder)


def _table(value: object, place: _Place) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise place.wrong("is not a table")


# -------------------------------------------------------- variables, connections, environment


def _variables(value: object, place: _Place) -> dict[str, str]:
    table, place = _table_or_file(value, place)
    _check_names(table, place)
    return _passable(
        {
            name: entry if isinstance(entry, str) else _json(name, entry, place)
            for name, entry in table.items()
        },
        place,
    )


def _environment(value: object, place: _Place) -> dict[str, str]:
    table, place = _table_or_file(value, place)
    for name, entry in table.items():
        if not _NAME.fullmatch(name) or not isinstance(entry, str | int | float):
            message = f"{place.key}: {name!r} is not a name with a text."
            raise place.error(name, message, 'A variable is NAME = "text".')
    texts = {name: v if isinstance(v, str) else json.dumps(v) for name, v in table.items()}
    return _passable(texts, place)


def _connections(value: object, place: _Place) -> dict[str, str]:
    table, place = _table_or_file(value, place)
    _check_names(table, place)
    connections = {}
    for name, entry in table.items():
        try:
            connections[name] = _connection(entry)
        except (ValueError, RecursionError) as error:
            raise place.error(name, f"connection {name!r}: {error}.", _CONNECTION) from None
    return _passable(connections, place)


def _passable(values: dict[str, str], place: _Place) -> dict[str, str]:
    """``values``, which all reach Airflow through the environment, if it can hold them."""
    for name, value in values.items():
        if "\0" in value or _LONE_SURROGATE.search(name + value):
            message = f"{place.key}: {name!r} has a NUL or half a character in it."
            raise place.error(name, message, "No environment variable can hold that: remove it.")
    return values


_NAME = re.compile(r"[^=\0]+")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_CONNECTION = (
    "A connection is a URI or a table of conn_type, host, login, password, schema, port, extra."
)


def _table_or_file(value: object, place: _Place) -> tuple[dict[str, Any], _Place]:
    """A table as it stands, or the one in the file that ``value`` names, and where it stands."""
    if not isinstance(value, str):
        return _table(value, place), place
    file = place.path(value)
    if file.suffix in {".yaml", ".yml", ".toml"}:
        raise place.wrong(f"names {value!r}: files of that kind are not read here")
    return read_table(file), replace(place, file=file, text=_read(file))


def _json_table(file: Path, text: str) -> dict[str, Any]:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is not valid JSON: {error}.", hint="Export it again.") from error
    if not isinstance(table, dict):
        raise UsageError(
            f"{file} does not hold a JSON object.",
            hint="It should look as “airflow variables export” or “connections export” writes it.",
        )
    return table


def _json(name: str, value: object, place: _Place) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        hint = "Write dates and times in quotes."
        raise place.error(name, f"{place.key}: {name!r} has no JSON form.", hint) from None


def _check_names(names: Iterable[str], place: _Place) -> None:
    """They reach Airflow as environment variables, whose names it writes in capitals."""
    seen: dict[str, str] = {}
    for name in names:
        if not _NAME.fullmatch(name):
            message = f"{place.key}: {name!r} is empty or has a “=” in it."
            raise place.error(name, message, "Rename it.")
        twin = seen.setdefault(name.upper(), name)
        if twin != name:
            message = f"{place.key}: {twin!r} and {name!r} differ in case only"
            raise place.error(
                name,
                f"{message}, and Airflow cannot tell them apart in the environment.",
                "Keep one of them.",
            )


def _connection(entry: object) -> str:
    if isinstance(entry, str):
        if entry.lstrip().startswith("{"):
            return _connection(json.loads(entry))
        return _portable(entry)
    if not isinstance(entry, dict):
        raise ValueError("it is neither a URI nor a table")
    for field in entry:
        if field not in _CONNECTION_FIELDS:
            raise ValueError(_unknown(field, _CONNECTION_FIELDS, "field").rstrip("."))
    for field in _URI_TEXTS:
        if not isinstance(entry.get(field), str | None):
            raise ValueError(f"its {field} is not a text")
    return connection_uri(entry)


_URI_TEXTS = ("conn_type", "host", "login", "password", "schema")
_URI_FIELDS = (*_URI_TEXTS, "port", "extra", "extra_dejson")
_CONNECTION_FIELDS = frozenset({*_URI_FIELDS, "conn_id", "description"})
"""What exports hold: all of them are accepted, those that a URI can hold are used."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


def _portable(uri: str) -> str:
    """A URI as given, unless the generations would read it differently: 1.10.15 knows neither
    ``__extra__`` nor a host with a protocol (``http://https://host``)."""
    match = _URI.fullmatch(uri)
    if match is None:
        raise ValueError("it is not a URI (conn-type://login:password@host:port/schema?key=value)")
    fields: dict[str, Any] = {field: unquote(match[field] or "") for field in (*_URI_TEXTS, "port")}
    fields["host"] = (match["protocol"] or "") + fields["host"]
    query = dict(parse_qsl(match["query"] or "", keep_blank_values=True))
    if "__extra__" not in query and not match["protocol"] and "_" not in fields["conn_type"]:
        return uri
    return connection_uri({**fields, "extra": query.get("__extra__", query)})


_URI = re.compile(
    r"""(?:(?P<conn_type>[A-Za-z][\w+.-]*):)?//
    (?P<protocol>[A-Za-z][\w+.-]*://)?
    (?:(?P<login>[^:/?#]*)(?::(?P<password>[^/?#]*))?@)?
    (?P<host>\[[^]]*\]|[^:/?#]*)(?::(?P<port>[^/?#]*))?
    (?:/(?P<schema>[^?#]*))?
    (?:\?(?P<query>[^#]*))?
    (?:\#.*)?""",
    re.VERBOSE | re.ASCII,
)


def _quoted(value: object) -> str:
    return quote(str(value), safe="") if value else ""


def _quoted_host(value: object) -> str:
    """urlsplit writes a host small up to its first “%”, so one with capitals begins with that."""
    host = _quoted(value)
    if str(value) == str(value).lower() or host.startswith("%"):
        return host
    return f"%{ord(host[0]):02X}{host[1:]}"


def _port(value: object) -> int | None:
    if value in (None, "", 0):
        return None
    try:
        port = int(str(value))
    except ValueError:
        raise ValueError("its port is not a number") from None
    if not 0 < port < 65536:
        raise ValueError("its port is not between 1 and 65535")
    return port


def _query(fields: Mapping[str, Any]) -> dict[str, str]:
    extra = fields.get("extra") or fields.get("extra_dejson")
    if not extra:
        return {}
    if isinstance(extra, str):
        try:
            parsed = json.loads(extra)
        except (ValueError, RecursionError):
            return {"__extra__": extra}
        if not isinstance(parsed, dict):
            return {"__extra__": extra}
        extra = parsed
    if not isinstance(extra, dict):
        return {"__extra__": json.dumps(extra)}
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in extra.items()}


_ENV_NAME = re.compile(r"""[^\s=#'"\0]+""")
_ENV_LINE = re.compile(
    rf"""[ \t]*
    (?:
        (?:export[ \t]+)? (?P<name>{_ENV_NAME.pattern}) [ \t]*=[ \t]*
        (?:
            '(?P<single>[^']*)' [ \t]*(?:\#[^\n]*)?
          | "(?P<double>(?:[^"\\]|\\.)*)" [ \t]*(?:\#[^\n]*)?
          | (?P<bare>(?!['"])[^\n]*)
        )
      | (?:\#[^\n]*)?
    )
    (?:\r?\n|\r?\Z)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def _env_value(match: re.Match[str]) -> str:
    if match["single"] is not None:
        return match["single"]
    if match["double"] is not None:
        return re.sub(
            r"\\(.)",
            lambda escape: _ESCAPES.get(escape[1], escape[0]),
            match["double"],
            flags=re.DOTALL,
        )
    return re.sub(r"(?:^|\s+)#.*", "", match["bare"]).strip()


# ----------------------------------------------------------------------------------- the keys


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of the file: the field of Config it fills, how it is read, and what is allowed."""

    name: str
    field: str
    read: Callable[[Any, _Place], Any]
    allowed: str


KEYS: tuple[Key, ...] = (
    Key(
        name="targets",
        field="targets",
        read=_texts,
        allowed='a list of Airflow versions: ["2.11.0"]',
    ),
    Key(name="bridge", field="bridge", read=_text, allowed='an Airflow version: "1.10.15"'),
    Key(name="dags", field="dags", read=_text, allowed="a folder of the repository"),
    Key(name="plugins", field="plugins", read=_text, allowed="a folder of the repository"),
    Key(
        name="variables",
        field="variables",
        read=_variables,
        allowed="a table of names and values, or a .json or .env file that holds one",
    ),
    Key(
        name="connections",
        field="connections",
        read=_connections,
        allowed="a table of ids and URIs or tables, or a .json or .env file that holds one",
    ),
    Key(
        name="env",
        field="env",
        read=_environment,
        allowed="a table of names and texts, or an env file (NAME=value a line)",
    ),
    Key(
        name="requirements",
        field="requirements",
        read=_texts,
        allowed='a list of requirement lines: ["our-package==1.2"]',
    ),
    Key(name="paths", field="paths", read=_folders, allowed="a list of folders that exist"),
    Key(
        name="allowed-hosts",
        field="allowed_hosts",
        read=_texts,
        allowed='a list of hosts: ["artifacts.example.com"]',
    ),
    Key(
        name="aws",
        field="aws",
        read=_aws,
        allowed='“none”, “moto” or “localstack”, or a table: {emulator = "moto", s3 = "tests/s3",'
        ' secrets = {"db" = "…"}, parameters = {"/team/key" = "…"}}',
    ),
    Key(
        name="constraints",
        field="constraints",
        read=_constraints,
        allowed='a table of Airflow versions and files or URLs: {"2.11.0" = "constraints.txt"}',
    ),
    Key(
        name="python-bridge",
        field="python_bridge",
        read=_text,
        allowed="an interpreter's path or a version: “3.8”",
    ),
    Key(
        name="python-target",
        field="python_target",
        read=_text,
        allowed="an interpreter's path or a version: “3.12”",
    ),
    Key(name="assume-missing", field="assume_missing", read=_boolean, allowed="true or false"),
    Key(name="metadata", field="metadata", read=_boolean, allowed="true or false"),
    Key(name="timeout", field="timeout", read=_seconds, allowed="a number of seconds: 30"),
    Key(name="memory", field="memory", read=_mebibytes, allowed="a number of MiB: 1024"),
    Key(
        name="ignore",
        field="ignored",
        read=_ignored,
        allowed='a list of {rule = "…", reason = "…"}, each with an optional path (a glob)',
    ),
)

_KEYS: Mapping[str, Key] = {key.name: key for key in KEYS}
