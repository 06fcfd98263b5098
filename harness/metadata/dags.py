"""The engine as two single-file DAGs: on MWAA only tasks reach the database.

A file is the engine's modules one after the other – the very code of the command, without its
imports of itself – and ``probes/metadata_dag.py``, which makes a DAG of it. It needs nothing that
an Airflow image does not have.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import harness
from harness import __version__
from harness.errors import UsageError

ROOT = Path(harness.__file__).parent

# Each after those that it uses.
MODULES = (
    "errors",
    "scratch",
    "metadata/options",
    "metadata/problems",
    "metadata/copytext",
    "metadata/schema",
    "metadata/tables",
    "metadata/database",
    "metadata/postgresql",
    "metadata/drivers",
    "metadata/databases",
    "metadata/sealing",
    "metadata/values",
    "metadata/stores",
    "metadata/bundle",
    "metadata/defaults",
    "metadata/outgoing",
    "metadata/export",
    "metadata/handover",
    "metadata/shape",
    "metadata/ledger",
    "metadata/planning",
    "metadata/load",
    "metadata/verify",
    "metadata/report",
)
TAIL = "probes/metadata_dag"
DECODE = "probes/decode"

FILES = {"export": "db_export", "import": "db_import"}


@dataclass(frozen=True, kw_only=True)
class DagOptions:
    """What is written into the DAGs; a run's conf can say something else.

    ``passphrase_secret`` names a secret of AWS Secrets Manager; without one the variable
    MWAA_HARNESS_PASSPHRASE of the environment is asked.
    """

    bundle: str
    passphrase_secret: str = ""
    kms_key: str = ""
    tables: tuple[str, ...] = ()
    since: str = ""
    on_conflict: str = "fail"
    wait_seconds: int = 600


def write_dags(folder: Path, options: DagOptions) -> tuple[Path, ...]:
    """Write both files into a folder, which is made; what was written."""
    if not options.bundle.startswith("s3://") and not Path(options.bundle).is_absolute():
        raise UsageError(
            f"--bundle {options.bundle}: a task has no folder of its own to find this in.",
            hint="For example: --bundle s3://bucket/data/migration/1.10.12_to_2.10.3/export",
        )
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for verb, dag_id in FILES.items():
        path = folder / f"{dag_id}.py"
        path.write_text(dag_text(verb, dag_id, options), encoding="utf-8")
        written.append(path)
    return tuple(written)


def dag_text(verb: str, dag_id: str, options: DagOptions) -> str:
    """One of the DAG files."""
    values: Mapping[str, object] = {
        "VERB": verb,
        "DAG_ID": dag_id,
        "BUNDLE": options.bundle,
        "PASSPHRASE_SECRET": options.passphrase_secret,
        "KMS_KEY": options.kms_key,
        "ONLY_TABLES": list(options.tables),
        "SINCE": options.since,
        "ON_CONFLICT": options.on_conflict,
        "OVERWRITE": False,
        "WAIT_SECONDS": options.wait_seconds,
    }
    imports: set[str] = set()
    parts: list[str] = []
    seen = dict.fromkeys(values, "settings")
    for name in (*MODULES, TAIL):
        for defined in _defined(_source(name)):
            if seen.setdefault(defined, name) != name or defined == "DECODE":
                raise AssertionError(f"{defined} is defined in {seen[defined]} and in {name}")
    for name in MODULES:
        source = _source(name)
        used, body = _split(source)
        imports |= used
        parts.append(f"# {'-' * 20} harness/{name}.py\n\n{body}")
    tail = _source(TAIL)
    doc = ast.get_docstring(ast.parse(tail), clean=False)
    tail = tail.split('"""', 2)[2].lstrip("\n")
    settings = "\n".join(f"{name} = {_literal(value)}" for name, value in values.items())
    decode = "" if verb == "import" else _source(DECODE)
    if "'''" in decode:
        raise AssertionError("decode.py cannot be quoted")
    return "\n".join(
        [
            f'"""{dag_id}: made by `mwaa-harness metadata dags` {__version__}.\n\n{doc}"""',
            "",
            "from __future__ import annotations",
            "",
            *sorted(imports),
            "",
            f"# {'-' * 20} settings",
            "",
            settings,
            "",
            *parts,
            f"# {'-' * 20} harness/{DECODE}.py: what reads pickled values, in a process of its own",
            "",
            f"DECODE = r'''{decode}'''",
            "",
            f"# {'-' * 20} the DAG",
            "",
            tail,
        ]
    )


def _source(name: str) -> str:
    return (ROOT / f"{name}.py").read_text(encoding="utf-8")


def _literal(value: object) -> str:
    """Python for a setting; JSON's texts, lists and numbers are Python's too."""
    return str(value) if isinstance(value, bool) else json.dumps(value)


def _defined(source: str) -> Iterator[str]:
    """The names that a module defines itself."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        yield name.id
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def _split(source: str) -> tuple[set[str], str]:
    """A module's imports of others, a line a name, and what is left of it."""
    lines = source.splitlines()
    imports: set[str] = set()
    for node in ast.parse(source).body:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for number in range(node.lineno - 1, node.end_lineno or node.lineno):
            lines[number] = ""
        if isinstance(node, ast.Import):
            imports |= {f"import {alias.name}" for alias in node.names}
        elif node.module != "__future__" and not (node.module or "").startswith("harness"):
            imports |= {f"from {node.module} import {alias.name}" for alias in node.names}
    text = "\n".join(lines).strip("\n")
    while "\n\n\n\n" in text:
        text = text.replace("\n\n\n\n", "\n\n\n")
    return imports, text + "\n\n"
