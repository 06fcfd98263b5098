"""A package index on disk with a stand-in for Airflow, so that real environments cost a second."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

AIRFLOW = """\
import os, pathlib, sys
if sys.argv[1:] == ["version"]:
    print("2.11.0")
elif sys.argv[1:] == ["db", "migrate"]:
    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    pathlib.Path(url[len("sqlite:///"):]).write_text("migrated")
else:
    sys.exit("unknown command: " + repr(sys.argv))
"""


class Index:
    """A folder of wheels made on the spot."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def add(
        self,
        name: str,
        version: str = "1.0",
        *,
        requires: Sequence[str] = (),
        source: str = "",
        script: str = "",
    ) -> None:
        """A wheel with one module of the same name, and with a script when ``script`` is given."""
        stem = f"{name.replace('-', '_')}-{version}"
        info = f"{stem}.dist-info"
        metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
        metadata += [f"Requires-Dist: {row}" for row in requires]
        files = {
            f"{name.replace('-', '_')}.py": source,
            f"{info}/METADATA": "\n".join(metadata) + "\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        if script:
            files[f"{stem}.data/scripts/airflow"] = f"#!python\n{script}"
        files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
        with zipfile.ZipFile(self.folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            for path, text in files.items():
                wheel.writestr(path, text)

    def use(self, monkeypatch: pytest.MonkeyPatch, *, uv_cache: Path) -> None:
        """Let uv ask this index and no other."""
        monkeypatch.setenv("UV_FIND_LINKS", str(self.folder))
        monkeypatch.setenv("UV_OFFLINE", "1")
        monkeypatch.setenv("UV_CACHE_DIR", str(uv_cache))


def make_index(folder: Path) -> Index:
    """An index that holds an Airflow 2.11.0 of ours and what every environment has."""
    index = Index(folder)
    index.add("apache-airflow", "2.11.0", script=AIRFLOW)
    index.add("setuptools", "80.0")
    return index
