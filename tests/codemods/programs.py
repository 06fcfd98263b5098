"""Programs that import Airflow in every spelling, and worlds to run them in.

A program says ``see(n, X)`` for each use of a name. It runs for real, in an Airflow of which only
the names are there: each class knows its own path. So what a rewritten program means is seen by
running it, not by reading it as the codemods do.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

Seen = dict[int, str]


class World:
    """An Airflow that has just these paths."""

    def __init__(
        self, paths: Collection[str], *, modules: Collection[str] = (), loads_all: bool = False
    ) -> None:
        self.loads_all = loads_all  # 1.10's ``import airflow`` brought its operators
        self.symbols: dict[str, type] = {}
        self.members: dict[str, list[str]] = {}
        self.modules = set(modules)
        for path in paths:
            parts = path.split(".")[:-1]
            self.modules |= {".".join(parts[: i + 1]) for i in range(len(parts))}
        for path in sorted(set(paths) - self.modules):
            module, _, name = path.rpartition(".")
            self.symbols[path] = type(name, (), {"path": path, "__init__": _anything})
            self.members.setdefault(module, []).append(name)

    def run(self, code: str) -> Seen:
        """What each use means; raises what the program raises."""
        loaded = set(self.modules) if self.loads_all else set()
        seen: Seen = {}

        def load(name: str) -> None:
            parts = name.split(".")
            loaded.update(".".join(parts[: i + 1]) for i in range(len(parts)))

        def find(
            name: str, _globals: Any = None, _locals: Any = None, names: Any = (), level: int = 0
        ) -> Any:
            if name.partition(".")[0] != "airflow":
                return builtins.__import__(name, _globals, _locals, names, level)
            if name not in self.modules:
                raise ModuleNotFoundError(f"No module named {name!r}")
            load(name)
            for part in names or ():
                if f"{name}.{part}" in self.modules:
                    load(f"{name}.{part}")
            return _Module(self, name if names else "airflow", loaded)

        def see(number: int, it: Any) -> Any:
            seen[number] = it.path
            return it

        given = {**vars(builtins), "__import__": find, "see": see}
        names = {"__builtins__": given, "__name__": "program"}
        exec(compile(code, "<program>", "exec"), names)  # noqa: S102
        return seen


def _anything(self: object, *args: object, **kwargs: object) -> None:
    """A constructor that takes all."""


class _Module:
    def __init__(self, world: World, path: str, loaded: set[str]) -> None:
        self._world, self.path, self._loaded = world, path, loaded

    def __getattr__(self, name: str) -> Any:
        path = f"{self.path}.{name}"
        if name == "__all__":
            return self._world.members.get(self.path, [])
        if path in self._world.symbols:
            return self._world.symbols[path]
        if path in self._loaded:
            return _Module(self._world, path, self._loaded)
        raise AttributeError(f"module {self.path!r} has no attribute {name!r}")


# ------------------------------------------------------------------------------ the strategy


@dataclass
class Draft:
    """A program while it is written: its lines, and how many uses it has."""

    head: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    uses: int = 0
    comments: int = 0

    def see(self, name: str) -> str:
        self.uses += 1
        return f"see({self.uses}, {name})"

    def comment(self) -> str:
        self.comments += 1
        return f"  # comment {self.comments}"


def _uses(draft: Draft, name: str, way: str, clash: str) -> Iterator[str]:
    """Lines that use ``name`` one way; ``clash`` is a name that the program may have as well."""
    see = draft.see(name)
    number = draft.uses
    match way:
        case "plain":
            yield see
        case "call":
            yield f"made_{number} = {see}()"
        case "base":
            yield f"class Sub{number}({see}):"
            yield f"    def make(self, it={name}):"
            yield f"        return {draft.see(name)}"
            yield f"Sub{number}().make()"
        case "function":
            yield f"def use_{number}(it: 'list[{name}]' = {see}) -> {name}:"
            yield f"    return [{draft.see(name)} for {clash} in range(2)]"
            yield f"use_{number}()"
        case "local":
            yield f"def use_{number}({clash}=1):"
            yield f"    return {see}, {clash}"
            yield f"use_{number}()"
        case "class body":
            yield f"class Holder{number}:"
            yield f"    {clash} = {see}"
            yield f"    other = [{draft.see(name)}]"
        case "formatted":
            yield f"f'{{{see}!r:>5}}' if {name} else lambda: {name}"
        case "shadowed":
            yield f"def own_{number}({name.partition('.')[0]}):"
            yield f"    return {name.partition('.')[0]}"
            yield f"{see} and own_{number}(1)"


WAYS = ("plain", "call", "base", "function", "local", "class body", "formatted", "shadowed")
SPELLINGS = (
    "from",
    "as",
    "as itself",
    "parenthesised",
    "continued",
    "one line",
    "dotted",
    "module",
    "module as",
    "import as",
    "star",
    "function",
    "try",
    "try handler",
    "try module",
    "if else",
    "exported",
)


def _import(
    draft: Draft,
    draw: Callable[[Any], Any],
    paths: list[str],
    spelling: str,
    used: Callable[..., Any],
) -> None:
    """Write the import of ``paths`` (all out of one module) and uses of what it binds."""
    module, name = paths[0].rpartition(".")[::2]
    names = [path.rpartition(".")[2] for path in paths]
    package, _, last = module.rpartition(".")
    alias = f"Other{len(draft.body)}"
    head = draft.head
    bound = names
    match spelling:
        case "from":
            head += [f"from {module} import {', '.join(names)}{draft.comment()}"]
        case "as":
            head += [f"from {module} import {name} as {alias}{draft.comment()}"]
            bound = [alias]
        case "as itself":
            head += [f"from {module} import {name} as {name}"]
            bound = [name]
        case "parenthesised":
            head += [f"from {module} import ({draft.comment()}"]
            for one in names:
                head += [f"    {draft.comment().strip()}", f"    {one},{draft.comment()}"]
            head += [f"){draft.comment()}"]
        case "continued":
            head += [f"from {module} import " + ", \\\n    ".join(names)]
        case "one line":
            head += [f"import os; from {module} import {', '.join(names)}; import re"]
        case "dotted":
            head += [f"import {module}{draft.comment()}"]
            bound = paths
        case "module" if package:
            head += [f"from {package} import {last}{draft.comment()}"]
            bound = [f"{last}.{one}" for one in names]
        case "module as" if package:
            head += [f"from {package} import {last} as {alias}"]
            bound = [f"{alias}.{one}" for one in names]
        case "import as" if package:
            head += [f"import os, {module} as {alias}{draft.comment()}"]
            bound = [f"{alias}.{one}" for one in names]
        case "star":
            head += [f"from {module} import *{draft.comment()}"]
        case "function":
            number = len(draft.body)
            lines = [line for one in names for line in used(one)]
            draft.body += [f"def inner_{number}():", f"    from {module} import {', '.join(names)}"]
            draft.body += [f"    {line}" for line in lines] + [f"inner_{number}()"]
            return
        case "try":
            head += ["try:", f"    from {module} import {', '.join(names)}{draft.comment()}"]
            head += ["except ImportError:", *(f"    {one} = None" for one in names)]
        case "try handler":
            head += ["try:", f"    from nowhere import {', '.join(names)}", "except ImportError:"]
            head += [f"    from {module} import {', '.join(names)}{draft.comment()}"]
        case "try module" if package:
            head += ["try:", f"    import {module} as {alias}", "except ImportError as error:"]
            head += ["    raise error"]
            bound = [f"{alias}.{one}" for one in names]
        case "if else":
            where = draw(st.booleans())
            head += [f"if {where}:", f"    from {module} import {name}"]
            head += ["else:", f"    from {module} import {name} as {name}"]
            bound = [name]
        case "exported":
            head += [f"from {module} import {', '.join(names)}", f"__all__ = {names!r}"]
        case _:
            head += [f"from {module} import {', '.join(names)}"]
    for one in bound:
        draft.body += used(one)


@st.composite
def programs(draw: Any, modules: dict[str, list[str]], ends: Callable[[str], str]) -> str:
    """A program over the names of ``modules``; ``ends`` tells the name that a path will have."""
    draft = Draft()
    taken: set[str] = set()
    for _ in range(draw(st.integers(1, 3))):
        module = draw(st.sampled_from(sorted(modules)))
        if module in taken:
            continue
        names = draw(
            st.lists(st.sampled_from(modules[module]), min_size=1, max_size=3, unique=True)
        )
        names = [name for name in names if name not in taken]
        if not names:
            continue
        taken |= {module, *names}
        paths = [f"{module}.{name}" for name in names]
        clash = draw(st.sampled_from([ends(paths[0]), "fine"]))

        def used(name: str, clash: str = clash) -> list[str]:
            way = draw(st.sampled_from(WAYS))
            return list(_uses(draft, name, way, clash if clash != name else "fine"))

        _import(draft, draw, paths, draw(st.sampled_from(SPELLINGS)), used)
        if clash not in taken and draw(st.integers(0, 4)) == 0:
            taken.add(clash)
            draft.head.append(f"{clash} = None")
    text = "\n".join([*draft.head, *draft.body]) + "\n"
    ast.parse(text)
    return text
