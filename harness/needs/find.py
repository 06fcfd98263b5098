"""What a repository reads from its surroundings: Variables, Connections, environment variables, and
settings of its own, which are environment variables to Airflow.

Found by reading the source; nothing is imported or run. With each need comes a placeholder of
the shape that the code works with, so that a repository can be judged before all of its real
values have been collected.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.archives import python_members
from harness.config import connection_uri
from harness.model import Need, Repo
from harness.needs.code import (
    Code,
    Function,
    Module,
    Owner,
    argument,
    link,
    module_names,
    parameters,
    parse,
)
from harness.needs.shape import Shape, data, observe, sample
from harness.runtimes.surroundings import AIRFLOW_OPTION, repository_options

ALWAYS_SET = frozenset({"AIRFLOW_HOME", "HOME", "PATH", "PWD", "PYTHONPATH", "TMPDIR", "USER"})
"""Environment variables that every runtime has."""

AIRFLOW_SECTIONS = re.compile(
    r"admin|api(?:_auth)?|atlas|aws(?:_(?:auth_manager|batch_executor|ecs_executor))?"
    r"|azure_remote_logging|celery(?:_\w+)?|cli|core|dag_processor|dask|database|debug"
    r"|(?:elastic|open)search(?:_configs)?|email|fab|github_enterprise|hive|imap|kerberos"
    r"|(?:local_)?kubernetes(?:_\w+)?|ldap|lineage|logging|mesos|metrics|openlineage|operators"
    r"|scheduler|secrets|sensors|sentry|smart_sensor|smtp(?:_provider)?|traces|triggerer"
    r"|usage_data_collection|webserver|yandex"
)
"""The sections that Airflow and its providers have themselves; what is asked of any other is the
repository's own. Source: the default configurations of 1.10.15, 2.5.1, 2.10.3 and 2.11.0 and of
their preinstalled providers."""


def find_needs(repo: Repo) -> tuple[Need, ...]:
    """Everything the DAGs and plugins read, one Need for each place, sorted by place.

    ``optional``: it is not missed when the files are loaded, because the code brings a default,
    catches the error, or reads it only when a task runs. All needs of one name share a sample that
    satisfies all their uses. Files that are not Python of today are passed over.
    """
    code = _index(repo)
    reads = [read for module in code.modules.values() for read in _reads(code, module)]
    given = _settings(repo)
    reads = [read for read in reads if read.name not in given]
    shapes: dict[tuple[str, str], Shape] = defaultdict(Shape)
    for read in reads:
        shape = shapes[read.kind, read.name]
        shape.fields = read.kind == "connection"
        read.ask(code, shape)
    needs = {
        (read.module.path, read.line, read.kind, read.name): read.need(
            code, shapes[read.kind, read.name]
        )
        for read in sorted(reads, key=lambda read: read.optional(code), reverse=True)
    }
    return tuple(needs[place] for place in sorted(needs))


def _settings(repo: Repo) -> Mapping[str, str]:
    """What the repository's own airflow.cfg sets, by environment variable."""
    text = _read(repo.root / repo.airflow_cfg) if repo.airflow_cfg else None
    return repository_options((text or b"").decode("utf-8", "replace"))


# ------------------------------------------------------------------------- which files to look at

_TELLTALE = re.compile(
    rb"Variable|get_connection|environ|getenv|\bvar\.|\bconn\.|airflow(?:\.|[ \t]+import[ \t]+)conf"
)
_IMPORT_LINE = re.compile(rb"^[ \t]*(?:from|import)[ \t]+([^#\n]+)", re.MULTILINE)


