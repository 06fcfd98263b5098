"""Dotted paths in strings, and imports in texts that become files of their own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from codemods.base import Note
from codemods.editing.changes import Change, Replace
from codemods.reading.class_paths import MOVED, path_end
from codemods.reading.values import text_of
from codemods.rules._imports.moves import Moves, absent, is_now, note, split
from codemods.tables.constructors import baseline
from codemods.tables.hops import Resolution, members

_FROM = re.compile(
    r"^[ \t]*from[ \t]+(airflow[\w.]*)[ \t]+import[ \t]+(\([^)]*\)?|[^\n#;]+)", re.MULTILINE
)
_PREFIX = re.compile(r"airflow\.(?:\w+\.)+")
_IMPORTERS = {"import_module", "__import__", "import_string", "patch", "find_spec", "locate"}


def string_changes(moves: Moves) -> Iterator[Change]:
    """Strings that are a path of Airflow's, and calls that put one together."""
    patched = {id(a) for call in moves.source.plain_calls if _patches(call) for a in call.args}
    inside = {id(n) for c in moves.source.plain_calls if _imported_by(c) for n in _given(c)}
    for node in moves.source.strings:
        if id(node) in inside:
            continue
        value = str(node.value).replace(":", ".")
        end = path_end(moves.target, value)
        if value.count(".") == 2 and value in moves.target.plugin_modules:
            yield _plugin_module(moves, node, value)
        elif end.advice:
            yield absent(node, value, end.advice)
        elif end.by is not None and end.by.replaced:
            advice = end.by.warns or f"name {end.path}, which takes other arguments"
            yield note(node, f"another class is in the place of {value}", advice)
        elif end.by is not None and end.by.warns:
            yield note(node, f"{end.by.path} is deprecated on the target", end.by.warns)
        elif id(node) in patched and end.by is not None and _looked_up(moves, end.by):
            message = f"{value} is patched where its module looks it up, not where it lives"
            looked = moves.target.resolve(split(end.by.start)[0]).path
            advice = f"patch {looked}.{split(end.by.path)[1]} if the target looks it up there"
            yield note(node, message, advice, MOVED)
        elif advice := _not_along(moves, value, end.path):
            yield note(node, f"{is_now(value, end.path)}, a name in it is not", advice)
        elif end.path != value:
            code, old, path = moves.source.segment(node), str(node.value), end.path
            if ":" in old:
                path = ":".join(split(path))
            new = code.replace(old, path) if code.count(old) == 1 else repr(path)
            if "#" not in code:
                yield moves.step(node.lineno, value, end.path, Replace(node=node, code=new))
    for call in moves.source.plain_calls:
        yield from _call_changes(moves, call)


def _call_changes(moves: Moves, call: ast.Call) -> Iterator[Change]:
    """``import_module`` of what is put together or is gone, ``getattr`` of a module."""
    name = _called(call)
    asked = text_of(call.args[1]) if len(call.args) > 1 else None
    if name in {"getattr", "hasattr"} and asked:
        yield from _asked(moves, call, asked)
    elif name in _IMPORTERS and (path := _imported_by(call)):
        end = moves.target.resolve(path)
        if end.removed is not None:
            yield absent(call, path, end.removed.advice)
        elif end.moved:
            code = f"{moves.source.segment(call.func)}({end.path!r})"
            yield moves.step(call.lineno, path, end.path, Replace(node=call, code=code))
    elif name in _IMPORTERS:
        prefix = _put_together(call)
        if prefix and any(f"{module}.".startswith(prefix) for module in members()):
            message = f"a path below {prefix} is put together here"
            yield note(call, message, "Make it lead to where the target has the class", MOVED)


def _imported_by(call: ast.Call) -> str:
    """What a call imports whose argument is none of the strings that are paths: a package right
    below Airflow, or ``.name`` of another one."""
    if _called(call) not in _IMPORTERS:
        return ""
    given = [getattr(node, "value", "") for node in _given(call)]
    name, package = (str(value) for value in [*given, "", ""][:2])
    path = package + name if name.startswith(".") else name
    return path if path.startswith("airflow.") and (path != name or path.count(".") == 1) else ""


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(k.value for k in call.keywords)]


def _called(call: ast.Call) -> str:
    """The last part of what is called."""
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


