"""One call for each class of Airflow 1.10.15 and each argument of its constructor.

The values come from the class itself: its default, or the type that its docstring gives. Half of
the proof is read (``test_argument_calls.py`` asks the targets' wheels), half is run (the same
calls are made in an environment of the target by ``construct_probe.py``).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zipfile import ZipFile

from codemods.constructors import baseline
from tools.mine_imports import names
from tools.mine_wheels import CORE, World

TASK = "airflow.models.baseoperator.BaseOperator"
DAG = "airflow.models.dag.DAG"
_PUBLIC = re.compile(r"\.(?:operators|sensors|hooks)\.")
# What is built by Airflow itself, or exists to be inherited from.
_OTHERS = (DAG, TASK, "airflow.models.connection.Connection", "airflow.models.variable.Variable")
_TYPES = (
    (re.compile(r"timedelta"), "timedelta(seconds=60)"),
    (re.compile(r"datetime"), "datetime(2020, 1, 1)"),
    (re.compile(r"\bbool"), "True"),
    (re.compile(r"^(?:dict|Dict|Mapping|OrderedDict)"), "{'a': 'b'}"),
    (re.compile(r"^(?:list|List|tuple|Sequence|Iterable|set)\b"), "['a']"),
    (re.compile(r"^int"), "1"),
    (re.compile(r"^float"), "1.0"),
    (re.compile(r"callable|function|Callable", re.IGNORECASE), "print"),
    (re.compile(r"str"), "'x'"),
    (re.compile(r"dict"), "{'a': 'b'}"),
    (re.compile(r"list"), "['a']"),
)
# Where neither the default nor the docstring tells what 1.10 takes.
_VALUES = {
    "python_callable": "print",
    "dag": "DAG('d', start_date=datetime(2020, 1, 1))",
    "time_of_day": "time(1)",
    "target_time": "time(1)",
    "delta": "timedelta(seconds=60)",
    "week_day": "'Monday'",
    "trigger_rule": "'all_done'",
    "weight_rule": "'absolute'",
    "start_date": "datetime(2020, 1, 1)",
    "end_date": "datetime(2021, 1, 1)",
    "retry_delay": "timedelta(seconds=60)",
    "default_args": "{'owner': 'x'}",
    "schedule_interval": "'@daily'",
    "resources": "{'cpus': 1}",
    "executor_config": "{}",
    "inlets": "{'auto': True}",
    "outlets": "{'datasets': []}",
    "operation": "'put'",
    "subdag": "DAG('d.t', start_date=datetime(2020, 1, 1))",
}
HEAD = "from datetime import datetime, time, timedelta\n\nfrom airflow import DAG\n"


@dataclass(frozen=True, kw_only=True)
class ArgumentCall:
    """A text that makes one class with what it requires and ``argument``."""

    path: str
    argument: str
    text: str

    @property
    def id(self) -> str:
        return f"{self.path}:{self.argument}"


@cache
def _classes(wheel: Path) -> Mapping[str, ast.ClassDef]:
    """module.Class → its definition, for every module of the wheel."""
    found: dict[str, ast.ClassDef] = {}
    with ZipFile(wheel) as archive:
        for entry in archive.namelist():
            if entry.startswith("airflow/") and entry.endswith(".py"):
                module = entry.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                for node in ast.parse(archive.read(entry)).body:
                    if isinstance(node, ast.ClassDef):
                        found[f"{module}.{node.name}"] = node
    return found


def _value(wheel: Path, lineage: tuple[str, ...], name: str) -> str:
    if name in _VALUES:
        return _VALUES[name]
    default: ast.expr | None = None
    documented = ""
    for path in lineage:
        node = _classes(wheel).get(path)
        if node is None:
            continue
        init = next(
            (n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None
        )
        docs = (ast.get_docstring(node) or "") + ((init and ast.get_docstring(init)) or "")
        if found := re.search(rf":type {re.escape(name)}:\s*(.+)", docs):
            documented = documented or found[1].strip()
        if init is not None and default is None:
            a = init.args
            given = a.args[len(a.args) - len(a.defaults) :]
            default = next((d for p, d in zip(given, a.defaults, strict=True) if p.arg == name), None)
    if isinstance(default, ast.Constant):
        if isinstance(default.value, bool):
            return str(not default.value)
        if isinstance(default.value, int | float):
            return repr(default.value + 1)
        if isinstance(default.value, str) and default.value:
            return repr(default.value)
    for pattern, code in _TYPES:
        if pattern.search(documented):
            return code
    return "'x'"


def argument_calls(old: World, wheel: Path) -> Iterator[ArgumentCall]:
    """Every call, in the order of the classes."""
    table = baseline()
    task = table.signature(TASK)
    assert task is not None
    for path in sorted(set(names(old, providers=False))):
        home = old.find(*path.rpartition(".")[::2])
        if home is None or home.path != path or home.definition.kind != "class":
            continue
        if not _PUBLIC.search(path) and path not in _OTHERS:
            continue
        signature = table.signature(path)
        if signature is None:
            continue
        inherited = task.accepts if TASK in signature.lineage and path != TASK else frozenset()
        required = sorted(signature.required)
        for argument in sorted(signature.accepts - inherited) or [""]:
            given = {n: _value(wheel, signature.lineage, n) for n in required}
            if argument:
                given[argument] = _value(wheel, signature.lineage, argument)
            if TASK in signature.lineage:
                given["task_id"] = "'t'"
            module, _, name = path.rpartition(".")
            written = ", ".join(f"{n}={code}" for n, code in sorted(given.items()))
            text = f"{HEAD}from {module} import {name}\n\n{name}({written})\n"
            if path == DAG:
                text = f"{HEAD}\n{name}({written})\n"
            yield ArgumentCall(path=path, argument=argument, text=text)


__all__ = ["CORE", "ArgumentCall", "argument_calls"]
