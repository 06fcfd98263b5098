"""What the tests of this room share: rows of the table with constraints of a few pins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.model import Constraints, Repo, Target
from harness.requirements.sources import Tree
from harness.targets import get_target, parse_pins

PINS = """\
apache-airflow-providers-amazon==9.8.0
apache-airflow-providers-atlassian-jira==3.0.0
apache-airflow-providers-google==15.1.0
apache-airflow-providers-http==5.3.0
apache-airflow-providers-slack==9.1.0
apache-airflow-providers-sftp==5.3.0
boto3==1.37.3
pandas==2.1.4
requests==2.32.3
"""


def constraints(text: str = PINS, origin: str = "official") -> Constraints:
    return Constraints(origin=origin, location="somewhere", text=text, pins=parse_pins(text))


def target(airflow: str = "2.11.0", **fields: object) -> Target:
    return replace(get_target(airflow), **fields)  # type: ignore[arg-type]


def tree(files: dict[str, str] | None = None, path: str = "requirements.txt") -> Tree:
    texts = files or {}
    folders = {str(parent) for name in texts for parent in Path(name).parents}
    return Tree(path=path, read=texts.get, has=lambda name: name in texts or name in folders)


def repo_on_disk(root: Path, files: dict[str, str]) -> Repo:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return Repo(
        root=root,
        dags="dags",
        plugins="plugins",
        requirements="requirements.txt",
        startup=None,
        airflow_cfg=None,
        files=tuple(sorted(files)),
        dag_files=(),
    )