def _index(repo: Repo) -> Code:
    """The files that read something, those they import, and those that import them."""
    folders = [repo.dags, *([repo.plugins] if repo.plugins else [])]
    files = [p for p in repo.files if any(PurePosixPath(p).is_relative_to(f) for f in folders)]
    texts = {
        path: text
        for path in files
        if path.endswith(".py") and (text := _read(repo.root / path)) is not None
    }
    archives = [path for path in files if path.endswith(".zip")]
    for path in archives:
        members = python_members(repo.root / path)
        texts.update((f"{path}/{name}", text) for name, text in members)
    roots = [".", *folders, *archives]
    names = {name: path for path in texts for name in module_names(path, roots)}
    words = {path: _imported_words(text) for path, text in texts.items()}
    stems: dict[str, set[str]] = defaultdict(set)
    for name, path in names.items():
        stems[name.rpartition(".")[2]].add(path)
    wanted = {path for path, text in texts.items() if _TELLTALE.search(text)}
    imported = {other for path in wanted for word in words[path] for other in stems.get(word, ())}
    importers = _importers(wanted, words, stems)
    modules = {
        path: module
        for path in sorted(wanted | imported | importers)
        if (module := parse(path, texts[path])) is not None
    }
    return link(modules, names)


def _read(path: Path) -> bytes | None:
    """The file's content; None when it has gone since the repository was listed."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def _imported_words(text: bytes) -> frozenset[str]:
    lines = b" ".join(_IMPORT_LINE.findall(text))
    return frozenset(re.findall(r"\w+", lines.decode("utf-8", "replace")))


def _importers(
    wanted: set[str], words: Mapping[str, frozenset[str]], stems: Mapping[str, set[str]]
) -> set[str]:
    """The files that import any of ``wanted``, or import those that do."""
    users: dict[str, set[str]] = defaultdict(set)
    for path, imported in words.items():
        for word in imported & stems.keys():
            for other in stems[word]:
                users[other].add(path)
    found: set[str] = set()
    pending = list(wanted)
    while pending:
        for path in users[pending.pop()] - found:
            found.add(path)
            pending.append(path)
    return found


# ------------------------------------------------------------------------------- what is read where


@dataclass(frozen=True, kw_only=True)
class _Read:
    """One name read at one place. ``default`` is what the code brings, None = nothing; ``caller``
    is the call by which a function of the repository was told the name."""

    kind: str
    name: str
    module: Module
    line: int
    owner: Owner = None
    at: tuple[Module, ast.expr] | None = None
    default: ast.expr | None = None
    raises: bool = True
    decoded: bool = False
    number: bool = False
    caller: ast.Call | None = None
    template: tuple[str, ...] | None = None

    def ask(self, code: Code, shape: Shape) -> None:
        """Write into ``shape`` what this read asks of the value."""
        shape.decoded = shape.decoded or self.decoded
        shape.number = shape.number or self.number
        if self.decoded and isinstance(self.default, ast.List):
            shape.item()
        if self.at is not None:
            observe(code, *self.at, shape, caller=self.caller)
        for key in self.template or ():
            shape = shape.key(key)

    def optional(self, code: Code) -> bool:
        """Does the file load when the value is missing?"""
        if self.template is not None or not code.runs_on_import(self.owner):
            return True
        if self.at is not None and _is_guarded(self):
            return True
        if self.default is None and self.raises:
            return False
        if self.default is None or _is_none(self.default):
            own = Shape()
            self.ask(code, own)
            return not own.demanding
        return True

    def need(self, code: Code, shape: Shape) -> Need:
        kind, text = _sample(self.kind, self.name, shape)
        return Need(
            kind=self.kind,
            name=self.name,
            path=self.module.path,
            line=self.line,
            shape=kind,
            sample=text,
            optional=self.optional(code),
        )


def _sample(kind: str, name: str, shape: Shape) -> tuple[str, str]:
    if kind != "connection":
        setting = AIRFLOW_OPTION.fullmatch(name)
        return sample(shape, setting[2].lower() if setting else name)
    extra: dict[str, object] = {}
    for field in ("extra_dejson", "extra"):
        value = data(shape.keys[field], name) if field in shape.keys else None
        extra |= value if isinstance(value, dict) else {}
    fields = {"conn_type": "generic", "host": "localhost", "port": 1, "schema": "schema"}
    secret = {"login": "login", "password": "password"}
    return "text", connection_uri({**fields, **secret, "extra": extra})


def _reads(code: Code, module: Module) -> Iterator[_Read]:
    for call, owner in module.calls.items():
        yield from _call_reads(code, module, call, owner)
    for subscript, owner in module.subscripts.items():
        if module.dotted(subscript.value) == "os.environ":
            yield from _named(code, module, "env", subscript.slice, subscript, owner)
    for text in module.texts:
        yield from _template_reads(module, text)


def _call_reads(code: Code, module: Module, call: ast.Call, owner: Owner) -> Iterator[_Read]:
    """The read that a call is, if it is one."""
    dotted = _full_name(module, call.func)
    base, _, method = dotted.rpartition(".")
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    position = dict(enumerate(call.args))
    if method in ("get", "setdefault") and _is_variable(code, base):
        key = given.get("key", position.get(0))
        default = given.get("default_var", given.get("default", position.get(1)))
        decode = given.get("deserialize_json", position.get(2))
        decoded = isinstance(decode, ast.Constant) and bool(decode.value)
        yield from _named(
            code, module, "variable", key, call, owner, default=default, decoded=decoded
        )
    elif method in ("get_connection", "get_hook", "get_connection_from_secrets", "get_connections"):
        if base in ("self", "cls") or base.rpartition(".")[2].endswith(("Hook", "Connection")):
            key = given.get("conn_id", position.get(0))
            yield from _named(code, module, "connection", key, call, owner)
    elif dotted in ("os.getenv", "os.environ.get", "os.environ.pop", "os.environ.setdefault"):
        key = given.get("key", position.get(0))
        default = given.get("default", position.get(1))
        raises = method == "pop"
        yield from _named(code, module, "env", key, call, owner, default=default, raises=raises)
    elif base in _CONFIGURATIONS and method in _SETTINGS:
        section = given.get("section", position.get(0))
        option = given.get("key", position.get(1))
        if section and option:
            for read in _named(
                *(code, module, "env", _setting(section, option), call, owner),
                default=given.get("fallback"),
                decoded=method == "getjson",
                number=method in ("getint", "getfloat", "getboolean"),
            ):
                match = AIRFLOW_OPTION.fullmatch(read.name)
                if match and not AIRFLOW_SECTIONS.fullmatch(match[1].lower()):
                    yield read


_CONFIGURATIONS = ("airflow.configuration.conf", "airflow.configuration", "airflow.conf")
_SETTINGS = ("get", "getboolean", "getfloat", "getint", "getjson", "get_mandatory_value")


def _setting(section: ast.expr, option: ast.expr) -> ast.expr:
    """The environment variable of an option, as an expression: any part may be a name."""
    parts = [ast.Constant(value="AIRFLOW__"), section, ast.Constant(value="__"), option]
    upper = ast.Attribute(value=ast.JoinedStr(values=parts), attr="upper")
    return ast.Call(func=upper, args=[], keywords=[])


def _full_name(module: Module, function: ast.expr) -> str:
    """``Hook().get_connection`` counts as ``Hook.get_connection``."""
    match function:
        case ast.Attribute(value=ast.Call(func=made), attr=method):
            return f"{module.dotted(made) or ''}.{method}"
    return module.dotted(function) or ""


def _is_variable(code: Code, dotted: str) -> bool:
    """Airflow's own Variable, however it came here – not that of another library."""
    head, _, last = dotted.rpartition(".")
    if last != "Variable":
        return False
    return not head or head.partition(".")[0] == "airflow" or code.is_own(head)