def _asked(moves: Moves, call: ast.Call, name: str) -> Iterator[Change]:
    """``getattr(module, "Name")``, where the name went elsewhere or has another spelling."""
    module = moves.source.path_of(call.args[0]) or ""
    if not module.startswith("airflow") or name not in members().get(module, ()):
        return
    old, end = f"{module}.{name}", moves.end(f"{module}.{name}")
    home, new = split(end.path)
    if end.removed is not None:
        yield absent(call, old, end.removed.advice)
    elif home != moves.target.resolve(module).path:
        yield note(call, is_now(old, end.path), f"import it from there, and write {new}", MOVED)
    elif new != name and not end.replaced:
        yield moves.step(call.lineno, old, end.path, Replace(node=call.args[1], code=repr(new)))


def _looked_up(moves: Moves, by: Resolution) -> bool:
    """Whether a module of 1.10 only imports the name, and another has it on the target: who
    patches it means the module that uses it."""
    own = moves.target.resolve(split(by.start)[0])
    foreign = baseline().home(by.start) != by.start or not by.path.startswith("airflow.")
    return by.moved and own.moved and foreign and split(by.path)[0] != own.path


def _plugin_module(moves: Moves, node: ast.Constant, value: str) -> Change:
    """The module that 1.10 made of a plugin, in a string: where all that it had lives now."""
    inside = (p for p in moves.target.plugins if p.rpartition(".")[0] == value)
    homes = sorted({moves.target.plugins[path].rpartition(".")[0] for path in inside})
    code = moves.source.segment(node)
    if len(homes) == 1 and code.count(value) == 1:
        new = code.replace(value, homes[0])
        return moves.step(node.lineno, value, homes[0], Replace(node=node, code=new))
    fix = f"name the module that holds what is looked for: {', '.join(homes)}"
    return note(node, f"{value} is made by a plugin of 1.10 alone", fix, MOVED)


def _not_along(moves: Moves, module: str, home: str) -> str:
    """What to do where a string names a module, and the text a class that is not in the
    module that takes its place under this name."""
    names = members().get(module, ()) if home != module else ()
    for name in sorted(
        names, key=lambda n: (baseline().home(f"{module}.{n}") != f"{module}.{n}", n)
    ):
        end = moves.end(f"{module}.{name}")
        if end.path != f"{home}.{name}" and re.search(
            rf"[.'\"]{re.escape(name)}\b(?!\.)",
            moves.source.text.replace(f"{module}.{name}", ""),
        ):
            return f"name {split(end.path)[0]}, and {split(end.path)[1]} instead of {name}"
    return ""


def text_notes(moves: Moves) -> Iterator[Note]:
    """Imports in strings that become files of their own, such as generated DAGs."""
    for node in moves.source.texts:
        gone, moved = [], []
        for path in _imported(str(node.value)):
            end = path_end(moves.target, path)
            if end.advice:
                gone.append(f"{path}: {end.advice}")
            elif end.path != path:
                moved.append("from {} import {}".format(*split(end.path)))
        fix = "; ".join([*dict.fromkeys(moved), *gone])
        if fix:
            message = "the text imports what the target has elsewhere or not at all"
            yield note(node, message, f"write in it: {fix}", MOVED)


def _patches(call: ast.Call) -> bool:
    """``mock.patch("a.b.Name")``, ``monkeypatch.setattr("a.b.Name", …)``."""
    return _called(call) == "patch" or ast.unparse(call.func) == "monkeypatch.setattr"


def _put_together(call: ast.Call) -> str:
    """How a path of Airflow's begins that code puts together to import or patch it."""
    if not call.args or isinstance(call.args[0], ast.Constant):
        return ""
    said = (n.value for n in ast.walk(call.args[0]) if isinstance(n, ast.Constant))
    first = next((value for value in said if isinstance(value, str)), "")
    found = _PREFIX.match(first)
    return found[0] if found else ""


def _imported(text: str) -> Iterator[str]:
    """What a text of Python imports from Airflow, template expressions passed over."""
    for module, names in _FROM.findall(text):
        for name in names.strip("() \t").split(","):
            word = name.split()[0] if name.split() else ""
            if word.isidentifier():
                yield f"{module}.{word}"
