"""Why a file did not load: one row a cause, the first that fits wins.

A cause has a kind. ``OWN``: the file itself does not work, with any Airflow. ``SURROUNDINGS``:
something it reads was not supplied, so nothing can be said about the file. ``MOVE``: Airflow,
a provider or Python is another one on the target. On a side where a kind makes no sense (nothing
moved on the bridge) the row does not apply.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from packaging.utils import canonicalize_name

from harness.checks.load_rules import (
    ASYNC_NAME,
    BROKEN_ON_BRIDGE,
    BROKEN_ON_TARGET,
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
from harness.checks.modules import (
    EXTRA_OF,
    PYTHON_2_MODULES,
    PYTHON_2_NAMES,
    STANDARD_LIBRARY,
    SUCCESSORS,
    distribution_for,
    provider_for,
    repository_folders,
)
from harness.checks.network import aws_fix, network_fix
from harness.checks.places import left_to_do, line_in, line_of, listed, steady
from harness.model import (
    ErrorObservation,
    FileObservation,
    Observation,
    Pair,
    Rule,
    Side,
)


class Kind(StrEnum):
    """Whose fault it is."""

    OWN = "own"
    SURROUNDINGS = "surroundings"
    MOVE = "move"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One file that did not load on one side."""

    pair: Pair
    side: Side
    seen: FileObservation

    @property
    def observation(self) -> Observation:
        return self.pair.bridge if self.side is Side.BRIDGE else self.pair.observed

    @property
    def error(self) -> ErrorObservation:
        return self.seen.error or ErrorObservation(type="", message="")

    @property
    def line(self) -> int:
        return line_in(self.pair, self.side, self.seen.path, self.error)

    @property
    def source(self) -> str:
        """The line of the repository's own code that failed, as this side saw it."""
        texts = self.pair.texts if self.side is Side.BRIDGE else self.pair.rewritten_texts
        return line_of(texts.get(self.error.path, ""), self.error.line)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What is wrong and what to do. ``input`` is the (kind, name) of an input that was missing;
    ``machine`` when the file may well load elsewhere."""

    rule: Rule
    kind: Kind
    message: str
    fix: str
    input: tuple[str, str] | None = None
    machine: bool = False


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A row of the table that fits a scene, and what its groups caught in the message."""

    scene: Scene
    words: Mapping[str, str]

    @property
    def name(self) -> str:
        """What is missing; of a setting, the environment variable that gives it."""
        if "section" in self.words:
            return f"AIRFLOW__{self.words['section']}__{self.words['key']}".upper()
        return self.words.get("name", "")

    @property
    def module(self) -> str:
        return self.words.get("module", "")

    @property
    def root(self) -> str:
        return self.module.partition(".")[0]


@dataclass(frozen=True, kw_only=True)
class Cause:
    """How a cause is recognised and told.

    ``outcome`` is that of the file. ``types`` are names of exceptions without their modules
    (empty = any), ``message`` is searched in the exception's message and in those of its causes;
    what its groups caught fills ``says`` (with ``airflow``, ``python`` and ``path`` of the scene)
    and is handed to ``when`` and ``fix``. ``input`` names the kind of input that was missing; its
    name is the group ``name``. ``machine`` says that this machine alone is to blame.
    """

    rule: Rule
    kind: Kind
    says: str
    outcome: str = "error"
    types: tuple[str, ...] = ()
    message: str = ""
    side: Side | None = None
    when: Callable[[Hit], bool] | None = None
    fix: Callable[[Hit], str] | None = None
    input: str = ""
    machine: bool = False


# ----------------------------------------------------------------------- helpers of the table


def _names_missing_environment(hit: Hit) -> bool:
    return hit.name in _unset(hit.scene)


def _loads_on_bridge(scene: Scene) -> bool:
    files = scene.pair.bridge.files
    return any(seen.path == scene.seen.path and seen.outcome == "ok" for seen in files)


def _is_new_to_bridge(hit: Hit) -> bool:
    """Whether a setting is nobody's; one that the bridge has is Airflow's, and the move took it."""
    return not _loads_on_bridge(hit.scene)


def _is_of_old_databases(hit: Hit) -> bool:
    """Whether the bridge had a Connection that nobody has given it: one that Airflow makes itself.
    Such ones are named alike but for two."""
    own = hit.name.endswith("_default") or hit.name in ("airflow_db", "local_mysql")
    return own and _loads_on_bridge(hit.scene)