def _named(
    code: Code,
    module: Module,
    kind: str,
    key: ast.expr | None,
    node: ast.expr,
    owner: Owner,
    *,
    default: ast.expr | None = None,
    raises: bool = True,
    decoded: bool = False,
    number: bool = False,
) -> Iterator[_Read]:
    """One read for each name that the key can be."""
    for where, place, expression, told in _places(code, module, key, node):
        caller = place if told and isinstance(place, ast.Call) else None
        if caller and told and isinstance(default, ast.Name) and default.id in parameters(told):
            default = argument(caller, told, default.id)
        for name in code.texts(where, expression):
            if kind != "env" or name not in ALWAYS_SET:
                yield _Read(
                    kind=kind,
                    name=name,
                    module=where,
                    line=place.lineno,
                    owner=where.calls[caller] if caller else owner,
                    at=(module, node),
                    default=default,
                    raises=raises,
                    decoded=decoded,
                    number=number,
                    caller=caller,
                )


def _places(
    code: Code, module: Module, key: ast.expr | None, node: ast.expr
) -> Iterator[tuple[Module, ast.expr, ast.expr, Function | None]]:
    """Where the name is decided, and by which expression: here, or where the function around was
    told it as an argument."""
    bound = module.binding(key) if isinstance(key, ast.Name) else None
    told = bound[0] if bound and isinstance(bound[0], Function) and not bound[1] else None
    if told is None and key is not None:
        yield module, node, key, None
    elif told is not None and isinstance(key, ast.Name):
        for where, call in code.callers.get(told, ()):
            given = argument(call, told, key.id)
            if given is not None:
                yield where, call, given, told


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_guarded(read: _Read) -> bool:
    """Does the code around catch the error, ask for the name first, or offer another value?"""
    child: ast.AST = read.caller or read.at[1] if read.at else read.module.tree
    while (parent := read.module.parents.get(child)) is not None:
        match parent:
            case ast.Try(body=body, handlers=handlers):
                if any(child is line for line in body) and any(map(_catches, handlers)):
                    return True
            case ast.If(test=test) | ast.IfExp(test=test):
                if child is not test and _mentions(test, read.name):
                    return True
            case ast.BoolOp(op=ast.Or(), values=[*_, last]):
                if child is not last and not read.raises:
                    return True
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                return False
        child = parent
    return False


