"""The table of renamed attributes is complete, and right, for the classes that DAG code touches."""

from __future__ import annotations

import ast
import zipfile
from pathlib import Path

import pytest

from codemods.tables.model_names import ROWS
from tools.mine_wheels import BASELINE, CORE, default_cache, fetch, local_wheels

FOLDERS = ("airflow/models/", "airflow/utils/", "airflow/template/", "airflow/ti_deps/")
HOMES = {
    "airflow.models.dag": "DAG",
    "airflow.models.baseoperator": "BaseOperator",
    "airflow.models.taskinstance": "TaskInstance",
    "airflow.models.dagrun": "DagRun",
    "airflow.models.connection": "Connection",
    "airflow.models.pool": "Pool",
    "airflow.models.taskfail": "TaskFail",
    "airflow.models.dagbag": "DagBag",
    "airflow.models.variable": "Variable",
    "airflow.models.xcom": "BaseXCom",
    "airflow.models.taskreschedule": "TaskReschedule",
    "airflow.models.slamiss": "SlaMiss",
    "airflow.models.log": "Log",
    "airflow.utils.log.logging_mixin": "LoggingMixin",
}
# What no reader of a class sees: a helper inside a method, and what others set.
NOT_SEEN = {
    "airflow.models.taskinstance.TaskInstance": {"var"},
    "airflow.models.dagrun.DagRun": {"dag"},
}


def _modules(wheel: Path) -> dict[str, ast.Module]:
    with zipfile.ZipFile(wheel) as archive:
        return {
            name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): ast.parse(
                archive.read(name)
            )
            for name in archive.namelist()
            if name.startswith(FOLDERS) and name.endswith(".py")
        }


def _class(modules: dict[str, ast.Module], module: str, name: str) -> tuple[str, ast.ClassDef]:
    tree = modules.get(module)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.ClassDef) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom) and any(a.name == name for a in node.names):
            found = _class(modules, node.module or "", name)
            if found[0]:
                return found
    return "", ast.ClassDef(name=name, bases=[], keywords=[], body=[], decorator_list=[])


def _attributes(
    modules: dict[str, ast.Module], module: str, name: str, seen: set[str]
) -> dict[str, bool]:
    """Attribute → whether its use warns, bases included."""
    found: dict[str, bool] = {}
    home, node = _class(modules, module, name)
    if not home or name in seen:
        return found
    seen.add(name)
    for part in node.body:
        if isinstance(part, ast.FunctionDef):
            head = [s for s in part.body[:3] if isinstance(s, ast.Expr)]
            said = " ".join(ast.unparse(x) for x in [*part.decorator_list, *head[:2]])
            called = any(isinstance(s.value, ast.Call) for s in head) or part.decorator_list
            warns = bool(called) and ("warn(" in said or "deprecated(" in said)
            found.setdefault(part.name, warns)
        elif isinstance(part, ast.Assign):
            found |= {t.id: False for t in part.targets if isinstance(t, ast.Name)}
        elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            found[part.target.id] = False
    for part in ast.walk(node):
        stored = isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store)
        if stored and ast.unparse(part.value) == "self":
            found.setdefault(part.attr, False)
    for base in node.bases:
        path = ast.unparse(base).rpartition(".")[2]
        found = {**_attributes(modules, home, path, seen), **found}
    return {n: warns for n, warns in found.items() if not n.startswith("_")}


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.5.1", "2.10.3", "2.11.0"])
def test_every_attribute_that_went_or_warns_has_a_row(version: str) -> None:
    fetch({CORE: BASELINE}, default_cache())
    fetch({CORE: version}, default_cache())
    wheels = local_wheels(default_cache())
    before, after = _modules(wheels[CORE, BASELINE]), _modules(wheels[CORE, version])
    inherited = ROWS["airflow.utils.log.logging_mixin.LoggingMixin"]
    for module, name in HOMES.items():
        path = f"{module}.{name}"
        rows = {**inherited, **ROWS.get(path, {})}
        old, new = _attributes(before, module, name, set()), _attributes(after, module, name, set())
        assert len(old) > 1
        bad = {n for n in old if n not in new or new[n]}
        assert bad - set(rows) - NOT_SEEN.get(path, set()) == set(), path
        for attribute, row in ROWS.get(path, {}).items():
            assert attribute in old, f"{path}.{attribute} was not there"
            if row.new:
                to = row.new.partition("(")[0]
                assert to in new, f"{path}.{to} is not there on {version}"
                assert not new[to], f"{path}.{to} warns on {version}"
