"""Dotted paths in strings, and imports in texts that become files of their own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from codemods.base import Note
from codemods.changes import Change, Replace
from codemods.class_paths import MOVED, path_end
from codemods.constructors import baseline
from codemods.hops import Resolution, members
from codemods.rules._imports.moves import Moves, absent, is_now, note, split

_FROM = re.compile(
    r"^[ \t]*from[ \t]+(airflow[\w.]*)[ \t]+import[ \t]+(\([^)]*\)?|[^\n#;]+)", re.MULTILINE
)
_PREFIX = re.compile(r"airflow\.(?:\w+\.)+")
_IMPORTERS = {"import_module", "__import__", "import_string", "patch", "find_spec", "locate"}


def string_changes(moves: Moves) -> Iterator[Change]:
    """Strings that are a path of Airflow's, and calls that put one together."""
    patched = {id(a) for call in moves.source.plain_calls if _patches(call) for a in call.args}
    for node in moves.source.strings:
        value = str(node.value)
        end = path_end(moves.target, value)
        if value.count(".") == 2 and value in moves.target.plugin_modules:
            yield _plugin_module(moves, node, value)
        elif end.advice:
            yield absent(node, value, end.advice)
        elif end.by is not None and end.by.replaced:
            advice = f"name {end.path}, which takes other arguments"
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
            code = moves.source.segment(node)
            new = code.replace(value, end.path) if code.count(value) == 1 else repr(end.path)
            if "#" not in code:
                yield moves.step(node.lineno, value, end.path, Replace(node=node, code=new))
    for call in moves.source.plain_calls:
        prefix = _put_together(call)
        if prefix and any(f"{module}.".startswith(prefix) for module in members()):
            message = f"a path below {prefix} is put together here"
            yield note(call, message, "Make it lead to where the target has the class", MOVED)


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
    for name in members().get(module, ()) if home != module else ():
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
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    return name == "patch" or ast.unparse(call.func) == "monkeypatch.setattr"


def _put_together(call: ast.Call) -> str:
    """How a path of Airflow's begins that code puts together to import or patch it."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name not in _IMPORTERS or not call.args or isinstance(call.args[0], ast.Constant):
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
