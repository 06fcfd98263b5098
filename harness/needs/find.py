"""What a repository reads from its surroundings: Variables, Connections, environment variables.

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

ALWAYS_SET = frozenset({"AIRFLOW_HOME", "HOME", "PATH", "PWD", "PYTHONPATH", "TMPDIR", "USER"})
"""Environment variables that every runtime has."""


def find_needs(repo: Repo) -> tuple[Need, ...]:
    """Everything the DAGs and plugins read, one Need for each place, sorted by place.

    ``optional``: it is not missed when the files are loaded, because the code brings a default,
    catches the error, or reads it only when a task runs. All needs of one name share a sample that
    satisfies all their uses. Files that are not Python of today are passed over.
    """
    code = _index(repo)
    reads = [read for module in code.modules.values() for read in _reads(code, module)]
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


# ------------------------------------------------------------------------- which files to look at

_TELLTALE = re.compile(rb"Variable|get_connection|environ|getenv|\bvar\.|\bconn\.")
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
    caller: ast.Call | None = None
    template: tuple[str, ...] | None = None

    def ask(self, code: Code, shape: Shape) -> None:
        """Write into ``shape`` what this read asks of the value."""
        shape.decoded = shape.decoded or self.decoded
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
        return sample(shape, name)
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
    return any(isinstance(n, ast.Constant) and n.value == name for n in ast.walk(test))


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
