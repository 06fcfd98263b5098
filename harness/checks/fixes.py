"""What to do about a cause: ``fix`` of a row, where the rule's own advice can be made exact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from harness.checks.conditions import is_inside_airflow, refused
from harness.checks.modules import (
    EXTRA_OF,
    PYTHON_2_MODULES,
    PYTHON_2_NAMES,
    SUCCESSORS,
    distribution_for,
    provider_for,
    repository_folders,
)
from harness.checks.network import aws_fix, network_fix
from harness.checks.places import listed
from harness.checks.scene import Hit
from harness.model import Side


def fix_refused(hit: Hit) -> str:
    line = refused(hit)
    return (
        f"Make “{line.partition('#')[0].strip()}” installable here and run again: it conflicts "
        "with the constraints, or a compiler or the headers of a library are missing."
    )


def fix_input(kind: str, hit: Hit) -> str:
    wanted = (need for need in hit.scene.pair.needs if (need.kind, need.name) == (kind, hit.name))
    return input_fix(kind, hit.name, sample=next((need.sample for need in wanted), ""))


def fix_setting(hit: Hit) -> str:
    return f"{fix_input('env', hit)}. An airflow.cfg in the repository counts on both sides too."


def input_fix(kind: str, name: str, *, sample: str = "") -> str:
    """What to add where, so that an input has a value. ``sample`` shows the shape."""
    table, file, shape = INPUT_PLACES[kind]
    value = sample or shape
    where = f"Add {name} under [{table}] of mwaa-harness.toml ([tool.mwaa-harness.{table}] of "
    return f"{where}pyproject.toml), or to the file that `{table}` names: {file(name, value)}"


def _json_entry(name: str, value: str) -> str:
    return f'"{name}": {value if _is_json_object(value) else _quoted(value)}'


def _is_json_object(value: str) -> bool:
    return value.startswith(("{", "["))


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


# kind of input → key of the configuration, how its file spells an entry, a value for show
INPUT_PLACES: Mapping[str, tuple[str, Callable[[str, str], str], str]] = {
    "variable": ("variables", _json_entry, "the value"),
    "connection": ("connections", _json_entry, "http://user:password@host/"),
    "env": ("env", "{}={}".format, "value"),
}


def fix_package(hit: Hit) -> str:
    extra = EXTRA_OF.get(hit.root, "") if is_inside_airflow(hit) else ""
    if extra and hit.scene.side is Side.BRIDGE:
        line = f"apache-airflow[{extra}]=={hit.scene.observation.airflow}"
        return (
            f"Add {line} to requirements.txt (on the target it becomes the provider), or run with "
            "--assume-missing."
        )
    pins = (
        hit.scene.pair.bridge_pins if hit.scene.side is Side.BRIDGE else hit.scene.pair.target_pins
    )
    distribution = distribution_for(hit.module, pins)
    if not distribution and is_inside_airflow(hit):
        return (
            f"Airflow's own module wants {hit.module}: add the extra of apache-airflow, the "
            "provider or the distribution that brings it to requirements.txt."
        )
    if not distribution:
        return (
            f"Add the distribution that has the module {hit.module} to requirements.txt, or "
            "under `requirements` of the configuration when it is a company package."
        )
    pin = pins[distribution]
    return f"Add {distribution}=={pin} to requirements.txt ({pin} is the constraints' version)."


def fix_provider(hit: Hit) -> str:
    provider = provider_for(hit.module, hit.scene.pair.target_pins)
    return f"Add {provider}=={hit.scene.pair.target_pins[provider]} to requirements.txt."


def fix_module(hit: Hit) -> str:
    dags = PurePosixPath(hit.scene.pair.repo.dags)
    below = hit.module.removeprefix(f"{dags.name}.")
    if below != hit.module:
        return (
            f"Import it as {below}: the DAG folder itself is on sys.path, not the one that holds "
            f'it. Where the servers of 1.10 had that one too, add paths = ["{dags.parent}"] to the '
            "configuration to see the rest; MWAA lets nobody set PYTHONPATH."
        )
    folders = repository_folders(hit.root, hit.scene.pair.repo.files)
    places = listed(folder or "the repository's root" for folder in folders)
    return (
        f"It lies in {places}. Move it below "
        f'{hit.scene.pair.repo.dags}, or add paths = ["{folders[0] or "."}"] to the configuration '
        "and ship that folder inside plugins.zip."
    )


def fix_standard(hit: Hit) -> str:
    full = f"{hit.module}.{hit.name}" if hit.name else hit.module
    successor = SUCCESSORS.get(full) or SUCCESSORS.get(hit.root, "")
    return f"Use {successor} instead." if successor else ""


def fix_python_2(hit: Hit) -> str:
    name = hit.name or hit.module
    known = {**PYTHON_2_MODULES, **PYTHON_2_NAMES}.get(name, "")
    return f"Use {known} instead." if known else ""


def fix_egress(hit: Hit) -> str:
    return network_fix(hit.scene.seen.egress, hit.scene.pair.config)


def fix_aws(hit: Hit) -> str:
    return aws_fix(hit.scene.pair.config, hit.scene.error.message)
