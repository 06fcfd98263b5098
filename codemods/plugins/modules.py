"""What a repository's plugins registered, and which module each of it is imported from now.

1.10 put a plugin's operators and sensors below ``airflow.operators.NAME``, and hooks, macros and
executors below packages of their own, all but the executors right below the package as well
(airflow/plugins_manager.py and ``_integrate_plugins`` of each package, 1.10.15). 2.x makes such
modules for macros and executors only, and only after the DAG files were loaded
(airflow/plugins_manager.py, 2.5.1, 2.10.3 and 2.11.0). So whoever imports any of them must import
the module that defines it. The plugins folder is on ``sys.path`` in both generations.
"""

from __future__ import annotations

import ast
import keyword
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from codemods.reading.parsing import parsed

# Kind → the packages of 1.10 that served it, and whether these names are in lower case.
SERVED: Mapping[str, tuple[tuple[str, ...], bool]] = {
    "operators": (("operators",), False),
    "sensors": (("operators", "sensors"), False),
    "hooks": (("hooks",), False),
    "macros": (("macros",), True),
    "executors": (("executors",), True),
}

_SAME_LIST = {"list", "tuple", "set", "sorted", "frozenset"}


@dataclass(frozen=True, kw_only=True)
class Registered:
    """One thing that a plugin registers: ``home`` is where it is defined."""

    path: str  # of the plugin's file
    plugin: str
    kind: str
    home: str
    file: str  # that defines it; "" when it is not below the plugins folder

    @property
    def name(self) -> str:
        """What it is called, whatever the list calls it."""
        return self.home.rpartition(".")[2]


@dataclass(frozen=True, kw_only=True)
class PluginClass:
    """One AirflowPlugin: its class-level values, and what else its body holds."""

    node: ast.ClassDef
    fields: Mapping[str, ast.expr]
    others: bool  # methods and other statements, beside a docstring

    @property
    def empty(self) -> bool:
        """Whether it registers nothing and does nothing when it is loaded."""
        return not self.others and all(
            name == "name" or is_empty(value) for name, value in self.fields.items()
        )


def plugin_classes(tree: ast.Module) -> list[PluginClass]:
    """The plugins that a text defines, whatever it calls AirflowPlugin and by way of which base."""
    known = {"AirflowPlugin"}
    known |= {
        name
        for name, path in _imported(tree, "", is_package=False)
        if path.endswith(".AirflowPlugin")
    }
    found = []
    for node in ast.walk(tree):
        bases = node.bases if isinstance(node, ast.ClassDef) else []
        if isinstance(node, ast.ClassDef) and any(
            ast.unparse(base).rpartition(".")[2] in known for base in bases
        ):
            known.add(node.name)
            found.append(node)
    return [
        PluginClass(
            node=node,
            fields={
                target.id: value
                for statement in node.body
                if isinstance(statement, ast.Assign | ast.AnnAssign)
                and (value := statement.value) is not None
                for target in _targets(statement)
                if isinstance(target, ast.Name)
            },
            others=any(
                not isinstance(s, ast.Assign | ast.AnnAssign | ast.Pass)
                and not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
                for s in node.body
            ),
        )
        for node in found
    ]


def is_empty(value: ast.expr) -> bool:
    """Whether an expression is a list, tuple or the like with nothing in it, or None."""
    if isinstance(value, ast.Constant):
        return value.value is None
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in _SAME_LIST and not value.args
    return isinstance(value, ast.List | ast.Tuple) and not value.elts