def _mentions(test: ast.expr, name: str) -> bool:
    """Is the name asked for? A setting's is said in parts, its option last."""
    said = {str(node.value) for node in ast.walk(test) if isinstance(node, ast.Constant)}
    return any(word == name or name.endswith(f"__{word}".upper()) for word in said)


def _catches(handler: ast.ExceptHandler) -> bool:
    """Anything but an import that fails."""
    caught = list(ast.walk(handler.type)) if handler.type else []
    names = {node.id for node in caught if isinstance(node, ast.Name)}
    return not names or bool(names - {"ImportError", "ModuleNotFoundError"})


# --------------------------------------------------------------------------------------- templates

_EXPRESSION = re.compile(r"\{[{%](.*?)[%}]\}", re.DOTALL)
_TEMPLATED = re.compile(
    r"""\b(?:
        (?P<how>var\.(?:value|json)|conn)
        (?: \.get\(\s*(?P<quote>["'])(?P<given>.+?)(?P=quote)
          | \.(?P<name>(?!get\()\w+) )
        (?P<keys>(?:\.\w+)*)
    )""",
    re.VERBOSE,
)


def _template_reads(module: Module, text: ast.Constant) -> Iterator[_Read]:
    for expression in _EXPRESSION.finditer(str(text.value)):
        for match in _TEMPLATED.finditer(expression[1]):
            is_json = match["how"] == "var.json"
            yield _Read(
                kind="connection" if match["how"] == "conn" else "variable",
                name=match["given"] or match["name"],
                module=module,
                line=text.lineno + str(text.value).count("\n", 0, expression.start()),
                decoded=is_json,
                template=tuple(match["keys"].split(".")[1:]) if is_json else (),
            )
