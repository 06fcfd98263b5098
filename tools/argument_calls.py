"""One call for each class of Airflow 1.10.15 and each argument of its constructor.

    python tools/argument_calls.py 2.11.0 ENVIRONMENT/bin/python [BASELINE/bin/python]

makes each of them, migrated, in an environment of the target with its providers, and lists those
that raise or warn there and that neither an edit nor a note speaks of. With a second interpreter,
of 1.10.15, only what 1.10.15 itself makes counts. The values come from the class itself: its
default, or the type that its docstring gives. The half of the proof that only reads is
``tests/codemods/test_argument_calls.py``.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zipfile import ZipFile

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from codemods import Migration, migrate_source
from codemods.tables.constructors import baseline
from tools.mine_imports import names
from tools.mine_wheels import BASELINE, CORE, World, default_cache, fetch, local_wheels, read_pins

TASK = "airflow.models.baseoperator.BaseOperator"
DAG = "airflow.models.dag.DAG"
_PUBLIC = re.compile(r"\.(?:operators|sensors|hooks)\.")
# What is built by Airflow itself, or exists to be inherited from.
_OTHERS = (DAG, TASK, "airflow.models.connection.Connection", "airflow.models.variable.Variable")
_TYPES = (
    (re.compile(r"timedelta"), "timedelta(seconds=60)"),
    (re.compile(r"datetime\.time$"), "time(1)"),
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
    "operation": "'create'",
    "params": "{'a': 'b'}",
    "metrics_thresholds": "{'a': 1}",
    "dataset_table": "'a.b'",
    "destination_dataset_table": "'a.b.c'",
    "allowed_states": "['success']",
    "body": "{'name': 'a'}",
    "body_patch": "{'name': 'a'}",
    "headers": "{'a': 'b'}",
    "webhook_endpoint": "'webhooks/1/a'",
    "remote_host": "'x'",
    "job_flow_id": "'x'",
    "objects": "['x']",
    "life_cycle_state": "'RUNNING'",
    "pod_runtime_info_envs": "[]",
    "ports": "[]",
    "volumes": "[]",
    "volume_mounts": "[]",
    "tolerations": "[{'key': 'a'}]",
    "affinity": "{}",
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
            default = next(
                (d for p, d in zip(given, a.defaults, strict=True) if p.arg == name), None
            )
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
    if task is None:
        raise ValueError(f"the argument table lacks {TASK}")
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


def migrated(
    calls: Iterable[ArgumentCall], pins: Mapping[str, str]
) -> Iterator[tuple[ArgumentCall, Migration]]:
    """Each call with what becomes of it."""
    for call in calls:
        yield call, migrate_source(call.text, pins=pins)


def _connections(wheels: Iterable[Path]) -> dict[str, str]:
    """Every connection that a class may ask for when it is made, so that none is missing."""
    found = {"x"}
    for path in wheels:
        with ZipFile(path) as archive:
            for entry in archive.namelist():
                if entry.endswith(".py") and re.search(r"/(?:hooks|operators|sensors)/", entry):
                    text = archive.read(entry).decode("utf-8")
                    found |= set(re.findall(r"[\"'](\w+_default)[\"']", text))
    return {f"AIRFLOW_CONN_{n.upper()}": "http://user:word@localhost:80/x" for n in sorted(found)}


def construct(
    python: str, texts: Mapping[str, str], connections: Mapping[str, str]
) -> dict[str, list[str]]:
    """What making each text says in that environment."""
    probe = Path(__file__).with_name("construct_probe.py")
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, **connections, "AIRFLOW_HOME": home, "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(
            [python, str(probe)],
            input=json.dumps(texts),
            capture_output=True,
            text=True,
            env=env,
            check=True,
        )
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("airflow")
    parser.add_argument("python")
    parser.add_argument("baseline", nargs="?")
    parser.add_argument("--json", type=Path, help="write all results here as well")
    options = parser.parse_args()
    locks = Path(__file__).resolve().parent.parent / "harness" / "data" / "locks"
    (lock,) = locks.glob(f"{options.airflow}-py*.txt")
    pins = {**read_pins(lock), CORE: options.airflow}
    fetch({CORE: BASELINE}, default_cache())
    wheels = local_wheels(default_cache())
    wheel = wheels[CORE, BASELINE]
    calls = list(argument_calls(World({CORE: BASELINE}, wheels), wheel))
    ours = [wheels[k, v] for k, v in pins.items() if (k, v) in wheels]
    connections = _connections([wheel, *ours])
    became = {c.id: m for c, m in migrated(calls, pins)}
    texts = {c.id: became[c.id].text or c.text for c in calls}
    new = construct(options.python, texts, connections)
    old: dict[str, list[str]] = {}
    if options.baseline:
        old = construct(options.baseline, {c.id: c.text for c in calls}, connections)
    counts: Counter[str] = Counter()
    silent = []
    for name, migration in became.items():
        good = old.get(name, ["made"])[0] != "raised"
        notes = [note for note in migration.notes if note.rule != "changed-defaults"]
        said = "noted" if notes or migration.error else "not noted"
        counts[f"{'good' if good else 'bad'} on {BASELINE}, {said}, {new[name][0]}"] += 1
        if good and new[name][0] != "made" and said == "not noted":
            silent.append(f"{name}: {' '.join(new[name])}")
    for what, number in sorted(counts.items()):
        print(f"{number:5}  {what}")
    print("\n".join(silent))
    if options.json:
        rows = {
            name: {
                "text": texts[name],
                "notes": [f"{n.rule}: {n.message} | {n.fix}" for n in migration.notes],
                "old": old.get(name, []),
                "new": new[name],
            }
            for name, migration in became.items()
        }
        options.json.write_text(json.dumps(rows, indent=1), "utf-8")
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
