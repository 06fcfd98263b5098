"""Which classes a repository's plugins registered under which 1.10 import path.

1.10 put a plugin's operators, sensors, hooks, executors and macros below ``airflow.operators.NAME``
and so on (airflow/plugins_manager.py, 1.10.15: ``integrate_plugins`` and ``make_module``); 2.x
does so for hooks, executors and macros only, so the importers of the rest must be sent to the
module that defines the class. The plugins folder is on ``sys.path`` in both generations.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

# What 2.x no longer puts below airflow.<kind>.<plugin> (airflow/plugins_manager.py, 2.0.0).
GONE = ("operators", "sensors")


def find_plugin_modules(sources: Mapping[str, str]) -> dict[str, str]:
    """Dotted 1.10 path → dotted path of the defining module, for every class a plugin registers.

    ``sources`` maps paths below the plugins folder to their text. Sources that do not parse, and
    lists that are computed rather than written down, are passed over.
    """
    found: dict[str, str] = {}
    for path, text in sources.items():
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError):
            continue
        module = _module(path)
        homes = {local: f"{module}.{local}" for local in _defined(tree)}
        homes |= dict(_imported(tree, module, is_package=path.endswith("__init__.py")))
        for plugin in ast.walk(tree):
            if isinstance(plugin, ast.ClassDef) and _is_plugin(plugin):
                found |= dict(_registered(plugin, homes))
    return found


def _module(path: str) -> str:
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _defined(tree: ast.Module) -> Iterator[str]:
    return (node.name for node in tree.body if isinstance(node, ast.ClassDef))


def _imported(tree: ast.Module, module: str, *, is_package: bool) -> Iterator[tuple[str, str]]:
    """Local name → dotted path, for names and modules that the plugin's file imports."""
    package = list(filter(None, module.split(".")))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = list(filter(None, [node.module]))
            if node.level:
                up = node.level - is_package
                base = package[: len(package) - up] + base
            if node.level == 1 and is_package and node.module:
                # To import from a package's own module makes it an attribute of the package.
                own = node.module.partition(".")[0]
                yield own, ".".join([*package, own])
            for name in node.names:
                yield name.asname or name.name, ".".join([*base, name.name])
        elif isinstance(node, ast.Import):
            for name in node.names:
                yield name.asname or name.name, name.name


def _is_plugin(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).split(".")[-1] == "AirflowPlugin" for base in node.bases)


def _registered(plugin: ast.ClassDef, homes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    fields = {
        target.id: node.value
        for node in plugin.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    name = fields.get("name")
    if not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
        return
    for kind in GONE:
        listed = fields.get(kind)
        if not isinstance(listed, ast.List | ast.Tuple):
            continue
        for element in listed.elts:
            first, _, rest = ast.unparse(element).partition(".")
            if first in homes:
                home = f"{homes[first]}.{rest}" if rest else homes[first]
                yield f"airflow.{kind}.{name.value}.{home.rsplit('.', 1)[-1]}", home