def find_plugin_modules(
    sources: Mapping[str, str], renamed: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Dotted 1.10 path → dotted path of the defining module, for all that plugins registered.

    ``sources`` maps paths below the plugins folder to their text, ``renamed`` such a path to the
    path it gets. Sources that do not parse, and lists that are computed, are passed over.
    """
    found: dict[str, str] = {}
    for entry in registered(sources, renamed):
        packages, lower = SERVED[entry.kind]
        plugin = entry.plugin.lower() if lower else entry.plugin
        for package in packages:
            found[f"airflow.{package}.{plugin}.{entry.name}"] = entry.home
    return found


def registered(
    sources: Mapping[str, str], renamed: Mapping[str, str] | None = None
) -> list[Registered]:
    """All that the plugins in ``sources`` register, in the order of their paths."""
    modules = _Modules(sources, renamed or {})
    return [
        Registered(path=module.path, plugin=name, kind=kind, home=home, file=file)
        for module in modules.by_path.values()
        for plugin in module.plugins
        if (name := modules.string(module, plugin.fields.get("name")))
        for kind in SERVED
        for home, file in modules.elements(module, plugin.fields.get(kind))
    ]


def module_of(path: str) -> str:
    """The dotted name of a module by its path below a folder on ``sys.path``."""
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def renames(
    files: Collection[str],
    homes: Mapping[str, str],
    *,
    taken: Collection[str],
    imported: Collection[str],
) -> dict[str, str]:
    """Old path → new path below the plugins folder, for what no import could reach.

    ``files`` are all files there, ``homes`` those that define what a plugin registered, with its
    name. A name may be no identifier, the folder's own ``__init__.py`` is no module at all, and a
    module of Python, of the target's packages (``taken``) or of the DAG folder comes first on
    ``sys.path``. What the repository itself imports by its name (``imported``) is reachable.
    """
    changed: dict[str, str] = {}
    for path, plugin in homes.items():
        parts = PurePosixPath(path).parts
        for depth, part in enumerate(parts):
            new = _reachable(part, plugin, depth, taken, imported)
            if new != part:
                changed["/".join(parts[: depth + 1])] = new
    found = {}
    for path in files:
        parts = PurePosixPath(path).parts
        new = "/".join(changed.get("/".join(parts[: i + 1]), part) for i, part in enumerate(parts))
        if new != path:
            found[path] = new
    return found


def _reachable(
    part: str, plugin: str, depth: int, taken: Collection[str], imported: Collection[str]
) -> str:
    suffix = ".py" if part.endswith(".py") else ""
    name = part.removesuffix(".py")
    if name == "__init__":
        return part if depth else f"{_identifier(plugin)}_plugin.py"
    clean = _identifier(name)
    shadowed = clean in sys.stdlib_module_names or clean == "airflow"
    if depth == 0 and (shadowed or (clean in taken and clean not in imported)):
        clean = f"{clean}_plugin"
    return clean + suffix


def _identifier(name: str) -> str:
    clean = re.sub(r"\W", "_", name)
    if clean[:1].isdigit() or keyword.iskeyword(clean):
        clean = f"plugin_{clean}"
    return clean


# ------------------------------------------------------------------------- reading the modules


@dataclass(frozen=True, kw_only=True)
class Module:
    """One file below the plugins folder: what it defines, and what it takes from where."""

    path: str
    tree: ast.Module
    name: str
    home: str  # its dotted name from now on
    defined: frozenset[str]
    imports: Mapping[str, str] = field(default_factory=dict)  # local name → dotted path
    stars: tuple[str, ...] = ()
    values: Mapping[str, ast.expr] = field(default_factory=dict)
    plugins: tuple[PluginClass, ...] = ()


def read_module(path: str, text: str, home: str = "") -> Module | None:
    """The facts of one text; None when it is not Python 3. ``home`` is its path from now on."""
    tree = parsed(text)
    if tree is None:
        return None
    name = module_of(path)
    imports: dict[str, str] = {}
    stars: list[str] = []
    for local, dotted in _imported(tree, name, is_package=path.endswith("__init__.py")):
        if local == "*":
            stars.append(dotted)
        else:
            imports[local] = dotted
    return Module(
        path=path,
        tree=tree,
        name=name,
        home=module_of(home or path),
        defined=frozenset(_defined(tree)),
        imports=imports,
        stars=tuple(stars),
        values={
            target.id: statement.value
            for statement in tree.body
            if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None
            for target in _targets(statement)
            if isinstance(target, ast.Name)
        },
        plugins=tuple(plugin_classes(tree)),
    )


class _Modules:
    """All modules below the plugins folder, and what a name in one of them stands for."""

    def __init__(self, sources: Mapping[str, str], renamed: Mapping[str, str]) -> None:
        read = (read_module(p, text, renamed.get(p, p)) for p, text in sorted(sources.items()))
        self.by_path = {module.path: module for module in read if module is not None}
        self.by_name = {module.name: module for module in self.by_path.values()}

    def string(self, module: Module, value: ast.expr | None) -> str:
        """What a string constant, or a name for one, says; else empty."""
        if isinstance(value, ast.Name | ast.Attribute):
            owner, name = self._find(self._dotted(module, value))
            value = owner.values.get(name) if owner is not None else None
        text = value.value if isinstance(value, ast.Constant) else None
        return text if isinstance(text, str) else ""

    def elements(
        self, module: Module, value: ast.expr | None, depth: int = 0
    ) -> Iterator[tuple[str, str]]:
        """The dotted home and the file of all that a list holds, however it is put together."""
        if value is None or depth > 10:
            return
        if isinstance(value, ast.List | ast.Tuple | ast.Set):
            for element in value.elts:
                if isinstance(element, ast.Starred):
                    yield from self.elements(module, element.value, depth + 1)
                else:
                    yield from self._element(module, element)
        elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
            yield from self.elements(module, value.left, depth + 1)
            yield from self.elements(module, value.right, depth + 1)
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
            if value.func.id in _SAME_LIST:
                for argument in value.args[:1]:
                    yield from self.elements(module, argument, depth + 1)
        elif isinstance(value, ast.Name | ast.Attribute):
            owner, name = self._find(self._dotted(module, value))
            if owner is not None and name in owner.values:
                yield from self.elements(owner, owner.values[name], depth + 1)

    def _element(self, module: Module, element: ast.expr) -> Iterator[tuple[str, str]]:
        dotted = self._dotted(module, element)
        owner, name = self._find(dotted)
        if owner is not None and name:
            if name in owner.defined:
                yield f"{owner.home}.{name}" if owner.home else name, owner.path
        elif dotted.count(".") and owner is None:
            yield dotted, ""

    def _dotted(self, module: Module, node: ast.expr) -> str:
        """What a name in a module stands for, as a dotted path of the old names."""
        first, _, rest = ast.unparse(node).partition(".")
        if first in module.defined or first in module.values:
            start = f"{module.name}.{first}"
        elif first in module.imports:
            start = module.imports[first]
        else:
            start = next(
                (
                    f"{star}.{first}"
                    for star in module.stars
                    if star in self.by_name and self._holds(self.by_name[star], first)
                ),
                "",
            )
        return ".".join(filter(None, [start, rest])) if start else ""

    def _holds(self, module: Module, name: str, depth: int = 0) -> bool:
        return (
            name in module.defined
            or name in module.values
            or name in module.imports
            or (
                depth < 10
                and any(
                    self._holds(self.by_name[star], name, depth + 1)
                    for star in module.stars
                    if star in self.by_name
                )
            )
        )

    def _find(self, dotted: str, depth: int = 0) -> tuple[Module | None, str]:
        """The module that defines what a path names, re-exports followed, and its name there."""
        head, _, name = dotted.rpartition(".")
        module = self.by_name.get(head)
        if module is None or depth > 10:
            return None, ""
        if name in module.defined or name in module.values:
            return module, name
        if name in module.imports:
            further = self._find(module.imports[name], depth + 1)
            return further if further[0] is not None else (None, "")
        for star in module.stars:
            further = self._find(f"{star}.{name}", depth + 1)
            if further[0] is not None:
                return further
        return module, ""


def _targets(statement: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


def _defined(tree: ast.Module) -> Iterator[str]:
    """Classes and functions of the module, under ``if`` and ``try`` too."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.If | ast.Try | ast.With):
            pending += node.body
            pending += getattr(node, "orelse", [])
            for handler in getattr(node, "handlers", []):
                pending += handler.body


def _imported(tree: ast.Module, module: str, *, is_package: bool) -> Iterator[tuple[str, str]]:
    """Local name → dotted path, for names and modules that a file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = absolute(node, module, is_package=is_package)
            if node.level == 1 and is_package and node.module:
                # To import from a package's own module makes it an attribute of the package.
                own = node.module.partition(".")[0]
                yield own, ".".join(filter(None, [module, own]))
            for name in node.names:
                dotted = base if name.name == "*" else ".".join(filter(None, [base, name.name]))
                yield name.asname or name.name, dotted
        elif isinstance(node, ast.Import):
            for name in node.names:
                first = name.name.partition(".")[0]
                yield name.asname or first, name.name if name.asname else first


def absolute(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    """The dotted module that a ``from`` import names in the file of ``module``."""
    package = list(filter(None, module.split(".")))
    if not node.level:
        return node.module or ""
    up = node.level - is_package
    return ".".join([*package[: len(package) - up], *filter(None, [node.module])])