def _met_no_value(hit: Hit) -> bool:
    return bool(_unset(hit.scene))


def _unset(scene: Scene) -> tuple[str, ...]:
    """Environment variables that the code on the way to the error reads and nobody supplied."""
    paths = {scene.seen.path, *(frame.path for frame in scene.error.frames if frame.own)}
    asked = [
        look.name for look in scene.seen.lookups if (look.kind, look.answer) == ("env", "missing")
    ]
    needed = (need for need in scene.pair.needs if need.kind == "env" and need.path in paths)
    names = dict.fromkeys([*asked, *(need.name for need in needed if not need.optional)])
    return tuple(name for name in names if name not in scene.pair.config.env)


def _has_egress(hit: Hit) -> bool:
    return bool(hit.scene.seen.egress)


def _has_assumption(hit: Hit) -> bool:
    return any(look.answer == "assumed" for look in hit.scene.seen.lookups)


def _is_python_2(hit: Hit) -> bool:
    return any(form.search(hit.scene.source) for form in PYTHON_2_LINES)


def _is_async_name(hit: Hit) -> bool:
    return bool(re.search(r"\b(async|await)\b(?!\s+(def|with|for)\b)", hit.scene.source)) and not (
        _is_python_2(hit)
    )


def _is_python_2_name(hit: Hit) -> bool:
    return hit.name in PYTHON_2_NAMES or hit.root in PYTHON_2_MODULES


def _is_standard(hit: Hit) -> bool:
    return hit.root in STANDARD_LIBRARY


def _is_airflow(hit: Hit) -> bool:
    return hit.root == "airflow"


def _was_refused(hit: Hit) -> bool:
    return bool(_refused(hit))


def _refused(hit: Hit) -> str:
    """The line of the requirements that brings the module and could not be installed here."""
    lines = {
        canonicalize_name(found[0]).replace("-backport-", "-"): line
        for line in hit.scene.observation.not_installed
        if (found := re.match(r"[\w.-]+", line))
    }
    name = provider_for(hit.module, lines) or distribution_for(hit.module, lines)
    return lines.get(name, "")


def _fix_refused(hit: Hit) -> str:
    line = _refused(hit)
    return (
        f"Make “{line.partition('#')[0].strip()}” installable here and run again: it conflicts "
        "with the constraints, or a compiler or the headers of a library are missing."
    )


def _is_provider(hit: Hit) -> bool:
    provider = provider_for(hit.module, hit.scene.pair.target_pins)
    return bool(provider) and provider not in hit.scene.observation.packages


def _is_plugin(hit: Hit) -> bool:
    return any(plugin.name in hit.module.split(".")[2:] for plugin in hit.scene.pair.bridge.plugins)


def _lost_its_plugin(hit: Hit) -> bool:
    return _is_airflow(hit) and bool(hit.scene.pair.bridge.plugin_errors)


def _is_of_repository(hit: Hit) -> bool:
    return bool(repository_folders(hit.root, hit.scene.pair.repo.files))


def _is_foreign(hit: Hit) -> bool:
    return hit.root not in STANDARD_LIBRARY | {"airflow"}


def _fix_input(kind: str, hit: Hit) -> str:
    wanted = (need for need in hit.scene.pair.needs if (need.kind, need.name) == (kind, hit.name))
    return input_fix(kind, hit.name, sample=next((need.sample for need in wanted), ""))


def _fix_setting(hit: Hit) -> str:
    return f"{_fix_input('env', hit)}. An airflow.cfg in the repository counts on both sides too."


def input_fix(kind: str, name: str, *, sample: str = "") -> str:
    """What to add where, so that an input has a value. ``sample`` shows the shape."""
    table, file, shape = INPUT_PLACES[kind]
    value = sample or shape
    where = f"Add {name} under [{table}] of mwaa-harness.toml ([tool.mwaa-harness.{table}] of "
    return f"{where}pyproject.toml), or to the file that `{table}` names: {file(name, value)}"


def _json_entry(name: str, value: str) -> str:
    return f'"{name}": {value if _is_json_object(value) else _quoted(value)}'


def _is_json_object(value: str) -> bool:
    return value.startswith(("{", "["))


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


# kind of input → key of the configuration, how its file spells an entry, a value for show
INPUT_PLACES: Mapping[str, tuple[str, Callable[[str, str], str], str]] = {
    "variable": ("variables", _json_entry, "the value"),
    "connection": ("connections", _json_entry, "http://user:password@host/"),
    "env": ("env", "{}={}".format, "value"),
}


def _fix_package(hit: Hit) -> str:
    extra = EXTRA_OF.get(hit.root, "") if _is_inside_airflow(hit) else ""
    if extra and hit.scene.side is Side.BRIDGE:
        line = f"apache-airflow[{extra}]=={hit.scene.observation.airflow}"
        return f"Add {line} to requirements.txt; on the target it becomes the provider."
    pins = (
        hit.scene.pair.bridge_pins if hit.scene.side is Side.BRIDGE else hit.scene.pair.target_pins
    )
    distribution = distribution_for(hit.module, pins)
    if not distribution and _is_inside_airflow(hit):
        return (
            f"Airflow's own module wants {hit.module}: add the extra of apache-airflow, the "
            "provider or the distribution that brings it to requirements.txt."
        )
    if not distribution:
        return (
            f"Add the distribution that has the module {hit.module} to requirements.txt, or "
            "under `requirements` of the configuration when it is a company package."
        )
    pin = pins[distribution]
    return f"Add {distribution}=={pin} to requirements.txt ({pin} is the constraints' version)."


def _is_inside_airflow(hit: Hit) -> bool:
    frames = hit.scene.error.frames
    return bool(frames) and not frames[-1].own and "airflow/" in frames[-1].path


def _fix_provider(hit: Hit) -> str:
    provider = provider_for(hit.module, hit.scene.pair.target_pins)
    return f"Add {provider}=={hit.scene.pair.target_pins[provider]} to requirements.txt."


def _fix_module(hit: Hit) -> str:
    folders = repository_folders(hit.root, hit.scene.pair.repo.files)
    return (
        f"It lies in {listed(folder or '.' for folder in folders)}. Move it below "
        f'{hit.scene.pair.repo.dags}, or add paths = ["{folders[0] or "."}"] to the configuration '
        "and ship that folder inside plugins.zip."
    )


def _fix_standard(hit: Hit) -> str:
    full = f"{hit.module}.{hit.name}" if hit.name else hit.module
    successor = SUCCESSORS.get(full) or SUCCESSORS.get(hit.root, "")
    return f"Use {successor} instead." if successor else ""


def _fix_python_2(hit: Hit) -> str:
    name = hit.name or hit.module
    known = {**PYTHON_2_MODULES, **PYTHON_2_NAMES}.get(name, "")
    return f"Use {known} instead." if known else ""


def _fix_egress(hit: Hit) -> str:
    return network_fix(hit.scene.seen.egress, hit.scene.pair.config)


def _fix_aws(hit: Hit) -> str:
    return aws_fix(hit.scene.pair.config, hit.scene.error.message)


# What a line of Python 2 looks like to somebody who has only Python 3.
PYTHON_2_LINES = tuple(
    re.compile(form)
    for form in (
        r"^\s*print\b\s*(?![\s=(.,)\]:])",
        r"^\s*print\s*>>",
        r"^\s*exec\s+[^=(\s]",
        r"^\s*except\s+[^:]+,\s*\w+\s*:",
        r"^\s*raise\s+[\w.]+\s*,",
        r"<>",
        r"`[^`]+`",
        r"(?<![\w.])0[0-7]+(?![\w.])",
        r"(?<![\w.])\d+[lL]\b",
        r"\b[uU][rR]['\"]",
        r"\bdef\s+\w+\(.*\([\w, ]+\).*\)\s*:",
        r"\blambda\s*\(",
    )
)

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

# ----------------------------------------------------------------------------------- the table

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
        when=_is_async_name,
        says="The file uses a keyword of Python 3.7 as a name",
    ),
    Cause(
        rule=PYTHON2_SYNTAX,
        kind=Kind.OWN,
        types=("SyntaxError",),
        when=_is_python_2,
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
        when=_is_of_old_databases,
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
        when=_is_new_to_bridge,
        says="The setting {key} of [{section}] has no value, and the file stops there",
        fix=_fix_setting,
        input="env",
    ),
    Cause(
        rule=MISSING_ENVIRONMENT_VARIABLE,
        kind=Kind.SURROUNDINGS,
        types=("KeyError",),
        message=r"^['\"]?(?P<name>[A-Za-z_]\w*)['\"]?$",
        when=_names_missing_environment,
        says="The environment variable {name} has no value, and the file stops there",
        input="env",
    ),
    Cause(
        rule=PYTHON2_NAME,
        kind=Kind.OWN,
        types=IMPORT_ERRORS,
        message=NO_MODULE,
        when=_is_python_2_name,
        says="The module {module} exists in Python 2 only",
        fix=_fix_python_2,
    ),
    Cause(
        rule=PYTHON2_NAME,
        kind=Kind.OWN,
        types=("NameError",),
        message=r"name '(?P<name>\w+)' is not defined",
        when=_is_python_2_name,
        says="The name {name} exists in Python 2 only",
        fix=_fix_python_2,
    ),
    Cause(
        rule=PYTHON2_NAME,
        kind=Kind.OWN,
        types=("AttributeError", "ImportError"),
        message=r"has no attribute '(?P<name>\w+)'|cannot import name '(?P<other>\w+)'",
        when=_is_python_2_name,
        says="The name {name} exists in Python 2 only",
        fix=_fix_python_2,
    ),
    *(
        Cause(
            rule=STANDARD_LIBRARY_CHANGED,
            kind=Kind.MOVE,
            side=Side.TARGET,
            types=types,
            message=message,
            when=_is_standard,
            says=says,
            fix=_fix_standard,
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
            _lost_its_plugin(hit) or bool(hit.name and hit.scene.pair.bridge.plugin_errors)
        ),
        says="The file imports from a plugin, and a plugin did not load",
    ),
    *(
        Cause(
            rule=MISSING_PACKAGE,
            kind=Kind.SURROUNDINGS,
            types=IMPORT_ERRORS,
            message=message,
            when=_was_refused,
            says="{module} comes with a requirement that could not be installed here",
            fix=_fix_refused,
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
            when=_is_airflow,
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
        when=lambda hit: _is_airflow(hit) and _is_plugin(hit),
        says="{module} came from a plugin; Airflow {airflow} registers no operators that way",
    ),
    *(
        Cause(
            rule=PROVIDER_MISSING,
            kind=Kind.MOVE,
            side=Side.TARGET,
            types=IMPORT_ERRORS,
            message=message,
            when=_is_provider,
            says="{module} comes with a provider that is not installed",
            fix=_fix_provider,
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
            when=_is_airflow,
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
        when=_is_of_repository,
        says="{module} is a module of the repository, but its folder is not on sys.path",
        fix=_fix_module,
    ),
    Cause(
        rule=MISSING_PACKAGE,
        kind=Kind.SURROUNDINGS,
        types=IMPORT_ERRORS,
        message=NO_MODULE,
        when=_is_foreign,
        says="No installed package has the module {module}",
        fix=_fix_package,
    ),
    *(
        Cause(
            rule=PACKAGE_CHANGED,
            kind=Kind.MOVE,
            side=Side.TARGET,
            types=types,
            message=message,
            when=lambda hit: bool(hit.module) and _is_foreign(hit),
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
        fix=_fix_aws,
    ),
    # A service's own exceptions (NoSuchBucket, ParameterNotFound) have names without number.
    Cause(
        rule=NETWORK_AT_PARSE,
        kind=Kind.SURROUNDINGS,
        message=r"An error occurred \((?P<name>[^)]+)\) when calling the \w+ operation",
        says="The file calls AWS while it is imported, and stops at its answer ({name})",
        fix=_fix_aws,
    ),
    Cause(
        rule=NETWORK_AT_PARSE,
        kind=Kind.SURROUNDINGS,
        when=_has_egress,
        says="The file reaches for {egress} while it is imported, and stops without an answer",
        fix=_fix_egress,
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
        when=_met_no_value,
        says="The file works with an environment variable that has no value: {unset}",
    ),
    Cause(
        rule=MISLEADING_ASSUMPTION,
        kind=Kind.SURROUNDINGS,
        when=_has_assumption,
        says="The file stops on a placeholder; assumed were {assumed}",
    ),
)

FALLBACK: Mapping[Side, tuple[Rule, Kind]] = {
    Side.BRIDGE: (BROKEN_ON_BRIDGE, Kind.OWN),
    Side.TARGET: (BROKEN_ON_TARGET, Kind.OWN),
}


def rules_for(side: Side) -> tuple[Rule, ...]:
    """Every rule that a file may break on ``side``, each once, in the order of the table."""
    found = [cause.rule for cause in CAUSES if cause.side in (None, side)]
    return tuple({rule.id: rule for rule in [*found, FALLBACK[side][0]]}.values())


def diagnose(scene: Scene) -> Diagnosis:
    """Why the file of ``scene`` did not load, and what to do about it."""
    for cause in CAUSES:
        hit = _match(cause, scene)
        if hit:
            return Diagnosis(
                rule=cause.rule,
                kind=cause.kind,
                message=cause.says.format_map(_Words({**_facts(scene), **hit.words})),
                fix=_by_hand(scene) or _fix(cause, hit) or cause.rule.fix,
                input=(cause.input, hit.name) if cause.input else None,
                machine=cause.machine,
            )
    rule, kind = FALLBACK[scene.side]
    said = f"{scene.error.type.rpartition('.')[2]}: {scene.error.message}".strip(": ")
    first = steady(said.splitlines()[0]) if said else "it did not load"
    return Diagnosis(rule=rule, kind=kind, message=first, fix=_by_hand(scene) or rule.fix)


def _fix(cause: Cause, hit: Hit) -> str:
    if cause.fix:
        return cause.fix(hit)
    return _fix_input(cause.input, hit) if cause.input else ""


def _match(cause: Cause, scene: Scene) -> Hit | None:
    """What the groups of ``cause`` caught, or None when it is not the cause."""
    error = scene.error
    if scene.seen.outcome != cause.outcome or cause.side not in (None, scene.side):
        return None
    if cause.types and error.type.rpartition(".")[2] not in cause.types:
        return None
    words: dict[str, str] = {}
    if cause.message:
        found = _search(cause.message, (error.message, *error.chain))
        if found is None:
            return None
        words = {group: steady(text) for group, text in found.groupdict().items() if text}
        if "other" in words:
            words["name"] = words.pop("other")
        if "module" in words:
            words["module"] = _whole_module(words["module"], scene.source)
        if "arguments" in words:
            words["name"] = listed(_keys(words["arguments"]))
    hit = Hit(scene=scene, words=words)
    return hit if cause.when is None or cause.when(hit) else None


def _whole_module(missing: str, source: str) -> str:
    """The module that ``source`` imports; Python names only the part of it that is missing."""
    whole = re.search(rf"\b{re.escape(missing)}(?:\.\w+)*", source)
    return whole[0] if whole else missing


def _keys(arguments: str) -> list[str]:
    """The keys of a dict as Python prints it, whatever its values print."""
    inner = arguments.strip("{}")
    while (flat := re.sub(r"[\[({][^\[\](){}]*[\])}]", "", inner)) != inner:
        inner = flat
    return re.findall(r"'(\w+)':", inner)


def _search(pattern: str, texts: Iterable[str]) -> re.Match[str] | None:
    hits = (re.search(pattern, text) for text in texts)
    return next((hit for hit in hits if hit), None)


def _by_hand(scene: Scene) -> str:
    """What the rewrite left to do at the line where its copy stops; the bridge has the original."""
    if scene.side is Side.BRIDGE:
        return ""
    return left_to_do(scene.pair, scene.seen.path, scene.line)


def _facts(scene: Scene) -> dict[str, object]:
    assumed = (look.name for look in scene.seen.lookups if look.answer == "assumed")
    return {
        "airflow": scene.observation.airflow,
        "python": scene.observation.python,
        "path": scene.seen.path,
        "timeout": scene.pair.config.timeout,
        "memory": scene.pair.config.memory,
        "egress": listed(scene.seen.egress),
        "assumed": listed(dict.fromkeys(assumed)),
        "unset": listed(_unset(scene)),
        "called": _called(scene.source),
    }


def _called(source: str) -> str:
    """The class that a line of the rewritten copy makes an instance of."""
    found = re.search(r"\b[A-Z]\w*(?=\()", source)
    return found[0] if found else "A class of the target"


class _Words(dict[str, object]):
    """Words for a sentence; one that the message did not hold is told by a general word."""

    def __missing__(self, key: str) -> str:
        return {"owner": "The class", "module": "Its package"}.get(key, "it")
